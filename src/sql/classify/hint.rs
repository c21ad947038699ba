//! `/* pointsman: primary */`: comments that overrule.

use crate::sql::Effects;

const MARK: &[u8] = b"pointsman:";

/// What a comment asks for; nothing, nearly always.
pub(super) fn read(comment: &[u8]) -> Effects {
    let content = match comment {
        [b'/', b'*', content @ .., b'*', b'/'] => content,
        [b'-', b'-', content @ ..] | [b'#', content @ ..] => content,
        _ => return Effects::empty(),
    };
    let content = content.trim_ascii();
    let Some((mark, word)) = content.split_at_checked(MARK.len()) else { return Effects::empty() };
    if !mark.eq_ignore_ascii_case(MARK) {
        return Effects::empty();
    }
    let word = word.trim_ascii();
    let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
    match () {
        () if is("primary") => Effects::HINT_PRIMARY,
        () if is("replica") => Effects::HINT_REPLICA,
        () if is("explain") => Effects::HINT_EXPLAIN,
        () => Effects::empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints() {
        for comment in [
            "/* pointsman: primary */",
            "/*pointsman:primary*/",
            "-- Pointsman: PRIMARY",
            "#pointsman: primary",
        ] {
            assert_eq!(read(comment.as_bytes()), Effects::HINT_PRIMARY, "{comment}");
        }
        assert_eq!(read(b"/* pointsman: replica */"), Effects::HINT_REPLICA);
        assert_eq!(read(b"/* pointsman: explain */"), Effects::HINT_EXPLAIN);
        for comment in [
            "/* pointsman */",
            "/* x pointsman: primary */",
            "/*+ pointsman: primary */",
            "/* pointsman: x */",
            "/**/",
            "--",
            "#",
        ] {
            assert_eq!(read(comment.as_bytes()), Effects::empty(), "{comment}");
        }
    }
}
