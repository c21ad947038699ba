//! The snapshot's types.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::gtid::GtidSet;
use super::modes::TextModes;
use super::position_history::Trail;

/// Identifies a server for the life of the process; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerId(pub u32);

/// All that is known at one moment. Replaced whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// Counts every change of anything.
    pub version: u64,
    /// Counts the changes that can move a session or a connection: of servers, health, roles, eligibility,
    /// weights, generation. Not those of what moves with every write or probe: positions, lags, round
    /// trips, missed probes and their errors. While it is the same, nobody has to look anew at what is
    /// attached where.
    pub roles_version: u64,
    /// Counts changes of the writer to *another* server (A, none, A again is one generation).
    pub generation: u64,
    /// In the order of discovery.
    pub servers: Arc<[Arc<Server>]>,
    /// Where statements that need a writer go. None: they wait.
    pub writer: Option<ServerId>,
    /// What a person should look at; there may be a writer all the same.
    pub alarm: Option<Alarm>,
    /// The last changes of writer, newest last, at most 32.
    pub history: Arc<VecDeque<WriterChange>>,
    /// The writer, or the last one while there is none: tells a return from a change.
    pub last_writer: Option<ServerId>,
    /// Unix time in milliseconds since when there is none because the last one, which lives, is read-only or being
    /// deleted, and another is to be expected.
    pub lost_at_ms: Option<u64>,
    /// `failover.grace`: so long open transactions may go on at the last writer, if that lives.
    pub grace: Duration,
    /// That is over.
    pub grace_over: bool,
    /// What the sessions heard of writes, once the writer was lost.
    pub acknowledged: Option<Acknowledged>,
    /// Where the writer was when; the lag of the others is measured by it.
    pub trail: Trail,
    /// `replicas.max_lag`; decides `serves_reads`.
    pub max_lag: Duration,
    /// What the operator's resource asks for.
    pub maintenance: Maintenance,
    /// Pods that were deposed, or the last writer, when they went: what comes back by one of these uids, or without a
    /// label by one of these names, may be the same data.
    pub gone: Arc<[(Arc<str>, ServerId)]>,
    /// The id of the next new server.
    pub next_id: u32,
    /// In which ways the servers have read texts since the proxy began: a connection of then may still read so.
    pub modes: TextModes,
}

/// One server as last probed.
#[derive(Debug, Clone, PartialEq)]
pub struct Server {
    /// Its identity.
    pub id: ServerId,
    /// As configured.
    pub name: Arc<str>,
    /// `host:port` or `unix:/path`.
    pub address: Arc<str>,
    /// Whether it answers.
    pub health: Health,
    /// What its greeting and last good probe said; None before the first.
    pub facts: Option<Facts>,
    /// Consecutive probes without an answer; counted up to `MISSED_UNTIL_DOWN`.
    pub missed: u32,
    /// How far it was behind the writer when it was last probed: the age of its position in the
    /// writer's history, right to within one probe interval; without GTIDs, and of the writer itself, what the
    /// server says. While there is no writer: as far as it is behind where the last one was seen. None:
    /// unknown.
    pub lag: Option<Duration>,
    /// Whether that is fresh enough for reads, with hysteresis.
    pub freshness: Freshness,
    /// Eligible for reads: up, replicating, lag within `max_lag`, not the writer, with a weight.
    pub serves_reads: bool,
    /// The last error of a probe, for people.
    pub last_error: Option<Arc<str>>,
    /// What the operator's label says; None where discovery knows no labels.
    pub label: Option<Label>,
    /// When the label became `Primary`: the generation and the snapshot's version of then.
    pub labelled: Option<(u64, u64)>,
    /// Its pod is being deleted: no candidate, no new reads.
    pub deleting: bool,
    /// Its share of the reads, in relation to the others'; 0: none.
    pub weight: u16,
    /// Where it stands, if that is known; compared with `replicas.zone`.
    pub zone: Option<Arc<str>>,
    /// Of its pod; empty without one.
    pub uid: Arc<str>,
    /// What its certificate may be for, any of them; empty: the host of its address.
    pub tls_names: Arc<[Arc<str>]>,
    /// Its place in its group; None if it is in none, as far as it said.
    pub member: Option<Member>,
    /// The last generation of which it was seen as a working replica.
    pub replicated: Option<u64>,
    /// Whom it replicated from when the writer last answered.
    pub last_source: Option<Arc<str>>,
    /// It was the writer until another server took over, and has not been seen read-only or
    /// replicating since: it may lack writes that the successor acknowledged.
    pub deposed: bool,
    /// Unix time in milliseconds since when its receiver is disconnected.
    pub stalled_since_ms: Option<u64>,
}

