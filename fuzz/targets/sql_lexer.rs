//! SQL text: the lexer ends, covers every byte and finds the quotes and comments that a slow reference finds; the guard of replica ports refuses a
//! write behind whatever it allows.
#![no_main]

mod reference;

use libfuzzer_sys::fuzz_target;
use pointsman::sql::read_only::{Verdict, check};
use pointsman::sql::{Kind, Lexer, Options, TextCharset, kill};

use reference::{Part, parts};

fuzz_target!(|input: (u8, &[u8])| {
    let (flags, sql) = input;
    let options = Options {
        ansi_quotes: flags & 1 != 0,
        no_backslash_escapes: flags & 2 != 0,
        charset: if flags & 4 != 0 { TextCharset::MultiByte } else { TextCharset::Utf8 },
    };
    covers(sql, options);
    agrees(sql, options);
    if check(sql, options) == Verdict::Allowed {
        for write in [&b"DELETE FROM t"[..], b"SET GLOBAL a = 1", b"/*!50000 DROP TABLE t */"] {
            let more = [sql, b"\n;\n", write].concat();
            assert_ne!(check(&more, options), Verdict::Allowed, "{}", more.escape_ascii());
        }
    }
    if kill::parse(sql, options).is_some() {
        assert_eq!(check(sql, options), Verdict::Allowed);
    }
});

fn covers(sql: &[u8], options: Options) {
    let mut at = 0;
    for token in Lexer::new(sql, options) {
        assert!(!token.text.is_empty() && token.start == at);
        at += token.text.len();
        assert!(token.kind != Kind::Incomplete || at == sql.len());
    }
    assert_eq!(at, sql.len());
}

/// Up to where the text has no sure end.
fn agrees(sql: &[u8], options: Options) {
    let expected = parts(sql, options);
    for token in Lexer::new(sql, options) {
        let part = match token.kind {
            Kind::Incomplete => return,
            Kind::String | Kind::QuotedIdentifier => Part::Quote,
            Kind::Comment => Part::Comment,
            _ => Part::Code,
        };
        let mut covered = expected[token.start..token.start + token.text.len()].iter();
        assert!(covered.all(|one| *one == part), "{token:?} in {}", sql.escape_ascii());
    }
}
