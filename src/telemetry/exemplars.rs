//! Exemplars: for each bucket of a histogram the last duration that has a trace, and the trace's id. Only statements that
//! are traced write any.

use std::sync::atomic::{AtomicU64, Ordering, fence};

use Ordering::{Acquire, Relaxed, Release};

use super::stream::unix_ms;

/// A duration that has a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exemplar {
    /// The trace's id; never 0.
    pub trace_id: u128,
    /// The duration in microseconds.
    pub us: u64,
    /// When it was counted: Unix time in milliseconds.
    pub at_ms: u64,
}

impl Exemplar {
    /// Begins an exemplar of now. None: the id is that of no trace.
    pub fn of_now(trace_id: u128, us: u64) -> Option<Self> {
        (trace_id != 0).then(|| Exemplar { trace_id, us, at_ms: unix_ms() })
    }

    /// Returns the trace's id as W3C's trace context writes it.
    pub fn id(&self) -> String {
        format!("{:032x}", self.trace_id)
    }

    /// Returns the duration in seconds.
    pub fn seconds(&self) -> f64 {
        self.us as f64 / 1e6
    }

    /// Returns when it was counted.
    #[cfg(feature = "protobuf")]
    pub fn at(&self) -> std::time::SystemTime {
        std::time::UNIX_EPOCH + std::time::Duration::from_millis(self.at_ms)
    }
}

/// An exemplar with one writer. A reader on another thread gets a whole one, or none while it is written.
#[derive(Debug, Default)]
pub(super) struct ExemplarCell {
    /// Odd while the rest is written.
    version: AtomicU64,
    trace_id: [AtomicU64; 2],
    us: AtomicU64,
    at_ms: AtomicU64,
}

impl ExemplarCell {
    /// Replaces the exemplar; None removes it. Only ever called by the owning worker.
    pub fn set(&self, exemplar: Option<Exemplar>) {
        let (trace_id, us, at_ms) = exemplar.map_or((0, 0, 0), |e| (e.trace_id, e.us, e.at_ms));
        let version = self.version.load(Relaxed);
        self.version.store(version.wrapping_add(1), Relaxed);
        fence(Release);
        let [high, low] = &self.trace_id;
        high.store((trace_id >> 64) as u64, Relaxed);
        low.store(trace_id as u64, Relaxed);
        self.us.store(us, Relaxed);
        self.at_ms.store(at_ms, Relaxed);
        self.version.store(version.wrapping_add(2), Release);
    }

    /// Returns the exemplar; may be called on any thread.
    pub fn get(&self) -> Option<Exemplar> {
        let version = self.version.load(Acquire);
        let [high, low] = self.trace_id.each_ref().map(|half| u128::from(half.load(Relaxed)));
        let (us, at_ms) = (self.us.load(Relaxed), self.at_ms.load(Relaxed));
        fence(Acquire);
        let is_whole = version.is_multiple_of(2) && self.version.load(Relaxed) == version;
        let trace_id = high << 64 | low;
        (is_whole && trace_id != 0).then_some(Exemplar { trace_id, us, at_ms })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;

    #[test]
    fn the_last_one_stays_until_it_is_removed() {
        let cell = ExemplarCell::default();
        assert_eq!(cell.get(), None);
        for n in 1..3 {
            let exemplar = Exemplar { trace_id: u128::MAX - n, us: 7, at_ms: 9 };
            cell.set(Some(exemplar));
            assert_eq!(cell.get(), Some(exemplar));
        }
        cell.set(None);
        assert_eq!((cell.get(), Exemplar::of_now(0, 1)), (None, None));
    }

    #[test]
    fn readers_get_whole_ones() {
        let cell = Arc::new(ExemplarCell::default());
        let reader = thread::spawn({
            let cell = Arc::clone(&cell);
            move || {
                let mut last = 0;
                while last < 20_000 {
                    if let Some(Exemplar { trace_id, us, at_ms }) = cell.get() {
                        assert_eq!((trace_id, at_ms), (u128::from(us) << 64 | u128::from(us), us));
                        last = us;
                    }
                }
            }
        });
        let mut us = 0;
        while !reader.is_finished() {
            us += 1;
            cell.set(Some(Exemplar { trace_id: u128::from(us) << 64 | u128::from(us), us, at_ms: us }));
        }
        reader.join().unwrap();
    }
}
