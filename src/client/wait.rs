//! Waits during a statement. Each wait ends early if the session must end. A client that leaves ends none: as on a server,
//! what was received whole is executed, and a client that closed only its own half waits for the answer.

use std::time::Duration;

use tokio::time::Instant;

use super::write::ended_by;
use super::{Client, Failure, StatementError};
use crate::net::{Buf, Runtime, or_raised};
use crate::telemetry::Counted;
use crate::terms::{Close, Disruption, TraceStep};
use crate::topology::Snapshot;
use crate::worker::Signals;

/// The pause between two attempts of a session that waits for memory.
const MEMORY_PAUSE: Duration = Duration::from_millis(50);

impl<R: Runtime> Client<R> {
    /// Waits until the snapshot's version differs from `version`, for at most this time. Returns Ok
    /// whether or not the version changed.
    pub async fn pause_for_change(&mut self, time: Duration, version: u64) -> Result<(), StatementError> {
        let resources = self.resources.clone();
        let changed = resources.topology.changed_from(version);
        let step = self.begin_step(TraceStep::Hold);
        let waited = self.unless_ended(resources.runtime.timeout(time, changed)).await;
        self.end_step(step);
        waited.map(|_| ())
    }

    /// Pauses between two attempts to connect to a server, the first of which began at `began`. The pause ends early when the
    /// snapshot's version differs from `version`. Returns false at once if it would last longer than `limit` since then.
    pub async fn pause_before_next_try(
        &mut self,
        began: Instant,
        limit: Duration,
        version: u64,
    ) -> Result<bool, StatementError> {
        let waited = began.elapsed();
        let pause = (waited / 4).clamp(Duration::from_millis(20), Duration::from_millis(200));
        if waited + pause >= limit {
            return Ok(false);
        }
        let paused = self.pause_for_change(pause, version).await;
        self.budget.spend(began);
        paused.map(|()| true)
    }

    /// Waits until the snapshot's version differs from `version`. Returns an error once all waits of the statement
    /// together have taken `failover.hold`.
    pub async fn wait_for_change(&mut self, version: u64) -> Result<(), StatementError> {
        let began = self.budget.began();
        let hold = self.resources.live.borrow().failover.hold;
        let left = hold.saturating_sub(began.elapsed());
        if left.is_zero() {
            return Err(self.hold_expired(began));
        }
        let resources = self.resources.clone();
        let waiting = Counted::on(&resources.metrics.waiting_for_primary);
        let changed = resources.topology.changed_from(version);
        let step = self.begin_step(TraceStep::Hold);
        let waited = self.unless_ended(resources.runtime.timeout(left, changed)).await;
        self.end_step(step);
        drop(waiting);
        self.budget.spend(began);
        match waited? {
            Some(()) => Ok(()),
            None => Err(self.hold_expired(began)),
        }
    }

    /// Waits while a snapshot satisfies `what`, without a limit of its own.
    pub async fn wait_while(&mut self, what: impl Fn(&Snapshot) -> bool) -> Result<(), StatementError> {
        let (resources, began) = (self.resources.clone(), self.budget.began());
        let waiting = Counted::on(&resources.metrics.waiting_for_primary);
        let over = async {
            loop {
                let snapshot = resources.topology.get();
                if !what(&snapshot) {
                    return;
                }
                resources.topology.changed_from(snapshot.version).await;
            }
        };
        let step = self.begin_step(TraceStep::Hold);
        let waited = self.unless_ended(over).await;
        self.end_step(step);
        drop(waiting);
        self.budget.spend(began);
        waited
    }

    fn hold_expired(&self, began: Instant) -> StatementError {
        self.resources.count(Disruption::HoldExpired);
        StatementError::Tell(Failure::NoPrimary(
            began.elapsed(),
            self.resources.topology.get().why_no_primary(),
        ))
    }

    /// Waits for `future`. Returns an error if the session must end before.
    pub async fn unless_ended<F: Future>(&mut self, future: F) -> Result<F::Output, StatementError> {
        unless_ended(self.or_ended(future).await)
    }

    /// Waits as [`Self::unless_ended`] does, in a smaller future. The function [`unless_ended`] makes the same result of its
    /// output.
    pub fn or_ended<F: Future>(&mut self, future: F) -> impl Future<Output = Result<F::Output, u16>> {
        or_raised(&self.handle.signal, Signals::KILLED | Signals::END, future)
    }

    /// Waits until the memory budget allows another buffer, for at most `limits.queue_timeout`.
    pub async fn wait_for_memory(&mut self) -> Result<Buf, Close> {
        let resources = self.resources.clone();
        let limit = resources.live.borrow().limits.queue_timeout;
        let free = async {
            loop {
                // Other workers return memory without waking this one.
                resources.runtime.timeout(MEMORY_PAUSE, resources.buffers.given_back()).await;
                if let Some(buf) = resources.buffers.small_to_begin() {
                    return buf;
                }
            }
        };
        let ending = Signals::KILLED | Signals::END | Signals::LEAVE;
        match or_raised(&self.handle.signal, ending, resources.runtime.timeout(limit, free)).await {
            Ok(Some(buf)) => Ok(buf),
            Ok(None) => Err(self.refuse(1, &Failure::OutOfMemory, Close::OutOfMemory).await),
            Err(raised) => Err(ended_by(raised)),
        }
    }

    /// Waits until a snapshot satisfies `what`, for as long as the probes need to see the current state of
    /// the servers. Returns false if no snapshot satisfies `what` in that time.
    pub async fn probes_say(&mut self, what: impl Fn(&Snapshot) -> bool) -> Result<bool, StatementError> {
        let interval = self.resources.live.borrow().monitor.interval;
        let until = Instant::now() + (interval * 3).max(Duration::from_millis(300));
        loop {
            let snapshot = self.resources.topology.get();
            if what(&snapshot) {
                return Ok(true);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            self.pause_for_change(left, snapshot.version).await?;
        }
    }
}

/// Returns the output of what [`Client::or_ended`] waited for, or why there is none.
pub fn unless_ended<T>(waited: Result<T, u16>) -> Result<T, StatementError> {
    match waited {
        Ok(output) => Ok(output),
        Err(raised) if raised & Signals::KILLED != 0 => Err(StatementError::Close(Close::Killed)),
        Err(raised) => Err(StatementError::TellAndClose(Failure::ShuttingDown, ended_by(raised))),
    }
}
