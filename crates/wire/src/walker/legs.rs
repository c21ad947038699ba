//! How the server's leg and the client's leg differ, and how OK packets are translated between them.

use crate::{Capabilities, Edits, EofPacket, OkPacket, ProtocolError, StatusFlags, Tracked, frame_with};

/// A command that is a CALL and nothing else: another result follows every result with rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// The command is another one.
    No,
    /// A CALL on MariaDB.
    OfMariaDb,
    /// A CALL on MySQL, which ends the rows with OUT parameters by an EOF packet without their flag and without
    /// MORE_RESULTS_EXISTS, although another packet follows.
    OfMySql,
}

/// How the flags in front of a result's rows differ from those behind them. Where the server sends no EOF packet in front, the
/// client's is made of the packet behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InFront {
    /// In nothing that matters: most statements open their tables before the server sends definitions.
    AsBehind,
    /// They are those from before the statement: CHECKSUM TABLE opens its tables later.
    AsBefore,
    /// No transaction is open: HELP reads the server's own tables aside.
    NoTransaction,
    /// The same, and autocommit is on: on MariaDB, HELP has a transaction of its own.
    OwnTransaction,
    /// The plan is not made yet: MariaDB's EXPLAIN.
    NoPlan,
}

impl InFront {
    /// Returns the flags in front of rows that end with these. `before`: those before the statement.
    pub(super) fn of(self, behind: StatusFlags, before: StatusFlags) -> StatusFlags {
        const TRANSACTION: StatusFlags = StatusFlags::IN_TRANS.union(StatusFlags::IN_TRANS_READONLY);
        const PLAN: StatusFlags = StatusFlags::NO_INDEX_USED.union(StatusFlags::NO_GOOD_INDEX_USED);
        match self {
            InFront::AsBehind => behind,
            InFront::AsBefore => (behind - TRANSACTION) | (before & TRANSACTION),
            InFront::NoTransaction => behind - TRANSACTION,
            InFront::OwnTransaction => (behind - TRANSACTION) | StatusFlags::AUTOCOMMIT,
            InFront::NoPlan => behind - PLAN,
        }
    }
}

/// What the response walker needs to know of the capabilities agreed on with the server and with the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Legs {
    /// The server sends OK packets instead of EOF packets.
    pub server_deprecate_eof: bool,
    /// The server's OK packets carry session state changes.
    pub server_session_track: bool,
    /// Whether the command is a CALL.
    pub call: Call,
    /// How the flags in front of the rows differ.
    pub in_front: InFront,
    /// The server's connection is compressed: its sequence ids are those of the compressed packets, and jump.
    pub server_compresses: bool,
    /// The client expects OK packets instead of EOF packets.
    pub client_deprecate_eof: bool,
    /// The client accepts session state changes.
    pub client_session_track: bool,
    /// The server's EOF packets say that session state has changed, as MariaDB's do.
    pub eof_says_changed: bool,
    /// Status flags that are added to the server's for the client: those of a transaction that is open on another
    /// server, and MORE_RESULTS_EXISTS if the proxy appends the answers of further statements.
    pub also: StatusFlags,
    /// Status flags that the client never gets from the server.
    pub never: StatusFlags,
    /// The number of warnings that the client gets in place of the server's, in an answer without rows.
    pub warnings: Option<u16>,
}

impl Legs {
    /// Compares the capabilities agreed on with the server and with the client.
    pub fn new(server: Capabilities, client: Capabilities) -> Self {
        Legs {
            server_deprecate_eof: server.contains(Capabilities::DEPRECATE_EOF),
            server_session_track: server.contains(Capabilities::SESSION_TRACK),
            call: Call::No,
            in_front: InFront::AsBehind,
            server_compresses: server.intersects(Capabilities::COMPRESSION),
            client_deprecate_eof: client.contains(Capabilities::DEPRECATE_EOF),
            client_session_track: client.contains(Capabilities::SESSION_TRACK),
            eof_says_changed: false,
            also: StatusFlags::empty(),
            never: StatusFlags::empty(),
            warnings: None,
        }
    }

