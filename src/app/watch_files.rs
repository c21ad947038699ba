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
    seen: Fingerprint,
}

/// What files hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Fingerprint {
    hash: u64,
    /// One of them cannot be read.
    lacks: bool,
}

impl FileWatch {
    /// What the files hold now is the base. Create it before the files are used,
    /// so that no change falls in between.
    pub fn new(files: Vec<PathBuf>) -> Self {
        let seen = fingerprint(&files);
        FileWatch { files, seen }
    }

    /// Watches these from now on. Since they were read before, `changed` reports
    /// once if they are not the same as before.
    pub fn watch(&mut self, files: Vec<PathBuf>) {
        self.files = files;
    }

    /// Waits until the content of a file differs from what it was when this last
    /// returned. One that cannot be read is perhaps being replaced: that counts when it lasts.
    pub async fn changed(&mut self) {
        let mut tick = interval_at(Instant::now() + EVERY, EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut before = self.seen;
        loop {
            tick.tick().await;
            let files = self.files.clone();
            // A file on a dead network share must not hold up probes and HTTP.
            let Ok(now) = tokio::task::spawn_blocking(move || fingerprint(&files)).await else { continue };
            let lasts = !now.lacks || now == before;
            before = now;
            if lasts && now != self.seen {
                self.seen = now;
                return;
            }
        }
    }
}

fn fingerprint(files: &[PathBuf]) -> Fingerprint {
    let (mut hasher, mut lacks) = (DefaultHasher::new(), false);
    for path in files {
        let content = std::fs::read(path).ok();
        lacks |= content.is_none();
        (path, content).hash(&mut hasher);
    }
    Fingerprint { hash: hasher.finish(), lacks }
}
