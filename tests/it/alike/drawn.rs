//! Differential fuzzing at the level of packets: sessions by chance on a direct connection, and through a default and a tight
//! proxy, at the same time. Each packet must be the same. A finding is made small, and printed as a case for `cases.txt`.
//!
//! `ALIKE_STEPS` steps (6,000 without it) are played on each side, from `POINTSMAN_SEED` on: each session has a seed of its own,
//! and a run with that seed begins with that session. `FINDINGS` ends the run after so many; `LANES` sessions run side by side;
//! `GRAMMAR` is another file of rules.
#![allow(clippy::disallowed_types, reason = "the lanes share what they found")]

use super::grammar::Grammar;
use super::known::{KNOWN, Known, WARNINGS_BY_TYPES};
use super::shrink::{Difference, Sides, difference, shrink};
use super::world::{Case, Side};
use crate::dialogue::raw::Raw;
use crate::support::{Chance, Cluster, Kind, number};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// Steps of a session, at least.
const LENGTH: usize = 80;
/// After so many steps a run says how far it is.
const PROGRESS: usize = 50_000;

const WORDS: [&str; 6] = ["found", "ignore_space", "track", "deprecate", "local", "compress"];

/// Of others each session in eight.
const SELDOM: [&str; 10] = [
    "long_flag",
    "odbc",
    "interactive",
    "ps_results",
    "not_transactions",
    "one_statement",
    "one_result",
    "bulk",
    "extended",
    "unit",
];
/// A server without it would take attributes for a text.
const SELDOM_ON_MYSQL: &str = "attributes";

/// What lanes share.
pub struct Run {
    kind: Kind,
    grammar: Grammar,
    /// The seed of the next session.
    next: AtomicUsize,
    steps: AtomicUsize,
    wanted: usize,
    most: usize,
    /// By their shapes.
    findings: Mutex<BTreeMap<String, String>>,
    /// Sessions that differed in a step of a shape that was found before.
    again: AtomicUsize,
    /// Sessions that differed in a way of `KNOWN`.
    known: [AtomicUsize; KNOWN.len()],
    over: AtomicBool,
    /// The HTTP ports of the proxies.
    proxies: Vec<u16>,
    /// How often a proxy has refused what a replica reported.
    accused: AtomicUsize,
}

impl Run {
    /// A run over these rules, from `POINTSMAN_SEED` on. `proxies`: their HTTP ports.
    pub fn new(kind: Kind, grammar: &str, wanted: usize, proxies: Vec<u16>) -> Arc<Self> {
        Arc::new(Run {
            kind,
            grammar: Grammar::read(grammar, kind),
            next: number("POINTSMAN_SEED", 38).into(),
            steps: 0.into(),
            wanted,
            most: number("FINDINGS", 10),
            findings: Mutex::default(),
            again: 0.into(),
            known: [const { AtomicUsize::new(0) }; KNOWN.len()],
            over: false.into(),
            proxies,
            accused: 0.into(),
        })
    }

    /// Notes a session during which a replica was accused. The lanes beside it may be the reason: with LANES=1 it is this one.
    async fn note_accusations(&self, case: &Case) {
        let mut all = 0;
        for http in &self.proxies {
            all += super::accusations(*http).await;
        }
        if all > self.accused.fetch_max(all, Relaxed) && self.is_new("accusation", 0) {
            let text = format!(
                "{}# a replica was accused of false reports, by this session or one beside it\n",
                case.text()
            );
            eprintln!("{text}");
            self.findings.lock().expect("no panic").insert("accusation".to_owned(), text);
        }
    }

    fn goes_on(&self) -> bool {
        self.steps.load(Relaxed) < self.wanted && self.findings.lock().expect("no panic").len() < self.most
    }

    fn case(&self, seed: usize) -> Case {
        let mut chance = Chance::new(seed as u64);
        let steps = self.grammar.steps(&mut chance, LENGTH);
        let mut words: Vec<_> =
            WORDS.into_iter().filter(|_| chance.below(3) == 0).map(str::to_owned).collect();
        words.extend(SELDOM.into_iter().filter(|_| chance.below(8) == 0).map(str::to_owned));
        if self.kind == Kind::MySql && chance.below(6) == 0 {
            words.push(SELDOM_ON_MYSQL.to_owned());
        }
        Case { name: format!("seed {seed}"), kinds: vec![self.kind], words, steps }
    }

