//! Receive buffers that the kernel takes from a ring in shared memory, one for each piece that it received.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};

use io_uring::Submitter;
use io_uring::types::BufRingEntry;

/// The kernel wants the ring of buffers to begin at a page (io_uring_register_buf_ring(3)): the largest of any platform.
const PAGE: usize = 64 * 1024;

/// The only group of buffers of a ring.
pub(crate) const GROUP: u16 = 0;

/// Buffers of another ring are told apart by this number.
static NEXT_OWNER: AtomicU64 = AtomicU64::new(0);

/// A buffer that the kernel filled. Whoever has it is the only one who reads the buffer.
#[derive(Debug, PartialEq, Eq)]
pub struct Filled {
    id: u16,
    len: u32,
    owner: u64,
}

impl Filled {
    /// Returns how many bytes the kernel wrote.
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// True if the kernel wrote nothing.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// The buffers of one ring.
#[derive(Debug)]
pub struct Buffers {
    /// The entries that the kernel reads, and in the first one the tail that this process writes.
    entries: NonNull<BufRingEntry>,
    entries_layout: Layout,
    memory: NonNull<u8>,
    memory_layout: Layout,
    count: u16,
    size: u32,
    tail: u16,
    owner: u64,
}

fn allocate(layout: Layout) -> NonNull<u8> {
    // SAFETY: both layouts of `Buffers::new` have a size, which it checks.
    let memory = unsafe { alloc_zeroed(layout) };
    NonNull::new(memory).unwrap_or_else(|| handle_alloc_error(layout))
}

impl Buffers {
    /// Allocates `count` buffers, a power of two, of `size` bytes each, and gives all of them to the kernel.
    pub(crate) fn new(submitter: &Submitter<'_>, count: u16, size: u32) -> io::Result<Self> {
        let wrong = || io::Error::from(io::ErrorKind::InvalidInput);
        if !count.is_power_of_two() || count > 1 << 15 || size == 0 {
            return Err(wrong());
        }
        let entries_layout = Layout::array::<BufRingEntry>(count.into()).map_err(|_| wrong())?;
        let entries_layout = entries_layout.align_to(PAGE).map_err(|_| wrong())?;
        let bytes = usize::from(count).checked_mul(size as usize).ok_or_else(wrong)?;
        let memory_layout = Layout::from_size_align(bytes, PAGE).map_err(|_| wrong())?;
        let mut buffers = Buffers {
            entries: allocate(entries_layout).cast(),
            entries_layout,
            memory: allocate(memory_layout),
            memory_layout,
            count,
            size,
            tail: 0,
            owner: NEXT_OWNER.fetch_add(1, Ordering::Relaxed),
        };
        // The kernel uses all buffers in turn, so they are all in RAM soon: now, so that the memory of the process does not
        // seem to grow later.
        // SAFETY: the allocation has so many bytes, and nobody else knows of it yet.
        unsafe { buffers.memory.as_ptr().write_bytes(0, bytes) };
        let address = buffers.entries.as_ptr() as u64;
        // SAFETY: the memory has room for `count` entries, begins at a page, and outlives the ring: `Ring` drops its
        // ring first, and `Buffers` behind it.
        unsafe { submitter.register_buf_ring_with_flags(address, count, GROUP, 0)? };
        (0..count).for_each(|id| buffers.put(id));
        buffers.publish();
        Ok(buffers)
    }

    /// Returns the address of a buffer. Its number is less than `count`.
    fn address(&self, id: u16) -> NonNull<u8> {
        // SAFETY: the memory has `count` times `size` bytes, and `id` is less than `count`: `new` counts so far, and
        // `filled` lets no other number of the kernel in.
        unsafe { self.memory.add(usize::from(id) * self.size as usize) }
    }

    /// Writes the next entry, which the kernel does not see before `publish`.
    fn put(&mut self, id: u16) {
        let place = usize::from(self.tail & (self.count - 1));
        let (address, size) = (self.address(id).as_ptr() as u64, self.size);
        // SAFETY: `place` is less than `count`.
        let entry = unsafe { self.entries.add(place) };
        // SAFETY: the entry is in the allocation, which was zeroed and so holds valid entries. The kernel does not read
        // entries behind the tail, nor writes any, and no other reference to it exists.
        let entry = unsafe { &mut *entry.as_ptr() };
        entry.set_addr(address);
        entry.set_len(size);
        entry.set_bid(id);
        self.tail = self.tail.wrapping_add(1);
    }

    fn publish(&mut self) {
        // SAFETY: the pointer is the one of the first entry, which `new` initialized.
        let tail = unsafe { BufRingEntry::tail(self.entries.as_ptr()) };
        // SAFETY: the tail is two bytes of the allocation, aligned to two, and both sides use it as an atomic.
        let tail = unsafe { AtomicU16::from_ptr(tail.cast_mut()) };
        tail.store(self.tail, Ordering::Release);
    }

    /// Takes note of a buffer that the kernel filled. None if the kernel named a buffer that does not exist.
    pub(crate) fn filled(&self, id: u16, len: u32) -> Option<Filled> {
        (id < self.count && len <= self.size).then_some(Filled { id, len, owner: self.owner })
    }

    /// Returns what the kernel wrote. Nothing for a buffer of another ring.
    pub fn bytes<'a>(&'a self, filled: &'a Filled) -> &'a [u8] {
        if filled.owner != self.owner {
            return &[];
        }
        let address = self.address(filled.id).as_ptr();
        // SAFETY: `filled` made sure that the range lies in the buffer, whose bytes are initialized: zeroed, and then
        // written by the kernel. The kernel writes no more to it, and nobody else can, as long as the `Filled` exists.
        unsafe { std::slice::from_raw_parts(address, filled.len()) }
    }

    /// Gives a buffer to the kernel again.
    pub(crate) fn give_back(&mut self, filled: Filled) {
        if filled.owner == self.owner {
            self.put(filled.id);
            self.publish();
        }
    }

    /// Returns the size of a buffer, in bytes.
    pub fn size(&self) -> usize {
        self.size as usize
    }
}

impl Drop for Buffers {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout in `new`. `Ring` leaks the buffers instead while an operation is under way.
        unsafe { dealloc(self.entries.as_ptr().cast(), self.entries_layout) };
        // SAFETY: as above.
        unsafe { dealloc(self.memory.as_ptr(), self.memory_layout) };
    }
}
