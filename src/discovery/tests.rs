//! Discovery, probes and reducer together, on scripted servers in paused time.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep, timeout};

use super::{Acknowledgements, NotOrdered, Source, start, start_with};
use crate::config::*;
use crate::monitor::Kicker;
use crate::monitor::tests::{Cluster, Power, monitor_account};
use crate::topology::{
    Acknowledged, Alarm, Discovered, Flavor, GtidSet, Health, Label, Maintenance, Server, Snapshot,
};

fn live(names: &[&str]) -> Live {
    let ten = NonZeroUsize::new(10).unwrap();
    let second = Duration::from_secs(1);
    let server = |name: &&str| StaticServer {
        name: (*name).into(),
        address: format!("{name}:3306").into(),
        weight: 1,
        drain: false,
        zone: None,
        tls_name: None,
    };
    Live {
        servers: names.iter().map(server).collect(),
        admin: Default::default(),
        monitor: monitor_account("monitor"),
        users: HashMap::new(),
        withheld: Default::default(),
        credentials: Default::default(),
        servers_tls: Default::default(),
        listener_levels: HashMap::new(),
        listener_tls: HashMap::new(),
        consistency: Consistency { level: Level::Strong, max_wait: second, primary_share: 50 },
        replicas: Replicas { max_lag: second * 10, fallback: Fallback::Primary, zone: None },
        failover: Failover { hold: second, ..Default::default() },
        limits: Limits {
            max_connections: 1,
            max_server_connections: ten,
            queue_timeout: second,
            ..Limits::default()
        },
        pool: Pool { idle_timeout: second, ..Pool::default() },
        timeouts: Timeouts { connect: second, login: second, idle: second, ..Timeouts::default() },
        notify: crate::config::Notify::default(),
        drain: Drain { delay: second, timeout: second },
        digests: Default::default(),
        statements: Default::default(),
        audit: Default::default(),
        traces: Default::default(),
    }
}

struct Play {
    cluster: Cluster,
    config: watch::Sender<Arc<Live>>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    kicker: Kicker,
}

impl Play {
    fn start(names: &[&str]) -> Self {
        let cluster = Cluster::of(names);
        let (config, live) = watch::channel(Arc::new(live(names)));
        let (snapshots, kicker) = start(live, cluster.clone());
        Play { cluster, config, snapshots, kicker }
    }

    /// Waits for a snapshot. Returns how long that took in ms.
    async fn until(&mut self, what: impl Fn(&Snapshot) -> bool) -> u128 {
        let began = Instant::now();
        let seen = timeout(Duration::from_secs(30), self.snapshots.wait_for(|s| what(s))).await;
        seen.expect("it never came").unwrap();
        began.elapsed().as_millis()
    }

    async fn primary_is(&mut self, name: &str) -> u128 {
        self.until(|s| s.primary().is_some_and(|w| &*w.name == name)).await
    }

    fn now(&self) -> Arc<Snapshot> {
        self.snapshots.borrow().clone()
    }

    fn server(&self, name: &str) -> Arc<Server> {
        self.now().servers.iter().find(|s| &*s.name == name).unwrap().clone()
    }

    fn reload(&self, change: impl FnOnce(&mut Live)) {
        self.config.send_modify(|live| change(Arc::make_mut(live)));
    }
}

async fn play(names: &[&str], test: impl AsyncFnOnce(Play)) {
    LocalSet::new().run_until(async { test(Play::start(names)).await }).await;
}

fn is_down(name: &'static str) -> impl Fn(&Snapshot) -> bool {
    move |s| s.servers.iter().any(|s| &*s.name == name && s.health == Health::Down)
}

