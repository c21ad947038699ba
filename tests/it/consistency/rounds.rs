//! A round for each trouble, what came of it, and the tables.

use super::history::{Fault, Op, Told, Violation};
use super::load::{Crew, Load, Log, Ports, Role, is_counter};
use super::pairs::{Pairs, WRITERS};
use super::scene::Scene;
use super::trouble::{TROUBLES, Trouble};
use super::{counters, paced, registers, sessions};
use crate::support::{Kind, Proxy, number};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use tokio::time::Instant;

/// Of each fault of a round.
const SHOWN: usize = 3;

/// What is to be run.
#[derive(Debug, Clone)]
pub struct Settings {
    pub kind: Kind,
    /// As in the configuration.
    pub level: &'static str,
    pub seed: u64,
    /// Of all rounds together, and of one.
    reads: usize,
    pub per_round: usize,
    only: Option<String>,
}

impl Settings {
    pub fn of_environment(kind: Kind, level: &'static str) -> Self {
        let only = std::env::var("TROUBLE").ok();
        let pairs = number("PAIRS", 18_000);
        let reads = if level == "strong" { pairs } else { pairs / 2 };
        let rounds = if only.is_some() { 1 } else { TROUBLES.len() };
        let per_round = (reads / rounds).clamp(1, 20_000);
        Settings { kind, level, seed: number("POINTSMAN_SEED", 1) as u64, reads, per_round, only }
    }

    /// The last one takes a server with it: another one in front of the next servers.
    fn troubles(&self, scene: usize) -> Vec<Trouble> {
        let all = TROUBLES.into_iter().chain([Trouble::Deposed]);
        if let Some(only) = &self.only {
            let named: Vec<_> = all.filter(|trouble| format!("{trouble:?}") == *only).collect();
            assert!(!named.is_empty(), "TROUBLE={only} is none of {TROUBLES:?}, Deposed");
            return named;
        }
        let odd = (scene + self.seed as usize + usize::from(self.kind == Kind::MySql)) % 2 == 1;
        let other = if odd { Trouble::Deposed } else { Trouble::Crash };
        all.filter(|trouble| *trouble != other).collect()
    }

    pub fn again(&self, trouble: Trouble) -> String {
        let Settings { kind, level, seed, .. } = self;
        format!("{} at {level}, POINTSMAN_SEED={seed} TROUBLE={trouble:?}", kind.name())
    }
}

/// Of a round, or of all.
#[derive(Debug, Default)]
pub struct Outcome {
    pub pairs: Pairs,
    pub writes: usize,
    pub unknown: usize,
    /// Of writes that were still under way, see `consistency.rs`; and those that one session noticed alone.
    inversions: usize,
    in_one_session: usize,
    /// Reads, as the proxies count them: on replicas, on the primary.
    reads: (f64, f64),
    pub errors: BTreeMap<String, usize>,
    pub findings: Vec<String>,
}

/// Rounds until there were so many reads. None where there is no such server.
pub async fn play(settings: &Settings) -> Option<Outcome> {
    let (mut all, mut by_trouble) = (Outcome::default(), BTreeMap::<_, Outcome>::new());
    let mut round = 0;
    for number in 0.. {
        let mut scene = Scene::begin(settings.kind, settings.level).await?;
        for trouble in settings.troubles(number) {
            round += 1;
            let began = Instant::now();
            let outcome = one(&mut scene, settings, trouble, round).await;
            let (again, seconds) = (settings.again(trouble), began.elapsed().as_secs_f64());
            let dropped = paced::dropped(&scene.proxies).await;
            eprintln!("{again}: {outcome}; {dropped} answers dropped so far; {seconds:.1} s");
            outcome.errors.iter().for_each(|(error, count)| eprintln!("    {count} times {error}"));
            all.findings.extend(outcome.findings.clone());
            all.pairs.merge(outcome.pairs.clone());
            by_trouble.entry(trouble).or_default().merge(outcome);
        }
        if all.pairs.all().0 >= settings.reads || settings.only.is_some() {
            break;
        }
    }
    eprintln!("\n{} at {}: pairs / stale", settings.kind.name(), settings.level);
    eprintln!("{:<12}{}", "", WRITERS.map(|writer| format!("{:>16}", format!("{writer:?}"))).concat());
    for (trouble, outcome) in &by_trouble {
        eprintln!("{:<12}{outcome}", format!("{trouble:?}"));
    }
    eprintln!("{:<12}{}; stale by how they read: {:?}\n", "all", all.pairs, all.pairs.stale);
    Some(all)
}

async fn one(scene: &mut Scene, settings: &Settings, trouble: Trouble, round: u32) -> Outcome {
    let load = begin(settings, trouble, scene.ports(), round).await;
    let before = paced::read_counts(&scene.proxies).await;
    scene.play(trouble, &load, settings.per_round).await;
    let outcome = end(settings, trouble, load, before, &scene.proxies).await;
    if !trouble.is_last() {
        scene.settled().await;
    }
    outcome
}