/// So many probes without an answer make a server `Down`.
pub const MISSED_UNTIL_DOWN: u32 = 3;

/// Whether a server is within `max_lag`, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Freshness {
    /// It is not, or was not and is not yet back by enough, or is new and was not seen to have caught up.
    Late,
    /// It is, by its own word.
    Said,
    /// It is, by its position.
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

/// One server as discovery names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovered {
    /// Unique; with the address it makes the server: the same name elsewhere is another server.
    pub name: Arc<str>,
    /// `host:port` or `unix:/path`.
    pub address: Arc<str>,
    /// None where discovery knows no labels (static).
    pub label: Option<Label>,
    /// `deletionTimestamp` is set.
    pub deleting: bool,
    /// `discovery.servers.weight`
    pub weight: u16,
    /// `discovery.servers.zone`
    pub zone: Option<Arc<str>>,
    /// Of its pod: another pod of the same name and address is another server. Empty without pods.
    pub uid: Arc<str>,
    /// What its certificate may be for; empty: the host of its address.
    pub tls_names: Arc<[Arc<str>]>,
}

/// `discovery.servers.weight` where nobody says otherwise.
const DEFAULT_WEIGHT: u16 = 1;

impl From<(Arc<str>, Arc<str>)> for Discovered {
    fn from((name, address): (Arc<str>, Arc<str>)) -> Self {
        Discovered {
            name,
            address,
            label: None,
            deleting: false,
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

/// What a server's greeting and probe say.
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
    /// `read_only`, and on MySQL `super_read_only` counts too.
    pub read_only: bool,
    /// `super_read_only` (MySQL), or MariaDB's `read_only` values that bind SUPER too.
    pub super_read_only: bool,
    /// Replication threads, if it is configured as a replica.
    pub replication: Option<Replication>,
    /// Without them: that it is none. Else the monitor's account may not know.
    pub tells_replication: bool,
    /// What is applied and visible here; on a former primary its own writes too. Empty if unknown.
    pub gtid: Arc<GtidSet>,
    /// Writes get GTIDs here, so `gtid` tells which of them a server has: `gtid_mode` is `ON` (MySQL; in
    /// the other modes there may be writes without one), always (MariaDB).
    pub gtid_on: bool,
    /// After this long without a command it closes a connection; the shorter of `wait_timeout` and
    /// `interactive_timeout`.
    pub wait_timeout: Option<Duration>,
    /// `server_uuid` (MySQL) or `server_id` (MariaDB), to tell a replaced server.
    pub identity: Arc<str>,
    /// How it reads the texts of sessions that set nothing.
    pub modes: TextModes,
    /// Round trip of the probe. The reducer keeps the old value while the new one is within a
    /// factor of two, so that noise makes no new snapshot.
    pub round_trip: Duration,
}

/// MySQL or MariaDB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flavor {
    /// MySQL and Percona Server.
    MySql,
    /// MariaDB.
    MariaDb,
}

/// The state of a configured replica.
#[derive(Debug, Clone, PartialEq)]
pub struct Replication {
    /// The receiver (IO) thread is connected.
    pub receiving: bool,
    /// The applier (SQL) thread runs.
    pub applying: bool,
    /// As the server says it, on MariaDB in whole seconds; None if unknown. See `Server::lag`.
    pub lag: Option<Duration>,
    /// `host:port` of its source, of the first one if there are several.
    pub source: Option<Arc<str>>,
    /// There are.
    pub several: bool,
}

/// What a member of a group says of its place in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Member {
    /// Which kind of group.
    pub group: Group,
    /// It is in the part of the group that has the majority, and not behind.
    pub fit: bool,
    /// It is not in the part that has the majority: what it was asked to commit may never be answered.
    pub apart: bool,
    /// It may take writes: the primary of a replication group, every fit member of a Galera cluster.
    pub writes: bool,
}

