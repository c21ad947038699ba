//! Just enough PEM (RFC 7468) to read the public key that a server sends:
//! one `PUBLIC KEY` block, base64 in lines, to DER.

use super::AuthError;

const BEGIN: &[u8] = b"-----BEGIN PUBLIC KEY-----";
const END: &[u8] = b"-----END PUBLIC KEY-----";
/// The longest PEM text that is read, in bytes. A key of 8,192 bits is under 1,500 bytes of PEM.
const MAX_PEM: usize = 16 * 1024;

/// Returns the DER SubjectPublicKeyInfo in a PEM text. Text around the block and a NUL after it are ignored.
///
/// # Errors
/// [`AuthError::PublicKey`] says what is missing or malformed.
pub fn public_key_der(text: &[u8]) -> Result<Vec<u8>, AuthError> {
    if text.len() > MAX_PEM {
        return Err(AuthError::PublicKey("too long"));
    }
    let (_, after) = cut(text, BEGIN).ok_or(AuthError::PublicKey("no BEGIN PUBLIC KEY"))?;
    let (body, _) = cut(after, END).ok_or(AuthError::PublicKey("no END PUBLIC KEY"))?;
    decode_base64(body).ok_or(AuthError::PublicKey("malformed base64"))
}

/// Returns the bytes before and after the first `mark`.
fn cut<'a>(text: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = text.windows(mark.len()).position(|window| window == mark)?;
    Some((text.get(..at)?, text.get(at + mark.len()..)?))
}

/// Decodes standard base64 (RFC 4648 section 4), padded, with white space anywhere. Strict
/// otherwise: no bytes after the padding, no stray bits in the last character.
pub(super) fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let mut bits = 0u32;
    let mut symbols = 0usize;
    let mut padding = 0usize;
    for &byte in text.iter().filter(|byte| !byte.is_ascii_whitespace()) {
        symbols += 1;
        let value = match sextet(byte) {
            Some(value) if padding == 0 => value,
            None if byte == b'=' && padding < 2 => {
                padding += 1;
                0
            }
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        if symbols.is_multiple_of(4) {
            let [_, group @ ..] = bits.to_be_bytes();
            let (keep, rest) = group.split_at_checked(3 - padding)?;
            if rest.iter().any(|stray| *stray != 0) {
                return None;
            }
            out.extend_from_slice(keep);
            bits = 0;
        }
    }
    // Padding completes a group of four, and nothing but white space follows it.
    symbols.is_multiple_of(4).then_some(out)
}

fn sextet(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}
