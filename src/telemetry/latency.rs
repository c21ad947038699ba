//! Histograms of durations with one writer. One array of cells has the buckets of Prometheus's classic and of its native
//! histograms: counting a duration is one addition, and either kind is summed up from the cells when somebody scrapes.

use std::time::Duration;

use super::cells::Cell;
use super::exemplars::{Exemplar, ExemplarCell};

/// Upper bounds of the classic buckets, in microseconds; one more bucket has no bound.
pub const LATENCY_BOUNDS_US: [u64; 14] =
    [50, 100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 102_400, 409_600, 1_638_400, 6_553_600];
/// How many classic buckets there are.
pub const LATENCY_BUCKETS: usize = LATENCY_BOUNDS_US.len() + 1;

/// The resolution of the native histograms: bucket `k` ends at 2^(k/8) seconds, so it is 9 % wide.
pub(super) const SCHEMA: i32 = 3;
/// 2^(n/8) for n from 0 to 7.
const ROOTS: [f64; 8] = [
    1.0,
    1.090_507_732_665_257_7,
    1.189_207_115_002_721,
    1.296_839_554_651_009_6,
    std::f64::consts::SQRT_2,
    1.542_210_825_407_940_7,
    1.681_792_830_507_429,
    1.834_008_086_409_342_4,
];
/// The first native bucket that counts a microsecond.
const FIRST_NATIVE: i32 = -159;
/// The last native bucket whose bound is kept: it ends at 4,096 seconds. The next one counts all that is longer.
const LAST_NATIVE: i32 = 12 * 8;

/// More than there are bounds.
const ROOM: usize = (LAST_NATIVE - FIRST_NATIVE) as usize + LATENCY_BUCKETS + 2;
const MERGED: Merged = Merged::new();
/// How many bounds the cells have.
const BOUNDS: usize = MERGED.len;
/// The cells: one for each bound, and one for all longer durations.
const CELLS: usize = BOUNDS + 1;

/// The bounds of both kinds of buckets, in order.
struct Merged {
    /// The longest duration of each cell, in microseconds. The first cell is that of 0.
    bounds: [u64; ROOM],
    /// The native bucket of each cell but the first.
    native: [i32; ROOM],
    len: usize,
}

impl Merged {
    const fn new() -> Self {
        // The cell of 0.
        let mut merged = Merged { bounds: [0; ROOM], native: [0; ROOM], len: 1 };
        let (mut bucket, mut classic) = (FIRST_NATIVE, 0);
        while bucket <= LAST_NATIVE {
            let bound = native_bound_us(bucket);
            while classic < LATENCY_BOUNDS_US.len() && LATENCY_BOUNDS_US[classic] <= bound {
                merged = merged.with(LATENCY_BOUNDS_US[classic], bucket);
                classic += 1;
            }
            merged = merged.with(bound, bucket);
            bucket += 1;
        }
        merged
    }

    /// Adds a bound, unless the last one is equal: the first few native buckets are narrower than a microsecond.
    const fn with(mut self, bound: u64, bucket: i32) -> Self {
        if bound > self.bounds[self.len - 1] {
            self.bounds[self.len] = bound;
            self.native[self.len] = bucket;
            self.len += 1;
        }
        self
    }
}

/// Returns the longest duration of a native bucket, in whole microseconds.
const fn native_bound_us(bucket: i32) -> u64 {
    let mut us = ROOTS[bucket.rem_euclid(8) as usize] * 1e6;
    let mut doublings = bucket.div_euclid(8);
    while doublings > 0 {
        us *= 2.0;
        doublings -= 1;
    }
    while doublings < 0 {
        us /= 2.0;
        doublings += 1;
    }
    us as u64
}

/// The longest duration of each cell but the last, in microseconds.
static BOUNDS_US: [u64; BOUNDS] = {
    let mut bounds = [0; BOUNDS];
    let mut at = 0;
    while at < BOUNDS {
        bounds[at] = MERGED.bounds[at];
        at += 1;
    }
    bounds
};

/// Durations share their power of two and the next three bits with the others of their slot.
const SLOTS: usize = 240;
/// The first cell of the durations of each slot. There are at most three.
static FIRST_CELL: [u16; SLOTS] = {
    let mut first = [0; SLOTS];
    let (mut slot, mut cell) = (0, 0);
    while slot < SLOTS {
        let shift = (slot / 8).saturating_sub(1);
        let shortest = ((slot - shift * 8) as u64) << shift;
        while cell < BOUNDS && MERGED.bounds[cell] < shortest {
            cell += 1;
        }
        first[slot] = cell as u16;
        slot += 1;
    }
    first
};

