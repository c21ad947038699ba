//! What discovery logs: each change of primary, and a limited number of changes of health and labels.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::topology::{Drain, Health, Label, Server, ServerId, Snapshot};

/// How many lines about one server may be logged at once; another one is allowed per `REFILL`.
const BURST: u32 = 5;
const REFILL: Duration = Duration::from_secs(10);

/// Counts what was logged about each server.
#[derive(Debug, Default)]
pub(super) struct SnapshotLog {
    budgets: HashMap<ServerId, LineBudget>,
}

#[derive(Debug)]
struct LineBudget {
    left: u32,
    refilled: Instant,
    suppressed: u32,
}

impl SnapshotLog {
    /// Logs what changed.
    pub fn changed(&mut self, before: &Snapshot, after: &Snapshot) {
        if before.primary != after.primary {
            primary_changed(before, after);
        }
        if before.alarm != after.alarm {
            match after.alarm {
                Some(alarm) => {
                    let why = after.why_alarm();
                    tracing::warn!(alarm = alarm.as_str(), why, "the servers need attention");
                }
                None if !after.servers.iter().any(|server| server.health == Health::Up) => {
                    tracing::warn!(
                        why = after.why_no_primary(),
                        "there is no primary, and no server answers"
                    );
                }
                None => tracing::info!("the servers need no attention any more"),
            }
        }
        if before.maintenance != after.maintenance {
            let asked = after.maintenance.flags().into_iter().filter(|(_, on)| *on);
            let asked: Vec<_> = asked.map(|(word, _)| word).collect();
            match asked.join(", ") {
                none if none.is_empty() => tracing::info!("the cluster is not in maintenance any more"),
                asked => tracing::warn!(asked, "the cluster is in maintenance"),
            }
        }
        let last = after.last_primary.and_then(|id| after.server(id));
        if !before.grace_over
            && after.grace_over
            && let Some(last) = last
        {
            let (server, grace) = (&*last.name, after.grace);
            tracing::warn!(
                server,
                ?grace,
                "no other primary came within failover.grace: sessions leave the last one"
            );
        }
        for server in after.servers.iter() {
            let old = before.server(server.id);
            if old.is_some_and(|old| (old.label, old.deleting) != (server.label, server.deleting)) {
                self.pod_changed(server);
            }
            let drain = old.and_then(|old| before.drain_of(old));
            if drain != after.drain_of(server) {
                drain_changed(server, after.drain_of(server), drain);
            }
            if old.map_or(Health::Unknown, |old| old.health) != server.health {
                self.health_changed(server);
            }
            if old.is_some_and(|old| old.is_barred()) != server.is_barred() {
                self.barred_changed(server);
            }
        }
        self.budgets.retain(|id, _| after.server(*id).is_some());
    }

    fn budget(&mut self, server: &Server) -> Option<u32> {
        let now = Instant::now();
        let full = LineBudget { left: BURST, refilled: now, suppressed: 0 };
        self.budgets.entry(server.id).or_insert(full).take(now)
    }

    fn pod_changed(&mut self, server: &Server) {
        let Some(suppressed) = self.budget(server) else { return };
        let (name, label, deleting) = (&*server.name, server.label.map(Label::as_str), server.deleting);
        tracing::info!(server = name, label, deleting, suppressed, "a pod's role changed");
    }

    fn barred_changed(&mut self, server: &Server) {
        let Some(suppressed) = self.budget(server) else { return };
        let (name, error) = (&*server.name, server.last_error.as_deref());
        if server.is_barred() {
            tracing::warn!(
                server = name,
                error,
                suppressed,
                "a server lives and lets no probe in: sessions' connections tell its role, what else is known of it is from before"
            );
        } else if error.is_none() {
            tracing::info!(server = name, suppressed, "a server lets probes in again");
        }
    }

    fn health_changed(&mut self, server: &Server) {
        let Some(suppressed) = self.budget(server) else { return };
        let (name, address, health) = (&*server.name, &*server.address, server.health.as_str());
        let error = server.last_error.as_deref();
        if server.health == Health::Down {
            tracing::warn!(server = name, address, health, error, suppressed, "a server changed its health");
        } else {
            tracing::info!(server = name, address, health, suppressed, "a server changed its health");
        }
    }
}

impl LineBudget {
    /// Returns None if the line must be suppressed; otherwise the number of lines suppressed since the last
    /// one.
    fn take(&mut self, now: Instant) -> Option<u32> {
        while self.left < BURST && now.duration_since(self.refilled) >= REFILL {
            self.left += 1;
            self.refilled += REFILL;
        }
        if self.left == 0 {
            self.suppressed = self.suppressed.saturating_add(1);
            return None;
        }
        if self.left == BURST {
            self.refilled = now;
        }
        self.left -= 1;
        Some(std::mem::take(&mut self.suppressed))
    }
}

fn primary_changed(before: &Snapshot, after: &Snapshot) {
    let Some(change) = after.history.back() else { return };
    let (from, to) = (change.from.as_deref(), change.to.as_deref());
    let (generation, reason) = (change.generation, &*change.reason);
    if after.writes_in_question > before.writes_in_question {
        let writes = after.writes_in_question - before.writes_in_question;
        tracing::warn!(
            generation,
            from,
            to,
            writes,
            reason,
            "the primary changed, and acknowledged writes may be lost"
        );
    } else if to.is_some() {
        tracing::info!(generation, from, to, reason, "the primary changed");
    } else {
        tracing::warn!(generation, from, to, reason, "the primary is lost");
    }
}

fn drain_changed(server: &Server, asked: Option<Drain>, before: Option<Drain>) {
    let name = &*server.name;
    match (asked, before) {
        (Some(asked), _) => {
            tracing::info!(server = name, by = asked.as_str(), "a server is drained: it gets no new reads")
        }
        (None, _) => tracing::info!(server = name, "a server is not drained any more"),
    }
}
