//! One function for each sort of token. Each returns how many bytes of the rest belong to the token.

use super::{Kind, Lexer};
use crate::steps;

/// Returns the kind and length of the token at the start of the lexer's rest, which must not be empty.
pub(super) fn token(lexer: &Lexer<'_>) -> (Kind, usize) {
    let rest = lexer.rest();
    match rest {
        [b'#', ..] => line_comment(lexer, rest),
        [b'-', b'-'] => line_comment(lexer, rest),
        [b'-', b'-', 1..=b' ', ..] => line_comment(lexer, rest),
        // The character set decides whether these are spaces or control characters, and so
        // whether this is a comment: 0xa0 in latin1, 0xff in cp850, 0x80 in macroman, …
        [b'-', b'-', 0 | 0x7f..=0xff, ..] => (Kind::Incomplete, 0),
        [b'/', b'*', ..] => block_comment(lexer, rest),
        [b'\'', ..] => quoted(Kind::String, rest, !lexer.options.no_backslash_escapes),
        [b'"', ..] if !lexer.options.ansi_quotes => {
            quoted(Kind::String, rest, !lexer.options.no_backslash_escapes)
        }
        [b'"' | b'`', ..] => quoted(Kind::QuotedIdentifier, rest, false),
        [b'@', b'@', ..] => (Kind::AtAt, 2),
        [b':', b'=', ..] => (Kind::Assign, 2),
        [b'.', b'0'..=b'9', ..] if !lexer.after_name => (Kind::Number, fraction(rest)),
        [b'0'..=b'9', ..] if !lexer.after_dot => number(rest),
        [byte, ..] if is_space(*byte) => (Kind::Space, run(rest, is_space)),
        [byte, ..] if is_word(*byte) => (Kind::Word, run(rest, is_word)),
        [byte, ..] => (single(*byte), 1),
        [] => (Kind::Incomplete, 0),
    }
}

fn single(byte: u8) -> Kind {
    match byte {
        b'@' => Kind::At,
        b';' => Kind::Semicolon,
        b'(' => Kind::Open,
        b')' => Kind::Close,
        b',' => Kind::Comma,
        b'.' => Kind::Dot,
        b'=' => Kind::Equals,
        _ => Kind::Operator,
    }
}

/// True for the white space of the servers' `my_isspace`, which does not include NUL.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | 0x80..)
}

fn run(bytes: &[u8], member: impl Fn(u8) -> bool) -> usize {
    bytes.iter().position(|byte| !member(*byte)).unwrap_or(bytes.len())
}

/// Returns the offset of the first `mark`.
pub(super) fn find(bytes: &[u8], mark: &[u8; 2]) -> Option<usize> {
    let found = bytes.windows(2).position(|pair| pair == mark);
    steps::count(found.unwrap_or(bytes.len()));
    found
}

fn after(bytes: &[u8], length: usize) -> &[u8] {
    bytes.get(length..).unwrap_or_default()
}

/// A comment up to the end of the line, without the line break. In a versioned comment the line must
/// end before the comment does: a server that reads the content as code would read on beyond `*/`.
fn line_comment(lexer: &Lexer<'_>, rest: &[u8]) -> (Kind, usize) {
    match rest.iter().position(|byte| *byte == b'\n') {
        Some(length) => (Kind::Comment, length),
        None if lexer.in_code_comment() => (Kind::Incomplete, 0),
        None => (Kind::Comment, rest.len()),
    }
}

