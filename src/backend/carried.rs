//! The part of a session's state that can be replayed on another server connection, and the assignments that
//! do so.

use std::rc::Rc;

use super::collations;
use super::session_variables::{is_charset_name, is_known, is_plain_value};
use super::user_variables::UserVariables;
use super::variable_values::{can_be_set, write_quoted, write_value};
use crate::terms::TextCharset;
use crate::topology::Flavor;
use crate::wire::Capabilities;

/// The variables that follow the default schema.
const CHARSET_OF_SCHEMA: [&[u8]; 2] = [b"character_set_database", b"collation_database"];

/// The variables that make up the character set.
const CHARSET: [&[u8]; 4] =
    [b"character_set_client", b"character_set_results", b"character_set_connection", b"collation_connection"];

/// Variables that servers report unasked, without a session setting them: MySQL counts statements, MariaDB
/// reports the GTID of each write.
const NOISE: [&[u8]; 3] = [b"statement_id", b"last_gtid", b"gtid_executed"];

/// Variables that affect only the next statement or event; those that set another variable, too (`sql_big_selects`, each
/// other), which no tracker reports; and those that are about the server's replication, whatever scope MariaDB gives them.
const ONE_SHOT: [&[u8]; 10] = [
    b"insert_id",
    b"gtid_next",
    b"gtid_seq_no",
    b"rand_seed1",
    b"rand_seed2",
    b"max_join_size",
    b"character_set_server",
    b"collation_server",
    b"max_relay_log_size",
    b"sql_slave_skip_counter",
];

/// Variables that are sets of switches: `SET optimizer_switch = 'mrr=on'` changes one of them, and the others stay.
const SWITCHES: [&[u8]; 4] = [b"optimizer_switch", b"optimizer_trace_features", b"debug", b"debug_dbug"];

/// Other names of variables: either name sets the same variable. The second is the one that all servers have.
const ALIASES: [(&[u8], &[u8]); 5] = [
    (b"log_slow_min_examined_row_limit", b"min_examined_row_limit"),
    (b"log_slow_query_time", b"long_query_time"),
    (b"log_slow_query", b"slow_query_log"),
    (b"storage_engine", b"default_storage_engine"),
    (b"sql_big_tables", b"big_tables"),
];

/// Variables that make the server record what the session does. The records stay on the connection, where the
/// session must find them. COM_RESET_CONNECTION does not clear them: profiles on MariaDB, traces on MySQL.
const RECORDING: [&[u8]; 2] = [b"profiling", b"optimizer_trace"];

/// A session that sets more variables than this cannot be carried.
const MAX_VARIABLES: usize = 64;

/// Stands for the server's default character set, whose name only the server knows.
const DEFAULT: &str = "DEFAULT";

/// The session trackers that the proxy needs on every server.
const TRACKERS: &[u8] =
    b"session_track_schema=1,session_track_state_change=1,session_track_system_variables='*'";

/// The character set of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Charset {
    /// As the handshake's collation id says; not changed since.
    Handshake(u16),
    /// As the trackers reported it after a SET. An empty `results` is NULL: no conversion.
    Set {
        /// `character_set_client`
        client: Rc<[u8]>,
        /// `character_set_results`
        results: Rc<[u8]>,
        /// `character_set_connection`
        connection: Rc<[u8]>,
        /// `collation_connection`; empty is the default of `connection`.
        collation: Rc<[u8]>,
        /// The character set of the last SET NAMES, or of the handshake.
        names: Rc<[u8]>,
        /// Its collation; empty is the default of `names`. Result columns keep this collation even if
        /// `collation_connection` is set later.
        named: Rc<[u8]>,
        /// True if `character_set_results` was set by itself since: result columns have its default collation.
        results_apart: bool,
    },
}

impl Charset {
    /// Returns the kind of the character set of the client's text. None: it is the server's default character set, which no
    /// tracker reports.
    pub fn of_client(&self) -> Option<TextCharset> {
        match self {
            // An id means the same on both servers, or is unknown to one of them, which then uses its default.
            Charset::Handshake(id) => {
                let on_both =
                    collations::names(*id, Flavor::MariaDb).and(collations::names(*id, Flavor::MySql));
                on_both.map(|(charset, _)| TextCharset::of(charset.as_bytes()))
            }
            Charset::Set { client, .. } if **client == *DEFAULT.as_bytes() => None,
            Charset::Set { client, .. } => Some(TextCharset::of(client)),
        }
    }

