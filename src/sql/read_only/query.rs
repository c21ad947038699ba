//! Queries and what explains them: which verb rules, and what in the expressions writes.

use super::statement::{Statement, outside};
use super::{Kind, Reason, functions};
use crate::sql::Token;

const READS: [&str; 3] = ["SELECT", "TABLE", "VALUES"];
const WRITES: [&str; 4] = ["INSERT", "UPDATE", "DELETE", "REPLACE"];

/// No INTO a file, no sequence that moves on, no function that may write, no verb of a write in parentheses.
pub(super) fn expressions(tokens: Statement<'_>) -> Result<(), Reason> {
    let mut functions = functions::Scan::new(tokens.calls());
    let mut before: [Option<Token<'_>>; 2] = [None, None];
    let mut depth = 0usize;
    for token in tokens {
        let [older, last] = before;
        let last_is = |word| last.is_some_and(|last| last.is(word));
        // `t.into`, `@nextval`; but `@` alone is a variable, too, on MySQL: `SELECT @ INTO OUTFILE …`.
        let named = older.is_some_and(|older| older.kind == Kind::Dot);
        if !named && last_is("INTO") && token.is_any(&["OUTFILE", "DUMPFILE"]) {
            return Err(Reason::WritesFile);
        }
        if token.is("FOR") && last_is("VALUE") && older.is_some_and(|older| older.is("NEXT")) {
            return Err(Reason::WritingFunction);
        }
        // `sequence.NEXTVAL` of the Oracle mode.
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

/// `(DELETE`, `(WITH … (…) DELETE`: these verbs are reserved words on all servers, and only queries stand in
/// parentheses.
fn begins_write([older, last]: [Option<Token<'_>>; 2], depth: usize) -> bool {
    let begins = |kind| kind == Kind::Open || (kind == Kind::Close && depth > 0);
    older.is_some_and(|older| begins(older.kind)) && last.is_some_and(|last| last.is_any(&WRITES))
}

/// A name without its quotes.
fn bare(token: Token<'_>) -> &[u8] {
    match token.kind {
        Kind::QuotedIdentifier => super::text::inside_quotes(token.text),
        _ => token.text,
    }
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
