//! The snapshot's types.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::drains::{Drain, DrainOrders};
use super::gtid::GtidSet;
pub use super::identity::{Flavor, ServerId};
use super::modes::{LoginFlags, TextModes};
use super::position_history::Trail;

/// Everything that is known at one moment. Always replaced as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// Counts every change.
    pub version: u64,
    /// Counts the changes that can move a session or a connection: of servers, health, roles, eligibility,
    /// weights, generation. Changes with every write or probe do not count: positions, lags, round trips,
    /// missed probes and their errors. While it is unchanged, no session has to check its servers again.
    pub roles_version: u64,
    /// Counts changes of the primary to *another* server (A, none, A again is one generation).
    pub generation: u64,
    /// The servers, in the order of discovery.
    pub servers: Arc<[Arc<Server>]>,
    /// The server for statements that need a primary. None: they wait.
    pub primary: Option<ServerId>,
    /// A problem for people to look at; there may be a primary nevertheless.
    pub alarm: Option<Alarm>,
    /// The last changes of the primary, newest last, at most 32.
    pub history: Arc<VecDeque<PrimaryChange>>,
    /// The primary, or the last one while there is none: distinguishes a primary's return from a change of
    /// primary.
    pub last_primary: Option<ServerId>,
    /// The address of `last_primary`, which replicas may still name when the server has left the list.
    pub last_primary_at: Option<Arc<str>>,
    /// Since when the last primary's label has been another server's, while both are writable (Unix time in milliseconds).
    pub handover_since_ms: Option<u64>,
    /// How many acknowledged writes new primaries were not known to have, since the process began.
    pub writes_in_question: u64,
    /// Since when there is no primary (Unix time in milliseconds), if the last one lives and is read-only or
    /// being deleted, so that another one is to be expected.
    pub lost_at_ms: Option<u64>,
    /// `failover.grace`: how long open transactions may continue on the last primary, if that server lives.
    pub grace: Duration,
    /// True if the grace is over.
    pub grace_over: bool,
    /// `failover.silence`: how long what is under way on the last primary waits while that answers nothing.
    pub silence: Duration,
    /// Since when the last primary has answered nothing (Unix time in milliseconds), while there is no primary.
    pub silent_since_ms: Option<u64>,
    /// The last primary, while what is under way there waits for its answer; see [`Silence`](super::silence::Silence).
    pub awaited: Option<ServerId>,
    /// The writes that were acknowledged to clients, once the primary is lost.
    pub acknowledged: Option<Acknowledged>,
    /// The primary's positions over time, by which the lag of the others is measured.
    pub trail: Trail,
    /// `replicas.max_lag`; decides `serves_reads`.
    pub max_lag: Duration,
    /// What the operator's resource asks for.
    pub maintenance: Maintenance,
    /// The servers that orders to this process drain.
    pub drain_orders: DrainOrders,
    /// Pods that left the list while deposed or as the last primary: their uids or, for pods without a label,
    /// their names. A pod that is back with one of these may have the same data.
    pub departed_pods: Arc<[(Arc<str>, ServerId)]>,
    /// The id of the next new server.
    pub next_id: u32,
    /// All ways in which the servers have parsed texts since the proxy began: an older connection may still
    /// do so.
    pub modes: TextModes,
}

