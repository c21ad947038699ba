//! What sessions ask about their last statement, if other sessions have had their connections since: `FOUND_ROWS()` and
//! `ROW_COUNT()` behind queries of many shapes, and errors where a prepared statement is missing.

use super::peer::{Peer, capability};
use crate::support::{Cluster, Kind};

const TABLE: &str = "CREATE TABLE test.shapes (a INT PRIMARY KEY, b INT)";
const ROWS: &str = "INSERT INTO test.shapes VALUES (1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (6, 3), (7, 3)";

/// Without LIMIT, set operations and the like.
const QUERIES: [&str; 22] = [
    "SELECT 1",
    "SELECT a FROM shapes",
    "SELECT a FROM shapes WHERE a = 9",
    "SELECT a FROM shapes WHERE 0",
    "SELECT a FROM shapes WHERE a IS NULL",
    "SELECT MAX(a) FROM shapes",
    "SELECT COUNT(*) FROM shapes HAVING COUNT(*) > 100",
    "SELECT b, COUNT(*) FROM shapes GROUP BY b",
    "SELECT b, COUNT(*) FROM shapes GROUP BY b WITH ROLLUP",
    "SELECT b, COUNT(*) FROM shapes GROUP BY b HAVING COUNT(*) > 2",
    "SELECT b, GROUP_CONCAT(a) FROM shapes GROUP BY b ORDER BY b DESC",
    "SELECT DISTINCT b FROM shapes",
    "SELECT SQL_BUFFER_RESULT a FROM shapes ORDER BY b",
    "SELECT a, ROW_NUMBER() OVER (ORDER BY b, a) FROM shapes ORDER BY a",
    "SELECT f.a FROM shapes f JOIN shapes g ON f.a = g.b ORDER BY 1",
    "SELECT a FROM shapes WHERE a IN (SELECT b FROM shapes) ORDER BY 1",
    "WITH q AS (SELECT a FROM shapes) SELECT a FROM q ORDER BY 1",
    "SELECT a FROM shapes FOR UPDATE",
    "SET sql_select_limit = 2\nSELECT a FROM shapes ORDER BY a",
    "SET sql_select_limit = 2\nSELECT b, COUNT(*) FROM shapes GROUP BY b",
    "SELECT table_name FROM information_schema.tables WHERE table_name = 'shapes' AND table_schema = 'test'",
    "!prepare SELECT a FROM shapes WHERE a > ?\n!execute 3",
];

/// Sessions that take every connection of the tight proxy, so that others have had those of the session that asks.
struct Others(Vec<Peer>);

impl Others {
    async fn new(port: u16) -> Others {
        Others::with(port, 0).await
    }

    /// Only sessions with the same capabilities share connections.
    async fn with(port: u16, capabilities: u64) -> Others {
        let mut peers = Vec::new();
        for _ in 0..3 {
            peers.push(Peer::login(port, "test", capabilities).await);
        }
        Others(peers)
    }

    async fn take_all(&mut self) {
        for begins in ["BEGIN", "START TRANSACTION READ ONLY"] {
            for peer in &mut self.0 {
                peer.step(begins).await;
                peer.step("SELECT a FROM shapes WHERE a = 1").await;
            }
            for peer in &mut self.0 {
                peer.step("COMMIT").await;
            }
        }
    }
}

