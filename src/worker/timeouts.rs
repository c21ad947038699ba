//! Time limits for clients: for the login, for silence between commands, for the rest of a command, and for
//! reading an answer. No session has a timer. Instead, the worker's tick checks all sessions once a second.
//! So limits are accurate to a second or two, and a statement whose client does not stall costs nothing.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;

use super::{Drain, Handle, Resources, Signals};
use crate::config::Timeouts;
use crate::net::Runtime;

/// What a session waits for the client to do, in the middle of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Send more of a command, or of a local file.
    Read,
    /// Read what was written to it.
    Write,
}

/// A wait for the client.
#[derive(Debug, Clone, Copy)]
pub struct Stall {
    side: Side,
    /// The worker's second in which the wait began or last made progress.
    since: u32,
}

impl Stall {
    /// Returns a wait that begins now, or has just made progress.
    pub fn since(side: Side, tick: &Cell<u32>) -> Self {
        Stall { side, since: tick.get() }
    }

    fn is_over(self, now: u32, timeouts: &Timeouts) -> bool {
        let limit = match self.side {
            Side::Read => timeouts.client_read,
            Side::Write => timeouts.client_write,
        };
        Duration::from_secs(u64::from(now.wrapping_sub(self.since))) > limit
    }
}

/// Runs `work`, which waits for the client, until one of the bits in `ending` is raised, or
/// `Signals::STALLED`. The client's time starts when `work` first has to wait; once it is over, the tick
/// raises `Signals::STALLED`.
pub fn or_stalled<'a, F: Future>(
    handle: &'a Handle,
    tick: &'a Cell<u32>,
    side: Side,
    ending: u16,
    work: F,
) -> OrStalled<'a, F> {
    OrStalled { work, handle, tick, side, ending, waits: false }
}

pin_project! {
    /// The future of [`or_stalled`].
    #[derive(Debug)]
    pub struct OrStalled<'a, F> {
        #[pin]
        work: F,
        handle: &'a Handle,
        tick: &'a Cell<u32>,
        side: Side,
        ending: u16,
        waits: bool,
    }
}

impl<F: Future> Future for OrStalled<'_, F> {
    type Output = Result<F::Output, u16>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let handle = *this.handle;
        if let Poll::Ready(output) = this.work.poll(cx) {
            if *this.waits {
                handle.stall.set(None);
                handle.signal.lower(Signals::STALLED);
            }
            return Poll::Ready(Ok(output));
        }
        if !std::mem::replace(this.waits, true) {
            handle.stall.set(Some(Stall::since(*this.side, this.tick)));
        }
        handle.signal.poll(*this.ending | Signals::STALLED, cx).map(Err)
    }
}

impl<R: Runtime> Resources<R> {
    /// Raises a signal for each session that has reached a limit. Must be called once a second.
    pub fn every_second(&self) {
        let now = self.tick.get().wrapping_add(1);
        self.tick.set(now);
        let live = self.live();
        let maintenance = &self.topology.get().maintenance;
        let drain = maintenance.drain.filter(|_| maintenance.cordoned);
        let idle = live.timeouts.idle.min(drain.unwrap_or(Duration::MAX));
        for handle in self.handles() {
            let quiet = Duration::from_secs(u64::from(now.wrapping_sub(handle.active.get())));
            let login = handle.login.borrow().is_none();
            if self.drain.get() != Drain::No && quiet > Drain::SILENCE && (login || !handle.busy.get()) {
                handle.signal.raise(Signals::LEAVE);
            }
            if login {
                if quiet > live.timeouts.login {
                    handle.signal.raise(Signals::LOGIN);
                }
                continue;
            }
            if handle.stall.get().is_some_and(|stall| stall.is_over(now, &live.timeouts)) {
                handle.signal.raise(Signals::STALLED);
            }
            if handle.busy.get() {
                handle.signal.raise(Signals::LOOK);
            } else if quiet > idle {
                handle.signal.raise(Signals::IDLE);
            }
        }
    }
}
