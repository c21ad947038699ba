//! The proxy as the server of the plugins that sign: checks a client's signature, by the public key of the password.
//! It begins with an auth switch request. Each state is a type that its transition consumes.

use super::ed25519::{Challenge, SIGNATURE_LEN};
use super::parsec::{ANSWER_LEN, EXT_SALT_LEN, ExtSalt};
use super::server_exchange::NOBODY;
use super::{AuthError, ed25519, parsec, random};

/// The plugins that sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignaturePlugin {
    /// `client_ed25519`.
    Ed25519,
    /// `parsec`.
    Parsec,
}

/// The state after an auth switch request with [`SignatureExchange::challenge`]: the client's packet is expected.
pub struct SignatureExchange<'a> {
    plugin: SignaturePlugin,
    challenge: Challenge,
    password: Option<&'a [u8]>,
}

/// The state after the extended salt: the client's answer is expected.
pub struct AwaitingSignature<'a> {
    scramble: parsec::Scramble,
    salt: ExtSalt,
    password: Option<&'a [u8]>,
}

/// What to do next.
pub enum SignatureStep<'a> {
    /// Send these bytes as they are, as servers do (some clients do not expect the 0x01 of AuthMoreData), and pass the
    /// client's packet to `respond`.
    ExtSalt([u8; EXT_SALT_LEN], AwaitingSignature<'a>),
    /// The client is authenticated: send OK. The field is what a server stores of the password.
    Accept(Vec<u8>),
    /// Wrong password, no such user, or a packet that the plugin does not send: send ERROR 1045.
    Reject,
}

impl SignaturePlugin {
    /// Returns the plugin of this name on the wire.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        match name {
            b"client_ed25519" => Some(Self::Ed25519),
            b"parsec" => Some(Self::Parsec),
            _ => None,
        }
    }

    /// Returns the plugin's name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "client_ed25519",
            Self::Parsec => "parsec",
        }
    }
}

impl<'a> SignatureExchange<'a> {
    /// Begins an exchange with a random challenge, which does not end in a zero byte: drivers such as go-sql-driver take
    /// that for the end of a string, and then fail at one login in 256. `password` is None for a user that does not exist: the exchange
    /// then runs as with a wrong password.
    ///
    /// # Errors
    /// [`AuthError::Crypto`] if the system provides no randomness.
    pub fn new(plugin: SignaturePlugin, password: Option<&'a [u8]>) -> Result<Self, AuthError> {
        let mut challenge: Challenge = random()?;
        if let [.., last @ 0] = &mut challenge {
            *last = 1;
        }
        Ok(Self { plugin, challenge, password })
    }

    /// Returns the data of the auth switch request. No NUL follows them.
    pub fn challenge(&self) -> &Challenge {
        &self.challenge
    }

    /// Handles the client's packet after the auth switch request.
    ///
    /// # Errors
    /// [`AuthError::Crypto`] if the system provides no randomness.
    pub fn respond(self, packet: &[u8]) -> Result<SignatureStep<'a>, AuthError> {
        let Self { plugin, challenge, password } = self;
        match plugin {
            SignaturePlugin::Ed25519 if packet.len() == SIGNATURE_LEN => {
                let key = ed25519::public_key(password.unwrap_or(NOBODY));
                Ok(verdict(ed25519::verify(packet, &challenge, &key), password, key.to_vec()))
            }
            SignaturePlugin::Parsec if packet.is_empty() => {
                let salt = ExtSalt::random()?;
                let next = AwaitingSignature { scramble: challenge, salt, password };
                Ok(SignatureStep::ExtSalt(salt.encode(), next))
            }
            // No key is derived for what cannot be right.
            _ => Ok(SignatureStep::Reject),
        }
    }
}

impl<'a> AwaitingSignature<'a> {
    /// Handles the client's packet after the extended salt. Deriving the key takes about a millisecond.
    ///
    /// # Errors
    /// [`AuthError::Crypto`] if the cryptographic library fails.
    pub fn respond(self, packet: &[u8]) -> Result<SignatureStep<'a>, AuthError> {
        if packet.len() != ANSWER_LEN {
            return Ok(SignatureStep::Reject);
        }
        let key = parsec::public_key(self.password.unwrap_or(NOBODY), &self.salt)?;
        let stored = [self.salt.encode().as_slice(), &key].concat();
        Ok(verdict(parsec::verify(packet, &self.scramble, &key), self.password, stored))
    }
}

/// `&` evaluates both sides: a missing user must not take less time than a wrong password.
fn verdict<'a>(right: bool, password: Option<&[u8]>, stored: Vec<u8>) -> SignatureStep<'a> {
    if right & password.is_some() { SignatureStep::Accept(stored) } else { SignatureStep::Reject }
}

impl std::fmt::Debug for SignatureStep<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::ExtSalt(..) => "ExtSalt",
            Self::Accept(_) => "Accept",
            Self::Reject => "Reject",
        })
    }
}
