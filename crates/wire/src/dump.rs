//! The packets that may pass once a server has begun to answer COM_BINLOG_DUMP: from the server, events up to an EOF or
//! ERR packet; from the client, only the acknowledgements of semi-synchronous replication and COM_QUIT. No server
//! mistakes an acknowledgement for a command.

use super::{EofPacket, MAX_PAYLOAD, PacketHeader, ProtocolError};

/// The first byte of an acknowledgement: `kPacketMagicNum` of both servers' semi-synchronous replication.
const ACKNOWLEDGEMENT: u8 = 0xef;

/// The longest acknowledgement, in bytes: `ACKNOWLEDGEMENT`, a position (8 bytes), and a file's name (`FN_REFLEN` is
/// 512 on both servers).
const MAX_ACKNOWLEDGEMENT: usize = 1 + 8 + 512;

/// Finds the packets in bytes that come in pieces of any size. Sequence ids are not checked: those of acknowledgements
/// begin at 0 each time.
#[derive(Debug, Default)]
struct DumpPackets {
    /// The header of the next packet, of which `read` bytes have come.
    header: [u8; PacketHeader::LEN],
    read: usize,
    /// Bytes of the payload that are still to come.
    left: usize,
    /// The packet before the next header was 16 MiB - 1 long.
    continued: bool,
    /// The sequence id that the next header gets; None: headers stay as they are.
    next: Option<u8>,
}

impl DumpPackets {
    /// Calls `begins` with the header and the first byte of each packet; the byte is None if the packet is empty. A
    /// packet that continues another is not passed to `begins`. If `begins` returns `Ok(false)`, that packet is the
    /// last. Returns how many bytes were followed, at most up to the end of the last packet, and whether that end was
    /// reached.
    fn follow(
        &mut self,
        bytes: &mut [u8],
        last: &mut bool,
        mut begins: impl FnMut(PacketHeader, Option<u8>) -> Result<bool, ProtocolError>,
    ) -> Result<(usize, bool), ProtocolError> {
        let mut at = 0;
        loop {
            let here = self.left.min(bytes.len() - at);
            at += here;
            self.left -= here;
            if self.left > 0 {
                return Ok((at, false));
            }
            if *last {
                return Ok((at, true));
            }
            while self.read < PacketHeader::LEN {
                let Some(byte) = bytes.get_mut(at) else { return Ok((at, false)) };
                if let Some(next) = self.next.as_mut().filter(|_| self.read == PacketHeader::LEN - 1) {
                    *byte = *next;
                    *next = next.wrapping_add(1);
                }
                if let Some(place) = self.header.get_mut(self.read) {
                    *place = *byte;
                }
                self.read += 1;
                at += 1;
            }
            let Some(header) = PacketHeader::parse(&self.header) else { return Ok((at, false)) };
            if !self.continued {
                let first = bytes.get(at).copied();
                if first.is_none() && header.len > 0 {
                    return Ok((at, false));
                }
                *last = !begins(header, first.filter(|_| header.len > 0))?;
            }
            self.continued = header.is_continued();
            (self.read, self.left) = (0, header.len);
        }
    }
}

/// Follows the bytes that the server sends.
#[derive(Debug, Default)]
pub struct DumpEvents {
    packets: DumpPackets,
    last: bool,
}

impl DumpEvents {
    /// Gives the packets new sequence ids, which begin with `seq`: those of a compressed connection jump.
    pub fn renumbered(seq: u8) -> Self {
        DumpEvents { packets: DumpPackets { next: Some(seq), ..DumpPackets::default() }, last: false }
    }

    /// Notes an acknowledgement of a replica, behind which the server's sequence ids begin with 1 again.
    pub fn acknowledged(&mut self) {
        self.packets.next = self.packets.next.map(|_| 1);
    }

    /// Returns how many of these bytes pass, and whether the stream ended with them. An EOF or ERR packet ends the
    /// stream: the server may accept commands behind it.
    pub fn follow(&mut self, bytes: &mut [u8]) -> Result<(usize, bool), ProtocolError> {
        self.packets.follow(bytes, &mut self.last, |header, first| match first {
            Some(0) => Ok(true),
            Some(0xfe) if header.len < EofPacket::MAX_LEN => Ok(false),
            Some(0xff) => Ok(false),
            byte => {
                let byte = byte.unwrap_or_default();
                Err(ProtocolError::Unexpected { expected: "an event of a binary log", byte })
            }
        })
    }
}

/// Follows the bytes that the client sends.
#[derive(Debug, Default)]
pub struct DumpReplies {
    packets: DumpPackets,
    last: bool,
}

impl DumpReplies {
    /// Returns how many of these bytes pass, and whether the client ended the stream with COM_QUIT.
    pub fn follow(&mut self, bytes: &mut [u8]) -> Result<(usize, bool), ProtocolError> {
        self.packets.follow(bytes, &mut self.last, |header, first| match first {
            Some(ACKNOWLEDGEMENT) if header.len <= MAX_ACKNOWLEDGEMENT => Ok(true),
            Some(0x01) if header.len == 1 => Ok(false),
            byte => {
                let byte = byte.unwrap_or_default();
                Err(ProtocolError::Unexpected { expected: "an acknowledgement of a replica", byte })
            }
        })
    }
}

