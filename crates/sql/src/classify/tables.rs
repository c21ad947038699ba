//! Decides whether a statement opens a table. MariaDB clears the diagnostics of the statement before only for a statement that
//! does (`mysql_execute_command` in MariaDB's `sql/sql_parse.cc`), or for one that leaves diagnostics itself.

use super::found::Found;
use super::{Effects, Kind, Why};
use crate::tokens::{Statement, Tok};
use crate::vocabulary::words::Meaning;

/// What SHOW returns without a table. The other forms are queries of information_schema, or open the table that they name.
const SHOWN: [&str; 14] = [
    "WARNINGS",
    "ERRORS",
    "COUNT",
    "PROCESSLIST",
    "GRANTS",
    "MASTER",
    "BINARY",
    "BINLOG",
    "SLAVE",
    "REPLICA",
    "ENGINE",
    "PRIVILEGES",
    "PROFILE",
    "PROFILES",
];

/// Statements that were seen to leave `FOUND_ROWS()` alone on MariaDB 10.11 and MySQL 9.7, unless a query stands in them.
const WITHOUT_QUERY: [&str; 23] = [
    "SET",
    "USE",
    "BEGIN",
    "START",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT",
    "RELEASE",
    "XA",
    "PREPARE",
    "DEALLOCATE",
    "GET",
    "SIGNAL",
    "RESIGNAL",
    "CREATE",
    "DROP",
    "TRUNCATE",
    "ANALYZE",
    "CHECK",
    "LOCK",
    "UNLOCK",
    "GRANT",
    "KILL",
];

/// What is defined without opening a table, and without executing what its body holds.
const WITHOUT_TABLE: [&str; 4] = ["DATABASE", "SCHEMA", "FUNCTION", "PROCEDURE"];

/// Functions with FROM between their arguments.
const WITH_FROM: [&str; 5] = ["EXTRACT", "TRIM", "SUBSTRING", "SUBSTR", "MID"];

/// True if the statement opens no table, not even one of information_schema, a derived one, or one of a stored function.
pub(super) fn opens_none(statement: Statement<'_, '_>, found: &Found) -> bool {
    let effects = found.effects();
    // A stored function has this effect.
    let calls = effects.contains(Effects::READS_INSERT_ID) && found.reason() != Why::InsertId;
    if calls || effects.intersects(Effects::CALLS | Effects::EXECUTES | Effects::LEAVES_UNKNOWN) {
        return false;
    }
    let (first, second) = (statement.at(0), statement.at(1));
    match () {
        // A server that skips a comment in which the whole statement stands refuses the empty rest (1065).
        () if statement.len() == 0 => true,
        // The proxy classifies no SET STATEMENT inside another.
        () if first.is("SET") && second.is("STATEMENT") => {
            let inner = statement.outside(|tok| tok.is("FOR")).map(|at| statement.from(at + 1));
            inner.is_some_and(|inner| !inner.is(0, "SET") && opens_none(inner, found))
        }
        () if first.is_any(&["SELECT", "VALUES", "DO", "SET"]) || first.kind == Kind::Open => {
            names_none(statement)
        }
        () if first.is_any(&["EXPLAIN", "DESCRIBE", "DESC"]) && second.is("SELECT") => names_none(statement),
        () if first.is_any(&["BEGIN", "START", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "XA"]) => true,
        () if first.is_any(&["UNLOCK", "USE", "DEALLOCATE", "GET", "KILL"]) => true,
        () if first.is_any(&["CREATE", "ALTER", "DROP"]) => {
            let of = defined(statement);
            let drops = first.is("DROP") && of.is_any(&["EVENT", "TRIGGER"]);
            drops || of.is_any(&WITHOUT_TABLE)
        }
        () if first.is("SHOW") => {
            let what = if second.is_any(&["FULL", "ALL"]) { statement.at(2) } else { second };
            let shows = |of: &[&str]| second.is("CREATE") && statement.at(2).is_any(of);
            what.is_any(&SHOWN) || shows(&["DATABASE", "SCHEMA", "USER", "PROCEDURE", "FUNCTION", "PACKAGE"])
        }
        () => false,
    }
}

/// Returns the effects for the kinds of servers on which the statement leaves `FOUND_ROWS()` as it is. A list of what is known: a
/// query, even within another statement, sets it, and nobody knows what a procedure does.
pub(super) fn keeps_found_rows(statement: Statement<'_, '_>, found: &Found) -> Effects {
    let effects = found.effects();
    if effects.intersects(Effects::CALLS | Effects::EXECUTES | Effects::LEAVES_UNKNOWN) {
        return Effects::empty();
    }
    if statement.len() == 0 || keeps_on_all(statement) {
        return Effects::KEEPS_FOUND_ROWS;
    }
    let mut keeps = Effects::empty();
    keeps.set(Effects::KEEPS_FOUND_ROWS_ON_MARIADB, keeps_on_mariadb(statement));
    keeps.set(Effects::KEEPS_FOUND_ROWS_ON_MYSQL, explains(statement));
    keeps
}

