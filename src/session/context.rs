//! What the sessions of one worker share: the worker's resources, and what one session learns that others can use.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::known_texts::KnownTexts;
use crate::backend::{EqualStates, ServerError};
use crate::config::{AuditEvents, Live, UnsampledParent};
use crate::net::{Claim, Runtime};
use crate::positions::{Commits, Positions, WorkerSeat};
use crate::telemetry::Digests;
use crate::telemetry::micros_of;
use crate::telemetry::stream::{Filter, SLOW, Taps};
use crate::telemetry::traces::Sampler;
use crate::topology::{AcknowledgedWrites, Server, ServerId};
use crate::wire::Edits;
use crate::worker::admission::shown;
use crate::worker::{Resources, SchemaChecks};

/// The least time for which a replica is avoided after it failed.
const EJECTED: Duration = Duration::from_millis(200);

/// How long the reads of an account avoid a replica that refuses it.
const REFUSING: Duration = Duration::from_secs(5);

/// The most pairs of an account and a replica that are remembered for that.
const MOST_REFUSING: usize = 256;

/// A read on the primary that no replica could answer in time. Dropping it lets the next one begin.
pub struct Diverted(Rc<Diversions>);

/// The number of a worker's [`Diverted`] reads.
#[derive(Default)]
pub struct Diversions {
    now: Cell<usize>,
    /// Wakes a read that waits until another diverted read ends.
    pub(super) one_less: tokio::sync::Notify,
}

impl Drop for Diverted {
    fn drop(&mut self) {
        self.0.now.set(self.0.now.get().saturating_sub(1));
        self.0.one_less.notify_one();
    }
}

/// Caches for each account whether all that it can write is transactional. Valid for one version of the
/// servers' roles, because tables may be created before the next loss.
#[derive(Debug, Default)]
pub struct Engines {
    roles: u64,
    known: HashMap<Arc<str>, Rc<OnceCell<bool>>>,
}

impl Engines {
    /// Returns what is known of an account in this version of the servers' roles.
    pub fn of(&mut self, roles: u64, user: &Arc<str>) -> Rc<OnceCell<bool>> {
        if self.roles != roles {
            self.roles = roles;
            self.known.clear();
        }
        self.known.entry(user.clone()).or_default().clone()
    }
}

/// What is known of writes on a primary that lost its role.
#[derive(Default)]
pub(super) struct Demotions {
    /// Whether an account bypasses `read_only`. Has only the accounts that the worker asked for when the
    /// primary changed.
    pub passing: RefCell<HashMap<Arc<str>, bool>>,
    /// Accounts whose writes are being ended on a demoted primary. True: something changed meanwhile, so the
    /// task must look again.
    pub ending: RefCell<HashMap<(Arc<str>, ServerId), bool>>,
}

/// See the module.
pub struct Context<R: Runtime> {
    /// What sessions use, and the list of them.
    pub resources: Rc<Resources<R>>,
    /// The checks of logins' schemas that are under way.
    pub(super) schema_checks: SchemaChecks,
    /// The states that sessions have in common.
    pub(super) states: EqualStates,
    /// The edits to a chunk of an answer, reused for the next chunk. Never borrowed across an await.
    pub(super) edits: RefCell<Edits>,
    /// What is known of the texts of statements.
    pub texts: KnownTexts,
    /// What the statements of each digest did. Never borrowed across an await.
    pub digests: RefCell<Digests>,
    /// Who reads the statements of this worker.
    pub taps: Taps,
    /// Which statements are traced.
    pub traces: Sampler,
    /// True if readers get the literals of statements.
    pub(super) shows_literals: Cell<bool>,
    /// What the audit log records.
    pub(super) audited: Cell<AuditEvents>,
    /// The writes that were acknowledged to clients.
    pub acknowledged: RefCell<AcknowledgedWrites>,
    /// Replicas that failed a moment ago, and until when reads avoid them.
    ejected: RefCell<Vec<(ServerId, Instant)>>,
    /// Replicas that refuse an account, and until when its reads avoid them.
    refusing: RefCell<Vec<(ServerId, Arc<str>, Instant)>>,
    /// The positions of the servers.
    pub positions: Rc<Positions<R>>,
    /// The number of reads on the primary that no replica could answer in time.
    pub(super) diversions: Rc<Diversions>,
    /// For each account, whether everything that it can write can be rolled back.
    pub(super) engines: RefCell<Engines>,
    /// What is known about COMMITs without an answer.
    pub(super) commits: Commits,
    /// What is known of writes on a primary that lost its role.
    pub(super) demotions: Demotions,
    /// Whether an account may change a read-only server, and when a server was asked.
    pub(super) powers: RefCell<HashMap<Arc<str>, (bool, Instant)>>,
}

