//! Decisions, separate from the code that acts on them. Each is a pure function from a small struct of facts
//! to a verdict, with a test that covers every combination of the facts. [`session`](crate::session) acts on
//! the verdicts.

mod loss;
mod refusal;
mod replayable;

pub use loss::{Error, Fate, Loss};
pub use refusal::{Before, Expected, Said, Verdict, Way, Words};
pub use replayable::can_run_again;
