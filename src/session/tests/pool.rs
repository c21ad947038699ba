//! Server connections that outlive their session.

use std::num::NonZeroUsize;
use std::time::Duration;

use super::commands::attached;
use super::server::SET;
use super::*;
use crate::telemetry::Close;
use crate::wire::Capabilities;

#[test]
fn the_next_session_gets_a_connection_that_was_reset() {
    play(async {
        let world = World::new();
        let (client, db0, mut db) = attached(&world, &Login::default()).await;
        client.quit();
        db.expect_reset().await;
        world.expect_nothing_left(1).await;
        let mut next = world.client().await;
        next.query("do 1");
        db.expect_query("do 1").await;
        db.reply_ok();
        next.expect_ok().await;
        db0.expect_nobody().await;
        next.quit();
        db.expect_reset().await;
        world.expect_nothing_left(1).await;
    });
}

/// One session with these queries, each answered by one row.
async fn reads(world: &World, db: &mut Db, queries: &[&str]) {
    let mut client = world.client().await;
    for sql in queries {
        client.query(sql);
        db.expect_query(sql).await;
        db.reply(&one());
        client.expect(&one()).await;
    }
    client.quit();
    tokio::time::sleep(Duration::from_millis(10)).await;
}

#[test]
fn a_few_plain_reads_need_no_reset_until_something_else_comes() {
    play(async {
        let world = World::new();
        let (client, db0, mut db) = attached(&world, &Login::default()).await;
        client.quit();
        db.expect_reset().await;
        reads(&world, &mut db, &["select a from t", "select b from t"]).await;
        db.peer.expect_silence().await;
        reads(&world, &mut db, &["select a from t"]).await;
        db.peer.expect_silence().await;
        // What is no plain read finds nothing of them: the reset goes in front of it, in the same write.
        let mut next = world.client().await;
        next.query("show warnings");
        db.expect([0x1f]).await;
        db.expect_query(SET).await;
        db.expect_query("show warnings").await;
        db.reply_ok();
        db.reply_ok();
        db.reply(&one());
        next.expect(&one()).await;
        db0.expect_nobody().await;
        next.quit();
        db.expect_reset().await;
        // A plain read hides the past, so what follows it in the same session needs no reset.
        reads(&world, &mut db, &["select a from t"]).await;
        let mut next = world.client().await;
        for sql in ["select a from t", "show warnings"] {
            next.query(sql);
            db.expect_query(sql).await;
            db.reply(&one());
            next.expect(&one()).await;
        }
        next.quit();
        db.expect_reset().await;
        reads(&world, &mut db, &["select 1", "select 2", "select 3", "select 4", "select 5"]).await;
        db.expect_reset().await;
        world.expect_nothing_left(1).await;
    });
}

#[test]
fn a_write_behind_a_comment_is_no_plain_read() {
    play(async {
        for sql in ["/* tag */ insert into t values ()", "-- tag\ninsert into t values ()", "kill query @a"] {
            let world = World::new();
            let (client, _, mut db) = attached(&world, &Login::default()).await;
            client.quit();
            db.expect_reset().await;
            let mut next = world.client().await;
            next.query(sql);
            db.expect_query(sql).await;
            db.reply_ok();
            next.expect_ok().await;
            next.quit();
            db.expect_reset().await;
        }
    });
}

#[test]
fn a_plain_read_in_a_transaction_or_that_changed_something_is_followed_by_a_reset() {
    play(async {
        for (status, state) in [(IN_TRANS, Vec::new()), (AUTOCOMMIT, variable("sql_mode", "ANSI"))] {
            let world = World::new();
            let (client, _, mut db) = attached(&world, &Login::default()).await;
            client.quit();
            db.expect_reset().await;
            let mut next = world.client().await;
            next.query("select a from t");
            db.expect_query("select a from t").await;
            db.reply(&[ok_state(MODERN, status, &state)]);
            next.peer.packet().await;
            next.quit();
            db.expect_reset().await;
        }
    });
}

#[test]
fn a_session_of_another_character_set_brings_its_own() {
    play(async {
        let world = World::new();
        let (client, _, mut db) = attached(&world, &Login::default()).await;
        client.quit();
        db.expect_reset().await;
        let mut next = world.login(&Login { collation: 8, ..Login::default() }).await;
        next.query("select 1");
        let set = SET.replace("utf8mb4 COLLATE utf8mb4_general_ci", "latin1 COLLATE latin1_swedish_ci");
        db.expect_query(&set).await;
        db.expect_query("select 1").await;
        db.reply_ok();
        db.reply(&one());
        next.expect(&one()).await;
    });
}

