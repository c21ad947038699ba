//! What a change of primary means for a session: by new snapshots, with living servers.

use std::time::Duration;

use super::commands::attached;
use super::server::SET;
use super::*;
use crate::terms::{Close, Disruption};
use crate::topology::Maintenance;

pub const SAFE: &str = "insert into t values (1)";

/// From db-0 to db-1, as a planned switchover does it.
pub fn switch(world: &World) {
    world.read_only("db-0");
    world.primary("db-1");
    world.replica("db-0");
}

#[test]
fn a_connection_from_before_a_silence_is_asked_first() {
    play(async {
        let world = World::new();
        let (mut client, db0, mut db) = attached(&world, &Login::default()).await;
        for alive in [true, false] {
            client.runs_on(&mut db, SAFE).await;
            world.silent("db-0");
            world.primary("db-0");
            client.query(SAFE);
            db.expect_ping().await;
            if alive {
                db.reply_ok();
                db.answer_ok(SAFE).await;
                client.expect_ok().await;
                continue;
            }
            // Started again: the statement was not sent, and is not in doubt.
            drop(db);
            let mut fresh = db0.accept().await;
            fresh.expect_set("").await;
            fresh.answer_ok(SAFE).await;
            client.expect_ok().await;
            break;
        }
        client.quit();
    });
}

#[test]
fn an_idle_session_moves_silently_with_schema_charset_and_variables() {
    play(async {
        for chunk in [1, usize::MAX] {
            let world = World::with(Settings { chunk, ..Settings::default() });
            let (mut client, _, mut db) = attached(&world, &Login::default()).await;
            let told = [
                ("use shop", schema("shop")),
                ("set names utf8mb4 collate utf8mb4_bin", names_utf8mb4_bin()),
                ("set sql_mode = 'ANSI'", variable("sql_mode", "ANSI")),
                ("set div_precision_increment = 7", variable("div_precision_increment", "7")),
            ];
            for (sql, state) in told {
                client.query(sql);
                db.expect_query(sql).await;
                db.reply(&[ok_state(MODERN, AUTOCOMMIT, &state)]);
                client.peer.packet().await;
            }
            let db1 = world.server("db-1");
            switch(&world);
            db.peer.expect_end().await;
            db1.expect_nobody().await;
            assert_eq!(world.disrupted(Disruption::Moved), 1);
            client.query(SAFE);
            let mut db = db1.accept().await;
            db.expect_query(
                "SET NAMES 'utf8mb4' COLLATE 'utf8mb4_general_ci',character_set_results='utf8mb4',\
                 character_set_connection='utf8mb4',collation_connection='utf8mb4_bin',\
                 session_track_schema=1,session_track_state_change=1,session_track_system_variables='*',\
                 session_track_gtids=OWN_GTID,sql_mode='ANSI',div_precision_increment=7",
            )
            .await;
            db.reply_ok();
            db.expect_init_db("shop").await;
            db.answer_ok(SAFE).await;
            client.expect_ok().await;
            client.quit();
            db.expect_silence().await;
            world.expect_nothing_left(1).await;
        }
    });
}

#[test]
fn user_variables_and_prepared_statements_move() {
    play(async {
        let world = World::new();
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        client.query("set @x = 'it''s', @Y = 2");
        db.expect_query("set @x = 'it''s', @Y = 2").await;
        db.reply(&[ok_state(MODERN, AUTOCOMMIT, &something())]);
        client.peer.packet().await;
        client.runs_on(&mut db, "prepare s from 'select 1'").await;
        client.send(command(0x16, "update t set a = ?"));
        db.expect(command(0x16, "update t set a = ?")).await;
        db.reply(&prepared(MODERN, 4, 0..1, &[]));
        client.expect(&prepared(MODERN, 1, 0..1, &[])).await;
        let db1 = world.server("db-1");
        switch(&world);
        db.peer.expect_end().await;
        let execute = |id| command(0x17, [id, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 0, 5, 0, 0, 0]);
        client.send(execute(1));
        let mut db = db1.accept().await;
        db.expect_set("").await;
        db.answer_ok("SET @`x`='it''s',@`y`=2").await;
        db.expect(command(0x16, "update t set a = ?")).await;
        db.peer.expect_silence().await;
        db.reply(&prepared(MODERN, 9, 0..1, &[]));
        db.expect(execute(9)).await;
        db.reply_ok();
        client.expect_ok().await;
        client.query("execute s");
        db.answer_ok("PREPARE `s` FROM 'select 1'").await;
        db.answer_one("execute s").await;
        client.expect(&one()).await;
    });
}

