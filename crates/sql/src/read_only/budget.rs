//! A limit on the work of checking one text, so that no text blocks the other sessions of its worker.

use std::cell::Cell;

/// The steps allowed for each byte of the text. A statement without versioned comments needs fewer.
const STEPS_PER_BYTE: usize = 10;
/// The steps allowed in addition for any text: enough to read a short text in all the ways that its versioned comments
/// allow.
const STEPS_AT_LEAST: usize = 64 * 1024;

/// The steps that are left for a text, in all its readings, and for the texts in its PREPAREs.
#[derive(Debug)]
pub(super) struct ReadingBudget(Cell<usize>);

impl ReadingBudget {
    /// Makes the budget for a text of this length in bytes.
    pub(super) fn of(bytes: usize) -> Self {
        Self(Cell::new(bytes.saturating_mul(STEPS_PER_BYTE).saturating_add(STEPS_AT_LEAST)))
    }

    /// Subtracts the steps of a token of this length in bytes. Returns false once no steps are left.
    pub(super) fn take(&self, length: usize) -> bool {
        let left = self.0.get().saturating_sub(length.saturating_add(1));
        self.0.set(left);
        left > 0
    }

    /// True once no steps are left: a reader had to stop, so its result is incomplete.
    pub(super) fn is_spent(&self) -> bool {
        self.0.get() == 0
    }
}
