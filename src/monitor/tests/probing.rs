//! When probes are sent and what they report.

use crate::monitor::ProbePermit;
use tokio::sync::mpsc;
use tokio::task::{LocalSet, spawn_local};

use super::*;
use crate::topology::{Event, ProbeOutcome, ServerId};

/// One prober of `db-0`.
struct Watch {
    cluster: Cluster,
    orders: watch::Sender<ProbeOrders>,
    kick: Arc<ProbePermit>,
    events: mpsc::Receiver<Event>,
    began: Instant,
}

impl Watch {
    fn start() -> Self {
        let cluster = Cluster::of(&["db-0", "db-1"]);
        let (orders, seen) =
            watch::channel(ProbeOrders { monitor: monitor_account("monitor"), urgent: false });
        let (kick, (reports, events)) = (Arc::<ProbePermit>::default(), mpsc::channel(10_000));
        let prober = Prober::new(
            ServerId(0),
            ServerAddress { name: "db-0".into(), address: "db-0:3306".into(), tls_names: Arc::default() },
            Rc::new(cluster.clone()),
            seen,
            kick.clone(),
            reports,
        );
        spawn_local(prober.run());
        Watch { cluster, orders, kick, events, began: Instant::now() }
    }

    /// Returns the next outcome: its name, and when it came in ms.
    async fn next(&mut self) -> (&'static str, u128) {
        let Some(Event::Probe { outcome, .. }) = self.events.recv().await else { panic!("no probe") };
        let name = match outcome {
            ProbeOutcome::Facts(_) => "facts",
            ProbeOutcome::Timeout => "timeout",
            ProbeOutcome::Unreachable(_) => "unreachable",
            ProbeOutcome::Lost(_) => "lost",
            ProbeOutcome::Member(..) => "member",
            ProbeOutcome::Refused(_) => "refused",
            ProbeOutcome::Barred { told: None, .. } => "barred",
            ProbeOutcome::Barred { told: Some(_), .. } => "told",
        };
        (name, self.began.elapsed().as_millis())
    }

    /// Returns the first own write of the last answer.
    async fn first_own(&mut self) -> String {
        self.pass(200).await;
        let Some(Event::Probe { outcome: ProbeOutcome::Facts(facts), .. }) = self.events.recv().await else {
            panic!("no answer");
        };
        facts.first_own.to_string()
    }

    /// Lets time pass and drops what was reported.
    async fn pass(&mut self, ms: u64) {
        sleep(Duration::from_millis(ms)).await;
        while self.events.try_recv().is_ok() {}
        self.began = Instant::now();
    }

    fn probes(&self) -> usize {
        self.cluster.host("db-0", |h| h.probes.len())
    }

    fn connects(&self) -> usize {
        self.cluster.host("db-0", |h| h.connects.len())
    }
}

/// Runs a test on a paused clock, where `spawn_local` works.
async fn play(test: impl AsyncFnOnce(Watch)) {
    LocalSet::new().run_until(async { test(Watch::start()).await }).await;
}

