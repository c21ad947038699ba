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
use crate::support::{Cluster, Proxy, proxy_config};

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
