//! The tests of all topics are one program and run side by side. What they start needs room on the machine, and a test that
//! finds none waits. So more threads than there is room for do no harm, and no thread stands idle because others wait.

use std::cell::RefCell;
use std::sync::{Arc, Weak};
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};

/// Two cores are busy with so many tests, since most of them mostly wait.
const PLACES: usize = 4;
/// Half of it: for tests with dozens of clients that never rest. With more beside them they would only measure the machine.
pub const MUCH: u32 = 2;

static ROOM: Semaphore = Semaphore::const_new(PLACES);

/// Room that a test has until its last server is gone.
pub type Place = Arc<OnceCell<SemaphorePermit<'static>>>;

thread_local! {
    /// Of the test of this thread: it has one place, whatever it starts. With several it could wait for its own.
    static MINE: RefCell<Weak<OnceCell<SemaphorePermit<'static>>>> = const { RefCell::new(Weak::new()) };
}

/// Waits for room for a test like most.
pub(super) async fn room() -> Place {
    room_for(1).await
}

/// Waits for so many places. A test that has room already keeps what it has.
pub async fn room_for(places: u32) -> Place {
    let mine = MINE.with_borrow_mut(|mine| {
        let place = mine.upgrade().unwrap_or_default();
        *mine = Arc::downgrade(&place);
        place
    });
    mine.get_or_init(async || ROOM.acquire_many(places).await.expect("nobody closes the room")).await;
    mine
}
