//! Decides what becomes of a statement whose server was lost, or turned out not to be the primary.

use std::time::Duration;

use tokio::time::Instant;

use super::acquire::StatementError;
use super::commits::Unanswered;
use super::exchange::Outcome;
use super::refusals::{INTERRUPTED, ends_connection};
use super::request::Request;
use super::restore::Brought;
use super::retry::MAX_TRIES;
use super::statement::Ended;
use super::{Failure, Session};
use crate::backend::ServerError;
use crate::net::{Buf, Runtime};
use crate::policy::{Error, Fate, Loss};
use crate::sql::{Effects, MAX_READ};
use crate::state::with_string;
use crate::state::{Answered, is_rollback};
use crate::terms::Role;
use crate::terms::{Close, Disruption, Pin};
use crate::terms::{StatementKind, Why};
use crate::topology::{ServerId, Snapshot};
use crate::wire::{Capabilities, Command, Execute, Legs, ResponseWalker, query_text};

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
    /// Returns how the try ended after the connection broke or its server was given up. `sent`: any byte of
    /// the request was taken; `forwarded`: the client has a part of the answer.
    pub(super) fn lost(
        &mut self,
        sent: bool,
        forwarded: bool,
        walker: &ResponseWalker,
        buf: &mut Buf,
        mut request: Request,
    ) -> Outcome {
        if request.class.effects.contains(Effects::RENEWS) {
            self.renews(request);
        }
        let server = self.backend.as_ref().map(|connection| connection.about.server);
        if let Some(server) = server {
            self.context.outside.kick(server);
            if self.role == Role::Reader {
                self.context.eject(server);
            }
        }
        let role = self.role;
        let open = self.has_open(role);
        let commits = sent && (may_end_transaction(request) || self.state.is_perhaps_over());
        let mark = self.backend.as_mut().and_then(|connection| connection.mark.take());
        self.server_lost();
        // The state that the statement itself would have left does not exist.
        let leaves = !self.sent.is_empty();
        self.state.unpin(role, std::mem::take(&mut self.sent));
        let held = self.state.held(role);
        let first = if sent { self.handle.lost_on.replace(server) } else { self.handle.lost_on.get() };
        let unanswered = mark.zip(server).map(|(mark, server)| Unanswered { mark, server });
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
            only_rolls_back: self.only_rolls_back(buf, &request),
            can_replay: self.can_replay(sent, request),
            begins: request.class.effects.contains(Effects::BEGINS),
            repeatable: self.is_repeatable(request),
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
                self.lost.writer = false;
                return Outcome::Replay;
            }
            Fate::LookUp => match unanswered {
                Some(unanswered) => {
                    self.lost.writer = false;
                    request.consume_from(buf);
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
            *self.lost.of_mut(role) = false;
            self.connection_gone(role);
        }
        self.count(match error {
            Error::RolledBack => Disruption::RolledBack,
            Error::OutcomeUnknown => Disruption::OutcomeUnknown,
            Error::AnswerCut | Error::LostTwice => Disruption::AnswerCut,
        });
        request.consume_from(buf);
        let seq = if matches!(stop, StatementError::Close(_)) { 0 } else { walker.client_seq() };
        Outcome::Stop(seq, stop)
    }

    /// Handles an error by which the server ends the connection. If the server goes away, the error says
    /// nothing about the statement, which may have been executed: this is handled as a loss. If the server
    /// stays, somebody killed the connection, and the client gets the error. Returns Ok if the statement can
    /// be tried again.
    async fn ending(
        &mut self,
        error: ServerError,
        buf: &mut Buf,
        mut request: Request,
        tries: u32,
    ) -> Result<(), Ended> {
        self.state.answer = Answered::default();
        // The client has no part of the ERR packet.
        let seq = request.answer_seq();
        let legs = Legs::new(Capabilities::empty(), self.capabilities);
        let nothing_yet =
            ResponseWalker::new(request.command.response(), legs, seq, self.state.transaction.status);
        let Some(here) = self.handle.attached.get() else { return Ok(()) };
        self.context.outside.kick(here.server);
        let goes = move |snapshot: &Snapshot| {
            let left = !here.read_only && snapshot.writer != Some(here.server);
            left || snapshot.has_lost(here.server, here.generation, here.read_only)
        };
        let stop = match self.probes_say(goes).await {
            Ok(true) => match self.server_given_up(false, &nothing_yet, buf, request) {
                Outcome::Stop(_, stop) => stop,
                Outcome::Replay => return self.replay_first(buf, request, tries > MAX_TRIES).await,
                Outcome::LookUp(_, lost) => return Err(Ended(self.tell_fate(request, seq, lost).await)),
                _ => {
                    self.count(Disruption::Retried);
                    return match self.pause_before_retry(tries).await {
                        Ok(()) => Ok(()),
                        Err(stop) => Err(self.end_unsent(buf, request, stop).await),
                    };
                }
            },
            told => {
                // The error is an ordinary answer, after which the connection breaks; a transaction may be
                // over with it. If the connection does not break, a SIGNAL statement raised the error.
                let open =
                    told.is_ok() && self.backend.as_mut().is_some_and(|c| self.context.pool.is_alive(c));
                self.state.answer = Answered { failed: true, ended: !open, ..Answered::default() };
                if !open {
                    // The state that the statement left was lost with the connection.
                    self.state.unpin(self.role, std::mem::take(&mut self.sent));
                }
                self.answered(buf, request);
                if !open {
                    self.server_lost();
                }
                request.consume_from(buf);
                told.err().unwrap_or(StatementError::Tell(Failure::Server(error)))
            }
        };
        Err(Ended(self.stop(seq, stop).await))
    }

    /// Waits until a snapshot satisfies `what`, for as long as the probes need to see the current state of
    /// the servers. Returns false if no snapshot does.
    pub(super) async fn probes_say(
        &mut self,
        what: impl Fn(&Snapshot) -> bool,
    ) -> Result<bool, StatementError> {
        let interval = self.context.live.borrow().monitor.interval;
        let until = Instant::now() + (interval * 3).max(Duration::from_millis(300));
        loop {
            let snapshot = self.context.topology.get();
            if what(&snapshot) {
                return Ok(true);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            self.pause_for_change(left, snapshot.version).await?;
        }
    }

    /// Like `lost`, for a server that the statement did not break: the statement may be retried without the
    /// two-server limit.
    pub(super) fn server_given_up(
        &mut self,
        forwarded: bool,
        walker: &ResponseWalker,
        buf: &mut Buf,
        request: Request,
    ) -> Outcome {
        let lost_on = self.handle.lost_on.take();
        let outcome = self.lost(true, forwarded, walker, buf, request);
        self.handle.lost_on.set(lost_on);
        outcome
    }

    /// Runs a statement that would commit the transaction that is open on a replica, after a ROLLBACK. Leaves
    /// a statement that only commits to `roll_back_instead`.
    pub(super) async fn roll_back_first(
        &mut self,
        buf: &mut Buf,
        request: &mut Request,
    ) -> Result<Outcome, Close> {
        if !self.prelude.is_empty() && !matches!(self.send_prelude().await, Ok(Brought::Ready)) {
            let seq = request.answer_seq();
            request.consume_from(buf);
            let told = self.tell_of_loss().err();
            return Ok(Outcome::Stop(seq, told.unwrap_or(StatementError::Tell(Failure::RolledBack))));
        }
        let effects = request.class.effects;
        if effects.contains(Effects::ENDS) && !effects.intersects(Effects::SEVERAL | Effects::LEAVES_UNKNOWN)
        {
            return Ok(Outcome::NotCommitted);
        }
        let (limit, context) = (self.context.live.borrow().timeouts.connect, self.context.clone());
        if let Some(connection) = &mut self.backend {
            // If the connection fails here, the statement after it fails, too.
            let _ = context.runtime.timeout(limit, connection.query("ROLLBACK")).await;
        }
        self.exchange(buf, request).await
    }

    /// Ends a transaction that only read by ROLLBACK in place of COMMIT: to the client both are the same.
    pub(super) async fn roll_back_instead(
        &mut self,
        buf: &mut Buf,
        mut request: Request,
    ) -> Result<(), Close> {
        let chains = request.class.effects.contains(Effects::BEGINS);
        let sql = if chains { "ROLLBACK AND CHAIN" } else { "ROLLBACK" };
        let (limit, context) = (self.context.live.borrow().timeouts.connect, self.context.clone());
        let asked = match &mut self.backend {
            Some(connection) => context.runtime.timeout(limit, connection.query(sql)).await,
            None => None,
        };
        let seq = request.answer_seq();
        request.consume_from(buf);
        if !matches!(asked, Some(Ok(_))) {
            self.server_lost();
            *self.lost.of_mut(self.role) = false;
            self.connection_gone(self.role);
            return self.stop(seq, StatementError::Tell(Failure::RolledBack)).await;
        }
        if !chains {
            self.state.rolled_back();
        }
        self.state.done(self.role, &request.class, None, self.sent);
        self.send_ok(seq).await
    }

    /// True if the open transaction can be replayed on another primary, and this statement run after it.
    fn can_replay(&self, sent: bool, request: Request) -> bool {
        let Some(journal) = &self.state.transaction.journal else { return false };
        !sent || self.can_follow(journal, &request)
    }

    /// True if the statement does nothing but roll back, which is also what the loss of the server did.
    pub(super) fn only_rolls_back(&self, buf: &Buf, request: &Request) -> bool {
        let ends = request.command == Command::Query && request.class.effects.contains(Effects::ENDS);
        ends && self.state.held(Role::Writer).is_none()
            && self.text_of(buf, *request).is_some_and(is_rollback)
    }

    /// Forgets a lost transaction that the client rolls back itself: the client needs no error.
    pub(super) fn forget_lost_transaction(&mut self) {
        self.lost.writer = false;
        self.connection_gone(Role::Writer);
        self.count(Disruption::Moved);
    }

    /// True if a transaction is lost with this server.
    fn has_open(&self, role: Role) -> bool {
        let pinned = self.state.pins.on(role).has(Pin::Transaction);
        let (begun, elsewhere) = (self.state.in_transaction(), self.state.transaction_elsewhere(role));
        match role {
            Role::Reader if pinned => true,
            // An earlier statement of the same text may have ended the pinned transaction, or begun one that
            // has no pin yet.
            Role::Writer if begun && (pinned || elsewhere.is_empty()) => true,
            // With autocommit off, uncommitted work is rolled back even if no transaction was seen yet.
            _ => !self.state.carried.autocommit && elsewhere.is_empty(),
        }
    }

    /// True if the server may have committed something before it refuses the statement as read-only: a
    /// statement that commits implicitly does that first, and may be refused afterwards.
    #[inline]
    pub(super) fn runs_in_steps(&self, request: &Request) -> bool {
        let (kind, effects) = (request.class.kind, request.class.effects);
        let begins = effects.intersects(Effects::BEGINS | Effects::BEGINS_READ_ONLY)
            && !effects.contains(Effects::BEGINS_READ_WRITE);
        let sets = kind == StatementKind::Session && effects.contains(Effects::SETS_STATE);
        // In these statements only the commit can be refused, and a refused commit does nothing.
        let only_commits = !effects.intersects(Effects::SEVERAL | Effects::LOCKS_TABLES)
            && (begins || sets || effects.contains(Effects::UNLOCKS));
        let open = self.state.pins.on(Role::Writer).has(Pin::Transaction) || self.state.in_transaction();
        let commits_first = open && effects.contains(Effects::COMMITS_IMPLICITLY) && !only_commits;
        kind == StatementKind::Unknown || effects.contains(Effects::CALLS) || commits_first
    }

    /// True if a missing end of the answer leaves no doubt: what the statement did is known, or rolled back.
    pub(super) fn leaves_no_doubt(&self, request: Request) -> bool {
        self.role == Role::Reader
            || self.is_repeatable(request)
            || (self.has_open(self.role) && !may_end_transaction(request) && !self.state.is_perhaps_over())
    }

    /// True if running the statement twice is the same as running it once.
    fn is_repeatable(&self, request: Request) -> bool {
        match request.command {
            Command::InitDb
            | Command::FieldList
            | Command::Statistics
            | Command::ProcessInfo
            | Command::StmtPrepare
            | Command::StmtFetch => true,
            Command::Query | Command::StmtExecute => request.class.effects.contains(Effects::REPEATABLE),
            _ => false,
        }
    }

    /// Returns the text of a whole COM_QUERY that is short enough to be parsed.
    pub(super) fn text_of<'a>(&self, buf: &'a Buf, request: Request) -> Option<&'a [u8]> {
        let attributes = self.capabilities.contains(Capabilities::QUERY_ATTRIBUTES);
        let arguments = request.whole.then(|| request.arguments(buf))?;
        query_text(arguments, attributes).ok().filter(|text| text.len() <= MAX_READ)
    }

    /// Returns the text that a statement runs: its own, or the text that was prepared.
    pub(super) fn meant_text(&self, buf: &Buf, request: Request) -> Option<std::sync::Arc<[u8]>> {
        if request.statement != 0 {
            let prepared = self.state.statements.peek(request.statement)?;
            let text = Some(&prepared.text.text).filter(|text| text.len() <= MAX_READ)?;
            // The parameter may be the name of the lock: put its value into the text.
            let locks = request.class.reason == Why::NamedLock && request.command == Command::StmtExecute;
            let attributes = self.capabilities.contains(Capabilities::QUERY_ATTRIBUTES);
            let named = (locks && prepared.params == 1 && prepared.long_data.is_none())
                .then(|| Execute::parse(request.payload(buf), 1, attributes).ok())
                .flatten()
                .and_then(|execute| execute.only_string(prepared.types.as_deref()))
                .and_then(|value| with_string(text, value));
            return Some(named.map_or_else(|| text.clone(), std::sync::Arc::from));
        }
        let text = (request.command == Command::Query).then(|| self.text_of(buf, request))??;
        if request.class.effects.contains(Effects::EXECUTES)
            && let Some(name) = crate::sql::parts::executed(text, self.state.sql_options())
            && let Some(known) = self.state.objects.text_statements.iter().find(|known| *known.name == *name)
        {
            return Some(known.text.clone());
        }
        Some(text.into())
    }

    /// Handles a server that refused or interrupted this statement, or that ends the connection. Returns Ok
    /// if the statement can be tried again.
    pub(super) async fn refused_first(
        &mut self,
        buf: &mut Buf,
        request: Request,
        (error, server): (ServerError, ServerId),
        tries: u32,
    ) -> Result<(), Ended> {
        if ends_connection(error.code) {
            return self.ending(error, buf, request, tries).await;
        }
        match self.refused(error, server).await {
            Ok(()) => Ok(()),
            Err(stop) => Err(self.end_unsent(buf, request, stop).await),
        }
    }

    /// Handles a server that was taken for the primary, says that it is read-only, and executed nothing: the
    /// statement waits for the new primary. If the server stays the primary, the client gets its error.
    async fn refused(&mut self, error: ServerError, server: ServerId) -> Result<(), StatementError> {
        self.context.outside.kick(server);
        let role = self.role;
        self.state.unpin(role, std::mem::take(&mut self.sent));
        // A statement that the proxy itself interrupted runs on whatever server is the primary now.
        let interrupted = error.code == INTERRUPTED;
        let primary_still =
            !interrupted && !self.probes_say(|snapshot| snapshot.writer != Some(server)).await?;
        let maintained = !interrupted && self.context.topology.get().is_maintained(server);
        if primary_still || maintained {
            // The server is still the primary, and executed nothing: its error is the answer. If it refused a
            // COMMIT, it rolled back the whole transaction.
            self.state.transaction.journal = None;
            self.state.doubt_transaction();
            self.release_after_statement();
            return Err(StatementError::Tell(if maintained {
                Failure::ReadOnlyMaintenance
            } else {
                Failure::Server(error)
            }));
        }
        let held = self.state.held(role);
        let open = self.state.pins.on(role).has(Pin::Transaction);
        self.server_lost();
        *self.lost.of_mut(role) = false;
        if open && held.is_none() && self.state.transaction.journal.is_some() {
            return self.replay(true).await;
        }
        self.connection_gone(role);
        // Neither the transaction nor the held state can continue on another server.
        if let Some(held) = held {
            return Err(StatementError::TellAndClose(Failure::StateLost(held), Close::ServerLost));
        }
        if open {
            self.count(Disruption::RolledBack);
            return Err(StatementError::Tell(Failure::RolledBack));
        }
        if interrupted {
            self.count(Disruption::Retried);
            return self.check_rerun(server).await;
        }
        Ok(())
    }
}

/// True if the statement may have committed before the answer was lost.
fn may_end_transaction(request: Request) -> bool {
    let by_class = || {
        let effects = Effects::ENDS | Effects::COMMITS_IMPLICITLY | Effects::CALLS | Effects::LEAVES_UNKNOWN;
        let leaves_it = matches!(
            request.class.kind,
            StatementKind::Read | StatementKind::Session | StatementKind::Transaction | StatementKind::Write
        );
        let repeatable = request.class.effects.contains(Effects::REPEATABLE);
        request.class.effects.intersects(effects) || !(leaves_it || repeatable)
    };
    match request.command {
        Command::Query | Command::StmtExecute | Command::StmtBulkExecute => by_class(),
        Command::StmtFetch | Command::StmtPrepare | Command::StmtReset | Command::Statistics => false,
        _ => true,
    }
}
