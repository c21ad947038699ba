//! Receive buffers of compio's pool, with the interface of `pointsman-uring`.

use std::io;

use compio_buf::SetLen;
use compio_driver::{BufferPool, BufferRef};

/// A buffer that the kernel filled.
pub struct Filled(BufferRef);

impl std::fmt::Debug for Filled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Filled").field(&self.0.len()).finish()
    }
}

impl Filled {
    pub(crate) fn new(mut buffer: BufferRef, len: usize) -> Self {
        // SAFETY: the kernel wrote so many bytes; the buffer itself refuses to be longer than it is.
        unsafe { buffer.set_len(len) };
        Filled(buffer)
    }

    /// Returns how many bytes the kernel wrote.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if the kernel wrote nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The buffers of one ring.
#[derive(Debug)]
pub struct Buffers {
    pub(crate) pool: BufferPool,
}

impl Buffers {
    /// Takes a buffer that the kernel filled from the pool.
    pub(crate) fn filled(&self, id: u16, len: usize) -> io::Result<Filled> {
        let buffer = self.pool.take(id)?.ok_or_else(|| io::Error::other("a buffer was filled twice"))?;
        Ok(Filled::new(buffer, len))
    }

    /// Returns what the kernel wrote.
    pub fn bytes<'a>(&self, filled: &'a Filled) -> &'a [u8] {
        &filled.0
    }
}
