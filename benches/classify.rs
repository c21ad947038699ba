//! What a statement's class costs: `cargo bench --bench classify`. Prints the best of many rounds, since
//! whatever else runs on the machine only makes a round longer.
#![allow(clippy::disallowed_types, clippy::print_stdout)] // a real clock, and a table on standard output

use pointsman::sql::{ClassCache, Options, classify};
use std::hint::black_box;
use std::time::{Duration, Instant};

const ROUNDS: usize = 200;
const CALLS: u32 = 1000;

const POINT: &str = "SELECT c, k, pad FROM sbtest1 WHERE id=4711 AND k > 99999999";
const JOIN: &str = "SELECT u.id, u.name, COUNT(o.id) AS orders, SUM(o.total) FROM users u LEFT JOIN orders o ON o.user_id = u.id \
 WHERE u.created_at >= '2024-01-01 00:00:00' AND u.state IN (1, 2) GROUP BY u.id LIMIT 50";
const INSERT: &str = "INSERT INTO events (id, user_id, kind, payload, created_at) VALUES (17, 42, 'click', '{\"x\": 1, \"y\": 2}', NOW())";

fn main() {
    let options = Options::default();
    let bulk = format!("INSERT INTO t (a, b) VALUES {}(1, 'end')", "(12345, 'some text'), ".repeat(4000));
    for (name, sql) in [("point select", POINT), ("join", JOIN), ("insert", INSERT), ("bulk insert", &bulk)] {
        let sql = sql.as_bytes();
        let mut cache = ClassCache::new();
        let known = best(sql, || cache.classify(black_box(sql), options, &()).effects.bits());
        let new = best(sql, || classify(black_box(sql), options, &()).effects.bits());
        println!(
            "{name:14} {:6} bytes  cached {:8.0} ns ({:4.2} ns/byte)  new {:8.0} ns",
            sql.len(),
            known,
            known / sql.len() as f64,
            new
        );
    }
}

/// Nanoseconds a call, of the best round.
fn best(sql: &[u8], mut call: impl FnMut() -> u64) -> f64 {
    let calls = if sql.len() > 10_000 { 10 } else { CALLS };
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..calls {
            black_box(call());
        }
        best = best.min(start.elapsed());
    }
    best.as_secs_f64() * 1e9 / f64::from(calls)
}
