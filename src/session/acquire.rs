//! Which server connection the next statement goes to: the one at hand while its server
//! keeps its role, else another, brought to the session's state; or a wait for a primary.

use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

use super::client_write::ended_by;
use super::request::Request;
use super::{Context, Failure, Session, Signals};
use crate::backend::{
    Applicant, ConnectError, Login, PoolKey, ServerError, Standing, TakeError, Target, Terms,
};
use crate::config::Fallback;
use crate::net::{Buf, Runtime, Stream, or_raised};
use crate::routing::{Decision, Want, may_stay, route};
use crate::telemetry::{Counted, cell_of};
use crate::terms::{Close, Disruption, Pin, Port};
use crate::terms::{Role, Why};
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

/// Why a statement does not go.
pub(super) enum StatementError {
    /// The client gets this; the connection stays.
    Tell(Failure),
    /// The client gets this, and the connection ends.
    TellAndClose(Failure, Close),
    /// The connection ends without a word.
    Close(Close),
    /// `SELECT ROW_COUNT()` on another connection than the statement before it: the session knows the number.
    RowCount,
}

impl<R: Runtime> Session<R> {
    /// Takes the session's own connection for this role, if it has one that may be used. No system call, no
    /// allocation.
    #[inline]
    pub(super) fn take_for(&mut self, role: Role) -> bool {
        let version = self.context.topology.version();
        if let Some(kept) = self.handle.kept(role).get()
            && *self.checked.of(role) != version
        {
            if !self.context.is_good(kept) {
                self.kept_lost();
                return false;
            }
            *self.checked.of_mut(role) = version;
        }
        let kept = self.links.kept_on(role);
        let server = kept.or_else(|| match role {
            Role::Writer => self.context.topology.writer(),
            Role::Reader => self.reader_server(),
        });
        let taken = server.is_some_and(|server| self.take_own(role, server));
        // The pool has looked at its own.
        if taken && kept.is_some() && self.backend.as_mut().is_some_and(|c| !self.context.pool.is_alive(c)) {
            self.server_lost();
            return false;
        }
        taken
    }

    /// Whether a connection in use may get more of a statement: its server still has its role.
    pub(super) fn keeps_its_role(&mut self) -> bool {
        let Some(connection) = &self.backend else { return false };
        let before = self.state.pins.on(self.role).without(self.sent);
        if !before.is_empty() && self.handle.attached.get().is_some_and(|kept| self.context.is_good(kept)) {
            // What holds the session there goes on there, as its smaller statements do.
            return true;
        }
        let about = &connection.about;
        let want = self.context.want(self.port, self.role);
        let snapshot = self.context.topology.get();
        let avoid = if self.role == Role::Reader { self.not_fresh(&snapshot) } else { Vec::new() };
        may_stay(want, &snapshot, about.server, about.generation, &avoid)
            // A transaction on a replica that lost its role ends there, as long as the replica lives.
            || (about.class.read_only && self.state.in_transaction())
    }

    /// What was on connections that were lost is told now, before anything else: to go on without it would be
    /// to go on as another session.
    pub(super) fn tell_of_loss(&mut self) -> Result<(), StatementError> {
        let mut told = Ok(());
        for role in Role::BOTH {
            if !std::mem::take(self.lost.of_mut(role)) {
                continue;
            }
            let held = self.state.held(role);
            let was_open = self.state.pins.on(role).has(Pin::Transaction);
            self.connection_gone(role);
            if let Some(held) = held {
                self.count(Disruption::StateLost);
                return Err(StatementError::TellAndClose(Failure::StateLost(held), Close::ServerLost));
            }
            if was_open {
                self.count(Disruption::RolledBack);
                told = Err(StatementError::Tell(Failure::RolledBack));
            } else {
                self.count(Disruption::Moved);
            }
        }
        told
    }

    /// A connection from the pool. Some: no replica can be had, for this reason.
    pub(super) async fn connect(
        &mut self,
        role: Role,
        buf: &Buf,
        request: &Request,
    ) -> Result<Option<Why>, StatementError> {
        // What was run again on the next primary may be lost with that one, before it is used.
        while self.lost.writer || self.lost.reader {
            if self.lost.writer && self.only_rolls_back(buf, request) {
                self.forget_lost_transaction();
            }
            self.settle_losses().await?;
            if self.keeps(role) && self.take_for(role) {
                return Ok(None);
            }
        }
        // Who waits for one connection must not keep the other for diagnostics that this statement ends.
        self.let_diagnostics_go(role);
        match self.attach(role).await {
            Ok(()) => self.judge_again(buf, request).map(|()| None),
            Err(StatementError::Tell(failure))
                if role == Role::Reader && self.port == Port::Split && is_of_the_replicas(&failure) =>
            {
                let why = self.why_no_reader();
                let fallback = self.context.live.borrow().replicas.fallback;
                if why == Why::NoReplica && fallback == Fallback::None {
                    return Err(StatementError::Tell(match failure {
                        Failure::Unreachable(_) => Failure::NoReplica,
                        failure => failure,
                    }));
                }
                Ok(Some(why))
            }
            Err(stop) => Err(stop),
        }
    }

