//! TLS as a state machine between two sets of buffers: rustls without a socket. The driver
//! passes a socket to each call, for calls that wait and for calls that do not. An idle
//! connection owns no buffers: those for records are borrowed from the thread, and returned when
//! they are empty.

use std::io;
use std::sync::Arc;
use std::task::{Poll, ready};

use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus, WriteTraffic};
use rustls::{ClientConfig, CommonState, HandshakeKind, ProtocolVersion, ServerConfig};

use super::suites::{is_worn, most_records};
use crate::net::Buf;
use crate::net::lent::{self, lend, take_back};

/// The plaintext that is encrypted in one step, in bytes: four records.
const CHUNK: usize = 64 * 1024;
/// The most plaintext that a record has, in bytes.
const LONGEST: usize = 16 * 1024;
/// The size of a buffer for records, in bytes: `CHUNK` encrypted, with an alert or a key update in front.
const RECORDS: usize = lent::SIZE;
/// The longest record, in bytes: 16 KiB, 256 of overhead, and the header (RFC 5246, 6.2.3).
const RECORD: usize = 16 * 1024 + 256 + 5;
/// A handshake message may take several records, but not more than this, in bytes.
const MOST: usize = 4 * RECORDS;

/// A socket that is lent for one call. `Pending`: nothing is possible now; a call that waits is woken later.
pub trait Io {
    /// Reads into the beginning of `room`; 0 is the end.
    fn read(&mut self, room: &mut [u8]) -> Poll<io::Result<usize>>;
    /// Writes a part of `bytes`.
    fn write(&mut self, bytes: &[u8]) -> Poll<io::Result<usize>>;
}

/// One side of a TLS connection: towards a server the proxy is the client.
enum TlsSide {
    Client(UnbufferedClientConnection),
    Server(UnbufferedServerConnection),
}

impl TlsSide {
    fn common(&self) -> &CommonState {
        match self {
            TlsSide::Client(connection) => connection,
            TlsSide::Server(connection) => connection,
        }
    }
}

/// What both sides have in common, but rustls has not as one function.
trait Machine {
    type Data;
    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data>;
}

impl Machine for UnbufferedClientConnection {
    type Data = ClientConnectionData;
    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(incoming)
    }
}

impl Machine for UnbufferedServerConnection {
    type Data = ServerConnectionData;
    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(incoming)
    }
}

/// One TLS connection.
pub struct Tls {
    side: TlsSide,
    records: Records,
    /// Plaintext of the current write that is in `outgoing` while no byte of its records was sent; in bytes.
    unsent: usize,
    /// The error that made the connection unusable.
    broken: Option<io::Error>,
    /// The error of a write: nothing more can be sent, but what the peer sent before can be read.
    unwritable: Option<io::Error>,
    /// The number of records of data that were written.
    written: u64,
}

/// The buffers of a connection.
#[derive(Default)]
struct Records {
    /// Received records that were not processed yet.
    incoming: Buf,
    /// Records that are to be sent.
    outgoing: Buf,
    /// Decrypted bytes that the reader had no room for.
    plain: Buf,
    /// True if the peer announced the end, or closed the connection.
    ended: bool,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.version())
    }
}

/// What to do when the state machine allows application data.
enum Work<'a> {
    /// Decrypt until there is something to read.
    Read,
    /// Encrypt these bytes.
    Write(&'a [u8]),
    /// Announce the end to the peer.
    Close,
    /// Encode the alert that an error left, and process nothing again: it would only fail again.
    Alert,
}

/// Why `advance` stopped.
#[derive(Debug, PartialEq, Eq)]
enum TlsStop {
    /// It needs more bytes from the peer.
    Starved,
    /// The handshake is complete and all received records were processed; or the work is done.
    Traffic,
    /// Something was decrypted.
    Data,
}

impl Tls {
    /// Makes a connection to a server before its handshake. `name` is sent to the server (SNI), and is a key of stored sessions.
    pub fn new(config: Arc<ClientConfig>, name: ServerName<'static>) -> Result<Self, rustls::Error> {
        Ok(Tls::of(TlsSide::Client(UnbufferedClientConnection::new(config, name)?)))
    }

    /// Makes a connection from a client before its handshake. `begun` is what the client has already sent of it.
    pub fn accept(config: Arc<ServerConfig>, begun: &[u8]) -> Result<Self, rustls::Error> {
        let mut tls = Tls::of(TlsSide::Server(UnbufferedServerConnection::new(config)?));
        tls.records.incoming.extend_from_slice(begun);
        Ok(tls)
    }

