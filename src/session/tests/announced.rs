//! `users.send_proxy_protocol`: servers know connections by the address of one client, so no two sessions share them.

use std::num::NonZeroUsize;
use std::sync::Arc;

use super::*;
use crate::config::Live;
use crate::net::Peer as Address;
use crate::terms::Port;
use crate::wire::ProxyHeader;

const TEXT: &str = "UPDATE t SET a = 1";

fn world(change: fn(&mut Live)) -> World {
    World::with(Settings { change, ..Settings::default() })
}

fn announce(live: &mut Live) {
    live.users.get_mut("app").unwrap().send_proxy_protocol = true;
}

fn only_one(live: &mut Live) {
    announce(live);
    live.limits.max_server_connections = NonZeroUsize::MIN;
}

/// A client at this address; without one, on a unix socket.
async fn client(world: &World, at: Option<&str>) -> Client {
    let at = at.map_or(Address::Unix, |at| Address::from(at.parse::<std::net::SocketAddr>().unwrap()));
    let pass = Arc::<crate::worker::admission::Admission>::default().enter(at, &world.context.live().limits);
    Client::log_in(world.session(entrance(Port::Primary), pass.unwrap()), &Login::default()).await.unwrap()
}

/// A connection that begins with the header for a client at this address, logged in and set up.
async fn accept(server: &Server, at: Option<&str>) -> Db {
    let mut peer = server.accept_raw().await;
    let mut header = Vec::new();
    ProxyHeader::write(at.map(|at| at.parse().unwrap()), &mut header);
    peer.expect_bytes(&header).await;
    let mut db = server.let_in(peer).await;
    db.expect_set("").await;
    db
}

#[test]
fn sessions_have_server_connections_of_their_own() {
    play(async {
        let world = world(announce);
        let server = world.server("db-0");
        for at in [Some("198.51.100.7:5000"), Some("[2001:db8::7]:5000"), Some("127.0.0.1:5000"), None] {
            // The server is another host, where a loopback address is another client.
            let shown = at.filter(|at| !at.starts_with("127."));
            let mut first = client(&world, at).await;
            first.query(TEXT);
            let mut db = accept(&server, shown).await;
            db.answer_ok(TEXT).await;
            first.expect_ok().await;
            // The connection stays with its session.
            let mut next = client(&world, at).await;
            next.query(TEXT);
            let mut other = accept(&server, shown).await;
            other.answer_ok(TEXT).await;
            next.expect_ok().await;
            first.runs_on(&mut db, TEXT).await;
            // It ends with its session.
            first.quit();
            db.peer.expect_end().await;
            next.quit();
            other.peer.expect_end().await;
        }
        world.expect_nothing_left(0).await;
    });
}

#[test]
fn another_user_shares_as_ever_and_a_changed_user_begins_anew() {
    play(async {
        let world = world(announce);
        let server = world.server("db-0");
        let mut first = client(&world, Some("198.51.100.7:5000")).await;
        first.query(TEXT);
        let mut db = accept(&server, Some("198.51.100.7:5000")).await;
        db.answer_ok(TEXT).await;
        first.expect_ok().await;
        first.change_user(&Login { user: "other", ..Login::default() }).await.unwrap();
        db.peer.expect_end().await;
        let mut db = first.runs_first_on(&server, TEXT).await;
        first.quit();
        let mut next = world.login(&Login { user: "other", ..Login::default() }).await;
        next.runs_on(&mut db, TEXT).await;
        next.quit();
        world.expect_nothing_left(1).await;
    });
}

#[test]
fn a_parked_connection_makes_room_for_another_session() {
    play(async {
        let world = world(only_one);
        let server = world.server("db-0");
        let mut first = client(&world, Some("198.51.100.7:5000")).await;
        let mut next = client(&world, Some("198.51.100.8:5000")).await;
        first.query(TEXT);
        let mut db = accept(&server, Some("198.51.100.7:5000")).await;
        db.expect_query(TEXT).await;
        next.query(TEXT);
        server.expect_nobody().await;
        db.reply_ok();
        first.expect_ok().await;
        db.peer.expect_end().await;
        let mut db = accept(&server, Some("198.51.100.8:5000")).await;
        db.answer_ok(TEXT).await;
        next.expect_ok().await;
        first.query(TEXT);
        db.peer.expect_end().await;
        let mut db = accept(&server, Some("198.51.100.7:5000")).await;
        db.answer_ok(TEXT).await;
        first.expect_ok().await;
        first.quit();
        next.quit();
        world.expect_nothing_left(0).await;
    });
}

#[test]
fn a_transaction_keeps_its_connection_while_others_wait() {
    play(async {
        let world = world(only_one);
        let server = world.server("db-0");
        let mut first = client(&world, Some("198.51.100.7:5000")).await;
        let mut next = client(&world, Some("198.51.100.8:5000")).await;
        first.query("BEGIN");
        let mut db = accept(&server, Some("198.51.100.7:5000")).await;
        db.expect_query("BEGIN").await;
        db.reply(&[ok_with(1)]);
        first.expect(&[ok_with(1)]).await;
        next.query(TEXT);
        server.expect_nobody().await;
        first.runs_on(&mut db, "COMMIT").await;
        db.peer.expect_end().await;
        let mut db = accept(&server, Some("198.51.100.8:5000")).await;
        db.answer_ok(TEXT).await;
        next.expect_ok().await;
    });
}

#[test]
fn a_server_that_ends_such_connections_is_an_error_that_names_the_setting() {
    play(async {
        let world = world(announce);
        let server = world.server("db-0");
        let mut first = client(&world, Some("198.51.100.7:5000")).await;
        first.query(TEXT);
        for _ in 0..4 {
            let mut peer = server.accept_raw().await;
            let mut header = Vec::new();
            ProxyHeader::write(Some("198.51.100.7:5000".parse().unwrap()), &mut header);
            peer.expect_bytes(&header).await;
            peer.say(&frames(0, &[server.greeting()]));
            peer.packet().await;
            peer.say(&frames(2, &[err(1105, "HY000", "Proxy header is not accepted from 10.0.0.2")]));
        }
        let text = first.expect_err(1105, "08S01").await;
        assert!(text.contains("users.send_proxy_protocol is on for app"), "{text}");
        assert!(text.contains("db-0") && text.contains("proxy_protocol_networks"), "{text}");
    });
}
