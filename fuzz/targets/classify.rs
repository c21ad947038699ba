//! The class of a text: what is called a read passes the guard of replica ports and has no word of a write in it;
//! the cache says what a fresh look says; more statements never make a text milder.
#![no_main]

mod reference;

use libfuzzer_sys::fuzz_target;
use pointsman::sql::digest::Digest;
use pointsman::sql::read_only::{Reason, Verdict, check, first_statement, is_blank};
use pointsman::sql::steps::taken;
use pointsman::sql::{
    ClassCache, Context, Effects, Options, StatementClass, TextCharset, classify, parts, proxy_variable,
};
use pointsman::terms::StatementKind;
use reference::Part;
use std::cell::RefCell;

thread_local! {
    /// It stays from input to input: texts of one shape must be of one class.
    static CACHE: RefCell<ClassCache> = RefCell::new(ClassCache::with_digests(true));
}

fuzz_target!(|input: (u8, &[u8])| {
    let (flags, bytes) = input;
    let options = Options {
        ansi_quotes: flags & 1 != 0,
        no_backslash_escapes: flags & 2 != 0,
        charset: if flags & 4 != 0 { TextCharset::MultiByte } else { TextCharset::Utf8 },
    };
    let schema: &[u8] = if flags & 8 != 0 { b"mysql" } else { b"" };
    // Bytes as they are seldom make statements; as the numbers of words they do.
    let words: Vec<u8>;
    let sql = match flags & 16 {
        0 => bytes,
        _ => {
            words = bytes.iter().flat_map(|byte| WORDS[usize::from(*byte) % WORDS.len()].bytes()).collect();
            &words
        }
    };
    let context = Context { options, schema };
    let class = classify(sql, context, &());
    let (cached, its_digest) = CACHE.with_borrow_mut(|cache| cache.look_up(sql, context, &()));
    if let Some(its_digest) = its_digest {
        let fresh = Digest::of(sql, options);
        assert_eq!(
            its_digest.text(),
            fresh.text(),
            "texts of one shape have one digest: {}",
            sql.escape_ascii()
        );
    }
    assert_eq!(class, cached, "{}", sql.escape_ascii());
    if class.kind == StatementKind::Read {
        is_a_read(sql, options);
    }
    if class.effects.contains(Effects::SETS_LITERALS) {
        let values = parts::user_variables(sql, options);
        assert!(values.is_some_and(|values| !values.is_empty()), "{}", sql.escape_ascii());
    }
    if proxy_variable::parse(sql, options).is_some() {
        // Else nobody would look.
        assert!(class.effects.contains(Effects::MAY_BE_OWN), "{}", sql.escape_ascii());
    }
    if flags & 32 != 0 {
        is_read_in_linear_time(sql, context);
    }
    let half = sql.len() / 2;
    grows_stricter(&sql[..half], &sql[half..], context);
});

/// The middle of the text, again and again: its readers take at most so many steps a byte, as in `linear_tests`.
fn is_read_in_linear_time(sql: &[u8], context: Context<'_>) {
    const LONG: usize = 32 << 10;
    const AT_LEAST: u64 = 1 << 18;
    let (head, rest) = sql.split_at(sql.len() / 3);
    let (part, tail) = rest.split_at(rest.len().div_ceil(2));
    if part.is_empty() {
        return;
    }
    let text = [head, &part.repeat(LONG / part.len()), tail].concat();
    let linear = |readings: u64, steps: u64| {
        let most = 3 * readings * text.len() as u64 + AT_LEAST;
        assert!(
            steps <= most,
            "{steps} steps: {} + n * {} + {}",
            head.escape_ascii(),
            part.escape_ascii(),
            tail.escape_ascii()
        );
    };
    linear(6, taken(|| _ = ClassCache::new().classify(&text, context, &())));
    linear(8, taken(|| _ = check(&text, context.options)));
    linear(4, taken(|| _ = parts::named_user_variables(&text, context.options)));
    linear(4, taken(|| _ = parts::system_variables(&text, context.options)));
}

fn is_a_read(sql: &[u8], options: Options) {
    // A server may refuse what the grammar does not have, as a syntax error. It must not write.
    if let Verdict::Refused(refusal) = check(sql, options) {
        let stopped = matches!(refusal.reason, Reason::NotUnderstood | Reason::TooDeep | Reason::TooMuchWork);
        assert!(stopped, "{refusal}: {}", sql.escape_ascii());
    }
    let parts = reference::parts(sql, options);
    let code: Vec<u8> =
        sql.iter().zip(&parts).map(|(byte, part)| if *part == Part::Code { *byte } else { b' ' }).collect();
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | 0x80..);
    let mut at = 0;
    while at < code.len() {
        let length = code[at..].iter().take_while(|byte| is_word(byte)).count();
        let word = code[at..at + length].to_ascii_uppercase();
        // Names: `t.delete`, `@delete`.
        let named = before(&code[..at]).is_some_and(|byte| matches!(byte, b'.' | b'@'));
        let writes: [&[u8]; 8] =
            [b"DELETE", b"UPDATE", b"DROP", b"ALTER", b"GRANT", b"REVOKE", b"CALL", b"LOAD"];
        assert!(named || !writes.contains(&word.as_slice()), "{}", sql.escape_ascii());
        at += length.max(1);
    }
}

