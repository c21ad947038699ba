//! Logins that the proxy passes through: several factors, and plugins that it does not know.

use std::sync::Arc;
use std::time::Duration;

use super::client::response;
use super::identity::{ALL, read, refuses, world};
use super::*;
use crate::auth::caching_sha2;
use crate::config::CredentialSource;
use crate::terms::{Close, Pin, Port, Refused as Reason};
use crate::topology::Flavor;
use crate::wire::{Capabilities, Greeting, HandshakeResponse};
use crate::worker::Entrance;
use crate::worker::admission::Admission;

const GSSAPI: (&str, &str, &[u8]) = ("app", "gssapi", b"app@REALM");

/// A world in which `app` has this account.
fn with_account(account: (&str, &str, &[u8])) -> (World, Server) {
    let world = world(Flavor::MySql, ALL);
    let db0 = world.server("db-0");
    world.primary("db-0");
    read(&world, 1, &[account]);
    (world, db0)
}

fn login() -> Login {
    let capabilities = Login::default().capabilities | Capabilities::MULTI_FACTOR_AUTHENTICATION;
    Login { plugin: "auth_gssapi_client", schema: Some("shop"), capabilities, ..Login::default() }
}

/// A client without TLS, at another address, that has sent its handshake response.
async fn knock(world: &World, login: &Login) -> Peer {
    let at: std::net::SocketAddr = "10.0.0.7:5".parse().unwrap();
    let pass = Arc::<Admission>::default().enter(at.into(), &world.context.live().limits).unwrap();
    say_hello(world.session(entrance(login), pass), login).await
}

fn entrance(login: &Login) -> Entrance {
    Entrance {
        port: login.port,
        listener: "rw".into(),
        native_password: true,
        proxy_protocol_from: Default::default(),
        compression: crate::config::ClientCompression::Off,
    }
}

async fn say_hello(mut peer: Peer, login: &Login) -> Peer {
    let (_, greeting) = peer.packet().await;
    let greeting = Greeting::parse(&greeting).unwrap();
    let mut capabilities = login.capabilities & greeting.capabilities;
    capabilities.set(Capabilities::CONNECT_WITH_DB, login.schema.is_some());
    peer.say(&frames(1, &[response(login, capabilities, &greeting.nonce)]));
    peer
}

/// The server greets the proxy, which introduces the client.
async fn introduced(server: &Server) -> Peer {
    let mut peer = server.accept_raw().await;
    peer.say(&frames(0, &[server.greeting()]));
    let (seq, payload) = peer.packet().await;
    let response = HandshakeResponse::parse(&payload).unwrap();
    assert_eq!((seq, response.user, response.schema), (1, &b"app"[..], Some(&b"shop"[..])));
    assert!(
        response.auth_response.is_empty()
            && response.capabilities.contains(Capabilities::MULTI_FACTOR_AUTHENTICATION)
    );
    assert_eq!(response.attribute("_pid"), Some(&b"42"[..]));
    peer
}

/// This packet passes from one peer to the other.
async fn passes(from: &mut Peer, to: &mut Peer, seq: u8, payload: &[u8]) {
    from.say(&frames(seq, &[payload.to_vec()]));
    to.expect_bytes(&frames(seq, &[payload.to_vec()])).await;
}

/// The server lets the client in, and the proxy names the schema.
async fn lets_in(from: &mut Peer, to: &mut Peer, seq: u8) {
    from.say(&frames(seq, &[ok()]));
    to.expect_bytes(&frames(seq, &[logged_in_to_shop()])).await;
}

fn as_client(peer: Peer) -> Client {
    let mut greeting = Vec::new();
    Greeting {
        version: b"8.4.2".to_vec(),
        connection_id: 1,
        nonce: [1; 20],
        capabilities: Settings::default().served,
        collation: 45,
        status: crate::wire::StatusFlags::AUTOCOMMIT,
        auth_plugin: b"caching_sha2_password".to_vec(),
    }
    .encode(&mut greeting);
    let greeting = Greeting::parse(&greeting).unwrap();
    let capabilities = login().capabilities & greeting.capabilities;
    Client { peer, greeting, capabilities, switched: None, fast: false, sent_password: false }
}

