//! What counting statements by digest costs: `cargo bench --bench digests`. Prints the best of many rounds, since whatever
//! else runs on the machine only makes a round longer; and the memory and the longest count of a million digests.
#![allow(clippy::disallowed_types, clippy::print_stdout)] // a real clock, and a table on standard output

use pointsman::sql::digest::Digest;
use pointsman::sql::{ClassCache, Options};
use pointsman::telemetry::{Digests, Figures, Waits};
use std::hint::black_box;
use std::time::{Duration, Instant};

const ROUNDS: usize = 200;
const CALLS: usize = 2000;
const POINT: &str = "SELECT c, k, pad FROM sbtest1 WHERE id=4711 AND k > 99999999";
/// The default of `digests.max`.
const MAX: usize = 2000;
/// The size of a page, in bytes.
const PAGE: usize = 4096;

fn main() {
    let options = Options::default();
    let look_up = |digests: bool| {
        let mut cache = ClassCache::with_digests(digests);
        best(|_| drop(black_box(cache.look_up(black_box(POINT.as_bytes()), options, &()))))
    };
    let (without, with) = (look_up(false), look_up(true));
    println!("known statement: class {without:.0} ns, class and digest {with:.0} ns");
    println!(
        "new statement: digest {:.0} ns",
        best(|_| drop(black_box(Digest::of(POINT.as_bytes(), options))))
    );

    for known in [1, 100, MAX] {
        let texts: Vec<String> =
            (0..known).map(|n| format!("SELECT `c{n}` FROM `t` WHERE `id` = ?")).collect();
        let mut table = Digests::new(MAX);
        let one = figures();
        // A stride that has no common divisor with the sizes: each digest comes once, in no order of the memory.
        let count = best(|n| {
            let at = n * 769 % known;
            table.count("app", b"shop", (at as u64, &texts[at]), &one);
        });
        println!("count, {known} digests in turn: {count:.0} ns");
    }

    let before = resident();
    let mut table = Digests::new(MAX);
    let (one, mut longest) = (figures(), Duration::ZERO);
    let mut text = "x".repeat(1024);
    for n in 0..1_000_000_u64 {
        text.replace_range(..20, &format!("{n:020}"));
        let start = Instant::now();
        table.count("app", b"shop", (n, &text), &one);
        longest = longest.max(start.elapsed());
    }
    let grown = resident().saturating_sub(before) as f64 / f64::from(1 << 20);
    println!("a million digests of 1 KiB: {grown:.1} MiB, the longest count {} µs", longest.as_micros());
}

fn figures() -> Figures {
    Figures {
        trace: None,
        began: tokio::time::Instant::now(),
        micros: 150,
        waits: Waits::default(),
        pins: 0,
        repeated: 0,
        disruptions: 0,
        placed: None,
        error: None,
        rows_sent: 1,
        rows_affected: 0,
        bytes_in: 70,
        bytes_out: 200,
    }
}

/// The resident memory of this process, in bytes.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * PAGE
}

/// Nanoseconds a call, of the best round.
fn best(mut call: impl FnMut(usize)) -> f64 {
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        (0..CALLS).for_each(&mut call);
        best = best.min(start.elapsed());
    }
    best.as_secs_f64() * 1e9 / CALLS as f64
}
