//! The answers to a statement: rows, OK, or an error.

use std::time::Duration;

use crate::wire::error_code::{self, *};
use rusqlite::types::Value;

/// The actions, for error texts.
pub(super) const ACTIONS: &str =
    "DRAIN SERVER, UNDRAIN SERVER, KILL SESSION, KILL QUERY, RESET DIGESTS, RELOAD, SET LOG LEVEL";

/// Rows with their columns.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Rows {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Value>>,
    /// What SHOW WARNINGS says after this answer.
    pub warnings: Vec<String>,
}

/// What a client gets.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum QueryOutcome {
    Rows(Rows),
    /// The OK packet: the statement has no effect here.
    Nothing,
}

/// Why a statement gets an error.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ConsoleError {
    /// The error code, one of MySQL's.
    pub code: u16,
    pub sqlstate: [u8; 5],
    pub text: String,
}

/// Returns the memory of a row.
pub(super) fn bytes(row: &[Value]) -> usize {
    let of = |value: &Value| match value {
        Value::Text(text) => text.len(),
        Value::Blob(bytes) => bytes.len(),
        _ => 0,
    };
    row.iter().map(|value| size_of::<Value>() + of(value)).sum()
}

impl Rows {
    /// Makes an answer of one row of texts.
    pub fn line(columns: &[&str], values: &[&str]) -> Self {
        let texts = values.iter().map(|text| Value::Text((*text).to_owned())).collect();
        let columns = columns.iter().map(|name| (*name).to_owned()).collect();
        Rows { columns, rows: vec![texts], warnings: Vec::new() }
    }

    /// Makes the answer to SHOW WARNINGS.
    pub fn warned(warnings: &[String]) -> Self {
        let columns = ["Level", "Code", "Message"].map(str::to_owned).to_vec();
        let word = |text: &str| Value::Text(text.to_owned());
        let rows = warnings
            .iter()
            .map(|text| vec![word("Warning"), Value::Integer(ER_UNKNOWN_ERROR.into()), word(text)])
            .collect();
        Rows { columns, rows, warnings: warnings.to_vec() }
    }

    /// Returns the memory of the values.
    pub fn bytes(&self) -> usize {
        self.rows.iter().map(|row| bytes(row)).sum()
    }
}

impl ConsoleError {
    /// Makes an error with the SQLSTATE that the servers send with its code.
    pub fn new(code: u16, text: impl Into<String>) -> Self {
        ConsoleError { code, sqlstate: error_code::sqlstate(code), text: text.into() }
    }

    /// Returns this error.
    pub fn syntax(text: impl Into<String>) -> Self {
        ConsoleError::new(ER_PARSE_ERROR, text)
    }

    /// Returns this error.
    pub fn no_table(text: &str) -> Self {
        ConsoleError::new(ER_NO_SUCH_TABLE, format!("{text}; SHOW TABLES lists the tables"))
    }

    /// Returns this error.
    pub fn no_schema(name: &str) -> Self {
        let text = format!("there is no database {name:?}; there are main and stats");
        ConsoleError::new(ER_BAD_DB_ERROR, text)
    }

    /// Returns this error.
    pub fn too_many_clients() -> Self {
        ConsoleError::new(ER_CON_COUNT_ERROR, "the console has too many clients")
    }

    /// Returns this error.
    pub fn lost_place() -> Self {
        ConsoleError::new(
            ER_CLIENT_INTERACTION_TIMEOUT,
            "the console has too many clients, and this one was idle longest: log in again",
        )
    }

    /// Returns this error.
    pub fn read_only() -> Self {
        ConsoleError::new(
            ER_OPTION_PREVENTS_STATEMENT,
            format!("the console only reads, except for its actions: {ACTIONS}"),
        )
    }

    /// Returns this error.
    pub fn interrupted(limit: Duration) -> Self {
        let text = format!("the query took longer than {} s and was ended", limit.as_secs());
        ConsoleError::new(ER_QUERY_INTERRUPTED, text)
    }

    /// Returns this error.
    pub fn too_large(text: &str) -> Self {
        ConsoleError::new(ER_OUT_OF_RESOURCES, text)
    }

    /// Returns this error.
    pub fn answers_wait() -> Self {
        ConsoleError::too_large(
            "other clients have not read their answers yet, which use all memory; try again",
        )
    }

    /// Returns this error.
    pub fn unknown_command() -> Self {
        let text = "the console has text queries, COM_PING, COM_INIT_DB and COM_RESET_CONNECTION only";
        ConsoleError::new(ER_UNKNOWN_COM_ERROR, text)
    }

    /// Returns this error.
    pub fn no_prepare() -> Self {
        ConsoleError::new(ER_UNSUPPORTED_PS, "the console does not prepare statements; send them as text")
    }
}
