//! The snapshot's types.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Identifies a server for the life of the process; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerId(pub u32);

/// All that is known at one moment. Replaced whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// Counts every change of anything.
    pub version: u64,
    /// Counts changes of the writer to *another* server (A, none, A again is one generation).
    pub generation: u64,
    /// In the order of discovery.
    pub servers: Arc<[Arc<Server>]>,
    /// Where statements that need a writer go. None: they wait.
    pub writer: Option<ServerId>,
    /// Why there is no writer although servers answer (for example several candidates).
    pub alarm: Option<Alarm>,
    /// The last changes of writer, newest last, at most 32.
    pub history: Arc<VecDeque<WriterChange>>,
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
    /// Consecutive probes without an answer.
    pub missed: u32,
    /// Eligible for reads: up, replicating, lag within `max_lag`, not the writer.
    pub serves_reads: bool,
    /// The last error of a probe, for people.
    pub last_error: Option<Arc<str>>,
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
    /// `read_only`, and on MySQL `super_read_only` counts too.
    pub read_only: bool,
    /// `super_read_only` (MySQL), or MariaDB's `read_only` values that bind SUPER too.
    pub super_read_only: bool,
    /// Replication threads, if it is configured as a replica.
    pub replication: Option<Replication>,
    /// The applied GTID position in the server's own notation.
    pub gtid: Arc<str>,
    /// `server_uuid` (MySQL) or `server_id` (MariaDB), to tell a replaced server.
    pub identity: Arc<str>,
    /// Round trip of the probe.
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
    /// Seconds behind, as the server says it; None if unknown.
    pub lag: Option<Duration>,
    /// `host:port` of its source.
    pub source: Option<Arc<str>>,
}

/// Why there is no writer although servers answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Alarm {
    /// Two or more writable servers, none of which is the current writer.
    SeveralCandidates,
    /// All that answer are read-only.
    NoCandidate,
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
    Servers(Vec<(Arc<str>, Arc<str>)>),
    /// A probe of a server ended.
    Probe {
        /// Whose.
        server: ServerId,
        /// How.
        outcome: ProbeOutcome,
    },
    /// `replicas.max_lag` was (re)configured.
    MaxLag(Duration),
}

/// How a probe ended.
#[derive(Debug, Clone, PartialEq)]
pub enum ProbeOutcome {
    /// It answered.
    Facts(Facts),
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
            generation: 0,
            servers: Arc::from([]),
            writer: None,
            alarm: None,
            history: Arc::default(),
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

    /// The servers that may serve reads.
    pub fn replicas(&self) -> impl Iterator<Item = &Arc<Server>> {
        self.servers.iter().filter(|s| s.serves_reads)
    }
}
