//! A connection for a statement, once what was lost before is settled.

use super::Session;
use super::replica_choice::Freshness;
use super::replies::Ended;
use super::tries::Tries;
use crate::client::refusals::is_passing;
use crate::client::{Failure, Request, StatementError};
use crate::config::Fallback;
use crate::net::{Buf, Runtime};
use crate::terms::{Port, Role, Why};

impl<R: Runtime> Session<R> {
    /// Gets a connection from the pool. False if the statement must be placed anew, since no replica can be had.
    pub(super) async fn connect_or_replace(
        &mut self,
        role: Role,
        buf: &mut Buf,
        request: &Request,
        tries: &mut Tries,
    ) -> Result<bool, Ended> {
        match self.connect(role, buf, request).await {
            Ok(None) => return Ok(true),
            Ok(Some(_)) if matches!(self.reads.freshness, Freshness::Ahead(_)) => {
                // Who may answer in its place, the primary's answer tells.
                self.context.positions.note_activity();
                self.reads.freshness = Freshness::Unasked;
            }
            Ok(Some(instead)) => tries.not_reader = Some(instead),
            Err(stop) => return Err(self.end_unsent(buf, *request, stop).await),
        }
        Ok(false)
    }

    /// A connection from the pool. Some: no replica can be had, for this reason.
    pub(super) async fn connect(
        &mut self,
        role: Role,
        buf: &Buf,
        request: &Request,
    ) -> Result<Option<Why>, StatementError> {
        // What was run again on the next primary may be lost with that one, before it is used.
        while self.upstream.lost.writer || self.upstream.lost.reader {
            if self.upstream.lost.writer && self.only_rolls_back(buf, request) {
                self.forget_lost_transaction();
            }
            self.settle_losses().await?;
            if self.upstream.keeps(role) && self.take_for(role) {
                return Ok(None);
            }
        }
        // Who waits for one connection must not keep the other for diagnostics that this statement ends.
        self.upstream.let_diagnostics_go(&mut self.state, role);
        match self.attach(role).await {
            Ok(()) => self.judge_again(buf, request).map(|()| None),
            Err(StatementError::Tell(failure))
                if role == Role::Reader
                    && self.client.port == Port::Split
                    && is_of_the_replicas(&failure) =>
            {
                let why = self.reads.why_none(&self.state.written);
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

/// Whether no replica could be had, for reasons that say nothing of the primary. One that is full refuses with an ERR packet.
fn is_of_the_replicas(failure: &Failure) -> bool {
    match failure {
        Failure::NoReplica | Failure::Unreachable(_) => true,
        Failure::Server(error) => is_passing(error),
        _ => false,
    }
}
