//! How much of the proxy and of the servers the clients can take that are not logged in.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::identity::{ALL, caching, read, refuses, refuses_on, stored, world};
use super::*;
use crate::config::CredentialSource;
use crate::net::memory::pair;
use crate::session::Session;
use crate::terms::{Close, Port, Refused as Reason};
use crate::topology::Flavor;
use crate::worker::Signals;
use crate::worker::admission::Admission;

const LEARNED: &[CredentialSource] = &[CredentialSource::Learned];

type LoggingIn = JoinHandle<Result<Client, Refused>>;

/// A client that sends a password that only a server can check.
fn logs_in(world: &World) -> LoggingIn {
    let peer = world.socket(&caching("wrong"));
    tokio::task::spawn_local(async move { Client::log_in(peer, &caching("wrong")).await })
}

async fn code(client: LoggingIn) -> u16 {
    client.await.unwrap().err().unwrap().code
}

/// Eight clients whose passwords the server is checking, and the proxy's connections for that.
async fn eight(world: &World, server: &Server) -> (Vec<LoggingIn>, Vec<Peer>) {
    let (mut clients, mut checks) = (Vec::new(), Vec::new());
    for _ in 0..8 {
        clients.push(logs_in(world));
        checks.push(server.accept_raw().await);
    }
    (clients, checks)
}

fn refused(world: &World, reason: Reason) -> u64 {
    world.context.metrics.refused[reason].get()
}

#[test]
fn the_servers_check_eight_passwords_at_a_time() {
    play(async {
        let world = world(Flavor::MySql, LEARNED);
        let db0 = world.server("db-0");
        world.primary("db-0");
        let (mut clients, mut checks) = eight(&world, &db0).await;
        clients.extend([logs_in(&world), logs_in(&world)]);
        db0.expect_nobody().await;
        refuses_on(checks.remove(0), 1045).await;
        assert_eq!(code(clients.remove(0)).await, 1045);
        let ninth = db0.accept_raw().await;
        db0.expect_nobody().await;
        drop((checks, ninth));
    });
}

#[test]
fn a_client_that_waits_for_its_turn_can_leave() {
    play(async {
        let world = world(Flavor::MySql, LEARNED);
        let db0 = world.server("db-0");
        world.primary("db-0");
        let (clients, mut checks) = eight(&world, &db0).await;
        let ninth = logs_in(&world);
        db0.expect_nobody().await;
        ninth.abort();
        db0.expect_nobody().await;
        assert_eq!(refused(&world, Reason::Aborted), 1);
        // Nobody has its turn.
        refuses_on(checks.remove(0), 1045).await;
        db0.expect_nobody().await;
        drop(clients);
    });
}

#[test]
fn the_check_of_a_client_that_leaves_goes_on_and_counts() {
    play(async {
        let world = world(Flavor::MySql, LEARNED);
        let db0 = world.server("db-0");
        world.primary("db-0");
        let client = logs_in(&world);
        let check = db0.accept_raw().await;
        client.abort();
        refuses_on(check, 1045).await;
        db0.expect_nobody().await;
        assert_eq!((refused(&world, Reason::Aborted), refused(&world, Reason::Password)), (0, 1));
    });
}

#[test]
fn the_wait_for_a_turn_ends_with_the_logins_time() {
    play(async {
        let world = world(Flavor::MySql, LEARNED);
        let db0 = world.server("db-0");
        world.primary("db-0");
        let (clients, checks) = eight(&world, &db0).await;
        let ninth = logs_in(&world);
        db0.expect_nobody().await;
        world.context.handles().iter().for_each(|handle| handle.signal.raise(Signals::LOGIN));
        let refused = ninth.await.unwrap().err().unwrap();
        assert!(refused.code == 1105 && refused.text.contains("timeouts.login"), "{}", refused.text);
        // The others have their turn: the server's answer counts.
        for (client, check) in clients.into_iter().zip(checks) {
            refuses_on(check, 1045).await;
            assert_eq!(code(client).await, 1045);
        }
    });
}

