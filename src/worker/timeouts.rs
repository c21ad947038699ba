//! Time limits for clients: for the login, for silence between commands, for the rest of a command, and for
//! reading an answer. No session has a timer. Instead, the worker looks once a second at the sessions for which
//! something may be due. So limits are accurate to a second or two, a statement whose client does not stall costs
//! nothing, and neither does a silent client.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;

use super::{Drain, Handle, Resources, Seconds, Signals};
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
    /// Notes that a session begins to wait for its client, or that a wait has made progress.
    pub fn begin(side: Side, handle: &Handle, seconds: &Seconds) {
        handle.stall.set(Some(Stall { side, since: seconds.get() }));
        seconds.watch(handle);
    }

    fn is_over(self, now: u32, timeouts: &Timeouts) -> bool {
        let limit = match self.side {
            Side::Read => timeouts.client_read,
            Side::Write => timeouts.client_write,
        };
        Duration::from_secs(u64::from(now.wrapping_sub(self.since))) > limit
    }
}

/// The limits that all sessions have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct TimeoutLimits {
    login: Duration,
    idle: Duration,
    /// The process is draining.
    drains: bool,
}

/// Runs `work`, which waits for the client, until one of the bits in `ending` is raised, or
/// `Signals::STALLED`. The client's time starts when `work` first has to wait; once it is over, the next
/// second raises `Signals::STALLED`.
pub fn or_stalled<'a, F: Future>(
    handle: &'a Handle,
    seconds: &'a Seconds,
    side: Side,
    ending: u16,
    work: F,
) -> OrStalled<'a, F> {
    OrStalled { work, handle, seconds, side, ending, waits: false }
}

pin_project! {
    /// The future of [`or_stalled`].
    #[derive(Debug)]
    pub struct OrStalled<'a, F> {
        #[pin]
        work: F,
        handle: &'a Handle,
        seconds: &'a Seconds,
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
            Stall::begin(*this.side, handle, this.seconds);
        }
        handle.signal.poll(*this.ending | Signals::STALLED, cx).map(Err)
    }
}

impl<R: Runtime> Resources<R> {
    /// Raises a signal for each session that has reached a limit. Must be called once a second. Returns how many
    /// sessions it looked at.
    pub fn every_second(&self) -> usize {
        let watched = self.seconds.pass();
        let live = self.live();
        let maintenance = &self.topology.get().maintenance;
        let drain = maintenance.drain.filter(|_| maintenance.cordoned);
        let limits = TimeoutLimits {
            login: live.timeouts.login,
            idle: live.timeouts.idle.min(drain.unwrap_or(Duration::MAX)),
            drains: self.drain.get() != Drain::No,
        };
        // New limits end at other times, and a drain looks at each session.
        let is_new = self.limits.replace(limits) != limits;
        if is_new || limits.drains {
            let all = self.handles();
            all.iter().for_each(|handle| self.look(handle, &live.timeouts, limits));
            return all.len();
        }
        let handle = |id: &u32| self.sessions.borrow().get(id).cloned();
        let mut count = 0;
        for handle in watched.iter().filter_map(handle) {
            self.look(&handle, &live.timeouts, limits);
            count += 1;
        }
        for handle in self.seconds.end_silence().iter().filter_map(handle) {
            handle.silent_until.set(0);
            // A session with something under way is looked at in the next second anyway.
            if !handle.watched.get() {
                self.look(&handle, &live.timeouts, limits);
                count += 1;
            }
        }
        count
    }

    fn look(&self, handle: &Handle, timeouts: &Timeouts, limits: TimeoutLimits) {
        handle.watched.set(false);
        let now = self.seconds.get();
        let quiet = Duration::from_secs(u64::from(now.wrapping_sub(handle.active.get())));
        let logs_in = handle.login.borrow().is_none();
        let busy = handle.busy.get();
        if limits.drains && quiet > Drain::SILENCE && (logs_in || !busy) {
            handle.signal.raise(Signals::LEAVE);
        }
        if logs_in {
            if quiet > limits.login {
                handle.signal.raise(Signals::LOGIN);
            }
            return self.seconds.watch(handle);
        }
        let stall = handle.stall.get();
        if stall.is_some_and(|stall| stall.is_over(now, timeouts)) {
            handle.signal.raise(Signals::STALLED);
        }
        if busy {
            handle.signal.raise(Signals::LOOK);
        } else if quiet > limits.idle {
            handle.signal.raise(Signals::IDLE);
        }
        match busy || stall.is_some() {
            true => self.seconds.watch(handle),
            // The first whole second that is more than the limit.
            false => self.seconds.look_after(handle, limits.idle.as_secs().saturating_add(1)),
        }
    }
}
