//! The read-only port: what would write is refused, replicas share the rest.

use super::server::SET_READ_ONLY;
use super::*;
use std::time::Duration;

use crate::config::{Fallback, Live};
use crate::terms::{Port, Role, StatementKind};

fn login() -> Login {
    Login { port: Port::Replica, ..Login::default() }
}

/// A world with just one replica, so that the choice is known.
fn world(settings: Settings) -> World {
    let world = World::with(settings);
    world.down("db-2");
    world
}

#[test]
fn what_would_write_never_reaches_a_server() {
    play(async {
        for chunk in [1, usize::MAX] {
            let world = world(Settings { chunk, ..Settings::default() });
            let (db0, db1) = (world.server("db-0"), world.server("db-1"));
            let mut client = world.login(&login()).await;
            for sql in ["insert into t values (1)", "select 1; delete from t", "set global read_only = 0"] {
                client.query(sql);
                let text = client.expect_err(1290, "HY000").await;
                assert!(text.contains("--read-only"), "{text}");
                client.send(command(0x16, sql));
                client.expect_err(1290, "HY000").await;
            }
            client.send(command(0x05, "newdb"));
            client.expect_err(1290, "HY000").await;
            db0.expect_nobody().await;
            db1.expect_nobody().await;
        }
    });
}

#[test]
fn reads_go_to_a_replica_in_a_read_only_session() {
    play(async {
        let world = world(Settings::default());
        let db1 = world.server("db-1");
        let mut client = world.login(&login()).await;
        let mut db = client.reads_first_on_read_only(&db1, "select a from t").await;
        // What writes all the same is found out by the server: its answer is what a read-only server says.
        client.query("select a from t for update");
        db.expect_query("select a from t for update").await;
        db.reply(&[err(1792, "25006", "Cannot execute statement in a READ ONLY transaction.")]);
        let text = client.expect_err(1290, "HY000").await;
        assert!(text.contains("--read-only"), "{text}");
        let placed = &world.context.metrics.placed;
        let counts = [StatementKind::Read, StatementKind::Write]
            .map(|kind| placed.from(Port::Replica, kind, Role::Replica));
        assert_eq!(
            (counts, Port::ALL.iter().map(|&port| placed.all_from(port)).collect::<Vec<_>>()),
            ([1, 1], vec![0, 2, 0])
        );
    });
}

#[test]
fn a_connection_that_breaks_while_it_is_opened_is_opened_again() {
    play(async {
        for fallback in [Fallback::Primary, Fallback::None] {
            let change: fn(&mut Live) = match fallback {
                Fallback::Primary => |_| {},
                Fallback::None => |live| live.replicas.fallback = Fallback::None,
            };
            let world = world(Settings { change, ..Settings::default() });
            let (db0, db1) = (world.server("db-0"), world.server("db-1"));
            let mut client = world.login(&login()).await;
            client.query("select a from t");
            // The replica, and who stands in for it.
            drop(db1.accept_raw().await);
            if fallback == Fallback::Primary {
                drop(db0.accept_raw().await);
            }
            let mut db = db1.accept().await;
            db.expect_read_only_set("").await;
            db.answer_one("select a from t").await;
            client.expect(&one()).await;
        }
    });
}

#[test]
fn servers_that_cannot_be_reached_are_tried_for_as_long_as_a_primary() {
    play(async {
        let world = world(Settings {
            change: |live| live.failover.hold = Duration::from_millis(100),
            ..Settings::default()
        });
        let (db0, db1) = (world.server("db-0"), world.server("db-1"));
        let mut client = world.login(&login()).await;
        client.query("select a from t");
        let refusing = async {
            loop {
                drop(db1.accept_forever().await);
                drop(db0.accept_forever().await);
            }
        };
        tokio::select! {
            () = refusing => {}
            text = client.expect_err(1105, "08S01") => assert!(text.contains("(failover.hold)"), "{text}"),
        }
    });
}

#[test]
fn no_server_is_told_to_permit_several_statements() {
    play(async {
        let world = world(Settings::default());
        let db1 = world.server("db-1");
        let mut client = world.login(&login()).await;
        let mut db = client.reads_first_on_read_only(&db1, "select a from t").await;
        // The client permits itself several statements, and the proxy answers.
        client.send(vec![0x1b, 0, 0]);
        assert_eq!(client.peer.packet().await.1.first(), Some(&0xfe));
        // What makes ROW_COUNT() -1 on the connection leaves it as it logged in.
        client.query("select row_count(), 1");
        assert_eq!(db.peer.next_payload().await, [0x1b, 1, 0]);
    });
}

