//! Handles commands that name a prepared statement. The client's id stands for a text. Each server connection
//! has its own id for that text, and prepares the text there when it is first needed.

use crate::backend::ServerError;
use crate::client::{Failure, Request, RequestHead, StatementError};
use crate::net::Runtime;
use crate::session::Session;
use crate::session::common::StatementEnd;
use crate::session::fresh::Freshness;
use crate::sql::{Effects, StatementClass};
use crate::state::types_in;
use crate::terms::{Close, Pin, Port, Role, StatementKind, Why};
use crate::upstream::malformed_parameters;
use crate::wire::error_code::ER_MALFORMED_PACKET;
use crate::wire::{Capabilities, Command, MAX_PAYLOAD, PacketHeader, ProtocolError, Types};

/// The length of the part of a packet that names the statement and determines the shape of the answer.
const HEAD: usize = PacketHeader::LEN + Command::HEAD;

/// The most bytes of an execute that are read to find its parameter types: enough for 65,535 types with short
/// names.
const MOST_TYPES: usize = 2 << 20;

impl<R: Runtime> Session<R> {
    /// Handles COM_STMT_EXECUTE, COM_STMT_BULK_EXECUTE, COM_STMT_FETCH, COM_STMT_SEND_LONG_DATA and
    /// COM_STMT_RESET.
    pub(in crate::session) async fn statement(&mut self, request: &mut Request) -> Result<(), Close> {
        if !request.whole && request.buf.len() < HEAD {
            // Every buffer has room for these few bytes.
            let _ = Box::pin(self.client.read_up_to(&mut request.buf, HEAD)).await?;
        }
        let id = request.arguments().first_chunk::<4>().copied().map(u32::from_le_bytes);
        let named = id.unwrap_or(0);
        let id = self.state.statements.meant(named);
        let busy = Role::BOTH
            .iter()
            .any(|r| self.state.pins.on(*r).has(Pin::Cursor) || self.state.pins.on(*r).has(Pin::LongData));
        if busy && self.state.statements.collides(id) {
            let context = self.context.clone();
            if let Some(prepared) = self.state.statements.get(id) {
                prepared.text = context.texts.prepared.alone(&prepared.text);
            }
        }
        if request.command == Command::StmtSendLongData
            && (self.upstream.lost.primary || self.upstream.lost.replica)
            && self.state.statements.peek(id).is_some_and(|prepared| prepared.long_data.is_none())
        {
            // This is the first long data of the statement, so no earlier part of it can be lost: settle
            // other losses first.
            request.statement = id;
            if let Err(StatementEnd(result)) = Box::pin(self.settle_losses_first(request)).await {
                return result;
            }
        }
        let readings = self.state.readings(self.context.topology.modes());
        let executes = request.command.executes();
        if executes
            && self.classifier().is_judged_aside(id, readings)
            && let Err(refusal) = Box::pin(self.classifier().judge_aside_again(id, readings)).await
        {
            let stop = StatementError::Tell(Failure::ReadOnlyPort(refusal));
            return Box::pin(self.replies().skip_and_stop(request, stop)).await;
        }
        if executes && let Err(refusal) = self.classifier().classify_again(id, readings) {
            let stop = StatementError::Tell(Failure::ReadOnlyPort(refusal));
            return Box::pin(self.replies().skip_and_stop(request, stop)).await;
        }
        let reading =
            self.client.port == Port::Split && self.state.facts().transaction == Some(Role::Replica);
        let Some(prepared) = self.state.statements.get(id) else {
            let stop = StatementError::Tell(self.no_statement(named, request));
            return Box::pin(self.replies().skip_and_stop(request, stop)).await;
        };
        request.statement = id;
        match request.command {
            Command::StmtFetch if prepared.cursor.is_none() => {
                let stop = StatementError::Tell(Failure::NoCursor(id, self.state.texts.of_mariadb));
                return Box::pin(self.replies().skip_and_stop(request, stop)).await;
            }
            Command::StmtReset if prepared.cursor.is_none() && prepared.long_data.is_none() => {
                Box::pin(self.client.skip(request)).await?;
                self.state.diagnostics.counts_none();
                return Box::pin(self.replies().send_ok(request.answer_seq())).await;
            }
            Command::StmtExecute | Command::StmtBulkExecute => {
                let writes = prepared.class.kind >= StatementKind::Write;
                if reading && writes && prepared.long_data == Some(Role::Primary) {
                    return Box::pin(self.refuse_write(request)).await;
                }
                request.class = prepared.class;
                request.columns = prepared.columns;
                if prepared.digest.is_none() {
                    // Prepared before texts got digests.
                    prepared.digest = self.context.texts.late_digest(&prepared.text.text, readings);
                }
                self.client.handle.statement.borrow_mut().clone_from(&prepared.digest);
                if self.context.shows_literals.get() {
                    let text = prepared.text.text.clone();
                    self.measured.keep_text(&self.context, &text);
                }
            }
            Command::StmtSendLongData => {
                // The long data of a write goes to the primary: the write can run there after the read-only
                // transaction.
                let writes = prepared.class.kind >= StatementKind::Write;
                let on_replica = (reading && !writes) || self.client.port == Port::Replica;
                let role = if on_replica { Role::Replica } else { Role::Primary };
                // Long data goes to the server that has the cursor, because COM_STMT_RESET ends both at once.
                let role = *prepared.long_data.get_or_insert(prepared.cursor.unwrap_or(role));
                request.class = BOUND;
                self.state.pin(role, Pin::LongData);
            }
            // A reset, or a fetch of an open cursor; others do not come here.
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
            | Command::StmtClose
            | Command::StmtReset
            | Command::SetOption
            | Command::StmtFetch
            | Command::BinlogDumpGtid
            | Command::ResetConnection
            | Command::Unknown(_) => request.class = BOUND,
        }
        let executes = request.command.executes();
        if executes
            && !request.whole
            && let Some(stop) = Box::pin(self.read_types(request)).await?
        {
            return Box::pin(self.replies().skip_and_stop(request, stop)).await;
        }
        self.forward(request).await
    }

