//! The buffers of TLS and of compression. An idle connection owns none of them: they are borrowed from the thread, and
//! returned when they are empty.

use std::cell::RefCell;

use super::Buf;

/// The size of these buffers, in bytes: 64 KiB, and what a layer adds.
pub(super) const SIZE: usize = 65 * 1024;
/// The most unused buffers that a thread keeps.
const SPARE: usize = 4;

thread_local! {
    static SPARES: RefCell<Vec<Buf>> = const { RefCell::new(Vec::new()) };
}

/// Makes sure that `buf` has memory.
pub(super) fn lend(buf: &mut Buf) {
    if buf.capacity() == 0 {
        let spare = SPARES.try_with(|spares| spares.borrow_mut().pop()).ok().flatten();
        *buf = spare.unwrap_or_else(|| Buf::with_room(SIZE));
    }
}

/// Returns an empty buffer to the thread.
pub(super) fn take_back(buf: &mut Buf) {
    if buf.is_empty() && buf.capacity() > 0 {
        let mut buf = std::mem::take(buf);
        buf.clear();
        let _ = SPARES.try_with(|spares| {
            let mut spares = spares.borrow_mut();
            if buf.capacity() == SIZE && spares.len() < SPARE {
                spares.push(buf);
            }
        });
    }
}
