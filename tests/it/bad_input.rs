//! Clients that break the protocol, stop half-way, dawdle, or come in crowds: each harms
//! itself only. Others are served, and the proxy's memory stays bounded.

mod crowds;
mod garbage;
mod random;

use crate::dialogue::raw::{Raw, error_code};
use crate::dialogue::{eventually, patient, topology};
use crate::support::{Cluster, Proxy, proxy_config};

/// A server, a proxy with this in its configuration, and what its memory began with.
struct Scene {
    _cluster: Cluster,
    proxy: Proxy,
    /// KiB, after a few clients have come and gone.
    rss: u64,
}

impl Scene {
    async fn new(addition: &str) -> Self {
        let cluster = Cluster::mariadb(0).await;
        cluster.primary().sql("CREATE TABLE test.t (v INT); INSERT INTO test.t VALUES (1)").await;
        let config = patient(&proxy_config(&cluster));
        // All of it comes from one address, which is not to be blocked for it.
        let unblocked = "[limits]\nmax_login_errors = 0";
        let addition = match addition.contains("[limits]") {
            true => addition.replace("[limits]", unblocked),
            false => format!("{addition}\n{unblocked}\n"),
        };
        let proxy = Proxy::start(&format!("workers = 2\nworker_fill = 0\n{config}\n{addition}")).await;
        for port in [proxy.rw, proxy.ro, proxy.rw, proxy.ro] {
            serves(port).await;
        }
        let rss = proxy.rss_kib();
        assert!(rss > 0, "no /proc");
        Scene { _cluster: cluster, proxy, rss }
    }

    /// Others are served, nothing panicked, and memory did not grow by more than `limit_kib`.
    async fn unharmed(&mut self, limit_kib: u64) {
        for port in [self.proxy.rw, self.proxy.ro] {
            serves(port).await;
        }
        assert!(self.proxy.exit_status().is_none(), "the proxy ended");
        let log = self.proxy.log();
        assert!(!log.contains("panicked"), "it panicked");
        let grown = self.proxy.rss_kib().saturating_sub(self.rss);
        eprintln!("memory grew by {grown} KiB from {} KiB", self.rss);
        assert!(grown < limit_kib, "memory grew by {grown} KiB from {} KiB", self.rss);
    }

    /// Waits until no client is left that this test made.
    async fn empty(&self) {
        eventually("every client is gone", async || {
            let topology = topology(&self.proxy).await;
            let ports = topology["traffic"]["ports"].as_array().expect("ports");
            ports.iter().all(|p| p["clients"] == 0).then_some(())
        })
        .await;
    }
}

/// Somebody who behaves is served.
async fn serves(port: u16) {
    let mut client = Raw::app(port).await;
    let answer = client.query("SELECT COUNT(*) FROM t").await.unwrap();
    assert_eq!(error_code(&answer), 0, "{}", String::from_utf8_lossy(&answer));
}
