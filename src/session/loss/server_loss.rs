//! Decides what becomes of a statement whose server was lost, or turned out not to be the primary.

use super::journal::can_follow;
use crate::backend::SwallowError;
use crate::client::{Failure, Request, RequestHead, StatementError};
use crate::net::Runtime;
use crate::policy::{Error, Fate, Loss};
use crate::session::Session;
use crate::session::common::PassingChunk;
use crate::session::common::may_end_transaction;
use crate::session::common::{Outcome, UnansweredTry};
use crate::sql::Effects;
use crate::terms::{Close, Disruption, Role};
use crate::wire::{ProtocolError, ResponseWalker};

/// Returns the error that a client gets for a lost server.
fn loss_error(error: Error) -> Failure {
    match error {
        Error::RolledBack => Failure::RolledBack,
        Error::OutcomeUnknown => Failure::OutcomeUnknown,
        Error::AnswerCut => Failure::AnswerCut,
        Error::LostTwice => Failure::LostTwice,
    }
}

impl<R: Runtime> Session<R> {
    /// Returns how the try ended after the connection broke or its server was given up. `sent`: the kernel accepted
    /// at least one byte of the request. `forwarded`: the client has a part of the answer.
    pub(in crate::session) fn lost(
        &mut self,
        sent: bool,
        forwarded: bool,
        walker: &ResponseWalker,
        request: &mut Request,
    ) -> Outcome {
        if request.class.effects.contains(Effects::RENEWS) {
            self.renews(request);
        }
        // A driver may learn only now that the request was not sent. (The file of LOAD DATA LOCAL is written behind it.)
        let in_one_write = request.whole && !request.class.may_load_local_file();
        let sent = sent && (forwarded || !in_one_write || !self.upstream.never_left());
        let server = self.upstream.connection().map(|connection| connection.about.server);
        if let Some(server) = server {
            self.context.outside.kick(server);
            if self.upstream.role == Role::Replica {
                self.context.eject(server);
            }
        }
        let role = self.upstream.role;
        let open = self.facts().has_open(role);
        let commits = sent && (may_end_transaction(request) || self.state.is_perhaps_over());
        let mark = self.upstream.connection_mut().and_then(|connection| connection.mark.take());
        self.upstream.server_lost();
        // The state that the statement itself would have left does not exist.
        let leaves = !self.upstream.sent.is_empty();
        self.state.unpin(role, std::mem::take(&mut self.upstream.sent));
        let held = self.state.held(role);
        let first =
            if sent { std::mem::replace(&mut self.measured.lost_on, server) } else { self.measured.lost_on };
        let unanswered = mark.zip(server).map(|(mark, server)| UnansweredTry { mark, server });
        let loss = Loss {
            role,
            sent,
            forwarded,
            between_packets: walker.between_packets(),
            whole: request.whole,
            open,
            commits,
            held: held.is_some(),
            leaves,
            only_rolls_back: self.facts().only_rolls_back(request),
            can_replay: self.can_replay(sent, request),
            begins: request.class.effects.contains(Effects::BEGINS),
            repeatable: self.facts().is_repeatable(request),
            second: first.is_some() && first != server,
            marked: unanswered.is_some(),
        };
        let (error, stop) = match loss.fate() {
            Fate::ForgetTransaction => {
                self.forget_lost_transaction();
                return Outcome::Again;
            }
            Fate::Again => return Outcome::Again,
            Fate::Replay => {
                self.upstream.lost.primary = false;
                return Outcome::Replay;
            }
            Fate::LookUp => match unanswered {
                Some(unanswered) => {
                    self.upstream.lost.primary = false;
                    request.consume();
                    return Outcome::LookUp(walker.client_seq(), Box::new(unanswered));
                }
                None => (Error::OutcomeUnknown, StatementError::Tell(Failure::OutcomeUnknown)),
            },
            Fate::Tell(error) => (error, StatementError::Tell(loss_error(error))),
            Fate::TellAndClose(error) => {
                (error, StatementError::TellAndClose(loss_error(error), Close::ServerLost))
            }
            Fate::TellStateLost(error) => {
                let failure = Failure::StateLost(held.unwrap_or_default());
                (error, StatementError::TellAndClose(failure, Close::ServerLost))
            }
            Fate::Close(error) => (error, StatementError::Close(Close::ServerLost)),
        };
        if error != Error::LostTwice {
            *self.upstream.lost.of_mut(role) = false;
            self.state.connection_gone(role);
        }
        self.measured.disrupted(
            &self.context,
            match error {
                Error::RolledBack => Disruption::RolledBack,
                Error::OutcomeUnknown => Disruption::OutcomeUnknown,
                Error::AnswerCut | Error::LostTwice => Disruption::AnswerCut,
            },
        );
        request.consume();
        let seq = if matches!(stop, StatementError::Close(_)) { 0 } else { walker.client_seq() };
        Outcome::Stop(seq, stop)
    }

