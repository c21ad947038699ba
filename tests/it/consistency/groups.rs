//! The same in front of servers that agree on their members themselves: a replication group, and a Galera cluster behind
//! pods of a real API server, since only there a label says who of its nodes gets the writes.

use super::load::Ports;
use super::rounds::{Settings, begin, end};
use super::trouble::{Trouble, bulk};
use super::{paced, scene};
use crate::dialogue::{eventually, topology, writer_is};
use crate::support::{self, Group, Kind, Kubernetes, Proxy, number};
use mysql_async::prelude::Queryable;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

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
    compare(settings, &group, &proxies[0]).await;
    Some(findings)
}

const READERS: usize = 16;

/// What a read takes that waits for all the group agreed on, by the group's own means and by the proxy's: printed.
async fn compare(settings: &Settings, group: &Group, proxy: &Proxy) {
    let own = match settings.kind {
        Kind::MariaDb => "SET SESSION wsrep_sync_wait = 1",
        Kind::MySql => "SET SESSION group_replication_consistency = 'BEFORE'",
    };
    let reads = number("PACED", 150);
    for (what, port, before) in [
        ("on a member, without a wait", group.server(1).port(), "DO 0"),
        ("on a member, by the group's own means", group.server(1).port(), own),
        ("through the proxy at strong", proxy.rw, "DO 0"),
    ] {
        let over = Arc::new(AtomicBool::new(false));
        let writer = tokio::spawn(writes(group.server(0).port(), over.clone()));
        let began = Instant::now();
        let tasks: Vec<_> = (0..READERS).map(|_| tokio::spawn(read_times(port, before, reads))).collect();
        let mut times = Vec::new();
        for task in tasks {
            times.extend(task.await.expect("a session"));
        }
        let took = began.elapsed().as_secs_f64();
        over.store(true, SeqCst);
        writer.await.expect("the writer");
        times.sort_unstable();
        let at = |part: usize| times[times.len() * part / 100].as_secs_f64() * 1e3;
        let (count, p50, p99) = (times.len() as f64 / took, at(50), at(99));
        eprintln!(
            "group of {}: {READERS} sessions read beside a writer, {what}: {count:.0}/s, p50 {p50:.2} ms, p99 {p99:.2} ms",
            settings.kind.name()
        );
    }
}

async fn writes(port: u16, over: Arc<AtomicBool>) {
    let mut conn = support::connect(port, "app", "app", "test").await.expect("the primary");
    while !over.load(SeqCst) {
        conn.query_drop("UPDATE cells SET v = v + 1 WHERE k = 1000").await.expect("an UPDATE");
        sleep(Duration::from_millis(5)).await;
    }
}

async fn read_times(port: u16, before: &'static str, reads: usize) -> Vec<Duration> {
    let mut conn = support::connect(port, "app", "app", "test").await.expect("a server");
    conn.query_drop(before).await.expect(before);
    let mut times = Vec::new();
    for _ in 0..reads {
        let began = Instant::now();
        conn.query_drop("SELECT v FROM cells WHERE k = 1000").await.expect("a read");
        times.push(began.elapsed());
    }
    times
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
