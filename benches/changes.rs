//! `benches/run.sh changes`: what 100 clients that say 5,000 statements a second together notice of planned changes of the
//! primary, and of its death. Prints lines of a table. env: CHANGES=20 of each kind  CRASHES=20 if not as many
//! RATE=5000  KIND=mysql
#![allow(clippy::print_stdout)]

// The tests use all of both.
#[path = "../tests/support/dialogue/mod.rs"]
#[allow(dead_code)]
mod dialogue;
#[path = "../tests/support/mod.rs"]
#[allow(dead_code, unused_imports)]
mod support;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;
use support::{Cluster, Proxy, proxy_config};
use tokio::task::JoinHandle;
use tokio::time::{Instant, Interval, interval, sleep};

const CLIENTS: usize = 100;
/// Quiet time before and behind a change.
const AROUND: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Reads,
    Writes,
    /// Transactions of five statements.
    Transactions,
}

/// Of 100 clients 60 read, 20 write, 20 run transactions.
fn role(number: usize) -> Role {
    match number % 5 {
        0 => Role::Writes,
        1 => Role::Transactions,
        _ => Role::Reads,
    }
}

/// What one statement, or one transaction from its BEGIN to its COMMIT, came to.
struct Said {
    role: Role,
    begun: Instant,
    ended: Instant,
    /// When each of its statements was said, and when it was answered: between them a transaction pauses.
    statements: Vec<(Instant, Instant)>,
    /// Of transactions: when COMMIT was said.
    committing: Option<Instant>,
    failed: Option<String>,
}

/// An error by its SQLSTATE, or a lost connection.
fn name(error: &Error) -> String {
    match error {
        Error::Server(e) => format!("{} ({})", e.code, e.state),
        _ => "connection lost".to_owned(),
    }
}

/// One statement, and when.
async fn say(client: &mut Conn, sql: &str, statements: &mut Vec<(Instant, Instant)>) -> Result<(), Error> {
    let begun = Instant::now();
    let result = client.query_drop(sql).await;
    statements.push((begun, Instant::now()));
    result
}

async fn transaction(
    client: &mut Conn,
    row: usize,
    ticks: &mut Interval,
    statements: &mut Vec<(Instant, Instant)>,
    commits: &mut Option<Instant>,
) -> Result<(), Error> {
    let texts = [
        "BEGIN".to_owned(),
        format!("INSERT INTO log VALUES ('t{row}')"),
        format!("SELECT n FROM counts WHERE id = {row} FOR UPDATE"),
        format!("UPDATE counts SET n = n + 1 WHERE id = {row}"),
    ];
    for text in texts {
        say(client, &text, statements).await?;
        ticks.tick().await;
    }
    *commits = Some(Instant::now());
    say(client, "COMMIT", statements).await
}

async fn client(number: usize, port: u16, pace: Duration, over: Arc<AtomicBool>) -> Vec<Said> {
    let role = role(number);
    let login = async || support::connect(port, "app", "app", "test").await;
    let (mut connection, mut all) = (login().await.expect("login"), Vec::new());
    // Not all at the same moment, nor all at the same point of a transaction.
    sleep(pace.mul_f64(number as f64 * 0.37 % 5.0)).await;
    let mut ticks = interval(pace);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while !over.load(SeqCst) {
        ticks.tick().await;
        let (begun, mut statements, mut committing) = (Instant::now(), Vec::new(), None);
        let (read, write) = (
            format!("SELECT n FROM counts WHERE id = {number}"),
            format!("INSERT INTO log VALUES ('w{number}')"),
        );
        let result = match role {
            Role::Reads => say(&mut connection, &read, &mut statements).await,
            Role::Writes => say(&mut connection, &write, &mut statements).await,
            Role::Transactions => {
                transaction(&mut connection, number, &mut ticks, &mut statements, &mut committing).await
            }
        };
        let failed = result.err().map(|e| name(&e));
        if failed.as_deref() == Some("connection lost")
            && let Ok(new) = login().await
        {
            connection = new;
        }
        all.push(Said { role, begun, ended: Instant::now(), statements, committing, failed });
    }
    all
}

