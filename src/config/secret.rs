//! Secrets of the configuration: passwords, certificates and keys, and where they come from.

use std::fmt::{self, Display, Formatter};
use std::sync::Arc;

use zeroize::Zeroizing;

/// A password: `Debug` and `Display` hide it, and its memory is overwritten when its last owner drops it.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(Arc<Zeroizing<String>>);

impl Secret {
    /// Wraps a password.
    pub fn new(text: impl Into<String>) -> Self {
        Secret(Arc::new(Zeroizing::new(text.into())))
    }

    /// True if the text is empty, or has only line ends, as a full disk or an unfinished write may leave.
    pub fn is_empty(&self) -> bool {
        self.0.trim_matches(['\r', '\n']).is_empty()
    }

    /// Returns the secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("********")
    }
}

impl Display for Secret {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("********")
    }
}

impl Display for SecretRef {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.name, self.key)
    }
}

/// A password, a certificate or a key that is in a Kubernetes Secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretUse {
    /// The account that uses the value.
    pub account: Account,
    /// The Secret and the key in it.
    pub at: SecretRef,
}

/// What a value in a Secret is used for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Account {
    /// `[monitor]`
    Monitor,
    /// One of `[[users]]`.
    User(Arc<str>),
    /// One of `[[admin.console.users]]`.
    Console(Arc<str>),
    /// The CA of `[servers_tls]`, which is not an account.
    ServersCa,
    /// `[listeners.tls]` of the listener of this name; no account either.
    Listener(Arc<str>, ListenerPart),
}

/// A key of a Kubernetes Secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SecretRef {
    /// The name of the Secret.
    pub name: Arc<str>,
    /// The key in the Secret's data.
    pub key: Arc<str>,
}

/// What a listener takes from a Kubernetes Secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListenerPart {
    /// `tls.crt` of the Secret in `secret`.
    Certificate,
    /// `tls.key` of the Secret in `secret`.
    Key,
    /// `client_ca_secret`
    ClientCa,
}

impl Display for Account {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Account::Monitor => f.write_str("the monitor"),
            Account::User(name) => write!(f, "user {name:?}"),
            Account::Console(name) => write!(f, "console user {name:?}"),
            Account::ServersCa => f.write_str("the servers' CA"),
            Account::Listener(name, _) => write!(f, "TLS of listener {name:?}"),
        }
    }
}
