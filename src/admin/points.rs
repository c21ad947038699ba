//! The traffic of each second, for the charts of the page: rates between two readings of the workers' counts.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::Serialize;
use tokio::time::Instant;

use crate::telemetry::stream::unix_ms;
use crate::telemetry::{Cell, LATENCY_BOUNDS_US, LATENCY_BUCKETS, WorkerMetrics};
use crate::terms::{Port, Role, StatementKind, Why};

/// How many points are kept: five minutes.
const KEPT: usize = 300;

/// The traffic of one second. Rates are per second.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Point {
    /// The end of the second: Unix time in milliseconds.
    at_ms: u64,
    /// Statements that went to the primary.
    primary: f64,
    /// Statements that went to replicas.
    replica: f64,
    /// Errors that the proxy itself sent.
    errors: f64,
    bytes_in: f64,
    bytes_out: f64,
    /// How long statements took; None if none ended.
    p50_us: Option<u64>,
    p95_us: Option<u64>,
    /// Clients connected now.
    clients: u64,
    /// Statements waiting now.
    waiting: u64,
}

/// Sums of the workers' counts at one moment.
#[derive(Debug, Clone, Copy, Default)]
struct PointCounts {
    primary: u64,
    replica: u64,
    errors: u64,
    bytes_in: u64,
    bytes_out: u64,
    latency: [u64; LATENCY_BUCKETS],
}

/// The points of the last minutes.
#[derive(Debug)]
pub(super) struct Points {
    workers: Vec<Arc<WorkerMetrics>>,
    last: (Instant, PointCounts),
    kept: VecDeque<Point>,
}

impl Points {
    /// Begins with the counts of now.
    pub fn new(workers: Vec<Arc<WorkerMetrics>>) -> Self {
        let last = (Instant::now(), PointCounts::read(&workers));
        Points { workers, last, kept: VecDeque::with_capacity(KEPT) }
    }

    /// Adds a point for the time since the last call.
    pub fn add(&mut self) {
        let (now, counts) = (Instant::now(), PointCounts::read(&self.workers));
        let (then, before) = std::mem::replace(&mut self.last, (now, counts));
        let seconds = now.duration_since(then).as_secs_f64();
        if seconds <= 0.0 {
            return;
        }
        let rate = |of: fn(&PointCounts) -> u64| {
            let more = of(&counts).wrapping_sub(of(&before));
            (more as f64 / seconds * 10.0).round() / 10.0
        };
        let latency = std::array::from_fn(|at| counts.latency[at].wrapping_sub(before.latency[at]));
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(Point {
            at_ms: unix_ms(),
            primary: rate(|c| c.primary),
            replica: rate(|c| c.replica),
            errors: rate(|c| c.errors),
            bytes_in: rate(|c| c.bytes_in),
            bytes_out: rate(|c| c.bytes_out),
            p50_us: quantile(&latency, 0.5),
            p95_us: quantile(&latency, 0.95),
            clients: Port::ALL.iter().map(|&p| self.sum(|w| &w.clients[p])).sum(),
            waiting: self.sum(|w| &w.waiting_for_primary)
                + self.sum(|w| &w.waiting_for_connection)
                + self.sum(|w| &w.waiting_for_replica),
        });
    }

    /// Returns the newest point.
    pub fn newest(&self) -> Option<&Point> {
        self.kept.back()
    }

    /// Returns all points, oldest first.
    pub fn all(&self) -> &VecDeque<Point> {
        &self.kept
    }

    fn sum(&self, cell: impl Fn(&WorkerMetrics) -> &Cell) -> u64 {
        self.workers.iter().map(|worker| cell(worker).get()).fold(0, u64::wrapping_add)
    }
}

impl PointCounts {
    fn read(workers: &[Arc<WorkerMetrics>]) -> Self {
        let mut counts = PointCounts::default();
        for worker in workers {
            for &kind in StatementKind::ALL {
                for &why in Why::ALL {
                    counts.primary += worker.placed.at(kind, Role::Primary, why).get();
                    counts.replica += worker.placed.at(kind, Role::Replica, why).get();
                }
            }
            counts.errors += worker.proxy_errors.get();
            counts.bytes_in += worker.bytes_in.get();
            counts.bytes_out += worker.bytes_out.get();
            for latency in worker.latency.values() {
                let (buckets, _) = latency.read();
                counts.latency.iter_mut().zip(buckets).for_each(|(sum, more)| *sum += more);
            }
        }
        counts
    }
}

/// Returns the duration that this share of the durations does not exceed, as if durations were spread evenly in each
/// bucket.
fn quantile(buckets: &[u64; LATENCY_BUCKETS], share: f64) -> Option<u64> {
    let total: u64 = buckets.iter().sum();
    let wanted = share * total as f64;
    let (mut below, mut lower) = (0, 0);
    for (count, upper) in buckets.iter().zip(LATENCY_BOUNDS_US) {
        if *count > 0 && (below + count) as f64 >= wanted {
            let part = (wanted - below as f64) / *count as f64;
            return Some(lower + ((upper - lower) as f64 * part) as u64);
        }
        (below, lower) = (below + count, upper);
    }
    (total > 0).then_some(lower)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_point_has_the_rates_of_its_time() {
        let worker = Arc::new(WorkerMetrics::default());
        let mut points = Points::new(vec![Arc::clone(&worker)]);
        worker.placed.at(StatementKind::Unknown, Role::Primary, Why::Port).add(30);
        worker.placed.at(StatementKind::Read, Role::Replica, Why::PlainRead).add(50);
        worker.placed.at(StatementKind::Write, Role::Primary, Why::Modifies).add(10);
        worker.clients[Port::Split].add(7);
        (0..100).for_each(|_| worker.latency[Port::Primary].observe_us(300));
        tokio::time::advance(Duration::from_secs(2)).await;
        points.add();
        let point = *points.newest().unwrap();
        assert_eq!((point.primary, point.replica, point.clients), (20.0, 25.0, 7));
        assert_eq!((point.p50_us, point.p95_us), (Some(300), Some(390)));
        tokio::time::advance(Duration::from_secs(1)).await;
        points.add();
        let point = *points.newest().unwrap();
        assert_eq!((point.primary, point.p50_us, point.clients), (0.0, None, 7));
    }

    #[tokio::test(start_paused = true)]
    async fn only_some_minutes_are_kept() {
        let mut points = Points::new(Vec::new());
        for _ in 0..2 * KEPT {
            tokio::time::advance(Duration::from_secs(1)).await;
            points.add();
        }
        assert_eq!(points.all().len(), KEPT);
    }

    #[test]
    fn the_last_bucket_has_no_bound() {
        let mut buckets = [0; LATENCY_BUCKETS];
        assert_eq!(quantile(&buckets, 0.5), None);
        buckets[LATENCY_BUCKETS - 1] = 3;
        assert_eq!(quantile(&buckets, 0.5), LATENCY_BOUNDS_US.last().copied());
    }
}
