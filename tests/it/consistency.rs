//! Whether reads are as fresh as `consistency.level` promises, whatever happens to replication, replicas and primary:
//! some thirty sessions on two proxies, and on the primary itself, write and read registers and counters; each operation
//! is recorded with the times at which it began and ended, and checkers say whether all of it can be true.
//!
//! - `registers.rs`, `counters.rs`: at `strong`, whether a history is linearizable. A read that lacks a write which was
//!   acknowledged before the read began is a finding. An *inversion* is counted only: a read saw a write that was still
//!   under way, and a later one, elsewhere, did not. Servers make these by themselves: a replica shows a transaction
//!   when it has applied it, its primary when a replica has acknowledged it (semi-sync, AFTER_SYNC), or when its own
//!   commit has come to an end. What a transaction reads is of its beginning, or later.
//! - `sessions.rs`: at `session` and at `strong`, whether a session sees less than it has seen, or wrote, before. Where it
//!   saw a write that was still under way, that is an inversion, too, and counted apart.
//! - `pairs.rs`: how many pairs there were of an acknowledged write and a later read, by who wrote: the same session,
//!   another one on the same proxy, on the other proxy, or somebody past the proxies; and how many of them were stale.
//! - `checkers.rs`: the checkers themselves, on histories made by hand and by chance.
//! - `trouble.rs`: what happens meanwhile; `groups.rs`: a replication group, and a Galera cluster.
//! - `paced.rs`: which share of the reads replicas serve, and how long reads take.
//!
//! A seed draws what sessions do; when they do it is up to the machine. env: PAIRS=500000 of each kind of server at
//! `strong`, half as many at `session` (without it, what takes two or three minutes in all), POINTSMAN_SEED=7,
//! TROUBLE=Crash only this one (see `trouble.rs`), PACED=150 statements of each session in `paced.rs`.

mod checkers;
mod client;
mod counters;
mod groups;
mod history;
mod load;
mod paced;
mod pairs;
mod registers;
mod rounds;
mod scene;
mod sessions;
mod trouble;

use crate::support::{Kind, MUCH, Place, number, room_for};
use rounds::{Settings, play};
use scene::Scene;
use tokio::sync::{Mutex, MutexGuard};

/// One after the other: two cores have no room for two clusters under load.
static ALONE: Mutex<()> = Mutex::const_new(());

async fn alone() -> (MutexGuard<'static, ()>, Place) {
    (ALONE.lock().await, room_for(MUCH).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb_strong() {
    level(Kind::MariaDb, "strong").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mysql_strong() {
    level(Kind::MySql, "strong").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb_session() {
    level(Kind::MariaDb, "session").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mysql_session() {
    level(Kind::MySql, "session").await;
}

async fn level(kind: Kind, level: &'static str) {
    let _alone = alone().await;
    let Some(outcome) = play(&Settings::of_environment(kind, level)).await else { return };
    let findings = outcome.findings;
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn galera_strong() {
    group(Kind::MariaDb).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replication_group_strong() {
    group(Kind::MySql).await;
}

async fn group(kind: Kind) {
    let _alone = alone().await;
    let Some(findings) = groups::play(&Settings::of_environment(kind, "strong")).await else { return };
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb_reads_go_to_replicas() {
    reads_go_to_replicas(Kind::MariaDb).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mysql_reads_go_to_replicas() {
    reads_go_to_replicas(Kind::MySql).await;
}

/// At `strong`, beside writes, and with replicas one second behind: what comes of it is printed. Replicas that are well
/// must be used, or the other tests would say nothing.
async fn reads_go_to_replicas(kind: Kind) {
    let _alone = alone().await;
    let Some(scene) = Scene::begin(kind, "strong").await else { return };
    let (statements, seed) = (number("PACED", 150), number("POINTSMAN_SEED", 1) as u64);
    let mut healthy = None;
    for late in 0..=2 {
        for number in 1..=late {
            scene.cluster.server(number).set_delay(1).await;
        }
        let paced = paced::run(&scene.proxies, statements, seed).await;
        eprintln!("{}, {late} of two replicas 1 s behind: {paced}", kind.name());
        assert!(paced.errors.is_empty(), "{:?}", paced.errors);
        healthy.get_or_insert(paced.share());
    }
    assert!(healthy > Some(0.5), "most reads go to the primary");
}