/// One change, by when the old primary was touched, when the new one was writable, and when that one acknowledged a
/// write that was said to it directly: with semi-synchronous replication not before a replica follows it.
struct Change {
    from: Instant,
    writable: Instant,
    direct: Instant,
}

#[derive(Default)]
struct Noticed {
    statements: f64,
    seconds: f64,
    errors: BTreeMap<String, usize>,
    /// From the moment when the new primary was writable (or its own begin, if that was later) to the end of a
    /// statement (of a transaction too: its pauses are its own): of each client the longest, in milliseconds. Of those
    /// that read, and of the others.
    reads: Vec<f64>,
    writes: Vec<f64>,
    /// Of the others the same from the moment when the new primary acknowledged a direct write.
    beyond_direct: Vec<f64>,
    /// From the moment when the old primary was touched to that when the new one was writable, and from then to the
    /// direct write's acknowledgement: what no proxy can do anything about.
    without: Vec<f64>,
    direct: Vec<f64>,
    /// From then to the first write that was acknowledged, in milliseconds.
    first: Vec<f64>,
    /// Transactions that were open when the primary went, before their COMMIT was said, and those that ended well.
    open: usize,
    unseen: usize,
}

fn ms(from: Instant, to: Instant) -> f64 {
    to.saturating_duration_since(from).as_secs_f64() * 1e3
}

impl Noticed {
    fn add(&mut self, clients: Vec<Vec<Said>>, change: &Change, took: Duration) {
        self.seconds += took.as_secs_f64();
        let mut first: Option<Instant> = None;
        for said in clients.iter().flatten() {
            self.statements += if said.role == Role::Transactions { 5.0 } else { 1.0 };
            if let Some(error) = &said.failed {
                let what = if said.role == Role::Transactions { "transactions" } else { "statements" };
                *self.errors.entry(format!("{what}: {error}")).or_default() += 1;
            } else if said.role != Role::Reads && said.ended > change.writable {
                first = Some(first.map_or(said.ended, |first| first.min(said.ended)));
            }
            let before_commit = said.committing.is_none_or(|at| at > change.from);
            if said.role == Role::Transactions
                && said.begun < change.from
                && said.ended > change.from
                && before_commit
            {
                self.open += 1;
                self.unseen += usize::from(said.failed.is_none());
            }
        }
        self.first.extend(first.map(|first| ms(change.writable, first)));
        self.without.push(ms(change.from, change.writable));
        self.direct.push(ms(change.writable, change.direct));
        for client in &clients {
            let longest = |since: Instant| {
                let statements = client.iter().flat_map(|said| &said.statements);
                let touched = statements
                    .filter(|(begun, ended)| *ended > change.from && *begun < change.writable + AROUND / 2);
                touched.map(|(begun, ended)| ms(since.max(*begun), *ended)).fold(0.0, f64::max)
            };
            if client.first().is_some_and(|said| said.role == Role::Reads) {
                self.reads.push(longest(change.writable));
            } else {
                self.writes.push(longest(change.writable));
                self.beyond_direct.push(longest(change.direct));
            }
        }
    }

    fn print(self, what: &str) {
        let errors: Vec<_> = self.errors.iter().map(|(error, n)| format!("{n} {error}")).collect();
        let errors = if errors.is_empty() { "none".to_owned() } else { errors.join(", ") };
        println!("| {what}: statements a second | {:.0} |", self.statements / self.seconds);
        println!("| … errors | {errors} |");
        let times = [
            ("old primary touched → new primary writable", self.without),
            ("new primary writable → it acknowledges a write said to it directly", self.direct),
            ("new primary writable → first write acknowledged", self.first),
            ("new primary writable → a reading client's statement of that time is answered", self.reads),
            ("new primary writable → a writing client's statement of that time is answered", self.writes),
            ("the same from the acknowledgement of the direct write", self.beyond_direct),
        ];
        for (what, times) in times {
            println!("| … {what}, ms: p50 / p99 / most | {} |", shares(times));
        }
        println!(
            "| … transactions open before their `COMMIT`, and unseen by their clients | {} / {} |",
            self.open, self.unseen
        );
    }
}

