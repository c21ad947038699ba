//! Prepared statements on the server connection in use. The client's id stands for a text; each server connection has its
//! own id for that text, and prepares the text when it is first needed there.

use std::rc::Rc;

use super::{Restored, Upstream};
use crate::backend::{PreparedText, QueryError, ServerError, ServerStatement};
use crate::client::refusals::ends_connection;
use crate::client::{Failure, Request, RequestHead, StatementError};
use crate::net::Runtime;
use crate::state::{Prepared, SessionState, types_in, with_types};
use crate::topology::Flavor;
use crate::wire::error_code::{ER_MALFORMED_PACKET, ER_MAX_PREPARED_STMT_COUNT_REACHED};
use crate::wire::{Command, PacketHeader, ProtocolError, Types, first_types, kinds_of_types};

impl<R: Runtime> Upstream<R> {
    /// Writes the server's id of the statement into the request, and the types if the server does not have
    /// them. `attributes`: CLIENT_QUERY_ATTRIBUTES is on. Returns false if the statement is not prepared on the
    /// connection in use.
    #[inline]
    pub fn name_statement(
        &mut self,
        state: &mut SessionState,
        request: &mut Request,
        attributes: bool,
    ) -> Result<bool, StatementError> {
        let Some(prepared) = state.statements.get(request.statement) else { return Ok(false) };
        let Some(connection) = self.links.connection_mut() else { return Ok(false) };
        let Some(on_server) = connection.statements.get(prepared.text.id) else { return Ok(false) };
        let place = PacketHeader::LEN + 1;
        if let Some(id) = request.buf.filled_mut().get_mut(place..place + 4) {
            id.copy_from_slice(&on_server.id.to_le_bytes());
        }
        if request.command == Command::StmtSendLongData && is_typed_by_others(on_server, prepared) {
            connection.statements.close(prepared.text.id);
            return Ok(false);
        }
        if !request.command.executes() {
            return Ok(true);
        }
        let types = types_in(request.payload(), request.command, prepared.params, attributes);
        let types =
            types.map_err(|why| malformed_parameters(connection.about.flavor == Flavor::MariaDb, &why))?;
        if connection.about.flavor == Flavor::MySql && is_of_others(on_server, prepared, types, attributes) {
            connection.statements.close(prepared.text.id);
            return Ok(false);
        }
        match types {
            Types::None => {}
            Types::Given(types) => {
                if prepared.types.as_deref() != Some(types) {
                    state.statements.keep_types(request.statement, types, &self.resources.buffers.memory);
                }
                if on_server.types.as_deref() != Some(types) {
                    on_server.types = state.statements.peek(request.statement).and_then(|p| p.types.clone());
                }
            }
            Types::AsBefore(at) => {
                let Some(types) = &prepared.types else {
                    // Parameters that were sent as long data need no types.
                    let needs = prepared.long_data.is_none();
                    return match (needs, connection.about.flavor) {
                        (false, _) => Ok(true),
                        (true, Flavor::MariaDb) => Err(StatementError::Tell(Failure::NoTypes)),
                        // MySQL adds its error to those in front, unless another client's types are there.
                        (true, Flavor::MySql) if on_server.types.is_none() && !on_server.mixed => Ok(true),
                        (true, Flavor::MySql) => {
                            connection.statements.close(prepared.text.id);
                            Ok(false)
                        }
                    };
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
                let packet = needed.and_then(|types| with_types(request.buf.filled(), at, types, bulk));
                let failure = Failure::Malformed("an execute that is too long");
                let packet = packet.ok_or(StatementError::Tell(failure))?;
                let behind = request.buf.filled().get(request.header.total()..).unwrap_or_default().to_vec();
                request.buf.clear();
                request.buf.extend_from_slice(&packet);
                request.buf.extend_from_slice(&behind);
                request.header.len = packet.len() - PacketHeader::LEN;
            }
        }
        Ok(true)
    }

    /// Returns the server's id of a text on the connection in use, and prepares the text there if needed.
    /// Returns None if the connection broke.
    pub async fn prepared_here(
        &mut self,
        state: &SessionState,
        text: &PreparedText,
    ) -> Result<Option<u32>, StatementError> {
        for _ in 0..2 {
            let known = self.links.connection_mut().and_then(|connection| connection.statements.get(text.id));
            if let Some(known) = known {
                // The caller sends types that are not recorded here, so the next execute must send its types
                // again.
                (known.types, known.mixed) = (None, true);
                return Ok(Some(known.id));
            }
            if let Restored::Broken = Box::pin(self.prepare_text(state, text, false)).await? {
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// Prepares the text on the connection in use under the schema, the character set and the SQL mode of its first
    /// prepare. `may_leave`: see [`SetUp`](super::SetUp).
    pub async fn prepare_text(
        &mut self,
        state: &SessionState,
        text: &PreparedText,
        may_leave: bool,
    ) -> Result<Restored, StatementError> {
        let under_others = !text.under.parses_like(&state.carried);
        if under_others {
            let then = Rc::new(state.carried.parsing_like(&text.under));
            if let Some(connection) = self.links.connection_mut() {
                connection.become_session(&then, None, &mut self.prelude);
            }
        }
        if let Restored::Broken = self.send_prelude(may_leave).await? {
            return Ok(Restored::Broken);
        }
        let limit = self.resources.live.borrow().timeouts.connect;
        let max = self.max_statements();
        let resources = self.resources.clone();
        let mut again = false;
        let prepared = loop {
            let Some(connection) = self.links.connection_mut() else { return Ok(Restored::Broken) };
            let prepared = resources.runtime.timeout(limit, connection.prepare(&text.text)).await;
            match prepared {
                Some(Err(QueryError::Refused(e)))
                    if e.code == ER_MAX_PREPARED_STMT_COUNT_REACHED && !again =>
                {
                    again = true;
                    connection.statements.close_all();
                    connection.close_statements(&mut self.prelude);
                    resources.pool.shed_statements(connection.about.server);
                    if let Restored::Broken = self.send_prelude(may_leave).await? {
                        return Ok(Restored::Broken);
                    }
                }
                other => break other,
            }
        };
        let Some(connection) = self.links.connection_mut() else { return Ok(Restored::Broken) };
        match prepared {
            Some(Ok(ok)) => connection.statements.insert(text.id, ok.statement_id, max),
            Some(Err(QueryError::Refused(e))) if !ends_connection(e.code) => {
                return Err(StatementError::Tell(Failure::Server(e)));
            }
            _ => {
                self.server_lost();
                return Ok(Restored::Broken);
            }
        }
        connection.close_statements(&mut self.prelude);
        if under_others {
            connection.become_session(&state.carried, None, &mut self.prelude);
            return self.send_prelude(may_leave).await;
        }
        Ok(Restored::Ready)
    }

    /// Returns how many statements may be open on the connection in use. Keeps all connections together well
    /// below the servers' `max_prepared_stmt_count`, which is 16,382 by default.
    pub fn max_statements(&self) -> usize {
        const ON_A_SERVER: usize = 12_000;
        const LEAST: usize = 4;
        let wanted = self.resources.live.borrow().pool.max_statements.get();
        let Some(connection) = self.links.connection() else { return wanted };
        let share = ON_A_SERVER / self.resources.pool.connections_to(connection.about.server).max(1);
        wanted.min(share.max(LEAST))
    }

    /// Drops the server's id of a statement that the server does not know (1243) or wants prepared anew
    /// (1615).
    pub fn forget_statement(&mut self, state: &SessionState, request: &RequestHead, unknown: bool) {
        let Some(prepared) = state.statements.peek(request.statement) else { return };
        let Some(connection) = self.links.connection_mut() else { return };
        if unknown {
            connection.statements.forget(prepared.text.id);
        } else {
            connection.statements.close(prepared.text.id);
        }
    }
}

/// Returns the server's error for an execute whose parameters cannot be read, for this reason.
pub fn malformed_parameters(of_mariadb: bool, why: &ProtocolError) -> StatementError {
    let malformed = |text: &[u8]| Failure::Server(ServerError::new(ER_MALFORMED_PACKET, text));
    StatementError::Tell(match why {
        ProtocolError::Truncated(_) if of_mariadb => malformed(b"Malformed communication packet"),
        _ if of_mariadb => Failure::NoTypes,
        _ => malformed(b"Malformed communication packet."),
    })
}

/// True if another client executed the statement on this connection with other types. Data that is sent in advance must
/// not meet these types: MariaDB would read it as a value of the earlier type, and on MySQL the execute would need a
/// statement without a type, which has no data. The statement that is prepared instead has no types, so that later
/// parts of the data find it.
fn is_typed_by_others(on_server: &ServerStatement, prepared: &Prepared) -> bool {
    on_server.mixed || (on_server.types.is_some() && on_server.types != prepared.types)
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