#[test]
fn a_read_that_a_member_without_its_group_refuses_runs_elsewhere() {
    play(async {
        let world = world(Settings::default());
        let (db0, db1) = (world.server("db-0"), world.server("db-1"));
        let mut client = world.login(&login()).await;
        client.query("select a from t");
        let mut db = db1.accept().await;
        db.expect_read_only_set("").await;
        db.expect_query("select a from t").await;
        db.reply(&[err(1047, "08S01", "WSREP has not yet prepared node for application use")]);
        // The only other one.
        let mut db = db0.accept().await;
        db.expect_read_only_set("").await;
        db.answer_one("select a from t").await;
        client.expect(&one()).await;
        assert!(world.outside.kicks.borrow().contains(&world.id("db-1")), "a probe will see it");
        // Any other 1047 is the server's word.
        client.query("select b from t");
        db.expect_query("select b from t").await;
        db.reply(&[err(1047, "08S01", "Unknown command")]);
        client.expect_err(1047, "08S01").await;
    });
}

#[test]
fn a_transaction_on_a_member_without_its_group_is_over() {
    play(async {
        let world = world(Settings::default());
        let db1 = world.server("db-1");
        let mut client = world.login(&login()).await;
        client.query("start transaction read only");
        let mut db = db1.accept().await;
        db.expect_read_only_set("").await;
        db.expect_query("start transaction read only").await;
        db.reply(&[ok_with(IN_TRANS)]);
        client.expect(&[ok_with(IN_TRANS)]).await;
        client.query("select a from t");
        db.expect_query("select a from t").await;
        db.reply(&[err(1047, "08S01", "WSREP has not yet prepared node for application use")]);
        // Also its place in the sequence is right.
        client.expect_err(1213, "40001").await;
        client.pings_behind_an_error().await;
    });
}

#[test]
fn without_replicas_the_primary_stands_in_or_not() {
    play(async {
        let world = world(Settings::default());
        world.down("db-1");
        let db0 = world.server("db-0");
        let mut client = world.login(&login()).await;
        client.query("select a from t");
        let mut db = db0.accept().await;
        db.expect_query(SET_READ_ONLY).await;
        let nowhere = |live: &mut crate::config::Live| live.replicas.fallback = Fallback::None;
        let world = super::replica_port::world(Settings { change: nowhere, ..Settings::default() });
        world.down("db-1");
        let mut client = world.login(&login()).await;
        client.query("select a from t");
        client.expect_err(1105, "HY000").await;
    });
}

#[test]
fn any_statement_without_an_answer_runs_on_another_replica() {
    play(async {
        let world = World::new();
        let servers = [world.server("db-1"), world.server("db-2")];
        let mut client = world.login(&login()).await;
        client.query("select load_file(a) from t");
        let (first, mut db) = tokio::select! {
            db = servers[0].accept() => (0, db),
            db = servers[1].accept() => (1, db),
        };
        db.expect_read_only_set("").await;
        db.expect_query("select load_file(a) from t").await;
        db.die();
        world.down(["db-1", "db-2"][first]);
        let mut db = servers[1 - first].accept().await;
        db.expect_read_only_set("").await;
        db.answer_one("select load_file(a) from t").await;
        client.expect(&one()).await;
    });
}

#[test]
fn a_replica_that_refuses_connections_is_passed_over() {
    play(async {
        let world = World::new();
        // Nobody listens at db-1, which no probe has noticed yet.
        let db2 = world.server("db-2");
        for _ in 0..8 {
            let mut client = world.login(&login()).await;
            let db = client.reads_first_on_read_only(&db2, "select 1").await;
            drop(db);
        }
        assert!(world.outside.kicks.borrow().contains(&world.id("db-1")));
    });
}

#[test]
fn a_transaction_on_a_replica_that_lost_its_role_ends_there_and_the_next_goes_elsewhere() {
    play(async {
        let world = world(Settings::default());
        let (db1, db2) = (world.server("db-1"), world.server("db-2"));
        let mut client = world.login(&login()).await;
        client.query("start transaction");
        let mut db = db1.accept().await;
        db.expect_read_only_set("").await;
        for (sql, status) in [("start transaction", IN_TRANS), ("select 1", IN_TRANS), ("commit", AUTOCOMMIT)]
        {
            if sql != "start transaction" {
                client.query(sql);
            }
            db.expect_query(sql).await;
            db.reply(&[ok_with(status)]);
            client.expect(&[ok_with(status)]).await;
            if sql == "start transaction" {
                world.replica("db-2");
                world.replica_behind("db-1", std::time::Duration::from_secs(3600));
            }
        }
        let _other = client.reads_first_on_read_only(&db2, "select 2").await;
        // The old one waits for the replica to be one again, for whoever comes then.
        db.peer.expect_silence().await;
        client.quit();
        world.expect_nothing_left(2).await;
    });
}

#[test]
fn a_replica_session_survives_a_promotion_elsewhere() {
    play(async {
        let world = World::new();
        world.down("db-1");
        let db2 = world.server("db-2");
        let mut client = world.login(&login()).await;
        let mut db = client.reads_first_on_read_only(&db2, "select 1").await;
        world.down("db-0");
        world.primary("db-1");
        client.query("select 2");
        db.expect_query("select 2").await;
        db2.expect_nobody().await;
    });
}

