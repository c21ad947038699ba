//! A wire in memory between the two sides of a state machine, which cuts what passes. For tests.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::task::Poll;

use super::Io;

/// The bytes that were sent and not read yet.
pub struct Wire {
    pub to_client: VecDeque<u8>,
    pub to_server: VecDeque<u8>,
    /// The most bytes that one read returns, and that one write takes.
    chunk: usize,
}

/// One side's socket.
pub struct End<'a> {
    incoming: &'a mut VecDeque<u8>,
    outgoing: &'a mut VecDeque<u8>,
    chunk: usize,
}

impl Wire {
    /// Creates a wire that passes at most `chunk` bytes at a time.
    pub fn cut(chunk: usize) -> Self {
        Wire { to_client: VecDeque::new(), to_server: VecDeque::new(), chunk }
    }

    /// Creates a wire that passes any number of bytes at a time.
    pub fn whole() -> Self {
        Wire::cut(usize::MAX)
    }

    pub fn client(&mut self) -> End<'_> {
        End { incoming: &mut self.to_client, outgoing: &mut self.to_server, chunk: self.chunk }
    }

    pub fn server(&mut self) -> End<'_> {
        End { incoming: &mut self.to_server, outgoing: &mut self.to_client, chunk: self.chunk }
    }
}

impl Io for End<'_> {
    fn read(&mut self, room: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.incoming.is_empty() {
            return Poll::Pending;
        }
        let n = self.chunk.min(room.len());
        Poll::Ready(self.incoming.read(&mut room[..n]))
    }

    fn write(&mut self, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let n = self.chunk.min(bytes.len());
        self.outgoing.extend(&bytes[..n]);
        Poll::Ready(Ok(n))
    }
}
