//! Reads the TOML configuration into types. Every key is documented in `config/pointsman.toml`.
//! An unknown key is an error that names the key and the nearest known key.

mod admin;
mod check;
mod choice;
mod clients_tls;
mod credentials;
mod defaults;
mod digests;
mod display;
mod error;
mod fingerprint;
mod kubernetes;
mod networks;
mod parse;
mod reader;
mod secret;
#[cfg(test)]
mod tests;
mod tls;
mod types;
mod values;
mod warnings;
mod written;

pub use admin::AdminAccess;
pub use choice::Choice;
pub use clients_tls::{ClientsTls, ClientsTlsMode, Requirements, VerifyClient};
pub use credentials::{CredentialSettings, CredentialSource};
pub use digests::DigestSettings;
pub use error::{ConfigError, Problem};
pub use fingerprint::Fingerprint;
pub use kubernetes::{Kubernetes, Labels, NoRole, PodPort, PodZone, Preset};
pub use networks::Networks;
pub use secret::{Account, ListenerPart, Secret, SecretRef, SecretUse};
pub use tls::{Identity, ServersTls, TlsMode};
pub use types::*;
