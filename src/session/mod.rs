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

mod answer;
mod attach;
mod client;
mod commands;
mod context;
mod errors;
mod exchange;
mod guard;
mod handle;
mod infile;
mod kill;
mod login;
mod outcome;
mod request;
mod send;
#[cfg(test)]
mod size_tests;
mod state;
#[cfg(test)]
mod tests;

pub use context::{Context, Outside, TopologyCell};
pub use errors::{Failure, too_many_connections};
pub use handle::{Attached, Handle, Signals};
pub use kill::{KillRequest, kill_here};

use std::rc::Rc;

use crate::auth::{Nonce, Plugin};
use crate::backend::{Class, Connection, Login};
use crate::net::{Buf, Runtime};
use crate::telemetry::{Close, Port, cell_of};
use crate::wire::Capabilities;
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
    backend: Option<Connection<R::Stream>>,
    /// The snapshot's version at which the connection's server was last found right.
    checked: u64,
    /// It had a server connection before: the next one is a move.
    was_attached: bool,
    /// Commands for a server connection that was just taken: they go in front of the next statement, in
    /// the same write.
    prelude: Vec<u8>,
}

impl<R: Runtime> Session<R> {
    /// For an accepted socket.
    pub fn new(context: Rc<Context<R>>, client: R::Stream, port: Port) -> Self {
        let handle = context.register();
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
            checked: 0,
            was_attached: false,
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
            Err(close) => close,
        };
        self.end(close).await;
        cell_of(&self.context.metrics.clients, port).sub(1);
        cell_of(&self.context.metrics.closed, close as usize).add(1);
        self.context.unregister(&self.handle);
    }

    /// Gives the server connection back, if it is in a state to be used again.
    async fn end(&mut self, close: Close) {
        tracing::debug!(id = self.handle.id, reason = close.as_str(), "session ends");
        let fit = !matches!(close, Close::ServerProtocol);
        self.release(fit).await;
    }

    /// The server connection goes back to the pool; `fit` unless an answer is under way on it.
    async fn release(&mut self, fit: bool) {
        self.handle.attached.set(None);
        self.was_attached = false;
        // A prelude that was not sent leaves the connection waiting for its answers.
        let unsent = !std::mem::take(&mut self.prelude).is_empty();
        let Some(mut connection) = self.backend.take() else { return };
        self.context.count_out(connection.about.server);
        connection.now_has(self.state.carried.clone());
        let next = self.state.fresh(self.collation);
        if fit
            && !unsent
            && connection.is_between_exchanges()
            && self.state.left_nothing()
            && self.state.carried == next
        {
            self.context.pool.give_unchanged(connection);
            return;
        }
        let fit = fit
            && !unsent
            && connection.is_between_exchanges()
            && self.state.is_poolable()
            && self.login.is_some();
        // A session that has no schema cannot leave one behind for the next.
        Box::pin(self.context.pool.give(connection, &next, fit)).await;
    }

    /// The class of server connections that this session needs.
    fn class(&self) -> Class {
        Class { capabilities: self.capabilities & Capabilities::CLASS, read_only: self.port == Port::Replica }
    }

    fn buffer(&self) -> Buf {
        self.context.buffers.small()
    }
}
