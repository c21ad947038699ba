//! `mysql_native_password`: the answer is SHA1(password) XOR SHA1(nonce, SHA1(SHA1(password))).
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_authentication_methods_native_password_authentication.html>

use super::{Nonce, digest, same, xor};
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY as SHA1, SHA256};
use zeroize::Zeroizing;

/// A SHA-1 digest.
pub type Sha1 = [u8; 20];

/// Returns the SHA-1 of a password, which suffices to log in (see [`scramble_single`]).
pub fn sha1(password: &[u8]) -> Sha1 {
    digest(&SHA1, &[password])
}

/// Returns what the server stores of a password (`mysql.user.authentication_string` without `*`, decoded).
pub fn double_sha1(password: &[u8]) -> Sha1 {
    let single = Zeroizing::new(digest::<20>(&SHA1, &[password]));
    digest(&SHA1, &[&*single])
}

/// Returns the double SHA-1 of the password with this SHA-1.
pub fn double_of_single(single: &Sha1) -> Sha1 {
    digest(&SHA1, &[single])
}

/// Returns the client's answer. The caller must handle an empty password, whose answer is empty.
pub fn scramble(password: &[u8], nonce: &Nonce) -> Sha1 {
    let single = Zeroizing::new(digest::<20>(&SHA1, &[password]));
    scramble_single(&single, nonce)
}

/// Returns the client's answer, computed from the SHA-1 of the password, which suffices to log in (see [`verify`]).
pub fn scramble_single(single: &Sha1, nonce: &Nonce) -> Sha1 {
    let double: Sha1 = digest(&SHA1, &[single]);
    xor(digest(&SHA1, &[nonce, &double]), single)
}

/// Checks an answer against the stored double SHA-1. A correct answer reveals the single
/// SHA-1, which is returned: with it the proxy can log in to servers in the client's name.
pub fn verify(response: &[u8], nonce: &Nonce, stored: &Sha1) -> Option<Sha1> {
    let response: &Sha1 = response.try_into().ok()?;
    let single = xor(digest(&SHA1, &[nonce, stored]), response);
    let double: Sha1 = digest(&SHA1, &[&single]);
    same(&double, stored).then_some(single)
}

/// Returns what proves to a client that the owner of a certificate knows its password: MariaDB's servers since 11.4 send
/// it as the text of the OK packet that ends a login over TLS. A client whose own way to verify the certificate failed
/// computes the same; whoever is in between has another certificate. `fingerprint` is the certificate's SHA-256.
///
/// The text is a 1, for SHA-256, and SHA-256(double SHA-1 of the password, nonce, fingerprint) in hexadecimal digits.
/// <https://mariadb.com/kb/en/mission-impossible-zero-configuration-ssl/>
pub fn certificate_proof(double: &Sha1, nonce: &Nonce, fingerprint: &[u8; 32]) -> Vec<u8> {
    certificate_proof_by(double, nonce, fingerprint)
}

/// Returns the same text for another plugin: `stored` is what its servers store of the password.
pub fn certificate_proof_by(stored: &[u8], nonce: &Nonce, fingerprint: &[u8; 32]) -> Vec<u8> {
    let proof: [u8; 32] = digest(&SHA256, &[stored, nonce, fingerprint]);
    let digits = proof.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let digits = digits.map(|digit| if digit < 10 { b'0' + digit } else { b'A' + digit - 10 });
    std::iter::once(1).chain(digits).collect()
}

/// Checks an answer against the password. The answer for an empty password must be empty.
pub fn verify_password(response: &[u8], nonce: &Nonce, password: &[u8]) -> bool {
    if password.is_empty() || response.is_empty() {
        return password.is_empty() && response.is_empty();
    }
    same(response, &scramble(password, nonce))
}
