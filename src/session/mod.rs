//! One client from accept to close: login, command loop, session state, and what a
//! failover means for it. The only place that makes ERR packets for clients.
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
mod pins;
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
mod state;
mod statement;
mod statements;
#[cfg(test)]
mod tests;
mod text_command;
mod timeouts;
mod unreported_variables;

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
use crate::routing::{PerRole, Role};
use crate::telemetry::{Close, Port, cell_of};
use crate::topology::ServerId;
use crate::wire::Capabilities;
use barrier::{Freshness, Seen};
use connections::Links;
use pins::PinSet;
use state::SessionState;

/// One client.
pub struct Session<R: Runtime> {
    context: Rc<Context<R>>,
    client: R::Stream,
    /// What others may know of this session, and by which they speak to it.
    handle: Rc<Handle>,
    /// The mode of its port.
    port: Port,
    /// Agreed with the client.
    capabilities: Capabilities,
    /// Greeted with; COM_CHANGE_USER answers to the same nonce.
    plugin: Plugin,
    nonce: Nonce,
    /// Who it is; None until the login is done.
    login: Option<Rc<Login>>,
    /// The collation id of the handshake.
    collation: u16,
    state: SessionState,
    /// What the statement under way runs on,
    backend: Option<Box<Connection<R::Stream>>>,
    /// its place in the pool,
    seat: Option<Seat<R::Stream>>,
    /// and which of the session's two servers that is.
    role: Role,
    /// What it holds there only since the statement under way was sent.
    sent: PinSet,
    /// Why a server did not take its state, last time one did not.
    state_refused: Option<Box<ServerError>>,
    /// Its connections between two statements.
    links: Links<R::Stream>,
    /// The level that the statement under way is read at.
    level_now: Level,
    /// Its driver looks whether the socket has ended before it uses it.
    looks: bool,
    /// Counts its reads, up to 255.
    reads: u8,
    /// The replica of its last read,
    reader: Option<ServerId>,
    /// and the snapshot's version at which that was chosen.
    reader_at: u64,
    /// What its reads have seen.
    seen: Seen,
    /// What the statement under way knows of the primary's position.
    freshness: Freshness,
    /// The snapshot's version at which the kept connections were last found right.
    checked: PerRole<u64>,
    /// The connection that it had for a role broke, or its server lost its role: what was on it is gone.
    lost: PerRole<bool>,
    /// Commands for a server connection that was just taken: they go in front of the next statement, in
    /// the same write.
    prelude: Vec<u8>,
}

impl<R: Runtime> Session<R> {
    /// For an accepted socket.
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

    /// Serves the client to its end.
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

    /// Gives the server connection back, if it is in a state to be used again.
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

    /// The class of server connections that this session needs for a role.
    fn class(&self, role: Role) -> Class {
        let mut capabilities = self.capabilities & Capabilities::CLASS;
        if self.port == Port::Replica {
            // Statements go there one at a time (see `pieces`): what one of them hides, the server does not run.
            capabilities -= Capabilities::MULTI_STATEMENTS;
        }
        Class { capabilities, read_only: role == Role::Reader }
    }

    fn buffer(&self) -> Buf {
        self.context.buffers.small()
    }
}
