//! The client's side of a session: commands that the client sends, packets that the proxy writes, waits that end when
//! the client leaves, and every ERR packet of the proxy itself.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::cast_possible_truncation
    )
)]

mod budget;
mod errors;
mod read;
pub mod refusals;
mod request;
mod steps;
mod wait;
mod write;

use std::cell::Cell;
use std::rc::Rc;

use crate::auth::{Nonce, Plugin};
use crate::backend::{Class, Login, ServerError};
use crate::config::ServerCompression;
use crate::net::{Buf, Runtime};
use crate::telemetry::traces::Trace;
use crate::terms::{Close, Port, Refused, Role};
use crate::topology::TextModes;
use crate::wire::Capabilities;
use crate::worker::{Handle, Resources};
pub use budget::Budget;
pub use errors::{Failure, Misuse, in_place_of_greeting};
pub use request::{PacketRun, Request, RequestHead};
pub use steps::traced_server;
pub use wait::unless_ended;
pub use write::ended_by;

/// Why a statement ends without a server's answer.
pub enum StatementError {
    /// The client gets this error and stays connected.
    Tell(Failure),
    /// The client gets this error, and its connection ends.
    TellAndClose(Failure, Close),
    /// The client's connection ends without an error packet.
    Close(Close),
    /// The connection cannot answer this question about an earlier statement. The session itself answers, because it has
    /// recorded the number.
    Count(CountQuestion),
}

/// A number that a client may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// `ROW_COUNT()`
    Row,
    /// `FOUND_ROWS()`
    Found,
}

/// A query for one such number and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountQuestion {
    /// What it asks for.
    pub count: Count,
    /// The name of its column: the function as the client wrote it.
    pub column: Box<str>,
}

/// Where the statement under way stands in a text of several statements.
#[derive(Debug, Clone, Copy, Default)]
pub struct Piece {
    /// True if other statements follow, unless this one fails.
    pub more: bool,
    /// The ways in which the servers known at that time might read the statement's text. Empty if the text
    /// was not checked.
    pub judged: TextModes,
}

/// The parts of the greeting (the initial handshake packet) that the login needs.
pub struct Greeted {
    /// The authentication plugin of the greeting.
    pub plugin: Plugin,
    /// The nonce of the greeting. A COM_CHANGE_USER is answered with the same nonce.
    pub nonce: Nonce,
    /// How many COM_CHANGE_USER were refused on this connection, which goes on.
    pub refused_changes: u8,
    /// True for a client that speaks the protocol from before version 4.1.
    pub is_before_41: bool,
    /// Why the login under way was refused.
    pub refused: Cell<Option<Refused>>,
    /// The last error that the proxy sent since the last login began. Seldom looked at, so it is here.
    pub told: Option<Box<ServerError>>,
}

/// See the module.
// `repr(C)` keeps this order: the fields that each statement touches come first, and share a few cache lines.
#[repr(C)]
pub struct Client<R: Runtime> {
    /// The client's socket.
    pub stream: R::Stream,
    /// The worker's resources.
    pub resources: Rc<Resources<R>>,
    /// The facts about this session that the rest of the worker may read, and the signal that wakes the session's task.
    pub handle: Rc<Handle>,
    /// The account of the client. None until the login is done.
    pub login: Option<Rc<Login>>,
    /// How long the command under way has waited for servers.
    pub budget: Budget,
    /// The capability flags agreed with the client.
    pub capabilities: Capabilities,
    /// What the command under way did so far, if it is traced.
    pub trace: Option<Box<Trace>>,
    /// The mode of the port that the client connected to.
    pub port: Port,
    /// Where the statement under way stands in a text of several statements.
    pub piece: Piece,
    /// True if the client's driver checks before each use whether the socket has ended.
    pub looks: bool,
    /// True if a COM_RESET_CONNECTION or a COM_CHANGE_USER made MariaDB forget what the flags of the login had set.
    pub forgets_flags: bool,
    /// The compression of this session's server connections. A reload does not change it, since a session
    /// must keep its connection in a transaction.
    server_compression: ServerCompression,
    /// The level of zstd that the client asked for.
    pub zstd_level: u8,
    /// The collation id that the client sent at its login.
    pub collation: u16,
    /// The plugin and the nonce of the greeting.
    pub greeted: Box<Greeted>,
}

impl<R: Runtime> Client<R> {
    /// Creates the client's side of a session for a client that has just connected.
    pub fn new(resources: Rc<Resources<R>>, handle: Rc<Handle>, stream: R::Stream) -> Self {
        let server_compression = resources.live.borrow().pool.compression;
        Client {
            server_compression,
            resources,
            port: handle.entrance.port,
            handle,
            stream,
            capabilities: Capabilities::empty(),
            zstd_level: 0,
            greeted: Box::new(Greeted {
                plugin: Plugin::CachingSha2,
                nonce: [1; 20],
                refused_changes: 0,
                is_before_41: false,
                refused: Cell::new(None),
                told: None,
            }),
            login: None,
            collation: 0,
            piece: Piece::default(),
            budget: Budget::default(),
            trace: None,
            looks: false,
            forgets_flags: false,
        }
    }

    /// Returns the class of server connections that this session needs for a role.
    pub fn class(&self, role: Role) -> Class {
        let mut capabilities = self.capabilities & Capabilities::CLASS;
        if self.forgets_flags {
            capabilities -= Capabilities::SETS_VARIABLES;
        }
        if self.port == Port::Replica {
            // Statements are sent there one at a time (see `pieces`): a server does not run a second
            // statement that a text hides from the proxy.
            capabilities -= Capabilities::MULTI_STATEMENTS;
        }
        capabilities |= match self.server_compression {
            ServerCompression::Off => Capabilities::empty(),
            ServerCompression::Zlib => Capabilities::COMPRESS,
            ServerCompression::Zstd => Capabilities::ZSTD_COMPRESSION_ALGORITHM,
        };
        Class { capabilities, read_only: role == Role::Replica }
    }

    /// True if the client's connection is compressed, behind the login.
    pub fn compresses(&self) -> bool {
        self.capabilities.intersects(Capabilities::COMPRESSION)
    }

    /// Returns a free buffer.
    pub fn buffer(&self) -> Buf {
        self.resources.buffers.small()
    }

    /// True if the client sends query attributes and parameter names (CLIENT_QUERY_ATTRIBUTES).
    pub fn has_attributes(&self) -> bool {
        self.capabilities.contains(Capabilities::QUERY_ATTRIBUTES)
    }

    /// True if nobody can listen to the connection: it is encrypted, or a unix socket.
    pub fn is_private(&self) -> bool {
        self.handle.tls.get().is_some() || self.handle.peer.get().origin().is_none()
    }
}
