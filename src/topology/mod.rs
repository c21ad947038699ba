//! What is known of the servers, as one immutable snapshot, and the pure function
//! that makes the next one from an event. All that routes or reports reads the
//! same snapshot: there is never a second copy of "who is the primary".

mod elect;
mod reads;
mod reduce;
mod types;

#[cfg(test)]
mod tests;

pub use reduce::reduce;
pub use types::*;
