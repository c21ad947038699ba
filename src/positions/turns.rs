//! Who asks the primary for its position, among workers that share the question. One worker at a time has the turn and
//! asks; the others wait for its answers. Two words that a worker writes once a question, not once a read.
//!
//! What makes an answer good for a read: the question was sent after the read arrived. Questions are numbered.
//! [`Turns::begin`] takes the next number before the question is sent, so a read that arrived while
//! [`Turns::sequence`] was `n` may use the answer to any question with a higher number.
//!
//! No wake-up is lost: a worker that waits has its bit set until a question takes the bit, and then gets that question's
//! answer. Whoever gives up the turn passes it to a worker whose bit is set. `tests/loom.rs` plays all orders of this.

use super::sync::{AtomicU64, SeqCst};

/// The bit that is set while a worker has the turn. Each lower bit belongs to a worker.
const TAKEN: u64 = 1 << 63;

/// The most workers that can share a question.
pub const MOST: usize = 63;

/// See the module.
#[derive(Debug)]
pub struct Turns {
    /// The number of the last question.
    sequence: AtomicU64,
    /// `TAKEN`, and the bits of the workers that wait for a question.
    word: AtomicU64,
}

/// The workers that share a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sharers(u64);

impl Sharers {
    /// Returns the indexes of the workers, but for this one.
    pub fn without(self, worker: usize) -> impl Iterator<Item = usize> {
        let others = self.0 & !(1 << worker);
        (0..MOST).filter(move |other| others & (1 << other) != 0)
    }
}

impl Default for Turns {
    fn default() -> Self {
        // loom's atomics have no `const` default.
        Turns { sequence: AtomicU64::new(0), word: AtomicU64::new(0) }
    }
}

impl Turns {
    /// Returns the number of the last question that was begun.
    #[inline]
    pub fn sequence(&self) -> u64 {
        self.sequence.load(SeqCst)
    }

    /// Lets a worker, whose index is below [`MOST`], wait for the next question. Returns true if the worker has the turn
    /// now: it must ask, and then [`Self::pass`] the turn. Otherwise it gets an answer or the turn.
    pub fn wants(&self, worker: usize) -> bool {
        self.word.fetch_or(TAKEN | 1 << worker, SeqCst) & TAKEN == 0
    }

    /// Begins a question: must be called by the worker that has the turn, before the question is sent. Returns the
    /// question's number, and the workers that must get its answer.
    pub fn begin(&self) -> (u64, Sharers) {
        // The bits first: a worker that sees the new number, and waits for a later one, sets its bit after this.
        let waiting = self.word.swap(TAKEN, SeqCst) & !TAKEN;
        (self.sequence.fetch_add(1, SeqCst) + 1, Sharers(waiting))
    }

    /// Gives up the turn of the worker with this index. Returns the worker that has the turn now; None if none waits.
    pub fn pass(&self, worker: usize) -> Option<usize> {
        match self.word.compare_exchange(TAKEN, 0, SeqCst, SeqCst) {
            Ok(_) => None,
            // The next one in the circle, so that each gets its turn.
            Err(word) => {
                let waits = |worker: &usize| word & (1 << worker) != 0;
                (worker + 1..MOST).chain(0..=worker).find(waits)
            }
        }
    }

    /// Takes the bit of a worker that has ended.
    pub fn forget(&self, worker: usize) {
        self.word.fetch_and(!(1 << worker), SeqCst);
    }
}
