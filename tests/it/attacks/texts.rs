//! Texts that are long, nested or repeat themselves: each gets an answer, from the server or from the proxy, and
//! the other sessions of the same worker are served meanwhile. How much work a text makes is counted by the unit tests
//! of `sql::linear_tests`; here nothing depends on time.

use crate::dialogue::raw::{Raw, error_code};
use crate::dialogue::{patient, readers_are, refusal, value};
use crate::support::{Cluster, Proxy, proxy_config};
use mysql_async::prelude::Queryable;

const QUERY: u8 = 3;
const PREPARE: u8 = 0x16;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// What stands first, what is repeated, what stands last.
const SHAPES: [(&str, &str, &str); 16] = [
    ("SELECT ", "a(", "1"),
    ("SELECT ", "(", "1"),
    ("SELECT ", ")", "1"),
    ("", "SET NAMES utf8mb4;", "SELECT 1"),
    ("", "SET STATEMENT max_statement_time=1 FOR ", "SELECT 1"),
    ("", "EXPLAIN (", "SELECT 1"),
    ("SELECT /*!50001 1*//*!50002 +1*//*!50003 +1*//*!50004 +1*/", "+1", ""),
    ("SELECT 1", "/*!50001*/", ""),
    ("SELECT 1", "/*!", "*/"),
    ("SET @a=1", ",@b=2", ""),
    ("SET sql_mode=''", ",sql_mode=''", ""),
    ("PREPARE s FROM '", "SELECT 1;", "'"),
    ("SELECT '", "\\'", "'"),
    ("SELECT '", "''", ""),
    ("", "BEGIN;", "COMMIT"),
    ("DO GET_LOCK('a',0)", ",RELEASE_LOCK('a')", ""),
];

fn text((head, part, tail): (&str, &str, &str), bytes: usize) -> String {
    let times = bytes.saturating_sub(head.len() + tail.len()) / part.len();
    [head, &part.repeat(times), tail].concat()
}

async fn scene() -> (Cluster, Proxy) {
    let cluster = Cluster::mariadb(1).await;
    cluster
        .primary()
        .sql("CREATE TABLE test.t (a INT, b VARCHAR(100)); INSERT INTO test.t VALUES (1, 'a')")
        .await;
    cluster.wait_caught_up().await;
    let config = patient(&proxy_config(&cluster)).replace("mode = \"primary\"", "mode = \"split\"");
    // All sessions share one worker.
    let proxy = Proxy::start(&format!("workers = 1\n{config}")).await;
    readers_are(&proxy, 1).await;
    (cluster, proxy)
}

#[tokio::test]
async fn no_text_keeps_a_worker_from_its_other_sessions() {
    let (_cluster, mut proxy) = scene().await;
    let mut others = [proxy.client().await.expect("a client"), proxy.reader().await.expect("a reader")];
    let attempts = [
        (proxy.rw, QUERY, 120 * KIB),
        (proxy.rw, PREPARE, 250 * KIB),
        (proxy.rw, PREPARE, 900 * KIB),
        (proxy.ro, QUERY, 30 * KIB),
        (proxy.ro, QUERY, 2 * MIB),
        (proxy.ro, PREPARE, 250 * KIB),
    ];
    for shape in SHAPES {
        for (port, command, bytes) in attempts {
            let what = format!("{} {bytes} bytes by {command} to port {port}", shape.1);
            let mut attacker = Raw::connect(port).await.expect("connect");
            let login = attacker.login("app", "app").await;
            login.unwrap_or_else(|error| panic!("{what}: login: {error}; {}", proxy.log()));
            let mut payload = vec![command];
            payload.extend_from_slice(text(shape, bytes).as_bytes());
            attacker.send(0, &payload).await.expect("the text is taken");
            for other in &mut others {
                assert_eq!(value(other, "SELECT 1").await.expect(&what), "1", "{what}");
            }
            // A result, an error of the server or one of the proxy.
            let (_, answer) = attacker.read().await.unwrap_or_else(|error| panic!("{what}: {error}"));
            assert!(!answer.is_empty(), "{what}");
        }
    }
    assert!(proxy.exit_status().is_none(), "the proxy ended");
    assert!(!proxy.log().contains("panicked"), "it panicked");
}

#[tokio::test]
async fn long_texts_of_good_will_do_what_they_say() {
    let (cluster, proxy) = scene().await;
    let mut writer = proxy.client().await.expect("a client");
    let rows = 150_000;
    let bulk = format!("INSERT INTO test.t VALUES {}(1, 'some text')", "(2, 'some text'),".repeat(rows - 1));
    assert!(bulk.len() > 2 * MIB);
    writer.query_drop(&bulk).await.expect("a long INSERT");
    assert_eq!(
        value(&mut writer, "SELECT COUNT(*) FROM test.t").await.expect("a count"),
        (rows + 1).to_string()
    );
    cluster.wait_caught_up().await;

    let mut reader = proxy.reader().await.expect("a reader");
    let list = format!("SELECT COUNT(*) FROM test.t WHERE a IN (1{})", ",7".repeat(3 * MIB / 2));
    assert_eq!(value(&mut reader, &list).await.expect("a long list"), "2");
    let refused = refusal(reader.query_drop(&bulk).await);
    assert!(refused.code == 1290 && refused.message.contains("writes"), "{refused}");
    let hidden = format!("SELECT 1{}; DELETE FROM test.t", " ".repeat(3 * MIB));
    let refused = refusal(reader.query_drop(&hidden).await);
    assert!(refused.code == 1290 && refused.message.contains("writes"), "{refused}");

    // Prepared, it is a read that a replica can answer, however long it is.
    let mut raw = Raw::app(proxy.ro).await;
    let long = text(("SELECT COUNT(*) FROM test.t WHERE a IN (1", ",7", ")"), 400 * KIB);
    let answer = raw.command(PREPARE, long.as_bytes()).await.expect("an answer");
    assert_eq!(answer.first(), Some(&0), "{}", error_code(&answer));
}

#[tokio::test]
async fn what_would_multiply_is_refused_by_name() {
    let (_cluster, proxy) = scene().await;
    let mut reader = proxy.reader().await.expect("a reader");
    let many = text(("SELECT /*!50001 1*//*!50002 +1*//*!50003 +1*//*!50004 +1*/", "+1", ""), 64 * KIB);
    let refused = refusal(reader.query_drop(&many).await);
    assert!(refused.code == 1290 && refused.message.contains("too many versioned comments"), "{refused}");
}
