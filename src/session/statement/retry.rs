//! What the proxy does between two tries of a statement.

use crate::client::Request;
use crate::net::Runtime;
use crate::policy::MAX_TRIES;
use crate::session::Session;
use crate::session::common::Outcome;
use crate::session::common::StatementEnd;
use crate::session::loss::Tries;
use crate::terms::{Disruption, Why};

impl<R: Runtime> Session<R> {
    /// Handles a try that ended without the statement's answer. Returns Ok if the statement should be tried again.
    pub(in crate::session) async fn follow_up(
        &mut self,
        outcome: Outcome,
        request: &mut Request,
        tries: &mut Tries,
    ) -> Result<(), StatementEnd> {
        let outcome =
            self.read_unread(outcome, &mut request.buf).await.map_err(|close| StatementEnd(Err(close)))?;
        let repeats = matches!(outcome, Outcome::Again | Outcome::NotHere | Outcome::Overtaken);
        self.measured.repeated += u32::from(repeats);
        match outcome {
            Outcome::Done | Outcome::Overtaken => Ok(()),
            Outcome::NotHere => {
                tries.not_replica = Some(Why::Refused);
                Ok(())
            }
            Outcome::PrepareAgain => {
                request.prepared_anew = true;
                Ok(())
            }
            Outcome::Again => {
                self.measured.disrupted(&self.context, Disruption::Retried);
                self.retry(request, tries).await
            }
            Outcome::Refused(error, server) => {
                tries.failed += 1;
                self.refused_first(request, (error, server), tries.failed).await
            }
            Outcome::Replay => {
                tries.failed += 1;
                self.replay_first(request, tries.failed > MAX_TRIES).await
            }
            Outcome::NotCommitted => Err(StatementEnd(self.roll_back_instead(request).await)),
            Outcome::LookUp(seq, lost) => Err(StatementEnd(self.tell_fate(request, seq, lost).await)),
            Outcome::Stop(seq, stop) => Err(StatementEnd(self.replies().stop(seq, stop).await)),
        }
    }
}
