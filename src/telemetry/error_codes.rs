//! Counts by error code, in memory of a fixed size.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};

use super::cells::Cell;

/// How many codes are counted apart; the rest is counted together. Clients of one application see a few.
pub const MOST_CODES: usize = 64;

/// Counts by error code. One thread counts; any thread reads.
#[derive(Debug)]
pub struct ErrorCodes {
    /// The codes, in the order of their first error. 0: nothing stands here yet; no error has that code.
    codes: [AtomicU16; MOST_CODES],
    counts: [Cell; MOST_CODES],
    others: Cell,
}

impl Default for ErrorCodes {
    fn default() -> Self {
        ErrorCodes {
            codes: std::array::from_fn(|_| AtomicU16::new(0)),
            counts: std::array::from_fn(|_| Cell::zero()),
            others: Cell::zero(),
        }
    }
}

impl ErrorCodes {
    /// Counts an error; only ever called by the owning worker.
    pub fn count(&self, code: u16) {
        for (slot, count) in self.codes.iter().zip(&self.counts) {
            let of = slot.load(Relaxed);
            if of == 0 && code != 0 {
                slot.store(code, Relaxed);
            } else if of != code || code == 0 {
                continue;
            }
            return count.add(1);
        }
        self.others.add(1);
    }

    /// Adds the counts to those of other workers; None: the codes that are counted together.
    pub fn add_to(&self, sums: &mut BTreeMap<Option<u16>, u64>) {
        let codes = self.codes.iter().map(|code| code.load(Relaxed)).take_while(|code| *code != 0);
        for (code, count) in codes.map(Some).zip(&self.counts).chain([(None, &self.others)]) {
            let sum = sums.entry(code).or_default();
            *sum = sum.wrapping_add(count.get());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_counted_apart_up_to_a_number() {
        let errors = ErrorCodes::default();
        for code in [1062, 1146, 1062, 0] {
            errors.count(code);
        }
        let mut sums = BTreeMap::new();
        errors.add_to(&mut sums);
        assert_eq!(sums, BTreeMap::from([(Some(1062), 2), (Some(1146), 1), (None, 1)]));
        (2000..3000).for_each(|code| errors.count(code));
        errors.count(1062);
        errors.add_to(&mut sums);
        assert_eq!(sums.len(), MOST_CODES + 1);
        assert_eq!((sums[&Some(1062)], sums[&Some(2000)]), (2 + 3, 1));
        assert_eq!(sums[&None], 1 + 1 + 1000 - (MOST_CODES as u64 - 2));
    }
}
