//! `benches/run.sh pods`: what a change of the primary costs applications where pods are watched on a real API server,
//! and what label changes cost the proxy. Prints lines of a table. env: CHANGES=200  LABEL_SECS=20  AWAY_SECS=600
#![allow(clippy::print_stdout)]

// The tests use all of them.
#[path = "../tests/support/dialogue/mod.rs"]
#[allow(dead_code)]
mod dialogue;
#[path = "../tests/it/kubernetes/scene.rs"]
#[allow(dead_code)]
mod scene;
#[path = "../tests/support/mod.rs"]
#[allow(dead_code, unused_imports)]
mod support;

use dialogue::writers::Writers;
use scene::{ROLE, Scene};
use std::time::Duration;
use tokio::time::{Instant, interval, sleep};

/// Pods of the cluster that are watched while labels change, ten times a second.
const PODS: usize = 200;
const PAUSE: Duration = Duration::from_millis(100);

fn number(name: &str, fallback: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(fallback)
}

/// User and system time of a process, in clock ticks of 10 ms.
fn cpu_ms(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("no such process");
    let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    (ticks(11) + ticks(12)) * 10
}

async fn changes(count: usize) -> Option<()> {
    let mut scene = Scene::begin(2, 3).await?;
    // The old primary, as a replica, must not wait for one of its own.
    for number in 0..3 {
        scene.cluster.server(number).sql("SET GLOBAL rpl_semi_sync_master_timeout = 100").await;
    }
    let writers = Writers::start(&scene.proxy, 6).await;
    let mut writable = Vec::new();
    for change in 0..count {
        let old = scene.cluster.primary_number();
        let new = (old + 1) % 3;
        // As operators do: some move the label first, some the role.
        let labels_first = change % 2 == 0;
        if labels_first {
            scene.role(new, "primary").await;
            scene.role(old, "replica").await;
        }
        writable.push(scene.cluster.switchover(new).await);
        if !labels_first {
            scene.role(old, "replica").await;
            scene.role(new, "primary").await;
        }
        writers.each_wrote().await;
        dialogue::readers_are(&scene.proxy, 2).await;
    }
    let answered = writers.settle_all(scene.cluster.primary(), &writable).await;
    let mut waited: Vec<_> = writable.iter().zip(answered).map(|(from, to)| to - *from).collect();
    waited.sort();
    let at =
        |share: f64| waited[((count as f64 * share).ceil() as usize).clamp(1, count) - 1].as_secs_f64() * 1e3;
    println!(
        "| {count} planned changes, 6 clients writing: new primary writable → first write there, ms: p50 / p99 / most | {:.1} / {:.1} / {:.1} |",
        at(0.5),
        at(0.99),
        at(1.0)
    );
    Some(())
}

/// The primary is killed so many times, and a replica promoted; from then to the first write there, in milliseconds.
async fn crashes(scene: &mut Scene, count: usize, labelled: bool) -> Vec<f64> {
    let mut waited = Vec::new();
    for _ in 0..count {
        let old = scene.cluster.primary_number();
        let new = (old + 1) % 3;
        scene.cluster.primary().acknowledge_alone(false).await;
        let writers = Writers::start(&scene.proxy, 6).await;
        scene.cluster.primary_mut().kill();
        let writable = scene.cluster.promote(new).await;
        if labelled {
            scene.role(new, "primary").await;
            scene.role(old, "replica").await;
        }
        writers.each_wrote().await;
        let answered = writers.settle(scene.cluster.primary(), writable).await;
        waited.push((answered - writable).as_secs_f64() * 1e3);
        scene.cluster.rejoin(old).await;
        dialogue::readers_are(&scene.proxy, 2).await;
        scene.cluster.primary().sql("TRUNCATE test.log").await;
        scene.cluster.wait_caught_up().await;
    }
    waited.sort_by(f64::total_cmp);
    waited
}

const CRASHES: usize = 5;

async fn away(seconds: u64) -> Option<()> {
    let mut scene = Scene::begin(2, 3).await?;
    let with = crashes(&mut scene, CRASHES, true).await;
    scene.kubernetes.run("kill", &[]).await;
    sleep(Duration::from_secs(seconds)).await;
    let without = crashes(&mut scene, CRASHES, false).await;
    let shown = |all: &[f64]| format!("{:.1} / {:.1}", all[CRASHES / 2], all[CRASHES - 1]);
    println!(
        "| {CRASHES} crashes: replica promoted → first write there, ms, p50 / most: with the API server; after it was away for {seconds} s | {}; {} |",
        shown(&with),
        shown(&without)
    );
    Some(())
}

async fn labels(seconds: u64) -> Option<()> {
    let scene = Scene::begin(2, 3).await?;
    let of_cluster = [("app.kubernetes.io/name", "mariadb"), ("app.kubernetes.io/instance", "shop")];
    for number in 3..PODS {
        scene.pods.pending(&scene::name(number), 3306, &of_cluster).await;
    }
    let spell = Duration::from_secs(seconds);
    sleep(Duration::from_secs(2)).await;
    let begun = cpu_ms(scene.proxy.pid());
    sleep(spell).await;
    let quiet = cpu_ms(scene.proxy.pid()) - begun;
    let (begun, until) = (cpu_ms(scene.proxy.pid()), Instant::now() + spell);
    let mut ticks = interval(PAUSE);
    let mut changed = 0;
    while Instant::now() < until {
        ticks.tick().await;
        let role = if changed % 2 == 0 { "replica" } else { "primary" };
        scene.pods.label(&scene::name(3 + changed % (PODS - 3)), ROLE, Some(role)).await;
        changed += 1;
    }
    let busy = cpu_ms(scene.proxy.pid()) - begun;
    let share = |ms: u64| ms as f64 / (seconds as f64 * 10.0);
    println!(
        "| the proxy, of a core: {PODS} pods, {changed} label changes in {seconds} s / none (probes of 3 servers alone) | {:.2} % / {:.2} % |",
        share(busy),
        share(quiet)
    );
    Some(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    if std::env::args().any(|arg| arg == "--list") {
        return;
    }
    let done = changes(number("CHANGES", 200)).await.is_some()
        && labels(number("LABEL_SECS", 20) as u64).await.is_some()
        && away(number("AWAY_SECS", 600) as u64).await.is_some();
    if !done {
        eprintln!("SKIPPED pods: no Kubernetes API server");
    }
}
