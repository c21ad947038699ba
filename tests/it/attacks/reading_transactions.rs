//! A transaction that only reads is on a replica. No statement in it changes the replica: neither its data nor its settings,
//! and nothing goes to its binary log.

use super::opening::catalogue_is_read;
use crate::dialogue::{patient, readers_are};
use crate::support::{Cluster, Kind, Proxy, connect, proxy_config};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

/// What would change a replica; several texts in turn.
const SCRIPTS: [&[&str]; 27] = [
    &["FLUSH STATUS"],
    &["FLUSH TABLES"],
    &["ANALYZE TABLE t"],
    &["EXECUTE IMMEDIATE 'FLUSH STATUS'"],
    &["EXECUTE IMMEDIATE 'ANALYZE TABLE t'"],
    &["EXECUTE IMMEDIATE CONCAT('FLUSH ', 'STATUS')"],
    &["EXECUTE IMMEDIATE"],
    &["PREPARE p FROM 'FLUSH STATUS'", "EXECUTE p"],
    &["PREPARE p FROM 'SELECT 1'", "EXECUTE IMMEDIATE 'FLUSH STATUS'"],
    &["PREPARE `x`` FROM 'FLUSH STATUS' -- ` FROM 'SELECT 5'", "SELECT 1", "EXECUTE x"],
    &["PREPARE `immediate` FROM 'FLUSH STATUS'", "EXECUTE `immediate`"],
    &["FLUSH STATUS; EXECUTE nosuch"],
    &["EXECUTE nosuch; FLUSH STATUS"],
    &["SET GLOBAL long_query_time = 5; EXECUTE nosuch"],
    &["SET @@global.long_query_time = 5"],
    &["COMMIT; SET SESSION TRANSACTION READ WRITE; REPLACE INTO t VALUES (9); EXECUTE nosuch"],
    &["BEGIN NOT ATOMIC FLUSH STATUS; END"],
    &["BEGIN NOT ATOMIC EXECUTE IMMEDIATE 'FLUSH STATUS'; END"],
    &["SET STATEMENT max_statement_time = 5 FOR FLUSH STATUS"],
    &["/*!50000 FLUSH STATUS */"],
    &["CREATE TABLE made (a INT)"],
    &["INSERT INTO t VALUES (8)"],
    &["SELECT * FROM v_acts"],
    &["SELECT t.a FROM t WHERE t.a IN (SELECT x FROM v_over)"],
    &["PREPARE p FROM 'SELECT * FROM v_acts'", "EXECUTE p"],
    &["SELECT 1; TABLE v_acts", "WITH w AS (SELECT * FROM v_acts) SELECT * FROM w"],
    &["SELECT * FROM sys.v_acts"],
];

const ACTING: [&str; 5] = [
    "CREATE FUNCTION f_acts() RETURNS INT READS SQL DATA BEGIN SET GLOBAL long_query_time = 3; RETURN 1; END",
    "CREATE VIEW v_acts AS SELECT f_acts() AS x",
    "CREATE VIEW v_over AS SELECT x FROM v_acts",
    "CREATE VIEW sys.v_acts AS SELECT test.f_acts() AS x",
    "GRANT SELECT ON sys.v_acts TO app@'%'",
];

#[tokio::test]
async fn a_replica_of_mariadb_stays_as_it_is() {
    stays_as_it_is(Cluster::mariadb(1).await).await;
}

#[tokio::test]
async fn a_replica_of_mysql_stays_as_it_is() {
    if let Some(cluster) = Cluster::mysql(1).await {
        stays_as_it_is(cluster).await;
    }
}

async fn stays_as_it_is(cluster: Cluster) {
    let primary = cluster.primary();
    primary.sql("CREATE TABLE test.t (a INT PRIMARY KEY); INSERT INTO test.t VALUES (1)").await;
    primary.sql("GRANT RELOAD ON *.* TO app@'%'").await;
    for server in cluster.servers() {
        server.sql("SET GLOBAL log_bin_trust_function_creators = 1").await;
    }
    primary.sql("GRANT SELECT, SHOW VIEW, TRIGGER ON *.* TO monitor@'%'").await;
    let mut maker = connect(primary.port(), "super", "super", "test").await.expect("login");
    for sql in ACTING {
        maker.query_drop(sql).await.expect(sql);
    }
    cluster.wait_caught_up().await;
    let config = patient(&proxy_config(&cluster)).replace("mode = \"primary\"", "mode = \"split\"");
    let proxy = Proxy::start(&config).await;
    readers_are(&proxy, 1).await;
    catalogue_is_read(&proxy).await;
    let mut replica = connect(cluster.server(1).port(), "super", "super", "test").await.expect("login");
    let mut found = Vec::new();
    for account in ["app", "super"] {
        for script in SCRIPTS {
            let mut client = connect(proxy.rw, account, account, "test").await.expect("login");
            let before = state(&mut replica, cluster.kind()).await;
            client.query_drop("START TRANSACTION READ ONLY").await.expect("a transaction");
            let rows: Vec<u32> = client.query("SELECT a FROM t WHERE a = 1").await.expect("a read");
            assert_eq!(rows, [1]);
            let mut answers = Vec::new();
            for sql in script {
                answers.push(client.query_drop(*sql).await.map_err(|error| error.to_string()));
            }
            drop(client.disconnect().await);
            let after = state(&mut replica, cluster.kind()).await;
            if before != after {
                found.push(format!("{account}: {script:?}: {answers:?}: {before:?} is {after:?}"));
            }
        }
    }
    assert!(found.is_empty(), "{:?}:\n{}", cluster.kind(), found.join("\n"));
}

/// What the replica itself added to its binary log, and its settings.
async fn state(replica: &mut Conn, kind: Kind) -> (String, f64) {
    let own = match kind {
        Kind::MariaDb => {
            "SELECT IF(@@gtid_binlog_pos LIKE CONCAT('%-', @@server_id, '-%'), @@gtid_binlog_pos, '')"
        }
        Kind::MySql => "SELECT REGEXP_SUBSTR(@@gtid_executed, CONCAT(@@server_uuid, '[^,]*'))",
    };
    let own: Option<Option<String>> = replica.query_first(own).await.expect("an answer");
    let threshold = replica.query_first("SELECT @@global.long_query_time").await.expect("an answer");
    (own.flatten().unwrap_or_default(), threshold.expect("a row"))
}
