//! Handles commands that name a prepared statement. The client's id stands for a text. Each server connection
//! has its own id for that text, and prepares the text there when it is first needed.

use std::rc::Rc;

use super::acquire::StatementError;
use super::refusals::ends_connection;
use super::request::Request;
use super::restore::Brought;
use super::statement::Ended;
use super::{Failure, Session};
use crate::backend::{PreparedText, QueryError, ServerStatement};
use crate::net::{Buf, Runtime};
use crate::sql::read_only::Verdict;
use crate::sql::{Effects, StatementClass};
use crate::state::{Prepared, types_in, with_types};
use crate::terms::Role;
use crate::terms::{Close, Pin, Port};
use crate::terms::{StatementKind, Why};
use crate::topology::Flavor;
use crate::wire::{
    Capabilities, Command, MAX_PAYLOAD, PacketHeader, PrepareOk, ProtocolError, StatusFlags, Types,
    first_types, kinds_of_types,
};

/// The length of the part of a packet that names the statement and determines the shape of the answer.
const HEAD: usize = PacketHeader::LEN + Command::HEAD;

/// The most bytes of an execute that are read to find its parameter types: enough for 65,535 types with short
/// names.
const MOST_TYPES: usize = 2 << 20;

/// ER_MAX_PREPARED_STMT_COUNT_REACHED
const TOO_MANY_STATEMENTS: u16 = 1461;

impl<R: Runtime> Session<R> {
    /// Handles COM_STMT_EXECUTE, COM_STMT_BULK_EXECUTE, COM_STMT_FETCH, COM_STMT_SEND_LONG_DATA and
    /// COM_STMT_RESET.
    pub(super) async fn statement(&mut self, buf: &mut Buf, request: &mut Request) -> Result<(), Close> {
        if !request.whole && buf.len() < HEAD {
            // Every buffer has room for these few bytes.
            let _ = Box::pin(self.read_up_to(buf, HEAD)).await?;
        }
        let id = request.arguments(buf).first_chunk::<4>().copied().map(u32::from_le_bytes);
        let id = self.state.statements.meant(id.unwrap_or(0));
        let what = match request.command {
            Command::StmtFetch => "mysqld_stmt_fetch",
            Command::StmtReset => "mysqld_stmt_reset",
            Command::StmtSendLongData => "mysqld_stmt_send_long_data",
            Command::StmtBulkExecute => "mysqld_stmt_bulk_execute",
            _ => "mysqld_stmt_execute",
        };
        let busy = Role::BOTH
            .iter()
            .any(|r| self.state.pins.on(*r).has(Pin::Cursor) || self.state.pins.on(*r).has(Pin::LongData));
        if busy && self.state.statements.collides(id) {
            let context = self.context.clone();
            if let Some(prepared) = self.state.statements.get(id) {
                prepared.text = context.texts.alone(&prepared.text);
            }
        }
        if request.command == Command::StmtSendLongData
            && (self.lost.writer || self.lost.reader)
            && self.state.statements.peek(id).is_some_and(|prepared| prepared.long_data.is_none())
        {
            // This is the first long data of the statement, so no earlier part of it can be lost: settle
            // other losses first.
            request.statement = id;
            if let Err(Ended(told)) = Box::pin(self.settle_losses_first(buf, *request)).await {
                return told;
            }
        }
        let reading = self.port == Port::Split && self.state.facts().transaction == Some(Role::Reader);
        let Some(prepared) = self.state.statements.get(id) else {
            let stop = StatementError::Tell(Failure::NoStatement(id, what));
            return Box::pin(self.skip_and_stop(buf, *request, stop)).await;
        };
        request.statement = id;
        match request.command {
            Command::StmtFetch if prepared.cursor.is_none() => {
                let stop = StatementError::Tell(Failure::NoCursor(id));
                return Box::pin(self.skip_and_stop(buf, *request, stop)).await;
            }
            Command::StmtReset if prepared.cursor.is_none() && prepared.long_data.is_none() => {
                Box::pin(self.skip(buf, *request)).await?;
                return Box::pin(self.send_ok(request.answer_seq())).await;
            }
            Command::StmtExecute | Command::StmtBulkExecute => {
                let writes = prepared.class.kind >= StatementKind::Write;
                if reading && writes && prepared.long_data == Some(Role::Writer) {
                    return Box::pin(self.refuse_write(buf, *request)).await;
                }
                request.class = prepared.class;
            }
            Command::StmtSendLongData => {
                // The long data of a write goes to the primary: the write can run there after the read-only
                // transaction.
                let writes = prepared.class.kind >= StatementKind::Write;
                let on_replica = (reading && !writes) || self.port == Port::Replica;
                let role = if on_replica { Role::Reader } else { Role::Writer };
                // Long data goes to the server that has the cursor, because COM_STMT_RESET ends both at once.
                let role = *prepared.long_data.get_or_insert(prepared.cursor.unwrap_or(role));
                request.class = BOUND;
                self.state.pin(role, Pin::LongData);
            }
            _ => request.class = BOUND,
        }
        let executes = matches!(request.command, Command::StmtExecute | Command::StmtBulkExecute);
        if executes
            && !request.whole
            && let Some(stop) = Box::pin(self.read_types(buf, request)).await?
        {
            return Box::pin(self.skip_and_stop(buf, *request, stop)).await;
        }
        self.forward(buf, request).await
    }