    /// Returns how the try ended after the server refused a command that the proxy sent in front of the statement.
    /// Closes the connection and removes the statement's pins.
    pub(in crate::session) fn state_refused_by_server(
        &mut self,
        error: SwallowError,
        walker: &ResponseWalker,
        request: &mut Request,
    ) -> Outcome {
        let (reader, may_leave) = (self.upstream.role == Role::Replica, self.facts().may_leave());
        if reader
            && request.whole
            && !may_leave
            && !matches!(error, SwallowError::Schema(_))
            && self.facts().has_open(Role::Replica)
        {
            // The transaction is lost with the connection, but the session is not.
            tracing::warn!(id = self.client.handle.id, peer = %self.client.handle.peer.get(), %error, "a server refuses the state of a session");
            return self.server_given_up(false, walker, request);
        }
        self.upstream.server_lost();
        self.state.unpin(self.upstream.role, std::mem::take(&mut self.upstream.sent));
        match error {
            // A replica may not have the schema yet.
            SwallowError::Schema(_) if may_leave && request.whole => Outcome::NotHere,
            // Its answer, from another schema, was not read.
            SwallowError::Schema(_)
                if request.whole
                    && request.class.effects.contains(Effects::REPEATABLE)
                    && !self.upstream.without_schema =>
            {
                self.upstream.without_schema = true;
                Outcome::Again
            }
            SwallowError::Schema(e) => {
                request.consume();
                Outcome::Stop(walker.client_seq(), StatementError::Tell(Failure::Server(e)))
            }
            error => {
                tracing::warn!(id = self.client.handle.id, peer = %self.client.handle.peer.get(), %error, "a server refuses the state of a session");
                if may_leave && request.whole {
                    return Outcome::NotHere;
                }
                if reader && request.whole && request.class.effects.contains(Effects::REPEATABLE) {
                    return Outcome::Again;
                }
                // The server may have executed the statement although it refused the command in front of it.
                request.consume();
                let failure = Failure::BadServer(error.to_string());
                Outcome::Stop(
                    walker.client_seq(),
                    StatementError::TellAndClose(failure, Close::ServerProtocol),
                )
            }
        }
    }

    /// Closes the server connection, because the proxy itself ends the answer. The client gets the error packet only if
    /// it has no incomplete packet.
    pub(in crate::session) fn broken_off(
        &mut self,
        stop: StatementError,
        walker: &ResponseWalker,
        request: &mut Request,
    ) -> Result<Outcome, Close> {
        self.upstream.server_lost();
        request.consume();
        match stop {
            StatementError::TellAndClose(_, close) if !walker.between_packets() => Err(close),
            stop => Ok(Outcome::Stop(walker.client_seq(), stop)),
        }
    }

    /// Returns how the try ended after a replica broke the protocol, or reported what the statement does not explain. The
    /// session goes on without that connection: a read runs elsewhere if the client has no part of the answer.
    pub(in crate::session) async fn broken_replica(
        &mut self,
        fault: ProtocolError,
        PassingChunk { chunk, output, forwarded }: PassingChunk<'_>,
        walker: &ResponseWalker,
        request: &mut Request,
    ) -> Result<Outcome, Close> {
        let server = self.upstream.connection().map(|c| c.about.server);
        let name = server.and_then(|id| self.context.topology.get().server(id).map(|s| s.name.clone()));
        tracing::warn!(id = self.client.handle.id, peer = %self.client.handle.peer.get(), server = name.as_deref().unwrap_or_default(), error = %fault, "a server broke the protocol");
        self.context.buffers.give(std::mem::take(chunk));
        if forwarded {
            // Forwards the packets before the fault: their sequence ids are already counted.
            self.pass(chunk, 0, output).await?;
        }
        let seq = if forwarded { walker.client_seq() } else { request.answer_seq() };
        let unseen = !forwarded && request.whole && matches!(fault, ProtocolError::Unexplained(_));
        let goes_again =
            request.class.effects.contains(Effects::REPEATABLE) && !self.facts().has_open(Role::Replica);
        if unseen && (self.facts().may_leave() || goes_again) {
            // A routine behind a view may set what the text does not show: that is for the primary. The replica is not
            // at fault for other sessions.
            let outcome = if self.facts().may_leave() { Outcome::NotHere } else { Outcome::Again };
            self.upstream.server_lost();
            self.state.unpin(self.upstream.role, std::mem::take(&mut self.upstream.sent));
            return Ok(outcome);
        }
        Ok(match self.server_given_up(forwarded, walker, request) {
            Outcome::Stop(0, stop) => Outcome::Stop(0, stop),
            Outcome::Stop(_, stop) => Outcome::Stop(seq, stop),
            outcome => outcome,
        })
    }

    /// Like `lost`, for a server that the statement did not break: the statement may be retried without the
    /// two-server limit.
    pub(in crate::session) fn server_given_up(
        &mut self,
        forwarded: bool,
        walker: &ResponseWalker,
        request: &mut Request,
    ) -> Outcome {
        let lost_on = self.measured.lost_on.take();
        let outcome = self.lost(true, forwarded, walker, request);
        self.measured.lost_on = lost_on;
        outcome
    }

    /// True if the open transaction can be replayed on another primary, and this statement run after it.
    fn can_replay(&self, sent: bool, request: &RequestHead) -> bool {
        let Some(journal) = &self.state.transaction.journal else { return false };
        !sent || can_follow(&self.state, journal, request)
    }

    /// Forgets a lost transaction that the client rolls back itself: the client needs no error.
    pub(in crate::session) fn forget_lost_transaction(&mut self) {
        self.upstream.lost.primary = false;
        self.state.connection_gone(Role::Primary);
        self.measured.disrupted(&self.context, Disruption::Moved);
    }
}