#[test]
fn a_slow_answer_to_the_reset_is_waited_for_and_a_refusal_is_not_used() {
    play(async {
        let world = World::new();
        let (client, db0, mut db) = attached(&world, &Login::default()).await;
        client.quit();
        db.expect([0x1f]).await;
        db.expect_query(SET).await;
        let mut next = world.client().await;
        next.query("do 1");
        db.peer.expect_silence().await;
        db.reply_ok();
        db.reply_ok();
        db.expect_query("do 1").await;
        db.reply_ok();
        next.expect_ok().await;
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
fn connections_of_other_users_and_classes_are_not_shared() {
    play(async {
        let world = World::new();
        let (client, db0, mut db) = attached(&world, &Login::default()).await;
        client.quit();
        db.expect_reset().await;
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
        db.peer.expect_silence().await;
    });
}

#[test]
fn a_connection_with_a_schema_does_not_serve_who_has_none() {
    play(async {
        let world = World::new();
        let (mut client, db0, mut db) = attached(&world, &Login::default()).await;
        client.query("use shop");
        db.expect_query("use shop").await;
        db.reply(&[ok_state(MODERN, AUTOCOMMIT, &schema("shop"))]);
        client.peer.packet().await;
        client.quit();
        db.expect([0x1f]).await;
        db.reply_ok();
        db.expect_query(SET).await;
        db.reply_ok();
        let mut next = world.client().await;
        next.query("select database()");
        let mut fresh = db0.accept().await;
        fresh.expect_set("").await;
        fresh.expect_query("select database()").await;
        db.peer.expect_silence().await;
    });
}

#[test]
fn a_state_that_was_never_sent_is_not_waited_for() {
    play(async {
        let world = World::new();
        let (mut client, db0, mut db) = attached(&world, &Login::default()).await;
        client.query("use shop");
        db.expect_query("use shop").await;
        db.reply(&[ok_state(MODERN, AUTOCOMMIT, &schema("shop"))]);
        client.peer.packet().await;
        client.quit();
        db.expect([0x1f]).await;
        db.reply_ok();
        db.expect_query(SET).await;
        db.reply_ok();
        // Its login checks the schema on the pooled connection, which has it; then it leaves.
        let login = Login { schema: Some("shop"), collation: 8, ..Login::default() };
        world.login(&login).await.quit();
        tokio::time::sleep(Duration::from_millis(10)).await;
        let mut next = world.login(&login).await;
        next.query("select 1");
        let began = tokio::time::Instant::now();
        let server = async {
            let mut db = db0.accept().await;
            db.expect_query(
                &SET.replace("utf8mb4 COLLATE utf8mb4_general_ci", "latin1 COLLATE latin1_swedish_ci"),
            )
            .await;
        };
        server.await;
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    });
}

#[test]
fn a_full_limit_is_waited_for_in_order_and_not_for_ever() {
    play(async {
        let one_only = |live: &mut crate::config::Live| {
            live.limits.max_server_connections = NonZeroUsize::MIN;
        };
        let world = World::with(Settings { change: one_only, ..Settings::default() });
        let (client, db0, mut db) = attached(&world, &Login::default()).await;
        let mut second = world.client().await;
        second.query("do 1");
        db0.expect_nobody().await;
        assert_eq!(world.context.metrics.waiting_for_connection.get(), 1);
        // A connection that others wait for is closed, not pooled.
        client.quit();
        db.expect([1]).await;
        db.peer.expect_end().await;
        let mut db = db0.accept().await;
        db.expect_set("").await;
        db.expect_query("do 1").await;
        db.reply_ok();
        second.expect_ok().await;
        let mut third = world.client().await;
        third.query("select 3");
        let text = third.expect_err(1040, "08004").await;
        assert!(text.contains("within 10.0 s"), "{text}");
        // A client that leaves while it waits leaves nothing.
        third.query("select 3");
        db0.expect_nobody().await;
        drop(third);
        second.quit();
        db.expect_reset().await;
        world.expect_nothing_left(1).await;
        assert_eq!(world.closed(Close::ClientLost), 1);
    });
}

#[test]
fn a_connection_that_died_in_the_pool_is_not_used() {
    play(async {
        let world = World::new();
        let (client, db0, mut db) = attached(&world, &Login::default()).await;
        client.quit();
        db.expect_reset().await;
        db.die();
        let mut next = world.client().await;
        next.query("insert into t values (1)");
        let mut db = db0.accept().await;
        db.expect_set("").await;
        db.expect_query("insert into t values (1)").await;
        db.reply_ok();
        next.expect_ok().await;
    });
}

#[test]
fn a_promotion_empties_the_pool() {
    play(async {
        let world = World::new();
        let (client, _, mut db) = attached(&world, &Login::default()).await;
        client.quit();
        db.expect_reset().await;
        world.read_only("db-0");
        world.primary("db-1");
        db.peer.expect_end().await;
        world.expect_nothing_left(0).await;
    });
}
