//! What becomes of statements, transactions and commits whose server was lost, or lost its role.

mod commits;
mod demoted;
mod demoted_writes;
mod journal;
mod replay;
mod server_loss;
mod tries;

pub(in crate::session) use demoted::{BeforeLate, Late, NotKept, OfDemoted};
pub(in crate::session) use journal::Journaling;
pub(in crate::session) use tries::Tries;
