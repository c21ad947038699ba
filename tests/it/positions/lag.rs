//! The lag in front of real servers. A writer puts the time into a table; the first one that a replica does not
//! have tells how old the replica is.

use crate::dialogue::{eventually, metric, probed, topology};
use crate::support::{Cluster, Kind, Node, Proxy, Waits, connect, proxy_config};
use mysql_async::prelude::Queryable;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

/// `replicas.max_lag`
const MAX_LAG_MS: u64 = 5_000;
/// Two probe intervals, and what a machine with some other work does to probes and questions. What a machine with much other
/// work does is measured: the longest time that a test's own question took, see `Slack`.
const SLACK_MS: u64 = 600;

/// How far from the truth a lag may be on this machine.
#[derive(Default)]
struct Slack {
    longest: Duration,
}

impl Slack {
    /// Notes how long something took that takes a few milliseconds on a machine without other work.
    fn took(&mut self, time: Duration) {
        self.longest = self.longest.max(time);
    }

    /// A probe, and the answers to two questions, may each be as late.
    fn millis(&self) -> u64 {
        SLACK_MS + 3 * millis(self.longest)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).expect("a short test")
}

#[tokio::test]
async fn mariadb_lag_is_the_age_of_the_position() {
    lag_is_the_age_of_the_position(Cluster::mariadb(1).await).await;
}

#[tokio::test]
async fn mysql_lag_is_the_age_of_the_position() {
    if let Some(cluster) = Cluster::mysql(1).await {
        lag_is_the_age_of_the_position(cluster).await;
    }
}

async fn lag_is_the_age_of_the_position(mut cluster: Cluster) {
    // Else a write would wait for a replica that does not receive.
    cluster.set_waits(Waits::Never).await;
    // A disk that stalls is no lag.
    let flush = "SET GLOBAL innodb_flush_log_at_trx_commit = 2; SET GLOBAL sync_binlog = 0";
    for server in cluster.servers() {
        server.sql(flush).await;
    }
    cluster.primary().sql("CREATE TABLE test.beat (id INT AUTO_INCREMENT PRIMARY KEY, at DATETIME(6))").await;
    cluster.primary().sql("INSERT INTO test.beat VALUES (NULL, NOW(6))").await;
    cluster.wait_caught_up().await;
    let config = format!("{}\n[replicas]\nmax_lag = \"{MAX_LAG_MS}ms\"\n", proxy_config(&cluster));
    let proxy = Proxy::start(&config).await;
    falls_to_zero(&cluster, &proxy).await;

    a_delayed_replica(&cluster, &proxy).await;
    a_stopped_applier(&cluster, &proxy).await;
    a_stopped_receiver(&cluster, &proxy).await;
    a_restored_replica(&mut cluster, &proxy).await;
}

/// It applies what is two seconds old; the servers compare whole seconds, so it is up to a second more.
async fn a_delayed_replica(cluster: &Cluster, proxy: &Proxy) {
    delay(cluster.server(1), 2).await;
    let writer = Beats::start(cluster.primary().port());
    eventually("the delay", async || (lag(proxy).await? > 900).then_some(())).await;
    sleep(Duration::from_secs(2)).await;
    let seen = compare(cluster, proxy, Duration::from_secs(4)).await;
    assert!(seen.iter().any(|lag| lag % 1000 != 0), "whole seconds: {seen:?}");
    eventually("it serves reads", async || serves(proxy).await.then_some(())).await;
    // What the writer does not write while it is held up, the replica does not lack.
    let pause = writer.end().await;
    assert!(seen.iter().all(|lag| lag + pause > 900), "{seen:?}, and the writer was held up for {pause} ms");
    falls_to_zero(cluster, proxy).await;
    delay(cluster.server(1), 0).await;
}

/// Shows nothing while there is nothing to apply, and then grows with the clock from the first write.
async fn a_stopped_applier(cluster: &Cluster, proxy: &Proxy) {
    replica(cluster.server(1), "STOP {} SQL_THREAD").await;
    eventually("it is out", async || (!serves(proxy).await).then_some(())).await;
    sleep(Duration::from_secs(3)).await;
    stays_at_zero(proxy, "it has all that there is").await;
    grows_from_the_first_write(cluster, proxy).await;
    replica(cluster.server(1), "START {} SQL_THREAD").await;
    falls_to_zero(cluster, proxy).await;
    eventually("it is back", async || serves(proxy).await.then_some(())).await;
}

