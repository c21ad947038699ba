//! Forwards an answer from the server to the client, and updates the session's state from the answer.

use super::observer::AnswerObserver;
use super::unexplained::explains;
use crate::backend::{InsertId, RefusedCommand};
use crate::client::refusals::Refusal;
use crate::client::{Failure, Request, RequestHead, StatementError};
use crate::net::{Buf, Runtime, SMALL_BUFFER};
use crate::policy::{Expected, RetryRoute};
use crate::session::Session;
use crate::session::common::{ChunkOutput, Outcome, PassingChunk, asked};
use crate::session::loss::{BeforeLate, Late, NotKept};
use crate::sql::{Effects, MAX_READ, StatementClass};
use crate::state::{AnswerSource, Answered, Asked, PREPARED, PinSet, Written};
use crate::terms::{Close, Disruption, FalseReport, Pin, Port, Role, StatementKind, Why, stops_reading};
use crate::topology::{Flavor, TextModes};
use crate::upstream::Pumped;
use crate::wire::error_code::ER_UNKNOWN_COM_ERROR;
use crate::wire::{Command, PrepareOk, ProtocolError, ResponseWalker, Walked};
use crate::worker::DataAccess;

/// The result of walking over a chunk of an answer.
struct Walk {
    /// The number of bytes of the chunk that the walker consumed.
    used: usize,
    walked: Walked,
    prepared: Option<PrepareOk>,
    /// Boxed, so that the future of most answers stays small.
    rare: Option<Box<RareAnswer>>,
}

/// What must be done before a chunk is forwarded.
struct RareAnswer {
    /// The server refused the statement, and the client does not get its ERR packet.
    refused: Option<Refusal>,
    /// The state before the chunk, if the server was no longer the primary when the chunk arrived.
    before: Option<Box<BeforeLate>>,
    /// The writes that the chunk reports in that case.
    late: Option<Box<Late>>,
    /// The server broke the protocol in the chunk.
    fault: Option<ProtocolError>,
}

/// What a server sent behind a whole answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum BehindAnswer {
    Nothing,
    /// An ERR packet, by which a server ends an idle connection.
    Goodbye,
    /// Anything else: nobody asked for it.
    Bytes,
}

impl BehindAnswer {
    fn of(rest: &[u8]) -> Self {
        match rest {
            [] => BehindAnswer::Nothing,
            [_, _, _, _, 0xff, ..] => BehindAnswer::Goodbye,
            _ => BehindAnswer::Bytes,
        }
    }
}

/// The longest name of a refused schema that is remembered, in bytes: names have 64 characters at most, and a longer one gets
/// another error.
const MOST_NAME: usize = 256;

