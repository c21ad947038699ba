//! The parts of a session's state.

use super::Rare;
use super::answered::TransactionDoubt;
use super::journal::Journal;
use super::reading::ReadingState;
use super::unexplained::Reports;
use super::unreported_variables::UnreportedVariables;
use crate::backend::{InsertIdCell, ServerThread, TextStatements};
use crate::sql::{self, Effects};
use crate::terms::Role;
use crate::wire::{Command, StatusFlags};

bitflags::bitflags! {
    /// What is known of transactions that only read, and of savepoints.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct ReadingTransactions: u8 {
        /// The transaction that is open on a replica has savepoints.
        const SAVEPOINT = 1;
        /// The transaction that is open on a replica has read something.
        const HAS_READ = 2;
        /// These transactions begin on the primary, see `SessionFacts`.
        const ON_PRIMARY = 4;
        /// One of them must begin on the primary before the next statement.
        const BEGINS = 8;
        /// There is a savepoint on the primary, and no transaction yet: autocommit is off.
        const SAVEPOINT_AHEAD = 16;
        /// The server closed the session: COMMIT RELEASE.
        const SESSION_ENDED = 32;
    }
}

/// The open transaction, as far as the session knows.
#[derive(Debug)]
pub struct Transaction {
    /// The status that the client saw last.
    pub status: StatusFlags,
    /// Whether the transaction that `status` shows is really open.
    pub(super) doubt: TransactionDoubt,
    /// The record of the open transaction on the primary, as long as the transaction can be replayed.
    pub journal: Option<Box<Journal>>,
    /// What is known of transactions that only read.
    pub reading: ReadingTransactions,
}

impl Default for Transaction {
    fn default() -> Self {
        let status = StatusFlags::AUTOCOMMIT;
        Transaction {
            status,
            doubt: TransactionDoubt::No,
            journal: None,
            reading: ReadingTransactions::empty(),
        }
    }
}

/// What `LAST_INSERT_ID()` returns, and where.
#[derive(Debug, Default)]
pub struct InsertIds {
    /// What `LAST_INSERT_ID()` returns.
    pub id: InsertIdCell,
    /// The connection that knows the insert id, if only this connection does.
    pub connection: Option<ServerThread>,
}

/// What the session has on its connections by name.
#[derive(Debug, Default)]
pub struct Objects {
    /// Its temporary tables, its named locks and its session trackers, if it ever had any.
    pub(super) rare: Option<Box<Rare>>,
    /// The number of HANDLERs that were opened and not closed.
    pub(super) handlers: u16,
    /// Statements prepared as text.
    pub text_statements: TextStatements,
}

/// How servers read the session's texts.
#[derive(Debug, Default)]
pub struct Texts {
    /// The lexer options for the session's texts, derived from the rest of the state.
    pub(super) options: sql::Options,
    /// What trackers reported about how servers read the texts, and what is unknown about that.
    pub(super) reading: ReadingState,
    /// True if the servers are MariaDB.
    pub of_mariadb: bool,
}

/// The last statement, about which the client may ask.
#[derive(Debug, Clone, Copy)]
pub struct LastStatement {
    /// True if there is none: no statement was executed yet.
    pub is_new: bool,
    /// The role for which the statement ran.
    pub role: Role,
    /// The connection on which the statement ran.
    pub connection: Option<ServerThread>,
    /// What `ROW_COUNT()` returns.
    pub row_count: i64,
    /// True if the statement changed rows, so that the client may ask for `ROW_COUNT()`.
    pub counted: bool,
    /// True if the client asked for ROW_COUNT() or FOUND_ROWS(): each statement's connection is then kept until the next
    /// statement.
    pub looks_back: bool,
    /// The last statement that set `FOUND_ROWS()`: mostly the last query.
    pub query: LastQuery,
    /// The rows that the statement has sent so far; at the type's maximum, there may be more.
    pub sent: u32,
}

/// Where `FOUND_ROWS()` has this session's value.
#[derive(Debug, Clone, Copy)]
pub struct LastQuery {
    /// True if there is none: the value is that of a new session, or, if `rows` is known, of before a reset.
    pub is_new: bool,
    /// The role for which the statement ran.
    pub role: Role,
    /// Its connection.
    pub connection: Option<ServerThread>,
    /// What `FOUND_ROWS()` returns; `UNKNOWN_ROWS`: only the connection knows.
    pub rows: u32,
}

/// Only the connection knows what `ROW_COUNT()` returns.
const UNKNOWN_COUNT: i64 = i64::MIN;
/// What `FOUND_ROWS()` returns is not known.
const UNKNOWN_ROWS: u32 = u32::MAX;

/// How a connection comes to return from `ROW_COUNT()` what the session must get. On both servers it is the number of rows
/// that an OK packet announced, and -1 behind every other answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BringCount {
    /// It returns it already.
    Nothing,
    /// By a command that an OK packet answers: it must return 0.
    Zero,
    /// By a command that an EOF packet answers: it must return -1.
    MinusOne,
    /// Nothing makes a connection return another number.
    Lost,
}

