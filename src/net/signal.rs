//! Signals from the worker to one of its sessions: drain, kill, server lost.
//! Both are on the same thread, so a signal is a cell and a waker.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use pin_project_lite::pin_project;

/// Bits that other tasks raise, and on which one task waits.
#[derive(Debug, Default)]
pub struct Signal {
    bits: Cell<u16>,
    waker: RefCell<Option<Waker>>,
}

impl Signal {
    /// Raises bits and wakes the task.
    pub fn raise(&self, bits: u16) {
        self.bits.set(self.bits.get() | bits);
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }

    /// Returns the raised bits.
    pub fn get(&self) -> u16 {
        self.bits.get()
    }

    /// Clears bits.
    pub fn lower(&self, bits: u16) {
        self.bits.set(self.bits.get() & !bits);
    }

    /// Returns the raised bits among `mask` once there are any; registers the task to be woken then.
    pub fn poll(&self, mask: u16, cx: &mut Context<'_>) -> Poll<u16> {
        let raised = self.bits.get() & mask;
        if raised != 0 {
            return Poll::Ready(raised);
        }
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|w| w.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

/// Runs `future` until one of the bits in `mask` is raised, and then returns the bits as the error.
pub fn or_raised<F: Future>(signal: &Signal, mask: u16, future: F) -> OrRaised<'_, F> {
    OrRaised { future, signal, mask }
}

/// The output of `first`, or None if `other` ends before.
pub fn first_of<F: Future, O: Future>(first: F, other: O) -> FirstOf<F, O> {
    FirstOf { first, other }
}

// Not async functions: those would have room for each future twice, as an argument and pinned.
pin_project! {
    /// The future of [`or_raised`].
    #[derive(Debug)]
    pub struct OrRaised<'a, F> {
        #[pin]
        future: F,
        signal: &'a Signal,
        mask: u16,
    }
}

impl<F: Future> Future for OrRaised<'_, F> {
    type Output = Result<F::Output, u16>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        match this.future.poll(cx) {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending => this.signal.poll(*this.mask, cx).map(Err),
        }
    }
}

pin_project! {
    /// The future of [`first_of`].
    #[derive(Debug)]
    pub struct FirstOf<F, O> {
        #[pin]
        first: F,
        #[pin]
        other: O,
    }
}

impl<F: Future, O: Future> Future for FirstOf<F, O> {
    type Output = Option<F::Output>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(output) = this.first.poll(cx) {
            return Poll::Ready(Some(output));
        }
        this.other.poll(cx).map(|_| None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::rc::Rc;

    #[tokio::test]
    async fn only_bits_in_the_mask_interrupt() {
        let local = tokio::task::LocalSet::new();
        local
            .run_until(async {
                let signal = Rc::new(Signal::default());
                let other = signal.clone();
                let task = tokio::task::spawn_local(async move {
                    or_raised(&other, 0b10, std::future::pending::<()>()).await
                });
                signal.raise(0b01);
                tokio::task::yield_now().await;
                assert!(!task.is_finished());
                signal.raise(0b10);
                assert_eq!(task.await.unwrap(), Err(0b10));
                signal.lower(0b10);
                assert_eq!(or_raised(&signal, 0b10, async { 7 }).await, Ok(7));
            })
            .await;
    }
}
