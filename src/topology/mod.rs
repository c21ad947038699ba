//! What is known of the servers, as one immutable snapshot, and the pure function
//! that makes the next one from an event. All that routes or reports reads the
//! same snapshot: there is never a second copy of "who is the primary".

mod elect;
mod gone;
mod gtid;
mod heard;
mod lag;
mod modes;
mod outside;
mod reads;
mod reduce;
mod trail;
mod types;
mod words;

#[cfg(test)]
mod tests;

pub use gtid::{Gtid, GtidError, GtidSet};
pub use heard::HeardWrites;
pub use modes::{TextModes, is_unsafe_charset};
pub use reduce::reduce;
pub use trail::Trail;
pub use types::*;
