//! The compressed protocol as a state machine over a socket or TLS. A compressed packet has a header of 7 bytes: the
//! payload's length, a sequence id of its own, and the length of the payload when decompressed (0: the payload is not
//! compressed). The ordinary packets are one stream of bytes inside the compressed packets. An idle connection owns no
//! buffers and no decoder. See "Compression" in MySQL's documentation of the protocol.

mod answers;
mod codec;
mod commands;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::io;
use std::task::{Poll, ready};

use super::Buf;
use super::lent::{lend, take_back};
use super::tls::{Io, Tls};
use answers::CompressedAnswers;
pub use codec::Algorithm;
use codec::Decoder;
use commands::Commands;

/// The length of the header of a compressed packet, in bytes.
const HEADER: usize = 7;
/// The most bytes that are written into one compressed packet.
const CHUNK: usize = 64 * 1024;
/// Shorter payloads are not compressed: MIN_COMPRESS_LENGTH of the servers, in bytes.
const LEAST: usize = 50;
/// The room for one read, in bytes.
const READ: usize = 16 * 1024;

/// What was agreed with the peer in the login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compressed {
    /// How both sides compress.
    pub algorithm: Algorithm,
    /// True if the peer is a server, so that this side sends the commands.
    pub to_server: bool,
}

/// What is below compression for one call: a socket, with TLS or without.
#[derive(Debug)]
pub struct Below<'a, I> {
    /// The state of TLS, if the connection is encrypted.
    pub tls: Option<&'a mut Tls>,
    /// The socket.
    pub io: I,
}

impl<I: Io> Below<'_, I> {
    fn read(&mut self, into: &mut Buf) -> Poll<io::Result<usize>> {
        match &mut self.tls {
            Some(tls) => tls.poll_read(&mut self.io, into),
            None => {
                let result = self.io.read(into.room_mut());
                if let Poll::Ready(Ok(n)) = result {
                    into.grew(n);
                }
                result
            }
        }
    }

    /// Takes a part of `bytes`, which are not empty.
    fn write(&mut self, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.tls {
            Some(tls) => match tls.write_now(&mut self.io, bytes) {
                Ok(0) => Poll::Pending,
                taken => Poll::Ready(taken),
            },
            None => self.io.write(bytes),
        }
    }

    /// Sends what TLS has taken.
    fn flush(&mut self) -> Poll<io::Result<()>> {
        match &mut self.tls {
            Some(tls) => tls.poll_write(&mut self.io, &[], &mut 0),
            None => Poll::Ready(Ok(())),
        }
    }
}

/// The compressed packet that is being read.
#[derive(Debug)]
struct Packet {
    /// The bytes of the payload that were not used yet.
    left: usize,
    /// The bytes that the payload still has when decompressed, as the header claims.
    claimed: usize,
    /// None if the payload is not compressed.
    decoder: Option<Decoder>,
}

