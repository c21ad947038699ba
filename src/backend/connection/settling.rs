//! The answers to the proxy's own commands on a server connection: removed in front of the session's answer, or waited for.

use super::text_statements::with_name;
use super::{Connection, Expect, TextStatements};
use crate::backend::ServerError;
use crate::net::{Buf, Stream};
use crate::wire::error_code::{
    ER_BAD_DB_ERROR, ER_DBACCESS_DENIED_ERROR, ER_MUST_CHANGE_PASSWORD, ER_PLUGIN_REQUIRES_REGISTRATION,
};
use crate::wire::{Capabilities, ErrPacket, OkPacket, PacketHeader, ProtocolError};

/// ERR codes by which a server refuses every statement until the client has changed its password, or registered a factor
/// (MySQL).
const WAITING: [u16; 2] = [ER_MUST_CHANGE_PASSWORD, ER_PLUGIN_REQUIRES_REGISTRATION];

/// ERR codes by which a server refuses to select a schema: ER_DBACCESS_DENIED_ERROR, and ER_BAD_DB_ERROR for a schema that
/// does not exist. The connection keeps the schema that it had.
const NO_SUCH_SCHEMA: [u16; 2] = [ER_DBACCESS_DENIED_ERROR, ER_BAD_DB_ERROR];

/// The progress of swallowing.
#[derive(Debug, PartialEq, Eq)]
pub enum Settled {
    /// No answers are outstanding; the rest of the buffer belongs to the session.
    Yes,
    /// More bytes are needed.
    Waiting,
}

/// Why swallowing failed.
#[derive(Debug, thiserror::Error)]
pub enum SwallowError {
    /// The server rejected the session's schema: the session must get this error.
    #[error("{0}")]
    Schema(ServerError),
    /// The server rejected the session's state on this connection.
    #[error("{0}")]
    State(ServerError),
    /// The active role is not that of the login.
    #[error("the active role is not that of the login")]
    Role,
    /// The server broke the protocol.
    #[error("{0}")]
    Protocol(#[from] ProtocolError),
    /// The connection broke.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

impl<S: Stream> Connection<S> {
    /// Consumes outstanding answers from the front of `buf`.
    pub fn swallow(&mut self, buf: &mut Buf) -> Result<Settled, SwallowError> {
        while let Some(expect) = self.expecting.front().copied() {
            let Some(header) = PacketHeader::parse(buf.filled()) else { return Ok(Settled::Waiting) };
            let compresses = self.about.capabilities.intersects(Capabilities::COMPRESSION);
            let expected = if let Expect::Rows(_, packet) = expect { packet + 1 } else { 1 };
            if header.seq != expected && !compresses {
                return Err(ProtocolError::Sequence { expected, got: header.seq }.into());
            }
            let Some(payload) = buf.filled().get(PacketHeader::LEN..header.total()) else {
                buf.make_room(header.total().saturating_sub(buf.len()));
                return Ok(Settled::Waiting);
            };
            match payload.first() {
                _ if matches!(expect, Expect::Rows(..)) => {
                    let (payload, total) = (Vec::from(payload), header.total());
                    buf.consume(total);
                    self.rows_packet(&payload)?;
                    continue;
                }
                Some(0xff) => {
                    let err = ServerError::from(&ErrPacket::parse(payload)?);
                    match expect {
                        Expect::InitDb => return Err(SwallowError::Schema(err)),
                        Expect::Prepare => self.not_prepared(err),
                        Expect::TryPrepare => {
                            let name = self.aside.trying.pop_front().unwrap_or_default();
                            self.lacks_text_statement(&name);
                        }
                        Expect::Mark => self.mark = None,
                        Expect::SameSchema | Expect::Raised => {}
                        // The next statement tries again. This one gets the same error.
                        Expect::Set if self.of_client && WAITING.contains(&err.code) => {
                            (self.applied, self.insert_id) = (None, None);
                        }
                        Expect::Reset | Expect::Set | Expect::End | Expect::Rows(..) => {
                            return Err(SwallowError::State(err));
                        }
                    }
                }
                Some(0) => {
                    let track = self.about.capabilities.contains(Capabilities::SESSION_TRACK);
                    self.status = OkPacket::parse(payload, track)?.status;
                    if expect == Expect::TryPrepare {
                        self.aside.trying.pop_front();
                    }
                }
                Some(0xfe) if expect == Expect::End => {}
                byte => {
                    let byte = byte.copied().unwrap_or_default();
                    return Err(ProtocolError::Unexpected { expected: "an OK packet", byte }.into());
                }
            }
            buf.consume(header.total());
            self.expecting.pop_front();
        }
        Ok(Settled::Yes)
    }

    /// Ends writing behind the last command of a client that has ended, so that the server may end the statement.
    pub fn shut_behind(&mut self, has_ended: impl FnOnce() -> bool) {
        if self.is_last && !self.is_shut && has_ended() && self.stream.shut_plain() {
            (self.is_shut, self.closes_after_session) = (true, true);
        }
    }

    /// Records a failed PREPARE, which also dropped the previous statement of that name.
    fn not_prepared(&mut self, error: ServerError) {
        if let Some(name) = self.aside.preparing.take() {
            self.lacks_text_statement(&name);
        }
        self.aside.unprepared = Some(error);
    }

    fn lacks_text_statement(&mut self, name: &[u8]) {
        self.text_statements = with_name(&self.text_statements, name, &TextStatements::default());
    }

    /// Waits for the outstanding answers: before a statement that must not run if one of them is an error.
    pub async fn settle(&mut self) -> Result<(), SwallowError> {
        self.settle_within(false).await
    }

    /// Waits for the answers to the commands of `become_session`. If the server refuses the schema as a missing or
    /// forbidden one, the connection keeps the schema that it had, and `refused_schema` says so.
    pub async fn settle_state(&mut self) -> Result<(), SwallowError> {
        // What is prepared behind a schema belongs to that schema.
        let one = self.expecting.iter().filter(|expect| **expect == Expect::InitDb).count() == 1;
        let prepares = self.expecting.contains(&Expect::Prepare);
        self.settle_within(one && !prepares).await
    }

    async fn settle_within(&mut self, without_schema: bool) -> Result<(), SwallowError> {
        let mut buf = Buf::with_room(512);
        loop {
            match self.swallow(&mut buf) {
                Ok(Settled::Yes) => return Ok(()),
                Ok(Settled::Waiting) => {}
                Err(SwallowError::Schema(error))
                    if without_schema && NO_SUCH_SCHEMA.contains(&error.code) =>
                {
                    self.refuses_schema(error, &mut buf);
                    continue;
                }
                Err(error) => return Err(error),
            }
            buf.make_room(1);
            if self.stream.read(&mut buf).await? == 0 {
                return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
            }
        }
    }

    /// True if the connection seems alive. Swallows what has already arrived. A server that sends anything
    /// unasked is about to close.
    pub fn is_alive(&mut self, spare: &mut Buf) -> bool {
        if !self.stream.has_news() {
            return true;
        }
        spare.clear();
        let alive = loop {
            match self.stream.read_now(spare) {
                Ok(None) => break spare.is_empty(),
                Ok(Some(0)) | Err(_) => break false,
                Ok(Some(_)) => match self.swallow(spare) {
                    Ok(_) if !self.is_expecting() && !spare.is_empty() => break false,
                    // An incomplete answer ends in `false`: waiting for the rest elsewhere would lose these
                    // bytes, and answers this short normally arrive whole.
                    Ok(_) => {}
                    Err(_) => break false,
                },
            }
        };
        spare.clear();
        alive
    }
}
