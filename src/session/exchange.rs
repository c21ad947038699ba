//! One statement: its place, a connection there, what the session must bring, the
//! request, the answer, and another try where nothing was executed.

use std::time::Duration;

use tokio::time::Instant;

use super::acquire::{StatementError, is_passing};
use super::barrier::Freshness;
use super::commits::Unanswered;
use super::handle::Deed;
use super::pins::PinSet;
use super::request::Request;
use super::restore::Brought;
use super::{Failure, Session};
use crate::backend::ServerError;
use crate::config::Fallback;
use crate::net::{Buf, LARGE_BUFFER, Runtime};
use crate::routing::{Role, Why};
use crate::sql::Effects;
use crate::telemetry::{Close, Disruption, Pin, Port, cell_of};
use crate::topology::ServerId;
use crate::wire::{Capabilities, Command, Legs, ResponseShape, ResponseWalker, StatusFlags};

/// Tries of one statement that was never executed, before the client hears of it. Pooled connections to a server that
/// died are found out one by one, some only when they have taken the statement.
pub(super) const MAX_TRIES: u32 = 8;

/// The same where a server refuses the session's state, which no other connection to it will take.
const MAX_REFUSALS: u32 = 4;

/// From the second try in vain on a statement waits this long, twice, three times as long, or for news of the servers: by
/// then what broke with them has been noticed.
const PAUSE: Duration = Duration::from_millis(20);

/// How one try ended. Unless it can go elsewhere, the request is gone from the buffer.
pub(super) enum Outcome {
    /// The client has its answer.
    Done,
    /// Nothing was executed and nothing forwarded: it can go elsewhere.
    Again,
    /// A replica does not execute what was taken for a read, and executed nothing of it.
    NotHere,
    /// The server does not know the prepared statement, or wants it prepared anew; nothing was executed.
    PrepareAgain,
    /// A replica does not commit a transaction that only read: MariaDB with log_bin, where there was a savepoint.
    NotCommitted,
    /// A server that was taken for the primary says it is read-only; nothing was executed. Or any says that it ends the
    /// connection; nothing was forwarded.
    Refused(ServerError, ServerId),
    /// A replica was asked while the primary was quiet, but a write came in between: nothing was forwarded.
    Overtaken,
    /// The server is lost, and the open transaction can be run again on another, this statement behind it.
    Replay,
    /// A COMMIT without an answer, of which another server will know. The sequence id of the answer.
    LookUp(u8, Box<Unanswered>),
    /// The client gets an ERR packet with this sequence id, or none, and stays or not.
    Stop(u8, StatementError),
}

impl<R: Runtime> Session<R> {
    /// An answer that fills buffers gets a larger one.
    pub(super) fn make_room(&mut self, chunk: &mut Buf, full: bool, need: usize) {
        if full && chunk.capacity() < LARGE_BUFFER {
            let mut large = self.context.buffers.large();
            large.extend_from_slice(chunk.filled());
            self.context.buffers.give(std::mem::replace(chunk, large));
        }
        chunk.make_room(need.saturating_sub(chunk.len()).max(1));
    }

