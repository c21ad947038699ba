//! Servers that refuse the probes' account, since its password was changed there first: what is open goes on, and nobody takes
//! a server for dead that lives.

use super::{alone, end_probes, goes_on, writing};
use crate::dialogue::{eventually, metric, topology, value};
use crate::support::{Cluster, Node, Proxy, connect, proxy_config};
use mysql_async::prelude::Queryable;
use std::time::Duration;

#[tokio::test]
async fn mariadb_that_refuses_the_probes_is_not_dead() {
    refused_probes_change_nothing(Cluster::mariadb(1).await).await;
}

#[tokio::test]
async fn mysql_that_refuses_the_probes_is_not_dead() {
    if let Some(cluster) = Cluster::mysql(1).await {
        refused_probes_change_nothing(cluster).await;
    }
}

#[tokio::test]
async fn mariadb_switchover_while_probes_are_refused() {
    switchover(Cluster::mariadb(1).await).await;
}

#[tokio::test]
async fn mysql_switchover_while_probes_are_refused() {
    if let Some(cluster) = Cluster::mysql(1).await {
        switchover(cluster).await;
    }
}

/// Sessions' connections tell what the probes cannot ask.
async fn switchover(mut cluster: Cluster) {
    alone(&cluster).await;
    let proxy = Proxy::start(&proxy_config(&cluster)).await;
    let (mut writer, mut reader) =
        (proxy.client().await.expect("a login"), proxy.reader().await.expect("a login"));
    refuse_probes(&cluster, &proxy).await;
    // Each leaves a connection idle, one with a character set in which nobody could read the answer.
    writer.query_drop("SET character_set_results = ucs2, @a = 7").await.expect("variables");
    reader.query_drop("SET @a = 7").await.expect("a variable");
    for at in 1..=2 {
        let writing = tokio::spawn(async move {
            for number in 1..200 {
                let sql = format!("INSERT INTO test.t VALUES ({at} * 1000 + @a - 7 + {number})");
                writer.query_drop(sql).await.expect("a write");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            writer
        });
        cluster.switchover(at % 2).await;
        writer = writing.await.expect("the writer");
        let name = format!("db-{}", at % 2);
        assert_eq!(topology(&proxy).await["writer"], name);
        // Leaves a connection to the replica of now.
        assert_eq!(value(&mut reader, "SELECT @a FROM test.t LIMIT 1").await.expect("a read"), "7");
    }
    let count = cluster.primary().sql("SELECT COUNT(*) FROM test.t WHERE v > 1000").await;
    assert_eq!(count, [[Some("398".to_owned())]]);
}

async fn end_probes_of(server: &Node) {
    let mut watching = connect(server.port(), "super", "super", "test").await.expect("login");
    end_probes(&mut watching).await;
}

/// Both servers get another password for the probes' account than the proxy has.
async fn refuse_probes(cluster: &Cluster, proxy: &Proxy) {
    cluster.primary().sql("ALTER USER monitor@'%' IDENTIFIED BY 'another'").await;
    cluster.wait_caught_up().await;
    for server in cluster.servers() {
        end_probes_of(server).await;
    }
    for number in 0..2 {
        eventually("probes are refused", async || is_barred(proxy, number).await.then_some(())).await;
    }
}

async fn is_barred(proxy: &Proxy, number: usize) -> bool {
    topology(proxy).await["servers"][number]["barred"] == true
}

async fn refused_probes_change_nothing(mut cluster: Cluster) {
    alone(&cluster).await;
    let config = proxy_config(&cluster);
    let proxy = Proxy::start(&config).await;
    let mut writing = writing(&proxy).await;
    refuse_probes(&cluster, &proxy).await;
    // For longer than a server has that answers no probe.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let state = topology(&proxy).await;
    for server in state["servers"].as_array().expect("the servers") {
        assert_eq!((&server["health"], &server["missed_probes"]), (&"up".into(), &0.into()), "{state:#}");
        assert!(server["last_error"].to_string().contains("1045"), "{state:#}");
    }
    assert!(proxy.log().contains("a server lives and lets no probe in"), "{}", proxy.log());
    assert_eq!(metric(&proxy, "pointsman_server_barred{server=\"db-0\"}").await, 1.0);
    // Neither is it if it pauses meanwhile.
    cluster.primary().freeze();
    eventually("it is silent", async || (!is_barred(&proxy, 0).await).then_some(())).await;
    cluster.primary().thaw();
    eventually("it is back", async || is_barred(&proxy, 0).await.then_some(())).await;
    goes_on(&mut writing).await;
    let mut new = proxy.client().await.expect("a login");
    new.query_drop("INSERT INTO test.t VALUES (73)").await.expect("a write");
    let count = "SELECT COUNT(*) FROM test.t WHERE v BETWEEN 70 AND 73";
    assert_eq!(value(&mut new, count).await.expect("a read"), "4");

    proxy.write_config(&config.replace("password = \"monitor\"", "password = \"another\""));
    for number in 0..2 {
        eventually("probes again", async || (!is_barred(&proxy, number).await).then_some(())).await;
    }
    assert_eq!(topology(&proxy).await["writer"], "db-0");

    // One that dies meanwhile is dead, although no probe was on it.
    cluster.primary().sql("ALTER USER monitor@'%' IDENTIFIED BY 'a third'").await;
    end_probes_of(cluster.primary()).await;
    eventually("probes are refused", async || is_barred(&proxy, 0).await.then_some(())).await;
    cluster.primary_mut().kill();
    eventually("it is down", async || {
        (topology(&proxy).await["servers"][0]["health"] == "down").then_some(())
    })
    .await;
}
