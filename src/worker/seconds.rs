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
    /// The seconds that look at silent sessions, each with the session's id.
    silent: RefCell<BTreeSet<(u32, u32)>>,
}

impl Seconds {
    /// Returns how many seconds have passed since the worker began.
    #[inline]
    pub fn get(&self) -> u32 {
        self.now.get()
    }

    /// Has the session looked at in the next second.
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

    /// Lets a second pass. Returns the ids of the sessions that are watched; some may have ended.
    pub(super) fn pass(&self) -> Vec<u32> {
        self.now.set(self.now.get().wrapping_add(1));
        self.next.take()
    }

    /// Returns the ids of the sessions whose silence was to be looked at by now. They may have ended it meanwhile.
    pub(super) fn end_silence(&self) -> Vec<u32> {
        let mut silent = self.silent.borrow_mut();
        let mut ids = Vec::new();
        while let Some((_, id)) = silent.first().copied().filter(|(until, _)| *until <= self.get()) {
            silent.pop_first();
            ids.push(id);
        }
        ids
    }

    /// Has the session looked at when it has been silent for so many seconds, not before. A command that begins changes
    /// nothing here: whoever looks then sees that the silence is shorter, and calls this again.
    pub(super) fn look_after(&self, handle: &Handle, silence: u64) {
        let until = u64::from(handle.active.get()).saturating_add(silence).max(u64::from(self.get()) + 1);
        // What does not end in a century does not end.
        let Ok(until) = u32::try_from(until) else { return };
        if !(1..=until).contains(&handle.silent_until.get()) {
            self.forget(handle);
            handle.silent_until.set(until);
            self.silent.borrow_mut().insert((until, handle.id));
        }
    }

    /// Has no second look at the session's silence.
    pub(super) fn forget(&self, handle: &Handle) {
        if handle.silent_until.get() > 0 {
            self.silent.borrow_mut().remove(&(handle.silent_until.take(), handle.id));
        }
    }

    /// Returns how many sessions a later second looks at because of their silence.
    #[cfg(test)]
    pub fn silent(&self) -> usize {
        self.silent.borrow().len()
    }
}
