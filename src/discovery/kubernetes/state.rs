//! Whether a watch is connected to the API server, for `/topology`, the metrics and the log.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::telemetry::stream::unix_ms;

/// The least time before the same error is logged again.
const REMINDER: Duration = Duration::from_secs(300);
/// The least time before a different error is logged: an API server that starts fails in many ways.
const AT_MOST: Duration = Duration::from_secs(5);

/// The state of one watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchState {
    /// `pods`, `nodes` or `secrets`.
    pub resource: &'static str,
    /// Which objects these are, for people; None: all, or a single one that has a name.
    pub looks_for: Option<Arc<str>>,
    /// True if the watch is up to date.
    pub connected: bool,
    /// Since when `connected` has its value (Unix time in milliseconds).
    pub since_ms: u64,
    /// Why it is not connected.
    pub error: Option<Arc<str>>,
    /// The number of complete lists, including the first one.
    pub lists: u64,
    /// The number of objects that the watch delivered.
    pub events: u64,
    /// The number of failed requests.
    pub failures: u64,
}

impl WatchState {
    /// Returns the state of a watch that begins.
    pub(super) fn new(resource: &'static str) -> Self {
        WatchState {
            resource,
            looks_for: None,
            connected: false,
            since_ms: unix_ms(),
            error: None,
            lists: 0,
            events: 0,
            failures: 0,
        }
    }
}

/// The only primary of a watch's state.
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

    /// Says which objects these are.
    pub fn looks_for(&self, objects: Arc<str>) {
        self.state.send_modify(|state| state.looks_for = Some(objects));
    }

    /// Counts a complete list.
    pub fn listed(&mut self) {
        self.state.send_modify(|state| state.lists += 1);
    }

    /// Counts an object.
    pub fn event(&mut self) {
        self.state.send_modify(|state| state.events += 1);
    }

    /// Records that the API server answers.
    pub fn connected(&mut self) {
        let before = self.state.borrow().clone();
        if before.connected {
            return;
        }
        let now = unix_ms();
        if before.failures > 0 {
            let away = Duration::from_millis(now.saturating_sub(before.since_ms));
            tracing::info!(resource = before.resource, ?away, "the Kubernetes API answers again");
        }
        self.spoke = None;
        self.state.send_modify(|state| {
            (state.connected, state.since_ms, state.error) = (true, now, None);
        });
    }

    /// Records that the API server does not answer; the known objects stay.
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
                (state.connected, state.since_ms) = (false, unix_ms());
            }
            state.failures += 1;
            state.error = Some(error.into());
        });
    }
}
