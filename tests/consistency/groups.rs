//! The same in front of servers that agree on their members themselves: a replication group, and a Galera cluster behind
//! pods of a real API server, since only there a label says who of its nodes gets the writes.

use super::load::Ports;
use super::rounds::{Settings, begin, end};
use super::trouble::{Trouble, bulk};
use super::{paced, scene};
use crate::dialogue::{eventually, topology, writer_is};
use crate::support::{Group, Kind, Kubernetes, Proxy};
use tokio::sync::watch;

/// What was found. None where there are no such servers.
pub async fn play(settings: &Settings) -> Option<Vec<String>> {
    let kubernetes = match settings.kind {
        Kind::MariaDb => Some(Kubernetes::start().await?),
        Kind::MySql => None,
    };
    let group = Group::start(settings.kind).await?;
    group.server(0).sql(&scene::tables()).await;
    let proxies = match &kubernetes {
        Some(kubernetes) => behind_pods(kubernetes, &group, settings.level).await,
        None => scene::proxies(group.servers(), settings.level).await,
    };
    for proxy in &proxies {
        writer_is(proxy, 0).await;
        // Nodes of a Galera cluster replicate from nobody.
        eventually("two servers serve reads", async || {
            let now = topology(proxy).await;
            let servers = now["servers"].as_array().expect("servers");
            (servers.iter().filter(|server| server["serves_reads"] == true).count() == 2).then_some(())
        })
        .await;
    }
    let primary = watch::channel(group.server(0).port()).0;
    let ports =
        Ports { proxies: proxies.iter().map(|proxy| proxy.rw).collect(), primary: primary.subscribe() };
    let mut findings = Vec::new();
    for (round, trouble) in (1..).zip([Trouble::Nothing, Trouble::SlowApply]) {
        let load = begin(settings, trouble, ports.clone(), round).await;
        let before = paced::read_counts(&proxies).await;
        if trouble == Trouble::SlowApply {
            bulk(group.server(0)).await;
        }
        load.more(settings.per_round).await;
        let outcome = end(settings, trouble, load, before, &proxies).await;
        eprintln!("group of {}: {outcome}", settings.again(trouble));
        findings.extend(outcome.findings);
    }
    Some(findings)
}

async fn behind_pods(kubernetes: &Kubernetes, group: &Group, level: &str) -> Vec<Proxy> {
    const PRESET: &str = "mariadb-operator-galera";
    let pods = kubernetes.namespace(PRESET).await;
    for (number, server) in group.servers().iter().enumerate() {
        let role = if number == 0 { "primary" } else { "replica" };
        let labels = [
            ("app.kubernetes.io/name", "mariadb"),
            ("app.kubernetes.io/instance", "c"),
            ("k8s.mariadb.com/role", role),
        ];
        pods.create(&format!("db-{number}"), "127.0.0.1", server.port(), &labels).await;
    }
    let discovery = format!("\n[discovery]\nkind = \"kubernetes\"\npreset = \"{PRESET}\"\ncluster = \"c\"\n");
    let kubeconfig = kubernetes.kubeconfig(PRESET).display().to_string();
    let mut proxies = Vec::new();
    for interval in scene::INTERVALS {
        let config = scene::settings(level, interval) + &discovery;
        let mut proxy = Proxy::start_with(&config, &[("KUBECONFIG", &kubeconfig)]);
        proxy.wait_ready().await;
        proxies.push(proxy);
    }
    proxies
}
