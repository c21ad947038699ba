//! Which server connection the next statement goes to: the one at hand while its server
//! keeps its role, else another, brought to the session's state; or a wait for a primary.

use std::time::Duration;

use tokio::time::Instant;

use super::client::ended_by;
use super::{Attached, Failure, Session, Signals};
use crate::backend::{
    ConnectError, Connection, PoolKey, ServerError, SwallowError, TakeError, Target, Terms,
};
use crate::net::{Buf, Endpoint, Runtime, Stream, or_raised};
use crate::routing::{Decision, may_stay, route};
use crate::telemetry::{Close, Disruption, cell_of};
use crate::topology::ServerId;

/// Why a statement does not go.
pub(super) enum Stop {
    /// The client gets this; the connection stays.
    Tell(Failure),
    /// The client gets this, and the connection ends.
    TellAndClose(Failure, Close),
    /// The connection ends without a word.
    Close(Close),
}

impl<R: Runtime> Session<R> {
    /// Whether the connection at hand is the right one. No system call, no allocation.
    #[inline]
    pub(super) fn is_attached(&mut self) -> bool {
        let Some(connection) = &mut self.backend else { return false };
        let version = self.context.topology.version();
        if version != self.checked {
            let want = self.context.want(self.port);
            let about = &connection.about;
            let snapshot = self.context.topology.get();
            // A transaction on a replica that lost its role ends there, as long as the replica lives.
            let stays = may_stay(want, &snapshot, about.server, about.generation)
                || (about.class.read_only && self.state.in_transaction());
            if !stays {
                return false;
            }
            self.checked = version;
        }
        !connection.stream.has_news() || self.still_alive()
    }

    /// The server said something unasked, or closed.
    fn still_alive(&mut self) -> bool {
        let mut spare = self.buffer();
        let alive = self.backend.as_mut().is_some_and(|c| c.is_alive(&mut spare));
        self.context.buffers.give(spare);
        alive
    }

    /// The server is lost or must not be spoken to: lets the connection go. What that means for the
    /// session is said to the client at its next statement.
    pub(super) fn server_lost(&mut self) {
        self.handle.signal.lower(Signals::LOST);
        self.handle.attached.set(None);
        self.prelude.clear();
        if let Some(connection) = self.backend.take() {
            self.context.count_out(connection.about.server);
            self.context.pool.abandon(connection);
        }
    }

    /// Gets a connection for the next statement, and its prelude. Waits for a primary if need be.
    pub(super) async fn attach(&mut self) -> Result<(), Stop> {
        self.let_go()?;
        let began = Instant::now();
        let mut tried: Vec<ServerId> = Vec::new();
        let mut last_error = None;
        loop {
            let snapshot = self.context.topology.get();
            let want = self.context.want(self.port);
            let hold = self.context.live.borrow().failover.hold;
            let context = self.context.clone();
            match route(want, &snapshot, context.random(), &tried, |id| context.load(id)) {
                Decision::Go { server, .. } => match self.take(server, snapshot.generation).await? {
                    Ok(()) => {
                        self.checked = snapshot.version;
                        return Ok(());
                    }
                    Err(error) => {
                        self.context.outside.kick(server);
                        tried.push(server);
                        last_error = Some(error.to_string());
                        self.after_failed_take(began, hold, snapshot.version, error).await?;
                    }
                },
                Decision::NoReplica => {
                    return Err(Stop::Tell(match last_error {
                        Some(why) => Failure::Unreachable(why),
                        None => Failure::NoReplica,
                    }));
                }
                Decision::WaitForWriter => {
                    self.context.outside.kick_all();
                    self.wait_for_change(began, hold, snapshot.version).await?;
                }
            }
        }
    }

    /// Leaves the connection at hand, if there is one. An error if the session cannot leave silently.
    fn let_go(&mut self) -> Result<(), Stop> {
        let had_one = self.backend.is_some();
        self.server_lost();
        let was_open = self.state.in_transaction();
        self.state.lost_connection();
        if let Some(held) = self.state.held() {
            self.count(Disruption::StateLost);
            return Err(Stop::TellAndClose(Failure::StateLost(held), Close::ServerLost));
        }
        if was_open {
            self.count(Disruption::RolledBack);
            return Err(Stop::Tell(Failure::RolledBack));
        }
        if had_one {
            self.count(Disruption::Moved);
        }
        Ok(())
    }

    /// A connection to this server, with the prelude for it.
    async fn take(&mut self, server: ServerId, generation: u64) -> Result<Result<(), ConnectError>, Stop> {
        let context = self.context.clone();
        let snapshot = context.topology.get();
        let address = snapshot.server(server).map(|s| s.address.clone()).unwrap_or_default();
        let Ok(endpoint) = address.parse::<Endpoint>() else {
            return Err(Stop::Tell(Failure::Unreachable(format!("{address} is not an address"))));
        };
        let Some(login) = self.login.clone() else { return Err(Stop::Close(Close::LoginFailed)) };
        let key = PoolKey { server, user: login.user.clone(), class: self.class() };
        let target = Target { server, endpoint, generation };
        let terms = self.terms(&login.user);
        let wish = self.state.carried.clone();
        let taking = context.pool.take(&key, &target, &login, &wish, self.collation, &terms);
        let mut connection = match self.unless_ended(taking).await? {
            Ok(connection) => connection,
            Err(TakeError::Queue(waited)) => return Err(Stop::Tell(Failure::Queue(waited))),
            Err(TakeError::Connect(e)) => return Ok(Err(e)),
        };
        if !connection.become_session(&wish, &mut self.prelude) {
            let prelude = std::mem::take(&mut self.prelude);
            if let Err(e) = self.unless_ended(bring(&mut connection, prelude)).await? {
                context.pool.abandon(connection);
                return refused_state(e);
            }
        }
        // A pooled connection of an earlier generation is of this one if its server is the writer (again).
        connection.about.generation = generation;
        self.handle.attached.set(Some(Attached {
            server,
            generation,
            thread_id: connection.about.thread_id,
            read_only: connection.about.class.read_only,
        }));
        context.count_in(server);
        self.backend = Some(connection);
        Ok(Ok(()))
    }

