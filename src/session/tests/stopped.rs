//! Servers that are stopped in good order, as the pods of a rolling restart are: they say so to who waits for an answer.
//! MySQL says the same to who is killed.

use std::time::Duration;

use super::commands::attached;
use super::*;
use crate::terms::Disruption;

const WRITE: &str = "insert into t values (1)";
const READ: &str = "select a from t";

fn shuts_down() -> Vec<u8> {
    err(1053, "08S01", "Server shutdown in progress")
}

/// The statement under way gets this in answer, and the server is gone.
async fn stops(world: &World, mut db: Db, answer: &[Vec<u8>]) {
    db.reply(answer);
    db.peer.expect_silence().await;
    world.down("db-0");
    world.primary("db-1");
}

#[test]
fn a_read_runs_elsewhere() {
    play(async {
        let columns = head_and_rows(MODERN, &["a"], &[]);
        for answer in [vec![shuts_down()], [&columns[..], &[shuts_down()]].concat()] {
            for chunk in [1, usize::MAX] {
                let world = World::with(Settings { chunk, ..Settings::default() });
                let (mut client, _, mut db) = attached(&world, &Login::default()).await;
                let db1 = world.server("db-1");
                client.query(READ);
                db.expect_query(READ).await;
                if chunk == 1 && answer.len() > 1 {
                    // The client has the columns.
                    db.reply(&answer);
                    let text = "pointsman: the server ended the connection in the middle of the answer; run the statement again";
                    client.expect(&[&columns[..], &[err(1105, "08S01", text)]].concat()).await;
                    continue;
                }
                stops(&world, db, &answer).await;
                let mut db = db1.accept().await;
                db.expect_set("").await;
                db.answer_one(READ).await;
                client.expect(&one()).await;
                assert_eq!(world.disrupted(Disruption::Retried), 1);
            }
        }
    });
}

#[test]
fn a_write_is_in_doubt_and_sent_once() {
    play(async {
        for write in [WRITE, "commit", "create table u (a int)"] {
            let world = World::new();
            let (mut client, _, mut db) = attached(&world, &Login::default()).await;
            let db1 = world.server("db-1");
            client.query(write);
            db.expect_query(write).await;
            stops(&world, db, &[shuts_down()]).await;
            client.expect_err(1105, "08007").await;
            db1.expect_nobody().await;
            let _db = client.reads_first_on(&db1, READ).await;
        }
    });
}

#[test]
fn a_transaction_goes_on_elsewhere() {
    play(async {
        let world = World::new();
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        let db1 = world.server("db-1");
        begin(&mut client, &mut db).await;
        client.query(READ);
        db.expect_query(READ).await;
        stops(&world, db, &[shuts_down()]).await;
        let mut db = db1.accept().await;
        db.expect_set("").await;
        db.expect_query("begin").await;
        db.reply(&[ok_with(IN_TRANS)]);
        db.expect_query(READ).await;
        db.reply(&[ok_with(IN_TRANS)]);
        client.expect(&[ok_with(IN_TRANS)]).await;
        assert_eq!(world.disrupted(Disruption::Replayed), 1);
    });
}

#[test]
fn who_was_killed_hears_it_in_the_servers_words() {
    play(async {
        for error in [shuts_down(), err(1927, "70100", "Connection was killed")] {
            for sql in [READ, WRITE] {
                let world = World::new();
                let (mut client, db0, mut db) = attached(&world, &Login::default()).await;
                client.query(sql);
                db.expect_query(sql).await;
                let began = tokio::time::Instant::now();
                db.reply(std::slice::from_ref(&error));
                db.die();
                client.expect(std::slice::from_ref(&error)).await;
                assert!(began.elapsed() < Duration::from_secs(1));
                assert_eq!(*world.outside.kicks.borrow(), [world.id("db-0")], "the probes are asked");
                let _db = client.reads_first_on(&db0, READ).await;
            }
        }
    });
}

