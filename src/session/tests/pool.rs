//! Server connections that outlive their session.

use std::time::Duration;

use super::commands::attached;
use super::server::SET;
use super::*;
use crate::terms::Close;
use crate::wire::Capabilities;

#[test]
fn the_next_session_gets_a_clean_connection_as_it_is() {
    play(async {
        let world = World::new();
        let (client, db0, mut db) = attached(&world, &Login::default()).await;
        client.quit();
        db.expect_silence().await;
        world.expect_nothing_left(1).await;
        let mut next = world.client().await;
        next.runs_on(&mut db, "do 1").await;
        db0.expect_nobody().await;
        next.quit();
        db.expect_silence().await;
        world.expect_nothing_left(1).await;
    });
}

#[test]
fn a_connection_with_a_pin_is_reset_for_the_next_session() {
    play(async {
        let ok_in = |status| vec![ok_with(status)];
        let pins = [
            ("begin", ok_in(IN_TRANS)),
            ("create temporary table x (a int)", ok_in(AUTOCOMMIT)),
            ("select get_lock('a', 1)", one()),
            ("lock tables t write", ok_in(AUTOCOMMIT)),
            ("set @x = 1 + 1", ok_in(AUTOCOMMIT)),
            ("handler t open", ok_in(AUTOCOMMIT)),
            ("set transaction read only", ok_in(AUTOCOMMIT)),
        ];
        for (sql, answer) in pins {
            let world = World::new();
            let (mut client, db0, mut db) = attached(&world, &Login::default()).await;
            client.hears_from(&mut db, sql, &answer).await;
            // Nobody gets it as long as its session lives.
            let mut other = world.client().await;
            let second = other.runs_first_on(&db0, "do 2").await;
            client.quit();
            db.expect_reset().await;
            drop((other, second));
            tokio::time::sleep(Duration::from_millis(10)).await;
            let mut next = world.client().await;
            next.query("do 1");
            db.expect_set("").await;
            db.answer_ok("do 1").await;
            next.expect_ok().await;
            db0.expect_nobody().await;
            next.quit();
            world.expect_nothing_left(1).await;
        }
    });
}

#[test]
fn a_connection_with_what_a_reset_leaves_is_closed() {
    play(async {
        let told = |name, value| vec![ok_state(MODERN, AUTOCOMMIT, &variable(name, value))];
        let marks = [
            ("set role r", vec![ok()]),
            ("set role none", vec![ok()]),
            ("set resource group g", vec![ok()]),
            ("call p()", vec![ok()]),
            ("set @x = f()", vec![ok()]),
            ("set profiling = 1", told("profiling", "ON")),
            ("set optimizer_trace = 'enabled=on'", told("optimizer_trace", "enabled=on,one_line=off")),
        ];
        for (sql, answer) in marks {
            for ends in ["quit", "reset", "change user"] {
                let world = World::new();
                let (mut client, db0, mut db) = attached(&world, &Login::default()).await;
                client.query(sql);
                db.expect_query(sql).await;
                db.reply(&answer);
                client.peer.packet().await;
                // As long as the session lives, the connection is its own.
                let mut other = world.client().await;
                let _second = other.runs_first_on(&db0, "do 2").await;
                match ends {
                    "quit" => client.quit(),
                    "reset" => {
                        client.send(vec![0x1f]);
                        client.expect_ok().await;
                    }
                    _ => assert_eq!(client.change_user(&Login::default()).await, Ok(())),
                }
                db.peer.expect_end().await;
            }
        }
    });
}

#[test]
fn a_role_that_is_refused_leaves_nothing() {
    play(async {
        let world = World::new();
        let (mut client, db0, mut db) = attached(&world, &Login::default()).await;
        client.query("set role nosuch");
        db.expect_query("set role nosuch").await;
        db.reply(&[err(3530, "HY000", "no")]);
        client.expect_err(3530, "HY000").await;
        client.quit();
        db.expect_reset().await;
        db0.expect_nobody().await;
    });
}

#[test]
fn what_a_statement_did_is_not_asked_of_another_sessions_connection() {
    play(async {
        for sql in ["show warnings", "show errors", "select @@warning_count"] {
            let world = World::new();
            let (client, db0, mut db) = attached(&world, &Login::default()).await;
            client.quit();
            let mut next = world.client().await;
            next.query(sql);
            // The reset behind the former session took its diagnostics away.
            db.expect_query(sql).await;
            db.reply(&one());
            next.expect(&one()).await;
            // A session that ran something asks for that.
            for sql in ["select a from t", sql] {
                next.reads_on(&mut db, sql).await;
            }
            db0.expect_nobody().await;
        }
    });
}

