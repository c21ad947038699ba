//! One command of a client, and the part of it that is in the buffer.

use std::ops::{Deref, DerefMut};

use super::Client;
use crate::net::{Buf, Runtime};
use crate::sql::{MAX_READ, StatementClass};
use crate::wire::{Capabilities, Command, PacketHeader, query_text};

/// What is known of a request: its first header, its command byte and what the session found out.
#[derive(Debug, Clone, Copy)]
pub struct RequestHead {
    /// The header of the first packet. In the buffer, its sequence id is 0. Here, the sequence id is that of
    /// the last packet before the answer, as the client counts; it grows during a text of several statements.
    pub header: PacketHeader,
    /// The first payload byte.
    pub command: Command,
    /// True if all bytes of the request are in the buffer, so that the proxy can send the request again.
    pub whole: bool,
    /// The class of the statement.
    pub class: StatementClass,
    /// The client's id of the prepared statement that the command names. 0: the command names none.
    pub statement: u32,
    /// How many columns the client was told of that statement, if the command executes it.
    pub columns: u16,
    /// True if that statement was already prepared again for this execute, because the server required it.
    pub prepared_anew: bool,
}

impl RequestHead {
    /// The head before the first request.
    pub const NONE: RequestHead = RequestHead {
        header: PacketHeader { len: 0, seq: 0 },
        command: Command::Unknown(0),
        whole: false,
        class: StatementClass::UNKNOWN,
        statement: 0,
        columns: 0,
        prepared_anew: false,
    };

    /// Returns the sequence id that the client expects in the first packet of the answer.
    pub fn answer_seq(&self) -> u8 {
        self.header.seq.wrapping_add(1)
    }
}

/// A request with its bytes.
#[derive(Debug)]
pub struct Request {
    /// The bytes of the request, as far as they were read, and of what the client sent behind it.
    pub buf: Buf,
    /// What is known of the request.
    pub head: RequestHead,
}

impl Deref for Request {
    type Target = RequestHead;

    fn deref(&self) -> &RequestHead {
        &self.head
    }
}

impl DerefMut for Request {
    fn deref_mut(&mut self) -> &mut RequestHead {
        &mut self.head
    }
}

impl Request {
    /// Returns an empty request that reads into `buf`.
    pub fn reading_into(buf: Buf) -> Self {
        Request { buf, head: RequestHead::NONE }
    }

    /// Begins the request at the front of the buffer, which has the header and the command byte.
    pub fn begin(&mut self, header: PacketHeader, command: Command) {
        debug_assert!(self.buf.len() > PacketHeader::LEN, "the header and the command byte");
        let whole = !header.is_continued() && self.buf.len() >= header.total();
        self.head = RequestHead { header, command, whole, ..RequestHead::NONE };
    }

    /// Removes the request from the front of the buffer, if it is still there.
    pub fn consume(&mut self) {
        if self.whole {
            debug_assert!(self.buf.len() >= self.head.header.total(), "a whole request is in the buffer");
            self.buf.consume(self.head.header.total());
            self.head.whole = false;
        }
    }

    /// True if nothing follows the request in the buffer.
    pub fn is_last(&self) -> bool {
        self.buf.len() <= if self.whole { self.header.total() } else { 0 }
    }

    /// Returns the part of the payload behind the command byte that is in the buffer.
    pub fn arguments(&self) -> &[u8] {
        let end = self.header.total().min(self.buf.len());
        self.buf.filled().get(PacketHeader::LEN + 1..end).unwrap_or_default()
    }

    /// Returns the part of the payload that is in the buffer, beginning with the command byte.
    pub fn payload(&self) -> &[u8] {
        let end = self.header.total().min(self.buf.len());
        self.buf.filled().get(PacketHeader::LEN..end).unwrap_or_default()
    }
}

/// Follows the packets of a request that is larger than a buffer, or of a local file (LOAD DATA LOCAL), while they are
/// forwarded.
#[derive(Debug)]
pub struct PacketRun {
    /// The number of bytes of the current packet that are still missing.
    left: usize,
    /// True if the next packet continues the current packet.
    continued: bool,
    /// True if the current packet is the last.
    last: bool,
    ended: bool,
    /// The sequence id that the next header must have.
    pub seq: u8,
    /// The number of headers that passed; 255 stands for more.
    pub packets: u8,
    /// Added to the sequence ids on the way to the server.
    shift: u8,
    /// True if the run ends with an empty packet. False if the run ends with the first packet that is not
    /// continued.
    until_empty: bool,
    /// True if any sequence ids are accepted, and replaced: a client that compresses derives them from those of the
    /// compressed packets, and servers ignore them.
    any_seq: bool,
}