const _: () = assert!(MAX_ACKNOWLEDGEMENT < MAX_PAYLOAD);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame;

    fn framed(payloads: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        for (payload, seq) in payloads.iter().zip(1..) {
            frame(&mut out, seq, payload);
        }
        out
    }

    #[test]
    fn events_of_a_compressed_connection_are_numbered_from_the_last_acknowledgement() {
        let mut bytes = [[1, 0, 0, 7, 0], [1, 0, 0, 9, 0]].concat();
        let mut stream = DumpEvents::renumbered(255);
        assert_eq!(stream.follow(&mut bytes), Ok((10, false)));
        assert_eq!((bytes[3], bytes[8]), (255, 0));
        stream.acknowledged();
        stream.follow(&mut bytes).unwrap();
        assert_eq!((bytes[3], bytes[8]), (1, 2));
        let mut stream = DumpEvents::default();
        stream.acknowledged();
        let mut bytes = [1, 0, 0, 7, 0];
        assert_eq!((stream.follow(&mut bytes), bytes[3]), (Ok((5, false)), 7));
    }

    /// Feeds `bytes` in pieces of this size, as long as they pass.
    fn fed(
        bytes: &[u8],
        chunk: usize,
        mut follow: impl FnMut(&mut [u8]) -> Result<(usize, bool), ProtocolError>,
    ) -> Result<(usize, bool), ProtocolError> {
        let mut passed = 0;
        for stretch in bytes.to_vec().chunks_mut(chunk) {
            let (used, ended) = follow(stretch)?;
            passed += used;
            if ended {
                return Ok((passed, true));
            }
            assert_eq!(used, stretch.len());
        }
        Ok((passed, false))
    }

    #[test]
    fn events_pass_up_to_the_packet_that_ends_them() {
        for end in [&b"\xfe\0\0\x02\0"[..], b"\xff\xd4\x04#HY000no such file"] {
            let events = framed(&[b"\0event", b"\0", end]);
            let all = [&events[..], b"\x07\0\0\x01\0\0\0"].concat();
            for chunk in 1..=all.len() {
                let mut stream = DumpEvents::default();
                assert_eq!(fed(&all, chunk, |b| stream.follow(b)), Ok((events.len(), true)), "{chunk}");
            }
        }
    }

    #[test]
    fn an_event_of_several_packets_is_not_read() {
        let mut all = PacketHeader { len: MAX_PAYLOAD, seq: 1 }.to_bytes().to_vec();
        all.resize(4 + MAX_PAYLOAD, 0);
        frame(&mut all, 2, b"\xff");
        frame(&mut all, 3, b"\0next");
        for chunk in [65_536, MAX_PAYLOAD, MAX_PAYLOAD + 4, MAX_PAYLOAD + 5] {
            let mut stream = DumpEvents::default();
            assert_eq!(fed(&all, chunk, |b| stream.follow(b)), Ok((all.len(), false)));
        }
    }

    #[test]
    fn something_else_than_an_event_is_an_error() {
        for payload in [&b"\x01"[..], b"", b"\xfb/etc/passwd", b"\xfe\0\0\0\0\0\0\0\0"] {
            let all = framed(&[b"\0event", payload]);
            for chunk in 1..=all.len() {
                let mut stream = DumpEvents::default();
                assert!(fed(&all, chunk, |b| stream.follow(b)).is_err(), "{}", payload.escape_ascii());
            }
        }
    }

    #[test]
    fn of_a_client_acknowledgements_pass_and_nothing_else() {
        let acknowledgement = b"\xef\x04\0\0\0\0\0\0\0bin.000001";
        let good = framed(&[acknowledgement, acknowledgement]);
        for payload in [&b"\x03SELECT 1"[..], b"", b"\x0e", &[0xef; MAX_ACKNOWLEDGEMENT + 1]] {
            let all = [&good[..], &framed(&[payload])].concat();
            for chunk in 1..=all.len() {
                let mut stream = DumpReplies::default();
                assert_eq!(fed(&good, chunk, |b| stream.follow(b)), Ok((good.len(), false)));
                assert!(stream.follow(&mut framed(&[payload])).is_err(), "{}", payload.escape_ascii());
                let mut stream = DumpReplies::default();
                assert!(fed(&all, chunk, |b| stream.follow(b)).is_err(), "{}", payload.escape_ascii());
            }
        }
        let all = [&good[..], &framed(&[b"\x01"]), b"\x03\0\0\0\x03DO"].concat();
        let mut stream = DumpReplies::default();
        assert_eq!(fed(&all, all.len(), |b| stream.follow(b)), Ok((good.len() + 5, true)));
    }
}
