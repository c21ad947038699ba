//! How long statements took on each server.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::latency::Latency;

/// How many servers are counted apart. Statements on more servers at a time are not counted here.
const MOST_SERVERS: usize = 16;

/// A histogram for each server, by its number. One thread counts; any thread reads.
#[derive(Debug, Default)]
pub struct ServerLatencies([ServerSlot; MOST_SERVERS]);

#[derive(Debug, Default)]
struct ServerSlot {
    /// The server's number plus one. 0: the slot is free.
    of: AtomicU64,
    latency: Latency,
}

impl ServerSlot {
    fn is_of(&self, server: u32) -> bool {
        self.of.load(Relaxed) == u64::from(server) + 1
    }
}

impl ServerLatencies {
    /// Counts a statement on a server; only ever called by the owning worker.
    #[inline]
    pub fn observe_us(&self, server: u32, us: u64) {
        match self.0.iter().find(|slot| slot.is_of(server)) {
            Some(slot) => slot.latency.observe_us(us),
            None => self.begin(server, us),
        }
    }

    #[cold]
    fn begin(&self, server: u32, us: u64) {
        if let Some(free) = self.0.iter().find(|slot| slot.of.load(Relaxed) == 0) {
            free.latency.forget();
            free.latency.observe_us(us);
            free.of.store(u64::from(server) + 1, Relaxed);
        }
    }

    /// Forgets the servers that are gone; only ever called by the owning worker.
    pub fn keep(&self, is_kept: impl Fn(u32) -> bool) {
        for slot in &self.0 {
            let server = slot.of.load(Relaxed).checked_sub(1).and_then(|server| u32::try_from(server).ok());
            if server.is_some_and(|server| !is_kept(server)) {
                slot.of.store(0, Relaxed);
            }
        }
    }

    /// Returns the histogram of a server; None: it executed nothing.
    pub fn of(&self, server: u32) -> Option<&Latency> {
        self.0.iter().find(|slot| slot.is_of(server)).map(|slot| &slot.latency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_counted_apart_until_they_are_gone() {
        let all = ServerLatencies::default();
        for (server, us) in [(0, 10), (4, 20), (0, 30)] {
            all.observe_us(server, us);
        }
        let sum = |server| all.of(server).map(|latency| latency.read().1);
        assert_eq!((sum(0), sum(4), sum(5)), (Some(40), Some(20), None));
        all.keep(|server| server == 4);
        assert_eq!((sum(0), sum(4)), (None, Some(20)));
        // A place is used again, without what was counted there.
        all.observe_us(7, 1);
        assert_eq!((sum(7), sum(4)), (Some(1), Some(20)));
        (100..200).for_each(|server| all.observe_us(server, 1));
        assert_eq!((100..200).filter(|server| all.of(*server).is_some()).count(), MOST_SERVERS - 2);
    }
}
