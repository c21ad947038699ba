//! Detects when the content of files changes. The files are polled, because a ConfigMap is changed
//! by swapping a symlink in a parent folder, which a watch on the file itself does not see.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval_at};

const EVERY: Duration = Duration::from_secs(1);

/// Some files, and their content as last seen.
#[derive(Debug)]
pub struct FileWatch {
    files: Vec<PathBuf>,
    seen: FileState,
}

/// The content of files, as a hash.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct FileState {
    hash: u64,
    /// True if one of the files cannot be read.
    lacks: bool,
}

impl FileWatch {
    /// Begins with the current content of the files. Call this before the files are used, so that
    /// no change is missed in between.
    pub fn new(files: Vec<PathBuf>) -> Self {
        let seen = fingerprint(&files);
        FileWatch { files, seen }
    }

    /// Watches these files from now on. If they are not the same files as before, `changed` reports
    /// a change once.
    pub fn watch(&mut self, files: Vec<PathBuf>) {
        self.files = files;
    }

    /// Waits until the content of a file differs from its content when this function last returned.
    /// A file that cannot be read may be being replaced, so it counts only if it stays unreadable.
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

fn fingerprint(files: &[PathBuf]) -> FileState {
    let (mut hasher, mut lacks) = (DefaultHasher::new(), false);
    for path in files {
        let content = std::fs::read(path).ok();
        lacks |= content.is_none();
        (path, content).hash(&mut hasher);
    }
    FileState { hash: hasher.finish(), lacks }
}
