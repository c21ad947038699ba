//! Reads the TOML configuration into types. Every key is documented in `config/pointsman.toml`.
//! An unknown key is an error that names the key and the nearest known key.

mod admin;
mod audit;
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
mod level;
mod networks;
mod parse;
mod reader;
mod secret;
mod statements;
#[cfg(test)]
mod tests;
mod tls;
mod traces;
mod types;
mod values;
mod warnings;
mod written;

pub use admin::{AdminAccess, ConsoleAccess, ConsoleUser};
pub use audit::{AuditEvents, AuditSettings, AuditTarget};
pub use choice::Choice;
pub use clients_tls::{ClientsTls, ClientsTlsMode, Requirements, VerifyClient};
pub use credentials::{CredentialSettings, CredentialSource};
pub use digests::DigestSettings;
pub use error::{ConfigError, Problem};
pub use fingerprint::Fingerprint;
pub use kubernetes::{Kubernetes, Labels, NoRole, PodPort, PodZone, Preset};
pub use level::Level;
pub use networks::Networks;
pub use secret::{Account, ListenerPart, Secret, SecretRef, SecretUse};
pub use statements::StatementLog;
pub use tls::{Identity, ServersTls, TlsMode};
pub use traces::{TraceEndpoint, TraceSettings, UnsampledParent};
pub use types::*;
#[cfg(feature = "console")]
pub(crate) use values::is_log_filter;
