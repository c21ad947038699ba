//! What becomes of a statement whose server connection breaks: never a write twice,
//! never an answer that is not the server's.

use super::commands::attached;
use super::*;
use crate::config::Replay;
use crate::terms::{Close, Disruption};

const WRITE: &str = "insert into t values (1)";

#[test]
fn a_write_without_an_answer_is_sent_once_and_its_outcome_unknown() {
    play(async {
        for write in [WRITE, "commit", "call p()", "select f(1)", "update t set a = a + 1"] {
            let world = World::new();
            let (mut client, db0, mut db) = attached(&world, &Login::default()).await;
            let db1 = world.server("db-1");
            client.query(write);
            db.expect_query(write).await;
            db.die();
            // What an unknown routine left behind is gone: to go on would be to go on without it.
            let holds = ["call p()", "select f(1)"].contains(&write);
            client.expect_err(1105, "08007").await;
            db0.expect_nobody().await;
            db1.expect_nobody().await;
            assert_eq!(*world.outside.kicks.borrow(), [world.id("db-0")]);
            assert_eq!(world.disrupted(Disruption::OutcomeUnknown), 1, "{write}");
            if holds {
                client.peer.expect_end().await;
                continue;
            }
            client.query("select 1");
            let mut db = db0.accept().await;
            db.expect_set("").await;
            db.expect_query("select 1").await;
        }
    });
}

#[test]
fn a_commit_without_an_answer_is_unknown_and_other_statements_roll_back() {
    play(async {
        for (sql, code, sqlstate) in
            [("commit", 1105, "08007"), (WRITE, 1213, "40001"), ("select 1", 1213, "40001")]
        {
            let world = World::new();
            let (mut client, _, mut db) = attached(&world, &Login::default()).await;
            begin(&mut client, &mut db).await;
            client.query(sql);
            db.expect_query(sql).await;
            db.die();
            client.expect_err(code, sqlstate).await;
            client.pings_behind_an_error().await;
        }
    });
}

#[test]
fn what_was_never_sent_goes_to_another_connection() {
    play(async {
        let world = World::new();
        let (mut client, db0, db) = attached(&world, &Login::default()).await;
        db.die();
        let _db = client.runs_first_on(&db0, WRITE).await;
    });
}

#[test]
fn a_read_without_an_answer_runs_on_another_server() {
    play(async {
        for chunk in [1, usize::MAX] {
            let world = World::with(Settings { chunk, ..Settings::default() });
            let (mut client, _, mut db) = attached(&world, &Login::default()).await;
            let db1 = world.server("db-1");
            client.query("select a from t");
            db.expect_query("select a from t").await;
            db.die();
            world.down("db-0");
            client.peer.expect_silence().await;
            world.primary("db-1");
            let mut db = db1.accept().await;
            db.expect_set("").await;
            db.answer_one("select a from t").await;
            client.expect(&one()).await;
            assert_eq!(world.disrupted(Disruption::Retried), 1);
            assert_eq!(world.disrupted_by_digest("SELECT `a` FROM `t`", Disruption::Retried), 1);
        }
    });
}

#[test]
fn a_read_that_two_servers_were_lost_with_goes_to_no_third_one() {
    play(async {
        let world = World::new();
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        let (db1, db2) = (world.server("db-1"), world.server("db-2"));
        client.query("select a from t");
        db.expect_query("select a from t").await;
        db.die();
        world.down("db-0");
        world.primary("db-1");
        let mut db = db1.accept().await;
        db.expect_set("").await;
        db.expect_query("select a from t").await;
        db.die();
        world.down("db-1");
        world.primary("db-2");
        let text = client.expect_err(1105, "08S01").await;
        assert!(text.contains("two servers were lost"), "{text}");
        db2.expect_nobody().await;
        let _db = client.reads_first_on(&db2, "select b from t").await;
    });
}

#[test]
fn a_read_goes_on_where_two_servers_were_only_silent() {
    play(async {
        let world = World::new();
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        let (db1, db2) = (world.server("db-1"), world.server("db-2"));
        client.query("select a from t");
        db.expect_query("select a from t").await;
        world.down("db-0");
        world.primary("db-1");
        let mut db = db1.accept().await;
        db.expect_set("").await;
        db.expect_query("select a from t").await;
        world.down("db-1");
        world.primary("db-2");
        let mut db = db2.accept().await;
        db.expect_set("").await;
        db.answer_one("select a from t").await;
        client.expect(&one()).await;
    });
}

