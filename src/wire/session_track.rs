//! Session state changes, as OK packets carry them with CLIENT_SESSION_TRACK.
//! Source: "OK_Packet" in MySQL's internals; `enum_session_state_type` in `mysql_com.h`.

use super::{ProtocolError, Reader, Writer};

/// One session state change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateChange<'a> {
    /// A system variable and its new value.
    SystemVariable {
        /// The name in lower case.
        name: &'a [u8],
        /// The value as `SELECT @@name` would show it.
        value: &'a [u8],
    },
    /// The default schema.
    Schema(&'a [u8]),
    /// Some part of the session state changed. Another entry may or may not say which.
    Something,
    /// The GTIDs of the session's own writes (MySQL).
    Gtids(&'a [u8]),
    /// Statements that would begin a transaction with the same characteristics.
    TransactionCharacteristics(&'a [u8]),
    /// The state of the open transaction, as eight letters.
    TransactionState(&'a [u8]),
    /// A change of a type that this proxy does not know.
    Unknown(u8),
}

/// Iterates over the state information of an OK packet.
#[derive(Debug, Clone, Copy)]
pub struct StateChanges<'a>(Reader<'a>);

impl<'a> StateChanges<'a> {
    /// `state` is the content of the OK packet's length-encoded string (`OkPacket::state`).
    pub fn new(state: &'a [u8]) -> Self {
        StateChanges(Reader::new(state))
    }

    fn entry(&mut self) -> Result<(u8, &'a [u8]), ProtocolError> {
        let kind = self.0.u8("a session state change")?;
        Ok((kind, self.0.lenenc_bytes("a session state change")?))
    }
}

fn decode(kind: u8, data: &[u8], mut each: impl FnMut(StateChange<'_>)) -> Result<(), ProtocolError> {
    let mut r = Reader::new(data);
    match kind {
        // An entry of MariaDB may have several variables, an entry of MySQL has one.
        0 => {
            while !r.is_empty() {
                let name = r.lenenc_bytes("a variable's name")?;
                each(StateChange::SystemVariable { name, value: r.lenenc_bytes("a variable's value")? });
            }
        }
        1 => each(StateChange::Schema(r.lenenc_bytes("a schema's name")?)),
        // Unlike the values of other entries, the flag has no length in front of it, on either server.
        2 => {
            if r.u8("a state change")? == b'1' {
                each(StateChange::Something);
            }
        }
        3 => {
            r.u8("a GTID encoding")?;
            each(StateChange::Gtids(r.lenenc_bytes("GTIDs")?));
        }
        4 => each(StateChange::TransactionCharacteristics(r.lenenc_bytes("transaction characteristics")?)),
        5 => each(StateChange::TransactionState(r.lenenc_bytes("a transaction state")?)),
        other => each(StateChange::Unknown(other)),
    }
    Ok(())
}

impl StateChanges<'_> {
    /// Calls `each` for every change.
    pub fn each(mut self, mut each: impl FnMut(StateChange<'_>)) -> Result<(), ProtocolError> {
        while !self.0.is_empty() {
            let (kind, data) = self.entry()?;
            decode(kind, data, &mut each)?;
        }
        Ok(())
    }
}

/// Appends the entries of `state` that a client gets with the servers' default settings: schema changes, and the
/// variables in the default of `session_track_system_variables`. Servers send more, because the proxy tracks more.
pub fn keep_changes(state: &[u8], out: &mut Vec<u8>) -> Result<(), ProtocolError> {
    const SHOWN: [&[u8]; 5] = [
        b"autocommit",
        b"character_set_client",
        b"character_set_connection",
        b"character_set_results",
        b"time_zone",
    ];
    let mut changes = StateChanges::new(state);
    while !changes.0.is_empty() {
        let (kind, data) = changes.entry()?;
        let mut kept = Vec::new();
        match kind {
            0 => decode(kind, data, |change| {
                if let StateChange::SystemVariable { name, value } = change
                    && SHOWN.contains(&name)
                {
                    kept.put_lenenc_bytes(name);
                    kept.put_lenenc_bytes(value);
                }
            })?,
            1 => kept.extend_from_slice(data),
            _ => {}
        }
        if !kept.is_empty() {
            out.push(kind);
            out.put_lenenc_bytes(&kept);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(state: &[u8]) -> Vec<String> {
        let mut seen = Vec::new();
        StateChanges::new(state).each(|change| seen.push(format!("{change:?}"))).unwrap();
        seen
    }

    const STATE: &[u8] = b"\x00\x0f\x0aautocommit\x03OFF\x00\x0d\x08sql_mode\x03abc\x01\x05\x04test\x02\x011";

    #[test]
    fn every_type_is_read() {
        let seen = list(STATE);
        assert_eq!(seen.len(), 4, "{seen:?}");
        assert!(seen[2].starts_with("Schema"));
        assert_eq!(seen[3], "Something");
        assert_eq!(list(b"\x03\x04\x00\x02ab"), ["Gtids([97, 98])"]);
        assert_eq!(list(b"\x09\x01x"), ["Unknown(9)"]);
    }

    #[test]
    fn only_what_a_client_sees_by_default_is_kept() {
        let mut out = Vec::new();
        keep_changes(STATE, &mut out).unwrap();
        assert_eq!(out, b"\x00\x0f\x0aautocommit\x03OFF\x01\x05\x04test");
    }

    #[test]
    fn cuts_are_errors() {
        for cut in [1, 5, 16, 18, 20, STATE.len() - 1] {
            assert!(StateChanges::new(&STATE[..cut]).each(|_| ()).is_err(), "cut at {cut}");
        }
    }
}
