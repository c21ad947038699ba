//! What a client hears of its session before its first statement: the same as directly, whatever the servers' global
//! variables are, before the proxy began or since. A client that escapes literals by the status flags must not be misled.

use crate::dialogue::raw::{Greeted, Raw, error_code, response};
use crate::dialogue::{eventually, patient, readers_are};
use crate::support::{Cluster, Kind, Node, Proxy, connect, proxy_config};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// CLIENT_SESSION_TRACK, in the third byte of the capability flags.
const SESSION_TRACK: u8 = 0x80;

/// SERVER_STATUS_AUTOCOMMIT
const AUTOCOMMIT: u16 = 2;

/// SERVER_STATUS_NO_BACKSLASH_ESCAPES
const NO_BACKSLASH_ESCAPES: u16 = 0x200;

/// Global settings.
const SETTINGS: [&str; 5] = [
    "SET GLOBAL sql_mode = DEFAULT; SET GLOBAL autocommit = 1; SET GLOBAL init_connect = ''",
    "SET GLOBAL sql_mode = 'NO_BACKSLASH_ESCAPES'",
    "SET GLOBAL sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'",
    "SET GLOBAL autocommit = 0",
    "SET GLOBAL sql_mode = 'ANSI'",
];

/// Commands that the proxy may answer itself, in front of any statement.
const COMMANDS: [(&str, &[u8]); 5] = [
    ("COM_PING", b"\x0e"),
    ("COM_RESET_CONNECTION", b"\x1f"),
    ("COM_PING", b"\x0e"),
    ("COM_SET_OPTION", b"\x1b\0\0"),
    ("COM_QUERY", b"\x03DO 1"),
];

/// The greeting's status flags, the OK packet of the login, and the status flags of the commands' answers.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    greeting: u16,
    login: Vec<u8>,
    answers: Vec<(&'static str, u16)>,
}

fn flags(bytes: &[u8]) -> u16 {
    u16::from_le_bytes([bytes[0], bytes[1]])
}

async fn log_in(port: u16) -> (Raw, u16, Vec<u8>) {
    let mut raw = Raw::connect(port).await.unwrap();
    let greeting = raw.read().await.unwrap().1;
    let version_end = 1 + greeting[1..].iter().position(|b| *b == 0).unwrap();
    let status = flags(&greeting[version_end + 1 + 16..]);
    let mut login = response("app", "app", &Greeted::read(&greeting));
    login[2] |= SESSION_TRACK;
    raw.send(1, &login).await.unwrap();
    loop {
        let packet = raw.read().await.unwrap().1;
        if packet != [1, 3] {
            assert_eq!(packet[0], 0, "{}", String::from_utf8_lossy(&packet));
            return (raw, status, packet);
        }
    }
}

async fn told(port: u16) -> Told {
    let (mut raw, greeting, login) = log_in(port).await;
    let mut answers = Vec::new();
    for (name, command) in COMMANDS {
        raw.send(0, command).await.unwrap();
        let packet = raw.read().await.unwrap().1;
        answers.push((name, flags(&packet[3..])));
    }
    Told { greeting, login, answers }
}

/// MySQL's status flags say that autocommit is on even if sessions begin without it. The proxy says what is.
fn without_mysqls_lie(told: Told, kind: Kind) -> Told {
    let mask = if kind == Kind::MySql { !AUTOCOMMIT } else { u16::MAX };
    let mut login = told.login;
    let status = flags(&login[3..]) & mask;
    login[3..5].copy_from_slice(&status.to_le_bytes());
    let answers = told.answers.into_iter().map(|(name, status)| (name, status & mask)).collect();
    Told { greeting: told.greeting & mask, login, answers }
}

async fn set(cluster: &Cluster, settings: &str) {
    for server in cluster.servers() {
        server.sql(settings).await;
    }
}

async fn clusters() -> Vec<Cluster> {
    let mut all = vec![Cluster::mariadb(1).await];
    all.extend(Cluster::mysql(1).await);
    for cluster in &all {
        // From now on caching_sha2_password takes a scramble.
        connect(cluster.primary().port(), "app", "app", "test").await.expect("a login");
    }
    all
}

#[tokio::test]
async fn clients_hear_the_servers_defaults_from_the_start() {
    for cluster in clusters().await {
        for settings in SETTINGS {
            set(&cluster, settings).await;
            let proxy = Proxy::start(&patient(&proxy_config(&cluster))).await;
            let kind = cluster.kind();
            let direct = without_mysqls_lie(told(cluster.primary().port()).await, kind);
            let proxied = without_mysqls_lie(told(proxy.rw).await, kind);
            assert_eq!(direct, proxied, "{} {settings}", kind.name());
        }
    }
}

