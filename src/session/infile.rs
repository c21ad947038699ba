//! What leaves the half-duplex path: a local file for LOAD DATA LOCAL, and replication
//! streams.

use super::attach::Stop;
use super::client::ended_by;
use super::place::Brought;
use super::request::{PacketRun, Request};
use super::{Failure, Session, Signals};
use crate::net::{Buf, Runtime, or_raised, tunnel};
use crate::routing::Role;
use crate::sql::StatementClass;
use crate::telemetry::{Close, Port};

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
        let role = if self.port == Port::Replica { Role::Reader } else { Role::Writer };
        request.class = StatementClass::UNKNOWN;
        self.state.sends(role, &request.class, None);
        if let Err(stop) = Box::pin(self.for_stream(role, buf, &request)).await {
            let seq = self.skip(buf, request).await?;
            return self.stop(seq, stop).await;
        }
        let mut first = self.buffer();
        first.extend_from_slice(buf.filled());
        buf.clear();
        let spare = self.buffer();
        let Some(connection) = &mut self.backend else { return Err(Close::ServerLost) };
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
    /// A connection for a stream, with the session's state: the answers to that must be in before it begins.
    async fn for_stream(&mut self, role: Role, buf: &Buf, request: &Request) -> Result<(), Stop> {
        if !self.take_for(role) {
            self.tell_of_loss()?;
            self.attach(role).await?;
        }
        for brought in [self.bring(buf, request).await?, self.send_prelude().await?] {
            if let Brought::Broken = brought {
                return Err(Stop::TellAndClose(Failure::AnswerCut, Close::ServerLost));
            }
        }
        Ok(())
    }
}
