//! The proxy as the client of an exchange: what to answer a server. `ClientExchange`
//! gives the first answer, `Pending` lives until the server says OK or ERR (which are
//! the caller's to read), and each of its transitions consumes it.

use zeroize::Zeroizing;

use super::caching_sha2::{
    FAST_AUTH_SUCCESS, FULL_AUTHENTICATION, REQUEST_PUBLIC_KEY, clear_password, encrypt_password,
};
use super::{AuthError, Nonce, Plugin, nonce_from};

/// MySQL asks to switch once. MariaDB does it for each plugin of `IDENTIFIED VIA a OR b`.
const MAX_SWITCHES: u8 = 4;

/// What is known of the peer on a connection to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// No TLS: others can read along, and nobody verified who the server is.
    Open,
    /// TLS with a certificate that nobody verified: whoever stands in between has one, too.
    Encrypted,
    /// TLS with a verified certificate, or a unix socket of this machine.
    Verified,
}

/// How a password left the proxy for a server that nobody verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposure {
    /// Under the RSA key that the server itself sent.
    UnverifiedKey,
    /// As it is, over TLS with an unverified certificate.
    UnverifiedTls,
}

/// One login to one server.
#[derive(Clone, Copy)]
pub struct ClientExchange<'a> {
    password: &'a [u8],
    channel: Channel,
    /// Nobody but a verified server gets the password.
    only_verified: bool,
}

/// The first answer is sent, the server's verdict is not here.
#[derive(Clone, Copy)]
pub struct Pending<'a> {
    exchange: ClientExchange<'a>,
    plugin: Plugin,
    nonce: Nonce,
    phase: Phase,
    switches: u8,
    exposed: Option<Exposure>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The scramble is sent.
    Scramble,
    /// The public key is asked for.
    PublicKey,
    /// Nothing is left to send: OK or ERR must come.
    Verdict,
}

