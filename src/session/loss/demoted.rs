//! Handles a primary that lost its role but lives. Statements under way on it are ended there and run again
//! on the next primary. If an OK arrives from it nevertheless, the client gets that OK only if the next
//! primary has what was written. An account that bypasses `read_only`, and a procedure of such an account,
//! can write on a demoted primary without an error.

use std::rc::Rc;

use tokio::time::Instant;

use super::commits::UNSETTLED;
use super::replay::MAX_PRIMARIES;
use crate::backend::ServerError;
use crate::client::{Client, Failure, Request, RequestHead, StatementError};
use crate::net::Runtime;
use crate::session::common::{Outcome, StatementFacts};
use crate::session::fresh::Freshness;
use crate::session::{Context, Session};
use crate::sql::Effects;
use crate::state::{SessionState, Written};
use crate::terms::{Close, Disruption, Role, StatementKind, TraceStep};
use crate::topology::{Flavor, GtidSet, ServerId};
use crate::upstream::{Restored, Upstream};
use crate::wire::ResponseWalker;
use crate::wire::error_code::ER_OPTION_PREVENTS_STATEMENT;
use crate::worker::{Attached, DataAccess};

/// The writes that an answer reports although its server had lost the primary's role by then.
#[derive(Debug, Default)]
pub(in crate::session) struct Late {
    /// The GTIDs that the answer reports.
    set: Option<GtidSet>,
    /// True if one of these GTIDs could not be parsed.
    incomplete: bool,
}

impl Late {
    pub(in crate::session) fn add(&mut self, gtid: &[u8], flavor: Flavor) {
        let set = self.set.get_or_insert(GtidSet::empty(flavor));
        self.incomplete |= set.insert(gtid).is_err();
    }
}

/// The state of the client's answer and of the session before a part of a late answer.
pub(in crate::session) struct BeforeLate {
    seq: u8,
    between: bool,
    pub(in crate::session) written: Written,
}

impl BeforeLate {
    /// Records the state. `written` is what the session had written by then.
    pub(in crate::session) fn of(walker: &ResponseWalker, written: Written) -> Self {
        BeforeLate { seq: walker.client_seq(), between: walker.between_packets(), written }
    }
}

/// Why the client does not get a part of a late answer.
pub(in crate::session) enum NotKept {
    /// The next primary is not known to have the writes that the part acknowledges.
    Doubt {
        /// The sequence id of the error packet that replaces the part.
        seq: u8,
        /// True if the client has no incomplete packet.
        between: bool,
    },
    /// The session ends, or its client has left.
    Stop(StatementError),
}

impl DataAccess {
    /// Returns what a statement can do to the primary's data.
    #[inline]
    pub(in crate::session) fn of(role: Role, request: &RequestHead) -> Self {
        let effects = request.class.effects;
        let parts = Effects::LEAVES_UNKNOWN | Effects::EXECUTES | Effects::COMMITS_IMPLICITLY;
        let runs = request.command.runs_statement();
        match request.class.kind {
            _ if role == Role::Replica || !runs => DataAccess::Reads,
            _ if effects.contains(Effects::CALLS) => DataAccess::Calls,
            StatementKind::Ddl | StatementKind::Unknown => DataAccess::Others,
            kind if kind >= StatementKind::Write && effects.intersects(parts) => DataAccess::Others,
            StatementKind::Write => DataAccess::Writes,
            _ if effects.contains(Effects::ENDS) => DataAccess::Writes,
            _ => DataAccess::Reads,
        }
    }
}

/// The parts of a session that decide about what comes from a server that lost the primary's role.
pub(in crate::session) struct OfDemoted<'s, R: Runtime> {
    pub(in crate::session) context: &'s Rc<Context<R>>,
    pub(in crate::session) client: &'s mut Client<R>,
    pub(in crate::session) upstream: &'s Upstream<R>,
    pub(in crate::session) state: &'s mut SessionState,
}