fn as_db(peer: Peer) -> Db {
    let (user, attributes) = ("app".to_owned(), Vec::new());
    Db {
        peer,
        thread_id: 1,
        user,
        capabilities: Settings::default().served & Login::default().capabilities,
        attributes,
        prepared: false,
    }
}

/// A session whose client logged in with one token.
async fn logged_in(world: &World, server: &Server) -> (Client, Db) {
    let mut client = knock(world, &login()).await;
    let mut db = introduced(server).await;
    passes(&mut db, &mut client, 2, b"\xfeauth_gssapi_client\0principal\0").await;
    passes(&mut client, &mut db, 3, b"a token").await;
    lets_in(&mut db, &mut client, 4).await;
    (as_client(client), as_db(db))
}

/// A statement runs on this connection.
async fn runs(client: &mut Client, db: &mut Db, sql: &str) {
    client.runs_on(db, sql).await;
}

#[test]
fn a_token_passes_and_the_session_keeps_the_connection() {
    play(async {
        let (world, db0) = with_account(GSSAPI);
        let (mut client, mut db) = logged_in(&world, &db0).await;
        client.query("do 1");
        // The schema was selected by the login.
        db.expect_set("").await;
        db.answer_ok("do 1").await;
        client.expect_ok().await;
        runs(&mut client, &mut db, "do 2").await;
        assert_eq!(world.context.metrics.pins[Pin::UnknownLogin].get(), 1);
        assert_eq!(world.context.metrics.server_connections.get(), 1);
        // Nobody else gets the connection, whatever the session is doing.
        let mut other = knock(&world, &login()).await;
        let mut second = introduced(&db0).await;
        passes(&mut second, &mut other, 2, b"\xfeauth_gssapi_client\0principal\0").await;
        runs(&mut client, &mut db, "do 3").await;
        client.quit();
        db.peer.expect_end().await;
        passes(&mut other, &mut second, 3, b"a token").await;
        lets_in(&mut second, &mut other, 4).await;
        other.say(&frames(0, &[vec![1]]));
        world.expect_nothing_left(0).await;
    });
}

#[test]
fn a_command_behind_the_login_waits_for_its_end() {
    play(async {
        let (world, db0) = with_account(GSSAPI);
        let mut client = knock(&world, &login()).await;
        let mut db = introduced(&db0).await;
        passes(&mut db, &mut client, 2, b"\xfeauth_gssapi_client\0principal\0").await;
        client.say(&[frames(3, &[b"a token".to_vec()]), frames(0, &[query("do 1")])].concat());
        db.expect_bytes(&frames(3, &[b"a token".to_vec()])).await;
        db.expect_silence().await;
        lets_in(&mut db, &mut client, 4).await;
        let (mut client, mut db) = (as_client(client), as_db(db));
        db.expect_set("").await;
        db.answer_ok("do 1").await;
        client.expect_ok().await;
    });
}

#[test]
fn factors_follow_each_other() {
    play(async {
        let (world, db0) = with_account(GSSAPI);
        let mut client = knock(&world, &login()).await;
        let mut db = introduced(&db0).await;
        passes(&mut db, &mut client, 2, b"\xfecaching_sha2_password\0twenty bytes of nonce\0").await;
        passes(&mut client, &mut db, 3, &[7; 32]).await;
        // What the server adds without being asked.
        passes(&mut db, &mut client, 4, &[1, 3]).await;
        passes(&mut db, &mut client, 5, b"\x02authentication_webauthn_client\0challenge").await;
        // Plugins may say more than one thing at a time.
        passes(&mut client, &mut db, 6, b"one").await;
        passes(&mut client, &mut db, 7, &vec![b'x'; 70_000]).await;
        passes(&mut db, &mut client, 8, b"\x02auth_third\0").await;
        passes(&mut client, &mut db, 9, b"").await;
        lets_in(&mut db, &mut client, 10).await;
        let (mut client, mut db) = (as_client(client), as_db(db));
        client.query("do 1");
        db.expect_set("").await;
        db.answer_ok("do 1").await;
        client.expect_ok().await;
    });
}

