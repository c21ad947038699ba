//! How fresh a read must be, and the replica that is fresh enough.

mod barrier;
mod fetch_variables;
mod passing;
mod replica_choice;
mod speculative_read;

pub(in crate::session) use replica_choice::{Reads, hinted};