#[test]
fn autocommit_moves_and_an_insert_id_of_before_if_the_former_primary_tells_it() {
    play(async {
        for (inserts_again, tells) in [(false, false), (true, false), (false, true)] {
            let world = World::new();
            let (mut client, _, mut db) = attached(&world, &Login::default()).await;
            let inserted = |id: u8| vec![0, 1, id, 0, 0, 0, 0];
            client.hears_from(&mut db, "insert into t values ()", &[inserted(77)]).await;
            let db1 = world.server("db-1");
            switch(&world);
            db.expect_query("SELECT CAST(LAST_INSERT_ID() AS BINARY) LIMIT 1").await;
            if tells {
                db.reply(&result_set(MODERN, &["LAST_INSERT_ID()"], &[row(&["77"])], AUTOCOMMIT));
            }
            drop(db);
            client.query(SAFE);
            let mut db = db1.accept().await;
            db.expect_set(if tells { ",autocommit=0,last_insert_id=77" } else { ",autocommit=0" }).await;
            db.expect_query(SAFE).await;
            let id = if inserts_again { 78 } else { 0 };
            db.reply(&[inserted(id)]);
            client.expect(&[inserted(id)]).await;
            client.query("select last_insert_id()");
            if inserts_again || tells {
                db.expect_query("select last_insert_id()").await;
            } else {
                // The new server would say 0.
                client.expect_err(1053, "08S01").await;
                client.peer.expect_end().await;
            }
        }
    });
}

#[test]
fn a_command_without_an_answer_does_not_get_the_error_of_a_lost_transaction() {
    play(async {
        let world = World::new();
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        begin(&mut client, &mut db).await;
        world.server("db-1");
        switch(&world);
        client.send(command(0x19, [1, 0, 0, 0]));
        client.peer.expect_silence().await;
        client.query(SAFE);
        client.expect_err(1213, "40001").await;
        client.peer.expect_silence().await;
    });
}

#[test]
fn a_session_that_holds_state_is_told_and_closed() {
    play(async {
        let changed = vec![ok_state(MODERN, AUTOCOMMIT, &something())];
        let holds = [
            ("set @x = f()", changed.clone(), "user variables"),
            ("/* f */ do f()", changed.clone(), "user variables, temporary tables, locks or the like"),
            ("create temporary table x (a int)", vec![ok()], "temporary tables"),
            ("lock tables t write", vec![ok()], "table locks"),
            ("select get_lock('a', 1)", one(), "locks by GET_LOCK()"),
            ("handler t open", vec![ok()], "an open HANDLER"),
        ];
        for (statement, answer, what) in holds {
            let world = World::new();
            let (mut client, _, mut db) = attached(&world, &Login::default()).await;
            client.query(statement);
            db.expect_query(statement).await;
            db.reply(&answer);
            for _ in &answer {
                client.peer.packet().await;
            }
            let db1 = world.server("db-1");
            switch(&world);
            client.query("select 1");
            let text = client.expect_err(1053, "08S01").await;
            assert!(text.contains(what), "{text}");
            client.peer.expect_end().await;
            db1.expect_nobody().await;
            assert_eq!(world.disrupted(Disruption::StateLost), 1);
            world.expect_nothing_left(0).await;
        }
    });
}

#[test]
fn a_statement_under_way_on_a_demoted_server_ends_there() {
    play(async {
        let world = World::new();
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        client.query("select 2");
        db.expect_query("select 2").await;
        let db1 = world.server("db-1");
        switch(&world);
        client.peer.expect_silence().await;
        db.reply(&one());
        client.expect(&one()).await;
        client.query("select 3");
        let mut other = db1.accept().await;
        other.expect_set("").await;
        other.expect_query("select 3").await;
        db.peer.expect_end().await;
    });
}