impl<R: Runtime> Deref for Context<R> {
    type Target = Resources<R>;

    fn deref(&self) -> &Resources<R> {
        &self.resources
    }
}

impl<R: Runtime> Context<R> {
    /// Creates the context of a worker without sessions, which asks for positions from this seat.
    pub fn new(resources: Resources<R>, seat: WorkerSeat) -> Self {
        let live = resources.live.borrow().clone();
        let (most_digests, has_digests) = (live.digests.max, live.has_digests());
        let resources = Rc::new(resources);
        let context = Context {
            positions: Rc::new(Positions::new(resources.clone(), seat)),
            resources,
            schema_checks: SchemaChecks::default(),
            states: EqualStates::default(),
            edits: RefCell::default(),
            texts: KnownTexts::new(has_digests),
            digests: RefCell::new(Digests::new(most_digests)),
            taps: Taps::default(),
            traces: Sampler::new(random_seed()),
            shows_literals: Cell::new(false),
            audited: Cell::new(AuditEvents::empty()),
            acknowledged: RefCell::default(),
            ejected: RefCell::default(),
            refusing: RefCell::default(),
            diversions: Rc::default(),
            engines: RefCell::default(),
            commits: Commits::default(),
            demotions: Demotions::default(),
            powers: RefCell::default(),
        };
        context.commits.note(&context.topology.get());
        context.positions.note(&context.topology.get());
        let live = context.live();
        context.watch_statements(&live);
        context.trace_statements(&live);
        context
    }

    /// Applies new settings. Returns the accounts that are new or have another password.
    pub fn new_settings(&self, live: Arc<Live>) -> Vec<Arc<str>> {
        let before = self.live.replace(live.clone());
        let renewal = self.pool.credentials().update(&live.users);
        if renewal.has_ended_one {
            self.pool.credentials_changed();
        }
        for handle in self.handles() {
            handle.level.set(self.level_for(&handle).0);
        }
        if before.digests != live.digests {
            self.digests.replace(Digests::new(live.digests.max));
        }
        if before.has_digests() != live.has_digests() {
            self.texts.forget_classes(live.has_digests());
        }
        if before.statements != live.statements || before.audit != live.audit {
            self.watch_statements(&live);
        }
        if before.traces != live.traces {
            self.trace_statements(&live);
        }
        renewal.accounts
    }

    /// Applies the settings of the slow log and of the audit log.
    fn watch_statements(&self, live: &Live) {
        self.audited.set(live.audit.recorded());
        self.shows_literals.set(live.statements.literals);
        if live.statements.has_slow() {
            let least_us = live.statements.slow.map(|least| least.map_or(u64::MAX, micros_of));
            self.taps.open(SLOW, Filter { least_us, ..Filter::default() });
        } else {
            self.taps.close(SLOW);
        }
    }

    /// Lets a second's statements be traced.
    pub fn refill_traces(&self) {
        let most = self.live.borrow().traces.max_per_second;
        self.traces.refill(self.part_of_traces(most));
    }

