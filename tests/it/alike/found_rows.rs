//! `FOUND_ROWS()` and `ROW_COUNT()` behind queries of many shapes, if other sessions have had the connections since.

use super::peer::Peer;
use crate::support::Cluster;

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
        let mut peers = Vec::new();
        for _ in 0..3 {
            peers.push(Peer::login(port, "test", 0).await);
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
    let changes = [("UPDATE shapes SET b = b + 1", "SELECT row_count()"), ("DO 1", "select Row_Count();")];
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