    /// Refuses a write in a read-only transaction whose long data is on the primary, with the error that the
    /// replica would return. This uses up the long data, as an execute would.
    async fn refuse_write(&mut self, request: &mut Request) -> Result<(), Close> {
        if let Some(prepared) = self.state.statements.get(request.statement) {
            prepared.long_data = None;
            let text = prepared.text.id;
            if self.take_for(Role::Primary, &Freshness::Unasked)
                && let Some(connection) = self.upstream.connection_mut()
            {
                connection.statements.close(text);
            }
        }
        self.settle_cursors(Role::Primary);
        self.upstream.release_after_statement(&mut self.state);
        let refusal = crate::client::refusals::read_only_transaction(self.state.texts.of_mariadb);
        self.replies().skip_and_stop(request, StatementError::Tell(Failure::Server((&refusal).into()))).await
    }

    /// Handles COM_STMT_CLOSE, which has no answer.
    pub(in crate::session) async fn close_statement(&mut self, request: &mut Request) -> Result<(), Close> {
        let id = request.arguments().first_chunk::<4>().copied().map(u32::from_le_bytes);
        self.client.skip(request).await?;
        let Some(closed) = id.and_then(|id| self.state.statements.remove(id)) else { return Ok(()) };
        let bound = closed.cursor.or(closed.long_data);
        if let Some(role) = bound {
            // Its cursor or long data must not remain for the next client that uses the same text.
            if self.take_for(role, &Freshness::Unasked)
                && let Some(connection) = self.upstream.connection_mut()
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
    async fn read_types(&mut self, request: &mut Request) -> Result<Option<StatementError>, Close> {
        let params = self.state.statements.peek(request.statement).map_or(0, |p| p.params);
        loop {
            match types_in(request.payload(), request.command, params, self.has_attributes()) {
                Ok(Types::AsBefore(_)) => {
                    self.client.complete(request, MAX_PAYLOAD).await?;
                    return Ok(None);
                }
                Ok(Types::None | Types::Given(_)) => return Ok(None),
                Err(ProtocolError::Truncated(_))
                    if request.buf.len() < request.header.total().min(MOST_TYPES) =>
                {
                    // Doubles the length each time, because each round parses from the start.
                    let len = (request.buf.len() * 2).min(request.header.total()).min(MOST_TYPES);
                    if !self.client.read_up_to(&mut request.buf, len).await? {
                        return Ok(Some(StatementError::Tell(Failure::OutOfMemory)));
                    }
                }
                Err(why) => return Ok(Some(malformed_parameters(self.state.texts.of_mariadb, &why))),
            }
        }
    }

    /// Returns the error for a command that names no prepared statement of the session. `named`: the number, 0 if the command
    /// is too short to have one.
    fn no_statement(&self, named: u32, request: &RequestHead) -> Failure {
        let of_mariadb = self.state.texts.of_mariadb;
        let executes = request.command.executes();
        // What the servers want behind the command's byte: `parse_packet` in MySQL's `sql/protocol_classic.cc`, and for an
        // execute `mysqld_stmt_execute` in MariaDB's `sql/sql_prepare.cc`.
        let fixed = match request.command {
            Command::StmtExecute => 9,
            Command::StmtFetch if !of_mariadb => 8,
            _ => 4,
        };
        let short = request.header.total() < PacketHeader::LEN + 1 + fixed;
        match (of_mariadb, short) {
            (false, true) => Failure::Server(malformed(b"Malformed communication packet.")),
            (true, true) if executes => Failure::Server(malformed(b"Malformed communication packet")),
            (true, _) => Failure::NoStatement(named, name_of(request.command)),
            (false, _) => Failure::NoStatement(named, "mysql_stmt_precheck"),
        }
    }

    /// True if the client sends query attributes, and names of parameters.
    pub(in crate::session) fn has_attributes(&self) -> bool {
        self.client.capabilities.contains(Capabilities::QUERY_ATTRIBUTES)
    }
}

/// Returns ER_MALFORMED_PACKET with the text of a server.
fn malformed(message: &[u8]) -> ServerError {
    ServerError::new(ER_MALFORMED_PACKET, message)
}

/// Returns the name of a command in the errors of MariaDB.
fn name_of(command: Command) -> &'static str {
    match command {
        Command::StmtFetch => "mysqld_stmt_fetch",
        Command::StmtReset => "mysqld_stmt_reset",
        Command::StmtSendLongData => "mysqld_stmt_send_long_data",
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
        | Command::StmtExecute
        | Command::StmtClose
        | Command::SetOption
        | Command::BinlogDumpGtid
        | Command::ResetConnection
        | Command::StmtBulkExecute
        | Command::Unknown(_) => "mysqld_stmt_execute",
    }
}

/// The class of a command that runs on the connection where its statement already is.
const BOUND: StatementClass = StatementClass {
    kind: StatementKind::Session,
    effects: Effects::KEEPS_DIAGNOSTICS,
    reason: Why::TextPrepared,
};