/// What the people who run the cluster ask for while they work on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Maintenance {
    /// Nobody new comes in.
    pub cordoned: bool,
    /// While it is cordoned: a client that says nothing for so long ends.
    pub drain: Option<Duration>,
    /// The primary is read-only on purpose: nobody has to wait for another one.
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

/// What a person should look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Alarm {
    /// Two or more writable servers: either none of them can be told to be the writer, or
    /// another one is writable beside the writer (which stays).
    SeveralCandidates,
    /// Servers answer, but none is fit to be the writer: read-only, or not labelled.
    NoCandidate,
    /// The only writable server is a former primary whose successor has not been seen to give
    /// the role up: it may lack acknowledged writes. It is taken as soon as it has been
    /// read-only or a replica, or the successor is read-only or no longer configured. The same of
    /// a primary that comes back while labels or replicas say that another one took over unseen.
    FormerPrimary,
}

/// One line of the history.
#[derive(Debug, Clone, PartialEq)]
pub struct WriterChange {
    /// Unix time in milliseconds.
    pub at_ms: u64,
    /// Names, for people.
    pub from: Option<Arc<str>>,
    /// Names, for people.
    pub to: Option<Arc<str>>,
    /// Why, from the reducer.
    pub reason: Arc<str>,
    /// The generation that it began.
    pub generation: u64,
}

/// What the reducer takes.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The discovered servers, complete: who is not in it is gone.
    Servers(Vec<Discovered>),
    /// A probe of a server ended.
    Probe {
        /// Whose.
        server: ServerId,
        /// How.
        outcome: ProbeOutcome,
    },
    /// `replicas.max_lag` was (re)configured.
    MaxLag(Duration),
    /// `failover.grace` was.
    Grace(Duration),
    /// The operator's resource asks for this from now on.
    Maintenance(Maintenance),
    /// The writer is lost, and these are all the writes of its generation that clients were told to
    /// be done, as far as they were heard of until now.
    Acknowledged(Acknowledged),
}

/// Acknowledged writes of one generation.
#[derive(Debug, Clone, PartialEq)]
pub struct Acknowledged {
    /// Whose.
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
    /// It answered with an error (bad password, too many connections …): reachable, not usable; counts as missed.
    Refused(Arc<str>),
}

impl Snapshot {
    /// Nothing known.
    pub fn empty() -> Self {
        Snapshot {
            version: 0,
            roles_version: 0,
            generation: 0,
            servers: Arc::from([]),
            writer: None,
            alarm: None,
            history: Arc::default(),
            last_writer: None,
            lost_at_ms: None,
            grace: Duration::from_secs(5),
            grace_over: false,
            acknowledged: None,
            trail: Trail::default(),
            max_lag: Duration::from_secs(10),
            maintenance: Maintenance::default(),
            gone: Arc::default(),
            next_id: 0,
            modes: TextModes::empty(),
        }
    }

    /// The server with this id, unless it is gone.
    pub fn server(&self, id: ServerId) -> Option<&Arc<Server>> {
        self.servers.iter().find(|s| s.id == id)
    }

    /// The writer, if there is one.
    pub fn writer(&self) -> Option<&Arc<Server>> {
        self.writer.and_then(|id| self.server(id))
    }

    /// Whether nothing more is to be expected on a connection to this server, opened in this generation: it does not
    /// answer, or it is cut off from its group, which has another writer.
    pub fn has_lost(&self, server: ServerId, generation: u64, read_only: bool) -> bool {
        self.server(server).is_none_or(|server| {
            let deposed = !read_only && generation != self.generation;
            server.health == Health::Down || (deposed && server.is_cut_off())
        })
    }

    /// Whether this server is the last writer, read-only as the operator's resource asks, and so goes on with what is
    /// open there.
    pub fn is_maintained(&self, server: ServerId) -> bool {
        let last = self.writer.is_none() && self.last_writer == Some(server);
        last && self.maintenance.read_only && !self.has_lost(server, self.generation, false)
    }