    /// True if the difference is one of `KNOWN`, which counts it.
    fn is_known(&self, case: &Case, found: &Difference) -> bool {
        let step = case.steps[..found.at].last().map_or("", String::as_str);
        let shown = found.shown();
        let before = &case.steps[..found.at.saturating_sub(1)];
        let is_it = |known: &Known| {
            known.kinds.contains(&self.kind)
                && (known.why != WARNINGS_BY_TYPES || differ_in_warnings(&shown))
                && stand_in(before, known.behind)
                && step.starts_with(known.step)
                && known.parts.iter().zip(&shown).all(|(part, shown)| shown.contains(part))
        };
        let Some(at) = KNOWN.iter().position(is_it) else { return false };
        self.known[at].fetch_add(1, Relaxed);
        true
    }

    /// True for the first finding of its shape.
    fn is_new(&self, shape: &str, seed: usize) -> bool {
        let mut findings = self.findings.lock().expect("no panic");
        if findings.contains_key(shape) {
            self.again.fetch_add(1, Relaxed);
            return false;
        }
        findings.insert(shape.to_owned(), format!("seed {seed}"));
        true
    }
}

/// What makes findings alike: the first words of the step, without numbers.
fn shape(case: &Case, found: &Difference) -> String {
    let step = case.steps[..found.at].last().map_or("login", String::as_str);
    let words = step.split_whitespace().take(3).map(|word| word.replace(|c: char| c.is_ascii_digit(), ""));
    words.collect::<Vec<_>>().join(" ")
}

async fn lane(run: Arc<Run>, mut sides: Sides) {
    while run.goes_on() {
        let seed = run.next.fetch_add(1, Relaxed);
        let case = run.case(seed);
        let found = difference(&mut sides, &case).await;
        // Behind a difference nothing is compared.
        let compared = found.as_ref().map_or(case.steps.len(), |found| found.at);
        let before = run.steps.fetch_add(compared, Relaxed);
        if before / PROGRESS != (before + compared) / PROGRESS {
            eprintln!("{}: {} steps, at seed {seed}", run.kind.name(), before + compared);
        }
        run.note_accusations(&case).await;
        let Some(found) = found else { continue };
        if run.is_known(&case, &found) {
            continue;
        }
        let shape = shape(&case, &found);
        if run.is_new(&shape, seed) {
            let (case, found) = shrink(&mut sides, case, found).await;
            // The whole session may have shown the same difference in other bytes, or with more words.
            let verb = |shape: &str| shape.split(' ').next().map(str::to_owned);
            if verb(&shape) == verb(&self::shape(&case, &found)) && run.is_known(&case, &found) {
                run.findings.lock().expect("no panic").remove(&shape);
                continue;
            }
            let text = format!("{}{found}", case.text());
            eprintln!("{text}");
            run.findings.lock().expect("no panic").insert(shape, text);
        }
    }
}

/// What the sessions say that take the tight proxy's connections away from others. None of it is looked at.
const TAKING: [&str; 13] = [
    "SELECT 1",
    "DO 1",
    "SELECT @@version",
    "SET @mine = 1",
    "SELECT @mine",
    "UPDATE test.taken SET n = n + 1",
    "SELECT n FROM test.taken",
    "SET sql_mode = 'ANSI'",
    "SET NAMES latin1",
    "SELECT no_such_column",
    "SHOW WARNINGS",
    "INSERT INTO test.taken VALUES (1)",
    "DELETE FROM test.taken",
];

async fn takes_connections(run: Arc<Run>, port: u16, number: u64) {
    let mut chance = Chance::new(number);
    while !run.over.load(Relaxed) {
        let Ok(mut raw) = Raw::connect(port).await else { continue };
        if raw.login("app", "app").await.is_err() {
            continue;
        }
        for _ in 0..chance.below(40) {
            let Ok(mut packet) = raw.query(TAKING[chance.below(TAKING.len())]).await else { break };
            let mut ends = 0;
            if !matches!(packet.first(), Some(0 | 0xff)) {
                while ends < 2 && packet.first() != Some(&0xff) {
                    let Ok((_, next)) = raw.read().await else { break };
                    packet = next;
                    ends += usize::from(packet.first() == Some(&0xfe) && packet.len() == 5);
                }
            }
            sleep(Duration::from_millis(chance.below(4) as u64)).await;
        }
    }
}

