//! The new process of an upgrade. It gets the listening sockets of the old process, which started it, becomes ready,
//! and accepts clients once the old process agrees. Until then a failure has no effect on clients. The side of the old
//! process is in `upgrade`.

use std::cell::RefCell;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;

use crate::admin::{Serving, readiness};
use crate::config::{Live, Mode};
use crate::net::Inherited;
use crate::telemetry::Lifecycle;
use crate::telemetry::stream::unix_ms;
use crate::topology::Snapshot;

/// The environment variable with the process id of the old process. Programs that the new process starts inherit it, so
/// it counts only if it names the parent process.
pub(super) const PREDECESSOR: &str = "POINTSMAN_PREDECESSOR";

/// The environment variable with the names of the servers that orders to the old process drain, as a JSON array.
pub(super) const DRAINED: &str = "POINTSMAN_DRAINED";

/// The message of the new process when it can accept at once. Any other message is why it cannot.
pub(super) const READY: &str = "ready\n";

/// The answer of the old process, which then closes its ports.
pub(super) const GO: &[u8] = b"go\n";

/// How long the new process may take to be ready: long enough for a running failover to end.
pub(super) const READY_LIMIT: Duration = Duration::from_secs(20);

/// Why the new process cannot take over.
#[derive(Debug, thiserror::Error)]
pub enum TakeoverError {
    /// The sockets of the old process could not be received.
    #[error("cannot take over the sockets of process {pid}: {source}")]
    Sockets {
        /// The id of the old process.
        pid: u32,
        /// The error of the system.
        source: io::Error,
    },
    /// The new process was not ready to serve clients in time.
    #[error("not ready within {READY_LIMIT:?}: {0}")]
    NotReady(&'static str),
    /// The old process did not agree, and goes on.
    #[error("the running process does not hand over: {0}")]
    Refused(io::Error),
    /// The new process was told to end before it took over.
    #[error("told to end before the ports were taken over")]
    Ended,
}

/// The old process, from which this process takes over.
pub(super) struct Predecessor {
    link: UnixStream,
    inherited: RefCell<Inherited>,
}

impl Predecessor {
    /// Receives the sockets of the old process. None at an ordinary start.
    pub fn of_this_process() -> Result<Option<Self>, TakeoverError> {
        let pid = std::os::unix::process::parent_id();
        if std::env::var(PREDECESSOR).ok().and_then(|named| named.parse().ok()) != Some(pid) {
            return Ok(None);
        }
        let receive = || {
            let link = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
            let inherited = RefCell::new(Inherited::receive(&link)?);
            Ok(Some(Predecessor { link, inherited }))
        };
        receive().map_err(|source| TakeoverError::Sockets { pid, source })
    }

    /// Returns the listening sockets of the old process. Only the first call gets them.
    pub fn inherited(&self) -> Inherited {
        self.inherited.take()
    }

    /// Returns the servers that orders to the old process drain.
    pub fn drained(&self) -> Vec<Arc<str>> {
        let names =
            std::env::var(DRAINED).ok().and_then(|names| serde_json::from_str::<Vec<String>>(&names).ok());
        names.unwrap_or_default().into_iter().map(Arc::from).collect()
    }

    /// Sends why this process ends, for the log of the old process.
    pub fn report_failure(&self, error: &super::AppError) {
        // A failure is ignored: the old process may have ended.
        let _ = (&self.link).write_all(error.to_string().as_bytes());
    }

    /// Says that this process can accept clients, and waits until the old process agrees. On an error this process must
    /// not accept clients.
    pub async fn agree(&self, phase: watch::Receiver<Lifecycle>) -> Result<(), TakeoverError> {
        unless_ended(phase, async { self.exchange().await.map_err(TakeoverError::Refused) }).await
    }

    async fn exchange(&self) -> io::Result<()> {
        let link = self.link.try_clone()?;
        link.set_nonblocking(true)?;
        let mut link = tokio::net::UnixStream::from_std(link)?;
        link.write_all(READY.as_bytes()).await?;
        let mut answer = [0; GO.len()];
        link.read_exact(&mut answer).await?;
        if answer == GO { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
    }
}

/// Waits until `/readyz` would answer "ready". An ordinary start does not wait for this.
pub(super) async fn ready(
    modes: Vec<Mode>,
    mut snapshot: watch::Receiver<Arc<Snapshot>>,
    live: watch::Receiver<Arc<Live>>,
    phase: watch::Receiver<Lifecycle>,
) -> Result<(), TakeoverError> {
    let look =
        |now: &Snapshot| readiness(Lifecycle::Listening, now, Serving::of(&modes, &live.borrow()), unix_ms());
    let seen = async {
        let seen = snapshot.wait_for(|now| look(now).is_ok());
        if tokio::time::timeout(READY_LIMIT, seen).await.is_ok() {
            return Ok(());
        }
        look(&snapshot.borrow()).map_err(TakeoverError::NotReady)
    };
    unless_ended(phase, seen).await
}

/// Runs a step, unless this process is told to end: then it must not take over, or both processes would end.
async fn unless_ended(
    mut phase: watch::Receiver<Lifecycle>,
    step: impl Future<Output = Result<(), TakeoverError>>,
) -> Result<(), TakeoverError> {
    tokio::select! {
        biased;
        _ = phase.wait_for(|phase| *phase == Lifecycle::Draining) => Err(TakeoverError::Ended),
        done = step => done,
    }
}