pub async fn begin(settings: &Settings, trouble: Trouble, ports: Ports, round: u32) -> Load {
    let seed = settings.seed.wrapping_mul(100) + u64::from(round);
    let load = Load::start(ports, &crew(settings, trouble), round, seed).await;
    load.more(200).await;
    load
}

/// `before`: what the proxies had counted.
pub async fn end(
    settings: &Settings,
    trouble: Trouble,
    load: Load,
    before: (f64, f64),
    proxies: &[Proxy],
) -> Outcome {
    let after = paced::read_counts(proxies).await;
    let log = load.finish().await;
    let mut findings = Findings { again: settings.again(trouble), ..Findings::default() };
    let mut outcome = judge(settings, &log, &mut findings);
    let (replicas, primary) = (after.0 - before.0, after.1 - before.1);
    if trouble == Trouble::Nothing && replicas < primary {
        findings.say(format!("{replicas} reads went to replicas, {primary} to the primary"));
    }
    let unexplained = log.unexplained(trouble);
    if trouble.is_silent() && !unexplained.is_empty() {
        findings.say(format!("errors: {unexplained:?}"));
    }
    outcome.reads = (replicas, primary);
    outcome.errors = log.errors;
    outcome.findings = findings.lines();
    outcome
}

fn judge(settings: &Settings, log: &Log, findings: &mut Findings) -> Outcome {
    let count = |what: fn(&Op) -> bool| log.ops.iter().filter(|op| what(op)).count();
    let (writes, unknown) = (count(Op::acknowledged), count(|op| op.told == Told::Unknown));
    let mut outcome = Outcome { writes, unknown, ..Outcome::default() };
    let mut by_key: HashMap<_, Vec<Op>> = HashMap::new();
    for op in &log.ops {
        by_key.entry(op.key).or_default().push(*op);
    }
    for (key, ops) in &by_key {
        outcome.pairs.count(ops);
        let mut wrong = if is_counter(*key) { sessions::check(ops) } else { Vec::new() };
        if settings.level == "strong" {
            wrong.extend(if is_counter(*key) { counters::check(ops) } else { registers::check(ops) });
        }
        for violation in wrong {
            match violation.fault {
                Fault::Inversion => outcome.inversions += 1,
                Fault::BackwardsUnderWay => outcome.in_one_session += 1,
                _ => findings.add(violation),
            }
        }
    }
    outcome
}

/// At `session` only counters say who has seen what.
fn crew(settings: &Settings, trouble: Trouble) -> Crew {
    use Role::{Mixed, Prompt, Reader, Writer};
    let second_reads = trouble == Trouble::Unnoticed;
    match settings.level {
        "session" => {
            let proxied = vec![Reader, Reader, Reader, Reader, Reader, Reader, Mixed, Mixed, Writer];
            Crew { proxied, direct: 2, second_reads, registers: 0, counters: 4 }
        }
        _ => {
            let proxied =
                vec![Writer, Writer, Writer, Mixed, Mixed, Mixed, Reader, Reader, Prompt, Prompt, Prompt];
            Crew { proxied, direct: 3, second_reads, registers: 6, counters: 4 }
        }
    }
}

#[derive(Debug, Default)]
struct Findings {
    again: String,
    said: Vec<String>,
    found: BTreeMap<Fault, Vec<Violation>>,
}

impl Findings {
    fn say(&mut self, what: String) {
        self.said.push(what);
    }

    fn add(&mut self, violation: Violation) {
        self.found.entry(violation.fault).or_default().push(violation);
    }

    fn lines(mut self) -> Vec<String> {
        for (fault, mut violations) in std::mem::take(&mut self.found) {
            violations.sort_by_key(Violation::at);
            let some: Vec<_> = violations.iter().take(SHOWN).map(ToString::to_string).collect();
            self.say(format!("{fault:?}: {}, the first:\n  {}", violations.len(), some.join("\n  ")));
        }
        self.said.iter().map(|line| format!("{}: {line}", self.again)).collect()
    }
}

impl Outcome {
    fn merge(&mut self, other: Outcome) {
        self.pairs.merge(other.pairs);
        self.writes += other.writes;
        self.unknown += other.unknown;
        self.inversions += other.inversions;
        self.in_one_session += other.in_one_session;
        self.reads = (self.reads.0 + other.reads.0, self.reads.1 + other.reads.1);
        for (error, count) in other.errors {
            *self.errors.entry(error).or_default() += count;
        }
        self.findings.extend(other.findings);
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (errors, age) = (self.errors.values().sum::<usize>(), self.pairs.median_age());
        let Outcome { pairs, writes, unknown, inversions, in_one_session, findings, .. } = self;
        let share = self.reads.0 / (self.reads.0 + self.reads.1) * 100.0;
        write!(f, "{pairs}; median age {age:.1} ms; {share:.0} % of reads on replicas")?;
        write!(f, "; {writes} writes, {unknown} unknown; {errors} errors")?;
        write!(f, "; inversions: {inversions}, in one session {in_one_session}; findings: {}", findings.len())
    }
}
