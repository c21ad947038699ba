//! Another try of a statement that was not executed, and what must be done before it.

use std::time::Duration;

use super::acquire::StatementError;
use super::exchange::Outcome;
use super::request::Request;
use super::statement::{Ended, Tries};
use super::{Failure, Session};
use crate::net::{Buf, Runtime};
use crate::terms::Disruption;
use crate::terms::Why;

/// Tries of one statement that was never executed, before the client hears of it. Pooled connections to a server that
/// died are found out one by one, some only when they have taken the statement.
pub(super) const MAX_TRIES: u32 = 8;

/// The same where a server refuses the session's state, which no other connection to it will take.
const MAX_REFUSALS: u32 = 4;

/// From the second try in vain on a statement waits this long, twice, three times as long, or for news of the servers: by
/// then what broke with them has been noticed.
const PAUSE: Duration = Duration::from_millis(20);

impl<R: Runtime> Session<R> {
    /// Does what a try asks for that did not end with the statement's answer. Ok if another try is to be made.
    pub(super) async fn follow_up(
        &mut self,
        outcome: Outcome,
        buf: &mut Buf,
        request: &mut Request,
        tries: &mut Tries,
    ) -> Result<(), Ended> {
        match outcome {
            Outcome::Done | Outcome::Overtaken => Ok(()),
            Outcome::NotHere => {
                tries.not_reader = Some(Why::Refused);
                Ok(())
            }
            Outcome::PrepareAgain => {
                request.prepared_anew = true;
                Ok(())
            }
            Outcome::Again => {
                self.count(Disruption::Retried);
                self.retry(buf, *request, tries).await
            }
            Outcome::Refused(error, server) => {
                tries.failed += 1;
                self.refused_first(buf, *request, (error, server), tries.failed).await
            }
            Outcome::Replay => {
                tries.failed += 1;
                self.replay_first(buf, *request, tries.failed > MAX_TRIES).await
            }
            Outcome::NotCommitted => Err(Ended(self.roll_back_instead(buf, *request).await)),
            Outcome::LookUp(seq, lost) => Err(Ended(self.tell_fate(*request, seq, lost).await)),
            Outcome::Stop(seq, stop) => Err(Ended(self.stop(seq, stop).await)),
        }
    }

    /// Begins another try of a statement that was not executed, after a pause that grows.
    pub(super) async fn retry(
        &mut self,
        buf: &mut Buf,
        request: Request,
        tries: &mut Tries,
    ) -> Result<(), Ended> {
        tries.failed += 1;
        match self.pause_before_retry(tries.failed).await {
            Ok(()) => Ok(()),
            Err(stop) => Err(self.end_unsent(buf, request, stop).await),
        }
    }

    /// Ends a statement that was not sent.
    pub(super) async fn end_unsent(
        &mut self,
        buf: &mut Buf,
        request: Request,
        stop: StatementError,
    ) -> Ended {
        Ended(self.skip_and_stop(buf, request, stop).await)
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
}
