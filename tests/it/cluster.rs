//! Proves the harness: what the other tests rely on when they say `promote` or `freeze`.

use crate::dialogue::eventually;
use crate::support::{Cluster, Kind, Scratch, connect, free_port};
use mysql_async::prelude::Queryable;
use std::time::Duration;
use tokio::time::timeout;

#[tokio::test]
async fn mariadb_replicates_and_changes_its_primary() {
    replicates_and_changes_its_primary(Cluster::mariadb(2).await).await;
}

#[tokio::test]
async fn mysql_replicates_and_changes_its_primary() {
    if let Some(cluster) = Cluster::mysql(2).await {
        replicates_and_changes_its_primary(cluster).await;
    }
}

async fn replicates_and_changes_its_primary(mut cluster: Cluster) {
    let primary = cluster.primary();
    primary.sql("CREATE TABLE test.t (id INT PRIMARY KEY); INSERT INTO test.t VALUES (1)").await;
    semi_sync_clients_are(&cluster, "2").await;
    cluster.wait_caught_up().await;
    assert_eq!(ids(&cluster, 1).await, "1");
    assert_eq!(ids(&cluster, 2).await, "1");
    accounts_are_as_promised(&cluster).await;

    cluster.switchover(1).await;
    assert_eq!(cluster.primary_number(), 1);
    assert_eq!(read_only(&cluster).await, ["1", "0", "1"]);
    cluster.primary().sql("INSERT INTO test.t VALUES (2)").await;
    cluster.wait_caught_up().await;
    assert_eq!(ids(&cluster, 0).await, "1,2", "the old primary follows");
    assert_eq!(ids(&cluster, 2).await, "1,2");

    // Server 2 has what server 0 does not apply; it must not be lost by promoting server 0.
    let stop = match cluster.kind() {
        Kind::MariaDb => "STOP SLAVE SQL_THREAD",
        Kind::MySql => "STOP REPLICA SQL_THREAD",
    };
    let start = stop.replace("STOP", "START");
    // What a slow replica does not confirm in time would die with the primary.
    cluster.primary().acknowledge_alone(false).await;
    cluster.server(0).sql(&stop.replace("SQL", "IO")).await;
    cluster.primary().sql("INSERT INTO test.t VALUES (3)").await;
    cluster.server(2).sql(stop).await;
    cluster.primary().sql("INSERT INTO test.t VALUES (4)").await;
    cluster.primary_mut().kill();
    assert!(cluster.server(1).pid().is_none());
    assert!(cluster.server(1).try_sql("SELECT 1").await.is_err());
    cluster.server(2).sql(&start).await;
    cluster.promote(0).await;
    assert_eq!(ids(&cluster, 0).await, "1,2,3,4");
    cluster.primary().sql("INSERT INTO test.t VALUES (5)").await;
    cluster.rejoin(1).await;
    for number in 0..3 {
        assert_eq!(ids(&cluster, number).await, "1,2,3,4,5", "server {number}");
    }
    assert_eq!(read_only(&cluster).await, ["0", "1", "1"]);
}

async fn ids(cluster: &Cluster, number: usize) -> String {
    cluster.server(number).value("SELECT GROUP_CONCAT(id ORDER BY id) FROM test.t").await
}

async fn read_only(cluster: &Cluster) -> Vec<String> {
    let mut all = Vec::new();
    for server in cluster.servers() {
        all.push(server.value("SELECT @@read_only").await);
    }
    all
}

/// A receiver that runs may not have asked for anything yet.
async fn semi_sync_clients_are(cluster: &Cluster, wanted: &str) {
    eventually(&format!("semi-sync clients: {wanted}"), async || {
        (semi_sync_clients(cluster).await == wanted).then_some(())
    })
    .await;
}

async fn semi_sync_clients(cluster: &Cluster) -> String {
    let names = "'Rpl_semi_sync_master_clients', 'Rpl_semi_sync_source_clients'";
    let rows = cluster.primary().sql(&format!("SHOW STATUS WHERE Variable_name IN ({names})")).await;
    rows[0][1].clone().unwrap_or_default()
}

async fn accounts_are_as_promised(cluster: &Cluster) {
    let plugin = match cluster.kind() {
        Kind::MariaDb => "mysql_native_password",
        Kind::MySql => "caching_sha2_password",
    };
    let used = "SELECT GROUP_CONCAT(DISTINCT plugin) FROM mysql.user WHERE user IN ('app', 'super', 'monitor', 'repl')";
    assert_eq!(cluster.primary().value(used).await, plugin);
    let port = cluster.replica(0).port();
    let mut app = connect(port, "app", "app", "test").await.unwrap();
    let refused = app.query_drop("INSERT INTO t VALUES (9)").await;
    let refused = refused.expect_err("read_only must bind the application's account");
    assert!(refused.to_string().contains("1290"), "{refused}");
    let mut monitor = connect(port, "monitor", "monitor", "information_schema").await.unwrap();
    let status = match cluster.kind() {
        Kind::MariaDb => "SHOW SLAVE STATUS",
        Kind::MySql => "SHOW REPLICA STATUS",
    };
    let rows: Vec<mysql_async::Row> = monitor.query(status).await.unwrap();
    assert_eq!(rows.len(), 1);
    let port = cluster.primary().port();
    let mut admin = connect(port, "super", "super", "test").await.unwrap();
    admin.query_drop("CREATE USER extra@'%'; DROP USER extra@'%'").await.unwrap();
    assert!(connect(port, "app", "wrong", "test").await.is_err());
}

#[tokio::test]
async fn a_frozen_server_keeps_its_connections_and_its_port() {
    let mut cluster = Cluster::mariadb(1).await;
    let port = cluster.primary().port();
    let mut client = connect(port, "app", "app", "test").await.unwrap();
    cluster.primary().freeze();
    let silence = timeout(Duration::from_millis(300), client.ping()).await;
    assert!(silence.is_err(), "a frozen server answered");
    cluster.primary().thaw();
    let mut client = connect(port, "app", "app", "test").await.unwrap();
    client.ping().await.unwrap();
    cluster.primary_mut().restart().await;
    assert_eq!(cluster.primary().port(), port);
    assert_eq!(cluster.primary().value("SELECT @@read_only").await, "0");
    assert!(client.ping().await.is_err(), "the connection died with it");
}

#[tokio::test]
async fn a_server_alone_writes_on_after_the_semi_sync_timeout() {
    let mut cluster = Cluster::mariadb(1).await;
    cluster.server_mut(1).kill();
    cluster.primary().sql("CREATE TABLE test.t (id INT)").await;
    // The first statement waited, at most for the timeout, and no other one does.
    assert!(!cluster.primary().is_semi_sync().await);
    cluster.primary().sql("INSERT INTO test.t VALUES (1)").await;
    assert!(!cluster.primary().is_semi_sync().await);
}

#[tokio::test]
async fn nothing_is_left_of_a_cluster() {
    let cluster = Cluster::mariadb(0).await;
    let pid = cluster.primary().pid().unwrap();
    let port = cluster.primary().port();
    drop(cluster);
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    assert!(connect(port, "app", "app", "test").await.is_err());
}

#[test]
fn scratch_goes_and_ports_differ() {
    let scratch = Scratch::new("x");
    let path = scratch.path().to_path_buf();
    assert!(path.is_dir());
    drop(scratch);
    assert!(!path.exists());
    assert_ne!(free_port(), free_port());
}