#[test]
fn a_refusal_names_the_client_and_counts() {
    play(async {
        let (world, db0) = with_account(GSSAPI);
        let refused = |code| world.context.metrics.refused[code].get();
        for (server_says, code, text, reason) in [
            (
                err(1045, "28000", "Access denied for user 'app'@'10.0.0.9' (using password: NO)"),
                1045,
                "Access denied for user 'app'@'10.0.0.7' (using password: NO)",
                Reason::Password,
            ),
            (
                err(1698, "28000", "Access denied"),
                1045,
                "Access denied for user 'app'@'10.0.0.7' (using password: YES)",
                Reason::Password,
            ),
            (
                err(1862, "HY000", "Your password has expired"),
                1862,
                "Your password has expired",
                Reason::Server,
            ),
            (err(1049, "42000", "Unknown database 'shop'"), 1049, "Unknown database 'shop'", Reason::Server),
        ] {
            let before = refused(reason);
            let mut client = knock(&world, &login()).await;
            let mut db = introduced(&db0).await;
            passes(&mut db, &mut client, 2, b"\xfeauth_gssapi_client\0principal\0").await;
            passes(&mut client, &mut db, 3, b"a token").await;
            db.say(&frames(4, &[server_says]));
            let mut client = as_client(client);
            let (seq, payload) = client.peer.packet().await;
            assert_eq!((seq, &payload[1..3]), (4, &u16::to_le_bytes(code)[..]));
            assert_eq!(String::from_utf8_lossy(&payload[9..]), text);
            client.peer.expect_end().await;
            assert_eq!(refused(reason), before + 1);
        }
        world.expect_nothing_left(0).await;
    });
}

/// The error that the client gets in place of what the server says.
async fn stopped(world: &World, db0: &Server, says: &[u8]) -> String {
    let client = knock(world, &login()).await;
    let mut db = introduced(db0).await;
    db.say(&frames(2, &[says.to_vec()]));
    let text = as_client(client).expect_err_at(2, 1105, "HY000").await;
    drop(db);
    text
}

#[test]
fn a_server_gets_nothing_that_the_client_must_not_send() {
    play(async {
        let (world, db0) = with_account(GSSAPI);
        let clear = stopped(&world, &db0, b"\xfemysql_clear_password\0").await;
        assert!(clear.contains("clear text (mysql_clear_password)") && clear.contains("no TLS"), "{clear}");
        let data = stopped(&world, &db0, &[1, 4]).await;
        assert!(data.contains("a packet that no login has"), "{data}");
        let dialog = stopped(&world, &db0, b"\x02dialog\0\x04Password: ").await;
        assert!(dialog.contains("dialog"), "{dialog}");
        // The server lets in whom it has not asked, perhaps the user of the proxy's process.
        let nothing = stopped(&world, &db0, &ok()).await;
        assert!(nothing.contains("asked the client for nothing"), "{nothing}");
        let old = stopped(&world, &db0, &[0xfe]).await;
        assert!(old.contains("mysql_old_password"), "{old}");
        world.expect_nothing_left(0).await;
    });
}

#[test]
fn a_private_client_needs_a_private_way_to_the_server() {
    play(async {
        let (world, db0) = with_account(GSSAPI);
        // A unix socket.
        let mut client = as_client(say_hello(world.socket(&login()), &login()).await);
        let mut db = introduced(&db0).await;
        db.say(&frames(2, &[b"\xfesome_plugin\0".to_vec()]));
        let text = client.expect_err_at(2, 1105, "HY000").await;
        let open = "server db-0: the client's connection is encrypted or a unix socket, and the one to the server is not";
        assert!(text.contains(open) && text.contains("(some_plugin)"), "{text}");
        // The server gets an answer, and not an end in the middle of a login.
        db.expect_bytes(&frames(3, &[vec![]])).await;
        drop(db);
        // Tickets need no TLS.
        let mut client = say_hello(world.socket(&login()), &login()).await;
        let mut db = introduced(&db0).await;
        passes(&mut db, &mut client, 2, b"\xfeauth_gssapi_client\0principal\0").await;
        drop((client, db));
        world.expect_nothing_left(0).await;
    });
}