impl PacketRun {
    /// Returns the run of a command's packets, beginning with the first header.
    pub fn command(seq: u8) -> Self {
        PacketRun {
            left: 0,
            continued: false,
            last: false,
            ended: false,
            seq,
            packets: 0,
            shift: 0,
            until_empty: false,
            any_seq: false,
        }
    }

    /// Returns the run of a local file's packets. Adds `shift` to the client's sequence ids for the server.
    pub fn file(seq: u8, shift: u8) -> Self {
        PacketRun { until_empty: true, shift, ..PacketRun::command(seq) }
    }

    /// Returns the run with whether it accepts any sequence ids.
    pub fn from_compressed(self, any_seq: bool) -> Self {
        PacketRun { any_seq, ..self }
    }

    /// True if the last byte of the run has passed.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Walks over `input`, rewrites sequence ids, and returns how many bytes are known to belong to the run.
    /// Leaves an incomplete header in the input. Returns None if a sequence id is out of order.
    pub fn feed(&mut self, input: &mut [u8]) -> Option<usize> {
        let mut at = 0;
        loop {
            let here = self.left.min(input.len() - at);
            at += here;
            self.left -= here;
            if self.left > 0 {
                return Some(at);
            }
            self.ended = self.last;
            if self.ended {
                return Some(at);
            }
            let Some(header) = PacketHeader::parse(input.get(at..).unwrap_or_default()) else {
                return Some(at);
            };
            if header.seq != self.seq && !self.any_seq {
                return None;
            }
            if (self.shift != 0 || self.any_seq)
                && let Some(seq) = input.get_mut(at + 3)
            {
                *seq = self.seq.wrapping_add(self.shift);
            }
            self.seq = self.seq.wrapping_add(1);
            self.packets = self.packets.saturating_add(1);
            at += PacketHeader::LEN;
            self.left = header.len;
            // An empty packet after a packet of 16 MiB - 1 ends only that packet.
            self.last =
                if self.until_empty { !self.continued && header.len == 0 } else { !header.is_continued() };
            self.continued = header.is_continued();
        }
    }
}

impl<R: Runtime> Client<R> {
    /// Returns the text of a whole COM_QUERY that is short enough to be parsed.
    pub fn text_of<'a>(&self, request: &'a Request) -> Option<&'a [u8]> {
        let attributes = self.capabilities.contains(Capabilities::QUERY_ATTRIBUTES);
        let arguments = request.whole.then(|| request.arguments())?;
        query_text(arguments, attributes).ok().filter(|text| text.len() <= MAX_READ)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{MAX_PAYLOAD, frame};

    fn run(mut run: PacketRun, bytes: &[u8], chunk: usize) -> (Vec<u8>, usize) {
        let (mut have, mut out, mut fed) = (Vec::new(), Vec::new(), 0);
        while !run.has_ended() {
            let more = chunk.min(bytes.len() - fed);
            have.extend_from_slice(&bytes[fed..fed + more]);
            fed += more;
            let used = run.feed(&mut have).unwrap();
            out.extend(have.drain(..used));
        }
        let left = bytes.len() - out.len();
        (out, left)
    }

    #[test]
    fn a_command_ends_with_the_first_packet_that_is_not_continued() {
        let mut bytes = PacketHeader { len: MAX_PAYLOAD, seq: 0 }.to_bytes().to_vec();
        bytes.resize(4 + MAX_PAYLOAD, b'x');
        frame(&mut bytes, 1, b"rest");
        let end = bytes.len();
        frame(&mut bytes, 0, b"next");
        for chunk in [1 << 20, 77_777] {
            let (out, left) = run(PacketRun::command(0), &bytes, chunk);
            assert_eq!((out.len(), left), (end, bytes.len() - end));
        }
    }

    #[test]
    fn a_file_ends_with_an_empty_packet_and_gets_the_servers_sequence_ids() {
        let mut bytes = Vec::new();
        frame(&mut bytes, 3, b"abc");
        frame(&mut bytes, 4, b"de");
        frame(&mut bytes, 5, b"");
        frame(&mut bytes, 0, b"next");
        for chunk in 1..9 {
            let (out, left) = run(PacketRun::file(3, 255), &bytes, chunk);
            assert_eq!(out, b"\x03\0\0\x02abc\x02\0\0\x03de\0\0\0\x04");
            assert_eq!(left, 8);
        }
        assert_eq!(PacketRun::file(9, 0).feed(&mut bytes.clone()), None);
        let anew = PacketRun::file(9, 0).from_compressed(true);
        assert_eq!(run(anew, &bytes, 5).0, b"\x03\0\0\x09abc\x02\0\0\x0ade\0\0\0\x0b");
    }
}
