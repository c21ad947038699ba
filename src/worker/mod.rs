//! The resources that the sessions of one worker share: time and sockets, buffers, the pool of server connections, the
//! current snapshot and settings, the metrics, and the list of the sessions.
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

pub mod admission;
mod checks;
mod handle;
mod identities;
mod level;
mod schema_checks;
mod seconds;
mod session_report;
mod timeouts;
mod topology_cell;

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use admission::Pass;
use timeouts::TimeoutLimits;

use crate::backend::{Announced, ConnectError, Lesson, Login, Pool, Standing};
use crate::config::{Fallback, Live};
use crate::net::{BufferPool, Runtime};
use crate::routing::Want;
use crate::telemetry::traces::TraceRecord;
use crate::telemetry::{AuditRecord, Cell as Gauge, WorkerMetrics};
use crate::terms::{Disruption, Port, Role};
use crate::topology::{ServerId, Snapshot};

pub use handle::{Attached, DataAccess, Entrance, Handle, KillUnderWay, Servers, Signals};
pub use identities::Identities;
pub use level::{LevelSource, Levels};
pub use schema_checks::{SchemaChecks, WaitingForSchema};
pub use seconds::Seconds;
pub use session_report::{SessionReport, SessionState};
pub use timeouts::{Side, Stall, or_stalled};
pub use topology_cell::{TopologyCell, Versions};

/// How far the drain of the process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Drain {
    /// The process is not draining.
    #[default]
    No,
    /// Sessions end where the client's pool notices.
    Gentle,
    /// Time is short: all sessions end after an answer, which not every pool notices.
    Pressed,
}

impl Drain {
    /// A client that is silent for longer is assumed to check its connection before use (HikariCP checks
    /// after half a second, Tomcat's pool after three), and not to send a statement at the very moment when
    /// the connection is closed.
    pub const SILENCE: Duration = Duration::from_secs(10);
}

/// A KILL by one of the proxy's clients, or by an operator.
#[derive(Debug, Clone)]
pub struct KillRequest {
    /// The id in the KILL.
    pub id: u32,
    /// True if the connection is to be killed, not just its statement.
    pub connection: bool,
    /// Who sent the KILL.
    pub by: KilledBy,
    /// The server whose thread id this most likely is: where the client's CONNECTION_ID() is executed.
    pub server: Option<ServerId>,
}

/// Who sent a KILL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KilledBy {
    /// A client with this account. The proxy kills only sessions of the same account. The server decides about others.
    Account(String),
    /// An operator, who may kill any session, by the proxy's ids only.
    Operator,
}

/// The requests of sessions to the rest of the process.
pub trait Outside {
    /// Requests a probe of this server now, because the server refused a connection or vanished.
    fn kick(&self, server: ServerId);
    /// Requests a probe of this server now over a new connection, because another server answers at its address.
    fn kick_anew(&self, server: ServerId);
    /// Requests a probe of all servers now, because the primary is missing or has changed.
    fn kick_all(&self);
    /// Reports that a stored routine was created, changed or dropped.
    fn routines_changed(&self);
    /// Asks for the account tables of the servers to be read again, because a login failed.
    fn accounts_doubted(&self);
    /// Reports that an account of the servers that passes `read_only` has logged in.
    fn passes_read_only(&self, user: &str);
    /// Tells the other workers what a server said of a password.
    fn learned(&self, lesson: Lesson);
    /// Records an event in the audit log.
    fn audit(&self, record: AuditRecord);
    /// Exports the spans of a traced statement.
    fn trace(&self, record: Box<TraceRecord>);
    /// Returns a connection id that no other client of this process has.
    fn connection_id(&self) -> u32;
    /// Asks all workers to kill the session that a KILL names. Returns true if there was such a session.
    fn kill(&self, request: KillRequest) -> Pin<Box<dyn Future<Output = bool>>>;
}

/// See the module.
pub struct Resources<R: Runtime> {
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
    /// The accounts that are not configured.
    pub identities: Identities,
    /// The metrics of this worker.
    pub metrics: Arc<WorkerMetrics>,
    /// The rest of the process.
    pub outside: Box<dyn Outside>,
    /// The worker's seconds.
    pub seconds: Seconds,
    limits: Cell<TimeoutLimits>,
    /// How far the drain of the process is.
    pub drain: Cell<Drain>,
    /// How many reads wait until it is known which server may answer them.
    pub at_barrier: Gauge,
    sessions: RefCell<HashMap<u32, Rc<Handle>>>,
    /// The number of statements under way on each server, indexed by server id: ids count up from 0 and are
    /// never reused.
    loads: RefCell<Vec<usize>>,
    random: RefCell<fastrand::Rng>,
}

impl<R: Runtime> Resources<R> {
    /// Requests a probe of a server to which no connection could be opened.
    pub fn doubt(&self, server: ServerId, error: &ConnectError) {
        match error {
            ConnectError::AnotherServer { .. } => self.outside.kick_anew(server),
            _ => self.outside.kick(server),
        }
    }

