//! Whether this system can do what `Ring` needs.

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::Ring;

/// The first version of the kernel that is trusted. What is used came with 5.19 (rings of buffers), 6.0 (a receive with
/// many completions) and 6.1 (work deferred to the thread); 6.6 is the first kernel with long-term support behind them.
const LEAST: (u32, u32) = (6, 6);

/// Why io_uring cannot be used.
#[derive(Debug)]
pub enum Unusable {
    /// The kernel is older than 6.6. Its release.
    OldKernel(String),
    /// The sysctl kernel.io_uring_disabled forbids it.
    Disabled,
    /// The system call is refused: by a sandbox (EPERM), or because the kernel has none (ENOSYS), or for its memory.
    Refused(io::Error),
    /// A pair of sockets did not get its bytes through the ring.
    Wrong(&'static str),
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unusable::OldKernel(release) => write!(f, "the kernel is {release}, and 6.6 is needed"),
            Unusable::Disabled => f.write_str("the sysctl kernel.io_uring_disabled forbids it"),
            Unusable::Refused(error) => write!(f, "the system refuses it: {error}"),
            Unusable::Wrong(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Unusable {}

impl Unusable {
    /// Returns a short name, for a metric.
    pub fn name(&self) -> &'static str {
        match self {
            Unusable::OldKernel(_) => "old_kernel",
            Unusable::Disabled => "disabled",
            Unusable::Refused(error) if error.kind() == io::ErrorKind::PermissionDenied => "forbidden",
            Unusable::Refused(_) => "refused",
            Unusable::Wrong(_) => "wrong",
        }
    }
}

/// Parses the beginning of a release such as `6.8.0-31-generic`.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Makes a ring, and sends bytes through a pair of sockets with it.
pub fn probe() -> Result<(), Unusable> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    if version(&release).is_some_and(|version| version < LEAST) {
        return Err(Unusable::OldKernel(release.trim().to_owned()));
    }
    let disabled = fs::read_to_string("/proc/sys/kernel/io_uring_disabled").unwrap_or_default();
    // 1 forbids it to processes without CAP_SYS_ADMIN, which the call itself finds out.
    if disabled.trim() == "2" {
        return Err(Unusable::Disabled);
    }
    match try_out() {
        Ok(Some(what)) => Err(Unusable::Wrong(what)),
        Ok(None) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && disabled.trim() == "1" => {
            Err(Unusable::Disabled)
        }
        Err(error) => Err(Unusable::Refused(error)),
    }
}

/// Returns what went wrong.
fn try_out() -> io::Result<Option<&'static str>> {
    let mut ring = Ring::new(8, 2, 64)?;
    let (here, mut there) = UnixStream::pair()?;
    ring.receive(here.as_fd(), 1)?;
    ring.turn(Some(Duration::ZERO))?;
    there.write_all(b"there")?;
    ring.turn(Some(Duration::from_secs(1)))?;
    let mut all = Vec::new();
    ring.take(&mut all)?;
    let Some(filled) = all.iter_mut().find_map(|completion| completion.filled.take()) else {
        return Ok(Some("a pair of sockets did not get its bytes through the ring"));
    };
    if ring.buffers().bytes(&filled) != b"there" {
        return Ok(Some("a pair of sockets got other bytes through the ring"));
    }
    ring.buffers_mut().give_back(filled);
    drop(there);
    ring.turn(Some(Duration::from_secs(1)))?;
    all.clear();
    ring.take(&mut all)?;
    let ended = all.iter().any(|completion| !completion.more && matches!(completion.result, Ok(0)));
    Ok((!ended).then_some("the end of a socket was not told by the ring"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_compared_by_number() {
        assert_eq!(version("6.8.0-31-generic"), Some((6, 8)));
        assert_eq!(version("6.18.44-fc-v669"), Some((6, 18)));
        assert_eq!(version("5.15.0"), Some((5, 15)));
        assert_eq!(version("unknown"), None);
    }
}
