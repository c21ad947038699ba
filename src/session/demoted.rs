//! Handles a primary that lost its role but lives. Statements under way on it are ended there and run again
//! on the next primary. If an OK arrives from it nevertheless, the client gets that OK only if the next
//! primary has what was written. An account that bypasses `read_only`, and a procedure of such an account,
//! can write on a demoted primary without an error.

use std::rc::Rc;

use tokio::time::Instant;

use super::acquire::StatementError;
use super::answer::Walk;
use super::commits::UNSETTLED;
use super::exchange::Outcome;
use super::handle::Deed;
use super::kill::UnderWay;
use super::request::Request;
use super::restore::Brought;
use super::{Attached, Context, Failure, Handle, Session};
use crate::backend::{
    Connection, Login, QueryError, ServerError, Target, connect, own_class, passes_read_only,
};
use crate::net::{Buf, Runtime, Stream};
use crate::sql::Effects;
use crate::state::Written;
use crate::terms::Role;
use crate::terms::StatementKind;
use crate::terms::{Close, Disruption};
use crate::topology::{Flavor, GtidSet, Health, Server, ServerId};
use crate::wire::{Command, ResponseWalker};

/// utf8mb4_general_ci, which every server has.
const COLLATION: u16 = 45;

/// How many primaries are tried to run a statement again, before the client gets an error.
const MAX_PRIMARIES: u32 = 4;

/// The writes that an answer reports although its server had lost the primary's role by then.
#[derive(Debug, Default)]
pub(super) struct Late {
    /// The GTIDs that the answer reports.
    set: Option<GtidSet>,
    /// True if one of these GTIDs could not be parsed.
    incomplete: bool,
}

impl Late {
    pub(super) fn add(&mut self, gtid: &[u8], flavor: Flavor) {
        let set = self.set.get_or_insert(GtidSet::empty(flavor));
        self.incomplete |= set.insert(gtid).is_err();
    }
}

/// The state of the client's answer and of the session before a part of a late answer.
pub(super) struct BeforeLate {
    seq: u8,
    between: bool,
    written: Written,
}

impl BeforeLate {
    /// Records the state. `written` is what the session had written by then.
    pub(super) fn of(walker: &ResponseWalker, written: Written) -> Self {
        BeforeLate { seq: walker.client_seq(), between: walker.between_packets(), written }
    }
}

/// Why the client does not get a part of a late answer.
pub(super) enum NotKept {
    /// The next primary is not known to have the writes that the part acknowledges.
    Doubt {
        /// The sequence id of the error packet that replaces the part.
        seq: u8,
        /// True if the client has no incomplete packet.
        between: bool,
    },
    /// The session ends, or its client has left.
    Stop(StatementError),
}

impl Deed {
    /// Returns what a statement can do to the primary's data.
    #[inline]
    pub(super) fn of(role: Role, request: &Request) -> Self {
        let effects = request.class.effects;
        let parts = Effects::LEAVES_UNKNOWN | Effects::EXECUTES | Effects::COMMITS_IMPLICITLY;
        let runs =
            matches!(request.command, Command::Query | Command::StmtExecute | Command::StmtBulkExecute);
        match request.class.kind {
            _ if role == Role::Reader || !runs => Deed::Reads,
            _ if effects.contains(Effects::CALLS) => Deed::Calls,
            StatementKind::Ddl | StatementKind::Unknown => Deed::Others,
            kind if kind >= StatementKind::Write && effects.intersects(parts) => Deed::Others,
            StatementKind::Write => Deed::Writes,
            _ if effects.contains(Effects::ENDS) => Deed::Writes,
            _ => Deed::Reads,
        }
    }
}

impl<R: Runtime> Session<R> {
    /// True if the server in use is no longer the primary, although the session acquired it as the primary.
    #[inline]
    pub(super) fn is_late(&self) -> bool {
        self.role == Role::Writer
            && self.handle.attached.get().is_some_and(|here| {
                self.context.topology.writer() != Some(here.server) && self.context.has_demoted(here)
            })
    }

    /// True if the proxy itself ended, or tries to end, the statement under way.
    #[inline]
    pub(super) fn was_interrupted(&self) -> bool {
        let demoted = self.handle.demoted.get();
        demoted.is_some() && demoted == self.handle.attached.get()
    }

    /// True if the server in use would execute this write although it is read-only and no longer the primary,
    /// because the account bypasses `read_only`.
    #[inline]
    pub(super) fn passes_read_only(&self, buf: &Buf, request: &Request) -> bool {
        self.is_late()
            && !matches!(Deed::of(self.role, request), Deed::Reads)
            && self.login.as_ref().is_some_and(|login| self.context.passes(&login.user) == Some(true))
            && !self.only_rolls_back(buf, request)
    }

