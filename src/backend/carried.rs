//! What of a session can be carried to another server connection, and the statements
//! that bring a connection there.

use std::rc::Rc;

use super::collations;
use crate::topology::Flavor;

/// Variables that make up the character set.
const CHARSET: [&[u8]; 4] =
    [b"character_set_client", b"character_set_results", b"character_set_connection", b"collation_connection"];

/// Reported by the servers of their own accord, and nothing that a session set: MySQL counts statements,
/// MariaDB reports the GTID of each write.
const NOISE: [&[u8]; 3] = [b"statement_id", b"last_gtid", b"gtid_executed"];

/// They hold for the next statement or event only.
const ONE_SHOT: [&[u8]; 5] = [b"insert_id", b"gtid_next", b"timestamp", b"rand_seed1", b"rand_seed2"];

/// A session that sets more variables than this cannot be carried.
const MAX_VARIABLES: usize = 64;

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
    },
}

/// A system variable's name and value.
pub type Variable = (Rc<[u8]>, Rc<[u8]>);

/// The part of a session's state that another server connection can be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carried {
    /// The default schema.
    pub schema: Option<Rc<[u8]>>,
    /// The character set.
    pub charset: Charset,
    /// `@@autocommit`
    pub autocommit: bool,
    /// What `LAST_INSERT_ID()` answers; 0 is the value of a new session.
    pub last_insert_id: u64,
    /// Other system variables that the session set, with the values that the trackers reported.
    pub variables: Vec<Variable>,
}

impl Carried {
    /// The state of a new session.
    pub fn new(schema: Option<&[u8]>, collation: u16) -> Self {
        Carried {
            schema: schema.map(Rc::from),
            charset: Charset::Handshake(collation),
            autocommit: true,
            last_insert_id: 0,
            variables: Vec::new(),
        }
    }

    /// Whether the servers report this variable of their own accord.
    pub fn is_noise(name: &[u8]) -> bool {
        NOISE.contains(&name)
    }

