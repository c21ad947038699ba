//! Acquires the server connection for the next statement: the session's own connection while its server keeps its role,
//! otherwise a connection from the pool. Waits while there is no primary.

use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

use crate::backend::{ConnectError, Login, Standing};
use crate::client::refusals::is_passing;
use crate::client::{Failure, RequestHead, StatementError};
use crate::net::Runtime;
use crate::routing::{Decision, may_stay, route};
use crate::session::Session;
use crate::session::fresh::{Freshness, Needed};
use crate::sql::Effects;
use crate::state::ReadingTransactions;
use crate::terms::{Close, Disruption, Pin, Port, Role};
use crate::topology::{ServerId, Snapshot};
use crate::upstream::{Opened, Wanted};
use crate::wire::error_code::ER_ACCESS_DENIED_ERROR;

/// A statement fails if a server ended more connections than this after a PROXY header.
const MOST_HEADERS: u32 = 3;

impl<R: Runtime> Session<R> {
    /// Takes the session's own connection for this role, which leads to a server that is fresh enough. Returns false if the
    /// session has none that is usable. Costs no system call and no allocation.
    #[inline]
    pub(in crate::session) fn take_for(&mut self, role: Role, freshness: &Freshness) -> bool {
        if !self.upstream.check_kept(&mut self.state, role) {
            return false;
        }
        let mut kept = self.upstream.kept_on(role);
        if kept.is_some()
            && role == Role::Replica
            && self.upstream.kept_has_more(role, &self.state.carried)
            && self.upstream.let_replica_go(&mut self.state)
        {
            kept = None;
        }
        let server = kept.or_else(|| match role {
            Role::Primary => self.context.topology.primary(),
            Role::Replica => self.reads.server(&mut self.state.written, freshness),
        });
        let taken = server.is_some_and(|server| {
            self.upstream.take_own(role, server, self.client.class(role), &self.state.carried)
        });
        // The pool has already checked a parked connection, so only a kept connection is checked here.
        if taken
            && kept.is_some()
            && self.upstream.connection_mut().is_some_and(|c| !self.context.pool.is_alive(c))
        {
            self.upstream.server_lost();
            return false;
        }
        taken
    }

    /// Takes the connection on which the last statement ran. For a request that reads diagnostics, takes the connection
    /// that has the diagnostics. Returns false if that connection is not available.
    pub(in crate::session) fn take_last(&mut self, role: Role, request: &RequestHead) -> bool {
        let asks = |effects| request.class.effects.contains(effects);
        let last = match () {
            () if asks(Effects::READS_DIAGNOSTICS) => self.state.diagnostics.connection(),
            () if asks(Effects::READS_FOUND_ROWS) => self.state.last.query.connection,
            () => self.state.last.connection,
        };
        match last {
            Some(at) if !self.upstream.keeps(role) => {
                self.upstream.take_own(role, at.server, self.client.class(role), &self.state.carried)
            }
            _ => false,
        }
    }

    /// Returns an error if the session lost a transaction or other state together with a connection. Must be called
    /// before the next statement runs: a session that continued without that state would answer wrongly.
    pub(in crate::session) fn tell_of_loss(&mut self) -> Result<(), StatementError> {
        let mut result = Ok(());
        for role in Role::BOTH {
            if !std::mem::take(self.upstream.lost.of_mut(role)) {
                continue;
            }
            let held = self.state.held(role);
            let was_open = self.state.pins.on(role).has(Pin::Transaction);
            self.state.connection_gone(role);
            if was_open && role == Role::Replica {
                // The client is told: the transaction does not go on, on the primary.
                self.state.transaction.reading -= ReadingTransactions::BEGINS;
            }
            if let Some(held) = held {
                self.measured.disrupted(&self.context, Disruption::StateLost);
                return Err(StatementError::TellAndClose(Failure::StateLost(held), Close::ServerLost));
            }
            if was_open {
                self.measured.disrupted(&self.context, Disruption::RolledBack);
                result = Err(StatementError::Tell(Failure::RolledBack));
            } else {
                self.measured.disrupted(&self.context, Disruption::Moved);
            }
        }
        result
    }

