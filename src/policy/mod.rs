//! Decisions apart from deeds: each is a pure function from a small struct of facts to a verdict, with a test that goes
//! through every combination of the facts. Who acts on a verdict is [`session`](crate::session).

mod loss;
mod refusal;

pub use loss::{Error, Fate, Loss};
pub use refusal::{Before, Expected, Said, Verdict, Way, Words};