#[test]
fn a_client_that_leaves_costs_the_server_an_answer() {
    play(async {
        let (world, db0) = with_account(GSSAPI);
        let mut client = knock(&world, &login()).await;
        let mut db = introduced(&db0).await;
        passes(&mut db, &mut client, 2, b"\xfeauth_gssapi_client\0principal\0").await;
        client.close();
        drop(client);
        db.expect_bytes(&frames(3, &[vec![]])).await;
        db.say(&frames(4, &[err(1045, "28000", "Access denied")]));
        db.expect_end().await;
        world.expect_nothing_left(0).await;
        assert_eq!(world.closed(Close::ClientLost), 1);
    });
}

#[test]
fn a_client_that_says_nothing_is_given_up() {
    play(async {
        let (world, db0) = with_account(GSSAPI);
        let mut client = knock(&world, &login()).await;
        let mut db = introduced(&db0).await;
        passes(&mut db, &mut client, 2, b"\xfeauth_gssapi_client\0principal\0").await;
        world.context.handles().iter().for_each(|handle| handle.signal.raise(crate::worker::Signals::LOGIN));
        client.expect_end().await;
        db.expect_bytes(&frames(3, &[vec![]])).await;
        // A server that does not answer is left after timeouts.connect.
        tokio::time::sleep(Duration::from_secs(60)).await;
        db.expect_end().await;
        assert_eq!(world.closed(Close::LoginTimeout), 1);
        world.expect_nothing_left(0).await;
    });
}

#[test]
fn packets_out_of_order_and_endless_logins_end() {
    play(async {
        let (world, db0) = with_account(GSSAPI);
        let mut client = knock(&world, &login()).await;
        let mut db = introduced(&db0).await;
        passes(&mut db, &mut client, 2, b"\xfeauth_gssapi_client\0principal\0").await;
        client.say(&frames(5, &[b"a token".to_vec()]));
        as_client(client).expect_err_at(3, 1043, "08S01").await;
        db.expect_bytes(&frames(3, &[vec![]])).await;
        drop(db);

        let mut client = knock(&world, &login()).await;
        let mut db = introduced(&db0).await;
        for round in 0..48u8 {
            let says: &[u8] = if round == 0 { b"\xfeany\0" } else { b"\x01more" };
            passes(&mut db, &mut client, 2 + 2 * round, says).await;
            passes(&mut client, &mut db, 3 + 2 * round, b"more").await;
        }
        db.say(&frames(98, &[b"\x01more".to_vec()]));
        let text = as_client(client).expect_err_at(98, 1105, "HY000").await;
        assert!(text.contains("more than 96 packets"), "{text}");
        drop(db);
        world.expect_nothing_left(0).await;
    });
}

#[test]
fn slow_clients_do_not_keep_passwords_from_being_checked() {
    play(async {
        let (world, db0) = with_account(GSSAPI);
        let mut waiting = Vec::new();
        for _ in 0..40 {
            waiting.push(knock(&world, &login()).await);
        }
        let mut servers = Vec::new();
        for _ in 0..32 {
            servers.push(introduced(&db0).await);
        }
        db0.expect_nobody().await;
        assert_eq!(world.context.identities.checks.free(), 8);
        assert_eq!(world.context.identities.passing.available_permits(), 0);
    });
}

#[test]
fn a_reset_stays_on_the_connection() {
    play(async {
        let (world, db0) = with_account(GSSAPI);
        let (mut client, mut db) = logged_in(&world, &db0).await;
        client.query("do 1");
        db.expect_set("").await;
        db.answer_ok("do 1").await;
        client.expect_ok().await;
        client.send(vec![0x1f]);
        db.expect_reset().await;
        client.expect_ok().await;
        client.query("do 2");
        let (_, set) = db.peer.packet().await;
        assert!(set.starts_with(b"\x03SET "), "{}", set.escape_ascii());
        db.reply_ok();
        db.answer_ok("do 2").await;
        client.expect_ok().await;
        assert_eq!(world.context.metrics.server_connections.get(), 1);
        db0.expect_nobody().await;
    });
}

