//! How sessions end in a drain: each where its client's pool notices.

use super::commands::attached;
use super::kill::tell;
use super::*;
use crate::terms::Close;
use crate::wire::Capabilities;
use crate::worker::{Drain, Signals};

const PING: u8 = 0x0e;

/// As the worker does.
fn drain(world: &World, how_far: Drain) {
    world.context.drain.set(how_far);
    tell(world, Signals::DRAIN);
}

#[test]
fn a_drain_begins_with_nobody_being_cut_off() {
    play(async {
        let world = World::new();
        let mut idle = world.client().await;
        let (mut busy, _, mut db) = attached(&world, &Login::default()).await;
        drain(&world, Drain::Gentle);
        idle.peer.expect_silence().await;
        busy.runs_on(&mut db, "do 2").await;
        // A pool may lend it out again at once, unseen.
        busy.peer.expect_silence().await;
        busy.runs_on(&mut db, "do 3").await;
    });
}

#[test]
fn who_asks_whether_the_connection_is_good_is_told_no() {
    play(async {
        for how_far in [Drain::Gentle, Drain::Pressed] {
            let world = World::new();
            let mut client = world.client().await;
            drain(&world, how_far);
            client.send(vec![PING]);
            let text = client.expect_err(1053, "08S01").await;
            assert!(text.contains("connect again"), "{text}");
            client.peer.expect_end().await;
            let mut client = world.client().await;
            client.change_user(&Login::default()).await.unwrap_err();
            client.peer.expect_end().await;
            assert_eq!(world.closed(Close::Drained), 2);
        }
    });
}

#[test]
fn a_ping_in_the_middle_of_something_is_answered() {
    play(async {
        let world = World::new();
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        begin(&mut client, &mut db).await;
        drain(&world, Drain::Gentle);
        client.send(vec![PING]);
        client.expect(&[ok_with(IN_TRANS)]).await;
        client.runs_on(&mut db, "commit").await;
        client.send(vec![PING]);
        client.expect_err(1053, "08S01").await;
        client.peer.expect_end().await;
    });
}

#[test]
fn a_reset_is_answered_for_some_pools_reset_what_comes_back() {
    play(async {
        let world = World::new();
        let mut client = world.client().await;
        drain(&world, Drain::Pressed);
        client.send(vec![0x1f]);
        client.expect_ok().await;
        client.peer.expect_silence().await;
        client.send(vec![PING]);
        client.expect_err(1053, "08S01").await;
    });
}

#[test]
fn silent_clients_end_unless_something_is_unfinished() {
    play(async {
        let world = World::new();
        let mut greeted = world.socket(&Login::default());
        greeted.packet().await;
        let mut idle = world.client().await;
        let (mut busy, _, mut db) = attached(&world, &Login::default()).await;
        begin(&mut busy, &mut db).await;
        drain(&world, Drain::Gentle);
        tell(&world, Signals::LEAVE);
        greeted.expect_end().await;
        idle.peer.expect_end().await;
        busy.peer.expect_silence().await;
        busy.runs_on(&mut db, "commit").await;
        // It was silent before this statement, and is not any more.
        busy.peer.expect_silence().await;
        tell(&world, Signals::LEAVE);
        busy.peer.expect_end().await;
        db.expect_silence().await;
        world.expect_nothing_left(1).await;
        assert_eq!(world.closed(Close::Drained), 3);
    });
}

#[test]
fn a_statement_that_comes_as_its_client_is_found_silent_is_served() {
    play(async {
        let world = World::new();
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        drain(&world, Drain::Gentle);
        client.query("do 2");
        tell(&world, Signals::LEAVE);
        db.answer_ok("do 2").await;
        client.expect_ok().await;
        client.peer.expect_silence().await;
    });
}

#[test]
fn temporary_tables_and_locks_are_unfinished() {
    play(async {
        for sql in ["create temporary table x (v int)", "lock tables t read", "select get_lock('l', 1)"] {
            let world = World::new();
            let (mut client, _, mut db) = attached(&world, &Login::default()).await;
            client.runs_on(&mut db, sql).await;
            drain(&world, Drain::Pressed);
            tell(&world, Signals::LEAVE);
            client.peer.expect_silence().await;
            client.send(vec![PING]);
            client.expect_ok().await;
            tell(&world, Signals::END);
            client.expect_err_at(0, 1053, "08S01").await;
        }
    });
}

#[test]
fn when_time_is_short_sessions_end_behind_an_answer() {
    play(async {
        let world = World::new();
        let (mut client, db0, mut db) = attached(&world, &Login::default()).await;
        drain(&world, Drain::Pressed);
        client.runs_on(&mut db, "insert into t values (1)").await;
        client.peer.expect_end().await;
        assert_eq!(world.closed(Close::Drained), 1);
        drop((db, db0));
    });
}

#[test]
fn a_transaction_goes_on_to_its_end_when_time_is_short() {
    play(async {
        let world = World::new();
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        drain(&world, Drain::Pressed);
        begin(&mut client, &mut db).await;
        client.hears_from(&mut db, "insert into t values (1)", &[ok_with(IN_TRANS)]).await;
        client.runs_on(&mut db, "commit").await;
        client.peer.expect_end().await;
    });
}

#[test]
fn what_only_prepares_a_statement_is_no_end() {
    play(async {
        let world = World::new();
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        drain(&world, Drain::Pressed);
        for sql in ["set @@sql_mode = ''", "set transaction isolation level serializable"] {
            client.runs_on(&mut db, sql).await;
            client.peer.expect_silence().await;
        }
        client.send(vec![2, b't']);
        db.expect([2, b't']).await;
        db.reply_ok();
        client.expect_ok().await;
        client.peer.expect_silence().await;
    });
}

#[test]
fn a_driver_that_looks_at_its_socket_is_not_given_time() {
    play(async {
        let world = World::new();
        let capabilities = Login::default().capabilities | Capabilities::CONNECT_ATTRS;
        let login =
            Login { capabilities, attributes: b"\x0c_client_name\x0fGo-MySQL-Driver", ..Login::default() };
        let (mut client, _, mut db) = attached(&world, &login).await;
        let mut pinging = world.login(&login).await;
        drain(&world, Drain::Gentle);
        // Its user asked, and would be given the error.
        pinging.send(vec![PING]);
        pinging.expect_ok().await;
        pinging.peer.expect_end().await;
        client.runs_on(&mut db, "insert into t values (1)").await;
        client.peer.expect_end().await;
        assert_eq!(world.closed(Close::Drained), 2);
    });
}

#[test]
fn a_statement_behind_the_deadline_is_not_executed() {
    play(async {
        let world = World::new();
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        drain(&world, Drain::Pressed);
        client.query("insert into t values (1)");
        tell(&world, Signals::END);
        client.expect_err(1053, "08S01").await;
        client.peer.expect_end().await;
        db.expect_silence().await;
    });
}

#[test]
fn the_end_of_a_drain_tells_everybody() {
    play(async {
        let world = World::new();
        let mut idle = world.client().await;
        let (mut busy, _, mut db) = attached(&world, &Login::default()).await;
        busy.query("select sleep(100)");
        db.expect_query("select sleep(100)").await;
        world.down("db-2");
        tokio::task::yield_now().await;
        tell(&world, Signals::END);
        idle.expect_err_at(0, 1053, "08S01").await;
        idle.peer.expect_end().await;
        busy.expect_err(1053, "08S01").await;
        busy.peer.expect_end().await;
        db.peer.expect_end().await;
        world.expect_nothing_left(0).await;
    });
}