/// Returns a duration in microseconds.
pub fn micros_of(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Returns the cell of a duration in microseconds.
#[inline]
fn cell_of(us: u64) -> usize {
    let shift = us.max(1).ilog2().saturating_sub(3);
    let slot = usize::try_from(u64::from(shift * 8) + (us >> shift)).unwrap_or(usize::MAX);
    let first = FIRST_CELL.get(slot).map_or(BOUNDS, |&cell| usize::from(cell));
    let rest = BOUNDS_US.get(first..).unwrap_or_default();
    first + rest.iter().take_while(|&&bound| bound < us).count()
}

/// A histogram of durations with one writer.
#[derive(Debug)]
pub struct Latency {
    cells: [Cell; CELLS],
    sum_us: Cell,
    /// Of each classic bucket.
    exemplars: [ExemplarCell; LATENCY_BUCKETS],
}

impl Default for Latency {
    fn default() -> Self {
        let cells = [const { Cell::zero() }; CELLS];
        Latency { cells, sum_us: Cell::zero(), exemplars: Default::default() }
    }
}

impl Latency {
    /// Counts one duration.
    #[inline]
    pub fn observe_us(&self, us: u64) {
        if let Some(cell) = self.cells.get(cell_of(us)) {
            cell.add(1);
        }
        self.sum_us.add(us);
    }

    /// Makes a duration that was counted the exemplar of its bucket: its statement is in this trace. Only ever called by
    /// the owning worker.
    pub fn exemplar(&self, trace_id: u128, us: u64) {
        let bucket = LATENCY_BOUNDS_US.partition_point(|&bound| bound < us);
        if let (Some(cell), Some(exemplar)) = (self.exemplars.get(bucket), Exemplar::of_now(trace_id, us)) {
            cell.set(Some(exemplar));
        }
    }

    /// Returns the traces of the exemplars.
    #[cfg(test)]
    pub fn trace_ids(&self) -> Vec<u128> {
        self.exemplars.iter().filter_map(ExemplarCell::get).map(|exemplar| exemplar.trace_id).collect()
    }

    /// Begins anew; only ever called by the owning worker.
    pub fn forget(&self) {
        self.exemplars.iter().for_each(|cell| cell.set(None));
        self.cells.iter().chain([&self.sum_us]).for_each(|cell| cell.sub(cell.get()));
    }

    /// Returns the count of each classic bucket (not cumulative), and the sum in microseconds.
    pub fn read(&self) -> ([u64; LATENCY_BUCKETS], u64) {
        let mut sums = LatencySums::default();
        sums.add(self);
        (sums.classic(), sums.sum_us)
    }
}

/// The sums of some histograms.
pub(super) struct LatencySums {
    cells: [u64; CELLS],
    /// The newest exemplar of each classic bucket.
    pub exemplars: [Option<Exemplar>; LATENCY_BUCKETS],
    /// The durations together, in microseconds.
    pub sum_us: u64,
}

impl Default for LatencySums {
    fn default() -> Self {
        LatencySums { cells: [0; CELLS], exemplars: [None; LATENCY_BUCKETS], sum_us: 0 }
    }
}

/// The buckets of a native histogram that count something, as Prometheus's format has them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct NativeCells {
    /// The durations of less than a microsecond.
    pub zero: u64,
    /// Runs of buckets: how many buckets are left out before the run, or for the first run its first bucket; and the
    /// run's length.
    pub spans: Vec<(i32, u32)>,
    /// The count of each bucket, as the difference from the bucket before.
    pub deltas: Vec<i64>,
}

impl LatencySums {
    /// Adds the counts of now.
    pub fn add(&mut self, more: &Latency) {
        self.sum_us = self.sum_us.wrapping_add(more.sum_us.get());
        for (sum, cell) in self.cells.iter_mut().zip(&more.cells) {
            *sum += cell.get();
        }
        for (newest, cell) in self.exemplars.iter_mut().zip(&more.exemplars) {
            let other = cell.get();
            if other.map(|other| other.at_ms) > newest.map(|newest| newest.at_ms) {
                *newest = other;
            }
        }
    }

    /// Returns the count of each classic bucket (not cumulative).
    pub fn classic(&self) -> [u64; LATENCY_BUCKETS] {
        let mut buckets = [0; LATENCY_BUCKETS];
        let mut bucket = 0;
        for (at, count) in self.cells.iter().enumerate() {
            let bound = BOUNDS_US.get(at).copied().unwrap_or(u64::MAX);
            while LATENCY_BOUNDS_US.get(bucket).is_some_and(|&upper| upper < bound) {
                bucket += 1;
            }
            if let Some(sum) = buckets.get_mut(bucket) {
                *sum += count;
            }
        }
        buckets
    }