#[test]
fn a_primary_that_was_away_and_is_back_keeps_its_sessions() {
    play(async {
        let world = World::new();
        let (mut client, db0, mut db) = attached(&world, &Login::default()).await;
        world.read_only("db-0");
        world.primary("db-0");
        client.query("select 2");
        db.expect_query("select 2").await;
        db0.expect_nobody().await;
    });
}

#[test]
fn a_write_waits_for_a_primary_and_runs_there_once() {
    play(async {
        let world = World::new();
        let (mut client, _, _db) = attached(&world, &Login::default()).await;
        let db1 = world.server("db-1");
        world.down("db-0");
        client.query(SAFE);
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert_eq!(world.context.metrics.waiting_for_primary.get(), 1);
        assert!(world.outside.kicks_all.get() > 0);
        db1.expect_nobody().await;
        world.primary("db-1");
        let mut db = db1.accept().await;
        db.expect_set("").await;
        db.answer_ok(SAFE).await;
        client.expect_ok().await;
        db.peer.expect_silence().await;
        assert_eq!(world.disrupted(Disruption::HoldExpired), 0);
        client.quit();
        db.expect_silence().await;
        world.expect_nothing_left(1).await;
    });
}

#[test]
fn a_wait_for_a_primary_ends_when_the_hold_is_over() {
    play(async {
        let world = World::new();
        let mut client = world.client().await;
        world.down("db-0");
        let began = tokio::time::Instant::now();
        client.query(SAFE);
        let text = client.expect_err(1290, "HY000").await;
        assert!(text.starts_with("pointsman: there is no primary"), "{text}");
        assert!(text.contains("30.0 s (failover.hold): db-0 is down, db-1 is read-only"), "{text}");
        assert_eq!(began.elapsed().as_secs(), 30);
        assert_eq!(world.disrupted(Disruption::HoldExpired), 1);
        assert_eq!(world.disrupted_by_digest("INSERT INTO `t` VALUES (?)", Disruption::HoldExpired), 1);
        client.quit();
        world.expect_nothing_left(0).await;
    });
}

#[test]
fn nobody_waits_for_a_primary_that_is_read_only_for_maintenance() {
    play(async {
        let world = World::new();
        let mut client = world.client().await;
        world.read_only("db-0");
        client.query(SAFE);
        client.peer.expect_silence().await;
        let began = tokio::time::Instant::now();
        let read_only = Maintenance { read_only: true, ..Maintenance::default() };
        world.maintenance(read_only);
        let text = client.expect_err(1290, "HY000").await;
        assert!(
            text.contains("is running with the --read-only option") && text.contains("maintenance"),
            "{text}"
        );
        let kicks = world.outside.kicks_all.get();
        client.query(SAFE);
        client.expect_err(1290, "HY000").await;
        assert!(began.elapsed() < Duration::from_secs(1));
        assert_eq!(world.outside.kicks_all.get(), kicks, "the probes need no hurry");
        // It is over, and the primary is the last to hear of it.
        world.maintenance(Maintenance::default());
        client.query(SAFE);
        client.peer.expect_silence().await;
        let db0 = world.server("db-0");
        world.primary("db-0");
        let mut db = db0.accept().await;
        db.expect_set("").await;
        db.expect_query(SAFE).await;
    });
}

#[test]
fn what_a_client_sent_before_it_left_is_executed() {
    play(async {
        let world = World::new();
        let db1 = world.server("db-1");
        let mut client = world.client().await;
        world.down("db-0");
        client.query(SAFE);
        client.peer.expect_silence().await;
        drop(client);
        world.primary("db-1");
        let mut db = db1.accept().await;
        db.expect_set("").await;
        db.answer_ok(SAFE).await;
        world.expect_nothing_left(0).await;
        assert_eq!(world.closed(Close::ClientLost), 1);
    });
}

