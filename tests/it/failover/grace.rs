//! A primary that became read-only and lives, before there is another one: what is open there may end within
//! `failover.grace`.

use crate::dialogue::{eventually, metric, patient, refusal, topology, value};
use crate::support::{Cluster, Proxy, connect, proxy_config};
use mysql_async::prelude::Queryable;

/// For the first part nothing is over, then everything is: a reload changes it while sessions wait.
pub async fn read_only_before_there_is_another(mut cluster: Cluster) {
    let config = |grace: &str| {
        format!("{}\n[failover]\nhold = \"120s\"\ngrace = \"{grace}\"\n", patient(&proxy_config(&cluster)))
    };
    let (long, short) = (config("1h"), config("100ms"));
    let proxy = Proxy::start(&long).await;
    // For `super`, read_only is no barrier: its writes wait for another primary all the same, its reads go on.
    let mut writing = connect(proxy.rw, "super", "super", "test").await.unwrap();
    let mut reading = proxy.client().await.unwrap();
    let mut fixed = proxy.client().await.unwrap();
    let mut holding = proxy.client().await.unwrap();
    let count = "SELECT COUNT(*) FROM log WHERE token LIKE 'grace-%'";
    for (client, first) in [
        (&mut writing, "INSERT INTO log VALUES ('grace-before')"),
        (&mut reading, count),
        // Not to be run elsewhere.
        (&mut fixed, "SET @@div_precision_increment = 7"),
    ] {
        client.query_drop("BEGIN").await.unwrap();
        client.query_drop(first).await.unwrap();
    }
    holding.query_drop("CREATE TEMPORARY TABLE mine (a INT)").await.unwrap();

    cluster.primary().sql("SET GLOBAL read_only = 1").await;
    eventually("there is no writer", async || topology(&proxy).await["writer"].is_null().then_some(())).await;
    assert_eq!(value(&mut writing, count).await.unwrap(), "1");
    for client in [&mut reading, &mut fixed, &mut holding] {
        assert_eq!(value(client, count).await.unwrap(), "0");
    }

    proxy.write_config(&short);
    proxy.signal("HUP");
    let old = cluster.primary();
    // Before anybody says a word.
    eventually("the old primary has lost the open transaction", async || {
        let open = "SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'super'";
        (old.value(open).await == "0").then_some(())
    })
    .await;
    assert_eq!(refusal(fixed.query_drop(count).await).code, 1213);
    let error = refusal(holding.query_drop(count).await);
    assert!(error.code == 1053 && error.message.contains("temporary tables"), "{error:?}");
    let late = tokio::spawn(async move {
        writing.query_drop("INSERT INTO log VALUES ('grace-late')").await.expect("it moves");
        writing.query_drop("COMMIT").await.expect("COMMIT");
        value(&mut writing, count).await.unwrap()
    });
    let still = tokio::spawn(async move { value(&mut reading, count).await });
    eventually("both wait for another primary", async || {
        (metric(&proxy, "pointsman_statements_waiting_for_writer").await >= 2.0).then_some(())
    })
    .await;
    proxy.told("sessions leave the last one").await;

    cluster.switchover(1).await;
    assert_eq!(late.await.unwrap(), "2");
    // It read 0 rows before. If it runs again behind the other one's COMMIT, it would read another number: it is told.
    match still.await.unwrap() {
        Ok(rows) => assert_eq!(rows, "0"),
        told => assert_eq!(refusal(told).code, 1213),
    }
    let there = cluster.primary().value("SELECT GROUP_CONCAT(token ORDER BY token) FROM test.log").await;
    assert_eq!(there, "grace-before,grace-late", "{}", cluster.kind().name());
}
