//! What the sessions of one worker share: pool, buffers, snapshot, metrics, and each other.

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
use super::statements::Texts;
use crate::backend::{Login, Pool, Standing};
use crate::config::{Fallback, Live};
use crate::net::{BufferPool, Runtime};
use crate::routing::{Role, Want};
use crate::sql::{self, ClassCache, StatementClass};
use crate::telemetry::{Disruption, Port, WorkerMetrics, cell_of};
use crate::topology::{HeardWrites, ServerId, Snapshot, TextModes};
use crate::wire::Edits;

/// An account and a schema that it was let into.
type Entry = (Arc<str>, Box<[u8]>);

/// What sessions ask of the rest of the process.
pub trait Outside {
    /// Have this server probed now: it refused or vanished.
    fn kick(&self, server: ServerId);
    /// Have all servers probed now: a writer is missing.
    fn kick_all(&self);
    /// A stored routine was created, changed or dropped.
    fn routines_changed(&self);
    /// A connection id that no other client of this process has.
    fn connection_id(&self) -> u32;
    /// Asks all workers for the session that a KILL means. True if there was one.
    fn kill(&self, request: KillRequest) -> Pin<Box<dyn Future<Output = bool>>>;
}

/// A snapshot's counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Versions {
    /// Of anything.
    pub all: u64,
    /// Of anything but positions and times.
    pub roles: u64,
}

/// The worker's own copy of the current snapshot, so that no statement touches what other threads do.
#[derive(Debug)]
pub struct TopologyCell {
    current: RefCell<Arc<Snapshot>>,
    changed: Notify,
}

impl TopologyCell {
    /// Begins with this one.
    pub fn new(snapshot: Arc<Snapshot>) -> Self {
        TopologyCell { current: RefCell::new(snapshot), changed: Notify::new() }
    }

    /// The snapshot as of now.
    pub fn get(&self) -> Arc<Snapshot> {
        self.current.borrow().clone()
    }

    /// Its version, without touching the snapshot's count of references.
    pub fn version(&self) -> u64 {
        self.current.borrow().version
    }

    /// What tells whether anything changed, and whether any role did.
    pub fn versions(&self) -> Versions {
        let current = self.current.borrow();
        Versions { all: current.version, roles: current.roles_version }
    }

    /// The primary, or the last one while there is none.
    pub fn last_writer(&self) -> Option<ServerId> {
        self.current.borrow().last_writer
    }

    /// The primary, without touching the snapshot's count of references.
    pub fn writer(&self) -> Option<ServerId> {
        self.current.borrow().writer
    }

    /// Counts primaries.
    pub fn generation(&self) -> u64 {
        self.current.borrow().generation
    }

    /// Whether connections to the primary that were opened in this generation are to be left: there is another one,
    /// or the last one had its time.
    pub fn has_left(&self, generation: u64) -> bool {
        let current = self.current.borrow();
        current.generation != generation || current.grace_over
    }

    /// Whether the primary, or the last one while there is none, tells the GTIDs of writes.
    pub fn writer_has_gtids(&self) -> bool {
        let current = self.current.borrow();
        let writer = current.last_writer.and_then(|id| current.server(id));
        writer.and_then(|s| s.facts.as_ref()).is_some_and(|f| f.gtid_on)
    }

    /// In which ways the servers may read texts.
    pub fn modes(&self) -> TextModes {
        self.current.borrow().modes
    }

    /// Replaces it and wakes who waits for that.
    pub fn set(&self, snapshot: Arc<Snapshot>) {
        self.current.replace(snapshot);
        self.changed.notify_waiters();
    }

