//! One authenticated server connection: what it is, what the server knows on it of the
//! session, and which answers to the proxy's own commands are still to come.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use super::{Carried, Permit, ServerError};
use crate::net::{Buf, Stream};
use crate::telemetry::WorkerMetrics;
use crate::topology::{Flavor, ServerId};
use crate::wire::{Capabilities, ErrPacket, OkPacket, PacketHeader, ProtocolError, StatusFlags, frame_with};

/// What tells connections apart that cannot stand in for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Class {
    /// The flags of `Capabilities::CLASS` that the client asked for.
    pub capabilities: Capabilities,
    /// Under `SET SESSION TRANSACTION READ ONLY`, as replica ports need it.
    pub read_only: bool,
}

/// What never changes on a connection.
#[derive(Debug)]
pub struct About {
    /// Whose it is.
    pub server: ServerId,
    /// The snapshot's generation when it was opened.
    pub generation: u64,
    /// The account.
    pub user: Arc<str>,
    /// See `Class`.
    pub class: Class,
    /// MySQL or MariaDB.
    pub flavor: Flavor,
    /// Agreed with the server.
    pub capabilities: Capabilities,
    /// What `CONNECTION_ID()` answers on it.
    pub thread_id: u32,
}

/// Counts an open connection of the pool.
#[derive(Debug)]
struct Open(Arc<WorkerMetrics>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.server_connections.sub(1);
    }
}

/// An answer to swallow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    Reset,
    Set,
    InitDb,
}

/// See the module.
#[derive(Debug)]
pub struct Connection<S> {
    /// The socket.
    pub stream: S,
    /// It was not reset after its last session, which only read: the diagnostics of that session's last
    /// statement are still there.
    pub has_past: bool,
    /// What it is.
    pub about: About,
    /// The status of the last OK or EOF packet.
    pub status: StatusFlags,
    /// The server's default schema. It outlives a reset, on MySQL and on MariaDB; nothing else does.
    schema: Option<Rc<[u8]>>,
    /// What the server was told of a session; None before the first SET and after a reset.
    applied: Option<Carried>,
    /// Answers to swallow, in order, before the answer to the session's own command.
    expecting: VecDeque<Expect>,
    /// A request was begun, and its answer is not complete: the next bytes would not be understood.
    mid_exchange: bool,
    /// Dropped with the connection.
    permit: Option<(Permit, Open)>,
}

/// Swallowing went this far.
#[derive(Debug, PartialEq, Eq)]
pub enum Settled {
    /// Nothing is expected any more; the rest of the buffer is the session's.
    Yes,
    /// More bytes are needed.
    Waiting,
}

