//! How the two legs differ, and the OK packets that follow from it.

use crate::wire::{
    Capabilities, Edits, EofPacket, OkPacket, ProtocolError, StatusFlags, frame_with, keep_changes,
};

/// What matters of the capabilities that were agreed on with the server and with the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Legs {
    /// The server puts OK packets in the place of EOF packets.
    pub server_deprecate_eof: bool,
    /// The server's OK packets carry session state changes.
    pub server_session_track: bool,
    /// The client takes OK packets in the place of EOF packets.
    pub client_deprecate_eof: bool,
    /// The client takes session state changes.
    pub client_session_track: bool,
    /// The session itself changed what is tracked: it gets everything.
    pub client_tracks_all: bool,
    /// Status flags that the client sees beside the server's: of a transaction that is open on another.
    pub also: StatusFlags,
}

impl Legs {
    /// From the agreed capabilities.
    pub fn new(server: Capabilities, client: Capabilities) -> Self {
        Legs {
            server_deprecate_eof: server.contains(Capabilities::DEPRECATE_EOF),
            server_session_track: server.contains(Capabilities::SESSION_TRACK),
            client_deprecate_eof: client.contains(Capabilities::DEPRECATE_EOF),
            client_session_track: client.contains(Capabilities::SESSION_TRACK),
            client_tracks_all: false,
            also: StatusFlags::empty(),
        }
    }

    /// Whether the server's packet is the client's, byte for byte.
    pub(super) fn passes_ok(&self, byte: u8, ok: &OkPacket<'_>) -> bool {
        if !self.also.is_empty() {
            return false;
        }
        let same_eof = byte != 0xfe || self.server_deprecate_eof == self.client_deprecate_eof;
        let eof = byte == 0xfe && !self.server_deprecate_eof;
        let same_track = eof
            || (self.server_session_track == self.client_session_track
                && (ok.state.is_empty() || self.client_tracks_all));
        same_eof && same_track && !(ok.state.is_empty() && self.says_changed(ok))
    }

    /// The flag without anything behind it: MySQL sets it so at times, and it must not go on.
    fn says_changed(&self, ok: &OkPacket<'_>) -> bool {
        !self.client_session_track && ok.status.contains(StatusFlags::SESSION_STATE_CHANGED)
    }

    /// Puts the packet as the client's leg has it.
    pub(super) fn write_ok(
        &self,
        byte: u8,
        ok: &OkPacket<'_>,
        seq: u8,
        edits: &mut Edits,
    ) -> Result<(), ProtocolError> {
        if byte == 0xfe && !self.client_deprecate_eof {
            let status = ok.status - StatusFlags::SESSION_STATE_CHANGED;
            let eof = EofPacket { warnings: ok.warnings, status };
            edits.put_with(|out| frame_with(out, seq, |out| eof.encode(out)));
            return Ok(());
        }
        let mut shown = Vec::new();
        let mut ok = *ok;
        if self.client_session_track && !self.client_tracks_all && !ok.state.is_empty() {
            keep_changes(ok.state, &mut shown)?;
            ok.state = &shown;
        }
        edits.put_with(|out| frame_with(out, seq, |out| ok.encode(out, byte, self.client_session_track)));
        Ok(())
    }
}
