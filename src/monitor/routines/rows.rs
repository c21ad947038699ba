//! Queries the servers' tables of routines and interprets their rows.

use super::super::client::{Connection, Error, ResultSet, Row};
use super::super::statement;
use crate::sql::catalogue::{Body, DataAccess, Definition, RoutineKind};
use crate::sql::{Options, TextCharset};
use crate::topology::Flavor;

/// Returns the routines that the account may see, with NULL for a body that it may not read. The body is
/// empty if it is too long to be examined, or if the schema is `sys`, whose routines are about the server.
macro_rules! standard {
    () => {
        "SELECT ROUTINE_SCHEMA, ROUTINE_NAME, ROUTINE_TYPE, SQL_DATA_ACCESS, SQL_MODE, ROUTINE_BODY, \
IF(LENGTH(ROUTINE_DEFINITION) > 65536 OR ROUTINE_SCHEMA = 'sys', '', ROUTINE_DEFINITION) FROM information_schema.ROUTINES"
    };
}

const STANDARD: &str = standard!();

/// SHOW GRANTS includes grants through active roles, which no table shows to the account itself.
const MYSQL: &str = concat!(standard!(), "; SHOW GRANTS");

/// MariaDB's own table: an account that may read it sees all routines.
const MARIADB: &str = "SELECT db, name, type, sql_data_access, sql_mode, language, \
IF(LENGTH(body_utf8) > 65536 OR db = 'sys', '', body_utf8) FROM mysql.proc WHERE type IN ('FUNCTION', 'PROCEDURE')";

/// ER_NO_SUCH_TABLE
const NO_SUCH_TABLE: u16 = 1146;

/// Returns the visible routines, and whether they are all.
pub(super) async fn read<C: Connection>(
    connection: &mut C,
    flavor: Flavor,
) -> Result<(Vec<Definition>, bool), Error> {
    let (sets, all) = match flavor {
        Flavor::MySql => {
            let sets = connection.query(MYSQL).await?;
            let all = sets.get(1).is_some_and(sees_all);
            (sets, all)
        }
        Flavor::MariaDb => match connection.query(MARIADB).await {
            Ok(sets) => (sets, true),
            Err(error) if is_denied(&error) => (connection.query(STANDARD).await?, false),
            Err(error) => return Err(error),
        },
    };
    let set = sets.first().ok_or_else(|| Error::Protocol("no result set of routines".to_owned()))?;
    Ok((definitions(set), all))
}

fn is_denied(error: &Error) -> bool {
    statement::is_missing_privilege(error) || matches!(error, Error::Server { code: NO_SUCH_TABLE, .. })
}

/// True if the account sees all routines: MySQL shows them to accounts with SHOW_ROUTINE or SELECT on
/// everything.
fn sees_all(grants: &ResultSet) -> bool {
    let rows = || grants.rows.iter().filter_map(|row| text(row, 0)).map(String::from_utf8_lossy);
    let granted = |wanted: &[&str]| {
        rows().any(|row| {
            let privileges = row.strip_prefix("GRANT ").and_then(|row| row.split_once(" ON *.* TO "));
            privileges.is_some_and(|(list, _)| list.split(',').any(|one| wanted.contains(&one.trim())))
        })
    };
    // Partial revokes exclude single schemas from a grant on everything, except from dynamic privileges.
    let revoked = rows().any(|row| row.starts_with("REVOKE"));
    granted(&["SHOW_ROUTINE"]) || (granted(&["SELECT", "ALL PRIVILEGES"]) && !revoked)
}

fn definitions(set: &ResultSet) -> Vec<Definition> {
    set.rows.iter().filter_map(definition).collect()
}

/// Parses a row. Returns None for anything but a function or a procedure (LIBRARY, …).
fn definition(row: &Row) -> Option<Definition> {
    let kind = match text(row, 2)? {
        b"FUNCTION" => RoutineKind::Function,
        b"PROCEDURE" => RoutineKind::Procedure,
        _ => return None,
    };
    let access = match text(row, 3)? {
        b"NO SQL" | b"NO_SQL" | b"READS SQL DATA" | b"READS_SQL_DATA" => DataAccess::Reads,
        b"CONTAINS SQL" | b"CONTAINS_SQL" => DataAccess::Contains,
        _ => DataAccess::Modifies,
    };
    let mode = String::from_utf8_lossy(text(row, 4).unwrap_or_default());
    let has = |name: &str| mode.split(',').any(|part| part == name);
    let body = match text(row, 6) {
        None => Body::Hidden,
        // A body in Oracle's syntax or in JavaScript.
        Some(text)
            if text.is_empty() || has("ORACLE") || !self::text(row, 5)?.eq_ignore_ascii_case(b"SQL") =>
        {
            Body::Opaque
        }
        Some(text) => {
            // The text is in UTF-8, whatever character set the routine was created with.
            let ansi_quotes = has("ANSI_QUOTES");
            let no_backslash_escapes = has("NO_BACKSLASH_ESCAPES");
            Body::Text(text.into(), Options { ansi_quotes, no_backslash_escapes, charset: TextCharset::Utf8 })
        }
    };
    Some(Definition { schema: text(row, 0)?.into(), name: text(row, 1)?.into(), kind, access, body })
}

fn text(row: &Row, at: usize) -> Option<&[u8]> {
    row.get(at)?.as_deref()
}

#[cfg(test)]
mod tests;
