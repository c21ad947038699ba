//! The session at the barrier: which of its reads must pass it, and what the barrier found for them.

use super::barrier::{Barrier, FreshRead};
use crate::client::{Failure, Request, RequestHead, StatementError};
use crate::config::{Fallback, Level};
use crate::net::{Runtime, turn_time};
use crate::positions::PositionAnswer;
use crate::session::Session;
use crate::session::common::StatementEnd;
use crate::session::fresh::{Freshness, Needed};
use crate::state::Written;
use crate::telemetry::Counted;
use crate::terms::{Fresh, Port, Role, TraceStep, Why};
use crate::topology::Flavor;

/// What a read needs, now that it passed the barrier.
pub(in crate::session) struct Passed {
    pub freshness: Freshness,
    /// Why the primary must answer instead of a replica; None if a replica may.
    pub instead: Option<Why>,
}

impl<R: Runtime> Session<R> {
    /// Passes the barrier and chooses the server that answers.
    async fn pass_barrier(&mut self, request: &RequestHead) -> Result<Passed, StatementError> {
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
        let is_free = self.facts().is_free(request);
        let mut barrier = Barrier {
            context: context.clone(),
            client: &mut self.client,
            upstream: &mut self.upstream,
            state: &mut self.state,
            measured: &mut self.measured,
            reads: &mut self.reads,
            is_free,
            began,
        };
        let FreshRead { freshness, outcome } = barrier.pass(only_wrote).await?;
        drop(at_barrier);
        let us = self.client.budget.micros_of_other_wait(began, held);
        let metrics = &self.context.metrics;
        metrics.consistency_wait.observe_us(us);
        self.measured.waits.position += us;
        if let Some(outcome) = outcome {
            metrics.fresh_reads.at(self.reads.level as usize, outcome).add(1);
        }
        if self.client.trace.is_some() {
            let replica = self.reads.replica;
            self.observation().end_barrier(step, &freshness, replica, outcome);
        }
        let diverts = outcome == Some(Fresh::Primary);
        if diverts && self.client.port == Port::Split {
            return Ok(Passed { freshness, instead: Some(Why::NotFresh) });
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
        Ok(Passed { freshness, instead: None })
    }

    /// Prepares a read for the primary because a replica that had its position could not answer. Replicas may
    /// already show what the primary is still committing, so this waits until the primary shows it, too, as
    /// for diverted reads.
    pub(in crate::session) async fn comes_from_a_replica(
        &mut self,
        request: &mut Request,
        freshness: &mut Freshness,
    ) -> Result<(), StatementEnd> {
        let Freshness::Position(position) = std::mem::replace(freshness, Freshness::Primary) else {
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
            Err(stop) => Err(self.replies().end_unsent(request, stop).await),
        }
    }

    /// True if this read must go to the primary, because the connection that is kept on a replica (for a
    /// cursor or the like) lacks what the read must see.
    #[inline]
    pub(in crate::session) fn keeps_behind(&self, request: &RequestHead, freshness: &Freshness) -> bool {
        let nothing = matches!(self.state.written, Written::Nothing);
        if (nothing && matches!(freshness, Freshness::Unasked)) || self.client.port != Port::Split {
            return false;
        }
        let own_writes = self.reads.level.needs_own_writes();
        let Some(server) = self.upstream.kept_on(Role::Replica) else { return false };
        own_writes && self.facts().is_free(request) && {
            let snapshot = self.context.topology.get();
            snapshot.server(server).is_some_and(|server| {
                !self.reads.is_fresh(&Needed { written: &self.state.written, freshness }, server, &snapshot)
            })
        }
    }

    /// Passes the barrier, and ends the statement with an error if that fails.
    pub(in crate::session) async fn barrier_first(
        &mut self,
        request: &mut Request,
    ) -> Result<Passed, StatementEnd> {
        match self.pass_barrier(request).await {
            Ok(passed) => Ok(passed),
            Err(stop) => Err(self.replies().end_unsent(request, stop).await),
        }
    }
}
