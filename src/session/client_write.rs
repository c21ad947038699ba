//! Packets that the proxy itself writes to the client.

use super::timeouts::{Side, Stall, or_stalled};
use super::{Failure, Session, Signals};
use crate::net::{Buf, Runtime, Stream};
use crate::terms::Close;
use crate::wire::{Capabilities, EofPacket, OkPacket, StatusFlags, frame_with};

impl<R: Runtime> Session<R> {
    /// Writes one packet.
    pub(super) async fn send(&mut self, seq: u8, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), Close> {
        let mut buf = self.buffer();
        buf.replace_with(|out| frame_with(out, seq, write));
        self.write(buf).await.map(|buf| self.context.buffers.give(buf))
    }

    /// Writes a buffer, unless the session must end meanwhile: a client that does not read cannot hold
    /// up a KILL or the end of a drain.
    pub(super) async fn write(&mut self, mut buf: Buf) -> Result<Buf, Close> {
        let len = buf.len() as u64;
        self.context.metrics.bytes_out.add(len);
        match self.client.write_now(buf.filled()) {
            Ok(n) if n == buf.len() => return Ok(buf),
            Ok(n) => buf.consume(n),
            Err(_) => return Err(Close::ClientLost),
        }
        // Boxed: most sessions never wait here, so their futures should have no room for it.
        Box::pin(self.write_rest(buf)).await
    }

    async fn write_rest(&mut self, buf: Buf) -> Result<Buf, Close> {
        let ending = Signals::KILLED | Signals::END | Signals::LOGIN;
        let (handle, tick) = (&self.handle, &self.context.tick);
        // A client that reads slowly is not cut off as long as it makes progress.
        let took = || {
            if handle.stall.get().is_some() {
                handle.stall.set(Some(Stall::since(Side::Write, tick)));
                handle.signal.lower(Signals::STALLED);
            }
        };
        let writing = self.client.write_all_noting(buf, &took);
        match or_stalled(handle, tick, Side::Write, ending, writing).await {
            Ok((Ok(()), buf)) => Ok(buf),
            Ok((Err(_), _)) => Err(Close::ClientLost),
            Err(raised) if raised & ending == 0 => {
                // Aborts the connection, so that the kernel does not keep what the client did not read.
                self.client.abort();
                Err(Close::ClientWriteTimeout)
            }
            Err(raised) => Err(ended_by(raised)),
        }
    }

    /// Sends an OK packet of the proxy's own.
    pub(super) async fn send_ok(&mut self, seq: u8) -> Result<(), Close> {
        let status = self.shown_status();
        let track = self.legs_track();
        self.state.answer.next_seq = Some(seq.wrapping_add(1));
        self.send(seq, |out| OkPacket { status, ..OkPacket::default() }.encode(out, 0, track)).await
    }

    /// Sends the packet that otherwise ends rows: an EOF packet, or an OK packet for clients that do not
    /// expect EOF.
    pub(super) async fn send_end(&mut self, seq: u8) -> Result<(), Close> {
        let status = self.shown_status();
        let track = self.legs_track();
        let deprecate_eof = self.capabilities.contains(Capabilities::DEPRECATE_EOF);
        self.send(seq, |out| match deprecate_eof {
            true => OkPacket { status, ..OkPacket::default() }.encode(out, 0xfe, track),
            false => EofPacket { warnings: 0, status }.encode(out),
        })
        .await
    }

    /// Answers COM_PING, with the number of warnings of the last statement, as MySQL does.
    pub(super) async fn send_pong(&mut self, seq: u8) -> Result<(), Close> {
        let status = self.state.transaction.status & StatusFlags::OF_THE_SESSION;
        let warnings = self.state.warnings_of_mysql();
        let track = self.legs_track();
        self.send(seq, |out| OkPacket { status, warnings, ..OkPacket::default() }.encode(out, 0, track)).await
    }

    /// Returns the status flags of an answer that the proxy makes.
    pub(super) fn shown_status(&self) -> StatusFlags {
        let status = self.state.transaction.status & StatusFlags::OF_THE_SESSION;
        if self.handle.piece.get().more { status | StatusFlags::MORE_RESULTS_EXISTS } else { status }
    }

    fn legs_track(&self) -> bool {
        self.capabilities.contains(Capabilities::SESSION_TRACK)
    }

    /// Sends an ERR packet of the proxy's own.
    pub(super) async fn send_failure(&mut self, seq: u8, failure: &Failure) -> Result<(), Close> {
        self.context.metrics.proxy_errors.add(1);
        tracing::debug!(id = self.handle.id, peer = %self.handle.peer, ?failure, "error to client");
        self.send(seq, |out| failure.encode(out)).await
    }

    /// Sends the error and returns the reason to end the session. A client that does not read any more gets
    /// no error.
    pub(super) async fn refuse(&mut self, seq: u8, failure: &Failure, close: Close) -> Close {
        let _ = self.send_failure(seq, failure).await;
        close
    }
}

/// Returns the reason to end a session for its raised signals.
pub(super) fn ended_by(raised: u16) -> Close {
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