    /// Gets a connection for the next statement from the pool. Waits for a primary if need be.
    pub(super) async fn attach(&mut self, role: Role) -> Result<(), StatementError> {
        let began = self.handle.budget.began();
        let mut tried = Vec::new();
        let mut last: Option<Failure> = None;
        let mut held = false;
        loop {
            let snapshot = self.context.topology.get();
            let want = self.context.want(self.port, role);
            let context = self.context.clone();
            if role == Role::Reader {
                // As of this snapshot: who may be chosen, and who may stay, are told from the same.
                tried.extend(self.not_fresh(&snapshot));
                tried.sort_unstable();
                tried.dedup();
            }
            let decision = match role {
                Role::Writer => route(want, &snapshot, 0, &tried, |_| 0),
                Role::Reader => self.decide_reader(&snapshot, &tried),
            };
            match decision {
                Decision::Go { server, .. } => {
                    match self.take(role, server, snapshot.generation, &tried).await? {
                        // The world may have changed while it was opened, or waited for.
                        Taken::Connection if self.is_still_right(&tried) => return Ok(()),
                        Taken::Connection | Taken::Moved => {
                            self.server_lost();
                            *self.lost.of_mut(role) = false;
                            // Whatever makes choice and check differ must not keep the worker from all else.
                            context.runtime.sleep(Duration::from_millis(1)).await;
                        }
                        Taken::Failed(error) => {
                            self.handle.budget.spend(began);
                            self.context.outside.kick(server);
                            let failure = self.after_failed_take(error)?;
                            if role == Role::Reader {
                                context.eject(server);
                                tried.push(server);
                            } else {
                                self.pause(began, snapshot.version, &failure).await?;
                            }
                            last = Some(failure);
                        }
                    }
                }
                Decision::NoReplica => return Err(StatementError::Tell(last.unwrap_or(Failure::NoReplica))),
                Decision::WaitForWriter if snapshot.maintenance.read_only => {
                    return Err(StatementError::Tell(Failure::ReadOnlyMaintenance));
                }
                Decision::WaitForWriter => {
                    if !std::mem::replace(&mut held, true) {
                        self.count(Disruption::Held);
                        self.context.outside.kick_all();
                    }
                    self.wait_for_change(snapshot.version).await?;
                }
            }
        }
    }

    /// Whether the connection that was just taken goes where a statement should go now.
    fn is_still_right(&mut self, tried: &[ServerId]) -> bool {
        let (Some(connection), snapshot) = (&self.backend, self.context.topology.get()) else { return false };
        let about = &connection.about;
        let want = self.context.want(self.port, self.role);
        may_stay(want, &snapshot, about.server, about.generation, tried)
    }

