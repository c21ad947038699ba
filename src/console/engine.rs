//! Runs one query on a fresh SQLite database in memory. The database has all tables, empty; the engine says which of them
//! the query reads, and the caller fills these. A query can only read, and its time, rows and bytes are bounded.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::types::Value;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::bounded::{self, LENGTH};
use super::functions::{self, AboutClient};
use super::outcome::{ConsoleError, Rows, bytes};
use super::tables::{TABLES, VIEWS};

/// The longest time of a query.
pub(super) const TIME: Duration = Duration::from_secs(5);
/// The most rows of an answer.
const ROWS: usize = 100_000;
/// The most memory of an answer, in bytes.
pub(super) const BYTES: usize = 8 << 20;
/// The memory of SQLite, in bytes. It is one limit for the process, and only one query runs at a time.
const HEAP: u32 = 64 << 20;
/// SQLite asks after this many instructions of its virtual machine whether the time is over.
const INSTRUCTIONS: i32 = 1000;

/// The schema in which the views of ProxySQL's statistics stand a second time, as they do in ProxySQL.
pub(super) const STATS: &str = "stats";

/// A table that a query reads: the schema and the name.
type Read = (String, String);

/// A query and its database, whose tables are not filled yet.
pub(super) struct PreparedQuery {
    connection: Connection,
    query: String,
    /// True once the time of the query is over.
    over: Arc<AtomicBool>,
    /// The tables of `TABLES` to fill.
    pub tables: BTreeSet<&'static str>,
    /// The views that the query reads in the schema `stats`.
    copied: BTreeSet<&'static str>,
}

/// Makes a database for a query, and finds the tables that the query reads.
pub(super) fn prepare(query: String, about: AboutClient) -> Result<PreparedQuery, ConsoleError> {
    let over = Arc::new(AtomicBool::new(false));
    let mut connection = database(about, &over).map_err(|error| internal(&error))?;
    let mut tables = BTreeSet::new();
    let mut copied = BTreeSet::new();
    for (schema, name) in reads(&mut connection, &query)? {
        if let Some(table) = TABLES.iter().find(|table| table.name == name) {
            tables.insert(table.name);
        } else if let Some(view) = VIEWS.iter().find(|view| view.name == name && schema == STATS) {
            copied.insert(view.name);
            let below = reads(&mut connection, view.select)?;
            tables
                .extend(TABLES.iter().map(|table| table.name).filter(|t| below.iter().any(|(_, b)| b == t)));
        }
    }
    Ok(PreparedQuery { connection, query, over, tables, copied })
}

impl PreparedQuery {
    /// Adds rows to a table.
    pub fn fill(&self, table: &str, rows: &[Vec<Value>]) -> Result<(), ConsoleError> {
        let Some(first) = rows.first() else { return Ok(()) };
        let places = vec!["?"; first.len()].join(", ");
        let filled = (|| {
            let all = self.connection.unchecked_transaction()?;
            let mut insert = all.prepare(&format!("INSERT INTO main.{table} VALUES ({places})"))?;
            for row in rows {
                insert.execute(rusqlite::params_from_iter(row))?;
            }
            drop(insert);
            all.commit()
        })();
        filled.map_err(|error| refusal(&error))
    }

    /// Runs the query. Its time begins now: the time for the data to come from the workers does not count.
    pub fn run(mut self) -> Result<Rows, ConsoleError> {
        let over = self.over.clone();
        self.connection
            .progress_handler(INSTRUCTIONS, Some(move || over.load(Ordering::Relaxed)))
            .map_err(|error| internal(&error))?;
        // Dropping the sender ends the thread.
        let (_running, ended) = mpsc::channel::<()>();
        let (interrupt, over) = (self.connection.get_interrupt_handle(), self.over.clone());
        let timer = move || {
            if ended.recv_timeout(TIME) == Err(mpsc::RecvTimeoutError::Timeout) {
                over.store(true, Ordering::Relaxed);
                interrupt.interrupt();
            }
        };
        let timer = std::thread::Builder::new().name("console-timer".to_owned()).spawn(timer);
        timer.map_err(|error| ConsoleError::too_large(&format!("no thread for the query: {error}")))?;
        for view in &self.copied {
            let copy = format!("INSERT INTO {STATS}.{view} SELECT * FROM main.{view}");
            self.connection.execute(&copy, ()).map_err(|error| refusal(&error))?;
        }
        self.connection.authorizer(Some(permitted)).map_err(|error| internal(&error))?;
        collect(&self.connection, &self.query)
    }
}