    /// Rewrites a string literal of this character set so that it means the same under any other: adds a
    /// character set introducer and a collation. None: the literal cannot be written that way.
    pub fn introduce(&self, literal: &[u8], flavor: Flavor) -> Option<Vec<u8>> {
        let of_handshake = match self {
            Charset::Handshake(id) => Some(collations::names(*id, flavor)?),
            Charset::Set { .. } => None,
        };
        let (connection, collation) = match (self, &of_handshake) {
            (Charset::Handshake(_), None) => return None,
            (Charset::Handshake(_), Some((charset, collation))) => (charset.as_bytes(), collation.as_bytes()),
            // Setting a collation also sets its character set, which is not always reported.
            (Charset::Set { connection, collation, .. }, _) => match collation.split(|b| *b == b'_').next() {
                Some(charset) if !charset.is_empty() => (charset, &**collation),
                _ => (&**connection, &**collation),
            },
        };
        let plain = |name: &[u8]| name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_');
        // Letters outside ASCII are in the client's character set; an introducer would misread them.
        let sayable = literal.is_ascii() && plain(connection) && plain(collation);
        if !sayable || connection.is_empty() || connection == DEFAULT.as_bytes() || literal.contains(&b'\\') {
            return None;
        }
        // MySQL requires quotes around `binary` in COLLATE; it is the only collation of its character set.
        if collation.is_empty() || collation == b"binary" {
            return Some([b"_", connection, literal].concat());
        }
        Some([b"_", connection, literal, b" COLLATE ", collation].concat())
    }
}

/// What matters of a connection on which a state is set.
#[derive(Debug, Clone, Copy)]
pub struct Onto {
    /// MySQL or MariaDB.
    pub flavor: Flavor,
    /// True for a connection that only reads.
    pub read_only: bool,
    /// True if sessions begin with autocommit there. Otherwise autocommit is always set: the status flags of MySQL do not
    /// show such a default.
    pub autocommit: bool,
    /// True if the session's transaction is open there. MySQL refuses to set `session_track_gtids` in one.
    pub in_transaction: bool,
    /// The capability flags of the login there, by which it sets variables.
    pub flags: Capabilities,
    /// True if only the proxy's own session trackers are not as they were there.
    pub trackers_changed: bool,
}

impl Onto {
    /// Returns an expression for the value of a variable with which a session begins. A login sets each variable to its global
    /// value, and then these two by its flags: `THD::fix_capability_based_variables` of MySQL, `server_mpvio_update_thd` of
    /// MariaDB.
    fn beginning(self, name: &[u8]) -> Vec<u8> {
        match name {
            b"sql_mode" if self.flags.contains(Capabilities::IGNORE_SPACE) => {
                b"CONCAT_WS(',',NULLIF(@@global.sql_mode,''),'IGNORE_SPACE')".to_vec()
            }
            b"wait_timeout" if self.flags.contains(Capabilities::INTERACTIVE) => {
                b"@@global.interactive_timeout".to_vec()
            }
            // On MySQL, DEFAULT sets these two to the opposite of their default.
            b"foreign_key_checks" | b"unique_checks" => [b"@@global.", name].concat(),
            _ => b"DEFAULT".to_vec(),
        }
    }
}

/// A system variable's name and value.
pub type Variable = (Rc<[u8]>, Rc<[u8]>);

/// The part of a session's state that can be replayed on another server connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carried {
    /// The default schema.
    pub schema: Option<Rc<[u8]>>,
    /// The character set.
    pub charset: Charset,
    /// `@@autocommit`
    pub autocommit: bool,
    /// Other system variables that the session set, with the values that the trackers reported.
    pub variables: Vec<Variable>,
    /// User variables that were assigned literals.
    pub user_variables: UserVariables,
}

impl Carried {
    /// Returns the state of a new session.
    pub fn new(schema: Option<&[u8]>, collation: u16) -> Self {
        Carried {
            schema: schema.map(Rc::from),
            charset: Charset::Handshake(collation),
            autocommit: true,
            variables: Vec::new(),
            user_variables: UserVariables::default(),
        }
    }

