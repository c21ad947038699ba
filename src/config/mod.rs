//! TOML to parsed types. Every key is documented in `config/pointsman.toml`;
//! unknown keys are errors that name the key and the nearest known one.

mod admin;
mod check;
mod choice;
mod defaults;
mod display;
mod error;
mod fingerprint;
mod kubernetes;
mod parse;
mod reader;
#[cfg(test)]
mod tests;
mod tls;
mod types;
mod values;
mod warnings;

pub use admin::AdminAccess;
pub use choice::Choice;
pub use error::{ConfigError, Problem};
pub use fingerprint::Fingerprint;
pub use kubernetes::{Kubernetes, Labels, NoRole, PodPort, PodZone, Preset};
pub use tls::{ClientIdentity, ServersTls, TlsMode};
pub use types::*;