async fn packets_are_alike(cluster: Cluster) {
    let kind = cluster.kind();
    super::show_catalogue(&cluster).await;
    cluster.primary().sql("CREATE TABLE test.taken (n INT)").await;
    let [(_, default), (_, tight)] = super::proxies(&cluster).await;
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/alike/grammar.txt").to_owned();
    let text = std::fs::read_to_string(std::env::var("GRAMMAR").unwrap_or(own)).expect("the grammar");
    let run = Run::new(kind, &text, number("ALIKE_STEPS", 6000), vec![default.http, tight.http]);
    let mut lanes = Vec::new();
    for number in 0..number("LANES", 3) {
        let side = async |name, port, way| Side::new(&cluster, name, port, format!("tz{number}{way}")).await;
        let direct = side("direct", cluster.primary().port(), 0).await;
        lanes.push(vec![direct, side("default", default.rw, 1).await, side("tight", tight.rw, 2).await]);
    }
    let mut others = JoinSet::new();
    for number in 0..2 {
        others.spawn(takes_connections(run.clone(), tight.rw, number));
    }
    packets_of(run, lanes).await;
    while others.join_next().await.is_some() {}
}

/// Plays sessions on the sides of each lane until there are enough steps, and fails if packets differ.
pub async fn packets_of(run: Arc<Run>, sides: Vec<Sides>) {
    let seed = run.next.load(Relaxed);
    let mut lanes = JoinSet::new();
    for sides in sides {
        lanes.spawn(lane(run.clone(), sides));
    }
    let started = Instant::now();
    while let Some(done) = lanes.join_next().await {
        done.expect("a lane");
    }
    let time = started.elapsed();
    run.over.store(true, Relaxed);
    let (steps, again) = (run.steps.load(Relaxed), run.again.load(Relaxed));
    let findings: Vec<String> = run.findings.lock().expect("no panic").values().cloned().collect();
    let (kind, found) = (run.kind.name(), findings.len());
    eprintln!(
        "{kind}: seed {seed}: {steps} steps on each side in {time:.1?}: {found} findings, {again} more like them"
    );
    for (known, count) in KNOWN.iter().zip(&run.known) {
        eprintln!("{kind}: {} sessions differed in a known way: {}", count.load(Relaxed), known.why);
    }
    assert!(findings.is_empty(), "{kind}: seed {seed}: {found} findings:\n{}", findings.join("\n"));
}

/// True if steps that begin so are among these, in this order.
fn stand_in(steps: &[String], beginnings: &[&str]) -> bool {
    let mut steps = steps.iter();
    beginnings.iter().all(|beginning| steps.any(|step| step.starts_with(beginning)))
}

/// True for two EOF packets with the same flags.
fn differ_in_warnings(shown: &[String; 2]) -> bool {
    const EOF: usize = r"\xfe\x00\x00\x02\x00".len();
    // The OK packet that ends rows without EOF packets.
    const OK: usize = r"\xfe\x00\x00\x02\x00\x00\x00".len();
    const FLAGS: usize = r"\x02\x00".len();
    let flags = shown.each_ref().map(|packet| match packet.len() {
        EOF if packet.starts_with(r"\xfe") => packet.get(EOF - FLAGS..),
        OK if packet.starts_with(r"\xfe") => packet.get(OK - 2 * FLAGS..OK - FLAGS),
        _ => None,
    });
    flags[0].is_some() && flags[0] == flags[1]
}

#[tokio::test]
async fn packets_are_alike_on_mariadb() {
    packets_are_alike(Cluster::mariadb(1).await).await;
}

#[tokio::test]
async fn packets_are_alike_on_mysql() {
    if let Some(cluster) = Cluster::mysql(1).await {
        packets_are_alike(cluster).await;
    }
}
