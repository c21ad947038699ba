//! What a session is told of its own statements, through the proxy and without it: nothing that the proxy says to servers
//! on the session's connection is among that.

use crate::dialogue::{patient, readers_are};
use crate::support::{Cluster, Proxy, connect, proxy_config};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};

/// Statements for which the proxy asks something itself, or says something in front, in sessions of every kind.
const SCRIPT: [&str; 30] = [
    "SELECT 1",
    "SET sql_mode = CONCAT(@@sql_mode, ',NO_ZERO_DATE')",
    "SET @@sort_buffer_size = 40000 + 1000",
    "SET @x = 1",
    "SET @y = @x + 1",
    "USE test",
    "BEGIN",
    "INSERT INTO t (v) VALUES (1), (2)",
    "COMMIT",
    "SELECT LAST_INSERT_ID() > 0",
    "START TRANSACTION READ ONLY",
    "SELECT COUNT(*) >= 0 FROM t",
    "COMMIT",
    "PREPARE s FROM 'SELECT 2'",
    "EXECUTE s",
    "DEALLOCATE PREPARE s",
    "SET timestamp = 5",
    "SET timestamp = DEFAULT",
    "SET rand_seed1 = 5",
    "SELECT SQL_CALC_FOUND_ROWS v FROM t WHERE v = 3 LIMIT 1",
    "SELECT FOUND_ROWS()",
    "UPDATE t SET v = 4 WHERE v = 5",
    "SELECT ROW_COUNT()",
    "SELECT CAST('x' AS SIGNED)",
    "SHOW WARNINGS",
    "SHOW WARNINGS",
    "SET NAMES latin1",
    "SET NAMES utf8mb4 COLLATE utf8mb4_bin",
    "SELECT @x, @y",
    "SET profiling = 0",
];

const COUNTERS: &str = "SHOW SESSION STATUS WHERE Variable_name IN ('Questions', 'Com_select', 'Com_set_option', \
                        'Com_begin', 'Com_commit', 'Com_rollback', 'Com_savepoint', 'Com_change_db', \
                        'Com_prepare_sql', 'Com_dealloc_sql', 'Com_stmt_prepare', 'Com_show_warnings')";

#[tokio::test]
async fn mariadb_lists_the_clients_statements_alone() {
    lists_the_clients_statements_alone(Cluster::mariadb(1).await).await;
}

#[tokio::test]
async fn mysql_lists_the_clients_statements_alone() {
    if let Some(cluster) = Cluster::mysql(1).await {
        lists_the_clients_statements_alone(cluster).await;
    }
}

async fn lists_the_clients_statements_alone(cluster: Cluster) {
    cluster.primary().sql("CREATE TABLE test.t (id INT PRIMARY KEY AUTO_INCREMENT, v INT)").await;
    cluster.wait_caught_up().await;
    let config = patient(&proxy_config(&cluster)) + "\n[failover]\ncommit = \"looked_up\"\n";
    let split = config.replace("mode = \"primary\"", "mode = \"split\"");
    for (mode, config) in [("primary", config), ("split", split)] {
        let proxy = Proxy::start(&config).await;
        readers_are(&proxy, 1).await;
        let mut direct = connect(cluster.primary().port(), "app", "app", "test").await.unwrap();
        let mut proxied = proxy.client().await.unwrap();
        let (expected, got) = (told(&mut direct).await, told(&mut proxied).await);
        assert_eq!(got.profiles, expected.profiles, "{mode}: SHOW PROFILES");
        for ((sql, got), expected) in SCRIPT.iter().zip(&got.answers).zip(&expected.answers) {
            assert_eq!(got, expected, "{mode}: {sql}");
        }
        assert_eq!(got.counted, expected.counted, "{mode}: {COUNTERS}");
    }
}

/// What a session heard.
struct Told {
    answers: Vec<Vec<String>>,
    /// The statements in SHOW PROFILES.
    profiles: Vec<String>,
    /// How much each counter grew meanwhile.
    counted: Vec<(String, i64)>,
}

