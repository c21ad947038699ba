//! SHOW, DESCRIBE, EXPLAIN and ANALYZE: either about definitions, which all servers share, or about one server.

use super::expression::{ExpressionPlace, scan};
use super::found::Found;
use super::{Effects, Env, Kind, StatementKind, Why};
use crate::tokens::{Statement, Tok, name_length};
use crate::vocabulary::words::Meaning;

const VERBS: [&str; 8] = ["SELECT", "TABLE", "VALUES", "WITH", "INSERT", "REPLACE", "UPDATE", "DELETE"];

/// Classifies `SHOW …`.
pub(super) fn show(statement: Statement<'_, '_>, env: Env<'_>) -> Found {
    if looks_back(statement) {
        let effects = Effects::READS_DIAGNOSTICS | Effects::KEEPS_DIAGNOSTICS;
        return Found::of(StatementKind::Session, Why::LooksBack, effects);
    }
    let verb = matches!(statement.at(1).meaning, Meaning::WriteVerb | Meaning::WriteVerbOrFunction);
    if verb && !statement.is(1, "CREATE") {
        return Found::unknown(Why::NotUnderstood);
    }
    let of_definitions = shows_definitions(statement);
    // The rest is scanned, since WHERE has expressions. CREATE PROCEDURE behind SHOW is not a write.
    let named = statement.is(1, "CREATE") && statement.is(2, "PROCEDURE");
    let mut found = scan(statement.from(if named { 3 } else { 2 }), ExpressionPlace::Query, env);
    match of_definitions {
        true if found.kind() == StatementKind::Read => found.because(Why::Definitions),
        true => found,
        false => {
            // May ask for the proxy's own variable. The cache's key does not say: a shape lacks the pattern.
            let own = match statement.at(1).is("VARIABLES") || statement.at(2).is("VARIABLES") {
                true => Effects::MAY_BE_OWN | Effects::READS_ACCESS_MODE,
                false => Effects::empty(),
            };
            found.raise(StatementKind::Admin, Why::OneServer, own);
            found
        }
    }
}

/// True for SHOW WARNINGS, SHOW ERRORS, SHOW COUNT(*) WARNINGS and SHOW COUNT(*) ERRORS.
fn looks_back(statement: Statement<'_, '_>) -> bool {
    let diagnostics = ["WARNINGS", "ERRORS"];
    statement.at(1).is_any(&diagnostics)
        || (statement.is(1, "COUNT") && statement.iter().any(|tok| tok.is_any(&diagnostics)))
}

/// True if every server gives the same answer. False for SHOW INDEX (cardinality), SHOW TABLE STATUS, SHOW CREATE TABLE
/// (the next AUTO_INCREMENT differs after a rollback) and SHOW EVENTS (events are disabled on replicas).
fn shows_definitions(statement: Statement<'_, '_>) -> bool {
    let modifiers = ["FULL", "EXTENDED"];
    let at = (1..3).find(|at| !statement.at(*at).is_any(&modifiers)).unwrap_or(3);
    let (what, next) = (statement.at(at), statement.at(at + 1));
    let created = ["VIEW", "DATABASE", "SCHEMA", "PROCEDURE", "FUNCTION", "TRIGGER", "PACKAGE"];
    match () {
        () if what.is_any(&["TABLES", "COLUMNS", "FIELDS"]) => true,
        () if at > 1 => false,
        () if what.is_any(&["DATABASES", "SCHEMAS", "TRIGGERS", "COLLATION", "CHARSET"]) => true,
        () if what.is("CHARACTER") => next.is("SET"),
        () if what.is_any(&["PROCEDURE", "FUNCTION"]) => next.is_any(&["STATUS", "CODE"]),
        () if what.is("CREATE") => next.is_any(&created),
        () => false,
    }
}

/// Classifies `DESCRIBE t [column]`, or an EXPLAIN of a plan, which depends on one server's statistics.
pub(super) fn explain(statement: Statement<'_, '_>, env: Env<'_>) -> Found {
    let rest = statement.from(1);
    if describes(rest) {
        let server = rest.at(0).is_name() && rest.at(1).kind == Kind::Dot && is_server_schema(&rest.at(0));
        let mut found = Found::read().because(Why::Definitions);
        if server || super::schemas::is_system(env.schema) {
            found.raise(StatementKind::Admin, Why::OneServer, Effects::empty());
        }
        return found;
    }
    plan(rest, env)
}

fn is_server_schema(tok: &Tok<'_>) -> bool {
    crate::vocabulary::words::meaning(tok.name()) == Meaning::ServerSchema
}

/// True for a table, optionally followed by a column or a pattern.
fn describes(rest: Statement<'_, '_>) -> bool {
    let length = name_length(rest);
    let words = ["ANALYZE", "FORMAT", "EXTENDED", "PARTITIONS", "FOR"];
    let alone = rest.len() == length;
    let first = rest.at(0);
    let tail = rest.from(length);
    let plain = |tok: &Tok<'_>| tok.kind != Kind::Word || tok.meaning < Meaning::WriteVerb;
    let column = matches!(tail.0, [tok] if (tok.is_name() && plain(tok)) || tok.kind == Kind::String);
    length > 0 && plain(&first) && !first.is_any(&VERBS) && (alone || (column && !first.is_any(&words)))
}

/// Classifies the statement that is explained, which follows FORMAT, ANALYZE, FOR SCHEMA and the like.
fn plan(rest: Statement<'_, '_>, env: Env<'_>) -> Found {
    let verb = rest.iter().position(|tok| tok.is_any(&VERBS) || tok.kind == Kind::Open);
    let mut found = match verb {
        Some(verb) => (env.inner)(rest.from(verb), env),
        // EXPLAIN FOR CONNECTION n
        None if rest.is(0, "FOR") || rest.is(0, "FORMAT") => Found::read(),
        None => return Found::unknown(Why::NotUnderstood),
    };
    // EXPLAIN INTO @x … (MySQL 8.1)
    let head = scan(rest.until(verb.unwrap_or(rest.len())), ExpressionPlace::Query, env);
    found.raise(StatementKind::Admin, Why::OneServer, Effects::empty());
    found.and(head)
}

/// Classifies ANALYZE: MariaDB's `ANALYZE [FORMAT = JSON] SELECT …` runs the query; ANALYZE TABLE is administration.
pub(super) fn analyze(statement: Statement<'_, '_>, env: Env<'_>) -> Found {
    let rest = statement.from(1);
    let verb = rest.outside(|tok| tok.is_any(&VERBS)).map(|at| rest.at(at));
    match verb.is_some_and(|verb| !verb.is_any(&["TABLE", "VALUES"])) && !rest.is(0, "TABLE") {
        true => plan(rest, env),
        false => {
            let effects = Effects::COMMITS_IMPLICITLY;
            Found::of(StatementKind::Admin, Why::Administration, effects)
        }
    }
}
