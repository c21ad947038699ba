//! The sequence ids of the ordinary packets in answers. With compression a server numbers the packets of each result from
//! the sequence id of the compressed packet that the result begins with, and mysql_async insists on it.

use std::borrow::Cow;

use crate::wire::{MAX_PAYLOAD, PacketHeader};

/// Follows the ordinary packets that are written to a client.
#[derive(Debug)]
pub(super) struct CompressedAnswers {
    /// The header of the current packet, of which `read` bytes were written.
    header: [u8; PacketHeader::LEN],
    read: usize,
    /// The payload of the current packet that was not written yet, in bytes.
    left: usize,
    /// The length of that payload if its first byte was not written yet.
    unread: Option<usize>,
    /// True if the last packet, as far as it was written, ends a result, or if there was none.
    ended: bool,
    /// The sequence id that the next packet gets.
    begins: Option<u8>,
    /// Added to the sequence ids.
    shift: u8,
}

impl Default for CompressedAnswers {
    fn default() -> Self {
        let header = [0; PacketHeader::LEN];
        CompressedAnswers { header, read: 0, left: 0, unread: None, ended: true, begins: None, shift: 0 }
    }
}

impl CompressedAnswers {
    /// Returns the bytes with the sequence ids for a compressed packet with the sequence id `seq`.
    pub fn renumber<'a>(&mut self, bytes: &'a [u8], seq: u8) -> Cow<'a, [u8]> {
        let mut out = Cow::Borrowed(bytes);
        if self.ended && self.left == 0 && self.read == 0 {
            self.begins = Some(seq);
        }
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            if self.left > 0 {
                if let Some(len) = self.unread.take() {
                    // The first packet of a result is an OK or ERR packet, or says that rows follow; they end with 0xfe.
                    self.ended =
                        (byte == 0xfe && len < MAX_PAYLOAD) || (self.ended && matches!(byte, 0 | 0xff));
                }
                let here = self.left.min(bytes.len() - at);
                at += here;
                self.left -= here;
                continue;
            }
            if self.read == PacketHeader::LEN - 1 {
                if let Some(seq) = self.begins.take() {
                    self.shift = seq.wrapping_sub(byte);
                }
                if self.shift != 0
                    && let Some(place) = out.to_mut().get_mut(at)
                {
                    *place = byte.wrapping_add(self.shift);
                }
            }
            if let Some(place) = self.header.get_mut(self.read) {
                *place = byte;
            }
            self.read += 1;
            at += 1;
            if let Some(header) = PacketHeader::parse(self.header.get(..self.read).unwrap_or_default()) {
                self.read = 0;
                self.left = header.len;
                self.unread = Some(header.len).filter(|len| *len > 0);
                self.ended &= header.len > 0;
            }
        }
        out
    }

    /// Notes that the client has sent something: what follows answers it.
    pub fn asked(&mut self) {
        self.ended = true;
    }
}
