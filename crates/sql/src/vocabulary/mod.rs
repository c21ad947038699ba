//! What the servers' words mean: keywords and names in them, the built-in functions of each flavor and version, and what is
//! asked about routines and relations that somebody created.

mod meaning;
pub mod names;
pub mod native;
mod routines;
pub(crate) mod words;

pub use native::Native;
pub use routines::{RelationFacts, RoutineFacts, Routines};
pub(crate) use routines::{has_built_ins, is_built_in_of, lookup};