    /// Refuses a write in a read-only transaction whose long data is on the primary, with the error that the
    /// replica would return. This uses up the long data, as an execute would.
    async fn refuse_write(&mut self, buf: &mut Buf, request: Request) -> Result<(), Close> {
        if let Some(prepared) = self.state.statements.get(request.statement) {
            prepared.long_data = None;
            let text = prepared.text.id;
            if self.take_for(Role::Writer)
                && let Some(connection) = &mut self.backend
            {
                connection.statements.close(text);
            }
        }
        self.settle_cursors(Role::Writer);
        self.release_after_statement();
        let refusal = super::refusals::read_only_transaction(self.state.texts.of_mariadb);
        self.skip_and_stop(buf, request, StatementError::Tell(Failure::Server((&refusal).into()))).await
    }

    /// Handles COM_STMT_CLOSE, which has no answer.
    pub(super) async fn close_statement(&mut self, buf: &mut Buf, request: Request) -> Result<(), Close> {
        let id = request.arguments(buf).first_chunk::<4>().copied().map(u32::from_le_bytes);
        self.skip(buf, request).await?;
        let Some(closed) = id.and_then(|id| self.state.statements.remove(id)) else { return Ok(()) };
        let bound = closed.cursor.or(closed.long_data);
        if let Some(role) = bound {
            // Its cursor or long data must not remain for the next client that uses the same text.
            if self.take_for(role)
                && let Some(connection) = &mut self.backend
            {
                connection.statements.close(closed.text.id);
            }
            self.settle_cursors(role);
        }
        Ok(())
    }

    /// Reads a long execute up to the end of its parameter types, so that no client can leave types on the
    /// server that the proxy does not know. Reads an execute without types completely, because the proxy may
    /// have to add them. Returns Some if the parameters cannot be read.
    async fn read_types(
        &mut self,
        buf: &mut Buf,
        request: &mut Request,
    ) -> Result<Option<StatementError>, Close> {
        let params = self.state.statements.peek(request.statement).map_or(0, |p| p.params);
        loop {
            match types_in(request.payload(buf), request.command, params, self.has_attributes()) {
                Ok(Types::AsBefore(_)) => {
                    self.complete(buf, request, MAX_PAYLOAD).await?;
                    return Ok(None);
                }
                Ok(Types::None | Types::Given(_)) => return Ok(None),
                Err(ProtocolError::Truncated(_)) if buf.len() < request.header.total().min(MOST_TYPES) => {
                    // Doubles the length each time, because each round parses from the start.
                    let len = (buf.len() * 2).min(request.header.total()).min(MOST_TYPES);
                    if !self.read_up_to(buf, len).await? {
                        return Ok(Some(StatementError::Tell(Failure::OutOfMemory)));
                    }
                }
                Err(_) => return Ok(Some(malformed_parameters())),
            }
        }
    }

