//! Real servers whose pods stand in a real API server, and the proxy that watches them.

use crate::dialogue::writers::TABLES;
use crate::dialogue::{eventually, patient, readers_are, topology, writer_is};
use crate::support::{Cluster, Kubernetes, Pods, Proxy, Relay, config_without_servers};
use tokio::task::JoinSet;

const NAMESPACE: &str = "databases";
pub const ROLE: &str = "k8s.mariadb.com/role";

/// Servers 0 … n are the pods db-0 … db-n.
pub struct Scene {
    pub proxy: Proxy,
    pub cluster: Cluster,
    pub pods: Pods,
    pub kubernetes: Kubernetes,
    /// Between the proxy and each server; none where the pods stand for the servers themselves.
    pub relays: Vec<Relay>,
}

/// What there is at the beginning. Server 0 is the primary.
pub struct Setting {
    pub replicas: usize,
    /// So many of the servers have a pod.
    pub pods: usize,
    /// Pods of others in the namespace.
    pub others: usize,
    /// With a relay before each server, and probes that soon miss an answer.
    pub relayed: bool,
}

impl Scene {
    /// Server 0 is the primary; the first `pods` of them have a pod.
    pub async fn begin(replicas: usize, pods: usize) -> Option<Self> {
        Self::set(Setting { replicas, pods, others: 0, relayed: false }).await
    }

    pub async fn set(setting: Setting) -> Option<Self> {
        let Setting { replicas, pods, others, relayed } = setting;
        let kubernetes = Kubernetes::start().await?;
        let namespace = kubernetes.namespace(NAMESPACE).await;
        let mut making = JoinSet::new();
        for maker in 0..MAKERS {
            let namespace = namespace.clone();
            making.spawn(async move {
                for number in (maker..others).step_by(MAKERS) {
                    namespace.pending(&other(number), 80, &[("app", "other")]).await;
                }
            });
        }
        making.join_all().await;
        let cluster = Cluster::mariadb(replicas).await;
        // What was acknowledged is on a replica, too, so that nothing is lost with the primary.
        cluster.primary().sql("SET GLOBAL rpl_semi_sync_master_timeout = 600000").await;
        cluster.primary().sql(TABLES).await;
        cluster.wait_caught_up().await;
        let mut relays = Vec::new();
        for server in cluster.servers().iter().filter(|_| relayed) {
            relays.push(Relay::to(server.port()).await);
        }
        for number in 0..pods {
            let port = relays.get(number).map_or(cluster.server(number).port(), Relay::port);
            let role = if number == cluster.primary_number() { "primary" } else { "replica" };
            add(&namespace, number, port, role).await;
        }
        let kubeconfig = kubernetes.kubeconfig(NAMESPACE).display().to_string();
        let config = config();
        let config = if relayed { config } else { patient(&config) };
        let mut proxy = Proxy::start_with(&config, &[("KUBECONFIG", &kubeconfig)]);
        proxy.wait_ready().await;
        assert_eq!(writer_is(&proxy, 0).await, 1, "the first generation");
        readers_are(&proxy, pods - 1).await;
        Some(Scene { proxy, cluster, pods: namespace, kubernetes, relays })
    }

    pub async fn role(&self, number: usize, role: &str) {
        self.pods.label(&name(number), ROLE, Some(role)).await;
    }

    /// Waits until `/topology` says whether the pods' watch hears from the API server; its report.
    pub async fn watch_is(&self, connected: bool) -> serde_json::Value {
        eventually(&format!("the watch is connected: {connected}"), async || {
            let now = topology(&self.proxy).await;
            let watch = now["kubernetes"].as_array()?.iter().find(|w| w["resource"] == "pods")?.clone();
            (watch["connected"] == connected).then_some(watch)
        })
        .await
    }

    /// None of the statements of a phase are on a server.
    pub async fn nothing_of_phase(&self, number: usize, phase: usize) {
        let ask = format!("SELECT COUNT(*) FROM test.log WHERE token LIKE '%-p{phase}-%'");
        assert_eq!(self.cluster.server(number).value(&ask).await, "0", "writes on db-{number}");
    }
}

/// So many make the others' pods at a time.
const MAKERS: usize = 32;

/// The name of a pod of others.
pub fn other(number: usize) -> String {
    format!("other-{number}")
}

pub fn name(number: usize) -> String {
    format!("db-{number}")
}

pub async fn add(pods: &Pods, number: usize, port: u16, role: &str) {
    let labels =
        [("app.kubernetes.io/name", "mariadb"), ("app.kubernetes.io/instance", "shop"), (ROLE, role)];
    pods.create(&name(number), "127.0.0.1", port, &labels).await;
}

fn config() -> String {
    let discovery =
        "\n[discovery]\nkind = \"kubernetes\"\npreset = \"mariadb-operator\"\ncluster = \"shop\"\n";
    // Longer than what happens to the servers may take on a slow machine.
    config_without_servers() + discovery + "\n[failover]\nhold = \"120s\"\n"
}
