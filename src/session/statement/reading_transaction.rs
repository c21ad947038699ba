//! The end of a transaction that only reads, on a replica.

use crate::backend::{QueryError, ServerError, ServerThread};
use crate::client::refusals::{precedes_read_only, read_only_transaction};
use crate::client::{Failure, Request, StatementError};
use crate::net::Runtime;
use crate::routing::{InReading, in_reading};
use crate::session::Session;
use crate::session::common::Outcome;
use crate::session::common::StatementEnd;
use crate::session::fresh::Freshness;
use crate::sql::Effects;
use crate::state::ReadingTransactions;
use crate::terms::{Close, Pin, Role, TraceStep};
use crate::upstream::Restored;
use crate::wire::error_code::ER_LOCK_DEADLOCK;

impl<R: Runtime> Session<R> {
    /// Runs a statement that would commit the transaction that is open on a replica, after a ROLLBACK. Leaves
    /// a statement that only commits to `roll_back_instead`.
    pub(in crate::session) async fn roll_back_first(
        &mut self,
        request: &mut Request,
    ) -> Result<Outcome, Close> {
        if !self.upstream.prelude.is_empty()
            && !matches!(self.upstream.send_prelude(self.facts().may_leave()).await, Ok(Restored::Ready))
        {
            let seq = request.answer_seq();
            request.consume();
            let loss = self.tell_of_loss().err();
            return Ok(Outcome::Stop(seq, loss.unwrap_or(StatementError::Tell(Failure::RolledBack))));
        }
        let effects = request.class.effects;
        if effects.contains(Effects::ENDS) && !effects.intersects(Effects::SEVERAL | Effects::LEAVES_UNKNOWN)
        {
            return Ok(Outcome::NotCommitted);
        }
        let (limit, context) = (self.context.live.borrow().timeouts.connect, self.context.clone());
        if let Some(connection) = self.upstream.connection_mut() {
            // If the connection fails here, the statement after it fails, too.
            let _ = context.runtime.timeout(limit, connection.query("ROLLBACK")).await;
        }
        self.exchange(request, &mut Freshness::Unasked).await
    }

    /// Ends a transaction that only read by ROLLBACK in place of COMMIT: to the client both are the same.
    pub(in crate::session) async fn roll_back_instead(&mut self, request: &mut Request) -> Result<(), Close> {
        let chains = request.class.effects.contains(Effects::BEGINS);
        let sql = if chains { "ROLLBACK AND CHAIN" } else { "ROLLBACK" };
        let (limit, context) = (self.context.live.borrow().timeouts.connect, self.context.clone());
        let asked = match self.upstream.connection_mut() {
            Some(connection) => context.runtime.timeout(limit, connection.query(sql)).await,
            None => None,
        };
        let seq = request.answer_seq();
        request.consume();
        if !matches!(asked, Some(Ok(_))) {
            self.upstream.server_lost();
            *self.upstream.lost.of_mut(self.upstream.role) = false;
            self.state.connection_gone(self.upstream.role);
            return self.replies().stop(seq, StatementError::Tell(Failure::RolledBack)).await;
        }
        if !chains {
            self.state.rolled_back();
        }
        self.state.done(self.upstream.role, &request.class, None, self.upstream.sent);
        self.replies().send_ok(seq).await
    }

    /// Decides what becomes of the transaction that is open on a replica, before a statement that goes to the primary.
    pub(in crate::session) async fn leave_reading_transaction(
        &mut self,
        request: &mut Request,
    ) -> Result<(), StatementEnd> {
        let begins = Effects::BEGINS | Effects::BEGINS_READ_ONLY;
        let becomes = match in_reading(&request.class, &self.state.facts()) {
            InReading::Stays if request.class.effects.intersects(begins) => InReading::Ends,
            becomes => becomes,
        };
        match becomes {
            InReading::Stays | InReading::Beside => {}
            InReading::Refused => {
                let of_mariadb = self.state.texts.of_mariadb;
                let earlier = self.error_of_text(request).await;
                let earlier = earlier.filter(|(error, _)| precedes_read_only(error, of_mariadb));
                let (refusal, on) = match earlier {
                    Some((error, on)) => (error, Some(on)),
                    None => ((&read_only_transaction(of_mariadb)).into(), None),
                };
                let stop = StatementError::Tell(Failure::Server(refusal));
                let ended = self.replies().end_unsent(request, stop).await;
                if let Some(on) = on {
                    self.state.has_its_error_on(Role::Replica, on);
                }
                return Err(ended);
            }
            InReading::Ends | InReading::Moves => {
                let _ = self.client.begin_step(TraceStep::Restore);
                self.end_reading_transaction().await;
                self.client.end_last_step(TraceStep::Restore);
                let moves = becomes == InReading::Moves;
                if moves && self.state.replica_has_read() {
                    // The transaction goes on with another snapshot: the session's next ones begin where they can stay.
                    self.state.transaction.reading |= ReadingTransactions::ON_PRIMARY;
                }
                self.state.transaction.reading.set(ReadingTransactions::BEGINS, moves);
            }
        }
        Ok(())
    }