    /// Records the value of a system variable. Returns false if it cannot be replayed elsewhere.
    pub fn set_variable(&mut self, name: &[u8], value: &[u8]) -> bool {
        let name = canonical(name);
        // `write_set` writes the name and the value into a statement.
        if Self::is_one_shot(name) || !is_known(name) || !is_plain_value(value) || !can_be_set(name, value) {
            return false;
        }
        if Self::is_about_inserts(name) && !matches!(value, b"0" | b"OFF" | b"off") {
            return false;
        }
        if let Some((_, old)) = self.variables.iter_mut().find(|(n, _)| **n == *name) {
            *old = Rc::from(value);
        } else if self.variables.len() < MAX_VARIABLES {
            self.variables.push((Rc::from(name), Rc::from(value)));
        } else {
            return false;
        }
        true
    }

    /// Returns the value of a system variable that the session set.
    pub fn variable(&self, name: &[u8]) -> Option<&[u8]> {
        self.variables.iter().find(|(known, _)| **known == *name).map(|(_, value)| &**value)
    }

    /// Forgets a system variable whose value is the default again, or unknown. Returns false for those of the
    /// character set, which are not kept in this list.
    pub fn forget_variable(&mut self, name: &[u8]) -> bool {
        let name = canonical(name);
        self.variables.retain(|(known, _)| **known != *name);
        !CHARSET.contains(&name)
    }

    /// Notes that the session changed its schema: the schema's character set is that of these variables.
    pub fn forget_charset_of_schema(&mut self) {
        for name in CHARSET_OF_SCHEMA {
            self.forget_variable(name);
        }
    }

    /// Appends the assignments of the variables that otherwise follow the schema. Returns false if there are none.
    pub fn write_charset_of_schema(&self, out: &mut Vec<u8>) -> bool {
        let begin = out.len();
        for (name, value) in self.variables.iter().filter(|(name, _)| CHARSET_OF_SCHEMA.contains(&&**name)) {
            out.extend_from_slice(name);
            out.push(b'=');
            write_value(name, value, out);
            out.push(b',');
        }
        out.truncate(out.len().saturating_sub(1).max(begin));
        out.len() > begin
    }

    /// True if the session set the variables that otherwise follow its schema.
    pub fn has_charset_of_schema(&self) -> bool {
        self.variables.iter().any(|(name, _)| CHARSET_OF_SCHEMA.contains(&&**name))
    }

    /// True if the session's transactions are read-only.
    pub fn only_reads(&self) -> bool {
        let is_on = |value: &[u8]| value.eq_ignore_ascii_case(b"ON") || value == b"1";
        self.variables.iter().any(|(name, value)| is_access_mode(name) && is_on(value))
    }

    /// True if a statement means the same in both states: schema, character set and SQL mode are equal.
    pub fn parses_like(&self, other: &Carried) -> bool {
        let mode = self.variable(b"sql_mode") == other.variable(b"sql_mode");
        self.schema == other.schema && self.charset == other.charset && mode
    }

    /// Returns this state with the other's schema, character set and SQL mode.
    pub fn parsing_like(&self, other: &Carried) -> Carried {
        let is_mode = |(name, _): &&Variable| **name == *b"sql_mode";
        let mut like = self.clone();
        like.schema.clone_from(&other.schema);
        like.charset.clone_from(&other.charset);
        like.variables.retain(|v| !is_mode(&v));
        like.variables.extend(other.variables.iter().find(is_mode).cloned());
        like
    }

    /// True if this variable can never be replayed on another connection, whatever its value.
    pub fn is_one_shot(name: &[u8]) -> bool {
        ONE_SHOT.contains(&name) || Self::records(name)
    }

    /// True if a literal for this variable says a part of its value only.
    pub fn is_switches(name: &[u8]) -> bool {
        SWITCHES.contains(&name)
    }

    /// True if this variable, unless it is off, makes queries read what the session inserted: they must run where the inserts
    /// ran.
    pub fn is_about_inserts(name: &[u8]) -> bool {
        name == b"sql_auto_is_null"
    }