#[test]
fn what_a_statement_of_ones_own_did_is_asked_without_a_reset_also_behind_a_schema_check() {
    play(async {
        let world = World::new();
        let (client, db0, mut db) = attached(&world, &Login::default()).await;
        client.quit();
        let login = Login { schema: Some("shop"), ..Login::default() };
        let (mut next, ()) = tokio::join!(world.login(&login), db.expect_init_db("shop"));
        let warned = [0, 0, 0, 2, 0, 1, 0];
        next.hears_from(&mut db, "insert into t values ('too long')", &[warned.to_vec()]).await;
        next.reads_on(&mut db, "show warnings").await;
        db0.expect_nobody().await;
    });
}

#[test]
fn a_read_in_a_transaction_is_followed_by_a_reset_and_a_change_is_taken_back_by_the_next() {
    play(async {
        for (status, state) in [(IN_TRANS, Vec::new()), (AUTOCOMMIT, variable("sql_mode", "ANSI"))] {
            let world = World::new();
            let (client, _, mut db) = attached(&world, &Login::default()).await;
            client.quit();
            let mut next = world.client().await;
            next.query("select a from t");
            db.expect_query("select a from t").await;
            db.reply(&[ok_state(MODERN, status, &state)]);
            next.peer.packet().await;
            next.quit();
            if status == IN_TRANS {
                db.expect_reset().await;
                continue;
            }
            db.expect_silence().await;
            let mut last = world.client().await;
            last.reads_on(&mut db, "select a from t").await;
        }
    });
}

#[test]
fn a_session_of_another_character_set_brings_its_own() {
    play(async {
        let world = World::new();
        let (client, db0, mut db) = attached(&world, &Login::default()).await;
        client.quit();
        let mut next = world.login(&Login { collation: 8, ..Login::default() }).await;
        next.query("select 1");
        db.expect_query("SET NAMES latin1 COLLATE latin1_swedish_ci").await;
        db.answer_ok("select 1").await;
        db.reply(&one());
        next.expect(&one()).await;
        db0.expect_nobody().await;
    });
}

#[test]
fn a_slow_answer_to_the_reset_is_waited_for_and_a_refusal_is_not_used() {
    play(async {
        let world = World::new();
        let (mut client, db0, mut db) = attached(&world, &Login::default()).await;
        begin(&mut client, &mut db).await;
        client.quit();
        db.expect([0x1f]).await;
        db.expect_query(SET).await;
        let mut next = world.client().await;
        next.query("do 1");
        db.expect_silence().await;
        db.reply_ok();
        db.reply_ok();
        db.answer_ok("do 1").await;
        next.expect_ok().await;
        begin(&mut next, &mut db).await;
        next.quit();
        db.expect([0x1f]).await;
        db.expect_query(SET).await;
        db.reply(&[err(1290, "HY000", "no")]);
        let mut last = world.client().await;
        last.query("select 1");
        let mut other = db0.accept().await;
        db.peer.expect_end().await;
        other.expect_set("").await;
        other.expect_query("select 1").await;
    });
}

#[test]
fn a_reset_that_is_never_answered_does_not_keep_the_next_session_for_ever() {
    play(async {
        let world = World::new();
        let (mut client, db0, mut db) = attached(&world, &Login::default()).await;
        begin(&mut client, &mut db).await;
        client.quit();
        db.expect([0x1f]).await;
        db.expect_query(SET).await;
        let mut next = world.client().await;
        next.query("do 1");
        let mut other = db0.accept().await;
        db.peer.expect_end().await;
        other.expect_set("").await;
        other.answer_ok("do 1").await;
        next.expect_ok().await;
        next.quit();
        world.expect_nothing_left(1).await;
    });
}

#[test]
fn connections_of_other_users_and_classes_are_not_shared() {
    play(async {
        let world = World::new();
        let (client, db0, mut db) = attached(&world, &Login::default()).await;
        client.quit();
        let mut found_rows = Login::default();
        found_rows.capabilities |= Capabilities::FOUND_ROWS;
        let mut clients = Vec::new();
        for login in [Login { user: "other", ..Login::default() }, found_rows] {
            let mut client = world.login(&login).await;
            client.query("select 1");
            let mut fresh = db0.accept().await;
            assert_eq!(fresh.user, login.user);
            let found = Capabilities::FOUND_ROWS;
            assert_eq!(fresh.capabilities.contains(found), login.capabilities.contains(found));
            fresh.expect_set("").await;
            clients.push((client, fresh));
        }
        db.expect_silence().await;
    });
}

