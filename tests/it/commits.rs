//! A COMMIT whose primary dies before it answers, in front of real MySQL servers with
//! `failover.commit = "looked_up"`: the client hears what became of it.

use crate::dialogue::{
    PATIENCE, eventually, metric, patient, port_of, readers_are, refusal, runs_on, value, writer_is,
};
use crate::support::{Cluster, Proxy, proxy_config};
use mysql_async::prelude::Queryable;
use tokio::task::JoinHandle;

const COUNT: &str = "SELECT COUNT(*) FROM test.commits";

type Answered = (mysql_async::Conn, Result<(), mysql_async::Error>);

/// A primary that acknowledges nothing which no replica has, one replica, and a proxy that marks transactions.
async fn prepare(cluster: &Cluster) -> Proxy {
    cluster
        .primary()
        .sql(
            "SET GLOBAL rpl_semi_sync_source_timeout = 600000; CREATE TABLE test.commits (a INT PRIMARY KEY)",
        )
        .await;
    cluster.wait_caught_up().await;
    let config = patient(&proxy_config(cluster)) + "\n[failover]\nhold = \"120s\"\ncommit = \"looked_up\"\n";
    let proxy = Proxy::start(&config).await;
    assert_eq!(writer_is(&proxy, 0).await, 1, "the first generation");
    readers_are(&proxy, 1).await;
    proxy
}

/// A transaction that was answered, and another one of the same session whose COMMIT is under way.
async fn commits(cluster: &Cluster, proxy: &Proxy, between: impl AsyncFnOnce()) -> JoinHandle<Answered> {
    let mut client = proxy.client().await.unwrap();
    for sql in ["BEGIN", "INSERT INTO test.commits VALUES (1)", "COMMIT"] {
        client.query_drop(sql).await.unwrap();
    }
    client.query_drop("BEGIN").await.unwrap();
    client.query_drop("INSERT INTO test.commits VALUES (2)").await.unwrap();
    between().await;
    let commit = tokio::spawn(async move {
        let result = client.query_drop("COMMIT").await;
        (client, result)
    });
    runs_on(cluster, 0, "COMMIT").await;
    let waits = "SELECT COUNT(*) FROM information_schema.processlist WHERE state LIKE '%semi-sync ACK%'";
    eventually("it is in the binary log", async || {
        (cluster.primary().value(waits).await == "1").then_some(())
    })
    .await;
    commit
}

async fn answered(commit: JoinHandle<Answered>) -> Answered {
    tokio::time::timeout(PATIENCE, commit).await.expect("no answer").expect("its task")
}

async fn effect(proxy: &Proxy, effect: &str) -> f64 {
    metric(proxy, &format!("pointsman_disruptions_total{{effect=\"{effect}\"}}")).await
}

/// The replica has it in its socket, and takes it once it goes on; that it has it, the primary never hears.
async fn is_received(cluster: &mut Cluster, proxy: &Proxy) -> JoinHandle<Answered> {
    let commit = commits(cluster, proxy, async || cluster.server(1).freeze()).await;
    cluster.primary_mut().kill();
    cluster.server(1).thaw();
    eventually("the replica received it", async || {
        (cluster.server(1).value(COUNT).await == "2").then_some(())
    })
    .await;
    assert!(!commit.is_finished(), "there is no new primary to ask");
    cluster.promote(1).await;
    commit
}

#[tokio::test]
async fn one_that_the_new_primary_has_is_answered_as_done() {
    let Some(mut cluster) = Cluster::mysql(1).await else { return };
    let proxy = prepare(&cluster).await;
    let commit = is_received(&mut cluster, &proxy).await;
    let (mut client, result) = answered(commit).await;
    result.expect("it is committed");
    assert_eq!(port_of(&mut client).await.unwrap(), cluster.primary().port());
    assert_eq!(value(&mut client, COUNT).await.unwrap(), "2");
    client.query_drop("INSERT INTO test.commits VALUES (3)").await.expect("the session goes on");
    assert_eq!(effect(&proxy, "committed").await, 1.0);
    assert_eq!(effect(&proxy, "outcome_unknown").await, 0.0);
}

#[tokio::test]
async fn one_that_the_new_primary_lacks_is_rolled_back() {
    let Some(mut cluster) = Cluster::mysql(1).await else { return };
    let proxy = prepare(&cluster).await;
    cluster.primary().sql("SET GLOBAL rpl_semi_sync_source_wait_no_replica = 1").await;
    let stop = async || {
        cluster.server(1).sql("STOP REPLICA IO_THREAD").await;
    };
    let commit = commits(&cluster, &proxy, stop).await;
    cluster.primary_mut().kill();
    cluster.promote(1).await;
    let (mut client, result) = answered(commit).await;
    let error = refusal(result);
    assert_eq!((error.code, &*error.state), (1213, "40001"));
    assert_eq!(value(&mut client, COUNT).await.unwrap(), "1");
    assert_eq!(effect(&proxy, "rolled_back").await, 1.0);
    // As applications do it upon that error.
    for sql in ["BEGIN", "INSERT INTO test.commits VALUES (2)", "COMMIT"] {
        client.query_drop(sql).await.unwrap();
    }
    assert_eq!(value(&mut client, COUNT).await.unwrap(), "2");
}

#[tokio::test]
async fn without_the_grant_nobody_knows() {
    let Some(mut cluster) = Cluster::mysql(1).await else { return };
    let proxy = prepare(&cluster).await;
    cluster.primary().sql("REVOKE REPLICATION SLAVE ON *.* FROM monitor@'%'").await;
    cluster.wait_caught_up().await;
    let commit = is_received(&mut cluster, &proxy).await;
    let (mut client, result) = answered(commit).await;
    assert_eq!(refusal(result).state, "08007");
    assert_eq!(value(&mut client, COUNT).await.unwrap(), "2", "it was committed all the same");
    assert_eq!(effect(&proxy, "outcome_unknown").await, 1.0);
}
