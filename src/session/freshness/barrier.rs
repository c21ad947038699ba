//! Decides what a read must know before it may go to a replica. At `strong`, it must know how far the primary
//! is, asked after the read arrived. At `session` the same, if the session could otherwise see less than
//! before: after it read from the primary, or if it is about to read from another replica than last time. A
//! session that only wrote knows the position of its writes, and asks nobody.

use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

use super::replica_choice::{AnsweringServers, half};
use crate::client::{Failure, Request, RequestHead, StatementError};
use crate::config::{Fallback, Level};
use crate::net::{Runtime, turn_time};
use crate::policy::{Act, Reading};
use crate::positions::{PositionAnswer, Wait, is_galera, tells_positions};
use crate::session::Session;
use crate::session::common::StatementEnd;
use crate::session::fresh::Freshness;
use crate::sql::Effects;
use crate::state::Written;
use crate::telemetry::Counted;
use crate::terms::{Disruption, Fresh, Pin, Port, Role, StatementKind, TraceStep, Why};
use crate::topology::{Flavor, GtidSet, Server, Snapshot};
use crate::wire::Command;

/// The effects of statements whose answer does not depend on any position: those that only the connection of the last
/// statement can answer, and those that read no table.
const WITHOUT_POSITION: Effects = Effects::READS_DIAGNOSTICS
    .union(Effects::READS_ROW_COUNT)
    .union(Effects::READS_FOUND_ROWS)
    .union(Effects::READS_NO_TABLE);

impl<R: Runtime> Session<R> {
    /// True if this statement, which a replica should run, must pass the barrier first.
    #[inline]
    pub(in crate::session) fn must_ask(&self, why: Why, request: &RequestHead) -> bool {
        // Most statements are done here: at weaker levels nothing else is looked at.
        if self.reads.level > Level::Session {
            return false;
        }
        let effects = request.class.effects;
        // The tables of a COM_STMT_PREPARE or a COM_FIELD_LIST must have reached the replica, too.
        let names_tables = matches!(
            request.command,
            Command::Query | Command::StmtExecute | Command::StmtPrepare | Command::FieldList
        );
        let act = match request.class.kind {
            _ if !names_tables || why == Why::LooksBack || effects.intersects(WITHOUT_POSITION) => {
                Act::Nothing
            }
            StatementKind::Session => Act::Nothing,
            _ if effects.intersects(Effects::BEGINS | Effects::BEGINS_READ_ONLY) => Act::Begins,
            StatementKind::Transaction => Act::Controls,
            _ => Act::Reads,
        };
        let reading = Reading {
            level: self.reads.level,
            asked: !matches!(self.reads.freshness, Freshness::Unasked),
            act,
            inside: why == Why::Transaction || self.state.pins.on(Role::Replica).has(Pin::Transaction),
            could_go_back: self.reads.level == Level::Session && self.reads.could_go_back(),
            wrote: self.wrote_of_late(),
        };
        reading.needs_position()
    }

    /// True if the session has writes with known GTIDs that replicas may lack.
    #[inline]
    fn wrote_of_late(&self) -> bool {
        self.client.port == Port::Split && matches!(self.state.written, Written::These(_))
    }

    /// Records which server's data the session has seen, once a statement was answered.
    #[inline]
    pub(in crate::session) fn note_seen_position(&mut self) {
        let Some(attached) = self.client.handle.servers.attached.get() else { return };
        let on_primary = self.context.topology.primary() == Some(attached.server);
        if on_primary && matches!(self.reads.freshness, Freshness::Diverted(_)) {
            // The next read looks for a replica again.
            self.reads.replica = None;
        }
        if self.upstream.role == Role::Replica && !on_primary {
            let roles = self.context.topology.versions().roles;
            let chosen = self.reads.replica == Some(attached.server);
            let roles = if chosen { self.reads.chosen_at } else { roles };
            let seen =
                AnsweringServers { replica: Some(attached.server), roles: half(roles), primary: false };
            if self.reads.level > Level::Session
                && (self.reads.seen.primary || self.reads.seen.replica.is_some())
            {
                // A read at a weaker level does not pass the barrier: on another replica it may have seen
                // more than the reads before it, or less.
                let same = (self.reads.seen.replica, self.reads.seen.roles) == (seen.replica, seen.roles);
                self.reads.seen.primary |= !same;
            } else {
                self.reads.seen = seen;
            }
        } else if self.state.answer.rows {
            self.reads.seen.primary = true;
        }
    }