    /// Returns the error with which the replica refuses to prepare this write, in the transaction that is open there: a server
    /// reads the text, and opens its tables, before it looks at the transaction. Nothing is executed. Returns the connection, too,
    /// whose list has the error.
    async fn error_of_text(&mut self, request: &Request) -> Option<(ServerError, ServerThread)> {
        self.client.text_of(request)?;
        if !self.take_for(Role::Replica, &Freshness::Unasked) {
            return None;
        }
        let error = self.prepare_in_vain(request).await;
        let on = self.upstream.connection().map(|connection| connection.about.thread());
        self.upstream.release_after_statement(&mut self.state);
        error.zip(on)
    }

    /// Prepares the request's text on the connection in use, forgets it, and returns the server's error.
    async fn prepare_in_vain(&mut self, request: &Request) -> Option<ServerError> {
        if !matches!(self.restore_session(request).await, Ok(Restored::Ready)) {
            return None;
        }
        let (connection, prelude) = self.upstream.with_prelude()?;
        if connection.leaves_diagnostics || connection.stale_diagnostics {
            connection.clear_diagnostics(prelude);
            // MariaDB counts the row of that statement.
            self.state.last.covered(connection.about.thread());
        }
        if !matches!(self.upstream.send_prelude(false).await, Ok(Restored::Ready)) {
            return None;
        }
        let text = self.client.text_of(request)?;
        let (limit, context) = (self.context.live.borrow().timeouts.connect, self.context.clone());
        let connection = self.upstream.connection_mut()?;
        // The error stays in this connection's list.
        connection.leaves_diagnostics = true;
        let asking = async {
            match connection.prepare(text).await {
                Ok(prepared) => {
                    connection.close_statement(prepared.statement_id).await.map(|()| None).map_err(Into::into)
                }
                Err(QueryError::Refused(error)) => Ok(Some(error)),
                Err(lost) => Err(lost),
            }
        };
        match context.runtime.timeout(limit, asking).await {
            // The server rolled the transaction back: nothing may be read in its place.
            Some(Ok(Some(error))) if error.code == ER_LOCK_DEADLOCK => {
                self.upstream.server_lost();
                None
            }
            Some(Ok(error)) => error,
            _ => {
                self.upstream.server_lost();
                None
            }
        }
    }

    /// Puts the begin of a transaction that only reads in front of the statement, on the primary.
    pub(in crate::session) fn begin_reading_on_primary(&mut self) {
        self.state.transaction.reading -= ReadingTransactions::BEGINS;
        if let Some((connection, prelude)) = self.upstream.with_prelude() {
            connection.begin_reading(prelude);
            self.state.begins_reading_on_primary();
        }
    }

    /// Rolls back the read-only transaction that is open on a replica, because another transaction begins
    /// that may write.
    pub(in crate::session) async fn end_reading_transaction(&mut self) {
        if !self.state.pins.on(Role::Replica).has(Pin::Transaction)
            || !self.take_for(Role::Replica, &Freshness::Unasked)
        {
            return;
        }
        let limit = self.context.live.borrow().timeouts.connect;
        let context = self.context.clone();
        let ended = match self.upstream.connection_mut() {
            Some(connection) => context.runtime.timeout(limit, connection.query("ROLLBACK")).await,
            None => None,
        };
        if !matches!(ended, Some(Ok(_))) {
            self.upstream.server_lost();
            *self.upstream.lost.of_mut(Role::Replica) = false;
            self.state.connection_gone(Role::Replica);
        }
        self.state.rolled_back();
        self.state.unpin(Role::Replica, crate::state::PinSet::of(&[Pin::Transaction]));
        self.upstream.release_after_statement(&mut self.state);
    }
}
