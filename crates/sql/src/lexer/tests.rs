use super::*;
use crate::TextCharset;
use proptest::prelude::*;

const PLAIN: Options =
    Options { ansi_quotes: false, no_backslash_escapes: false, charset: TextCharset::Utf8 };

/// `Kind(text)` of each token, trivia left out.
fn lex_with(options: Options, sql: &str) -> String {
    let tokens = Lexer::new(sql.as_bytes(), options).filter(|token| !token.is_trivia());
    let shown = tokens.map(|token| format!("{:?}({})", token.kind, String::from_utf8_lossy(token.text)));
    shown.collect::<Vec<_>>().join(" ")
}

fn lex(sql: &str) -> String {
    lex_with(PLAIN, sql)
}

#[track_caller]
fn same(sql: &str, expected: &str) {
    assert_eq!(lex(sql), expected, "{sql}");
}

#[test]
fn words_numbers_and_names_that_begin_with_digits() {
    same("a _b $c d1 ü", "Word(a) Word(_b) Word($c) Word(d1) Word(ü)");
    same(
        "1 12.5 .5 1e5 1E-5 1.e2 0x1F 0b01",
        "Number(1) Number(12.5) Number(.5) Number(1e5) Number(1E-5) Number(1.e2) Number(0x1F) Number(0b01)",
    );
    same("2fa 0xyz 1ea", "Word(2fa) Word(0xyz) Word(1ea)");
    same("t.5a t.1", "Word(t) Dot(.) Word(5a) Word(t) Dot(.) Word(1)");
    // The servers end a fraction or an exponent before letters.
    same(
        "1.5INTO 1e5INTO 1.INTO .5INTO",
        "Number(1.5) Word(INTO) Number(1e5) Word(INTO) Number(1.) Word(INTO) Number(.5) Word(INTO)",
    );
    same("1-e", "Number(1) Operator(-) Word(e)");
}

#[test]
fn quotes() {
    same(
        "'a''b' 'c\\'d' \"e\"\"f\" `g``h`",
        "String('a''b') String('c\\'d') String(\"e\"\"f\") QuotedIdentifier(`g``h`)",
    );
    same("'\\\\' x", "String('\\\\') Word(x)");
    same("`a\\` b", "QuotedIdentifier(`a\\`) Word(b)");
    same("'a' 'b'", "String('a') String('b')");
    same("n'x' _utf8'y' x'41'", "Word(n) String('x') Word(_utf8) String('y') Word(x) String('41')");
    same("''", "String('')");
    same("'a\n;b' ;", "String('a\n;b') Semicolon(;)");
    for open in ["'", "'a", "'a''", "'a\\'", "'a\\", "\"", "`", "`a``", "/*", "/*/", "/* x *", "/*! x"] {
        same(open, &format!("Incomplete({open})"));
        same(&format!("SELECT {open}"), &format!("Word(SELECT) Incomplete({open})"));
    }
}

#[test]
fn modes_change_what_quotes_mean() {
    let ansi = Options { ansi_quotes: true, ..PLAIN };
    assert_eq!(lex_with(ansi, "\"a\\\" 'b'"), "QuotedIdentifier(\"a\\\") String('b')");
    same("\"a\\\" 'b'", "Incomplete(\"a\\\" 'b')");
    let bare = Options { no_backslash_escapes: true, ..PLAIN };
    assert_eq!(lex_with(bare, "'a\\' b \"c\\\""), "String('a\\') Word(b) String(\"c\\\")");
    assert_eq!(lex_with(bare, "'a''b'"), "String('a''b')");
}

#[test]
fn comments() {
    same("a -- b\nc", "Word(a) Word(c)");
    same("a --\tb\nc --", "Word(a) Word(c)");
    same("a--b", "Word(a) Operator(-) Operator(-) Word(b)");
    same("5--1", "Number(5) Operator(-) Operator(-) Number(1)");
    same("a --\u{1}b\nc --\u{1f}", "Word(a) Word(c)");
    // Comments in some character sets and not in others (both servers, tried).
    for ambiguous in ["--\0 x", "--\u{7f} x", "--\u{a0} x", "--é"] {
        same(ambiguous, &format!("Incomplete({ambiguous})"));
    }
    same("a # b ' \" `\nc", "Word(a) Word(c)");
    same("a/* b ; ' */c/**/d", "Word(a) Word(c) Word(d)");
    same("/* /* */ a", "Word(a)");
    same("SELECT /*+ MAX_EXECUTION_TIME(1000) */ 1", "Word(SELECT) Number(1)");
    same("2*/* x */3", "Number(2) Operator(*) Number(3)");
    same("2 */ 3", "Number(2) Operator(*) Operator(/) Number(3)");
}

#[test]
fn versioned_comments_are_code() {
    same("/*! a */ b", "CodeOpen(/*!) Word(a) CodeClose(*/) Word(b)");
    same("/*!50001 a */", "CodeOpen(/*!50001) Word(a) CodeClose(*/)");
    same("/*!50001a */", "CodeOpen(/*!50001) Word(a) CodeClose(*/)");
    same("/*!100100 a*/", "CodeOpen(/*!100100) Word(a) CodeClose(*/)");
    same("/*M!100100 a*/", "CodeOpen(/*M!100100) Word(a) CodeClose(*/)");
    same("/*M! a*/", "CodeOpen(/*M!) Word(a) CodeClose(*/)");
    same("/*!123 a */", "CodeOpen(/*!) Number(123) Word(a) CodeClose(*/)");
    same("/*!*/", "CodeOpen(/*!) CodeClose(*/)");
    same("/*!50001*/", "CodeOpen(/*!50001) CodeClose(*/)");
    same("/* !50001 a */", "");
    same("/*m! a */", "");
    same("/*! a -- b\nc */ d", "CodeOpen(/*!) Word(a) Word(c) CodeClose(*/) Word(d)");
    same("/*! 'a' */", "CodeOpen(/*!) String('a') CodeClose(*/)");
    same("/*!50001 a */ t.1x", "CodeOpen(/*!50001) Word(a) CodeClose(*/) Word(t) Dot(.) Word(1x)");
}

