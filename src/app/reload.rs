//! Replaces the configuration's live part, on SIGHUP and when the file changes. A
//! file with a mistake is reported, and what runs stays.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::Signal;
use tokio::sync::watch;
use tokio::time::sleep;

use super::watch_files::FileWatch;
use crate::config::{Config, Live};
use crate::telemetry::ReloadMetrics;

/// After a refusal the file is tried again this often.
const RETRY: Duration = Duration::from_secs(3);

/// The running configuration and where it comes from.
pub(super) struct Reloader {
    path: PathBuf,
    running: Config,
    live: watch::Sender<Arc<Live>>,
    files: FileWatch,
    metrics: Arc<ReloadMetrics>,
    /// Why the file was refused last, until it is taken over.
    refused: Option<String>,
}

impl Reloader {
    /// `running` was read from `path`; `live` tells everybody else.
    pub fn new(
        path: PathBuf,
        running: Config,
        live: watch::Sender<Arc<Live>>,
        metrics: Arc<ReloadMetrics>,
    ) -> Self {
        // An empty base makes the first look reload once, silently if nothing changed
        // since the file was read for the start.
        let files = FileWatch::new(Vec::new());
        let mut reloader = Reloader { path, running, live, files, metrics, refused: None };
        reloader.watch_sources();
        reloader
    }

    /// Reloads until the future is dropped.
    pub async fn run(mut self, mut hangup: Signal) {
        loop {
            let asked = tokio::select! {
                _ = hangup.recv() => true,
                () = self.files.changed() => false,
                // What was refused may name a secret that arrives later than the file.
                () = sleep(RETRY), if self.refused.is_some() => false,
            };
            self.reload(asked);
        }
    }

    /// `asked`: somebody waits for an answer in the log, even if nothing changed.
    pub fn reload(&mut self, asked: bool) {
        let new = match Config::load(&self.path) {
            Ok(new) => new,
            Err(error) => return self.refuse(error.to_string(), asked),
        };
        self.refused = None;
        self.metrics.done.add(1);
        self.metrics.stale.sub(self.metrics.stale.get());
        let restart = self.running.fixed.changes(&new.fixed);
        if !restart.is_empty() {
            let keys = restart.join(", ");
            tracing::warn!(keys, "these keys changed and need a restart; the running values stay");
        }
        let changes = self.running.live.changes(&new.live);
        if !changes.is_empty() {
            tracing::info!(changed = changes.join(", "), "configuration reloaded");
            self.live.send_replace(Arc::new(new.live.clone()));
        } else if asked && restart.is_empty() {
            tracing::info!("configuration reloaded: nothing changed");
        }
        self.running.live = new.live;
        self.running.sources = new.sources;
        self.watch_sources();
    }

    fn refuse(&mut self, error: String, asked: bool) {
        if asked || self.refused.as_ref() != Some(&error) {
            for problem in error.lines() {
                tracing::error!(file = %self.path.display(), "configuration not reloaded: {problem}");
            }
            self.metrics.failed.add(1);
        }
        self.metrics.stale.add(u64::from(self.refused.is_none()));
        self.refused = Some(error);
    }

    fn watch_sources(&mut self) {
        let own = std::iter::once(self.path.clone());
        self.files.watch(own.chain(self.running.sources.iter().cloned()).collect());
    }
}
