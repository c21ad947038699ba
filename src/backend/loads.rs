//! How many clients each worker has, which worker gets the next one, and a worker's part of a limit.
//!
//! One worker that serves all of few clients is cheaper than several that serve some each: it finds more to do each time
//! that it wakes up, and wakes up less often. So workers are filled one after the other, as long as none of them is busy.

use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering::Relaxed};

/// A worker whose thread ran for this much of a second, in percent, is busy.
const BUSY: u8 = 60;

/// A worker counts as busy for so many seconds after such a second. Otherwise clients that connect for a statement or two
/// would all go to one worker in one second, and all to another one in the next.
const REMEMBERED: u8 = 30;

/// A worker serves clients if its share of `limits.max_server_connections` is at least this: the sessions of a worker share
/// only its own connections.
const LEAST_SHARE: usize = 4;

/// Returns how many of this many workers serve clients, under this `limits.max_server_connections`.
pub fn serving_workers(limit: usize, workers: usize) -> usize {
    (limit / LEAST_SHARE).clamp(1, workers.max(1))
}

#[derive(Debug, Default)]
struct Load {
    /// Including those that are being handed over to the worker.
    clients: AtomicUsize,
    /// For how many more seconds the worker counts as busy.
    busy: AtomicU8,
}

/// See the module.
#[derive(Debug)]
pub struct Loads {
    all: Vec<Load>,
    /// `worker_fill`
    fill: usize,
}

impl Loads {
    /// Returns the loads of this many workers, each of which gets `fill` clients before the next one gets any. 0: clients are
    /// always spread evenly.
    pub fn new(count: usize, fill: usize) -> Self {
        Loads { all: (0..count).map(|_| Load::default()).collect(), fill }
    }

    /// Returns the number of clients.
    pub fn total(&self) -> usize {
        self.all.iter().map(|load| load.clients.load(Relaxed)).sum()
    }

    /// Returns the number of workers.
    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// Returns the clients of one worker.
    pub fn of(&self, worker: usize) -> usize {
        self.all.get(worker).map_or(0, |load| load.clients.load(Relaxed))
    }

    /// Adds a client.
    pub fn add(&self, worker: usize) {
        if let Some(load) = self.all.get(worker) {
            load.clients.fetch_add(1, Relaxed);
        }
    }

    /// Removes a client.
    pub fn sub(&self, worker: usize) {
        if let Some(load) = self.all.get(worker) {
            let before = load.clients.fetch_sub(1, Relaxed);
            debug_assert!(before > 0, "a client leaves once");
        }
    }

    /// Records for how much of the last second a worker's thread ran, in percent. Call it once a second.
    pub fn note_second(&self, worker: usize, percent: u8) {
        if let Some(load) = self.all.get(worker) {
            let left = load.busy.load(Relaxed).saturating_sub(1);
            load.busy.store(if percent >= BUSY { REMEMBERED } else { left }, Relaxed);
        }
    }

    /// Returns the worker that should get the next client instead of `worker`. Only the first `serving` workers serve
    /// clients. While none of them is busy, the first that is not full gets the client; otherwise the one with the fewest.
    pub fn better_than(&self, worker: usize, serving: usize) -> Option<usize> {
        let serving = self.all.len().min(serving);
        let is_calm = self.all.iter().take(serving).all(|load| load.busy.load(Relaxed) == 0);
        if is_calm && let Some(first) = (0..serving).find(|at| self.of(*at) < self.fill) {
            return (first != worker).then_some(first);
        }
        let least = (0..serving).min_by_key(|at| self.of(*at))?;
        let (mine, theirs) = (self.of(worker), self.of(least));
        // Here a difference of one or two is not worth a handover.
        (worker >= serving || (least != worker && mine > theirs + 1 + theirs / 8)).then_some(least)
    }

