//! The running process of an upgrade: at SIGUSR2 it starts a new one, hands it the listening sockets, and when that
//! one could serve, closes its own and drains. Whatever goes wrong before costs nothing but a line in the log. The
//! other half is `takeover`.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::signal::unix::Signal;

use super::service_manager;
use super::takeover::{GO, PREDECESSOR, READY, READY_LIMIT};
use crate::net::send_sockets;

/// The new process gives up by itself before, and says why.
const LIMIT: Duration = READY_LIMIT.saturating_add(Duration::from_secs(10));

/// Of what a process says that cannot start.
const LONGEST_REASON: u64 = 64 * 1024;

/// Why this process goes on.
#[derive(Debug, thiserror::Error)]
enum UpgradeError {
    /// The first process of a container is its end.
    #[error("this is the first process of a container, which ends with it: restart the container instead")]
    FirstProcess,
    /// No new process.
    #[error("cannot start a new process: {0}")]
    Start(io::Error),
    /// It gave up, with its reason.
    #[error("it ended with {status}: {reason}")]
    Ended { status: String, reason: String },
    /// It says nothing.
    #[error("it was not ready within {LIMIT:?}")]
    Silent,
}

/// A new process that has not taken over yet: it ends with its owner.
struct Starting(Option<Child>);

impl Starting {
    fn pid(&self) -> u32 {
        self.0.as_ref().map_or(0, Child::id)
    }

    /// How it ended, or is ended now.
    fn end(&mut self) -> Option<ExitStatus> {
        let mut child = self.0.take()?;
        // Has no effect on the status of one that is about to exit.
        let _ = child.kill();
        child.wait().ok()
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        self.end();
    }
}

/// Returns when a new process has taken over what `sockets` returned. Dropped before that, it ends the new process.
pub(super) async fn upgraded(mut asked: Signal, sockets: impl Fn() -> io::Result<Vec<OwnedFd>>) {
    loop {
        if asked.recv().await.is_none() {
            return std::future::pending().await;
        }
        let attempt = attempt(&sockets);
        tokio::pin!(attempt);
        let result = loop {
            tokio::select! {
                result = &mut attempt => break result,
                Some(()) = asked.recv() => tracing::warn!("SIGUSR2: a new process is starting already"),
            }
        };
        match result {
            Ok(pid) => {
                // This one is still the main process, whose word counts.
                service_manager::tell(&format!("MAINPID={pid}"));
                return tracing::info!(pid, "a new process has taken over the ports: draining");
            }
            Err(error) => {
                let reason = error.to_string().lines().collect::<Vec<_>>().join("; ");
                tracing::error!(reason, "no new process has taken over: this one goes on");
            }
        }
    }
}

/// The id of the process that has taken over.
async fn attempt(sockets: impl Fn() -> io::Result<Vec<OwnedFd>>) -> Result<u32, UpgradeError> {
    if std::process::id() == 1 {
        return Err(UpgradeError::FirstProcess);
    }
    let sockets = sockets().map_err(UpgradeError::Start)?;
    let (link, mut starting) = start(&sockets).map_err(UpgradeError::Start)?;
    tracing::info!(pid = starting.pid(), "SIGUSR2: a new process starts");
    let agreed = tokio::time::timeout(LIMIT, agree(link)).await;
    let reason = match agreed {
        Ok(Ok(())) => {
            let pid = starting.pid();
            starting.0 = None;
            return Ok(pid);
        }
        Ok(Err(reason)) => reason,
        Err(_) => return Err(UpgradeError::Silent),
    };
    let status = starting.end().map_or_else(String::new, |status| status.to_string());
    Err(UpgradeError::Ended { status, reason })
}

/// By the path, the arguments and the environment that this process was started with.
fn start(sockets: &[OwnedFd]) -> io::Result<(UnixStream, Starting)> {
    let (mine, theirs) = UnixStream::pair()?;
    let sockets: Vec<_> = sockets.iter().map(AsFd::as_fd).collect();
    send_sockets(&mine, &sockets)?;
    mine.set_nonblocking(true)?;
    let mut arguments = std::env::args_os();
    // Not where the file is that runs (`current_exe`): that one was replaced.
    let program = arguments.next().unwrap_or_default();
    let child = Command::new(program)
        .args(arguments)
        .env(PREDECESSOR, std::process::id().to_string())
        .stdin(OwnedFd::from(theirs))
        .spawn()?;
    Ok((mine, Starting(Some(child))))
}

/// Waits until the new process could serve, and tells it to. An error is what it said instead, at its end.
async fn agree(link: UnixStream) -> Result<(), String> {
    let talk = async move {
        let mut link = tokio::net::UnixStream::from_std(link)?;
        let mut said = Vec::new();
        (&mut link).take(READY.len() as u64).read_to_end(&mut said).await?;
        if said == READY.as_bytes() {
            // If it is gone, this fails; once this is said, it accepts.
            return link.write_all(GO).await.map(|()| None);
        }
        link.take(LONGEST_REASON).read_to_end(&mut said).await?;
        Ok::<_, io::Error>(Some(String::from_utf8_lossy(&said).into_owned()))
    };
    match talk.await {
        Ok(None) => Ok(()),
        Ok(Some(reason)) if reason.is_empty() => Err("it said nothing".to_owned()),
        Ok(Some(reason)) => Err(reason),
        Err(error) => Err(error.to_string()),
    }
}