    /// Reads until the buffer has this many bytes. Returns false if the memory budget is used up.
    async fn read_up_to(&mut self, buf: &mut Buf, len: usize) -> Result<bool, Close> {
        while buf.len() < len {
            if !buf.make_some_room(len - buf.len(), usize::MAX, &self.context.buffers.memory) {
                return Ok(false);
            }
            if self.fill(buf, 1).await? == 0 {
                return Err(Close::ClientLost);
            }
        }
        Ok(true)
    }

    /// True if the client sends query attributes, and names of parameters.
    pub(super) fn has_attributes(&self) -> bool {
        self.capabilities.contains(Capabilities::QUERY_ATTRIBUTES)
    }

    /// Prepares the statement on the connection in use if it is not prepared there, and writes the server's
    /// id of the statement into the request.
    pub(super) async fn bring_statement(
        &mut self,
        buf: &mut Buf,
        request: &mut Request,
    ) -> Result<Brought, StatementError> {
        if !self.name_statement(buf, request)? {
            if let Brought::Broken = Box::pin(self.prepare_here(request)).await? {
                return Ok(Brought::Broken);
            }
            if !self.name_statement(buf, request)? {
                return Ok(Brought::Broken);
            }
        }
        Ok(Brought::Ready)
    }

    /// Writes the server's id of the statement into the request, and the types if the server does not have
    /// them. Returns false if the statement is not prepared on the connection in use.
    #[inline]
    pub(super) fn name_statement(
        &mut self,
        buf: &mut Buf,
        request: &mut Request,
    ) -> Result<bool, StatementError> {
        let Some(prepared) = self.state.statements.get(request.statement) else { return Ok(false) };
        let Some(connection) = &mut self.backend else { return Ok(false) };
        let Some(on_server) = connection.statements.get(prepared.text.id) else { return Ok(false) };
        let place = PacketHeader::LEN + 1;
        if let Some(id) = buf.filled_mut().get_mut(place..place + 4) {
            id.copy_from_slice(&on_server.id.to_le_bytes());
        }
        if !matches!(request.command, Command::StmtExecute | Command::StmtBulkExecute) {
            return Ok(true);
        }
        let attributes = self.capabilities.contains(Capabilities::QUERY_ATTRIBUTES);
        let types = types_in(request.payload(buf), request.command, prepared.params, attributes);
        let types = types.map_err(|_| malformed_parameters())?;
        if connection.about.flavor == Flavor::MySql && is_of_others(on_server, prepared, types, attributes) {
            connection.statements.close(prepared.text.id);
            return Ok(false);
        }
        match types {
            Types::None => {}
            Types::Given(types) => {
                if prepared.types.as_deref() != Some(types) {
                    self.state.statements.keep_types(request.statement, types, &self.context.buffers.memory);
                }
                if on_server.types.as_deref() != Some(types) {
                    on_server.types =
                        self.state.statements.peek(request.statement).and_then(|p| p.types.clone());
                }
            }
            Types::AsBefore(at) => {
                let Some(types) = &prepared.types else {
                    // Parameters that were sent as long data need no types.
                    let needs = prepared.long_data.is_none();
                    return if needs { Err(StatementError::Tell(Failure::NoTypes)) } else { Ok(true) };
                };
                if on_server.types.as_ref() == Some(types) {
                    return Ok(true);
                }
                if !request.whole {
                    let why = "an execute without types that is too long to be given them";
                    return Err(StatementError::Tell(Failure::Malformed(why)));
                }
                // The stored types may include those of query attributes: take only the parameters' types.
                let needed = first_types(types, usize::from(prepared.params), attributes);
                on_server.types = needed.map(Rc::from);
                let bulk = request.command == Command::StmtBulkExecute;
                let packet = needed.and_then(|types| with_types(buf.filled(), at, types, bulk));
                let failure = Failure::Malformed("an execute that is too long");
                let packet = packet.ok_or(StatementError::Tell(failure))?;
                let behind = buf.filled().get(request.header.total()..).unwrap_or_default().to_vec();
                buf.clear();
                buf.extend_from_slice(&packet);
                buf.extend_from_slice(&behind);
                request.header.len = packet.len() - PacketHeader::LEN;
            }
        }
        Ok(true)
    }