    /// Returns the outcome of a statement that a read-only server refused, without sending it. The server
    /// itself refuses the statements of accounts that do not bypass `read_only`.
    pub(super) fn refused_unsent(&self) -> Outcome {
        let message =
            b"The server is running with the --read-only option so it cannot execute this statement";
        let error = ServerError { code: 1290, sqlstate: *b"HY000", message: message.to_vec() };
        match self.handle.attached.get() {
            Some(here) => Outcome::Refused(error, here.server),
            None => Outcome::Again,
        }
    }

    /// Decides whether the client gets a part of an answer that arrived late.
    pub(super) async fn settle_late(
        &mut self,
        before: Box<BeforeLate>,
        mut walk: Walk,
        request: Request,
    ) -> Result<Walk, NotKept> {
        let BeforeLate { seq, between, written } = *before;
        let later = std::mem::replace(&mut self.state.written, written);
        match self.is_kept(walk.late.take(), &request).await {
            Ok(true) => {
                self.state.written.union(later);
                Ok(walk)
            }
            Ok(false) => Err(NotKept::Doubt { seq, between }),
            Err(stop) => Err(NotKept::Stop(stop)),
        }
    }

    /// Waits for the next primary, and returns true if it has what a late answer acknowledges.
    async fn is_kept(&mut self, late: Option<Box<Late>>, request: &Request) -> Result<bool, StatementError> {
        let Some(here) = self.handle.attached.get() else { return Ok(true) };
        let late = late.map(|late| *late).unwrap_or_default();
        let deed = Deed::of(self.role, request);
        let told = late.set.filter(|set| !set.is_empty());
        // If a statement runs in several steps, the reported GTIDs need not be all that it wrote.
        let is_all = match deed {
            Deed::Calls => false,
            Deed::Others => request.class.kind == StatementKind::Ddl,
            Deed::Reads | Deed::Writes => !late.incomplete,
        };
        let position = match told {
            Some(set) if !is_all || self.is_of_another_history(&set) => return Ok(false),
            Some(set) => Some(set),
            // Nothing was written to a binary log, or the answer does not acknowledge a write.
            None if !self.has_written_untold(deed, here) => return Ok(true),
            None => None,
        };
        let context = self.context.clone();
        let (began, hold) = (self.handle.budget.began(), context.live.borrow().failover.hold);
        let mut successor_since = None;
        context.outside.kick_all();
        loop {
            let snapshot = context.topology.get();
            if !snapshot.has_demoted(here.server, here.generation) {
                return Ok(true);
            }
            let mut left = hold.saturating_sub(began.elapsed());
            if let Some(primary) = snapshot.writer() {
                let Some(position) = &position else { return Ok(false) };
                let since = *successor_since.get_or_insert_with(Instant::now);
                if self.unless_ended(context.has_written(primary, position, self.login.clone())).await? {
                    self.acknowledge(position);
                    return Ok(true);
                }
                let receives = primary.replication().is_some();
                left = left.min(UNSETTLED.saturating_sub(since.elapsed()));
                if !receives || left.is_zero() {
                    return Ok(false);
                }
                context.outside.kick(primary.id);
            }
            if left.is_zero() {
                return Ok(false);
            }
            self.pause_for_change(left, snapshot.version).await?;
            self.handle.budget.spend(began);
        }
    }

    /// Records a write that the client is told of and the new primary has: a later primary must have it, too.
    fn acknowledge(&self, position: &GtidSet) {
        let generation = self.context.topology.generation();
        let text = position.to_string();
        self.context.heard.borrow_mut().add(generation, position.flavor(), Some(text.as_bytes()));
    }

    /// True if the primary had these GTIDs before the statement was sent, or if that is unknown: the binary
    /// log was emptied since then (RESET MASTER), and the numbers began anew.
    fn is_of_another_history(&self, set: &GtidSet) -> bool {
        let before = self.context.commits.position_before(self.handle.began.get());
        before.is_none_or(|before| before.contains(set))
    }

    /// True if the statement may have written something whose GTID was not reported: servers do not report
    /// the GTIDs of a procedure.
    fn has_written_untold(&self, deed: Deed, here: Attached) -> bool {
        let untold = !self.context.topology.writer_has_gtids() || self.state.trackers.shown;
        let writes = match deed {
            Deed::Reads => false,
            Deed::Writes => untold && self.state.answer.affected > 0 && !self.is_bound(here.server),
            // A procedure may run with its definer's rights. For DDL, a server checks `read_only` only before
            // the statement waits for its lock.
            Deed::Calls | Deed::Others => true,
        };
        writes && !self.state.answer.failed && !self.state.in_transaction()
    }

