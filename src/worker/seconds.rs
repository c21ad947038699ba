//! The seconds of a worker, and which sessions are looked at in each of them: those with something under way, and those
//! whose time of silence may be over. All others sleep at no cost, however many there are.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use super::Handle;

/// See the module.
#[derive(Debug, Default)]
pub struct Seconds {
    /// How many have passed since the worker began.
    now: Cell<u32>,
    /// The sessions that the next second looks at, by id.
    next: RefCell<Vec<u32>>,
    /// Until when each of the silent sessions may be silent, in the order of these seconds.
    silent: RefCell<BTreeSet<(u32, u32)>>,
}

impl Seconds {
    /// Returns how many seconds have passed since the worker began.
    #[inline]
    pub fn get(&self) -> u32 {
        self.now.get()
    }

    /// Has the session looked at in each second from now on, until `look` finds that nothing is under way.
    #[inline]
    pub fn watch(&self, handle: &Handle) {
        if !handle.watched.replace(true) {
            self.next.borrow_mut().push(handle.id);
        }
    }

    /// Notes that a command of the session begins.
    #[inline]
    pub fn begin(&self, handle: &Handle) {
        handle.busy.set(true);
        handle.active.set(self.get());
        self.watch(handle);
    }

    /// Lets a second pass. Returns the ids of the sessions that it was to look at; some may have ended.
    pub(super) fn pass(&self) -> Vec<u32> {
        self.now.set(self.now.get().wrapping_add(1));
        self.next.take()
    }

    /// Returns the ids of the sessions whose time of silence is over, unless they did something since.
    pub(super) fn end_silence(&self) -> Vec<u32> {
        let mut silent = self.silent.borrow_mut();
        let over = |silent: &mut BTreeSet<(u32, u32)>| {
            let is_over = silent.first().is_some_and(|(until, _)| *until <= self.get());
            if is_over { silent.pop_first() } else { None }
        };
        std::iter::from_fn(|| over(&mut silent)).map(|(_, id)| id).collect()
    }

    /// Has the session looked at again: in the next second, or else when it has been silent for so many seconds.
    pub(super) fn look_again(&self, handle: &Handle, next: bool, silence: u64) {
        self.forget(handle);
        if next {
            return self.watch(handle);
        }
        let until = u64::from(handle.active.get()).saturating_add(silence).max(u64::from(self.get()) + 1);
        // What does not end in a century does not end.
        if let Ok(until) = u32::try_from(until) {
            handle.silent_until.set(until);
            self.silent.borrow_mut().insert((until, handle.id));
        }
    }

    /// Forgets until when the session may be silent.
    pub(super) fn forget(&self, handle: &Handle) {
        if handle.silent_until.get() > 0 {
            self.silent.borrow_mut().remove(&(handle.silent_until.take(), handle.id));
        }
    }

    /// Returns how many sessions may be silent for a while.
    #[cfg(test)]
    pub fn silent(&self) -> usize {
        self.silent.borrow().len()
    }
}
