//! A handle by which other threads ask for a probe now: a session that meets a lost
//! connection or a read-only server knows sooner than the next interval.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{Notify, watch};

use crate::topology::ServerId;

/// The permit of each server's probe: a `Notify` holds one at most, so that a storm of kicks is
/// one probe.
pub type Kicks = Arc<HashMap<ServerId, Arc<Notify>>>;

/// Cheap to clone; usable from every thread.
#[derive(Debug, Clone)]
pub struct Kicker(watch::Receiver<Kicks>);

impl Kicker {
    /// Over the permits that discovery publishes.
    pub fn new(kicks: watch::Receiver<Kicks>) -> Self {
        Kicker(kicks)
    }

    /// Reaches nobody; for tests of what holds one.
    pub fn nobody() -> Self {
        Kicker(watch::channel(Kicks::default()).1)
    }

    /// Asks for a probe of this server now. At most one is in flight and one starts every 5 ms;
    /// a kick that comes while one is in flight starts another after it, since the answer under
    /// way may be older than what the caller saw. Unknown ids are ignored.
    pub fn kick(&self, server: ServerId) {
        if let Some(permit) = self.0.borrow().get(&server) {
            permit.notify_one();
        }
    }

    /// Asks for a probe of every server, for example when a writer is needed and there is none.
    pub fn kick_all(&self) {
        for permit in self.0.borrow().values() {
            permit.notify_one();
        }
    }
}
