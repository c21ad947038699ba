//! The ways in which servers may read one text, where the session's settings leave it open.

use super::Options;

/// How a text may be read: in one way, or in up to four.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Readings {
    /// One of the ways.
    pub options: Options,
    /// ANSI_QUOTES may also be the other way round.
    pub either_quotes: bool,
    /// NO_BACKSLASH_ESCAPES may also be the other way round.
    pub either_escapes: bool,
}

impl From<Options> for Readings {
    fn from(options: Options) -> Self {
        Readings { options, either_quotes: false, either_escapes: false }
    }
}

impl Readings {
    /// Every way that matters for this text: without a double quote, or without a backslash, both values of a setting
    /// read it alike.
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
