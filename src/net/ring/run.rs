//! The loop of a data thread on io_uring.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use tokio::runtime::Handle;
use tokio::task::LocalSet;

use super::Reactor;

/// Runs the tasks of a set until all of them have ended. `aside` is the runtime for what is not of this thread: name
/// resolution, long work, and timers of other modules.
pub fn run(local: LocalSet, aside: &Handle) -> io::Result<()> {
    run_with(Reactor::new()?, local, aside)
}

/// As `run`, on a ring that was made before.
pub(super) fn run_with(reactor: Rc<Reactor>, local: LocalSet, aside: &Handle) -> io::Result<()> {
    let _context = aside.enter();
    reactor.enter();
    let waker = Waker::from(reactor.alarm.clone());
    let mut cx = Context::from_waker(&waker);
    let mut local = pin!(local);
    let ended = loop {
        if reactor.alarm.take() && local.as_mut().poll(&mut cx) == Poll::Ready(()) {
            break Ok(());
        }
        if let Err(error) = reactor.turn() {
            break Err(error);
        }
    };
    Reactor::leave();
    ended
}
