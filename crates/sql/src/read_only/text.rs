//! The values of string literals, for PREPARE and EXECUTE IMMEDIATE.

use super::Options;

/// Returns the bytes between the quotes, unchanged.
fn inside_quotes(quoted: &[u8]) -> &[u8] {
    match quoted {
        [_, inside @ .., _] => inside,
        _ => quoted,
    }
}

/// Returns the value of a string literal. <https://dev.mysql.com/doc/refman/8.4/en/string-literals.html>
pub(crate) fn unescape(literal: &[u8], options: Options) -> Vec<u8> {
    let quote = literal.first().copied().unwrap_or(b'\'');
    let mut bytes = inside_quotes(literal).iter().copied();
    let mut value = Vec::with_capacity(literal.len());
    while let Some(byte) = bytes.next() {
        match byte {
            // A doubled quote: keeps the second. A single one would have ended the literal.
            _ if byte == quote => value.extend(bytes.next()),
            b'\\' if !options.no_backslash_escapes => match bytes.next() {
                // `\%` and `\_` keep the backslash, for LIKE.
                Some(wildcard @ (b'%' | b'_')) => value.extend([b'\\', wildcard]),
                Some(escaped) => value.push(escape(escaped)),
                None => {}
            },
            _ => value.push(byte),
        }
    }
    value
}

fn escape(byte: u8) -> u8 {
    match byte {
        b'0' => 0,
        b'b' => 8,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'Z' => 26,
        other => other,
    }
}
