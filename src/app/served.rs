//! Which configuration is served, and whether it is the one that this process was started for. A pod can be started
//! with a file that is older than its Deployment: the kubelet may mount a ConfigMap from its cache, and update it up to
//! two minutes later.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::admin::ServedConfig;
use crate::config::Fingerprint;
use crate::telemetry::stream::unix_ms;

/// The environment variable with the SHA-256 of the expected configuration file, which the chart sets.
const AWAITED: &str = "POINTSMAN_CONFIG_SHA256";

/// How long to wait for the expected file. After that it will not come, because the file was changed in another way; a
/// proxy that serves the existing file is better than none.
const LIMIT: Duration = Duration::from_secs(300);

/// Publishes which configuration is served.
pub(super) struct Served {
    published: watch::Sender<ServedConfig>,
    /// The SHA-256 of the expected file, and until when to wait for it; None if no file is awaited.
    awaited: Option<(String, Instant)>,
}

impl Served {
    /// Begins with the file that was read at the start. The environment may name another that is awaited.
    pub fn at_start(first: &Fingerprint) -> Self {
        // An empty value counts as none: a manifest may set the variable without a value.
        let awaited = std::env::var(AWAITED).ok().filter(|sum| !sum.is_empty());
        Served::awaiting(awaited, first)
    }

    pub(super) fn awaiting(awaited: Option<String>, first: &Fingerprint) -> Self {
        let mut served = Served {
            published: watch::Sender::new(ServedConfig::default()),
            awaited: awaited.map(|sum| (sum, Instant::now() + LIMIT)),
        };
        served.now(first);
        if let Some((sum, _)) = &served.awaited {
            tracing::warn!(
                served = %first.shown(),
                awaited = sum,
                "the configuration file is not the one that this process was started for: not ready until it comes"
            );
        }
        served
    }

    /// Returns a receiver of the published configuration.
    pub fn watched(&self) -> watch::Receiver<ServedConfig> {
        self.published.subscribe()
    }

    /// Publishes that this configuration is in effect.
    pub fn now(&mut self, fingerprint: &Fingerprint) {
        // Once the expected file came, later files are newer, and need not match.
        if self.awaited.as_ref().is_some_and(|(sum, _)| fingerprint.is(sum)) {
            self.awaited = None;
        }
        self.publish(fingerprint.shown().to_string());
    }

    /// Waits until the awaited file is overdue. Never returns if none is awaited.
    pub async fn overdue(&self) {
        match &self.awaited {
            Some((_, until)) => tokio::time::sleep_until(*until).await,
            None => std::future::pending().await,
        }
    }

    /// Gives up waiting for the awaited file.
    pub fn give_up(&mut self) {
        if let Some((awaited, _)) = self.awaited.take() {
            let sha256 = self.published.borrow().sha256.clone();
            tracing::error!(
                served = sha256,
                awaited,
                "the configuration file that this process was started for did not come within {} s: it serves what is \
                 there",
                LIMIT.as_secs()
            );
            self.publish(sha256);
        }
    }

    /// Publishes the effective configuration, without secrets.
    pub fn shows(&self, text: String) {
        self.published.send_if_modified(|published| {
            let differs = *published.text != *text;
            published.text = Arc::from(text);
            differs
        });
    }

    fn publish(&self, sha256: String) {
        let awaited = self.awaited.as_ref().map(|(sum, _)| sum.clone());
        let before = self.published.borrow().clone();
        let since_ms = if before.sha256 == sha256 { before.since_ms } else { unix_ms() };
        self.published.send_replace(ServedConfig { sha256, since_ms, awaited, text: before.text });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Fingerprint {
        Fingerprint::of(text)
    }

    #[tokio::test(start_paused = true)]
    async fn an_older_file_is_not_enough_and_a_newer_one_is() {
        let new = of("new");
        let mut served = Served::awaiting(Some(new.shown().to_string()), &of("old"));
        let published = served.watched();
        assert_eq!(published.borrow().awaited.as_deref(), Some(&**new.shown()));
        served.now(&of("older"));
        assert!(published.borrow().awaited.is_some());
        served.now(&new);
        assert_eq!((&*published.borrow().sha256, &published.borrow().awaited), (&**new.shown(), &None));
        served.now(&of("newer"));
        assert_eq!(published.borrow().awaited, None, "what it was started for was there");
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_that_never_comes_is_not_waited_for_for_ever() {
        let mut served = Served::awaiting(Some("00".to_owned()), &of("other"));
        let began = Instant::now();
        served.overdue().await;
        assert_eq!(began.elapsed(), LIMIT);
        served.give_up();
        assert_eq!(*served.watched().borrow().sha256, **of("other").shown());
        assert_eq!(served.watched().borrow().awaited, None);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_awaited_where_nothing_is_named() {
        let served = Served::awaiting(None, &of("file"));
        assert_eq!(served.watched().borrow().awaited, None);
        let waiting = tokio::time::timeout(2 * LIMIT, served.overdue()).await;
        assert!(waiting.is_err());
    }
}