    /// Prepares the statement on the connection in use under the schema, the character set and the SQL mode
    /// of its first prepare.
    async fn prepare_here(&mut self, request: &Request) -> Result<Brought, StatementError> {
        match self.state.statements.peek(request.statement).map(|p| p.text.clone()) {
            Some(text) => self.prepare_text(&text).await,
            None => Ok(Brought::Broken),
        }
    }

    /// Returns the server's id of a text on the connection in use, and prepares the text there if needed.
    /// Returns None if the connection broke.
    pub(super) async fn prepared_here(&mut self, text: &PreparedText) -> Result<Option<u32>, StatementError> {
        for _ in 0..2 {
            let known = self.backend.as_mut().and_then(|connection| connection.statements.get(text.id));
            if let Some(known) = known {
                // The caller sends types that are not recorded here, so the next execute must send its types
                // again.
                (known.types, known.mixed) = (None, true);
                return Ok(Some(known.id));
            }
            if let Brought::Broken = Box::pin(self.prepare_text(text)).await? {
                return Ok(None);
            }
        }
        Ok(None)
    }

    async fn prepare_text(&mut self, text: &PreparedText) -> Result<Brought, StatementError> {
        if self.port == Port::Replica
            && let Verdict::Refused(reason) = self.judge_prepared(&text.text, &text.under)
        {
            // A server that was not known at the first prepare may read the text differently.
            return Err(StatementError::Tell(Failure::ReadOnlyPort(reason.as_str())));
        }
        let under_others = !text.under.parses_like(&self.state.carried);
        if under_others {
            let then = Rc::new(self.state.carried.parsing_like(&text.under));
            if let Some(connection) = &mut self.backend {
                connection.become_session(&then, None, &mut self.prelude);
            }
        }
        if let Brought::Broken = self.send_prelude().await? {
            return Ok(Brought::Broken);
        }
        let limit = self.context.live.borrow().timeouts.connect;
        let max = self.max_statements();
        let context = self.context.clone();
        let mut again = false;
        let prepared = loop {
            let Some(connection) = &mut self.backend else { return Ok(Brought::Broken) };
            let prepared = context.runtime.timeout(limit, connection.prepare(&text.text)).await;
            match prepared {
                Some(Err(QueryError::Refused(e))) if e.code == TOO_MANY_STATEMENTS && !again => {
                    again = true;
                    connection.statements.close_all();
                    connection.close_statements(&mut self.prelude);
                    context.pool.shed_statements(connection.about.server);
                    if let Brought::Broken = self.send_prelude().await? {
                        return Ok(Brought::Broken);
                    }
                }
                other => break other,
            }
        };
        let Some(connection) = &mut self.backend else { return Ok(Brought::Broken) };
        match prepared {
            Some(Ok(ok)) => connection.statements.insert(text.id, ok.statement_id, max),
            Some(Err(QueryError::Refused(e))) if !ends_connection(e.code) => {
                return Err(StatementError::Tell(Failure::Server(e)));
            }
            _ => {
                self.server_lost();
                return Ok(Brought::Broken);
            }
        }
        connection.close_statements(&mut self.prelude);
        if under_others {
            connection.become_session(&self.state.carried, None, &mut self.prelude);
            return self.send_prelude().await;
        }
        Ok(Brought::Ready)
    }

