//! What the sessions of one worker share: pool, buffers, snapshot, metrics, and the list of all sessions.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::Notify;

use super::admission::Pass;
use super::barrier::Diversions;
use super::commits::Commits;
use super::drain::Drain;
use super::handle::{Attached, Entrance, Handle, Signals};
use super::kill::KillRequest;
use super::position_queries::Asking;
use crate::backend::{Login, Pool, Standing};
use crate::config::{Fallback, Live};
use crate::net::{BufferPool, Runtime};
use crate::routing::Want;
use crate::sql::{self, ClassCache, StatementClass};
use crate::state::PreparedTexts;
use crate::telemetry::{WorkerMetrics, cell_of};
use crate::terms::Role;
use crate::terms::{Disruption, Port};
use crate::topology::{HeardWrites, ServerId, Snapshot, TextModes};
use crate::wire::Edits;

/// An account, and a schema that this account was let into.
type Entry = (Arc<str>, Box<[u8]>);

/// What sessions ask of the rest of the process.
pub trait Outside {
    /// Has this server probed now, because it refused a connection or vanished.
    fn kick(&self, server: ServerId);
    /// Has all servers probed now, because the writer is missing or has changed.
    fn kick_all(&self);
    /// Reports that a stored routine was created, changed or dropped.
    fn routines_changed(&self);
    /// Returns a connection id that no other client of this process has.
    fn connection_id(&self) -> u32;
    /// Asks all workers to kill the session that a KILL names. Returns true if there was one.
    fn kill(&self, request: KillRequest) -> Pin<Box<dyn Future<Output = bool>>>;
}

/// The version counters of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Versions {
    /// Increases with every change.
    pub all: u64,
    /// Increases with every change of more than positions and times.
    pub roles: u64,
}

/// The worker's own copy of the current snapshot, so that no statement touches memory that other threads
/// change.
#[derive(Debug)]
pub struct TopologyCell {
    current: RefCell<Arc<Snapshot>>,
    changed: Notify,
}

impl TopologyCell {
    /// Creates a cell with this snapshot.
    pub fn new(snapshot: Arc<Snapshot>) -> Self {
        TopologyCell { current: RefCell::new(snapshot), changed: Notify::new() }
    }

    /// Returns the current snapshot.
    pub fn get(&self) -> Arc<Snapshot> {
        self.current.borrow().clone()
    }

    /// Returns the snapshot's version, without touching its reference count.
    pub fn version(&self) -> u64 {
        self.current.borrow().version
    }

    /// Returns the counters that show whether anything, or any role, has changed.
    pub fn versions(&self) -> Versions {
        let current = self.current.borrow();
        Versions { all: current.version, roles: current.roles_version }
    }

    /// Returns the primary, or the last one while there is none.
    pub fn last_writer(&self) -> Option<ServerId> {
        self.current.borrow().last_writer
    }

    /// Returns the primary, without touching the snapshot's reference count.
    pub fn writer(&self) -> Option<ServerId> {
        self.current.borrow().writer
    }

    /// Returns the generation, which counts primaries.
    pub fn generation(&self) -> u64 {
        self.current.borrow().generation
    }

    /// True if connections to the primary that were opened in this generation must be left: there is another
    /// primary, or the grace of the last one is over.
    pub fn has_left(&self, generation: u64) -> bool {
        let current = self.current.borrow();
        current.generation != generation || current.grace_over
    }

    /// True if the primary, or the last one while there is none, reports the GTIDs of writes.
    pub fn writer_has_gtids(&self) -> bool {
        let current = self.current.borrow();
        let writer = current.last_writer.and_then(|id| current.server(id));
        writer.and_then(|s| s.facts.as_ref()).is_some_and(|f| f.gtid_on)
    }

    /// Returns the ways in which the servers may read texts.
    pub fn modes(&self) -> TextModes {
        self.current.borrow().modes
    }

    /// Replaces the snapshot and wakes all that wait for a change.
    pub fn set(&self, snapshot: Arc<Snapshot>) {
        self.current.replace(snapshot);
        self.changed.notify_waiters();
    }

    /// Waits until the version differs from `seen`.
    pub async fn changed_from(&self, seen: u64) {
        loop {
            let changed = self.changed.notified();
            if self.version() != seen {
                return;
            }
            changed.await;
        }
    }
}