impl<R: Runtime> OfDemoted<'_, R> {
    /// True if the server in use is no longer the primary, although the session acquired it as the primary.
    #[inline]
    pub(in crate::session) fn is_late(&self) -> bool {
        self.client.handle.servers.attached().is_some_and(|here| {
            self.context.topology.primary() != Some(here.server) && self.context.has_demoted(here)
        })
    }

    /// True if the server in use would execute this write although it is read-only and no longer the primary,
    /// because the account bypasses `read_only`.
    #[inline]
    pub(in crate::session) fn passes_read_only(&self, request: &Request) -> bool {
        self.is_late()
            && !matches!(DataAccess::of(self.upstream.role, request), DataAccess::Reads)
            && self.client.login.as_ref().is_some_and(|login| self.context.passes(&login.user) == Some(true))
            && !self.statement_facts().only_rolls_back(request)
    }

    fn statement_facts(&self) -> StatementFacts<'_, R> {
        StatementFacts { client: self.client, upstream: self.upstream, state: self.state }
    }

    /// Returns the outcome of a statement that a read-only server refused, without sending it. The server
    /// itself refuses the statements of accounts that do not bypass `read_only`.
    pub(in crate::session) fn refused_unsent(&self) -> Outcome {
        let message =
            b"The server is running with the --read-only option so it cannot execute this statement";
        let error = ServerError::new(ER_OPTION_PREVENTS_STATEMENT, message);
        match self.client.handle.servers.attached() {
            Some(here) => Outcome::Refused(error, here.server),
            None => Outcome::Again,
        }
    }

    /// Decides whether the client gets a part of an answer that arrived late.
    pub(in crate::session) async fn settle_late(
        mut self,
        before: Box<BeforeLate>,
        late: Option<Box<Late>>,
        request: &RequestHead,
    ) -> Result<(), NotKept> {
        let BeforeLate { seq, between, written } = *before;
        let later = std::mem::replace(&mut self.state.written, written);
        let step = self.client.begin_step(TraceStep::Fate);
        let kept = self.is_kept(late, request).await;
        self.client.end_step(step);
        match kept {
            Ok(true) => {
                self.state.written.union(later);
                Ok(())
            }
            Ok(false) => Err(NotKept::Doubt { seq, between }),
            Err(stop) => Err(NotKept::Stop(stop)),
        }
    }

    /// Waits for the next primary, and returns true if it has what a late answer acknowledges.
    async fn is_kept(
        &mut self,
        late: Option<Box<Late>>,
        request: &RequestHead,
    ) -> Result<bool, StatementError> {
        let Some(here) = self.client.handle.servers.attached() else { return Ok(true) };
        let late = late.map(|late| *late).unwrap_or_default();
        let access = DataAccess::of(self.upstream.role, request);
        let reported = late.set.filter(|set| !set.is_empty());
        // If a statement runs in several steps, the reported GTIDs need not be all that it wrote.
        let is_all = match access {
            DataAccess::Calls => false,
            DataAccess::Others => request.class.kind == StatementKind::Ddl,
            DataAccess::Reads | DataAccess::Writes => !late.incomplete,
        };
        let position = match reported {
            Some(set) if !is_all || self.is_of_another_history(&set) => return Ok(false),
            Some(set) => Some(set),
            // Nothing was written to a binary log, or the answer does not acknowledge a write.
            None if !self.has_unreported_write(access, here) => return Ok(true),
            None => None,
        };
        let context = self.context.clone();
        let (began, hold) = (self.client.budget.began(), context.live.borrow().failover.hold);
        let mut successor_since = None;
        context.outside.kick_all();
        loop {
            let snapshot = context.topology.get();
            if !snapshot.has_demoted(here.server, here.generation) {
                return Ok(true);
            }
            let mut left = hold.saturating_sub(began.elapsed());
            if let Some(primary) = snapshot.primary() {
                let Some(position) = &position else { return Ok(false) };
                let since = *successor_since.get_or_insert_with(Instant::now);
                let handle = self.client.handle.clone();
                if self.client.unless_ended(context.has_written(primary, position, &handle)).await? {
                    self.acknowledge(position);
                    return Ok(true);
                }
                let receives = primary.replication().is_some();
                left = left.min(UNSETTLED.saturating_sub(since.elapsed()));
                if !receives || left.is_zero() {
                    return Ok(false);
                }
                context.outside.kick(primary.id);
            }
            if left.is_zero() {
                return Ok(false);
            }
            self.client.pause_for_change(left, snapshot.version).await?;
            self.client.budget.spend(began);
        }
    }

    /// Records a write that the client is told of and the new primary has: a later primary must have it, too.
    fn acknowledge(&self, position: &GtidSet) {
        let generation = self.context.topology.generation();
        let text = position.to_string();
        self.context.acknowledged.borrow_mut().add(generation, position.flavor(), Some(text.as_bytes()));
    }

    /// True if the primary had these GTIDs before the statement was sent, or if that is unknown: the binary
    /// log was emptied since then (RESET MASTER), and the numbers began anew.
    fn is_of_another_history(&self, set: &GtidSet) -> bool {
        let before = self.context.commits.position_before(self.client.handle.began.get());
        before.is_none_or(|before| before.contains(set))
    }

    /// True if the statement may have written something whose GTID was not reported: servers do not report
    /// the GTIDs of a procedure.
    fn has_unreported_write(&self, access: DataAccess, here: Attached) -> bool {
        let unreported = !self.context.topology.primary_has_gtids() || self.state.trackers.shown;
        let writes = match access {
            DataAccess::Reads => false,
            DataAccess::Writes => unreported && self.state.answer.affected > 0 && !self.is_bound(here.server),
            // A procedure may run with its definer's rights. For DDL, a server checks `read_only` only before
            // the statement waits for its lock.
            DataAccess::Calls | DataAccess::Others => true,
        };
        writes && !self.state.answer.failed() && !self.state.in_transaction()
    }

    /// True if the server is read-only and the account is known not to bypass `read_only`.
    fn is_bound(&self, server: ServerId) -> bool {
        let bound =
            self.client.login.as_ref().is_some_and(|login| self.context.passes(&login.user) == Some(false));
        let snapshot = self.context.topology.get();
        bound && snapshot.server(server).is_some_and(|found| found.is_up_read_only())
    }
}

