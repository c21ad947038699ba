//! Pointsman: a MySQL-protocol proxy that sends writes to the primary, reads to
//! replicas, and follows the primary when it moves. The modules stand in layers;
//! `tests/architecture.rs` keeps a module from using what is not below it. The lowest layers are crates of the workspace
//! (`crates/`), so that the compiler keeps them from it.

pub mod admin;
pub mod app;
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
pub mod state;
pub mod telemetry;
pub mod upstream;
pub mod worker;

pub use pointsman_auth as auth;
pub use pointsman_sql as sql;
pub use pointsman_terms as terms;
pub use pointsman_topology as topology;
pub use pointsman_wire as wire;