#[tokio::test]
async fn changes_past_the_proxy_are_heard_after_the_next_probe() {
    for cluster in clusters().await {
        let kind = cluster.kind();
        let proxy = Proxy::start(&proxy_config(&cluster)).await;
        readers_are(&proxy, 1).await;
        for settings in SETTINGS.into_iter().chain(SETTINGS) {
            set(&cluster, settings).await;
            let direct = without_mysqls_lie(told(cluster.primary().port()).await, kind);
            eventually(&format!("clients hear of {settings}: {direct:x?}"), async || {
                (without_mysqls_lie(told(proxy.rw).await, kind) == direct).then_some(())
            })
            .await;
        }
    }
}

/// `init_connect` sets what no probe can see, so a server is asked.
#[tokio::test]
async fn effects_of_init_connect_are_heard_at_the_login() {
    for cluster in clusters().await {
        set(&cluster, "SET GLOBAL init_connect = 'SET sql_mode = ''NO_BACKSLASH_ESCAPES'''").await;
        let proxy = Proxy::start(&patient(&proxy_config(&cluster))).await;
        let told = told(proxy.rw).await;
        let all = told.answers.iter().map(|(_, status)| *status).chain([flags(&told.login[3..])]);
        assert!(all.into_iter().all(|status| status & NO_BACKSLASH_ESCAPES != 0), "{told:?}");
    }
}

/// A client that escapes as the flags say reads only what it asks for, also if the variables were set through the proxy.
#[tokio::test]
async fn a_client_that_escapes_by_the_flags_is_not_open_to_injections() {
    for cluster in clusters().await {
        let proxy = Proxy::start(&patient(&proxy_config(&cluster))).await;
        readers_are(&proxy, 1).await;
        cluster
            .primary()
            .sql(
                "CREATE TABLE test.secrets (owner VARCHAR(20)); INSERT INTO test.secrets VALUES ('a'), ('b')",
            )
            .await;
        cluster.wait_caught_up().await;
        for mode in ["NO_BACKSLASH_ESCAPES", "", "NO_BACKSLASH_ESCAPES"] {
            let statement = format!("SET GLOBAL sql_mode = '{mode}'");
            cluster.replica(0).sql(&statement).await;
            let mut root = connect(proxy.rw, "super", "super", "test").await.unwrap();
            mysql_async::prelude::Queryable::query_drop(&mut root, &statement).await.unwrap();
            let (mut raw, _, login) = log_in(proxy.rw).await;
            let plain = flags(&login[3..]) & NO_BACKSLASH_ESCAPES != 0;
            assert_eq!(plain, !mode.is_empty(), "{mode}");
            let input = r"\' OR 1=1 -- ";
            let escaped = if plain {
                input.replace('\'', "''")
            } else {
                input.replace('\\', r"\\").replace('\'', r"\'")
            };
            let answer =
                raw.query(&format!("SELECT * FROM test.secrets WHERE owner = '{escaped}'")).await.unwrap();
            assert_eq!((answer.as_slice(), error_code(&answer)), (&[1u8][..], 0));
            // The column's definition, EOF, and EOF again: no row.
            let packets = [raw.read().await.unwrap(), raw.read().await.unwrap(), raw.read().await.unwrap()];
            assert_eq!(packets[2].1[0], 0xfe, "a row: {packets:?}");
        }
    }
}

/// A session that sets autocommit keeps it on every server connection, even if the servers begin without it.
#[tokio::test]
async fn autocommit_of_a_session_holds_where_servers_begin_without_it() {
    for cluster in clusters().await {
        set(&cluster, "SET GLOBAL autocommit = 0").await;
        cluster.primary().sql("SET autocommit = 1; CREATE TABLE test.t (a INT)").await;
        let proxy = Proxy::start(&patient(&proxy_config(&cluster))).await;
        let mut client = connect(proxy.rw, "app", "app", "test").await.unwrap();
        use mysql_async::prelude::Queryable as _;
        client.query_drop("INSERT INTO t VALUES (1)").await.unwrap();
        assert_eq!(committed(cluster.primary()).await, "0", "the session begins with autocommit off");
        client.query_drop("ROLLBACK").await.unwrap();
        client.query_drop("SET autocommit = 1").await.unwrap();
        client.query_drop("INSERT INTO t VALUES (2)").await.unwrap();
        assert_eq!(committed(cluster.primary()).await, "1");
        // The session's connection is lost; it goes on on a new one.
        let ids = "SELECT id FROM information_schema.processlist WHERE user = 'app'";
        for row in cluster.primary().sql(ids).await {
            let _ = cluster.primary().try_sql(&format!("KILL {}", row[0].as_deref().unwrap())).await;
        }
        let deadline = Instant::now() + Duration::from_secs(30);
        while client.query_drop("INSERT INTO t VALUES (3)").await.is_err() {
            assert!(Instant::now() < deadline);
            sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(committed(cluster.primary()).await, "2", "{}", cluster.kind().name());
    }
}

async fn committed(server: &Node) -> String {
    server.value("SELECT COUNT(*) FROM test.t").await
}
