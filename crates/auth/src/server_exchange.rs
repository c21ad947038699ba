//! The proxy as the server of an exchange: checks a client's answers. Each state is a type
//! that its transition consumes, so an answer cannot be checked twice, and the client is
//! asked to switch at most once.

use zeroize::Zeroizing;

use super::caching_sha2::{FAST_AUTH_SUCCESS, FULL_AUTHENTICATION, REQUEST_PUBLIC_KEY};
use super::native_password::{Sha1, double_sha1};
use super::{Nonce, OwnKey, Plugin, SignaturePlugin, caching_sha2, native_password, same};

/// Hashed instead of the password of a user that does not exist, so that the check takes as long as for other users.
pub(super) const NOBODY: &[u8] = b"no such user";

/// The plugin with which a client sends the password itself.
const CLEAR_PASSWORD: &[u8] = b"mysql_clear_password";

/// What the proxy knows of an account, to check a client's answer against.
#[derive(Clone, Copy)]
pub enum ExpectedPacket<'a> {
    /// The password.
    Password(&'a [u8]),
    /// What a server stores for mysql_native_password: no other plugin will do.
    DoubleSha1(&'a Sha1),
    /// Nothing that an answer could be checked against, except perhaps the password that a server accepted before.
    /// With caching_sha2_password the client sends its password, which a server must check.
    AskServer(Option<&'a [u8]>),
    /// Nothing: the client is known by its operating system's user, and any answer will do.
    Anything,
    /// There is no such account: the exchange runs as with a wrong password.
    Nobody,
}

/// The state after the greeting: the client's first answer is expected.
#[derive(Clone, Copy)]
pub struct ServerExchange<'a> {
    greeted: Plugin,
    native: bool,
    private: bool,
    secret: AuthSecret<'a>,
}

/// What the answer is checked against.
#[derive(Clone, Copy)]
struct AuthSecret<'a> {
    nonce: Nonce,
    expected: ExpectedPacket<'a>,
    /// Whether a wrong answer of caching_sha2_password is followed by the request for the password.
    asks: bool,
}

/// What a client has proved.
#[derive(Clone, PartialEq, Eq)]
pub enum PasswordProof {
    /// That it knows the expected password.
    Password,
    /// That it knows the password of the expected hash. This is the password's SHA-1, which its answer reveals.
    Sha1(Zeroizing<Sha1>),
}

/// What to do next.
pub enum AuthStep<'a> {
    /// Send an auth switch request with `plugin()` and `nonce()`, and pass the client's packet to `respond`.
    AuthSwitch(Switched<'a>),
    /// Have the client sign a challenge: continue with [`SignatureExchange`](super::SignatureExchange) and this password.
    Sign(SignaturePlugin, Option<&'a [u8]>),
    /// Send AuthMoreData with these bytes (`wire` puts the 0x01 in front), then continue with `then.finish()`.
    MoreData {
        /// The packet's content.
        data: Vec<u8>,
        /// The next state, which does not wait for the client.
        then: Finishing,
    },
    /// Send AuthMoreData with [`Asking::REQUEST`], and pass the client's packet to `answer`.
    AskPassword(Asking),
    /// The client says that this is its password: only a server can tell.
    Check(Zeroizing<Vec<u8>>),
    /// The client is authenticated: send OK.
    Accept(PasswordProof),
    /// Wrong password or no such user, between which the client must see no difference: send ERROR 1045.
    Reject,
    /// The client supports only mysql_native_password, which is not allowed here: send ERROR 1251.
    NotSupported,
}

/// The state after an auth switch request: the client's second answer is expected.
#[derive(Clone, Copy)]
pub struct Switched<'a> {
    plugin: Plugin,
    secret: AuthSecret<'a>,
}

/// The state after the last AuthMoreData.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finishing(());

/// The state after the request for the password: the client's packet is expected.
#[derive(Debug, Clone, Copy)]
pub struct Asking {
    nonce: Nonce,
    /// True if the client got the public key.
    has_key: bool,
}

/// What a client answered to the request for its password.
pub enum AskedByServer {
    /// The password.
    Password(Zeroizing<Vec<u8>>),
    /// The client wants the public key first: send AuthMoreData with it, and pass the next packet to `answer`.
    Key(&'static OwnKey, Asking),
    /// What no client sends at this point: send ERROR 1045.
    Malformed,
}

impl<'a> ServerExchange<'a> {
    /// Begins an exchange. `greeted` and `nonce` are those of the greeting (for COM_CHANGE_USER: of
    /// this connection's greeting).
    pub fn new(greeted: Plugin, nonce: Nonce, expected: ExpectedPacket<'a>) -> Self {
        Self { greeted, native: true, private: false, secret: AuthSecret { nonce, expected, asks: false } }
    }

