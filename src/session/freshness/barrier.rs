//! Finds out what a read must see before it may go to a replica, and a replica that has it. At `strong`, it must know how far
//! the primary is, asked after the read arrived. At `session` the same, if the session could otherwise see less than
//! before: after it read from the primary, or if it is about to read from another replica than last time. A
//! session that only wrote knows the position of its writes, and asks nobody.

use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

use super::replica_choice::Reads;
use crate::client::{Client, Failure, StatementError};
use crate::net::Runtime;
use crate::positions::{PositionAnswer, Wait, is_galera, tells_positions};
use crate::session::context::Context;
use crate::session::fresh::{Freshness, Needed};
use crate::session::observe::Measured;
use crate::state::{SessionState, Written};
use crate::telemetry::Counted;
use crate::terms::{Disruption, Fresh, Role};
use crate::topology::{GtidSet, Server, Snapshot};
use crate::upstream::Upstream;

/// The barrier in front of one read, with what it needs of the session.
pub struct Barrier<'s, R: Runtime> {
    pub context: Rc<Context<R>>,
    pub client: &'s mut Client<R>,
    pub upstream: &'s mut Upstream<R>,
    pub state: &'s mut SessionState,
    pub measured: &'s mut Measured,
    pub reads: &'s mut Reads<R>,
    /// True if any server may answer the read, even if the session keeps a connection on a replica.
    pub is_free: bool,
    /// When the read came to the barrier.
    pub began: Instant,
}

/// What the barrier found.
pub struct FreshRead {
    pub freshness: Freshness,
    /// How the read came to be fresh. None: nothing was to be found out.
    pub outcome: Option<Fresh>,
}

