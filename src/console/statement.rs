//! What a statement asks for. Queries are written anew for SQLite: MySQL's strings and `@@variables` become SQLite's.

use sqlparser::dialect::MySqlDialect;
use sqlparser::tokenizer::{Token, Tokenizer};

use super::actions::Action;
use super::engine::STATS;
use super::functions;
use super::outcome::{ACTIONS, ConsoleError};
use super::tables::{TABLES, VIEWS};
use crate::wire::error_code::{ER_EMPTY_QUERY, ER_UNKNOWN_SYSTEM_VARIABLE};

/// A statement of the console.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum ConsoleStatement {
    /// A query in SQLite's language.
    Query(String),
    Action(Action),
    /// SHOW WARNINGS
    Warnings,
    /// Another default schema.
    Use(String),
    /// A statement that clients send by themselves, and that has no effect here.
    Nothing,
}

/// Statements with these first words would write.
const WRITES: [&str; 24] = [
    "ALTER",
    "ANALYZE",
    "ATTACH",
    "CALL",
    "CREATE",
    "DELETE",
    "DETACH",
    "DROP",
    "FLUSH",
    "GRANT",
    "INSERT",
    "LOAD",
    "LOCK",
    "OPTIMIZE",
    "PRAGMA",
    "RENAME",
    "REPLACE",
    "REVOKE",
    "SAVE",
    "SAVEPOINT",
    "TRUNCATE",
    "UPDATE",
    "VACUUM",
    "PROXYSQL",
];

/// Variables that clients set when they connect, besides those of `functions::VARIABLES`.
const SETTABLE: [&str; 12] = [
    "names",
    "character",
    "charset",
    "transaction",
    "sql_safe_updates",
    "sql_select_limit",
    "sql_auto_is_null",
    "sql_quote_show_create",
    "foreign_key_checks",
    "net_read_timeout",
    "group_concat_max_len",
    "profiling",
];

/// The longest name of a server in an action, in bytes; a name of DNS has at most 253. It goes into the log.
const LONGEST_NAME: usize = 255;
/// The longest level of the log in an action, in bytes.
const LONGEST_LEVEL: usize = 1000;

/// Reads a statement.
pub(super) fn recognise(text: &str) -> Result<ConsoleStatement, ConsoleError> {
    let tokens = Tokenizer::new(&MySqlDialect {}, text)
        .tokenize()
        .map_err(|error| ConsoleError::syntax(error.to_string()))?;
    let mut spaced = tokens;
    while matches!(spaced.last(), Some(Token::SemiColon | Token::Whitespace(_))) {
        spaced.pop();
    }
    let tokens: Vec<Token> =
        spaced.iter().filter(|token| !matches!(token, Token::Whitespace(_))).cloned().collect();
    if tokens.contains(&Token::SemiColon) {
        return Err(ConsoleError::syntax("the console takes one statement at a time"));
    }
    let all = StatementWords(&tokens);
    let first = all.word(0).unwrap_or_default();
    match first.as_str() {
        "" if tokens.is_empty() => Err(ConsoleError::new(ER_EMPTY_QUERY, "Query was empty")),
        "SELECT" | "WITH" | "VALUES" => Ok(ConsoleStatement::Query(written(&spaced))),
        "" if tokens.first() == Some(&Token::LParen) => Ok(ConsoleStatement::Query(written(&spaced))),
        "SHOW" => show(all.from(1)),
        "DESCRIBE" | "DESC" => columns_of(all.from(1)),
        "USE" => all.text(1).map(ConsoleStatement::Use).ok_or_else(|| expected("the name of a database")),
        "SET" => set(all.from(1)),
        "BEGIN" | "START" | "COMMIT" | "ROLLBACK" => Ok(ConsoleStatement::Nothing),
        "KILL" | "RELOAD" | "DRAIN" | "UNDRAIN" | "RESET" => action(all),
        word if WRITES.contains(&word) => Err(ConsoleError::read_only()),
        _ => Err(ConsoleError::syntax(format!(
            "the console knows SELECT, SHOW, DESCRIBE, and its actions: {ACTIONS}"
        ))),
    }
}

fn expected(what: &str) -> ConsoleError {
    ConsoleError::syntax(format!("the statement ends where the console expects {what}"))
}