/// See the module.
pub struct Context<R: Runtime> {
    /// Sockets, time, tasks.
    pub runtime: R,
    /// The free buffers.
    pub buffers: Rc<BufferPool>,
    /// The pool of server connections.
    pub pool: Pool<R>,
    /// The current snapshot of the servers.
    pub topology: TopologyCell,
    /// The current settings.
    pub live: RefCell<Arc<Live>>,
    /// The metrics of this worker.
    pub metrics: Arc<WorkerMetrics>,
    /// The rest of the process.
    pub outside: Box<dyn Outside>,
    /// Seconds since the worker began.
    pub tick: Cell<u32>,
    /// How far the drain of the process is.
    pub drain: Cell<Drain>,
    sessions: RefCell<HashMap<u32, Rc<Handle>>>,
    /// The number of statements under way on each server, indexed by server id: ids count up from 0 and are
    /// never reused.
    loads: RefCell<Vec<usize>>,
    random: Cell<u64>,
    /// Schemas that an account was let into: a login with one of these needs no server.
    pub(super) schemas: RefCell<HashSet<Entry>>,
    /// The edits to a chunk of an answer, reused for the next chunk. Never borrowed across an await.
    pub(super) edits: RefCell<Edits>,
    /// The texts that sessions have prepared.
    pub(super) texts: PreparedTexts,
    classes: RefCell<ClassCache>,
    /// What the servers' stored routines do.
    pub routines: RefCell<Arc<sql::RoutineCatalogue>>,
    /// The permit to have a long text read on another thread, for one session at a time.
    pub(super) reading: tokio::sync::Semaphore,
    /// The writes that were acknowledged to clients.
    pub heard: RefCell<HeardWrites>,
    /// Replicas that failed a moment ago, and until when reads avoid them.
    pub(super) ejected: RefCell<Vec<(ServerId, tokio::time::Instant)>>,
    /// The questions to the servers about their positions.
    pub(super) asking: Asking<R::Stream>,
    /// The number of reads on the primary that no replica could answer in time.
    pub(super) diversions: Rc<Diversions>,
    /// How many workers there are.
    pub workers: Cell<usize>,
    /// For each account, whether everything that it can write can be rolled back.
    pub(super) engines: RefCell<super::replay::Engines>,
    /// What is known about COMMITs without an answer.
    pub(super) commits: Commits,
    /// Whether an account bypasses `read_only`. Has only the accounts that the worker asked for when the
    /// primary changed.
    pub(super) passing: RefCell<HashMap<Arc<str>, bool>>,
    /// Accounts whose writes are being ended on a demoted primary. True: something changed meanwhile, so the
    /// task must look again.
    pub(super) ending: RefCell<HashMap<(Arc<str>, ServerId), bool>>,
}

impl<R: Runtime> Context<R> {
    /// Creates the context of a worker without sessions.
    pub fn new(
        runtime: R,
        buffers: Rc<BufferPool>,
        pool: Pool<R>,
        snapshot: Arc<Snapshot>,
        live: Arc<Live>,
        metrics: Arc<WorkerMetrics>,
        outside: Box<dyn Outside>,
    ) -> Self {
        let seed = u64::from(outside.connection_id()).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let context = Context {
            runtime,
            buffers,
            pool,
            topology: TopologyCell::new(snapshot),
            live: RefCell::new(live),
            metrics,
            outside,
            tick: Cell::new(0),
            drain: Cell::default(),
            sessions: RefCell::default(),
            loads: RefCell::default(),
            random: Cell::new(seed),
            schemas: RefCell::default(),
            edits: RefCell::default(),
            texts: PreparedTexts::default(),
            classes: RefCell::default(),
            routines: RefCell::default(),
            reading: tokio::sync::Semaphore::new(1),
            heard: RefCell::default(),
            ejected: RefCell::default(),
            asking: Asking::default(),
            diversions: Rc::default(),
            workers: Cell::new(1),
            engines: RefCell::default(),
            commits: Commits::default(),
            passing: RefCell::default(),
            ending: RefCell::default(),
        };
        context.pool.credentials().update(&context.live.borrow().users);
        context.commits.note(&context.topology.get());
        context
    }

    pub(super) fn register(&self, entrance: Entrance, pass: Pass) -> Rc<Handle> {
        let handle = Rc::new(Handle::new(self.outside.connection_id(), self.tick.get(), entrance, pass));
        self.sessions.borrow_mut().insert(handle.id, handle.clone());
        handle
    }

    pub(super) fn unregister(&self, handle: &Handle) {
        self.sessions.borrow_mut().remove(&handle.id);
    }

    /// Returns the number of sessions.
    pub fn session_count(&self) -> usize {
        self.sessions.borrow().len()
    }

    /// Returns the handles of all sessions.
    pub fn handles(&self) -> Vec<Rc<Handle>> {
        self.sessions.borrow().values().cloned().collect()
    }

    /// Returns the current settings.
    pub fn live(&self) -> Arc<Live> {
        self.live.borrow().clone()
    }

    /// Applies new settings. Returns the accounts that are new or have another password.
    pub fn new_settings(&self, live: Arc<Live>) -> Vec<Arc<str>> {
        let before = self.live.replace(live.clone());
        let renewal = self.pool.credentials().update(&live.users);
        if renewal.has_ended_one {
            self.pool.credentials_changed();
            // A name may now stand for another account: only accounts with an unchanged password keep their
            // schemas.
            self.schemas.borrow_mut().retain(|(user, _)| {
                before.users.get(user).map(|user| &user.password)
                    == live.users.get(user).map(|user| &user.password)
            });
        }
        for handle in self.handles() {
            handle.level.set(self.level_for(&handle).0);
        }
        renewal.accounts
    }

