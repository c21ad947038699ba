//! The authentication plugins' exchanges as pure functions and small state machines:
//! [`ServerExchange`] is the proxy towards a client, [`ClientExchange`] the proxy
//! towards a server. Bytes in, bytes out; the callers build, send and receive the packets.

pub mod caching_sha2;
mod client_exchange;
pub mod dialog;
pub mod ed25519;
pub mod native_password;
mod own_key;
pub mod parsec;
mod passed;
mod pem;
mod server_exchange;
mod signature_exchange;
#[cfg(test)]
mod tests;

pub use client_exchange::{Channel, ClientExchange, ClientStep, Exposure, Known, Pending};
pub use own_key::OwnKey;
pub use passed::{BothLegs, FromServer, PassError, PassedLogin, readable};
pub use pem::public_key_der;
pub use server_exchange::{
    AskedByServer, Asking, AuthStep, ExpectedPacket, Finishing, PasswordProof, ServerExchange, Switched,
};
pub use signature_exchange::{AwaitingSignature, SignatureExchange, SignaturePlugin, SignatureStep};

/// Length of a nonce in bytes, without the NUL that ends it on the wire (`SCRAMBLE_LENGTH`).
pub const NONCE_LEN: usize = 20;

/// The challenge of one connection.
pub type Nonce = [u8; NONCE_LEN];

/// The plugins of greetings and of clients: the answer is a scramble of the password and a nonce of 20 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Plugin {
    /// `mysql_native_password`: SHA-1, one answer.
    NativePassword,
    /// `caching_sha2_password`: SHA-256, one answer, and the password itself if the server asks for it.
    CachingSha2,
}

impl Plugin {
    /// Returns the plugin of this name on the wire, if the proxy supports it.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        match name {
            b"mysql_native_password" => Some(Self::NativePassword),
            b"caching_sha2_password" => Some(Self::CachingSha2),
            _ => None,
        }
    }

    /// Returns the plugin's name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::NativePassword => "mysql_native_password",
            Self::CachingSha2 => "caching_sha2_password",
        }
    }

    /// Returns the answer to a nonce; empty for an empty password, as with all clients.
    pub fn scramble(self, password: &[u8], nonce: &Nonce) -> Vec<u8> {
        if password.is_empty() {
            return Vec::new();
        }
        match self {
            Self::NativePassword => native_password::scramble(password, nonce).to_vec(),
            Self::CachingSha2 => caching_sha2::scramble(password, nonce).to_vec(),
        }
    }
}

/// The plugins that an account on a server may use: the server asks the proxy to switch to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AccountPlugin {
    /// A plugin of greetings.
    Scramble(Plugin),
    /// `client_ed25519`, for MariaDB's `ed25519`: signs the server's challenge.
    Ed25519,
    /// `parsec` of MariaDB: signs both sides' scrambles.
    Parsec,
    /// `sha256_password` of MySQL: the password itself, over TLS or encrypted.
    Sha256,
    /// `mysql_clear_password`, for PAM and LDAP: the password itself.
    ClearPassword,
    /// `dialog`, for MariaDB's PAM: the password itself, as the answer to a question.
    Dialog,
}

impl AccountPlugin {
    /// Returns the plugin of this name on the wire, if the proxy supports it.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        match name {
            b"client_ed25519" => Some(Self::Ed25519),
            b"parsec" => Some(Self::Parsec),
            b"sha256_password" => Some(Self::Sha256),
            b"mysql_clear_password" => Some(Self::ClearPassword),
            b"dialog" => Some(Self::Dialog),
            name => Plugin::from_name(name).map(Self::Scramble),
        }
    }

    /// Returns the plugin's name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scramble(plugin) => plugin.name(),
            Self::Ed25519 => "client_ed25519",
            Self::Parsec => "parsec",
            Self::Sha256 => "sha256_password",
            Self::ClearPassword => "mysql_clear_password",
            Self::Dialog => "dialog",
        }
    }
}

