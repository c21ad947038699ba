//! Whether a text may leave something behind on its server connection that the session
//! trackers do not report with a value: a user variable, a temporary table, a lock. A
//! session that holds such a thing cannot silently move. Errs on the side of yes.

use super::lexer::{Kind, Lexer, Options};

/// Words that begin something a connection keeps. Functions that the user defined are not known here.
const WORDS: [&[u8]; 19] = [
    b"atomic",
    b"binlog",
    b"call",
    b"execute",
    b"flush",
    b"get_lock",
    b"handler",
    b"last_insert_id",
    b"lock",
    b"nextval",
    b"next",
    b"prepare",
    b"role",
    b"setval",
    b"sql_calc_found_rows",
    b"temporary",
    b"transaction",
    b"xa",
    b"unlock",
];

/// What a byte is to the quick look.
const OTHER: u8 = 0;
/// A letter, digit or underscore.
const WORD: u8 = 1;
/// A letter that one of `WORDS` begins with.
const BEGINS: u8 = 2;
/// What a user variable begins with.
const AT: u8 = 3;

const CLASSES: [u8; 256] = {
    let mut table = [OTHER; 256];
    let mut byte = 0;
    while byte < 128 {
        let b = byte as u8;
        if b.is_ascii_alphanumeric() || b == b'_' {
            table[byte] = WORD;
        }
        byte += 1;
    }
    let mut i = 0;
    while i < WORDS.len() {
        let first = WORDS[i][0];
        table[first as usize] = BEGINS;
        table[first.to_ascii_uppercase() as usize] = BEGINS;
        i += 1;
    }
    table[b'@' as usize] = AT;
    table
};

/// See the module. A quick look at the bytes comes first; only a text that looks as if is tokenised.
pub fn may_hold(sql: &[u8], options: Options) -> bool {
    looks_like_it(sql) && (options.is_ambiguous(sql) || tokens_hold(sql, options))
}

/// Whether any of these words (in lower case) stands in the text, wherever; for rare questions.
pub fn has_word(sql: &[u8], words: &[&str]) -> bool {
    sql.split(|b| !(b.is_ascii_alphanumeric() || *b == b'_'))
        .any(|word| words.iter().any(|w| word.eq_ignore_ascii_case(w.as_bytes())))
}

fn looks_like_it(sql: &[u8]) -> bool {
    let mut before = OTHER;
    for (i, &b) in sql.iter().enumerate() {
        let class = CLASSES.get(usize::from(b)).copied().unwrap_or(OTHER);
        if class >= BEGINS
            && (class == AT || (before == OTHER && begins_any(sql.get(i..).unwrap_or_default())))
        {
            return true;
        }
        before = class;
    }
    false
}

#[inline(never)]
fn begins_any(text: &[u8]) -> bool {
    let first = text.first().map(u8::to_ascii_lowercase);
    WORDS.iter().any(|word| word.first().copied() == first && begins_with(text, word))
}

fn begins_with(text: &[u8], word: &[u8]) -> bool {
    text.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word))
}

fn tokens_hold(sql: &[u8], options: Options) -> bool {
    let mut lexer = Lexer::new(sql, options);
    // What of it a statement's first words tell: START TRANSACTION leaves what the status flags say, SET
    // SESSION TRANSACTION what the trackers say.
    let (mut begins_transaction, mut sets, mut at_start) = (false, false, true);
    while let Some(token) = lexer.next_significant() {
        match token.kind {
            Kind::Incomplete | Kind::At => return true,
            Kind::Word if begins_transaction && token.is("transaction") => {}
            Kind::Word if WORDS.iter().any(|w| token.text.eq_ignore_ascii_case(w)) => return true,
            _ => {}
        }
        begins_transaction = (at_start && token.is("start")) || (sets && token.is_any(&["session", "local"]));
        sets = at_start && token.is("set");
        at_start = token.kind == Kind::Semicolon;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_something_behind() {
        for sql in [
            "SET @x = 1",
            "SELECT @x := id FROM t",
            "SELECT id INTO @x FROM t",
            "create /* c */ TEMPORARY table t (a int)",
            "SELECT GET_LOCK('a', 1)",
            "LOCK TABLES t READ",
            "HANDLER t OPEN",
            "PREPARE s FROM 'select 1'",
            "SELECT SQL_CALC_FOUND_ROWS * FROM t",
            "FLUSH TABLES WITH READ LOCK",
            "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
            "SELECT LAST_INSERT_ID(5)",
            "CALL p()",
            "XA START 'a'",
            "SELECT 1; SET @a=2",
            "SELECT 'unterminated get_lock",
        ] {
            assert!(may_hold(sql.as_bytes(), Options::default()), "{sql}");
        }
    }

    #[test]
    fn what_leaves_nothing() {
        for sql in [
            "SELECT c FROM sbtest1 WHERE id=123",
            "SELECT @@version, @@session.sql_mode",
            "INSERT INTO users VALUES ('a@b.c', 'please lock the door')",
            "START TRANSACTION READ ONLY",
            "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
            "BEGIN; UPDATE t SET a = 1; COMMIT",
            "SELECT locked, handlers FROM t -- get_lock @x",
            "SET NAMES utf8mb4",
            "SELECT `lock`, `temporary` FROM t",
        ] {
            assert!(!may_hold(sql.as_bytes(), Options::default()), "{sql}");
        }
    }
}