/// The last byte of code; where a versioned comment begins or ends is none.
fn before(code: &[u8]) -> Option<u8> {
    let mut code = code.trim_ascii_end();
    loop {
        let digits = code.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        let opens = [b"/*!".as_slice(), b"/*M!"]
            .iter()
            .find_map(|mark| code[..code.len() - digits].strip_suffix(*mark));
        let Some(rest) = opens.or_else(|| code.strip_suffix(b"*/")) else { return code.last().copied() };
        code = rest.trim_ascii_end();
    }
}

/// True for a text without a statement.
fn says_nothing(mut text: &[u8], options: Options) -> bool {
    loop {
        let (first, rest) = first_statement(text, options);
        match rest {
            _ if !is_blank(first, options) => return false,
            Some(rest) => text = rest,
            None => return true,
        }
    }
}

fn grows_stricter(first: &[u8], second: &[u8], context: Context<'_>) {
    let both = classify(&[first, b"\n;\n", second].concat(), context, &());
    let hints = Effects::HINT_PRIMARY | Effects::HINT_REPLICA;
    if both.effects.intersects(hints) || both == unsure() {
        return;
    }
    // A quote that the first leaves open goes on in the second.
    if classify(first, context, &()) == unsure() {
        return;
    }
    for one in [first, second] {
        let alone = classify(one, context, &());
        // A text without a statement adds nothing to the other.
        if alone.effects.intersects(hints) || alone == unsure() || says_nothing(one, context.options) {
            continue;
        }
        let text = one.escape_ascii();
        assert!(both.kind >= alone.kind, "{text}: {alone:?} {both:?}");
        // Values are read from a text of one statement only.
        let kept = alone.effects - Effects::OF_ALL - Effects::SETS_LITERALS;
        assert!(both.effects.contains(kept), "{text}: {alone:?} {both:?}");
        assert!(alone.effects.contains(both.effects & Effects::OF_ALL), "{text}: {alone:?} {both:?}");
    }
}

/// What a text gets that cannot be read with certainty: the strictest kind.
fn unsure() -> StatementClass {
    classify(b"'", Options::default(), &())
}

const WORDS: [&str; 138] = [
    " ",
    " ",
    " ",
    "SELECT",
    "SELECT ",
    "select",
    " FROM t",
    " WHERE ",
    "a",
    "b",
    "t",
    "f",
    "(",
    ")",
    ",",
    ".",
    "=",
    "*",
    "1",
    "2",
    "3.5",
    "'x'",
    "'y'",
    "'\\'",
    "\"x\"",
    "`a`",
    "@",
    "@@",
    ":=",
    ";",
    "-",
    "--",
    "-- ",
    "#",
    "\n",
    "/*",
    "*/",
    "/*!",
    "/*!50000 ",
    "/*M!",
    "/*!99999 ",
    "/**/",
    "/* pointsman: replica */",
    "'",
    "\"",
    "`",
    "\\",
    "INSERT",
    " INTO ",
    "VALUES",
    "UPDATE",
    "DELETE",
    "REPLACE",
    "SET ",
    " FOR ",
    "SHARE",
    "LOCK",
    " IN ",
    "SHARE MODE",
    "OUTFILE",
    "DUMPFILE",
    "WITH ",
    " AS ",
    "UNION",
    "ALL",
    "ANY",
    "EXISTS",
    "TABLE ",
    "ROW",
    "COUNT",
    "MAX",
    "abs",
    "now",
    "GET_LOCK",
    "RELEASE_LOCK",
    "RELEASE_ALL_LOCKS",
    "LAST_INSERT_ID",
    "FOUND_ROWS",
    "NEXTVAL",
    "NEXT",
    " VALUE",
    "PREVIOUS",
    "SHOW ",
    "TABLES",
    "COLUMNS",
    "WARNINGS",
    "CREATE ",
    "DROP ",
    "ALTER ",
    "TEMPORARY",
    "FUNCTION",
    "EXPLAIN ",
    "ANALYZE ",
    "DESC ",
    "DO ",
    "CALL ",
    "p",
    "HANDLER ",
    "OPEN",
    "READ",
    "XA ",
    "START ",
    "TRANSACTION",
    " ONLY",
    "WRITE",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "AND",
    "CHAIN",
    "RELEASE",
    "SAVEPOINT",
    "GLOBAL ",
    "SESSION ",
    "NAMES",
    "sql_mode",
    "autocommit",
    "USE ",
    "PREPARE ",
    "EXECUTE ",
    "information_schema",
    "mysql",
    "tables",
    "table_rows",
    "TRUE",
    "NULL",
    "OVER",
    "PARTITION",
    "BY",
    "PROCEDURE",
    "STATEMENT ",
    "0x41",
    "x",
    "\u{a0}",
    "f(1)",
    "}",
    "DELETE FROM t",
    "any(",
];