    /// Passes the barrier and chooses the server that answers. Returns a reason if the read was diverted to
    /// the primary.
    pub(in crate::session) async fn pass_barrier(
        &mut self,
        request: &RequestHead,
    ) -> Result<Option<Why>, StatementError> {
        let (began, held) = (turn_time(), self.client.budget.spent());
        let step = self.client.begin_step(TraceStep::Barrier);
        let only_wrote = self.reads.level == Level::Session && !self.reads.could_go_back();
        self.reads.number = self.reads.number.wrapping_add(1);
        if self.reads.number == 0 {
            // As for reads without a barrier: chooses anew now and then, so that long sessions are spread
            // over the replicas.
            self.reads.replica = None;
        }
        let context = self.context.clone();
        let at_barrier = Counted::on(&context.at_barrier);
        let known = if only_wrote { self.has_own_writes(began, request).await? } else { None };
        let (freshness, outcome) = match known {
            Some(known) => known,
            None => self.freshness(began, request).await?,
        };
        drop(at_barrier);
        let us = self.waited(began, held);
        let metrics = &self.context.metrics;
        metrics.consistency_wait.observe_us(us);
        self.measured.waits.position += us;
        if let Some(outcome) = outcome {
            metrics.fresh_reads.at(self.reads.level as usize, outcome).add(1);
        }
        let diverts = outcome == Some(Fresh::Primary);
        self.reads.freshness = freshness;
        self.end_barrier(step, outcome);
        if diverts && self.client.port == Port::Split {
            return Ok(Some(Why::NotFresh));
        }
        if diverts {
            // On a replica port the primary serves like a replica, if `replicas.fallback` allows it.
            let snapshot = self.context.topology.get();
            let fallback = self.context.live.borrow().replicas.fallback;
            if fallback == Fallback::None {
                return Err(StatementError::Tell(Failure::NoReplica));
            }
            (self.reads.replica, self.reads.chosen_at) = (snapshot.primary, snapshot.roles_version);
        }
        Ok(None)
    }

