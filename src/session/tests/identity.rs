//! Clients whose accounts are not configured: the servers' tables have them, or a server is asked.

use std::sync::Arc;
use std::time::Duration;

use super::server::Checks;
use super::*;
use crate::auth::{Plugin, native_password};
use crate::backend::accounts::{AccountReading, AccountRows, Accounts};
use crate::config::CredentialSource;
use crate::terms::Port;
use crate::topology::Flavor;
use crate::wire::{ErrPacket, Greeting, HandshakeResponse, StatusFlags};
use crate::worker::admission::Admission;

/// A world without configured users, whose sources are these.
pub fn world(flavor: Flavor, sources: &[CredentialSource]) -> World {
    let world = World::with(Settings { flavor, ..Settings::default() });
    let mut live = (*world.context.live()).clone();
    live.users.clear();
    live.credentials.sources = sources.to_vec();
    world.context.new_settings(Arc::new(live));
    world
}

pub const ALL: &[CredentialSource] =
    &[CredentialSource::Configuration, CredentialSource::Accounts, CredentialSource::Learned];

/// The tables have these accounts of everywhere: the name, the plugin, what is stored.
pub fn read(world: &World, attempts: u64, accounts: &[(&str, &str, &[u8])]) {
    read_with(world, attempts, accounts, b"N");
}

fn read_with(world: &World, attempts: u64, accounts: &[(&str, &str, &[u8])], locked: &[u8]) {
    let value = |text: &[u8]| Some(text.to_vec());
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02X}")).collect::<String>();
    let row = |(user, plugin, stored): &(&str, &str, &[u8])| {
        let stored = hex(stored);
        [b"%", user.as_bytes(), plugin.as_bytes(), stored.as_bytes(), locked, b"N", b"", b"", b""]
            .map(value)
            .to_vec()
    };
    let rows: Vec<_> = accounts.iter().map(row).collect();
    let own = [vec![value(b"monitor@10.0.0.9")]];
    let table = AccountRows::read(Flavor::MySql, &rows, &own).unwrap();
    let accounts = Arc::new(Accounts::Known(table));
    let mut reading = AccountReading { accounts, begun: Arc::new(attempts.into()), ..Default::default() };
    reading.end();
    world.context.identities.replace(reading);
}

pub(super) fn stored(password: &str) -> Vec<u8> {
    let double = native_password::double_sha1(password.as_bytes());
    let digits: String = double.iter().map(|byte| format!("{byte:02X}")).collect();
    format!("*{digits}").into_bytes()
}

pub(super) fn caching(password: &'static str) -> Login {
    Login { plugin: "caching_sha2_password", password, ..Login::default() }
}

/// Lets the proxy in, which only checks a password.
async fn checks(server: &Server) {
    let mut db = server.accept().await;
    db.peer.expect_bytes(&frames(0, &[vec![1]])).await;
}

/// Refuses the proxy with this error.
pub(super) async fn refuses(server: &Server, code: u16) {
    refuses_on(server.accept_raw().await, code).await;
}

/// The same, on a connection that the proxy has opened.
pub(super) async fn refuses_on(mut peer: Peer, code: u16) {
    let mut greeting = Vec::new();
    Greeting {
        version: b"8.4.2".to_vec(),
        connection_id: 7,
        nonce: *b"a nonce, of 20 bytes",
        capabilities: Settings::default().served,
        collation: 45,
        status: StatusFlags::AUTOCOMMIT,
        auth_plugin: b"caching_sha2_password".to_vec(),
    }
    .encode(&mut greeting);
    peer.say(&frames(0, &[greeting]));
    let (_, payload) = peer.packet().await;
    assert_eq!(HandshakeResponse::parse(&payload).unwrap().user, b"app");
    let mut error = Vec::new();
    ErrPacket { code, sqlstate: *b"28000", message: b"the server's text" }.encode(&mut error);
    peer.say(&frames(2, &[error]));
}

/// Runs a statement on a connection that the proxy opens for it.
async fn runs(client: &mut Client, server: &Server) {
    client.query("do 1");
    let mut db = server.accept().await;
    assert_eq!(db.user, "app");
    db.expect_set("").await;
    db.answer_ok("do 1").await;
    client.expect_ok().await;
}

