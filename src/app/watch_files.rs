//! Tells when files have other content. Polled, because a ConfigMap is changed by
//! swapping a symlink in a parent folder, which no watch on the file itself sees.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval_at};

const EVERY: Duration = Duration::from_secs(1);

/// The content of some files as last seen.
#[derive(Debug)]
pub struct FileWatch {
    files: Vec<PathBuf>,
    seen: u64,
}

impl FileWatch {
    /// What the files hold now is the base. Create it before the files are used,
    /// so that no change falls in between.
    pub fn new(files: Vec<PathBuf>) -> Self {
        let seen = fingerprint(&files).unwrap_or_default();
        FileWatch { files, seen }
    }

    /// Watches these from now on. Since they were read before, `changed` reports
    /// once if they are not the same as before.
    pub fn watch(&mut self, files: Vec<PathBuf>) {
        self.files = files;
    }

    /// Waits until the content of a file differs from what it was when this last
    /// returned. While a file cannot be read, nothing is reported: it is being replaced.
    pub async fn changed(&mut self) {
        let mut tick = interval_at(Instant::now() + EVERY, EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            let files = self.files.clone();
            // A file on a dead network share must not hold up probes and HTTP.
            let now = tokio::task::spawn_blocking(move || fingerprint(&files)).await;
            if let Ok(Some(now)) = now
                && now != self.seen
            {
                self.seen = now;
                return;
            }
        }
    }
}

fn fingerprint(files: &[PathBuf]) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    for path in files {
        path.hash(&mut hasher);
        std::fs::read(path).ok()?.hash(&mut hasher);
    }
    Some(hasher.finish())
}
