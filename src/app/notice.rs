//! Reports changes of the primary to the log, the history in `/topology`, the webhook and the
//! pods' Events. None of this delays traffic.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::events::PrimaryEvents;
use super::webhook::Webhooks;
use crate::admin::{ChangeCost, ChangeCosts};
use crate::telemetry::WorkerMetrics;
use crate::topology::{PrimaryChange, Snapshot};

/// The cost of a change is counted this long after it. A session that moves later was idle meanwhile.
const SETTLED: Duration = Duration::from_secs(2);

/// The number of changes whose cost is kept; as many as the history has.
const KEPT: usize = 32;

/// Follows the snapshots, and reports changes of the primary.
pub(super) struct Notices {
    pub snapshot: watch::Receiver<Arc<Snapshot>>,
    pub workers: Vec<Arc<WorkerMetrics>>,
    pub costs: watch::Sender<ChangeCosts>,
    pub webhooks: Webhooks,
    /// None if the servers are not pods.
    pub events: Option<PrimaryEvents>,
}

/// A change whose cost is not counted yet.
struct OpenChange {
    /// The counts before the change.
    before: ChangeCost,
    /// When the primary was lost; None if it was replaced without a gap.
    lost_at_ms: Option<u64>,
    /// The change to the new primary, and when to count its cost.
    done: Option<(PrimaryChange, Instant)>,
}

impl Notices {
    /// Runs until the sender of the snapshots is dropped.
    pub async fn run(mut self) {
        let mut seconds = interval(Duration::from_secs(1));
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last: Option<PrimaryChange> = None;
        let mut quiet = ChangeCost::counted(&self.workers);
        let mut open: Option<OpenChange> = None;
        loop {
            let count_at = open.as_ref().and_then(|open| open.done.as_ref()).map(|(_, at)| *at);
            tokio::select! {
                changed = self.snapshot.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let now = self.snapshot.borrow_and_update().clone();
                    let new: Vec<_> = after(&now.history, last.as_ref()).cloned().collect();
                    for change in new {
                        if open.as_ref().is_some_and(|open| open.done.is_some()) {
                            // This change begins before the cost of the last one was counted.
                            self.settled(open.take());
                            quiet = ChangeCost::counted(&self.workers);
                        }
                        if let Some(events) = &mut self.events {
                            events.post(&change, &now);
                        }
                        self.changed(&change, &mut open, quiet);
                        last = Some(change);
                    }
                }
                () = sleep_until(count_at.unwrap_or_else(Instant::now)), if count_at.is_some() => {
                    self.settled(open.take());
                    quiet = ChangeCost::counted(&self.workers);
                }
                // Refreshes the counts every second while no change is open: the cost of a change includes what happens
                // shortly before it is seen here, but not what the loss of a replica cost earlier.
                _ = seconds.tick(), if open.is_none() => quiet = ChangeCost::counted(&self.workers),
            }
        }
    }

    fn changed(&self, change: &PrimaryChange, open: &mut Option<OpenChange>, quiet: ChangeCost) {
        let Some(_) = &change.to else {
            self.webhooks.post(notice("writer_lost", change));
            let begun = open.get_or_insert(OpenChange { before: quiet, lost_at_ms: None, done: None });
            begun.lost_at_ms.get_or_insert(change.at_ms);
            return;
        };
        self.webhooks.post(notice("writer_changed", change));
        if change.from.is_none() && open.is_none() {
            // The first primary after the start is not a change.
            return;
        }
        let begun = open.get_or_insert(OpenChange { before: quiet, lost_at_ms: None, done: None });
        begun.done = Some((change.clone(), Instant::now() + SETTLED));
    }

    fn settled(&self, open: Option<OpenChange>) {
        let Some(OpenChange { before, lost_at_ms, done: Some((change, _)) }) = open else { return };
        let without = lost_at_ms.map_or(0, |lost| change.at_ms.saturating_sub(lost));
        let cost = ChangeCost::counted(&self.workers).since(before, without);
        tracing::info!(
            generation = change.generation,
            to = change.to.as_deref(),
            without_writer_ms = cost.without_primary_ms,
            held = cost.held,
            moved = cost.moved,
            retried = cost.retried,
            told = cost.clients_with_errors(),
            "what the change of the primary was for the sessions"
        );
        let mut settled = notice("change_settled", &change);
        if let (Some(fields), Ok(Value::Object(cost))) = (settled.as_object_mut(), serde_json::to_value(cost))
        {
            fields.extend(cost);
        }
        self.webhooks.post(settled);
        self.costs.send_modify(|costs| {
            let costs: &mut VecDeque<_> = Arc::make_mut(costs);
            while costs.len() >= KEPT {
                costs.pop_front();
            }
            costs.push_back((change, cost));
        });
    }
}

/// Returns the changes after `last`.
fn after<'a>(
    history: &'a VecDeque<PrimaryChange>,
    last: Option<&PrimaryChange>,
) -> impl Iterator<Item = &'a PrimaryChange> {
    let known = last.and_then(|last| history.iter().position(|change| change == last));
    history.iter().skip(known.map_or(0, |at| at + 1))
}

fn notice(event: &str, change: &PrimaryChange) -> Value {
    json!({
        "event": event,
        "at_ms": change.at_ms,
        "generation": change.generation,
        "from": change.from.as_deref(),
        "to": change.to.as_deref(),
        "reason": &*change.reason,
    })
}
