//! Decides whether text and catalogue show everything that a statement leaves on its connection. A list of what is
//! known: whatever is not on it is unexplained.

use super::found::Found;
use super::tokens::{Statement, Tok};
use super::words::Meaning;
use super::{Effects, Env, Kind, StatementKind, Why};
use crate::sql::RelationFacts;

/// Effects of statements that are never explained: their state shows neither in the text nor in a report.
const NEVER: Effects = Effects::LEAVES_UNKNOWN
    .union(Effects::CALLS)
    .union(Effects::EXECUTES)
    .union(Effects::SETS_ROLE)
    .union(Effects::USES_SEQUENCE)
    .union(Effects::READS_SEQUENCE)
    .union(Effects::CHANGES_ROUTINES)
    .union(Effects::OPAQUE)
    .union(Effects::RENEWS)
    .union(Effects::LOADS_LOCAL_FILE);

/// What a statement does with the relations that it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Reads,
    Writes,
}

/// True if text and catalogue show everything that the statement leaves on its connection.
pub(super) fn explained(statement: Statement<'_, '_>, found: &Found, env: Env<'_>) -> bool {
    let effects = found.effects();
    if effects.intersects(NEVER) {
        return false;
    }
    // Stored functions have this effect, too: the catalogue may know their former body.
    let asks_id = found.reason() == Why::InsertId && !effects.contains(Effects::SETS_STATE);
    if effects.contains(Effects::READS_INSERT_ID) && !asks_id && !sets_id(statement, found) {
        return false;
    }
    match (found.kind(), found.reason()) {
        (StatementKind::Transaction, _) | (_, Why::TransactionControl) => true,
        (StatementKind::Session, Why::TextPrepared) => true,
        (StatementKind::Session, Why::SessionState | Why::UserVariable)
            if statement.is(0, "SET") || statement.is(0, "USE") =>
        {
            !statement.is(1, "STATEMENT") && uses_no_relation(statement)
        }
        (StatementKind::Read, Why::Definitions) | (_, Why::OneServer | Why::LooksBack)
            if statement.is(0, "SHOW") =>
        {
            !statement.iter().any(|tok| tok.kind == Kind::Open)
        }
        (StatementKind::Read, Why::PlainRead)
        | (
            StatementKind::Session | StatementKind::Admin,
            Why::NamedLock
            | Why::InsertId
            | Why::SystemVariable
            | Why::OneServer
            | Why::LooksBack
            | Why::UserVariable,
        )
        | (StatementKind::Write, Why::LockingRead) => {
            (statement.is(0, "SELECT") || statement.is(0, "DO") || statement.at(0).kind == Kind::Open)
                && uses_only_known(statement, Use::Reads, env)
        }
        (StatementKind::Write, Why::Modifies) => uses_only_known(statement, Use::Writes, env),
        _ => false,
    }
}

/// True for `SET last_insert_id = literal`, which the servers report.
fn sets_id(statement: Statement<'_, '_>, found: &Found) -> bool {
    found.reason() == Why::SessionState
        && statement.is(0, "SET")
        && !statement.iter().any(|tok| tok.kind == Kind::Open)
}

fn uses_no_relation(statement: Statement<'_, '_>) -> bool {
    !statement.iter().any(|tok| tok.meaning == Meaning::Source || tok.is("SELECT"))
}

/// True if all relations that the statement may name are known to the catalogue as harmless for this use. Reads the
/// lists of tables behind FROM, JOIN, UPDATE and INTO, in every parenthesis; in doubt false.
fn uses_only_known(statement: Statement<'_, '_>, usage: Use, env: Env<'_>) -> bool {
    // One for the statement, and one for each open parenthesis.
    let mut open = vec![Parenthesis::default()];
    let mut at = 0;
    if usage == Use::Writes {
        at = match target(statement) {
            Some(target) => {
                open = vec![Parenthesis { lists: statement.is(0, "UPDATE"), ..Parenthesis::default() }];
                let Some(behind) = relation(statement, target, usage, env) else { return false };
                behind
            }
            None if statement.is(0, "DELETE") && !statement.has("USING") => 1,
            None => return false,
        };
    }
    while at < statement.len() {
        let begins = match begins_relation(statement, at, &mut open) {
            Some(begins) => begins,
            None => return false,
        };
        at += 1;
        if !begins || statement.at(at).kind == Kind::Open {
            continue;
        }
        match relation(statement, at, usage, env) {
            Some(behind) => at = behind,
            None => return false,
        }
    }
    true
}

