//! OK, ERR, EOF and their like: the small packets that a proxy reads and writes.

use super::{ProtocolError, Reader, StatusFlags, Writer};

/// An OK packet. Its first byte is 0x00, or 0xfe if it replaces an EOF packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OkPacket<'a> {
    /// Rows changed (or found, with CLIENT_FOUND_ROWS).
    pub affected_rows: u64,
    /// The first AUTO_INCREMENT value that the statement generated.
    pub last_insert_id: u64,
    /// The status flags after the statement.
    pub status: StatusFlags,
    /// The number of warnings.
    pub warnings: u16,
    /// A text for people.
    pub info: &'a [u8],
    /// Session state changes, encoded; see `StateChanges`.
    pub state: &'a [u8],
    /// The number of zeros in front of the length of `state`.
    pub zeros: u8,
}

/// Returns the number of zeros in front of the length of the session state changes. Both servers append this length as a
/// character of the default schema's character set: with `ucs2` or `utf16` one zero precedes it, with `utf32` three.
fn zeros_in_front(state: &[u8]) -> u8 {
    match state {
        [0, 0, 0, length, ..] if *length != 0 => 3,
        [0, length, ..] if *length != 0 => 1,
        _ => 0,
    }
}

impl<'a> OkPacket<'a> {
    /// Reads a payload; its first byte is not checked. `session_track`: CLIENT_SESSION_TRACK is on for this leg.
    pub fn parse(payload: &'a [u8], session_track: bool) -> Result<Self, ProtocolError> {
        let mut r = Reader::new(payload);
        r.u8("an OK packet")?;
        let affected_rows = r.lenenc("the affected rows")?;
        let last_insert_id = r.lenenc("the insert id")?;
        let status = StatusFlags::from_bits_retain(r.u16("the status flags")?);
        let warnings = r.u16("the warnings")?;
        let (mut info, mut state): (&[u8], &[u8]) = (&[], &[]);
        let mut zeros = 0;
        if !r.is_empty() {
            // MySQL's documentation says that without CLIENT_SESSION_TRACK this text goes up to the end of the packet.
            // But both servers send a length here also then, and clients read it. Other servers do as documented
            // (opensrv-mysql).
            if !session_track {
                let rest = r.rest();
                let mut with_length = Reader::new(rest);
                let text = with_length.lenenc_bytes("the info text").ok();
                info = text.filter(|_| with_length.is_empty()).unwrap_or(rest);
                return Ok(OkPacket { affected_rows, last_insert_id, status, warnings, info, state, zeros });
            }
            info = r.lenenc_bytes("the info text")?;
            if status.contains(StatusFlags::SESSION_STATE_CHANGED) {
                zeros = zeros_in_front(r.rest());
                r.bytes(zeros.into(), "zeros")?;
                state = r.lenenc_bytes("the session state changes")?;
            }
        }
        r.end("the end of an OK packet")?;
        Ok(OkPacket { affected_rows, last_insert_id, status, warnings, info, state, zeros })
    }

    /// Appends the payload, with the first byte `header`. SESSION_STATE_CHANGED is set if and only if `state` is
    /// written.
    pub fn encode(&self, out: &mut Vec<u8>, header: u8, session_track: bool) {
        let with_state = session_track && !self.state.is_empty();
        let mut status = self.status - StatusFlags::SESSION_STATE_CHANGED;
        if with_state {
            status |= StatusFlags::SESSION_STATE_CHANGED;
        }
        out.push(header);
        out.put_lenenc(self.affected_rows);
        out.put_lenenc(self.last_insert_id);
        out.extend_from_slice(&status.bits().to_le_bytes());
        out.extend_from_slice(&self.warnings.to_le_bytes());
        if with_state {
            out.put_lenenc_bytes(self.info);
            out.extend(std::iter::repeat_n(0, self.zeros.into()));
            out.put_lenenc_bytes(self.state);
        } else if !self.info.is_empty() {
            out.put_lenenc_bytes(self.info);
        }
    }
}

/// An EOF packet of the 4.1 protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EofPacket {
    /// The number of warnings.
    pub warnings: u16,
    /// The status flags.
    pub status: StatusFlags,
}

