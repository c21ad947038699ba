//! `caching_sha2_password`: a SHA-256 answer, which the server checks against its cache. If the
//! cache has no entry, the server asks for the password itself, which is sent over a safe channel
//! or encrypted with the server's RSA key.
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_caching_sha2_authentication_exchanges.html>

use super::{AuthError, Nonce, digest, pem, same, xor};
use aws_lc_rs::digest::SHA256;
use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OaepPublicEncryptingKey, PublicEncryptingKey};
use zeroize::Zeroizing;

/// Packet from the client: asks for the server's public key (`request_public_key`).
pub const REQUEST_PUBLIC_KEY: u8 = 2;
/// AuthMoreData from the server: the answer was right, an OK packet follows (`fast_auth_success`).
pub const FAST_AUTH_SUCCESS: u8 = 3;
/// AuthMoreData from the server: asks for the password (`perform_full_authentication`).
pub const FULL_AUTHENTICATION: u8 = 4;

/// The overhead of an OAEP block with SHA-1: two digests and two bytes.
const OAEP_OVERHEAD: usize = 2 * 20 + 2;

/// Returns the client's answer: SHA256(password) XOR SHA256(SHA256(SHA256(password)), nonce).
/// The caller must handle an empty password, whose answer is empty.
pub fn scramble(password: &[u8], nonce: &Nonce) -> [u8; 32] {
    let single = Zeroizing::new(digest::<32>(&SHA256, &[password]));
    let double: [u8; 32] = digest(&SHA256, &[&*single]);
    xor(digest(&SHA256, &[&double, nonce]), &single)
}

/// Checks an answer against the password. The answer for an empty password is empty or
/// one NUL.
pub fn verify_fast(response: &[u8], nonce: &Nonce, password: &[u8]) -> bool {
    let empty = matches!(response, [] | [0]);
    if password.is_empty() || empty {
        return password.is_empty() && empty;
    }
    same(response, &scramble(password, nonce))
}

/// Returns the password for a safe channel (TLS, unix socket): its bytes and a NUL.
pub fn clear_password(password: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut clear = Zeroizing::new(Vec::with_capacity(password.len() + 1));
    clear.extend_from_slice(password);
    clear.push(0);
    clear
}

/// Returns the password for an unsafe channel: with a NUL, XORed with the repeated nonce, and
/// encrypted by RSA-OAEP (SHA-1) with the server's public key, a PEM text (`BEGIN PUBLIC KEY`).
///
/// # Errors
/// [`AuthError::PublicKey`] for a text that is not an RSA key of 2,048 to 8,192 bits,
/// [`AuthError::PasswordTooLong`] if password and NUL are longer than the key size in bytes - 42.
pub fn encrypt_password(password: &[u8], nonce: &Nonce, public_key: &[u8]) -> Result<Vec<u8>, AuthError> {
    let der = pem::public_key_der(public_key)?;
    let rejected = |_| AuthError::PublicKey("not an RSA key of 2048 to 8192 bits");
    let key = PublicEncryptingKey::from_der(&der).map_err(rejected)?;
    let key = OaepPublicEncryptingKey::new(key).map_err(|_| AuthError::Crypto)?;

    let mut plain = clear_password(password);
    if plain.len() > key.key_size_bytes().saturating_sub(OAEP_OVERHEAD) {
        return Err(AuthError::PasswordTooLong);
    }
    plain.iter_mut().zip(nonce.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
    let mut cipher = vec![0; key.ciphertext_size()];
    let written = key.encrypt(&OAEP_SHA1_MGF1SHA1, &plain, &mut cipher, None);
    let length = written.map_err(|_| AuthError::Crypto)?.len();
    cipher.truncate(length);
    Ok(cipher)
}