    /// Disallows mysql_native_password: a client that begins with it is asked to switch.
    pub fn without_native(mut self) -> Self {
        self.native = false;
        self
    }

    /// Asks for the password after each wrong answer of caching_sha2_password, as servers do. Then accounts whose password
    /// only a server can check cannot be told from others.
    pub fn asking(mut self, asks: bool) -> Self {
        self.secret.asks = asks;
        self
    }

    /// Says that nobody can listen to the connection, so that a client may begin with mysql_clear_password.
    pub fn in_private(mut self, private: bool) -> Self {
        self.private = private;
        self
    }

    /// Handles the plugin and answer of a handshake response or COM_CHANGE_USER. `plugin` is None
    /// for a client without CLIENT_PLUGIN_AUTH, which always uses mysql_native_password.
    ///
    /// An empty answer of a client that names its plugin need not mean an empty password:
    /// libmysqlclient and libmariadb send an empty answer if the greeting was for another plugin,
    /// and at the start of COM_CHANGE_USER. Then they wait for a switch request to the named plugin.
    pub fn respond(self, plugin: Option<&[u8]>, response: &[u8]) -> AuthStep<'a> {
        let secret = self.secret;
        let Some(name) = plugin else {
            return match self.native {
                true => secret.check(Plugin::NativePassword, response),
                false => AuthStep::NotSupported,
            };
        };
        if name == CLEAR_PASSWORD && self.private && !response.is_empty() {
            return secret.check_password(response.strip_suffix(&[0]).unwrap_or(response));
        }
        if let (Some(plugin), Some(password)) = (SignaturePlugin::from_name(name), self.can_verify()) {
            return AuthStep::Sign(plugin, password);
        }
        let wanted = self.wanted(Plugin::from_name(name));
        match Plugin::from_name(name) {
            Some(plugin) if plugin == wanted && !response.is_empty() => secret.check(plugin, response),
            _ => AuthStep::AuthSwitch(Switched { plugin: wanted, secret }),
        }
    }

    /// Returns the password by which a signature is verified, if it is known for certain, without asking a server; inner
    /// None: that of an account which does not exist.
    fn can_verify(&self) -> Option<Option<&'a [u8]>> {
        match self.secret.expected {
            ExpectedPacket::Password(password) if self.native && !password.is_empty() => Some(Some(password)),
            ExpectedPacket::Nobody if self.native => Some(None),
            _ => None,
        }
    }

    /// Returns the plugin that the client must use: the one that it begins with, if that will do.
    fn wanted(self, begun: Option<Plugin>) -> Plugin {
        let plugin = match self.secret.expected {
            ExpectedPacket::DoubleSha1(_) => Plugin::NativePassword,
            ExpectedPacket::AskServer(_) => Plugin::CachingSha2,
            ExpectedPacket::Password(_) | ExpectedPacket::Anything | ExpectedPacket::Nobody => {
                begun.unwrap_or(self.greeted)
            }
        };
        if self.native { plugin } else { Plugin::CachingSha2 }
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
    pub fn respond(self, response: &[u8]) -> AuthStep<'a> {
        self.secret.check(self.plugin, response)
    }
}

impl Finishing {
    /// Returns the step after the AuthMoreData.
    pub fn finish<'a>(self) -> AuthStep<'a> {
        AuthStep::Accept(PasswordProof::Password)
    }
}

impl Asking {
    /// The content of the AuthMoreData packet that asks for the password.
    pub const REQUEST: [u8; 1] = [FULL_AUTHENTICATION];

    /// Handles the client's packet. `private`: nobody can listen to the connection, so that the client sends its password
    /// as it is. Otherwise a password that is not encrypted is not read.
    pub fn answer(self, packet: &[u8], private: bool) -> AskedByServer {
        if private {
            return match packet.strip_suffix(&[0]) {
                Some(password) => AskedByServer::Password(Zeroizing::new(password.to_vec())),
                None => AskedByServer::Malformed,
            };
        }
        let Some(key) = OwnKey::of_process() else { return AskedByServer::Malformed };
        if packet == [REQUEST_PUBLIC_KEY] && !self.has_key {
            return AskedByServer::Key(key, Self { has_key: true, ..self });
        }
        key.password(packet, &self.nonce).map_or(AskedByServer::Malformed, AskedByServer::Password)
    }
}

