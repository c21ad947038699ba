//! Runs one statement, from top to bottom: chooses the role, takes or acquires a connection, restores the session's
//! state on that connection, sends the request, forwards the answer, and counts the statement.
//!
//! Rare cases leave this line: a rare case ends the statement ([`StatementEnd`]), or begins another try at the top if nothing
//! was executed.

use std::rc::Rc;

use crate::backend::InsertId;
use crate::client::{Request, RequestHead};
use crate::net::{Runtime, turn_time};
use crate::routing::place;
use crate::session::Session;
use crate::session::common::Outcome;
use crate::session::common::StatementEnd;
use crate::session::fresh::Freshness;
use crate::session::loss::Tries;
use crate::session::observe::AuditedEnd;
use crate::sql::Effects;
use crate::state::{PinSet, ReadingTransactions};
use crate::terms::{Close, Pin, Port, Role, TraceStep, Why};
use crate::wire::Command;

/// How a statement was executed.
struct Executed {
    /// The role of the server.
    role: Role,
    /// The reason for this role.
    why: Why,
    /// What its read needed. A read that was diverted to the primary counts as one until this is dropped.
    freshness: Freshness,
}

impl<R: Runtime> Session<R> {
    /// Runs a command that a server answers, and counts it.
    pub(in crate::session) async fn forward(&mut self, request: &mut Request) -> Result<(), Close> {
        (self.measured.runs, self.measured.class) = (true, Some(request.class));
        self.measured.carried = Rc::as_ptr(&self.state.carried).addr();
        match self.run_statement(request).await {
            Ok(Executed { role, why, freshness }) => {
                // A query that reads no table has seen no position.
                if !request.class.effects.contains(Effects::READS_NO_TABLE) {
                    self.note_seen(&freshness);
                }
                let sets = request.class.effects.contains(Effects::SETS_STATE)
                    || self.state.may_create_user_variables(&request.class);
                let unknown = PinSet::of(&[Pin::Variable, Pin::UserVariable]);
                if sets
                    && (self.state.pins.on(Role::Primary).has_any(unknown) || self.state.asks_for_trackers())
                {
                    let _ = self.client.begin_step(TraceStep::Restore);
                    Box::pin(self.learn_variables()).await;
                    self.client.end_last_step(TraceStep::Restore);
                }
                if self.state.insert.id.get() == InsertId::OnConnection && self.closes_behind_statement() {
                    Box::pin(self.learn_insert_id()).await;
                }
                // Whoever changes a shared state copies it. (A change of a state that is not shared may go unnoticed: then
                // the next change shares it.)
                if self.measured.carried != Rc::as_ptr(&self.state.carried).addr() {
                    self.context.states.share(&mut self.state.carried);
                }
                self.observation().count_statement(request, role, why);
                Ok(())
            }
            Err(StatementEnd(result)) => {
                if let Err(close) = result {
                    self.observation().audit_statement(AuditedEnd::Cut(close));
                }
                result
            }
        }
    }

    /// Tries until a server has executed the statement.
    async fn run_statement(&mut self, request: &mut Request) -> Result<Executed, StatementEnd> {
        self.client.handle.began.set(turn_time());
        self.measured.lost_on = None;
        self.upstream.without_schema = false;
        self.reads.begin(request.class.effects, self.client.handle.level.get());
        self.state.begins(&request.class);
        if self.upstream.lost.primary || self.upstream.lost.replica {
            Box::pin(self.settle_losses_first(request)).await?;
        }
        if self.state.has_values_to_move(request.class.effects) {
            let _ = self.client.begin_step(TraceStep::Restore);
            Box::pin(self.move_values()).await;
            self.client.end_last_step(TraceStep::Restore);
        }
        let mut tries = Tries::default();
        loop {
            let (role, why) = self.choose_role(request, &mut tries).await?;
            if self.is_held_back(role) {
                Box::pin(self.hold_back(request)).await?;
            }
            let looks_back = why == Why::LooksBack && self.take_last(role, request);
            let has_connection = looks_back || self.take_for(role, &tries.freshness);
            if !has_connection && !Box::pin(self.connect_or_replace(role, request, &mut tries)).await? {
                continue;
            }
            let is_ready = self.is_ready(request);
            if !is_ready && !Box::pin(self.prepare_or_retry(role, request, &mut tries)).await? {
                continue;
            }
            if role == Role::Primary && self.state.transaction.reading.contains(ReadingTransactions::BEGINS) {
                self.begin_reading_on_primary();
            }
            if self.client.trace.is_some() {
                let server = self.upstream.connection().map(|connection| connection.about.server);
                self.observation().begin_try(server);
            }
            let outcome = if self.state.must_not_commit(role, request.class.effects) {
                Box::pin(self.roll_back_first(request)).await?
            } else if role == Role::Primary && self.of_demoted().passes_read_only(request) {
                self.of_demoted().refused_unsent()
            } else {
                self.exchange(request, &mut tries.freshness).await?
            };
            if self.client.trace.is_some() {
                let ended = outcome.traced(self.state.answer.code, self.measured.rows_sent);
                self.observation().end_try(&ended);
            }
            if matches!(outcome, Outcome::Done) {
                return Ok(Executed { role, why, freshness: tries.freshness });
            }
            Box::pin(self.follow_up(outcome, request, &mut tries)).await?;
        }
    }