    fn of(side: TlsSide) -> Self {
        Tls { side, records: Records::default(), unsent: 0, broken: None, unwritable: None, written: 0 }
    }

    /// Completes the handshake. If the peer closes the connection meanwhile, the error is `UnexpectedEof`.
    pub fn poll_handshake(&mut self, io: &mut impl Io) -> Poll<io::Result<()>> {
        loop {
            self.check()?;
            let stop = match self.advance(None, Work::Read) {
                Ok(stop) => stop,
                Err(error) => {
                    // Sends the alert with the reason to the peer, if that is possible without waiting.
                    if self.side.common().wants_write() {
                        let _ = self.advance(None, Work::Alert);
                    }
                    let _ = self.flush(io);
                    return Poll::Ready(Err(self.breaks(error)));
                }
            };
            ready!(self.flush(io)).map_err(|e| self.breaks(e))?;
            if stop != TlsStop::Starved {
                return Poll::Ready(Ok(()));
            }
            if ready!(self.fill(io)).map_err(|e| self.breaks(e))? == 0 {
                return Poll::Ready(Err(self.breaks(io::Error::from(io::ErrorKind::UnexpectedEof))));
            }
        }
    }

    /// Returns the peer's certificate after the handshake, also for a resumed session.
    pub fn certificate(&self) -> Option<&CertificateDer<'static>> {
        self.side.common().peer_certificates()?.first()
    }

    /// Returns the TLS version in the spelling of OpenSSL and the servers.
    pub fn version(&self) -> &'static str {
        match self.side.common().protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
            Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
            _ => "TLS",
        }
    }

    /// True if an earlier session was resumed, without certificates.
    pub fn is_resumed(&self) -> bool {
        self.side.common().handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// Reads at least one byte and appends it to `room`, which must have room. 0 is the end, announced or not.
    pub fn poll_read(&mut self, io: &mut impl Io, room: &mut Buf) -> Poll<io::Result<usize>> {
        let before = room.len();
        loop {
            self.check()?;
            give(&mut self.records.plain, room);
            if !self.records.incoming.is_empty() && !room.is_full() {
                self.advance(Some(room), Work::Read).map_err(|e| self.breaks(e))?;
            }
            self.tidy();
            match room.len() - before {
                0 if self.records.ended => return Poll::Ready(Ok(0)),
                0 => ready!(self.next_records(io))?,
                n => return Poll::Ready(Ok(n)),
            }
        }
    }

    /// Waits until `poll_read` would return. Records without data (session tickets, key updates) do not count.
    pub fn poll_readable(&mut self, io: &mut impl Io) -> Poll<io::Result<()>> {
        loop {
            self.check()?;
            if self.records.plain.is_empty() && !self.records.incoming.is_empty() {
                self.advance(None, Work::Read).map_err(|e| self.breaks(e))?;
                self.tidy();
            }
            if !self.records.plain.is_empty() || self.records.ended {
                return Poll::Ready(Ok(()));
            }
            ready!(self.next_records(io))?;
        }
    }

    /// Writes `bytes`, of which `written` were taken by earlier calls. After an error `written` includes every chunk
    /// (`CHUNK`) of which the socket took at least one byte; the bytes behind it will never be sent.
    pub fn poll_write(
        &mut self,
        io: &mut impl Io,
        bytes: &[u8],
        written: &mut usize,
    ) -> Poll<io::Result<()>> {
        loop {
            self.check_writes()?;
            if let Err(error) = ready!(self.flush(io)) {
                *written = written.saturating_sub(self.unsent);
                return Poll::Ready(Err(self.ends_writing(error)));
            }
            self.unsent = 0;
            let rest = bytes.get(*written..).unwrap_or_default();
            if rest.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let chunk = rest.get(..CHUNK).unwrap_or(rest);
            self.advance(None, Work::Write(chunk)).map_err(|e| self.breaks(e))?;
            self.unsent = chunk.len();
            self.written += chunk.len().div_ceil(LONGEST) as u64;
            *written += chunk.len();
        }
    }

    /// Takes as many bytes as possible without waiting. A part of them may stay in `outgoing`; later calls send it.
    pub fn write_now(&mut self, io: &mut impl Io, bytes: &[u8]) -> io::Result<usize> {
        self.check_writes()?;
        // Bytes that were taken before are sent first.
        match self.flush(io) {
            Poll::Pending => return Ok(0),
            Poll::Ready(flushed) => flushed.map_err(|e| self.ends_writing(e))?,
        }
        let mut written = 0;
        match self.poll_write(io, bytes, &mut written) {
            Poll::Ready(Err(e)) if written == 0 => Err(e),
            _ => {
                self.unsent = 0;
                Ok(written)
            }
        }
    }

    /// True if there may be something to read of which the socket's readiness says nothing.
    pub fn has_news(&self) -> bool {
        !self.records.plain.is_empty() || !self.records.incoming.is_empty() || self.has_ended()
    }

    /// True if the connection is known to have ended or failed.
    pub fn has_ended(&self) -> bool {
        self.records.ended || self.broken.is_some() || self.unwritable.is_some()
    }

    /// True if the connection may encrypt only a few records more, and cannot change its keys.
    pub fn is_worn(&self) -> bool {
        let suite = self.side.common().negotiated_cipher_suite();
        suite.and_then(most_records).is_some_and(|most| is_worn(most, self.written))
    }

    /// Announces the end to the peer, if that is possible without waiting.
    pub fn close(&mut self, io: &mut impl Io) {
        if self.check_writes().is_ok() && self.advance(None, Work::Close).is_ok() {
            let _ = self.flush(io);
        }
    }

    /// Makes the connection unusable: nothing is sent any more, not even bytes that were taken.
    pub fn abandon(&mut self) {
        let _ = self.breaks(io::Error::from(io::ErrorKind::ConnectionAborted));
    }

    /// Sends what is in `outgoing`, and waits for the next records. Sets `ended` at the end of the stream.
    fn next_records(&mut self, io: &mut impl Io) -> Poll<io::Result<()>> {
        // The peer may answer only after it gets the unsent bytes. If they cannot be sent now, reading still can go on.
        if let Poll::Ready(Err(error)) = self.flush(io) {
            self.ends_writing(error);
        }
        let n = ready!(self.fill(io)).map_err(|e| self.breaks(e))?;
        self.records.ended |= n == 0;
        Poll::Ready(Ok(()))
    }

    fn fill(&mut self, io: &mut impl Io) -> Poll<io::Result<usize>> {
        if self.records.incoming.len() > MOST {
            let text = "a handshake message is too long";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, text)));
        }
        lend(&mut self.records.incoming);
        self.records.incoming.make_room(RECORD);
        let result = io.read(self.records.incoming.room_mut());
        if let Poll::Ready(Ok(n)) = result {
            self.records.incoming.grew(n);
        }
        take_back(&mut self.records.incoming);
        result
    }

    fn flush(&mut self, io: &mut impl Io) -> Poll<io::Result<()>> {
        while !self.records.outgoing.is_empty() {
            match ready!(io.write(self.records.outgoing.filled()))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                n => self.records.outgoing.consume(n),
            }
            self.unsent = 0;
        }
        take_back(&mut self.records.outgoing);
        Poll::Ready(Ok(()))
    }

    /// Runs the state machine as far as it can go, or until the work is done.
    fn advance(&mut self, room: Option<&mut Buf>, work: Work<'_>) -> Result<TlsStop, rustls::Error> {
        match &mut self.side {
            TlsSide::Client(connection) => self.records.advance(connection, room, work),
            TlsSide::Server(connection) => self.records.advance(connection, room, work),
        }
    }

    fn check(&self) -> io::Result<()> {
        self.broken.as_ref().map_or(Ok(()), |error| Err(again(error)))
    }

    fn check_writes(&self) -> io::Result<()> {
        self.check()?;
        self.unwritable.as_ref().map_or(Ok(()), |error| Err(again(error)))
    }

    /// Notes that nothing more can be sent, and discards what was not sent. Returns the error.
    fn ends_writing(&mut self, error: io::Error) -> io::Error {
        let said = again(&error);
        self.unwritable.get_or_insert(error);
        self.records.outgoing.clear();
        self.tidy();
        said
    }

    /// Makes the connection unusable, and discards what was not sent. Returns the error.
    fn breaks(&mut self, error: impl Into<Broken>) -> io::Error {
        let Broken(error) = error.into();
        let said = again(&error);
        self.broken.get_or_insert(error);
        self.records.outgoing.clear();
        self.records.incoming.clear();
        self.tidy();
        said
    }

    /// Returns the size of the connection's own buffers, in bytes.
    #[cfg(test)]
    pub fn memory(&self) -> usize {
        self.records.incoming.capacity() + self.records.outgoing.capacity() + self.records.plain.capacity()
    }

    fn tidy(&mut self) {
        take_back(&mut self.records.incoming);
        take_back(&mut self.records.outgoing);
        if self.records.plain.is_empty() {
            self.records.plain = Buf::default();
        }
    }
}

