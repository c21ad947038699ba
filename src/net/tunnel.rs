//! Bytes both ways until one side ends: for replication streams, where neither side waits for the other. What passes
//! is decided by whoever opens the tunnel.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::task::Poll;

use super::{Buf, Stream};

/// What passes through a tunnel.
pub trait Passing {
    /// How many of these bytes of the first side pass, and whether the tunnel ends behind them. An error ends it at once.
    fn pass_first(&mut self, bytes: &[u8]) -> io::Result<(usize, bool)>;
    /// The same for bytes of the second side.
    fn pass_second(&mut self, bytes: &[u8]) -> io::Result<(usize, bool)>;
    /// The first side does not read, so that the tunnel waits for it; or it read again.
    fn first_is_full(&mut self, full: bool);
}

/// Copies both ways until either side ends or breaks, or `passing` ends it. `from_first` and `from_second` were read
/// already.
pub async fn tunnel<S: Stream>(
    first: &mut S,
    second: &mut S,
    mut from_first: Buf,
    mut from_second: Buf,
    passing: &mut impl Passing,
) -> io::Result<()> {
    // A client sees the beginning of a stream before what it sent ahead of that is judged.
    if !from_second.is_empty() {
        let pass = passing.pass_second(from_second.filled())?;
        if write_first(first, &mut from_second, pass, passing).await? {
            return Ok(());
        }
    }
    if !from_first.is_empty() {
        let pass = passing.pass_first(from_first.filled())?;
        if write(second, &mut from_first, pass).await? {
            return Ok(());
        }
    }
    loop {
        // Wait for either without holding an operation open, then move what is there.
        let first_ready = {
            let mut first_readable = pin!(first.readable());
            let mut second_readable = pin!(second.readable());
            poll_fn(|cx| {
                if let Poll::Ready(r) = second_readable.as_mut().poll(cx) {
                    return Poll::Ready(r.map(|()| false));
                }
                first_readable.as_mut().poll(cx).map(|r| r.map(|()| true))
            })
            .await?
        };
        let ended = if first_ready {
            match read(first, &mut from_first)? {
                Some(0) => true,
                Some(_) => {
                    let pass = passing.pass_first(from_first.filled())?;
                    write(second, &mut from_first, pass).await?
                }
                None => false,
            }
        } else {
            match read(second, &mut from_second)? {
                Some(0) => true,
                Some(_) => {
                    let pass = passing.pass_second(from_second.filled())?;
                    write_first(first, &mut from_second, pass, passing).await?
                }
                None => false,
            }
        };
        if ended {
            return Ok(());
        }
    }
}

/// Readiness may be stale, so nothing here waits for bytes: the other side may have some.
fn read<S: Stream>(from: &mut S, buf: &mut Buf) -> io::Result<Option<usize>> {
    buf.clear();
    from.read_now(buf)
}

/// The same as `write`, for the first side.
async fn write_first<S: Stream>(
    to: &mut S,
    buf: &mut Buf,
    pass: (usize, bool),
    passing: &mut impl Passing,
) -> io::Result<bool> {
    let mut writing = pin!(write(to, buf, pass));
    let mut full = false;
    poll_fn(|cx| {
        let polled = writing.as_mut().poll(cx);
        if polled.is_pending() != full {
            full = polled.is_pending();
            passing.first_is_full(full);
        }
        polled
    })
    .await
}

/// Writes what passes. True: the tunnel ends here.
async fn write<S: Stream>(to: &mut S, buf: &mut Buf, (pass, ends): (usize, bool)) -> io::Result<bool> {
    buf.truncate(pass);
    let (result, back) = to.write_all(std::mem::take(buf)).await;
    *buf = back;
    result.map(|()| ends)
}