/// One server as last probed.
#[derive(Debug, Clone, PartialEq)]
pub struct Server {
    /// Its identity.
    pub id: ServerId,
    /// Its name, as configured.
    pub name: Arc<str>,
    /// `host:port` or `unix:/path`.
    pub address: Arc<str>,
    /// Whether the server answers.
    pub health: Health,
    /// The snapshot's `roles_version` since when the same process answers without a break: it was not rebuilt since.
    pub up_since: u64,
    /// What its greeting and its last successful probe reported; None before the first.
    pub facts: Option<Facts>,
    /// Consecutive probes without an answer; counted up to `MISSED_UNTIL_DOWN`.
    pub missed: u32,
    /// True if it is down because it answers nothing: its address neither refused nor reset a connection.
    pub silent: bool,
    /// Its lag behind the primary at its last probe: the age of its position in the primary's history, accurate
    /// to one probe interval. Without GTIDs, and for the primary itself: what the server reports. While there
    /// is no primary: its lag behind the last position seen of the last primary. None: unknown.
    pub lag: Option<Duration>,
    /// Whether the lag is low enough for reads, with hysteresis.
    pub freshness: Freshness,
    /// Eligible for reads: up, replicating, lag within `max_lag`, not the primary, with a weight.
    pub serves_reads: bool,
    /// The last error of a probe, for people.
    pub last_error: Option<Arc<str>>,
    /// The role of the operator's label; None where discovery knows no labels.
    pub label: Option<Label>,
    /// When the label became `Primary`: the generation and the snapshot's version at that time.
    pub labelled: Option<(u64, u64)>,
    /// The generation in which its label became `Replica` after it was `Primary`.
    pub unlabelled: Option<u64>,
    /// True if it was read-only when it last was not writable: somebody made it writable.
    pub made_writable: bool,
    /// True if its pod is being deleted: it is no candidate and gets no new reads.
    pub deleting: bool,
    /// Who, apart from orders to this process, asks that it gets no new reads.
    pub drain: Option<Drain>,
    /// Its share of the reads, relative to the others' shares; 0: none.
    pub weight: u16,
    /// Its zone, if known; compared with `replicas.zone`.
    pub zone: Option<Arc<str>>,
    /// The uid of its pod; empty without one.
    pub uid: Arc<str>,
    /// The names that its certificate may have, any of them; empty: the host of its address.
    pub tls_names: Arc<[Arc<str>]>,
    /// Its state in its group; None if it reported none.
    pub member: Option<Member>,
    /// The last generation in which it was seen as a working replica.
    pub replicated: Option<u64>,
    /// What it had applied when it was last seen as a replica that applies. Operators empty a new primary's
    /// `gtid_slave_pos`: then its own answers do not show that it has these writes.
    pub held: Option<Arc<GtidSet>>,
    /// Its source when the primary last answered.
    pub last_source: Option<Arc<str>>,
    /// True if another server took over from it as the primary, and it has not been seen read-only or
    /// replicating since: it may lack writes that the successor acknowledged.
    pub deposed: bool,
    /// Since when its receiver has been disconnected (Unix time in milliseconds).
    pub stalled_since_ms: Option<u64>,
}

/// After this many consecutive probes without an answer a server is `Down`.
pub const MISSED_UNTIL_DOWN: u32 = 3;

/// Whether a server is within `max_lag`, as far as known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Freshness {
    /// It is not; or it was not and has not recovered enough yet; or it is new and has not been seen to catch
    /// up.
    Late,
    /// It is, as the server reports.
    Reported,
    /// It is, by its measured position.
    Seen,
}

/// The role that an operator's label gives a pod. It can be late, and two pods can be `Primary`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Label {
    /// Labelled as the primary.
    Primary,
    /// Labelled as a replica.
    Replica,
    /// This discovery has labels, but this server carries none.
    Absent,
}

/// One server as discovery reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovered {
    /// Its unique name. Name and address identify the server: the same name at another address is another
    /// server.
    pub name: Arc<str>,
    /// `host:port` or `unix:/path`.
    pub address: Arc<str>,
    /// None where discovery knows no labels (static).
    pub label: Option<Label>,
    /// `deletionTimestamp` is set.
    pub deleting: bool,
    /// Who asks that it gets no new reads.
    pub drain: Option<Drain>,
    /// `discovery.servers.weight`
    pub weight: u16,
    /// `discovery.servers.zone`
    pub zone: Option<Arc<str>>,
    /// The uid of its pod: another pod of the same name and address is another server. Empty without pods.
    pub uid: Arc<str>,
    /// The names that its certificate may have; empty: the host of its address.
    pub tls_names: Arc<[Arc<str>]>,
}

/// The default of `discovery.servers.weight`.
const DEFAULT_WEIGHT: u16 = 1;

impl From<(Arc<str>, Arc<str>)> for Discovered {
    fn from((name, address): (Arc<str>, Arc<str>)) -> Self {
        Discovered {
            name,
            address,
            label: None,
            deleting: false,
            drain: None,
            weight: DEFAULT_WEIGHT,
            zone: None,
            uid: Arc::default(),
            tls_names: Arc::default(),
        }
    }
}

/// Whether a server answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Health {
    /// Not probed yet.
    Unknown,
    /// The last probe answered, or fewer than three in a row did not.
    Up,
    /// Refused, reset, or three probes without an answer.
    Down,
}

