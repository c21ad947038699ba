//! Buffers that move into an operation and come back, and a worker's store of them.
//! Only a session that is doing something owns one.

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::sync::Arc;

use tokio::sync::Notify;

use super::{Claim, MemoryBudget};
use crate::wire::Edits;

/// What a session borrows for a command and its answer, in bytes.
pub const SMALL_BUFFER: usize = 16 * 1024;
/// What it borrows while a large answer or file passes, in bytes.
pub const LARGE_BUFFER: usize = 256 * 1024;
/// Buffers of each size that a worker keeps, even if nobody needs them for long.
const KEPT: [(usize, usize); 2] = [(SMALL_BUFFER, 64), (LARGE_BUFFER, 2)];
/// How many more it keeps as long as they are needed again and again: zeroing a new one costs more than many a
/// statement.
const BUSY: usize = 8;

/// A buffer grows to this size, in bytes, without asking the memory budget.
const UNASKED: usize = 2 * 1024;

/// A buffer that holds so much, in bytes, gets the memory for all that is announced: to move it from one place to a
/// larger one again and again would take a worker milliseconds each time.
const BELIEVED: usize = 1024 * 1024;

/// Bytes in a row with room behind them.
#[derive(Debug, Default)]
pub struct Buf {
    data: Vec<u8>,
    start: usize,
    end: usize,
}

impl Buf {
    /// An empty buffer with this much room, in bytes.
    pub fn with_room(room: usize) -> Self {
        Buf { data: vec![0; room], start: 0, end: 0 }
    }

    /// What it holds.
    #[inline]
    pub fn filled(&self) -> &[u8] {
        self.data.get(self.start..self.end).unwrap_or_default()
    }

    /// What it holds, to change in place.
    #[inline]
    pub fn filled_mut(&mut self) -> &mut [u8] {
        self.data.get_mut(self.start..self.end).unwrap_or_default()
    }

    /// The room behind it.
    #[inline]
    pub fn room_mut(&mut self) -> &mut [u8] {
        self.data.get_mut(self.end..).unwrap_or_default()
    }

    /// How much it holds.
    #[inline]
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether it holds nothing.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// How much it could hold.
    pub fn capacity(&self) -> usize {
        self.data.len()
    }

    /// Whether there is no room behind what it holds.
    pub fn is_full(&self) -> bool {
        self.end == self.data.len()
    }

    /// While it is empty: leaves room in front of what comes.
    #[inline]
    pub fn leave_front(&mut self, n: usize) {
        if self.is_empty() && n <= self.data.len() {
            self.start = n;
            self.end = n;
        }
    }

    /// Edits the first `used` bytes where they are. Returns the output's place, for `keep`; None: it does not fit.
    #[inline]
    pub fn edit(&mut self, edits: &Edits, used: usize) -> Option<Range<usize>> {
        edits.in_place(&mut self.data, self.start, used)
    }

    /// Holds these bytes of its memory.
    #[inline]
    pub fn keep(&mut self, place: Range<usize>) {
        self.end = place.end.min(self.data.len());
        self.start = place.start.min(self.end);
    }

    /// `n` bytes of the room were filled.
    #[inline]
    pub fn grew(&mut self, n: usize) {
        self.end = (self.end + n).min(self.data.len());
    }

    /// The first `n` bytes are done with.
    #[inline]
    pub fn consume(&mut self, n: usize) {
        self.start = (self.start + n).min(self.end);
        if self.start == self.end {
            self.clear();
        }
    }

    /// Makes room for some of `missing` bytes that are announced: as much as is there already, and `most` at most, so that
    /// a header alone does not take memory for what may never come. Behind the first 1 MiB there is memory for all of it,
    /// which becomes room step by step. False: the memory budget has none left, and the buffer stays as it is. The first
    /// 2 KiB, which a usual login needs, are never refused.
    pub fn make_some_room(&mut self, missing: usize, most: usize, memory: &MemoryBudget) -> bool {
        let room = missing.min(most).min(self.len().max(SMALL_BUFFER / 4));
        let all = self.len() + if self.len() < BELIEVED { room } else { missing };
        let grows = all.saturating_sub(self.data.capacity());
        let granted = grows == 0 || all <= UNASKED || memory.grant(Claim::Statement, grows);
        if granted {
            if grows > 0 {
                // No more than that: `Vec` would double it.
                self.data.reserve_exact(all.saturating_sub(self.data.len()));
            }
            self.make_room(room);
        }
        granted
    }

