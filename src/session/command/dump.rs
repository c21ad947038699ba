//! COM_BINLOG_DUMP and COM_BINLOG_DUMP_GTID: the server answers with an ERR packet or with a stream that
//! lasts until the session ends. Until the server has begun the stream, it gets nothing but the command
//! itself.

use std::io;

use crate::client::{Failure, Request, StatementError, ended_by};
use crate::net::{Buf, Runtime, Stream, TunnelGate, or_raised, tunnel};
use crate::session::Session;
use crate::session::fresh::Freshness;
use crate::sql::StatementClass;
use crate::terms::{Close, Port, Role};
use crate::upstream::{Restored, ServerRead};
use crate::wire::{Capabilities, DumpEvents, DumpReplies, PacketHeader, ProtocolError};
use crate::worker::{Handle, Seconds, Side, Signals, Stall};

/// The first byte of an ERR packet.
const ERR: u8 = 0xff;

/// The longest ERR packet that is passed on, in bytes.
const MAX_ERR: usize = 64 << 10;

/// Both directions of a stream: the client is the tunnel's first side, the server the second.
struct Dump<'a> {
    handle: &'a Handle,
    /// The worker's seconds.
    seconds: &'a Seconds,
    replies: DumpReplies,
    events: DumpEvents,
    /// What the client sent that no replica sends.
    client_at_fault: Option<ProtocolError>,
    /// What the server sent that is no event.
    server_at_fault: Option<ProtocolError>,
}

impl TunnelGate for Dump<'_> {
    fn pass_first(&mut self, bytes: &mut [u8]) -> io::Result<(usize, bool)> {
        self.events.acknowledged();
        self.replies.follow(bytes).map_err(|error| {
            self.client_at_fault = Some(error);
            io::ErrorKind::InvalidData.into()
        })
    }

    fn pass_second(&mut self, bytes: &mut [u8]) -> io::Result<(usize, bool)> {
        self.events.follow(bytes).map_err(|error| {
            self.server_at_fault = Some(error);
            io::ErrorKind::InvalidData.into()
        })
    }

    fn first_is_full(&mut self, full: bool) {
        match full {
            true => Stall::begin(Side::Write, self.handle, self.seconds),
            false => self.handle.stall.set(None),
        }
        self.handle.signal.lower(Signals::STALLED);
    }
}

/// The kind of the server's first packet.
enum Begun {
    /// An ERR packet of this length, which is whole in the buffer. The server then takes commands again, or
    /// ends the connection.
    Refused(usize),
    /// The first event.
    Stream,
}

impl<R: Runtime> Session<R> {
    /// Sends the command, and passes the stream if the server agrees to it.
    pub(in crate::session) async fn stream(&mut self, request: &mut Request) -> Result<(), Close> {
        if !self.client.complete(request, crate::wire::MAX_PAYLOAD).await? {
            return Err(Close::ClientProtocol);
        }
        let role = if self.client.port == Port::Replica { Role::Replica } else { Role::Primary };
        request.class = StatementClass::UNKNOWN;
        // Whatever the answer is, the session keeps this connection, and no other session gets it afterwards.
        self.state.sends(role, &request.class, None);
        if let Err(stop) = self.for_stream(role, request).await {
            let seq = self.client.skip(request).await?;
            return self.replies().stop(seq, stop).await;
        }
        if let Some(connection) = self.upstream.connection_mut() {
            connection.closes_after_session = true;
        }
        let sent = self.upstream.send_whole(request).await;
        request.consume();
        let begun =
            if sent { self.first_of_stream(request.answer_seq()).await } else { Err(self.cut_stream()) };
        match begun {
            Ok((Begun::Stream, chunk)) => {
                let early = std::mem::take(&mut request.buf);
                Err(self.pass_stream(early, chunk, request.answer_seq()).await)
            }
            Ok((Begun::Refused(len), mut chunk)) => {
                // A server sends nothing after an ERR packet.
                if chunk.len() > len {
                    self.upstream.server_lost();
                } else if let Some(connection) = self.upstream.connection_mut() {
                    connection.end_exchange();
                }
                chunk.truncate(len);
                if let Some(seq) = chunk.filled_mut().get_mut(3) {
                    *seq = request.answer_seq();
                }
                self.client.write(&mut chunk).await?;
                self.context.buffers.give(chunk);
                Ok(())
            }
            Err(stop) => {
                self.upstream.server_lost();
                self.replies().stop(request.answer_seq(), stop).await
            }
        }
    }

