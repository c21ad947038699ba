//! Which statements of a worker are traced.

use std::cell::{Cell, RefCell};

/// What is decided about a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sampled {
    /// It is traced; the number of a new trace, for a statement without a parent.
    Yes(u128),
    /// It is not traced.
    No,
    /// It would be traced, but this second has enough traces.
    OverLimit,
}

/// The sampler of one worker. Costs one look while traces are off.
#[derive(Debug)]
pub struct Sampler {
    is_on: Cell<bool>,
    /// A statement without a parent is traced if a random number is below this.
    threshold: Cell<u64>,
    /// True if a statement whose client does not record its own span is traced by the ratio, too.
    ignores_unsampled: Cell<bool>,
    /// How many statements may be traced in the rest of this second.
    left: Cell<u32>,
    /// They need to differ, not to be secret.
    numbers: RefCell<fastrand::Rng>,
}

impl Sampler {
    /// Creates the sampler of a worker, which samples nothing. `seed`: a random number.
    pub fn new(seed: u64) -> Self {
        Sampler {
            is_on: Cell::new(false),
            threshold: Cell::new(0),
            ignores_unsampled: Cell::new(false),
            left: Cell::new(0),
            numbers: RefCell::new(fastrand::Rng::with_seed(seed)),
        }
    }

    /// True if statements may be traced.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.is_on.get()
    }

    /// Samples this share (0 to 1) of the statements without a parent, and at most so many statements in a second.
    /// `ignores_unsampled`: the share also holds for statements whose client does not record its own span.
    pub fn start(&self, ratio: f64, ignores_unsampled: bool, most: u32) {
        // A cast from a float saturates: a ratio of 1 is a threshold that only one number in 2^64 does not pass.
        let threshold = (ratio.clamp(0.0, 1.0) * 2_f64.powi(64)) as u64;
        self.is_on.set(true);
        self.threshold.set(threshold);
        self.ignores_unsampled.set(ignores_unsampled);
        self.left.set(most);
    }

    /// Samples nothing.
    pub fn stop(&self) {
        self.is_on.set(false);
    }

    /// Lets so many statements be traced in the next second. Must be called once a second.
    pub fn refill(&self, most: u32) {
        self.left.set(most);
    }

    /// Decides about a statement. `parent`: the trace of its client, and whether the client records its own span; None
    /// without a parent.
    pub fn decide(&self, parent: Option<(u128, bool)>) -> Sampled {
        let wanted = match parent {
            Some((_, true)) => true,
            Some((_, false)) if !self.ignores_unsampled.get() => false,
            // The same for all statements of a trace: the last 56 bits of its number are random.
            Some((trace, false)) => self.is_below(mixed(trace as u64)),
            None => self.is_below(self.random()),
        };
        if !wanted {
            return Sampled::No;
        }
        match self.left.get().checked_sub(1) {
            Some(left) => self.left.set(left),
            None => return Sampled::OverLimit,
        }
        // 0 is no trace.
        let number = u128::from(self.random()) << 64 | u128::from(self.random());
        Sampled::Yes(number.max(1))
    }

    /// True if a random number is among the share that is traced.
    fn is_below(&self, number: u64) -> bool {
        number < self.threshold.get() || self.threshold.get() == u64::MAX
    }

    /// Returns the next random number.
    fn random(&self) -> u64 {
        self.numbers.borrow_mut().u64(..)
    }
}

/// Mixes the bits of a number (SplitMix64), always in the same way: all proxies sample the same traces.
fn mixed(number: u64) -> u64 {
    let number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ number >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampled(sampler: &Sampler, parent: Option<bool>, of: u32) -> usize {
        let decide = |trace: u32| sampler.decide(parent.map(|sampled| (u128::from(trace) + 1, sampled)));
        (0..of).filter(|trace| matches!(decide(*trace), Sampled::Yes(_))).count()
    }

    #[test]
    fn a_share_of_the_statements_without_a_parent_is_sampled() {
        let sampler = Sampler::new(7);
        assert!(!sampler.is_on());
        sampler.start(0.01, false, u32::MAX);
        assert!(sampler.is_on());
        let some = sampled(&sampler, None, 100_000);
        assert!((800..1_200).contains(&some), "{some}");
        sampler.start(0.0, false, u32::MAX);
        assert_eq!(sampled(&sampler, None, 100_000), 0);
        sampler.start(1.0, false, u32::MAX);
        assert_eq!(sampled(&sampler, None, 100_000), 100_000);
        sampler.stop();
        assert!(!sampler.is_on());
    }

    #[test]
    fn the_parent_decides_within_the_limit() {
        let sampler = Sampler::new(7);
        sampler.start(0.0, false, 10);
        assert_eq!(sampled(&sampler, Some(true), 9), 9);
        assert_eq!(sampled(&sampler, Some(true), 9), 1);
        assert_eq!(sampler.decide(Some((1, true))), Sampled::OverLimit);
        assert_eq!(sampler.decide(Some((1, false))), Sampled::No);
        sampler.refill(10);
        assert_eq!(sampled(&sampler, Some(true), 100), 10);
        sampler.start(1.0, false, 10);
        assert_eq!(sampled(&sampler, Some(false), 100), 0, "whatever the ratio is");
    }

    #[test]
    fn a_client_that_never_records_its_spans_can_be_ignored() {
        let sampler = Sampler::new(7);
        sampler.start(0.1, true, u32::MAX);
        let some = sampled(&sampler, Some(false), 100_000);
        assert!((9_000..11_000).contains(&some), "{some}");
        assert_eq!(sampled(&sampler, Some(false), 100_000), some, "the same traces again");
        assert_eq!(sampled(&sampler, Some(true), 100), 100);
        sampler.start(1.0, true, u32::MAX);
        assert_eq!(sampled(&sampler, Some(false), 100), 100);
    }

    #[test]
    fn traces_have_different_numbers() {
        let (one, other) = (Sampler::new(1), Sampler::new(2));
        one.start(1.0, false, u32::MAX);
        other.start(1.0, false, u32::MAX);
        let numbers = (0..1_000).flat_map(|_| [one.decide(None), other.decide(None)]);
        let numbers: std::collections::HashSet<_> = numbers
            .map(|sampled| match sampled {
                Sampled::Yes(number) => number,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(numbers.len(), 2_000);
    }
}