/// What goes wrong in an exchange besides a wrong password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// The server asks for a plugin that the proxy does not support.
    #[error("the server asks for the authentication plugin {0}, which is not supported")]
    Unsupported(String),
    /// The plugin data of an auth switch request have another length than the plugin's challenge.
    #[error("{plugin} expects a challenge of {expected} bytes, got {got}")]
    ChallengeLength {
        /// The plugin that the server asks for.
        plugin: &'static str,
        /// The length of the plugin's challenges, in bytes.
        expected: usize,
        /// The length of the data, in bytes.
        got: usize,
    },
    /// A packet that the plugin does not allow at this point.
    #[error("{plugin} did not expect {got} here")]
    Unexpected {
        /// The plugin in use.
        plugin: &'static str,
        /// The packet that came.
        got: &'static str,
    },
    /// The server asks for the password itself, which only a verified server may get.
    #[error(
        "the server asks for the password ({0}), and servers_tls allows that only on a connection with a verified \
         certificate"
    )]
    Unverified(&'static str),
    /// The server asks for the password in clear text, which only a verified server may get, whatever `servers_tls` says.
    #[error(
        "the server asks for the password in clear text ({0}), and only a server with a verified certificate gets it: set \
         servers_tls.ca_file (or ca_secret)"
    )]
    ClearText(&'static str),
    /// The server asks for a plugin that needs the password, of which only a hash is known.
    #[error(
        "the server asks for the authentication plugin {0}, which needs the password; the proxy has only the hash that \
         mysql_native_password reveals"
    )]
    OnlyHash(&'static str),
    /// The server asks for another factor, behind a password that was right.
    #[error("the server asks for another factor ({0}), which only the client can give")]
    NextFactor(String),
    /// The client logged in to the server itself, so that the proxy knows neither the password nor a hash.
    #[error("the client logged in to the server itself, and the proxy has nothing to log in with")]
    OnlyClient,
    /// The server asks something that the proxy cannot answer.
    #[error("the server asks {0:?} (dialog), and the proxy can answer one question only, for the password")]
    Question(String),
    /// The server's extended salt cannot be used.
    #[error("the server's extended salt (parsec) cannot be used: {0}")]
    ExtSalt(&'static str),
    /// The server's public key is not a PEM text of an RSA key of 2,048 to 8,192 bits.
    #[error("the server's public key cannot be read: {0}")]
    PublicKey(&'static str),
    /// The password is too long to be encrypted with the server's key.
    #[error("the password is too long for the server's public key")]
    PasswordTooLong,
    /// The cryptographic library failed.
    #[error("the cryptographic library failed")]
    Crypto,
}

impl AuthError {
    /// True if the client could go on where the proxy cannot.
    pub fn needs_client(&self) -> bool {
        matches!(self, AuthError::Unsupported(_) | AuthError::NextFactor(_) | AuthError::Question(_))
    }
}

/// Returns a new random nonce. Its bytes are 1 to 127 and never `$`, as those of the server's own
/// generator (`generate_user_salt`): clients read the nonce as a C string, and `$` separates
/// the fields of stored credentials.
///
/// # Errors
/// [`AuthError::Crypto`] if the system provides no randomness.
pub fn nonce() -> Result<Nonce, AuthError> {
    let mut nonce = [0; NONCE_LEN];
    let mut filled = 0;
    while filled < NONCE_LEN {
        let raw: [u8; 2 * NONCE_LEN] = random()?;
        let good = raw.iter().map(|byte| byte & 0x7f).filter(|byte| *byte != 0 && *byte != b'$');
        for (slot, byte) in nonce.iter_mut().skip(filled).zip(good) {
            *slot = byte;
            filled += 1;
        }
    }
    Ok(nonce)
}

/// Returns random bytes.
fn random<const N: usize>() -> Result<[u8; N], AuthError> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| AuthError::Crypto)?;
    Ok(bytes)
}

/// Returns the nonce in the plugin data of an auth switch request: 20 bytes, usually with a NUL.
fn nonce_from(plugin: &'static str, data: &[u8]) -> Result<Nonce, AuthError> {
    let bare = match data.strip_suffix(&[0]) {
        Some(bare) if data.len() == NONCE_LEN + 1 => bare,
        _ => data,
    };
    challenge_from(plugin, bare)
}

/// Returns the challenge that is all of the plugin data.
fn challenge_from<const N: usize>(plugin: &'static str, data: &[u8]) -> Result<[u8; N], AuthError> {
    let wrong = |_| AuthError::ChallengeLength { plugin, expected: N, got: data.len() };
    data.try_into().map_err(wrong)
}

/// Compares secrets in constant time, except if their lengths differ: lengths are public.
fn same(left: &[u8], right: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(left, right).is_ok()
}

/// Returns `left` XOR `right`.
fn xor<const N: usize>(mut left: [u8; N], right: &[u8; N]) -> [u8; N] {
    left.iter_mut().zip(right).for_each(|(byte, other)| *byte ^= other);
    left
}

/// Returns the digest of several parts; `N` is the algorithm's output length.
fn digest<const N: usize>(algorithm: &'static aws_lc_rs::digest::Algorithm, parts: &[&[u8]]) -> [u8; N] {
    let mut context = aws_lc_rs::digest::Context::new(algorithm);
    parts.iter().for_each(|part| context.update(part));
    let mut output = [0; N];
    output.iter_mut().zip(context.finish().as_ref()).for_each(|(slot, byte)| *slot = *byte);
    output
}