#[test]
fn a_kill_and_the_end_of_a_drain_end_waits_and_checks() {
    for (signal, close) in [(Signals::KILLED, Close::Killed), (Signals::END, Close::Drained)] {
        play(async move {
            let world = world(Flavor::MySql, LEARNED);
            let db0 = world.server("db-0");
            world.primary("db-0");
            let (_clients, checks) = eight(&world, &db0).await;
            let _ninth = logs_in(&world);
            db0.expect_nobody().await;
            world.context.handles().iter().for_each(|handle| handle.signal.raise(signal));
            for mut check in checks {
                check.expect_end().await;
            }
            assert_eq!(world.closed(close), 9);
        });
    }
}

#[test]
fn a_check_ends_within_the_time_of_a_login_however_many_servers_are_silent() {
    play(async {
        let world = World::with(Settings {
            change: |live| {
                live.users.clear();
                live.credentials.sources = LEARNED.to_vec();
                live.timeouts.connect = Duration::from_secs(8);
            },
            ..Settings::default()
        });
        let _servers = ["db-0", "db-1", "db-2"].map(|name| world.server(name));
        let began = Instant::now();
        assert_eq!(code(logs_in(&world)).await, 1105);
        assert_eq!(began.elapsed().as_secs(), world.context.live().timeouts.login.as_secs());
    });
}

#[test]
fn an_outage_of_the_servers_blocks_no_address() {
    play(async {
        let world = world(Flavor::MySql, LEARNED);
        let admission: Arc<Admission> = Arc::default();
        let at: std::net::SocketAddr = "127.0.0.1:5".parse().unwrap();
        let pass = admission.enter(at.into(), &world.context.live().limits).unwrap();
        let (_peer, stream) = pair(usize::MAX);
        let mut session = Session::new(world.context.clone(), stream, entrance(Port::Primary), pass);
        for _ in 0..1000 {
            session.login_phase().note_failed_login(Reason::Server, b"app");
            session.login_phase().note_failed_login(Reason::Aborted, b"app");
        }
        assert!(admission.enter(at.into(), &world.context.live().limits).is_ok());
        assert!(!session.client.handle.pass.borrow().is_blocked(b"app"));
    });
}

#[test]
fn nobody_gets_the_error_of_an_outage_as_everybody_does() {
    play(async {
        let world = world(Flavor::MySql, ALL);
        let db0 = world.server("db-0");
        world.primary("db-0");
        for (code, expected) in [(1040, 1040), (1129, 1129), (1862, 1045)] {
            read(&world, 1, &[]);
            let login = caching("wrong");
            // A full server is asked again until timeouts.connect.
            let refusing = async {
                loop {
                    refuses(&db0, code).await;
                }
            };
            let refused = tokio::select! {
                refused = world.attempt(&login) => refused,
                () = refusing => unreachable!("refuses without an end"),
            };
            assert_eq!(refused.err().unwrap().code, expected);
        }
        drop(db0);
        for accounts in [&[][..], &[("app", "caching_sha2_password", &b"$A$005$one"[..])]] {
            read(&world, 1, accounts);
            assert_eq!(world.attempt(&caching("wrong")).await.err().unwrap().code, 1105);
        }
    });
}

#[test]
fn a_wrong_password_waits_three_seconds_for_the_tables_at_most() {
    play(async {
        let world = world(Flavor::MySql, ALL);
        let _db0 = world.server("db-0");
        world.primary("db-0");
        read(&world, 1, &[("app", "mysql_native_password", &stored("another"))]);
        let began = Instant::now();
        assert_eq!(world.attempt(&Login::default()).await.err().unwrap().code, 1045);
        assert_eq!(began.elapsed().as_millis(), 3000);
    });
}

#[test]
fn a_packet_of_a_login_is_128_kib_long_at_most() {
    play(async {
        let world = World::new();
        let header = |len: u32| [&len.to_le_bytes()[..3], &[1]].concat();
        let mut peer = world.socket(&Login::default());
        peer.packet().await;
        peer.say(&header(128 * 1024));
        peer.expect_silence().await;
        let mut peer = world.socket(&Login::default());
        peer.packet().await;
        peer.say(&header(128 * 1024 + 1));
        let (seq, error) = peer.packet().await;
        assert_eq!((seq, error[0]), (2, 0xff));
        peer.expect_end().await;
    });
}
