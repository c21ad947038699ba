//! Probes of the servers; each outcome is an event for the topology's reducer.
//! One task per server on the control thread, one statement and one round trip a
//! probe, on a kept connection.

mod backend;
mod client;
mod kick;
mod probe;
mod statement;

#[cfg(test)]
pub(crate) mod tests;

pub use backend::BackendConnector;
pub use client::{Connection, Connector, Error, Greeting, ResultSet, Row, Target};
pub use kick::{Kicker, Kicks};
pub use probe::{Orders, Prober};
