//! Decisions, separate from the code that acts on them. Each is a pure function from a small struct of facts to a
//! verdict, with a test that covers every combination of the facts. [`session`](crate::session) acts on the verdicts.
//! [`routing`](crate::routing) decides in the same way where a statement goes, and to which replica.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::cast_possible_truncation
    )
)]

mod freshness;
mod loss;
mod refusal;
mod replayable;
mod tries;

pub use freshness::{Act, Reading, Unasked};
pub use loss::{Error, Fate, Loss};
pub use refusal::{Before, ErrorMeaning, Expected, ReplacementError, RetryRoute, Verdict};
pub use replayable::{Begins, InTransaction, Tied};
pub use tries::{MAX_TRIES, NextTry, next_try};
