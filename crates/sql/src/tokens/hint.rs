//! Hints: comments such as `/* pointsman: primary */` that override the classification or the read level.

use crate::Effects;

const MARK: &[u8] = b"pointsman:";

/// Returns the hint in a comment; empty for an ordinary comment.
pub(crate) fn read(comment: &[u8]) -> Effects {
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
        () => level(word),
    }
}

/// Reads `consistency=session` and the like, with or without spaces around the `=`.
fn level(word: &[u8]) -> Effects {
    let mut parts = word.splitn(2, |byte| *byte == b'=').map(<[u8]>::trim_ascii);
    if !parts.next().is_some_and(|key| key.eq_ignore_ascii_case(b"consistency")) {
        return Effects::empty();
    }
    let value = parts.next().unwrap_or_default();
    let is = |name: &str| value.eq_ignore_ascii_case(name.as_bytes());
    match () {
        () if is("strong") => Effects::HINT_STRONG,
        () if is("session") => Effects::HINT_SESSION,
        () if is("bounded") => Effects::HINT_BOUNDED,
        () if is("eventual") => Effects::HINT_EVENTUAL,
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
        assert_eq!(read(b"/* pointsman: consistency=strong */"), Effects::HINT_STRONG);
        assert_eq!(read(b"/* pointsman: Consistency = Session */"), Effects::HINT_SESSION);
        assert_eq!(read(b"-- pointsman:consistency=bounded"), Effects::HINT_BOUNDED);
        assert_eq!(read(b"#pointsman: consistency=eventual"), Effects::HINT_EVENTUAL);
        for comment in [
            "/* pointsman: consistency */",
            "/* pointsman: consistency=x */",
            "/* pointsman: consistency='session' */",
            "/* pointsman: session */",
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
