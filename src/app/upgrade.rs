//! The old process of an upgrade. At SIGUSR2 it starts a new process and hands over the listening sockets. When the new
//! process is ready, the old process closes its sockets and drains. A failure before that only causes a line in the
//! log. The side of the new process is in `takeover`.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::signal::unix::Signal;

use super::service_manager;
use super::takeover::{DRAINED, GO, PREDECESSOR, READY, READY_LIMIT};
use crate::discovery::DrainsHeld;
use crate::net::send_sockets;

/// How long to wait for the new process. It normally gives up earlier, and says why.
const LIMIT: Duration = READY_LIMIT.saturating_add(Duration::from_secs(10));

/// The longest reason that is read from a new process that cannot start, in bytes.
const LONGEST_REASON: u64 = 64 * 1024;

/// What the new process gets.
pub(super) struct Legacy {
    /// The listening sockets.
    pub sockets: Vec<OwnedFd>,
    /// The servers that orders to this process drain.
    pub drained: Vec<String>,
    /// Keeps `drained` true until the new process has taken over.
    pub held: DrainsHeld,
}

/// Why the upgrade failed and this process goes on.
#[derive(Debug, thiserror::Error)]
enum UpgradeError {
    /// This is the first process of a container, and the container would end with it.
    #[error("this is the first process of a container, which ends with it: restart the container instead")]
    FirstProcess,
    /// The new process could not be started.
    #[error("cannot start a new process: {0}")]
    Start(io::Error),
    /// The new process gave up, for this reason.
    #[error("it ended with {status}: {reason}")]
    Ended { status: String, reason: String },
    /// The new process did not answer in time.
    #[error("it was not ready within {LIMIT:?}")]
    Silent,
}

/// A new process that has not taken over yet. Dropping this value ends the process.
struct Starting(Option<Child>);

impl Starting {
    fn pid(&self) -> u32 {
        self.0.as_ref().map_or(0, Child::id)
    }

    /// Ends the process if it still runs, and returns its exit status.
    fn end(&mut self) -> Option<ExitStatus> {
        let mut child = self.0.take()?;
        // Does not change the exit status of a process that is already exiting.
        let _ = child.kill();
        child.wait().ok()
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        self.end();
    }
}

/// Returns when a new process has taken over the sockets that `legacy` returns, with what refuses orders to drain servers
/// from then on: nobody would see their effect. If the future is dropped before that, the new process is ended.
pub(super) async fn upgraded(mut requests: Signal, legacy: impl Fn() -> io::Result<Legacy>) -> DrainsHeld {
    loop {
        if requests.recv().await.is_none() {
            return std::future::pending().await;
        }
        let attempt = attempt(&legacy);
        tokio::pin!(attempt);
        let result = loop {
            tokio::select! {
                result = &mut attempt => break result,
                Some(()) = requests.recv() => tracing::warn!("SIGUSR2: a new process is starting already"),
            }
        };
        match result {
            Ok((pid, held)) => {
                // systemd accepts this only from the main process, which this process still is.
                service_manager::notify(&format!("MAINPID={pid}"));
                tracing::info!(pid, "a new process has taken over the ports: draining");
                return held;
            }
            Err(error) => {
                let reason = error.to_string().lines().collect::<Vec<_>>().join("; ");
                tracing::error!(reason, "no new process has taken over: this one goes on");
            }
        }
    }
}

/// Starts a new process. Once it has taken over, returns its id and what refuses orders to drain servers.
async fn attempt(legacy: impl Fn() -> io::Result<Legacy>) -> Result<(u32, DrainsHeld), UpgradeError> {
    if std::process::id() == 1 {
        return Err(UpgradeError::FirstProcess);
    }
    let legacy = legacy().map_err(UpgradeError::Start)?;
    let (link, mut starting) = start(&legacy).map_err(UpgradeError::Start)?;
    tracing::info!(pid = starting.pid(), "SIGUSR2: a new process starts");
    let agreed = tokio::time::timeout(LIMIT, agree(link)).await;
    let reason = match agreed {
        Ok(Ok(())) => {
            let pid = starting.pid();
            starting.0 = None;
            return Ok((pid, legacy.held));
        }
        Ok(Err(reason)) => reason,
        Err(_) => return Err(UpgradeError::Silent),
    };
    let status = starting.end().map_or_else(String::new, |status| status.to_string());
    Err(UpgradeError::Ended { status, reason })
}

/// Starts a new process with the path, the arguments and the environment that this process was started with.
fn start(legacy: &Legacy) -> io::Result<(UnixStream, Starting)> {
    let (link, child_link) = UnixStream::pair()?;
    let sockets: Vec<_> = legacy.sockets.iter().map(AsFd::as_fd).collect();
    send_sockets(&link, &sockets)?;
    link.set_nonblocking(true)?;
    let mut arguments = std::env::args_os();
    // Not `current_exe`: that is the old file, which was replaced.
    let program = arguments.next().unwrap_or_default();
    let child = Command::new(program)
        .args(arguments)
        .env(PREDECESSOR, std::process::id().to_string())
        .env(DRAINED, serde_json::to_string(&legacy.drained).unwrap_or_default())
        .stdin(OwnedFd::from(child_link))
        .spawn()?;
    Ok((link, Starting(Some(child))))
}

/// Waits until the new process is ready, and tells it to go. The error is the reason that the new process gave.
async fn agree(link: UnixStream) -> Result<(), String> {
    let talk = async move {
        let mut link = tokio::net::UnixStream::from_std(link)?;
        let mut message = Vec::new();
        (&mut link).take(READY.len() as u64).read_to_end(&mut message).await?;
        if message == READY.as_bytes() {
            // Fails if the new process is gone. Once it reads this, it accepts clients.
            return link.write_all(GO).await.map(|()| None);
        }
        link.take(LONGEST_REASON).read_to_end(&mut message).await?;
        Ok::<_, io::Error>(Some(String::from_utf8_lossy(&message).into_owned()))
    };
    match talk.await {
        Ok(None) => Ok(()),
        Ok(Some(reason)) if reason.is_empty() => Err("it said nothing".to_owned()),
        Ok(Some(reason)) => Err(reason),
        Err(error) => Err(error.to_string()),
    }
}
