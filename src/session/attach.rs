//! Which server connection the next statement goes to: the one at hand while its server
//! keeps its role, else another, brought to the session's state; or a wait for a primary.

use std::time::Duration;

use tokio::time::Instant;

use super::client::ended_by;
use super::{Attached, Context, Failure, Session, Signals};
use crate::backend::{
    ConnectError, Connection, PoolKey, ServerError, SwallowError, TakeError, Target, Terms,
};
use crate::net::{Buf, Endpoint, Runtime, Stream, or_raised};
use crate::routing::{Decision, Want, may_stay, route};
use crate::telemetry::{Close, Counted, Disruption, cell_of};
use crate::topology::ServerId;

/// What came of taking a connection.
enum Taken<E> {
    /// The session has it.
    Connection,
    /// The server lost its role meanwhile.
    Moved,
    /// It could not be opened.
    Failed(E),
}

/// Why no connection was taken.
enum NotTaken {
    Pool(TakeError),
    State(SwallowError),
}

impl From<TakeError> for NotTaken {
    fn from(e: TakeError) -> Self {
        NotTaken::Pool(e)
    }
}

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
        let here = self.keeps_its_role();
        here && (!self.backend.as_mut().is_some_and(|c| c.stream.has_news()) || self.still_alive())
    }

    /// Whether the connection's server is still the one for this session.
    #[inline]
    pub(super) fn keeps_its_role(&mut self) -> bool {
        let Some(connection) = &self.backend else { return false };
        let version = self.context.topology.version();
        if version != self.checked {
            let want = self.context.want(self.port);
            let about = &connection.about;
            let snapshot = self.context.topology.get();
            // A transaction on a replica that lost its role ends there, as long as the replica lives.
            if may_stay(want, &snapshot, about.server, about.generation, &[]) {
                self.checked = version;
            } else if !(about.class.read_only && self.state.in_transaction()) {
                return false;
            }
        }
        true
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
            drop(connection);
        }
    }

    /// Gets a connection for the next statement, and its prelude. Waits for a primary if need be.
    pub(super) async fn attach(&mut self) -> Result<(), Stop> {
        self.let_go()?;
        let began = Instant::now();
        let mut tried: Vec<ServerId> = Vec::new();
        let mut last: Option<Failure> = None;
        let mut held = false;
        loop {
            let snapshot = self.context.topology.get();
            let want = self.context.want(self.port);
            let context = self.context.clone();
            match route(want, &snapshot, context.random(), &tried, |id| context.load(id)) {
                Decision::Go { server, .. } => match self.take(server, snapshot.generation, &tried).await? {
                    // The world may have changed while it was opened, or waited for.
                    Taken::Connection if self.is_still_right(&tried) => return Ok(()),
                    Taken::Connection | Taken::Moved => {
                        self.server_lost();
                        // Whatever makes choice and check differ must not keep the worker from all else.
                        context.runtime.sleep(Duration::from_millis(1)).await;
                    }
                    Taken::Failed(error) => {
                        self.context.outside.kick(server);
                        let failure = self.after_failed_take(error)?;
                        if self.class().read_only {
                            tried.push(server);
                        } else {
                            self.pause(began, snapshot.version, &failure).await?;
                        }
                        last = Some(failure);
                    }
                },
                Decision::NoReplica => return Err(Stop::Tell(last.unwrap_or(Failure::NoReplica))),
                Decision::WaitForWriter => {
                    if !std::mem::replace(&mut held, true) {
                        self.count(Disruption::Held);
                        self.context.outside.kick_all();
                    }
                    self.wait_for_change(began, snapshot.version).await?;
                }
            }
        }
    }

    /// Whether the connection that was just taken goes where a statement should go now.
    fn is_still_right(&mut self, tried: &[ServerId]) -> bool {
        let (Some(connection), snapshot) = (&self.backend, self.context.topology.get()) else { return false };
        let about = &connection.about;
        let want = self.context.want(self.port);
        let right = may_stay(want, &snapshot, about.server, about.generation, tried);
        self.checked = snapshot.version;
        right
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
        self.state.moves();
        Ok(())
    }

    /// A connection to this server, with the prelude for it. Given up when the server loses its role.
    async fn take(
        &mut self,
        server: ServerId,
        generation: u64,
        tried: &[ServerId],
    ) -> Result<Taken<ConnectError>, Stop> {
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
        let collation = self.collation;
        let taking = async {
            let mut connection = context.pool.take(&key, &target, &login, &wish, collation, &terms).await?;
            // A pooled connection of an earlier generation is of this one if its server is the writer (again).
            connection.about.generation = generation;
            let mut prelude = Vec::new();
            if connection.has_past && !wish.variables.is_empty() {
                // A session that moves with more than a new session has: all of it is brought, and checked, here.
                connection.reset(&mut prelude);
            }
            if !connection.become_session(&wish, &mut prelude) {
                let brought = bring(&mut connection, std::mem::take(&mut prelude));
                match context.runtime.timeout(terms.connect, brought).await {
                    Some(Ok(())) => {}
                    Some(Err(e)) => return Err(NotTaken::State(e)),
                    None => return Err(NotTaken::Pool(ConnectError::Timeout(terms.connect).into())),
                }
            }
            Ok((connection, prelude))
        };
        let want = context.want(self.port);
        let moved = until_moved(&context, want, server, generation, tried);
        let (connection, prelude) = match self.unless_ended(first_of(taking, moved)).await? {
            None => return Ok(Taken::Moved),
            Some(Ok(taken)) => taken,
            Some(Err(NotTaken::State(e))) => return refused_state(e),
            Some(Err(NotTaken::Pool(TakeError::Queue(waited)))) => {
                return Err(Stop::Tell(Failure::Queue(waited)));
            }
            Some(Err(NotTaken::Pool(TakeError::Connect(e)))) => return Ok(Taken::Failed(e)),
        };
        self.handle.attached.set(Some(Attached {
            server,
            generation,
            thread_id: connection.about.thread_id,
            read_only: connection.about.class.read_only,
        }));
        context.count_in(server);
        self.was_attached = true;
        self.prelude = prelude;
        self.backend = Some(connection);
        Ok(Taken::Connection)
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
    /// for the rest there may be a better server, or a better moment.
    fn after_failed_take(&self, error: ConnectError) -> Result<Failure, Stop> {
        match error {
            ConnectError::Refused(e) if !is_passing(&e) => Err(Stop::Tell(Failure::Server(e))),
            ConnectError::Refused(e) => Ok(Failure::Server(e)),
            ConnectError::Auth(e) => Err(Stop::Tell(Failure::Unreachable(e.to_string()))),
            e => Ok(Failure::Unreachable(e.to_string())),
        }
    }

    /// Between two tries with the primary: the probe that was just kicked tells whether there is another.
    async fn pause(&mut self, began: Instant, version: u64, failure: &Failure) -> Result<(), Stop> {
        let (hold, queue) = {
            let live = self.context.live.borrow();
            (live.failover.hold, live.limits.queue_timeout)
        };
        let waited = began.elapsed();
        // A server that is full will not be less so for a failover.
        let limit = if matches!(failure, Failure::Server(_)) { hold.min(queue) } else { hold };
        let pause = (waited / 4).clamp(Duration::from_millis(20), Duration::from_millis(200));
        if waited + pause >= limit {
            self.count(Disruption::HoldExpired);
            return Err(Stop::Tell(failure.clone()));
        }
        self.pause_for_change(pause, version).await
    }

    /// Waits this long for another snapshot; none is fine too.
    pub(super) async fn pause_for_change(&mut self, time: Duration, version: u64) -> Result<(), Stop> {
        let context = self.context.clone();
        let changed = context.topology.changed_from(version);
        self.unless_ended(context.runtime.timeout(time, changed)).await.map(|_| ())
    }

    /// Waits for another snapshot, as long as `failover.hold` allows.
    pub(super) async fn wait_for_change(&mut self, began: Instant, version: u64) -> Result<(), Stop> {
        let hold = self.context.live.borrow().failover.hold;
        let left = hold.saturating_sub(began.elapsed());
        if left.is_zero() {
            return Err(self.hold_expired(began));
        }
        let context = self.context.clone();
        let waiting = Counted::on(&context.metrics.waiting_for_writer);
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
fn refused_state(e: SwallowError) -> Result<Taken<ConnectError>, Stop> {
    match e {
        SwallowError::Schema(e) => Err(Stop::Tell(Failure::Server(e))),
        SwallowError::State(e) => {
            tracing::warn!(error = %e, "a server refuses the state of a session");
            let failure = Failure::StateLost("variables that the new server refuses");
            Err(Stop::TellAndClose(failure, Close::ServerLost))
        }
        SwallowError::Protocol(e) => Ok(Taken::Failed(e.into())),
        SwallowError::Io(e) => Ok(Taken::Failed(e.into())),
    }
}

/// Ends when a session with this want must not stay with the server any more.
async fn until_moved<R: Runtime>(
    context: &Context<R>,
    want: Want,
    server: ServerId,
    generation: u64,
    tried: &[ServerId],
) {
    loop {
        let snapshot = context.topology.get();
        if !may_stay(want, &snapshot, server, generation, tried) {
            return;
        }
        context.topology.changed_from(snapshot.version).await;
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
