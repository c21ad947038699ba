//! A local file for LOAD DATA LOCAL, the only answer in whose middle the client speaks.

use super::request::PacketRun;
use super::{Failure, Session};
use crate::net::{Buf, Runtime};
use crate::telemetry::Close;

impl<R: Runtime> Session<R> {
    /// The client's packets up to the empty one. `buf` may have the first of them already. `seq` is the
    /// client's next sequence id, `shift` what the server's answer was shifted by. Returns the sequence id of
    /// the server's next packet.
    pub(super) async fn local_file(&mut self, buf: &mut Buf, seq: u8, shift: u8) -> Result<u8, Close> {
        let mut run = PacketRun::file(seq, 0u8.wrapping_sub(shift));
        let mut chunk = self.context.buffers.large();
        chunk.extend_from_slice(buf.filled());
        buf.clear();
        loop {
            let Some(used) = run.feed(chunk.filled_mut()) else {
                self.server_lost();
                return Err(self.refuse(run.seq, &Failure::OutOfOrder, Close::ClientProtocol).await);
            };
            let tail = chunk.filled().get(used..).unwrap_or_default().to_vec();
            chunk.truncate(used);
            // The client is read to the file's end all the same: only then does it listen.
            let broken;
            (broken, chunk) = self.write_server(chunk).await;
            if broken {
                self.server_lost();
            }
            chunk.clear();
            chunk.extend_from_slice(&tail);
            if run.has_ended() {
                buf.extend_from_slice(chunk.filled());
                self.context.buffers.give(chunk);
                return Ok(run.seq.wrapping_sub(shift));
            }
            match self.fill(&mut chunk).await {
                Ok(n) if n > 0 => {}
                ended => {
                    self.server_lost();
                    return Err(ended.err().unwrap_or(Close::ClientLost));
                }
            }
        }
    }
}
