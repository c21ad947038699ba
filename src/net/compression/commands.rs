//! Where commands begin in what is sent to a server. A server expects that each command begins a compressed packet, and
//! that this packet has the sequence id 0; the proxy may send several commands at once.

use crate::wire::PacketHeader;

/// Follows the ordinary packets that are written.
#[derive(Debug, Default)]
pub(super) struct Commands {
    /// The bytes of a header that were written without its end.
    begun: Vec<u8>,
    /// The payload of the current packet that was not written yet, in bytes.
    left: usize,
    /// The sequence id that continues a run of packets (a long command, a local file); None at the beginning, and after
    /// a run that is over.
    next: Option<u8>,
}

impl Commands {
    /// Returns how many of these bytes belong into the next compressed packet, and whether they begin a command.
    pub fn next(&mut self, bytes: &[u8]) -> (usize, bool) {
        let (mut at, mut new) = (0, false);
        loop {
            let here = self.left.min(bytes.len() - at);
            at += here;
            self.left -= here;
            let rest = bytes.get(at..).unwrap_or_default();
            if rest.is_empty() {
                return (at, new);
            }
            let missing = PacketHeader::LEN.saturating_sub(self.begun.len());
            // A header that is cut: its other bytes follow, and begin nothing new.
            if rest.len() < missing {
                // The sequence id is unknown yet: without it, the header waits for a packet of its own.
                if at > 0 {
                    return (at, new);
                }
                self.begun.extend_from_slice(rest);
                return (rest.len(), new);
            }
            let mut header = self.begun.clone();
            header.extend_from_slice(rest.get(..missing).unwrap_or_default());
            let Some(header) = PacketHeader::parse(&header) else { return (bytes.len(), new) };
            // A run that wrapped goes on with 0, too.
            let begins = header.seq == 0 && self.next != Some(0);
            if begins && at > 0 {
                return (at, new);
            }
            new |= begins;
            self.begun.clear();
            self.next = Some(header.seq.wrapping_add(1));
            self.left = header.len;
            at += missing;
        }
    }

    /// Notes that the server has answered: what follows with the sequence id 0 is a new command.
    pub fn answered(&mut self) {
        self.next = None;
    }

    /// Notes that the answer asks for more (a local file): what follows begins no command, even if the sequence id of
    /// the answer was 255.
    pub fn continued(&mut self) {
        self.next = Some(0);
    }
}
