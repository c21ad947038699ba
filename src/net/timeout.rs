//! Timers and time limits, on the ring of the thread or on tokio.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::task::unconstrained;

use super::ring::{Reactor, Sleep};

/// Waits for some time, on whatever drives this thread.
pub(super) enum Timer {
    Ring(Sleep),
    /// Boxed: it is larger than most futures that have a limit.
    Tokio(Pin<Box<tokio::time::Sleep>>),
}

impl Timer {
    pub fn new(time: Duration) -> Self {
        match Reactor::current() {
            Some(reactor) => Timer::Ring(Sleep::new(reactor, time)),
            None => Timer::Tokio(Box::pin(tokio::time::sleep(time))),
        }
    }
}

impl Future for Timer {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.get_mut() {
            Timer::Ring(sleep) => Pin::new(sleep).poll(cx),
            Timer::Tokio(sleep) => sleep.as_mut().poll(cx),
        }
    }
}

pin_project! {
    /// Runs a future for a limited time. Its output is None if the time is over.
    // Not an async function: that would have room for the future three times.
    pub(super) struct Timeout<F> {
        #[pin]
        future: F,
        limit: Duration,
        // Made only for a future that has to wait.
        timer: Option<Timer>,
    }
}

impl<F> Timeout<F> {
    pub fn new(limit: Duration, future: F) -> Self {
        Timeout { future, limit, timer: None }
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Option<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(output) = this.future.poll(cx) {
            return Poll::Ready(Some(output));
        }
        let timer = this.timer.get_or_insert_with(|| Timer::new(*this.limit));
        // tokio lets a task that has done much in this turn wait, and its timers with it. One that always does much is
        // to be stopped nevertheless.
        pin!(unconstrained(timer)).poll(cx).map(|()| None)
    }
}
