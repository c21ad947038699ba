//! Forwards bytes in both directions until one side ends: for replication streams, in which neither side waits for the
//! other. The caller decides which bytes pass.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::task::Poll;

use super::{Buf, Stream};

/// Decides what passes through a tunnel.
pub trait TunnelGate {
    /// Returns how many of these bytes from the first side pass, and whether the tunnel ends behind them. May change
    /// the bytes. An error ends the tunnel at once.
    fn pass_first(&mut self, bytes: &mut [u8]) -> io::Result<(usize, bool)>;
    /// Returns for bytes from the second side what `pass_first` returns for the first.
    fn pass_second(&mut self, bytes: &mut [u8]) -> io::Result<(usize, bool)>;
    /// Is called with true when the tunnel begins to wait because the first side does not read, and with false when the
    /// first side reads again.
    fn first_is_full(&mut self, full: bool);
}

/// Forwards bytes in both directions until either side ends or breaks, or `passing` ends the tunnel. `from_first` and
/// `from_second` have bytes that were already read.
pub async fn tunnel<S: Stream>(
    first: &mut S,
    second: &mut S,
    mut from_first: Buf,
    mut from_second: Buf,
    passing: &mut impl TunnelGate,
) -> io::Result<()> {
    // The client gets the beginning of the stream before the bytes that it sent early are checked.
    if !from_second.is_empty() {
        let pass = passing.pass_second(from_second.filled_mut())?;
        if write_first(first, &mut from_second, pass, passing).await? {
            return Ok(());
        }
    }
    if !from_first.is_empty() {
        let pass = passing.pass_first(from_first.filled_mut())?;
        if write(second, &mut from_first, pass).await? {
            return Ok(());
        }
    }
    loop {
        // Waits for either side without starting a read, then forwards what is there.
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
                    let pass = passing.pass_first(from_first.filled_mut())?;
                    write(second, &mut from_first, pass).await?
                }
                None => false,
            }
        } else {
            match read(second, &mut from_second)? {
                Some(0) => true,
                Some(_) => {
                    let pass = passing.pass_second(from_second.filled_mut())?;
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

/// Reads without waiting: the readiness may be stale, and the other side may have bytes meanwhile.
fn read<S: Stream>(from: &mut S, buf: &mut Buf) -> io::Result<Option<usize>> {
    buf.clear();
    from.read_now(buf)
}

/// Writes to the first side as `write` does, and reports when it is full.
async fn write_first<S: Stream>(
    to: &mut S,
    buf: &mut Buf,
    pass: (usize, bool),
    passing: &mut impl TunnelGate,
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

/// Writes the bytes that pass. Returns true if the tunnel ends behind them.
async fn write<S: Stream>(to: &mut S, buf: &mut Buf, (pass, ends): (usize, bool)) -> io::Result<bool> {
    buf.truncate(pass);
    let (result, back) = to.write_all(std::mem::take(buf)).await;
    *buf = back;
    result.map(|()| ends)
}
