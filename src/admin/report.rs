//! The answer of `/topology`, as types that both the endpoint and `pointsman status`
//! use. Field names are a contract: add, never rename.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::account_families::names;
use super::{AdminState, ServedConfig};
use crate::config::{Choice, Mode};
use crate::discovery::WatchState;
use crate::sql::RoutineCatalogue;
use crate::telemetry::{Cell, WorkerMetrics};
use crate::terms::{Disruption, Port};
use crate::topology::{Alarm, Flavor, Health, Maintenance, PrimaryChange, Server, Snapshot};

/// The whole answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The proxy's version.
    pub pointsman: String,
    /// `starting`, `listening` or `draining`.
    pub state: String,
    /// Milliseconds since the process began. A rate is the difference of two counts divided by the difference of this.
    pub uptime_ms: u64,
    /// Grows with every change in `servers`.
    pub version: u64,
    /// Grows with each new primary.
    pub generation: u64,
    /// Name of the server that gets the writes.
    #[serde(rename = "writer")]
    pub primary: Option<String>,
    /// `several_candidates`, `no_candidate` or `former_primary`: why there is no primary.
    pub alarm: Option<String>,
    /// What the alarm is about: the state of each server, with positions; absent without an alarm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alarm_detail: Option<String>,
    /// Users of the configuration that pass `read_only` by their privileges, according to the primary; empty if no
    /// other server can become the primary.
    #[serde(default)]
    pub users_passing_read_only: Vec<String>,
    /// How many accounts of the servers clients can log in with; absent if the account tables were not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_accounts: Option<usize>,
    /// What the proxy knows of the servers' routines, tables and views.
    #[serde(default)]
    pub catalogue: CatalogueReport,
    /// `cordoned`, `draining`, `read_only`: what the operator's resource of the cluster asks for.
    #[serde(default)]
    pub maintenance: Vec<String>,
    /// The servers that orders to this process drain; also those that are not there now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drain_orders: Vec<String>,
    /// Which configuration the proxy serves.
    #[serde(default)]
    pub config: ServedConfig,
    /// The servers in the order of the configuration; pods by name.
    pub servers: Vec<ServerReport>,
    /// Changes of the primary, newest last.
    pub history: Vec<PrimaryChangeReport>,
    /// The traffic of all workers together.
    pub traffic: Traffic,
    /// The watches of the Kubernetes API, one for each resource; empty without Kubernetes.
    #[serde(default)]
    pub kubernetes: Vec<KubernetesReport>,
}

/// What the proxy knows of the servers' routines, tables and views, as far as the monitor account may see them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogueReport {
    /// How many stored functions and procedures there are.
    pub routines: usize,
    /// How many of the routines are not known to do more than read.
    pub reading_routines: usize,
    /// How many tables, sequences and views there are.
    pub relations: usize,
    /// For how many of the relations everything is known that reading them does.
    pub known_relations: usize,
    /// The grants that the monitor account lacks, and what the proxy would know with each.
    pub missing_grants: Vec<MissingGrant>,
}

/// A grant that the monitor account lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingGrant {
    /// The statement.
    pub grant: String,
    /// What the proxy would know.
    pub worth: String,
}

impl CatalogueReport {
    fn of(catalogue: &RoutineCatalogue) -> Self {
        let counts = catalogue.counts();
        let missing = catalogue.missing().iter();
        let missing = missing
            .map(|(grant, worth)| MissingGrant { grant: grant.to_string(), worth: (*worth).to_owned() });
        CatalogueReport {
            routines: counts.routines,
            reading_routines: counts.reading,
            relations: counts.relations,
            known_relations: counts.plain,
            missing_grants: missing.collect(),
        }
    }
}

/// The state of one watch of the Kubernetes API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KubernetesReport {
    /// `pods`, `nodes` or `secrets`.
    pub resource: String,
    /// Which objects these are; absent for all objects, and for single ones that have names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub looks_for: Option<String>,
    /// True if the watch is connected. If not, the known state of the resource is as old as `since_ms`.
    pub connected: bool,
    /// Since when the watch is connected, or is not: Unix time in milliseconds.
    pub since_ms: u64,
    /// Why the watch is not connected.
    pub error: Option<String>,
}