    /// A command that a server answers.
    pub(super) async fn forward(&mut self, buf: &mut Buf, request: &mut Request) -> Result<(), Close> {
        self.handle.began.set(Instant::now());
        let (mut tries, mut not_reader) = (0, None);
        self.handle.lost_on.set(None);
        self.level_now = self.level(request);
        self.freshness = Freshness::Unasked;
        self.state.begins(&request.class);
        if (self.lost.writer || self.lost.reader)
            && let Some(told) = Box::pin(self.settle_losses_first(buf, *request)).await
        {
            return told;
        }
        if self.has_values_to_move(request.class.effects) {
            Box::pin(self.move_values()).await;
        }
        let (role, why) = loop {
            let (mut role, mut why) = self.place(request);
            if role == Role::Reader
                && not_reader.is_none()
                && self.must_ask(why, request)
                && !self.start_speculative_read(buf, request)
                && let Some(told) = Box::pin(self.barrier_first(buf, *request, &mut not_reader)).await
            {
                return told;
            }
            if role == Role::Reader && not_reader.is_none() && self.keeps_behind(request) {
                not_reader = Some(Why::NotFresh);
            }
            if let (Role::Reader, Port::Split, Some(instead)) = (role, self.port, not_reader) {
                (role, why) = (Role::Writer, instead);
                if matches!(self.freshness, Freshness::Position(_))
                    && let Some(told) = Box::pin(self.comes_from_a_replica(buf, *request)).await
                {
                    return told;
                }
            }
            let ends = Effects::BEGINS | Effects::BEGINS_READ_ONLY | Effects::LOCKS_TABLES;
            if role == Role::Writer
                && request.class.effects.intersects(ends)
                && self.state.pins.on(Role::Reader).has(Pin::Transaction)
            {
                Box::pin(self.end_reading_transaction()).await;
            }
            let looks_back = why == Why::LooksBack && self.take_last(role, request);
            if !looks_back && !self.take_for(role) {
                match Box::pin(self.connect(role, buf, request)).await {
                    Ok(None) => {}
                    Ok(Some(_)) if matches!(self.freshness, Freshness::Ahead(_)) => {
                        // Who may answer in its place, the primary's answer tells.
                        self.context.asking.note_activity();
                        self.freshness = Freshness::Unasked;
                        continue;
                    }
                    Ok(Some(instead)) => {
                        not_reader = Some(instead);
                        continue;
                    }
                    Err(stop) => return Box::pin(self.skip_and_stop(buf, *request, stop)).await,
                }
            }
            let ready = self.is_in_line(request)
                && (request.statement == 0 || matches!(self.name_statement(buf, request), Ok(true)));
            if !ready {
                match Box::pin(self.prepare_connection(buf, request)).await {
                    // Meanwhile its server may have been deposed, and have come back.
                    Ok(Brought::Ready)
                        if self.handle.attached.get().is_some_and(|a| self.context.is_good(a)) => {}
                    Ok(Brought::Ready | Brought::Broken) => {
                        self.server_lost();
                        tries += 1;
                        if role == Role::Reader && self.state_refused.take().is_some() {
                            // A replica that does not take the session's state; the primary did.
                            not_reader = Some(Why::Refused);
                        }
                        match Box::pin(self.pause_before_retry(tries)).await {
                            Ok(()) => continue,
                            Err(stop) => return Box::pin(self.skip_and_stop(buf, *request, stop)).await,
                        }
                    }
                    Err(stop) => return Box::pin(self.skip_and_stop(buf, *request, stop)).await,
                }
            }
            let outcome = if self.state.must_not_commit(role, request.class.effects) {
                Box::pin(self.roll_back_first(buf, request)).await?
            } else if self.passes_read_only(buf, request) {
                self.refused_unsent()
            } else {
                self.exchange(buf, request).await?
            };
            match outcome {
                Outcome::Done => break (role, why),
                Outcome::NotHere => not_reader = Some(Why::Refused),
                Outcome::PrepareAgain => request.prepared_anew = true,
                Outcome::Overtaken => {}
                Outcome::NotCommitted => return Box::pin(self.roll_back_instead(buf, *request)).await,
                Outcome::Again => {
                    tries += 1;
                    self.count(Disruption::Retried);
                    if let Err(stop) = Box::pin(self.pause_before_retry(tries)).await {
                        return Box::pin(self.skip_and_stop(buf, *request, stop)).await;
                    }
                }
                Outcome::Refused(error, server) => {
                    tries += 1;
                    if let Some(told) =
                        Box::pin(self.refused_first(buf, *request, (error, server), tries)).await
                    {
                        return told;
                    }
                }
                Outcome::Replay => {
                    tries += 1;
                    if let Some(told) = Box::pin(self.replay_first(buf, *request, tries > MAX_TRIES)).await {
                        return told;
                    }
                }
                Outcome::LookUp(seq, lost) => {
                    return Box::pin(self.tell_fate(*request, seq, lost)).await;
                }
                Outcome::Stop(seq, stop) => return Box::pin(self.stop(seq, stop)).await,
            }
        };
        self.note_seen_position();
        if request.class.effects.contains(Effects::SETS_STATE)
            && self.state.pins.on(Role::Writer).has(Pin::Variable)
        {
            Box::pin(self.learn_variables()).await;
        }
        let port = self.port as usize;
        cell_of(&self.context.metrics.statements, port).add(1);
        if self.port == Port::Split {
            self.count_placed(&request.class, role, why);
        }
        if let Some(latency) = self.context.metrics.latency.get(port) {
            latency
                .observe_us(u64::try_from(self.handle.began.get().elapsed().as_micros()).unwrap_or(u64::MAX));
        }
        Ok(())
    }

    /// A connection that broke before anything was executed leaves nothing to tell but what it held.
    pub(super) async fn pause_before_retry(&mut self, tries: u32) -> Result<(), StatementError> {
        self.settle_losses().await?;
        let most = if self.state_refused.is_some() { MAX_REFUSALS } else { MAX_TRIES };
        if tries > 1 && tries <= most {
            let version = self.context.topology.version();
            self.pause_for_change(PAUSE * (tries - 1), version).await?;
        }
        if tries > most {
            return Err(StatementError::Tell(match self.state_refused.take() {
                Some(error) => Failure::StateRefused(*error),
                None => Failure::Unreachable("every connection broke".into()),
            }));
        }
        Ok(())
    }

