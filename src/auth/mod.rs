//! The authentication plugins' exchanges as pure functions and small state machines:
//! [`ServerExchange`] is the proxy towards a client, [`ClientExchange`] the proxy
//! towards a server. Bytes in, bytes out; the callers build, send and receive the packets.

pub mod caching_sha2;
mod client_exchange;
pub mod native_password;
mod pem;
mod server_exchange;
#[cfg(test)]
mod tests;

pub use client_exchange::{Channel, ClientExchange, ClientStep, Exposure, Pending};
pub use pem::public_key_der;
pub use server_exchange::{Finishing, ServerExchange, Step, Switched};

/// Length of a nonce in bytes, without the NUL that ends it on the wire (`SCRAMBLE_LENGTH`).
pub const NONCE_LEN: usize = 20;

/// The challenge of one connection.
pub type Nonce = [u8; NONCE_LEN];

/// The plugins that the proxy supports, towards clients and servers.
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

/// What goes wrong in an exchange besides a wrong password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// The server asks for a plugin that the proxy does not support.
    #[error("the server asks for the authentication plugin {0}, which is not supported")]
    Unsupported(String),
    /// The plugin data of a greeting or an auth switch request is not a nonce.
    #[error("expected a nonce of 20 bytes, got {0}")]
    NonceLength(usize),
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
        "the server asks for the password (caching_sha2_password, full exchange), and servers_tls allows that only on a \
         connection with a verified certificate"
    )]
    Unverified,
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
        let mut raw = [0; 2 * NONCE_LEN];
        aws_lc_rs::rand::fill(&mut raw).map_err(|_| AuthError::Crypto)?;
        let good = raw.iter().map(|byte| byte & 0x7f).filter(|byte| *byte != 0 && *byte != b'$');
        for (slot, byte) in nonce.iter_mut().skip(filled).zip(good) {
            *slot = byte;
            filled += 1;
        }
    }
    Ok(nonce)
}

/// Returns the nonce in the plugin data of an auth switch request: 20 bytes, usually with a NUL.
fn nonce_from(data: &[u8]) -> Result<Nonce, AuthError> {
    let bare = match data.strip_suffix(&[0]) {
        Some(bare) if data.len() == NONCE_LEN + 1 => bare,
        _ => data,
    };
    bare.try_into().map_err(|_| AuthError::NonceLength(data.len()))
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