    /// Keeps only the first `n` bytes of what it holds.
    pub fn truncate(&mut self, n: usize) {
        self.end = self.end.min(self.start + n);
    }

    /// Holds nothing.
    pub fn clear(&mut self) {
        self.start = 0;
        self.end = 0;
    }

    /// Appends, and grows where there is no room.
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        self.make_room(bytes.len());
        if let Some(room) = self.room_mut().get_mut(..bytes.len()) {
            room.copy_from_slice(bytes);
            self.grew(bytes.len());
        }
    }

    /// Moves what it holds to the front, and grows, until there is room for `n` more bytes.
    pub fn make_room(&mut self, n: usize) {
        if self.data.len() - self.end >= n {
            return;
        }
        if self.start > 0 {
            self.data.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.data.len() - self.end < n {
            self.data.resize(self.end + n, 0);
        }
    }

    /// What it holds becomes what `bytes` holds; its memory is reused.
    pub fn replace_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let room = self.data.len();
        self.data.clear();
        write(&mut self.data);
        self.start = 0;
        self.end = self.data.len();
        if self.data.len() < room {
            self.data.resize(room, 0);
        }
    }
}

/// Buffers of one size that nobody uses.
#[derive(Debug, Default)]
struct Store {
    free: Vec<Vec<u8>>,
    /// The fewest that were free since the last `trim`: so many were not needed.
    spare: usize,
}

/// One worker's buffers that nobody uses.
#[derive(Debug, Default)]
pub struct BufferPool {
    kept: [RefCell<Store>; KEPT.len()],
    /// What new buffers, and all else that clients can make a session keep, are taken from.
    pub memory: Arc<MemoryBudget>,
    /// Sessions that wait for a buffer,
    waiting: Cell<usize>,
    /// and how they learn that there is one.
    returned: Notify,
}

impl BufferPool {
    /// A store without buffers; new ones are taken from this budget.
    pub fn new(memory: Arc<MemoryBudget>) -> Self {
        BufferPool { memory, ..BufferPool::default() }
    }

    fn kept(&self, index: usize) -> Option<Buf> {
        let mut kept = self.kept.get(index)?.borrow_mut();
        let data = kept.free.pop();
        kept.spare = kept.spare.min(kept.free.len());
        data.map(|data| Buf { data, start: 0, end: 0 })
    }

    /// Frees what was not needed since the last call, beyond a few. Once a second.
    pub fn trim(&self) {
        for (kept, (_, most)) in self.kept.iter().zip(KEPT) {
            let mut kept = kept.borrow_mut();
            let needed = kept.free.len().saturating_sub(kept.spare);
            kept.free.truncate(needed.max(most));
            kept.free.shrink_to(most);
            kept.spare = kept.free.len();
        }
    }

    /// An empty buffer of `SMALL_BUFFER` bytes, whatever the memory budget says: for what was begun.
    pub fn small(&self) -> Buf {
        self.kept(0).unwrap_or_else(|| Buf::with_room(SMALL_BUFFER))
    }

    /// An empty buffer of `SMALL_BUFFER` bytes for what begins; None while the memory budget is used up.
    #[inline]
    pub fn small_to_begin(&self) -> Option<Buf> {
        let kept = self.kept(0);
        kept.or_else(|| self.memory.grant(Claim::Buffer, SMALL_BUFFER).then(|| Buf::with_room(SMALL_BUFFER)))
    }