/// What a server's greeting and probe report.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// MySQL or MariaDB.
    pub flavor: Flavor,
    /// The greeting's version string, byte for byte (MariaDB's may begin with `5.5.5-`).
    pub version: Arc<str>,
    /// The greeting's capability flags: 32 bits of MySQL's, 32 bits of MariaDB's extension above.
    pub capabilities: u64,
    /// The greeting's default collation id.
    pub collation: u8,
    /// The TLS version of the probes' connection; None: it is not encrypted.
    pub tls: Option<&'static str>,
    /// True for `read_only`; on MySQL `super_read_only` counts too.
    pub read_only: bool,
    /// True for `super_read_only` (MySQL), or the values of MariaDB's `read_only` that also bind SUPER.
    pub super_read_only: bool,
    /// The state of replication, if it is configured as a replica.
    pub replication: Option<Replication>,
    /// True if `replication: None` means that it is no replica. False: the monitor's account may not see
    /// replication.
    pub tells_replication: bool,
    /// What is applied and visible on this server; on a former primary its own writes too. Empty if unknown.
    pub gtid: Arc<GtidSet>,
    /// True if all writes get GTIDs here, so that `gtid` says which writes a server has: with `gtid_mode`
    /// `ON` (MySQL; its other modes allow writes without one), always on MariaDB.
    pub gtid_on: bool,
    /// The server closes a connection after this long without a command; the shorter of `wait_timeout` and
    /// `interactive_timeout`.
    pub wait_timeout: Option<Duration>,
    /// `max_allowed_packet`: the longest command that the server accepts, in bytes. None: unknown.
    pub max_packet: Option<usize>,
    /// `max_connections`: how many connections the server takes. None: unknown.
    pub max_connections: Option<usize>,
    /// How many connections it has. None: unknown.
    pub occupied: Option<Occupied>,
    /// `server_uuid` (MySQL) or `server_id` (MariaDB), which reveals that the server was replaced.
    pub identity: Arc<str>,
    /// Which process answers.
    pub life: Life,
    /// `gtid_binlog_state`: the last write of each origin in the binary log. Empty on MySQL.
    pub binlog_state: Arc<str>,
    /// The GTID of the first write in its binary log, if it has been a replica since without any in its log: its first write as a
    /// primary. Empty if unknown, and on MySQL.
    pub first_own: Arc<str>,
    /// How it parses the texts of sessions that have set nothing.
    pub modes: TextModes,
    /// What the status flags of a new session show.
    pub login: LoginFlags,
    /// The round trip of the probe. The reducer keeps the old value while the new one is within a factor of
    /// two, so that noise makes no new snapshot.
    pub round_trip: Duration,
}

/// How many connections a server has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Occupied {
    /// All of them, as the server counts them.
    pub all: usize,
    /// Those that are not in this process's pools.
    pub by_others: usize,
}

/// A process of a server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Life {
    /// Identity, host name, port and data directory, as the server reports them: two servers that live at the same time
    /// have different ones. Empty if unknown.
    pub instance: Arc<str>,
    /// When it was started, by its own clock (Unix time in seconds; up to a second too late). None: unknown.
    pub started: Option<u64>,
}

/// The state of a configured replica.
#[derive(Debug, Clone, PartialEq)]
pub struct Replication {
    /// True if the receiver (IO) thread is connected.
    pub receiving: bool,
    /// True if the applier (SQL) thread runs.
    pub applying: bool,
    /// The lag as the server reports it, on MariaDB in whole seconds; None if unknown. See `Server::lag`.
    pub lag: Option<Duration>,
    /// `host:port` of its source, of the first one if there are several.
    pub source: Option<Arc<str>>,
    /// True if there are several sources.
    pub several: bool,
}

/// What a member of a group reports about its state in the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Member {
    /// Which kind of group.
    pub group: Group,
    /// True if it is in the part of the group that has the majority, and not behind.
    pub fit: bool,
    /// True if it is outside the majority: its commits may never be answered.
    pub apart: bool,
    /// True if it may accept writes: the primary of a replication group, every fit member of a Galera
    /// cluster.
    pub writes: bool,
    /// True if other members may accept writes, too: a replication group with several primaries, a Galera cluster.
    pub several_write: bool,
}

/// What the operators of the cluster ask for during maintenance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Maintenance {
    /// True if no new clients are admitted.
    pub cordoned: bool,
    /// While cordoned: the session of a client that is idle for this long ends.
    pub drain: Option<Duration>,
    /// True if the primary is read-only on purpose: nobody waits for another one.
    pub read_only: bool,
}

/// A group that agrees on its members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Group {
    /// MySQL group replication.
    Replication,
    /// Galera.
    Galera,
}

