//! What the workers counted since the start, for the page: reasons, pins and waits with their words.

use serde::Serialize;

use super::AdminState;
use crate::telemetry::{Cell, FreshCells, WorkerMetrics};
use crate::terms::{Disruption, FalseReport, Fresh, Pin, Role, StatementKind, Why};

/// The sums over all workers since the start.
#[derive(Debug, Serialize)]
pub(super) struct WorkerSums {
    /// Why statements on split ports went to their target; only reasons that occurred.
    reasons: Vec<ReasonSum>,
    /// What kept sessions on their connections; only pins that occurred.
    pins: Vec<Pinned>,
    waits: WaitSums,
    /// What changes of the primary did to sessions, by effect; only effects that occurred.
    disruptions: Vec<(&'static str, u64)>,
    /// Answers of replicas that were refused, by what they reported; only what occurred.
    false_reports: Vec<(&'static str, u64)>,
}

#[derive(Debug, Serialize)]
struct ReasonSum {
    target: &'static str,
    reason: &'static str,
    words: &'static str,
    count: u64,
}

#[derive(Debug, Serialize)]
struct Pinned {
    pin: &'static str,
    words: &'static str,
    /// How often it began.
    count: u64,
    /// How long the sessions were kept; counted when the pin ends.
    seconds: f64,
}

/// What statements wait for.
#[derive(Debug, Serialize)]
struct WaitSums {
    /// Statements waiting now: for a primary, for a server connection, for a replica that is fresh enough.
    #[serde(rename = "writer")]
    primary: u64,
    connection: u64,
    replica: u64,
    /// Statements that had to wait for a server connection.
    pool_waits: u64,
    /// Reads that needed a position, by outcome.
    fresh_reads: Vec<(&'static str, u64)>,
    /// Reads that waited for a position, and for how long.
    position_waits: u64,
    position_seconds: f64,
}

impl AdminState {
    /// Returns the sums of now.
    pub(super) fn sums(&self) -> WorkerSums {
        let mut reasons = Vec::new();
        for role in Role::BOTH {
            for &why in Why::ALL.iter().filter(|&&why| why != Why::Port) {
                let kinds = StatementKind::ALL.iter();
                let count = kinds.map(|&kind| self.sum(|w| w.placed.at(kind, role, why))).sum();
                if count > 0 {
                    let (target, reason, words) = (role.target(), why.as_str(), why.words());
                    reasons.push(ReasonSum { target, reason, words, count });
                }
            }
        }
        reasons.sort_by_key(|reason| std::cmp::Reverse(reason.count));
        let pinned = |&pin: &Pin| Pinned {
            pin: pin.as_str(),
            words: pin.words(),
            count: self.sum(|w| &w.pins[pin]),
            seconds: seconds(self.sum(|w| &w.pinned_us[pin])),
        };
        let disrupted = |&effect: &Disruption| (effect.as_str(), self.sum(|w| &w.disruptions[effect]));
        let reported = |&what: &FalseReport| (what.as_str(), self.sum(|w| &w.false_reports[what]));
        WorkerSums {
            reasons,
            pins: Pin::ALL.iter().map(pinned).filter(|pinned| pinned.count > 0).collect(),
            waits: self.waits(),
            disruptions: Disruption::ALL.iter().map(disrupted).filter(|(_, count)| *count > 0).collect(),
            false_reports: FalseReport::ALL.iter().map(reported).filter(|(_, count)| *count > 0).collect(),
        }
    }

    fn sum(&self, cell: impl Fn(&WorkerMetrics) -> &Cell) -> u64 {
        self.workers.iter().map(|worker| cell(worker).get()).fold(0, u64::wrapping_add)
    }

    fn waits(&self) -> WaitSums {
        let levels = || 0..FreshCells::LEVELS.len();
        let fresh = |&outcome: &Fresh| {
            (outcome.as_str(), levels().map(|level| self.sum(|w| w.fresh_reads.at(level, outcome))).sum())
        };
        let (mut position_waits, mut position_us) = (0, 0);
        for worker in &self.workers {
            let (buckets, us) = worker.consistency_wait.read();
            position_waits += buckets.iter().sum::<u64>();
            position_us += us;
        }
        WaitSums {
            primary: self.sum(|w| &w.waiting_for_primary),
            connection: self.sum(|w| &w.waiting_for_connection),
            replica: self.sum(|w| &w.waiting_for_replica),
            pool_waits: self.sum(|w| &w.pool_waits),
            fresh_reads: Fresh::ALL.iter().map(fresh).collect(),
            position_waits,
            position_seconds: seconds(position_us),
        }
    }
}

fn seconds(micros: u64) -> f64 {
    (micros as f64 / 1e3).round() / 1e3
}