    /// True if setting this variable makes the connection record what its session does, even after a reset.
    pub fn records(name: &[u8]) -> bool {
        RECORDING.contains(&name)
    }

    /// True if servers report this variable unasked.
    pub fn is_noise(name: &[u8]) -> bool {
        NOISE.contains(&name)
    }

    /// Records a system variable that a tracker reported. Returns false if it cannot be replayed elsewhere.
    pub fn note(&mut self, name: &[u8], value: &[u8], flavor: Flavor) -> bool {
        if CHARSET.contains(&name) {
            return self.note_charset(name, value, flavor);
        }
        if name == b"autocommit" {
            // The status flags report it too.
            return true;
        }
        if name == b"gtid_next" && value.eq_ignore_ascii_case(b"AUTOMATIC") {
            // Back to the default.
            return self.forget_variable(name);
        }
        self.set_variable(name, value)
    }

    /// Records the collation after `character_set_connection` was set; empty: the default of that character
    /// set. `by_names`: SET NAMES chose it, or SET CHARACTER SET, by which servers take the collation of the schema's character
    /// set, and not of the one that the statement names.
    pub fn set_collation(&mut self, name: &[u8], by_names: bool, flavor: Flavor) {
        self.take_charset_apart(flavor);
        if let Charset::Set { connection, collation, names, named, .. } = &mut self.charset {
            *collation = Rc::from(name);
            if by_names && connection == names {
                named.clone_from(collation);
            }
        }
    }

    /// Records that SET NAMES set the reported character sets.
    pub fn set_names(&mut self) {
        if let Charset::Set { client, names, named, results_apart, .. } = &mut self.charset {
            names.clone_from(client);
            *named = Rc::from(&b""[..]);
            *results_apart = false;
        }
    }

    /// Writes the character set of the handshake as four variables.
    fn take_charset_apart(&mut self, flavor: Flavor) {
        if let Charset::Handshake(id) = self.charset {
            // For an unknown id the server uses its default, which it does not report. SET NAMES reports
            // everything but the collation (see `set_collation`).
            let (charset, collation) = collations::names(id, flavor).unwrap_or((DEFAULT, "".into()));
            let part = |text: &str| Rc::from(text.as_bytes());
            self.charset = Charset::Set {
                client: part(charset),
                results: part(charset),
                connection: part(charset),
                collation: part(&collation),
                names: part(charset),
                named: part(&collation),
                results_apart: false,
            };
        }
    }

    /// True if one of the four variables of the character set is known to have this value.
    pub fn has_charset_part(&self, name: &[u8], value: &[u8], flavor: Flavor) -> bool {
        match &self.charset {
            Charset::Handshake(id) => collations::names(*id, flavor).is_some_and(|(charset, of_it)| {
                value == if name == b"collation_connection" { of_it.as_bytes() } else { charset.as_bytes() }
            }),
            Charset::Set { client, results, connection, collation, .. } => {
                **charset_part(name, [client, results, connection, collation]) == *value
            }
        }
    }

    /// Records one of the four variables of the character set; the other three keep their values. Returns false for a
    /// value that is not a name.
    fn note_charset(&mut self, name: &[u8], value: &[u8], flavor: Flavor) -> bool {
        if !value.is_empty() && !is_charset_name(value) {
            return false;
        }
        self.take_charset_apart(flavor);
        if let Charset::Set { client, results, connection, collation, results_apart, .. } = &mut self.charset
        {
            *results_apart |= name == b"character_set_results";
            *charset_part(name, [client, results, connection, collation]) = Rc::from(value);
        }
        true
    }

    /// Appends the assignments, separated by commas, that change a connection from the state `from` (None:
    /// just reset) to this state; nothing if they are equal.
    pub fn write_set(&self, from: Option<&Carried>, onto: Onto, out: &mut Vec<u8>) {
        let Onto { flavor, read_only, autocommit, in_transaction, trackers_changed, .. } = onto;
        let begin = out.len();
        if from.is_none_or(|from| from.charset != self.charset) {
            self.write_charset(flavor, out);
        }
        if from.is_none() || trackers_changed {
            write_trackers(flavor, read_only, in_transaction, out);
        }
        let same = from.map_or(autocommit && self.autocommit, |from| from.autocommit == self.autocommit);
        if !same {
            out.extend_from_slice(if self.autocommit { b"autocommit=1," } else { b"autocommit=0," });
        }
        let before = from.map_or(&[][..], |from| &from.variables);
        for (name, value) in changed(before, &self.variables) {
            if read_only && is_access_mode(name) {
                continue;
            }
            out.extend_from_slice(name);
            out.push(b'=');
            match value {
                Some(value) => write_value(name, value, out),
                None => out.extend_from_slice(&onto.beginning(name)),
            }
            out.push(b',');
        }
        if out.len() > begin {
            out.pop();
        }
    }

