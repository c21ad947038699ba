//! The tries of a statement that was not executed yet.

use crate::client::{Failure, Request, StatementError};
use crate::net::Runtime;
use crate::policy::{NextTry, next_try};
use crate::session::Session;
use crate::session::common::StatementEnd;
use crate::session::fresh::Freshness;
use crate::terms::Why;

/// What a statement's tries found out so far.
#[derive(Default)]
pub(in crate::session) struct Tries {
    /// The number of tries in which nothing was executed.
    pub failed: u32,
    /// The reason why the statement must not go to a replica any more. None if it may.
    pub not_replica: Option<Why>,
    /// What is known of the position that its read needs.
    pub freshness: Freshness,
}

impl<R: Runtime> Session<R> {
    /// Counts a failed try, and pauses before the next try (see `policy::next_try`).
    pub(in crate::session) async fn retry(
        &mut self,
        request: &mut Request,
        tries: &mut Tries,
    ) -> Result<(), StatementEnd> {
        tries.failed += 1;
        match self.pause_before_retry(tries.failed).await {
            Ok(()) => Ok(()),
            Err(stop) => Err(self.replies().end_unsent(request, stop).await),
        }
    }

    /// Settles lost connections, and pauses before the next try. Returns an error if the session lost a transaction or
    /// other state with a connection, or if there were too many tries.
    pub(in crate::session) async fn pause_before_retry(&mut self, tries: u32) -> Result<(), StatementError> {
        self.settle_losses().await?;
        match next_try(tries, self.upstream.state_refused.is_some()) {
            NextTry::AtOnce => Ok(()),
            NextTry::After(pause) => {
                let version = self.context.topology.version();
                self.client.pause_for_change(pause, version).await
            }
            NextTry::TooMany => Err(StatementError::Tell(match self.upstream.state_refused.take() {
                Some(error) => Failure::StateRefused(*error),
                None => Failure::Unreachable("every connection broke".into()),
            })),
        }
    }
}
