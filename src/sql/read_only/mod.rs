//! The guard of replica ports: an allow list by the first keyword of each statement of a text.
//! In doubt the guard refuses. It complements `SET SESSION TRANSACTION READ ONLY`, which is set on
//! the server connections of these ports, so it also refuses statements that could leave that mode.

mod budget;
#[cfg(test)]
mod corpus_tests;
#[cfg(test)]
mod function_tests;
mod functions;
mod query;
mod set;
mod statement;
#[cfg(test)]
mod tests;
mod text;

use super::{Kind, Lexer, Options, Readings, steps};
use budget::Budget;
pub use functions::Calls;
use statement::Statement;
pub(super) use text::unescape;

/// Whether a text may run on a replica port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Every statement in it only reads.
    Allowed,
    /// One statement writes, or may.
    Refused(Reason),
}

/// Why a text is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The first keyword is not one of a statement that only reads.
    Writes,
    /// `CALL`: a procedure may write.
    Procedure,
    /// The statement could make the session or a transaction writable.
    ReadWriteTransaction,
    /// The statement sets something for the whole server (GLOBAL, PERSIST) or for accounts.
    ServerWide,
    /// `XA`: a transaction that outlives the connection.
    Xa,
    /// The statement runs text that is not in it (`PREPARE … FROM @variable`).
    HiddenText,
    /// `INTO OUTFILE`, `INTO DUMPFILE`: writes a file on the server.
    WritesFile,
    /// A function or expression that writes: sequences, group replication's management.
    WritingFunction,
    /// A function that is neither built in nor known to only read.
    UnknownFunction,
    /// A quote or comment does not end, or servers disagree about where it ends.
    Unreadable,
    /// Checking the text in all the ways in which servers may read it would be too much work.
    TooMuchWork,
}

impl Reason {
    /// Returns words for messages that complete the sentence "the statement …".
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Writes => "writes or may write",
            Self::Procedure => "calls a procedure, which may write",
            Self::ReadWriteTransaction => "would allow writes in this session",
            Self::ServerWide => "changes a setting of the server or of an account",
            Self::Xa => "belongs to an XA transaction",
            Self::HiddenText => "runs text that it does not contain",
            Self::WritesFile => "writes a file on the server",
            Self::WritingFunction => "uses a function that writes",
            Self::UnknownFunction => "calls a function that is not known to only read",
            Self::Unreadable => "cannot be read with certainty",
            Self::TooMuchWork => "has too many versioned comments to be checked",
        }
    }
}

/// How deep texts in PREPAREs are checked. The servers refuse PREPARE of a PREPARE anyway.
const MAX_NESTING: u8 = 2;

/// The most different versioned comments in one statement, each of which a server may read or skip.
const MAX_VERSIONS: usize = 4;

/// Checks each statement of a text from COM_QUERY or COM_STMT_PREPARE. Stored and loadable
/// functions are not checked here; [`check_calls`] checks them, too.
pub fn check(sql: &[u8], options: Options) -> Verdict {
    verdict(check_text(sql, options, 0, &Budget::of(sql.len()), None))
}

/// Checks a text as [`check`] does, in every way in which servers may read it. Functions must be known to only read.
pub fn check_calls(sql: &[u8], readings: Readings, calls: &Calls<'_>) -> Verdict {
    let mut ways = readings.of(sql);
    verdict(ways.try_for_each(|options| check_text(sql, options, 0, &Budget::of(sql.len()), Some(calls))))
}

fn verdict(checked: Result<(), Reason>) -> Verdict {
    match checked {
        Ok(()) => Verdict::Allowed,
        Err(reason) => Verdict::Refused(reason),
    }
}

/// Returns the first statement of a text, and the text behind its semicolon, if it has one.
pub fn first_statement(sql: &[u8], options: Options) -> (&[u8], Option<&[u8]>) {
    let semicolon = Lexer::new(sql, options).find(|token| token.kind == Kind::Semicolon);
    match semicolon.and_then(|token| sql.split_at_checked(token.start)) {
        Some((first, rest)) => (first, rest.get(1..)),
        None => (sql, None),
    }
}

