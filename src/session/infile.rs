//! Passes the local file of a LOAD DATA LOCAL: the only case in which the client sends in the middle of an
//! answer.

use super::Session;
use crate::client::{Failure, PacketRun};
use crate::net::{Buf, Runtime, Stream};
use crate::terms::Close;

impl<R: Runtime> Session<R> {
    /// Passes the client's packets to the server, up to the empty one. `buf` may have the first of them
    /// already. `seq` is the client's next sequence id, `shift` what was added to the sequence ids of the
    /// server's answer. Returns the sequence id of the server's next packet.
    pub(super) async fn local_file(&mut self, buf: &mut Buf, seq: u8, shift: u8) -> Result<u8, Close> {
        let mut run = PacketRun::file(seq, 0u8.wrapping_sub(shift));
        run = run.from_compressed(self.client.compresses());
        if let Some(connection) = &mut self.upstream.connection {
            connection.stream.continue_command();
        }
        let mut chunk = self.context.buffers.large();
        chunk.extend_from_slice(buf.filled());
        buf.clear();
        loop {
            let Some(used) = run.feed(chunk.filled_mut()) else {
                self.upstream.server_lost();
                return Err(self.client.refuse(run.seq, &Failure::OutOfOrder, Close::ClientProtocol).await);
            };
            let tail = chunk.filled().get(used..).unwrap_or_default().to_vec();
            chunk.truncate(used);
            // Even if the server is lost, the client is read to the file's end: only then does it read an
            // answer.
            let broken;
            (broken, chunk) = self.upstream.write_server(chunk).await;
            if broken {
                self.upstream.server_lost();
            }
            chunk.clear();
            chunk.extend_from_slice(&tail);
            if run.has_ended() {
                buf.extend_from_slice(chunk.filled());
                self.context.buffers.give(chunk);
                return Ok(run.seq.wrapping_sub(shift));
            }
            match self.client.fill(&mut chunk, run.seq).await {
                Ok(n) if n > 0 => {}
                ended => {
                    self.upstream.server_lost();
                    return Err(ended.err().unwrap_or(Close::ClientLost));
                }
            }
        }
    }
}
