//! Statements like those of sysbench's oltp_read_write, one in ten a write, at a pace that leaves the machine idle at
//! times: which share of the reads replicas serve, and how long reads take.

use crate::support::{self, Chance, Proxy};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error, Row};
use std::fmt;
use std::time::Duration;
use tokio::time::{Instant, interval, sleep};

const ROWS: usize = 1000;
const SESSIONS_PER_PROXY: usize = 6;
/// Between the statements of a session.
const PACE: Duration = Duration::from_millis(15);

pub fn table() -> String {
    let rows: Vec<_> = (1..=ROWS).map(|id| format!("({id}, {}, REPEAT('c', 100))", id * 7 % ROWS)).collect();
    let table = "CREATE TABLE test.paced (id INT AUTO_INCREMENT PRIMARY KEY, k INT, c CHAR(120), KEY (k))";
    format!("{table}; INSERT INTO test.paced VALUES {}", rows.join(", "))
}

/// Of all the sessions together.
#[derive(Debug, Default)]
pub struct Paced {
    /// Sorted.
    reads: Vec<Duration>,
    writes: usize,
    pub errors: Vec<String>,
    /// Reads at the replicas, and at the primary, as the proxies count them.
    on_replicas: f64,
    on_primary: f64,
}

impl Paced {
    /// Of the reads, 0 to 1.
    pub fn share(&self) -> f64 {
        self.on_replicas / (self.on_replicas + self.on_primary).max(1.0)
    }

    fn percentile(&self, percent: usize) -> Duration {
        self.reads.get(self.reads.len() * percent / 100).copied().unwrap_or_default()
    }
}

impl fmt::Display for Paced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |percent| self.percentile(percent).as_secs_f64() * 1e3;
        let (reads, writes, share) = (self.reads.len(), self.writes, self.share() * 100.0);
        write!(f, "{reads} reads, {writes} writes; on replicas {share:.1} % of the reads; ")?;
        write!(f, "reads, ms: p50 {:.2}, p90 {:.2}, p99 {:.2}", ms(50), ms(90), ms(99))
    }
}

/// So many statements a session.
pub async fn run(proxies: &[Proxy], statements: usize, seed: u64) -> Paced {
    let mut sessions = Vec::new();
    for (number, proxy) in proxies.iter().flat_map(|proxy| [proxy; SESSIONS_PER_PROXY]).enumerate() {
        let chance = Chance::new(seed.wrapping_mul(1000) + number as u64);
        let conn = support::connect(proxy.rw, "app", "app", "test").await.expect("a login");
        sessions.push((conn, chance));
    }
    let before = read_counts(proxies).await;
    let tasks: Vec<_> =
        sessions.into_iter().map(|(conn, chance)| tokio::spawn(session(conn, chance, statements))).collect();
    let mut all = Paced::default();
    for task in tasks {
        let one = task.await.expect("a session");
        all.reads.extend(one.reads);
        all.writes += one.writes;
        all.errors.extend(one.errors);
    }
    let after = read_counts(proxies).await;
    (all.on_replicas, all.on_primary) = (after.0 - before.0, after.1 - before.1);
    all.reads.sort_unstable();
    all
}

async fn session(mut conn: Conn, mut chance: Chance, statements: usize) -> Paced {
    // Not all of them at the same moment.
    sleep(PACE.mul_f64(chance.below(100) as f64 / 100.0)).await;
    let (mut paced, mut pace) = (Paced::default(), interval(PACE));
    for _ in 0..statements {
        pace.tick().await;
        let began = Instant::now();
        let (writes, done) = match chance.below(10) {
            0 => (true, write(&mut conn, &mut chance).await),
            _ => (false, read(&mut conn, &mut chance).await),
        };
        match done {
            Ok(()) if writes => paced.writes += 1,
            Ok(()) => paced.reads.push(began.elapsed()),
            Err(error) => paced.errors.push(error.to_string()),
        }
    }
    paced
}

async fn read(conn: &mut Conn, chance: &mut Chance) -> Result<(), Error> {
    let id = 1 + chance.below(ROWS - 100);
    let range = format!("FROM paced WHERE id BETWEEN {id} AND {}", id + 99);
    let sql = match chance.below(14) {
        0 => format!("SELECT c {range}"),
        1 => format!("SELECT SUM(k) {range}"),
        2 => format!("SELECT c {range} ORDER BY c"),
        3 => format!("SELECT DISTINCT c {range} ORDER BY c"),
        _ => {
            let _: Option<Row> = conn.exec_first("SELECT c FROM paced WHERE id = ?", (id,)).await?;
            return Ok(());
        }
    };
    let _: Vec<Row> = conn.query(sql).await?;
    Ok(())
}

async fn write(conn: &mut Conn, chance: &mut Chance) -> Result<(), Error> {
    let id = 1 + chance.below(ROWS);
    match chance.below(4) {
        0 => conn.exec_drop("UPDATE paced SET k = k + 1 WHERE id = ?", (id,)).await,
        1 => conn.query_drop(format!("UPDATE paced SET c = REPEAT('d', 100) WHERE id = {id}")).await,
        2 => conn.query_drop(format!("REPLACE INTO paced VALUES ({id}, 1, REPEAT('e', 100))")).await,
        _ => conn.query_drop(format!("INSERT INTO paced (k, c) VALUES ({id}, 'f')")).await,
    }
}

/// Answers of replicas that came too early, since the proxies began.
pub async fn dropped(proxies: &[Proxy]) -> f64 {
    let mut dropped = 0.0;
    for proxy in proxies {
        let (_, body) = proxy.get("/metrics").await.expect("/metrics");
        let count =
            body.lines().find_map(|line| line.strip_prefix("pointsman_consistency_reads_overtaken_total "));
        dropped += count.and_then(|n| n.parse::<f64>().ok()).expect("a number");
    }
    dropped
}

/// Reads on ports that split: on replicas, on the primary.
pub async fn read_counts(proxies: &[Proxy]) -> (f64, f64) {
    let mut counts = (0.0, 0.0);
    for proxy in proxies {
        let (_, body) = proxy.get("/metrics").await.expect("/metrics");
        let reads = body
            .lines()
            .filter_map(|line| line.strip_prefix("pointsman_split_statements_total{kind=\"read\""));
        for line in reads {
            let count: f64 = line.rsplit(' ').next().and_then(|n| n.parse().ok()).expect("a number");
            match line.contains("target=\"replica\"") {
                true => counts.0 += count,
                false => counts.1 += count,
            }
        }
    }
    counts
}
