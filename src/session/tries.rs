//! The tries of a statement that was not executed yet: how many there are, and how long the pauses between them.

use std::time::Duration;

use super::Session;
use super::replies::Ended;
use crate::client::{Failure, Request, StatementError};
use crate::net::{Buf, Runtime};
use crate::terms::Why;

/// Tries of one statement that was never executed, before the client hears of it. Pooled connections to a server that
/// died are found out one by one, some only when they have taken the statement.
pub(super) const MAX_TRIES: u32 = 8;

/// The same where a server refuses the session's state, which no other connection to it will take.
const MAX_REFUSALS: u32 = 4;

/// From the second try in vain on a statement waits this long, twice, three times as long, or for news of the servers: by
/// then what broke with them has been noticed.
const PAUSE: Duration = Duration::from_millis(20);

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
        let most = if self.upstream.state_refused.is_some() { MAX_REFUSALS } else { MAX_TRIES };
        if tries > 1 && tries <= most {
            let version = self.context.topology.version();
            self.client.pause_for_change(PAUSE * (tries - 1), version).await?;
        }
        if tries > most {
            return Err(StatementError::Tell(match self.upstream.state_refused.take() {
                Some(error) => Failure::StateRefused(*error),
                None => Failure::Unreachable("every connection broke".into()),
            }));
        }
        Ok(())
    }
}
