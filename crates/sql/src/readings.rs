//! The ways in which servers may read one text, if the session's settings are not known for certain.

use super::Options;

/// The possible settings under which a text may be read: one combination, or up to four.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Readings {
    /// One of the possible combinations.
    pub options: Options,
    /// True if ANSI_QUOTES may also have the opposite value.
    pub either_quotes: bool,
    /// True if NO_BACKSLASH_ESCAPES may also have the opposite value.
    pub either_escapes: bool,
}

impl From<Options> for Readings {
    fn from(options: Options) -> Self {
        Readings { options, either_quotes: false, either_escapes: false }
    }
}

impl Readings {
    /// Any sql_mode, the one in these options first.
    pub fn any_mode(options: Options) -> Self {
        Readings { options, either_quotes: true, either_escapes: true }
    }

    /// Returns every combination that matters for this text. ANSI_QUOTES does not matter for a text without a double
    /// quote, nor NO_BACKSLASH_ESCAPES for a text without a backslash.
    #[inline]
    pub fn of(self, sql: &[u8]) -> impl Iterator<Item = Options> {
        let quotes = self.either_quotes && sql.contains(&b'"');
        let escapes = self.either_escapes && sql.contains(&b'\\');
        let first = self.options;
        let other_quotes = Options { ansi_quotes: !first.ansi_quotes, ..first };
        let other_escapes = |of: Options| Options { no_backslash_escapes: !of.no_backslash_escapes, ..of };
        let ways = [
            Some(first),
            quotes.then_some(other_quotes),
            escapes.then(|| other_escapes(first)),
            (quotes && escapes).then(|| other_escapes(other_quotes)),
        ];
        ways.into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_matters_for_a_text_is_read_in_several_ways() {
        let open = Readings { either_quotes: true, either_escapes: true, ..Readings::default() };
        let ways = |sql: &str| {
            let ways = open.of(sql.as_bytes());
            ways.map(|way| (way.ansi_quotes, way.no_backslash_escapes)).collect::<Vec<_>>()
        };
        assert_eq!(ways("SELECT 'a'"), [(false, false)]);
        assert_eq!(ways("SELECT \"a\""), [(false, false), (true, false)]);
        assert_eq!(ways(r"SELECT '\'"), [(false, false), (false, true)]);
        assert_eq!(ways(r#"SELECT "\""#).len(), 4);
        assert_eq!(Readings::from(Options::default()).of(br#""\""#).count(), 1);
    }
}