impl<R: Runtime> Session<R> {
    /// Replaces an OK packet whose write the next primary lacks, or may lack, by an error, and closes the
    /// connection.
    pub(in crate::session) fn tell_doubt(
        &mut self,
        seq: u8,
        in_packet: bool,
        request: &mut Request,
    ) -> Outcome {
        tracing::warn!(
            id = self.client.handle.id,
            "a former primary acknowledged a write that the new primary is not known to have"
        );
        let role = self.upstream.role;
        self.upstream.server_lost();
        *self.upstream.lost.of_mut(role) = false;
        let leaves = !self.upstream.sent.is_empty();
        self.state.unpin(role, std::mem::take(&mut self.upstream.sent));
        let held = self.state.held(role).is_some();
        self.state.connection_gone(role);
        self.measured.disrupted(&self.context, Disruption::OutcomeUnknown);
        request.consume();
        let stop = match () {
            () if in_packet => StatementError::Close(Close::ServerLost),
            () if held || leaves => StatementError::TellAndClose(Failure::OutcomeUnknown, Close::ServerLost),
            () => StatementError::Tell(Failure::OutcomeUnknown),
        };
        Outcome::Stop(seq, stop)
    }

    /// Makes sure that a statement that was ended on this server left nothing behind: waits for a primary,
    /// and checks there that all tables that the account can write can be rolled back. If `read_only` binds the
    /// account, a read-only server did not let the statement begin, and nothing is checked.
    pub(in crate::session) async fn check_rerun(&mut self, server: ServerId) -> Result<(), StatementError> {
        if self.of_demoted().is_bound(server) {
            return Ok(());
        }
        for _ in 0..MAX_PRIMARIES {
            self.attach(Role::Primary, &Freshness::Unasked).await?;
            let carried = self.state.carried.clone();
            if let Some((connection, prelude)) = self.upstream.with_prelude() {
                connection.become_session(&carried, None, prelude);
            }
            let ready =
                matches!(self.upstream.send_prelude(self.facts().may_leave()).await?, Restored::Ready);
            match if ready { self.not_all_is_transactional().await } else { Some(super::replay::Again::Lost) }
            {
                None => {
                    self.upstream.release_after_statement(&mut self.state);
                    return Ok(());
                }
                Some(super::replay::Again::Lost) => {
                    self.upstream.server_lost();
                    self.upstream.lost.primary = false;
                }
                Some(_) => break,
            }
        }
        self.upstream.server_lost();
        self.upstream.lost.primary = false;
        self.state.connection_gone(Role::Primary);
        self.measured.disrupted(&self.context, Disruption::OutcomeUnknown);
        Err(StatementError::Tell(Failure::OutcomeUnknown))
    }
}