    /// Notes a system variable that a tracker reported. False: it cannot be carried.
    pub fn note(&mut self, name: &[u8], value: &[u8], flavor: Flavor) -> bool {
        if CHARSET.contains(&name) {
            return self.note_charset(name, value, flavor);
        }
        if name == b"autocommit" {
            // The status flags tell.
            return true;
        }
        if value.contains(&b'\\') || ONE_SHOT.contains(&name) || name.starts_with(b"session_track_") {
            return false;
        }
        if name == b"last_insert_id" || name == b"identity" {
            let number = std::str::from_utf8(value).ok().and_then(|v| v.parse().ok());
            self.last_insert_id = number.unwrap_or(self.last_insert_id);
            return number.is_some();
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

    /// `character_set_connection` was set: the collation is the one given, else the character set's own.
    pub fn set_collation(&mut self, name: &[u8]) {
        if let Charset::Set { collation, .. } = &mut self.charset {
            *collation = Rc::from(name);
        }
    }

    /// One of the four variables of the character set: the other three stay as they were.
    fn note_charset(&mut self, name: &[u8], value: &[u8], flavor: Flavor) -> bool {
        if let Charset::Handshake(id) = self.charset {
            // An id that the server does not know means its default, which nobody told us. SET NAMES reports
            // all but the collation (see `set_collation`).
            let (charset, collation) = collations::names(id, flavor).unwrap_or_default();
            let part = |text: &str| Rc::from(text.as_bytes());
            self.charset = Charset::Set {
                client: part(charset),
                results: part(charset),
                connection: part(charset),
                collation: part(collation),
            };
        }
        if let Charset::Set { client, results, connection, collation } = &mut self.charset {
            let place = match name {
                b"character_set_client" => client,
                b"character_set_results" => results,
                b"character_set_connection" => connection,
                _ => collation,
            };
            *place = Rc::from(value);
        }
        true
    }

    /// Appends `SET …`: the trackers that the proxy needs, then the session's own values.
    /// `read_only` is for the connections of replica ports.
    pub fn write_set(&self, flavor: Flavor, read_only: bool, out: &mut Vec<u8>) {
        out.extend_from_slice(b"SET ");
        self.write_charset(flavor, out);
        out.extend_from_slice(
            b"session_track_schema=1,session_track_state_change=1,session_track_system_variables='*'",
        );
        if read_only {
            out.extend_from_slice(match flavor {
                Flavor::MySql => b",transaction_read_only=1",
                Flavor::MariaDb => b",tx_read_only=1",
            });
        }
        if !self.autocommit {
            out.extend_from_slice(b",autocommit=0");
        }
        if self.last_insert_id != 0 {
            out.extend_from_slice(b",last_insert_id=");
            out.extend_from_slice(self.last_insert_id.to_string().as_bytes());
        }
        for (name, value) in &self.variables {
            out.push(b',');
            out.extend_from_slice(name);
            out.push(b'=');
            write_value(value, out);
        }
    }

    fn write_charset(&self, flavor: Flavor, out: &mut Vec<u8>) {
        match &self.charset {
            Charset::Handshake(id) => match collations::names(*id, flavor) {
                Some((charset, collation)) => {
                    out.extend_from_slice(format!("NAMES {charset} COLLATE {collation},").as_bytes());
                }
                // As the server does with an id that it does not know. A pooled connection may come from another.
                None => out.extend_from_slice(b"NAMES DEFAULT,"),
            },
            Charset::Set { client, results, connection, collation } => {
                let parts: [(&[u8], &[u8]); 4] = [
                    (b"character_set_client", client),
                    (b"character_set_results", results),
                    (b"character_set_connection", connection),
                    (b"collation_connection", collation),
                ];
                for (name, value) in parts {
                    let nullable = name == b"character_set_results";
                    if value.is_empty() && !nullable {
                        continue;
                    }
                    out.extend_from_slice(name);
                    out.push(b'=');
                    if value.is_empty() || value == b"NULL" {
                        out.extend_from_slice(b"NULL");
                    } else {
                        write_quoted(value, out);
                    }
                    out.push(b',');
                }
            }
        }
    }
}

/// Numbers stay bare, since numeric variables refuse strings; all else is quoted.
fn write_value(value: &[u8], out: &mut Vec<u8>) {
    let digits = value.strip_prefix(b"-").unwrap_or(value);
    let number = digits.iter().all(|b| b.is_ascii_digit() || *b == b'.')
        && digits.first().is_some_and(u8::is_ascii_digit)
        && digits.iter().filter(|b| **b == b'.').count() <= 1;
    if number { out.extend_from_slice(value) } else { write_quoted(value, out) }
}

/// As a hexadecimal string would lose its character set, quotes are doubled. A backslash would mean two
/// things by SQL mode, which the caller therefore does not carry (see `session::state`).
fn write_quoted(value: &[u8], out: &mut Vec<u8>) {
    out.push(b'\'');
    for byte in value {
        if *byte == b'\'' {
            out.push(b'\'');
        }
        out.push(*byte);
    }
    out.push(b'\'');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(carried: &Carried, flavor: Flavor, read_only: bool) -> String {
        let mut out = Vec::new();
        carried.write_set(flavor, read_only, &mut out);
        String::from_utf8(out).unwrap()
    }

    const TRACK: &str =
        "session_track_schema=1,session_track_state_change=1,session_track_system_variables='*'";

    #[test]
    fn a_new_session() {
        let c = Carried::new(Some(b"test"), 45);
        assert_eq!(
            set(&c, Flavor::MariaDb, true),
            format!("SET NAMES utf8mb4 COLLATE utf8mb4_general_ci,{TRACK},tx_read_only=1")
        );
        let unknown = Carried::new(None, 255);
        assert_eq!(set(&unknown, Flavor::MariaDb, false), format!("SET NAMES DEFAULT,{TRACK}"));
    }

    #[test]
    fn a_session_that_set_things() {
        let mut c = Carried::new(None, 8);
        let rc = |s: &str| Rc::from(s.as_bytes());
        c.charset = Charset::Set {
            client: rc("utf8mb4"),
            results: rc(""),
            connection: rc("latin1"),
            collation: rc("latin1_bin"),
        };
        c.autocommit = false;
        c.last_insert_id = 77;
        c.variables = vec![
            (rc("sql_mode"), rc("A'B")),
            (rc("max_join_size"), rc("100")),
            (rc("time_zone"), rc("+00:00")),
        ];
        assert_eq!(
            set(&c, Flavor::MySql, false),
            format!(
                "SET character_set_client='utf8mb4',character_set_results=NULL,\
                 character_set_connection='latin1',collation_connection='latin1_bin',{TRACK},\
                 autocommit=0,last_insert_id=77,sql_mode='A''B',max_join_size=100,time_zone='+00:00'"
            )
        );
    }
}