    /// Returns how many statements may be open on the connection in use. Keeps all connections together well
    /// below the servers' `max_prepared_stmt_count`, which is 16,382 by default.
    fn max_statements(&self) -> usize {
        const ON_A_SERVER: usize = 12_000;
        const LEAST: usize = 4;
        let wanted = self.context.live.borrow().pool.max_statements.get();
        let Some(connection) = &self.backend else { return wanted };
        let share = ON_A_SERVER / self.context.pool.connections_to(connection.about.server).max(1);
        wanted.min(share.max(LEAST))
    }

    /// Records a statement that the server prepared for the client.
    pub(super) fn prepared(&mut self, ok: PrepareOk, mut text: Rc<PreparedText>, class: StatementClass) {
        let max = self.max_statements();
        if self.state.statements.is_busy(text.id) {
            text = self.context.texts.alone(&text);
        }
        if let Some(connection) = &mut self.backend {
            connection.statements.insert(text.id, ok.statement_id, max);
        }
        self.state.statements.insert(Prepared {
            text,
            class,
            params: ok.params,
            types: None,
            cursor: None,
            long_data: None,
        });
    }

    /// Updates cursors and long data after a command that named a statement.
    pub(super) fn statement_done(&mut self, request: Request) {
        let (role, status) = (self.role, self.state.transaction.status);
        let failed = self.state.answer.failed;
        let opened = !failed && self.state.answer.cursor;
        let wrong_parameters = self.state.answer.wrong_parameters;
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
            _ => return,
        }
        let ended = (before.0.is_some() && prepared.cursor.is_none()) || wrong_parameters;
        let text = prepared.text.id;
        if let Some(connection) = self.backend.as_mut().filter(|_| ended) {
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
    fn settle_cursors(&mut self, role: Role) {
        if self.state.statements.has_cursor(role) {
            self.state.pin(role, Pin::Cursor);
        } else {
            self.state.unpin(role, crate::state::PinSet::of(&[Pin::Cursor]));
        }
        if !self.state.statements.has_long_data(role) {
            self.state.unpin(role, crate::state::PinSet::of(&[Pin::LongData]));
        }
    }

    /// Drops the server's id of a statement that the server does not know (1243) or wants prepared anew
    /// (1615).
    pub(super) fn forget_statement(&mut self, request: Request, unknown: bool) {
        let Some(prepared) = self.state.statements.peek(request.statement) else { return };
        let Some(connection) = &mut self.backend else { return };
        if unknown {
            connection.statements.forget(prepared.text.id);
        } else {
            connection.statements.close(prepared.text.id);
        }
    }
}

/// Returns the error for an execute whose parameters the proxy cannot parse, or the server would read
/// differently.
fn malformed_parameters() -> StatementError {
    StatementError::Tell(Failure::Malformed("the parameters of an execute"))
}

/// True if another client executed the statement on this connection with parameters of other kinds. MySQL
/// fixes a parameter's type at the first execute: after an execute with a number, `SELECT ?` answers a number
/// even for a string. If a client changes its own types, it gets what the server makes of them.
fn is_of_others(
    on_server: &ServerStatement,
    prepared: &Prepared,
    types: Types<'_>,
    attributes: bool,
) -> bool {
    let Some(there) = &on_server.types else { return on_server.mixed };
    let before = prepared.types.as_ref();
    if before.is_some_and(|before| Rc::ptr_eq(before, there) || before == there) {
        return false;
    }
    let now = match types {
        Types::None => return false,
        Types::Given(types) => Some(types),
        Types::AsBefore(_) => before.map(|before| &**before),
    };
    let params = usize::from(prepared.params);
    now.is_some_and(|now| {
        !kinds_of_types(now, params, attributes).eq(kinds_of_types(there, params, attributes))
    })
}

/// The class of a command that runs on the connection where its statement already is.
const BOUND: StatementClass =
    StatementClass { kind: StatementKind::Session, effects: Effects::empty(), reason: Why::TextPrepared };