/// Reads all rows of the answer.
fn collect(connection: &Connection, query: &str) -> Result<Rows, ConsoleError> {
    let mut statement = connection.prepare(query).map_err(|error| refusal(&error))?;
    let columns: Vec<String> = statement.column_names().map(functions::shown).collect();
    let mut found = Rows { columns, ..Rows::default() };
    let mut all = 0_usize;
    let mut rows = statement.query(()).map_err(|error| refusal(&error))?;
    while let Some(row) = rows.next().map_err(|error| refusal(&error))? {
        let mut values = Vec::with_capacity(found.columns.len());
        for at in 0..found.columns.len() {
            let value = row.get_ref(at).map_err(|error| refusal(&error))?;
            values.push(
                Value::try_from(value).map_err(|_| ConsoleError::too_large("a value is no UTF-8 text"))?,
            );
        }
        all += bytes(&values);
        if found.rows.len() >= ROWS || all > BYTES {
            let text = format!("the answer has more than {ROWS} rows or {} MiB; add LIMIT", BYTES >> 20);
            return Err(ConsoleError::too_large(&text));
        }
        found.rows.push(values);
    }
    Ok(found)
}

/// Returns an empty database with all tables and views.
fn database(about: AboutClient, over: &Arc<AtomicBool>) -> rusqlite::Result<Connection> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_MEMORY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_in_memory_with_flags(flags)?;
    // Results are sorted in memory, which the limit of the heap bounds.
    connection.execute_batch(&format!("PRAGMA hard_heap_limit = {HEAP}; PRAGMA temp_store = MEMORY;"))?;
    connection.execute_batch(&format!("ATTACH ':memory:' AS {STATS}; PRAGMA trusted_schema = OFF;"))?;
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, LENGTH.try_into().unwrap_or(i32::MAX))?;
    functions::register(&connection, about)?;
    bounded::register(&connection, over)?;
    for table in TABLES {
        let column = |c: &super::tables::TableColumn| format!("{} {}", c.name, c.kind.as_str());
        let columns: Vec<_> = table.columns.iter().map(column).collect();
        connection.execute_batch(&format!("CREATE TABLE main.{} ({})", table.name, columns.join(", ")))?;
    }
    for view in VIEWS {
        let (name, select) = (view.name, view.select);
        connection.execute_batch(&format!("CREATE VIEW main.{name} AS {select};"))?;
        if name.starts_with("stats_") {
            connection.execute_batch(&format!(
                "CREATE TABLE {STATS}.{name} AS SELECT * FROM main.{name} LIMIT 0;"
            ))?;
        }
    }
    Ok(connection)
}

/// Returns the tables and views that a query reads, and refuses what is not a query.
fn reads(connection: &mut Connection, query: &str) -> Result<BTreeSet<Read>, ConsoleError> {
    let (send, receive) = mpsc::channel();
    let note = move |context: AuthContext<'_>| {
        if let AuthAction::Read { table_name, .. } = context.action {
            let schema = context.database_name.unwrap_or_default();
            // The receiver lives as long as this hook.
            let _ = send.send((schema.to_lowercase(), table_name.to_lowercase()));
        }
        permitted(context)
    };
    connection.authorizer(Some(note)).map_err(|error| internal(&error))?;
    let prepared = connection.prepare(query).map(drop);
    let free: Option<fn(AuthContext<'_>) -> Authorization> = None;
    connection.authorizer(free).map_err(|error| internal(&error))?;
    prepared.map_err(|error| refusal(&error))?;
    Ok(receive.try_iter().collect())
}

/// Permits reading, and nothing else.
fn permitted(context: AuthContext<'_>) -> Authorization {
    match context.action {
        AuthAction::Select | AuthAction::Recursive => Authorization::Allow,
        AuthAction::Read { table_name, .. } if !functions::is_of_module(table_name) => Authorization::Allow,
        AuthAction::Function { function_name } if functions::is_permitted(function_name) => {
            Authorization::Allow
        }
        _ => Authorization::Deny,
    }
}

/// An error of SQLite as an answer for the client.
fn refusal(error: &rusqlite::Error) -> ConsoleError {
    let text = match error {
        rusqlite::Error::SqliteFailure(_, Some(text)) => text.clone(),
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        other => other.to_string(),
    };
    match error.sqlite_error_code() {
        Some(ErrorCode::OperationInterrupted) => ConsoleError::interrupted(TIME),
        Some(ErrorCode::OutOfMemory) => {
            ConsoleError::too_large(&format!("the query needs more than {} MiB of memory", HEAP >> 20))
        }
        Some(ErrorCode::TooBig) => ConsoleError::too_large("a value of the query is too long"),
        Some(ErrorCode::AuthorizationForStatementDenied) => ConsoleError::read_only(),
        _ if text.starts_with("no such table") => ConsoleError::no_table(&text),
        _ => ConsoleError::syntax(text),
    }
}

/// A failure that no query causes.
fn internal(error: &rusqlite::Error) -> ConsoleError {
    tracing::error!(%error, "the console's database");
    refusal(error)
}
