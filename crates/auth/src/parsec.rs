//! `parsec`, MariaDB's plugin since 11.6: the client signs both sides' scrambles by Ed25519, with a key that PBKDF2
//! derives from the password and a salt. The client asks for the salt with an empty packet.
//! <https://mariadb.com/kb/en/authentication-plugin-parsec/>, `plugin/auth_parsec` in MariaDB's source.

use std::num::NonZeroU32;

use aws_lc_rs::pbkdf2::{self, PBKDF2_HMAC_SHA512};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use zeroize::Zeroizing;

use super::AuthError;

/// Length of a scramble in bytes (`CHALLENGE_SCRAMBLE_LENGTH`); no NUL follows it.
pub const SCRAMBLE_LEN: usize = 32;
/// The random bytes of one side.
pub type Scramble = [u8; SCRAMBLE_LEN];
/// Length in bytes of an extended salt: the hash function, the iteration factor, the salt.
pub const EXT_SALT_LEN: usize = 2 + SALT_LEN;
/// Length in bytes of the client's answer: its scramble and the signature.
pub const ANSWER_LEN: usize = SCRAMBLE_LEN + SIGNATURE_LEN;
/// What the server stores of a password, with the extended salt.
pub type ParsecKey = [u8; 32];

const SALT_LEN: usize = 18;
const SIGNATURE_LEN: usize = 64;
/// PBKDF2 with HMAC-SHA-512.
const PBKDF2: u8 = b'P';
/// The greatest iteration factor that servers store and clients accept: 8,192 iterations, about ten milliseconds. A
/// greater factor would let a server keep its clients busy.
const MAX_FACTOR: u8 = 3;

/// How a key is derived from a password ("ext-salt").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExtSalt {
    /// 1,024 iterations, doubled so many times; [`MAX_FACTOR`] at most.
    factor: u8,
    salt: [u8; SALT_LEN],
}

impl ExtSalt {
    /// Returns a random salt with the least number of iterations, as `SET PASSWORD` makes it.
    ///
    /// # Errors
    /// [`AuthError::Crypto`] if the system provides no randomness.
    pub fn random() -> Result<Self, AuthError> {
        Ok(Self { factor: 0, salt: super::random()? })
    }

    /// Reads the packet that answers the empty packet.
    ///
    /// # Errors
    /// [`AuthError::ExtSalt`] for another length, another hash function or too many iterations.
    pub fn parse(packet: &[u8]) -> Result<Self, AuthError> {
        let Ok(&[function, factor, ref salt @ ..]) = <&[u8; EXT_SALT_LEN]>::try_from(packet) else {
            return Err(AuthError::ExtSalt("it must have 20 bytes"));
        };
        if function != PBKDF2 {
            return Err(AuthError::ExtSalt("the only known hash function is P, for PBKDF2"));
        }
        if factor > MAX_FACTOR {
            return Err(AuthError::ExtSalt("the iteration factor must be 0 to 3"));
        }
        Ok(Self { factor, salt: *salt })
    }

    /// Returns the packet.
    pub fn encode(&self) -> [u8; EXT_SALT_LEN] {
        let mut packet = [PBKDF2; EXT_SALT_LEN];
        let bytes = [PBKDF2, self.factor].into_iter().chain(self.salt);
        packet.iter_mut().zip(bytes).for_each(|(slot, byte)| *slot = byte);
        packet
    }

    fn key_pair(&self, password: &[u8]) -> Result<Ed25519KeyPair, AuthError> {
        let iterations = NonZeroU32::new(1024 << self.factor.min(MAX_FACTOR)).ok_or(AuthError::Crypto)?;
        let mut seed = Zeroizing::new([0; 32]);
        pbkdf2::derive(PBKDF2_HMAC_SHA512, iterations, &self.salt, password, &mut *seed);
        Ed25519KeyPair::from_seed_unchecked(&*seed).map_err(|_| AuthError::Crypto)
    }
}

/// Returns what the server stores of a password, beside the salt.
///
/// # Errors
/// [`AuthError::Crypto`] if the cryptographic library fails.
pub fn public_key(password: &[u8], salt: &ExtSalt) -> Result<ParsecKey, AuthError> {
    let pair = salt.key_pair(password)?;
    pair.public_key().as_ref().try_into().map_err(|_| AuthError::Crypto)
}

/// Returns the client's answer to the server's scramble: the client's own scramble, which must be random, and the
/// signature of both.
///
/// # Errors
/// [`AuthError::Crypto`] if the cryptographic library fails.
pub fn answer(
    password: &[u8],
    salt: &ExtSalt,
    server: &Scramble,
    client: &Scramble,
) -> Result<[u8; ANSWER_LEN], AuthError> {
    let signature =
        salt.key_pair(password)?.try_sign(&signed(server, client)).map_err(|_| AuthError::Crypto)?;
    let mut answer = [0; ANSWER_LEN];
    answer.iter_mut().zip(client.iter().chain(signature.as_ref())).for_each(|(slot, byte)| *slot = *byte);
    Ok(answer)
}

/// Checks a client's answer with the stored public key.
pub fn verify(answer: &[u8], server: &Scramble, public_key: &ParsecKey) -> bool {
    let Some((client, signature)) = answer.split_first_chunk() else { return false };
    UnparsedPublicKey::new(&ED25519, public_key).verify(&signed(server, client), signature).is_ok()
}

/// Returns what the client signs.
fn signed(server: &Scramble, client: &Scramble) -> [u8; 2 * SCRAMBLE_LEN] {
    let mut both = [0; 2 * SCRAMBLE_LEN];
    both.iter_mut().zip(server.iter().chain(client)).for_each(|(slot, byte)| *slot = *byte);
    both
}