async fn told(client: &mut Conn) -> Told {
    client.query_drop("SET profiling_history_size = 100").await.unwrap();
    // From here on the session is bound to what it is told of.
    client.query_drop("SET profiling = 1").await.unwrap();
    let before = counters(client).await;
    let mut answers = Vec::new();
    for sql in SCRIPT {
        let rows: Vec<Row> = client.query(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        answers.push(rows.into_iter().map(|row| format!("{:?}", row.unwrap())).collect());
    }
    let counted = counters(client)
        .await
        .into_iter()
        .zip(before)
        .map(|((name, after), (_, before))| (name, after - before));
    let rows: Vec<(u32, f64, String)> = client.query("SHOW PROFILES").await.unwrap();
    let profiles = rows.into_iter().map(|(_, _, sql)| sql).collect();
    Told { answers, profiles, counted: counted.collect() }
}

async fn counters(client: &mut Conn) -> Vec<(String, i64)> {
    client.query(COUNTERS).await.unwrap()
}

/// Statements behind which the proxy has something to ask, or in front of which it has something to say, and questions
/// about what the last statement did: these are never about the proxy's.
const QUESTIONS: [&str; 34] = [
    "SELECT CAST('x' AS SIGNED)",
    "SHOW WARNINGS",
    "SET @@max_error_count = 100000000",
    "SHOW WARNINGS",
    "SET sort_buffer_size = 1",
    "SHOW COUNT(*) WARNINGS",
    "SET @@session.sort_buffer_size = 1 + 1",
    "SHOW WARNINGS",
    "SET sql_mode = CONCAT(@@sql_mode, ',NO_ZERO_DATE')",
    "SHOW WARNINGS",
    "SET @@sort_buffer_size = 40000 + 1000",
    "SHOW WARNINGS",
    "SELECT v FROM t WHERE v > 0",
    "SELECT FOUND_ROWS()",
    "SET @y = 1 + 1",
    "SELECT SQL_CALC_FOUND_ROWS v FROM t LIMIT 1",
    "SELECT FOUND_ROWS()",
    "INSERT INTO t (v) VALUES (1), (2)",
    "SELECT ROW_COUNT()",
    "UPDATE t SET v = v + 1",
    "SELECT ROW_COUNT()",
    "SET @z = @y + 1",
    "SELECT @@warning_count, @@error_count",
    "DROP TABLE IF EXISTS no_such",
    "SELECT @@warning_count",
    "SHOW WARNINGS",
    "SET NAMES latin1",
    "SHOW WARNINGS",
    "SELECT v FROM t WHERE v = 'x'",
    "SHOW COUNT(*) WARNINGS",
    "SELECT FOUND_ROWS()",
    "SET @@collation_connection = LOWER('UTF8MB4_BIN')",
    "SELECT v FROM t",
    "SELECT FOUND_ROWS(), ROW_COUNT()",
];

#[tokio::test]
async fn mariadb_tells_of_the_clients_last_statement() {
    tells_of_the_clients_last_statement(Cluster::mariadb(1).await).await;
}

#[tokio::test]
async fn mysql_tells_of_the_clients_last_statement() {
    if let Some(cluster) = Cluster::mysql(1).await {
        tells_of_the_clients_last_statement(cluster).await;
    }
}

async fn tells_of_the_clients_last_statement(cluster: Cluster) {
    for (mode, table) in [("primary", "a"), ("split", "b")] {
        let config = patient(&proxy_config(&cluster)).replace("\"primary\"", &format!("\"{mode}\""));
        let proxy = Proxy::start(&config).await;
        readers_are(&proxy, 1).await;
        let mut answers = Vec::new();
        for (n, port) in [cluster.primary().port(), proxy.rw].into_iter().enumerate() {
            let make = format!(
                "CREATE TABLE test.{table}{n} (v INT); INSERT INTO test.{table}{n} VALUES (1), (2), (3)"
            );
            cluster.primary().sql(&make).await;
            cluster.wait_caught_up().await;
            let mut client = connect(port, "app", "app", "test").await.unwrap();
            let mut heard = Vec::new();
            for sql in QUESTIONS {
                let sql = sql
                    .replace(" t ", &format!(" {table}{n} "))
                    .replace("FROM t", &format!("FROM {table}{n}"));
                let rows: Result<Vec<Row>, _> = client.query(&sql).await;
                heard.push(match rows {
                    Ok(rows) => rows.into_iter().map(|row| format!("{:?}", row.unwrap())).collect(),
                    Err(error) => vec![error.to_string()],
                });
            }
            answers.push(heard);
        }
        for ((sql, direct), proxied) in QUESTIONS.iter().zip(&answers[0]).zip(&answers[1]) {
            assert_eq!(proxied, direct, "{mode}: {sql}");
        }
    }
}

/// The texts of a session's statements are nobody else's, also if a next session gets its server connection.
#[tokio::test]
async fn profiles_end_with_their_session() {
    for cluster in [Some(Cluster::mariadb(0).await), Cluster::mysql(0).await].into_iter().flatten() {
        let config = patient(&proxy_config(&cluster)) + "\n[limits]\nmax_server_connections = 1\n";
        let proxy = Proxy::start(&format!("workers = 1\n{config}")).await;
        for reset in [false, true] {
            let mut first = proxy.client().await.unwrap();
            first.query_drop("SET profiling = 1").await.unwrap();
            first.query_drop("SELECT 'secret'").await.unwrap();
            let mut next = if reset {
                assert!(first.reset().await.unwrap());
                first
            } else {
                first.disconnect().await.unwrap();
                proxy.client().await.unwrap()
            };
            let rows: Vec<Row> = next.query("SHOW PROFILES").await.unwrap();
            assert!(rows.is_empty(), "{:?}, reset {reset}: {rows:?}", cluster.kind());
        }
    }
}

/// What the last statement cost is known where it ran.
#[tokio::test]
async fn the_cost_is_that_of_the_sessions_last_statement() {
    for cluster in [Some(Cluster::mariadb(1).await), Cluster::mysql(1).await].into_iter().flatten() {
        cluster.primary().sql("CREATE TABLE test.c (v INT); INSERT INTO test.c VALUES (1), (2), (3)").await;
        cluster.wait_caught_up().await;
        let config = patient(&proxy_config(&cluster)).replace("mode = \"primary\"", "mode = \"split\"");
        let proxy = Proxy::start(&config).await;
        readers_are(&proxy, 1).await;
        let mut client = proxy.client().await.unwrap();
        for _ in 0..10 {
            client.query_drop("SELECT a.v FROM c a JOIN c b ON a.v < b.v ORDER BY b.v").await.unwrap();
            let cost: Option<(String, f64)> =
                client.query_first("SHOW STATUS LIKE 'Last_query_cost'").await.unwrap();
            let (_, cost) = cost.expect("a row");
            assert!(cost > 0.0, "{:?}", cluster.kind());
        }
    }
}
