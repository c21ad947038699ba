//! Writes packets of the proxy itself and forwarded answers to the client.

use super::{Client, Failure};
use crate::backend::ServerError;
use crate::net::{Buf, Runtime, Stream};
use crate::terms::{Close, TraceStep};
use crate::wire::frame_with;
use crate::worker::{Side, Signals, Stall, or_stalled};

impl<R: Runtime> Client<R> {
    /// Writes one packet.
    pub async fn send(&mut self, seq: u8, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), Close> {
        let mut buf = self.buffer();
        buf.replace_with(|out| frame_with(out, seq, write));
        self.write(&mut buf).await?;
        self.resources.buffers.give(buf);
        Ok(())
    }

    /// Writes a buffer. Gives up if the session must end meanwhile, so that a client that does not read cannot
    /// delay a KILL or the end of a drain.
    pub async fn write(&mut self, buf: &mut Buf) -> Result<(), Close> {
        let len = buf.len() as u64;
        self.resources.metrics.bytes_out.add(len);
        match self.stream.write_now(buf.filled()) {
            Ok(n) if n == buf.len() => return Ok(()),
            Ok(n) => buf.consume(n),
            Err(_) => return Err(Close::ClientLost),
        }
        // Boxed, to keep the futures small: most sessions never wait here.
        Box::pin(self.write_rest(buf)).await
    }

    async fn write_rest(&mut self, buf: &mut Buf) -> Result<(), Close> {
        let step = self.begin_step(TraceStep::Client);
        let ending = Signals::KILLED | Signals::END | Signals::LOGIN;
        let (handle, seconds) = (&self.handle, &self.resources.seconds);
        // A client that reads slowly is not cut off as long as it makes progress.
        let took = || {
            if handle.stall.get().is_some() {
                Stall::begin(Side::Write, handle, seconds);
                handle.signal.lower(Signals::STALLED);
            }
        };
        let writing = self.stream.write_all_noting(std::mem::take(buf), &took);
        let written = or_stalled(handle, seconds, Side::Write, ending, writing).await;
        self.end_step(step);
        match written {
            Ok((Ok(()), back)) => {
                *buf = back;
                Ok(())
            }
            Ok((Err(_), _)) => Err(Close::ClientLost),
            Err(raised) if raised & ending == 0 => {
                // Aborts the connection, so that the kernel does not keep what the client did not read.
                self.stream.abort();
                Err(Close::ClientWriteTimeout)
            }
            Err(raised) => Err(ended_by(raised)),
        }
    }

    /// Sends an ERR packet of the proxy itself.
    pub async fn send_failure(&mut self, seq: u8, failure: &Failure) -> Result<(), Close> {
        let (code, sqlstate, text) = failure.parts();
        self.resources.metrics.proxy_errors.add(1);
        self.greeted.told = Some(Box::new(ServerError { code, sqlstate, message: text.as_bytes().to_vec() }));
        self.resources.metrics.own_errors.count(code);
        tracing::debug!(id = self.handle.id, peer = %self.handle.peer.get(), ?failure, "error to client");
        let is_before_41 = self.greeted.is_before_41;
        self.send(seq, |out| if is_before_41 { failure.encode_before_41(out) } else { failure.encode(out) })
            .await
    }

    /// Sends the error and returns the reason to end the session. A client that does not read any more gets
    /// no error.
    pub async fn refuse(&mut self, seq: u8, failure: &Failure, close: Close) -> Close {
        let _ = self.send_failure(seq, failure).await;
        close
    }
}

/// Returns the reason to end a session for its raised signals.
pub fn ended_by(raised: u16) -> Close {
    if raised & Signals::KILLED != 0 {
        Close::Killed
    } else if raised & Signals::IDLE != 0 {
        Close::IdleTimeout
    } else if raised & Signals::LOGIN != 0 {
        Close::LoginTimeout
    } else {
        Close::Drained
    }
}
