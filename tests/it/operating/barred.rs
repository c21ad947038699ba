//! Servers that refuse the probes' account, since its password was changed there first: what is open goes on, and nobody takes
//! a server for dead that lives.

use super::alone;
use crate::dialogue::raw::{Raw, error_code};
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

/// Ends all connections of the probes.
async fn end_probes(server: &Node) {
    let mut watching = connect(server.port(), "super", "super", "test").await.expect("login");
    let probes = "SELECT id FROM information_schema.processlist WHERE user = 'monitor'";
    let ids: Vec<u64> = watching.query(probes).await.expect("the probes");
    for id in ids {
        drop(watching.query_drop(format!("KILL {id}")).await);
    }
}

async fn is_barred(proxy: &Proxy, number: usize) -> bool {
    topology(proxy).await["servers"][number]["barred"] == true
}

async fn refused_probes_change_nothing(mut cluster: Cluster) {
    alone(&cluster).await;
    let config = proxy_config(&cluster);
    let proxy = Proxy::start(&config).await;
    let mut writing = Raw::app(proxy.rw).await;
    for sql in [
        "CREATE TEMPORARY TABLE own (a INT)",
        "INSERT INTO own VALUES (7)",
        "BEGIN",
        "INSERT INTO t VALUES (70)",
    ] {
        assert_eq!(error_code(&writing.query(sql).await.unwrap()), 0, "{sql}");
    }
    cluster.primary().sql("ALTER USER monitor@'%' IDENTIFIED BY 'another'").await;
    cluster.wait_caught_up().await;
    for server in cluster.servers() {
        end_probes(server).await;
    }
    for number in 0..2 {
        eventually("probes are refused", async || is_barred(&proxy, number).await.then_some(())).await;
    }
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
    for sql in ["INSERT INTO t SELECT 71 FROM own WHERE a = 7", "COMMIT", "INSERT INTO t SELECT 72 FROM own"]
    {
        let answer = writing.query(sql).await.unwrap();
        assert_eq!(error_code(&answer), 0, "{sql}: {}", String::from_utf8_lossy(&answer));
    }
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
    end_probes(cluster.primary()).await;
    eventually("probes are refused", async || is_barred(&proxy, 0).await.then_some(())).await;
    cluster.primary_mut().kill();
    eventually("it is down", async || {
        (topology(&proxy).await["servers"][0]["health"] == "down").then_some(())
    })
    .await;
}
