//! A hundred clients in front of real servers while faults go on, and a checker that knows what each client was told.
//! A seed is a run: seeds in a row have all kinds of fault in turn, everything else is drawn by the seed.
//!
//! env: FAULTS=1000 runs, POINTSMAN_SEED=7 the first seed (printed by a failure), FAULT=Killed only this kind (see
//! `tests/it/faults/plan.rs`), KIND=mysql, ASYNC=1 without semi-synchronous replication, STRONG=1 reads must see what other
//! sessions were acknowledged, LOOKED_UP=1 lost COMMITs are looked up (MySQL), PROBE_MS=100 between probes, LANES=2 scenes at a time.
//!
//! In front of a rival: POINTSMAN_TARGET=127.0.0.1:3406 (its port) RIVAL="command" (which starts it; gets SERVERS, the
//! servers' addresses, and PORT; without it the port must be answered by somebody within two minutes) FIRST_PORT=21306
//! (of the servers). The outcome is then a table, and fails nobody.

mod acknowledgements;
mod book;
mod check;
mod clients;
mod operator;
mod plan;
mod planted;
mod rival;
mod run;
mod scene;

use crate::dialogue::eventually;
use crate::support::{Cluster, Direction, Kind, Line, MUCH, Relay, Waits, connect, report_skipped, room_for};
use mysql_async::prelude::Queryable;
use plan::Fault;
use run::{Outcome, Settings, lane};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::sleep;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_are_told_the_truth_whatever_happens() {
    let _place = room_for(MUCH).await;
    let Some(all) = play(Settings::of_environment()).await else { return };
    eprintln!("\n{all}");
    let wrong = all.wrong.join("\n");
    assert!(wrong.is_empty() || rival::target().is_some(), "{} findings:\n{wrong}", all.wrong.len());
}

/// The test before this one can fail: with real servers, one row twice and one row gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn planted_rows_are_noticed() {
    if rival::target().is_some() {
        return;
    }
    let settings = Settings {
        runs: 1,
        lanes: 1,
        only: Some(Fault::Planned),
        plants: true,
        ..Settings::of_environment()
    };
    let Some(all) = play(settings).await else { return };
    let found = |what: &str| all.wrong.iter().filter(|wrong| wrong.contains(what)).count();
    assert_eq!((found("ran twice"), found("acknowledged and lost")), (1, 1), "{:?}", all.wrong);
}

/// Of MariaDB alone, without a proxy: commits that wait for acknowledgements which were lost with their connection are let
/// go, where they would wait for ten minutes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_acknowledgements_do_not_stop_a_primary_for_good() {
    if rival::target().is_some() {
        return;
    }
    let mut cluster = Cluster::mariadb(1).await;
    let line = Relay::to(cluster.primary().port()).await;
    cluster.replicate_through(HashMap::from([((1, 0), line.port())])).await;
    cluster.primary().sql("CREATE TABLE test.lost (id INT PRIMARY KEY)").await;
    cluster.wait_caught_up().await;
    cluster.set_waits(Waits::Always).await;
    eventually("a commit waits for a replica", async || cluster.primary().is_semi_sync().await.then_some(()))
        .await;
    let port = cluster.primary().port();
    line.set(Line::Held(Direction::ToServer));
    let mut commits = JoinSet::new();
    for id in 0..3 {
        commits.spawn(async move {
            let mut client = connect(port, "app", "app", "test").await.expect("a login");
            client.query_drop(format!("INSERT INTO test.lost VALUES ({id})")).await.expect("a commit");
        });
        sleep(Duration::from_millis(300)).await;
    }
    line.set(Line::Cut);
    sleep(Duration::from_millis(100)).await;
    line.set(Line::Through);
    cluster.replica(0).wait_replicating().await;
    sleep(Duration::from_secs(3)).await;
    if commits.try_join_next().is_some() {
        return report_skipped("lost acknowledgements", "this MariaDB gets over them by itself");
    }
    let ports = cluster.servers().iter().map(|server| server.port()).collect();
    let _beside = acknowledgements::let_go(Kind::MariaDb, ports, vec![line.state()]);
    assert_eq!(commits.join_all().await.len(), 3);
}

/// None where there is no such server.
async fn play(settings: Settings) -> Option<Outcome> {
    let (local, mut lanes) = (LocalSet::new(), JoinSet::new());
    let all = Rc::new(RefCell::new(Outcome::default()));
    for number in 0..settings.lanes {
        lanes.spawn_local_on(lane(settings, number, all.clone()), &local);
    }
    let ran = local.run_until(lanes.join_all()).await;
    (!ran.contains(&false)).then(|| all.take())
}
