//! The four bytes in front of every payload: three of length (little endian), one
//! sequence id. A payload of 16 MiB - 1 continues in the next packet.

/// The longest payload of one packet, in bytes. A payload of this length continues in the next packet.
pub const MAX_PAYLOAD: usize = 0xff_ffff;

/// A packet header as it stands on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketHeader {
    /// Payload length in bytes, at most `MAX_PAYLOAD`.
    pub len: usize,
    /// Sequence id; wraps from 255 to 0.
    pub seq: u8,
}

impl PacketHeader {
    /// Length of a header, in bytes.
    pub const LEN: usize = 4;

    /// Returns the header at the start of `bytes`, if all four bytes are there.
    #[inline]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (&[a, b, c, seq], _) = bytes.split_first_chunk::<4>()?;
        Some(PacketHeader { len: usize::from(a) | usize::from(b) << 8 | usize::from(c) << 16, seq })
    }

    /// The header's four bytes.
    pub fn to_bytes(self) -> [u8; 4] {
        let [a, b, c, ..] = self.len.to_le_bytes();
        [a, b, c, self.seq]
    }

    /// Header and payload together, in bytes.
    pub fn total(self) -> usize {
        self.len + Self::LEN
    }

    /// True if the payload continues in the next packet.
    pub fn is_continued(self) -> bool {
        self.len == MAX_PAYLOAD
    }
}

/// Appends a packet whose payload is what `write` appends. The payload must be under 16 MiB - 1.
pub fn frame_with(out: &mut Vec<u8>, seq: u8, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0, 0, 0, seq]);
    write(out);
    let header = PacketHeader { len: out.len() - start - PacketHeader::LEN, seq }.to_bytes();
    debug_assert!(out.len() - start - PacketHeader::LEN < MAX_PAYLOAD);
    if let Some(place) = out.get_mut(start..start + PacketHeader::LEN) {
        place.copy_from_slice(&header);
    }
}

/// Appends a packet with this payload (under 16 MiB - 1).
pub fn frame(out: &mut Vec<u8>, seq: u8, payload: &[u8]) {
    frame_with(out, seq, |out| out.extend_from_slice(payload));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_round_trips() {
        for (len, seq) in [(0, 0), (1, 255), (0x01_0203, 7), (MAX_PAYLOAD, 1)] {
            let header = PacketHeader { len, seq };
            assert_eq!(PacketHeader::parse(&header.to_bytes()), Some(header));
        }
        assert_eq!(PacketHeader::parse(&[1, 0, 0]), None);
        assert_eq!(PacketHeader { len: 0x01_0203, seq: 9 }.to_bytes(), [3, 2, 1, 9]);
    }

    #[test]
    fn frame_writes_the_length_of_what_was_appended() {
        let mut out = vec![0xaa];
        frame(&mut out, 3, b"hello");
        assert_eq!(out, b"\xaa\x05\0\0\x03hello");
    }
}
