//! MariaDB opens a view to show its columns or its query, and calls DETERMINISTIC functions for that. On the read-only port
//! no such function changes anything.

use crate::dialogue::{eventually, patient, readers_are, topology};
use crate::support::{Cluster, Proxy, connect, proxy_config};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

const MADE: [&str; 5] = [
    "CREATE TABLE t (a INT)",
    "CREATE FUNCTION f_acts() RETURNS INT DETERMINISTIC READS SQL DATA BEGIN SET GLOBAL long_query_time = 3; RETURN 1; END",
    "CREATE FUNCTION f_opens() RETURNS INT READS SQL DATA BEGIN DECLARE r ROW TYPE OF v_acts; RETURN 1; END",
    "CREATE VIEW v_acts AS SELECT ROUND(1.55, f_acts()) AS x",
    "CREATE VIEW v_over AS SELECT x FROM v_acts",
];

/// What opens one view, or all of them.
const OPENS: [&str; 20] = [
    "DESCRIBE v_acts",
    "DESC v_over x",
    "EXPLAIN v_acts",
    "EXPLAIN SELECT * FROM v_acts",
    "SHOW COLUMNS FROM v_acts",
    "SHOW FULL FIELDS IN v_over IN test",
    "SHOW INDEX FROM v_acts",
    "SHOW KEYS FROM test.v_acts",
    "SHOW CREATE VIEW v_acts",
    "SHOW CREATE TABLE v_over",
    "SHOW CREATE SEQUENCE v_acts",
    "SHOW TABLE STATUS",
    "SHOW TABLE STATUS FROM test LIKE 'v%'",
    "SELECT * FROM information_schema.COLUMNS",
    "SELECT * FROM information_schema.`tables`",
    "SELECT view_definition FROM INFORMATION_SCHEMA.VIEWS WHERE table_name = 'v_acts'",
    "SELECT 1 FROM t WHERE EXISTS (SELECT is_nullable FROM information_schema.columns)",
    "SELECT f_opens()",
    "WITH columns AS (SELECT * FROM information_schema.columns) SELECT * FROM columns",
    "CHECKSUM TABLE v_acts",
];

/// Metadata that tools read.
const PASSES: [&str; 7] = [
    "SHOW FULL COLUMNS FROM t",
    "DESCRIBE v_plain",
    "SHOW CREATE VIEW v_calls",
    "SHOW TABLE STATUS",
    "SELECT COUNT(*) > 0 FROM information_schema.COLUMNS",
    "SELECT COUNT(*) > 0 FROM information_schema.TABLES WHERE table_schema = 'test'",
    "SELECT view_definition FROM information_schema.VIEWS",
];

async fn threshold(server: &mut Conn) -> f64 {
    server.query_first("SELECT @@global.long_query_time").await.expect("an answer").expect("a row")
}

/// Before, an ordinary account may read what the catalogue does not know.
pub(super) async fn catalogue_is_read(proxy: &Proxy) {
    eventually("the catalogue was read", async || {
        let catalogue = topology(proxy).await["catalogue"].clone();
        (catalogue["relations"].as_u64() > Some(0)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_view_that_mariadb_opens_changes_nothing() {
    opening_changes_nothing(Cluster::mariadb(1).await).await;
}

#[tokio::test]
async fn a_view_that_mysql_opens_changes_nothing() {
    if let Some(cluster) = Cluster::mysql(1).await {
        opening_changes_nothing(cluster).await;
    }
}

async fn opening_changes_nothing(cluster: Cluster) {
    for server in cluster.servers() {
        server.sql("SET GLOBAL log_bin_trust_function_creators = 1").await;
    }
    cluster.primary().sql("GRANT SELECT, SHOW VIEW, TRIGGER ON *.* TO monitor@'%'").await;
    let mut maker = connect(cluster.primary().port(), "super", "super", "test").await.expect("login");
    for sql in MADE {
        // MySQL has no ROW TYPE OF.
        if let Err(error) = maker.query_drop(sql).await {
            assert!(sql.contains("f_opens"), "{sql}: {error}");
        }
    }
    cluster.wait_caught_up().await;
    let mut replica = connect(cluster.server(1).port(), "super", "super", "test").await.expect("login");
    replica.query_drop("SET GLOBAL long_query_time = 10").await.expect("a value");
    let proxy = Proxy::start(&patient(&proxy_config(&cluster))).await;
    readers_are(&proxy, 1).await;
    catalogue_is_read(&proxy).await;
    let mut found = Vec::new();
    for account in ["app", "super"] {
        for sql in OPENS {
            let mut client = connect(proxy.ro, account, account, "test").await.expect("login");
            for prepared in [false, true] {
                let answer = match prepared {
                    false => client.query_drop(sql).await,
                    true => client.exec_drop(sql, ()).await,
                };
                let now = threshold(&mut replica).await;
                if now < 10.0 {
                    found.push(format!("{account}, prepared {prepared}: {sql}: {answer:?}"));
                    replica.query_drop("SET GLOBAL long_query_time = 10").await.expect("a value");
                }
            }
        }
    }
    assert!(found.is_empty(), "{:?} ran the function:\n{}", cluster.kind(), found.join("\n"));
}

#[tokio::test]
async fn metadata_pass_on_mariadb_where_no_view_acts() {
    metadata_pass(Cluster::mariadb(1).await).await;
}

#[tokio::test]
async fn metadata_pass_on_mysql_where_no_view_acts() {
    if let Some(cluster) = Cluster::mysql(1).await {
        metadata_pass(cluster).await;
    }
}

/// With and without the rights that show views to the monitor.
async fn metadata_pass(cluster: Cluster) {
    for server in cluster.servers() {
        server.sql("SET GLOBAL log_bin_trust_function_creators = 1").await;
    }
    let mut maker = connect(cluster.primary().port(), "super", "super", "test").await.expect("login");
    for sql in [
        "CREATE TABLE t (a INT)",
        "CREATE FUNCTION f_logs() RETURNS INT MODIFIES SQL DATA BEGIN INSERT INTO t VALUES (1); RETURN 1; END",
        "CREATE FUNCTION f_reads() RETURNS INT DETERMINISTIC READS SQL DATA RETURN 1",
        "CREATE VIEW v_plain AS SELECT a FROM t",
        "CREATE VIEW v_calls AS SELECT ROUND(1.55, f_reads()) AS x",
        // It acts when it is read, and not when it is opened.
        "CREATE VIEW v_logs AS SELECT f_logs() AS x",
    ] {
        maker.query_drop(sql).await.expect(sql);
    }
    cluster.wait_caught_up().await;
    for granted in [false, true] {
        if granted {
            cluster.primary().sql("GRANT SELECT, SHOW VIEW, TRIGGER ON *.* TO monitor@'%'").await;
            cluster.wait_caught_up().await;
        }
        let proxy = Proxy::start(&patient(&proxy_config(&cluster))).await;
        readers_are(&proxy, 1).await;
        if granted {
            catalogue_is_read(&proxy).await;
        }
        let mut client = connect(proxy.ro, "app", "app", "test").await.expect("login");
        for sql in PASSES {
            let answer = client.query_drop(sql).await;
            assert!(answer.is_ok(), "{:?}, granted {granted}: {sql}: {answer:?}", cluster.kind());
        }
        if granted {
            // An account that may change servers needs the catalogue.
            let mut client = connect(proxy.ro, "super", "super", "test").await.expect("login");
            for sql in PASSES {
                let answer = client.query_drop(sql).await;
                assert!(answer.is_ok(), "{:?}, super: {sql}: {answer:?}", cluster.kind());
            }
        }
    }
}
