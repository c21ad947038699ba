//! The answers to a statement: rows, OK, or an error.

use std::time::Duration;

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
pub(super) enum Outcome {
    Rows(Rows),
    /// The OK packet: the statement has no effect here.
    Nothing,
}

/// Why a statement gets an error.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Refusal {
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
        let rows =
            warnings.iter().map(|text| vec![word("Warning"), Value::Integer(1105), word(text)]).collect();
        Rows { columns, rows, warnings: warnings.to_vec() }
    }

    /// Returns the memory of the values.
    pub fn bytes(&self) -> usize {
        self.rows.iter().map(|row| bytes(row)).sum()
    }
}

impl Refusal {
    /// Makes an error without an SQLSTATE of its own.
    pub fn new(code: u16, text: impl Into<String>) -> Self {
        Refusal { code, sqlstate: *b"HY000", text: text.into() }
    }

    /// ER_PARSE_ERROR
    pub fn syntax(text: impl Into<String>) -> Self {
        Refusal { sqlstate: *b"42000", ..Refusal::new(1064, text) }
    }

    /// ER_NO_SUCH_TABLE
    pub fn no_table(text: &str) -> Self {
        Refusal { sqlstate: *b"42S02", ..Refusal::new(1146, format!("{text}; SHOW TABLES lists the tables")) }
    }

    /// ER_BAD_DB_ERROR
    pub fn no_schema(name: &str) -> Self {
        let text = format!("there is no database {name:?}; there are main and stats");
        Refusal { sqlstate: *b"42000", ..Refusal::new(1049, text) }
    }

    /// ER_CON_COUNT_ERROR
    pub fn too_many_clients() -> Self {
        Refusal { sqlstate: *b"08004", ..Refusal::new(1040, "the console has too many clients") }
    }

    /// ER_CLIENT_INTERACTION_TIMEOUT
    pub fn lost_place() -> Self {
        Refusal::new(4031, "the console has too many clients, and this one was idle longest: log in again")
    }

    /// ER_OPTION_PREVENTS_STATEMENT
    pub fn read_only() -> Self {
        Refusal::new(1290, format!("the console only reads, except for its actions: {ACTIONS}"))
    }

    /// ER_QUERY_INTERRUPTED
    pub fn interrupted(limit: Duration) -> Self {
        let text = format!("the query took longer than {} s and was ended", limit.as_secs());
        Refusal { sqlstate: *b"70100", ..Refusal::new(1317, text) }
    }

    /// ER_OUT_OF_RESOURCES
    pub fn too_large(text: &str) -> Self {
        Refusal::new(1041, text)
    }

    /// ER_OUT_OF_RESOURCES
    pub fn answers_wait() -> Self {
        Refusal::too_large("other clients have not read their answers yet, which use all memory; try again")
    }

    /// ER_UNKNOWN_COM_ERROR
    pub fn unknown_command() -> Self {
        let text = "the console has text queries, COM_PING, COM_INIT_DB and COM_RESET_CONNECTION only";
        Refusal { sqlstate: *b"08S01", ..Refusal::new(1047, text) }
    }

    /// ER_UNSUPPORTED_PS
    pub fn no_prepare() -> Self {
        Refusal::new(1295, "the console does not prepare statements; send them as text")
    }
}
