//! Queries of the system schemas: which of them get the same answer from every server.

use super::found::Found;
use super::{Effects, Env, Kind, StatementKind, Why};
use crate::tokens::{Statement, Tok};
use crate::vocabulary::words::{Meaning, meaning};

/// Tables of information_schema about definitions, which are replicated.
const DEFINITIONS: [&str; 26] = [
    "applicable_roles",
    "character_sets",
    "check_constraints",
    "collation_character_set_applicability",
    "collations",
    "column_privileges",
    "columns",
    "key_column_usage",
    "parameters",
    "referential_constraints",
    "routines",
    "schema_privileges",
    "schemata",
    "st_geometry_columns",
    "st_units_of_measure",
    "table_constraints",
    "table_constraints_extensions",
    "table_privileges",
    "tables",
    "tables_extensions",
    "triggers",
    "user_privileges",
    "view_routine_usage",
    "view_table_usage",
    "views",
    "statistics",
];

/// The tables of `DEFINITIONS` with columns whose values differ between servers.
const MIXED: [&str; 2] = ["tables", "statistics"];

/// The columns whose values differ between servers.
const OWN_COLUMNS: [&str; 12] = [
    "auto_increment",
    "avg_row_length",
    "cardinality",
    "check_time",
    "checksum",
    "create_time",
    "data_free",
    "data_length",
    "index_length",
    "max_data_length",
    "table_rows",
    "update_time",
];

/// The kinds of system tables that a scan found.
#[derive(Debug, Default)]
pub(super) struct SystemTables {
    /// True if one of `DEFINITIONS` was found.
    definitions: bool,
    /// True if one of `MIXED` was found.
    mixed: bool,
    /// True if any other system table was found.
    one_server: bool,
}

impl SystemTables {
    /// Notes a table of a system schema, which was found as `schema.table`.
    pub(super) fn schema(&mut self, schema: Meaning, table: Tok<'_>) {
        let is_one = |names: &[&str]| names.iter().any(|name| table.names(name));
        if schema == Meaning::InformationSchema && is_one(&DEFINITIONS) {
            self.definitions = true;
            self.mixed |= is_one(&MIXED);
        } else {
            self.one_server = true;
        }
    }

    /// Raises the class of the query according to the tables that were found.
    pub(super) fn judge(&self, query: Statement<'_, '_>, env: Env<'_>, found: &mut Found) {
        let own = self.one_server
            || (self.mixed && query.iter().enumerate().any(|(at, tok)| is_own(query, at, tok)))
            || (is_system(env.schema) && has_source(query));
        if own {
            found.raise(StatementKind::Admin, Why::OneServer, Effects::empty());
        } else if self.definitions && found.kind() == StatementKind::Read {
            *found = found.because(Why::Definitions);
        }
    }
}

/// True if a schema is a system schema.
pub(super) fn is_system(schema: &[u8]) -> bool {
    matches!(meaning(schema), Meaning::ServerSchema | Meaning::InformationSchema)
}

fn has_source(query: Statement<'_, '_>) -> bool {
    query.iter().any(|tok| tok.meaning == Meaning::Source)
}

/// True for one of `OWN_COLUMNS`, or for a `*` or `TABLE` that means all columns.
fn is_own(query: Statement<'_, '_>, at: usize, tok: &Tok<'_>) -> bool {
    match tok.kind {
        Kind::Word | Kind::QuotedIdentifier => {
            (at == 0 && tok.is("TABLE")) || OWN_COLUMNS.iter().any(|name| tok.names(name))
        }
        Kind::Operator if tok.text == b"*" => {
            let (last, next) = (query.before(at, 1), query.at(at + 1));
            let counts = last.kind == Kind::Open && next.kind == Kind::Close;
            let times = |tok: &Tok<'_>| matches!(tok.kind, Kind::Number | Kind::Close);
            !(counts || times(&last) || matches!(next.kind, Kind::Number))
        }
        _ => false,
    }
}
