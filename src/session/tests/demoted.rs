//! A primary that loses its role and lives: what is under way there is ended, and what it acknowledges late is only
//! passed on if the next primary has it.

use std::time::Duration;

use super::commands::attached;
use super::*;
use crate::terms::Disruption;

const WRITE: &str = "insert into t values (1)";
/// `uuid_of("db-0")`
const A: &str = "00000000-0000-0000-0000-000000000000";
const BOUND: &str = "GRANT ALL PRIVILEGES ON `shop`.* TO `app`@`%`";
const PASSING: &str = "GRANT CONNECTION_ADMIN ON *.* TO `app`@`%`";

fn to(number: u64) -> String {
    format!("{A}:1-{number}")
}

fn written(number: u64) -> Vec<u8> {
    ok_state(MODERN, AUTOCOMMIT, &gtids(&format!("{A}:{number}")))
}

fn interrupted() -> Vec<u8> {
    err(1317, "70100", "Query execution was interrupted")
}

fn in_doubt() -> (u16, &'static str) {
    (1105, "08007")
}

/// All servers have the transactions up to 5.
fn world() -> World {
    let world = World::new();
    for name in ["db-0", "db-1", "db-2"] {
        world.gets_to(name, &to(5));
    }
    world.primary("db-0");
    world.replica("db-1");
    world.replica("db-2");
    world
}

/// The proxy asks for the account's grants, on a connection of that account.
async fn asks_grants(db0: &Server, grant: &str) -> Db {
    let mut killer = db0.accept().await;
    killer.expect_query("SHOW GRANTS").await;
    killer.reply(&result_set(MODERN, &["Grants"], &[row(&[grant])], AUTOCOMMIT));
    killer
}

/// Then it ends what is under way on this connection.
pub async fn kills(db0: &Server, grant: &str, db: &Db) {
    let mut killer = asks_grants(db0, grant).await;
    killer.answer_ok(&format!("KILL QUERY {}", db.thread_id)).await;
    killer.expect([1]).await;
}

#[test]
fn what_was_ended_runs_on_the_next_primary() {
    play(async {
        for grant in [BOUND, PASSING] {
            let world = world();
            let (mut client, db0, mut db) = attached(&world, &Login::default()).await;
            client.query(WRITE);
            db.expect_query(WRITE).await;
            world.read_only("db-0");
            kills(&db0, grant, &db).await;
            db.reply(&[interrupted()]);
            client.peer.expect_silence().await;
            let db1 = world.server("db-1");
            world.primary("db-1");
            let mut next = db1.accept().await;
            next.expect_set("").await;
            if grant == PASSING {
                // Perhaps it had begun: nothing of it may be left in a table without rollback.
                super::replay::engines(&mut next).await;
            }
            next.answer_ok(WRITE).await;
            client.expect_ok().await;
            assert_eq!(world.disrupted(Disruption::OutcomeUnknown), 0);
        }
    });
}

#[test]
fn what_comes_late_is_acknowledged_if_the_next_primary_has_it() {
    play(async {
        for (gtid, has, told) in [(6, 6, true), (6, 5, false), (2, 6, false)] {
            let world = world();
            tokio::time::sleep(Duration::from_secs(2)).await;
            let (mut client, db0, mut db) = attached(&world, &Login::default()).await;
            client.query(WRITE);
            db.expect_query(WRITE).await;
            world.read_only("db-0");
            kills(&db0, BOUND, &db).await;
            // A number that was there before: the binary log was emptied, and counts anew.
            db.reply(&[written(gtid)]);
            if gtid == 6 {
                client.peer.expect_silence().await;
            }
            world.gets_to("db-1", &to(has));
            world.primary("db-1");
            if told {
                client.peer.packet().await;
            } else {
                let (code, sqlstate) = in_doubt();
                client.expect_err(code, sqlstate).await;
            }
            assert_eq!(world.disrupted(Disruption::OutcomeUnknown), u64::from(!told));
        }
    });
}

#[test]
fn who_stays_the_primary_has_what_it_acknowledged() {
    play(async {
        let world = world();
        tokio::time::sleep(Duration::from_secs(2)).await;
        let (mut client, db0, mut db) = attached(&world, &Login::default()).await;
        client.query(WRITE);
        db.expect_query(WRITE).await;
        world.read_only("db-0");
        kills(&db0, BOUND, &db).await;
        db.reply(&[written(6)]);
        client.peer.expect_silence().await;
        world.primary("db-0");
        client.peer.packet().await;
    });
}

#[test]
fn what_runs_in_steps_may_have_done_a_part() {
    play(async {
        for (sql, answer) in [
            ("call p()", interrupted()),
            ("call p()", written(6)),
            ("create table u (a int)", interrupted()),
            ("create table u (a int)", written(7)),
        ] {
            let world = world();
            tokio::time::sleep(Duration::from_secs(2)).await;
            let (mut client, db0, mut db) = attached(&world, &Login::default()).await;
            client.query(sql);
            db.expect_query(sql).await;
            world.read_only("db-0");
            kills(&db0, BOUND, &db).await;
            db.reply(&[answer]);
            world.gets_to("db-1", &to(6));
            world.primary("db-1");
            let (code, sqlstate) = in_doubt();
            client.expect_err(code, sqlstate).await;
        }
    });
}

#[test]
fn a_commit_that_the_read_only_server_would_take_is_not_sent_there() {
    play(async {
        let world = world();
        let (mut client, db0, mut db) = attached(&world, &Login::default()).await;
        for sql in ["begin", WRITE] {
            client.hears_from(&mut db, sql, &[ok_with(IN_TRANS)]).await;
        }
        world.read_only("db-0");
        let mut killer = asks_grants(&db0, PASSING).await;
        killer.expect([1]).await;
        client.query("commit");
        db.peer.expect_end().await;
        let db1 = world.server("db-1");
        world.primary("db-1");
        let mut next = db1.accept().await;
        next.expect_set("").await;
        super::replay::engines(&mut next).await;
        for sql in ["begin", WRITE] {
            next.expect_query(sql).await;
            next.reply(&[ok_with(IN_TRANS)]);
        }
        next.answer_ok("commit").await;
        client.expect_ok().await;
    });
}

#[test]
fn a_client_that_kills_its_statement_hears_that() {
    play(async {
        let world = world();
        let (mut victim, db0, mut db) = attached(&world, &Login::default()).await;
        victim.query(WRITE);
        db.expect_query(WRITE).await;
        world.read_only("db-0");
        kills(&db0, BOUND, &db).await;
        let mut client = world.client().await;
        client.query(&format!("kill query {}", victim.greeting.connection_id));
        let mut killer = db0.accept().await;
        killer.answer_ok(&format!("KILL QUERY {}", db.thread_id)).await;
        client.expect_ok().await;
        db.reply(&[interrupted()]);
        victim.expect(&[interrupted()]).await;
    });
}

#[test]
fn reads_on_a_former_primary_go_on() {
    play(async {
        let world = world();
        let (mut client, db0, mut db) = attached(&world, &Login::default()).await;
        let sql = "select a from t";
        client.query(sql);
        db.expect_query(sql).await;
        world.read_only("db-0");
        let mut killer = asks_grants(&db0, BOUND).await;
        killer.expect([1]).await;
        world.primary("db-1");
        db.reply(&one());
        client.expect(&one()).await;
    });
}