impl<R: Runtime> Session<R> {
    /// Forwards the answer to the client. A whole request stays in `buf` as long as it may have to be sent again.
    pub(in crate::session) async fn answer(
        &mut self,
        walker: &mut ResponseWalker,
        request: &mut Request,
    ) -> Result<Outcome, Close> {
        // The buffer is borrowed only when bytes have arrived, so that waiting sessions hold no memory.
        let mut chunk = Buf::default();
        let (mut forwarded, mut prepared) = (false, None);
        self.upstream.note_last(request.is_last() && !self.client.piece.more);
        self.measured.asked = None;
        loop {
            // In a block, so that the future of every session does not keep it across the waits below.
            {
                let pumped = match self.measured.early.is_some() {
                    true => self.early_bytes(&mut chunk),
                    false => self.upstream.pump(&mut self.client, &mut chunk, forwarded).await,
                };
                match pumped {
                    Ok(Pumped::Answer) => {}
                    Ok(Pumped::Broken) => return Ok(self.lost(true, forwarded, walker, request)),
                    Ok(Pumped::Unread) => return Ok(self.lost(false, forwarded, walker, request)),
                    Ok(Pumped::GivenUp) => return Ok(self.server_given_up(forwarded, walker, request)),
                    Ok(Pumped::Refused(e)) => {
                        return Ok(self.state_refused_by_server(e, walker, request));
                    }
                    Err(stop) => return self.broken_off(stop, walker, request),
                }
            }
            let full = chunk.is_full();
            let nothing_forwarded = !(forwarded || request.header.is_continued());
            let mut output = ChunkOutput::AsItCame;
            let walk = {
                // Not kept across a wait, since every session has this future.
                let text = self.classifier().text_that_sets(request);
                let asked = asked(request, text.as_ref());
                self.walk(walker, &mut chunk, &mut output, nothing_forwarded, (request, asked))
            };
            let Walk { used, walked, prepared: named, rare } = walk;
            if let Some(rare) = rare {
                let passing = PassingChunk { chunk: &mut chunk, output: &mut output, forwarded };
                if let Some(end) = Box::pin(self.before_forwarding(rare, passing, walker, request)).await {
                    return end;
                }
            }
            prepared = prepared.or(named);
            forwarded |= used > 0;
            if used > 0 && request.class.effects.contains(Effects::RENEWS) {
                self.renews_so_far(request, matches!(walked, Walked::Done));
            }
            self.measured.bytes_out += used as u64;
            self.pass(&mut chunk, used, &mut output).await?;
            match walked {
                Walked::Done => break,
                Walked::LocalInfile => {
                    request.consume();
                    let file =
                        Box::pin(self.local_file(&mut request.buf, walker.client_seq(), walker.shift()))
                            .await?;
                    walker.resume(file.seq);
                    walker.answers_packets(file.packets);
                }
                Walked::More { need } => self.upstream.make_room(&mut chunk, full, need),
            }
        }
        let behind = BehindAnswer::of(chunk.filled());
        self.context.buffers.give(chunk);
        self.measured.asked = None;
        self.state.answer.next_seq = Some(walker.client_seq());
        if let Some(ok) = prepared {
            let text = match request.arguments().len() {
                0..=MAX_READ => self.context.texts.prepared.get(request.arguments(), &self.state.carried),
                _ => Box::pin(self.classifier().long_text(request)).await?,
            };
            self.prepared(ok, text, request.class);
        }
        self.state.answer.cursor = walker.opened_cursor();
        if let Some(columns) = walker.other_columns() {
            self.note_columns(request.statement, columns);
        }
        self.answered(request);
        if behind != BehindAnswer::Nothing {
            self.ends_behind_answer(behind);
        }
        request.consume();
        if self.measured.unread.is_some() || self.state.answer.code.is_some_and(stops_reading) {
            Box::pin(self.after_unread()).await?;
        }
        Ok(Outcome::Done)
    }

    /// Closes a server connection on which something came behind a whole answer: the next statement would take it for its
    /// own answer.
    #[cold]
    fn ends_behind_answer(&mut self, behind: BehindAnswer) {
        if behind == BehindAnswer::Bytes {
            tracing::warn!(id = self.client.handle.id, peer = %self.client.handle.peer.get(), error = "bytes behind an answer", "a server broke the protocol");
            if self.upstream.role == Role::Replica {
                self.context.metrics.false_reports[FalseReport::Unreadable].add(1);
            }
        }
        self.upstream.server_lost();
    }

    /// Does what must be done before a chunk is forwarded. Returns how the try of the statement ends, if the client does not
    /// get the chunk.
    async fn before_forwarding(
        &mut self,
        rare: Box<RareAnswer>,
        passing: PassingChunk<'_>,
        walker: &ResponseWalker,
        request: &mut Request,
    ) -> Option<Result<Outcome, Close>> {
        let RareAnswer { refused, before, late, fault } = *rare;
        if let Some(e) = fault {
            if self.upstream.role == Role::Replica {
                return Some(self.broken_replica(e, passing, walker, request).await);
            }
            // Forwards the packets before the fault: their sequence ids are already counted.
            self.context.buffers.give(std::mem::take(passing.chunk));
            if let Err(close) = self.pass(passing.chunk, 0, passing.output).await {
                return Some(Err(close));
            }
            let failure = Failure::BadServer(e.to_string());
            tracing::warn!(id = self.client.handle.id, peer = %self.client.handle.peer.get(), error = %e, "a server broke the protocol");
            let stop = StatementError::TellAndClose(failure, Close::ServerProtocol);
            return Some(self.broken_off(stop, walker, request));
        }
        if let Some(refusal) = refused {
            self.context.buffers.give(std::mem::take(passing.chunk));
            if let Some(before) = before {
                self.state.written.wrote_before(before.written);
            }
            if matches!(refusal.way, RetryRoute::AsIfLost) {
                // The server executed nothing, so the statement counts as not sent. The client has no part of the ERR
                // packet.
                let seq = request.answer_seq();
                return Some(Ok(match self.lost(false, passing.forwarded, walker, request) {
                    Outcome::Stop(_, stop) => Outcome::Stop(seq, stop),
                    outcome => outcome,
                }));
            }
            return Some(Ok(self.reroute_refused(refusal, request)));
        }
        match self.of_demoted().settle_late(before?, late, request).await {
            Ok(()) => None,
            Err(NotKept::Doubt { seq, between }) => {
                self.context.buffers.give(std::mem::take(passing.chunk));
                Some(Ok(self.tell_doubt(seq, passing.forwarded && !between, request)))
            }
            Err(NotKept::Stop(stop)) => Some(self.broken_off(stop, walker, request)),
        }
    }

