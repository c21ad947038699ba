//! Buffers that streams read into and write from, and a worker's pool of them. Only an active session owns a buffer.

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::sync::Arc;

use tokio::sync::Notify;

use super::{Claim, MemoryBudget};
use crate::wire::Edits;

/// The size of the buffer that a session borrows for a command and its answer, in bytes.
pub const SMALL_BUFFER: usize = 16 * 1024;
/// The size of the buffer that a session borrows while a large answer or file passes, in bytes.
pub const LARGE_BUFFER: usize = 256 * 1024;
/// The sizes of buffers, and how many unused ones a worker always keeps of each.
const KEPT: [(usize, usize); 2] = [(SMALL_BUFFER, 64), (LARGE_BUFFER, 2)];
/// A worker keeps this many times as many unused buffers while they are needed again and again: zeroing a new buffer
/// costs more than many statements do.
const BUSY: usize = 8;

/// A buffer can grow to this size, in bytes, without asking the memory budget.
const UNASKED: usize = 2 * 1024;

/// Once a buffer holds this much, in bytes, it gets memory for the whole announced length at once: moving so much
/// content each time the buffer grows would block the worker for milliseconds.
const BELIEVED: usize = 1024 * 1024;

/// A buffer: its content, and room behind the content.
#[derive(Debug, Default)]
pub struct Buf {
    data: Vec<u8>,
    start: usize,
    end: usize,
}

impl Buf {
    /// Makes an empty buffer with this much room, in bytes.
    pub fn with_room(room: usize) -> Self {
        Buf { data: vec![0; room], start: 0, end: 0 }
    }

    /// Returns the content.
    #[inline]
    pub fn filled(&self) -> &[u8] {
        self.data.get(self.start..self.end).unwrap_or_default()
    }

    /// Returns the content, to change it in place.
    #[inline]
    pub fn filled_mut(&mut self) -> &mut [u8] {
        self.data.get_mut(self.start..self.end).unwrap_or_default()
    }

    /// Returns the room behind the content.
    #[inline]
    pub fn room_mut(&mut self) -> &mut [u8] {
        self.data.get_mut(self.end..).unwrap_or_default()
    }

    /// Returns the length of the content, in bytes.
    #[inline]
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// True if there is no content.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Returns the size of the buffer's memory, in bytes.
    pub fn capacity(&self) -> usize {
        self.data.len()
    }

    /// True if there is no room behind the content.
    pub fn is_full(&self) -> bool {
        self.end == self.data.len()
    }

    /// Leaves `n` free bytes before the content to come. Only if the buffer is empty.
    #[inline]
    pub fn leave_front(&mut self, n: usize) {
        if self.is_empty() && n <= self.data.len() {
            self.start = n;
            self.end = n;
        }
    }

    /// Edits the first `used` bytes in place. Returns where the output is, for `keep`; None if it does not fit.
    #[inline]
    pub fn edit(&mut self, edits: &Edits, used: usize) -> Option<Range<usize>> {
        edits.in_place(&mut self.data, self.start, used)
    }

    /// Makes this range of the memory the content.
    #[inline]
    pub fn keep(&mut self, place: Range<usize>) {
        self.end = place.end.min(self.data.len());
        self.start = place.start.min(self.end);
    }

    /// Adds the first `n` bytes of the room, which were filled, to the content.
    #[inline]
    pub fn grew(&mut self, n: usize) {
        debug_assert!(self.end + n <= self.data.len(), "only the room can be filled");
        self.end = (self.end + n).min(self.data.len());
    }

    /// Removes the first `n` bytes of the content.
    #[inline]
    pub fn consume(&mut self, n: usize) {
        self.start = (self.start + n).min(self.end);
        if self.start == self.end {
            self.clear();
        }
    }

    /// Makes room for some of the `missing` bytes that are announced: at most as much as the content has already (or
    /// 4 KiB), and at most `most`, so that a header alone does not allocate memory for bytes that may never come. Once
    /// the content has 1 MiB, memory for all announced bytes is reserved, which still becomes room step by step.
    /// Returns false, with the buffer unchanged, if the memory budget refuses. The first 2 KiB, which a usual login
    /// needs, are never refused.
    pub fn make_some_room(&mut self, missing: usize, most: usize, memory: &MemoryBudget) -> bool {
        let room = missing.min(most).min(self.len().max(SMALL_BUFFER / 4));
        let all = self.len() + if self.len() < BELIEVED { room } else { missing };
        let grows = all.saturating_sub(self.data.capacity());
        let granted = grows == 0 || all <= UNASKED || memory.grant(Claim::Statement, grows);
        if granted {
            if grows > 0 {
                // Exactly this much: `Vec` would double its capacity otherwise.
                self.data.reserve_exact(all.saturating_sub(self.data.len()));
            }
            self.make_room(room);
        }
        granted
    }

