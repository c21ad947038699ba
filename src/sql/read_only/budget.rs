//! How much work the check of one text may be, so that no text keeps its worker from other sessions.

use std::cell::Cell;

/// So many steps for each byte of the text. A statement that is read in one way only needs fewer.
const STEPS_PER_BYTE: usize = 10;
/// And so many for any text: a short one can be read in each way that its versioned comments allow.
const STEPS_AT_LEAST: usize = 64 * 1024;

/// Steps that are left for a text, in all its readings, and for the texts in its PREPAREs.
#[derive(Debug)]
pub(super) struct Budget(Cell<usize>);

impl Budget {
    /// For a text of this length in bytes.
    pub(super) fn of(bytes: usize) -> Self {
        Self(Cell::new(bytes.saturating_mul(STEPS_PER_BYTE).saturating_add(STEPS_AT_LEAST)))
    }

    /// Takes the steps of a token of this length in bytes. Returns false once nothing is left.
    pub(super) fn take(&self, length: usize) -> bool {
        let left = self.0.get().saturating_sub(length.saturating_add(1));
        self.0.set(left);
        left > 0
    }

    /// True once a reader had to stop: what it found is not the whole truth.
    pub(super) fn is_spent(&self) -> bool {
        self.0.get() == 0
    }
}