    /// Whether this server, the primary of that generation, must acknowledge no more writes although it may live: another
    /// one has the role, or it says that it is read-only and another is to be expected. Never a member of a group: what it
    /// takes, the majority has.
    pub fn has_demoted(&self, server: ServerId, generation: u64) -> bool {
        let found = self.server(server);
        let of_group = found.is_some_and(|found| found.member.is_some());
        let is_writer = self.writer == Some(server) && self.generation == generation;
        let gave_up = || found.is_some_and(|found| found.is_up_read_only()) && self.servers.len() > 1;
        !is_writer && !of_group && (self.writer.is_some() || (gave_up() && !self.maintenance.read_only))
    }

    /// While there is no writer: the generation of the last one, and its servers' flavour.
    pub fn lost(&self) -> Option<(u64, Flavor)> {
        let lost = self.writer.is_none() && self.last_writer.is_some();
        // The last one itself may be gone from the list.
        let facts = self.servers.iter().find_map(|s| s.facts.as_ref()).filter(|_| lost)?;
        Some((self.generation, facts.flavor))
    }

    /// The servers that may serve reads.
    pub fn replicas(&self) -> impl Iterator<Item = &Arc<Server>> {
        self.servers.iter().filter(|s| s.serves_reads)
    }
}

impl Server {
    /// A server of which nothing is known but how to reach it.
    pub fn new(id: ServerId, name: Arc<str>, address: Arc<str>) -> Self {
        Server {
            id,
            name,
            address,
            health: Health::Unknown,
            facts: None,
            missed: 0,
            lag: None,
            freshness: Freshness::Late,
            serves_reads: false,
            last_error: None,
            label: None,
            labelled: None,
            deleting: false,
            weight: DEFAULT_WEIGHT,
            zone: None,
            uid: Arc::default(),
            tls_names: Arc::default(),
            member: None,
            replicated: None,
            last_source: None,
            deposed: false,
            stalled_since_ms: None,
        }
    }

    /// Reachable and writable by its last probe: what can be the writer. A member of a group must
    /// also be one that may write: ONLINE and PRIMARY in a view with a majority (group replication),
    /// Synced in the Primary component (Galera).
    pub fn is_candidate(&self) -> bool {
        self.health == Health::Up
            && !self.deleting
            && self.member.is_none_or(|member| member.writes)
            && self.facts.as_ref().is_some_and(|f| !f.is_read_only())
    }

    /// It answers and says that it takes no writes.
    pub fn is_up_read_only(&self) -> bool {
        self.health == Health::Up && self.facts.as_ref().is_some_and(Facts::is_read_only)
    }

    /// It answers, but it is not with the majority of its group.
    pub fn is_cut_off(&self) -> bool {
        self.member.is_some_and(|member| member.apart)
    }

    /// It is a replica at work: it receives and applies.
    pub fn replicates(&self) -> bool {
        self.health == Health::Up && self.replication().is_some_and(|r| r.receiving && r.applying)
    }

    /// Its replication, if it is a configured replica.
    pub fn replication(&self) -> Option<&Replication> {
        self.facts.as_ref().and_then(|f| f.replication.as_ref())
    }
}

impl Facts {
    /// Either kind of read-only.
    pub fn is_read_only(&self) -> bool {
        self.read_only || self.super_read_only
    }
}

impl Label {
    /// As `/topology` and logs spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Label::Primary => "primary",
            Label::Replica => "replica",
            Label::Absent => "none",
        }
    }
}

impl Health {
    /// As `/topology`, metrics and logs spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Health::Unknown => "unknown",
            Health::Up => "up",
            Health::Down => "down",
        }
    }
}

impl Alarm {
    /// As `/topology`, metrics and logs spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Alarm::SeveralCandidates => "several_candidates",
            Alarm::NoCandidate => "no_candidate",
            Alarm::FormerPrimary => "former_primary",
        }
    }
}

impl Maintenance {
    /// What is asked for, as `/topology`, metrics and logs spell it.
    pub fn words(self) -> [(&'static str, bool); 3] {
        [
            ("cordoned", self.cordoned),
            ("draining", self.cordoned && self.drain.is_some()),
            ("read_only", self.read_only),
        ]
    }
}

impl Flavor {
    /// As `/topology`, metrics and logs spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Flavor::MySql => "mysql",
            Flavor::MariaDb => "mariadb",
        }
    }
}
