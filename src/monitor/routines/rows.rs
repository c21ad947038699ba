//! Queries the servers' tables of routines and relations, and interprets their rows.

mod relations;

use super::super::client::{Connection, Error, ResultSet, Row};
use super::super::statement;
use super::rights::{Rights, Unseen};
use crate::sql::catalogue::{Body, Contents, DataAccess, Definition, RoutineKind};
use crate::sql::{Kind, Lexer, Options, TextCharset};
use crate::topology::Flavor;
use crate::wire::error_code::ER_NO_SUCH_TABLE;

/// Returns the routines that the account may see, with NULL for a body that it may not read, and their parameters. The
/// body is empty if it is too long to be examined, or if it is one of the servers' own in `sys`.
const STANDARD: &str = "SELECT ROUTINE_SCHEMA, ROUTINE_NAME, ROUTINE_TYPE, SQL_DATA_ACCESS, SQL_MODE, ROUTINE_BODY, \
IF(LENGTH(ROUTINE_DEFINITION) > 65536 OR (ROUTINE_SCHEMA = 'sys' AND DEFINER IN ('mysql.sys@localhost', 'mariadb.sys@localhost')), \
'', ROUTINE_DEFINITION), IS_DETERMINISTIC \
FROM information_schema.ROUTINES; \
SELECT SPECIFIC_SCHEMA, SPECIFIC_NAME, ROUTINE_TYPE, PARAMETER_NAME, DATA_TYPE FROM information_schema.PARAMETERS \
WHERE PARAMETER_NAME IS NOT NULL AND SPECIFIC_SCHEMA <> 'sys'";

/// MariaDB's own table: an account that may read it sees all routines.
///
/// `body_utf8` has literals without their escape signs, so that a quote in one looks like its end. `body` is the text as it was
/// sent, in the character set of that session.
const MARIADB: &str = "SELECT db, name, type, sql_data_access, sql_mode, language, \
IF(LENGTH(body) > 65536 OR (db = 'sys' AND definer IN ('mysql.sys@localhost', 'mariadb.sys@localhost')) OR NOT (character_set_client LIKE 'utf8%' OR body = body_utf8), '', body), \
is_deterministic, param_list FROM mysql.proc";

const MARIADB_LOADABLE: &str = "SELECT name FROM mysql.func";

/// Functions of components count as loadable, too. Without the performance schema the table is empty.
const MYSQL_LOADABLE: &str = "SELECT UDF_NAME, UDF_LIBRARY FROM performance_schema.user_defined_functions; \
SELECT @@performance_schema";

/// The hash functions that MySQL 9.6 moved from the server to a component of its own.
const CLASSIC_HASHES: [&[u8]; 3] = [b"md5", b"sha", b"sha1"];

/// Returns what is visible, without the servers' versions, and what is not.
pub(super) async fn read<C: Connection>(
    connection: &mut C,
    flavor: Flavor,
) -> Result<(Contents, Unseen), Error> {
    // Texts are shown in the mode of the session: quotes must be backticks. MariaDB opens views to show them, and may call
    // functions for that with the rights of this account: they can write nothing.
    let grants =
        connection.query("SET SESSION sql_mode = ''; START TRANSACTION READ ONLY; SHOW GRANTS").await?;
    let rights = grants.last().map(Rights::read).unwrap_or_default();
    let mut contents = Contents::default();
    routines(connection, flavor, &rights, &mut contents).await?;
    loadable(connection, flavor, &mut contents).await?;
    let mut unseen =
        Unseen { routines: !contents.all_routines, loadable: !contents.all_loadable, ..Unseen::default() };
    relations::read(connection, flavor, &rights, &mut contents, &mut unseen).await?;
    Ok((contents, unseen))
}

async fn routines<C: Connection>(
    connection: &mut C,
    flavor: Flavor,
    rights: &Rights,
    contents: &mut Contents,
) -> Result<(), Error> {
    // True if the bodies are as they were sent.
    let mut original = false;
    let (sets, all) = match flavor {
        // MySQL shows all routines to accounts with SHOW_ROUTINE or SELECT on everything.
        Flavor::MySql => {
            let all = rights.has_everywhere("SHOW_ROUTINE") || rights.has_everywhere("SELECT");
            (connection.query(STANDARD).await?, all)
        }
        Flavor::MariaDb => match connection.query(MARIADB).await {
            Ok(sets) => {
                original = true;
                (sets, true)
            }
            Err(error) if is_denied(&error) => (connection.query(STANDARD).await?, false),
            Err(error) => return Err(error),
        },
    };
    let set = sets.first().ok_or_else(|| Error::Protocol("no result set of routines".to_owned()))?;
    contents.all_routines = all;
    contents.routines = set.rows.iter().filter_map(definition).collect();
    contents.packages = set.rows.iter().filter_map(package).collect();
    contents.constant_packages =
        set.rows.iter().filter(|row| may_be_constant(row)).filter_map(package).collect();
    if let Some(parameters) = sets.get(1) {
        add_parameters(&mut contents.routines, parameters);
    }
    if !original {
        let mut originals = Originals::default();
        for routine in &mut contents.routines {
            let kind = match routine.kind {
                RoutineKind::Function => "FUNCTION",
                RoutineKind::Procedure => "PROCEDURE",
            };
            originals.check(connection, kind, (&routine.schema, &routine.name), &mut routine.body).await?;
        }
    }
    Ok(())
}

