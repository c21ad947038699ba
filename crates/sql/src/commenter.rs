//! Keys and values in comments, as sqlcommenter writes them: `/*key='value',other='value'*/`, URL-encoded. Client libraries
//! append them to a text for traces.
//! Source: the specification of sqlcommenter.

use super::{Kind, Lexer, Options};

/// The longest value that is read, in bytes.
const LONGEST: usize = 512;

/// Returns the value of a key in the comments of a text; the last one, if several have it. Takes a time that is linear in
/// the length of the text.
pub fn comment_value(text: &[u8], options: Options, key: &str) -> Option<Vec<u8>> {
    if !contains(text, key.as_bytes()) {
        return None;
    }
    let comments = Lexer::new(text, options).filter(|token| token.kind == Kind::Comment);
    comments.filter_map(|token| of_comment(token.text, key.as_bytes())).last()
}

/// True if `text` has `word`.
fn contains(text: &[u8], word: &[u8]) -> bool {
    let Some((first, rest)) = word.split_first() else { return true };
    let mut left = text;
    while let Some(at) = left.iter().position(|byte| byte == first) {
        left = left.get(at + 1..).unwrap_or_default();
        if left.starts_with(rest) {
            return true;
        }
    }
    false
}

/// Returns the value of a key in one comment.
fn of_comment(comment: &[u8], key: &[u8]) -> Option<Vec<u8>> {
    let mut rest = comment.strip_prefix(b"/*")?.strip_suffix(b"*/")?.trim_ascii();
    loop {
        let (name, more) = split(rest, b'=')?;
        let more = more.trim_ascii_start();
        if let Some(quoted) = more.strip_prefix(b"'") {
            let (value, behind) = quoted_value(quoted)?;
            if name.trim_ascii() == key {
                return decoded(value);
            }
            rest = behind.trim_ascii_start().strip_prefix(b",")?;
        } else {
            // Some libraries write numbers without quotes.
            rest = split(more, b',')?.1;
        }
    }
}

/// Splits a text behind the first `at`, which belongs to neither part.
fn split(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let place = text.iter().position(|byte| *byte == at)?;
    Some((text.get(..place)?, text.get(place + 1..)?))
}

/// Splits a text at the quote that ends a value. A quote behind a backslash belongs to the value.
fn quoted_value(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut is_escaped = false;
    let end = text.iter().position(|byte| {
        let ends = *byte == b'\'' && !is_escaped;
        is_escaped = *byte == b'\\' && !is_escaped;
        ends
    })?;
    Some((text.get(..end)?, text.get(end + 1..)?))
}

/// Decodes `%2C` and the like. None: the value is too long, or not as the specification has it.
fn decoded(value: &[u8]) -> Option<Vec<u8>> {
    if value.len() > LONGEST {
        return None;
    }
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut out = Vec::with_capacity(value.len());
    let mut bytes = value.iter();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => digit(bytes.next()?)? << 4 | digit(bytes.next()?)?,
            byte => *byte,
        });
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Option<String> {
        comment_value(text.as_bytes(), Options::default(), "traceparent")
            .map(|value| String::from_utf8(value).unwrap())
    }

    #[test]
    fn a_value_is_found_in_any_comment_beside_other_keys() {
        for text in [
            "SELECT 1 /*traceparent='00-ab'*/",
            "/*traceparent='00-ab'*/ SELECT 1",
            "SELECT /* a note */ 1 /* db_driver='x', traceparent = '00-ab' , z='1' */",
            "SELECT 1 /*action='%2Fpolls',framework='it\\'s',traceparent='00%2Dab',tracestate='a%3Db'*/;",
            "SELECT 1 /*db_driver='PyMySQL%3A1.2.4',dbapi_threadsafety=1,traceparent='00-ab'*/",
            "SELECT 'traceparent' /*traceparent='00-ab'*/",
            "SELECT 1 /*traceparent='old'*/ + 1 /*traceparent='00-ab'*/",
        ] {
            assert_eq!(value(text).as_deref(), Some("00-ab"), "{text}");
        }
    }

    #[test]
    fn what_is_no_comment_of_this_kind_has_no_value() {
        for text in [
            "SELECT 1",
            "SELECT '/*traceparent=\\'00-ab\\'*/'",
            "SELECT \"/*traceparent='00-ab'*/\"",
            "SELECT 1 /*traceparent=00-ab*/",
            "SELECT 1 /*traceparent='00-ab*/",
            "SELECT 1 /*a='1' traceparent='00-ab'*/",
            "SELECT 1 /*xtraceparent='00-ab'*/",
            "SELECT 1 /*traceparent='00%2'*/",
            "SELECT 1 /*traceparent='%zz'*/",
            "SELECT 1 -- traceparent='00-ab'",
            "SELECT 1 /*!50000 traceparent='00-ab'*/",
            "SELECT 1 /*traceparent='00-ab'",
        ] {
            assert_eq!(value(text), None, "{text}");
        }
        assert_eq!(value(&format!("SELECT 1 /*traceparent='{}'*/", "a".repeat(600))), None);
    }
}