#[test]
fn what_servers_of_different_versions_end_differently_is_incomplete() {
    // Read as code the quote runs over the `*/`; skipped, it does not.
    same("/*!99999 ' */; DROP TABLE t -- ' */", "CodeOpen(/*!99999) Incomplete(' */; DROP TABLE t -- ' */)");
    same("/*!99999 # */ DROP\n*/", "CodeOpen(/*!99999) Incomplete(# */ DROP\n*/)");
    same("/*! -- */ a", "CodeOpen(/*!) Incomplete(-- */ a)");
    same("/*! /* a */ b */", "Incomplete(/*! /* a */ b */)");
    same("/*! /*/ ' */; DROP TABLE t -- '", "Incomplete(/*! /*/ ' */; DROP TABLE t -- ')");
    same("/*! `*/` */", "CodeOpen(/*!) Incomplete(`*/` */)");
    // A quote that is open where a plain comment would end.
    same(
        "SELECT /*+ QB_NAME(`*/ '`) */ 1; DROP TABLE t -- '",
        "Word(SELECT) Incomplete(/*+ QB_NAME(`*/ '`) */ 1; DROP TABLE t -- ')",
    );
    same("SELECT /*+ QB_NAME(`a`) */ 1", "Word(SELECT) Number(1)");
}

#[test]
fn variables_and_punctuation() {
    same("@a:=1", "At(@) Word(a) Assign(:=) Number(1)");
    same("@@session.x=1", "AtAt(@@) Word(session) Dot(.) Word(x) Equals(=) Number(1)");
    same("@`a b`", "At(@) QuotedIdentifier(`a b`)");
    same("f(a,b);", "Word(f) Open(() Word(a) Comma(,) Word(b) Close()) Semicolon(;)");
    same("a<=>b", "Word(a) Operator(<) Equals(=) Operator(>) Word(b)");
    same("\0a", "Operator(\0) Word(a)");
}

#[test]
fn multi_byte_character_sets_are_ambiguous_only_where_it_matters() {
    let gbk = Options { charset: TextCharset::MultiByte, ..PLAIN };
    assert!(gbk.is_ambiguous(b"SELECT '\xbf\\' ; DROP TABLE t -- '"));
    assert!(gbk.is_ambiguous(b"SELECT `\x81`` FROM t"));
    assert!(!gbk.is_ambiguous(b"SELECT '\xd6\xd0\xce\xc4', 'a\\'b'"));
    assert!(!PLAIN.is_ambiguous(b"SELECT '\xbf\\' ;"));
}

#[test]
fn skipping_a_versioned_comment_goes_to_its_end() {
    let mut lexer = Lexer::new(b"/*!99999 a b */ c", PLAIN);
    assert_eq!(lexer.next().map(|token| token.kind), Some(Kind::CodeOpen));
    assert!(lexer.in_code_comment());
    lexer.skip_code_comment();
    assert_eq!(lexer.next().map(|token| token.kind), Some(Kind::CodeClose));
    assert!(!lexer.in_code_comment());
    assert!(lexer.next_significant().is_some_and(|token| token.is("C")));
}

/// Every byte belongs to one token, in order, and each token has bytes.
fn check_cover(sql: &[u8], options: Options) -> Result<(), TestCaseError> {
    let mut at = 0;
    let mut incomplete = false;
    for token in Lexer::new(sql, options) {
        prop_assert!(!incomplete, "something after Incomplete");
        prop_assert!(!token.text.is_empty());
        prop_assert_eq!(token.start, at);
        prop_assert_eq!(token.text, &sql[at..at + token.text.len()]);
        at += token.text.len();
        incomplete = token.kind == Kind::Incomplete;
    }
    prop_assert_eq!(at, sql.len());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_bytes_are_covered(sql: Vec<u8>, ansi_quotes: bool, no_backslash_escapes: bool) {
        check_cover(&sql, Options { ansi_quotes, no_backslash_escapes, charset: TextCharset::Utf8 })?;
    }

    #[test]
    fn any_sql_is_covered(parts in proptest::collection::vec(prop::sample::select(&PARTS[..]), 0..40), ansi_quotes: bool, no_backslash_escapes: bool) {
        let sql = parts.concat();
        check_cover(sql.as_bytes(), Options { ansi_quotes, no_backslash_escapes, charset: TextCharset::Utf8 })?;
    }

    #[test]
    fn without_a_backslash_no_escaping_mode_matters(parts in proptest::collection::vec(prop::sample::select(&PARTS[..]), 0..40)) {
        let sql = parts.concat().replace('\\', "");
        let bare = Options { no_backslash_escapes: true, ..PLAIN };
        prop_assert_eq!(lex(&sql), lex_with(bare, &sql));
    }
}

const PARTS: [&str; 34] = [
    " ", "\n", "a", "SELECT", "1", "0x", "1e", ".", "..", "'", "''", "\"", "`", "\\", "--", "-- ", "#", "/*",
    "*/", "/*!", "/*!50001", "/*M!", "/*+", "@", "@@", ":=", "=", ";", "(", ")", ",", "*", "/", "é",
];