/// What to do next.
pub enum ClientStep<'a> {
    /// Send these bytes as one packet, then read on. They may be the password.
    Send(Zeroizing<Vec<u8>>, Pending<'a>),
    /// Send one packet of the byte [`REQUEST_PUBLIC_KEY`]; the AuthMoreData that answers is the
    /// server's key in PEM.
    RequestPublicKey(Pending<'a>),
    /// Nothing to send: OK or ERR follows.
    WaitForVerdict(Pending<'a>),
}

impl<'a> ClientExchange<'a> {
    /// The full exchange of caching_sha2_password sends the password as it is over TLS and unix sockets, else under
    /// the server's RSA key.
    pub fn new(password: &'a [u8], channel: Channel) -> Self {
        Self { password, channel, only_verified: false }
    }

    /// The same; with `true` the full exchange ends the login on every channel but [`Channel::Verified`].
    pub fn only_verified(self, only_verified: bool) -> Self {
        Self { only_verified, ..self }
    }

    /// The plugin and answer for the handshake response to a greeting. A greeting for a plugin
    /// that we do not speak is answered with caching_sha2_password: the account's own plugin
    /// may be another, and the server then asks to switch.
    pub fn greeted(self, plugin: &[u8], nonce: Nonce) -> (Vec<u8>, Pending<'a>) {
        let plugin = Plugin::from_name(plugin).unwrap_or(Plugin::CachingSha2);
        self.answer(plugin, nonce, 0)
    }

    fn answer(self, plugin: Plugin, nonce: Nonce, switches: u8) -> (Vec<u8>, Pending<'a>) {
        let response = plugin.scramble(self.password, &nonce);
        (response, Pending { exchange: self, plugin, nonce, phase: Phase::Scramble, switches, exposed: None })
    }
}

impl<'a> Pending<'a> {
    /// The plugin that is spoken now; its name goes into the handshake response.
    pub fn plugin(&self) -> Plugin {
        self.plugin
    }

    /// How the password went to a server that nobody verified, if it did.
    pub fn exposed(&self) -> Option<Exposure> {
        self.exposed
    }

    /// An AuthSwitchRequest: plugin name and data as they came.
    ///
    /// # Errors
    /// [`AuthError::Unsupported`] for plugins that we do not speak, mysql_clear_password among
    /// them; [`AuthError::Unexpected`] for too many of them or one in the middle of an exchange.
    pub fn auth_switch(self, plugin: &[u8], data: &[u8]) -> Result<ClientStep<'a>, AuthError> {
        if self.switches == MAX_SWITCHES || self.phase == Phase::PublicKey {
            return Err(self.unexpected("an auth switch request"));
        }
        let unsupported = || AuthError::Unsupported(String::from_utf8_lossy(plugin).into_owned());
        let plugin = Plugin::from_name(plugin).ok_or_else(unsupported)?;
        let (response, pending) = self.exchange.answer(plugin, nonce_from(data)?, self.switches + 1);
        Ok(ClientStep::Send(response.into(), Pending { exposed: self.exposed, ..pending }))
    }

    /// An AuthMoreData packet, without its 0x01.
    ///
    /// # Errors
    /// [`AuthError::Unexpected`] for what the plugin does not say here, [`AuthError::Unverified`] for a server that
    /// must not get the password, [`AuthError::PublicKey`] and [`AuthError::PasswordTooLong`] when the key that came
    /// cannot be used.
    pub fn more_data(self, data: &[u8]) -> Result<ClientStep<'a>, AuthError> {
        match (self.plugin, self.phase, data) {
            (Plugin::CachingSha2, Phase::Scramble, [FAST_AUTH_SUCCESS]) => {
                Ok(ClientStep::WaitForVerdict(self.in_phase(Phase::Verdict)))
            }
            (Plugin::CachingSha2, Phase::Scramble, [FULL_AUTHENTICATION]) => self.full(),
            (Plugin::CachingSha2, Phase::PublicKey, pem) => self.encrypted(pem),
            _ => Err(self.unexpected("more data")),
        }
    }

    fn full(self) -> Result<ClientStep<'a>, AuthError> {
        let exposed = match self.exchange.channel {
            Channel::Verified => None,
            _ if self.exchange.only_verified => return Err(AuthError::Unverified),
            Channel::Encrypted => Some(Exposure::UnverifiedTls),
            Channel::Open => return Ok(ClientStep::RequestPublicKey(self.in_phase(Phase::PublicKey))),
        };
        let clear = clear_password(self.exchange.password);
        Ok(ClientStep::Send(clear, Self { exposed, ..self.in_phase(Phase::Verdict) }))
    }

    fn encrypted(self, pem: &[u8]) -> Result<ClientStep<'a>, AuthError> {
        let cipher = encrypt_password(self.exchange.password, &self.nonce, pem)?;
        let exposed = Some(Exposure::UnverifiedKey);
        Ok(ClientStep::Send(cipher.into(), Self { exposed, ..self.in_phase(Phase::Verdict) }))
    }

    fn in_phase(self, phase: Phase) -> Self {
        Self { phase, ..self }
    }

    fn unexpected(&self, got: &'static str) -> AuthError {
        AuthError::Unexpected { plugin: self.plugin.name(), got }
    }
}

impl ClientStep<'_> {
    /// The packet to send, if there is one.
    pub fn packet(&self) -> Option<&[u8]> {
        match self {
            Self::Send(bytes, _) => Some(bytes),
            Self::RequestPublicKey(_) => Some(&[REQUEST_PUBLIC_KEY]),
            Self::WaitForVerdict(_) => None,
        }
    }
}

impl std::fmt::Debug for ClientStep<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the bytes: they may be the password.
        f.write_str(match self {
            Self::Send(..) => "Send",
            Self::RequestPublicKey(_) => "RequestPublicKey",
            Self::WaitForVerdict(_) => "WaitForVerdict",
        })
    }
}
