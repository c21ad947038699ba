//! Whether the control thread still runs, for `/livez`, which another thread answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

/// A control thread that did not run for this long counts as stuck.
const LIMIT: Duration = Duration::from_secs(60);
const EVERY: Duration = Duration::from_secs(1);

/// When the control thread ran last. Clones share the same data.
#[derive(Debug, Clone)]
pub struct Pulse {
    started: Instant,
    /// Milliseconds after `started`, plus one; 0 before the first beat.
    last: Arc<AtomicU64>,
}

impl Default for Pulse {
    fn default() -> Self {
        Pulse { started: Instant::now(), last: Arc::default() }
    }
}

impl Pulse {
    /// Stores the time each second, as long as the calling thread runs.
    pub async fn beat(self) {
        loop {
            self.last.store(self.now(), Relaxed);
            tokio::time::sleep(EVERY).await;
        }
    }

    /// True if the last beat was more than a minute ago.
    pub fn stands_still(&self) -> bool {
        let last = self.last.load(Relaxed);
        last != 0 && Duration::from_millis(self.now().saturating_sub(last)) > LIMIT
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_thread_that_does_not_turn_is_noticed() {
        let pulse = Pulse::default();
        tokio::time::sleep(2 * LIMIT).await;
        assert!(!pulse.stands_still(), "nobody beats yet");
        let beating = tokio::spawn(pulse.clone().beat());
        tokio::time::sleep(2 * LIMIT).await;
        assert!(!pulse.stands_still());
        beating.abort();
        tokio::time::sleep(LIMIT + 2 * EVERY).await;
        assert!(pulse.stands_still());
    }
}