    /// Acquires a connection to a server that is fresh enough from the pool. Waits for a primary if there is none.
    pub(in crate::session) async fn attach(
        &mut self,
        role: Role,
        freshness: &Freshness,
    ) -> Result<(), StatementError> {
        let began = self.client.budget.began();
        let mut tried = Vec::new();
        let mut last: Option<Failure> = None;
        let (mut held, mut headers) = (false, 0);
        loop {
            let snapshot = self.context.topology.get();
            let want = self.context.want(self.client.port, role);
            let context = self.context.clone();
            let needed = Needed { written: &self.state.written, freshness };
            if role == Role::Replica {
                // Computed from this snapshot, so that `decide` and `is_still_right` exclude the same replicas.
                tried.extend(self.reads.not_fresh(&needed, &snapshot));
                if let Some(login) = &self.client.login {
                    context.add_refusing(&login.user, &mut tried);
                }
                tried.sort_unstable();
                tried.dedup();
            }
            let decision = match role {
                Role::Primary => route(want, &snapshot, 0, &tried, |_| 0),
                Role::Replica => self.reads.decide(&needed, &snapshot, &tried),
            };
            match decision {
                Decision::Go { server, .. } => {
                    let generation = snapshot.generation;
                    let passing = matches!(freshness, Freshness::Diverted(_));
                    let wanted = Wanted { role, server, generation, want, tried: &tried, passing };
                    match self.upstream.open(&mut self.client, &self.state, &wanted).await? {
                        // The topology may have changed while the connection was being opened or waited for.
                        Opened::Connection if self.is_still_right(&tried) => return Ok(()),
                        Opened::Connection | Opened::Moved => {
                            self.upstream.server_lost();
                            *self.upstream.lost.of_mut(role) = false;
                            // If the choice and the check disagree for long, this pause keeps the loop from
                            // blocking the worker.
                            context.runtime.sleep(Duration::from_millis(1)).await;
                        }
                        Opened::Failed(error) => {
                            self.client.budget.spend(began);
                            self.context.doubt(server, &error);
                            let of_replica = role == Role::Replica && snapshot.primary != Some(server);
                            let failure = self.after_failed_take(error, &mut headers, of_replica)?;
                            if role == Role::Replica {
                                self.avoid_replica(&snapshot, server, &failure);
                                tried.push(server);
                            } else {
                                self.pause(began, snapshot.version, &failure).await?;
                            }
                            last = Some(failure);
                        }
                    }
                }
                Decision::NoReplica => match last.take() {
                    // On a replica port nobody else can serve: what failed is tried again, like a primary.
                    Some(failure @ Failure::Unreachable(_)) if self.client.port == Port::Replica => {
                        self.pause(began, snapshot.version, &failure).await?;
                        tried.clear();
                    }
                    failure => return Err(StatementError::Tell(failure.unwrap_or(Failure::NoReplica))),
                },
                Decision::WaitForPrimary if snapshot.maintenance.read_only => {
                    return Err(StatementError::Tell(Failure::ReadOnlyMaintenance));
                }
                Decision::WaitForPrimary => {
                    if !std::mem::replace(&mut held, true) {
                        self.measured.disrupted(&self.context, Disruption::Held);
                        self.context.outside.kick_all();
                    }
                    self.client.wait_for_change(snapshot.version).await?;
                }
            }
        }
    }

    /// True if the connection that was just acquired leads to a server where the statement should still run.
    fn is_still_right(&mut self, tried: &[ServerId]) -> bool {
        let (Some(connection), snapshot) = (self.upstream.connection(), self.context.topology.get()) else {
            return false;
        };
        let about = &connection.about;
        let want = self.context.want(self.client.port, self.upstream.role);
        may_stay(want, &snapshot, about.server, about.generation, tried)
    }

    /// Has reads avoid a replica to which no connection could be opened: all reads, or those of an account that it refuses.
    fn avoid_replica(&self, snapshot: &Snapshot, server: ServerId, failure: &Failure) {
        match (failure, &self.client.login, snapshot.server(server)) {
            (Failure::Server(error), Some(login), Some(found)) if !is_passing(error) => {
                self.context.note_refusing(found, &login.user, error);
            }
            _ => self.context.eject(server),
        }
    }

    /// Handles a server that could not be reached, or that refused the connection. Returns Err if the client must get
    /// the error, because it is about the account. Returns Ok if another server, or a later attempt, may succeed: what a
    /// replica says of an account (`of_replica`) is not the last word.
    /// `headers` counts the attempts that failed after a PROXY header.
    fn after_failed_take(
        &self,
        error: ConnectError,
        headers: &mut u32,
        of_replica: bool,
    ) -> Result<Failure, StatementError> {
        let former = |login: &Rc<Login>| self.context.standing(login) == Standing::Former;
        match error {
            ConnectError::Refused(e) if of_replica => Ok(Failure::Server(e)),
            ConnectError::Refused(e)
                if e.code == ER_ACCESS_DENIED_ERROR && self.client.login.as_ref().is_some_and(former) =>
            {
                Err(StatementError::TellAndClose(Failure::PasswordChanged, Close::CredentialGone))
            }
            ConnectError::Refused(e) if !is_passing(&e) => Err(StatementError::Tell(Failure::Server(e))),
            ConnectError::Refused(e) => Ok(Failure::Server(e)),
            e @ (ConnectError::Auth(_) | ConnectError::Address(_)) => {
                Err(StatementError::Tell(Failure::Unreachable(e.to_string())))
            }
            // A server that is being lost ends a connection, too, but then refuses the next one.
            e @ ConnectError::ProxyHeader { .. } if *headers == MOST_HEADERS => {
                Err(StatementError::Tell(Failure::Unreachable(e.to_string())))
            }
            e => {
                *headers += u32::from(matches!(e, ConnectError::ProxyHeader { .. }));
                Ok(Failure::Unreachable(e.to_string()))
            }
        }
    }

    /// Pauses between two attempts to connect to the primary. The pause ends early when the probe that was just
    /// requested changes the snapshot. Returns an error once the time is over.
    async fn pause(&mut self, began: Instant, version: u64, failure: &Failure) -> Result<(), StatementError> {
        let (hold, queue) = {
            let live = self.context.live.borrow();
            (live.failover.hold, live.limits.queue_timeout)
        };
        // A failover does not help against a full server, so this wait is also limited by `limits.queue_timeout`.
        let limit = if matches!(failure, Failure::Server(_)) { hold.min(queue) } else { hold };
        if self.client.pause_before_next_try(began, limit, version).await? {
            return Ok(());
        }
        self.measured.disrupted(&self.context, Disruption::HoldExpired);
        Err(StatementError::Tell(failure.clone().held(began.elapsed())))
    }
}