/// True if a statement has only white space and comments.
pub fn is_blank(sql: &[u8], options: Options) -> bool {
    Lexer::new(sql, options).all(|token| token.is_trivia())
}

fn check_text(
    sql: &[u8],
    options: Options,
    nesting: u8,
    budget: &Budget,
    calls: Option<&Calls<'_>>,
) -> Result<(), Reason> {
    if nesting > MAX_NESTING {
        return Err(Reason::HiddenText);
    }
    if options.is_ambiguous(sql) {
        return Err(Reason::Unreadable);
    }
    let mut lexer = Lexer::new(sql, options);
    let mut modes = None;
    loop {
        let start = lexer;
        let versions = walk_statement(&mut lexer, budget)?;
        let mut changes_reading = false;
        for skipped in versions.combinations() {
            let statement = Statement::new(start, &skipped, budget, calls);
            let checked = check_statement(statement, options, nesting);
            changes_reading |= statement.changes_reading();
            // The result is incomplete then, so it does not count.
            if budget.is_spent() {
                return Err(Reason::TooMuchWork);
            }
            checked?;
        }
        let behind = lexer.offset();
        if behind >= sql.len() {
            return Ok(());
        }
        if changes_reading && modes.get_or_insert_with(|| Modes::of(sql)).matter_behind(behind) {
            return Err(Reason::Unreadable);
        }
    }
}

/// The last positions of the bytes that sql_mode or the character set give a different meaning. All such differences
/// are about a backslash, or about a backtick as the second byte of a character.
struct Modes {
    /// The offset behind the last backslash.
    backslash: usize,
    /// The offset behind the last backtick.
    backtick: usize,
    /// The offset behind the last byte outside ASCII.
    other: usize,
}

impl Modes {
    /// Searches the text. Called only once for each text, whatever the number of its statements.
    fn of(sql: &[u8]) -> Self {
        steps::count(sql.len());
        let behind_last = |wanted: fn(&u8) -> bool| sql.iter().rposition(wanted).map_or(0, |at| at + 1);
        Self {
            backslash: behind_last(|byte| *byte == b'\\'),
            backtick: behind_last(|byte| *byte == b'`'),
            other: behind_last(|byte| !byte.is_ascii()),
        }
    }

    /// True if sql_mode or the character set decide how the text splits from this offset on.
    fn matter_behind(&self, offset: usize) -> bool {
        self.backslash > offset || (self.backtick > offset && self.other > offset)
    }
}

/// The versioned comments of one statement that a server may read or skip.
#[derive(Default)]
struct Versions<'a> {
    marks: Vec<&'a [u8]>,
}

impl<'a> Versions<'a> {
    /// Returns every set of them that a server could skip. Nearly always this is only the empty set.
    fn combinations(&self) -> impl Iterator<Item = Vec<&'a [u8]>> {
        let sets = 1u32 << self.marks.len();
        (0..sets).map(|set| {
            let chosen = self.marks.iter().enumerate().filter(|(at, _)| set >> at & 1 == 1);
            chosen.map(|(_, mark)| *mark).collect()
        })
    }
}

/// Moves the lexer behind the next `;` or to the end, and returns the versioned comments on the way.
fn walk_statement<'a>(lexer: &mut Lexer<'a>, budget: &Budget) -> Result<Versions<'a>, Reason> {
    let mut versions = Versions::default();
    while let Some(token) = lexer.next() {
        if !budget.take(token.text.len()) {
            return Err(Reason::TooMuchWork);
        }
        match token.kind {
            Kind::Incomplete => return Err(Reason::Unreadable),
            // A server that skips the comment sees one statement, a server that reads it sees two.
            Kind::Semicolon if lexer.in_code_comment() => return Err(Reason::Unreadable),
            Kind::Semicolon => break,
            // A bare /*! is code for every server.
            Kind::CodeOpen if token.text != b"/*!" && !versions.marks.contains(&token.text) => {
                if versions.marks.len() == MAX_VERSIONS {
                    return Err(Reason::Unreadable);
                }
                versions.marks.push(token.text);
            }
            _ => {}
        }
    }
    Ok(versions)
}