    async fn freshness(
        &mut self,
        began: Instant,
        request: &RequestHead,
    ) -> Result<(Freshness, Option<Fresh>), StatementError> {
        if matches!(self.state.written, Written::Unknown) {
            return self.divert(began, None).await;
        }
        let context = self.context.clone();
        let (mut patience, mut held) = (None, false);
        loop {
            let snapshot = context.topology.get();
            let primary = match snapshot.primary() {
                Some(_) if snapshot.servers.len() < 2 => return Ok((Freshness::Primary, None)),
                Some(primary) => primary,
                None if snapshot.maintenance.read_only => {
                    // While maintenance keeps the servers read-only, nobody writes: the last probe of the
                    // last primary has the position.
                    let last = snapshot.last_primary.and_then(|last| snapshot.server(last));
                    let last = last.filter(|last| last.is_up_read_only() && tells_positions(last));
                    let position = last.and_then(|last| last.facts.as_ref()).map(|facts| &facts.gtid);
                    return match position.filter(|position| !position.is_empty()) {
                        Some(position) => self.find(began, Rc::new((**position).clone()), request).await,
                        None => Ok((Freshness::Unasked, None)),
                    };
                }
                None => {
                    if !std::mem::replace(&mut held, true) {
                        self.disrupted(Disruption::Held);
                        context.outside.kick_all();
                    }
                    self.client.wait_for_change(snapshot.version).await?;
                    continue;
                }
            };
            if is_galera(primary) {
                return self.ask_galera(began, &snapshot, request).await;
            }
            if !tells_positions(primary) {
                return self.divert(began, None).await;
            }
            match self.client.unless_ended(context.positions.primary_position(primary.id)).await? {
                PositionAnswer::Position { position, pending } => {
                    let known = Instant::now();
                    let found = self.find(began, position.clone(), request).await?;
                    // A read that has waited in vain for a replica has given the primary that time to finish
                    // its commits, too.
                    let has_waited = known.elapsed() * 2 > context.live.borrow().consistency.max_wait;
                    if let Some(pending) = pending
                        && !has_waited
                        && !matches!(found.1, Some(Fresh::There | Fresh::Waited))
                        && !context.positions.is_behind(primary, &snapshot)
                    {
                        self.client
                            .unless_ended(context.positions.shows(primary.id, &position, &pending))
                            .await?;
                    }
                    return Ok(found);
                }
                PositionAnswer::Untold => return self.divert(began, None).await,
                PositionAnswer::Reached | PositionAnswer::Unseen | PositionAnswer::Unknown => {}
            }
            // The next probes show whether the server is still the primary. If it still is after this time,
            // the primary answers the read itself.
            let give_up = *patience.get_or_insert_with(|| {
                let interval = context.live.borrow().monitor.interval;
                Instant::now() + (interval * 3).max(Duration::from_millis(300))
            });
            let left = give_up.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return self.divert(began, None).await;
            }
            self.client.pause_for_change(left.min(Duration::from_millis(20)), snapshot.version).await?;
        }
    }

    /// Passes the barrier at `session` for a session that only wrote, since the position of its writes is
    /// known without a question: waits until a replica has these writes. If the session has read from a
    /// replica, only that one will do. None: the primary must be asked.
    async fn has_own_writes(
        &mut self,
        began: Instant,
        request: &RequestHead,
    ) -> Result<Option<(Freshness, Option<Fresh>)>, StatementError> {
        let context = self.context.clone();
        let snapshot = context.topology.get();
        self.reads.forget_writes(&mut self.state.written, &snapshot);
        let Written::These(written) = &self.state.written else {
            return Ok(Some((Freshness::Unasked, None)));
        };
        let position = Rc::new((**written).clone());
        let Some(replica) = self.reads.seen.replica else {
            return self.find(began, position, request).await.map(Some);
        };
        // Another replica may have the session's writes, and still lack what its reads have seen.
        let kept = self.upstream.kept_on(Role::Replica);
        let server = snapshot.server(replica).filter(|server| server.serves_reads && server.weight > 0);
        let Some(server) = server.filter(|_| kept.is_none_or(|kept| kept == replica)) else {
            return Ok(None);
        };
        let mut outcome = Fresh::There;
        if !context.positions.has(server, &position, &snapshot) {
            outcome = Fresh::Waited;
            if context.positions.is_in_vain(server, &position, &snapshot)
                || !self.client.unless_ended(context.positions.reaches(replica, &position)).await?
            {
                return Ok(None);
            }
        }
        (self.reads.replica, self.reads.chosen_at) = (Some(replica), snapshot.roles_version);
        Ok(Some((Freshness::On(replica), Some(outcome))))
    }

    /// Prepares a read for the primary because a replica that had its position could not answer. Replicas may
    /// already show what the primary is still committing, so this waits until the primary shows it, too, as
    /// for diverted reads.
    pub(in crate::session) async fn comes_from_a_replica(
        &mut self,
        request: &mut Request,
    ) -> Result<(), StatementEnd> {
        let Freshness::Position(position) = std::mem::replace(&mut self.reads.freshness, Freshness::Primary)
        else {
            return Ok(());
        };
        let context = self.context.clone();
        let snapshot = context.topology.get();
        // MariaDB does not report what it is committing.
        let primary = snapshot.primary().filter(|_| position.flavor() == Flavor::MySql);
        let Some(primary) = primary.filter(|primary| !context.positions.is_behind(primary, &snapshot)) else {
            return Ok(());
        };
        let shows = async {
            if let PositionAnswer::Position { position, pending: Some(pending) } =
                context.positions.primary_position(primary.id).await
            {
                context.positions.shows(primary.id, &position, &pending).await;
            }
        };
        let step = self.client.begin_step(TraceStep::Barrier);
        let shown = self.client.unless_ended(shows).await;
        self.client.end_step(step);
        match shown {
            Ok(()) => Ok(()),
            Err(stop) => Err(self.end_unsent(request, stop).await),
        }
    }

    /// True if this read must go to the primary, because the connection that is kept on a replica (for a
    /// cursor or the like) lacks what the read must see.
    #[inline]
    pub(in crate::session) fn keeps_behind(&self, request: &RequestHead) -> bool {
        let nothing = matches!(self.state.written, Written::Nothing);
        if (nothing && matches!(self.reads.freshness, Freshness::Unasked)) || self.client.port != Port::Split
        {
            return false;
        }
        let own_writes = self.reads.level.needs_own_writes();
        let Some(server) = self.upstream.kept_on(Role::Replica) else { return false };
        own_writes && self.is_free(request) && {
            let snapshot = self.context.topology.get();
            snapshot
                .server(server)
                .is_some_and(|server| !self.reads.is_fresh(&self.state.written, server, &snapshot))
        }
    }

    /// Finds a replica that has this position or reaches it in time, else diverts the read to the primary.
    async fn find(
        &mut self,
        began: Instant,
        position: Rc<GtidSet>,
        request: &RequestHead,
    ) -> Result<(Freshness, Option<Fresh>), StatementError> {
        if let Written::These(written) = &self.state.written
            && !position.contains(written)
        {
            // The primary does not have the session's writes, so no replica can have them.
            return self.divert(began, None).await;
        }
        let context = self.context.clone();
        let snapshot = context.topology.get();
        let there = Ok((Freshness::Position(position.clone()), Some(Fresh::There)));
        self.reads.freshness = Freshness::Position(position.clone());
        let kept = self.upstream.kept_on(Role::Replica);
        if let Some(kept) = kept.and_then(|id| snapshot.server(id)) {
            if context.positions.has(kept, &position, &snapshot) {
                return there;
            }
            if !self.upstream.let_replica_go(&mut self.state) {
                return self.find_kept(began, position, kept, request).await;
            }
        }
        if self.reads.choose_fresh(&self.state.written, &snapshot) {
            return there;
        }
        if snapshot.replicas().next().is_none() {
            self.reads.replica = None;
            return Ok((Freshness::Primary, None));
        }
        if self.wait_for_a_replica(&position).await? {
            return Ok((Freshness::Position(position), Some(Fresh::Waited)));
        }
        context.positions.try_newcomers(&position, &context.topology.get());
        self.divert(began, Some(position)).await
    }

    /// Chooses a replica that reaches this position within `consistency.max_wait`. Returns false if there is none.
    async fn wait_for_a_replica(&mut self, position: &Rc<GtidSet>) -> Result<bool, StatementError> {
        let context = self.context.clone();
        let until = Instant::now() + context.live.borrow().consistency.max_wait;
        loop {
            let snapshot = context.topology.get();
            let Some(server) = self.reads.worth_waiting_for(&snapshot, Some(position)) else {
                return Ok(false);
            };
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            let waited = if self.reads.has_no_primary() {
                self.client.unless_ended(context.positions.reaches(server, position)).await?
            } else {
                let reaches = context.positions.reaches_while_it_can(left, server, position);
                match self.client.unless_ended(reaches).await? {
                    Wait::Reached => true,
                    // Another replica may still be worth a wait.
                    Wait::Late | Wait::InVain => continue,
                }
            };
            if !waited {
                return Ok(false);
            }
            // If the roles changed meanwhile, the server may not be a replica any more, and its answer counts no more.
            if context.topology.versions().roles == snapshot.roles_version {
                (self.reads.replica, self.reads.chosen_at) = (Some(server), snapshot.roles_version);
                return Ok(true);
            }
            if self.reads.choose_fresh(&self.state.written, &context.topology.get()) {
                return Ok(true);
            }
        }
    }

    /// Waits for the replica on which the session keeps a connection. A read that can do without that
    /// connection is diverted to the primary if the replica does not reach the position in time.
    async fn find_kept(
        &mut self,
        began: Instant,
        position: Rc<GtidSet>,
        kept: &Server,
        request: &RequestHead,
    ) -> Result<(Freshness, Option<Fresh>), StatementError> {
        let context = self.context.clone();
        let may_leave = self.is_free(request);
        let queue = context.live.borrow().limits.queue_timeout;
        let waiting = Counted::on(&context.metrics.waiting_for_replica);
        loop {
            let snapshot = context.topology.get();
            if may_leave && context.positions.is_in_vain(kept, &position, &snapshot) {
                break;
            }
            if self.client.unless_ended(context.positions.reaches(kept.id, &position)).await? {
                return Ok((Freshness::Position(position), Some(Fresh::Waited)));
            }
            if may_leave {
                break;
            }
            // No other server can answer this statement.
            if began.elapsed() >= queue {
                return Err(StatementError::Tell(Failure::AllBehind(began.elapsed())));
            }
            // Pauses, so that a server that refuses the question is not asked in a tight loop.
            self.client.pause_for_change(Duration::from_millis(20), snapshot.version).await?;
        }
        drop(waiting);
        self.divert(began, Some(position)).await
    }

    /// Passes the barrier on a Galera cluster: asks one node whether it has applied all that the cluster
    /// agreed on. If it has not, the read is diverted to the primary.
    async fn ask_galera(
        &mut self,
        began: Instant,
        snapshot: &Snapshot,
        request: &RequestHead,
    ) -> Result<(Freshness, Option<Fresh>), StatementError> {
        let context = self.context.clone();
        let kept = self.upstream.kept_on(Role::Replica);
        let node = kept.or_else(|| self.reads.worth_waiting_for(snapshot, None));
        let Some(node) = node else {
            self.reads.replica = None;
            return Ok((Freshness::Primary, None));
        };
        let mut in_step = self.client.unless_ended(context.positions.is_in_step(node)).await?;
        if kept.is_some() && !self.is_free(request) {
            // No other server can answer this statement.
            let queue = context.live.borrow().limits.queue_timeout;
            while !in_step && began.elapsed() < queue {
                self.client.pause_for_change(Duration::from_millis(20), context.topology.version()).await?;
                in_step = self.client.unless_ended(context.positions.is_in_step(node)).await?;
            }
            if !in_step {
                return Err(StatementError::Tell(Failure::AllBehind(began.elapsed())));
            }
        }
        if in_step {
            (self.reads.replica, self.reads.chosen_at) = (Some(node), snapshot.roles_version);
            return Ok((Freshness::On(node), Some(Fresh::Waited)));
        }
        self.divert(began, None).await
    }

    /// Lets the primary answer, unless it has many such reads already. Then waits until one of these is done
    /// or a replica has the position, at most `limits.queue_timeout`.
    async fn divert(
        &mut self,
        began: Instant,
        position: Option<Rc<GtidSet>>,
    ) -> Result<(Freshness, Option<Fresh>), StatementError> {
        let context = self.context.clone();
        loop {
            if let Some(diverted) = context.divert() {
                return Ok((Freshness::Diverted(diverted), Some(Fresh::Primary)));
            }
            let (queue, wait) = {
                let live = context.live.borrow();
                (live.limits.queue_timeout, live.consistency.max_wait)
            };
            if began.elapsed() > queue {
                return Err(StatementError::Tell(Failure::AllBehind(began.elapsed())));
            }
            let waiting = Counted::on(&context.metrics.waiting_for_replica);
            let one_less = context.diversions.one_less.notified();
            let pause = wait.max(Duration::from_millis(1));
            self.client.unless_ended(context.runtime.timeout(pause, one_less)).await?;
            drop(waiting);
            if let Some(position) = &position {
                self.reads.freshness = Freshness::Position(position.clone());
                if self.reads.choose_fresh(&self.state.written, &context.topology.get()) {
                    return Ok((Freshness::Position(position.clone()), Some(Fresh::Waited)));
                }
            }
        }
    }

    /// Passes the barrier, and ends the statement with an error if that fails.
    pub(in crate::session) async fn barrier_first(
        &mut self,
        request: &mut Request,
    ) -> Result<Option<Why>, StatementEnd> {
        match self.pass_barrier(request).await {
            Ok(why) => Ok(why),
            Err(stop) => Err(self.end_unsent(request, stop).await),
        }
    }
}