impl Records {
    /// Runs the state machine as far as it can go, or until the work is done.
    fn advance(
        &mut self,
        machine: &mut impl Machine,
        mut room: Option<&mut Buf>,
        work: Work<'_>,
    ) -> Result<TlsStop, rustls::Error> {
        loop {
            let UnbufferedStatus { mut discard, state } = machine.process(self.incoming.filled_mut());
            let (mut stop, mut failed) = (None, None);
            match state {
                Err(error) => failed = Some(error),
                Ok(ConnectionState::ReadTraffic(mut data)) => {
                    while let Some(record) = data.next_record() {
                        let record = record?;
                        discard += record.discard;
                        keep(record.payload, room.as_deref_mut(), &mut self.plain);
                    }
                    let full = !self.plain.is_empty() || room.as_ref().is_some_and(|room| room.is_full());
                    stop = (full && matches!(work, Work::Read)).then_some(TlsStop::Data);
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    lend(&mut self.outgoing);
                    let mut encoded = data.encode(self.outgoing.room_mut());
                    if let Err(EncodeError::InsufficientSize(size)) = &encoded {
                        self.outgoing.make_room(size.required_size);
                        encoded = data.encode(self.outgoing.room_mut());
                    }
                    match encoded {
                        Ok(n) => self.outgoing.grew(n),
                        Err(error) => failed = Some(rustls::Error::General(error.to_string())),
                    }
                    stop = matches!(work, Work::Alert).then_some(TlsStop::Starved);
                }
                // The data is in `outgoing`, which is sent before anything else.
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                    match encrypt(&mut traffic, &work, &mut self.outgoing) {
                        Ok(()) => stop = Some(TlsStop::Traffic),
                        Err(error) => failed = Some(rustls::Error::General(error.to_string())),
                    }
                }
                Ok(ConnectionState::PeerClosed) => self.ended = true,
                Ok(ConnectionState::Closed) => {
                    self.ended = true;
                    stop = Some(TlsStop::Starved);
                }
                // The handshake needs bytes from the peer. (Early data is never allowed.)
                Ok(_) => stop = Some(TlsStop::Starved),
            }
            self.incoming.consume(discard);
            match (failed, stop) {
                (Some(error), _) => return Err(error),
                (None, Some(stop)) => return Ok(stop),
                (None, None) => {}
            }
        }
    }
}

