//! Statements in string literals: PREPARE and EXECUTE IMMEDIATE.

use super::query::expressions;
use super::statement::Statement;
use super::{Kind, Options, Reason, check_text};
use crate::sql::Token;

/// Checks `name FROM 'text'` of a PREPARE: the text is checked as if the client had sent it. A text
/// from a variable or (on MariaDB) from an expression is refused.
pub(super) fn prepare(mut rest: Statement<'_>, options: Options, nesting: u8) -> Result<(), Reason> {
    let _name = rest.next();
    match rest.next() {
        Some(from) if from.is("FROM") => {}
        _ => return Err(Reason::HiddenText),
    }
    let literal = rest.next();
    match rest.next() {
        None => check_literal(literal, options, nesting, rest),
        Some(_) => Err(Reason::HiddenText),
    }
}

/// Checks what follows EXECUTE. `name USING …` runs a text that was checked when it was prepared;
/// `IMMEDIATE 'text' USING …` is MariaDB's.
pub(super) fn execute(mut rest: Statement<'_>, options: Options, nesting: u8) -> Result<(), Reason> {
    let using = rest;
    let name = rest.next();
    if !name.is_some_and(|name| name.is("IMMEDIATE")) {
        return expressions(using);
    }
    match rest.next() {
        // A statement that was prepared under the name "immediate".
        None => Ok(()),
        Some(word) if word.is("USING") => expressions(using),
        literal => match rest.next() {
            Some(next) if !next.is("USING") => Err(Reason::HiddenText),
            _ => {
                check_literal(literal, options, nesting, rest)?;
                expressions(using)
            }
        },
    }
}

fn check_literal(
    literal: Option<Token<'_>>,
    options: Options,
    nesting: u8,
    of: Statement<'_>,
) -> Result<(), Reason> {
    match literal {
        Some(token) if token.kind == Kind::String => {
            check_text(&unescape(token.text, options), options, nesting + 1, of.budget(), of.calls())
        }
        _ => Err(Reason::HiddenText),
    }
}

/// Returns the bytes between the quotes, unchanged.
pub(super) fn inside_quotes(quoted: &[u8]) -> &[u8] {
    match quoted {
        [_, inside @ .., _] => inside,
        _ => quoted,
    }
}

/// Returns the value of a string literal. <https://dev.mysql.com/doc/refman/8.4/en/string-literals.html>
pub(in crate::sql) fn unescape(literal: &[u8], options: Options) -> Vec<u8> {
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
