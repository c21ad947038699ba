//! A view through a port that splits answers as its query would, and as it does directly: also if it asks about the session,
//! sees what only the primary knows, or calls a function that does more than read.

use crate::dialogue::{eventually, patient, readers_are, row, topology};
use crate::support::{Cluster, Proxy, connect, proxy_config};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

const MADE: &[&str] = &[
    "CREATE TABLE rows_of (id INT AUTO_INCREMENT PRIMARY KEY, v INT)",
    "CREATE TABLE logged (id INT AUTO_INCREMENT PRIMARY KEY, v INT)",
    "CREATE FUNCTION f_id() RETURNS BIGINT READS SQL DATA RETURN LAST_INSERT_ID()",
    "CREATE FUNCTION f_variable() RETURNS VARCHAR(20) READS SQL DATA RETURN @own",
    "CREATE FUNCTION f_writes() RETURNS INT MODIFIES SQL DATA BEGIN INSERT INTO logged (v) VALUES (1); RETURN 1; END",
    "CREATE FUNCTION f_keeps() RETURNS INT READS SQL DATA BEGIN SELECT 5 INTO @own; RETURN 1; END",
    "CREATE FUNCTION f_mode() RETURNS INT READS SQL DATA RETURN @@global.read_only",
    "CREATE VIEW v_id AS SELECT LAST_INSERT_ID() AS a",
    "CREATE VIEW v_id_above AS SELECT a FROM v_id JOIN (SELECT 1 AS b) AS d",
    "CREATE VIEW v_id_by_function AS SELECT f_id() AS a",
    "CREATE VIEW v_last AS SELECT v FROM rows_of WHERE id = LAST_INSERT_ID()",
    "CREATE VIEW v_changed AS SELECT ROW_COUNT() AS a",
    "CREATE VIEW v_free AS SELECT IS_FREE_LOCK('knowledge') AS a",
    "CREATE VIEW v_variable AS SELECT f_variable() AS a",
    "CREATE VIEW v_writes AS SELECT f_writes() AS a",
    "CREATE VIEW v_keeps AS SELECT f_keeps() AS a",
    "CREATE VIEW v_mode AS SELECT f_mode() AS a",
    // On MariaDB a schema of built-in functions, which its own functions do not hide.
    "CREATE DATABASE oracle_schema",
    "GRANT EXECUTE ON oracle_schema.* TO app@'%'",
    "CREATE FUNCTION oracle_schema.last_insert_id(a BIGINT) RETURNS BIGINT DETERMINISTIC NO SQL RETURN 7",
    "CREATE FUNCTION oracle_schema.get_lock(a VARCHAR(20), b INT) RETURNS INT DETERMINISTIC NO SQL RETURN 8",
    "CREATE FUNCTION oracle_schema.concat(a VARCHAR(20), b VARCHAR(20)) RETURNS VARCHAR(40) DETERMINISTIC NO SQL RETURN 'stored'",
    "CREATE VIEW v_qualified AS SELECT oracle_schema.concat('a', 'b') AS a",
    "CREATE VIEW v_qualified_id AS SELECT oracle_schema.last_insert_id(66) AS a",
];

