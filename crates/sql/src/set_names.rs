//! Finds which collation a SET chose. The session trackers of both servers report only the character
//! sets of `SET NAMES latin1 COLLATE latin1_bin`, not the collation.

use super::lexer::{Kind, Lexer, Options};

/// The collation of a text that changed `character_set_connection`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Collation<'a> {
    /// The default collation of the character set.
    Default,
    /// The collation of this name.
    Named(&'a [u8]),
}

/// The variable whose collation no tracker reports.
const VARIABLE: &str = "character_set_connection";

/// Where a token stands: what gives the variable its value must be a name. A number, or a value of that type, is the id of a
/// collation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ValuePlace {
    Elsewhere,
    BehindVariable,
    BehindEquals,
    BehindValue,
}

impl ValuePlace {
    /// Returns the place behind a token; None if the value is no name.
    fn behind(self, kind: Kind, text: &[u8]) -> Option<ValuePlace> {
        let name = text.strip_prefix(b"`").and_then(|text| text.strip_suffix(b"`")).unwrap_or(text);
        let is_variable = matches!(kind, Kind::Word | Kind::QuotedIdentifier)
            && name.eq_ignore_ascii_case(VARIABLE.as_bytes());
        let is_name = matches!(kind, Kind::Word | Kind::String | Kind::QuotedIdentifier);
        match (self, kind) {
            (ValuePlace::BehindVariable, _) if matches!(text, b"=" | b":=") => Some(ValuePlace::BehindEquals),
            (ValuePlace::BehindVariable, _) if text == b":" => Some(self),
            (ValuePlace::BehindEquals, _) => is_name.then_some(ValuePlace::BehindValue),
            (ValuePlace::BehindValue, Kind::Comma | Kind::Semicolon) => Some(ValuePlace::Elsewhere),
            (ValuePlace::BehindValue, _) => None,
            _ if is_variable => Some(ValuePlace::BehindVariable),
            _ => Some(ValuePlace::Elsewhere),
        }
    }
}

/// Returns the collation that a single SET chooses. None if the text does not say (`SET NAMES DEFAULT`,
/// `SET CHARACTER SET`, several statements, a CALL, …).
pub fn collation(sql: &[u8], options: Options) -> Option<Collation<'_>> {
    if options.is_ambiguous(sql) {
        return None;
    }
    let mut lexer = Lexer::new(sql, options);
    lexer.next_significant().filter(|token| token.is("set"))?;
    let mut found = Collation::Default;
    let (mut follows_collate, mut follows_names, mut ended) = (false, false, false);
    let mut place = ValuePlace::Elsewhere;
    while let Some(token) = lexer.next_significant() {
        place = place.behind(token.kind, token.text)?;
        if ended || matches!(token.kind, Kind::Incomplete | Kind::CodeOpen | Kind::CodeClose) {
            return None;
        }
        let word = token.kind == Kind::Word;
        if follows_collate {
            if found != Collation::Default {
                return None;
            }
            found = Collation::Named(plain_name(token.kind, token.text)?);
        } else if (word && token.is_any(&["character", "char", "charset"]))
            || (follows_names && token.is("default"))
        {
            return None;
        }
        follows_collate = word && !follows_collate && token.is("collate");
        follows_names = word && token.is("names");
        ended = token.kind == Kind::Semicolon;
    }
    (!follows_collate && place != ValuePlace::BehindEquals).then_some(found)
}

/// Returns a name, with or without quotes, if it has only characters that names of collations have.
fn plain_name(kind: Kind, text: &[u8]) -> Option<&[u8]> {
    let name = match (kind, text) {
        (Kind::Word, name) => name,
        (Kind::String | Kind::QuotedIdentifier, [_, name @ .., _]) => name,
        _ => return None,
    };
    let plain = !name.is_empty() && name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_');
    (plain && !name.eq_ignore_ascii_case(b"default")).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(sql: &str) -> Option<Collation<'_>> {
        collation(sql.as_bytes(), Options::default())
    }

    #[test]
    fn what_drivers_say() {
        for sql in [
            "SET NAMES latin1",
            "set names 'utf8mb4';",
            "SET character_set_connection = latin1",
            "SET @@session.character_set_connection := 'latin1', autocommit = 1;",
            "SET autocommit = 1, `character_set_connection` = latin1",
            "SET @old = @@character_set_connection, NAMES latin1",
        ] {
            assert_eq!(read(sql), Some(Collation::Default), "{sql}");
        }
        for sql in [
            "SET NAMES latin1 COLLATE latin1_bin",
            "/* x */ set names 'latin1' collate 'latin1_bin';",
            "SET NAMES latin1 COLLATE `latin1_bin`, autocommit = 1",
            "SET autocommit = 1, NAMES latin1 COLLATE latin1_bin",
        ] {
            assert_eq!(read(sql), Some(Collation::Named(b"latin1_bin")), "{sql}");
        }
    }

    #[test]
    fn what_does_not_tell() {
        for sql in [
            "",
            "CALL p()",
            "SET NAMES DEFAULT",
            "SET NAMES latin1 COLLATE DEFAULT",
            "SET NAMES latin1 COLLATE",
            "SET NAMES latin1 COLLATE 'latin1_''bin'",
            "SET CHARACTER SET latin1",
            "SET CHARSET latin1",
            "SET NAMES latin1; SET NAMES latin1 COLLATE latin1_bin",
            "SET NAMES latin1 COLLATE latin1_bin, NAMES utf8mb4 COLLATE utf8mb4_bin",
            "SET NAMES latin1 /*!40101 COLLATE latin1_bin */",
            "SELECT 1; SET NAMES latin1",
            "SET character_set_connection = 2",
            "SET @@session.character_set_connection := 2",
            "SET `character_set_connection` = 2, autocommit = 1",
            "SET character_set_connection = @id",
            "SET character_set_connection = (SELECT 2)",
            "SET character_set_connection = latin1 + 1",
            "SET character_set_connection = CONCAT('latin1')",
            "SET character_set_connection =",
        ] {
            assert_eq!(read(sql), None, "{sql}");
        }
    }
}
