//! Workers: each is one thread with its own runtime, listeners, pool and sessions. Nothing is shared between
//! them on the path of a statement.

mod accept;
mod adopt;
mod control;
mod feeds;
mod messages;
mod outside;
mod taps;
mod worker;

pub use control::{Server, ServerParts, StartError};
pub use feeds::Feeds;
pub use messages::{Control, Kick};
