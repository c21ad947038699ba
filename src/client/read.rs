//! Reads commands from the client.

use super::write::ended_by;
use super::{Client, Failure, PacketRun, Request};
use crate::net::{Buf, Runtime, Stream, or_raised};
use crate::terms::Close;
use crate::worker::{Side, Signals, or_stalled};

/// The number of bytes of a long command after which its session lets other sessions run.
const TURN: usize = 1024 * 1024;

impl<R: Runtime> Client<R> {
    /// Reads the first bytes of a command, for which `timeouts.client_read` does not count. Returns 0 at the
    /// end of the stream.
    pub async fn fill_first(&mut self, buf: &mut Buf) -> Result<usize, Close> {
        let ending = Signals::KILLED | Signals::END | Signals::IDLE;
        let read = self.stream.read(buf);
        let read = or_raised(&self.handle.signal, ending, read).await;
        self.filled(read.map_err(ended_by)?)
    }

    /// Reads more of a command, and appends it to `buf`. Returns 0 at the end of the stream. `seq` is the
    /// sequence id of the ERR packet that the client gets when `timeouts.client_read` is over.
    pub async fn fill(&mut self, buf: &mut Buf, seq: u8) -> Result<usize, Close> {
        if buf.is_full() {
            buf.make_room(1);
        }
        let (handle, seconds) = (&self.handle, &self.resources.seconds);
        let read = self.stream.read(buf);
        match or_stalled(handle, seconds, Side::Read, Signals::KILLED | Signals::END, read).await {
            Ok(read) => self.filled(read),
            Err(raised) if raised & (Signals::KILLED | Signals::END) == 0 => {
                Err(Box::pin(self.refuse(seq, &Failure::ReadTimeout, Close::ClientReadTimeout)).await)
            }
            Err(raised) => Err(ended_by(raised)),
        }
    }

    fn filled(&self, read: std::io::Result<usize>) -> Result<usize, Close> {
        let n = read.map_err(|_| Close::ClientLost)?;
        self.resources.metrics.bytes_in.add(n as u64);
        Ok(n)
    }

    /// Reads until the request is whole, if it is a single packet of at most `limit` bytes. Returns false if
    /// the request is longer, or the memory budget is used up.
    pub async fn complete(&mut self, request: &mut Request, limit: usize) -> Result<bool, Close> {
        if request.header.is_continued() || request.header.total() > limit {
            return Ok(request.whole);
        }
        let mut turn = TURN;
        while request.buf.len() < request.header.total() {
            let missing = request.header.total() - request.buf.len();
            if !request.buf.make_some_room(missing, TURN, &self.resources.buffers.memory) {
                return Ok(false);
            }
            let seq = request.answer_seq();
            if self.fill(&mut request.buf, seq).await? == 0 {
                return Err(Close::ClientLost);
            }
            if request.buf.len() >= turn {
                turn = request.buf.len().saturating_add(TURN);
                self.resources.runtime.give_way().await;
            }
        }
        request.whole = true;
        Ok(true)
    }

    /// Discards a request, reading the rest of it from the client. Returns the sequence id of the answer's
    /// first packet.
    pub async fn skip(&mut self, request: &mut Request) -> Result<u8, Close> {
        let run = PacketRun::command(0).from_compressed(self.compresses());
        Ok(self.skip_rest(&mut request.buf, run).await?.wrapping_add(request.header.seq))
    }

    /// Discards the rest of a request, or of a local file. Returns the sequence id behind its last packet.
    pub async fn skip_rest(&mut self, buf: &mut Buf, mut run: PacketRun) -> Result<u8, Close> {
        loop {
            let Some(used) = run.feed(buf.filled_mut()) else {
                let failure = Failure::OutOfOrder;
                return Err(self.refuse(run.seq, &failure, Close::ClientProtocol).await);
            };
            buf.consume(used);
            if run.has_ended() {
                return Ok(run.seq);
            }
            if self.fill(buf, run.seq).await? == 0 {
                return Err(Close::ClientLost);
            }
        }
    }

    /// Reads until the buffer has this many bytes. Returns false if the memory budget is used up.
    pub async fn read_up_to(&mut self, buf: &mut Buf, len: usize) -> Result<bool, Close> {
        while buf.len() < len {
            if !buf.make_some_room(len - buf.len(), usize::MAX, &self.resources.buffers.memory) {
                return Ok(false);
            }
            if self.fill(buf, 1).await? == 0 {
                return Err(Close::ClientLost);
            }
        }
        Ok(true)
    }
}
