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

/// Upper bounds of the buckets of `Latency`, in microseconds; one more bucket has no bound.
pub const LATENCY_BOUNDS_US: [u64; 14] =
    [50, 100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 102_400, 409_600, 1_638_400, 6_553_600];

/// A histogram of durations with one writer.
#[derive(Debug, Default)]
pub struct Latency {
    buckets: [Cell; LATENCY_BOUNDS_US.len() + 1],
    sum_us: Cell,
}

impl Latency {
    /// Counts one duration.
    pub fn observe_us(&self, us: u64) {
        let at = LATENCY_BOUNDS_US.partition_point(|&bound| bound < us);
        if let Some(bucket) = self.buckets.get(at) {
            bucket.add(1);
        }
        self.sum_us.add(us);
    }

    /// Returns the count of each bucket (not cumulative), and the sum in microseconds.
    pub fn read(&self) -> ([u64; LATENCY_BOUNDS_US.len() + 1], u64) {
        (std::array::from_fn(|i| self.buckets.get(i).map_or(0, Cell::get)), self.sum_us.get())
    }
}
