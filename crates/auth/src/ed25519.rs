//! `client_ed25519`, MariaDB's plugin `ed25519`: the client signs the server's challenge by Ed25519 (RFC 8032). The
//! password, of any length, stands for the seed of 32 bytes. The server stores the public key.
//! <https://mariadb.com/kb/en/authentication-plugin-ed25519/>, `plugin/auth_ed25519` in MariaDB's source.

use aws_lc_rs::digest::SHA512;
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::{Scalar, clamp_integer};
use zeroize::Zeroizing;

use super::digest;

/// Length in bytes of a challenge (`NONCE_BYTES`); no NUL follows it.
pub const CHALLENGE_LEN: usize = 32;
/// A challenge.
pub type Challenge = [u8; CHALLENGE_LEN];
/// A compressed point of the curve: what the server stores of a password, base64 without padding.
pub type PublicKey = [u8; 32];
/// Length of a signature in bytes.
pub const SIGNATURE_LEN: usize = 64;
/// What the client sends.
pub type Signature = [u8; SIGNATURE_LEN];

/// What a password is hashed to (RFC 8032, section 5.1.5).
struct ExpandedKey {
    /// The secret scalar.
    scalar: Zeroizing<Scalar>,
    /// Makes the signature's first half unpredictable.
    prefix: Zeroizing<[u8; 32]>,
}

impl ExpandedKey {
    fn new(password: &[u8]) -> Self {
        let hash = Zeroizing::new(digest::<64>(&SHA512, &[password]));
        let mut low = Zeroizing::new([0; 32]);
        let mut prefix = Zeroizing::new([0; 32]);
        low.iter_mut().chain(prefix.iter_mut()).zip(hash.iter()).for_each(|(slot, byte)| *slot = *byte);
        let scalar = Zeroizing::new(Scalar::from_bytes_mod_order(clamp_integer(*low)));
        Self { scalar, prefix }
    }

    fn public(&self) -> PublicKey {
        EdwardsPoint::mul_base(&self.scalar).compress().to_bytes()
    }
}

/// Returns what the server stores of a password (`mysql.global_priv`, decoded).
pub fn public_key(password: &[u8]) -> PublicKey {
    ExpandedKey::new(password).public()
}

/// Returns the client's answer to a challenge (RFC 8032, section 5.1.6); for an empty password a signature, too.
pub fn sign(password: &[u8], challenge: &[u8]) -> Signature {
    let key = ExpandedKey::new(password);
    let nonce = Zeroizing::new(digest::<64>(&SHA512, &[&*key.prefix, challenge]));
    let nonce = Zeroizing::new(Scalar::from_bytes_mod_order_wide(&nonce));
    let commitment = EdwardsPoint::mul_base(&nonce).compress().to_bytes();
    let hash = digest::<64>(&SHA512, &[&commitment, &key.public(), challenge]);
    let response = *nonce + Scalar::from_bytes_mod_order_wide(&hash) * *key.scalar;

    let mut signature = [0; SIGNATURE_LEN];
    let bytes = commitment.into_iter().chain(response.to_bytes());
    signature.iter_mut().zip(bytes).for_each(|(slot, byte)| *slot = byte);
    signature
}

/// Checks an answer to a challenge with the stored public key.
pub fn verify(signature: &[u8], challenge: &[u8], public_key: &PublicKey) -> bool {
    UnparsedPublicKey::new(&ED25519, public_key).verify(challenge, signature).is_ok()
}