    /// Waits until the version is another than `seen`.
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
    /// Buffers that nobody uses now.
    pub buffers: Rc<BufferPool>,
    /// Server connections that nobody uses now.
    pub pool: Pool<R>,
    /// The snapshot.
    pub topology: TopologyCell,
    /// The settings as of now.
    pub live: RefCell<Arc<Live>>,
    /// What this worker counts.
    pub metrics: Arc<WorkerMetrics>,
    /// The rest of the process.
    pub outside: Box<dyn Outside>,
    /// Seconds since the worker began.
    pub tick: Cell<u32>,
    /// Whether the process is ending.
    pub drain: Cell<Drain>,
    sessions: RefCell<HashMap<u32, Rc<Handle>>>,
    /// Statements under way on each server, by its id: ids count up from 0 and are never used again.
    loads: RefCell<Vec<usize>>,
    random: Cell<u64>,
    /// Schemas that an account was let into: a login that names one of these needs no server.
    pub(super) schemas: RefCell<HashSet<Entry>>,
    /// Borrowed only between two awaits.
    pub(super) edits: RefCell<Edits>,
    /// Texts that sessions prepared.
    pub(super) texts: Texts,
    classes: RefCell<ClassCache>,
    /// What the servers' stored routines do.
    pub routines: RefCell<Arc<sql::RoutineCatalogue>>,
    /// Whose turn it is to have a long text read on another thread.
    pub(super) reading: tokio::sync::Semaphore,
    /// What clients were told to be written.
    pub heard: RefCell<HeardWrites>,
    /// Replicas that failed a moment ago, and until when they are left alone.
    pub(super) ejected: RefCell<Vec<(ServerId, tokio::time::Instant)>>,
    /// Who asks the servers for their positions.
    pub(super) asking: Asking<R::Stream>,
    /// Reads on the primary that no replica could answer in time.
    pub(super) diversions: Rc<Diversions>,
    /// How many workers there are.
    pub workers: Cell<usize>,
    /// Whether what an account writes can be rolled back.
    pub(super) engines: RefCell<super::replay::Engines>,
    /// What became of COMMITs without an answer.
    pub(super) commits: Commits,
    /// Whether accounts pass `read_only`, as far as a change of the primary made the worker ask.
    pub(super) passing: RefCell<HashMap<Arc<str>, bool>>,
    /// Accounts whose writes are being ended on a server that lost the primary's role. True: there is news since.
    pub(super) ending: RefCell<HashMap<(Arc<str>, ServerId), bool>>,
}

impl<R: Runtime> Context<R> {
    /// A worker without sessions. `seed` must differ between workers.
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
            texts: Texts::default(),
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

    /// How many sessions there are.
    pub fn session_count(&self) -> usize {
        self.sessions.borrow().len()
    }

    /// The sessions, to speak to them.
    pub fn handles(&self) -> Vec<Rc<Handle>> {
        self.sessions.borrow().values().cloned().collect()
    }

    /// The settings as of now.
    pub fn live(&self) -> Arc<Live> {
        self.live.borrow().clone()
    }

    /// Takes new settings. Returns the accounts that are new, or have another password.
    pub fn new_settings(&self, live: Arc<Live>) -> Vec<Arc<str>> {
        let before = self.live.replace(live.clone());
        let renewal = self.pool.credentials().update(&live.users);
        if renewal.has_ended_one {
            self.pool.credentials_changed();
            // Under a name that is used again the account may be another one.
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

    /// What a statement for this role wants, by the settings of now.
    pub(super) fn want(&self, port: Port, role: Role) -> Want {
        match (role, port) {
            (Role::Writer, _) => Want::Writer,
            (Role::Reader, Port::Replica) => {
                Want::Reader { or_writer: self.live.borrow().replicas.fallback == Fallback::Primary }
            }
            // A read that finds no replica goes where writes go, on the session's connection there.
            (Role::Reader, _) => Want::Reader { or_writer: false },
        }
    }

    /// What a text is and does.
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

    /// Whether the password of this login still counts.
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

    /// Statements of this worker under way on a server.
    pub fn load(&self, server: ServerId) -> usize {
        self.loads.borrow().get(server.0 as usize).copied().unwrap_or(0)
    }

    /// Whether a statement that is under way there may be answered.
    pub(super) fn is_alive(&self, attached: Attached) -> bool {
        !self.topology.get().has_lost(attached.server, attached.generation, attached.read_only)
    }

    /// Whether a connection that a session keeps may go on being used.
    pub(super) fn is_good(&self, kept: Attached) -> bool {
        let snapshot = self.topology.get();
        let lost = snapshot.has_lost(kept.server, kept.generation, kept.read_only);
        !lost && (kept.read_only || (kept.generation == snapshot.generation && !snapshot.grace_over))
    }

    /// xorshift64: spreads choices, hides nothing.
    pub(super) fn random(&self) -> u64 {
        let mut x = self.random.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.random.set(x);
        x
    }

    /// Once a second: while new clients are refused for lack of memory, drops what can be had again. Those are pooled
    /// server connections without a session, which keep what they prepared, and texts that nobody has any more.
    pub fn shed_memory(&self) {
        if self.buffers.memory.is_tight() {
            self.pool.retain(|connection, _, claimed| claimed || connection.legacy.is_some());
            self.texts.sweep();
        }
    }

    /// Takes a new snapshot: tells the sessions whose server is lost, and drops pooled connections that
    /// must not be used again.
    pub fn new_snapshot(self: &Rc<Self>, snapshot: Arc<Snapshot>) {
        self.commits.note(&snapshot);
        if self.topology.versions().roles == snapshot.roles_version {
            // Positions alone moved, as they do ten times a second: nobody loses anything by that.
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
            // Its session moves without a word at its next statement. Replicas are chosen anew all the time.
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
                    // A statement under way on a demoted but living server may end; the next one moves.
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
