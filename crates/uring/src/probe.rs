//! Whether this system can do what `Ring` needs.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::Ring;

/// The first version of the kernel that is trusted. What is used came with 5.19 (rings of buffers), 6.0 (a receive with
/// many completions) and 6.1 (work deferred to the thread); 6.6 is the first kernel with long-term support behind them.
const LEAST: (u32, u32) = (6, 6);

/// An end that comes at all is there at once.
const TURNS: usize = 4;
const A_WHILE: Duration = Duration::from_millis(100);

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

/// Makes a ring of this size (see `Ring::new`), and sends bytes through pairs of sockets with it.
pub fn probe(operations: u32, count: u16, size: u32) -> Result<(), Unusable> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    if version(&release).is_some_and(|version| version < LEAST) {
        return Err(Unusable::OldKernel(release.trim().to_owned()));
    }
    let disabled = fs::read_to_string("/proc/sys/kernel/io_uring_disabled").unwrap_or_default();
    // 1 forbids it to processes without CAP_SYS_ADMIN, which the call itself finds out.
    if disabled.trim() == "2" {
        return Err(Unusable::Disabled);
    }
    match Ring::new(operations, count, size).and_then(|mut ring| try_out(&mut ring)) {
        Ok(Some(what)) => Err(Unusable::Wrong(what)),
        Ok(None) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && disabled.trim() == "1" => {
            Err(Unusable::Disabled)
        }
        Err(error) => Err(Unusable::Refused(error)),
    }
}

/// Returns what went wrong.
fn try_out(ring: &mut Ring) -> io::Result<Option<&'static str>> {
    for resets in [false, true] {
        let (here, there): (OwnedFd, OwnedFd) = if resets {
            let port = TcpListener::bind("127.0.0.1:0")?;
            let here = TcpStream::connect(port.local_addr()?)?;
            (here.into(), port.accept()?.0.into())
        } else {
            let (here, there) = UnixStream::pair()?;
            (here.into(), there.into())
        };
        ring.receive(here.as_fd(), 1)?;
        ring.turn(Some(Duration::ZERO))?;
        // Bytes and the end before the next turn: there are kernels whose receive loses the end then.
        let mut there = File::from(there);
        there.write_all(b"there")?;
        if resets {
            // Bytes that nobody read make the close a reset.
            File::from(here.try_clone()?).write_all(b"unread")?;
        }
        drop(there);
        let (mut heard, mut ended) = (Vec::new(), false);
        for _ in 0..TURNS {
            ring.turn(Some(A_WHILE))?;
            let mut all = Vec::new();
            ring.take(&mut all)?;
            for completion in all {
                ended |= !completion.more;
                if let Some(filled) = completion.filled {
                    heard.extend_from_slice(ring.buffers().bytes(&filled));
                    ring.give_back(filled);
                }
            }
            if ended {
                break;
            }
        }
        if !ended {
            return Ok(Some("the kernel loses the end of a connection that comes right behind bytes"));
        }
        if heard != b"there" && !resets {
            return Ok(Some("a pair of sockets did not get its bytes through the ring"));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_system_is_asked_in_time() {
        // Whatever the answer is: it says why.
        if let Err(unusable) = probe(8, 2, 64) {
            assert!(!unusable.to_string().is_empty() && !unusable.name().is_empty());
            eprintln!("{unusable}");
        }
    }

    #[test]
    fn releases_are_compared_by_number() {
        assert_eq!(version("6.8.0-31-generic"), Some((6, 8)));
        assert_eq!(version("6.18.44-fc-v669"), Some((6, 18)));
        assert_eq!(version("5.15.0"), Some((5, 15)));
        assert_eq!(version("unknown"), None);
    }
}
