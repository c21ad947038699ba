//! The proxy as the client of an exchange: computes the answers to a server. `ClientExchange`
//! gives the first answer. `Pending` is the state until the server sends OK or ERR, which the
//! caller must read; each transition consumes it.

mod proof;

use zeroize::Zeroizing;

use super::caching_sha2::{self, FAST_AUTH_SUCCESS, FULL_AUTHENTICATION, clear_password, encrypt_password};
use super::dialog::Question;
use super::native_password::{Sha1, scramble_single};
use super::parsec::{self, ExtSalt, Scramble};
use super::{AccountPlugin, AuthError, Nonce, Plugin, challenge_from, ed25519, nonce_from, random};

/// The most auth switch requests in a login. MySQL sends one, MariaDB one for each plugin of `IDENTIFIED VIA a OR b`.
const MAX_SWITCHES: u8 = 4;

/// Packet of sha256_password from the client: asks for the server's public key (`request_public_key`).
const SHA256_REQUEST_PUBLIC_KEY: u8 = 1;

/// How safe a connection to a server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// No TLS: others can read the traffic, and the server is not verified.
    Open,
    /// TLS with a certificate that was not verified: a man in the middle is possible.
    Encrypted,
    /// TLS with a verified certificate.
    Verified,
    /// A unix socket of this machine: as good as a verified certificate, but not TLS.
    Local,
}

/// How the proxy sent a password to a server that was not verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposure {
    /// Encrypted with the RSA key that the server itself sent.
    UnverifiedKey,
    /// In clear text over TLS with an unverified certificate.
    UnverifiedTls,
}

/// What is known of the password of an account.
#[derive(Clone, Copy)]
pub enum Known<'a> {
    /// The password.
    Password(&'a [u8]),
    /// Its SHA-1, which is enough for mysql_native_password, and for no other plugin.
    Sha1(&'a Sha1),
}

/// One login to one server.
#[derive(Clone, Copy)]
pub struct ClientExchange<'a> {
    known: Known<'a>,
    channel: Channel,
    /// True if only a verified server may get the password.
    only_verified: bool,
}

/// A login whose first answer was sent, and which the server has not accepted or refused yet.
#[derive(Clone, Copy)]
pub struct Pending<'a> {
    exchange: ClientExchange<'a>,
    plugin: AccountPlugin,
    phase: AuthPhase,
    switches: u8,
    exposed: Option<Exposure>,
    /// The nonce by which the server proves its certificate: of the greeting, or of the last mysql_native_password.
    proof_nonce: Nonce,
    /// The salt of the key of parsec.
    salt: Option<ExtSalt>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum AuthPhase {
    /// The scramble of this nonce was sent.
    Scramble(Nonce),
    /// The server was asked for its public key; the password is masked with this nonce.
    PublicKey(Nonce),
    /// The server, which sent this scramble, was asked for the extended salt.
    ExtSalt(Scramble),
    /// Nothing is left to send: OK or ERR must follow.
    Verdict,
}

