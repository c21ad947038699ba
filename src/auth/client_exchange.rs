//! The proxy as the client of an exchange: computes the answers to a server. `ClientExchange`
//! gives the first answer. `Pending` is the state until the server sends OK or ERR, which the
//! caller must read; each transition consumes it.

use zeroize::Zeroizing;

use super::caching_sha2::{
    FAST_AUTH_SUCCESS, FULL_AUTHENTICATION, REQUEST_PUBLIC_KEY, clear_password, encrypt_password,
};
use super::{AuthError, Nonce, Plugin, nonce_from};

/// The most auth switch requests in a login. MySQL sends one, MariaDB one for each plugin of `IDENTIFIED VIA a OR b`.
const MAX_SWITCHES: u8 = 4;

/// How safe a connection to a server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// No TLS: others can read the traffic, and the server is not verified.
    Open,
    /// TLS with a certificate that was not verified: a man in the middle is possible.
    Encrypted,
    /// TLS with a verified certificate, or a unix socket of this machine.
    Verified,
}

/// How the proxy sent a password to a server that was not verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposure {
    /// Encrypted with the RSA key that the server itself sent.
    UnverifiedKey,
    /// In clear text over TLS with an unverified certificate.
    UnverifiedTls,
}

/// One login to one server.
#[derive(Clone, Copy)]
pub struct ClientExchange<'a> {
    password: &'a [u8],
    channel: Channel,
    /// True if only a verified server may get the password.
    only_verified: bool,
}

/// A login whose first answer was sent, and which the server has not accepted or refused yet.
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
    /// The scramble was sent.
    Scramble,
    /// The server was asked for its public key.
    PublicKey,
    /// Nothing is left to send: OK or ERR must follow.
    Verdict,
}

/// What to do next.
pub enum ClientStep<'a> {
    /// Send these bytes as one packet, then read the next packet. The bytes may be the password.
    Send(Zeroizing<Vec<u8>>, Pending<'a>),
    /// Send one packet with the byte [`REQUEST_PUBLIC_KEY`]. The server answers with AuthMoreData
    /// that has its key in PEM.
    RequestPublicKey(Pending<'a>),
    /// Nothing to send: OK or ERR follows.
    WaitForVerdict(Pending<'a>),
}

impl<'a> ClientExchange<'a> {
    /// Begins a login. The full exchange of caching_sha2_password sends the password in clear text over TLS and unix
    /// sockets, otherwise encrypted with the server's RSA key.
    pub fn new(password: &'a [u8], channel: Channel) -> Self {
        Self { password, channel, only_verified: false }
    }

    /// Sets whether only a verified server may get the password: if true, the full exchange is an error on every
    /// channel except [`Channel::Verified`].
    pub fn only_verified(self, only_verified: bool) -> Self {
        Self { only_verified, ..self }
    }

    /// Returns the answer for the handshake response to a greeting, and the next state, which has
    /// the plugin. If the proxy does not support the plugin of the greeting, the answer is for
    /// caching_sha2_password: the account may use another plugin, and the server asks to switch then.
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
    /// Returns the current plugin; its name belongs in the handshake response.
    pub fn plugin(&self) -> Plugin {
        self.plugin
    }

    /// Returns how the password was sent to an unverified server, if it was.
    pub fn exposed(&self) -> Option<Exposure> {
        self.exposed
    }

    /// Answers an AuthSwitchRequest with this plugin name and data.
    ///
    /// # Errors
    /// [`AuthError::Unsupported`] for plugins that the proxy does not support, such as
    /// mysql_clear_password; [`AuthError::Unexpected`] for too many requests, or a request in the
    /// middle of an exchange.
    pub fn auth_switch(self, plugin: &[u8], data: &[u8]) -> Result<ClientStep<'a>, AuthError> {
        if self.switches == MAX_SWITCHES || self.phase == Phase::PublicKey {
            return Err(self.unexpected("an auth switch request"));
        }
        let unsupported = || AuthError::Unsupported(String::from_utf8_lossy(plugin).into_owned());
        let plugin = Plugin::from_name(plugin).ok_or_else(unsupported)?;
        let (response, pending) = self.exchange.answer(plugin, nonce_from(data)?, self.switches + 1);
        Ok(ClientStep::Send(response.into(), Pending { exposed: self.exposed, ..pending }))
    }

    /// Answers an AuthMoreData packet; `data` is without its 0x01.
    ///
    /// # Errors
    /// [`AuthError::Unexpected`] for data that the plugin does not send at this point, [`AuthError::Unverified`] for a
    /// server that must not get the password, [`AuthError::PublicKey`] and [`AuthError::PasswordTooLong`] if the
    /// server's key cannot be used.
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
    /// Returns the packet to send, if there is one.
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
