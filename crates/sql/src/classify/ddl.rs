//! Definitions and administration: CREATE, ALTER, DROP, GRANT, FLUSH, KILL, … and statements that are not understood.

use super::expression::{ExpressionPlace, scan};
use super::found::Found;
use super::{Effects, Env, Kind, StatementKind, Why};
use crate::tokens::Statement;

/// The kind of the created object is among this many first tokens: `CREATE OR REPLACE DEFINER = a@b AGGREGATE FUNCTION`
const HEAD: usize = 16;

/// Classifies a statement by its first word, which is `keyword` in lower case.
pub(super) fn ddl(statement: Statement<'_, '_>, keyword: &[u8], env: Env<'_>) -> Found {
    match keyword {
        b"create" => create(statement, env),
        b"drop" => drop(statement),
        b"alter" if statement.is(1, "INSTANCE") => administration(Effects::COMMITS_IMPLICITLY),
        b"alter" => definition(objects(statement) | accounts(statement)),
        b"truncate" => definition(Effects::empty()),
        b"rename" => definition(objects(statement) | accounts(statement)),
        b"grant" | b"revoke" => definition(Effects::RENEWS),
        b"reset" if statement.is(1, "PERSIST") => {
            administration(Effects::COMMITS_IMPLICITLY | Effects::RENEWS)
        }
        b"import" => definition(Effects::CHANGES_RELATIONS),
        b"install" | b"uninstall" => administration(Effects::COMMITS_IMPLICITLY | Effects::CHANGES_ROUTINES),
        b"flush" => flush(statement),
        b"backup" => backup(statement),
        b"optimize" | b"repair" | b"check" | b"checksum" | b"cache" | b"reset" | b"stop" | b"change"
        | b"purge" => administration(Effects::COMMITS_IMPLICITLY),
        b"kill" | b"shutdown" | b"restart" | b"clone" => administration(Effects::empty()),
        b"help" => Found::of(StatementKind::Admin, Why::OneServer, Effects::empty()),
        b"binlog" => Found::of(StatementKind::Write, Why::Modifies, Effects::LEAVES_UNKNOWN),
        _ => Found::unknown(Why::NotUnderstood),
    }
}

fn administration(effects: Effects) -> Found {
    Found::of(StatementKind::Admin, Why::Administration, effects)
}

fn definition(effects: Effects) -> Found {
    let effects = effects | Effects::COMMITS_IMPLICITLY;
    Found::of(StatementKind::Ddl, Why::Definition, effects)
}

/// CHANGES_ROUTINES if the statement is about a routine, or about a schema, which has routines in it. CHANGES_RELATIONS
/// if it is about a relation, or about a schema.
fn objects(statement: Statement<'_, '_>) -> Effects {
    let routines = ["FUNCTION", "PROCEDURE", "PACKAGE", "LIBRARY", "DATABASE", "SCHEMA"];
    let relations = ["TABLE", "TABLES", "VIEW", "TRIGGER", "SEQUENCE", "DATABASE", "SCHEMA"];
    let head = statement.until(HEAD);
    let is_about = |words: &[&str]| head.iter().any(|tok| tok.is_any(words));
    let mut effects = Effects::empty();
    effects.set(Effects::CHANGES_ROUTINES, is_about(&routines));
    effects.set(Effects::CHANGES_RELATIONS, is_about(&relations));
    effects
}

/// RENEWS if the statement is about an account or a role: a connection gets the account's settings at login.
fn accounts(statement: Statement<'_, '_>) -> Effects {
    let replaces = statement.is(1, "OR") && statement.is(2, "REPLACE");
    match statement.at(if replaces { 3 } else { 1 }).is_any(&["USER", "ROLE"]) {
        true => Effects::RENEWS,
        false => Effects::empty(),
    }
}

fn create(statement: Statement<'_, '_>, env: Env<'_>) -> Found {
    let options = ["OR", "REPLACE", "TEMPORARY"];
    let what = statement.from(1).iter().position(|tok| !tok.is_any(&options)).map_or(1, |at| at + 1);
    let temporary = statement.until(what).has("TEMPORARY");
    let mut found = match temporary {
        true => Found::of(StatementKind::Write, Why::TemporaryTable, Effects::CREATES_TEMPORARY),
        false => definition(objects(statement) | accounts(statement)),
    };
    // CREATE OR REPLACE TABLE ends a temporary table of that name on MariaDB.
    if statement.is(what, "TABLE") && statement.until(what).has("REPLACE") {
        found.add(Effects::DROPS_TABLE);
    }
    // CREATE TABLE … SELECT; bodies of routines and triggers do not run now.
    if statement.is(what, "TABLE") {
        let query = statement.iter().position(|tok| tok.is_any(&["SELECT", "WITH", "VALUES"]));
        let rest = statement.from(query.unwrap_or(statement.len()));
        found.add(scan(rest, ExpressionPlace::Writing, env).effects() - Effects::REPEATABLE);
    }
    found
}

fn drop(statement: Statement<'_, '_>) -> Found {
    let what = statement.at(1);
    match () {
        () if what.is("PREPARE") => {
            Found::of(StatementKind::Session, Why::TextPrepared, Effects::DEALLOCATES)
        }
        () if what.is("TEMPORARY") => {
            Found::of(StatementKind::Write, Why::TemporaryTable, Effects::DROPS_TABLE)
        }
        () if what.is_any(&["TABLE", "TABLES", "SEQUENCE"]) => {
            definition(Effects::DROPS_TABLE | Effects::CHANGES_RELATIONS)
        }
        () => definition(objects(statement) | accounts(statement)),
    }
}

/// FLUSH. `FLUSH TABLES … WITH READ LOCK` and `FOR EXPORT` hold locks until UNLOCK TABLES.
fn flush(statement: Statement<'_, '_>) -> Found {
    let locks = statement.has("LOCK") || statement.has("EXPORT");
    match statement.iter().any(|tok| tok.is_any(&["TABLE", "TABLES"])) && locks {
        true => {
            let effects = Effects::READ_LOCK | Effects::COMMITS_IMPLICITLY;
            Found::of(StatementKind::Admin, Why::TableLock, effects)
        }
        false if statement.has("PRIVILEGES") => administration(Effects::COMMITS_IMPLICITLY | Effects::RENEWS),
        false => administration(Effects::COMMITS_IMPLICITLY),
    }
}

/// MariaDB: `BACKUP STAGE START … END`, `BACKUP LOCK t`, `BACKUP UNLOCK`.
fn backup(statement: Statement<'_, '_>) -> Found {
    let ends = statement.is(1, "UNLOCK") || (statement.is(1, "STAGE") && statement.is(2, "END"));
    let effects = if ends { Effects::UNLOCKS } else { Effects::READ_LOCK };
    let known = statement.at(1).kind == Kind::Word;
    match known {
        true => Found::of(StatementKind::Admin, Why::TableLock, effects),
        false => Found::unknown(Why::NotUnderstood),
    }
}
