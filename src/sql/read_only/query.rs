//! Queries, EXPLAIN and ANALYZE: finds the verb that decides, and refuses expressions that write.

use super::statement::{Statement, outside};
use super::{Kind, Reason, functions};
use crate::sql::Token;

const READS: [&str; 3] = ["SELECT", "TABLE", "VALUES"];
const WRITES: [&str; 4] = ["INSERT", "UPDATE", "DELETE", "REPLACE"];

/// Refuses INTO a file, functions that advance a sequence, functions that may write, and verbs of writes in
/// parentheses.
pub(super) fn expressions(tokens: Statement<'_>) -> Result<(), Reason> {
    let mut functions = functions::Scan::new(tokens.calls());
    let mut before: [Option<Token<'_>>; 2] = [None, None];
    let mut depth = 0usize;
    for token in tokens {
        let [older, last] = before;
        let last_is = |word| last.is_some_and(|last| last.is(word));
        // `t.into` is a name. `@into` is not treated as one: on MySQL `@` alone is a variable, as in
        // `SELECT @ INTO OUTFILE …`.
        let named = older.is_some_and(|older| older.kind == Kind::Dot);
        if !named && last_is("INTO") && token.is_any(&["OUTFILE", "DUMPFILE"]) {
            return Err(Reason::WritesFile);
        }
        if token.is("FOR") && last_is("VALUE") && older.is_some_and(|older| older.is("NEXT")) {
            return Err(Reason::WritingFunction);
        }
        // `sequence.NEXTVAL` of MariaDB's Oracle mode.
        if last.is_some_and(|last| last.kind == Kind::Dot) && functions::is_sequence_function(bare(token)) {
            return Err(Reason::WritingFunction);
        }
        if token.kind != Kind::Open && begins_write(before, depth) {
            return Err(Reason::Writes);
        }
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth = depth.saturating_sub(1),
            _ => {}
        }
        functions.token(token)?;
        before = [last, Some(token)];
    }
    if begins_write(before, depth) {
        return Err(Reason::Writes);
    }
    functions.end()
}

/// True for `(DELETE` and `(WITH … (…) DELETE`. These verbs are reserved words on all servers, so they cannot be names,
/// and only queries are allowed in parentheses.
fn begins_write([older, last]: [Option<Token<'_>>; 2], depth: usize) -> bool {
    let begins = |kind| kind == Kind::Open || (kind == Kind::Close && depth > 0);
    older.is_some_and(|older| begins(older.kind)) && last.is_some_and(|last| last.is_any(&WRITES))
}

/// Returns a name without its quotes.
fn bare(token: Token<'_>) -> &[u8] {
    match token.kind {
        Kind::QuotedIdentifier => super::text::inside_quotes(token.text),
        _ => token.text,
    }
}

/// Checks `(SELECT …) UNION (SELECT …)`: the first word behind the opening parentheses must begin a query.
pub(super) fn parenthesised(statement: Statement<'_>) -> Result<(), Reason> {
    let mut inner = statement;
    match inner.find(|token| token.kind != Kind::Open) {
        Some(token) if token.is_any(&READS) || token.is("WITH") => expressions(statement),
        _ => Err(Reason::Writes),
    }
}

/// Checks `WITH name AS (…), … SELECT`: the first verb outside parentheses decides. If there is none,
/// all verbs are in parentheses, where only queries are allowed. These verbs are reserved words on
/// all servers, so none can be a name.
pub(super) fn with(rest: Statement<'_>) -> Result<(), Reason> {
    match outside(rest).find(is_verb) {
        Some(verb) if verb.is_any(&WRITES) => Err(Reason::Writes),
        _ => expressions(rest),
    }
}

/// Checks EXPLAIN, which does not run the statement, except for EXPLAIN ANALYZE.
pub(super) fn explain(rest: Statement<'_>) -> Result<(), Reason> {
    let mut words = outside(rest);
    let runs = words.find(|token| is_verb(token) || token.is("ANALYZE"));
    match runs {
        Some(token) if token.is("ANALYZE") => ruled_by_a_read(rest),
        _ => expressions(rest),
    }
}

/// Checks ANALYZE: MariaDB's `ANALYZE [FORMAT=JSON] SELECT …` runs the query; `ANALYZE TABLE` writes statistics.
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
