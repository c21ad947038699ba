//! The positions of the servers: a worker's questions about positions, the positions that the worker knows from the
//! answers, and what the binary log of a new primary shows about COMMITs that got no answer.
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

mod asker;
mod asking;
mod batch;
mod binlog_marks;
mod commit_lookup;
mod known;
mod primary_line;
mod query;
mod shared_waits;
mod sharing;
mod sync;
mod turns;

pub use batch::{Batch, PositionAnswer};
pub use binlog_marks::{SeenMarks, Unreachable, read};
pub use commit_lookup::{Commits, LookupAsked, LookupBefore};
pub use query::{Positions, Wait, is_galera, tells_positions};
pub use sharing::{WorkerSeat, seats};