#[test]
fn a_stored_hash_lets_in_and_is_enough_for_the_servers() {
    play(async {
        let world = world(Flavor::MySql, ALL);
        let db0 = world.server("db-0");
        world.primary("db-0");
        read(&world, 1, &[("app", "mysql_native_password", &stored("secret"))]);
        for plugin in ["mysql_native_password", "caching_sha2_password"] {
            let login = Login { plugin, ..Login::default() };
            let mut client = world.login(&login).await;
            assert!(
                !client.sent_password && client.switched.is_none() == (plugin == "mysql_native_password")
            );
            if plugin == "mysql_native_password" {
                runs(&mut client, &db0).await;
            }
        }
        db0.expect_nobody().await;
    });
}

#[test]
fn a_wrong_answer_waits_for_the_tables_which_may_make_it_right() {
    play(async {
        let world = world(Flavor::MySql, ALL);
        let _db0 = world.server("db-0");
        world.primary("db-0");
        read(&world, 1, &[("app", "mysql_native_password", &stored("former"))]);
        let refused = world.attempt(&Login::default()).await.err().unwrap();
        assert_eq!((refused.code, world.outside.accounts_doubted.get()), (1045, 1));

        let (login, attempt) = (Login::default(), async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            read(&world, 2, &[("app", "mysql_native_password", &stored("secret"))]);
        });
        let (entered, ()) = tokio::join!(world.attempt(&login), attempt);
        assert!(entered.is_ok());
        assert_eq!(world.outside.accounts_doubted.get(), 2);
        // The former password is another credential.
        let refused = world.attempt(&Login { password: "former", ..Login::default() }).await.err().unwrap();
        assert_eq!(refused.code, 1045);
    });
}

#[test]
fn a_password_is_told_once_and_checked_by_a_server() {
    play(async {
        let world = world(Flavor::MySql, ALL);
        let mut db0 = world.server("db-0");
        db0.checks = Checks::Plugin(Plugin::CachingSha2);
        world.primary("db-0");
        read(&world, 1, &[("app", "caching_sha2_password", b"$A$005$one")]);
        let login = caching("secret");
        let (mut client, ()) = tokio::join!(world.login(&login), checks(&db0));
        assert!(client.sent_password && !client.fast);
        runs(&mut client, &db0).await;
        let second = world.login(&caching("secret")).await;
        assert!(!second.sent_password && second.fast, "the proxy remembers it");
        db0.expect_nobody().await;

        let wrong = caching("wrong");
        let (refused, ()) = tokio::join!(world.attempt(&wrong), refuses(&db0, 1045));
        assert_eq!(
            refused.err().unwrap().text,
            "Access denied for user 'app'@'localhost' (using password: YES)"
        );

        // The account has another password now.
        read(&world, 2, &[("app", "caching_sha2_password", b"$A$005$two")]);
        let (refused, ()) = tokio::join!(world.attempt(&login), refuses(&db0, 1045));
        assert_eq!(refused.err().unwrap().code, 1045);
    });
}

#[test]
fn what_a_server_says_about_the_account_reaches_the_client() {
    play(async {
        let world = world(Flavor::MySql, ALL);
        let db0 = world.server("db-0");
        world.primary("db-0");
        read(&world, 1, &[("app", "caching_sha2_password", b"$A$005$one")]);
        let login = caching("secret");
        let (refused, ()) = tokio::join!(world.attempt(&login), refuses(&db0, 1862));
        let refused = refused.err().unwrap();
        assert_eq!((refused.code, &*refused.text), (1862, "the server's text"));
    });
}

#[test]
fn without_tables_a_server_is_asked_again_after_a_while() {
    play(async {
        let world = world(Flavor::MySql, &[CredentialSource::Learned]);
        let mut db0 = world.server("db-0");
        db0.checks = Checks::Plugin(Plugin::CachingSha2);
        world.primary("db-0");
        let login = caching("secret");
        let (client, ()) = tokio::join!(world.login(&login), checks(&db0));
        assert!(client.sent_password);
        assert!(world.login(&login).await.fast);
        db0.expect_nobody().await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        let (client, ()) = tokio::join!(world.login(&login), checks(&db0));
        assert!(client.fast && !client.sent_password);
        tokio::time::sleep(Duration::from_secs(5)).await;
        let (refused, ()) = tokio::join!(world.attempt(&login), refuses(&db0, 1045));
        assert_eq!(refused.err().unwrap().code, 1045);
        // It is forgotten.
        let (refused, ()) = tokio::join!(world.attempt(&login), refuses(&db0, 1045));
        assert_eq!(refused.err().unwrap().code, 1045);
    });
}

