//! What statements left on a server connection since it was opened or last reset.

use super::{Connection, Expect, SentQuestion};
use crate::backend::ServerError;
use crate::net::Stream;
use crate::terms::Unexplained;
use crate::wire::{Capabilities, ErrPacket, ProtocolError, frame_with};

use super::settling::SwallowError;

/// What statements left on a server connection since it was opened or last reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// No statement of a session ran.
    Nothing,
    /// The texts, the catalogue and the server's reports show all of it.
    Explained,
    /// There may be more.
    Unexplained {
        /// Why the first such statement is not explained.
        by: Unexplained,
    },
}

/// The role that is active after the login: the account's default role. A reset keeps the role that is active, so the
/// role after a reset is compared with this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LoginRole {
    NotAsked,
    /// The answer is outstanding.
    Asked,
    /// The row in which the server said it; None: the server knows no roles.
    Known(Option<Box<[u8]>>),
}

impl<S: Stream> Connection<S> {
    /// Notes whether the server permits several statements in a text from now on. No reset undoes that: if it is not what the
    /// connection logged in with, no other session gets the connection.
    pub fn permits(&mut self, several: bool) {
        self.several = several;
        self.closes_after_session |=
            several != self.about.class.capabilities.contains(Capabilities::MULTI_STATEMENTS);
    }

    /// Appends COM_SET_OPTION, which permits (0) or forbids (1) several statements in a text. An EOF packet answers it.
    pub fn set_option(&mut self, several: bool, out: &mut Vec<u8>) {
        self.permits(several);
        frame_with(out, 0, |out| out.extend_from_slice(&[0x1b, u8::from(!several), 0]));
        self.expecting.push_back(Expect::End);
    }

    /// Returns what statements left on the connection since it was opened or last reset.
    pub fn left(&self) -> Left {
        self.left
    }

    /// Returns why the connection may have state that no text and no report shows; None if it has none.
    pub fn unexplained(&self) -> Option<Unexplained> {
        match self.left {
            Left::Unexplained { by } => Some(by),
            Left::Nothing | Left::Explained => None,
        }
    }

    /// Records that a request was sent: unless `ran` explains it, the request is unexplained.
    pub(super) fn begins_unexplained(&mut self) {
        self.left_before = self.left;
        if self.unexplained().is_none() {
            self.left = Left::Unexplained { by: Unexplained::Form };
        }
    }

    /// Records the end of the request under way: it is explained, or unexplained for this reason. Returns true if the
    /// connection was explained before and is not any more.
    pub fn ran(&mut self, by: Option<Unexplained>) -> bool {
        if matches!(self.left_before, Left::Unexplained { .. }) {
            self.left = self.left_before;
            return false;
        }
        self.left = by.map_or(Left::Explained, |by| Left::Unexplained { by });
        by.is_some()
    }

    /// Appends the question for the role that is active after the login, unless it was asked before.
    pub(super) fn ask_login_role(&mut self, out: &mut Vec<u8>) {
        if self.login_role == LoginRole::NotAsked && self.left == Left::Nothing {
            self.login_role = LoginRole::Asked;
            self.ask_role(out);
        }
    }

    /// Appends a reset. If the connection is not explained, appends a question for the active role, too: if the role is
    /// not that of the login, `settle` fails. Returns true if the question was appended.
    pub fn reset_fully(&mut self, out: &mut Vec<u8>) -> bool {
        let asks = self.unexplained().is_some();
        self.reset(out);
        if asks {
            self.ask_role(out);
        }
        asks
    }

    /// True if the connection has a default schema.
    pub fn has_schema(&self) -> bool {
        self.schema.is_some()
    }

    /// Returns the default schema.
    pub(in crate::backend) fn schema(&self) -> Option<&[u8]> {
        self.schema.as_deref()
    }

    fn ask_role(&mut self, out: &mut Vec<u8>) {
        self.query_in_front(b"SELECT CURRENT_ROLE() LIMIT 1", Expect::Rows(SentQuestion::Role, 0), out);
    }

    /// Reads the next packet of the answer to a query of the proxy's own: the number of columns, the column, EOF unless the
    /// capabilities say otherwise, the row if the query has one, and EOF or OK.
    pub(super) fn rows_packet(&mut self, payload: &[u8]) -> Result<(), SwallowError> {
        let Some(Expect::Rows(question, packet)) = self.expecting.front().copied() else { return Ok(()) };
        let has_eof = !self.about.capabilities.contains(Capabilities::DEPRECATE_EOF);
        let row = 2 + u8::from(has_eof);
        let last = if question == SentQuestion::Role { row + 1 } else { row };
        let byte = payload.first().copied().unwrap_or_default();
        let expected = match packet {
            _ if byte == 0xff => {
                self.expecting.pop_front();
                return match question {
                    SentQuestion::Role => self.role_is(None),
                    SentQuestion::NoRows => {
                        Err(SwallowError::State(ServerError::from(&ErrPacket::parse(payload)?)))
                    }
                };
            }
            0 => byte == 1,
            _ if packet == last || (has_eof && packet == 2) => byte == 0xfe,
            _ => true,
        };
        if !expected {
            return Err(
                ProtocolError::Unexpected { expected: "the answer to a query of the proxy", byte }.into()
            );
        }
        if packet == row && question == SentQuestion::Role {
            self.role_is(Some(payload.into()))?;
        }
        if packet == last {
            self.expecting.pop_front();
        } else if let Some(front) = self.expecting.front_mut() {
            *front = Expect::Rows(question, packet + 1);
        }
        Ok(())
    }

    fn role_is(&mut self, row: Option<Box<[u8]>>) -> Result<(), SwallowError> {
        match &self.login_role {
            LoginRole::Asked => self.login_role = LoginRole::Known(row),
            LoginRole::Known(login) if *login == row => {}
            LoginRole::NotAsked | LoginRole::Known(_) => return Err(SwallowError::Role),
        }
        Ok(())
    }
}