/// A problem for people to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Alarm {
    /// Two or more servers are writable: either none of them can be identified as the primary, or another one
    /// is writable beside the primary (which stays).
    SeveralCandidates,
    /// Servers answer, but none can be the primary: they are read-only, or not labelled.
    NoCandidate,
    /// The only writable server is a former primary whose successor has not been seen to give up the role: it
    /// may lack acknowledged writes. It becomes the primary once it has been read-only or a replica, or once
    /// the successor is read-only or no longer configured. Also raised for a primary that is back while
    /// labels or replicas indicate that another server took over unseen.
    FormerPrimary,
}

/// One line of the history.
#[derive(Debug, Clone, PartialEq)]
pub struct PrimaryChange {
    /// Unix time in milliseconds.
    pub at_ms: u64,
    /// The name of the old primary, for people.
    pub from: Option<Arc<str>>,
    /// The name of the new primary, for people.
    pub to: Option<Arc<str>>,
    /// The reason, from the reducer.
    pub reason: Arc<str>,
    /// The generation after the change.
    pub generation: u64,
}

/// An input of the reducer.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "events are few, and moved once")]
pub enum Event {
    /// The complete list of discovered servers: a server that is not in it is gone.
    Servers(Vec<Discovered>),
    /// A probe of a server ended.
    Probe {
        /// The server.
        server: ServerId,
        /// The outcome.
        outcome: ProbeOutcome,
    },
    /// `replicas.max_lag` was (re)configured.
    MaxLag(Duration),
    /// `failover.grace` was (re)configured.
    Grace(Duration),
    /// `failover.silence` was (re)configured.
    Silence(Duration),
    /// The operator's resource now asks for this.
    Maintenance(Maintenance),
    /// An order to this process drains a server, or ends such a drain.
    DrainOrder {
        /// The server's name.
        server: Arc<str>,
        /// False: the drain ends.
        drained: bool,
    },
    /// The primary is lost, and these are all writes of its generation that clients were told were done, as
    /// far as is known now.
    Acknowledged(Acknowledged),
}

/// Acknowledged writes of one generation.
#[derive(Debug, Clone, PartialEq)]
pub struct Acknowledged {
    /// The generation of the writes.
    pub generation: u64,
    /// Their GTIDs.
    pub set: Arc<GtidSet>,
}

/// How a probe ended.
#[derive(Debug, Clone, PartialEq)]
pub enum ProbeOutcome {
    /// It answered.
    Facts(Facts),
    /// It answered, and it is a member of a group.
    Member(Facts, Member),
    /// No answer within the probe's timeout.
    Timeout,
    /// Connection refused or reset: down at once.
    Unreachable(Arc<str>),
    /// A connection that had answered ended, and a new one gets no answer within the probe's timeout: down at once. It proves less than a
    /// refusal: whoever kills the probe's connection on a busy server does that.
    Lost(Arc<str>),
    /// It answered with an error (it is in offline mode …): it is reachable, but not usable. Counts as a missed probe.
    Refused(Arc<str>),
    /// It does not let the probe in: it takes no more connections, or not from this account. Those that are open go on.
    Barred {
        /// What it says.
        error: Arc<str>,
        /// What it answered on a connection that a session has left idle, without the state of replication. None: there was
        /// no such connection, or no answer.
        told: Option<Box<Facts>>,
    },
}

impl Snapshot {
    /// Returns the snapshot in which nothing is known.
    pub fn empty() -> Self {
        Snapshot {
            version: 0,
            roles_version: 0,
            generation: 0,
            servers: Arc::from([]),
            primary: None,
            alarm: None,
            history: Arc::default(),
            last_primary: None,
            last_primary_at: None,
            handover_since_ms: None,
            writes_in_question: 0,
            lost_at_ms: None,
            grace: Duration::from_secs(5),
            grace_over: false,
            silence: Duration::from_secs(30),
            silent_since_ms: None,
            awaited: None,
            acknowledged: None,
            trail: Trail::default(),
            max_lag: Duration::from_secs(10),
            maintenance: Maintenance::default(),
            drain_orders: DrainOrders::default(),
            departed_pods: Arc::default(),
            next_id: 0,
            modes: TextModes::empty(),
        }
    }

    /// Returns the server with this id, unless it is gone.
    pub fn server(&self, id: ServerId) -> Option<&Arc<Server>> {
        self.servers.iter().find(|s| s.id == id)
    }