/// What to do next.
pub enum ClientStep<'a> {
    /// Send these bytes as one packet, then read the next packet. The bytes may be the password.
    Send(Zeroizing<Vec<u8>>, Pending<'a>),
    /// Send one packet with the byte by which the plugin asks for the server's public key. The server answers with
    /// AuthMoreData that has its key in PEM.
    RequestPublicKey(Pending<'a>),
    /// Nothing to send: OK or ERR follows.
    WaitForVerdict(Pending<'a>),
}

impl<'a> ClientExchange<'a> {
    /// Begins a login. The full exchange of caching_sha2_password and sha256_password send the password in clear text
    /// over TLS, the former over unix sockets too, and otherwise encrypted with the server's RSA key.
    pub fn new(known: Known<'a>, channel: Channel) -> Self {
        Self { known, channel, only_verified: false }
    }

    /// Sets whether only a verified server may get the password: if true, the full exchange is an error on every
    /// channel except [`Channel::Verified`] and [`Channel::Local`]. Without encryption by the plugin
    /// (mysql_clear_password, dialog) that is so in any case.
    pub fn only_verified(self, only_verified: bool) -> Self {
        Self { only_verified, ..self }
    }

    /// Returns the answer for the handshake response to a greeting, and the next state, which has
    /// the plugin. If the proxy does not support the plugin of the greeting, the answer is for
    /// caching_sha2_password: the account may use another plugin, and the server asks to switch then.
    pub fn greeted(self, plugin: &[u8], nonce: Nonce) -> (Vec<u8>, Pending<'a>) {
        let (plugin, response) = match self.known {
            Known::Password(password) => {
                let plugin = Plugin::from_name(plugin).unwrap_or(Plugin::CachingSha2);
                (plugin, plugin.scramble(password, &nonce))
            }
            Known::Sha1(single) => (Plugin::NativePassword, scramble_single(single, &nonce).to_vec()),
        };
        let (plugin, phase) = (AccountPlugin::Scramble(plugin), AuthPhase::Scramble(nonce));
        let pending = Pending {
            exchange: self,
            plugin,
            phase,
            switches: 0,
            exposed: None,
            proof_nonce: nonce,
            salt: None,
        };
        (response, pending)
    }
}

impl<'a> Pending<'a> {
    /// Returns the current plugin; its name belongs in the handshake response.
    pub fn plugin(&self) -> AccountPlugin {
        self.plugin
    }

    /// Returns how the password was sent to an unverified server, if it was.
    pub fn exposed(&self) -> Option<Exposure> {
        self.exposed
    }

    /// Answers an AuthSwitchRequest with this plugin name and data.
    ///
    /// # Errors
    /// [`AuthError::Unsupported`] for plugins that the proxy does not support; [`AuthError::ChallengeLength`] for data
    /// that are not the plugin's; [`AuthError::Unverified`] and [`AuthError::ClearText`] for a server that must not get
    /// the password; [`AuthError::Question`] for a dialog that does not begin with the password;
    /// [`AuthError::Unexpected`] for too many requests, or a request in the middle of an exchange.
    pub fn auth_switch(self, plugin: &[u8], data: &[u8]) -> Result<ClientStep<'a>, AuthError> {
        if self.switches == MAX_SWITCHES
            || matches!(self.phase, AuthPhase::PublicKey(_) | AuthPhase::ExtSalt(_))
        {
            return Err(self.unexpected("an auth switch request"));
        }
        let unsupported = || AuthError::Unsupported(String::from_utf8_lossy(plugin).into_owned());
        let plugin = AccountPlugin::from_name(plugin).ok_or_else(unsupported)?;
        Self { plugin, switches: self.switches + 1, ..self }.switched(data)
    }

    /// Returns the plugin's answer to the data of the auth switch request.
    fn switched(self, data: &[u8]) -> Result<ClientStep<'a>, AuthError> {
        let name = self.plugin.name();
        let password = match self.exchange.known {
            Known::Password(password) => password,
            Known::Sha1(single) if self.plugin == AccountPlugin::Scramble(Plugin::NativePassword) => {
                let nonce = nonce_from(name, data)?;
                let response = scramble_single(single, &nonce).to_vec();
                return Ok(ClientStep::Send(response.into(), self.in_phase(AuthPhase::Scramble(nonce))));
            }
            Known::Sha1(_) => return Err(AuthError::OnlyHash(name)),
        };
        match self.plugin {
            AccountPlugin::Scramble(plugin) => {
                let nonce = nonce_from(name, data)?;
                let response = plugin.scramble(password, &nonce);
                let proof_nonce = if plugin == Plugin::NativePassword { nonce } else { self.proof_nonce };
                let next = Self { proof_nonce, ..self.in_phase(AuthPhase::Scramble(nonce)) };
                Ok(ClientStep::Send(response.into(), next))
            }
            AccountPlugin::Ed25519 => {
                let challenge: ed25519::Challenge = challenge_from(name, data)?;
                let signature = ed25519::sign(password, &challenge).to_vec();
                Ok(ClientStep::Send(signature.into(), self.in_phase(AuthPhase::Verdict)))
            }
            AccountPlugin::Parsec => {
                let scramble = challenge_from(name, data)?;
                Ok(ClientStep::Send(Vec::new().into(), self.in_phase(AuthPhase::ExtSalt(scramble))))
            }
            AccountPlugin::Sha256 => {
                let nonce = nonce_from(name, data)?;
                match password.is_empty() {
                    true => self.clear(),
                    false => self.password(name, nonce),
                }
            }
            AccountPlugin::ClearPassword => self.clear_if_verified(),
            AccountPlugin::Dialog => match Question::parse(data)? {
                Question { is_password: true, .. } => self.clear_if_verified(),
                Question { text, .. } => Err(AuthError::Question(text)),
            },
        }
    }

    /// Answers an AuthMoreData packet; `data` is without its 0x01.
    ///
    /// # Errors
    /// [`AuthError::Unexpected`] for data that the plugin does not send at this point, [`AuthError::Unverified`] for a
    /// server that must not get the password, [`AuthError::PublicKey`] and [`AuthError::PasswordTooLong`] if the
    /// server's key cannot be used, [`AuthError::ExtSalt`] if its salt cannot be used, [`AuthError::Question`] for
    /// another question.
    pub fn more_data(self, data: &[u8]) -> Result<ClientStep<'a>, AuthError> {
        use AccountPlugin::{Dialog, Scramble};
        match (self.plugin, self.phase, data) {
            (Scramble(Plugin::CachingSha2), AuthPhase::Scramble(_), [FAST_AUTH_SUCCESS]) => {
                Ok(ClientStep::WaitForVerdict(self.in_phase(AuthPhase::Verdict)))
            }
            (Scramble(Plugin::CachingSha2), AuthPhase::Scramble(nonce), [FULL_AUTHENTICATION]) => {
                self.password("caching_sha2_password, full exchange", nonce)
            }
            (_, AuthPhase::PublicKey(nonce), pem) => self.encrypted(nonce, pem),
            (_, AuthPhase::ExtSalt(scramble), salt) => self.signed(scramble, salt),
            (Dialog, AuthPhase::Verdict, question) => {
                Err(AuthError::Question(Question::parse(question)?.text))
            }
            _ => Err(self.unexpected("more data")),
        }
    }

    /// Sends the password as the channel demands. `why` names the plugin and its exchange, for errors.
    fn password(self, why: &'static str, nonce: Nonce) -> Result<ClientStep<'a>, AuthError> {
        let request = ClientStep::RequestPublicKey(self.in_phase(AuthPhase::PublicKey(nonce)));
        match self.exchange.channel {
            Channel::Verified => self.clear(),
            // To sha256_password a unix socket is not safe.
            Channel::Local if self.plugin == AccountPlugin::Sha256 => Ok(request),
            Channel::Local => self.clear(),
            _ if self.exchange.only_verified => Err(AuthError::Unverified(why)),
            Channel::Encrypted => Self { exposed: Some(Exposure::UnverifiedTls), ..self }.clear(),
            Channel::Open => Ok(request),
        }
    }

    fn clear_if_verified(self) -> Result<ClientStep<'a>, AuthError> {
        match self.exchange.channel {
            Channel::Verified | Channel::Local => self.clear(),
            Channel::Encrypted | Channel::Open => Err(AuthError::ClearText(self.plugin.name())),
        }
    }

    /// Returns the password. A server that asks for it although only a hash is known gets nothing.
    fn known_password(&self) -> Result<&'a [u8], AuthError> {
        match self.exchange.known {
            Known::Password(password) => Ok(password),
            Known::Sha1(_) => Err(AuthError::OnlyHash(self.plugin.name())),
        }
    }

    fn clear(self) -> Result<ClientStep<'a>, AuthError> {
        Ok(ClientStep::Send(clear_password(self.known_password()?), self.in_phase(AuthPhase::Verdict)))
    }

    fn encrypted(self, nonce: Nonce, pem: &[u8]) -> Result<ClientStep<'a>, AuthError> {
        let cipher = encrypt_password(self.known_password()?, &nonce, pem)?;
        let exposed = match self.exchange.channel {
            Channel::Local => self.exposed,
            _ => Some(Exposure::UnverifiedKey),
        };
        Ok(ClientStep::Send(cipher.into(), Self { exposed, ..self.in_phase(AuthPhase::Verdict) }))
    }

    fn signed(self, scramble: Scramble, salt: &[u8]) -> Result<ClientStep<'a>, AuthError> {
        let salt = ExtSalt::parse(salt)?;
        let answer = parsec::answer(self.known_password()?, &salt, &scramble, &random()?)?;
        let next = Self { salt: Some(salt), ..self.in_phase(AuthPhase::Verdict) };
        Ok(ClientStep::Send(answer.to_vec().into(), next))
    }

    fn in_phase(self, phase: AuthPhase) -> Self {
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
            Self::RequestPublicKey(pending) if pending.plugin == AccountPlugin::Sha256 => {
                Some(&[SHA256_REQUEST_PUBLIC_KEY])
            }
            Self::RequestPublicKey(_) => Some(&[caching_sha2::REQUEST_PUBLIC_KEY]),
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
