//! Numbers with one writer. A worker adds with a plain load and store, without an atomic
//! read-modify-write; a scrape reads the numbers from another thread.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A count that only its worker changes.
#[derive(Debug, Default)]
pub struct Cell(AtomicU64);

impl Cell {
    /// Makes a count of zero.
    pub const fn zero() -> Self {
        Cell(AtomicU64::new(0))
    }

    /// Adds; only ever called by the owning worker.
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    /// Subtracts, for gauges; only ever called by the owning worker.
    pub fn sub(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_sub(n), Relaxed);
    }

    /// Returns the value; may be called on any thread.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Adds one to a gauge, and subtracts it when dropped, also if the future that holds this value is dropped.
#[derive(Debug)]
pub struct Counted<'a>(&'a Cell);

impl<'a> Counted<'a> {
    /// Adds one to a gauge of the calling worker.
    pub fn on(cell: &'a Cell) -> Self {
        cell.add(1);
        Counted(cell)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.sub(1);
    }
}
