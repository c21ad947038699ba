//! KILL by the two numbers that a client knows of a connection, and timeouts.

use super::commands::attached;
use super::*;
use crate::session::kill_here;
use crate::terms::Close;
use crate::worker::{KillRequest, KilledBy, Signals};

#[test]
fn kill_by_the_proxys_id_ends_an_idle_session() {
    play(async {
        for chunk in [1, usize::MAX] {
            let world = World::with(Settings { chunk, ..Settings::default() });
            let (mut victim, db0, mut db) = attached(&world, &Login::default()).await;
            let mut client = world.client().await;
            let id = victim.greeting.connection_id;
            client.query(&format!("KILL {id}"));
            client.expect_ok().await;
            victim.peer.expect_end().await;
            // It left nothing on its connection, which is for others as it is.
            db.expect_silence().await;
            assert!(!db.peer.has_ended());
            db0.expect_nobody().await;
            assert_eq!(world.closed(Close::Killed), 1);
            assert_eq!(world.outside.kills.borrow().len(), 1);
        }
    });
}

#[test]
fn kill_by_the_servers_thread_id_ends_the_statement_there_too() {
    play(async {
        let world = World::new();
        let (mut victim, db0, mut db) = attached(&world, &Login::default()).await;
        victim.query("select sleep(100)");
        db.expect_query("select sleep(100)").await;
        let mut client = world.client().await;
        client.query(&format!("kill connection {}", db.thread_id));
        let mut killer = db0.accept().await;
        killer.answer_ok(&format!("KILL CONNECTION {}", db.thread_id)).await;
        client.expect_ok().await;
        killer.expect([1]).await;
        // As from the server, nothing but the end.
        victim.peer.expect_end().await;
        db.peer.expect_end().await;
    });
}

/// KILL QUERY is on its way to the server for a statement of the first client.
async fn kill_under_way(world: &World) -> (Client, Client, Server, Db, Db) {
    let (mut victim, db0, mut db) = attached(world, &Login::default()).await;
    victim.query("select sleep(100)");
    db.expect_query("select sleep(100)").await;
    let mut client = world.client().await;
    client.query(&format!("kill query {}", victim.greeting.connection_id));
    let mut killer = db0.accept().await;
    killer.expect_query(&format!("KILL QUERY {}", db.thread_id)).await;
    (victim, client, db0, db, killer)
}

#[test]
fn kill_query_leaves_the_connection() {
    play(async {
        let world = World::new();
        let (mut victim, mut client, _db0, mut db, mut killer) = kill_under_way(&world).await;
        killer.reply_ok();
        client.expect_ok().await;
        let interrupted = err(1317, "70100", "Query execution was interrupted");
        db.reply(std::slice::from_ref(&interrupted));
        victim.expect(&[interrupted]).await;
        victim.reads_on(&mut db, "select 1").await;
    });
}

#[test]
fn com_process_kill_and_kill_of_oneself() {
    play(async {
        let world = World::new();
        let mut victim = world.client().await;
        let mut client = world.client().await;
        client.send(command(0x0c, victim.greeting.connection_id.to_le_bytes()));
        client.expect_ok().await;
        victim.peer.expect_end().await;
        let own = client.greeting.connection_id;
        client.query(&format!("KILL {own}"));
        client.expect_err(1317, "70100").await;
        client.peer.expect_end().await;
        world.expect_nothing_left(0).await;
    });
}

#[test]
fn what_is_no_session_of_this_account_is_the_servers_to_judge() {
    play(async {
        let world = World::new();
        let (victim, db0, _db) = attached(&world, &Login { user: "other", ..Login::default() }).await;
        let mut client = world.client().await;
        let kill = format!("KILL {}", victim.greeting.connection_id);
        client.query(&kill);
        let mut db = db0.accept().await;
        db.expect_set("").await;
        db.expect_query(&kill).await;
        db.reply(&[err(1095, "HY000", "You are not owner of thread")]);
        client.expect_err(1095, "HY000").await;
        assert_eq!(world.closed(Close::Killed), 0);
    });
}

