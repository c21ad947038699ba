//! Texts of several statements, one statement at a time.

use crate::sql::Options;
use crate::sql::read_only::{first_statement, is_blank};

/// The first statement of a text, and the rest.
pub(in crate::session) struct Cut<'a> {
    pub text: &'a [u8],
    /// What follows the statement's semicolon.
    pub rest: Option<&'a [u8]>,
}

/// Splits the first statement off a text. If that statement is empty, the rest is not split off: servers
/// reject an empty statement in the middle of a text, too.
pub(in crate::session) fn cut(text: &[u8], options: Options) -> Cut<'_> {
    match first_statement(text, options) {
        (first, Some(_)) if is_blank(first, options) => Cut { text, rest: None },
        (first, rest) => Cut { text: first, rest },
    }
}

/// True if a text has several statements.
pub(in crate::session) fn has_several(text: &[u8], options: Options) -> bool {
    cut(trimmed(text), options).rest.is_some()
}

/// Returns a text without the semicolons and white space at its end, which the servers cut off, too.
pub(in crate::session) fn trimmed(text: &[u8]) -> &[u8] {
    let is_garbage = |byte: &u8| matches!(byte, b';' | b' ' | b'\t'..=b'\r');
    let length = text.iter().rposition(|byte| !is_garbage(byte)).map_or(0, |last| last + 1);
    text.get(..length).unwrap_or_default()
}
