//! A server that refused or interrupted a statement, or that ends the connection.

use crate::backend::ServerError;
use crate::client::refusals::ends_connection;
use crate::client::{Failure, Request, StatementError};
use crate::net::Runtime;
use crate::policy::MAX_TRIES;
use crate::session::Session;
use crate::session::common::Outcome;
use crate::session::common::StatementEnd;
use crate::state::{AnswerError, Answered};
use crate::terms::{Close, Disruption, Pin};
use crate::topology::{ServerId, Snapshot};
use crate::wire::error_code::ER_QUERY_INTERRUPTED;
use crate::wire::{Capabilities, Legs, ResponseWalker};

impl<R: Runtime> Session<R> {
    /// Handles an error by which the server ends the connection. If the server goes away, the error says
    /// nothing about the statement, which may have been executed: this is handled as a loss. If the server
    /// stays, somebody killed the connection, and the client gets the error. Returns Ok if the statement can
    /// be tried again.
    async fn ending(
        &mut self,
        error: ServerError,
        request: &mut Request,
        tries: u32,
    ) -> Result<(), StatementEnd> {
        self.state.answer = Answered::default();
        // The client has no part of the ERR packet.
        let seq = request.answer_seq();
        let legs = Legs::new(Capabilities::empty(), self.client.capabilities);
        let nothing_yet =
            ResponseWalker::new(request.command.response(), legs, seq, self.state.transaction.status);
        let Some(here) = self.client.handle.servers.attached() else { return Ok(()) };
        self.context.outside.kick(here.server);
        let goes = move |snapshot: &Snapshot| {
            let left = !here.read_only && snapshot.primary != Some(here.server);
            left || snapshot.has_lost(here.server, here.generation, here.read_only)
        };
        let stop = match self.client.probes_say(goes).await {
            Ok(true) => match self.server_given_up(false, &nothing_yet, request) {
                Outcome::Stop(_, stop) => stop,
                Outcome::Replay => return self.replay_first(request, tries > MAX_TRIES).await,
                Outcome::LookUp(_, lost) => {
                    return Err(StatementEnd(self.tell_fate(request, seq, lost).await));
                }
                _ => {
                    self.measured.disrupted(&self.context, Disruption::Retried);
                    return match self.pause_before_retry(tries).await {
                        Ok(()) => Ok(()),
                        Err(stop) => Err(self.replies().end_unsent(request, stop).await),
                    };
                }
            },
            result => {
                // The error is an ordinary answer, after which the connection breaks; a transaction may be
                // over with it. If the connection does not break, a SIGNAL statement raised the error.
                let open = result.is_ok()
                    && self.upstream.connection_mut().is_some_and(|c| self.context.pool.is_alive(c));
                self.state.answer =
                    Answered { error: Some(AnswerError::Other), ended: !open, ..Answered::default() };
                if !open {
                    // The state that the statement left was lost with the connection.
                    self.state.unpin(self.upstream.role, std::mem::take(&mut self.upstream.sent));
                }
                self.answered(request);
                if !open {
                    self.upstream.server_lost();
                }
                request.consume();
                result.err().unwrap_or(StatementError::Tell(Failure::Server(error)))
            }
        };
        Err(StatementEnd(self.replies().stop(seq, stop).await))
    }

    /// Handles a server that refused or interrupted this statement, or that ends the connection. Returns Ok
    /// if the statement can be tried again.
    pub(in crate::session) async fn refused_first(
        &mut self,
        request: &mut Request,
        (error, server): (ServerError, ServerId),
        tries: u32,
    ) -> Result<(), StatementEnd> {
        if ends_connection(error.code) {
            return self.ending(error, request, tries).await;
        }
        match self.refused(error, server).await {
            Ok(()) => Ok(()),
            Err(stop) => Err(self.replies().end_unsent(request, stop).await),
        }
    }

    /// Handles a server that was taken for the primary, says that it is read-only, and executed nothing: the
    /// statement waits for the new primary. If the server stays the primary, the client gets its error.
    async fn refused(&mut self, error: ServerError, server: ServerId) -> Result<(), StatementError> {
        self.context.outside.kick(server);
        let role = self.upstream.role;
        self.state.unpin(role, std::mem::take(&mut self.upstream.sent));
        let is_barred = self.context.topology.get().server(server).is_some_and(|server| server.is_barred());
        if is_barred && self.state.pins.on(role).is_empty() {
            // No probe gets in: the server is asked for its role on a connection that nobody uses, and this may be the only one.
            self.upstream.release_after_statement(&mut self.state);
        }
        // A statement that the proxy itself interrupted runs on whatever server is the primary now.
        let interrupted = error.code == ER_QUERY_INTERRUPTED;
        let primary_still =
            !interrupted && !self.client.probes_say(|snapshot| snapshot.primary != Some(server)).await?;
        let maintained = !interrupted && self.context.topology.get().is_maintained(server);
        if primary_still || maintained {
            // The server is still the primary, and executed nothing: its error is the answer. If it refused a
            // COMMIT, it rolled back the whole transaction.
            self.state.transaction.journal = None;
            self.state.doubt_transaction();
            self.upstream.release_after_statement(&mut self.state);
            return Err(StatementError::Tell(if maintained {
                Failure::ReadOnlyMaintenance
            } else {
                Failure::Server(error)
            }));
        }
        let held = self.state.held(role);
        let open = self.state.pins.on(role).has(Pin::Transaction);
        self.upstream.server_demoted(&mut self.state);
        *self.upstream.lost.of_mut(role) = false;
        if open && held.is_none() && self.state.transaction.journal.is_some() {
            return self.replay(true).await;
        }
        self.state.connection_gone(role);
        // Neither the transaction nor the held state can continue on another server.
        if let Some(held) = held {
            return Err(StatementError::TellAndClose(Failure::StateLost(held), Close::ServerLost));
        }
        if open {
            self.measured.disrupted(&self.context, Disruption::RolledBack);
            return Err(StatementError::Tell(Failure::RolledBack));
        }
        if interrupted {
            self.measured.disrupted(&self.context, Disruption::Retried);
            return self.check_rerun(server).await;
        }
        Ok(())
    }
}
