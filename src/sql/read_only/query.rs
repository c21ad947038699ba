//! Queries and what explains them: which verb rules, and what in the expressions writes.

use super::statement::{Statement, outside};
use super::{Kind, Reason};
use crate::sql::Token;

const READS: [&str; 3] = ["SELECT", "TABLE", "VALUES"];
const WRITES: [&str; 4] = ["INSERT", "UPDATE", "DELETE", "REPLACE"];

/// Functions of MariaDB's sequences, and of what applications build in their place.
const SEQUENCE_FUNCTIONS: [&str; 2] = ["NEXTVAL", "SETVAL"];
/// Functions that reconfigure the servers begin with these (group_replication_set_as_primary, …).
const MANAGEMENT: [&[u8]; 4] = [
    b"group_replication_set_",
    b"group_replication_switch_",
    b"group_replication_enable_",
    b"asynchronous_connection_failover_",
];

/// No INTO a file, no sequence that moves on, no function that manages servers. Stored
/// functions are left to the server, which runs them in a read-only transaction.
pub(super) fn expressions(tokens: Statement<'_>) -> Result<(), Reason> {
    let mut before: [Option<Token<'_>>; 2] = [None, None];
    for token in tokens {
        let [older, last] = before;
        let last_is = |word| last.is_some_and(|last| last.is(word));
        // `t.into`, `@nextval`; but `@` alone is a variable, too, on MySQL: `SELECT @ INTO OUTFILE …`.
        let named = older.is_some_and(|older| older.kind == Kind::Dot);
        let variable = older.is_some_and(|older| older.kind == Kind::At);
        if !named && last_is("INTO") && token.is_any(&["OUTFILE", "DUMPFILE"]) {
            return Err(Reason::WritesFile);
        }
        if token.is("FOR") && last_is("VALUE") && older.is_some_and(|older| older.is("NEXT")) {
            return Err(Reason::WritingFunction);
        }
        if token.kind == Kind::Open && !variable && last.is_some_and(writes_when_called) {
            return Err(Reason::WritingFunction);
        }
        before = [last, Some(token)];
    }
    Ok(())
}

fn writes_when_called(name: Token<'_>) -> bool {
    let bare = match name.kind {
        Kind::Word => name.text,
        Kind::QuotedIdentifier => super::text::inside_quotes(name.text),
        _ => return false,
    };
    let sequence = SEQUENCE_FUNCTIONS.iter().any(|word| bare.eq_ignore_ascii_case(word.as_bytes()));
    let starts =
        |prefix: &&[u8]| bare.get(..prefix.len()).is_some_and(|part| part.eq_ignore_ascii_case(prefix));
    sequence || MANAGEMENT.iter().any(starts)
}

/// `(SELECT …) UNION (SELECT …)`: the first word behind the parentheses must begin a query.
pub(super) fn parenthesised(statement: Statement<'_>) -> Result<(), Reason> {
    let mut inner = statement;
    match inner.find(|token| token.kind != Kind::Open) {
        Some(token) if token.is_any(&READS) || token.is("WITH") => expressions(statement),
        _ => Err(Reason::Writes),
    }
}

/// `WITH name AS (…), … SELECT`: the first verb outside parentheses rules. Without one all
/// verbs are in parentheses, where only queries can stand. These verbs are reserved
/// words on all servers, so none can be a name.
pub(super) fn with(rest: Statement<'_>) -> Result<(), Reason> {
    match outside(rest).find(is_verb) {
        Some(verb) if verb.is_any(&WRITES) => Err(Reason::Writes),
        _ => expressions(rest),
    }
}

/// EXPLAIN shows and does not run, except EXPLAIN ANALYZE.
pub(super) fn explain(rest: Statement<'_>) -> Result<(), Reason> {
    let mut words = outside(rest);
    let runs = words.find(|token| is_verb(token) || token.is("ANALYZE"));
    match runs {
        Some(token) if token.is("ANALYZE") => ruled_by_a_read(rest),
        _ => expressions(rest),
    }
}

/// MariaDB's `ANALYZE [FORMAT=JSON] SELECT …` runs it; `ANALYZE TABLE` writes statistics.
pub(super) fn analyze(rest: Statement<'_>) -> Result<(), Reason> {
    match outside(rest).find(is_verb) {
        Some(verb) if verb.is("SELECT") => expressions(rest),
        Some(verb) if verb.is("WITH") => ruled_by_a_read(rest),
        _ => Err(Reason::Writes),
    }
}

fn ruled_by_a_read(rest: Statement<'_>) -> Result<(), Reason> {
    let mut verbs = outside(rest).filter(|token| is_verb(token) && !token.is("WITH"));
    match verbs.next() {
        Some(verb) if verb.is_any(&WRITES) => Err(Reason::Writes),
        _ => expressions(rest),
    }
}

fn is_verb(token: &Token<'_>) -> bool {
    token.is_any(&READS) || token.is_any(&WRITES) || token.is("WITH")
}
