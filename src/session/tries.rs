//! The tries of a statement that was not executed yet.

use super::Session;
use super::replies::Ended;
use crate::client::{Failure, Request, StatementError};
use crate::net::{Buf, Runtime};
use crate::policy::{NextTry, next_try};
use crate::terms::Why;

/// What became of the tries of a statement so far.
#[derive(Default)]
pub(super) struct Tries {
    /// Tries after which nothing was executed.
    pub failed: u32,
    /// Why no replica gets the statement any more.
    pub not_reader: Option<Why>,
}

impl<R: Runtime> Session<R> {
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

    /// A connection that broke before anything was executed leaves nothing to tell but what it held.
    pub(super) async fn pause_before_retry(&mut self, tries: u32) -> Result<(), StatementError> {
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