/// One server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServerReport {
    /// The name as configured; of a pod, its name.
    pub name: String,
    /// The address that the proxy connects to.
    pub address: String,
    /// `up`, `down` or `unknown`.
    pub health: String,
    /// `primary` (gets the writes), `replica` (replicates, or is another member of the primary's group) or `none`.
    pub role: String,
    /// `mysql` or `mariadb`.
    pub flavor: Option<String>,
    /// The version, without the `5.5.5-` that MariaDB puts in front in its greeting.
    pub version: Option<String>,
    /// Whether the server says that it is read-only.
    pub read_only: Option<bool>,
    /// Whether both replication threads run; null if the server is not a replica.
    pub replicating: Option<bool>,
    /// The source that the server replicates from, as `host:port`.
    pub source: Option<String>,
    /// The TLS version of the probes' connection, `TLSv1.3` or `TLSv1.2`; null if it is not encrypted.
    #[serde(default)]
    pub tls: Option<String>,
    /// Milliseconds behind the primary, by its position; null if that is unknown.
    pub lag_ms: Option<u64>,
    /// Applied GTID position, in the server's notation.
    pub gtid: Option<String>,
    /// Whether the server may get reads as a replica.
    pub serves_reads: bool,
    /// The role in the pod's labels: `primary`, `replica` or `none`; null without labels.
    #[serde(default)]
    pub label: Option<String>,
    /// True if the pod is being deleted: the server gets no new work.
    #[serde(default)]
    pub deleting: bool,
    /// Who drains the server, so that it gets no new reads: `order`, `configuration` or `annotation`; null: nobody.
    #[serde(default)]
    pub drained: Option<String>,
    /// The zone of the server.
    #[serde(default)]
    pub zone: Option<String>,
    /// Probes in a row without an answer.
    pub missed_probes: u32,
    /// Round trip of the last answered probe in microseconds.
    pub probe_us: Option<u64>,
    /// The error of the last probe that failed.
    pub last_error: Option<String>,
    /// True if the server lives and lets no probe in, for the reason in `last_error`: sessions' connections
    /// tell its role, what else is known of it is from before.
    #[serde(default)]
    pub barred: bool,
    /// Statements that the server executed since the process began, or since the server is known again; of at most 16
    /// servers.
    #[serde(default)]
    pub statements: u64,
    /// `max_connections` of the server.
    #[serde(default)]
    pub max_connections: Option<usize>,
    /// How many connections the server has, of all its clients; null if unknown. Counted twice a second.
    #[serde(default)]
    pub connections: Option<usize>,
    /// How many connections of this proxy the server is believed to bear, while it refuses more; null otherwise.
    #[serde(default)]
    pub believed_to_bear: Option<usize>,
}

/// One change of the primary.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PrimaryChangeReport {
    /// When the change was seen: Unix time in milliseconds.
    pub at_ms: u64,
    /// The old primary's name.
    pub from: Option<String>,
    /// The new primary's name.
    pub to: Option<String>,
    /// The reason in words.
    pub reason: String,
    /// The generation after the change.
    pub generation: u64,
    /// The effects on the sessions: only for a new primary, and known two seconds after the change.
    #[serde(default)]
    pub cost: Option<ChangeCost>,
}

/// The effects of a change of the primary on the sessions, up to two seconds after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ChangeCost {
    /// Milliseconds without a primary.
    #[serde(rename = "without_writer_ms")]
    pub without_primary_ms: u64,
    /// Statements that waited for a primary.
    pub held: u64,
    /// Statements whose wait for a primary ended in an error.
    pub hold_expired: u64,
    /// Sessions that moved to another server without noticing.
    pub moved: u64,
    /// Reads that were retried on another server.
    pub retried: u64,
    /// Transactions that were replayed on the new primary without the client noticing.
    #[serde(default)]
    pub replayed: u64,
    /// Transactions that were rolled back, with an error to the client.
    pub rolled_back: u64,
    /// Writes whose outcome is unknown.
    pub outcome_unknown: u64,
    /// Answers that were cut off.
    pub answer_cut: u64,
    /// Sessions that ended because they held state that cannot move.
    pub state_lost: u64,
}

impl ChangeCost {
    /// Returns the workers' counts since the start.
    pub fn counted(workers: &[Arc<WorkerMetrics>]) -> Self {
        let of = |effect: Disruption| {
            let cells = workers.iter().map(|worker| worker.disruptions[effect].get());
            cells.fold(0, u64::wrapping_add)
        };
        ChangeCost {
            without_primary_ms: 0,
            held: of(Disruption::Held),
            hold_expired: of(Disruption::HoldExpired),
            moved: of(Disruption::Moved),
            retried: of(Disruption::Retried),
            replayed: of(Disruption::Replayed),
            rolled_back: of(Disruption::RolledBack),
            outcome_unknown: of(Disruption::OutcomeUnknown),
            answer_cut: of(Disruption::AnswerCut),
            state_lost: of(Disruption::StateLost),
        }
    }