#[test]
fn a_read_finds_the_third_of_three_connections_that_died_on_one_server() {
    play(async {
        let world = World::new();
        let (mut client, db0, mut db) = attached(&world, &Login::default()).await;
        client.query("select a from t");
        for _ in 0..3 {
            db.expect_query("select a from t").await;
            db.die();
            db = db0.accept().await;
            db.expect_set("").await;
        }
        db.answer_one("select a from t").await;
        client.expect(&one()).await;
    });
}

#[test]
fn a_read_outlives_what_sessions_left_on_a_server_that_died() {
    const LEFT: usize = 6;
    play(async {
        let world = World::new();
        let (db0, db1) = (world.server("db-0"), world.server("db-1"));
        let mut before = Vec::new();
        for _ in 0..LEFT {
            let mut client = world.client().await;
            let db = client.runs_first_on(&db0, "do 1").await;
            before.push((client, db));
        }
        let mut left = Vec::new();
        for (client, db) in before {
            client.quit();
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            left.push(db);
        }
        let mut client = world.client().await;
        client.query("select a from t");
        // None of them is known to be dead before it has taken the statement.
        for mut db in left.into_iter().rev() {
            db.expect_query("select a from t").await;
            db.die();
        }
        world.down("db-0");
        world.primary("db-1");
        let mut db = db1.accept().await;
        db.expect_set("").await;
        db.answer_one("select a from t").await;
        client.expect(&one()).await;
    });
}

#[test]
fn an_answer_that_breaks_off_ends_in_an_error_in_place_of_the_next_row() {
    play(async {
        let client_styles = super::connection_phase::styles();
        for style in client_styles {
            let world = World::new();
            let db0 = world.server("db-0");
            let capabilities = super::connection_phase::wanted(crate::topology::Flavor::MySql, style);
            let mut client = world.login(&Login { capabilities, ..Login::default() }).await;
            client.query("select a from t");
            let mut db = db0.accept().await;
            db.expect_set("").await;
            db.expect_query("select a from t").await;
            // Without DEPRECATE_EOF, the rows wait for their end, whose flags stand in front of them.
            let begun = |style: Style| match style.deprecate_eof {
                true => head_and_rows(style, &["a"], &[row(&["1"]), row(&["2"])]),
                false => vec![vec![1], column("a")],
            };
            // Two bytes of the next header came, too.
            db.peer.say(&[frames(1, &begun(MODERN)), vec![9, 0]].concat());
            client.expect(&begun(style)).await;
            db.die();
            let seq = u8::try_from(begun(style).len()).unwrap() + 1;
            client.expect_err_at(seq, 1105, "08S01").await;
            assert_eq!(world.disrupted(Disruption::AnswerCut), 1);
            client.query("select 1");
            let mut db = db0.accept().await;
            db.expect_set("").await;
            db.expect_query("select 1").await;
        }
    });
}

#[test]
fn an_answer_that_breaks_off_within_a_row_ends_the_connection() {
    play(async {
        let world = World::new();
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        client.query("select a from t");
        db.expect_query("select a from t").await;
        // Shorter ones wait for their end.
        let begun =
            frames(1, &head_and_rows(MODERN, &["a"], &[row(&["a long value".repeat(2000).as_str()])]));
        let begun = &begun[..begun.len() - 3];
        db.peer.say(begun);
        client.peer.expect_bytes(begun).await;
        db.die();
        client.peer.expect_end().await;
        assert_eq!(world.closed(Close::ServerLost), 1);
        world.expect_nothing_left(0).await;
    });
}

#[test]
fn an_answer_that_breaks_off_within_a_short_row_ends_with_an_error() {
    play(async {
        let world = World::new();
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        client.query("select a from t");
        db.expect_query("select a from t").await;
        let rows = [row(&["a value"]), row(&["another value"])];
        let said = frames(1, &head_and_rows(MODERN, &["a"], &rows));
        let whole = frames(1, &head_and_rows(MODERN, &["a"], &rows[..1]));
        db.peer.say(&said[..said.len() - 3]);
        client.peer.expect_bytes(&whole).await;
        client.peer.expect_silence().await;
        db.die();
        client.expect_err_at(4, 1105, "08S01").await;
        client.pings_behind_an_error().await;
    });
}

#[test]
fn a_read_whose_first_packet_breaks_off_runs_elsewhere() {
    play(async {
        let world = World::new();
        let (mut client, db0, mut db) = attached(&world, &Login::default()).await;
        client.query("select a from t");
        db.expect_query("select a from t").await;
        let said = frames(1, &one());
        db.peer.say(&said[..3]);
        client.peer.expect_silence().await;
        db.die();
        let mut db = db0.accept().await;
        db.expect_set("").await;
        db.answer_one("select a from t").await;
        client.expect(&one()).await;
    });
}

