//! Session state changes, as OK packets carry them with CLIENT_SESSION_TRACK.
//! Source: "OK_Packet" in MySQL's internals; `enum_session_state_type` in `mysql_com.h`.

use std::collections::BTreeSet;

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

/// The changes of variables that a client gets.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Variables {
    /// Those in the servers' default of `session_track_system_variables`.
    Default,
    /// All variables.
    All,
    /// Those with these names, in lower case.
    Named(BTreeSet<Vec<u8>>),
}

/// Which session state changes a client gets: those that it would get of a server with its own `session_track_…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracked {
    variables: Variables,
    /// None: the default, which is on.
    schema: Option<bool>,
    state_change: bool,
    gtids: bool,
}

/// Returns what a literal for a boolean variable means.
fn switch_of(value: &[u8]) -> Option<bool> {
    let is = |words: [&[u8]; 3]| words.iter().any(|word| value.eq_ignore_ascii_case(word));
    match () {
        () if is([b"1", b"ON", b"TRUE"]) => Some(true),
        () if is([b"0", b"OFF", b"FALSE"]) => Some(false),
        () => None,
    }
}

impl Tracked {
    /// The servers' default.
    pub const DEFAULT: Tracked =
        Tracked { variables: Variables::Default, schema: None, state_change: false, gtids: false };

    /// All changes that a server reports.
    pub const ALL: Tracked =
        Tracked { variables: Variables::All, schema: Some(true), state_change: true, gtids: true };

    /// Notes that the client sets this variable to a literal, or to its default (None). Returns false if the value is not
    /// known to be one of the variable.
    pub fn set(&mut self, name: &[u8], value: Option<&[u8]>) -> bool {
        let switched = value.map(switch_of);
        match (name, switched) {
            (b"session_track_schema", Some(Some(on))) => self.schema = Some(on),
            (b"session_track_schema", None) => self.schema = None,
            (b"session_track_state_change", Some(Some(on))) => self.state_change = on,
            (b"session_track_state_change", None) => self.state_change = false,
            // The servers of the session have the client's own value of it.
            (b"session_track_transaction_info", _) => {}
            // Its values are words, of which the first is OFF.
            (b"session_track_gtids", on) => self.gtids = on.is_some_and(|on| on != Some(false)),
            (b"session_track_system_variables", _) => {
                self.variables = value.map_or(Variables::Default, variables_of)
            }
            _ => return false,
        }
        true
    }

    /// Notes that the client sets this variable to a value that is not known: it gets everything that the variable can ask for.
    pub fn may_be_any(&mut self, name: &[u8]) {
        match name {
            b"session_track_schema" => self.schema = Some(true),
            b"session_track_state_change" => self.state_change = true,
            b"session_track_gtids" => self.gtids = true,
            b"session_track_system_variables" => self.variables = Variables::All,
            _ => {}
        }
    }

    fn has_variable(&self, name: &[u8]) -> bool {
        const BY_DEFAULT: [&[u8]; 5] = [
            b"autocommit",
            b"character_set_client",
            b"character_set_connection",
            b"character_set_results",
            b"time_zone",
        ];
        match &self.variables {
            Variables::Default => BY_DEFAULT.contains(&name),
            Variables::All => true,
            Variables::Named(names) => names.contains(name),
        }
    }

    /// Appends the entries of `state` that the client gets. Servers send more, because the proxy tracks more.
    pub fn keep(&self, state: &[u8], out: &mut Vec<u8>) -> Result<(), ProtocolError> {
        let mut changes = StateChanges::new(state);
        while !changes.0.is_empty() {
            let (kind, data) = changes.entry()?;
            let mut kept = Vec::new();
            match kind {
                0 => decode(kind, data, |change| {
                    if let StateChange::SystemVariable { name, value } = change
                        && self.has_variable(name)
                    {
                        kept.put_lenenc_bytes(name);
                        kept.put_lenenc_bytes(value);
                    }
                })?,
                1 if self.schema != Some(false) => kept.extend_from_slice(data),
                2 if self.state_change => kept.extend_from_slice(data),
                3 if self.gtids => kept.extend_from_slice(data),
                // The proxy does not ask for these: the client did, or its MySQL reports the state of transactions to
                // everyone.
                4 | 5 => kept.extend_from_slice(data),
                _ => {}
            }
            if !kept.is_empty() {
                out.push(kind);
                out.put_lenenc_bytes(&kept);
            }
        }
        Ok(())
    }

