//! The sequence ids of a server's packets.

use super::{PacketHeader, ProtocolError, ResponseWalker};

impl ResponseWalker {
    /// Checks the sequence id of the packet at the front of `rest`. Returns how many bytes of it must be seen first, if more.
    /// On a compressed connection the ids jump; an ERR packet may come in the middle of the request.
    pub(super) fn check_sequence(
        &mut self,
        header: PacketHeader,
        rest: &[u8],
    ) -> Result<Option<usize>, ProtocolError> {
        if header.seq == self.seq {
            return Ok(None);
        }
        if self.legs.server_compresses {
            // The client's sequence ids go on.
            self.shift = self.client_seq().wrapping_sub(header.seq);
        } else {
            let wrong = ProtocolError::Sequence { expected: self.seq, got: header.seq };
            match rest.get(PacketHeader::LEN) {
                _ if self.seq.wrapping_sub(header.seq) > self.stops_before => return Err(wrong),
                Some(0xff) => {}
                None => return Ok(Some(PacketHeader::LEN + 1)),
                Some(_) => return Err(wrong),
            }
        }
        self.seq = header.seq;
        Ok(None)
    }
}