#[test]
fn the_error_in_place_of_a_first_row_follows_the_eof_that_the_client_waits_for() {
    play(async {
        let world = World::new();
        let db0 = world.server("db-0");
        let style = Style { deprecate_eof: false, session_track: true };
        let capabilities = super::connection_phase::wanted(crate::topology::Flavor::MySql, style);
        let mut client = world.login(&Login { capabilities, ..Login::default() }).await;
        client.query("select a from t");
        let mut db = db0.accept().await;
        db.expect_set("").await;
        db.expect_query("select a from t").await;
        db.reply(&[vec![1], column("a")]);
        client.expect(&[vec![1], column("a")]).await;
        db.die();
        // A client reads ERR in the place of the EOF behind the columns, too.
        client.expect_err_at(3, 1105, "08S01").await;
    });
}

#[test]
fn a_lost_session_that_held_state_is_closed() {
    play(async {
        let world = World::new();
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        client.runs_on(&mut db, "set @x = f()").await;
        client.query("select a from t");
        db.expect_query("select a from t").await;
        db.die();
        client.expect_err(1053, "08S01").await;
        client.peer.expect_end().await;
        world.expect_nothing_left(0).await;
    });
}

#[test]
fn a_server_that_is_down_is_given_up_in_the_middle_of_a_statement() {
    play(async {
        let world = World::new();
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        client.query(WRITE);
        db.expect_query(WRITE).await;
        // Frozen: it says nothing, but the probes gave it up.
        world.down("db-0");
        client.expect_err(1105, "08007").await;
        db.peer.expect_end().await;
    });
}

#[test]
fn a_client_that_leaves_in_the_middle_of_its_statement_takes_the_connection_with_it() {
    play(async {
        let world = World::new();
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        client.query("select sleep(100)");
        db.expect_query("select sleep(100)").await;
        drop(client);
        tokio::task::yield_now().await;
        world.context.handles().iter().for_each(|h| h.signal.raise(crate::worker::Signals::LOOK));
        db.peer.expect_end().await;
        world.expect_nothing_left(0).await;
    });
}

#[test]
fn a_write_is_not_sent_twice_when_its_prelude_is_answered_and_the_server_dies() {
    play(async {
        let world = World::new();
        let db0 = world.server("db-0");
        let mut client = world.client().await;
        client.query(WRITE);
        let mut db = db0.accept().await;
        db.expect_set("").await;
        db.expect_query(WRITE).await;
        db.die();
        client.expect_err(1105, "08007").await;
        db0.expect_nobody().await;
    });
}

#[test]
fn with_autocommit_off_a_lost_server_means_a_lost_transaction() {
    play(async {
        let world = World::new();
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        client.hears_from(&mut db, "set autocommit = 0", &[ok_with(0)]).await;
        client.query("select a from t");
        db.expect_query("select a from t").await;
        db.die();
        client.expect_err(1213, "40001").await;
    });
}

#[test]
fn after_an_error_that_may_have_ended_the_transaction_no_rollback_is_promised() {
    play(async {
        for (failed, code) in
            [("create table u (a int)", 1050), (WRITE, 1020), (WRITE, 1205), ("commit", 3101)]
        {
            let world = World::new();
            let (mut client, _, mut db) = attached(&world, &Login::default()).await;
            begin_and_fail(&mut client, &mut db, failed, code).await;
            client.query(WRITE);
            db.expect_query(WRITE).await;
            db.die();
            client.expect_err(1105, "08007").await;
            assert_eq!(world.disrupted(Disruption::OutcomeUnknown), 1, "{failed} {code}");
        }
    });
}

#[test]
fn a_commit_by_a_statement_that_failed_is_not_called_rolled_back() {
    play(async {
        for told in [false, true] {
            let world = World::new();
            let (mut client, _, mut db) = attached(&world, &Login::default()).await;
            begin_and_fail(&mut client, &mut db, "create table u (a int)", 1050).await;
            if told {
                // The next answer says whether it is open.
                client.runs_on(&mut db, WRITE).await;
            }
            let db1 = world.server("db-1");
            super::failover::switch(&world);
            client.query("select 1");
            if told {
                let mut db = db1.accept().await;
                db.expect_set("").await;
                db.answer_one("select 1").await;
                client.expect(&one()).await;
            } else {
                let text = client.expect_err(1053, "08S01").await;
                assert!(text.contains("may have committed"), "{text}");
                client.peer.expect_end().await;
            }
        }
    });
}