    /// A connection to this server. Given up when the server loses its role.
    async fn take(
        &mut self,
        role: Role,
        server: ServerId,
        generation: u64,
        tried: &[ServerId],
    ) -> Result<Taken<ConnectError>, StatementError> {
        if self.take_own(role, server) {
            return Ok(Taken::Connection);
        }
        let context = self.context.clone();
        let snapshot = context.topology.get();
        let target = match snapshot.server(server).map(|found| Target::new(found, generation)) {
            Some(Ok(target)) => target,
            Some(Err(error)) => return Err(StatementError::Tell(Failure::Unreachable(error.to_string()))),
            None => return Ok(Taken::Moved),
        };
        let Some(login) = self.login.clone() else { return Err(StatementError::Close(Close::LoginFailed)) };
        if context.standing(&login) == Standing::Removed {
            return Err(account_removed(&login));
        }
        let (user, credential) = (login.user.clone(), login.generation);
        let key = PoolKey { server, user, credential, class: self.class(role) };
        let terms = self.terms(&login.user);
        let wish = self.state.carried.clone();
        let passing = matches!(self.freshness, super::barrier::Freshness::Diverted(_));
        let applicant = Applicant { id: self.handle.id, wish: &wish, collation: self.collation, passing };
        let taking = context.pool.lease(&key, &target, &login, &applicant, &terms);
        let want = context.want(self.port, role);
        let moved = until_moved(&context, want, server, generation, tried);
        let (mut connection, seat) = match self.unless_ended(first_of(taking, moved)).await? {
            None => return Ok(Taken::Moved),
            Some(Ok(taken)) => taken,
            Some(Err(TakeError::Queue(waited, limit))) => {
                return Err(StatementError::Tell(Failure::Queue(waited, limit)));
            }
            Some(Err(TakeError::Connect(e))) => return Ok(Taken::Failed(e)),
        };
        if context.standing(&login) == Standing::Removed {
            context.pool.vacate(connection, &seat);
            return Err(account_removed(&login));
        }
        // A pooled connection of an earlier generation is of this one if its server is the writer (again).
        connection.about.generation = generation;
        self.use_connection(role, connection, seat);
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
    fn after_failed_take(&self, error: ConnectError) -> Result<Failure, StatementError> {
        let former = |login: &Rc<Login>| self.context.standing(login) == Standing::Former;
        match error {
            ConnectError::Refused(e) if e.code == 1045 && self.login.as_ref().is_some_and(former) => {
                Err(StatementError::TellAndClose(Failure::PasswordChanged, Close::CredentialGone))
            }
            ConnectError::Refused(e) if !is_passing(&e) => Err(StatementError::Tell(Failure::Server(e))),
            ConnectError::Refused(e) => Ok(Failure::Server(e)),
            ConnectError::Auth(e) => Err(StatementError::Tell(Failure::Unreachable(e.to_string()))),
            e => Ok(Failure::Unreachable(e.to_string())),
        }
    }

    /// Between two tries with the primary: the probe that was just kicked tells whether there is another.
    async fn pause(&mut self, began: Instant, version: u64, failure: &Failure) -> Result<(), StatementError> {
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
            return Err(StatementError::Tell(match failure {
                Failure::Unreachable(why) => {
                    Failure::Unreachable(format!("{why}, for {:.1} s (failover.hold)", waited.as_secs_f64()))
                }
                failure => failure.clone(),
            }));
        }
        let paused = self.pause_for_change(pause, version).await;
        self.handle.budget.spend(began);
        paused
    }

    /// Waits this long for another snapshot; none is fine too.
    pub(super) async fn pause_for_change(
        &mut self,
        time: Duration,
        version: u64,
    ) -> Result<(), StatementError> {
        let context = self.context.clone();
        let changed = context.topology.changed_from(version);
        self.unless_ended(context.runtime.timeout(time, changed)).await.map(|_| ())
    }

    /// Waits for another snapshot, as long as `failover.hold` allows the statement to wait in all.
    pub(super) async fn wait_for_change(&mut self, version: u64) -> Result<(), StatementError> {
        let began = self.handle.budget.began();
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
        self.handle.budget.spend(began);
        match waited? {
            Some(()) => Ok(()),
            None => Err(self.hold_expired(began)),
        }
    }

    fn hold_expired(&self, began: Instant) -> StatementError {
        self.count(Disruption::HoldExpired);
        StatementError::Tell(Failure::NoWriter(began.elapsed(), self.context.topology.get().why_no_writer()))
    }

    /// Runs a wait on the session's behalf, unless the client leaves or the session must end.
    pub(super) async fn unless_ended<F: Future>(&mut self, future: F) -> Result<F::Output, StatementError> {
        let ending = Signals::KILLED | Signals::END;
        let gone = self.client.peer_closed();
        let either = first_of(future, gone);
        match or_raised(&self.handle.signal, ending, either).await {
            Ok(Some(output)) => Ok(output),
            Ok(None) => Err(StatementError::Close(Close::ClientLost)),
            Err(raised) if raised & Signals::KILLED != 0 => {
                Err(StatementError::TellAndClose(Failure::Interrupted, Close::Killed))
            }
            Err(raised) => Err(StatementError::TellAndClose(Failure::ShuttingDown, ended_by(raised))),
        }
    }

    pub(super) fn count(&self, disruption: Disruption) {
        cell_of(&self.context.metrics.disruptions, disruption as usize).add(1);
    }
}

/// Whether no replica could be had, for reasons that say nothing of the primary. One that is full refuses with an ERR packet.
fn is_of_the_replicas(failure: &Failure) -> bool {
    match failure {
        Failure::NoReplica | Failure::Unreachable(_) => true,
        Failure::Server(error) => is_passing(error),
        _ => false,
    }
}

/// A session of an account that is gone gets no server connection.
fn account_removed(login: &Login) -> StatementError {
    StatementError::TellAndClose(Failure::AccountRemoved(login.user.clone()), Close::CredentialGone)
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
pub(super) fn is_passing(e: &ServerError) -> bool {
    matches!(e.code, 1040 | 1203 | 1226 | 1053 | 1927)
}
