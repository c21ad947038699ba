//! Pointsman: a MySQL-protocol proxy that sends writes to the primary, reads to
//! replicas, and follows the primary when it moves. The modules stand in layers;
//! `tests/architecture.rs` keeps a module from using what is not below it.

pub mod admin;
pub mod app;
pub mod auth;
pub mod backend;
pub mod client;
pub mod config;
#[cfg(feature = "console")]
pub mod console;
pub mod discovery;
pub mod monitor;
pub mod net;
pub mod policy;
pub mod positions;
pub mod routing;
pub mod server;
pub mod session;
pub mod sql;
pub mod state;
pub mod telemetry;
pub mod terms;
pub mod topology;
pub mod upstream;
pub mod wire;
pub mod worker;