    /// Returns the difference to the counts in `before`.
    pub fn since(self, before: Self, without_primary_ms: u64) -> Self {
        ChangeCost {
            without_primary_ms,
            held: self.held.wrapping_sub(before.held),
            hold_expired: self.hold_expired.wrapping_sub(before.hold_expired),
            moved: self.moved.wrapping_sub(before.moved),
            retried: self.retried.wrapping_sub(before.retried),
            replayed: self.replayed.wrapping_sub(before.replayed),
            rolled_back: self.rolled_back.wrapping_sub(before.rolled_back),
            outcome_unknown: self.outcome_unknown.wrapping_sub(before.outcome_unknown),
            answer_cut: self.answer_cut.wrapping_sub(before.answer_cut),
            state_lost: self.state_lost.wrapping_sub(before.state_lost),
        }
    }

    /// Returns how many clients noticed the change by an error or a lost connection.
    pub fn clients_with_errors(self) -> u64 {
        self.hold_expired + self.rolled_back + self.outcome_unknown + self.answer_cut + self.state_lost
    }
}

/// The traffic of all clients.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Traffic {
    /// One for each mode that a listener has.
    pub ports: Vec<PortReport>,
    /// Connections to servers now.
    pub server_connections: u64,
    /// Connections to servers that are idle in the pools now.
    pub server_idle: u64,
    /// Statements waiting for a primary now.
    #[serde(rename = "waiting_for_writer")]
    pub waiting_for_primary: u64,
    /// Statements waiting for a server connection now.
    pub waiting_for_connection: u64,
}

/// Traffic of the listeners of one mode.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PortReport {
    /// `primary`, `replica` or `split`.
    pub mode: String,
    /// Clients connected now.
    pub clients: u64,
    /// Clients accepted since start.
    pub accepted: u64,
    /// Commands that went to a server since start.
    pub statements: u64,
}

impl AdminState {
    /// Returns the current state.
    pub fn report(&self) -> Report {
        let snapshot = Arc::clone(&self.snapshot.borrow());
        let uptime = SystemTime::now().duration_since(self.started).unwrap_or_default();
        Report {
            pointsman: env!("CARGO_PKG_VERSION").to_owned(),
            state: self.lifecycle.borrow().as_str().to_owned(),
            uptime_ms: millis(uptime),
            version: snapshot.version,
            generation: snapshot.generation,
            primary: snapshot.primary().map(|server| server.name.to_string()),
            alarm: snapshot.alarm.map(|alarm| alarm_word(alarm).to_owned()),
            alarm_detail: snapshot.why_alarm(),
            drain_orders: snapshot.drain_orders.iter().map(|name| name.to_string()).collect(),
            users_passing_read_only: names(&self.passing).iter().map(|user| user.to_string()).collect(),
            server_accounts: self.account_tables.borrow().known(),
            catalogue: CatalogueReport::of(&self.catalogue.borrow()),
            maintenance: asked_for(snapshot.maintenance),
            config: self.config.borrow().clone(),
            servers: snapshot.servers.iter().map(|server| self.server(&snapshot, server)).collect(),
            history: self.history(&snapshot),
            traffic: self.traffic(),
            kubernetes: self.kubernetes.iter().map(|state| KubernetesReport::new(&state.borrow())).collect(),
        }
    }

    fn history(&self, snapshot: &Snapshot) -> Vec<PrimaryChangeReport> {
        let costs = self.costs.borrow();
        let report = |change| {
            let cost = costs.iter().find(|(of, _)| of == change).map(|(_, cost)| *cost);
            PrimaryChangeReport { cost, ..PrimaryChangeReport::new(change) }
        };
        snapshot.history.iter().map(report).collect()
    }

    fn server(&self, snapshot: &Snapshot, server: &Server) -> ServerReport {
        let histograms = self.workers.iter().filter_map(|worker| worker.server_latencies.of(server.id.0));
        let statements = histograms.map(|latency| latency.read().0.iter().sum::<u64>()).sum();
        let believed = self.ceilings.believed().and_then(|of| of.get(&server.id).copied());
        ServerReport { statements, believed_to_bear: believed, ..ServerReport::new(snapshot, server) }
    }

