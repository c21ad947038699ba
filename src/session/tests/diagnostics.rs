//! Where questions about the diagnostics of a session go.

use super::split::{READ, WRITE, login, loose, world};
use super::*;
use crate::config::Level;

#[test]
fn warnings_are_asked_where_the_last_statement_ran() {
    play(async {
        let mut s = loose().await;
        s.reads("show warnings").await;
        s.runs(WRITE, AUTOCOMMIT, &[]).await;
        s.reads_on_primary("show warnings").await;
        s.reads_on_primary("select row_count()").await;
        s.reads(READ).await;
        s.reads("select found_rows()").await;
    });
}

/// MariaDB: a COMMIT leaves the error of a statement before it, which is not the last one's any more if
/// that ran elsewhere.
#[test]
fn an_older_error_on_a_connection_does_not_come_back() {
    play(async {
        for read_between in [true, false] {
            let settings = super::connection_phase::settings(crate::topology::Flavor::MariaDb, usize::MAX);
            let world = world(Settings { level: Level::Eventual, ..settings });
            let (primary, replica) = (world.server("db-0"), world.server("db-1"));
            let mut client = world.login(&login()).await;
            let duplicate = [err(1062, "23000", "Duplicate entry '1' for key 'PRIMARY'")];
            client.query(WRITE);
            let mut db0 = primary.accept().await;
            db0.expect_role().await;
            db0.peer.packet().await;
            db0.reply_ok();
            db0.expect_query(WRITE).await;
            db0.reply(&duplicate);
            client.expect(&duplicate).await;
            // Without a table, this leaves the error there, too.
            client.reads_on(&mut db0, "select 1").await;
            if read_between {
                // It clears the error, and the next one is on the replica.
                client.reads_on(&mut db0, READ).await;
                client.query(READ);
                let mut db1 = replica.accept().await;
                db1.expect_role().await;
                db1.peer.packet().await;
                db1.reply_ok();
                db1.answer_one(READ).await;
                client.expect(&one()).await;
            }
            client.runs_on(&mut db0, "commit").await;
            client.query("show warnings");
            if read_between {
                db0.answer_ok("DO (SELECT 1 FROM (SELECT 1) t)").await;
            }
            db0.answer_one("show warnings").await;
            client.expect(&one()).await;
        }
    });
}
