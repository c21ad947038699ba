//! Writes what a client gets for a chunk of an answer.

use std::ops::Range;

use crate::net::{Buf, Runtime};
use crate::session::Session;
use crate::terms::Close;

/// The bytes that the client gets for a chunk of an answer.
pub(in crate::session) enum ChunkOutput {
    /// The chunk's bytes, unchanged.
    AsItCame,
    /// The bytes at this place of the chunk's buffer, which was edited in place.
    InPlace(Range<usize>),
    /// The bytes in this other buffer.
    Apart(Buf),
}

/// A chunk of an answer that is about to be forwarded.
pub(in crate::session) struct PassingChunk<'a> {
    /// The server's bytes.
    pub(in crate::session) chunk: &'a mut Buf,
    /// What the client gets for them.
    pub(in crate::session) output: &'a mut ChunkOutput,
    /// True if the client has an earlier part of the answer.
    pub(in crate::session) forwarded: bool,
}

impl<R: Runtime> Session<R> {
    /// Writes the output for the first `used` bytes of the chunk to the client. Leaves the remaining bytes in the chunk.
    pub(in crate::session) async fn pass(
        &mut self,
        chunk: &mut Buf,
        used: usize,
        output: &mut ChunkOutput,
    ) -> Result<(), Close> {
        let place = match output {
            ChunkOutput::Apart(out) => {
                if !out.is_empty() {
                    self.client.write(out).await.inspect_err(|_| self.upstream.server_lost())?;
                    self.context.buffers.give(std::mem::take(out));
                }
                chunk.consume(used);
                return Ok(());
            }
            ChunkOutput::InPlace(place) => Some(place.clone()),
            ChunkOutput::AsItCame => None,
        };
        if place.as_ref().is_some_and(Range::is_empty) {
            chunk.consume(used);
            return Ok(());
        }
        // Writes from the buffer into which the server's bytes were read, without a copy. Copies only the remaining
        // bytes, which are the beginning of the next packet.
        let tail = chunk.filled().get(used..).filter(|tail| !tail.is_empty()).map(Box::<[u8]>::from);
        match place {
            Some(place) => chunk.keep(place),
            None => chunk.truncate(used),
        }
        self.client.write(chunk).await.inspect_err(|_| self.upstream.server_lost())?;
        chunk.clear();
        if let Some(tail) = tail {
            chunk.extend_from_slice(&tail);
        }
        Ok(())
    }
}
