//! Acquires a connection for a statement from the pool, after earlier losses of connections are settled.

use crate::client::{Failure, Request, StatementError};
use crate::config::Fallback;
use crate::net::{Runtime, turn_time};
use crate::session::Session;
use crate::session::common::StatementEnd;
use crate::session::fresh::{Freshness, Needed};
use crate::session::loss::Tries;
use crate::terms::{Port, Role, Why};

impl<R: Runtime> Session<R> {
    /// Acquires a connection from the pool. Returns false if no replica is available, so that a role must be chosen
    /// again.
    pub(in crate::session) async fn connect_or_replace(
        &mut self,
        role: Role,
        request: &mut Request,
        tries: &mut Tries,
    ) -> Result<bool, StatementEnd> {
        match self.connect(role, request, &tries.freshness).await {
            Ok(None) => return Ok(true),
            Ok(Some(_)) if matches!(tries.freshness, Freshness::Ahead(_)) => {
                // The replica chosen without waiting for the primary's position is not available. The next try asks
                // the primary for its position first.
                self.context.positions.note_activity();
                tries.freshness = Freshness::Unasked;
            }
            Ok(Some(instead)) => tries.not_replica = Some(instead),
            Err(stop) => return Err(self.replies().end_unsent(request, stop).await),
        }
        Ok(false)
    }

    /// Acquires a connection from the pool. Returns None if the session has one now, and otherwise the reason why no
    /// replica is available.
    pub(in crate::session) async fn connect(
        &mut self,
        role: Role,
        request: &Request,
        freshness: &Freshness,
    ) -> Result<Option<Why>, StatementError> {
        // A loop: a transaction that was replayed on the next primary may be lost with that primary, too.
        while self.upstream.lost.primary || self.upstream.lost.replica {
            if self.upstream.lost.primary && self.facts().only_rolls_back(request) {
                self.forget_lost_transaction();
            }
            self.settle_losses().await?;
            if self.upstream.keeps(role) && self.take_for(role, freshness) {
                return Ok(None);
            }
        }
        // While the session waits for one connection, it must not keep the other connection only for diagnostics,
        // which this statement replaces anyway.
        // A statement that keeps the diagnostics waits for a connection to the primary with those on a replica, and never the
        // other way round: no two sessions wait for each other.
        if role == Role::Replica || !self.state.keeps_diagnostics(&request.class) {
            self.upstream.let_diagnostics_go(&mut self.state, role);
        }
        let (began, held) = (turn_time(), self.client.budget.spent());
        let attached = self.attach(role, freshness).await;
        self.measured.waits.pool += self.client.budget.micros_of_other_wait(began, held);
        match attached {
            Ok(()) => self.classifier().judge_again(request).map(|()| None),
            Err(StatementError::Tell(failure))
                if role == Role::Replica
                    && self.client.port == Port::Split
                    && is_of_the_replicas(&failure) =>
            {
                let why = self.reads.why_none(&Needed { written: &self.state.written, freshness });
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
}

/// True if the failure is about replicas only, so that the primary may still serve the statement. A replica that is full, that
/// has not received an account yet, or that blocks this host, refuses connections with an ERR packet.
fn is_of_the_replicas(failure: &Failure) -> bool {
    matches!(failure, Failure::NoReplica | Failure::Unreachable(_) | Failure::Server(_))
}
