//! SQL text: the lexer ends and covers every byte, and the guard of replica ports refuses a
//! write behind whatever it allows.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pointsman::sql::read_only::{Verdict, check};
use pointsman::sql::{Kind, Lexer, Options, kill};

fuzz_target!(|input: (u8, &[u8])| {
    let (flags, sql) = input;
    let options = Options {
        ansi_quotes: flags & 1 != 0,
        no_backslash_escapes: flags & 2 != 0,
        unsafe_charset: flags & 4 != 0,
    };
    covers(sql, options);
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