fn action(all: StatementWords<'_>) -> Result<ConsoleStatement, ConsoleError> {
    let number = |at| match all.0.get(at) {
        Some(Token::Number(digits, _)) if all.0.len() == at + 1 => digits.parse::<u32>().ok(),
        _ => None,
    };
    let kill = |at, connection| {
        let id = number(at).ok_or_else(|| ConsoleError::syntax("write KILL SESSION and the session's id"))?;
        Ok(ConsoleStatement::Action(Action::Kill { id, connection }))
    };
    match (all.word(0).as_deref(), all.word(1).as_deref()) {
        (Some("RELOAD"), None) if all.0.len() == 1 => Ok(ConsoleStatement::Action(Action::Reload)),
        (Some("KILL"), Some("QUERY")) => kill(2, false),
        (Some("KILL"), Some("SESSION" | "CONNECTION")) => kill(2, true),
        (Some("KILL"), _) => kill(1, true),
        (Some("RESET"), Some("DIGESTS")) if all.0.len() == 2 => {
            Ok(ConsoleStatement::Action(Action::ResetDigests))
        }
        (Some(word @ ("DRAIN" | "UNDRAIN")), Some("SERVER")) => {
            let server = all.text(2).filter(|name| all.0.len() == 3 && name.len() <= LONGEST_NAME);
            let wrong =
                || ConsoleError::syntax(format!("write {word} SERVER and the server's name in quotes"));
            server
                .map(|server| ConsoleStatement::Action(Action::Drain { server, drained: word == "DRAIN" }))
                .ok_or_else(wrong)
        }
        _ => Err(ConsoleError::syntax(format!("this is no action; there are: {ACTIONS}"))),
    }
}

fn set(rest: StatementWords<'_>) -> Result<ConsoleStatement, ConsoleError> {
    if (rest.word(0).as_deref(), rest.word(1).as_deref()) == (Some("LOG"), Some("LEVEL")) {
        let level = rest.text(2).filter(|level| rest.0.len() == 3 && level.len() <= LONGEST_LEVEL);
        let wrong = || ConsoleError::syntax("write SET LOG LEVEL and a level in quotes, like 'info'");
        return level.map(|level| ConsoleStatement::Action(Action::SetLogLevel(level))).ok_or_else(wrong);
    }
    let scopes = ["SESSION", "LOCAL", "@@SESSION", "@@LOCAL"];
    let mut name = rest.0.iter().filter(|token| **token != Token::Period).filter_map(|token| match token {
        Token::Word(word) => Some(word.value.trim_start_matches('@').to_ascii_lowercase()),
        _ => None,
    });
    let name = name
        .find(|name| !scopes.iter().any(|scope| scope.trim_start_matches('@').eq_ignore_ascii_case(name)));
    let name = name.unwrap_or_default();
    match functions::variable(&name).is_some() || SETTABLE.contains(&name.as_str()) {
        true => Ok(ConsoleStatement::Nothing),
        false => Err(ConsoleError::new(
            ER_UNKNOWN_SYSTEM_VARIABLE,
            format!("the console has no variable {name:?} to set"),
        )),
    }
}

fn show(rest: StatementWords<'_>) -> Result<ConsoleStatement, ConsoleError> {
    let mut rest = rest;
    while matches!(
        rest.word(0).as_deref(),
        Some("FULL" | "GLOBAL" | "SESSION" | "LOCAL" | "EXTENDED" | "MYSQL")
    ) {
        rest = rest.from(1);
    }
    let behind = rest.from(1);
    match rest.word(0).unwrap_or_default().as_str() {
        "TABLES" => {
            let (schema, behind) = match behind.word(0).as_deref() {
                Some("FROM" | "IN") => (behind.text(1).unwrap_or_default(), behind.from(2)),
                _ => ("main".to_owned(), behind),
            };
            let schema = known_schema(&schema)?;
            // In the schema `stats` there are only ProxySQL's statistics.
            let of_schema = if schema == STATS { "name LIKE 'stats!_%' ESCAPE '!'" } else { "1" };
            filtered(&format!("SELECT name AS tables FROM tables WHERE {of_schema} AND"), "name", behind)
        }
        "DATABASES" | "SCHEMAS" => {
            Ok(ConsoleStatement::Query("SELECT 'main' AS \"Database\" UNION ALL SELECT 'stats'".to_owned()))
        }
        "VARIABLES" => {
            filtered("SELECT name AS Variable_name, value AS Value FROM variables WHERE", "name", behind)
        }
        "STATUS" => {
            let all = "SELECT Variable_Name AS Variable_name, Variable_Value AS Value FROM stats_mysql_global WHERE";
            filtered(all, "Variable_Name", behind)
        }
        "PROCESSLIST" => {
            let all = "SELECT id AS Id, user AS User, client AS Host, schema AS db, \
                       CASE state WHEN 'idle' THEN 'Sleep' WHEN 'logs_in' THEN 'Connect' ELSE 'Query' END AS Command, \
                       seconds AS Time, state AS State, statement AS Info FROM sessions ORDER BY id";
            Ok(ConsoleStatement::Query(all.to_owned()))
        }
        "WARNINGS" => Ok(ConsoleStatement::Warnings),
        "ERRORS" => {
            Ok(ConsoleStatement::Query("SELECT '' AS Level, 0 AS Code, '' AS Message WHERE 0".to_owned()))
        }
        "COLUMNS" | "FIELDS" if matches!(behind.word(0).as_deref(), Some("FROM" | "IN")) => {
            columns_of(behind.from(1))
        }
        "COLUMNS" | "FIELDS" => Err(expected("FROM and the name of a table")),
        other => Err(ConsoleError::syntax(format!("the console has no SHOW {other}"))),
    }
}