impl EofPacket {
    /// A packet that begins with 0xfe is an EOF packet only if its payload is shorter than this, in bytes.
    pub const MAX_LEN: usize = 9;

    /// Reads a payload.
    pub fn parse(payload: &[u8]) -> Result<Self, ProtocolError> {
        let mut r = Reader::new(payload);
        r.u8("an EOF packet")?;
        let warnings = r.u16("the warnings")?;
        let status = StatusFlags::from_bits_retain(r.u16("the status flags")?);
        r.end("the end of an EOF packet")?;
        Ok(EofPacket { warnings, status })
    }

    /// Appends the payload.
    pub fn encode(self, out: &mut Vec<u8>) {
        out.push(0xfe);
        out.extend_from_slice(&self.warnings.to_le_bytes());
        out.extend_from_slice(&self.status.bits().to_le_bytes());
    }
}

/// An ERR packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrPacket<'a> {
    /// The error code.
    pub code: u16,
    /// Five characters.
    pub sqlstate: [u8; 5],
    /// A text for people.
    pub message: &'a [u8],
}

impl<'a> ErrPacket<'a> {
    /// Reads a payload. An error before the handshake response has no SQLSTATE; it is read as HY000.
    pub fn parse(payload: &'a [u8]) -> Result<Self, ProtocolError> {
        let mut r = Reader::new(payload);
        r.u8("an ERR packet")?;
        let code = r.u16("the error code")?;
        let mut sqlstate = *b"HY000";
        if r.rest().first() == Some(&b'#') {
            r.u8("the SQLSTATE")?;
            for (to, from) in sqlstate.iter_mut().zip(r.bytes(5, "the SQLSTATE")?) {
                *to = *from;
            }
        }
        Ok(ErrPacket { code, sqlstate, message: r.rest() })
    }

    /// Appends the payload.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(0xff);
        out.extend_from_slice(&self.code.to_le_bytes());
        out.push(b'#');
        out.extend_from_slice(&self.sqlstate);
        out.extend_from_slice(self.message);
    }
}

/// The first packet of the answer to COM_STMT_PREPARE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrepareOk {
    /// The id of the statement in later commands.
    pub statement_id: u32,
    /// The number of column definitions that follow.
    pub columns: u16,
    /// The number of parameter definitions that follow, before the column definitions.
    pub params: u16,
}

impl PrepareOk {
    /// The least length of the payload, in bytes: status, id, columns, parameters, a filler, warnings.
    pub const LEN: usize = 12;

    /// Reads a payload.
    pub fn parse(payload: &[u8]) -> Result<Self, ProtocolError> {
        let mut r = Reader::new(payload);
        r.u8("a prepare OK packet")?;
        Ok(PrepareOk {
            statement_id: r.u32("the statement id")?,
            columns: r.u16("the number of columns")?,
            params: r.u16("the number of parameters")?,
        })
    }
}

/// "Protocol::AuthSwitchRequest".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthSwitchRequest<'a> {
    /// The plugin to continue with.
    pub plugin: &'a [u8],
    /// The plugin's challenge; a nonce of 20 bytes without the NUL that ends it.
    pub data: &'a [u8],
}

impl<'a> AuthSwitchRequest<'a> {
    /// The length in bytes of a nonce that ends with a NUL on the wire (`SCRAMBLE_LENGTH`).
    const NONCE_LEN: usize = 20;

    /// Reads a payload. A payload of one byte, which asks for the password hash of servers before 4.1, is an error.
    pub fn parse(payload: &'a [u8]) -> Result<Self, ProtocolError> {
        let mut r = Reader::new(payload);
        r.u8("an auth switch request")?;
        let plugin = r.nul_bytes("the auth plugin")?;
        let data = match r.rest() {
            // Challenges of other lengths are random up to their last byte, which may be 0.
            [nonce @ .., 0] if nonce.len() == Self::NONCE_LEN => nonce,
            data => data,
        };
        Ok(AuthSwitchRequest { plugin, data })
    }

