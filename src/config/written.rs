//! Values as they are written in TOML.

use std::fmt::{self, Formatter};

use super::choice::Choice;

/// Returns a text as a basic TOML string.
pub(super) fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// Returns the word of a setting with a closed set of words, in quotes.
pub(super) fn word(value: impl Choice) -> String {
    quoted(value.word())
}

/// Writes a key with a text, if there is one.
pub(super) fn write_text(f: &mut Formatter<'_>, key: &str, text: Option<&str>) -> fmt::Result {
    text.map_or(Ok(()), |text| writeln!(f, "{key} = {}", quoted(text)))
}