#[test]
fn nobody_waits_for_a_member_that_was_cut_off_from_its_group() {
    play(async {
        let world = World::new();
        let (db0, db1) = (world.server("db-0"), world.server("db-1"));
        for name in ["db-0", "db-1", "db-2"] {
            world.galera(name, true);
        }
        let (mut primary, mut other) = (world.client().await, world.client().await);
        primary.query(SAFE);
        let mut db = db0.accept().await;
        db.expect_set("").await;
        db.expect_query(SAFE).await;
        // Until the others have another primary it may come back.
        world.galera("db-0", true);
        primary.peer.expect_silence().await;
        world.galera("db-0", false);
        primary.expect_err(1105, "08007").await;
        db.peer.expect_end().await;
        let _db = other.runs_first_on(&db1, SAFE).await;
    });
}

#[test]
fn a_member_that_is_only_busy_finishes_what_it_is_at() {
    play(async {
        let world = World::new();
        for name in ["db-0", "db-1", "db-2"] {
            world.galera(name, true);
        }
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        let db1 = world.server("db-1");
        client.query(SAFE);
        db.expect_query(SAFE).await;
        world.donor("db-0");
        client.peer.expect_silence().await;
        db.reply_ok();
        client.expect_ok().await;
        client.query(SAFE);
        let mut db = db1.accept().await;
        db.expect_set("").await;
        db.expect_query(SAFE).await;
    });
}

#[test]
fn a_procedure_that_was_refused_in_the_middle_does_not_begin_again() {
    play(async {
        for (code, sqlstate, text) in [
            (1047, "08S01", "WSREP has not yet prepared node for application use"),
            (1290, "HY000", "The MySQL server is running with the --read-only option"),
        ] {
            let world = World::new();
            let (mut client, _, mut db) = attached(&world, &Login::default()).await;
            let db1 = world.server("db-1");
            for sql in [
                "call p()",
                "begin not atomic insert into t values (1); commit; insert into t values (2); end",
            ] {
                client.query(sql);
                db.expect_query(sql).await;
                // Its first statement may have been committed.
                db.reply(&[err(code, sqlstate, text)]);
                tokio::task::yield_now().await;
                switch(&world);
                assert_eq!(client.expect_err(code, sqlstate).await, text);
                db1.expect_nobody().await;
                world.read_only("db-1");
                world.primary("db-0");
                (client, _, db) = attached(&world, &Login::default()).await;
            }
            // A function may be anything, but its statement is executed whole or not at all.
            let sql = "insert into t select f(1)";
            client.query(sql);
            db.expect_query(sql).await;
            db.reply(&[err(code, sqlstate, text)]);
            tokio::task::yield_now().await;
            switch(&world);
            let mut db = db1.accept().await;
            db.expect_set("").await;
            db.expect_query(sql).await;
        }
    });
}

#[test]
fn what_a_lost_primary_has_not_taken_does_not_reach_it_later() {
    play(async {
        let world = World::new();
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        client.query(SAFE);
        client.peer.expect_silence().await;
        // Nothing of it was read there: the network is cut.
        world.down("db-0");
        client.expect_err(1105, "08007").await;
        db.peer.expect_end().await;
    });
}

#[test]
fn a_commit_that_a_galera_server_could_not_confirm_may_be_there() {
    play(async {
        let world = World::new();
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        let unconfirmed = [err(
            1180,
            "HY000",
            "Error while appending streaming replication fragment(provider status: Not connected to Primary Component)",
        )];
        client.query(SAFE);
        db.expect_query(SAFE).await;
        db.reply(&unconfirmed);
        client.expect_err(1105, "08007").await;
        begin(&mut client, &mut db).await;
        client.query("commit");
        db.expect_query("commit").await;
        db.reply(&unconfirmed);
        client.expect_err(1105, "08007").await;
        assert_eq!(world.disrupted(Disruption::OutcomeUnknown), 2);
        // It is over: nobody is told of a transaction that rolled back.
        let db1 = world.server("db-1");
        switch(&world);
        let _db = client.runs_first_on(&db1, SAFE).await;
    });
}