    /// Acquires a connection for a stream and restores the session's state on it. The answers to that must
    /// have arrived before the stream begins.
    async fn for_stream(&mut self, role: Role, request: &Request) -> Result<(), StatementError> {
        if !self.take_for(role, &Freshness::Unasked) {
            self.tell_of_loss()?;
            self.attach(role, &Freshness::Unasked).await?;
        }
        for brought in [
            self.restore_session(request).await?,
            self.upstream.send_prelude(self.facts().may_leave()).await?,
        ] {
            if let Restored::Broken = brought {
                return Err(self.cut_stream());
            }
        }
        Ok(())
    }

    fn server_compresses(&self) -> bool {
        let connection = self.upstream.connection();
        connection.is_some_and(|c| c.about.capabilities.intersects(Capabilities::COMPRESSION))
    }

    fn cut_stream(&self) -> StatementError {
        StatementError::TellAndClose(Failure::AnswerCut, Close::ServerLost)
    }

    /// Waits for enough of the server's first packet to know what follows.
    async fn first_of_stream(&mut self, seq: u8) -> Result<(Begun, Buf), StatementError> {
        let mut chunk = self.client.buffer();
        loop {
            match self.upstream.read_server(&mut self.client, &mut chunk).await? {
                ServerRead::Bytes => {}
                ServerRead::Broken | ServerRead::GivenUp => return Err(self.cut_stream()),
            }
            let Some(header) = PacketHeader::parse(chunk.filled()) else { continue };
            if header.seq != seq && !self.server_compresses() {
                return Err(bad_server(ProtocolError::Sequence { expected: seq, got: header.seq }));
            }
            let need = match chunk.filled().get(PacketHeader::LEN) {
                None if header.len > 0 => PacketHeader::LEN + 1,
                Some(&ERR) if header.len > MAX_ERR => {
                    let what = "an ERR packet";
                    return Err(bad_server(ProtocolError::TooLarge {
                        what,
                        len: header.len,
                        limit: MAX_ERR,
                    }));
                }
                Some(&ERR) if chunk.len() >= header.total() => {
                    return Ok((Begun::Refused(header.total()), chunk));
                }
                Some(&ERR) => header.total(),
                _ => return Ok((Begun::Stream, chunk)),
            };
            chunk.make_room(need.saturating_sub(chunk.len()).max(1));
        }
    }

    /// Passes the stream until it ends. `early` is what the client sent after the command, `chunk` the
    /// stream's beginning, whose first packet has this sequence id for the client.
    async fn pass_stream(&mut self, early: Buf, chunk: Buf, seq: u8) -> Close {
        let renumbers = self.server_compresses();
        let mut first = self.client.buffer();
        first.extend_from_slice(early.filled());
        self.client.stream.continue_command();
        let Some(connection) = self.upstream.connection_mut() else { return Close::ServerLost };
        let ending = Signals::KILLED | Signals::END | Signals::LOST | Signals::DRAIN | Signals::STALLED;
        let mut dump = Dump {
            handle: &self.client.handle,
            seconds: &self.context.seconds,
            replies: DumpReplies::default(),
            events: if renumbers { DumpEvents::renumbered(seq) } else { DumpEvents::default() },
            client_at_fault: None,
            server_at_fault: None,
        };
        let streaming = tunnel(&mut self.client.stream, &mut connection.stream, first, chunk, &mut dump);
        let ended = or_raised(&self.client.handle.signal, ending, streaming).await;
        let (client_at_fault, server_at_fault) = (dump.client_at_fault, dump.server_at_fault);
        self.upstream.server_lost();
        let id = self.client.handle.id;
        match ended {
            Ok(Ok(())) => Close::Quit,
            _ if let Some(error) = client_at_fault => {
                tracing::info!(id, %error, "a client breaks the protocol of a replication stream");
                Close::ClientProtocol
            }
            _ if let Some(error) = server_at_fault => {
                tracing::warn!(id, %error, "a server broke the protocol");
                Close::ServerProtocol
            }
            Ok(Err(_)) | Err(Signals::LOST) => Close::ServerLost,
            Err(Signals::STALLED) => {
                self.client.stream.abort();
                Close::ClientWriteTimeout
            }
            Err(raised) => ended_by(raised),
        }
    }
}

fn bad_server(error: ProtocolError) -> StatementError {
    StatementError::TellAndClose(Failure::BadServer(error.to_string()), Close::ServerProtocol)
}
