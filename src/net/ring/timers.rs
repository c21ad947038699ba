//! The timers of one thread.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;

use super::Reactor;
use crate::net::turn_time;

/// Who waits until when. The number tells timers of one instant apart.
#[derive(Debug, Default)]
pub struct Timers {
    waiting: RefCell<BTreeMap<(Instant, u64), Waker>>,
    next: std::cell::Cell<u64>,
}

impl Timers {
    fn add(&self, at: Instant, waker: Waker) -> u64 {
        let number = self.next.get();
        self.next.set(number.wrapping_add(1));
        self.waiting.borrow_mut().insert((at, number), waker);
        number
    }

    /// Returns how many wait.
    #[cfg(test)]
    pub fn count(&self) -> usize {
        self.waiting.borrow().len()
    }

    /// Returns how long it is to the first timer.
    pub fn first(&self) -> Option<Duration> {
        let waiting = self.waiting.borrow();
        let ((at, _), _) = waiting.first_key_value()?;
        Some(at.saturating_duration_since(Instant::now()))
    }

    /// Wakes those whose time has come.
    pub fn fire(&self) {
        if self.waiting.borrow().is_empty() {
            return;
        }
        let now = turn_time();
        loop {
            let due = {
                let mut waiting = self.waiting.borrow_mut();
                let first = waiting.first_entry().filter(|first| first.key().0 <= now);
                first.map(|first| first.remove())
            };
            match due {
                Some(waker) => waker.wake(),
                None => return,
            }
        }
    }
}

/// Waits until an instant.
pub struct Sleep {
    reactor: Rc<Reactor>,
    until: Instant,
    number: Option<u64>,
}

impl Sleep {
    pub fn new(reactor: Rc<Reactor>, time: Duration) -> Self {
        let now = Instant::now();
        // So long that nobody lives to see it.
        let until = now.checked_add(time).unwrap_or(now + Duration::from_secs(1 << 31));
        Sleep { reactor, until, number: None }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(number) = self.number else {
            self.number = Some(self.reactor.timers.add(self.until, cx.waker().clone()));
            return Poll::Pending;
        };
        let mut waiting = self.reactor.timers.waiting.borrow_mut();
        match waiting.get_mut(&(self.until, number)) {
            None => Poll::Ready(()),
            Some(waker) => {
                waker.clone_from(cx.waker());
                Poll::Pending
            }
        }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            let removed = self.reactor.timers.waiting.borrow_mut().remove(&(self.until, number));
            drop(removed);
        }
    }
}