/// The word that says what a CREATE, ALTER or DROP defines: the second, but for `CREATE OR REPLACE`.
fn defined<'a>(statement: Statement<'_, 'a>) -> Tok<'a> {
    statement.at(if statement.is(1, "OR") { 3 } else { 1 })
}

fn keeps_on_all(statement: Statement<'_, '_>) -> bool {
    let (first, second) = (statement.at(0), statement.at(1));
    if first.is_any(&["INSERT", "REPLACE", "DELETE"]) {
        return !has_query(statement) && !statement.iter().any(|tok| tok.is("RETURNING"));
    }
    if first.is("SHOW") {
        return second.is_any(&["WARNINGS", "ERRORS", "CREATE"]);
    }
    // Nothing in a body is executed.
    if first.is_any(&["CREATE", "ALTER"]) && defined(statement).is_any(&WITHOUT_TABLE) {
        return true;
    }
    // `SET STATEMENT … FOR` executes any statement.
    if !first.is_any(&WITHOUT_QUERY) || (first.is("SET") && second.is("STATEMENT")) {
        return false;
    }
    // `CREATE TABLE t AS TABLE u` is a query, too.
    let tables = statement.iter().filter(|tok| tok.is("TABLE")).count();
    tables < 2 && !statement.iter().any(|tok| tok.is_any(&["SELECT", "VALUES"]))
}

/// True if a query may stand within a statement that begins with another word.
fn has_query(statement: Statement<'_, '_>) -> bool {
    statement.iter().any(|tok| tok.is_any(&["SELECT", "TABLE"]))
}

/// True for DO, an UPDATE of one table (of a view of one, too; nobody asks about those of several), and writes that return their
/// rows: on MySQL the first two set the number, the last do not exist.
fn keeps_on_mariadb(statement: Statement<'_, '_>) -> bool {
    let first = statement.at(0);
    let of_several = |tok: &Tok<'_>| matches!(tok.kind, Kind::Comma | Kind::Open) || tok.is("JOIN");
    !has_query(statement)
        && (first.is_any(&["DO", "INSERT", "REPLACE", "DELETE"])
            || (first.is("UPDATE") && !statement.iter().take_while(|tok| !tok.is("SET")).any(of_several)))
}

/// True if MySQL explains a statement and does not run it. Behind these words stands a table, whose columns are rows of a query.
fn explains(statement: Statement<'_, '_>) -> bool {
    let explained = ["SELECT", "WITH", "TABLE", "VALUES", "INSERT", "REPLACE", "UPDATE", "DELETE", "FORMAT"];
    statement.at(0).is_any(&["EXPLAIN", "DESCRIBE", "DESC"]) && statement.at(1).is_any(&explained)
}

/// True for a query behind which `FOUND_ROWS()` is the number of the rows that it sent. An offset counts the rows that it skips,
/// MariaDB counts one row of VALUES, and with `sql_select_limit` all rows of a UNION.
pub(super) fn sends_found_rows(statement: Statement<'_, '_>) -> bool {
    const LIMITING: [&str; 11] = [
        "LIMIT",
        "OFFSET",
        "FETCH",
        "ROWNUM",
        "PROCEDURE",
        "SQL_CALC_FOUND_ROWS",
        "VALUES",
        "UNION",
        "EXCEPT",
        "INTERSECT",
        "MINUS",
    ];
    let first = statement.iter().find(|tok| tok.kind != Kind::Open);
    first.is_some_and(|tok| tok.is_any(&["SELECT", "WITH"]))
        && !statement.iter().any(|tok| tok.is_any(&LIMITING))
}

/// True if no word stands in front of a table.
fn names_none(statement: Statement<'_, '_>) -> bool {
    let mut functions = Vec::new();
    for (at, tok) in statement.iter().enumerate() {
        match tok.kind {
            Kind::Open => functions.push(at > 0 && statement.before(at, 1).is_any(&WITH_FROM)),
            Kind::Close => _ = functions.pop(),
            Kind::Word if tok.meaning == Meaning::Source => {
                let in_function = tok.is("FROM") && functions.last() == Some(&true);
                if !in_function && !is_dual(statement.at(at + 1)) {
                    return false;
                }
            }
            _ => {}
        }
    }
    true
}

fn is_dual(tok: Tok<'_>) -> bool {
    tok.kind == Kind::Word && tok.is("DUAL")
}