/// The middle, the 99th of 100, and the greatest.
fn shares(mut times: Vec<f64>) -> String {
    times.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let index = ((times.len() as f64 * share).ceil() as usize).max(1) - 1;
        format!("{:.1}", times.get(index).copied().unwrap_or(0.0))
    };
    [at(0.5), at(0.99), at(1.0)].join(" / ")
}

fn number(name: &str, fallback: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(fallback)
}

async fn begin(cluster: &Cluster) -> Proxy {
    cluster.primary().sql("CREATE TABLE test.log (token VARCHAR(60) NOT NULL)").await;
    cluster.primary().sql("CREATE TABLE test.counts (id INT PRIMARY KEY, n BIGINT NOT NULL)").await;
    let rows: Vec<_> = (0..CLIENTS).map(|n| format!("({n},0)")).collect();
    cluster.primary().sql(&format!("INSERT INTO test.counts VALUES {}", rows.join(","))).await;
    cluster.wait_caught_up().await;
    let config = proxy_config(cluster).replace("mode = \"primary\"", "mode = \"split\"");
    let proxy = Proxy::start(&config).await;
    dialogue::readers_are(&proxy, cluster.servers().len() - 1).await;
    proxy
}

async fn one(cluster: &mut Cluster, proxy: &Proxy, killed: bool) -> (Vec<Vec<Said>>, Change, Duration) {
    let over = Arc::new(AtomicBool::new(false));
    let pace = Duration::from_secs_f64(CLIENTS as f64 / number("RATE", 5000) as f64);
    let began = Instant::now();
    let clients: Vec<JoinHandle<Vec<Said>>> =
        (0..CLIENTS).map(|n| tokio::spawn(client(n, proxy.rw, pace, over.clone()))).collect();
    sleep(AROUND).await;
    let old = cluster.primary_number();
    let new = (old + 1) % cluster.servers().len();
    let from = Instant::now();
    if killed {
        cluster.primary_mut().kill();
        cluster.gather(new).await;
    } else {
        cluster.primary_mut().set_read_only(true).await;
        let position = cluster.primary().gtid().await;
        cluster.server(new).wait_for(&position).await;
    }
    let login = support::connect(cluster.server(new).port(), "super", "super", "test").await;
    let mut beside = login.expect("a login at the new primary");
    let writable = cluster.take_over(new).await;
    let write = async {
        beside.query_drop("INSERT INTO log VALUES ('direct')").await.expect("a direct write");
        Instant::now()
    };
    let (direct, ()) = tokio::join!(write, cluster.others_follow(old));
    sleep(AROUND).await;
    over.store(true, SeqCst);
    let mut all = Vec::new();
    for client in clients {
        all.push(client.await.expect("a client"));
    }
    let took = began.elapsed();
    if killed {
        cluster.rejoin(old).await;
    }
    dialogue::readers_are(proxy, cluster.servers().len() - 1).await;
    cluster.primary().sql("TRUNCATE test.log").await;
    cluster.wait_caught_up().await;
    (all, Change { from, writable, direct }, took)
}

async fn changes(killed: bool, count: usize) -> Option<()> {
    let mysql = std::env::var("KIND").is_ok_and(|kind| kind == "mysql");
    let mut cluster = if mysql { Cluster::mysql(2).await? } else { Cluster::mariadb(2).await };
    // What is acknowledged is on a replica, whatever happens.
    cluster.set_waits(support::Waits::Always).await;
    let proxy = begin(&cluster).await;
    let mut noticed = Noticed::default();
    for _ in 0..count {
        let (said, change, took) = one(&mut cluster, &proxy, killed).await;
        noticed.add(said, &change, took);
    }
    let kind = cluster.kind().name();
    noticed.print(&format!("{count} {} ({kind})", if killed { "crashes" } else { "planned changes" }));
    Some(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    if std::env::args().any(|arg| arg == "--list") {
        return;
    }
    let count = number("CHANGES", 20);
    let crashes = number("CRASHES", count);
    if changes(false, count).await.is_none() || (crashes > 0 && changes(true, crashes).await.is_none()) {
        eprintln!("SKIPPED changes: no such servers");
    }
}
