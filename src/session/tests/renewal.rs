//! SET GLOBAL and its like: what connections that are open began with is not for new sessions.

use std::time::Duration;

use super::commands::attached;
use super::*;

/// Another session uses a connection of its own and leaves it to whoever comes.
async fn idle(world: &World, db0: &Server) -> Db {
    let mut client = world.client().await;
    let mut db = client.runs_first_on(db0, "do 7").await;
    client.quit();
    db.expect_silence().await;
    db
}

const CHANGES: [&str; 14] = [
    "set global max_allowed_packet = 1",
    "SET @@global.x = 1",
    "set global a = 1, session b = 2",
    "set session b = 2, @@global.a = 1",
    "set @u = 1, global a = 1",
    "set persist a = 1",
    "set persist_only a = 1",
    "set @@persist.a = 1",
    "reset persist",
    "reset persist if exists a",
    "set global transaction read only",
    "flush privileges",
    "/*!50000 set global a = 1 */",
    "do 1; set global a = 1",
];

#[test]
fn new_sessions_get_connections_that_began_behind_the_change() {
    play(async {
        for sql in CHANGES {
            let world = World::new();
            let (mut client, db0, mut db) = attached(&world, &Login::default()).await;
            let mut unclaimed = idle(&world, &db0).await;
            let mut other = world.client().await;
            other.runs_on(&mut unclaimed, "do 2").await;
            let mut own = unclaimed;
            let mut left = idle(&world, &db0).await;
            client.query(sql);
            db.expect_query(sql).await;
            left.peer.expect_silence().await;
            db.reply_ok();
            client.expect_ok().await;
            left.peer.expect_end().await;
            // Sessions that were there keep what they have.
            other.runs_on(&mut own, "do 3").await;
            client.runs_on(&mut db, "do 3").await;
            // Before that a login would ask a server how sessions begin now.
            tokio::time::sleep(Duration::from_secs(6)).await;
            let mut new = world.client().await;
            let mut fresh = new.runs_first_on(&db0, "do 4").await;
            // And nobody gets it after them.
            other.quit();
            own.peer.expect_end().await;
            client.quit();
            db.peer.expect_end().await;
            new.quit();
            fresh.expect_silence().await;
            world.expect_nothing_left(1).await;
        }
    });
}

#[test]
fn what_was_refused_or_changes_a_session_closes_nothing() {
    play(async {
        let refused = vec![err(1227, "42000", "Access denied")];
        let all = [
            ("set global a = 1", refused.clone()),
            ("do 1; set global a = 1", refused.clone()),
            ("set persist a = 1", refused.clone()),
            ("grant all on *.* to a", refused),
            ("set session a = 1", vec![ok()]),
            ("set @global = 1", vec![ok()]),
            ("select @@global.a", one()),
            ("flush tables", vec![ok()]),
            ("create table t (a int)", vec![ok()]),
        ];
        for (sql, answer) in all {
            let world = World::new();
            let (mut client, db0, mut db) = attached(&world, &Login::default()).await;
            let mut left = idle(&world, &db0).await;
            client.hears_from(&mut db, sql, &answer).await;
            left.peer.expect_silence().await;
            let mut new = world.client().await;
            new.runs_on(&mut left, "do 4").await;
            db0.expect_nobody().await;
        }
    });
}

/// Whose answer comes in parts: what was executed counts from its own part on, and what was refused not at all.
#[test]
fn in_a_text_of_several_only_what_was_executed_counts() {
    play(async {
        let denied = || err(1227, "42000", "Access denied");
        // Text, first part of the answer, the rest, and behind which of them what is unclaimed is closed.
        let all = [
            ("do 1; set global a = 1", vec![ok_with(MORE)], denied(), None),
            ("do 1; do 2; grant all on *.* to a", vec![ok_with(MORE), ok_with(MORE)], denied(), None),
            ("do 1; set global a = 1", vec![ok_with(MORE)], ok(), Some(1)),
            ("set global a = 1; do 1", vec![ok_with(MORE)], ok(), Some(0)),
            ("set global a = 1; do 1", vec![ok_with(MORE)], denied(), Some(0)),
            ("do 1; set global a = 1; do 2", vec![ok_with(MORE), ok_with(MORE)], denied(), Some(0)),
            ("begin not atomic do 1; set global a = 1; do 2; end", vec![ok_with(MORE)], ok(), Some(1)),
        ];
        for (sql, first, second, closed) in all {
            let world = World::new();
            let (mut client, db0, mut db) = attached(&world, &Login::default()).await;
            let mut left = idle(&world, &db0).await;
            client.hears_from(&mut db, sql, &first).await;
            if closed == Some(0) {
                left.peer.expect_end().await;
            } else {
                left.peer.expect_silence().await;
            }
            let seq = u8::try_from(first.len() + 1).unwrap();
            db.peer.say(&frames(seq, std::slice::from_ref(&second)));
            client.peer.expect_bytes(&frames(seq, &[second])).await;
            match closed {
                Some(0) => {}
                Some(_) => left.peer.expect_end().await,
                None => left.peer.expect_silence().await,
            }
        }
    });
}

#[test]
fn accounts_change_on_all_servers() {
    play(async {
        let changes = [
            "grant r to a",
            "revoke r from a",
            "set default role r to a",
            "create user b",
            "alter user a default role r",
            "drop role r",
            "rename user a to b",
            "set password = 'x'",
        ];
        for sql in changes {
            let world = World::new();
            let db1 = world.server("db-1");
            let db2 = world.server("db-2");
            let login = Login { port: crate::terms::Port::Replica, ..Login::default() };
            let mut reader = world.login(&login).await;
            reader.query("select 1");
            let mut replica = loop {
                if let Some(stream) = db1.listener.try_accept() {
                    break db1.let_in(Peer::new(stream)).await;
                }
                if let Some(stream) = db2.listener.try_accept() {
                    break db2.let_in(Peer::new(stream)).await;
                }
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            };
            replica.expect_read_only_set("").await;
            replica.answer_one("select 1").await;
            reader.expect(&one()).await;
            reader.quit();
            replica.expect_silence().await;
            let (mut client, _, mut db) = attached(&world, &Login::default()).await;
            client.runs_on(&mut db, sql).await;
            replica.peer.expect_end().await;
        }
    });
}

#[test]
fn a_full_server_makes_room_for_a_connection_of_now() {
    play(async {
        let change = |live: &mut crate::config::Live| {
            live.limits.max_server_connections = std::num::NonZeroUsize::new(1).unwrap();
        };
        let world = World::with(Settings { change, ..Settings::default() });
        let (mut client, db0, mut db) = attached(&world, &Login::default()).await;
        client.runs_on(&mut db, "set global a = 1").await;
        tokio::time::sleep(Duration::from_secs(6)).await;
        let mut new = world.client().await;
        new.query("do 4");
        db.peer.expect_end().await;
        let mut fresh = db0.accept().await;
        fresh.expect_set("").await;
        fresh.answer_ok("do 4").await;
        new.expect_ok().await;
    });
}