    /// Records which server's data the session has seen.
    #[inline]
    fn note_seen(&mut self, freshness: &Freshness) {
        if let Some(attached) = self.client.handle.servers.attached() {
            self.reads.note_seen(attached.server, self.upstream.role, self.state.answer.rows, freshness);
        }
    }

    /// True if nothing must be done on the connection in use before the statement is sent. Writes the server's id of a
    /// prepared statement into the request.
    #[inline]
    fn is_ready(&mut self, request: &mut Request) -> bool {
        let changes_class = request.command == Command::SetOption;
        if changes_class
            || !self.upstream.is_in_line(&self.state, request.class.effects, self.permits_several())
        {
            return false;
        }
        let attributes = self.client.has_attributes();
        request.statement == 0
            || matches!(self.upstream.name_statement(&mut self.state, request, attributes), Ok(true))
    }

    /// Chooses the role for the statement. A read that must see earlier writes passes the barrier first.
    async fn choose_role(
        &mut self,
        request: &mut Request,
        tries: &mut Tries,
    ) -> Result<(Role, Why), StatementEnd> {
        let (mut role, mut why) = self.place(request);
        if role == Role::Replica
            && tries.not_replica.is_none()
            && self.reads.must_ask(why, request, &tries.freshness, &self.state)
        {
            let quiet = self.context.positions.is_quiet();
            match quiet.then(|| self.start_speculative_read(request)).flatten() {
                Some(ahead) => tries.freshness = ahead,
                None => {
                    let passed = Box::pin(self.barrier_first(request)).await?;
                    (tries.freshness, tries.not_replica) = (passed.freshness, passed.instead);
                }
            }
        }
        if role == Role::Replica
            && tries.not_replica.is_none()
            && self.keeps_behind(request, &tries.freshness)
        {
            tries.not_replica = Some(Why::NotFresh);
        }
        if let (Role::Replica, Port::Split, Some(instead)) = (role, self.client.port, tries.not_replica) {
            (role, why) = (Role::Primary, instead);
            if matches!(tries.freshness, Freshness::Position(_)) {
                Box::pin(self.comes_from_a_replica(request, &mut tries.freshness)).await?;
            }
        }
        if role == Role::Primary && self.state.pins.on(Role::Replica).has(Pin::Transaction) {
            Box::pin(self.leave_reading_transaction(request)).await?;
        }
        Ok((role, why))
    }

    /// Chooses the role by the port, the class of the statement and what the session holds.
    #[inline]
    pub(in crate::session) fn place(&mut self, request: &RequestHead) -> (Role, Why) {
        match self.client.port {
            Port::Primary => (Role::Primary, Why::Port),
            Port::Replica => (Role::Replica, Why::Port),
            Port::Split => {
                if request.statement != 0
                    && let Some(role) = self.facts().bound_to(request)
                {
                    return (role, Why::Pinned);
                }
                let facts = self.state.facts();
                if request.command == Command::StmtPrepare && facts.transaction == Some(Role::Replica) {
                    // Nothing is executed. Its execute is placed by its class.
                    return (Role::Replica, Why::Transaction);
                }
                place(&request.class, &facts)
            }
        }
    }
}
