//! Logins: the product of flavor, plugin, capabilities and chunk size on the client's
//! leg, and of the servers' ways to check on theirs.

use std::time::Duration;

use super::server::Checks;
use super::*;
use crate::auth::Plugin;
use crate::terms::Close;
use crate::topology::Flavor;
use crate::wire::Capabilities;

/// A client's plugin, and what the proxy makes of it.
#[derive(Debug, Clone, Copy)]
struct PluginPath {
    plugin: &'static str,
    names_it: bool,
    switched: Option<&'static str>,
    fast: bool,
}

const WAYS: [PluginPath; 4] = [
    PluginPath { plugin: "mysql_native_password", names_it: true, switched: None, fast: false },
    PluginPath { plugin: "caching_sha2_password", names_it: true, switched: None, fast: true },
    PluginPath { plugin: "dialog", names_it: true, switched: Some(""), fast: false },
    PluginPath { plugin: "mysql_native_password", names_it: false, switched: None, fast: false },
];

pub fn settings(flavor: Flavor, chunk: usize) -> Settings {
    let seen = match flavor {
        Flavor::MySql => Capabilities::OFFERED - Capabilities::MARIADB,
        Flavor::MariaDb => {
            Capabilities::OFFERED - Capabilities::LONG_PASSWORD - Capabilities::QUERY_ATTRIBUTES
        }
    };
    Settings { chunk, flavor, seen, served: seen, ..Settings::default() }
}

/// As a MySQL or a MariaDB client asks.
pub fn wanted(flavor: Flavor, style: Style) -> Capabilities {
    let mut wanted = Login::default().capabilities;
    wanted.set(Capabilities::DEPRECATE_EOF, style.deprecate_eof);
    wanted.set(Capabilities::SESSION_TRACK, style.session_track);
    if flavor == Flavor::MariaDb {
        wanted -= Capabilities::LONG_PASSWORD;
        wanted |= Capabilities::MARIADB_STMT_BULK_OPERATIONS | Capabilities::MARIADB_EXTENDED_METADATA;
    }
    wanted
}

pub fn styles() -> impl Iterator<Item = Style> {
    [(false, false), (false, true), (true, false), (true, true)]
        .into_iter()
        .map(|(deprecate_eof, session_track)| Style { deprecate_eof, session_track })
}

#[test]
fn every_client_logs_in_with_every_plugin() {
    play(async {
        for flavor in [Flavor::MySql, Flavor::MariaDb] {
            for style in styles() {
                for chunk in [1, 3, usize::MAX] {
                    for way in WAYS {
                        logs_in(flavor, style, chunk, way).await;
                    }
                }
            }
        }
    });
}

async fn logs_in(flavor: Flavor, style: Style, chunk: usize, way: PluginPath) {
    let world = World::with(settings(flavor, chunk));
    let greeted = match flavor {
        Flavor::MySql => "caching_sha2_password",
        Flavor::MariaDb => "mysql_native_password",
    };
    let mut capabilities = wanted(flavor, style);
    capabilities.set(Capabilities::PLUGIN_AUTH, way.names_it);
    let login = Login { plugin: way.plugin, capabilities, ..Login::default() };
    for password in ["secret", "wrong"] {
        let login = Login { password, ..login.clone() };
        let about = format!("{flavor:?} {style:?} chunk {chunk} {way:?} {password}");
        match world.attempt(&login).await {
            Ok(client) => {
                assert_eq!(password, "secret", "{about}");
                assert_eq!(client.greeting.auth_plugin, greeted.as_bytes(), "{about}");
                let switched = way.switched.map(|_| greeted);
                assert_eq!(client.switched.as_deref(), switched, "{about}");
                assert_eq!(client.fast, way.fast || switched == Some("caching_sha2_password"), "{about}");
                client.quit();
            }
            Err(refused) => {
                assert_eq!(password, "wrong", "{about}");
                assert_eq!((refused.code, &*refused.sqlstate), (1045, "28000"), "{about}");
            }
        }
    }
    world.expect_nothing_left(0).await;
    assert_eq!((world.closed(Close::Quit), world.closed(Close::LoginFailed)), (1, 1));
}

#[test]
fn nobody_and_an_empty_password_where_there_is_one_are_refused_alike() {
    play(async {
        for plugin in ["mysql_native_password", "caching_sha2_password"] {
            let world = World::new();
            let login = Login { plugin, user: "nobody", ..Login::default() };
            let refused = world.attempt(&login).await.err().unwrap();
            assert_eq!(refused.text, "Access denied for user 'nobody'@'localhost' (using password: YES)");
            let login = Login { plugin, password: "", ..Login::default() };
            let refused = world.attempt(&login).await.err().unwrap();
            assert_eq!(refused.text, "Access denied for user 'app'@'localhost' (using password: NO)");
            let login = Login { plugin, user: "nopass", password: "", ..Login::default() };
            world.login(&login).await;
        }
    });
}

#[test]
fn the_greeting_is_the_primarys_own_and_promises_what_all_servers_have() {
    play(async {
        let world = World::with(settings(Flavor::MariaDb, usize::MAX));
        let client = world.client().await;
        assert_eq!(client.greeting.version, b"11.4.2-MariaDB");
        assert_eq!(client.greeting.capabilities, world.settings.seen);
    });
}

