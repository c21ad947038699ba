//! The proxy as the server of an exchange: checks a client's answers. Each state is a type
//! that its transition consumes, so an answer cannot be checked twice, and the client is
//! asked to switch at most once.

use super::{Nonce, Plugin, caching_sha2, native_password};

/// Hashed instead of the password of a user that does not exist, so that the check takes as long as for other users.
pub(super) const NOBODY: &[u8] = b"no such user";

/// The state after the greeting: the client's first answer is expected.
#[derive(Clone, Copy)]
pub struct ServerExchange<'a> {
    greeted: Plugin,
    native: bool,
    secret: Secret<'a>,
}

/// What the answer is checked against.
#[derive(Clone, Copy)]
struct Secret<'a> {
    nonce: Nonce,
    password: Option<&'a [u8]>,
}

/// What to do next.
pub enum Step<'a> {
    /// Send an auth switch request with `plugin()` and `nonce()`, and pass the client's packet to `respond`.
    AuthSwitch(Switched<'a>),
    /// Send AuthMoreData with these bytes (`wire` puts the 0x01 in front), then continue with `then.finish()`.
    MoreData {
        /// The packet's content.
        data: Vec<u8>,
        /// The next state, which does not wait for the client.
        then: Finishing,
    },
    /// The client is authenticated: send OK.
    Accept,
    /// Wrong password or no such user, between which the client must see no difference: send ERROR 1045.
    Reject,
    /// The client supports only mysql_native_password, which is not allowed here: send ERROR 1251.
    NotSupported,
}

/// The state after an auth switch request: the client's second answer is expected.
#[derive(Clone, Copy)]
pub struct Switched<'a> {
    plugin: Plugin,
    secret: Secret<'a>,
}

/// The state after the last AuthMoreData.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finishing(());

impl<'a> ServerExchange<'a> {
    /// Begins an exchange. `greeted` and `nonce` are those of the greeting (for COM_CHANGE_USER: of
    /// this connection's greeting). `password` is None for a user that does not exist: the
    /// exchange then runs as with a wrong password.
    pub fn new(greeted: Plugin, nonce: Nonce, password: Option<&'a [u8]>) -> Self {
        Self { greeted, native: true, secret: Secret { nonce, password } }
    }

    /// Disallows mysql_native_password: a client that begins with it is asked to switch.
    pub fn without_native(mut self) -> Self {
        self.native = false;
        self
    }

    /// Handles the plugin and answer of a handshake response or COM_CHANGE_USER. `plugin` is None
    /// for a client without CLIENT_PLUGIN_AUTH, which always uses mysql_native_password.
    ///
    /// An empty answer of a client that names its plugin need not mean an empty password:
    /// libmysqlclient and libmariadb send an empty answer if the greeting was for another plugin,
    /// and at the start of COM_CHANGE_USER. Then they wait for a switch request to the named plugin.
    pub fn respond(self, plugin: Option<&[u8]>, response: &[u8]) -> Step<'a> {
        let secret = self.secret;
        let Some(name) = plugin else {
            return match self.native {
                true => secret.check(Plugin::NativePassword, response),
                false => Step::NotSupported,
            };
        };
        match Plugin::from_name(name) {
            None => Step::AuthSwitch(Switched { plugin: self.greeted, secret }),
            Some(Plugin::NativePassword) if !self.native => {
                Step::AuthSwitch(Switched { plugin: Plugin::CachingSha2, secret })
            }
            Some(plugin) if response.is_empty() => Step::AuthSwitch(Switched { plugin, secret }),
            Some(plugin) => secret.check(plugin, response),
        }
    }
}

impl<'a> Switched<'a> {
    /// Returns the plugin that the client must use.
    pub fn plugin(&self) -> Plugin {
        self.plugin
    }

    /// Returns the nonce that the client must answer; a NUL follows it on the wire.
    pub fn nonce(&self) -> &Nonce {
        &self.secret.nonce
    }

    /// Handles the client's packet after the auth switch request. Never returns another switch.
    pub fn respond(self, response: &[u8]) -> Step<'a> {
        self.secret.check(self.plugin, response)
    }
}

impl Finishing {
    /// Returns the step after the AuthMoreData.
    pub fn finish<'a>(self) -> Step<'a> {
        Step::Accept
    }
}

impl<'a> Secret<'a> {
    fn check(self, plugin: Plugin, response: &[u8]) -> Step<'a> {
        let password = self.password.unwrap_or(NOBODY);
        let right = match plugin {
            Plugin::NativePassword => native_password::verify_password(response, &self.nonce, password),
            Plugin::CachingSha2 => caching_sha2::verify_fast(response, &self.nonce, password),
        };
        // `&` evaluates both sides, so the hashes are computed for a missing user, too.
        if !(right & self.password.is_some()) {
            return Step::Reject;
        }
        // A server does not send FAST_AUTH_SUCCESS for an empty password.
        if plugin == Plugin::CachingSha2 && !password.is_empty() {
            return Step::MoreData { data: vec![caching_sha2::FAST_AUTH_SUCCESS], then: Finishing(()) };
        }
        Step::Accept
    }
}

impl std::fmt::Debug for Step<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AuthSwitch(switched) => write!(f, "AuthSwitch({})", switched.plugin.name()),
            Self::MoreData { data, .. } => write!(f, "MoreData({data:?})"),
            Self::Accept => f.write_str("Accept"),
            Self::Reject => f.write_str("Reject"),
            Self::NotSupported => f.write_str("NotSupported"),
        }
    }
}
