//! How long one statement may wait for servers.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::Instant;

use crate::net::turn_time;
use crate::telemetry::micros_of;

/// The time that the command under way has spent waiting for servers. `failover.hold` limits the sum of all waits of a
/// command, not each wait: a statement that finds a primary, loses that primary and waits for the next primary has only
/// the rest of the time left. The time in which a server executes the statement does not count.
#[derive(Debug, Default)]
pub struct Budget {
    spent: Cell<Duration>,
}

impl Budget {
    /// Sets the time to zero, because a new command begins.
    pub fn begin(&self) {
        self.spent.set(Duration::ZERO);
    }

    /// Returns the instant at which the command would have begun to wait if all its waits were one wait that ends now.
    pub fn began(&self) -> Instant {
        let now = turn_time();
        now.checked_sub(self.spent.get()).unwrap_or(now)
    }

    /// Returns the sum of all waits of the command.
    pub fn spent(&self) -> Duration {
        self.spent.get()
    }

    /// Returns how long another wait took that began then, in microseconds, without the wait for a primary within it: that one
    /// is in `spent`, which was `held` at the beginning.
    pub fn micros_of_other_wait(&self, began: Instant, held: Duration) -> u64 {
        let held = self.spent().saturating_sub(held);
        micros_of(turn_time().saturating_duration_since(began).saturating_sub(held))
    }

    /// Records the end of a wait. `began` is the result of [`Budget::began`] from before the wait.
    pub fn spend(&self, began: Instant) {
        self.spent.set(self.spent.get().max(turn_time().saturating_duration_since(began)));
    }
}
