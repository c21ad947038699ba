//! Requests that a server refuses to read to their end, such as a packet over `max_allowed_packet`. The server sends an ERR
//! packet in the middle of the request and closes the connection. The client gets the same packet, and its connection ends.

use crate::client::{RequestHead, StatementError};
use crate::net::{Buf, Runtime};
use crate::session::Session;
use crate::session::common::Outcome;
use crate::terms::Close;
use crate::upstream::{Pumped, StillReads};
use crate::wire::{Command, PacketHeader};
use crate::worker::Signals;

impl<R: Runtime> Session<R> {
    /// Called after a write to the server failed in the middle of a request. Returns true if the server has answered: then
    /// the first read of the answer returns these bytes.
    pub(in crate::session) async fn is_refused_midway(&mut self) -> bool {
        // The server's own words count, even if the probes have lost it meanwhile.
        self.client.handle.signal.lower(Signals::LOST);
        if self.upstream.connection().is_none() {
            return false;
        }
        let mut chunk = Buf::default();
        let pumped = self.upstream.pump(&mut self.client, &mut chunk, false).await;
        let answers = matches!(pumped, Ok(Pumped::Answer));
        self.measured.early = Some((pumped, chunk));
        answers
    }

    /// Returns what was read of the answer before it was waited for.
    pub(in crate::session) fn early_bytes(&mut self, chunk: &mut Buf) -> Result<Pumped, StatementError> {
        let Some((pumped, bytes)) = self.measured.early.take() else { return Ok(Pumped::Broken) };
        *chunk = bytes;
        pumped
    }

    /// Called behind a whole answer to a request that the server may not have read. The session ends if the server closed the
    /// connection.
    #[cold]
    pub(in crate::session) async fn after_unread(&mut self) -> Result<(), Close> {
        if self.measured.unread.take().is_some() {
            self.server_closed();
            return Ok(());
        }
        // SIGNAL can raise such an error, too.
        match self.upstream.still_reads(&mut self.client).await {
            Ok(StillReads::Yes) => Ok(()),
            Ok(StillReads::No(_)) => {
                self.server_closed();
                Ok(())
            }
            // The client has its answer.
            Err(StatementError::TellAndClose(_, close) | StatementError::Close(close)) => Err(close),
            Err(StatementError::Tell(_) | StatementError::Count(_)) => Err(Close::ServerLost),
        }
    }

    /// Reads the rest of a request that ends without the server's answer, so that the client reads the error.
    pub(in crate::session) async fn read_unread(
        &mut self,
        outcome: Outcome,
        buf: &mut Buf,
    ) -> Result<Outcome, Close> {
        let Some(run) = self.measured.unread.take() else { return Ok(outcome) };
        let seq = self.client.skip_rest(buf, run).await?;
        Ok(match outcome {
            Outcome::Stop(_, stop) => Outcome::Stop(seq, stop),
            outcome => outcome,
        })
    }

    /// True if the server may refuse this COM_STMT_SEND_LONG_DATA, which has no answer: the proxy must ask.
    pub(in crate::session) fn may_refuse_long_data(&self, request: &RequestHead) -> bool {
        if request.command != Command::StmtSendLongData {
            return false;
        }
        let longest = || {
            let server = self.upstream.connection()?.about.server;
            self.context.topology.get().server(server)?.facts.as_ref()?.max_packet
        };
        !request.whole || longest().is_some_and(|longest| request.header.len >= longest)
    }

    /// Finds out whether the server took long data. If the server refused it, the client gets the ERR packet at once, as from
    /// the server: it is the answer to the client's next command.
    pub(in crate::session) async fn settle_long_data(&mut self) -> Result<(), Close> {
        let (unread, early) = (self.measured.unread.take(), self.measured.early.take());
        let settled = match early {
            // A write failed, of the request's last bytes or of others, and the server's answer was read then.
            Some((_, chunk)) => self.upstream.first_packet(&mut self.client, chunk).await,
            None => self.upstream.still_reads(&mut self.client).await,
        };
        match settled {
            Ok(StillReads::Yes) if unread.is_none() => Ok(()),
            Ok(StillReads::No(Some(mut err))) => {
                self.state.answer.code = code_of(&err);
                self.server_closed();
                self.client.write(&mut err).await?;
                self.context.buffers.give(err);
                Err(Close::ServerLost)
            }
            Ok(StillReads::No(None)) if unread.is_none() => {
                self.upstream.server_lost();
                Ok(())
            }
            Ok(StillReads::Yes | StillReads::No(None)) => {
                self.upstream.server_lost();
                Err(Close::ServerLost)
            }
            Err(StatementError::TellAndClose(failure, close)) => {
                Err(self.client.refuse(1, &failure, close).await)
            }
            Err(StatementError::Close(close)) => Err(close),
            Err(StatementError::Tell(_) | StatementError::Count(_)) => Err(Close::ServerLost),
        }
    }

    /// Notes that the server closed the connection, and the session with it. The server is not lost.
    fn server_closed(&mut self) {
        self.upstream.server_lost();
        self.state.ends();
    }
}

/// Returns the code of an ERR packet with its header.
fn code_of(packet: &Buf) -> Option<u16> {
    let code = packet.filled().get(PacketHeader::LEN + 1..)?.first_chunk::<2>()?;
    Some(u16::from_le_bytes(*code))
}