/// `/* … */`, an optimizer hint, or the start of a versioned comment. Inside a versioned comment
/// each of these is `Incomplete`: whether and how they nest depends on the server.
fn block_comment(lexer: &Lexer<'_>, rest: &[u8]) -> (Kind, usize) {
    let body = after(rest, 2);
    let Some(end) = find(body, b"*/").filter(|_| !lexer.in_code_comment()) else {
        return (Kind::Incomplete, 0);
    };
    let content = body.get(..end).unwrap_or_default();
    let mark = match content {
        [b'!', ..] => 1,
        [b'M', b'!', ..] => 2,
        [b'+', hint @ ..] if !hint_quotes_close(hint) => return (Kind::Incomplete, 0),
        _ => return (Kind::Comment, end + 4),
    };
    // A server that skips the content counts nested comments; a server that reads it does not. The
    // nested comment may share its star with the end of this one: `/*! /*/`.
    if find(content, b"/*").is_some() || content.ends_with(b"/") {
        return (Kind::Incomplete, 0);
    }
    (Kind::CodeOpen, 2 + mark + version_digits(after(content, mark)))
}

/// Returns how many digits right behind the mark are a version: five or six (50001, 100100). Fewer are content.
fn version_digits(content: &[u8]) -> usize {
    match run(content, |byte| byte.is_ascii_digit()) {
        0..=4 => 0,
        digits => digits.min(6),
    }
}

/// True if every quote in an optimizer hint is closed. The servers read hints with separate lexers,
/// which know quotes; so the end of the hint is certain only if no quote is open there.
fn hint_quotes_close(hint: &[u8]) -> bool {
    let mut open = None;
    for byte in hint.iter().filter(|byte| matches!(byte, b'\'' | b'"' | b'`')) {
        match open {
            None => open = Some(byte),
            Some(quote) if quote == byte => open = None,
            Some(_) => {}
        }
    }
    open.is_none()
}

/// A quoted token up to its closing quote. A doubled quote is content, and so is a quote behind a
/// backslash if `backslash` is true.
fn quoted(kind: Kind, rest: &[u8], backslash: bool) -> (Kind, usize) {
    let Some((quote, mut body)) = rest.split_first() else { return (Kind::Incomplete, 0) };
    loop {
        let stop = body.iter().position(|byte| byte == quote || (backslash && *byte == b'\\'));
        body = match stop.map(|at| after(body, at)) {
            Some([b'\\', _, more @ ..]) if backslash => more,
            Some([first, second, more @ ..]) if first == quote && second == quote => more,
            Some([first, more @ ..]) if first == quote => return (kind, rest.len() - more.len()),
            _ => return (Kind::Incomplete, 0),
        };
    }
}

/// A token that begins with a digit: a number, or a name such as `2fa`. A number with an exponent or
/// a fraction ends there even if letters follow (`1.5INTO` is two tokens); digits alone do not.
fn number(rest: &[u8]) -> (Kind, usize) {
    let digits = run(rest, |byte| byte.is_ascii_digit());
    match after(rest, digits) {
        [b'.', ..] => (Kind::Number, digits + fraction(after(rest, digits))),
        [b'e' | b'E', ..] if exponent(after(rest, digits)) > 0 => {
            (Kind::Number, digits + exponent(after(rest, digits)))
        }
        _ => {
            let length = run(rest, is_word);
            let radix = match rest.get(..length).unwrap_or_default() {
                [b'0', b'x', hex @ ..] => !hex.is_empty() && hex.iter().all(u8::is_ascii_hexdigit),
                [b'0', b'b', bits @ ..] => {
                    !bits.is_empty() && bits.iter().all(|bit| matches!(bit, b'0' | b'1'))
                }
                _ => length == digits,
            };
            (if radix { Kind::Number } else { Kind::Word }, length)
        }
    }
}

/// Returns the length of a decimal point, its digits and an exponent.
fn fraction(rest: &[u8]) -> usize {
    let length = 1 + run(after(rest, 1), |byte| byte.is_ascii_digit());
    length + exponent(after(rest, length))
}

/// Returns the length of an exponent (`e5`, `E-5`); 0 if there is none.
fn exponent(rest: &[u8]) -> usize {
    let sign = match rest {
        [b'e' | b'E', b'+' | b'-', ..] => 2,
        [b'e' | b'E', ..] => 1,
        _ => return 0,
    };
    match run(after(rest, sign), |byte| byte.is_ascii_digit()) {
        0 => 0,
        digits => sign + digits,
    }
}