    /// Keeps only the first `n` bytes of the content.
    pub fn truncate(&mut self, n: usize) {
        self.end = self.end.min(self.start + n);
    }

    /// Removes the content.
    pub fn clear(&mut self) {
        self.start = 0;
        self.end = 0;
    }

    /// Appends bytes. Grows the buffer if there is not enough room.
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        self.make_room(bytes.len());
        if let Some(room) = self.room_mut().get_mut(..bytes.len()) {
            room.copy_from_slice(bytes);
            self.grew(bytes.len());
        }
    }

    /// Makes room for `n` more bytes: moves the content to the front, and then grows the buffer, as far as needed.
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

    /// Replaces the content by what `write` writes. Reuses the memory.
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

/// The unused buffers of one size.
#[derive(Debug, Default)]
struct Store {
    free: Vec<Vec<u8>>,
    /// The smallest number of unused buffers since the last `trim`: this many were not needed.
    spare: usize,
}

/// The unused buffers of one worker.
#[derive(Debug, Default)]
pub struct BufferPool {
    kept: [RefCell<Store>; KEPT.len()],
    /// The budget for new buffers, and for everything else that clients can make a session keep.
    pub memory: Arc<MemoryBudget>,
    /// The number of sessions that wait for a buffer.
    waiting: Cell<usize>,
    /// Wakes a session that waits for a buffer.
    returned: Notify,
}

impl BufferPool {
    /// Makes a pool without buffers. New buffers are claimed from this budget.
    pub fn new(memory: Arc<MemoryBudget>) -> Self {
        BufferPool { memory, ..BufferPool::default() }
    }

    fn kept(&self, index: usize) -> Option<Buf> {
        let mut kept = self.kept.get(index)?.borrow_mut();
        let data = kept.free.pop();
        kept.spare = kept.spare.min(kept.free.len());
        data.map(|data| Buf { data, start: 0, end: 0 })
    }

    /// Frees buffers that were not needed since the last call, except for the few that are always kept. Call it once a
    /// second.
    pub fn trim(&self) {
        for (kept, (_, most)) in self.kept.iter().zip(KEPT) {
            let mut kept = kept.borrow_mut();
            let needed = kept.free.len().saturating_sub(kept.spare);
            kept.free.truncate(needed.max(most));
            kept.free.shrink_to(most);
            kept.spare = kept.free.len();
        }
    }

    /// Returns an empty buffer of `SMALL_BUFFER` bytes without asking the memory budget: for work that was begun.
    pub fn small(&self) -> Buf {
        self.kept(0).unwrap_or_else(|| Buf::with_room(SMALL_BUFFER))
    }

    /// Returns an empty buffer of `SMALL_BUFFER` bytes for new work; None while the memory budget is used up.
    #[inline]
    pub fn small_to_begin(&self) -> Option<Buf> {
        let kept = self.kept(0);
        kept.or_else(|| self.memory.grant(Claim::Buffer, SMALL_BUFFER).then(|| Buf::with_room(SMALL_BUFFER)))
    }

    /// Waits until a buffer of this worker is returned. (Memory that other workers free is not reported.)
    pub async fn given_back(&self) {
        struct BufferWait<'a>(&'a Cell<usize>);
        impl Drop for BufferWait<'_> {
            fn drop(&mut self) {
                self.0.set(self.0.get() - 1);
            }
        }
        self.waiting.set(self.waiting.get() + 1);
        let _waiting = BufferWait(&self.waiting);
        self.returned.notified().await;
    }

    /// Returns an empty buffer of `LARGE_BUFFER` bytes, or of `SMALL_BUFFER` bytes while the memory budget is nearly
    /// used up.
    pub fn large(&self) -> Buf {
        self.kept(1).unwrap_or_else(|| {
            let granted = self.memory.grant(Claim::LargeBuffer, LARGE_BUFFER);
            if granted { Buf::with_room(LARGE_BUFFER) } else { self.small() }
        })
    }

    /// Returns a buffer to the pool. A buffer that grew, or whose memory was lost to an operation, is dropped.
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
