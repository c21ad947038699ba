//! Whether a watch hears from the API server, for `/topology`, the metrics and the log.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;
use tokio::time::Instant;

/// The same trouble is said again this seldom.
const REMINDER: Duration = Duration::from_secs(300);
/// And another one not sooner than this: an API server that starts says many things.
const AT_MOST: Duration = Duration::from_secs(5);

/// What is known of one watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchState {
    /// `pods`, `nodes` or `secrets`.
    pub resource: &'static str,
    /// Whether what it says is what is.
    pub connected: bool,
    /// Unix time in milliseconds since when `connected` is what it is.
    pub since_ms: u64,
    /// Why it is not connected.
    pub error: Option<Arc<str>>,
    /// Complete lists, the first one included.
    pub lists: u64,
    /// Objects that came by the watch.
    pub events: u64,
    /// Requests that failed.
    pub failures: u64,
}

impl WatchState {
    /// Of a watch that begins.
    pub(super) fn new(resource: &'static str) -> Self {
        WatchState {
            resource,
            connected: false,
            since_ms: now_ms(),
            error: None,
            lists: 0,
            events: 0,
            failures: 0,
        }
    }
}

/// Its only writer.
pub(super) struct Reporter {
    state: watch::Sender<WatchState>,
    spoke: Option<Instant>,
}

impl Reporter {
    pub fn new(resource: &'static str) -> Self {
        Reporter { state: watch::channel(WatchState::new(resource)).0, spoke: None }
    }

    pub fn subscribe(&self) -> watch::Receiver<WatchState> {
        self.state.subscribe()
    }

    /// A complete list came.
    pub fn listed(&mut self) {
        self.state.send_modify(|state| state.lists += 1);
    }

    /// An object came.
    pub fn event(&mut self) {
        self.state.send_modify(|state| state.events += 1);
    }

    /// It answers.
    pub fn connected(&mut self) {
        let before = self.state.borrow().clone();
        if before.connected {
            return;
        }
        let now = now_ms();
        if before.failures > 0 {
            let away = Duration::from_millis(now.saturating_sub(before.since_ms));
            tracing::info!(resource = before.resource, ?away, "the Kubernetes API answers again");
        }
        self.spoke = None;
        self.state.send_modify(|state| {
            (state.connected, state.since_ms, state.error) = (true, now, None);
        });
    }

    /// It does not, and what is known stays.
    pub fn away(&mut self, error: &str) {
        let known = self.state.borrow().error.as_deref() == Some(error);
        let patience = if known { REMINDER } else { AT_MOST };
        if self.spoke.is_none_or(|at| at.elapsed() >= patience) {
            self.spoke = Some(Instant::now());
            let resource = self.state.borrow().resource;
            tracing::warn!(
                resource,
                error,
                "nothing new from Kubernetes: what is known stays, and probes go on"
            );
        }
        self.state.send_modify(|state| {
            if state.connected {
                (state.connected, state.since_ms) = (false, now_ms());
            }
            state.failures += 1;
            state.error = Some(error.into());
        });
    }
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}