impl LastStatement {
    /// Returns how this connection comes to return the session's `ROW_COUNT()` to a statement with these effects. `has_past`:
    /// another session used the connection in the meantime, or the proxy did.
    pub fn bring_count(&self, effects: Effects, here: ServerThread, has_past: bool) -> BringCount {
        match self.row_count {
            _ if !effects.contains(Effects::READS_ROW_COUNT) => BringCount::Nothing,
            _ if !has_past && (self.is_new || self.connection == Some(here)) => BringCount::Nothing,
            0 => BringCount::Zero,
            -1 => BringCount::MinusOne,
            _ => BringCount::Lost,
        }
    }

    /// True if the session knows what `ROW_COUNT()` returns.
    pub fn knows_row_count(&self) -> bool {
        self.row_count != UNKNOWN_COUNT
    }

    /// Notes that a statement or a command ran on this connection.
    pub fn ran_on(&mut self, connection: ServerThread, command: Command) {
        self.connection = Some(connection);
        if command.ends_with_eof() {
            self.row_count = -1;
        } else if command == Command::StmtBulkExecute {
            // The OK packet has the sum of all rows, the server counts those of the last one.
            self.row_count = UNKNOWN_COUNT;
        }
    }

    /// True if this connection does not have the session's `FOUND_ROWS()`. `has_past`: as above.
    pub fn is_query_lost(&self, here: ServerThread, has_past: bool) -> bool {
        (has_past || self.query.connection != Some(here)) && !self.query.is_new
    }

    /// Returns what servers keep at COM_RESET_CONNECTION and COM_CHANGE_USER: `FOUND_ROWS()` alone.
    pub fn kept_at_reset(&self) -> Self {
        let mut kept = LastStatement::default();
        kept.query.rows = self.query.rows;
        kept
    }

    /// True if no connection has the session's `FOUND_ROWS()`, since a reset came in between.
    pub fn is_query_before_reset(&self) -> bool {
        self.query.is_new && self.query.rows != UNKNOWN_ROWS
    }

    /// Returns what `FOUND_ROWS()` returns, if the session knows.
    pub fn found_rows(&self) -> Option<u32> {
        Some(self.query.rows).filter(|rows| *rows != UNKNOWN_ROWS)
    }

    /// Notes that `FOUND_ROWS()` is about the statement that is done, and returns this number, if the session knows it.
    pub fn counts(&mut self, role: Role, rows: Option<u32>) {
        let connection = self.query.connection;
        self.query = LastQuery { is_new: false, role, connection, rows: rows.unwrap_or(UNKNOWN_ROWS) };
    }

    /// Notes that the proxy itself answered a query with so many rows.
    pub fn answered_query(&mut self, rows: u32) {
        self.answered_itself(-1);
        (self.query.is_new, self.query.connection, self.query.rows) = (false, None, rows);
    }

    /// Notes that the proxy itself answered a command, behind which `ROW_COUNT()` is this.
    pub fn answered_itself(&mut self, row_count: i64) {
        (self.is_new, self.connection, self.row_count, self.counted) = (false, None, row_count, false);
    }

    /// Notes that a statement of the proxy's own ran on this connection, which nobody can ask about a statement of the client
    /// any more.
    pub fn covered(&mut self, connection: ServerThread) {
        for place in [&mut self.connection, &mut self.query.connection] {
            place.take_if(|place| *place == connection);
        }
    }

    /// Notes that another connection has taken the place of one, with all that can be asked there.
    pub fn moved(&mut self, before: ServerThread, now: ServerThread) {
        for place in [&mut self.connection, &mut self.query.connection] {
            if *place == Some(before) {
                *place = Some(now);
            }
        }
    }
}

impl Default for LastStatement {
    fn default() -> Self {
        LastStatement {
            is_new: true,
            role: Role::Primary,
            connection: None,
            // A login and a reset are answered by an OK packet.
            row_count: 0,
            counted: false,
            looks_back: false,
            query: LastQuery { is_new: true, role: Role::Primary, connection: None, rows: UNKNOWN_ROWS },
            sent: 0,
        }
    }
}

/// What session trackers report, and what they do not.
#[derive(Debug, Default)]
pub struct Trackers {
    /// True if the client itself set session trackers: the client then sees the reports of all trackers.
    pub shown: bool,
    /// True if the client set trackers just now, on the connection in use.
    pub changed: bool,
    /// True if the connection's character set changed, and its collation is not known yet.
    pub(super) collation_unreported: bool,
    /// True if the last change of the connection's character set was a SET NAMES.
    pub(super) by_names: bool,
    /// True if `timestamp` was set, and it is not known yet whether to a moment or to the clock.
    pub(super) timestamp_unreported: bool,
    /// The variables whose values only one of the session's connections knows.
    pub(super) unreported: UnreportedVariables,
    /// True if SET STATEMENT ran on the connection in use: the server reports the restored values with a later statement.
    pub restored: bool,
    /// True if the session has used SET STATEMENT: the primary reports variables that later texts do not name.
    pub(super) restores: bool,
    /// What the answer under way reported.
    pub(super) reports: Reports,
    /// True if a connection that should only read left read-only mode: it must not be used again.
    pub read_only_lost: bool,
}
