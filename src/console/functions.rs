//! Functions of MySQL that clients send when they connect, for SQLite.

use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use rusqlite::types::Value;

/// The server version that clients see, which they compare with MySQL's.
pub(super) const VERSION: &str = concat!("8.4.0-pointsman-", env!("CARGO_PKG_VERSION"));

/// The longest packet of a client that has logged in, as `max_allowed_packet` says it. It bounds the memory for the tokens
/// of a statement, which need some hundred bytes each.
pub(super) const MAX_PACKET: usize = 64 << 10;

/// What clients ask for as `@@name` or by SHOW VARIABLES.
pub(super) const VARIABLES: &[(&str, &str)] = &[
    ("auto_increment_increment", "1"),
    ("autocommit", "1"),
    ("character_set_client", "utf8mb4"),
    ("character_set_connection", "utf8mb4"),
    ("character_set_database", "utf8mb4"),
    ("character_set_results", "utf8mb4"),
    ("character_set_server", "utf8mb4"),
    ("collation_connection", "utf8mb4_general_ci"),
    ("collation_server", "utf8mb4_general_ci"),
    ("init_connect", ""),
    ("interactive_timeout", "28800"),
    ("license", "Apache-2.0"),
    ("lower_case_table_names", "0"),
    ("max_allowed_packet", "65536"),
    ("net_write_timeout", "60"),
    ("performance_schema", "0"),
    ("query_cache_size", "0"),
    ("query_cache_type", "OFF"),
    ("sql_mode", ""),
    ("system_time_zone", "UTC"),
    ("time_zone", "+00:00"),
    ("transaction_isolation", "READ-COMMITTED"),
    ("tx_isolation", "READ-COMMITTED"),
    ("version", VERSION),
    ("version_comment", "Pointsman console"),
    ("wait_timeout", "28800"),
];

/// What the functions of a session return.
pub(super) struct AboutClient {
    pub schema: &'static str,
    /// `name@address`
    pub user: String,
    /// The connection id.
    pub id: u32,
}

/// The functions that a query may call, of SQLite and of the console: they compute, or say what is known of the session, in
/// a bounded time. Sorted. All others are refused, such as `load_extension` and those that read and write files.
#[rustfmt::skip]
const PERMITTED: [&str; 133] = [
    "->", "->>", "abs", "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "avg", "ceil",
    "ceiling", "changes", "char", "coalesce", "concat", "concat_ws", "connection_id", "cos", "cosh",
    "count", "cume_dist", "current_date", "current_time", "current_timestamp", "database", "date",
    "datetime", "degrees", "dense_rank", "exp", "first_value", "floor", "format", "group_concat", "hex",
    "if", "ifnull", "iif", "instr", "json", "json_array", "json_array_insert", "json_array_length",
    "json_error_position", "json_extract", "json_group_array", "json_group_object", "json_insert",
    "json_object", "json_pretty", "json_quote", "json_remove", "json_replace", "json_set", "json_type",
    "json_valid", "julianday", "lag", "last_insert_rowid", "last_value", "lead", "length", "like",
    "likelihood", "likely", "ln", "log", "log10", "log2", "lower", "ltrim", "max", "median", "min", "mod",
    "nth_value", "ntile", "nullif", "octet_length", "percent_rank", "percentile", "percentile_cont",
    "percentile_disc", "pi", "pow", "power", "printf", "quote", "radians", "random", "randomblob", "rank",
    "replace", "round", "row_number", "rtrim", "schema", "session_user", "sign", "sin", "sinh", "soundex",
    "sqlite_version", "sqrt", "strftime", "string_agg", "substr", "substring", "subtype", "sum",
    "system_user", "system_variable", "tan", "tanh", "time", "timediff", "total", "total_changes", "trim",
    "trunc", "typeof", "unhex", "unicode", "unistr", "unistr_quote", "unixepoch", "unlikely", "upper",
    "user", "version", "zeroblob",
];

/// True if a query may call the function.
pub(super) fn is_permitted(name: &str) -> bool {
    PERMITTED.binary_search(&&*name.to_ascii_lowercase()).is_ok()
}

/// True for tables that modules of SQLite make up, and that say what the console's memory looks like.
pub(super) fn is_of_module(table: &str) -> bool {
    ["dbstat", "fts3tokenize"].iter().any(|module| table.eq_ignore_ascii_case(module))
}

/// Returns the value of a variable, whatever stands in front of its name (`global.`, `session.`).
pub(super) fn variable(name: &str) -> Option<&'static str> {
    let bare = name.rsplit('.').next().unwrap_or(name);
    VARIABLES.iter().find(|(known, _)| known.eq_ignore_ascii_case(bare)).map(|(_, value)| *value)
}

/// Returns the name of a column as MySQL would give it: `@@name` for a variable.
pub(super) fn shown(column: &str) -> String {
    let variable = column.strip_prefix("system_variable('").and_then(|rest| rest.strip_suffix("')"));
    variable.map_or_else(|| column.to_owned(), |name| format!("@@{name}"))
}

/// Adds the functions to a database.
pub(super) fn register(connection: &Connection, about: AboutClient) -> rusqlite::Result<()> {
    let flags =
        FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    let AboutClient { schema, user, id } = about;
    connection.create_scalar_function("version", 0, flags, |_| Ok(VERSION))?;
    connection.create_scalar_function("connection_id", 0, flags, move |_| Ok(id))?;
    for name in ["database", "schema"] {
        connection.create_scalar_function(name, 0, flags, move |_| Ok(schema))?;
    }
    for name in ["user", "system_user", "session_user"] {
        let user = user.clone();
        connection.create_scalar_function(name, 0, flags, move |_| Ok(user.clone()))?;
    }
    connection.create_scalar_function("system_variable", 1, flags, |context| {
        let name: String = context.get(0)?;
        match variable(&name) {
            Some(value) => Ok(value.parse().map_or_else(|_| Value::Text(value.to_owned()), Value::Integer)),
            None => Err(rusqlite::Error::UserFunctionError(format!("unknown system variable {name}").into())),
        }
    })
}