    /// Returns the client's status flags for these of the server.
    pub(super) fn status(&self, status: StatusFlags) -> StatusFlags {
        (status - self.never) | self.also
    }

    /// True if the client gets the server's packet, but for its status flags, unchanged.
    pub(super) fn passes_ok(&self, byte: u8, ok: &OkPacket<'_>, tracked: &Tracked) -> bool {
        let same_eof = byte != 0xfe || self.server_deprecate_eof == self.client_deprecate_eof;
        let eof = byte == 0xfe && !self.server_deprecate_eof;
        let same_track = eof
            || (self.server_session_track == self.client_session_track
                && (ok.state.is_empty() || *tracked == Tracked::ALL));
        same_eof && same_track && !(ok.state.is_empty() && self.says_changed(ok))
    }

    /// True if the packet has SESSION_STATE_CHANGED and the client does not accept state changes. MySQL sometimes sets
    /// the flag without sending any; such a flag must not reach the client.
    fn says_changed(&self, ok: &OkPacket<'_>) -> bool {
        !self.client_session_track && ok.status.contains(StatusFlags::SESSION_STATE_CHANGED)
    }

    /// True if an EOF packet in place of this OK packet would say that state has changed which the client's own trackers
    /// watch.
    fn shows_change(&self, ok: &OkPacket<'_>, tracked: &Tracked) -> Result<bool, ProtocolError> {
        if !self.eof_says_changed || ok.state.is_empty() {
            return Ok(false);
        }
        let mut shown = Vec::new();
        tracked.keep(ok.state, &mut shown)?;
        Ok(!shown.is_empty())
    }

    /// Appends the packet in the client's format.
    pub(super) fn write_ok(
        &self,
        byte: u8,
        ok: &OkPacket<'_>,
        (seq, tracked): (u8, &Tracked),
        edits: &mut Edits,
    ) -> Result<(), ProtocolError> {
        if byte == 0xfe && !self.client_deprecate_eof {
            let mut status = ok.status;
            status.set(StatusFlags::SESSION_STATE_CHANGED, self.shows_change(ok, tracked)?);
            let mut eof = EofPacket { warnings: ok.warnings, status };
            if self.call == Call::OfMySql && ok.status.contains(StatusFlags::PS_OUT_PARAMS) {
                eof.status -= StatusFlags::PS_OUT_PARAMS | StatusFlags::MORE_RESULTS_EXISTS;
                eof.warnings = 0;
            }
            edits.put_with(|out| frame_with(out, seq, |out| eof.encode(out)));
            return Ok(());
        }
        let mut shown = Vec::new();
        let mut ok = *ok;
        if self.client_session_track && *tracked != Tracked::ALL && !ok.state.is_empty() {
            tracked.keep(ok.state, &mut shown)?;
            ok.state = &shown;
        }
        edits.put_with(|out| frame_with(out, seq, |out| ok.encode(out, byte, self.client_session_track)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_eof_packet_says_what_the_clients_trackers_watch() {
        const SOMETHING: &[u8] = b"\x02\x011";
        let mut watching = Tracked::DEFAULT;
        assert!(watching.set(b"session_track_state_change", Some(b"1")));
        for (of_mariadb, tracked, state, says) in [
            (true, &watching, SOMETHING, true),
            (true, &Tracked::DEFAULT, SOMETHING, false),
            (true, &watching, b"", false),
            (false, &watching, SOMETHING, false),
        ] {
            let mut legs = Legs::new(Capabilities::DEPRECATE_EOF, Capabilities::empty());
            legs.eof_says_changed = of_mariadb;
            let status = StatusFlags::AUTOCOMMIT | StatusFlags::SESSION_STATE_CHANGED;
            let ok = OkPacket { status, state, ..OkPacket::default() };
            assert_eq!(legs.shows_change(&ok, tracked), Ok(says), "{of_mariadb} {state:?}");
        }
    }
}