    /// Appends the payload, with a NUL behind a nonce. No NUL follows challenges of other lengths.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(0xfe);
        out.put_nul_bytes(self.plugin);
        out.extend_from_slice(self.data);
        if self.data.len() == Self::NONCE_LEN {
            out.push(0);
        }
    }
}

/// Appends the payload of "Protocol::AuthMoreData".
pub fn auth_more_data(out: &mut Vec<u8>, data: &[u8]) {
    out.push(1);
    out.extend_from_slice(data);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ok_packets_round_trip_with_and_without_trackers() {
        let ok = OkPacket {
            affected_rows: 300,
            last_insert_id: 70_000,
            status: StatusFlags::AUTOCOMMIT | StatusFlags::SESSION_STATE_CHANGED,
            warnings: 3,
            info: b"Rows matched: 1",
            state: b"\x01\x05\x04test",
            zeros: 0,
        };
        let mut out = Vec::new();
        for zeros in [3, 1, 0] {
            let ok = OkPacket { zeros, ..ok };
            out.clear();
            ok.encode(&mut out, 0, true);
            assert_eq!(OkPacket::parse(&out, true), Ok(ok));
        }
        let without = OkPacket { affected_rows: 0, last_insert_id: 0, state: b"", info: b"", ..ok };
        for more in [&b"\0\0"[..], b"\0\0\0", b"\0\0\0\x01x", b"\0\0\0\0\0\x01x"] {
            let mut bad = Vec::new();
            without.encode(&mut bad, 0, true);
            bad[4] |= 0x40;
            bad.extend_from_slice(more);
            assert_eq!(OkPacket::parse(&bad, true).is_ok(), *more == *b"\0\0", "{more:?}");
        }
        out.clear();
        ok.encode(&mut out, 0, false);
        let plain = OkPacket::parse(&out, false).unwrap();
        assert_eq!(plain.info, ok.info);
        // As documented, and as other servers than MySQL and MariaDB send it.
        for text in [&b"Records: 3"[..], b"\xfb", b"\x02abc", b"Rows"] {
            let packet = [&b"\x00\x03\x00\x02\x00\x00\x00"[..], text].concat();
            assert_eq!(OkPacket::parse(&packet, false).map(|ok| ok.info), Ok(text));
        }
        assert_eq!(plain.status, StatusFlags::AUTOCOMMIT);
        assert_eq!(plain.state, b"");
    }

    #[test]
    fn err_packets_with_and_without_sqlstate() {
        let err = ErrPacket { code: 1045, sqlstate: *b"28000", message: b"no" };
        let mut out = Vec::new();
        err.encode(&mut out);
        assert_eq!(ErrPacket::parse(&out), Ok(err));
        let early = ErrPacket::parse(b"\xff\x10\x04Too many connections").unwrap();
        assert_eq!((early.code, early.message), (1040, &b"Too many connections"[..]));
    }

    #[test]
    fn the_rest_round_trips() {
        let eof = EofPacket { warnings: 2, status: StatusFlags::IN_TRANS };
        let mut out = Vec::new();
        eof.encode(&mut out);
        assert_eq!(out.len(), 5);
        assert_eq!(EofPacket::parse(&out), Ok(eof));
        let switch = AuthSwitchRequest { plugin: b"mysql_native_password", data: &[7; 20] };
        out.clear();
        switch.encode(&mut out);
        assert_eq!(AuthSwitchRequest::parse(&out), Ok(switch));
        assert!(AuthSwitchRequest::parse(&[0xfe]).is_err());
        // A random challenge of MariaDB's ed25519 that happens to end with a 0.
        let challenge = [[7; 31].as_slice(), &[0]].concat();
        let payload = [&[0xfe], b"client_ed25519\0".as_slice(), &challenge].concat();
        assert_eq!(AuthSwitchRequest::parse(&payload).unwrap().data, challenge);
        let prepared = PrepareOk::parse(&[0, 1, 0, 0, 0, 2, 0, 3, 0, 0, 0, 0]).unwrap();
        assert_eq!(prepared, PrepareOk { statement_id: 1, columns: 2, params: 3 });
    }
}