#[test]
fn a_session_that_leaves_its_read_only_mode_loses_the_connection() {
    play(async {
        let world = world(Settings::default());
        let db1 = world.server("db-1");
        let mut client = world.login(&login()).await;
        // As a procedure could do it, which the guard cannot see.
        client.query("select a from t");
        let mut db = db1.accept().await;
        db.expect_read_only_set("").await;
        db.expect_query("select a from t").await;
        db.reply(&[ok_state(MODERN, AUTOCOMMIT, &variable("transaction_read_only", "OFF"))]);
        client.peer.packet().await;
        db.peer.expect_end().await;
        client.query("select 1");
        db1.accept().await.expect_read_only_set("").await;
    });
}

#[test]
fn a_transaction_begun_in_a_text_that_breaks_off_is_not_open() {
    play(async {
        let world = world(Settings { chunk: 1, ..Settings::default() });
        let db1 = world.server("db-1");
        let mut client = world.login(&login()).await;
        client.query("begin; select a from t");
        let mut db = db1.accept().await;
        db.expect_read_only_set("").await;
        db.expect_query("begin").await;
        db.reply(&[ok_with(IN_TRANS)]);
        client.expect(&[ok_with(IN_TRANS | MORE)]).await;
        db.expect_query(" select a from t").await;
        db.die();
        client.peer.packet().await;
        client.pings_behind_an_error().await;
    });
}

#[test]
fn a_killed_rollback_leaves_nothing_open() {
    play(async {
        let world = world(Settings::default());
        let db1 = world.server("db-1");
        let mut client = world.login(&login()).await;
        client.query("begin");
        let mut db = db1.accept().await;
        db.expect_read_only_set("").await;
        db.expect_query("begin").await;
        db.reply(&[ok_with(IN_TRANS)]);
        client.expect(&[ok_with(IN_TRANS)]).await;
        client.query("rollback");
        db.expect_query("rollback").await;
        let killed = err(1927, "70100", "Connection was killed");
        db.reply(std::slice::from_ref(&killed));
        db.die();
        client.expect(&[killed]).await;
        let _db = client.reads_first_on_read_only(&db1, "select a from t").await;
    });
}

#[test]
fn each_statement_of_a_text_goes_alone_and_the_answers_go_on_counting() {
    play(async {
        let world = world(Settings { chunk: 1, ..Settings::default() });
        let db1 = world.server("db-1");
        let mut client = world.login(&login()).await;
        client.query("do 1; do 2 ; select a from t;");
        let mut db = db1.accept().await;
        db.expect_read_only_set("").await;
        for (seq, text) in [(1, "do 1"), (2, " do 2 ")] {
            db.expect_query(text).await;
            db.reply(&[ok()]);
            client.peer.expect_bytes(&frames(seq, &[ok_with(MORE | AUTOCOMMIT)])).await;
        }
        db.answer_one(" select a from t").await;
        client.peer.expect_bytes(&frames(3, &one())).await;
        // An error ends the text.
        client.query("do 1; do 2; do 3");
        db.expect_query("do 1").await;
        db.reply(&[ok()]);
        db.expect_query(" do 2").await;
        db.reply(&[err(1064, "42000", "no")]);
        client.expect(&[ok_with(MORE | AUTOCOMMIT), err(1064, "42000", "no")]).await;
        client.query("do 4");
        db.expect_query("do 4").await;
        db.reply(&[ok()]);
        client.expect_ok().await;
    });
}

#[test]
fn a_statement_that_lifts_the_second_lock_ends_its_connection_before_the_next_one() {
    play(async {
        let world = world(Settings::default());
        let db1 = world.server("db-1");
        let mut client = world.login(&login()).await;
        client.query("do 1; do 2");
        let mut db = db1.accept().await;
        db.expect_read_only_set("").await;
        db.expect_query("do 1").await;
        db.reply(&[ok_state(db.style(), AUTOCOMMIT, &variable("tx_read_only", "OFF"))]);
        let mut other = db1.accept().await;
        other.expect_read_only_set("").await;
        other.expect_query(" do 2").await;
        other.reply(&[ok()]);
        client.expect(&[ok_state(MODERN, MORE | AUTOCOMMIT, &[]), ok()]).await;
    });
}

#[test]
fn a_session_switches_several_statements_off_and_on_without_its_servers() {
    play(async {
        let world = world(Settings::default());
        let db1 = world.server("db-1");
        let mut client = world.login(&login()).await;
        client.send(vec![0x1b, 1, 0]);
        client.expect(&[end(MODERN, AUTOCOMMIT)]).await;
        client.query("do 1; do 2");
        let mut db = db1.accept().await;
        db.expect_read_only_set("").await;
        db.expect_query("do 1; do 2").await;
        db.reply(&[err(1064, "42000", "no")]);
        client.expect_err(1064, "42000").await;
        client.send(vec![0x1b, 2, 0]);
        client.expect_err(1047, "08S01").await;
    });
}
