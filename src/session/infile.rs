//! Passes the local file of a LOAD DATA LOCAL: the only case in which the client sends in the middle of an
//! answer.

use super::request::{PacketRun, Request};
use super::{Failure, Session};
use crate::net::{Buf, Runtime};
use crate::sql::parts::local_files;
use crate::terms::Close;
use crate::wire::Capabilities;

impl<R: Runtime> Session<R> {
    /// Returns the files that a server may ask the client for: those that this LOAD DATA LOCAL names.
    pub(super) fn local_files(&self, buf: &Buf, request: Request) -> Vec<Vec<u8>> {
        if !self.capabilities.contains(Capabilities::LOCAL_FILES) {
            return Vec::new();
        }
        let text = self.meant_text(buf, request).unwrap_or_default();
        local_files(&text, self.state.sql_options())
    }

    /// Passes the client's packets to the server, up to the empty one. `buf` may have the first of them
    /// already. `seq` is the client's next sequence id, `shift` what was added to the sequence ids of the
    /// server's answer. Returns the sequence id of the server's next packet.
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
            // Even if the server is lost, the client is read to the file's end: only then does it read an
            // answer.
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
            match self.fill(&mut chunk, run.seq).await {
                Ok(n) if n > 0 => {}
                ended => {
                    self.server_lost();
                    return Err(ended.err().unwrap_or(Close::ClientLost));
                }
            }
        }
    }
}