#[test]
fn a_server_that_waits_for_a_registration_is_heard() {
    play(async {
        let (world, db0) = with_account(GSSAPI);
        let (mut client, mut db) = logged_in(&world, &db0).await;
        let waits = || err(4055, "HY000", "Authentication plugin requires registration.");
        for code in [4055, 4055] {
            client.query("select 1");
            db.expect_query(super::server::SET).await;
            db.reply(&[waits()]);
            db.expect_query("select 1").await;
            db.reply(&[waits()]);
            client.expect_err(code, "HY000").await;
        }
        client.query("do 1");
        db.expect_set("").await;
        db.answer_ok("do 1").await;
        client.expect_ok().await;
        runs(&mut client, &mut db, "do 2").await;
    });
}

#[test]
fn a_lost_server_ends_the_session() {
    play(async {
        let (world, db0) = with_account(GSSAPI);
        let (mut client, db) = logged_in(&world, &db0).await;
        db.die();
        tokio::time::sleep(Duration::from_millis(1)).await;
        client.query("do 1");
        let text = client.expect_err(1053, "08S01").await;
        assert!(text.contains("a login that only its client can repeat"), "{text}");
        client.peer.expect_end().await;

        // So does a change of the primary, as for every session that is pinned.
        let (mut client, _db) = logged_in(&world, &db0).await;
        world.server("db-1");
        world.down("db-0");
        world.primary("db-1");
        client.query("do 1");
        client.expect_err(1053, "08S01").await;
        client.peer.expect_end().await;
        world.expect_nothing_left(0).await;
    });
}

#[test]
fn another_user_ends_the_login() {
    play(async {
        let (world, db0) = with_account(GSSAPI);
        let (mut client, mut db) = logged_in(&world, &db0).await;
        let mut live = (*world.context.live()).clone();
        let password = Some(crate::config::Secret::new("secret"));
        let user = crate::config::User::new("other".into(), password);
        live.users.insert("other".into(), user);
        world.context.new_settings(Arc::new(live));
        client.greeting.nonce = [0; 20];
        let refused = client.change_user(&Login { user: "other", ..Login::default() }).await;
        // The test's client does not know the nonce; what counts is the connection.
        assert!(refused.is_err());
        db.peer.expect_end().await;
        world.expect_nothing_left(0).await;
    });
}

#[test]
fn the_replica_port_uses_a_replica() {
    play(async {
        let (world, _db0) = with_account(GSSAPI);
        let db1 = world.server("db-1");
        world.replica("db-1");
        let mut client = knock(&world, &Login { port: Port::Replica, ..login() }).await;
        let mut db = introduced(&db1).await;
        passes(&mut db, &mut client, 2, b"\xfeauth_gssapi_client\0principal\0").await;
        passes(&mut client, &mut db, 3, b"a token").await;
        lets_in(&mut db, &mut client, 4).await;
        let (mut client, mut db) = (as_client(client), as_db(db));
        client.query("select 1");
        db.expect_read_only_set("").await;
        db.answer_one("select 1").await;
        client.expect(&one()).await;
    });
}

/// A client without TLS tells its password, encrypted with the proxy's key.
async fn tells_password(world: &World, login: &Login) -> Peer {
    let at: std::net::SocketAddr = "10.0.0.7:5".parse().unwrap();
    let pass = Arc::<Admission>::default().enter(at.into(), &world.context.live().limits).unwrap();
    let mut peer = world.session(entrance(login), pass);
    let (_, greeting) = peer.packet().await;
    let greeting = Greeting::parse(&greeting).unwrap();
    let capabilities = (login.capabilities & greeting.capabilities) | Capabilities::CONNECT_WITH_DB;
    peer.say(&frames(1, &[response(login, capabilities, &greeting.nonce)]));
    peer.expect_bytes(&frames(2, &[vec![1, 4]])).await;
    peer.say(&frames(3, &[vec![2]]));
    let (seq, pem) = peer.packet().await;
    assert_eq!((seq, pem[0]), (4, 1));
    let cipher = caching_sha2::encrypt_password(b"secret", &greeting.nonce, &pem[1..]).unwrap();
    peer.say(&frames(5, &[cipher]));
    peer
}