#[test]
fn a_transaction_whose_connection_was_killed_is_not_run_again_later() {
    play(async {
        for (sql, code, sqlstate) in [
            (WRITE, 1213, "40001"),
            // What it committed, if it did, is not to be called rolled back.
            ("commit", 1053, "08S01"),
            ("create table u (a int)", 1053, "08S01"),
            ("call p()", 1053, "08S01"),
        ] {
            let world = World::new();
            let (mut client, _, mut db) = attached(&world, &Login::default()).await;
            for (sql, answer) in
                [("begin", ok_with(IN_TRANS)), ("insert into t values (2)", ok_with(IN_TRANS))]
            {
                client.query(sql);
                db.expect_query(sql).await;
                db.reply(std::slice::from_ref(&answer));
                client.expect(&[answer]).await;
            }
            client.query(sql);
            db.expect_query(sql).await;
            db.reply(&[shuts_down()]);
            db.die();
            client.expect(&[shuts_down()]).await;
            // Much later.
            let db1 = world.server("db-1");
            world.down("db-0");
            world.primary("db-1");
            client.query("begin");
            if code == 1213 {
                // Run again, its last answer is another one.
                let mut db = db1.accept().await;
                db.expect_set("").await;
                super::replay::engines(&mut db).await;
                for sql in ["begin", "insert into t values (2)", WRITE] {
                    db.expect_query(sql).await;
                    db.reply(&[ok_with(IN_TRANS)]);
                }
                db.peer.expect_end().await;
            }
            client.expect_err(code, sqlstate).await;
            db1.expect_nobody().await;
            assert_eq!(world.disrupted(Disruption::Replayed), 0, "{sql}");
        }
    });
}

#[test]
fn a_killed_rollback_leaves_nothing_open() {
    play(async {
        for (sql, over) in [("rollback", true), (" ROLLBACK ; ", true), ("commit", false)] {
            let world = World::new();
            let (mut client, db0, mut db) = attached(&world, &Login::default()).await;
            for (sql, answer) in [("begin", ok_with(IN_TRANS)), (WRITE, ok_with(IN_TRANS))] {
                client.query(sql);
                db.expect_query(sql).await;
                db.reply(std::slice::from_ref(&answer));
                client.expect(&[answer]).await;
            }
            client.query(sql);
            db.expect_query(sql).await;
            db.reply(&[shuts_down()]);
            db.die();
            client.expect(&[shuts_down()]).await;
            client.query(READ);
            if !over {
                client.expect_err(1053, "08S01").await;
                continue;
            }
            let mut db = db0.accept().await;
            db.expect_set("").await;
            db.answer_one(READ).await;
            client.expect(&one()).await;
        }
    });
}

#[test]
fn what_a_killed_statement_would_have_left_went_with_its_connection() {
    play(async {
        let world = World::new();
        let (mut client, db0, mut db) = attached(&world, &Login::default()).await;
        let sql = "insert into t values (1); do get_lock('a', 1)";
        client.query(sql);
        db.expect_query(sql).await;
        db.reply(&[shuts_down()]);
        db.die();
        client.expect(&[shuts_down()]).await;
        let _db = client.reads_first_on(&db0, READ).await;
    });
}

#[test]
fn a_connection_that_is_ended_behind_rows_goes_to_nobody_else() {
    play(async {
        let world = World::with(Settings { chunk: 1, ..Settings::default() });
        let (mut client, db0, mut db) = attached(&world, &Login::default()).await;
        client.query(READ);
        db.expect_query(READ).await;
        let columns = head_and_rows(MODERN, &["a"], &[]);
        db.reply(&[&columns[..], &[shuts_down()]].concat());
        client.expect(&columns).await;
        client.peer.packet().await;
        // Its end has not arrived.
        let _again = client.reads_first_on(&db0, READ).await;
        db.peer.expect_end().await;
    });
}

#[test]
fn a_signal_that_says_so_costs_nothing() {
    play(async {
        let world = World::new();
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        let sql = "signal sqlstate '08S01' set mysql_errno = 1053";
        for sql in ["create temporary table x (a int)", sql] {
            client.query(sql);
            db.expect_query(sql).await;
            let answer = if sql.starts_with("signal") { shuts_down() } else { ok() };
            db.reply(std::slice::from_ref(&answer));
            client.expect(&[answer]).await;
        }
        client.reads_on(&mut db, "select a from x").await;
    });
}

#[test]
fn what_an_earlier_statement_of_the_text_did_is_told() {
    play(async {
        let world = World::new();
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        let sql = "insert into t values (1); insert into t values (2)";
        client.query(sql);
        db.expect_query(sql).await;
        db.reply(&[ok_with(MORE), shuts_down()]);
        client.expect(&[ok_with(MORE)]).await;
        // As when they come one by one.
        client.expect_err_at(2, 1105, "08007").await;
        assert_eq!(world.disrupted(Disruption::OutcomeUnknown), 1);
    });
}