    /// Returns a worker's part of a limit, by its part of the clients, at least one, so the parts of all may add
    /// up to more than a small limit.
    pub fn part_of(&self, limit: usize, worker: usize) -> usize {
        match self.total() {
            0 => limit,
            total => (limit.saturating_mul(self.of(worker)) / total).max(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loads(count: usize, fill: usize, clients: &[usize]) -> Loads {
        let loads = Loads::new(count, fill);
        for (worker, clients) in clients.iter().enumerate() {
            (0..*clients).for_each(|_| loads.add(worker));
        }
        loads
    }

    /// Connects this many clients, each of which comes to another worker than the one before. Returns how many each has.
    fn connected(loads: &Loads, serving: usize, clients: usize) -> Vec<usize> {
        for client in 0..clients {
            let at = client % loads.count();
            loads.add(loads.better_than(at, serving).unwrap_or(at));
        }
        (0..loads.count()).map(|worker| loads.of(worker)).collect()
    }

    #[test]
    fn a_small_limit_is_shared_by_few_workers() {
        let serving = |limit| serving_workers(limit, 64);
        assert_eq!([1, 3, 8, 100, 255, 256, 5000].map(serving), [1, 1, 2, 25, 63, 64, 64]);
        assert_eq!((serving_workers(8, 2), serving_workers(100, 1)), (2, 1));
    }

    #[test]
    fn the_next_client_goes_to_a_worker_with_clearly_fewer_or_to_one_that_serves() {
        let better = |clients: &[usize], worker, serving| loads(4, 0, clients).better_than(worker, serving);
        assert_eq!(better(&[], 0, 4), None);
        assert_eq!(better(&[2], 0, 4), Some(1));
        assert_eq!((better(&[2, 1], 0, 2), better(&[2, 1], 1, 2)), (None, None));
        assert_eq!((better(&[2, 1], 2, 2), better(&[2, 1], 3, 2)), (Some(1), Some(1)));
        assert_eq!(better(&[2, 1], 3, 1), Some(0));
    }

    #[test]
    fn workers_are_filled_one_after_the_other_and_then_evenly() {
        assert_eq!(connected(&loads(4, 16, &[]), 4, 7), [7, 0, 0, 0]);
        assert_eq!(connected(&loads(4, 16, &[]), 4, 40), [16, 16, 8, 0]);
        assert_eq!(connected(&loads(4, 16, &[]), 2, 40), [20, 20, 0, 0]);
        assert_eq!(connected(&loads(4, 16, &[]), 4, 4000), [1000; 4]);
        assert_eq!(connected(&loads(4, 1, &[]), 4, 12), [3; 4]);
        // A place that became free is filled first.
        let full = loads(3, 16, &[16, 16, 2]);
        full.sub(0);
        assert_eq!((full.better_than(2, 3), full.better_than(0, 3)), (Some(0), None));
    }

    #[test]
    fn while_a_worker_is_busy_or_was_a_moment_ago_all_get_as_many() {
        let loads = loads(2, 16, &[3, 0]);
        assert_eq!((loads.better_than(0, 2), loads.better_than(1, 2)), (None, Some(0)));
        loads.note_second(0, BUSY);
        assert_eq!((loads.better_than(0, 2), loads.better_than(1, 2)), (Some(1), None));
        (1..REMEMBERED).for_each(|_| loads.note_second(0, BUSY - 1));
        assert_eq!((loads.better_than(0, 2), loads.better_than(1, 2)), (Some(1), None));
        loads.note_second(0, 0);
        assert_eq!((loads.better_than(0, 2), loads.better_than(1, 2)), (None, Some(0)));
    }

    #[test]
    fn a_worker_has_the_part_of_a_limit_that_it_has_of_the_clients() {
        let loads = loads(4, 16, &[16, 1, 0, 3]);
        assert_eq!([0, 1, 2, 3].map(|worker| loads.part_of(20, worker)), [16, 1, 1, 3]);
        assert_eq!([0, 1].map(|worker| loads.part_of(3, worker)), [2, 1]);
        assert_eq!(loads.part_of(usize::MAX, 0), usize::MAX / 20);
        assert_eq!(Loads::new(2, 16).part_of(7, 1), 7);
    }
}
