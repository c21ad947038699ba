//! The known state of the servers as one immutable snapshot, and the pure function that computes the next
//! snapshot from an event. All routing and reporting reads the same snapshot: there is never a second copy of
//! "who is the primary".

mod acknowledged_writes;
mod candidates;
mod departed_pods;
mod drains;
mod elect;
mod gtid;
mod held;
mod identity;
mod in_question;
mod lag;
mod modes;
mod outside;
mod position_history;
mod reads;
mod reduce;
mod room;
mod silence;
mod sources;
mod spelling;
mod types;
mod why_no_primary;

#[cfg(test)]
mod tests;

pub use acknowledged_writes::AcknowledgedWrites;
pub use drains::{Drain, DrainOrders};
pub use gtid::{Gtid, GtidError, GtidSet};
pub use modes::{LoginFlags, TextModes};
pub use position_history::Trail;
pub use reduce::reduce;
pub use types::*;