    /// Returns the primary, if there is one.
    pub fn primary(&self) -> Option<&Arc<Server>> {
        self.primary.and_then(|id| self.server(id))
    }

    /// True if this server is the last primary and read-only as the operator's resource asks: open work on it
    /// continues.
    pub fn is_maintained(&self, server: ServerId) -> bool {
        let last = self.primary.is_none() && self.last_primary == Some(server);
        last && self.maintenance.read_only && !self.has_lost(server, self.generation, false)
    }

    /// True if this server, the primary of that generation, must acknowledge no more writes although it may
    /// live: another server has the role, or this one reports that it is read-only and another one is to be
    /// expected. Never true for a member of a group: the majority has what it accepts.
    pub fn has_demoted(&self, server: ServerId, generation: u64) -> bool {
        let found = self.server(server);
        let of_group = found.is_some_and(|found| found.member.is_some());
        let is_primary = self.primary == Some(server) && self.generation == generation;
        let gave_up = || found.is_some_and(|found| found.is_up_read_only()) && self.servers.len() > 1;
        !is_primary && !of_group && (self.primary.is_some() || (gave_up() && !self.maintenance.read_only))
    }

    /// Returns, while there is no primary, the last one's generation and the servers' flavour.
    pub fn lost(&self) -> Option<(u64, Flavor)> {
        let lost = self.primary.is_none() && self.last_primary.is_some();
        // The last primary may be gone from the list.
        let facts = self.servers.iter().find_map(|s| s.facts.as_ref()).filter(|_| lost)?;
        Some((self.generation, facts.flavor))
    }

    /// Returns who asks that a server gets no new reads; None: nobody.
    pub fn drain_of(&self, server: &Server) -> Option<Drain> {
        server.drain.or_else(|| self.drain_orders.contains(&server.name).then_some(Drain::Order))
    }

    /// Returns the servers that may serve reads.
    pub fn replicas(&self) -> impl Iterator<Item = &Arc<Server>> {
        self.servers.iter().filter(|s| s.serves_reads)
    }
}

impl Server {
    /// True if the server lives and lets no probe in: what is known of it is from before.
    pub fn is_barred(&self) -> bool {
        self.health == Health::Up && self.missed == 0 && self.last_error.is_some()
    }

    /// Returns a server of which only name and address are known.
    pub fn new(id: ServerId, name: Arc<str>, address: Arc<str>) -> Self {
        Server {
            id,
            name,
            address,
            health: Health::Unknown,
            up_since: 0,
            facts: None,
            missed: 0,
            silent: false,
            lag: None,
            freshness: Freshness::Late,
            serves_reads: false,
            last_error: None,
            label: None,
            labelled: None,
            unlabelled: None,
            made_writable: false,
            deleting: false,
            drain: None,
            weight: DEFAULT_WEIGHT,
            zone: None,
            uid: Arc::default(),
            tls_names: Arc::default(),
            member: None,
            replicated: None,
            held: None,
            last_source: None,
            deposed: false,
            stalled_since_ms: None,
        }
    }

    /// True if the server could be the primary: reachable and writable by its last probe. A member of a group
    /// must also be allowed to write: ONLINE and PRIMARY in a view with a majority (group replication),
    /// Synced in the Primary component (Galera).
    pub fn is_candidate(&self) -> bool {
        self.health == Health::Up
            && !self.deleting
            && self.member.is_none_or(|member| member.writes)
            && self.facts.as_ref().is_some_and(|f| !f.is_read_only())
    }

    /// True if it answers and is read-only.
    pub fn is_up_read_only(&self) -> bool {
        self.health == Health::Up && self.facts.as_ref().is_some_and(Facts::is_read_only)
    }

    /// True if it is a member of a group, but not with its majority.
    pub fn is_cut_off(&self) -> bool {
        self.member.is_some_and(|member| member.apart)
    }

    /// True if it is a working replica: it receives and applies.
    pub fn replicates(&self) -> bool {
        self.health == Health::Up && self.replication().is_some_and(|r| r.receiving && r.applying)
    }

    /// Returns its replication, if it is a configured replica.
    pub fn replication(&self) -> Option<&Replication> {
        self.facts.as_ref().and_then(|f| f.replication.as_ref())
    }
}

impl Facts {
    /// True for either kind of read-only.
    pub fn is_read_only(&self) -> bool {
        self.read_only || self.super_read_only
    }
}