/// What is being read between two parentheses.
#[derive(Debug, Clone, Copy, Default)]
struct Parenthesis {
    /// True within a list of tables.
    lists: bool,
    /// True within the arguments of a function that has the word FROM between them.
    arguments: bool,
}

/// True if a relation, or a parenthesis in its place, follows the token at `at`. None: it is not understood.
fn begins_relation(statement: Statement<'_, '_>, at: usize, open: &mut Vec<Parenthesis>) -> Option<bool> {
    let tok = statement.at(at);
    let lists = open.last().is_some_and(|last| last.lists);
    let arguments = open.last().is_some_and(|last| last.arguments);
    match tok.kind {
        Kind::Open => {
            let (before, next) = (statement.before(at, 1), statement.at(at + 1));
            let query = next.is_any(&["SELECT", "WITH", "VALUES"]);
            // `FROM (a, b)`: a list in a list.
            let list = lists && (before.meaning == Meaning::Source || before.kind == Kind::Comma);
            if list && !query && next.kind != Kind::Open {
                return None;
            }
            let splits = before.is_any(&["TRIM", "EXTRACT", "SUBSTRING", "SUBSTR", "MID"]);
            open.push(Parenthesis { lists: false, arguments: splits && !query });
            Some(false)
        }
        Kind::Close => {
            open.pop();
            Some(false)
        }
        Kind::Comma => Some(lists),
        Kind::Word if tok.is_any(&["TABLE", "WITH", "LATERAL"]) => None,
        Kind::Word if tok.meaning == Meaning::Source && !arguments => {
            open.last_mut()?.lists = true;
            Some(true)
        }
        Kind::Word if ends_list(&tok) => {
            open.last_mut()?.lists = false;
            Some(false)
        }
        _ => Some(false),
    }
}

fn ends_list(tok: &Tok<'_>) -> bool {
    tok.is_any(&[
        "WHERE",
        "GROUP",
        "HAVING",
        "ORDER",
        "LIMIT",
        "WINDOW",
        "FOR",
        "UNION",
        "EXCEPT",
        "INTERSECT",
        "INTO",
        "SET",
        "LOCK",
        "SELECT",
        "VALUES",
        "OFFSET",
        "FETCH",
        "RETURNING",
    ])
}

/// Returns the place of the relation that INSERT, REPLACE or UPDATE changes.
fn target(statement: Statement<'_, '_>) -> Option<usize> {
    let words = ["LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY", "IGNORE", "INTO"];
    let changes = statement.at(0).is_any(&["INSERT", "REPLACE", "UPDATE"]);
    changes.then(|| (1..statement.len()).find(|at| !statement.at(*at).is_any(&words))).flatten()
}

/// Returns the place behind the relation at `at`. None if the relation is not known to be harmless.
fn relation(statement: Statement<'_, '_>, at: usize, usage: Use, env: Env<'_>) -> Option<usize> {
    let (first, second) = (statement.at(at), statement.at(at + 2));
    if !first.is_name() {
        return None;
    }
    if first.is("DUAL") {
        return Some(at + 1);
    }
    let qualified = statement.at(at + 1).kind == Kind::Dot;
    let default = (!env.schema.is_empty()).then_some(env.schema);
    let (schema, name, behind) =
        if qualified { (Some(first.name()), second, at + 3) } else { (default, first, at + 1) };
    // A function in place of a table; a name with a doubled quote.
    let doubled = |tok: &Tok<'_>| tok.kind == Kind::QuotedIdentifier && tok.name().contains(&b'`');
    let odd = doubled(&first) || doubled(&name) || !name.is_name();
    // `INSERT INTO t (a)` has a parenthesis behind the table's name.
    let is_call = statement.at(behind).kind == Kind::Open && usage == Use::Reads;
    if odd || is_call || statement.at(behind).kind == Kind::Dot {
        return None;
    }
    let facts = env.routines.relation(schema, name.name());
    let harmless = match usage {
        Use::Reads => {
            matches!(facts, RelationFacts::Plain | RelationFacts::PlainToRead | RelationFacts::ReadingView)
        }
        Use::Writes => facts == RelationFacts::Plain,
    };
    harmless.then_some(behind)
}
