//! The session of one client: its login, its commands, and the way of each statement. It acts on the decisions of
//! [`policy`](crate::policy) and [`routing`](crate::routing), with the client's leg ([`client`](crate::client)), the server
//! connections ([`upstream`](crate::upstream)), what is known of positions ([`positions`](crate::positions)) and the state
//! that statements left ([`state`](crate::state)).
//!
//! The folders, each with a `mod.rs` that says what it is for and exports only what others need:
//!
//! | folder | |
//! |---|---|
//! | `login` | a client arrives: `LoginPhase` ends with an identity, under which the session begins |
//! | `command` | what a client's command asks for |
//! | `statement` | **the line of a statement**, and what is rare on it |
//! | `exchange` | one try: the request and its answer |
//! | `freshness` | how fresh a read must be, and which replica is |
//! | `loss` | when a server is lost or demoted |
//! | `observe` | metrics, traces, audit |
//! | `common` | what all of these use |
//!
//! `Classifier`, `Replies`, `Observation`, `StatementFacts`, `Journaling` and `OfDemoted` borrow the parts of a session that they
//! need, so that their fields say what they may look at, and what they may change.
//!
//! `context`, `known_texts` and `snapshots` are what a worker's sessions share. The files inside a folder stand above each other, and each
//! calls only those below it; `tests/architecture.rs` keeps it so.
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

mod command;
mod common;
mod context;
mod exchange;
mod fresh;
mod freshness;
mod known_texts;
mod login;
mod loss;
mod observe;
#[cfg(test)]
mod size_tests;
mod snapshots;
mod statement;
#[cfg(test)]
mod tests;

pub use command::kill_here;
pub use context::Context;

use std::rc::Rc;

use common::{Classifier, Replies, StatementFacts};
use freshness::Reads;
use loss::{Journaling, OfDemoted};
use observe::{Measured, Observation};

use crate::client::{Client, Request};
use crate::net::{Buf, Runtime};
use crate::state::SessionState;
use crate::terms::Close;
use crate::upstream::Upstream;
use crate::worker::Entrance;
use crate::worker::admission::Pass;

/// The session of one client.
// `repr(C)` keeps this order: the fields of these parts that each statement touches are adjacent, so that they share cache
// lines.
#[repr(C)]
pub struct Session<R: Runtime> {
    /// What the worker's sessions share.
    context: Rc<Context<R>>,
    /// What the statement under way did so far.
    measured: Box<Measured>,
    /// The client's leg.
    client: Client<R>,
    /// The server connections.
    upstream: Upstream<R>,
    /// What the session's statements left behind.
    state: SessionState,
    /// Where the session's reads go.
    reads: Reads<R>,
}

impl<R: Runtime> Session<R> {
    /// Creates the session of an accepted socket and registers it with the worker.
    pub fn new(context: Rc<Context<R>>, client: R::Stream, entrance: Entrance, pass: Pass) -> Self {
        let port = entrance.port;
        let handle = context.register(entrance, pass);
        let resources = context.resources.clone();
        Session {
            client: Client::new(resources.clone(), handle.clone(), client),
            upstream: Upstream::new(resources, handle),
            state: SessionState::default(),
            reads: Reads::new(context.clone(), port),
            context,
            measured: Box::default(),
        }
    }

    /// Looks at the statement under way.
    #[inline]
    fn observation(&mut self) -> Observation<'_, R> {
        Observation {
            context: &self.context,
            client: &mut self.client,
            measured: &mut self.measured,
            state: &self.state,
            level: self.reads.level,
        }
    }

    /// Reads texts as the session's servers would.
    #[inline]
    fn classifier(&mut self) -> Classifier<'_, R> {
        Classifier {
            context: &self.context,
            client: &mut self.client,
            measured: &mut self.measured,
            state: &mut self.state,
        }
    }

    /// Looks at what decisions about a statement depend on.
    #[inline]
    fn facts(&self) -> StatementFacts<'_, R> {
        StatementFacts { client: &self.client, upstream: &self.upstream, state: &self.state }
    }

    /// Records the open transaction.
    #[inline]
    fn journaling(&mut self) -> Journaling<'_, R> {
        Journaling {
            context: &self.context,
            client: &self.client,
            upstream: &self.upstream,
            state: &mut self.state,
        }
    }

    /// Decides about what comes from a server that lost the primary's role.
    #[inline]
    fn of_demoted(&mut self) -> OfDemoted<'_, R> {
        OfDemoted {
            context: &self.context,
            client: &mut self.client,
            upstream: &self.upstream,
            state: &mut self.state,
        }
    }

    /// Answers the client.
    #[inline]
    fn replies(&mut self) -> Replies<'_, R> {
        Replies {
            context: &self.context,
            client: &mut self.client,
            measured: &mut self.measured,
            state: &mut self.state,
            level: self.reads.level,
        }
    }

    /// Serves the client until the session ends.
    pub async fn run(&mut self) {
        let port = self.client.port;
        self.context.metrics.accepted[port].add(1);
        self.context.metrics.clients[port].add(1);
        let mut request = Request::reading_into(Buf::default());
        // Boxed: what a login needs should not make every idle session larger.
        let entered = Box::pin(self.connection_phase()).await.map(|begun| request.buf = begun);
        let close = match entered {
            Ok(()) => self.serve(&mut request).await,
            Err(close) => close,
        };
        self.context.buffers.give(request.buf);
        self.end(close).await;
        self.context.metrics.clients[port].sub(1);
        self.context.metrics.closed[close].add(1);
        self.context.unregister(&self.client.handle);
    }

    /// Logs why the session ends, and returns its server connections to the pool if they can be used again.
    async fn end(&mut self, close: Close) {
        match close {
            Close::ClientReadTimeout => tracing::info!(
                id = self.client.handle.id,
                peer = %self.client.handle.peer.get(),
                reason = close.as_str(),
                "a client sent a part of a command, and no more of it within timeouts.client_read"
            ),
            Close::ClientWriteTimeout => tracing::info!(
                id = self.client.handle.id,
                peer = %self.client.handle.peer.get(),
                reason = close.as_str(),
                "a client read nothing more of its answer within timeouts.client_write"
            ),
            _ => tracing::debug!(id = self.client.handle.id,
                peer = %self.client.handle.peer.get(), reason = close.as_str(), "session ends"),
        }
        let fit = !matches!(close, Close::ServerProtocol);
        Box::pin(self.upstream.release(&mut self.state, fit, self.client.collation)).await;
    }
}