/// A session without a schema chose one, and is gone.
async fn with_schema(world: &World) -> (Server, Db) {
    let (mut client, db0, mut db) = attached(world, &Login::default()).await;
    client.query("use shop");
    db.expect_query("use shop").await;
    db.reply(&[ok_state(MODERN, AUTOCOMMIT, &schema("shop"))]);
    client.peer.packet().await;
    client.quit();
    db.expect_silence().await;
    (db0, db)
}

#[test]
fn a_connection_with_a_schema_does_not_serve_who_has_none() {
    play(async {
        let world = World::new();
        let (db0, mut db) = with_schema(&world).await;
        let mut next = world.client().await;
        next.query("select database()");
        let mut fresh = db0.accept().await;
        fresh.expect_set("").await;
        fresh.expect_query("select database()").await;
        db.expect_silence().await;
    });
}

#[test]
fn a_login_with_the_schema_of_a_waiting_connection_brings_what_it_has_differently_once() {
    play(async {
        let world = World::new();
        let (db0, mut db) = with_schema(&world).await;
        let login = Login { schema: Some("shop"), collation: 8, ..Login::default() };
        let brought = async {
            db.answer_ok("SET NAMES latin1 COLLATE latin1_swedish_ci").await;
            db.expect_init_db("shop").await;
        };
        let (client, ()) = tokio::join!(world.login(&login), brought);
        client.quit();
        tokio::time::sleep(Duration::from_millis(10)).await;
        let (mut next, ()) = tokio::join!(world.login(&login), db.expect_init_db("shop"));
        next.reads_on(&mut db, "select 1").await;
        db0.expect_nobody().await;
    });
}

#[test]
fn a_schema_check_that_takes_long_is_answered_in_front_of_the_first_statement() {
    play(async {
        let world = World::new();
        let (client, db0, mut db) = attached(&world, &Login::default()).await;
        client.quit();
        db.expect_silence().await;
        let login = Login { schema: Some("shop"), ..Login::default() };
        let mut next = world.login(&login).await;
        db.expect(command(2, "shop")).await;
        next.query("select a from t");
        db.expect_query("select a from t").await;
        next.peer.expect_silence().await;
        db.reply_ok();
        db.reply(&one());
        next.expect(&one()).await;
        db0.expect_nobody().await;
    });
}

#[test]
fn a_connection_that_died_in_the_pool_is_not_used() {
    play(async {
        let world = World::new();
        let (client, db0, mut db) = attached(&world, &Login::default()).await;
        client.quit();
        db.expect_silence().await;
        db.die();
        let mut next = world.client().await;
        let _db = next.runs_first_on(&db0, "insert into t values (1)").await;
        next.quit();
        world.expect_nothing_left(1).await;
    });
}

#[test]
fn a_promotion_empties_the_pool() {
    play(async {
        let world = World::new();
        let (client, _, mut db) = attached(&world, &Login::default()).await;
        let (mut other, _, mut parked) = attached(&world, &Login { user: "other", ..Login::default() }).await;
        client.quit();
        db.expect_silence().await;
        world.read_only("db-0");
        world.primary("db-1");
        db.peer.expect_end().await;
        // Also of what sessions have left there that are still alive.
        parked.peer.expect_end().await;
        other.send(vec![0x0e]);
        other.expect_ok().await;
        other.quit();
        world.expect_nothing_left(0).await;
        assert_eq!(world.closed(Close::Quit), 2);
    });
}

#[test]
fn who_waits_for_its_accounts_limit_holds_up_no_other_account() {
    play(async {
        let change = |live: &mut crate::config::Live| {
            for user in live.users.values_mut().filter(|user| *user.name == *"app") {
                user.max_server_connections = std::num::NonZeroU32::new(1).and_then(|n| n.try_into().ok());
            }
        };
        let world = World::with(Settings { change, ..Settings::default() });
        let (mut holder, db0, mut db) = attached(&world, &Login::default()).await;
        begin(&mut holder, &mut db).await;
        let mut waiting = world.client().await;
        waiting.query("insert into t values (1)");
        tokio::time::sleep(Duration::from_millis(10)).await;
        let mut other = world.login(&Login { user: "other", ..Login::default() }).await;
        let _second = other.runs_first_on(&db0, "do 2").await;
        holder.quit();
        db.expect_reset().await;
        db.expect_set("").await;
        db.answer_ok("insert into t values (1)").await;
        waiting.expect_ok().await;
        waiting.quit();
        other.quit();
        world.expect_nothing_left(2).await;
    });
}