/// How many texts are compared with their originals in one reading.
const MOST_COMPARED: usize = 2_000;

/// Compares texts that `information_schema` shows with those that SHOW CREATE shows. In the former, literals have lost their
/// escape signs: a quote in one looks like its end, and hides what follows. In the latter, each text is as it was sent.
#[derive(Default)]
pub(super) struct Originals {
    compared: usize,
}

impl Originals {
    /// Makes a body opaque unless it is the end of the original text. A body without quotes and backslashes has no literal.
    pub(super) async fn check<C: Connection>(
        &mut self,
        connection: &mut C,
        kind: &str,
        (schema, name): (&[u8], &[u8]),
        body: &mut Body,
    ) -> Result<(), Error> {
        let Body::Text(text, _) = body else { return Ok(()) };
        if !text.iter().any(|byte| matches!(byte, b'\'' | b'"' | b'\\')) {
            return Ok(());
        }
        let original = match (std::str::from_utf8(schema), std::str::from_utf8(name)) {
            (Ok(schema), Ok(name)) if self.compared < MOST_COMPARED => {
                self.compared += 1;
                let quoted = |name: &str| format!("`{}`", name.replace('`', "``"));
                let text = format!("SHOW CREATE {kind} {}.{}", quoted(schema), quoted(name));
                match connection.query(&text).await {
                    Ok(sets) => sets.first().and_then(|set| set.rows.first().cloned()),
                    Err(Error::Server { .. }) => None,
                    Err(error) => return Err(error),
                }
            }
            _ => None,
        };
        let is_original = original.is_some_and(|row| text_of(&row, 2).is_some_and(|all| all.ends_with(text)));
        if !is_original {
            *body = Body::Opaque;
        }
        Ok(())
    }
}

async fn loadable<C: Connection>(
    connection: &mut C,
    flavor: Flavor,
    contents: &mut Contents,
) -> Result<(), Error> {
    let text = match flavor {
        Flavor::MySql => MYSQL_LOADABLE,
        Flavor::MariaDb => MARIADB_LOADABLE,
    };
    let sets = match connection.query(text).await {
        Ok(sets) => sets,
        Err(error) if is_denied(&error) => return Ok(()),
        Err(error) => return Err(error),
    };
    let rows = sets.first().map(|set| set.rows.as_slice()).unwrap_or_default();
    let (hashes, loadable): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| is_classic_hash(row));
    let names = |rows: Vec<&Row>| rows.into_iter().filter_map(|row| text_of(row, 0).map(Box::from)).collect();
    contents.of_components = names(hashes);
    contents.loadable = names(loadable);
    let on = sets.get(1).and_then(|set| set.rows.first()).and_then(|row| text_of(row, 0));
    contents.all_loadable = flavor == Flavor::MariaDb || on.is_some_and(|value| value == b"1");
    Ok(())
}

/// True for the functions that a component of MySQL itself has in the place of former built-in functions.
fn is_classic_hash(row: &Row) -> bool {
    let name = text_of(row, 0).unwrap_or_default();
    row.len() > 1
        && text_of(row, 1).is_none()
        && CLASSIC_HASHES.iter().any(|known| name.eq_ignore_ascii_case(known))
}

pub(super) fn is_denied(error: &Error) -> bool {
    statement::is_missing_privilege(error) || matches!(error, Error::Server { code: ER_NO_SUCH_TABLE, .. })
}

