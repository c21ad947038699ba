//! Classifies one statement: its first word decides which function classifies the rest.

use super::expression::{ExpressionPlace, scan};
use super::found::Found;
use super::{Effects, Env, Kind, StatementKind, Why, ddl, session, show, transaction};
use crate::tokens::{Statement, Tok};
use crate::vocabulary::lookup;
use crate::vocabulary::words::Meaning;

/// Classifies a statement whose versioned comments were already resolved.
pub(super) fn statement(statement: Statement<'_, '_>, env: Env<'_>) -> Found {
    let first = statement.at(0);
    match first.kind {
        Kind::Open => return query(statement, env),
        Kind::Word => {}
        _ if statement.len() == 0 => return Found::read(),
        _ => return Found::unknown(Why::NotUnderstood),
    }
    let mut lower = [0u8; 12];
    let Some(keyword) = lower.get_mut(..first.text.len()) else {
        return Found::unknown(Why::NotUnderstood);
    };
    keyword.copy_from_slice(first.text);
    keyword.make_ascii_lowercase();
    match &*keyword {
        b"select" | b"values" | b"table" | b"with" => query(statement, env),
        b"insert" | b"replace" => insert(statement, env),
        b"update" | b"delete" | b"merge" => writing(statement, 1, env),
        b"load" => load(statement, env),
        b"do" => do_expression(statement, env),
        b"call" => call(statement, env),
        b"show" => show::show(statement, env),
        b"describe" | b"desc" | b"explain" => show::explain(statement, env),
        b"analyze" => show::analyze(statement, env),
        b"begin" | b"start" | b"commit" | b"rollback" | b"savepoint" | b"release" | b"xa" | b"lock"
        | b"unlock" => transaction::transaction(statement),
        b"set" | b"use" | b"prepare" | b"execute" | b"deallocate" | b"get" | b"signal" | b"resignal"
        | b"handler" => session::session(statement, env),
        _ => ddl::ddl(statement, keyword, env),
    }
}

/// Classifies `SELECT`, `(SELECT …) UNION …`, `WITH … SELECT`, `TABLE`, `VALUES`. Only queries can be in parentheses.
pub(super) fn query(statement: Statement<'_, '_>, env: Env<'_>) -> Found {
    let inner = statement.iter().find(|tok| tok.kind != Kind::Open);
    let Some(verb) = inner.filter(|tok| tok.is_any(&["SELECT", "VALUES", "TABLE", "WITH"])) else {
        return Found::unknown(Why::NotUnderstood);
    };
    if verb.is("WITH") {
        match statement.outside(is_verb) {
            Some(at) if !statement.at(at).is_any(&["SELECT", "VALUES", "TABLE"]) => {
                return writing(statement, at + 1, env);
            }
            _ => {}
        }
    }
    let mut found = scan(statement, ExpressionPlace::Query, env);
    if found.kind() == StatementKind::Read && reads_no_table(statement) {
        found.add(Effects::READS_NO_TABLE);
    }
    found
}

/// True for queries such as `SELECT 1`, which pools of connections send to see whether a connection is alive: without any
/// parenthesis, and without any word but literals, AS, and the name behind AS. So there is no subquery, no call of a
/// function, and no word like FROM that a table could stand behind.
fn reads_no_table(statement: Statement<'_, '_>) -> bool {
    let harmless = |at: usize| {
        let tok: Tok<'_> = statement.at(at);
        match tok.kind {
            Kind::Open => false,
            Kind::Word if tok.meaning == Meaning::Literal || tok.is("AS") => true,
            Kind::Word | Kind::QuotedIdentifier => statement.before(at, 1).is("AS"),
            _ => true,
        }
    };
    statement.at(0).is("SELECT") && (1..statement.len()).all(harmless)
}

fn is_verb(tok: &Tok<'_>) -> bool {
    tok.is_any(&["SELECT", "VALUES", "TABLE", "INSERT", "REPLACE", "UPDATE", "DELETE", "MERGE"])
}