#[test]
fn a_server_that_asks_for_more_than_a_password_gets_the_client() {
    play(async {
        let world = world(Flavor::MySql, &[CredentialSource::Learned]);
        let db0 = world.server("db-0");
        world.primary("db-0");
        let login = Login { plugin: "caching_sha2_password", ..login() };
        for (at, asks) in
            [&b"\x02authentication_webauthn_client\0challenge"[..], b"\xfeauth_gssapi_client\0principal\0"]
                .into_iter()
                .enumerate()
        {
            world.context.identities.forget_needs_of_clients();
            let mut client = tells_password(&world, &login).await;
            let mut check = db0.accept_raw().await;
            check.say(&frames(0, &[db0.greeting()]));
            assert_eq!(check.packet().await.0, 1);
            check.say(&frames(2, &[asks.to_vec()]));
            check.expect_end().await;

            let mut db = introduced(&db0).await;
            let switch = b"\xfecaching_sha2_password\0twenty bytes of nonce\0".to_vec();
            db.say(&frames(2, std::slice::from_ref(&switch)));
            // The login with the client has had more packets.
            client.expect_bytes(&frames(6, &[switch])).await;
            client.say(&frames(7, &[vec![7; 32]]));
            db.expect_bytes(&frames(3, &[vec![7; 32]])).await;
            db.say(&frames(4, &[ok()]));
            client.expect_bytes(&frames(8, &[logged_in_to_shop()])).await;

            // The next client is asked by the server at once.
            let mut client = knock(&world, &login).await;
            let mut db = introduced(&db0).await;
            passes(&mut db, &mut client, 2, asks).await;
            assert_eq!(world.context.metrics.pins[Pin::UnknownLogin].get(), at as u64 + 1);
        }
        // An account may become an ordinary one again.
        tokio::time::sleep(Duration::from_secs(601)).await;
        tells_password(&world, &login).await;
    });
}

#[test]
fn an_account_of_the_process_is_not_let_in_by_the_socket() {
    play(async {
        let world = world(Flavor::MySql, ALL);
        read(&world, 1, &[("app", "auth_socket", b"")]);
        let db0 = world.server("db-0");
        world.primary("db-0");
        let login = Login::default();
        let (refused, ()) = tokio::join!(world.attempt(&login), refuses(&db0, 1045));
        assert_eq!(refused.err().unwrap().code, 1045);
    });
}

/// The servers end connections before they greet for a while, as in a failover: the login waits for them.
#[test]
fn a_login_waits_for_a_server_that_can_be_reached() {
    play(async {
        for (port, name) in [(Port::Split, "db-0"), (Port::Replica, "db-1")] {
            let (world, db0) = with_account(GSSAPI);
            let db1 = world.server("db-1");
            world.replica("db-1");
            world.runtime.unlisten(&format!("{name}:3306"));
            let mut client = knock(&world, &Login { port, ..login() }).await;
            tokio::time::sleep(Duration::from_millis(700)).await;
            drop((db0, db1));
            let server = world.server(name);
            let mut db = introduced(&server).await;
            passes(&mut db, &mut client, 2, b"\xfeauth_gssapi_client\0principal\0").await;
            passes(&mut client, &mut db, 3, b"a token").await;
            lets_in(&mut db, &mut client, 4).await;
        }
    });
}

#[test]
fn a_login_waits_no_longer_than_failover_hold() {
    play(async {
        for (port, name) in [(Port::Split, "db-0"), (Port::Replica, "db-1")] {
            let (world, _db0) = with_account(GSSAPI);
            world.replica("db-1");
            world.runtime.unlisten(&format!("{name}:3306"));
            let (began, hold) = (tokio::time::Instant::now(), world.context.live().failover.hold);
            let mut client = knock(&world, &Login { port, ..login() }).await;
            let packet = client.packet().await;
            let text = String::from_utf8_lossy(&packet.1).into_owned();
            assert!(text.contains("failover.hold"), "{text}");
            let waited = began.elapsed();
            // A refused login is told a little later.
            assert!(waited > hold / 2 && waited < hold + Duration::from_secs(1), "{waited:?}");
        }
    });
}