/// Does the work, and appends the records to `out`.
fn encrypt<D>(traffic: &mut WriteTraffic<'_, D>, work: &Work<'_>, out: &mut Buf) -> Result<(), EncryptError> {
    let mut encrypt = |out: &mut Buf| match work {
        Work::Read | Work::Alert => Ok(0),
        Work::Write(bytes) => traffic.encrypt(bytes, out.room_mut()),
        Work::Close => traffic.queue_close_notify(out.room_mut()),
    };
    if matches!(work, Work::Read | Work::Alert) {
        return Ok(());
    }
    lend(out);
    let mut done = encrypt(out);
    if let Err(EncryptError::InsufficientSize(size)) = &done {
        out.make_room(size.required_size);
        done = encrypt(out);
    }
    done.map(|n| out.grew(n))
}

/// Appends decrypted data to the reader's buffer, if it has room and no earlier data waits in `plain`; otherwise to
/// `plain`.
fn keep(data: &[u8], room: Option<&mut Buf>, plain: &mut Buf) {
    let mut taken = 0;
    if let Some(room) = room.filter(|_| plain.is_empty()) {
        taken = data.len().min(room.room_mut().len());
        room.extend_from_slice(data.get(..taken).unwrap_or_default());
    }
    plain.extend_from_slice(data.get(taken..).unwrap_or_default());
}

/// Moves as much as there is room for.
fn give(from: &mut Buf, to: &mut Buf) {
    let n = from.len().min(to.room_mut().len());
    to.extend_from_slice(from.filled().get(..n).unwrap_or_default());
    from.consume(n);
}

/// An error of the socket or of the protocol.
struct Broken(io::Error);

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Broken(error)
    }
}

impl From<rustls::Error> for Broken {
    fn from(error: rustls::Error) -> Self {
        Broken(io::Error::new(io::ErrorKind::InvalidData, error))
    }
}

/// Returns a copy of an error.
fn again(error: &io::Error) -> io::Error {
    let of_tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match (error.raw_os_error(), of_tls) {
        (Some(code), _) => io::Error::from_raw_os_error(code),
        (None, Some(of_tls)) => io::Error::new(error.kind(), of_tls.clone()),
        (None, None) => io::Error::new(error.kind(), error.to_string()),
    }
}
