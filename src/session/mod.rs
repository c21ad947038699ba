//! The session of one client, from accept to close: login, command loop, session state, and failover. Only
//! this module makes ERR packets for clients.
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

mod acquire;
mod admission;
mod answer;
mod aside;
mod barrier;
mod budget;
mod client_write;
mod commands;
mod commits;
mod connections;
mod context;
mod demoted;
mod drain;
mod dump;
mod errors;
mod exchange;
mod explain;
mod fetch_variables;
mod handle;
mod infile;
mod journal;
mod kill;
mod level;
mod login;
mod pieces;
mod position_queries;
mod prepared;
mod pump;
mod refusals;
mod renewal;
mod replay;
mod replica_choice;
mod request;
mod restore;
mod retry;
mod send;
mod server_loss;
#[cfg(test)]
mod size_tests;
mod speculative_read;
mod statement;
#[cfg(test)]
mod tests;
mod text_command;
mod timeouts;

pub use admission::{Admission, Pass, block_seconds};
pub use context::{Context, Outside, TopologyCell};
pub use drain::Drain;
pub use errors::{Failure, in_place_of_greeting};
pub use handle::{Attached, Deed, Entrance, Handle, Signals};
pub use kill::{KillRequest, kill_here};

use std::rc::Rc;

use crate::auth::{Nonce, Plugin};
use crate::backend::{Class, Connection, Login, Seat, ServerError};
use crate::config::Level;
use crate::net::{Buf, Runtime};
use crate::state::{PinSet, SessionState};
use crate::telemetry::cell_of;
use crate::terms::{Close, Port};
use crate::terms::{PerRole, Role};
use crate::topology::ServerId;
use crate::wire::Capabilities;
use barrier::{Freshness, Seen};
use connections::Links;

/// The session of one client.
pub struct Session<R: Runtime> {
    context: Rc<Context<R>>,
    client: R::Stream,
    /// What the rest of the worker may read of this session, and the signal that wakes its task.
    handle: Rc<Handle>,
    /// The mode of the port that the client connected to.
    port: Port,
    /// The capability flags agreed with the client.
    capabilities: Capabilities,
    /// The authentication plugin of the greeting.
    plugin: Plugin,
    /// The nonce of the greeting. A COM_CHANGE_USER is answered with the same nonce.
    nonce: Nonce,
    /// The account of the client. None until the login is done.
    login: Option<Rc<Login>>,
    /// The collation id that the client sent at its login.
    collation: u16,
    state: SessionState,
    /// The server connection of the statement under way.
    backend: Option<Box<Connection<R::Stream>>>,
    /// The place of that connection in the pool.
    seat: Option<Seat<R::Stream>>,
    /// Whether that connection is the session's writer or its reader.
    role: Role,
    /// The pins that the statement under way added to that connection.
    sent: PinSet,
    /// The last error with which a server refused the session's state.
    state_refused: Option<Box<ServerError>>,
    /// The session's server connections between two statements.
    links: Links<R::Stream>,
    /// The consistency level of the statement under way.
    level_now: Level,
    /// True if the client's driver checks before each use whether the socket has ended.
    looks: bool,
    /// The number of the session's reads; after 255 it begins again at 0.
    reads: u8,
    /// The server chosen for the session's last read. None: the next read chooses anew.
    reader: Option<ServerId>,
    /// The snapshot's `roles_version` at that choice.
    reader_at: u64,
    /// Which servers answered the session's reads.
    seen: Seen,
    /// What the statement under way knows of the primary's position.
    freshness: Freshness,
    /// The snapshot's version at which the kept connections were last found usable.
    checked: PerRole<u64>,
    /// True if the connection for that role broke, or its server lost the role: what the session had there is
    /// gone.
    lost: PerRole<bool>,
    /// Commands for a server connection that was just acquired. They are sent in front of the next statement,
    /// in the same write.
    prelude: Vec<u8>,
}

impl<R: Runtime> Session<R> {
    /// Creates the session of an accepted socket and registers it with the worker.
    pub fn new(context: Rc<Context<R>>, client: R::Stream, entrance: Entrance, pass: Pass) -> Self {
        let port = entrance.port;
        let handle = context.register(entrance, pass);
        Session {
            context,
            client,
            handle,
            port,
            capabilities: Capabilities::empty(),
            plugin: Plugin::CachingSha2,
            nonce: [1; 20],
            login: None,
            collation: 0,
            state: SessionState::default(),
            backend: None,
            seat: None,
            role: Role::Writer,
            sent: PinSet::default(),
            state_refused: None,
            links: Links::default(),
            level_now: Level::Strong,
            looks: false,
            reads: 0,
            reader: None,
            reader_at: 0,
            seen: Seen::default(),
            freshness: Freshness::default(),
            checked: PerRole::default(),
            lost: PerRole::default(),
            prelude: Vec::new(),
        }
    }

    /// Serves the client until the session ends.
    pub async fn run(&mut self) {
        let port = self.port as usize;
        cell_of(&self.context.metrics.accepted, port).add(1);
        cell_of(&self.context.metrics.clients, port).add(1);
        // Boxed: what a login needs should not make every idle session larger.
        let close = match Box::pin(self.login()).await {
            Ok(buf) => self.serve(buf).await,
            Err(close) => {
                self.login_ended(close);
                close
            }
        };
        self.end(close).await;
        cell_of(&self.context.metrics.clients, port).sub(1);
        cell_of(&self.context.metrics.closed, close as usize).add(1);
        self.context.unregister(&self.handle);
    }

    /// Logs why the session ends, and returns its server connections to the pool if they can be used again.
    async fn end(&mut self, close: Close) {
        match close {
            Close::ClientReadTimeout => tracing::info!(
                id = self.handle.id,
                peer = %self.handle.peer,
                reason = close.as_str(),
                "a client sent a part of a command, and no more of it within timeouts.client_read"
            ),
            Close::ClientWriteTimeout => tracing::info!(
                id = self.handle.id,
                peer = %self.handle.peer,
                reason = close.as_str(),
                "a client read nothing more of its answer within timeouts.client_write"
            ),
            _ => tracing::debug!(id = self.handle.id,
                peer = %self.handle.peer, reason = close.as_str(), "session ends"),
        }
        let fit = !matches!(close, Close::ServerProtocol);
        self.release(fit).await;
    }

    /// Returns the class of server connections that this session needs for a role.
    fn class(&self, role: Role) -> Class {
        let mut capabilities = self.capabilities & Capabilities::CLASS;
        if self.port == Port::Replica {
            // Statements are sent there one at a time (see `pieces`): a server does not run a second
            // statement that a text hides from the proxy.
            capabilities -= Capabilities::MULTI_STATEMENTS;
        }
        Class { capabilities, read_only: role == Role::Reader }
    }

    fn buffer(&self) -> Buf {
        self.context.buffers.small()
    }
}
