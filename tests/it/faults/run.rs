//! Runs one after the other, and what they came to.

use super::acknowledgements;
use super::book::{Book, LINE_HEADS, Table};
use super::check::{Excuse, Found, Verdict, check, errors};
use super::clients::{Clients, Order, Sees};
use super::operator::History;
use super::plan::{FAULTS, Fault, Plan, named};
use super::rival;
use super::scene::{SERVERS, Scene};
use crate::support::{Kind, Node, Relay, number};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

/// A new scene after so many: a server that comes back replays all that its scene wrote.
const PER_SCENE: usize = 9;

/// What is to be run.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    pub seed: u64,
    pub runs: usize,
    pub lanes: usize,
    pub only: Option<Fault>,
    pub kind: Kind,
    pub semi_sync: bool,
    pub sees: Sees,
    /// Falsifies the outcome, so that the checker must find something.
    pub plants: bool,
}

impl Settings {
    pub fn of_environment() -> Self {
        let kind = match std::env::var("KIND").as_deref() {
            Ok("mysql") => Kind::MySql,
            Ok("mariadb") | Err(_) => Kind::MariaDb,
            Ok(other) => panic!("KIND={other} is neither mariadb nor mysql"),
        };
        let runs = number("FAULTS", FAULTS.len());
        // A rival stands before one scene.
        let lanes = if rival::target().is_some() { 1 } else { number("LANES", 2) };
        Settings {
            seed: number("POINTSMAN_SEED", 0) as u64,
            runs,
            lanes: lanes.min(runs),
            only: std::env::var("FAULT").ok().map(|name| named(&name)),
            kind,
            semi_sync: number("ASYNC", 0) == 0,
            sees: if number("STRONG", 0) == 0 { Sees::Own } else { Sees::All },
            plants: false,
        }
    }
}

/// Of many runs.
#[derive(Debug, Default)]
pub struct Outcome {
    table: Table,
    /// Of each kind: how many, and what they came to.
    runs: BTreeMap<Fault, (usize, Table)>,
    lost_by_replication: usize,
    late_in_doubt: usize,
    pub wrong: Vec<String>,
}

impl Outcome {
    pub fn add(&mut self, other: Outcome) {
        self.table.merge(other.table);
        for (fault, (count, table)) in other.runs {
            let known = self.runs.entry(fault).or_default();
            known.0 += count;
            known.1.merge(table);
        }
        self.lost_by_replication += other.lost_by_replication;
        self.late_in_doubt += other.late_in_doubt;
        self.wrong.extend(other.wrong);
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<20}{:>5}", "", "runs")?;
        LINE_HEADS.iter().try_for_each(|head| write!(f, "{head:>10}"))?;
        writeln!(f)?;
        for (fault, (count, table)) in &self.runs {
            writeln!(f, "{:<20}{count:>5}{}", format!("{fault:?}"), table.line())?;
        }
        writeln!(f, "\n{}", self.table)?;
        writeln!(
            f,
            "acknowledged and lost by replication: {}; in doubt, and written on a deposed primary: {}; findings: {}",
            self.lost_by_replication,
            self.late_in_doubt,
            self.wrong.len()
        )
    }
}

/// Every `lanes`-th scene of them. False where there is no such server.
pub async fn lane(settings: Settings, number: usize, outcome: Rc<RefCell<Outcome>>) -> bool {
    let per_scene = PER_SCENE.min(settings.runs.div_ceil(settings.lanes));
    for first in (0..settings.runs).step_by(per_scene).skip(number).step_by(settings.lanes) {
        let seeds = (first..settings.runs.min(first + per_scene)).map(|run| settings.seed + run as u64);
        let seeds: Vec<_> = seeds.collect();
        let scene = tokio::task::spawn_local(play(settings, seeds.clone(), outcome.clone()));
        match scene.await {
            Ok(true) => {}
            Ok(false) => return false,
            // What it did before is in the books; the next scene goes on.
            Err(error) => outcome.borrow_mut().wrong.push(format!("one of the seeds {seeds:?}: {error}")),
        }
    }
    true
}

async fn play(settings: Settings, seeds: Vec<u64>, outcome: Rc<RefCell<Outcome>>) -> bool {
    let Some(mut scene) = Scene::begin(settings).await else { return false };
    let ports = scene.cluster.servers().iter().map(Node::port).collect();
    let links = scene.replication.values().map(Relay::state).collect();
    let _beside = acknowledgements::let_go(settings.kind, ports, links);
    for seed in seeds {
        let of_one = one(&mut scene, settings, seed).await;
        outcome.borrow_mut().add(of_one);
    }
    true
}

async fn one(scene: &mut Scene, settings: Settings, seed: u64) -> Outcome {
    let mut plan = Plan::draw(seed, settings.only, scene.cluster.primary_number(), SERVERS);
    scene.prepare(&mut plan).await;
    eprintln!("{plan:?}");
    let rival = rival::target().is_some();
    let patience = Duration::from_secs(if rival { 30 } else { 180 });
    let sees = if rival || !settings.semi_sync { Sees::Whatever } else { settings.sees };
    let clients = Clients::start(Order { port: scene.port(), run: seed, sees, patience });
    let mut verdict = Verdict::default();
    if !clients.each_answered(patience).await {
        verdict.wrong.push("not all clients were answered before the fault".into());
    }
    let history = scene.play(&plan).await;
    if !clients.each_answered(patience).await {
        verdict.wrong.push("not all clients were answered after the fault".into());
    }
    scene.settled().await;
    let books = clients.books().await;
    verdict.wrong.extend(scene.replicas_agree(seed).await);
    if settings.plants {
        scene.plant(&books).await;
    }
    let moments = history.moments.clone();
    compare(scene, &plan, history, &books, &mut verdict).await;
    let mut table = Table::default();
    table.add(&books, &moments);
    eprintln!("seed {seed}, {:?}:\n{table}", plan.fault);
    let mut outcome = Outcome {
        runs: BTreeMap::from([(plan.fault, (1, table.clone()))]),
        table,
        lost_by_replication: verdict.lost_by_replication,
        late_in_doubt: verdict.late_in_doubt,
        wrong: Vec::new(),
    };
    for wrong in verdict.wrong {
        let mut again = format!("FAULTS=1 POINTSMAN_SEED={seed} KIND={}", settings.kind.name());
        for name in ["ASYNC", "STRONG", "LOOKED_UP", "PROBE_MS", "LANES"] {
            again.extend(std::env::var(name).map(|value| format!(" {name}={value}")));
        }
        let line = format!("{again} FAULT={:?}: {wrong}", plan.fault);
        eprintln!("FINDING {line}");
        outcome.wrong.push(line);
    }
    outcome
}

async fn compare(scene: &Scene, plan: &Plan, history: History, books: &[Book], verdict: &mut Verdict) {
    let here = scene.rows(plan.seed).await;
    let found =
        Found { here, deposed: history.deposed, primaries: history.primaries, may_lose: !scene.semi_sync };
    let by_rows = check(books, &found);
    verdict.wrong.extend(by_rows.wrong);
    (verdict.lost_by_replication, verdict.late_in_doubt) =
        (by_rows.lost_by_replication, by_rows.late_in_doubt);
    if rival::target().is_none() {
        let excuse = Excuse {
            server_errors: plan.fault == Fault::FullDisk,
            torn: plan.fault == Fault::Torn,
            several: plan.fault == Fault::Late,
            nothing: plan.fault == Fault::Paused,
        };
        verdict.wrong.extend(errors(books, excuse));
    }
}