async fn counts_are_known_without_their_connections(cluster: Cluster) {
    let kind = cluster.kind();
    let [_, (_, tight)] = super::proxies(&cluster).await;
    cluster.primary().sql(TABLE).await;
    cluster.primary().sql(ROWS).await;
    let mut others = Others::new(tight.rw).await;
    let mut wrong = Vec::new();
    let changes = [
        ("UPDATE shapes SET b = b + 1", "SELECT row_count()"),
        ("DO 1", "select Row_Count();"),
        ("SELECT 1\nDO 1", "SELECT ROW_COUNT(), 1"),
    ];
    let queries = QUERIES.iter().map(|query| (*query, "SELECT found_rows()")).chain(changes);
    for (first, question) in queries {
        let mut direct = Peer::login(cluster.primary().port(), "test", 0).await;
        let mut through = Peer::login(tight.rw, "test", 0).await;
        for step in first.lines() {
            direct.step(step).await;
            through.step(step).await;
        }
        others.take_all().await;
        for question in [question, "SHOW WARNINGS", "SELECT FOUND_ROWS()", "SHOW COUNT(*) WARNINGS"] {
            let (expected, answer) = (direct.step(question).await, through.step(question).await);
            if expected != answer {
                wrong.push(format!("  {first}\n  {question}\n  direct {expected}\n  tight  {answer}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}: {}:\n{}", kind.name(), wrong.len(), wrong.join("\n\n"));
}

/// Each of these is the first statement of a session whose connection others have had.
const FIRST: [&str; 24] = [
    "DO 1",
    "DELETE FROM shapes WHERE a = 9",
    "SET @a = 1",
    "SELECT a FROM shapes WHERE a = 2",
    "BEGIN",
    "COMMIT",
    "USE test",
    "SET NAMES latin1",
    "SET @a = (SELECT MAX(a) FROM shapes)",
    "SHOW TABLES LIKE 'shapes'",
    "SHOW VARIABLES LIKE 'autocommit'",
    "UPDATE shapes SET b = b WHERE a = 9",
    "INSERT INTO shapes SELECT a, b FROM shapes WHERE a = 9",
    "SELEC",
    "SELECT nix",
    "SELECT nix FROM shapes",
    "SELECT a INTO @a FROM shapes WHERE a = 1",
    "EXPLAIN SELECT 1",
    "CREATE TABLE IF NOT EXISTS shapes (a INT)",
    "PREPARE p FROM 'SELECT 1'",
    "LOCK TABLES shapes READ",
    "FLUSH STATUS",
    "ANALYZE TABLE shapes",
    "SAVEPOINT a",
];

/// A question for both counts is answered as the server would, or with an error of the proxy's own: behind a statement that
/// changed rows, in a session that had no query, nothing makes a connection forget the rows of another session and keep
/// those of this one.
async fn both_counts_are_right_or_refused(cluster: Cluster) {
    let kind = cluster.kind();
    let [_, (_, tight)] = super::proxies(&cluster).await;
    cluster.primary().sql(TABLE).await;
    cluster.primary().sql(ROWS).await;
    let mut others = Others::new(tight.rw).await;
    let mut wrong = Vec::new();
    let both = "SELECT ROW_COUNT(), FOUND_ROWS()";
    for first in FIRST {
        for question in [both, "SELECT FOUND_ROWS()", "SELECT FOUND_ROWS(), 1"] {
            others.take_all().await;
            let mut direct = Peer::login(cluster.primary().port(), "test", 0).await;
            // MariaDB gives a new session the number that its thread had for the former one.
            direct.step("SELECT 1 FROM DUAL WHERE FALSE").await;
            let mut through = Peer::login(tight.rw, "test", 0).await;
            direct.step(first).await;
            through.step(first).await;
            let (expected, answer) = (direct.step(question).await, through.step(question).await);
            if expected != answer {
                wrong.push(format!("  {first}\n  {question}\n  direct {expected}\n  tight  {answer}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}: {}:\n{}", kind.name(), wrong.len(), wrong.join("\n\n"));
    others.take_all().await;
    let mut through = Peer::login(tight.rw, "test", 0).await;
    through.step("UPDATE shapes SET b = b + 1").await;
    let answer = through.step(both).await;
    // On MySQL both are about the UPDATE.
    let is_refused = kind == Kind::MariaDb;
    assert_eq!(answer.contains("is not known any more"), is_refused, "{}: {answer}", kind.name());
    through.step("SELECT a FROM shapes WHERE a > 4 FOR UPDATE").await;
    through.step("UPDATE shapes SET b = b + 1").await;
    let answer = through.step(both).await;
    assert!(!answer.contains("is not known any more"), "{}: {answer}", kind.name());
}

#[tokio::test]
async fn mariadb_sessions_know_both_counts() {
    both_counts_are_right_or_refused(Cluster::mariadb(1).await).await;
}

#[tokio::test]
async fn mysql_sessions_know_both_counts() {
    if let Some(cluster) = Cluster::mysql(1).await {
        both_counts_are_right_or_refused(cluster).await;
    }
}

#[tokio::test]
async fn mariadb_sessions_know_their_counts() {
    counts_are_known_without_their_connections(Cluster::mariadb(1).await).await;
}

#[tokio::test]
async fn mysql_sessions_know_their_counts() {
    if let Some(cluster) = Cluster::mysql(1).await {
        counts_are_known_without_their_connections(cluster).await;
    }
}

/// The texts of this session are not read (its character set is not told): any of them may execute what it prepared as text. On
/// MariaDB a PREPARE takes the diagnostics away.
async fn errors_outlive_what_is_prepared_again(cluster: Cluster) {
    let kind = cluster.kind();
    let [_, (_, tight)] = super::proxies(&cluster).await;
    cluster.primary().sql(TABLE).await;
    let mut others = Others::new(tight.rw).await;
    let mut direct = Peer::login(cluster.primary().port(), "test", 0).await;
    let mut through = Peer::login(tight.rw, "test", 0).await;
    for question in ["SELECT @@error_count", "SHOW WARNINGS", "EXECUTE p USING @a"] {
        for step in ["PREPARE p FROM 'SELECT a FROM shapes WHERE a = ?'", "SET @a = 1"] {
            direct.step(step).await;
            through.step(step).await;
        }
        others.take_all().await;
        for step in ["SET @@timestamp = DEFAULT; SELECT @@character_set_results", "SELECT", question] {
            let (expected, answer) = (direct.step(step).await, through.step(step).await);
            assert_eq!(expected, answer, "{}: {step}, behind it {question}", kind.name());
        }
        direct.step("SET NAMES utf8mb4").await;
        through.step("SET NAMES utf8mb4").await;
    }
}

/// Nothing that stands in front of its questions may change what a session began with.
async fn new_sessions_are_as_they_logged_in(cluster: Cluster) {
    const SETTINGS: &str =
        "SELECT @@sql_mode, @@wait_timeout = @@global.wait_timeout, @@character_set_client";
    let kind = cluster.kind();
    let [_, (_, tight)] = super::proxies(&cluster).await;
    cluster.primary().sql(TABLE).await;
    for server in cluster.servers() {
        server.sql("SET GLOBAL interactive_timeout = 12345").await;
    }
    for words in ["", "ignore_space", "interactive", "found ignore_space interactive"] {
        let capabilities = words.split_whitespace().fold(0, |all, word| all | capability(word));
        let mut others = Others::with(tight.rw, capabilities).await;
        for question in
            ["SELECT ROW_COUNT()", "SELECT ROW_COUNT(), 1", "SHOW WARNINGS", "SELECT LAST_INSERT_ID()"]
        {
            let mut direct = Peer::login(cluster.primary().port(), "test", capabilities).await;
            let mut through = Peer::login(tight.rw, "test", capabilities).await;
            others.take_all().await;
            for step in [question, SETTINGS, "100", SETTINGS, "SET @a = 5", SETTINGS] {
                let (expected, answer) = (direct.step(step).await, through.step(step).await);
                assert_eq!(expected, answer, "{}, {words}: {step}, behind {question}", kind.name());
            }
        }
    }
}

#[tokio::test]
async fn mariadb_sessions_are_as_they_logged_in() {
    new_sessions_are_as_they_logged_in(Cluster::mariadb(1).await).await;
}

#[tokio::test]
async fn mysql_sessions_are_as_they_logged_in() {
    if let Some(cluster) = Cluster::mysql(1).await {
        new_sessions_are_as_they_logged_in(cluster).await;
    }
}

#[tokio::test]
async fn mariadb_errors_outlive_what_is_prepared_again() {
    errors_outlive_what_is_prepared_again(Cluster::mariadb(1).await).await;
}

#[tokio::test]
async fn mysql_errors_outlive_what_is_prepared_again() {
    if let Some(cluster) = Cluster::mysql(1).await {
        errors_outlive_what_is_prepared_again(cluster).await;
    }
}