#[test]
fn a_refusal_as_read_only_waits_for_the_new_primary_and_runs_there_once() {
    play(async {
        let refusals = [
            err(1290, "HY000", "The MySQL server is running with the --read-only option"),
            err(1836, "HY000", "Running in read-only mode"),
            err(1047, "08S01", "WSREP has not yet prepared node for application use"),
            err(3100, "HY000", "Error on observer while running replication hook 'before_commit'."),
        ];
        for refusal in refusals {
            for chunk in [1, usize::MAX] {
                let world = World::with(Settings { chunk, ..Settings::default() });
                let (mut client, _, mut db) = attached(&world, &Login::default()).await;
                let db1 = world.server("db-1");
                client.query(SAFE);
                db.expect_query(SAFE).await;
                db.reply(std::slice::from_ref(&refusal));
                client.peer.expect_silence().await;
                assert_eq!(*world.outside.kicks.borrow(), [world.id("db-0")]);
                switch(&world);
                let mut db = db1.accept().await;
                db.expect_set("").await;
                db.answer_ok(SAFE).await;
                client.expect_ok().await;
                db.peer.expect_silence().await;
            }
        }
    });
}

#[test]
fn a_refusal_by_a_server_that_stays_the_primary_is_the_clients_to_hear() {
    play(async {
        let world = World::new();
        let (mut client, db0, mut db) = attached(&world, &Login::default()).await;
        let refusal = err(1290, "HY000", "The MySQL server is running with the --read-only option");
        client.query(SAFE);
        db.expect_query(SAFE).await;
        db.reply(std::slice::from_ref(&refusal));
        client.expect(&[refusal]).await;
        // The session keeps what it has there. Another option's 1290 passes at once.
        let other = err(1290, "HY000", "The MySQL server is running with the --secure-file-priv option");
        client.query("select 1 into outfile 'x'");
        db0.expect_nobody().await;
        db.expect_query("select 1 into outfile 'x'").await;
        let began = tokio::time::Instant::now();
        db.reply(std::slice::from_ref(&other));
        client.expect(&[other]).await;
        assert!(began.elapsed() < Duration::from_millis(50));
    });
}

#[test]
fn a_refusal_as_read_only_in_a_transaction_rolls_it_back() {
    play(async {
        let world = World::new();
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        begin(&mut client, &mut db).await;
        client.query(SAFE);
        db.expect_query(SAFE).await;
        db.reply(&[err(1290, "HY000", "running with the --read-only option")]);
        client.peer.expect_silence().await;
        world.read_only("db-0");
        client.expect_err(1213, "40001").await;
        db.peer.expect_end().await;
    });
}

#[test]
fn a_new_server_that_refuses_the_variables_is_told_and_nothing_ran() {
    play(async {
        let world = World::new();
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        client.query("set sql_mode = 'OLD'");
        db.expect_query("set sql_mode = 'OLD'").await;
        db.reply(&[ok_state(MODERN, AUTOCOMMIT, &variable("sql_mode", "OLD"))]);
        client.peer.packet().await;
        let db1 = world.server("db-1");
        switch(&world);
        client.query(SAFE);
        // Perhaps it was this connection; but not for ever.
        for _ in 0..5 {
            let mut db = db1.accept().await;
            db.expect_query(&format!("{SET},sql_mode='OLD'")).await;
            db.reply(&[err(1231, "42000", "Variable 'sql_mode' can't be set")]);
            db.peer.expect_end().await;
        }
        client.expect_err(1105, "08S01").await;
        db1.expect_nobody().await;
        client.quit();
        world.expect_nothing_left(0).await;
    });
}

#[test]
fn a_server_that_is_deposed_while_a_connection_is_brought_in_line_gets_no_write() {
    play(async {
        for back in [true, false] {
            let world = World::new();
            let (mut client, db0, mut db) = attached(&world, &Login::default()).await;
            client.query("use shop");
            db.expect_query("use shop").await;
            db.reply(&[ok_state(MODERN, AUTOCOMMIT, &schema("shop"))]);
            client.peer.packet().await;
            db.die();
            let db1 = world.server("db-1");
            client.query(SAFE);
            let mut db = db0.accept().await;
            db.expect_set("").await;
            db.expect(command(2, "shop")).await;
            world.down("db-0");
            world.primary("db-1");
            if back {
                // It thaws, and nobody fenced it.
                world.primary("db-0");
            }
            db.reply_ok();
            let mut db = db1.accept().await;
            db.expect_set("").await;
            db.expect_init_db("shop").await;
            db.answer_ok(SAFE).await;
            client.expect_ok().await;
        }
    });
}