#[tokio::test(start_paused = true)]
async fn the_first_snapshot_names_the_servers_and_the_first_probes_the_primary() {
    play(&["db-0", "db-1"], async |mut p| {
        assert_eq!(p.now().servers.len(), 2);
        assert!(p.primary_is("db-0").await <= 3);
        assert_eq!(p.now().replicas().map(|s| &*s.name).collect::<Vec<_>>(), ["db-1"]);
        assert_eq!(p.now().generation, 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn killed_and_promoted() {
    play(&["db-0", "db-1"], async |mut p| {
        p.primary_is("db-0").await;
        p.cluster.kill("db-0");
        assert!(p.until(|s| s.primary.is_none()).await <= 100, "at most an interval");
        sleep(Duration::from_millis(333)).await;
        p.cluster.promote("db-1");
        assert!(p.primary_is("db-1").await <= 25, "probes hurry without a primary");
        assert_eq!(p.now().generation, 2);
        p.cluster.power("db-0", Power::On);
        p.until(|s| s.alarm == Some(Alarm::SeveralCandidates)).await;
        assert_eq!((&*p.now().primary().unwrap().name, p.now().generation), ("db-1", 2));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn frozen_is_down_after_three_intervals_and_up_again_when_it_thaws() {
    play(&["db-0", "db-1"], async |mut p| {
        p.primary_is("db-0").await;
        sleep(Duration::from_millis(50)).await;
        p.cluster.power("db-0", Power::Frozen);
        let took = p.until(is_down("db-0")).await;
        assert!((300..=400).contains(&took), "{took} ms");
        p.cluster.power("db-0", Power::On);
        assert!(p.primary_is("db-0").await <= 3);
        assert_eq!(p.now().generation, 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_kick_sees_a_switchover_before_the_interval() {
    play(&["db-0", "db-1"], async |mut p| {
        p.reload(|live| live.monitor.interval = Duration::from_secs(5));
        p.primary_is("db-0").await;
        let old = p.now().primary.unwrap();
        sleep(Duration::from_millis(50)).await;
        p.cluster.host("db-0", |h| h.read_only = true);
        p.cluster.promote("db-1");
        // The kick comes from another thread, as sessions' kicks do.
        let kicker = p.kicker.clone();
        std::thread::spawn(move || kicker.kick(old)).join().unwrap();
        assert!(p.primary_is("db-1").await <= 30, "and then probes hurry");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn all_down_and_back() {
    play(&["db-0", "db-1", "db-2"], async |mut p| {
        p.primary_is("db-0").await;
        ["db-0", "db-1", "db-2"].into_iter().for_each(|name| p.cluster.kill(name));
        p.until(|s| s.servers.iter().all(|s| s.health == Health::Down)).await;
        assert_eq!((p.now().alarm, p.now().replicas().count()), (None, 0));
        sleep(Duration::from_secs(600)).await;
        ["db-1", "db-0", "db-2"].into_iter().for_each(|name| p.cluster.power(name, Power::On));
        assert!(p.until(|s| s.primary.is_some() && s.replicas().count() == 2).await <= 105);
        assert_eq!(p.now().generation, 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn servers_come_and_go_by_a_reload() {
    play(&["db-0", "db-1"], async |mut p| {
        p.primary_is("db-0").await;
        let kept = p.server("db-0").id;
        let gone = p.server("db-1").id;
        p.reload(|l| l.servers = live(&["db-0"]).servers);
        p.until(|s| s.servers.len() == 1).await;
        sleep(Duration::from_millis(50)).await;
        let probes = p.cluster.host("db-1", |h| h.probes.len());
        sleep(Duration::from_secs(1)).await;
        assert_eq!(p.cluster.host("db-1", |h| h.probes.len()), probes, "nobody probes it any more");
        p.kicker.kick(gone);
        p.reload(|l| l.servers = live(&["db-0", "db-1"]).servers);
        p.until(|s| s.replicas().count() == 1).await;
        assert_eq!((p.server("db-0").id, p.now().generation), (kept, 1));
        assert_ne!(p.server("db-1").id, gone);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_write_after_a_long_silence_is_as_old_as_itself() {
    play(&["db-0", "db-1"], async |mut p| {
        p.primary_is("db-0").await;
        let lag = |p: &Play| p.server("db-1").lag.map(|lag| lag.as_millis());
        sleep(Duration::from_secs(60)).await;
        assert_eq!(lag(&p), Some(0));
        p.cluster.host("db-0", |h| h.position = 2);
        for seconds in 1..4 {
            sleep(Duration::from_secs(1)).await;
            let (lag, truth) = (lag(&p).expect("it is known"), seconds * 1000);
            assert!((truth - 110..truth + 110).contains(&lag), "{lag} after {truth} ms");
        }
        p.cluster.host("db-1", |h| h.position = 2);
        p.until(|s| s.servers[1].lag == Some(Duration::ZERO)).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn max_lag_and_the_interval_are_reloaded() {
    play(&["db-0", "db-1"], async |mut p| {
        p.primary_is("db-0").await;
        p.reload(|live| {
            live.replicas.max_lag = Duration::from_secs(1);
            live.monitor.interval = Duration::from_millis(10);
        });
        p.until(|s| s.max_lag == Duration::from_secs(1)).await;
        let before = p.cluster.host("db-0", |h| h.probes.len());
        sleep(Duration::from_secs(1)).await;
        assert!(p.cluster.host("db-0", |h| h.probes.len()) >= before + 90);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_changed_password_and_its_reload() {
    play(&["db-0"], async |mut p| {
        p.primary_is("db-0").await;
        p.cluster.host("db-0", |h| h.password = "new".to_owned());
        p.cluster.reset_connections("db-0");
        p.until(|s| s.servers.iter().all(|server| server.is_barred())).await;
        assert!(p.server("db-0").last_error.as_deref().unwrap().contains("1045"));
        sleep(Duration::from_secs(60)).await;
        assert_eq!((p.server("db-0").health, p.now().generation), (Health::Up, 1));
        p.reload(|live| live.monitor = monitor_account("new"));
        let back = p.until(|s| s.servers.iter().all(|server| !server.is_barred())).await;
        assert!(back <= 3, "{back}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_replaced_server_gets_a_new_id_and_a_new_connection() {
    play(&["db-0", "db-1"], async |mut p| {
        p.primary_is("db-0").await;
        let (old, connects) = (p.server("db-0").id, p.cluster.host("db-0", |h| h.connects.len()));
        p.cluster.host("db-0", |h| h.server_id = 99);
        p.until(|s| s.primary.is_some_and(|id| id != old)).await;
        assert_eq!(p.now().generation, 2);
        sleep(Duration::from_secs(1)).await;
        assert_eq!(p.cluster.host("db-0", |h| h.connects.len()), connects + 1);
        assert_eq!(p.server("db-0").health, Health::Up);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_flapping_primary_is_one_generation_and_a_flapping_replica_no_trouble() {
    play(&["db-0", "db-1"], async |mut p| {
        p.primary_is("db-0").await;
        for name in ["db-0", "db-1"].iter().cycle().take(40) {
            p.cluster.kill(name);
            sleep(Duration::from_millis(130)).await;
            p.cluster.power(name, Power::On);
            sleep(Duration::from_millis(130)).await;
        }
        assert_eq!((p.now().generation, p.now().history.len()), (1, 32));
        assert_eq!((p.now().replicas().count(), p.now().alarm), (1, None));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_set_of_replicas_alone_is_probed_calmly_after_a_while() {
    play(&["db-0"], async |p| {
        p.cluster.host("db-0", |h| h.read_only = true);
        sleep(Duration::from_secs(61)).await;
        let before = p.cluster.host("db-0", |h| h.probes.len());
        sleep(Duration::from_secs(1)).await;
        assert_eq!(p.cluster.host("db-0", |h| h.probes.len()) - before, 10);
        assert_eq!(p.now().alarm, Some(Alarm::NoCandidate));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn nothing_new_publishes_nothing() {
    play(&["db-0", "db-1", "db-9"], async |mut p| {
        p.primary_is("db-0").await;
        p.cluster.kill("db-9");
        p.cluster.power("db-1", Power::Frozen);
        p.until(is_down("db-1")).await;
        sleep(Duration::from_millis(200)).await;
        let version = p.now().version;
        sleep(Duration::from_secs(20)).await;
        assert_eq!(p.now().version, version, "hundreds of probes later");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn it_ends_with_the_last_receiver() {
    play(&["db-0"], async |mut p| {
        p.primary_is("db-0").await;
        let Play { cluster, snapshots, .. } = p;
        drop(snapshots);
        sleep(Duration::from_secs(1)).await;
        let probes = cluster.host("db-0", |h| h.probes.len());
        sleep(Duration::from_secs(1)).await;
        assert_eq!(cluster.host("db-0", |h| h.probes.len()), probes);
    })
    .await;
}

/// The same servers as pods; `*` marks the labelled primary.
fn pods(names: &[&str]) -> Option<Arc<Vec<Discovered>>> {
    let pod = |name: &&str| {
        let plain = name.trim_end_matches('*');
        let label = if plain == *name { Label::Replica } else { Label::Primary };
        Discovered {
            label: Some(label),
            uid: format!("uid-{plain}").into(),
            ..Discovered::from((plain.into(), format!("{plain}:3306").into()))
        }
    };
    Some(Arc::new(names.iter().map(pod).collect()))
}

type Api = watch::Sender<Option<Arc<Vec<Discovered>>>>;

fn play_pods(cluster: Cluster) -> (Play, Api, Acknowledgements) {
    let (config, seen) = watch::channel(Arc::new(live(&[])));
    let (api, servers) = watch::channel(None);
    let (_, maintenance) = watch::channel(Maintenance::default());
    let source = Source::Pods { servers, maintenance };
    let started = start_with(source, seen, cluster.clone());
    let (snapshots, kicker) = (started.snapshot, started.kicker);
    (Play { cluster, config, snapshots, kicker }, api, started.acknowledged)
}

#[tokio::test(start_paused = true)]
async fn an_order_to_drain_is_carried_out_while_somebody_waits_for_it() {
    let play = async {
        let (_config, seen) = watch::channel(Arc::new(live(&["db-0"])));
        let started = start_with(Source::Configured, seen, Cluster::of(&["db-0"]));
        let order = |drained| started.drainer.order("db-0".into(), drained);
        assert!(order(true).await.unwrap().drain_orders.contains("db-0"));
        assert!(tokio::time::timeout(Duration::ZERO, order(false)).await.is_err());
        sleep(Duration::from_secs(1)).await;
        assert!(started.snapshot.borrow().drain_orders.contains("db-0"));
        let held = started.drainer.hold();
        assert_eq!(order(false).await, Err(NotOrdered::HandsOver));
        drop(held);
        assert!(order(false).await.unwrap().drain_orders.is_empty());
    };
    LocalSet::new().run_until(play).await;
}

#[tokio::test(start_paused = true)]
async fn after_a_crash_what_the_sessions_heard_stands_for_the_label() {
    for (gtid, follows) in [("0-1-1", true), ("0-1-2", false)] {
        LocalSet::new()
            .run_until(async {
                let (mut p, api, acknowledged) = play_pods(Cluster::of(&["db-0", "db-1"]));
                api.send_replace(pods(&["db-0*", "db-1"]));
                p.until(|s| s.primary.is_some() && s.replicas().count() == 1).await;
                p.cluster.kill("db-0");
                p.until(|s| s.lost().is_some()).await;
                let set = GtidSet::parse(Flavor::MariaDb, gtid).unwrap();
                acknowledged.send(Acknowledged { generation: 1, set: set.into() }).await;
                p.cluster.promote("db-1");
                sleep(Duration::from_secs(5)).await;
                assert_eq!(p.now().primary.is_some(), follows, "{gtid:?}");
                api.send_replace(pods(&["db-0", "db-1*"]));
                p.primary_is("db-1").await;
                assert_eq!((p.now().generation, &p.now().acknowledged), (2, &None));
            })
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn pods_are_the_servers_and_their_labels_start_probes_at_once() {
    LocalSet::new()
        .run_until(async {
            let cluster = Cluster::of(&["db-0", "db-1", "db-2"]);
            let (mut p, api, _) = play_pods(cluster);
            p.reload(|live| live.monitor.interval = Duration::from_secs(5));
            sleep(Duration::from_secs(1)).await;
            assert!(p.now().servers.is_empty(), "nobody said who they are");

            api.send_replace(pods(&["db-0*", "db-1", "db-2"]));
            assert!(p.primary_is("db-0").await <= 3);
            p.until(|s| s.replicas().count() == 2).await;
            let before = p.cluster.host("db-2", |h| h.probes.len());

            // A switchover between two probes: the label shows it first.
            sleep(Duration::from_millis(50)).await;
            p.cluster.host("db-0", |h| h.read_only = true);
            p.cluster.promote("db-1");
            sleep(Duration::from_millis(50)).await;
            assert_eq!(p.now().generation, 1);
            api.send_replace(pods(&["db-0", "db-1*", "db-2"]));
            assert!(p.primary_is("db-1").await <= 30);
            assert_eq!(p.now().generation, 2);
            assert_eq!(p.cluster.host("db-2", |h| h.probes.len()), before, "nobody spoke of it");

            // A reload does not change the pods; a pod that leaves ends its probes.
            p.reload(|live| live.replicas.max_lag = Duration::from_secs(1));
            p.until(|s| s.max_lag == Duration::from_secs(1)).await;
            assert_eq!(p.now().servers.len(), 3);
            api.send_replace(pods(&["db-0", "db-1*"]));
            p.until(|s| s.servers.len() == 2).await;
            // The API is gone for good: the known servers stay.
            drop(api);
            sleep(Duration::from_secs(60)).await;
            assert_eq!((p.now().servers.len(), p.now().generation), (2, 2));
        })
        .await;
}
