//! The stream of statements as they end, for those who watch: `pointsman tap` and the slow log. Each worker has its own
//! [`Taps`], which nobody else touches: it looks at each statement, and keeps what a filter admits until it is asked for.

mod event;
mod filter;
mod taps;
#[cfg(test)]
mod tests;
mod time;

pub use event::{Event, ExecutedStatement};
pub use filter::{Errors, Filter, LEVELS};
pub use taps::{SLOW, TapBatch, TapId, Taps};
pub use time::{rfc_time, unix_ms, unix_us};