    /// True if the server is read-only and the account is known not to bypass `read_only`.
    fn is_bound(&self, server: ServerId) -> bool {
        let bound = self.login.as_ref().is_some_and(|login| self.context.passes(&login.user) == Some(false));
        let snapshot = self.context.topology.get();
        bound && snapshot.server(server).is_some_and(|found| found.is_up_read_only())
    }

    /// Replaces an OK packet whose write the next primary lacks, or may lack, by an error, and closes the
    /// connection.
    pub(super) fn tell_doubt(
        &mut self,
        seq: u8,
        in_packet: bool,
        buf: &mut Buf,
        mut request: Request,
    ) -> Outcome {
        tracing::warn!(
            id = self.handle.id,
            "a former primary acknowledged a write that the new primary is not known to have"
        );
        let role = self.role;
        self.server_lost();
        *self.lost.of_mut(role) = false;
        let leaves = !self.sent.is_empty();
        self.state.unpin(role, std::mem::take(&mut self.sent));
        let held = self.state.held(role).is_some();
        self.connection_gone(role);
        self.count(Disruption::OutcomeUnknown);
        request.consume_from(buf);
        let stop = match () {
            () if in_packet => StatementError::Close(Close::ServerLost),
            () if held || leaves => StatementError::TellAndClose(Failure::OutcomeUnknown, Close::ServerLost),
            () => StatementError::Tell(Failure::OutcomeUnknown),
        };
        Outcome::Stop(seq, stop)
    }

    /// Makes sure that a statement that was ended on this server left nothing behind: waits for a primary,
    /// and checks there that all tables that the account can write can be rolled back. If `read_only` binds the
    /// account, a read-only server did not let the statement begin, and nothing is checked.
    pub(super) async fn check_rerun(&mut self, server: ServerId) -> Result<(), StatementError> {
        if self.is_bound(server) {
            return Ok(());
        }
        for _ in 0..MAX_PRIMARIES {
            self.attach(Role::Writer).await?;
            let carried = self.state.carried.clone();
            if let Some(connection) = &mut self.backend {
                connection.become_session(&carried, None, &mut self.prelude);
            }
            let ready = matches!(self.send_prelude().await?, Brought::Ready);
            match if ready { self.not_all_is_transactional().await } else { Some(super::replay::Again::Lost) }
            {
                None => {
                    self.release_after_statement();
                    return Ok(());
                }
                Some(super::replay::Again::Lost) => {
                    self.server_lost();
                    self.lost.writer = false;
                }
                Some(_) => break,
            }
        }
        self.server_lost();
        self.lost.writer = false;
        self.connection_gone(Role::Writer);
        self.count(Disruption::OutcomeUnknown);
        Err(StatementError::Tell(Failure::OutcomeUnknown))
    }
}

impl<R: Runtime> Context<R> {
    /// True if the primary that this connection was opened to lost the role but lives.
    pub(super) fn has_demoted(&self, here: Attached) -> bool {
        !here.read_only && self.topology.get().has_demoted(here.server, here.generation)
    }

    /// Returns whether an account bypasses `read_only`. None: unknown.
    pub(super) fn passes(&self, user: &str) -> Option<bool> {
        self.passing.borrow().get(user).copied()
    }

    /// Ends the writes on a server that lost the primary's role, with one task for each account.
    pub(super) fn end_demoted_writes(self: &Rc<Self>) {
        let snapshot = self.topology.get();
        let mut accounts: Vec<(Rc<Login>, ServerId)> = Vec::new();
        for handle in self.handles() {
            let is_up = |id| snapshot.server(id).is_some_and(|server| server.health == Health::Up);
            let demoted = |at: &Attached| self.has_demoted(*at) && is_up(at.server);
            let user = handle.login.borrow().as_ref().map(|login| login.user.clone()).unwrap_or_default();
            // If a session only keeps a connection there, its account's grants are asked for before the
            // session continues.
            let wanted = |at: &Attached| {
                let writes = handle.attached.get() == Some(*at) && handle.deed.get() != Deed::Reads;
                demoted(at) && (writes || self.passes(&user).is_none())
            };
            let Some(at) = handle.bound().find(wanted) else { continue };
            let Some(login) = handle.login.borrow().clone() else { continue };
            let known = accounts.iter().any(|(of, server)| of.user == login.user && *server == at.server);
            if !known {
                accounts.push((login, at.server));
            }
        }
        for (login, server) in accounts {
            self.end_writes_of(login, server);
        }
    }

