//! An account that only a replica refuses: it has not arrived there yet, or the replica blocks the proxy. The primary has the
//! last word.

use crate::dialogue::{eventually, patient, port_of, readers_are, refusal};
use crate::support::{Cluster, Kind, Proxy, connect, proxy_config};
use mysql_async::prelude::Queryable;

#[tokio::test]
async fn mariadb_primary_has_the_last_word() {
    primary_has_the_last_word(Cluster::mariadb(1).await).await;
}

#[tokio::test]
async fn mysql_primary_has_the_last_word() {
    if let Some(cluster) = Cluster::mysql(1).await {
        primary_has_the_last_word(cluster).await;
    }
}

async fn primary_has_the_last_word(cluster: Cluster) {
    let make = "SET SESSION sql_log_bin = 0; CREATE USER late@'%' IDENTIFIED BY 'late'; GRANT ALL ON test.* TO late@'%'";
    cluster.primary().sql("CREATE TABLE test.t (v INT); INSERT INTO test.t VALUES (5)").await;
    cluster.wait_caught_up().await;
    cluster.primary().sql(make).await;
    let users = "[[users]]\nname = \"late\"\npassword = \"late\"\n\n[[users]]\nname = \"gone\"\npassword = \"gone\"\n";
    let config = patient(&proxy_config(&cluster)).replacen("mode = \"primary\"", "mode = \"split\"", 1);
    let proxy = Proxy::start(&format!("{config}\n{users}")).await;
    readers_are(&proxy, 1).await;
    let (primary, replica) = (cluster.primary().port(), cluster.replica(0).port());
    for port in [proxy.rw, proxy.ro] {
        let mut client = connect(port, "late", "late", "test").await.expect("login");
        for _ in 0..3 {
            let seen: Option<u32> = client.query_first("SELECT v FROM t").await.expect("the primary's row");
            assert_eq!(seen, Some(5));
        }
    }
    // Others read from the replica all the time.
    let mut other = connect(proxy.ro, "app", "app", "test").await.expect("login");
    assert_eq!(port_of(&mut other).await.expect("a port"), replica);
    let log = proxy.log();
    assert_eq!(log.matches("a replica refuses an account").count(), 1, "{log}");

    // Once the replica has the account, its reads go there.
    let also = if cluster.kind() == Kind::MySql { "SET GLOBAL super_read_only = 0; " } else { "" };
    let again = if cluster.kind() == Kind::MySql { "; SET GLOBAL super_read_only = 1" } else { "" };
    cluster.replica(0).sql(&format!("{also}{make}{again}")).await;
    let mut client = connect(proxy.ro, "late", "late", "test").await.expect("login");
    assert_eq!(port_of(&mut client).await.expect("a port"), primary, "as long as it is avoided");
    eventually("the replica is asked again", async || {
        (port_of(&mut client).await.expect("a port") == replica).then_some(())
    })
    .await;

    // What no server takes is refused.
    let mut nobody = match connect(proxy.rw, "gone", "gone", "test").await {
        Ok(client) => client,
        Err(_) => return,
    };
    assert_eq!(refusal(nobody.query_drop("SELECT v FROM t").await).code, 1045);
}