/// An answer that was to be swallowed was an error.
#[derive(Debug, thiserror::Error)]
pub enum SwallowError {
    /// The session's schema is not there, or not for this account: the session must hear of it.
    #[error("{0}")]
    Schema(ServerError),
    /// This connection cannot be brought to the session's state.
    #[error("{0}")]
    State(ServerError),
    /// The server broke the protocol.
    #[error("{0}")]
    Protocol(#[from] ProtocolError),
    /// The connection broke.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

impl<S: Stream> Connection<S> {
    pub(super) fn new(stream: S, about: About, status: StatusFlags) -> Self {
        Connection {
            stream,
            has_past: false,
            about,
            status,
            schema: None,
            applied: None,
            expecting: VecDeque::new(),
            mid_exchange: false,
            permit: None,
        }
    }

    /// Whether somebody waits for the right to a connection that this one holds.
    pub fn is_wanted(&self) -> bool {
        self.permit.as_ref().is_some_and(|(permit, _)| permit.is_wanted())
    }

    /// It is the pool's, and counts.
    pub(super) fn hold(&mut self, permit: Permit, metrics: &Arc<WorkerMetrics>) {
        metrics.server_connections.add(1);
        self.permit = Some((permit, Open(metrics.clone())));
    }

    /// A request is about to be sent.
    pub fn begins(&mut self) {
        self.mid_exchange = true;
    }

    /// Its answer is complete.
    pub fn is_done(&mut self) {
        self.mid_exchange = false;
    }

    /// Whether a command may follow.
    pub fn is_between_exchanges(&self) -> bool {
        !self.mid_exchange
    }

    /// Whether answers must be swallowed before the session's.
    pub fn is_expecting(&self) -> bool {
        !self.expecting.is_empty()
    }

    /// Whether this connection can serve a session with this state: a schema can be changed, but not
    /// taken away.
    pub fn can_become(&self, wish: &Carried) -> bool {
        wish.schema.is_some() || self.schema.is_none()
    }

    /// The session's state changed on the connection itself.
    pub fn now_has(&mut self, carried: Carried) {
        self.schema = carried.schema.clone();
        self.applied = Some(carried);
    }

    /// Appends COM_RESET_CONNECTION, which also ends an open transaction.
    pub fn reset(&mut self, out: &mut Vec<u8>) {
        frame_with(out, 0, |out| out.push(0x1f));
        self.has_past = false;
        self.expecting.push_back(Expect::Reset);
        self.applied = None;
    }

    /// Replaces a prelude that was not sent by a reset and what brings the connection to this state again.
    /// The state holds nothing that was not there before, so nothing of it can be refused.
    pub fn reset_before(&mut self, wish: &Carried, prelude: &mut Vec<u8>) {
        prelude.clear();
        self.expecting.clear();
        self.reset(prelude);
        let _ = self.become_session(wish, prelude);
    }

    /// Appends what brings the connection to this state, if anything does. False: a server could refuse
    /// some of it, and a statement must wait for the answers.
    pub fn become_session(&mut self, wish: &Carried, out: &mut Vec<u8>) -> bool {
        if self.applied.as_ref() == Some(wish) {
            return true;
        }
        let mut sure = wish.variables.is_empty();
        frame_with(out, 0, |out| {
            out.push(0x03);
            if self.about.capabilities.contains(Capabilities::QUERY_ATTRIBUTES) {
                out.extend_from_slice(&[0, 1]);
            }
            wish.write_set(self.about.flavor, self.about.class.read_only, out);
        });
        self.expecting.push_back(Expect::Set);
        if let Some(schema) = &wish.schema
            && self.schema.as_ref() != Some(schema)
        {
            frame_with(out, 0, |out| {
                out.push(0x02);
                out.extend_from_slice(schema);
            });
            self.expecting.push_back(Expect::InitDb);
            sure = false;
        }
        self.now_has(wish.clone());
        sure
    }

    /// Consumes expected answers from the front of `buf`.
    pub fn swallow(&mut self, buf: &mut Buf) -> Result<Settled, SwallowError> {
        while let Some(expect) = self.expecting.front().copied() {
            let Some(header) = PacketHeader::parse(buf.filled()) else { return Ok(Settled::Waiting) };
            if header.seq != 1 {
                return Err(ProtocolError::Sequence { expected: 1, got: header.seq }.into());
            }
            let Some(payload) = buf.filled().get(PacketHeader::LEN..header.total()) else {
                buf.make_room(header.total().saturating_sub(buf.len()));
                return Ok(Settled::Waiting);
            };
            match payload.first() {
                Some(0xff) => {
                    let err = ServerError::from(&ErrPacket::parse(payload)?);
                    return Err(match expect {
                        Expect::InitDb => SwallowError::Schema(err),
                        _ => SwallowError::State(err),
                    });
                }
                Some(0) => {
                    let track = self.about.capabilities.contains(Capabilities::SESSION_TRACK);
                    self.status = OkPacket::parse(payload, track)?.status;
                }
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

    /// Waits for the expected answers: before a statement that must not run if one of them is an error.
    pub async fn settle(&mut self) -> Result<(), SwallowError> {
        let mut buf = Buf::with_room(512);
        while self.swallow(&mut buf)? == Settled::Waiting {
            buf.make_room(1);
            let (result, back) = self.stream.read(buf).await;
            buf = back;
            match result {
                Ok(0) => return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()),
                Ok(_) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }

    /// Whether the connection still lives, as far as is known here: swallows what already came. A server
    /// that says something unasked is about to close.
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
                    // An answer that is not whole yet: wait for it in the ordinary way would lose these
                    // bytes, and such short answers come whole. Rather another connection.
                    Ok(_) => {}
                    Err(_) => break false,
                },
            }
        };
        spare.clear();
        alive
    }
}
