//! Passes the local file of a LOAD DATA LOCAL: the only case in which the client sends in the middle of an
//! answer.

use super::large_request::Streamed;
use crate::client::{Failure, PacketRun};
use crate::net::{Buf, Runtime, Stream};
use crate::session::Session;
use crate::terms::Close;

impl<R: Runtime> Session<R> {
    /// Passes the client's packets to the server, up to the empty one. `buf` may have the first of them
    /// already. `seq` is the client's next sequence id, `shift` what was added to the sequence ids of the
    /// server's answer. If the server refuses the file in the middle, the rest stays unread, as on a server.
    pub(in crate::session) async fn local_file(
        &mut self,
        buf: &mut Buf,
        seq: u8,
        shift: u8,
    ) -> Result<Streamed, Close> {
        let mut run = PacketRun::file(seq, 0u8.wrapping_sub(shift));
        run = run.from_compressed(self.client.compresses());
        if let Some(connection) = self.upstream.connection_mut() {
            connection.stream.continue_command();
        }
        // Behind the file the client may have sent more.
        self.upstream.note_last(false);
        let mut broken = false;
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
            let mut refused = false;
            if !broken {
                (broken, chunk) = self.upstream.write_server(chunk).await;
                refused = broken && self.is_refused_midway().await;
            }
            chunk.clear();
            chunk.extend_from_slice(&tail);
            if refused || run.has_ended() {
                buf.extend_from_slice(chunk.filled());
                self.context.buffers.give(chunk);
                let seq = run.seq.wrapping_sub(shift);
                let streamed = Streamed { seq, packets: run.packets, sent: true };
                self.measured.unread = Some(run).filter(|run| !run.has_ended());
                return Ok(streamed);
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
