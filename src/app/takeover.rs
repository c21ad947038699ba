//! The new process of an upgrade: it takes the listening sockets of the one that started it, gets ready, and accepts
//! when that one has agreed. Until then it can fail, and nobody notices. The other half is `upgrade`.

use std::cell::RefCell;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;

use crate::admin::readiness;
use crate::config::{Live, Mode};
use crate::net::Inherited;
use crate::telemetry::Lifecycle;
use crate::topology::Snapshot;

/// Tells a new process whose successor it is: the other's process id. It stays in the environment of whatever
/// that one starts, so it counts only where it names the parent.
pub(super) const PREDECESSOR: &str = "POINTSMAN_PREDECESSOR";

/// What the new process says when it could accept at once. Anything else is why it cannot.
pub(super) const READY: &str = "ready\n";

/// The answer: the other one closes its ports.
pub(super) const GO: &[u8] = b"go\n";

/// As at any start it may take a moment until a writer is known; a failover that is under way may end.
pub(super) const READY_LIMIT: Duration = Duration::from_secs(20);

/// Why another process cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum TakeoverError {
    /// Its sockets do not come.
    #[error("cannot take over the sockets of process {pid}: {source}")]
    Sockets {
        /// The other process.
        pid: u32,
        /// The reason.
        source: io::Error,
    },
    /// Clients could not be served here.
    #[error("not ready within {READY_LIMIT:?}: {0}")]
    NotReady(&'static str),
    /// The other process stays.
    #[error("the running process does not hand over: {0}")]
    Refused(io::Error),
    /// Told to end, before there was anything to drain.
    #[error("told to end before the ports were taken over")]
    Ended,
}

/// The running process that this one is to follow.
pub(super) struct Predecessor {
    link: UnixStream,
    inherited: RefCell<Inherited>,
}

impl Predecessor {
    /// None at an ordinary start.
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

    /// What it listens on; the first to ask gets it.
    pub fn inherited(&self) -> Inherited {
        self.inherited.take()
    }

    /// Why this process ends, for the other's log.
    pub fn tell(&self, error: &super::AppError) {
        // Once it has gone itself, nobody reads that.
        let _ = (&self.link).write_all(error.to_string().as_bytes());
    }

    /// Says that clients could be accepted here, and waits until they are to be. An error: they are not.
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

/// Waits until `/readyz` would say so, which is more than an ordinary start waits for.
pub(super) async fn ready(
    modes: Vec<Mode>,
    mut snapshot: watch::Receiver<Arc<Snapshot>>,
    live: watch::Receiver<Arc<Live>>,
    phase: watch::Receiver<Lifecycle>,
) -> Result<(), TakeoverError> {
    let look = |now: &Snapshot| readiness(Lifecycle::Listening, now, &modes, live.borrow().replicas.fallback);
    let seen = async {
        let seen = snapshot.wait_for(|now| look(now).is_ok());
        if tokio::time::timeout(READY_LIMIT, seen).await.is_ok() {
            return Ok(());
        }
        look(&snapshot.borrow()).map_err(TakeoverError::NotReady)
    };
    unless_ended(phase, seen).await
}

/// Whoever is told to end must not make the other process end, too.
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
