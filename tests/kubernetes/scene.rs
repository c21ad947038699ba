//! Real servers whose pods stand in a real API server, and the proxy that watches them.

use crate::dialogue::{eventually, patient, readers_are, topology, writer_is};
use crate::support::{Cluster, Kubernetes, Pods, Proxy, proxy_config};
use crate::writers::TABLES;
use tokio::task::JoinSet;

const NAMESPACE: &str = "databases";
pub const ROLE: &str = "k8s.mariadb.com/role";

/// Servers 0 … n are the pods db-0 … db-n.
pub struct Scene {
    pub proxy: Proxy,
    pub cluster: Cluster,
    pub pods: Pods,
    pub kubernetes: Kubernetes,
}

impl Scene {
    /// Server 0 is the primary; the first `pods` of them have a pod.
    pub async fn begin(replicas: usize, pods: usize) -> Option<Self> {
        Self::begin_among(replicas, pods, 0).await
    }

    /// The same among so many pods of others.
    pub async fn begin_among(replicas: usize, pods: usize, others: usize) -> Option<Self> {
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
        for number in 0..pods {
            add(&namespace, &cluster, number).await;
        }
        let kubeconfig = kubernetes.kubeconfig(NAMESPACE).display().to_string();
        let mut proxy = Proxy::start_with(&config(&cluster), &[("KUBECONFIG", &kubeconfig)]);
        proxy.wait_ready().await;
        assert_eq!(writer_is(&proxy, 0).await, 1, "the first generation");
        readers_are(&proxy, pods - 1).await;
        Some(Scene { proxy, cluster, pods: namespace, kubernetes })
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

pub async fn add(pods: &Pods, cluster: &Cluster, number: usize) {
    let role = if number == cluster.primary_number() { "primary" } else { "replica" };
    let labels =
        [("app.kubernetes.io/name", "mariadb"), ("app.kubernetes.io/instance", "shop"), (ROLE, role)];
    pods.create(&name(number), "127.0.0.1", cluster.server(number).port(), &labels).await;
}

fn config(cluster: &Cluster) -> String {
    let text = proxy_config(cluster);
    let (text, _) = text.split_once("\n[[discovery.servers]]").expect("the servers stand at the end");
    let discovery = "kind = \"kubernetes\"\npreset = \"mariadb-operator\"\ncluster = \"shop\"";
    patient(&text.replace("kind = \"static\"", discovery))
}
