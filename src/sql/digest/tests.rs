use super::*;

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