    /// Waits until a buffer was given back. (Memory of other workers may become free without a word.)
    pub async fn given_back(&self) {
        struct Waiting<'a>(&'a Cell<usize>);
        impl Drop for Waiting<'_> {
            fn drop(&mut self) {
                self.0.set(self.0.get() - 1);
            }
        }
        self.waiting.set(self.waiting.get() + 1);
        let _waiting = Waiting(&self.waiting);
        self.returned.notified().await;
    }

    /// An empty buffer of `LARGE_BUFFER` bytes; of `SMALL_BUFFER` bytes while the memory budget is nearly used up.
    pub fn large(&self) -> Buf {
        self.kept(1).unwrap_or_else(|| {
            let granted = self.memory.grant(Claim::LargeBuffer, LARGE_BUFFER);
            if granted { Buf::with_room(LARGE_BUFFER) } else { self.small() }
        })
    }

    /// Gives a buffer back. One that grew, or was lost to an operation, is dropped.
    pub fn give(&self, buf: Buf) {
        if self.waiting.get() > 0 {
            self.returned.notify_one();
        }
        for (kept, (size, most)) in self.kept.iter().zip(KEPT) {
            let mut kept = kept.borrow_mut();
            if buf.data.len() == size && kept.free.len() < most * BUSY {
                kept.free.push(buf.data);
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filled_and_room() {
        let mut b = Buf::with_room(8);
        b.extend_from_slice(b"abcdef");
        b.consume(4);
        assert_eq!(b.filled(), b"ef");
        b.make_room(6);
        assert_eq!((b.room_mut().len(), b.capacity()), (6, 8));
        assert_eq!(b.filled(), b"ef");
        b.extend_from_slice(b"0123456789");
        assert_eq!(b.filled(), b"ef0123456789");
        b.consume(100);
        assert!(b.is_empty());
        b.replace_with(|v| v.extend_from_slice(b"xy"));
        assert_eq!(b.filled(), b"xy");
    }

    #[test]
    fn memory_for_all_that_is_announced_comes_behind_the_first_mebibyte() {
        let memory = MemoryBudget::default();
        let announced = 16 << 20;
        let mut b = Buf::with_room(SMALL_BUFFER);
        let mut places = 0;
        while b.len() < announced {
            let missing = announced - b.len();
            assert!(b.make_some_room(missing, 1 << 20, &memory));
            let room = b.room_mut().len();
            assert!(room > 0 && room <= 1 << 20);
            let place = b.data.as_ptr();
            assert!(b.data.capacity() <= if b.len() < BELIEVED { 4 * BELIEVED } else { announced });
            b.grew(room);
            places += usize::from(b.len() > 2 * BELIEVED && b.data.as_ptr() != place);
        }
        assert_eq!((b.len(), b.data.capacity(), places), (announced, announced, 0));
    }

    #[test]
    fn the_pool_keeps_what_fits_and_no_more() {
        let pool = BufferPool::default();
        let mut grown = pool.small();
        grown.make_room(SMALL_BUFFER + 1);
        pool.give(grown);
        let free = || (pool.kept[0].borrow().free.len(), pool.kept[1].borrow().free.len());
        assert_eq!(free(), (0, 0));
        for _ in 0..1000 {
            pool.give(Buf::with_room(SMALL_BUFFER));
            pool.give(Buf::with_room(LARGE_BUFFER));
        }
        assert_eq!(free(), (512, 16));
        assert_eq!(pool.large().capacity(), LARGE_BUFFER);
    }

    #[test]
    fn what_is_needed_again_and_again_stays() {
        let pool = BufferPool::default();
        let free = || pool.kept[0].borrow().free.len();
        let borrow =
            |n| (0..n).map(|_| pool.small()).collect::<Vec<_>>().into_iter().for_each(|b| pool.give(b));
        borrow(300);
        assert_eq!(free(), 300);
        pool.trim();
        borrow(200);
        pool.trim();
        assert_eq!(free(), 200);
        pool.trim();
        assert_eq!(free(), 64, "nobody needed them for a second");
        borrow(3);
        pool.trim();
        pool.trim();
        assert_eq!(free(), 64);
    }
}