/// Returns the query for the columns of a table: `table`, `schema.table` or `table FROM schema`, and perhaps a condition.
fn columns_of(words: StatementWords<'_>) -> Result<ConsoleStatement, ConsoleError> {
    let name = |at| words.text(at).ok_or_else(|| expected("the name of a table"));
    let (schema, table, rest) = match words.0.get(1) {
        Some(Token::Period) => (known_schema(&name(0)?)?, name(2)?, words.from(3)),
        _ => match words.word(1).as_deref() {
            Some("FROM" | "IN") => (known_schema(&name(2)?)?, name(0)?, words.from(3)),
            _ => (super::SCHEMAS[0], name(0)?, words.from(1)),
        },
    };
    let views = VIEWS.iter().map(|view| view.name);
    let mut all = TABLES.iter().map(|table| table.name).filter(|_| schema != STATS).chain(views);
    let known = all.find(|known| known.eq_ignore_ascii_case(&table));
    let known = known.filter(|known| schema != STATS || known.starts_with("stats_"));
    let known = known.ok_or_else(|| ConsoleError::no_table(&format!("no such table: {table}")))?;
    let all = format!(
        "SELECT column_name AS Field, type AS Type, 'YES' AS \"Null\", '' AS \"Key\", NULL AS \"Default\", \
         about AS Extra FROM columns WHERE table_name = {} AND",
        quoted(known)
    );
    filtered(&all, "column_name", rest)
}

fn known_schema(name: &str) -> Result<&'static str, ConsoleError> {
    let known = super::SCHEMAS.into_iter().find(|known| known.eq_ignore_ascii_case(name));
    known.ok_or_else(|| ConsoleError::no_schema(name))
}

/// Returns a query with the LIKE or WHERE of a SHOW behind it.
fn filtered(query: &str, column: &str, rest: StatementWords<'_>) -> Result<ConsoleStatement, ConsoleError> {
    let condition = match (rest.word(0).as_deref(), rest.0.len()) {
        (None, 0) => "1".to_owned(),
        (Some("LIKE"), 2) => {
            let pattern = rest.text(1).ok_or_else(|| expected("a pattern in quotes"))?;
            format!("{column} LIKE {} ESCAPE '\\'", quoted(&pattern))
        }
        (Some("WHERE"), _) => {
            rest.from(1).0.iter().map(|token| written(std::slice::from_ref(token)) + " ").collect()
        }
        _ => return Err(ConsoleError::syntax("the console expects LIKE or WHERE here")),
    };
    Ok(ConsoleStatement::Query(format!("{query} ({condition})")))
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Writes tokens as a text for SQLite.
fn written(tokens: &[Token]) -> String {
    let mut out = String::new();
    let mut rest = tokens;
    while let Some((token, behind)) = rest.split_first() {
        rest = behind;
        match token {
            Token::SingleQuotedString(text) | Token::DoubleQuotedString(text) => out.push_str(&quoted(text)),
            Token::Word(word) if word.quote_style.is_none() && word.value.starts_with("@@") => {
                let mut name = word.value.trim_start_matches('@').to_owned();
                while let [Token::Period, Token::Word(next), behind @ ..] = rest {
                    name = next.value.clone();
                    rest = behind;
                }
                out.push_str(&format!("system_variable({})", quoted(&name)));
            }
            Token::Word(word) if word.quote_style == Some('`') => {
                out.push_str(&format!("\"{}\"", word.value.replace('"', "\"\"")));
            }
            Token::Number(digits, _) => out.push_str(digits),
            // Also for comments, which SQLite reads in another way.
            Token::Whitespace(_) => out.push(' '),
            other => out.push_str(&other.to_string()),
        }
    }
    out
}

/// The tokens of a statement without its spaces and comments.
#[derive(Clone, Copy)]
struct StatementWords<'a>(&'a [Token]);

impl<'a> StatementWords<'a> {
    /// Returns a word in capitals, if there is one at this place.
    fn word(self, at: usize) -> Option<String> {
        match self.0.get(at)? {
            Token::Word(word) if word.quote_style.is_none() => Some(word.value.to_ascii_uppercase()),
            _ => None,
        }
    }

    /// Returns a name or a string.
    fn text(self, at: usize) -> Option<String> {
        match self.0.get(at)? {
            Token::Word(word) => Some(word.value.clone()),
            Token::SingleQuotedString(text) | Token::DoubleQuotedString(text) => Some(text.clone()),
            _ => None,
        }
    }

    fn from(self, at: usize) -> StatementWords<'a> {
        StatementWords(self.0.get(at..).unwrap_or_default())
    }
}
