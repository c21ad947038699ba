//! The servers of a replica cluster: their primary is another site's, and no server of the file.

use crate::dialogue::{eventually, patient, topology};
use crate::support::{Cluster, Proxy, config_without_servers};
use mysql_async::prelude::Queryable;

#[tokio::test]
async fn the_read_only_port_of_a_replica_cluster_is_ready() {
    let mut cluster = Cluster::mariadb(2).await;
    cluster.primary().sql("CREATE TABLE test.t (v INT); INSERT INTO test.t VALUES (7)").await;
    cluster.wait_caught_up().await;
    let mut config = patient(&config_without_servers());
    for number in [1, 2] {
        let port = cluster.server(number).port();
        config +=
            &format!("\n[[discovery.servers]]\nname = \"db-{number}\"\naddress = \"127.0.0.1:{port}\"\n");
    }
    let proxy = Proxy::start(&config).await;
    let mut reader = proxy.reader().await.unwrap();
    let read: Option<u32> = reader.query_first("SELECT v FROM t").await.unwrap();
    assert_eq!(read, Some(7));
    let now = topology(&proxy).await;
    assert!(now["writer"].is_null() && now["alarm"].is_null(), "{now}");

    // One server less makes no difference; without the link to the other site nobody knows how old the data is.
    cluster.server_mut(1).kill();
    eventually("db-1 is down", async || {
        (topology(&proxy).await["servers"][0]["health"] == "down").then_some(())
    })
    .await;
    assert_eq!(proxy.get("/readyz").await.unwrap().0, 200);
    cluster.server(2).sql("STOP SLAVE IO_THREAD").await;
    eventually("not ready", async || (proxy.get("/readyz").await.ok()?.0 == 503).then_some(())).await;
    assert_eq!(topology(&proxy).await["alarm"], "no_candidate");
    cluster.server(2).sql("START SLAVE IO_THREAD").await;
    eventually("ready again", async || (proxy.get("/readyz").await.ok()?.0 == 200).then_some(())).await;
}