    /// Updates the session's state, and the record of the connection's state, after a complete answer.
    #[inline]
    pub(in crate::session) fn answered(&mut self, request: &Request) {
        if request.command == Command::Statistics {
            return self.statistics_answered();
        }
        // What a session may ask about its last statement is not about a COM_STMT_PREPARE, unless that fails.
        let keeps_last = request.command == Command::StmtPrepare && !self.state.answer.failed();
        let last = keeps_last.then_some(self.state.last);
        let plain = Effects::OF_ALL | Effects::READS_USER_VARIABLES | Effects::LOCKS_ROWS | Effects::OPAQUE;
        let looks = !plain.contains(request.class.effects)
            || self.state.may_create_user_variables(&request.class)
            || request.class.reason == Why::NamedLock
            || self.state.wants_text();
        let text = if looks { self.classifier().meant_text(request) } else { None };
        let named = if looks { self.classifier().statement_name(request) } else { None };
        let text = text.as_deref();
        if self.state.wants_text() {
            self.state.learn(self.upstream.role, text);
        }
        self.adds_refused_elsewhere(request);
        if request.command == Command::StmtPrepare {
            // A prepare changes nothing: the effects of the text occur when it is executed.
            let about_diagnostics =
                request.class.effects & Effects::OPENS_NO_TABLE.union(Effects::READS_DIAGNOSTICS);
            let class = StatementClass { effects: PREPARED.effects | about_diagnostics, ..PREPARED };
            self.state.done(self.upstream.role, &class, None, PinSet::default());
            self.prepared_user_variables(request);
        } else {
            self.state.done(self.upstream.role, &request.class, text, self.upstream.sent);
        }
        if self.upstream.role == Role::Primary {
            self.journaling().answered(request);
        }
        if request.statement != 0 {
            self.statement_done(request);
        }
        self.state.transaction.status |= self.state.transaction_elsewhere(self.upstream.role);
        self.classifier().catalogue_changed(request.class.effects);
        let by = self.unexplained(request, text);
        let role = self.upstream.role;
        let Some(connection) = self.upstream.connection_mut() else { return };
        self.context.commits.answered(connection);
        connection.end_exchange();
        super::unexplained::ran(connection, by, &self.context.metrics);
        self.client.handle.servers.unexplained.of(role).set(connection.unexplained());
        let here = connection.about.thread();
        match last {
            Some(last) => self.state.last = last,
            None => self.state.ran_on(here, request.command),
        }
        if !self.state.diagnostics.kept {
            // MariaDB: diagnostics that were left on this connection are those of an earlier statement.
            connection.stale_diagnostics |= connection.leaves_diagnostics
                && connection.about.flavor == Flavor::MariaDb
                && self.state.diagnostics.connection() != Some(here);
            self.state.diagnostics.are_on(here);
        }
        if std::mem::take(&mut self.state.trackers.restored) {
            connection.forget_applied();
        }
        if std::mem::take(&mut self.state.trackers.changed) {
            connection.trackers_changed();
            // The client changed the trackers. If that happened in a procedure or among other statements, later
            // writes of the same text may not have been reported.
            if role == Role::Primary && request.class.kind >= StatementKind::Write {
                let about = &connection.about;
                self.context.acknowledged.borrow_mut().add(about.generation, about.flavor, None);
            }
        }
        connection.has_past = false;
        connection.counted_another &= !self.state.answer.counted;
        let quiet = self.state.answer.warnings == 0
            && !self.state.answer.failed()
            && !self.state.adds_warning(&request.class);
        let may_keep = request.class.kind < StatementKind::Write
            || request.class.effects.contains(Effects::OPENS_NO_TABLE)
            || self.state.may_keep_diagnostics(&request.class);
        let keeps = request.class.effects.contains(Effects::KEEPS_DIAGNOSTICS);
        connection.note_diagnostics(quiet, keeps, may_keep);
        if connection.has_known_state() && !connection.is_in_line(&self.state.carried, None) {
            connection.now_has(&self.state.carried);
        }
        if role == Role::Primary {
            if request.class.kind >= StatementKind::Write
                && matches!(self.state.written, Written::Nothing)
                && !self.context.topology.primary_has_gtids()
            {
                self.state.written = Written::Unknown;
            }
            match self.state.insert.id.get() {
                InsertId::OnConnection => {
                    connection.set_insert_id(None);
                    self.state.insert.connection = Some(here);
                }
                InsertId::Known(id) => connection.set_insert_id(Some(id)),
                InsertId::Lost => {}
            }
        }
        if request.class.effects.intersects(Effects::PREPARES | Effects::DEALLOCATES) {
            connection.now_has_text_statements(&self.state.objects.text_statements, named.as_deref());
        }
    }