impl<'a> AuthSecret<'a> {
    fn check(self, plugin: Plugin, response: &[u8]) -> AuthStep<'a> {
        match (self.expected, plugin) {
            (ExpectedPacket::Password(password), _) => self.compare(plugin, response, Some(password)),
            // Clients expect what follows an empty password, or the right one.
            (ExpectedPacket::Anything, Plugin::CachingSha2) if !matches!(response, [] | [0]) => {
                AuthStep::MoreData { data: vec![FAST_AUTH_SUCCESS], then: Finishing(()) }
            }
            (ExpectedPacket::Anything, _) => AuthStep::Accept(PasswordProof::Password),
            (ExpectedPacket::DoubleSha1(stored), Plugin::NativePassword) => {
                match native_password::verify(response, &self.nonce, stored) {
                    Some(single) => AuthStep::Accept(PasswordProof::Sha1(Zeroizing::new(single))),
                    None => AuthStep::Reject,
                }
            }
            (ExpectedPacket::AskServer(learned), Plugin::CachingSha2) => {
                // An empty password cannot be checked by a challenge: a server stores none, or the client sends none.
                let step = self.compare(plugin, response, learned.filter(|learned| !learned.is_empty()));
                if matches!(response, [] | [0]) { AuthStep::Check(Zeroizing::default()) } else { step }
            }
            _ => self.compare(plugin, response, None),
        }
    }

    /// Compares an answer with that of a password; None runs as with a wrong one.
    fn compare(self, plugin: Plugin, response: &[u8], known: Option<&[u8]>) -> AuthStep<'a> {
        let password = known.unwrap_or(NOBODY);
        let right = match plugin {
            Plugin::NativePassword => native_password::verify_password(response, &self.nonce, password),
            Plugin::CachingSha2 => caching_sha2::verify_fast(response, &self.nonce, password),
        };
        // `&` evaluates both sides, so the hashes are computed for a missing user, too.
        if !(right & known.is_some()) {
            let asks = self.asks || matches!(self.expected, ExpectedPacket::AskServer(_));
            return match asks && plugin == Plugin::CachingSha2 {
                true => AuthStep::AskPassword(Asking { nonce: self.nonce, has_key: false }),
                false => AuthStep::Reject,
            };
        }
        // A server does not send FAST_AUTH_SUCCESS for an empty password.
        if plugin == Plugin::CachingSha2 && !password.is_empty() {
            return AuthStep::MoreData { data: vec![FAST_AUTH_SUCCESS], then: Finishing(()) };
        }
        AuthStep::Accept(PasswordProof::Password)
    }

    /// Checks a password that the client sent as it is.
    fn check_password(self, given: &[u8]) -> AuthStep<'a> {
        let right = match self.expected {
            ExpectedPacket::Password(password) => same(given, password),
            ExpectedPacket::DoubleSha1(stored) => {
                return match same(&double_sha1(given), stored) {
                    true => {
                        AuthStep::Accept(PasswordProof::Sha1(Zeroizing::new(native_password::sha1(given))))
                    }
                    false => AuthStep::Reject,
                };
            }
            ExpectedPacket::AskServer(_) => return AuthStep::Check(Zeroizing::new(given.to_vec())),
            ExpectedPacket::Anything => true,
            ExpectedPacket::Nobody => false,
        };
        if right { AuthStep::Accept(PasswordProof::Password) } else { AuthStep::Reject }
    }
}

impl std::fmt::Debug for AuthStep<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AuthSwitch(switched) => write!(f, "AuthSwitch({})", switched.plugin.name()),
            Self::Sign(plugin, _) => write!(f, "Sign({})", plugin.name()),
            Self::MoreData { data, .. } => write!(f, "MoreData({data:?})"),
            Self::AskPassword(_) => f.write_str("AskPassword"),
            // Never the bytes: they are the password.
            Self::Check(_) => f.write_str("Check"),
            Self::Accept(_) => f.write_str("Accept"),
            Self::Reject => f.write_str("Reject"),
            Self::NotSupported => f.write_str("NotSupported"),
        }
    }
}