    /// Runs one task for each account and server at a time. If something changes meanwhile, the task looks
    /// again.
    fn end_writes_of(self: &Rc<Self>, login: Rc<Login>, server: ServerId) {
        let key = (login.user.clone(), server);
        if let Some(again) = self.ending.borrow_mut().get_mut(&key) {
            *again = true;
            return;
        }
        self.ending.borrow_mut().insert(key.clone(), false);
        let context = self.clone();
        self.runtime.spawn(async move {
            loop {
                let limit = context.live().timeouts.connect;
                if context.runtime.timeout(limit, context.end_them(&login, server)).await.is_none() {
                    tracing::info!(user = %login.user, "KILL on a former primary takes too long");
                }
                let again = context.ending.borrow_mut().get_mut(&key).is_some_and(std::mem::take);
                if !again || !context.handles().iter().any(|handle| context.to_end(handle, &login, server)) {
                    break;
                }
            }
            context.ending.borrow_mut().remove(&key);
        });
    }

    /// Kills the statements over a connection of the account, which may kill its own threads. If the account
    /// gets no connection, uses the monitor's account, which needs the privilege to kill threads of others.
    async fn end_them(&self, login: &Rc<Login>, server: ServerId) {
        let snapshot = self.topology.get();
        let Some(found) = snapshot.server(server) else { return };
        let Ok(target) = Target::new(found, snapshot.generation) else { return };
        let own = connect(&self.runtime, &target, login, own_class(), COLLATION).await;
        let mut connection = match own {
            Ok((mut connection, _)) => {
                let version = found.facts.as_ref().map(|facts| facts.version.clone()).unwrap_or_default();
                if let Ok(passes) = ask_grants(&mut connection, &version).await {
                    self.passing.borrow_mut().insert(login.user.clone(), passes);
                }
                connection
            }
            Err(_) if !self.handles().iter().any(|handle| self.to_end(handle, login, server)) => return,
            Err(error) => {
                tracing::info!(user = %login.user, %error, "no connection to end what writes on a former primary");
                let monitor = self.live().monitor.clone();
                let monitor = Login { user: monitor.user, password: monitor.password, generation: 0 };
                match connect(&self.runtime, &target, &monitor, own_class(), COLLATION).await {
                    Ok((connection, _)) => connection,
                    Err(_) => return,
                }
            }
        };
        for handle in self.handles().iter().filter(|handle| self.to_end(handle, login, server)) {
            end_write(&mut connection, handle).await;
        }
        connection.quit().await;
    }

    /// True if the statement that this session has under way on this server must be ended.
    fn to_end(&self, handle: &Handle, login: &Login, server: ServerId) -> bool {
        let Some(here) = handle.attached.get().filter(|here| here.server == server) else { return false };
        let writes = handle.deed.get() != Deed::Reads;
        let told = handle.killing.get() || handle.demoted.get() == Some(here);
        let own = handle.login.borrow().as_ref().is_some_and(|of| of.user == login.user);
        own && writes && !told && handle.busy.get() && self.has_demoted(here)
    }

    /// True if this server has these writes, by its last probe or (MariaDB) by the state of its binary log
    /// now.
    async fn has_written(&self, primary: &Server, position: &GtidSet, login: Option<Rc<Login>>) -> bool {
        let Some(facts) = &primary.facts else { return false };
        if facts.gtid.contains(position) {
            return true;
        }
        if position.flavor() == Flavor::MySql {
            return false;
        }
        // Operators empty gtid_slave_pos, but the state of the binary log still has the last write of each
        // origin.
        let (Some(login), Ok(target)) = (login, Target::new(primary, self.topology.generation())) else {
            return false;
        };
        let limit = self.live().timeouts.connect;
        let asking = async {
            let (mut connection, _) =
                connect(&self.runtime, &target, &login, own_class(), COLLATION).await.ok()?;
            let state = first_column(&mut connection, "SELECT @@global.gtid_binlog_state").await.ok()?;
            connection.quit().await;
            Some(state.first().is_some_and(|state| position.is_in_binlog_state(state)))
        };
        self.runtime.timeout(limit, asking).await.flatten().unwrap_or(false)
    }
}

async fn end_write<S: Stream>(connection: &mut Connection<S>, handle: &Handle) {
    let Some(here) = handle.attached.get() else { return };
    handle.demoted.set(Some(here));
    let under_way = UnderWay::begin(handle, here);
    let killed = connection.query(&format!("KILL QUERY {}", here.thread_id)).await;
    under_way.answered();
    if let Err(error) = killed {
        handle.demoted.set(None);
        tracing::info!(%error, "what writes on a former primary cannot be ended there");
    }
}

async fn ask_grants<S: Stream>(connection: &mut Connection<S>, version: &str) -> Result<bool, QueryError> {
    let flavor = connection.about.flavor;
    passes_read_only(flavor, version, async |sql: String| first_column(connection, &sql).await).await
}

async fn first_column<S: Stream>(
    connection: &mut Connection<S>,
    sql: &str,
) -> Result<Vec<Vec<u8>>, QueryError> {
    let sets = connection.query(sql).await?;
    let rows = sets.into_iter().next().map(|set| set.rows).unwrap_or_default();
    Ok(rows.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect())
}