#[test]
fn an_operator_kills_by_the_ids_of_the_proxy_only() {
    play(async {
        let world = World::new();
        let (mut victim, _db0, db) = attached(&world, &Login::default()).await;
        let server = world.context.topology.last_primary();
        assert!(server.is_some());
        let kill = |id: u32, by: KilledBy| {
            kill_here(world.context.clone(), KillRequest { id, connection: true, by, server })
        };
        let id = victim.greeting.connection_id;
        assert!(!kill(db.thread_id, KilledBy::Operator).await, "may be the thread of another server");
        assert!(!kill(id, KilledBy::Account("other".to_owned())).await);
        // A session that has not logged in has no account.
        let mut stranger = world.socket(&Login::default());
        stranger.packet().await;
        assert!(!kill(id + 1, KilledBy::Account(String::new())).await);
        victim.peer.expect_silence().await;
        assert!(!victim.peer.has_ended());
        assert!(kill(id, KilledBy::Operator).await);
        victim.peer.expect_end().await;
        assert_eq!(world.closed(Close::Killed), 1);
    });
}

pub fn tell(world: &World, bits: u16) {
    world.context.handles().iter().for_each(|h| h.signal.raise(bits));
}

#[test]
fn idle_and_login_timeouts_close() {
    play(async {
        let world = World::new();
        let mut late = world.socket(&Login::default());
        late.packet().await;
        let mut idle = world.client().await;
        tell(&world, Signals::LOGIN | Signals::IDLE);
        late.expect_end().await;
        idle.peer.expect_end().await;
        assert_eq!((world.closed(Close::LoginTimeout), world.closed(Close::IdleTimeout)), (1, 1));
        world.expect_nothing_left(0).await;
    });
}

#[test]
fn a_session_killed_in_the_middle_of_its_own_words_leaves_no_half_command_behind() {
    play(async {
        for half_of_a_file in [false, true] {
            let world = World::new();
            let (mut victim, db0, mut db) = attached(&world, &Login::default()).await;
            let said = if half_of_a_file {
                victim
                    .hears_from(&mut db, "load data local infile 'f' into table t", &[b"\xfbf".to_vec()])
                    .await;
                frames(2, &[vec![b'x'; 300_000]])
            } else {
                frames(0, &[query(&"x".repeat(300_000))])
            };
            victim.peer.say(&said[..200_000]);
            db.peer.expect_bytes(&said[..200_000]).await;
            tell(&world, Signals::KILLED);
            db.peer.expect_end().await;
            let mut next = world.client().await;
            next.query("select 1");
            let mut db = db0.accept().await;
            db.expect_set("").await;
            db.expect_query("select 1").await;
        }
    });
}

#[test]
fn a_kill_without_an_answer_costs_the_connection_and_not_the_session() {
    play(async {
        let world = World::new();
        let (mut victim, mut client, db0, mut db, mut killer) = kill_under_way(&world).await;
        client.expect_ok().await;
        killer.peer.expect_end().await;
        db.reply(&one());
        victim.expect(&one()).await;
        // It may arrive yet: nobody else gets this connection.
        db.peer.expect_end().await;
        let mut db = victim.reads_first_on(&db0, "select 1").await;
        // The next one is kept as ever.
        victim.reads_on(&mut db, "select 2").await;
    });
}

#[test]
fn who_waits_for_a_connection_has_no_number_at_the_server_yet() {
    play(async {
        let world = World::new();
        let (mut client, db0, mut db) = attached(&world, &Login::default()).await;
        let mut other = world.client().await;
        other.query("select 1");
        other.peer.expect_silence().await;
        client.query("kill 0");
        db.expect_query("kill 0").await;
        let unknown = err(1094, "HY000", "Unknown thread id: 0");
        db.reply(std::slice::from_ref(&unknown));
        client.expect(&[unknown]).await;
        let mut db = db0.accept().await;
        db.expect_set("").await;
        db.answer_one("select 1").await;
        other.expect(&one()).await;
    });
}