/// Parses a row. Returns None for anything but a function or a procedure (PACKAGE, LIBRARY, …).
fn definition(row: &Row) -> Option<Definition> {
    let kind = kind(row)?;
    let access = match text_of(row, 3)? {
        b"NO SQL" | b"NO_SQL" | b"READS SQL DATA" | b"READS_SQL_DATA" => DataAccess::Reads,
        b"CONTAINS SQL" | b"CONTAINS_SQL" => DataAccess::Contains,
        _ => DataAccess::Modifies,
    };
    let mode = text_of(row, 4).unwrap_or_default();
    let body = match text_of(row, 6) {
        None => Body::Hidden,
        // A body in JavaScript.
        Some(_) if !text_of(row, 5)?.eq_ignore_ascii_case(b"SQL") => Body::Opaque,
        Some(text) => body(text, mode),
    };
    let deterministic = text_of(row, 7) != Some(b"NO");
    let parameters = text_of(row, 8).unwrap_or_default();
    let body = if of_relation(parameters) { Body::Opaque } else { body };
    let parameters = self::parameters(parameters);
    Some(Definition {
        schema: text_of(row, 0)?.into(),
        name: text_of(row, 1)?.into(),
        kind,
        access,
        deterministic,
        parameters,
        body,
    })
}

fn kind(row: &Row) -> Option<RoutineKind> {
    match text_of(row, 2)? {
        b"FUNCTION" => Some(RoutineKind::Function),
        b"PROCEDURE" => Some(RoutineKind::Procedure),
        _ => None,
    }
}

/// Returns the name of a package.
fn package(row: &Row) -> Option<Box<[u8]>> {
    matches!(text_of(row, 2)?, b"PACKAGE" | b"PACKAGE BODY").then(|| text_of(row, 1).map(Box::from))?
}

/// True for a package that has DETERMINISTIC functions, as far as its text shows.
fn may_be_constant(row: &Row) -> bool {
    let word = b"deterministic";
    match text_of(row, 6) {
        None | Some(b"") => true,
        Some(text) => text.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word)),
    }
}

/// Returns a body that was created in this sql_mode. The text is in UTF-8, whatever character set the object was created
/// with. Empty: the body is too long. Oracle's syntax is not understood.
pub(super) fn body(text: &[u8], sql_mode: &[u8]) -> Body {
    let has = |name: &str| sql_mode.split(|byte| *byte == b',').any(|part| part == name.as_bytes());
    if text.is_empty() || has("ORACLE") {
        return Body::Opaque;
    }
    let ansi_quotes = has("ANSI_QUOTES");
    let no_backslash_escapes = has("NO_BACKSLASH_ESCAPES");
    Body::Text(text.into(), Options { ansi_quotes, no_backslash_escapes, charset: TextCharset::Utf8 })
}

/// True if a parameter has the type of a column: the server opens the relation when the routine is called.
fn of_relation(parameters: &[u8]) -> bool {
    let tokens: Vec<_> =
        Lexer::new(parameters, Options::default()).filter(|token| !token.is_trivia()).collect();
    crate::sql::opens_for_type(&tokens)
}

/// Returns the names in a list of parameters: `x INT, INOUT y VARCHAR(10)`. OUT and INOUT may be names, too.
fn parameters(list: &[u8]) -> Vec<Box<[u8]>> {
    let mut names = Vec::new();
    let (mut depth, mut place) = (0usize, 0);
    for token in Lexer::new(list, Options::default()).filter(|token| !token.is_trivia()) {
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth = depth.saturating_sub(1),
            Kind::Comma if depth == 0 => {
                place = 0;
                continue;
            }
            _ => {}
        }
        let is_mode = place == 0 && token.is_any(&["IN", "OUT", "INOUT"]);
        if place == 0 && matches!(token.kind, Kind::Word | Kind::QuotedIdentifier) {
            let name = if token.kind == Kind::Word { token.text } else { inside(token.text) };
            names.push(name.into());
        }
        place += usize::from(!is_mode);
    }
    names
}

fn inside(quoted: &[u8]) -> &[u8] {
    quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default()
}

/// Adds the parameters from information_schema.
fn add_parameters(routines: &mut [Definition], set: &ResultSet) {
    routines.sort_by(|a, b| (&a.schema, &a.name, a.kind).cmp(&(&b.schema, &b.name, b.kind)));
    for row in &set.rows {
        let (Some(schema), Some(name), Some(kind)) = (text_of(row, 0), text_of(row, 1), kind(row)) else {
            continue;
        };
        let of = |routine: &Definition| {
            (&*routine.schema, &*routine.name, routine.kind).cmp(&(schema, name, kind))
        };
        let found = routines.binary_search_by(of).ok().and_then(|at| routines.get_mut(at));
        if let (Some(routine), Some(parameter)) = (found, text_of(row, 3)) {
            routine.parameters.push(parameter.into());
            if text_of(row, 4).is_some_and(of_relation) {
                routine.body = Body::Opaque;
            }
        }
    }
}

pub(super) fn text_of(row: &Row, at: usize) -> Option<&[u8]> {
    row.get(at)?.as_deref()
}

#[cfg(test)]
mod tests;