#[test]
fn a_doubt_ends_with_the_next_answer_and_leaves_no_pin() {
    play(async {
        let world = World::new();
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        begin_and_fail(&mut client, &mut db, "create table u (a int)", 1050).await;
        client.query("selct 1");
        db.expect_query("selct 1").await;
        db.reply(&[err(1064, "42000", "no")]);
        client.expect_err(1064, "42000").await;
        client.runs_on(&mut db, "rollback").await;
        let db1 = world.server("db-1");
        super::failover::switch(&world);
        let _db = client.reads_first_on(&db1, "select 1").await;
    });
}

async fn begin_and_fail(client: &mut Client, db: &mut Db, sql: &str, code: u16) {
    begin(client, db).await;
    client.query(sql);
    db.expect_query(sql).await;
    db.reply(&[err(code, "HY000", "no")]);
    client.expect_err(code, "HY000").await;
}

#[test]
fn a_part_of_a_parameter_that_is_lost_is_missed_by_no_statement() {
    play(async {
        for in_transaction in [false, true] {
            let world = World::new();
            let (mut client, _, mut db) = attached(&world, &Login::default()).await;
            client.send(command(0x16, "insert into t values (?)"));
            db.expect(command(0x16, "insert into t values (?)")).await;
            db.reply(&prepared(MODERN, 4, 0..1, &[]));
            client.expect(&prepared(MODERN, 1, 0..1, &[])).await;
            if in_transaction {
                begin(&mut client, &mut db).await;
            }
            client.send(command(0x18, b"\x01\0\0\0\0\0first"));
            db.expect(command(0x18, b"\x04\0\0\0\0\0first")).await;
            let db1 = world.server("db-1");
            world.read_only("db-0");
            world.primary("db-1");
            db.peer.expect_end().await;
            client.send(command(0x18, b"\x01\0\0\0\0\0second"));
            // In the place of an answer to what comes next.
            let text = client.expect_err(1053, "08S01").await;
            assert!(text.contains("sent in advance"), "{text}");
            client.peer.expect_end().await;
            db1.expect_nobody().await;
        }
    });
}

#[test]
fn the_first_part_of_a_parameter_loses_nothing() {
    play(async {
        let world = World::new();
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        client.send(command(0x16, "insert into t values (?)"));
        db.expect(command(0x16, "insert into t values (?)")).await;
        db.reply(&prepared(MODERN, 4, 0..1, &[]));
        client.expect(&prepared(MODERN, 1, 0..1, &[])).await;
        begin(&mut client, &mut db).await;
        let db1 = world.server("db-1");
        world.read_only("db-0");
        world.primary("db-1");
        db.peer.expect_end().await;
        client.send(command(0x18, b"\x01\0\0\0\0\0first"));
        let mut db = db1.accept().await;
        db.expect_set("").await;
        db.expect_query("begin").await;
        db.reply(&[ok_with(IN_TRANS)]);
        db.expect(command(0x16, "insert into t values (?)")).await;
        db.reply(&prepared(MODERN, 7, 0..1, &[]));
        db.expect(command(0x18, b"\x07\0\0\0\0\0first")).await;
        assert_eq!(world.disrupted(Disruption::Replayed), 1);
    });
}

#[test]
fn a_transaction_is_rolled_back_with_every_answer_that_breaks_off() {
    play(async {
        for sql in ["select t.*, @@hostname from t", "show variables", "select a from t for update"] {
            for undone in [false, true] {
                let world = World::new();
                let (mut client, _, mut db) = attached(&world, &Login::default()).await;
                if undone {
                    begin_and_fail(&mut client, &mut db, WRITE, 1205).await;
                } else {
                    begin(&mut client, &mut db).await;
                }
                client.query(sql);
                db.expect_query(sql).await;
                let begun = head_and_rows(MODERN, &["a"], &[row(&["1"])]);
                db.reply(&begun);
                client.expect(&begun).await;
                db.die();
                let seq = u8::try_from(begun.len()).unwrap() + 1;
                if undone && sql.ends_with("update") {
                    // By itself it would have committed by now.
                    client.expect_err_at(seq, 1105, "08007").await;
                } else {
                    client.expect_err_at(seq, 1213, "40001").await;
                }
            }
        }
    });
}

#[test]
fn what_cannot_commit_leaves_no_doubt() {
    play(async {
        for sql in ["set names utf8mb4", "set @a = last_insert_id()", "do get_lock('a', 1)", "savepoint a"] {
            let world = World::with(Settings {
                change: |live| live.failover.replay = Replay::Off,
                ..Settings::default()
            });
            let (mut client, db0, mut db) = attached(&world, &Login::default()).await;
            begin(&mut client, &mut db).await;
            client.query(sql);
            db.expect_query(sql).await;
            db.die();
            client.expect_err(1213, "40001").await;
            let _db = client.reads_first_on(&db0, "select 1").await;
        }
    });
}