    /// Notes a command that was refused just now, and whose error MySQL adds to diagnostics that another connection has.
    fn adds_refused_elsewhere(&mut self, request: &Request) {
        if !request.class.effects.contains(Effects::ADDS_DIAGNOSTICS) {
            return;
        }
        let Some(here) = self.upstream.connection().map(|c| c.about.thread()) else { return };
        if !self.state.adds_elsewhere(&request.class, here) {
            return;
        }
        if request.command == Command::InitDb && request.arguments().len() <= MOST_NAME {
            self.state.adds_refused(RefusedCommand::Schema(request.arguments().into()));
        } else if self.state.answer.code == Some(ER_UNKNOWN_COM_ERROR) {
            self.state.adds_refused(RefusedCommand::Unknown);
        }
    }

    /// Updates everything after the answer to COM_STATISTICS: a text, behind which all that a session may ask is as before.
    fn statistics_answered(&mut self) {
        let Some(connection) = self.upstream.connection_mut() else { return };
        self.context.commits.answered(connection);
        connection.end_exchange();
        self.state.answer = Answered::default();
    }

    /// Returns how to continue after an ERR packet that the client does not get. The server executed nothing, except
    /// perhaps with `RetryRoute::AskProbes`, where the server ends the connection.
    fn reroute_refused(&mut self, refusal: Refusal, request: &RequestHead) -> Outcome {
        let server = self.upstream.connection().map(|c| c.about.server);
        let Refusal { way, error } = refusal;
        if way != RetryRoute::AskProbes {
            if let Some(connection) = self.upstream.connection_mut() {
                connection.end_exchange();
                connection.ran(request.class.unexplained());
                // The error stays in this connection's list, and the client never gets it.
                connection.leaves_diagnostics = true;
            }
            self.state.answer = Answered::default();
            self.state.unpin(self.upstream.role, std::mem::take(&mut self.upstream.sent));
        }
        match way {
            RetryRoute::WaitForPrimary | RetryRoute::AskProbes | RetryRoute::AfterInterrupt => {
                server.map_or(Outcome::Again, |server| Outcome::Refused(error, server))
            }
            RetryRoute::ToPrimary | RetryRoute::AsIfLost => {
                if let Some(connection) = self.upstream.connection_mut() {
                    let here = connection.about.thread();
                    self.state.adds_before_leaving(self.upstream.role, &request.class, here);
                }
                self.upstream.release_after_statement(&mut self.state);
                Outcome::NotHere
            }
            RetryRoute::RollBack => Outcome::NotCommitted,
            RetryRoute::PrepareAgain(unknown) => {
                self.upstream.forget_statement(&self.state, request, unknown);
                self.upstream.release_after_statement(&mut self.state);
                Outcome::PrepareAgain
            }
        }
    }