impl<R: Runtime> Barrier<'_, R> {
    /// Finds out what the read must see, and a replica that has it. `only_wrote`: the session has seen no data but its own
    /// writes, so that their position will do.
    pub async fn pass(&mut self, only_wrote: bool) -> Result<FreshRead, StatementError> {
        let known = if only_wrote { self.has_own_writes().await? } else { None };
        match known {
            Some(known) => Ok(known),
            None => self.asks_primary().await,
        }
    }

    async fn asks_primary(&mut self) -> Result<FreshRead, StatementError> {
        if matches!(self.state.written, Written::Unknown) {
            return self.divert(None).await;
        }
        let context = self.context.clone();
        let (mut patience, mut held) = (None, false);
        loop {
            let snapshot = context.topology.get();
            let primary = match snapshot.primary() {
                Some(_) if snapshot.servers.len() < 2 => {
                    return Ok(FreshRead { freshness: Freshness::Primary, outcome: None });
                }
                Some(primary) => primary,
                None if snapshot.maintenance.read_only => {
                    // While maintenance keeps the servers read-only, nobody writes: the last probe of the
                    // last primary has the position.
                    let last = snapshot.last_primary.and_then(|last| snapshot.server(last));
                    let last = last.filter(|last| last.is_up_read_only() && tells_positions(last));
                    let position = last.and_then(|last| last.facts.as_ref()).map(|facts| &facts.gtid);
                    return match position.filter(|position| !position.is_empty()) {
                        Some(position) => self.find(Rc::new((**position).clone())).await,
                        None => Ok(FreshRead { freshness: Freshness::Unasked, outcome: None }),
                    };
                }
                None => {
                    if !std::mem::replace(&mut held, true) {
                        self.measured.disrupted(&context, Disruption::Held);
                        context.outside.kick_all();
                    }
                    self.client.wait_for_change(snapshot.version).await?;
                    continue;
                }
            };
            if is_galera(primary) {
                return self.ask_galera(&snapshot).await;
            }
            if !tells_positions(primary) {
                return self.divert(None).await;
            }
            match self.client.unless_ended(context.positions.primary_position(primary.id)).await? {
                PositionAnswer::Position { position, pending } => {
                    let known = Instant::now();
                    let found = self.find(position.clone()).await?;
                    // A read that has waited in vain for a replica has given the primary that time to finish
                    // its commits, too.
                    let has_waited = known.elapsed() * 2 > context.live.borrow().consistency.max_wait;
                    if let Some(pending) = pending
                        && !has_waited
                        && !matches!(found.outcome, Some(Fresh::There | Fresh::Waited))
                        && !context.positions.is_behind(primary, &snapshot)
                    {
                        self.client
                            .unless_ended(context.positions.shows(primary.id, &position, &pending))
                            .await?;
                    }
                    return Ok(found);
                }
                PositionAnswer::Untold => return self.divert(None).await,
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
                return self.divert(None).await;
            }
            self.client.pause_for_change(left.min(Duration::from_millis(20)), snapshot.version).await?;
        }
    }

    /// Passes the barrier at `session` for a session that only wrote, since the position of its writes is
    /// known without a question: waits until a replica has these writes. If the session has read from a
    /// replica, only that one will do. None: the primary must be asked.
    async fn has_own_writes(&mut self) -> Result<Option<FreshRead>, StatementError> {
        let context = self.context.clone();
        let snapshot = context.topology.get();
        self.reads.forget_writes(&mut self.state.written, &snapshot);
        let Written::These(written) = &self.state.written else {
            return Ok(Some(FreshRead { freshness: Freshness::Unasked, outcome: None }));
        };
        let position = Rc::new((**written).clone());
        let Some(replica) = self.reads.seen.replica else {
            return self.find(position).await.map(Some);
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
        Ok(Some(FreshRead { freshness: Freshness::On(replica), outcome: Some(outcome) }))
    }

    /// Finds a replica that has this position or reaches it in time, else diverts the read to the primary.
    async fn find(&mut self, position: Rc<GtidSet>) -> Result<FreshRead, StatementError> {
        if let Written::These(written) = &self.state.written
            && !position.contains(written)
        {
            // The primary does not have the session's writes, so no replica can have them.
            return self.divert(None).await;
        }
        let context = self.context.clone();
        let snapshot = context.topology.get();
        let there =
            Ok(FreshRead { freshness: Freshness::Position(position.clone()), outcome: Some(Fresh::There) });
        let freshness = Freshness::Position(position.clone());
        let kept = self.upstream.kept_on(Role::Replica);
        if let Some(kept) = kept.and_then(|id| snapshot.server(id)) {
            if context.positions.has(kept, &position, &snapshot) {
                return there;
            }
            if !self.upstream.let_replica_go(self.state) {
                return self.find_kept(position, kept).await;
            }
        }
        let needed = Needed { written: &self.state.written, freshness: &freshness };
        if self.reads.choose_fresh(&needed, &snapshot) {
            return there;
        }
        if snapshot.replicas().next().is_none() {
            self.reads.replica = None;
            return Ok(FreshRead { freshness: Freshness::Primary, outcome: None });
        }
        if self.wait_for_a_replica(&position).await? {
            return Ok(FreshRead { freshness: Freshness::Position(position), outcome: Some(Fresh::Waited) });
        }
        context.positions.try_newcomers(&position, &context.topology.get());
        self.divert(Some(position)).await
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
            let freshness = Freshness::Position(position.clone());
            let needed = Needed { written: &self.state.written, freshness: &freshness };
            if self.reads.choose_fresh(&needed, &context.topology.get()) {
                return Ok(true);
            }
        }
    }

    /// Waits for the replica on which the session keeps a connection. A read that can do without that
    /// connection is diverted to the primary if the replica does not reach the position in time.
    async fn find_kept(&mut self, position: Rc<GtidSet>, kept: &Server) -> Result<FreshRead, StatementError> {
        let context = self.context.clone();
        let may_leave = self.is_free;
        let queue = context.live.borrow().limits.queue_timeout;
        let waiting = Counted::on(&context.metrics.waiting_for_replica);
        loop {
            let snapshot = context.topology.get();
            if may_leave && context.positions.is_in_vain(kept, &position, &snapshot) {
                break;
            }
            if self.client.unless_ended(context.positions.reaches(kept.id, &position)).await? {
                return Ok(FreshRead {
                    freshness: Freshness::Position(position),
                    outcome: Some(Fresh::Waited),
                });
            }
            if may_leave {
                break;
            }
            // No other server can answer this statement.
            if self.began.elapsed() >= queue {
                return Err(StatementError::Tell(Failure::AllBehind(self.began.elapsed())));
            }
            // Pauses, so that a server that refuses the question is not asked in a tight loop.
            self.client.pause_for_change(Duration::from_millis(20), snapshot.version).await?;
        }
        drop(waiting);
        self.divert(Some(position)).await
    }

    /// Passes the barrier on a Galera cluster: asks one node whether it has applied all that the cluster
    /// agreed on. If it has not, the read is diverted to the primary.
    async fn ask_galera(&mut self, snapshot: &Snapshot) -> Result<FreshRead, StatementError> {
        let context = self.context.clone();
        let kept = self.upstream.kept_on(Role::Replica);
        let node = kept.or_else(|| self.reads.worth_waiting_for(snapshot, None));
        let Some(node) = node else {
            self.reads.replica = None;
            return Ok(FreshRead { freshness: Freshness::Primary, outcome: None });
        };
        let mut in_step = self.client.unless_ended(context.positions.is_in_step(node)).await?;
        if kept.is_some() && !self.is_free {
            // No other server can answer this statement.
            let queue = context.live.borrow().limits.queue_timeout;
            while !in_step && self.began.elapsed() < queue {
                self.client.pause_for_change(Duration::from_millis(20), context.topology.version()).await?;
                in_step = self.client.unless_ended(context.positions.is_in_step(node)).await?;
            }
            if !in_step {
                return Err(StatementError::Tell(Failure::AllBehind(self.began.elapsed())));
            }
        }
        if in_step {
            (self.reads.replica, self.reads.chosen_at) = (Some(node), snapshot.roles_version);
            return Ok(FreshRead { freshness: Freshness::On(node), outcome: Some(Fresh::Waited) });
        }
        self.divert(None).await
    }

    /// Lets the primary answer, unless it has many such reads already. Then waits until one of these is done
    /// or a replica has the position, at most `limits.queue_timeout`.
    async fn divert(&mut self, position: Option<Rc<GtidSet>>) -> Result<FreshRead, StatementError> {
        let context = self.context.clone();
        loop {
            if let Some(diverted) = context.divert() {
                return Ok(FreshRead {
                    freshness: Freshness::Diverted(diverted),
                    outcome: Some(Fresh::Primary),
                });
            }
            let (queue, wait) = {
                let live = context.live.borrow();
                (live.limits.queue_timeout, live.consistency.max_wait)
            };
            if self.began.elapsed() > queue {
                return Err(StatementError::Tell(Failure::AllBehind(self.began.elapsed())));
            }
            let waiting = Counted::on(&context.metrics.waiting_for_replica);
            let one_less = context.diversions.one_less.notified();
            let pause = wait.max(Duration::from_millis(1));
            self.client.unless_ended(context.runtime.timeout(pause, one_less)).await?;
            drop(waiting);
            if let Some(position) = &position {
                let freshness = Freshness::Position(position.clone());
                let needed = Needed { written: &self.state.written, freshness: &freshness };
                if self.reads.choose_fresh(&needed, &context.topology.get()) {
                    return Ok(FreshRead { freshness, outcome: Some(Fresh::Waited) });
                }
            }
        }
    }
}