    /// Returns what a statement for this role wants under the current settings.
    pub(super) fn want(&self, port: Port, role: Role) -> Want {
        match (role, port) {
            (Role::Writer, _) => Want::Writer,
            (Role::Reader, Port::Replica) => {
                Want::Reader { or_writer: self.live.borrow().replicas.fallback == Fallback::Primary }
            }
            // A read that finds no replica goes to the primary, on the session's connection for writes.
            (Role::Reader, _) => Want::Reader { or_writer: false },
        }
    }

    /// Returns the class of a text.
    pub(super) fn classify(
        &self,
        text: &[u8],
        options: sql::Options,
        schema: Option<&[u8]>,
    ) -> StatementClass {
        let context = sql::Context { options, schema: schema.unwrap_or_default() };
        self.classes.borrow_mut().classify(text, context, &**self.routines.borrow())
    }

    pub(super) fn login_of(&self, user: &[u8]) -> Option<Login> {
        self.pool.credentials().login(std::str::from_utf8(user).ok()?)
    }

    /// Returns whether this login's password is the account's current one.
    pub(super) fn standing(&self, login: &Login) -> Standing {
        self.pool.credentials().standing(&login.user, login.generation)
    }

    #[inline]
    pub(super) fn count_in(&self, server: ServerId) {
        let mut loads = self.loads.borrow_mut();
        let at = usize::try_from(server.0).unwrap_or(usize::MAX);
        if loads.len() <= at {
            loads.resize(at + 1, 0);
        }
        if let Some(load) = loads.get_mut(at) {
            *load += 1;
        }
    }

    #[inline]
    pub(super) fn count_out(&self, server: ServerId) {
        if let Some(load) = self.loads.borrow_mut().get_mut(server.0 as usize) {
            *load = load.saturating_sub(1);
        }
    }

    /// Returns the number of this worker's statements under way on a server.
    pub fn load(&self, server: ServerId) -> usize {
        self.loads.borrow().get(server.0 as usize).copied().unwrap_or(0)
    }

    /// True if a statement that is under way on this connection may still be answered.
    pub(super) fn is_alive(&self, attached: Attached) -> bool {
        !self.topology.get().has_lost(attached.server, attached.generation, attached.read_only)
    }

    /// True if a connection that a session keeps may still be used.
    pub(super) fn is_good(&self, kept: Attached) -> bool {
        let snapshot = self.topology.get();
        let lost = snapshot.has_lost(kept.server, kept.generation, kept.read_only);
        !lost && (kept.read_only || (kept.generation == snapshot.generation && !snapshot.grace_over))
    }

    /// Returns a random number (xorshift64): good enough to spread choices, useless for secrets.
    pub(super) fn random(&self) -> u64 {
        let mut x = self.random.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.random.set(x);
        x
    }

    /// Frees memory while new clients are refused for lack of it. Drops what can be rebuilt: pooled server
    /// connections without a session, which keep their prepared statements, and texts that nobody uses any
    /// more. Called once a second.
    pub fn shed_memory(&self) {
        if self.buffers.memory.is_tight() {
            self.pool.retain(|connection, _, claimed| claimed || connection.legacy.is_some());
            self.texts.sweep();
        }
    }

    /// Applies a new snapshot: signals the sessions whose server is lost, and closes pooled connections that
    /// must not be used again.
    pub fn new_snapshot(self: &Rc<Self>, snapshot: Arc<Snapshot>) {
        self.commits.note(&snapshot);
        if self.topology.versions().roles == snapshot.roles_version {
            // Only positions have changed, as they do ten times a second: no connection is affected.
            self.topology.set(snapshot);
            return;
        }
        let old = |generation: u64, read_only: bool| !read_only && generation != snapshot.generation;
        let left =
            |kept: Attached| old(kept.generation, kept.read_only) || (!kept.read_only && snapshot.grace_over);
        let mut moved = 0;
        self.pool.retain(|c, _, claimed| {
            let (generation, read_only) = (c.about.generation, c.about.class.read_only);
            let keep =
                !snapshot.has_lost(c.about.server, generation, read_only) && !old(generation, read_only);
            // The session moves to the new primary at its next statement, and gets no error. Connections to
            // replicas do not count: replicas are chosen anew all the time.
            moved += u64::from(!keep && claimed && !read_only);
            keep
        });
        cell_of(&self.metrics.disruptions, Disruption::Moved as usize).add(moved);
        let affected: Vec<_> = self
            .sessions
            .borrow()
            .values()
            .filter(|h| {
                h.bound().any(|a| {
                    // A statement under way on a demoted server that lives may finish; the session's next one
                    // moves.
                    snapshot.has_lost(a.server, a.generation, a.read_only) || (!h.busy.get() && left(a))
                })
            })
            .cloned()
            .collect();
        self.topology.set(snapshot);
        for handle in affected {
            handle.signal.raise(Signals::LOST);
        }
        self.end_demoted_writes();
    }
}