/// See the module.
#[derive(Debug)]
pub struct Compression {
    algorithm: Algorithm,
    /// The commands that this side sends; None towards a client.
    commands: Option<Commands>,
    /// The answers that this side sends to a client.
    answers: CompressedAnswers,
    /// Received bytes that were not processed yet.
    incoming: Buf,
    /// Compressed packets that are to be sent.
    outgoing: Buf,
    /// Decompressed bytes that were not read yet.
    plain: Buf,
    packet: Option<Packet>,
    /// The sequence id of the next compressed packet, whichever side sends it.
    seq: u8,
    /// The `seq` behind the packet that was decompressed, until the reader gets its bytes: the answer to an earlier
    /// command may not be written yet.
    seq_of_plain: Option<u8>,
    /// Bytes of the current write that are in `outgoing` while no byte of their packet was sent.
    unsent: usize,
    /// True if the client gets a binary log. What it sends are acknowledgements of a replica, behind which the numbers
    /// begin anew: the acknowledgement and the next event both have the number 0.
    streams: bool,
    ended: bool,
    /// The error that made the connection unusable.
    broken: Option<(io::ErrorKind, &'static str)>,
    /// The error of a write: nothing more can be sent, but what the peer sent before can be read.
    unwritable: Option<(io::ErrorKind, &'static str)>,
}

impl Compression {
    /// Begins behind the OK packet of the login. `begun` is what was already read of the compressed stream.
    pub fn new(how: Compressed, begun: &[u8]) -> Self {
        let mut incoming = Buf::default();
        incoming.extend_from_slice(begun);
        Compression {
            algorithm: how.algorithm,
            commands: how.to_server.then(Commands::default),
            answers: CompressedAnswers::default(),
            incoming,
            outgoing: Buf::default(),
            plain: Buf::default(),
            packet: None,
            seq: 0,
            seq_of_plain: None,
            unsent: 0,
            streams: false,
            ended: false,
            broken: None,
            unwritable: None,
        }
    }

    /// Reads at least one byte and appends it to `room`, which must have room. 0 is the end.
    pub fn poll_read(&mut self, below: &mut Below<'_, impl Io>, room: &mut Buf) -> Poll<io::Result<usize>> {
        loop {
            self.check()?;
            let made = if self.plain.is_empty() {
                self.decode(room)?
            } else {
                let n = self.plain.len().min(room.room_mut().len());
                room.extend_from_slice(self.plain.filled().get(..n).unwrap_or_default());
                self.plain.consume(n);
                n
            };
            self.tidy();
            if made > 0 {
                self.seq = self.seq_of_plain.take().unwrap_or(self.seq);
                match &mut self.commands {
                    Some(commands) => commands.answered(),
                    None => self.answers.asked(),
                }
                return Poll::Ready(Ok(made));
            }
            if self.ended {
                return Poll::Ready(Ok(0));
            }
            ready!(self.fill(below))?;
        }
    }

    /// Waits until `poll_read` would return. Packets without data do not count.
    pub fn poll_readable(&mut self, below: &mut Below<'_, impl Io>) -> Poll<io::Result<()>> {
        loop {
            self.check()?;
            if self.plain.is_empty() && (!self.incoming.is_empty() || self.packet.is_some()) {
                let mut plain = std::mem::take(&mut self.plain);
                lend(&mut plain);
                let decoded = self.decode(&mut plain);
                self.plain = plain;
                self.tidy();
                decoded?;
            }
            if !self.plain.is_empty() || self.ended {
                return Poll::Ready(Ok(()));
            }
            ready!(self.fill(below))?;
        }
    }

    /// Writes `bytes`, of which `written` were taken by earlier calls. After an error `written` includes every packet of
    /// which at least one byte was taken below; the bytes behind it will never be sent.
    pub fn poll_write(
        &mut self,
        below: &mut Below<'_, impl Io>,
        bytes: &[u8],
        written: &mut usize,
    ) -> Poll<io::Result<()>> {
        loop {
            self.check_writes()?;
            if let Err(error) = ready!(self.flush(below)) {
                *written = written.saturating_sub(self.unsent);
                return Poll::Ready(Err(error));
            }
            self.unsent = 0;
            let rest = bytes.get(*written..).unwrap_or_default();
            if rest.is_empty() {
                return below.flush().map_err(|error| self.ends_writing(error.kind()));
            }
            self.unsent = self.pack(rest);
            *written += self.unsent;
        }
    }

    /// Takes as many bytes as possible without waiting. A part of them may stay in `outgoing`; later calls send it.
    pub(super) fn write_now(&mut self, below: &mut Below<'_, impl Io>, bytes: &[u8]) -> io::Result<usize> {
        self.check_writes()?;
        // Bytes that were taken before are sent first.
        match self.flush(below) {
            Poll::Pending => return Ok(0),
            Poll::Ready(flushed) => flushed?,
        }
        let mut written = 0;
        match self.poll_write(below, bytes, &mut written) {
            Poll::Ready(Err(e)) if written == 0 => Err(e),
            _ => {
                self.unsent = 0;
                Ok(written)
            }
        }
    }

    /// Notes that what the client's side sends next belongs to the current command, whatever its sequence id is: a local
    /// file, or a replica's acknowledgements.
    pub fn continue_command(&mut self) {
        match &mut self.commands {
            Some(commands) => commands.continued(),
            None => self.streams = true,
        }
    }

    /// True if there may be something to read of which the layer below says nothing.
    pub fn has_news(&self) -> bool {
        let packet = self.packet.as_ref().is_some_and(|packet| packet.left == 0);
        packet || !self.plain.is_empty() || !self.incoming.is_empty() || self.has_ended()
    }

    /// True if the connection is known to have ended or failed.
    pub fn has_ended(&self) -> bool {
        self.ended || self.broken.is_some() || self.unwritable.is_some()
    }

    /// Sends what was taken, if that is possible without waiting.
    pub(super) fn close(&mut self, below: &mut Below<'_, impl Io>) {
        if self.check_writes().is_ok() {
            let _ = self.flush(below);
        }
    }

    /// Makes the connection unusable: nothing is sent any more, not even bytes that were taken.
    pub fn abandon(&mut self) {
        self.breaks(io::ErrorKind::ConnectionAborted, "the connection was aborted");
    }

    /// Decompresses into the room of `out`, until the room is full, the received bytes are used up, or another command
    /// of the client begins. Returns how many bytes were appended.
    fn decode(&mut self, out: &mut Buf) -> io::Result<usize> {
        let before = out.len();
        while !out.is_full() {
            let Some(packet) = &mut self.packet else {
                let Some(&[a, b, c, seq, d, e, f]) = self.incoming.filled().first_chunk() else { break };
                if out.len() > before && seq == 0 && self.commands.is_none() {
                    break;
                }
                let expected = self.seq_of_plain.unwrap_or(self.seq);
                if self.commands.is_none() && seq != expected && seq != 0 {
                    return Err(
                        self.breaks(io::ErrorKind::InvalidData, "a compressed packet is out of order")
                    );
                }
                self.incoming.consume(HEADER);
                self.seq_of_plain = Some(if self.streams { seq } else { seq.wrapping_add(1) });
                let len = |bytes: [u8; 3]| {
                    let [a, b, c] = bytes.map(usize::from);
                    a | b << 8 | c << 16
                };
                let (left, claimed) = (len([a, b, c]), len([d, e, f]));
                self.packet = Some(match claimed {
                    0 => Packet { left, claimed: left, decoder: None },
                    _ => Packet { left, claimed, decoder: Some(Decoder::lend(self.algorithm)?) },
                });
                continue;
            };
            match packet.advance(&mut self.incoming, out) {
                Err(text) => return Err(self.breaks(io::ErrorKind::InvalidData, text)),
                Ok(Progress::Starved) => break,
                Ok(Progress::Some) => {}
                Ok(Progress::Done) => {
                    if let Some(decoder) = self.packet.take().and_then(|packet| packet.decoder) {
                        decoder.take_back();
                    }
                }
            }
        }
        Ok(out.len() - before)
    }

    /// Appends a packet with the beginning of `bytes` to `outgoing`. Returns how many bytes the packet has.
    fn pack(&mut self, bytes: &[u8]) -> usize {
        let mut chunk = bytes.get(..CHUNK).unwrap_or(bytes);
        if let Some(commands) = &mut self.commands {
            let (len, new) = commands.next(chunk);
            chunk = chunk.get(..len).unwrap_or(chunk);
            if new {
                self.seq = 0;
            }
        }
        let chunk = match self.commands {
            Some(_) => Cow::Borrowed(chunk),
            None => self.answers.renumber(chunk, self.seq),
        };
        let chunk: &[u8] = &chunk;
        lend(&mut self.outgoing);
        self.outgoing.make_room(HEADER + chunk.len());
        let body = self.outgoing.room_mut().get_mut(HEADER..HEADER + chunk.len()).unwrap_or_default();
        // Compressed data that is not shorter is of no use.
        let room = body.get_mut(..chunk.len().saturating_sub(1)).filter(|_| chunk.len() >= LEAST);
        let (len, plain_len) = match room.and_then(|room| codec::compress(self.algorithm, chunk, room)) {
            Some(len) => (len, chunk.len()),
            None => {
                body.copy_from_slice(chunk);
                (chunk.len(), 0)
            }
        };
        let [a, b, c, ..] = len.to_le_bytes();
        let [d, e, f, ..] = plain_len.to_le_bytes();
        if let Some(header) = self.outgoing.room_mut().first_chunk_mut() {
            *header = [a, b, c, self.seq, d, e, f];
        }
        self.outgoing.grew(HEADER + len);
        self.seq = self.seq.wrapping_add(1);
        chunk.len()
    }

    /// Sends what is in `outgoing`, and reads more. Sets `ended` at the end of the stream.
    fn fill(&mut self, below: &mut Below<'_, impl Io>) -> Poll<io::Result<()>> {
        // The peer may answer only after it gets the unsent bytes. If they cannot be sent now, reading still can go on.
        // After an error of a write, what the peer sent before is read.
        let _ = self.flush(below);
        lend(&mut self.incoming);
        self.incoming.make_room(READ);
        let result = below.read(&mut self.incoming);
        take_back(&mut self.incoming);
        match ready!(result) {
            Ok(n) => {
                self.ended |= n == 0;
                Poll::Ready(Ok(()))
            }
            Err(error) => Poll::Ready(Err(self.breaks(error.kind(), "the read failed"))),
        }
    }

    fn flush(&mut self, below: &mut Below<'_, impl Io>) -> Poll<io::Result<()>> {
        while !self.outgoing.is_empty() {
            match ready!(below.write(self.outgoing.filled())) {
                Ok(0) => return Poll::Ready(Err(self.ends_writing(io::ErrorKind::WriteZero))),
                Ok(n) => self.outgoing.consume(n),
                Err(error) => return Poll::Ready(Err(self.ends_writing(error.kind()))),
            }
            self.unsent = 0;
        }
        take_back(&mut self.outgoing);
        Poll::Ready(Ok(()))
    }

    fn check(&self) -> io::Result<()> {
        self.broken.map_or(Ok(()), |(kind, text)| Err(io::Error::new(kind, text)))
    }

    fn check_writes(&self) -> io::Result<()> {
        self.check()?;
        self.unwritable.map_or(Ok(()), |(kind, text)| Err(io::Error::new(kind, text)))
    }

    /// Notes that nothing more can be sent, and discards what was not sent. Returns the error.
    fn ends_writing(&mut self, kind: io::ErrorKind) -> io::Error {
        let (kind, text) = *self.unwritable.get_or_insert((kind, "the write failed"));
        self.outgoing.clear();
        take_back(&mut self.outgoing);
        io::Error::new(kind, text)
    }

    /// Makes the connection unusable, and discards what was not sent. Returns the error.
    fn breaks(&mut self, kind: io::ErrorKind, text: &'static str) -> io::Error {
        let (kind, text) = *self.broken.get_or_insert((kind, text));
        self.outgoing.clear();
        self.incoming.clear();
        self.packet = None;
        self.tidy();
        io::Error::new(kind, text)
    }

    fn tidy(&mut self) {
        take_back(&mut self.outgoing);
        take_back(&mut self.incoming);
        take_back(&mut self.plain);
    }

    /// Returns the size of the connection's own buffers, in bytes.
    #[cfg(test)]
    fn memory(&self) -> usize {
        self.incoming.capacity() + self.outgoing.capacity() + self.plain.capacity()
    }
}

/// How far a step of a packet came.
enum Progress {
    /// It needs more bytes from the peer.
    Starved,
    /// It may go on.
    Some,
    /// The packet is complete.
    Done,
}

impl Packet {
    /// Uses bytes of `incoming`, and appends to `out`, which has room. An error says how the packet is broken.
    fn advance(&mut self, incoming: &mut Buf, out: &mut Buf) -> Result<Progress, &'static str> {
        let here = self.left.min(incoming.len());
        let input = incoming.filled().get(..here).unwrap_or_default();
        let Some(decoder) = &mut self.decoder else {
            let n = here.min(out.room_mut().len());
            out.extend_from_slice(input.get(..n).unwrap_or_default());
            incoming.consume(n);
            self.left -= n;
            return Ok(match (self.left, n) {
                (0, _) => Progress::Done,
                (_, 0) => Progress::Starved,
                _ => Progress::Some,
            });
        };
        // A byte behind the claimed length shows that the header was wrong.
        let mut excess = [0];
        let step = if self.claimed > 0 {
            let room = out.room_mut();
            let most = self.claimed.min(room.len());
            decoder.step(input, room.get_mut(..most).unwrap_or_default())
        } else {
            decoder.step(input, &mut excess)
        };
        let step = step.ok_or("the data of a compressed packet is broken")?;
        incoming.consume(step.used);
        self.left -= step.used;
        if step.made > self.claimed {
            return Err("a compressed packet is longer than its header says");
        }
        self.claimed -= step.made;
        out.grew(step.made);
        if step.ended {
            return match (self.left, self.claimed) {
                (0, 0) => Ok(Progress::Done),
                (0, _) => Err("a compressed packet is shorter than its header says"),
                _ => Err("a compressed packet goes on behind its data"),
            };
        }
        match step.used + step.made {
            0 if self.left == 0 => Err("the data of a compressed packet is incomplete"),
            0 => Ok(Progress::Starved),
            _ => Ok(Progress::Some),
        }
    }
}
