//! Signals from the worker to one of its sessions: drain, kill, server lost.
//! Both are on the same thread, so a signal is a cell and a waker.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

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

/// Runs `future` until one of the bits in `mask` is raised. Then drops `future`, and returns the bits as the error.
pub async fn or_raised<F: Future>(signal: &Signal, mask: u16, future: F) -> Result<F::Output, u16> {
    let mut future = pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Ok(output)),
        Poll::Pending => signal.poll(mask, cx).map(Err),
    })
    .await
}

/// The output of `first`, or None if `other` ends before.
pub async fn first_of<F: Future, O: Future>(first: F, other: O) -> Option<F::Output> {
    let mut first = pin!(first);
    let mut other = pin!(other);
    poll_fn(|cx| {
        if let Poll::Ready(output) = first.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        other.as_mut().poll(cx).map(|_| None)
    })
    .await
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