/// The server itself says nothing any more. It serves up to `max_lag`.
async fn a_stopped_receiver(cluster: &Cluster, proxy: &Proxy) {
    replica(cluster.server(1), "STOP {} IO_THREAD").await;
    probed(cluster, 1).await;
    stays_at_zero(proxy, "nobody knows of anything newer").await;
    eventually("it serves reads", async || serves(proxy).await.then_some(())).await;
    grows_from_the_first_write(cluster, proxy).await;
    let out = eventually("it is out", async || {
        let now = topology(proxy).await;
        let server = &now["servers"][1];
        (server["health"] == "up" && server["serves_reads"] == false).then(|| server["lag_ms"].as_u64())
    })
    .await;
    assert!(out.is_some_and(|lag| lag > MAX_LAG_MS), "{out:?}");
    replica(cluster.server(1), "START {} IO_THREAD").await;
    eventually("it is back", async || serves(proxy).await.then_some(())).await;
    falls_to_zero(cluster, proxy).await;
}

async fn grows_from_the_first_write(cluster: &Cluster, proxy: &Proxy) {
    let began = Instant::now();
    cluster.primary().sql("INSERT INTO test.beat VALUES (NULL, NOW(6))").await;
    let written = Instant::now();
    let (mut slack, mut lags) = (Slack::default(), Vec::new());
    // Until the lag is known well enough that one which does not grow would be noticed.
    while lags.len() < 20 || millis(written.elapsed()) < 2_000 + slack.millis() {
        let asked = Instant::now();
        // Of a server that is silent for a moment nobody knows it.
        if let Some(lag) = lag(proxy).await {
            lags.push((millis(asked - written), lag, millis(began.elapsed())));
        }
        slack.took(asked.elapsed());
        sleep(Duration::from_millis(50)).await;
    }
    let asked = Instant::now();
    let seconds = metric(proxy, "pointsman_server_lag_seconds{server=\"db-1\"}").await;
    slack.took(asked.elapsed());
    lags.push((millis(asked - written), (seconds * 1e3).round() as u64, millis(began.elapsed())));
    let slack = slack.millis();
    for (least, lag, most) in &lags {
        assert!(
            lag + slack >= *least && *lag <= most + slack,
            "{lag} after {least} to {most} ms; slack {slack}: {lags:?}"
        );
    }
    assert!(lags.is_sorted_by_key(|(_, lag, _)| *lag), "{lags:?}");
}

/// It comes back with nothing, and serves when it has caught up.
async fn a_restored_replica(cluster: &mut Cluster, proxy: &Proxy) {
    let writer = Beats::start(cluster.primary().port());
    // So old is what an empty server lacks.
    sleep(Duration::from_millis(MAX_LAG_MS)).await;
    let over = Arc::new(AtomicBool::new(false));
    let watched = async {
        let mut early = Vec::new();
        while !over.load(Ordering::Relaxed) {
            let now = topology(proxy).await;
            let server = &now["servers"][1];
            let fresh = server["lag_ms"].as_u64().is_some_and(|lag| lag <= MAX_LAG_MS);
            if server["serves_reads"] == true && !fresh {
                early.push(server.clone());
            }
            sleep(Duration::from_millis(5)).await;
        }
        early
    };
    let restored = async {
        cluster.rejoin(1).await;
        eventually("it is back", async || serves(proxy).await.then_some(())).await;
        over.store(true, Ordering::Relaxed);
    };
    let (early, ()) = tokio::join!(watched, restored);
    assert!(early.is_empty(), "it serves before it has caught up: {early:?}");
    writer.end().await;
    falls_to_zero(cluster, proxy).await;
}