    /// Creates the resources of a worker without sessions.
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
        pool.credentials().update(&live.users);
        Resources {
            runtime,
            buffers,
            pool,
            topology: TopologyCell::new(snapshot),
            live: RefCell::new(live),
            identities: Identities::default(),
            metrics,
            outside,
            seconds: Seconds::default(),
            limits: Cell::default(),
            at_barrier: Gauge::default(),
            drain: Cell::default(),
            sessions: RefCell::default(),
            loads: RefCell::default(),
            random: RefCell::new(fastrand::Rng::with_seed(seed)),
        }
    }

    /// Counts an effect of a failover on a session.
    pub fn count(&self, disruption: Disruption) {
        self.metrics.disruptions[disruption].add(1);
    }

    /// Adds a session to the list, and returns its handle.
    pub fn register(&self, entrance: Entrance, pass: Pass) -> Rc<Handle> {
        let handle = Rc::new(Handle::new(self.outside.connection_id(), self.seconds.get(), entrance, pass));
        self.seconds.watch(&handle);
        self.sessions.borrow_mut().insert(handle.id, handle.clone());
        handle
    }

    /// Removes a session that has ended from the list.
    pub fn unregister(&self, handle: &Handle) {
        self.seconds.forget(handle);
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

    /// Returns the accounts that clients are logged in with.
    pub fn accounts_with_sessions(&self) -> HashSet<Arc<str>> {
        let sessions = self.sessions.borrow();
        sessions.values().filter_map(|handle| Some(handle.login.borrow().as_ref()?.user.clone())).collect()
    }

    /// Returns the current settings.
    pub fn live(&self) -> Arc<Live> {
        self.live.borrow().clone()
    }

    /// Returns what a statement for this role wants under the current settings.
    pub fn want(&self, port: Port, role: Role) -> Want {
        match (role, port) {
            (Role::Primary, _) => Want::Primary,
            (Role::Replica, Port::Replica) => {
                Want::Replica { or_primary: self.live.borrow().replicas.fallback == Fallback::Primary }
            }
            // A read that finds no replica goes to the primary, on the session's connection for writes.
            (Role::Replica, _) => Want::Replica { or_primary: false },
        }
    }

    /// Returns the account of this name, with its current password, as configured or as a client proved it last.
    pub fn login_of(&self, user: &str) -> Option<Login> {
        self.pool.credentials().login(user)
    }

    /// Returns the account of this name with the password that is configured.
    pub fn configured_login(&self, user: &str) -> Option<Login> {
        self.pool.credentials().configured(user)
    }

    /// Returns whether this login's password is the account's current one.
    pub fn standing(&self, login: &Login) -> Standing {
        self.pool.credentials().standing(&login.user, login.generation)
    }

    /// Returns the client whose address servers get at the login of a connection for this session. None: they get none.
    pub fn announced(&self, handle: &Handle) -> Option<Announced> {
        let login = handle.login.borrow();
        self.announced_as(&login.as_ref()?.user, handle)
    }

    /// The same for a client that logs in as this user.
    pub fn announced_as(&self, user: &str, handle: &Handle) -> Option<Announced> {
        let sends = self.live.borrow().users.get(user).is_some_and(|user| user.send_proxy_protocol);
        sends.then(|| Announced::Client(handle.peer.get()))
    }

    /// Counts a statement that begins on a server.
    #[inline]
    pub fn count_in(&self, server: ServerId) {
        let mut loads = self.loads.borrow_mut();
        let at = usize::try_from(server.0).unwrap_or(usize::MAX);
        if loads.len() <= at {
            loads.resize(at + 1, 0);
        }
        if let Some(load) = loads.get_mut(at) {
            *load += 1;
        }
    }

    /// Counts a statement that has ended on a server.
    #[inline]
    pub fn count_out(&self, server: ServerId) {
        if let Some(load) = self.loads.borrow_mut().get_mut(server.0 as usize) {
            debug_assert!(*load > 0, "a statement ends once");
            *load = load.saturating_sub(1);
        }
    }

    /// Returns the number of this worker's statements under way on a server.
    pub fn load(&self, server: ServerId) -> usize {
        self.loads.borrow().get(server.0 as usize).copied().unwrap_or(0)
    }

    /// True if a statement that is under way on this connection may still be answered.
    pub fn is_alive(&self, attached: Attached) -> bool {
        !self.topology.get().has_lost(attached.server, attached.generation, attached.read_only)
    }

    /// True if a connection that a session keeps may still be used.
    pub fn is_good(&self, kept: Attached) -> bool {
        let snapshot = self.topology.get();
        let lost = snapshot.has_lost(kept.server, kept.generation, kept.read_only);
        !lost && (kept.read_only || (kept.generation == snapshot.generation && !snapshot.grace_over))
    }

    /// Returns a random number: good enough to spread choices, useless for secrets.
    pub fn random(&self) -> u64 {
        self.random.borrow_mut().u64(..)
    }
}