    /// Returns this worker's part of `traces.max_per_second`.
    fn part_of_traces(&self, most: u32) -> u32 {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        u32::try_from(self.pool.part_of(most)).unwrap_or(u32::MAX)
    }

    /// Applies the settings of traces.
    pub fn trace_statements(&self, live: &Live) {
        match live.traces.endpoint {
            Some(_) => {
                let ignores = live.traces.unsampled_parent == UnsampledParent::Ratio;
                let most = self.part_of_traces(live.traces.max_per_second);
                self.traces.start(live.traces.ratio, ignores, most);
            }
            None => self.traces.stop(),
        }
    }

    /// True if the memory budget allows a text that PREPARE keeps. The session's state limits the number of such texts.
    pub fn may_keep_text(&self, bytes: usize) -> bool {
        self.buffers.memory.grant(Claim::Prepared, bytes)
    }

    /// Frees memory while new clients are refused for lack of it. Drops what can be rebuilt: pooled server
    /// connections without a session, which keep their prepared statements, and texts that nobody uses any
    /// more. Called once a second.
    pub fn shed_memory(&self) {
        if self.buffers.memory.is_tight() {
            self.pool.retain(|connection, _, claimed| claimed || connection.pending_insert_id.is_some());
            self.texts.prepared.sweep();
        }
    }

    /// Permits one more diverted read on the primary. None: its share of the connections is in use.
    pub(super) fn divert(&self) -> Option<Diverted> {
        let most = {
            let live = self.live.borrow();
            let share =
                live.limits.max_server_connections.get() * usize::from(live.consistency.primary_share);
            self.pool.part_of(share.div_ceil(100))
        };
        let now = self.diversions.now.get();
        if now >= most {
            return None;
        }
        self.diversions.now.set(now + 1);
        Some(Diverted(self.diversions.clone()))
    }

    /// Avoids a replica that failed a read or a connect for a moment, until a probe has seen the failure.
    pub(super) fn eject(&self, server: ServerId) {
        let pause = (self.live.borrow().monitor.interval * 2).max(EJECTED);
        self.ejected.borrow_mut().push((server, Instant::now() + pause));
    }

    /// Notes that a replica refuses an account: its reads avoid the replica for a while. Perhaps the account, or its new
    /// password, has not arrived there yet.
    pub(super) fn note_refusing(&self, server: &Server, user: &Arc<str>, error: &ServerError) {
        let mut refusing = self.refusing.borrow_mut();
        let now = Instant::now();
        let is_new = !refusing.iter().any(|(of, name, _)| *of == server.id && name == user);
        refusing.retain(|(of, name, until)| *until > now && !(*of == server.id && name == user));
        if refusing.len() < MOST_REFUSING {
            refusing.push((server.id, user.clone(), now + REFUSING));
        }
        if is_new {
            tracing::warn!(server = %server.name, user = shown(user.as_bytes()), %error,
                "a replica refuses an account: its reads go to other servers");
        }
    }

    /// Adds the replicas that refuse the account.
    pub(super) fn add_refusing(&self, user: &str, avoid: &mut Vec<ServerId>) {
        let refusing = self.refusing.borrow();
        if !refusing.is_empty() {
            let now = Instant::now();
            let of_user = refusing.iter().filter(|(_, name, until)| **name == *user && *until > now);
            avoid.extend(of_user.map(|(server, ..)| *server));
        }
    }

    pub(super) fn add_ejected(&self, avoid: &mut Vec<ServerId>) {
        let mut ejected = self.ejected.borrow_mut();
        if !ejected.is_empty() {
            let now = Instant::now();
            ejected.retain(|(_, until)| *until > now);
            avoid.extend(ejected.iter().map(|(server, _)| *server));
        }
    }
}

/// Returns a random number.
fn random_seed() -> u64 {
    let mut seed = [0; 8];
    // Without random numbers of the system no TLS and no login would work either.
    let _ = aws_lc_rs::rand::fill(&mut seed);
    u64::from_le_bytes(seed)
}