    /// Appends the assignments of the character set, each with a comma behind it.
    pub(super) fn write_charset(&self, flavor: Flavor, out: &mut Vec<u8>) {
        match &self.charset {
            Charset::Handshake(id) => match collations::names(*id, flavor) {
                Some((charset, collation)) => {
                    out.extend_from_slice(format!("NAMES {charset} COLLATE {collation},").as_bytes());
                }
                // As the server does with an unknown id. The default must be set: a pooled connection may
                // have another character set.
                None => out.extend_from_slice(b"NAMES DEFAULT,"),
            },
            Charset::Set { client, results, connection, collation, names, named, results_apart } => {
                out.extend_from_slice(b"NAMES ");
                write_charset_name(names, out);
                if !named.is_empty() {
                    out.extend_from_slice(b" COLLATE ");
                    write_quoted(named, out);
                }
                out.push(b',');
                let moved = connection != names || collation != named;
                let parts: [(&[u8], &[u8], bool); 4] = [
                    (b"character_set_client", client, client != names),
                    (b"character_set_results", results, *results_apart),
                    (b"character_set_connection", connection, moved && !connection.is_empty()),
                    (b"collation_connection", collation, moved && !collation.is_empty()),
                ];
                for (name, value, _) in parts.into_iter().filter(|(.., differs)| *differs) {
                    out.extend_from_slice(name);
                    out.push(b'=');
                    write_charset_name(value, out);
                    out.push(b',');
                }
            }
        }
    }
}

/// Returns the variable of this name, of the four of the character set.
fn charset_part<T>(name: &[u8], [client, results, connection, collation]: [T; 4]) -> T {
    match name {
        b"character_set_client" => client,
        b"character_set_results" => results,
        b"character_set_connection" => connection,
        _ => collation,
    }
}

/// Returns the variables whose values differ between the lists; None: the variable is not in the new list.
fn changed<'a>(
    before: &'a [Variable],
    after: &'a [Variable],
) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> {
    let has = |list: &'a [Variable], name: &[u8]| list.iter().find(|(n, _)| **n == *name).map(|(_, v)| v);
    let removed = before.iter().filter(move |(n, _)| has(after, n).is_none()).map(|(n, _)| (&**n, None));
    let new = after.iter().filter(move |(n, v)| has(before, n) != Some(v)).map(|(n, v)| (&**n, Some(&**v)));
    removed.chain(new)
}

/// True for the access mode of transactions, by MySQL's or MariaDB's name.
fn is_access_mode(name: &[u8]) -> bool {
    matches!(name, b"tx_read_only" | b"transaction_read_only")
}

fn write_trackers(flavor: Flavor, read_only: bool, in_transaction: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(TRACKERS);
    out.extend_from_slice(match (flavor, read_only) {
        (Flavor::MySql, true) => b",transaction_read_only=1,",
        (Flavor::MariaDb, true) => b",tx_read_only=1,",
        // MariaDB reports the GTID of a write as the variable last_gtid.
        (Flavor::MySql, false) if !in_transaction => b",session_track_gtids=OWN_GTID,",
        (_, false) => b",",
    });
}

/// Appends the name of a character set or of a collation. An empty name is NULL: results are not converted.
fn write_charset_name(name: &[u8], out: &mut Vec<u8>) {
    match name {
        name if name == DEFAULT.as_bytes() => out.extend_from_slice(name),
        b"" | b"NULL" => out.extend_from_slice(b"NULL"),
        name => write_quoted(name, out),
    }
}

/// Returns the name under which the variable is carried.
fn canonical(name: &[u8]) -> &[u8] {
    ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, name)| name)
}

#[cfg(test)]
mod tests;
