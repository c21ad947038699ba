//! The primary, for the tasks that read something from it again and again: stored routines, account tables, grants.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};

use super::client::Target;
use crate::config::Live;
use crate::topology::{ServerId, Snapshot};

/// A primary, with its generation: another primary may give other answers, and so may the same server as a new generation.
pub(super) type PrimaryTerm = (ServerId, u64);

/// Waits for a snapshot that has a primary and for which `suits` is true. Returns None when the last receiver of
/// `publish` is gone.
pub(super) async fn wait_for_primary<T>(
    snapshot: &mut watch::Receiver<Arc<Snapshot>>,
    publish: &watch::Sender<T>,
    suits: impl Fn(&Snapshot) -> bool,
) -> Option<PrimaryTerm> {
    let found = tokio::select! {
        found = snapshot.wait_for(|snapshot| snapshot.primary.is_some() && suits(snapshot)) => found.ok()?,
        () = publish.closed() => return None,
    };
    Some((found.primary?, found.generation))
}

/// Waits until there is another primary than this one.
///
/// # Errors
/// When no snapshots follow any more.
pub(super) async fn wait_for_another(
    snapshot: &mut watch::Receiver<Arc<Snapshot>>,
    than: PrimaryTerm,
) -> Result<(), watch::error::RecvError> {
    snapshot.wait_for(|s| s.primary.is_some_and(|primary| (primary, s.generation) != than)).await.map(drop)
}

/// What a task needs that reads from the primary, under the monitor's account, whenever a read is due.
pub(super) struct PrimarySource {
    pub(super) live: watch::Receiver<Arc<Live>>,
    pub(super) snapshot: watch::Receiver<Arc<Snapshot>>,
    /// Notified if a read is wanted soon.
    pub(super) again: Arc<Notify>,
    /// The least time between the beginnings of two reads from the same primary.
    pub(super) floor: Duration,
}

impl PrimarySource {
    /// Waits until there is a primary. Returns None when the last receiver of `publish` is gone.
    pub(super) async fn primary<T>(&mut self, publish: &watch::Sender<T>) -> Option<PrimaryTerm> {
        wait_for_primary(&mut self.snapshot, publish, |_| true).await
    }

    /// Waits until the next read is due: `pause` after the last one began, earlier if it is wanted soon or if there is
    /// another primary. Returns false when the last receiver of `publish` is gone.
    pub(super) async fn wait<T>(
        &mut self,
        publish: &watch::Sender<T>,
        of: PrimaryTerm,
        began: Instant,
        pause: Duration,
    ) -> bool {
        tokio::select! {
            () = sleep_until(began + pause) => true,
            () = self.again.notified() => {
                sleep_until(began + self.floor).await;
                true
            }
            changed = wait_for_another(&mut self.snapshot, of) => changed.is_ok(),
            () = publish.closed() => false,
        }
    }

    /// Returns how to log in to this server with the monitor's account; None if the server is gone.
    pub(super) fn target(&self, server: ServerId) -> Option<Target> {
        let snapshot = self.snapshot.borrow();
        let monitor = self.live.borrow().monitor.clone();
        Some(Target::at(snapshot.server(server)?, monitor.user, monitor.password))
    }
}
