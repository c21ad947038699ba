//! Just enough PEM (RFC 7468) to read the public key that a server sends, and to write the proxy's own:
//! one `PUBLIC KEY` block, base64 in lines.

use super::AuthError;

const BEGIN: &[u8] = b"-----BEGIN PUBLIC KEY-----";
const END: &[u8] = b"-----END PUBLIC KEY-----";
/// The longest PEM text that is read, in bytes. A key of 8,192 bits is under 1,500 bytes of PEM.
const MAX_PEM: usize = 16 * 1024;
/// The characters of a line of base64.
const LINE: usize = 64;

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

/// Returns the PEM text of a DER SubjectPublicKeyInfo.
pub fn public_key_pem(der: &[u8]) -> Vec<u8> {
    let mut pem = [BEGIN, b"\n"].concat();
    for (at, symbol) in encode_base64(der).into_iter().enumerate() {
        if at > 0 && at.is_multiple_of(LINE) {
            pem.push(b'\n');
        }
        pem.push(symbol);
    }
    pem.extend_from_slice(b"\n");
    pem.extend_from_slice(END);
    pem.push(b'\n');
    pem
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

/// Encodes standard base64, padded.
fn encode_base64(bytes: &[u8]) -> Vec<u8> {
    let groups = bytes.chunks(3).flat_map(|chunk| {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        let length = chunk.len();
        (0..4).map(move |at| if at <= length { symbol(bits >> (18 - 6 * at) & 63) } else { b'=' })
    });
    groups.collect()
}

fn symbol(sextet: u32) -> u8 {
    let value = u8::try_from(sextet).unwrap_or(0);
    match value {
        0..=25 => b'A' + value,
        26..=51 => b'a' + (value - 26),
        52..=61 => b'0' + (value - 52),
        62 => b'+',
        _ => b'/',
    }
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
