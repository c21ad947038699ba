//! The no-leak test: many sessions over few server connections, each with a model of its own state.
//! Whatever a session sees must be its own: rows, variables, statements, errors, warnings, ids.

pub mod aftermath;
pub mod answer;
pub mod driver;
pub mod events;
pub mod objects;
pub mod permits;
pub mod session;
pub mod shared;
pub mod shrink;
pub mod state;
pub mod steps;