    /// A connection from the pool. Some: no replica can be had, for this reason.
    async fn connect(
        &mut self,
        role: Role,
        buf: &Buf,
        request: &Request,
    ) -> Result<Option<Why>, StatementError> {
        // What was run again on the next primary may be lost with that one, before it is used.
        while self.lost.writer || self.lost.reader {
            if self.lost.writer && self.only_rolls_back(buf, request) {
                self.forget_lost_transaction();
            }
            self.settle_losses().await?;
            if self.keeps(role) && self.take_for(role) {
                return Ok(None);
            }
        }
        // Who waits for one connection must not keep the other for diagnostics that this statement ends.
        self.let_diagnostics_go(role);
        match self.attach(role).await {
            Ok(()) => self.judge_again(buf, request).map(|()| None),
            Err(StatementError::Tell(failure))
                if role == Role::Reader && self.port == Port::Split && is_of_the_replicas(&failure) =>
            {
                let why = self.why_no_reader();
                let fallback = self.context.live.borrow().replicas.fallback;
                if why == Why::NoReplica && fallback == Fallback::None {
                    return Err(StatementError::Tell(match failure {
                        Failure::Unreachable(_) => Failure::NoReplica,
                        failure => failure,
                    }));
                }
                Ok(Some(why))
            }
            Err(stop) => Err(stop),
        }
    }

    /// Brings the session to the connection, and its prepared statement.
    async fn prepare_connection(
        &mut self,
        buf: &mut Buf,
        request: &mut Request,
    ) -> Result<Brought, StatementError> {
        if !self.is_in_line(request)
            && let Brought::Broken = self.restore_session(buf, request).await?
        {
            return Ok(Brought::Broken);
        }
        if request.statement == 0 {
            return Ok(Brought::Ready);
        }
        self.bring_statement(buf, request).await
    }

    /// A request that is not sent: the client is told once it has said all of it.
    pub(super) async fn skip_and_stop(
        &mut self,
        buf: &mut Buf,
        request: Request,
        stop: StatementError,
    ) -> Result<(), Close> {
        let seq = self.skip(buf, request).await?;
        match stop {
            // A part of a parameter (COM_STMT_SEND_LONG_DATA) that does not arrive must not be missing where the
            // statement runs: this is the answer to whatever the client says next, and the last one.
            StatementError::Tell(failure) | StatementError::TellAndClose(failure, _)
                if request.command.response() == ResponseShape::None && request.statement != 0 =>
            {
                Err(self.refuse(seq, &failure, Close::ServerLost).await)
            }
            StatementError::Close(close) => Err(close),
            _ if request.command.response() == ResponseShape::None => Ok(()),
            stop => self.stop(seq, stop).await,
        }
    }

    /// Tells the client, or closes.
    pub(super) async fn stop(&mut self, seq: u8, stop: StatementError) -> Result<(), Close> {
        match stop {
            StatementError::RowCount => Box::pin(self.answer_row_count(seq)).await,
            StatementError::Tell(failure) => self.send_failure(seq, &failure).await,
            StatementError::TellAndClose(failure, close) => Err(self.refuse(seq, &failure, close).await),
            StatementError::Close(close) => Err(close),
        }
    }

    /// One try.
    pub(super) async fn exchange(&mut self, buf: &mut Buf, request: &mut Request) -> Result<Outcome, Close> {
        let names = Effects::CREATES_TEMPORARY | Effects::SETS_USER_VARIABLES;
        let text =
            if request.class.effects.intersects(names) { self.meant_text(buf, *request) } else { None };
        self.journal_begins(request);
        if request.class.effects.contains(Effects::ENDS) {
            self.mark_commit(buf, *request);
        }
        // A text that is only prepared leaves nothing yet.
        self.sent = match request.command {
            Command::StmtPrepare => PinSet::default(),
            _ => self.state.sends(self.role, &request.class, text.as_deref()),
        };
        let shape = request.command.response_to(request.payload(buf));
        self.handle.deed.set(Deed::of(self.role, request));
        let (seq, sent) = if request.whole {
            (1, self.send_whole(buf, *request).await)
        } else {
            Box::pin(self.send_large(buf)).await?
        };
        if shape == ResponseShape::None {
            if !sent {
                self.server_lost();
            }
            if let Some(connection) = &mut self.backend {
                connection.end_exchange();
            }
            request.consume_from(buf);
            return Ok(Outcome::Done);
        }
        let server = self.backend.as_ref().map_or(Capabilities::empty(), |c| c.about.capabilities);
        let mut legs = Legs::new(server, self.capabilities);
        legs.client_tracks_all = self.state.tracks_all;
        legs.also = self.state.transaction_elsewhere(self.role);
        if self.handle.piece.get().more {
            legs.also |= StatusFlags::MORE_RESULTS_EXISTS;
        }
        let mut walker = ResponseWalker::new(shape, legs, seq, self.state.status);
        walker.goes_on(request.header.seq);
        if request.command == Command::StmtPrepare {
            walker.names_statement(self.state.statements.next_id());
        }
        if request.class.effects.contains(Effects::LOADS_LOCAL_FILE) {
            walker.allows_local_files(self.local_files(buf, *request));
        }
        if !sent || self.backend.is_none() {
            return Ok(self.lost(sent, false, &walker, buf, *request));
        }
        self.answer(walker, buf, request).await
    }
}

/// Whether no replica could be had, for reasons that say nothing of the primary. One that is full refuses with an ERR packet.
fn is_of_the_replicas(failure: &Failure) -> bool {
    match failure {
        Failure::NoReplica | Failure::Unreachable(_) => true,
        Failure::Server(error) => is_passing(error),
        _ => false,
    }
}
