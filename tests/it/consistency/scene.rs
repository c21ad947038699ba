//! Servers, the network between them, and two proxies in front of them.

use super::load::Ports;
use crate::dialogue::{PATIENCE, eventually, readers_are, writer_is};
use crate::support::{Cluster, Kind, Node, Proxy, Relay, Waits, config_without_servers};
use std::collections::HashMap;
use std::fmt::Write as _;
use tokio::sync::watch;

pub const SERVERS: usize = 3;

/// All of it ends with its owner.
pub struct Scene {
    pub cluster: Cluster,
    pub proxies: Vec<Proxy>,
    /// Between a replica and its source.
    pub replication: HashMap<(usize, usize), Relay>,
    primary: watch::Sender<u16>,
}

impl Scene {
    /// `level` as in the configuration. None where there is no such server.
    pub async fn begin(kind: Kind, level: &str) -> Option<Self> {
        let mut cluster = match kind {
            Kind::MariaDb => Cluster::mariadb(SERVERS - 1).await,
            Kind::MySql => Cluster::mysql(SERVERS - 1).await?,
        };
        let mut replication = HashMap::new();
        for (source, server) in cluster.servers().iter().enumerate() {
            for replica in (0..SERVERS).filter(|replica| *replica != source) {
                replication.insert((replica, source), Relay::to(server.port()).await);
            }
        }
        cluster
            .replicate_through(replication.iter().map(|(way, relay)| (*way, relay.port())).collect())
            .await;
        cluster.primary().sql(&tables()).await;
        cluster.wait_caught_up().await;
        // A primary that is lost takes nothing with it that was acknowledged.
        cluster.set_waits(Waits::Always).await;
        let proxies = proxies(cluster.servers(), level).await;
        let primary = watch::channel(cluster.primary().port()).0;
        let scene = Scene { cluster, proxies, replication, primary };
        scene.settled().await;
        Some(scene)
    }

    pub fn ports(&self) -> Ports {
        Ports {
            proxies: self.proxies.iter().map(|proxy| proxy.rw).collect(),
            primary: self.primary.subscribe(),
        }
    }

    /// Tells the sessions that go past the proxies.
    pub fn primary_changed(&self) {
        self.primary.send_replace(self.cluster.primary().port());
    }

    /// Both proxies know the primary.
    pub async fn writer_known(&self) {
        for proxy in &self.proxies {
            writer_is(proxy, self.cluster.primary_number()).await;
        }
    }

    /// As in the beginning, and the proxies know.
    pub async fn settled(&self) {
        self.cluster.wait_caught_up().await;
        self.writer_known().await;
        for proxy in &self.proxies {
            readers_are(proxy, SERVERS - 1).await;
        }
        eventually(&format!("a commit waits for a replica within {PATIENCE:?}"), async || {
            self.cluster.primary().is_semi_sync().await.then_some(())
        })
        .await;
    }
}

pub fn tables() -> String {
    [super::load::TABLE, &super::paced::table(), super::trouble::BULK].join("; ")
}

/// Between probes of the two proxies: they learn of a change at different times.
pub const INTERVALS: [&str; 2] = ["300ms", "1s"];

pub async fn proxies(servers: &[Node], level: &str) -> Vec<Proxy> {
    let mut proxies = Vec::new();
    for interval in INTERVALS {
        proxies.push(Proxy::start(&(settings(level, interval) + &discovery(servers))).await);
    }
    proxies
}

/// All but the servers. `level` as in the configuration.
pub fn settings(level: &str, interval: &str) -> String {
    let interval = format!("password = \"monitor\"\ninterval = \"{interval}\"");
    let mut text = config_without_servers().replace("\"primary\"", "\"split\"");
    text = text.replace("password = \"monitor\"", &interval);
    let _ = write!(text, "\n[consistency]\nlevel = \"{level}\"\n");
    // Longer than all that happens to the servers may take on a slow machine.
    text + "\n[failover]\nhold = \"120s\"\n\n[limits]\nqueue_timeout = \"120s\"\n"
}

fn discovery(servers: &[Node]) -> String {
    let mut text = String::from("\n[discovery]\nkind = \"static\"\n");
    for (number, server) in servers.iter().enumerate() {
        let (section, port) = ("[[discovery.servers]]", server.port());
        let _ = write!(text, "\n{section}\nname = \"db-{number}\"\naddress = \"127.0.0.1:{port}\"\n");
    }
    text
}
