//! The changes of routines and relations that sessions have made. A catalogue that was read before a change knows that
//! it is outdated, at the cost of one load from memory.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts the changes. Shared by all threads.
#[derive(Debug, Default)]
pub struct Changes {
    /// The changes of relations in the lower half, of routines in the upper half.
    count: AtomicU64,
}

/// A moment between two changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moment(u64);

/// What changed since a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Since {
    /// Stored routines, packages or loadable functions.
    pub(super) routines: bool,
    /// Tables, views, triggers or sequences.
    pub(super) relations: bool,
}

const ROUTINE: u64 = 1 << 32;

impl Changes {
    /// Notes that routines were created, changed or dropped.
    pub fn of_routines(&self) {
        self.count.fetch_add(ROUTINE, Ordering::Release);
    }

    /// Notes that tables, views, triggers or sequences were created, changed or dropped.
    pub fn of_relations(&self) {
        // An overflow would count as a change of routines, too.
        self.count.fetch_add(1, Ordering::Release);
    }

    /// Returns the current moment.
    pub fn now(&self) -> Moment {
        Moment(self.count.load(Ordering::Acquire))
    }

    pub(super) fn since(&self, moment: Moment) -> Since {
        let now = self.count.load(Ordering::Acquire);
        Since {
            routines: now / ROUTINE != moment.0 / ROUTINE,
            relations: now % ROUTINE != moment.0 % ROUTINE,
        }
    }
}

impl Since {
    pub(super) fn any(self) -> bool {
        self.routines || self.relations
    }

    pub(super) fn bits(self) -> u64 {
        u64::from(self.routines) << 1 | u64::from(self.relations)
    }
}