    /// Returns the native buckets.
    pub fn native(&self) -> NativeCells {
        let [zero, positive @ ..] = &self.cells;
        let mut native = NativeCells { zero: *zero, ..NativeCells::default() };
        // The bucket after the last one of a span, and the count before.
        let (mut next, mut before) = (0, 0);
        let mut counts = MERGED
            .native
            .get(1..BOUNDS)
            .unwrap_or_default()
            .iter()
            .copied()
            .chain([LAST_NATIVE + 1])
            .zip(positive)
            .peekable();
        while let Some((bucket, count)) = counts.next() {
            let mut count = *count;
            while let Some((_, more)) = counts.next_if(|(of, _)| *of == bucket) {
                count += more;
            }
            if count == 0 {
                continue;
            }
            match native.spans.last_mut() {
                Some((_, length)) if next == bucket => *length += 1,
                _ => native.spans.push((bucket - next, 1)),
            }
            native.deltas.push(count.wrapping_sub(before).cast_signed());
            (next, before) = (bucket + 1, count);
        }
        native
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Undoes the differences.
    fn native_counts(native: &NativeCells) -> Vec<(i32, u64)> {
        let (mut counts, mut bucket, mut count, mut deltas) = (Vec::new(), 0, 0_i64, native.deltas.iter());
        for (skipped, length) in &native.spans {
            bucket += skipped;
            for _ in 0..*length {
                count += deltas.next().unwrap();
                counts.push((bucket, u64::try_from(count).unwrap()));
                bucket += 1;
            }
        }
        assert!(deltas.next().is_none());
        counts
    }

    /// The bucket of a duration by Prometheus's definition.
    fn native_bucket(us: u64) -> i32 {
        ((us as f64 / 1e6).log2() * 8.0).ceil() as i32
    }

    fn sums(durations: &[u64]) -> LatencySums {
        let latency = Latency::default();
        durations.iter().for_each(|&us| latency.observe_us(us));
        let mut sums = LatencySums::default();
        sums.add(&latency);
        sums
    }

    #[test]
    fn cells_are_in_order_and_few() {
        assert!(BOUNDS_US.is_sorted_by(|a, b| a < b));
        assert!(LATENCY_BOUNDS_US.iter().all(|bound| BOUNDS_US.contains(bound)));
        assert_eq!(BOUNDS_US.last(), Some(&4_096_000_000));
        assert!(size_of::<Latency>() <= 2_640, "{} bytes", size_of::<Latency>());
        // A duration is compared with three bounds at most.
        for (slot, first) in FIRST_CELL.iter().enumerate() {
            let next = FIRST_CELL.get(slot + 1).map_or(BOUNDS, |&next| usize::from(next));
            assert!(next - usize::from(*first) <= 3, "slot {slot}");
        }
    }

    #[test]
    fn every_bound_is_inclusive() {
        for (cell, &bound) in BOUNDS_US.iter().enumerate() {
            assert_eq!((cell_of(bound), cell_of(bound + 1)), (cell, cell + 1));
        }
        assert_eq!((cell_of(0), cell_of(u64::MAX)), (0, BOUNDS));
    }

    #[test]
    fn a_second_ends_bucket_0_and_gaps_divide_spans() {
        let native = sums(&[1_000_000, 1_000_000, 1_000_001, 4_000_000, 0]).native();
        assert_eq!(native, NativeCells { zero: 1, spans: vec![(0, 2), (14, 1)], deltas: vec![2, -1, 0] });
        assert_eq!(sums(&[]).native(), NativeCells::default());
        // What is longer than the last bound is in one bucket.
        let long = sums(&[4_096_000_001, u64::MAX]).native();
        assert_eq!(native_counts(&long), [(LAST_NATIVE + 1, 2)]);
    }

    proptest! {
        #[test]
        fn both_kinds_of_buckets_are_those_of_prometheus(
            durations in prop::collection::vec((0_u32..32, any::<u64>()).prop_map(|(bits, us)| us % (1 << bits)), 0..64)
        ) {
            let sums = sums(&durations);
            prop_assert_eq!(sums.sum_us, durations.iter().sum::<u64>());
            let classic = sums.classic();
            for (at, count) in classic.iter().enumerate() {
                let lower = at.checked_sub(1).map(|at| LATENCY_BOUNDS_US[at]);
                let upper = LATENCY_BOUNDS_US.get(at).copied().unwrap_or(u64::MAX);
                let within = durations.iter().filter(|&&us| lower.is_none_or(|lower| lower < us) && us <= upper);
                prop_assert_eq!(*count, within.count() as u64);
            }
            let native = sums.native();
            let mut expected = std::collections::BTreeMap::new();
            durations.iter().filter(|&&us| us > 0).for_each(|&us| *expected.entry(native_bucket(us)).or_default() += 1);
            prop_assert_eq!(native_counts(&native), expected.into_iter().collect::<Vec<_>>());
            prop_assert_eq!(native.zero, durations.iter().filter(|&&us| us == 0).count() as u64);
        }
    }
}
