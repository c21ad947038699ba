//! The time, read once in a turn. A data thread on io_uring works in turns: it takes what came meanwhile, runs the tasks
//! that this wakes, and waits again. Statements that come or end in one turn share one look at the clock: a statement lasts
//! from the first look in the turn that brings it to the first look in the turn in which it ends. A thread on epoll belongs to
//! tokio, which tells when a thread falls asleep and wakes up, but not when a busy thread takes what came; so there each look
//! is a new one.

use std::cell::Cell;

use tokio::time::Instant;

/// The turn of the calling thread.
#[derive(Debug, Clone, Copy)]
enum TurnState {
    /// The thread has no turns.
    None,
    /// The clock was not read in this turn.
    Begun,
    /// The clock was read in this turn.
    ReadAt(Instant),
}

thread_local! {
    static TURN: Cell<TurnState> = const { Cell::new(TurnState::None) };
}

/// Notes that a turn of the calling thread begins.
pub(super) fn begins() {
    TURN.set(TurnState::Begun);
}

/// Notes that the calling thread has no turns any more.
pub(super) fn no_more() {
    TURN.set(TurnState::None);
}

/// Returns the time, which may be as old as the turn.
#[inline]
pub fn turn_time() -> Instant {
    match TURN.get() {
        TurnState::ReadAt(time) => time,
        TurnState::None => Instant::now(),
        TurnState::Begun => {
            let now = Instant::now();
            TURN.set(TurnState::ReadAt(now));
            now
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_clock_is_read_once_in_a_turn() {
        const STEP: Duration = Duration::from_micros(10);
        let start = Instant::now();
        let passed = || turn_time().duration_since(start);
        advance(STEP).await;
        assert_eq!(passed(), STEP, "without turns, each look reads the clock");
        advance(STEP).await;
        assert_eq!(passed(), STEP * 2);
        begins();
        advance(STEP).await;
        assert_eq!(passed(), STEP * 3, "the first look of a turn reads the clock");
        advance(STEP).await;
        assert_eq!(passed(), STEP * 3, "the second look of a turn does not");
        begins();
        assert_eq!(passed(), STEP * 4);
        advance(STEP).await;
        no_more();
        assert_eq!(passed(), STEP * 5);
        advance(STEP).await;
        assert_eq!(passed(), STEP * 6);
    }
}
