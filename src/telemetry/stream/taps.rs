//! The readers of one worker's statements. Each has a filter and a bounded store. A statement that finds the store full is
//! dropped and counted: a reader that does not keep up slows nothing down, and takes no memory.

use std::cell::{Cell, RefCell};

use super::event::{Event, ExecutedStatement};
use super::filter::Filter;

/// The number of a reader, the same at all workers.
pub type TapId = u64;

/// The slow log, which each worker opens by its settings.
pub const SLOW: TapId = 0;

/// The most statements that wait for a reader.
const MOST: usize = 4_096;
/// The most bytes that they take.
const MOST_BYTES: usize = 1 << 20;

/// What a reader gets at a time.
#[derive(Debug, Default)]
pub struct TapBatch {
    /// The statements, in the order of their ends.
    pub events: Vec<Event>,
    /// How many others the filter admitted, which found no place since the last batch.
    pub dropped: u64,
}

impl TapBatch {
    /// True if there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty() && self.dropped == 0
    }

    /// Adds what another worker has.
    pub fn merge(&mut self, other: TapBatch) {
        self.events.extend(other.events);
        self.dropped += other.dropped;
    }
}

/// One reader.
struct Tap {
    id: TapId,
    filter: Filter,
    /// How many statements the filter admitted since the last one that was sampled.
    passed: u32,
    bytes: usize,
    waiting: TapBatch,
}

impl Tap {
    /// Keeps a statement, if the reader wants it. Returns false if there was no place for it.
    fn offer(&mut self, seen: &ExecutedStatement<'_>) -> bool {
        if !self.filter.admits(seen) {
            return true;
        }
        self.passed += 1;
        if self.passed < self.filter.sample {
            return true;
        }
        self.passed = 0;
        if self.waiting.events.len() >= MOST || self.bytes >= MOST_BYTES {
            self.waiting.dropped += 1;
            return false;
        }
        let event = seen.event();
        self.bytes += event.bytes();
        self.waiting.events.push(event);
        true
    }

    fn take(&mut self) -> TapBatch {
        self.bytes = 0;
        std::mem::take(&mut self.waiting)
    }
}

/// The readers of one worker.
pub struct Taps {
    /// No reader wants a statement that took less, in microseconds. The only part that is looked at while nobody reads.
    floor: Cell<u64>,
    open: RefCell<Vec<Tap>>,
}

impl Default for Taps {
    fn default() -> Self {
        Taps { floor: Cell::new(u64::MAX), open: RefCell::default() }
    }
}

impl std::fmt::Debug for Taps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} readers", self.open.borrow().len())
    }
}

impl Taps {
    /// True if a reader may want a statement that took so long.
    #[inline]
    pub fn may_want(&self, micros: u64) -> bool {
        micros >= self.floor.get()
    }

    /// True if there are readers.
    pub fn is_watched(&self) -> bool {
        self.floor.get() != u64::MAX
    }

    /// Adds a reader, in place of one with the same number.
    pub fn open(&self, id: TapId, filter: Filter) {
        self.open.borrow_mut().retain(|tap| tap.id != id);
        let tap = Tap { id, filter, passed: 0, bytes: 0, waiting: TapBatch::default() };
        self.open.borrow_mut().push(tap);
        self.set_floor();
    }

    /// Removes a reader.
    pub fn close(&self, id: TapId) {
        self.open.borrow_mut().retain(|tap| tap.id != id);
        self.set_floor();
    }

    fn set_floor(&self) {
        let open = self.open.borrow();
        self.floor.set(open.iter().map(|tap| tap.filter.floor()).min().unwrap_or(u64::MAX));
    }

    /// Shows a statement to the readers. Calls `dropped` for each reader that wants it and has no place for it.
    pub fn offer(&self, seen: &ExecutedStatement<'_>, mut dropped: impl FnMut(TapId)) {
        for tap in self.open.borrow_mut().iter_mut() {
            if !tap.offer(seen) {
                dropped(tap.id);
            }
        }
    }

    /// Returns what waits for a reader. None: there is no such reader.
    pub fn take(&self, id: TapId) -> Option<TapBatch> {
        self.open.borrow_mut().iter_mut().find(|tap| tap.id == id).map(Tap::take)
    }
}
