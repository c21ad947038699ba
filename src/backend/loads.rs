//! How many clients each worker has, and which worker gets the next one. Not touched while a session runs.
//!
//! One worker that serves all of few clients is cheaper than several that serve some each: it finds more to do each time
//! that it wakes up, and wakes up less often. So workers are filled one after the other.

use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering::Relaxed};

/// A worker whose thread was busy for this much of the last second, in percent, gets no more clients than others.
const BUSY: u8 = 50;

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
    /// How much of the last second the worker's thread ran, in percent.
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
    /// Returns the loads of this many workers, each of which gets `fill` clients before the next one gets any.
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
            load.clients.fetch_sub(1, Relaxed);
        }
    }

    /// Records for how much of the last second a worker's thread ran, in percent.
    pub fn set_busy(&self, worker: usize, percent: u8) {
        if let Some(load) = self.all.get(worker) {
            load.busy.store(percent, Relaxed);
        }
    }

    /// Returns the worker that should get the next client instead of `worker`. Only the first `serving` workers serve
    /// clients.
    pub fn better_than(&self, worker: usize, serving: usize) -> Option<usize> {
        let serving = self.all.len().min(serving);
        let takes_more = |at: &usize| {
            let load = self.all.get(*at);
            load.is_some_and(|load| load.clients.load(Relaxed) < self.fill && load.busy.load(Relaxed) < BUSY)
        };
        if let Some(first) = (0..serving).find(takes_more) {
            return (first != worker).then_some(first);
        }
        let least = (0..serving).min_by_key(|at| self.of(*at))?;
        let (mine, theirs) = (self.of(worker), self.of(least));
        // A difference of one or two is not worth a handover.
        (worker >= serving || (least != worker && mine > theirs + 1 + theirs / 8)).then_some(least)
    }

    /// Returns a worker's place among the workers that share a limit, and their number: itself, and those of the first
    /// `serving` that have clients.
    pub fn sharers(&self, worker: usize, serving: usize) -> (usize, usize) {
        let mut place = (0, 0);
        for (at, load) in self.all.iter().enumerate().take(serving) {
            if at == worker {
                place.0 = place.1;
            }
            place.1 += usize::from(at == worker || load.clients.load(Relaxed) > 0);
        }
        (place.0, place.1.max(1))
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
    fn a_busy_worker_lets_the_next_one_begin() {
        let loads = loads(2, 16, &[3, 0]);
        loads.set_busy(0, BUSY);
        assert_eq!((loads.better_than(0, 2), loads.better_than(1, 2)), (Some(1), None));
        loads.set_busy(1, 99);
        // Both are: as many clients for each.
        assert_eq!((loads.better_than(0, 2), loads.better_than(1, 2)), (Some(1), None));
        loads.set_busy(0, BUSY - 1);
        assert_eq!(loads.better_than(1, 2), Some(0));
    }

    #[test]
    fn workers_without_clients_take_no_share_of_a_limit() {
        let loads = loads(4, 16, &[9, 0, 3, 0]);
        assert_eq!([0, 1, 2, 3].map(|worker| loads.sharers(worker, 4)), [(0, 2), (1, 3), (1, 2), (2, 3)]);
        assert_eq!(loads.sharers(0, 2), (0, 1));
        assert_eq!(Loads::new(2, 16).sharers(1, 2), (0, 1));
    }
}
