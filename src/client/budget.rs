//! How long one statement may wait for servers.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::Instant;

/// The time that the command under way has spent waiting for servers. `failover.hold` limits the sum of its waits, not
/// each of them: a statement that finds a primary, loses it and waits for the next one goes on with what is left.
/// The time in which a server executes the statement does not count.
#[derive(Debug, Default)]
pub struct Budget {
    spent: Cell<Duration>,
}

impl Budget {
    /// Begins a command, which has not waited yet.
    pub fn begin(&self) {
        self.spent.set(Duration::ZERO);
    }

    /// Returns when the statement would have begun to wait if it had waited without a break until now.
    pub fn began(&self) -> Instant {
        let now = Instant::now();
        now.checked_sub(self.spent.get()).unwrap_or(now)
    }

    /// Ends a wait that began at an instant of [`Budget::began`].
    pub fn spend(&self, began: Instant) {
        self.spent.set(self.spent.get().max(began.elapsed()));
    }
}
