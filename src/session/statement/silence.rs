//! Holds back a statement of a session that keeps a connection to a primary which answers nothing, and may go on: a pause.
//! A statement that was not sent is in no doubt if another server becomes the primary meanwhile.

use crate::client::Request;
use crate::net::Runtime;
use crate::session::Session;
use crate::session::common::StatementEnd;
use crate::terms::{Disruption, Role};

impl<R: Runtime> Session<R> {
    /// True if the session keeps a connection to the last primary, and what is under way there waits for its answer.
    #[inline]
    pub(in crate::session) fn is_held_back(&self, role: Role) -> bool {
        role == Role::Primary && self.context.topology.primary().is_none() && self.keeps_silent_primary()
    }

    fn keeps_silent_primary(&self) -> bool {
        let kept = self.upstream.kept_on(Role::Primary);
        kept.is_some() && kept == self.context.topology.get().awaited
    }

    /// Waits until the primary answers, or its silence proves that it is lost.
    pub(in crate::session) async fn hold_back(&mut self, request: &mut Request) -> Result<(), StatementEnd> {
        self.measured.disrupted(&self.context, Disruption::Held);
        let kept = self.upstream.kept_on(Role::Primary);
        match self.client.wait_while(|snapshot| kept.is_some() && snapshot.awaited == kept).await {
            Ok(()) => Ok(()),
            Err(stop) => Err(self.replies().end_unsent(request, stop).await),
        }
    }
}
