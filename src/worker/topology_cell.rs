//! The worker's own copy of the current snapshot.

use std::cell::RefCell;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::Notify;

use crate::terms::Port;
use crate::topology::{ServerId, Snapshot, TextModes};

/// The version counters of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Versions {
    /// Increases with every change.
    pub all: u64,
    /// Increases with every change of more than positions and times.
    pub roles: u64,
}

/// A snapshot that a worker holds. A clone is counted on the worker's thread alone: no statement touches memory that other
/// threads change.
#[derive(Debug, Clone)]
#[expect(
    clippy::redundant_allocation,
    reason = "the inner count is shared with other threads, the outer one is not"
)]
pub struct HeldSnapshot(Rc<Arc<Snapshot>>);

impl Deref for HeldSnapshot {
    type Target = Snapshot;

    #[inline]
    fn deref(&self) -> &Snapshot {
        &self.0
    }
}

/// The snapshot that a worker holds now.
#[derive(Debug)]
pub struct TopologyCell {
    current: RefCell<HeldSnapshot>,
    changed: Notify,
}

impl TopologyCell {
    /// Creates a cell with this snapshot.
    pub fn new(snapshot: Arc<Snapshot>) -> Self {
        TopologyCell { current: RefCell::new(HeldSnapshot(Rc::new(snapshot))), changed: Notify::new() }
    }

    /// Returns the current snapshot.
    pub fn get(&self) -> HeldSnapshot {
        self.current.borrow().clone()
    }

    /// Returns the snapshot's version.
    pub fn version(&self) -> u64 {
        self.current.borrow().version
    }

    /// Returns the counters that show whether anything, or any role, has changed.
    pub fn versions(&self) -> Versions {
        let current = self.current.borrow();
        Versions { all: current.version, roles: current.roles_version }
    }

    /// Returns the primary, or the last one while there is none.
    pub fn last_primary(&self) -> Option<ServerId> {
        self.current.borrow().last_primary
    }

    /// Returns the primary.
    pub fn primary(&self) -> Option<ServerId> {
        self.current.borrow().primary
    }

    /// Returns the generation, which counts primaries.
    pub fn generation(&self) -> u64 {
        self.current.borrow().generation
    }

    /// True if connections to the primary that were opened in this generation must be left: there is another
    /// primary, or the grace of the last one is over.
    pub fn has_left(&self, generation: u64) -> bool {
        let current = self.current.borrow();
        current.generation != generation || current.grace_over
    }

    /// True if the primary, or the last one while there is none, reports the GTIDs of writes.
    pub fn primary_has_gtids(&self) -> bool {
        let current = self.current.borrow();
        let primary = current.last_primary.and_then(|id| current.server(id));
        primary.and_then(|s| s.facts.as_ref()).is_some_and(|f| f.gtid_on)
    }

    /// Returns the ways in which the servers may read texts.
    pub fn modes(&self) -> TextModes {
        self.current.borrow().modes
    }

    /// Returns the ways in which a server may read the texts of a session on this port that set no `sql_mode`. A session
    /// that may write believes the primary, or the last one while there is none.
    pub fn modes_for(&self, port: Port) -> TextModes {
        if port == Port::Replica {
            return self.modes();
        }
        let current = self.current.borrow();
        let primary = current.last_primary.and_then(|id| current.server(id));
        primary.and_then(|server| server.facts.as_ref()).map_or(current.modes, |facts| facts.modes)
    }

    /// Replaces the snapshot and wakes all that wait for a change.
    pub fn set(&self, snapshot: Arc<Snapshot>) {
        debug_assert!(
            snapshot.generation >= self.current.borrow().generation,
            "no primary comes back under its former number"
        );
        self.current.replace(HeldSnapshot(Rc::new(snapshot)));
        self.changed.notify_waiters();
    }

    /// Waits until the version differs from `seen`.
    pub async fn changed_from(&self, seen: u64) {
        loop {
            let changed = self.changed.notified();
            if self.version() != seen {
                return;
            }
            changed.await;
        }
    }
}