    /// Returns what is known of a statement before its answer is read.
    #[inline]
    fn expected(&self, request: &RequestHead, on_replica: bool, nothing_forwarded: bool) -> Expected {
        let on_split_replica = self.client.port == Port::Split && self.upstream.role == Role::Replica;
        let may_leave = on_split_replica && !self.state.pins.on(Role::Replica).has(Pin::Transaction);
        let effects = request.class.effects;
        let servers = &self.client.handle.servers;
        Expected {
            on_replica,
            replica_port: self.client.port == Port::Replica,
            nothing_forwarded,
            can_send_again: nothing_forwarded && request.whole,
            no_doubt: self.upstream.role == Role::Replica || self.facts().leaves_no_doubt(request),
            may_leave,
            in_reading_transaction: on_split_replica && !may_leave,
            only_ends: effects.contains(Effects::ENDS) && !effects.contains(Effects::SEVERAL),
            executes: request.statement != 0 && !request.prepared_anew,
            in_steps: !on_replica && self.facts().runs_in_steps(request),
            interrupted: servers.was_interrupted().then(|| servers.data_access.get() == DataAccess::Writes),
        }
    }

    /// Walks over a chunk of the answer, and writes to `output` what the client gets for it. Must not await, because all
    /// sessions of the worker share the list of edits.
    fn walk(
        &mut self,
        walker: &mut ResponseWalker,
        chunk: &mut Buf,
        output: &mut ChunkOutput,
        nothing_forwarded: bool,
        (request, asked): (&RequestHead, Asked<'_>),
    ) -> Walk {
        let nothing =
            |rare| Walk { used: 0, walked: Walked::Done, prepared: None, rare: Some(Box::new(rare)) };
        let is_late = self.upstream.role == Role::Primary && self.of_demoted().is_late();
        let Some(about) = self.upstream.connection().map(|c| &c.about) else {
            let fault = Some(ProtocolError::Unsupported("an answer without a connection"));
            return nothing(RareAnswer { refused: None, before: None, late: None, fault });
        };
        let heard = AnswerSource {
            role: self.upstream.role,
            flavor: about.flavor,
            read_only: about.class.read_only,
            explained: explains(request.class.effects),
            port: self.client.port,
            modes: TextModes::empty(),
            asked,
        };
        let expected = self.expected(request, heard.read_only, nothing_forwarded);
        let before =
            is_late.then(|| Box::new(BeforeLate::of(walker, std::mem::take(&mut self.state.written))));
        let mut observer = AnswerObserver {
            state: &mut self.state,
            heard,
            topology: &self.context.topology,
            false_report: None,
            whole: request.whole,
            expected,
            late: before.as_ref().map(|_| Box::default()),
            unknown: &self.context.metrics.disruptions[Disruption::OutcomeUnknown],
            writes: (self.upstream.role == Role::Primary)
                .then_some((&self.context.acknowledged, about.generation)),
            has_gtid: false,
            any_ok: false,
            refusal: None,
            prepared: None,
            rows: 0,
        };
        let mut edits = self.context.edits.borrow_mut();
        edits.clear();
        let walked = walker.feed(chunk.filled_mut(), &mut edits, &mut observer);
        self.measured.rows_sent += observer.rows;
        if let Some(report) = observer.false_report {
            self.context.metrics.false_reports[report].add(1);
        }
        let (refused, prepared, late) = (observer.refusal, observer.prepared, observer.late);
        if let Some(connection) = self.upstream.connection_mut().filter(|_| observer.has_gtid) {
            connection.saw_gtid();
        }
        let apart = |chunk: &Buf| {
            let small = edits.len() <= SMALL_BUFFER;
            let mut out = if small { self.context.buffers.small() } else { self.context.buffers.large() };
            edits.apply(chunk.filled(), |bytes| out.extend_from_slice(bytes));
            out
        };
        let (used, walked) = match walked {
            Ok(walked) => walked,
            Err(fault) => {
                *output = ChunkOutput::Apart(apart(chunk));
                return nothing(RareAnswer { refused, before, late, fault: Some(fault) });
            }
        };
        if edits.single() != Some((0, used)) && refused.is_none() {
            *output = chunk
                .edit(&edits, used)
                .map_or_else(|| ChunkOutput::Apart(apart(chunk)), ChunkOutput::InPlace);
        }
        let rare = (refused.is_some() || before.is_some())
            .then(|| Box::new(RareAnswer { refused, before, late, fault: None }));
        Walk { used, walked, prepared, rare }
    }
}