    /// Appends the assignments by which a server's variables read as those of the client. `gtids`: the server can track them.
    pub fn write(&self, gtids: bool, out: &mut Vec<u8>) {
        let switch = |on: bool| if on { "1" } else { "0" };
        let schema = self.schema.map_or("DEFAULT", switch);
        let rest = format!(
            "session_track_schema={schema},session_track_state_change={},session_track_system_variables=",
            switch(self.state_change)
        );
        out.extend_from_slice(rest.as_bytes());
        match &self.variables {
            Variables::Default => out.extend_from_slice(b"DEFAULT"),
            Variables::All => out.extend_from_slice(b"'*'"),
            Variables::Named(names) => {
                out.push(b'\'');
                let before = out.len();
                for name in names {
                    out.extend_from_slice(name);
                    out.push(b',');
                }
                out.truncate(out.len().saturating_sub(1).max(before));
                out.push(b'\'');
            }
        }
        if gtids && !self.gtids {
            out.extend_from_slice(b",session_track_gtids=OFF");
        }
    }
}

/// The most names that are kept for a session: more than servers have variables.
const MOST_NAMES: usize = 1_000;
/// The longest name of a variable, in bytes.
const LONGEST_NAME: usize = 64;

/// Returns the variables in a value of `session_track_system_variables`. Names that no variable can have are left out. With more
/// names than servers have variables, all variables are meant.
fn variables_of(value: &[u8]) -> Variables {
    let is_name = |name: &&[u8]| {
        (1..=LONGEST_NAME).contains(&name.len())
            && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
    };
    let given = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(is_name);
    let mut names = BTreeSet::new();
    for name in given {
        names.insert(name.to_ascii_lowercase());
        if names.len() > MOST_NAMES {
            return Variables::All;
        }
    }
    if value.contains(&b'*') { Variables::All } else { Variables::Named(names) }
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
        assert_eq!(kept(&Tracked::DEFAULT), b"\x00\x0f\x0aautocommit\x03OFF\x01\x05\x04test");
    }

    fn kept(tracked: &Tracked) -> Vec<u8> {
        let mut out = Vec::new();
        tracked.keep(STATE, &mut out).unwrap();
        out
    }

    #[test]
    fn a_client_gets_what_it_asked_for() {
        let mut tracked = Tracked::DEFAULT;
        assert!(tracked.set(b"session_track_schema", Some(b"off")));
        assert_eq!(kept(&tracked), b"\x00\x0f\x0aautocommit\x03OFF");
        assert!(tracked.set(b"session_track_system_variables", Some(b"time_zone, SQL_MODE,,x'y")));
        assert_eq!(kept(&tracked), b"\x00\x0d\x08sql_mode\x03abc");
        assert!(tracked.set(b"session_track_state_change", Some(b"1")));
        assert_eq!(kept(&tracked), b"\x00\x0d\x08sql_mode\x03abc\x02\x011");
        let mut set = Vec::new();
        tracked.write(true, &mut set);
        let expected = "session_track_schema=0,session_track_state_change=1,\
                        session_track_system_variables='sql_mode,time_zone',session_track_gtids=OFF";
        assert_eq!(String::from_utf8(set).unwrap(), expected);
        for name in ["schema", "state_change", "transaction_info", "gtids", "system_variables"] {
            assert!(tracked.set(format!("session_track_{name}").as_bytes(), None), "{name}");
        }
        assert_eq!(tracked, Tracked::DEFAULT);
        assert!(tracked.set(b"session_track_gtids", Some(b"OWN_GTID")) && tracked.gtids);
        assert!(tracked.set(b"session_track_transaction_info", Some(b"STATE")));
        assert!(tracked.set(b"session_track_system_variables", Some(b"*")));
        assert!(!tracked.set(b"session_track_schema", Some(b"perhaps")));
        assert_eq!(kept(&Tracked::ALL), STATE);
        let many = |most: usize| (0..most).map(|n| format!("{n},{n}")).collect::<Vec<_>>().join(",");
        assert_eq!(variables_of(many(1001).as_bytes()), Variables::All);
        let Variables::Named(names) = variables_of(many(1000).as_bytes()) else { panic!("not all") };
        assert_eq!(names.len(), 1000);
        assert_eq!(variables_of(&[b'a'; 65]), Variables::Named(BTreeSet::new()));
        let mut tracked = Tracked::DEFAULT;
        tracked.may_be_any(b"session_track_system_variables");
        assert_eq!(tracked, Tracked { variables: Variables::All, ..Tracked::DEFAULT });
        for name in ["schema", "state_change", "transaction_info", "gtids"] {
            tracked.may_be_any(format!("session_track_{name}").as_bytes());
        }
        assert_eq!(tracked, Tracked::ALL);
    }

    #[test]
    fn cuts_are_errors() {
        for cut in [1, 5, 16, 18, 20, STATE.len() - 1] {
            assert!(StateChanges::new(&STATE[..cut]).each(|_| ()).is_err(), "cut at {cut}");
        }
    }
}