fn check_statement(statement: Statement<'_>, options: Options, nesting: u8) -> Result<(), Reason> {
    let mut rest = statement;
    let Some(first) = rest.next() else { return Ok(()) };
    if first.kind == Kind::Open {
        return query::parenthesised(statement);
    }
    let keyword = first.text.to_ascii_uppercase();
    match keyword.as_slice() {
        _ if first.kind != Kind::Word => Err(Reason::Writes),
        b"SELECT" | b"TABLE" | b"VALUES" | b"SHOW" | b"DO" | b"HANDLER" => query::expressions(rest),
        b"WITH" => query::with(rest),
        b"DESC" | b"DESCRIBE" | b"EXPLAIN" => query::explain(rest),
        b"ANALYZE" => query::analyze(rest),
        b"SET" => set::set(rest),
        b"USE" | b"HELP" | b"KILL" | b"CHECKSUM" | b"COMMIT" | b"ROLLBACK" | b"SAVEPOINT" => {
            query::expressions(rest)
        }
        b"BEGIN" => only(rest, &["WORK"]),
        b"START" => start_transaction(rest),
        b"RELEASE" => followed_by(rest, &["SAVEPOINT"]),
        b"DEALLOCATE" | b"DROP" => followed_by(rest, &["PREPARE"]),
        b"UNLOCK" => followed_by(rest, &["TABLES", "TABLE"]),
        b"LOCK" => lock_tables(rest),
        b"GET" => only_diagnostics(rest),
        b"PREPARE" => text::prepare(rest, options, nesting),
        b"EXECUTE" => text::execute(rest, options, nesting),
        b"CALL" => Err(Reason::Procedure),
        b"XA" => Err(Reason::Xa),
        _ => Err(Reason::Writes),
    }
}

fn followed_by(mut rest: Statement<'_>, words: &[&str]) -> Result<(), Reason> {
    match rest.next() {
        Some(token) if token.is_any(words) => Ok(()),
        _ => Err(Reason::Writes),
    }
}

/// Allows nothing but these words. On MariaDB `BEGIN NOT ATOMIC …` is a block of any statements,
/// and so is any `BEGIN …` in its Oracle mode.
fn only(mut rest: Statement<'_>, words: &[&str]) -> Result<(), Reason> {
    match rest.all(|token| token.is_any(words)) {
        true => Ok(()),
        false => Err(Reason::Writes),
    }
}

fn start_transaction(rest: Statement<'_>) -> Result<(), Reason> {
    followed_by(rest, &["TRANSACTION"])?;
    for token in rest {
        if token.is("WRITE") {
            return Err(Reason::ReadWriteTransaction);
        }
        let known = ["TRANSACTION", "WITH", "CONSISTENT", "SNAPSHOT", "READ", "ONLY"];
        if token.kind != Kind::Comma && !token.is_any(&known) {
            return Err(Reason::Writes);
        }
    }
    Ok(())
}

/// Allows `LOCK TABLES t READ, …`, which dumps use; not LOCK INSTANCE, and not write locks.
fn lock_tables(mut rest: Statement<'_>) -> Result<(), Reason> {
    followed_by(rest, &["TABLES", "TABLE"])?;
    match rest.any(|token| token.is("WRITE")) {
        true => Err(Reason::Writes),
        false => Ok(()),
    }
}

fn only_diagnostics(mut rest: Statement<'_>) -> Result<(), Reason> {
    match rest.find(|token| !token.is_any(&["CURRENT", "STACKED"])) {
        Some(token) if token.is("DIAGNOSTICS") => query::expressions(rest),
        _ => Err(Reason::Writes),
    }
}