#[tokio::test(start_paused = true)]
async fn one_statement_every_interval_on_one_connection() {
    play(async |mut w| {
        assert_eq!(w.next().await, ("facts", 2));
        assert_eq!(w.next().await, ("facts", 102));
        w.pass(1000).await;
        assert_eq!((w.probes(), w.connects()), (12, 1));
        assert_eq!(w.cluster.host("db-0", |h| h.in_flight.1), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_frozen_server_misses_three_probes_and_is_found_when_it_thaws() {
    play(async |mut w| {
        w.pass(150).await;
        w.cluster.power("db-0", Power::Frozen);
        // The next probe is due 51 ms later, and times out after 100 ms.
        for at in [151, 251, 351] {
            assert_eq!(w.next().await, ("timeout", at));
        }
        assert_eq!((w.probes(), w.connects()), (3, 2), "one unanswered probe, then a new connection");
        w.pass(60_050).await;
        assert!(w.connects() < 25, "{} connections pile up in the backlog", w.connects());
        w.cluster.power("db-0", Power::On);
        assert_eq!(w.next().await, ("facts", 2));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_counts_and_no_probe_is_sent_behind_it() {
    play(async |mut w| {
        w.pass(150).await;
        w.cluster.host("db-0", |h| h.latency = Duration::from_millis(250));
        assert_eq!(w.next().await, ("timeout", 151));
        assert_eq!(w.next().await, ("timeout", 251));
        assert_eq!((w.probes(), w.connects()), (3, 1));
        assert_eq!(w.next().await, ("facts", 301));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_long_line_is_no_dead_server() {
    play(async |mut w| {
        w.pass(150).await;
        w.cluster.host("db-0", |h| h.latency = Duration::from_millis(400));
        for at in [151, 251, 351] {
            assert_eq!(w.next().await, ("timeout", at));
        }
        // The server is reconnected despite the longer round trip, and stays connected.
        w.pass(2000).await;
        for _ in 0..10 {
            assert_eq!(w.next().await.0, "facts");
        }
        // Silence is still noticed: each missed probe now takes two round trips.
        w.cluster.power("db-0", Power::Frozen);
        w.pass(1).await;
        let (first, second) = (w.next().await, w.next().await);
        assert_eq!((first.0, second.0, second.1 - first.1), ("timeout", "timeout", 800));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_crash_is_seen_at_once() {
    play(async |mut w| {
        w.pass(150).await;
        w.cluster.kill("db-0");
        assert_eq!(w.next().await, ("unreachable", 0));
        assert_eq!(w.next().await, ("unreachable", 100));
        w.cluster.power("db-0", Power::On);
        assert_eq!(w.next().await, ("facts", 202));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_alone_proves_nothing() {
    play(async |mut w| {
        w.pass(150).await;
        w.cluster.reset_connections("db-0");
        assert_eq!(w.next().await, ("facts", 2), "a new connection at once, and no outcome in between");
        assert_eq!(w.connects(), 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_dies_after_its_first_answer_is_down_at_once() {
    play(async |mut w| {
        w.pass(50).await;
        w.cluster.power("db-0", Power::Off);
        w.cluster.reset_connections("db-0");
        let (outcome, waited) = w.next().await;
        assert!(outcome == "unreachable" && waited < 10, "{outcome} after {waited} ms");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_and_no_new_one_is_told_after_one_interval() {
    play(async |mut w| {
        w.pass(150).await;
        w.cluster.host("db-0", |h| h.power = Power::Frozen);
        w.cluster.reset_connections("db-0");
        assert_eq!(w.next().await, ("lost", 100));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_ends_every_connection_is_not_stormed() {
    play(async |mut w| {
        for _ in 0..100 {
            w.pass(10).await;
            w.cluster.reset_connections("db-0");
        }
        assert!(w.connects() <= 12, "{} in a second", w.connects());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn kicks_start_a_probe_at_once_and_a_storm_of_them_few() {
    play(async |mut w| {
        w.pass(150).await;
        w.kick.give();
        assert_eq!(w.next().await, ("facts", 1));
        let before = w.probes();
        for _ in 0..50 {
            (0..100).for_each(|_| w.kick.give());
            sleep(Duration::from_millis(1)).await;
        }
        let probes = w.probes() - before;
        assert!((8..=11).contains(&probes), "{probes} probes in 50 ms");
        assert_eq!(w.cluster.host("db-0", |h| h.in_flight.1), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_kick_during_a_probe_starts_another_after_it() {
    play(async |mut w| {
        w.cluster.host("db-0", |h| h.latency = Duration::from_millis(30));
        w.pass(135).await;
        // The current probe has been in flight since 130 ms.
        w.kick.give();
        assert_eq!(w.next().await, ("facts", 25));
        assert_eq!(w.next().await, ("facts", 55));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_kick_asks_a_dead_server_again() {
    play(async |mut w| {
        w.cluster.kill("db-0");
        w.pass(150).await;
        w.cluster.power("db-0", Power::On);
        w.kick.give();
        assert_eq!(w.next().await, ("facts", 2));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn without_a_primary_probes_hurry_but_have_the_same_time_to_answer() {
    play(async |mut w| {
        w.pass(110).await;
        w.orders.send_modify(|o| o.urgent = true);
        let before = w.probes();
        w.pass(200).await;
        assert_eq!(w.probes() - before, 10);
        w.cluster.host("db-0", |h| h.latency = Duration::from_millis(90));
        w.pass(20).await;
        assert_eq!(w.next().await.0, "facts", "90 ms are within the interval");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_shorter_interval_takes_effect_at_once() {
    play(async |mut w| {
        w.orders.send_modify(|o| o.monitor.interval = Duration::from_secs(3600));
        w.pass(200).await;
        let before = w.probes();
        w.orders.send_modify(|o| o.monitor.interval = Duration::from_millis(10));
        w.pass(100).await;
        assert!(w.probes() - before >= 9);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_refuses_the_account_lives() {
    play(async |mut w| {
        w.pass(150).await;
        w.cluster.host("db-0", |h| h.password = "other".to_owned());
        w.cluster.reset_connections("db-0");
        for _ in 0..5 {
            assert_eq!(w.next().await.0, "barred");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_refuses_the_account_is_asked_on_a_session_s_connection() {
    play(async |mut w| {
        w.pass(150).await;
        w.cluster.open_pooled("db-0");
        w.cluster.host("db-0", |h| h.password = "other".to_owned());
        w.cluster.reset_connections("db-0");
        assert_eq!(w.next().await.0, "barred", "that connection has ended, too");
        w.cluster.open_pooled("db-0");
        w.cluster.host("db-0", |h| h.read_only = true);
        w.pass(5000).await;
        let Some(Event::Probe { outcome: ProbeOutcome::Barred { told: Some(facts), .. }, .. }) =
            w.events.recv().await
        else {
            panic!("not told");
        };
        assert!(facts.is_read_only() && !facts.tells_replication);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_wrong_password_is_not_hammered_and_a_right_one_is_tried_at_once() {
    play(async |mut w| {
        w.cluster.host("db-0", |h| h.password = "other".to_owned());
        w.cluster.reset_connections("db-0");
        w.pass(10_000).await;
        assert!((10..=14).contains(&w.connects()), "{} logins in 10 s", w.connects());
        w.orders.send_modify(|o| o.monitor = monitor_account("other"));
        assert_eq!(w.next().await, ("facts", 2));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_new_password_renews_the_connection_and_a_wrong_one_keeps_the_old() {
    play(async |mut w| {
        w.pass(150).await;
        w.cluster.host("db-0", |h| h.password = "new".to_owned());
        w.orders.send_modify(|o| o.monitor = monitor_account("typo"));
        for _ in 0..20 {
            assert_eq!(w.next().await.0, "facts");
        }
        assert_eq!(w.connects(), 2, "tried once");
        w.orders.send_modify(|o| o.monitor = monitor_account("new"));
        w.pass(50).await;
        assert_eq!(w.connects(), 3);
        assert_eq!(w.next().await.0, "facts");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn without_the_privilege_replication_is_unknown_until_it_is_granted() {
    play(async |mut w| {
        w.cluster.host("db-0", |h| (h.may_see_replication, h.source) = (false, Some("db-9".to_owned())));
        let sees = async |w: &mut Watch| match w.events.recv().await {
            Some(Event::Probe { outcome: ProbeOutcome::Facts(facts), .. }) => facts.replication.is_some(),
            other => panic!("{other:?}"),
        };
        assert!(!sees(&mut w).await, "no error on the way");
        w.cluster.host("db-0", |h| h.may_see_replication = true);
        w.pass(59_000).await;
        assert_eq!((sees(&mut w).await, w.connects()), (false, 1), "privileges bind new connections");
        w.pass(2_000).await;
        assert_eq!((sees(&mut w).await, w.connects()), (true, 2));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_task_ends_with_the_receiver() {
    play(async |w| {
        let cluster = w.cluster.clone();
        sleep(Duration::from_millis(150)).await;
        drop(w);
        sleep(Duration::from_secs(1)).await;
        assert!(cluster.host("db-0", |h| h.probes.len()) <= 3);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_node_of_galera_is_known_before_its_first_report() {
    play(async |mut w| {
        w.cluster.host("db-0", |h| h.galera = true);
        assert_eq!(w.next().await.0, "member", "never as a server that stands alone");
        w.pass(450).await;
        let asked = |what: &str| {
            w.cluster.host("db-0", |h| h.probes.iter().filter(|(_, sql)| sql.contains(what)).count())
        };
        let probes = w.probes();
        assert_eq!(
            (asked("wsrep_on"), asked("wsrep_local_state")),
            (1, probes - 1),
            "asked once on a connection"
        );
        // After a restart the server may be of another kind.
        w.cluster.host("db-0", |h| h.galera = false);
        w.cluster.reset_connections("db-0");
        assert_eq!(w.next().await.0, "facts");
        w.pass(450).await;
        let asked = |what: &str| {
            w.cluster.host("db-0", |h| h.probes.iter().filter(|(_, sql)| sql.contains(what)).count())
        };
        assert_eq!((asked("wsrep_on"), asked("wsrep_local_state")), (2, probes - 1));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_promoted_replica_is_asked_once_where_its_log_begins() {
    for (may_see_log, power, first) in
        [(true, Power::On, "0-1-71"), (false, Power::On, ""), (true, Power::Frozen, "")]
    {
        play(async |mut w| {
            w.cluster.host("db-0", |h| (h.read_only, h.source) = (true, Some("db-1".to_owned())));
            w.cluster.host("db-0", |h| h.may_see_log = may_see_log);
            assert_eq!(w.first_own().await, "");
            w.cluster.promote("db-0");
            assert_eq!(w.first_own().await, "", "it has written nothing");
            w.cluster.host("db-0", |h| h.first_own = Some("0-1-71"));
            if power == Power::Frozen {
                // It freezes when the question arrives.
                let asked = |h: &mut Host| h.probes.iter().any(|(_, sql)| sql == own_log::QUESTION);
                while !w.cluster.host("db-0", asked) {
                    sleep(Duration::from_micros(100)).await;
                }
                w.cluster.power("db-0", power);
                w.pass(1000).await;
                w.cluster.power("db-0", Power::On);
            }
            assert_eq!(w.first_own().await, first, "{may_see_log} {power:?}");
            let questions =
                |h: &mut Host| h.probes.iter().filter(|(_, sql)| sql == own_log::QUESTION).count();
            assert_eq!(w.cluster.host("db-0", questions), 1);
        })
        .await;
    }
}
