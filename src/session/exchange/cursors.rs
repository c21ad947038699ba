//! What answers mean for the client's prepared statements: which are open, and on which connection they have a cursor or
//! long data.

use std::rc::Rc;

use crate::backend::PreparedText;
use crate::client::{Request, RequestHead};
use crate::net::Runtime;
use crate::session::Session;
use crate::sql::parts::first_word;
use crate::sql::{Effects, MAX_READ, Options, Routines, StatementClass};
use crate::state::{AnswerError, PinSet, Prepared};
use crate::terms::{Pin, Role};
use crate::wire::{Command, PrepareOk, StatusFlags};

impl<R: Runtime> Session<R> {
    /// Records a statement that the server prepared for the client.
    pub(in crate::session) fn prepared(
        &mut self,
        ok: PrepareOk,
        mut text: Rc<PreparedText>,
        class: StatementClass,
    ) {
        let max = self.upstream.max_statements();
        let compares = compares_columns(&text.text, self.state.sql_options());
        if self.state.statements.is_busy(text.id) {
            text = self.context.texts.prepared.alone(&text);
        }
        let Some(connection) = self.upstream.connection_mut() else { return };
        connection.statements.insert(text.id, ok.statement_id, max);
        let prepared = Prepared {
            text,
            class,
            catalogue: self.context.texts.routines.borrow().version(),
            read_as: self.state.readings(self.context.topology.modes()),
            params: ok.params,
            columns: if compares { ok.columns } else { 0 },
            types: None,
            cursor: None,
            long_data: None,
            digest: self.client.handle.statement.borrow().clone(),
        };
        self.state.statements.insert(prepared, connection.about.flavor);
    }

    /// Notes the user variables that a COM_STMT_PREPARE, which is answered now, may have created on its connection: servers
    /// look up, and create, what a statement names when they prepare it.
    pub(in crate::session) fn prepared_user_variables(&mut self, request: &Request) {
        const NAMES: Effects =
            Effects::READS_USER_VARIABLES.union(Effects::SETS_USER_VARIABLES).union(Effects::SETS_LITERALS);
        if request.class.effects.intersects(NAMES) {
            let text = request.whole.then(|| request.arguments()).filter(|text| text.len() <= MAX_READ);
            self.state.prepared_user_variables(self.upstream.role, request.class.effects, text);
        }
    }

    /// Records that the last execute of this statement had another number of columns than the client had been told.
    pub(in crate::session) fn note_columns(&mut self, statement: u32, columns: u16) {
        if let Some(prepared) = self.state.statements.get(statement) {
            prepared.columns = columns;
        }
    }

    /// Updates cursors and long data after a command that named a statement.
    pub(in crate::session) fn statement_done(&mut self, request: &RequestHead) {
        let (role, status) = (self.upstream.role, self.state.transaction.status);
        let failed = self.state.answer.failed();
        let opened = !failed && self.state.answer.cursor;
        let wrong_parameters = self.state.answer.error == Some(AnswerError::WrongParameters);
        let Some(prepared) = self.state.statements.get(request.statement) else { return };
        let before = (prepared.cursor, prepared.long_data);
        match request.command {
            Command::StmtExecute | Command::StmtBulkExecute => {
                prepared.cursor = opened.then_some(role);
                prepared.long_data = None;
            }
            Command::StmtFetch if status.contains(StatusFlags::LAST_ROW_SENT) || failed => {
                prepared.cursor = None
            }
            Command::StmtReset => {
                prepared.cursor = None;
                prepared.long_data = None;
            }
            Command::Quit
            | Command::InitDb
            | Command::Query
            | Command::FieldList
            | Command::CreateDb
            | Command::DropDb
            | Command::Refresh
            | Command::Shutdown
            | Command::Statistics
            | Command::ProcessInfo
            | Command::ProcessKill
            | Command::Debug
            | Command::Ping
            | Command::ChangeUser
            | Command::BinlogDump
            | Command::RegisterSlave
            | Command::StmtPrepare
            | Command::StmtSendLongData
            | Command::StmtClose
            | Command::SetOption
            | Command::StmtFetch
            | Command::BinlogDumpGtid
            | Command::ResetConnection
            | Command::Unknown(_) => return,
        }
        let ended = (before.0.is_some() && prepared.cursor.is_none()) || wrong_parameters;
        let text = prepared.text.id;
        if let Some(connection) = self.upstream.connection_mut().filter(|_| ended) {
            // MySQL 9.7 answers an execute without a cursor wrongly if the statement had a cursor before.
            // After a server refused parameters, it may have kept their types or the types from before.
            connection.statements.close(text);
        }
        let Some(prepared) = self.state.statements.peek(request.statement) else { return };
        if before != (prepared.cursor, prepared.long_data) {
            Role::BOTH.iter().for_each(|role| self.settle_cursors(*role));
        }
    }

    /// Pins the role while it has an open cursor, and removes the pins for cursors and long data when there
    /// are none.
    pub(in crate::session) fn settle_cursors(&mut self, role: Role) {
        if self.state.statements.has_cursor(role) {
            self.state.pin(role, Pin::Cursor);
        } else {
            self.state.unpin(role, PinSet::of(&[Pin::Cursor]));
        }
        if !self.state.statements.has_long_data(role) {
            self.state.unpin(role, PinSet::of(&[Pin::LongData]));
        }
    }
}

/// True if the servers say with METADATA_CHANGED that an execute has another number of columns than the prepare. They compare the
/// items of a query, and those of a DELETE's RETURNING (`Prepared_statement::validate_metadata`), but not of an EXPLAIN. The
/// RETURNING of MariaDB's INSERT and REPLACE stands elsewhere, and the columns of a SHOW are always the same.
fn compares_columns(text: &[u8], options: Options) -> bool {
    const COMPARED: [&[u8]; 5] = [b"SELECT", b"WITH", b"TABLE", b"VALUES", b"DELETE"];
    let is_compared = |word: &[u8]| COMPARED.iter().any(|compared| word.eq_ignore_ascii_case(compared));
    // Without a word in front, it is a query in parentheses.
    first_word(text, options).is_none_or(is_compared)
}
