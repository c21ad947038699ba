//! One command of a client, as far as it is in the buffer.

use crate::net::Buf;
use crate::sql::StatementClass;
use crate::wire::{Command, PacketHeader};

/// See the module.
#[derive(Debug, Clone, Copy)]
pub struct Request {
    /// The first packet's header. In the buffer its sequence id is 0. Here it is that of the packet before the
    /// answer as the client counts, which goes on in a text of several statements.
    pub header: PacketHeader,
    /// The first payload byte.
    pub command: Command,
    /// Every byte of it is in the buffer: it can be sent again.
    pub whole: bool,
    /// What it is and does.
    pub class: StatementClass,
    /// The client's id of the prepared statement that it names; 0 is none.
    pub statement: u32,
    /// That was prepared anew for this execute, at the server's word.
    pub prepared_anew: bool,
}

impl Request {
    /// At the front of `buf`, which has the header and the command byte.
    pub fn at(buf: &Buf, header: PacketHeader, command: Command) -> Self {
        let whole = !header.is_continued() && buf.len() >= header.total();
        Request { header, command, whole, class: StatementClass::UNKNOWN, statement: 0, prepared_anew: false }
    }

    /// Takes it off the front of the buffer, if it still stands there.
    pub fn consume_from(&mut self, buf: &mut Buf) {
        if self.whole {
            buf.consume(self.header.total());
            self.whole = false;
        }
    }

    /// What of the payload behind the command byte is in the buffer.
    pub fn arguments<'a>(&self, buf: &'a Buf) -> &'a [u8] {
        let end = self.header.total().min(buf.len());
        buf.filled().get(PacketHeader::LEN + 1..end).unwrap_or_default()
    }

    /// Its payload, as far as it is there: the command byte and what follows.
    pub fn payload<'a>(&self, buf: &'a Buf) -> &'a [u8] {
        let end = self.header.total().min(buf.len());
        buf.filled().get(PacketHeader::LEN..end).unwrap_or_default()
    }

    /// The sequence id of the answer's first packet, as the client counts.
    pub fn answer_seq(&self) -> u8 {
        self.header.seq.wrapping_add(1)
    }
}

/// Follows the packets of a request that is larger than a buffer, or of a local file.
#[derive(Debug)]
pub struct PacketRun {
    /// Bytes of the packet under way still to come.
    left: usize,
    /// The packet under way is continued in the next.
    continued: bool,
    /// Nothing follows the packet under way.
    last: bool,
    ended: bool,
    /// The sequence id that the next header must have.
    pub seq: u8,
    /// What is added to sequence ids on the way.
    shift: u8,
    /// The run ends with an empty packet, not with the first that is not continued.
    until_empty: bool,
}

impl PacketRun {
    /// A command from its first header on.
    pub fn command(seq: u8) -> Self {
        PacketRun { left: 0, continued: false, last: false, ended: false, seq, shift: 0, until_empty: false }
    }

    /// A local file; the client's sequence ids get `shift` added for the server.
    pub fn file(seq: u8, shift: u8) -> Self {
        PacketRun { until_empty: true, shift, ..PacketRun::command(seq) }
    }

    /// Whether the last byte was seen.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Walks over `input`, rewrites sequence ids, and returns how many bytes belong to the run as far as
    /// can be told; a header that is not whole is left. None: a sequence id is out of order.
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
            if header.seq != self.seq {
                return None;
            }
            if self.shift != 0
                && let Some(seq) = input.get_mut(at + 3)
            {
                *seq = header.seq.wrapping_add(self.shift);
            }
            self.seq = self.seq.wrapping_add(1);
            at += PacketHeader::LEN;
            self.left = header.len;
            // An empty packet behind one of 16 MiB - 1 only ends that one.
            self.last =
                if self.until_empty { !self.continued && header.len == 0 } else { !header.is_continued() };
            self.continued = header.is_continued();
        }
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
    }
}
