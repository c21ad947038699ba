//! A handle with which other threads ask for an immediate probe: a session that meets a lost connection or a
//! read-only server wants to know before the next interval.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{Notify, watch};

use crate::topology::ServerId;

/// The permit of each server's probe.
pub type Kicks = Arc<HashMap<ServerId, Arc<ProbePermit>>>;

/// Permits the next probe before it is due. Holds at most one permit, so that many kicks at once cause one probe.
#[derive(Debug, Default)]
pub struct ProbePermit {
    probe: Notify,
    /// True if the probe needs a new connection.
    anew: AtomicBool,
}

impl ProbePermit {
    /// Permits a probe.
    pub fn give(&self) {
        self.probe.notify_one();
    }

    /// Permits a probe over a new connection.
    fn give_anew(&self) {
        self.anew.store(true, Ordering::Relaxed);
        self.probe.notify_one();
    }

    /// Waits for a permit. Returns true if the probe needs a new connection.
    pub(super) async fn taken(&self) -> bool {
        self.probe.notified().await;
        self.anew.swap(false, Ordering::Relaxed)
    }
}

/// Asks for immediate probes. Cheap to clone; usable from every thread.
#[derive(Debug, Clone)]
pub struct Kicker(watch::Receiver<Kicks>);

impl Kicker {
    /// Returns a kicker over the permits that discovery publishes.
    pub fn new(kicks: watch::Receiver<Kicks>) -> Self {
        Kicker(kicks)
    }

    /// Returns a kicker that reaches no server, for tests.
    pub fn nobody() -> Self {
        Kicker(watch::channel(Kicks::default()).1)
    }

    /// Asks for an immediate probe of this server. At most one probe is in flight, and one starts every 5 ms
    /// at most. A kick during a probe starts another one after it, since the answer under way may be older
    /// than what the caller saw. Unknown ids are ignored.
    pub fn kick(&self, server: ServerId) {
        if let Some(permit) = self.0.borrow().get(&server) {
            permit.give();
        }
    }

    /// Asks for an immediate probe of this server over a new connection: another server than the probed one answers at its
    /// address.
    pub fn kick_anew(&self, server: ServerId) {
        if let Some(permit) = self.0.borrow().get(&server) {
            permit.give_anew();
        }
    }

    /// Asks for an immediate probe of every server, for example when a primary is needed and there is none.
    pub fn kick_all(&self) {
        for permit in self.0.borrow().values() {
            permit.give();
        }
    }
}