#[test]
fn last_words_that_a_statement_crosses_are_no_answer_to_it() {
    play(async {
        // An answer has another sequence id: the server did not read the statement, so nothing is in doubt.
        for sql in [READ, WRITE] {
            for last in
                [shuts_down(), err(1927, "70100", "Connection was killed"), err(4031, "HY000", "idle")]
            {
                let world = World::new();
                let (mut client, db0, mut db) = attached(&world, &Login::default()).await;
                client.query(sql);
                db.expect_query(sql).await;
                db.peer.say(&frames(0, &[last]));
                let mut db = db0.accept().await;
                db.expect_set("").await;
                db.answer_one(sql).await;
                client.expect(&one()).await;
                assert_eq!(world.disrupted(Disruption::OutcomeUnknown), 0);
            }
        }
    });
}

#[test]
fn what_goes_in_front_of_a_statement_is_said_elsewhere() {
    play(async {
        let world = World::new();
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        client.query("use shop");
        db.expect_query("use shop").await;
        db.reply(&[ok_state(MODERN, AUTOCOMMIT, &schema("shop"))]);
        client.peer.packet().await;
        db.die();
        let db1 = world.server("db-1");
        world.down("db-0");
        client.query(READ);
        client.peer.expect_silence().await;
        world.primary("db-1");
        let mut db = db1.accept().await;
        db.expect_set("").await;
        db.expect(command(2, "shop")).await;
        db.reply(&[shuts_down()]);
        db.die();
        world.down("db-1");
        let db2 = world.server("db-2");
        world.primary("db-2");
        let mut db = db2.accept().await;
        db.expect_set("").await;
        db.expect(command(2, "shop")).await;
        db.reply_ok();
        db.answer_one(READ).await;
        client.expect(&one()).await;
    });
}

#[test]
fn an_execute_is_not_told_of_a_server_that_ends_before_it() {
    play(async {
        let world = World::new();
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        let prepare = "prepare s from 'insert into t values (1)'";
        client.runs_on(&mut db, prepare).await;
        db.die();
        let db1 = world.server("db-1");
        super::failover::switch(&world);
        client.query("execute s");
        let mut db = db1.accept().await;
        db.expect_role().await;
        db.peer.packet().await;
        db.peer.packet().await;
        db.reply_ok();
        db.reply(&[shuts_down()]);
        db.die();
        let mut db = db1.accept().await;
        db.expect_role().await;
        db.peer.packet().await;
        db.peer.packet().await;
        db.reply_ok();
        db.reply_ok();
        db.answer_ok("execute s").await;
        client.expect_ok().await;
    });
}

#[test]
fn rows_of_a_transaction_leave_no_doubt() {
    play(async {
        let sql = "select a from t for update";
        let world = World::with(Settings { chunk: 1, ..Settings::default() });
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        begin(&mut client, &mut db).await;
        client.query(sql);
        db.expect_query(sql).await;
        let columns = head_and_rows(MODERN, &["a"], &[]);
        db.reply(&[&columns[..], &[shuts_down()]].concat());
        client.expect(&columns).await;
        let seq = u8::try_from(columns.len()).unwrap() + 1;
        client.expect_err_at(seq, 1105, "08S01").await;
        assert_eq!(world.disrupted(Disruption::OutcomeUnknown), 0);
        db.die();
        world.down("db-0");
        world.primary("db-1");
        client.query(READ);
        client.expect_err(1213, "40001").await;
    });
}

#[test]
fn statements_behind_the_end_of_their_transaction_are_in_doubt() {
    play(async {
        for told in [false, true] {
            let world = World::new();
            let (mut client, _, mut db) = attached(&world, &Login::default()).await;
            for (sql, answer) in
                [("begin", ok_with(IN_TRANS)), (WRITE, err(1205, "HY000", "Lock wait timeout exceeded"))]
            {
                client.query(sql);
                db.expect_query(sql).await;
                db.reply(std::slice::from_ref(&answer));
                client.expect(&[answer]).await;
            }
            // The server undid all of it, and the first of these says so.
            let sql = "insert into t values (1); insert into t values (2)";
            client.hears_from(&mut db, sql, &[ok_with(MORE)]).await;
            if told {
                db.peer.say(&frames(2, &[shuts_down()]));
            } else {
                db.die();
            }
            client.expect_err_at(2, 1105, "08007").await;
            assert_eq!(world.disrupted(Disruption::OutcomeUnknown), 1);
        }
    });
}
