//! Running the proxy: limits, KILL, drain, reload, upgrade, timeouts, descriptors, sockets,
//! and secrets that must not show.

mod barred;
mod ending;
mod full;
mod kill;
mod limits;
mod outside;
mod reload;
mod secrets;
mod unix;
mod upgrade;

use crate::dialogue::patient;
use crate::dialogue::raw::{Raw, error_code};
use crate::support::{Cluster, Proxy, proxy_config};
use mysql_async::prelude::Queryable;

/// One server with a table `test.t` of one row, and the configuration of a proxy before it.
async fn alone(cluster: &Cluster) -> String {
    cluster.primary().sql("CREATE TABLE IF NOT EXISTS test.t (v INT); INSERT INTO test.t VALUES (1)").await;
    patient(&proxy_config(cluster))
}

/// A server and a proxy with this in addition to its configuration.
async fn scene(addition: &str) -> (Cluster, Proxy) {
    let cluster = Cluster::mariadb(0).await;
    let config = alone(&cluster).await;
    let proxy = Proxy::start(&format!("workers = 2\nworker_fill = 0\n{config}\n{addition}")).await;
    (cluster, proxy)
}

/// A client with a temporary table `own` (a: 7) and an open transaction, in which it has written 70.
async fn writing(proxy: &Proxy) -> Raw {
    let mut client = Raw::app(proxy.rw).await;
    for sql in [
        "CREATE TEMPORARY TABLE own (a INT)",
        "INSERT INTO own VALUES (7)",
        "BEGIN",
        "INSERT INTO t VALUES (70)",
    ] {
        assert_eq!(error_code(&client.query(sql).await.unwrap()), 0, "{sql}");
    }
    client
}

/// The client of `writing` goes on: it writes 71 and 72, and still has its table.
async fn goes_on(client: &mut Raw) {
    for sql in ["INSERT INTO t SELECT 71 FROM own WHERE a = 7", "COMMIT", "INSERT INTO t SELECT 72 FROM own"]
    {
        let answer = client.query(sql).await.unwrap();
        assert_eq!(error_code(&answer), 0, "{sql}: {}", String::from_utf8_lossy(&answer));
    }
}

/// Ends all connections of the probes to the server that `watching` is connected to.
async fn end_probes(watching: &mut mysql_async::Conn) {
    let probes = "SELECT id FROM information_schema.processlist WHERE user = 'monitor'";
    let ids: Vec<u64> = watching.query(probes).await.expect("the probes");
    for id in ids {
        drop(watching.query_drop(format!("KILL {id}")).await);
    }
}
