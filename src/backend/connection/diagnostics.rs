//! Statements in front of a question about the session's diagnostics.

use super::{Connection, Expect};
use crate::backend::ServerError;
use crate::net::Stream;
use crate::topology::Flavor;
use crate::wire::error_code::ER_WARN_DEPRECATED_SYNTAX;
use crate::wire::frame_with;

/// The longest text of a condition on MySQL, in characters. MariaDB cuts off a longer one itself.
const MAX_MESSAGE: usize = 128;

/// A command that is no statement and that a server refuses. MySQL adds the error to the diagnostics of the statement before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefusedCommand {
    /// An unknown command, or an unknown option of COM_SET_OPTION.
    Unknown,
    /// The statement id of the client.
    Statement(u32),
    /// A fetch of a statement without a cursor: the statement id of the client, and what `Statements` knows the text by; None if
    /// another statement of this text has a cursor, which the fetch must not move.
    Cursor(u32, Option<u64>),
    /// COM_INIT_DB of this schema.
    Schema(Box<[u8]>),
    /// An execute or a fetch that is too short.
    Malformed,
}

/// Returns the SQLSTATE with which a SIGNAL raises an error that has this one. It may be a server's, and so any bytes: only digits
/// and capitals get into the text. Those of the classes 00, 01 and 02 are no errors.
fn sqlstate_of_error(sqlstate: &[u8; 5]) -> &str {
    let is_one = sqlstate.iter().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
    let is_error = !matches!(sqlstate, [b'0', b'0'..=b'2', ..]);
    std::str::from_utf8(sqlstate).ok().filter(|_| is_one && is_error).unwrap_or("HY000")
}

impl<S: Stream> Connection<S> {
    /// Notes whether the connection may have diagnostics after a statement that left none (`quiet`) or some. The statement kept
    /// those of the statement before it (`keeps`), or may have done so on MariaDB (`may_keep`).
    pub fn note_diagnostics(&mut self, quiet: bool, keeps: bool, may_keep: bool) {
        let keeps = keeps || (may_keep && self.about.flavor == Flavor::MariaDb);
        self.leaves_diagnostics = !quiet || (self.leaves_diagnostics && keeps);
        self.stale_diagnostics &= quiet && may_keep;
    }

    /// Appends a statement that clears the diagnostics. It has no other effect, also in a transaction.
    pub fn clear_diagnostics(&mut self, out: &mut Vec<u8>) {
        // MariaDB keeps the diagnostics at a statement that opens no table.
        let text: &[u8] = match self.about.flavor {
            Flavor::MySql => b"DO 0",
            Flavor::MariaDb => b"DO (SELECT 1 FROM (SELECT 1) t)",
        };
        self.query_in_front(text, Expect::Set, out);
        (self.stale_diagnostics, self.leaves_diagnostics) = (false, false);
    }

    /// Appends a command that the server refuses in the same way. If the id is one of a statement of this connection, there is
    /// no such command.
    pub fn refuse(&mut self, refused: RefusedCommand, out: &mut Vec<u8>) {
        match refused {
            RefusedCommand::Unknown => frame_with(out, 0, |out| out.extend_from_slice(&[0x1b, 0xff, 0xff])),
            RefusedCommand::Statement(id) if self.statements.has_id(id) => return,
            RefusedCommand::Statement(id) => frame_with(out, 0, |out| {
                out.push(0x1a);
                out.extend_from_slice(&id.to_le_bytes());
            }),
            RefusedCommand::Cursor(id, text) => {
                // The error names the statement. One that is not prepared here gets another error.
                let here = text.and_then(|text| self.statements.get(text)).map(|known| known.id);
                let Some(id) = here.or((!self.statements.has_id(id)).then_some(id)) else { return };
                frame_with(out, 0, |out| {
                    out.push(0x1c);
                    out.extend_from_slice(&id.to_le_bytes());
                    out.extend_from_slice(&1u32.to_le_bytes());
                });
            }
            RefusedCommand::Schema(name) => return self.refuse_schema(&name, out),
            RefusedCommand::Malformed => frame_with(out, 0, |out| out.push(0x17)),
        }
        self.expecting.push_back(Expect::Raised);
        self.leaves_diagnostics = true;
    }

    /// Appends a COM_INIT_DB that the server refuses, and one of the connection's own schema, in case that the server has the
    /// other one after all. A connection without a schema could not get rid of it again.
    fn refuse_schema(&mut self, name: &[u8], out: &mut Vec<u8>) {
        let Some(own) = self.schema.clone() else { return };
        for (schema, expect) in [(name, Expect::Raised), (&*own, Expect::SameSchema)] {
            frame_with(out, 0, |out| {
                out.push(0x02);
                out.extend_from_slice(schema);
            });
            self.expecting.push_back(expect);
        }
        self.leaves_diagnostics = true;
    }

    /// Appends a statement that fails with this error, or leaves this warning of the proxy's own, so that the diagnostics show
    /// it.
    pub fn raise(&mut self, error: &ServerError, out: &mut Vec<u8>) {
        let message = String::from_utf8_lossy(&error.message);
        let message = message.chars().take(MAX_MESSAGE).collect::<String>();
        let warns = error.code == ER_WARN_DEPRECATED_SYNTAX && error.sqlstate == *b"01000";
        let state = if warns { "01000" } else { sqlstate_of_error(&error.sqlstate) };
        // Digits mean the same in every SQL mode and in every character set.
        let digits: String = message.bytes().map(|byte| format!("{byte:02x}")).collect();
        let text = format!(
            "SIGNAL SQLSTATE '{state}' SET MYSQL_ERRNO = {}, MESSAGE_TEXT = _utf8mb4 x'{digits}'",
            error.code.max(1)
        );
        self.query_in_front(text.as_bytes(), Expect::Raised, out);
        self.leaves_diagnostics = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_sqlstate_leaves_its_quotes() {
        for sqlstate in [b"42S02", b"HY000", b"70100", b"08S01"] {
            assert_eq!(sqlstate_of_error(sqlstate).as_bytes(), sqlstate);
        }
        for sqlstate in
            [b"';DO1", b"00000", b"01000", b"02000", b"42s02", b"\xff\xff\xff\xff\xff", b"4200\\", b"4 000"]
        {
            assert_eq!(sqlstate_of_error(sqlstate), "HY000", "{sqlstate:?}");
        }
    }
}
