//! What leaves the half-duplex path: a local file for LOAD DATA LOCAL, and replication
//! streams.

use super::attach::Stop;
use super::client::ended_by;
use super::request::{PacketRun, Request};
use super::{Failure, Session, Signals};
use crate::net::{Buf, Runtime, Stream, or_raised, tunnel};
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

    /// COM_BINLOG_DUMP and its like: bytes both ways until one side ends.
    pub(super) async fn stream(&mut self, buf: &mut Buf, mut request: Request) -> Result<(), Close> {
        if !self.complete(buf, &mut request, crate::wire::MAX_PAYLOAD).await? {
            return Err(Close::ClientProtocol);
        }
        if !self.is_attached()
            && let Err(stop) = Box::pin(self.attach()).await
        {
            let seq = self.skip(buf, request).await?;
            return self.stop(seq, stop).await;
        }
        let mut first = self.buffer();
        first.extend_from_slice(&std::mem::take(&mut self.prelude));
        let expecting = first.len();
        first.extend_from_slice(buf.filled());
        buf.clear();
        let spare = self.buffer();
        let Some(connection) = &mut self.backend else { return Err(Close::ServerLost) };
        if expecting > 0 {
            // The answers to the prelude are not the client's: they must be in before the stream begins.
            let mut prelude = self.context.buffers.small();
            prelude.extend_from_slice(first.filled().get(..expecting).unwrap_or_default());
            first.consume(expecting);
            let (result, prelude) = connection.stream.write_all(prelude).await;
            self.context.buffers.give(prelude);
            if result.is_err() || connection.settle().await.is_err() {
                return self.stop(1, Stop::TellAndClose(Failure::AnswerCut, Close::ServerLost)).await;
            }
        }
        let ending = Signals::KILLED | Signals::END | Signals::LOST | Signals::DRAIN;
        let streaming = tunnel(&mut self.client, &mut connection.stream, first, spare);
        let ended = or_raised(&self.handle.signal, ending, streaming).await;
        self.server_lost();
        Err(match ended {
            Ok(Ok(())) => Close::Quit,
            Ok(Err(_)) | Err(Signals::LOST) => Close::ServerLost,
            Err(raised) => ended_by(raised),
        })
    }
}