#[test]
fn the_proxy_logs_in_as_every_server_wants_it() {
    play(async {
        let ways = [
            Checks::Plugin(Plugin::NativePassword),
            Checks::Plugin(Plugin::CachingSha2),
            Checks::Switch(Plugin::NativePassword),
            Checks::Switch(Plugin::CachingSha2),
            Checks::Full,
        ];
        for chunk in [1, 3, usize::MAX] {
            for checks in ways {
                let world = World::with(Settings { chunk, ..Settings::default() });
                let mut db0 = world.server("db-0");
                db0.checks = checks;
                let mut client = world.client().await;
                client.query("select 1");
                let mut db = db0.accept().await;
                assert_eq!(db.user, "app");
                db.expect_set("").await;
                db.answer_one("select 1").await;
                client.expect(&one()).await;
            }
        }
    });
}

#[test]
fn a_server_that_refuses_the_account_is_quoted() {
    play(async {
        let world = World::new();
        let db0 = world.server("db-0");
        let mut client = world.client().await;
        client.query("select 1");
        let mut peer = db0.accept_raw().await;
        peer.say(&frames(0, &[err(1130, "HY000", "Host 'x' is not allowed to connect")]));
        let text = client.expect_err(1130, "HY000").await;
        assert_eq!(text, "Host 'x' is not allowed to connect");
        client.pings_behind_an_error().await;
    });
}

#[test]
fn each_login_with_a_schema_is_checked_by_a_server() {
    play(async {
        let world = World::new();
        let db0 = world.server("db-0");
        let login = Login { schema: Some("shop"), ..Login::default() };
        // Of logins that wait at the same time, one asks.
        let server = async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            let mut db = db0.accept().await;
            db.expect_set("").await;
            db.expect_init_db("shop").await;
            db
        };
        let both = async { tokio::join!(world.login(&login), world.login(&login)) };
        let (_db, _clients) = tokio::join!(server, both);
        db0.expect_nobody().await;
        // A later one asks again, whatever was said before.
        for (code, text) in [(1049, "Unknown database 'shop'"), (1044, "Access denied for user 'app'@'%'")] {
            let server = async {
                let mut db = db0.accept().await;
                db.expect_set("").await;
                db.expect(command(2, "shop")).await;
                db.reply(&[err(code, "42000", text)]);
                db.die();
            };
            let ((), refused) = tokio::join!(server, world.attempt(&login));
            let refused = refused.err().unwrap();
            assert_eq!((refused.code, &*refused.text), (code, text));
        }
    });
}

#[test]
fn a_command_in_the_same_breath_as_the_login_is_not_lost() {
    play(async {
        let world = World::new();
        let db0 = world.server("db-0");
        let behind = frames(0, &[query("select 1")]);
        let mut client = world.login(&Login { behind, ..Login::default() }).await;
        let mut db = db0.accept().await;
        db.expect_set("").await;
        db.answer_one("select 1").await;
        client.expect(&one()).await;
    });
}
#[test]
fn a_login_with_a_schema_does_not_wait_for_a_primary() {
    play(async {
        let world = World::new();
        world.down("db-0");
        let login = Login { schema: Some("shop"), ..Login::default() };
        let began = tokio::time::Instant::now();
        world.login(&login).await.quit();
        assert!(began.elapsed() < std::time::Duration::from_secs(2));
        world.expect_nothing_left(0).await;
    });
}

#[test]
fn a_client_that_leaves_before_the_greeting_is_no_failed_login() {
    play(async {
        let world = World::new();
        world.socket(&Login::default()).close();
        world.expect_nothing_left(0).await;
        assert_eq!((world.closed(Close::Quit), world.closed(Close::ClientLost)), (1, 0));
        assert_eq!(world.context.metrics.refused.values().map(|c| c.get()).sum::<u64>(), 0);
    });
}

#[test]
fn clients_that_name_a_signing_plugin_sign() {
    play(async {
        for flavor in [Flavor::MySql, Flavor::MariaDb] {
            for (plugin, chunk) in [("client_ed25519", 1), ("client_ed25519", usize::MAX), ("parsec", 1)] {
                let world = World::with(settings(flavor, chunk));
                let login = Login { plugin, ..Login::default() };
                let mut client = world.login(&login).await;
                assert_eq!(client.switched.as_deref(), Some(plugin));
                client.change_user(&Login { user: "other", ..login.clone() }).await.unwrap();
                let wrong = Login { password: "wrong", ..login.clone() };
                let refused = client.change_user(&wrong).await.unwrap_err();
                let denied = "Access denied for user 'app'@'localhost' (using password: YES)";
                assert_eq!((refused.code, &*refused.text), (1045, denied));
                assert_eq!(world.attempt(&wrong).await.err().unwrap().text, denied);
                let nobody = Login { user: "nobody", ..login.clone() };
                let refused = world.attempt(&nobody).await.err().unwrap();
                assert_eq!(refused.text, denied.replace("app", "nobody"));
                // Its password is empty.
                let nopass = Login { user: "nopass", password: "", ..login };
                assert_ne!(world.login(&nopass).await.switched.as_deref(), Some(plugin));
            }
        }
    });
}