/// Statements of one session each.
const SESSIONS: &[&[&str]] = &[
    &[
        "INSERT INTO rows_of (v) VALUES (7)",
        "SELECT a > 0 FROM v_id",
        "SELECT a - LAST_INSERT_ID() FROM v_id_above",
    ],
    &[
        "INSERT INTO rows_of (v) VALUES (8)",
        "SELECT a - LAST_INSERT_ID() FROM v_id_by_function",
        "SELECT f_id() > 0",
    ],
    &["INSERT INTO rows_of (v) VALUES (9)", "SELECT 1", "SELECT v FROM v_last", "TABLE v_last"],
    &["SELECT LAST_INSERT_ID(33)", "SELECT a FROM v_id", "SELECT (SELECT a FROM v_id)"],
    &["UPDATE rows_of SET v = v + 1 WHERE v > 100 OR id < 3", "SELECT a FROM v_changed"],
    &[
        "SELECT GET_LOCK('knowledge', 1)",
        "SELECT a FROM v_free",
        "SELECT RELEASE_LOCK('knowledge')",
        "SELECT a FROM v_free",
    ],
    &[
        "SET @own = 'mine'",
        "SELECT a FROM v_variable",
        "SELECT a FROM v_keeps",
        "SELECT @own",
        "SELECT a FROM v_variable",
    ],
    &["SELECT a FROM v_writes", "SELECT a, @own FROM v_writes", "SELECT COUNT(*) > 0 FROM logged"],
    &[
        "SELECT oracle_schema.last_insert_id(55)",
        "SELECT LAST_INSERT_ID()",
        "SELECT ORACLE_SCHEMA.`last_insert_id`(56)",
        "SELECT LAST_INSERT_ID()",
    ],
    &[
        "SELECT oracle_schema.get_lock('qualified', 0)",
        "SELECT IS_USED_LOCK('qualified') = CONNECTION_ID()",
        "SELECT RELEASE_ALL_LOCKS()",
    ],
    &[
        "SELECT a FROM v_qualified",
        "SELECT oracle_schema.concat('c', 'd')",
        "SELECT a FROM v_qualified_id",
        "SELECT LAST_INSERT_ID()",
    ],
    &["SELECT a FROM v_mode", "WITH w AS (SELECT a FROM v_mode) SELECT a FROM w"],
];

#[tokio::test]
async fn mariadb_views_answer_as_their_queries() {
    views_answer_as_their_queries(Cluster::mariadb(2).await).await;
}

#[tokio::test]
async fn mysql_views_answer_as_their_queries() {
    if let Some(cluster) = Cluster::mysql(2).await {
        views_answer_as_their_queries(cluster).await;
    }
}

async fn answers(port: u16, session: &[&str], prepared: bool) -> Vec<String> {
    let mut client = connect(port, "app", "app", "test").await.expect("login");
    let mut all = Vec::new();
    for sql in session {
        let answer = if prepared && !sql.starts_with("TABLE") {
            prepared_row(&mut client, sql).await
        } else {
            row(&mut client, sql).await
        };
        all.push(format!("{sql}: {answer:?}"));
    }
    all
}

async fn prepared_row(client: &mut Conn, sql: &str) -> Result<Vec<String>, mysql_async::Error> {
    let row: Option<mysql_async::Row> = client.exec_first(sql, ()).await?;
    let values = row.map(mysql_async::Row::unwrap).unwrap_or_default();
    Ok(values.into_iter().map(|value| value.as_sql(true).trim_matches('\'').to_owned()).collect())
}

async fn views_answer_as_their_queries(cluster: Cluster) {
    for server in cluster.servers() {
        server.sql("SET GLOBAL log_bin_trust_function_creators = 1").await;
    }
    cluster.primary().sql("GRANT SELECT, SHOW VIEW, TRIGGER ON *.* TO monitor@'%'").await;
    let mut maker = connect(cluster.primary().port(), "super", "super", "test").await.expect("login");
    for sql in MADE {
        maker.query_drop(*sql).await.expect(sql);
    }
    cluster.wait_caught_up().await;
    let config = patient(&proxy_config(&cluster)).replacen("mode = \"primary\"", "mode = \"split\"", 1);
    let proxy = Proxy::start(&config).await;
    readers_are(&proxy, 2).await;
    eventually("the catalogue was read", async || {
        let catalogue = topology(&proxy).await["catalogue"].clone();
        (catalogue["relations"].as_u64() >= Some(MADE.len() as u64 / 2)).then_some(())
    })
    .await;
    let mut wrong = Vec::new();
    for session in SESSIONS {
        for prepared in [false, true] {
            let direct = answers(cluster.primary().port(), session, prepared).await;
            for (through, directly) in answers(proxy.rw, session, prepared).await.iter().zip(&direct) {
                if through != directly {
                    wrong.push(format!("prepared {prepared}: {through}, directly {directly}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{:?}:\n{}", cluster.kind(), wrong.join("\n"));
}
