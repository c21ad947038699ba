//! Reads whole packets, for the connection phase and other small exchanges. The command
//! phase does not use this module: it forwards bytes.

use std::io;

use super::{Buf, MemoryBudget, Stream};
use crate::wire::{PacketHeader, ProtocolError};

/// Why no packet could be read.
#[derive(Debug, thiserror::Error)]
pub enum PacketError {
    /// The stream ended or broke. `OutOfMemory` means that the memory budget refused the packet's length.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The peer broke the protocol.
    #[error("{0}")]
    Protocol(#[from] ProtocolError),
}

/// Reads until the packet at the front of `buf` is complete, and checks its sequence id. Its payload is
/// `buf.filled()[4..4 + len]`; the caller consumes it. A payload longer than `limit` bytes is an error.
pub async fn read_packet<S: Stream>(
    stream: &mut S,
    buf: &mut Buf,
    seq: Option<u8>,
    limit: usize,
    memory: &MemoryBudget,
) -> Result<PacketHeader, PacketError> {
    loop {
        let mut wanted = PacketHeader::LEN;
        if let Some(header) = PacketHeader::parse(buf.filled()) {
            if let Some(expected) = seq
                && header.seq != expected
            {
                return Err(ProtocolError::Sequence { expected, got: header.seq }.into());
            }
            if header.len > limit {
                return Err(ProtocolError::TooLarge { what: "a packet", len: header.len, limit }.into());
            }
            if buf.len() >= header.total() {
                return Ok(header);
            }
            wanted = header.total();
        }
        fill(stream, buf, wanted, memory).await?;
    }
}

/// Reads once, after making room for content of `wanted` bytes in all.
async fn fill<S: Stream>(
    stream: &mut S,
    buf: &mut Buf,
    wanted: usize,
    memory: &MemoryBudget,
) -> Result<(), io::Error> {
    if !buf.make_some_room(wanted.saturating_sub(buf.len()).max(1), usize::MAX, memory) {
        return Err(io::ErrorKind::OutOfMemory.into());
    }
    match stream.read(buf).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}
