//! Counts the work of reading a text: one step for each token and each byte that a reader passes. The tests that
//! reading takes linear time compare these counts, not clock times. The program counts nothing.

#[cfg(any(test, feature = "count-steps"))]
mod counted {
    use std::cell::Cell;

    thread_local! {
        static STEPS: Cell<u64> = const { Cell::new(0) };
    }

    pub(crate) fn count(steps: usize) {
        STEPS.with(|all| all.set(all.get().saturating_add(steps as u64)));
    }

    /// Runs `read` and returns the steps that it took on this thread.
    pub fn taken(read: impl FnOnce()) -> u64 {
        let before = STEPS.with(Cell::get);
        read();
        STEPS.with(Cell::get).saturating_sub(before)
    }
}

#[cfg(any(test, feature = "count-steps"))]
pub use counted::taken;

#[cfg(any(test, feature = "count-steps"))]
pub(super) use counted::count;

/// Does nothing: only tests count.
#[cfg(not(any(test, feature = "count-steps")))]
#[inline(always)]
pub(super) fn count(_: usize) {}
