//! Function calls on replica ports: an allow list. A call is allowed if it is of a built-in function that only reads,
//! or of a stored function that only reads according to the servers' catalogue. Loadable functions are never allowed.

use super::{Kind, Reason};
use crate::sql::Token;
use crate::sql::classify::words::{Meaning, meaning};
use crate::sql::classify::{RoutineFacts, Routines, lookup};

/// More functions, and words that can precede parentheses. The classification does not know them, and sends statements
/// with them to the primary.
#[rustfmt::skip]
const ALSO: [&str; 43] = [
    "analyse", "bernoulli", "bit", "blob", "both", "cube", "datetime", "enum", "group", "high_priority",
    "int1", "int2", "int3", "int4", "int8", "integer", "leading", "longblob", "longtext", "median",
    "mediumblob", "mediumint", "mediumtext", "middleint", "nvarchar", "percentile_cont",
    "percentile_disc", "precision", "qualify", "real", "rollup", "smallint", "sql_big_result",
    "sql_buffer_result", "sql_cache", "sql_no_cache", "sql_small_result", "st_collect", "system", "text",
    "tinyint", "trailing", "vector",
];

/// What is known of stored functions.
pub struct Calls<'a> {
    /// The default schema; empty if there is none or it is unknown.
    pub schema: &'a [u8],
    /// The servers' catalogue.
    pub routines: &'a dyn Routines,
}

impl std::fmt::Debug for Calls<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Calls")
            .field("schema", &self.schema.escape_ascii().to_string())
            .finish_non_exhaustive()
    }
}

impl Calls<'_> {
    /// True if a stored function of this name only reads, or if the catalogue has none and `built_in` is true.
    fn allows(&self, schema: Option<&[u8]>, name: &[u8], built_in: bool) -> bool {
        let default = (!self.schema.is_empty()).then_some(self.schema);
        match lookup(name, |name| self.routines.function(schema.or(default), name)) {
            RoutineFacts::ReadsOnly | RoutineFacts::ReadsOpaque => true,
            RoutineFacts::Unknown => built_in,
            RoutineFacts::Harmless | RoutineFacts::WritesOpaque => false,
            RoutineFacts::Other | RoutineFacts::Acts => false,
        }
    }
}

/// How much of `name (a, b) AS (` was seen, in which the first parentheses are a list of columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Columns {
    Elsewhere,
    Inside,
    Behind,
    BehindAs,
}

/// Checks the tokens of one statement, in order.
pub(super) struct Scan<'c, 'a> {
    calls: Option<&'c Calls<'c>>,
    /// The last four tokens, the latest first.
    before: [Option<Token<'a>>; 4],
    columns: Columns,
}

impl<'c, 'a> Scan<'c, 'a> {
    /// Begins a statement. Without `calls` all functions are allowed, except those that are known to write.
    pub(super) fn new(calls: Option<&'c Calls<'c>>) -> Self {
        Scan { calls, before: [None; 4], columns: Columns::Elsewhere }
    }

    pub(super) fn token(&mut self, token: Token<'a>) -> Result<(), Reason> {
        self.columns = match self.columns {
            Columns::Elsewhere => Columns::Elsewhere,
            Columns::Inside if matches!(token.kind, Kind::Word | Kind::QuotedIdentifier | Kind::Comma) => {
                Columns::Inside
            }
            Columns::Inside if token.kind == Kind::Close => Columns::Behind,
            Columns::Behind if token.is("AS") => Columns::BehindAs,
            Columns::BehindAs if token.kind == Kind::Open => Columns::Elsewhere,
            _ => return Err(Reason::UnknownFunction),
        };
        if token.kind == Kind::Open {
            self.call(token)?;
        }
        let [first, second, third, _] = self.before;
        self.before = [Some(token), first, second, third];
        Ok(())
    }

    /// Ends the statement.
    pub(super) fn end(self) -> Result<(), Reason> {
        if self.columns == Columns::Elsewhere { Ok(()) } else { Err(Reason::UnknownFunction) }
    }