/// Each lag that is shown was the truth a moment ago.
async fn compare(cluster: &Cluster, proxy: &Proxy, time: Duration) -> Vec<u64> {
    let login = async |server: &Node| connect(server.port(), "app", "app", "test").await.expect("a login");
    let (mut replica, mut primary) = (login(cluster.server(1)).await, login(cluster.primary()).await);
    let began = Instant::now();
    let (mut truths, mut lags, mut slack) = (Vec::new(), Vec::new(), Slack::default());
    while began.elapsed() < time || lags.len() <= 20 {
        let asked = began.elapsed();
        let newest = "SELECT MAX(id), CAST(NOW(6) AS CHAR) FROM beat";
        let (id, now): (u64, String) = replica.query_first(newest).await.expect("an answer").expect("a row");
        let missing = format!(
            "SELECT COALESCE(TIMESTAMPDIFF(MICROSECOND, MIN(at), '{now}') DIV 1000, 0) FROM beat WHERE id > {id}"
        );
        let truth: i64 = primary.query_first(missing).await.expect("an answer").expect("a row");
        truths.push((asked, u64::try_from(truth).unwrap_or(0)));
        if let Some(lag) = lag(proxy).await {
            lags.push((began.elapsed(), lag));
        }
        slack.took(began.elapsed() - asked);
        sleep(Duration::from_millis(20)).await;
    }
    let slack = slack.millis();
    let recently = Duration::from_millis(2 * slack);
    for (at, lag) in &lags {
        let near = |(asked, truth): &(Duration, u64)| {
            asked <= at && *asked + recently >= *at && truth.abs_diff(*lag) <= slack
        };
        assert!(truths.iter().any(near), "{lag} ms at {at:?}; slack {slack}; truly {truths:?}");
    }
    lags.into_iter().map(|(_, lag)| lag).collect()
}

async fn falls_to_zero(cluster: &Cluster, proxy: &Proxy) {
    cluster.wait_caught_up().await;
    // Until then the last writes may be news to the probes.
    for number in 0..2 {
        probed(cluster, number).await;
    }
    stays_at_zero(proxy, "it has caught up").await;
}

/// Of a server that is silent for a moment no lag is known.
async fn stays_at_zero(proxy: &Proxy, why: &str) {
    eventually("a lag of 0", async || (lag(proxy).await == Some(0)).then_some(())).await;
    for _ in 0..20 {
        assert_eq!(lag(proxy).await.unwrap_or_default(), 0, "{why}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Of db-1, in milliseconds.
async fn lag(proxy: &Proxy) -> Option<u64> {
    topology(proxy).await["servers"][1]["lag_ms"].as_u64()
}

async fn serves(proxy: &Proxy) -> bool {
    topology(proxy).await["servers"][1]["serves_reads"] == true
}

/// `{}` is SLAVE or REPLICA.
async fn replica(server: &Node, statement: &str) {
    let word = match server.kind() {
        Kind::MariaDb => "SLAVE",
        Kind::MySql => "REPLICA",
    };
    server.sql(&statement.replace("{}", word)).await;
}

async fn delay(server: &Node, seconds: u32) {
    replica(server, "STOP {}").await;
    let change = match server.kind() {
        Kind::MariaDb => format!("CHANGE MASTER TO MASTER_DELAY = {seconds}"),
        Kind::MySql => format!("CHANGE REPLICATION SOURCE TO SOURCE_DELAY = {seconds}"),
    };
    server.sql(&change).await;
    replica(server, "START {}").await;
}

/// A write every 10 ms.
struct Beats {
    over: Arc<AtomicBool>,
    /// The longest time from one write to the next, in milliseconds.
    pause: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Beats {
    fn start(port: u16) -> Self {
        let (over, pause) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stop, longest) = (over.clone(), pause.clone());
        let task = tokio::spawn(async move {
            let mut client = connect(port, "app", "app", "test").await.expect("a login");
            while !stop.load(Ordering::Relaxed) {
                let began = Instant::now();
                client.query_drop("INSERT INTO beat VALUES (NULL, NOW(6))").await.expect("a write");
                sleep(Duration::from_millis(10)).await;
                longest.fetch_max(millis(began.elapsed()), Ordering::Relaxed);
            }
        });
        Beats { over, pause, task }
    }

    /// Returns the longest time from one write to the next, in milliseconds.
    async fn end(self) -> u64 {
        self.over.store(true, Ordering::Relaxed);
        self.task.await.expect("the writer lives");
        self.pause.load(Ordering::Relaxed)
    }
}
