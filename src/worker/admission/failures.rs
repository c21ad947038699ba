//! The failed logins of one address, or of one user name from an address. Too many a minute begin a block,
//! which ends by itself.

use std::time::Duration;

use tokio::time::Instant;

use crate::config::Limits;

/// The time in which `limits.max_login_errors` failures are allowed.
const WINDOW: Duration = Duration::from_secs(60);

/// A bucket that every failure fills and that empties steadily.
#[derive(Debug)]
pub(super) struct Failures {
    level: f64,
    /// The time at which `level` was computed.
    at: Instant,
    blocked_until: Option<Instant>,
}

impl Failures {
    /// Creates an empty bucket.
    pub fn begin(now: Instant) -> Self {
        Failures { level: 0.0, at: now, blocked_until: None }
    }

    /// Adds a failure. The failure that fills the bucket begins a block; since refused logins wait a little, what has leaked
    /// out meanwhile does not count if it is less than half a failure. After a block the bucket may still
    /// be nearly full: a few failures then begin the next block.
    pub fn add(&mut self, limits: &Limits, now: Instant) {
        let most = most(limits);
        self.level = self.level_at(limits, now) + 1.0;
        self.at = now;
        if self.level.round() >= most && !self.is_blocked(now) {
            self.level = most;
            self.blocked_until = Some(now + limits.block_time);
        }
    }

    fn level_at(&self, limits: &Limits, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        (self.level - most(limits) * passed / WINDOW.as_secs_f64()).max(0.0)
    }

    /// True if so much time has passed that no failure counts any more.
    pub fn has_emptied(&self, limits: &Limits, now: Instant) -> bool {
        self.level_at(limits, now) == 0.0 && !self.is_blocked(now)
    }

    /// True until the block is over.
    pub fn is_blocked(&self, now: Instant) -> bool {
        self.blocked_until.is_some_and(|until| now < until)
    }
}

fn most(limits: &Limits) -> f64 {
    u32::try_from(limits.max_login_errors).map_or(f64::from(u32::MAX), f64::from)
}