    fn traffic(&self) -> Traffic {
        let sum = |cell: &dyn Fn(&WorkerMetrics) -> &Cell| {
            self.workers.iter().map(|worker| cell(worker).get()).fold(0, u64::wrapping_add)
        };
        let port = |mode: &Mode| {
            let port = port_of(*mode);
            let statements = self.workers.iter().map(|worker| worker.placed.all_from(port));
            PortReport {
                mode: mode.word().to_owned(),
                clients: sum(&|worker| &worker.clients[port]),
                accepted: sum(&|worker| &worker.accepted[port]),
                statements: statements.fold(0, u64::wrapping_add),
            }
        };
        Traffic {
            ports: self.modes.iter().map(port).collect(),
            server_connections: sum(&|worker| &worker.server_connections),
            server_idle: sum(&|worker| &worker.server_idle),
            waiting_for_primary: sum(&|worker| &worker.waiting_for_primary),
            waiting_for_connection: sum(&|worker| &worker.waiting_for_connection),
        }
    }
}

fn asked_for(maintenance: Maintenance) -> Vec<String> {
    let on = maintenance.flags().into_iter().filter(|(_, on)| *on);
    on.map(|(word, _)| word.to_owned()).collect()
}

impl ServerReport {
    fn new(snapshot: &Snapshot, server: &Server) -> Self {
        let facts = server.facts.as_ref();
        let replication = facts.and_then(|facts| facts.replication.as_ref());
        let role = match replication {
            _ if snapshot.primary == Some(server.id) => "primary",
            Some(_) => "replica",
            // Another fit member of a replication group or Galera cluster counts as a replica.
            None if server.member.is_some_and(|member| member.fit) => "replica",
            None => "none",
        };
        ServerReport {
            name: server.name.to_string(),
            address: server.address.to_string(),
            health: health_word(server.health).to_owned(),
            role: role.to_owned(),
            flavor: facts.map(|facts| flavor_word(facts.flavor).to_owned()),
            version: facts.map(|facts| plain_version(&facts.version).to_owned()),
            read_only: facts.map(|facts| facts.read_only),
            replicating: replication.map(|r| r.receiving && r.applying),
            source: replication.and_then(|r| r.source.as_deref().map(str::to_owned)),
            tls: facts.and_then(|facts| facts.tls.map(str::to_owned)),
            lag_ms: server.lag.map(millis),
            gtid: facts.map(|facts| facts.gtid.to_string()),
            serves_reads: server.serves_reads,
            label: server.label.map(|label| label.as_str().to_owned()),
            deleting: server.deleting,
            drained: snapshot.drain_of(server).map(|by| by.as_str().to_owned()),
            zone: server.zone.as_deref().map(str::to_owned),
            missed_probes: server.missed,
            probe_us: facts.map(|f| u64::try_from(f.round_trip.as_micros()).unwrap_or(u64::MAX)),
            last_error: server.last_error.as_deref().map(str::to_owned),
            barred: server.is_barred(),
            statements: 0,
            max_connections: facts.and_then(|facts| facts.max_connections),
            connections: facts.and_then(|facts| facts.occupied).map(|occupied| occupied.all),
            believed_to_bear: None,
        }
    }
}

impl KubernetesReport {
    fn new(state: &WatchState) -> Self {
        KubernetesReport {
            resource: state.resource.to_owned(),
            looks_for: state.looks_for.as_deref().map(str::to_owned),
            connected: state.connected,
            since_ms: state.since_ms,
            error: state.error.as_deref().map(str::to_owned),
        }
    }
}

impl PrimaryChangeReport {
    fn new(change: &PrimaryChange) -> Self {
        PrimaryChangeReport {
            at_ms: change.at_ms,
            from: change.from.as_deref().map(str::to_owned),
            to: change.to.as_deref().map(str::to_owned),
            reason: change.reason.to_string(),
            generation: change.generation,
            cost: None,
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Returns the version without the prefix `5.5.5-`, which MariaDB 10 and older send for the sake of old replicas.
fn plain_version(version: &str) -> &str {
    version.strip_prefix("5.5.5-").unwrap_or(version)
}

fn port_of(mode: Mode) -> Port {
    match mode {
        Mode::Primary => Port::Primary,
        Mode::Replica => Port::Replica,
        Mode::Split => Port::Split,
    }
}

fn health_word(health: Health) -> &'static str {
    match health {
        Health::Up => "up",
        Health::Down => "down",
        Health::Unknown => "unknown",
    }
}

fn flavor_word(flavor: Flavor) -> &'static str {
    match flavor {
        Flavor::MySql => "mysql",
        Flavor::MariaDb => "mariadb",
    }
}

fn alarm_word(alarm: Alarm) -> &'static str {
    match alarm {
        Alarm::SeveralCandidates => "several_candidates",
        Alarm::NoCandidate => "no_candidate",
        Alarm::FormerPrimary => "former_primary",
    }
}
