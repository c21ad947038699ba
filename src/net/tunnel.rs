//! Bytes both ways until one side ends: for replication streams, where the command
//! phase is left for good.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::task::Poll;

use super::{Buf, Stream};

/// Copies both ways until either side ends or breaks. `first` was read from `a` already.
pub async fn tunnel<S: Stream>(a: &mut S, b: &mut S, first: Buf, spare: Buf) -> io::Result<()> {
    let (result, mut from_a) = b.write_all(first).await;
    result?;
    let mut from_b = spare;
    loop {
        // Wait for either without holding an operation open, then move what is there.
        let a_ready = {
            let mut a_readable = pin!(a.readable());
            let mut b_readable = pin!(b.readable());
            poll_fn(|cx| {
                if let Poll::Ready(r) = b_readable.as_mut().poll(cx) {
                    return Poll::Ready(r.map(|()| false));
                }
                a_readable.as_mut().poll(cx).map(|r| r.map(|()| true))
            })
            .await?
        };
        let ended =
            if a_ready { move_once(a, b, &mut from_a).await? } else { move_once(b, a, &mut from_b).await? };
        if ended {
            return Ok(());
        }
    }
}

/// Readiness may be stale, so nothing here waits for bytes: the other side may have some.
async fn move_once<S: Stream>(from: &mut S, to: &mut S, buf: &mut Buf) -> io::Result<bool> {
    buf.clear();
    match from.read_now(buf)? {
        None => return Ok(false),
        Some(0) => return Ok(true),
        Some(_) => {}
    }
    let (result, back) = to.write_all(std::mem::take(buf)).await;
    *buf = back;
    result.map(|()| false)
}