/// Classifies a statement that changes rows. Its expressions begin at `at`, or at the start if it begins with WITH.
fn writing(statement: Statement<'_, '_>, at: usize, env: Env<'_>) -> Found {
    let rest = if at > 1 { statement } else { statement.from(at) };
    let mut found = Found::of(StatementKind::Write, Why::Modifies, Effects::empty());
    let inner = scan(rest, ExpressionPlace::Writing, env);
    found.raise(inner.kind(), inner.reason(), inner.effects() - Effects::REPEATABLE);
    found
}

/// Classifies `INSERT [INTO] t [(columns)] VALUES …`: the name before the first parenthesis is a table, not a function.
fn insert(statement: Statement<'_, '_>, env: Env<'_>) -> Found {
    let head = statement.iter().position(|tok| {
        tok.kind == Kind::Open || tok.is_any(&["VALUES", "VALUE", "SELECT", "SET", "TABLE", "WITH"])
    });
    let Some(head) = head else { return writing(statement, 1, env) };
    let rest = match statement.at(head).kind {
        Kind::Open => head + 1,
        _ => head,
    };
    let mut found = Found::of(StatementKind::Write, Why::Modifies, Effects::empty());
    let inner = scan(statement.from(rest), ExpressionPlace::Writing, env);
    found.raise(inner.kind(), inner.reason(), inner.effects() - Effects::REPEATABLE);
    found
}

/// Classifies `LOAD DATA … INTO TABLE t (a, @b) SET c = @b` and LOAD XML; LOAD INDEX INTO CACHE is administration.
fn load(statement: Statement<'_, '_>, env: Env<'_>) -> Found {
    if !statement.at(1).is_any(&["DATA", "XML"]) {
        let effects = Effects::COMMITS_IMPLICITLY;
        return Found::of(StatementKind::Admin, Why::Administration, effects);
    }
    // LOAD DATA [LOW_PRIORITY | CONCURRENT] [FROM] LOCAL INFILE
    let local = statement.iter().take(5).any(|tok| tok.is("LOCAL"));
    let (reason, effects) = match local {
        true => (Why::Modifies, Effects::LOADS_LOCAL_FILE),
        false => (Why::ServerFile, Effects::empty()),
    };
    let mut found = Found::of(StatementKind::Write, reason, effects);
    let set = statement.outside(|tok| tok.is("SET")).unwrap_or(statement.len());
    if statement.iter().any(|tok| tok.kind == Kind::At) {
        found.add(Effects::SETS_USER_VARIABLES | Effects::READS_USER_VARIABLES);
    }
    let inner = scan(statement.from(set), ExpressionPlace::Writing, env);
    found.raise(inner.kind(), inner.reason(), inner.effects() - Effects::REPEATABLE);
    found
}

/// Classifies DO, which returns no rows: a read if its expressions are, otherwise at least a write.
fn do_expression(statement: Statement<'_, '_>, env: Env<'_>) -> Found {
    let mut found = scan(statement, ExpressionPlace::Query, env);
    if found.kind() != StatementKind::Read {
        found.raise(StatementKind::Write, found.reason(), Effects::empty());
    }
    found
}

/// Classifies `CALL [schema.]name[(arguments)]`. A user variable as an argument may be an OUT parameter.
fn call(statement: Statement<'_, '_>, env: Env<'_>) -> Found {
    let (first, second) = (statement.at(1), statement.at(3));
    let qualified = statement.at(2).kind == Kind::Dot;
    let default = (!env.schema.is_empty()).then_some(env.schema);
    let (schema, name, arguments) =
        if qualified { (Some(first.name()), second, 4) } else { (default, first, 2) };
    if !name.is_name() {
        return Found::unknown(Why::NotUnderstood);
    }
    let effects = Effects::CALLS | Effects::READS_INSERT_ID | Effects::READS_USER_VARIABLES;
    let mut found = Found::of(StatementKind::Write, Why::Procedure, effects);
    // The arguments are expressions. Scanned from behind the `(`, so that the procedure's name is not taken for a
    // function.
    let inner = scan(statement.from(arguments + 1), ExpressionPlace::Writing, env);
    found.add(inner.effects() - Effects::REPEATABLE);
    if statement.iter().any(|tok| tok.kind == Kind::At) {
        found.add(Effects::SETS_USER_VARIABLES);
    }
    if !lookup(name.name(), |name| env.routines.procedure(schema, name)).leaves_nothing() {
        found.add(Effects::LEAVES_UNKNOWN);
    }
    found
}
