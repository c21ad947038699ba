use super::*;
use crate::TextCharset;

fn of(sql: &str) -> String {
    let mut out = String::new();
    digest(sql.as_bytes(), Options::default(), &mut out);
    out
}

/// Texts and what STATEMENT_DIGEST_TEXT() of MySQL 9.7 returns for them.
#[test]
fn digests_are_mysqls() {
    let lines = include_str!("tests/texts.tsv").lines();
    let pairs: Vec<_> = lines.filter_map(|line| line.split_once('\t')).collect();
    assert!(pairs.len() > 60);
    let wrong = pairs.iter().filter(|(sql, expected)| of(sql) != *expected);
    let wrong: Vec<_> = wrong.map(|(sql, expected)| format!("{sql}\n  {expected}\n  {}", of(sql))).collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), pairs.len(), wrong.join("\n"));
}

#[test]
fn a_digest_has_no_literal_even_where_a_text_is_broken() {
    for sql in [
        "SELECT 'secret",
        "SELECT `secret",
        "SELECT 1 /* secret",
        "SELECT /*! 'secret' /* */",
        "SET PASSWORD = 'secret'",
        "SELECT /*+ SET_VAR(a = 'secret') */ 1",
        "SELECT 1 -- secret",
        "SELECT N'secret', _utf8mb4'secret', x'secret'",
        "CREATE USER a@'secret' IDENTIFIED BY 'secret'",
        "SELECT \"secret\"",
    ] {
        assert!(!of(sql).contains("secret"), "{sql}: {}", of(sql));
    }
}

#[test]
fn a_long_digest_is_cut_at_a_character() {
    let mut out = String::new();
    let long = format!("SELECT {}", "ähnliche_namen, ".repeat(200));
    assert!(!digest(long.as_bytes(), Options::default(), &mut out));
    assert!(out.len() <= MAX_DIGEST && out.len() > MAX_DIGEST - 4, "{}", out.len());
    // A text that is long for its values is not.
    let bulk = format!("INSERT INTO t VALUES (1, 'a'){}", ", (2, 'b')".repeat(10_000));
    assert!(digest(bulk.as_bytes(), Options::default(), &mut out));
    assert_eq!(out, "INSERT INTO `t` VALUES (...) /* , ... */");
}

#[test]
fn any_bytes_have_a_digest() {
    for sql in [&b"\xff\xfe\x00"[..], b"", b";;;", b"SELECT \xc3", b")))", b"@@", b"@", b"a.b.", b"`\xff`"] {
        let mut out = String::new();
        digest(sql, Options::default(), &mut out);
        assert!(out.len() <= MAX_DIGEST);
    }
}

/// The contents of the strings of a text as a server reads it: by characters of gbk if `gbk` is true, else by bytes. None:
/// a string has no end.
fn strings(sql: &[u8], options: Options, gbk: bool) -> Option<Vec<Vec<u8>>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(quote) = sql.get(at).copied() {
        at += 1;
        if gbk
            && (0x81..=0xfe).contains(&quote)
            && sql.get(at).is_some_and(|b| matches!(b, 0x40..=0x7e | 0x80..=0xfe))
        {
            at += 1;
            continue;
        }
        if !matches!(quote, b'\'' | b'"' | b'`') {
            continue;
        }
        let string = quote == b'\'' || (quote == b'"' && !options.ansi_quotes);
        let mut content = Vec::new();
        loop {
            let byte = *sql.get(at)?;
            let next = sql.get(at + 1).copied();
            let pair = gbk
                && (0x81..=0xfe).contains(&byte)
                && next.is_some_and(|b| matches!(b, 0x40..=0x7e | 0x80..=0xfe));
            let escaped = string && !options.no_backslash_escapes && byte == b'\\';
            if pair || escaped || (byte == quote && next == Some(quote)) {
                content.extend([byte, next?]);
                at += 2;
            } else if byte == quote {
                at += 1;
                break;
            } else {
                content.push(byte);
                at += 1;
            }
        }
        if string {
            found.push(content);
        }
    }
    Some(found)
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    fn pieces() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            4 => prop::sample::select(vec![&b"'"[..], b"\"", b"`", b"\\", b"''", b"\xbf\\", b"\xe5\x5c", b"\xbf'", b"\xa0", b"\xbf`"]),
            2 => prop::sample::select(vec![&b" SELECT "[..], b" CREATE USER ", b", ", b" = ", b"(", b")", b" a ", b"@", b"7", b" /*+ x */ ", b"#", b"\n"]),
            2 => prop::sample::select(vec![&b"QZXJ"[..], b"KWVY", b"secret", b"@'%' IDENTIFIED BY 'hunter2'"]),
        ];
        prop::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn no_four_bytes_of_a_string_are_shown(
            sql in pieces(),
            ansi_quotes: bool,
            no_backslash_escapes: bool,
            unsafe_charset: bool,
            foreign_charset: bool,
        ) {
            // Comments would need a reader of their own.
            prop_assume!(!sql.contains(&b'#'));
            let charset = match (unsafe_charset, foreign_charset) {
                (_, true) => TextCharset::Unsafe,
                (true, false) => TextCharset::MultiByte,
                (false, false) => TextCharset::SingleByte,
            };
            let options = Options { ansi_quotes, no_backslash_escapes, charset };
            let mut out = String::new();
            digest(&sql, options, &mut out);
            let same = Digest::of(&sql, options);
            prop_assert_eq!(same.text(), &out);
            if foreign_charset || (unsafe_charset && !sql.is_ascii()) {
                let rest = out.trim_start_matches(|c: char| c.is_ascii_uppercase());
                prop_assert_eq!(rest.trim_start(), format!("? (not understood, {} bytes)", sql.len()));
                return Ok(());
            }
            for content in strings(&sql, options, unsafe_charset).into_iter().flatten() {
                // Backticks around a name are the digest's own.
                for run in content.windows(4).filter(|run| run.iter().all(u8::is_ascii_alphanumeric)) {
                    let elsewhere = sql.windows(4).filter(|other| *other == run).count() > 1;
                    prop_assert!(elsewhere || !out.as_bytes().windows(4).any(|shown| shown == run), "{out}");
                }
            }
        }
    }
}

#[test]
fn what_may_be_read_otherwise_is_not_shown() {
    let gbk = Options { charset: TextCharset::MultiByte, ..Options::default() };
    let swe7 = Options { charset: TextCharset::Unsafe, ..gbk };
    let text = |sql: &[u8], options| Digest::of(sql, options).text().to_owned();
    let user = b"CREATE USER '\xbf\\'@'%' IDENTIFIED BY 'secret'";
    assert_eq!(text(user, gbk), format!("CREATE ? (not understood, {} bytes)", user.len()));
    assert_eq!(text(b"SELECT 'a'", gbk), "SELECT ?");
    assert_eq!(text(b"SELECT 'a'", swe7), "SELECT ? (not understood, 10 bytes)");
    assert_eq!(text(b"SELECT \\NINTO", Options::default()), "SELECT ? (not understood, 13 bytes)");
    assert_eq!(text(b"SET x = 'secret", Options::default()), "SET ? (not understood, 15 bytes)");
}