    fn terms(&self, user: &str) -> Terms {
        let live = self.context.live.borrow();
        Terms {
            server_limit: live.limits.max_server_connections.get(),
            user_limit: live.users.get(user).and_then(|u| u.max_server_connections).map(usize::from),
            queue: live.limits.queue_timeout,
            connect: live.timeouts.connect,
        }
    }

    /// A server could not be reached, or refused. What it said of this account is the client's to hear;
    /// for the rest there may be a better server soon.
    async fn after_failed_take(
        &mut self,
        began: Instant,
        hold: Duration,
        version: u64,
        error: ConnectError,
    ) -> Result<(), Stop> {
        match error {
            ConnectError::Refused(e) if !is_passing(&e) => Err(Stop::Tell(Failure::Server(e))),
            ConnectError::Auth(e) => Err(Stop::Tell(Failure::Unreachable(e.to_string()))),
            _ if self.class().read_only => Ok(()),
            _ => {
                // The probe that was just kicked tells whether there is another primary.
                let pause = Duration::from_millis(20);
                if began.elapsed() + pause >= hold {
                    return Err(self.hold_expired(began));
                }
                self.pause_for_change(pause, version).await
            }
        }
    }

    /// Waits this long for another snapshot; none is fine too.
    pub(super) async fn pause_for_change(&mut self, time: Duration, version: u64) -> Result<(), Stop> {
        let context = self.context.clone();
        let changed = context.topology.changed_from(version);
        self.unless_ended(context.runtime.timeout(time, changed)).await.map(|_| ())
    }

    /// Waits for another snapshot, as long as `hold` allows.
    pub(super) async fn wait_for_change(
        &mut self,
        began: Instant,
        hold: Duration,
        version: u64,
    ) -> Result<(), Stop> {
        let left = hold.saturating_sub(began.elapsed());
        if left.is_zero() {
            return Err(self.hold_expired(began));
        }
        let context = self.context.clone();
        self.count(Disruption::Held);
        let waiting = context.metrics.waiting_for_writer.held();
        let changed = context.topology.changed_from(version);
        let waited = self.unless_ended(context.runtime.timeout(left, changed)).await;
        drop(waiting);
        match waited? {
            Some(()) => Ok(()),
            None => Err(self.hold_expired(began)),
        }
    }

    fn hold_expired(&self, began: Instant) -> Stop {
        self.count(Disruption::HoldExpired);
        Stop::Tell(Failure::NoWriter(began.elapsed()))
    }

    /// Runs a wait on the session's behalf, unless the client leaves or the session must end.
    async fn unless_ended<F: Future>(&mut self, future: F) -> Result<F::Output, Stop> {
        let ending = Signals::KILLED | Signals::END;
        let gone = self.client.peer_closed();
        let either = first_of(future, gone);
        match or_raised(&self.handle.signal, ending, either).await {
            Ok(Some(output)) => Ok(output),
            Ok(None) => Err(Stop::Close(Close::ClientLost)),
            Err(raised) if raised & Signals::KILLED != 0 => {
                Err(Stop::TellAndClose(Failure::Interrupted, Close::Killed))
            }
            Err(raised) => Err(Stop::TellAndClose(Failure::ShuttingDown, ended_by(raised))),
        }
    }

    pub(super) fn count(&self, disruption: Disruption) {
        cell_of(&self.context.metrics.disruptions, disruption as usize).add(1);
    }
}

/// Sends the prelude alone and waits for its answers.
async fn bring<S: Stream>(connection: &mut Connection<S>, prelude: Vec<u8>) -> Result<(), SwallowError> {
    let mut out = Buf::with_room(prelude.len());
    out.extend_from_slice(&prelude);
    connection.stream.write_all(out).await.0?;
    connection.settle().await
}

/// A server does not take the session's state: nothing of the statement was sent.
fn refused_state(e: SwallowError) -> Result<Result<(), ConnectError>, Stop> {
    match e {
        SwallowError::Schema(e) => Err(Stop::Tell(Failure::Server(e))),
        SwallowError::State(e) => {
            tracing::warn!(error = %e, "a server refuses the state of a session");
            let failure = Failure::StateLost("variables that the new server refuses");
            Err(Stop::TellAndClose(failure, Close::ServerLost))
        }
        SwallowError::Protocol(e) => Ok(Err(e.into())),
        SwallowError::Io(e) => Ok(Err(e.into())),
    }
}

/// The output of `first`, or None if `other` ends before.
pub(super) async fn first_of<F: Future, O: Future>(first: F, other: O) -> Option<F::Output> {
    let mut first = std::pin::pin!(first);
    let mut other = std::pin::pin!(other);
    std::future::poll_fn(|cx| {
        if let std::task::Poll::Ready(output) = first.as_mut().poll(cx) {
            return std::task::Poll::Ready(Some(output));
        }
        other.as_mut().poll(cx).map(|_| None)
    })
    .await
}

/// Refusals of a login that say something of the server's moment, not of the account: too many
/// connections (1040, 1203, 1226), shutting down (1053), starting (1130 is not one of them).
fn is_passing(e: &ServerError) -> bool {
    matches!(e.code, 1040 | 1203 | 1226 | 1053 | 1927)
}