#[test]
fn nobody_looks_like_somebody_with_a_wrong_password() {
    play(async {
        let world = world(Flavor::MySql, ALL);
        let db0 = world.server("db-0");
        world.primary("db-0");
        for accounts in [&[][..], &[("app", "caching_sha2_password", &b"$A$005$one"[..])]] {
            read(&world, 1, accounts);
            let login = caching("wrong");
            let (refused, ()) = tokio::join!(world.attempt(&login), refuses(&db0, 1045));
            assert_eq!(
                refused.err().unwrap().text,
                "Access denied for user 'app'@'localhost' (using password: YES)"
            );
        }
    });
}

#[test]
fn a_login_that_no_server_can_check_says_so() {
    play(async {
        let world = world(Flavor::MySql, ALL);
        let refused = world.attempt(&caching("secret")).await.err().unwrap();
        assert_eq!(refused.code, 1105, "{}", refused.text);
    });
}

#[test]
fn who_knows_the_password_of_a_locked_account_is_not_blocked() {
    play(async {
        let world = world(Flavor::MySql, ALL);
        read_with(&world, 1, &[("app", "mysql_native_password", &stored("secret"))], b"Y");
        let admission: Arc<Admission> = Arc::default();
        let attempt = async |password| {
            let at: std::net::SocketAddr = "127.0.0.1:5".parse().unwrap();
            let pass = admission.enter(at.into(), &world.context.live().limits).unwrap();
            let login = Login { password, ..Login::default() };
            Client::log_in(world.session(entrance(Port::Primary), pass), &login).await.err().unwrap()
        };
        for _ in 0..200 {
            let refused = attempt("secret").await;
            assert_eq!(refused.code, 3118);
            assert_eq!(refused.text, "Access denied for user 'app'@'127.0.0.1'. Account is locked.");
        }
        let codes = [attempt("wrong").await.code, attempt("wrong").await.code];
        assert_eq!(codes, [1045, 1045]);
    });
}

#[test]
fn a_user_whose_secret_is_missing_is_not_looked_for_elsewhere() {
    play(async {
        let world = world(Flavor::MySql, ALL);
        read(&world, 1, &[("app", "mysql_native_password", &stored("secret"))]);
        let mut live = (*world.context.live()).clone();
        live.withheld.insert("app".into());
        world.context.new_settings(Arc::new(live));
        let db0 = world.server("db-0");
        world.primary("db-0");
        let login = Login::default();
        let (refused, ()) = tokio::join!(world.attempt(&login), refuses(&db0, 1045));
        assert_eq!(refused.err().unwrap().code, 1045);
    });
}

#[test]
fn an_account_that_passes_read_only_is_reported_when_it_logs_in() {
    play(async {
        let world = world(Flavor::MariaDb, ALL);
        let row = |values: &[&str]| values.iter().map(|v| Some(v.as_bytes().to_vec())).collect::<Vec<_>>();
        let hash = String::from_utf8(stored("secret")).unwrap();
        let json = |access: u32| {
            format!(
                r#"{{"plugin":"mysql_native_password","authentication_string":"{hash}","access":{access}}}"#
            )
        };
        let rows = [row(&["%", "app", &json(1 << 15)]), row(&["%", "other", &json(0)])];
        let table = AccountRows::read(Flavor::MariaDb, &rows, &[row(&["monitor@10.0.0.9"])]).unwrap();
        let mut reading = AccountReading {
            accounts: Arc::new(Accounts::Known(table)),
            begun: Arc::new(1.into()),
            ..Default::default()
        };
        reading.end();
        world.context.identities.replace(reading);
        world.login(&Login { user: "other", ..Login::default() }).await;
        assert!(world.attempt(&Login { password: "wrong", ..Login::default() }).await.is_err());
        assert!(world.outside.passing.borrow().is_empty());
        world.login(&Login::default()).await;
        assert_eq!(*world.outside.passing.borrow(), ["app"]);
        // Nothing else can become the primary.
        world.configured(&["db-0"]);
        world.login(&Login::default()).await;
        assert_eq!(world.outside.passing.borrow().len(), 1);
    });
}