    /// Checks the token before the parenthesis `open`, which may be the name of a function.
    fn call(&mut self, open: Token<'a>) -> Result<(), Reason> {
        let [Some(name), before, older, oldest] = self.before else { return Ok(()) };
        let bare = match name.kind {
            Kind::Word => name.text,
            Kind::QuotedIdentifier => super::text::inside_quotes(name.text),
            _ => return Ok(()),
        };
        let before_is = |kind| before.is_some_and(|token| token.kind == kind);
        // `@name` is a variable. Only if nothing separates them: on MySQL `@` alone is a variable, too.
        let adjacent = before.is_some_and(|token| token.start + token.text.len() == name.start);
        if adjacent && (before_is(Kind::At) || before_is(Kind::AtAt)) {
            return Ok(());
        }
        if writes_when_called(bare) {
            return Err(Reason::WritingFunction);
        }
        let Some(calls) = self.calls else { return Ok(()) };
        if before_is(Kind::Dot) {
            // EXPLAIN INSERT INTO schema.table (columns)
            let into = oldest.is_some_and(|token| token.is("INTO"));
            let schema = older.map(|schema| match schema.kind {
                Kind::QuotedIdentifier => super::text::inside_quotes(schema.text),
                _ => schema.text,
            });
            return allowed(into || calls.allows(schema, bare, false));
        }
        if name.kind == Kind::Word && is_never_stored(meaning(bare), name, open) {
            return Ok(());
        }
        if calls.allows(None, bare, is_built_in(bare)) {
            return Ok(());
        }
        // A call never directly follows a name, a parenthesis or AS: these are lists of columns.
        let of_columns = before.is_some_and(|token| {
            token.is_any(&["AS", "INTO", "INSERT", "REPLACE"]) || token.kind == Kind::Close
        });
        let format = before_is(Kind::Equals) && older.is_some_and(|token| token.is("FORMAT"));
        if of_columns || format {
            return Ok(());
        }
        let perhaps =
            before.is_none_or(|token| token.is_any(&["WITH", "RECURSIVE"]) || token.kind == Kind::Comma);
        if perhaps {
            self.columns = Columns::Inside;
        }
        allowed(perhaps)
    }
}

fn allowed(allowed: bool) -> Result<(), Reason> {
    if allowed { Ok(()) } else { Err(Reason::UnknownFunction) }
}

/// True if a word before `(` only reads, and cannot be the name of a stored function.
fn is_never_stored(meaning: Meaning, name: Token<'_>, open: Token<'_>) -> bool {
    match meaning {
        Meaning::Callable | Meaning::Source | Meaning::For | Meaning::Into => true,
        Meaning::WriteVerbOrFunction | Meaning::CalcFoundRows => true,
        Meaning::Tight => name.start + name.text.len() == open.start,
        _ => false,
    }
}

/// True if one of the servers has a built-in function of this name that only reads, or a word of its grammar that can
/// precede `(`.
fn is_built_in(name: &[u8]) -> bool {
    match meaning(name) {
        Meaning::Callable | Meaning::Tight | Meaning::Somewhere | Meaning::BeforeQuery => true,
        Meaning::Against | Meaning::Columns | Meaning::Of | Meaning::WriteVerbOrFunction => true,
        // These functions are about the connection or the server, and change no data.
        Meaning::GetLock | Meaning::ReleaseLock | Meaning::AsksLock => true,
        Meaning::InsertId | Meaning::FoundRows | Meaning::RowCount | Meaning::OneServer => true,
        Meaning::LoadFile | Meaning::ReadsSequence => true,
        Meaning::Name => ALSO.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes())),
        _ => false,
    }
}

/// Functions of MariaDB's sequences. Applications on MySQL often have stored functions of the same names.
const SEQUENCE_FUNCTIONS: [&str; 2] = ["NEXTVAL", "SETVAL"];
/// The first parts of the names of functions that reconfigure servers (group_replication_set_as_primary, …).
const MANAGEMENT: [&[u8]; 4] = [
    b"group_replication_set_",
    b"group_replication_switch_",
    b"group_replication_enable_",
    b"asynchronous_connection_failover_",
];

fn writes_when_called(name: &[u8]) -> bool {
    let starts =
        |prefix: &&[u8]| name.get(..prefix.len()).is_some_and(|part| part.eq_ignore_ascii_case(prefix));
    is_sequence_function(name) || MANAGEMENT.iter().any(starts)
}

/// True for NEXTVAL and SETVAL. Also used for names behind a dot: `sequence.NEXTVAL` in MariaDB's Oracle mode.
pub(super) fn is_sequence_function(name: &[u8]) -> bool {
    SEQUENCE_FUNCTIONS.iter().any(|word| name.eq_ignore_ascii_case(word.as_bytes()))
}
