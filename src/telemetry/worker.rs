//! The counts of one worker. Label values are closed enums and keys of maps that are arrays, so
//! that counting is an addition.

use enum_map::EnumMap;

use super::cells::Cell;
use super::error_codes::ErrorCodes;
use super::latency::Latency;
use super::server_latencies::ServerLatencies;
use crate::terms::{
    CertificateProof, Close, Disruption, FalseReport, Fresh, Handshake, Pin, Port, Question, Reader, Refused,
    Role, StatementKind, TlsVersion, Unexplained, Why,
};

/// Cells by level and outcome.
#[derive(Debug, Default)]
pub struct FreshCells([EnumMap<Fresh, Cell>; 2]);

impl FreshCells {
    /// The levels whose reads need a certain position, strictest first.
    pub const LEVELS: [&'static str; 2] = ["strong", "session"];

    /// Returns the count of reads with this index of `LEVELS` and this outcome.
    pub fn at(&self, level: usize, outcome: Fresh) -> &Cell {
        let [strong, session] = &self.0;
        if level == 0 { &strong[outcome] } else { &session[outcome] }
    }
}

/// Cells by kind, role and reason. Statements on ports that do not split have the reason [`Why::Port`], statements on ports
/// that split have any other: so one addition counts a statement by its port, too.
#[derive(Debug, Default)]
pub struct PlacedCells(EnumMap<StatementKind, EnumMap<Role, EnumMap<Why, Cell>>>);

impl PlacedCells {
    /// Returns how many statements of this kind went from ports of this mode to servers of this role.
    pub fn from(&self, port: Port, kind: StatementKind, role: Role) -> u64 {
        if port != Port::Split {
            return if port.sends_to(role) { self.at(kind, role, Why::Port).get() } else { 0 };
        }
        let reasons = Why::ALL.iter().filter(|&&why| why != Why::Port);
        reasons.map(|&why| self.at(kind, role, why).get()).fold(0, u64::wrapping_add)
    }

    /// Returns how many statements went from ports of this mode to a server.
    pub fn all_from(&self, port: Port) -> u64 {
        let of = |kind| Role::BOTH.iter().map(move |&role| self.from(port, kind, role));
        StatementKind::ALL.iter().flat_map(|&kind| of(kind)).fold(0, u64::wrapping_add)
    }

    /// Returns the count of statements of this kind that went to the server of this role for this reason.
    pub fn at(&self, kind: StatementKind, role: Role, why: Why) -> &Cell {
        &self.0[kind][role][why]
    }
}

/// The counts of one worker.
#[derive(Debug, Default)]
pub struct WorkerMetrics {
    /// Clients accepted, by port.
    pub accepted: EnumMap<Port, Cell>,
    /// Clients connected now, by port.
    pub clients: EnumMap<Port, Cell>,
    /// Clients ended, by reason.
    pub closed: EnumMap<Close, Cell>,
    /// Logins that were refused, by `Refused`.
    pub refused: EnumMap<Refused, Cell>,
    /// Commands that went to a server, by kind, target and reason.
    pub placed: PlacedCells,
    /// How often something began to keep a session on its connection, by what.
    pub pins: EnumMap<Pin, Cell>,
    /// How long sessions were kept on their connections, by what, in microseconds.
    pub pinned_us: EnumMap<Pin, Cell>,
    /// Reads that needed a server at a certain position, by level and outcome.
    pub fresh_reads: FreshCells,
    /// Reads that a replica answered while the primary was asked for its position, and whose answer was dropped because
    /// the primary had moved.
    pub overtaken: Cell,
    /// How long reads waited for the primary's position and for a replica that has it.
    pub consistency_wait: Latency,
    /// Questions that servers were asked for waiting reads, by kind.
    pub questions: EnumMap<Question, Cell>,
    /// Reads that waited for these questions, by kind.
    pub asked: EnumMap<Question, Cell>,
    /// Reads waiting now because all replicas are behind, and the primary's share of such reads is used up.
    pub waiting_for_replica: Cell,
    /// How long statements took, from the command read to the last byte of the answer written, by port. See `net::turn_time`.
    pub latency: EnumMap<Port, Latency>,
    /// Statements that a reader of the stream wanted, and that found no place, by reader.
    pub stream_dropped: EnumMap<Reader, Cell>,
    /// Statements that would have been traced, if the second had not had enough traces.
    pub traces_over_limit: Cell,
    /// How long statements took without their waits in the proxy, by server.
    pub server_latencies: ServerLatencies,
    /// ERR packets of servers that ended statements, by code.
    pub server_errors: ErrorCodes,
    /// ERR packets that the proxy itself sent in answer to a login or a command, by code.
    pub own_errors: ErrorCodes,
    /// ERR packets that the proxy itself sent in answer to a login or a command.
    pub proxy_errors: Cell,
    /// Effects of failovers on sessions.
    pub disruptions: EnumMap<Disruption, Cell>,
    /// Statements waiting for a primary now.
    pub waiting_for_primary: Cell,
    /// Statements waiting for a server connection now (a limit is reached).
    pub waiting_for_connection: Cell,
    /// Bytes received from clients.
    pub bytes_in: Cell,
    /// Bytes sent to clients.
    pub bytes_out: Cell,
    /// Server connections opened.
    pub server_connects: Cell,
    /// Attempts to open a server connection that failed.
    pub server_connect_errors: Cell,
    /// TLS handshakes with servers, by result.
    pub server_handshakes: EnumMap<Handshake, Cell>,
    /// Server connections without a CA whose server should have proved its certificate, by the proof.
    pub certificate_proofs: EnumMap<CertificateProof, Cell>,
    /// Answers of replicas that were refused, by what they reported about the session.
    pub false_reports: EnumMap<FalseReport, Cell>,
    /// TLS handshakes with clients, by version and result.
    client_handshakes: EnumMap<TlsVersion, EnumMap<Handshake, Cell>>,
    /// Server connections open now, in use or pooled.
    pub server_connections: Cell,
    /// Server connections that are idle in the pool now.
    pub server_idle: Cell,
    /// Parked connections that were stolen from their session.
    pub steals: Cell,
    /// Server connections that were reset for another session although they were explained.
    explained_resets: Cell,
    /// The others that were reset, by why they were not explained.
    unexplained_resets: EnumMap<Unexplained, Cell>,
    /// Server connections that stopped being explained, by why.
    pub unexplained: EnumMap<Unexplained, Cell>,
    /// How often a session's state, or a prepared statement, was sent to a server connection that did not have it.
    pub replays: Cell,
    /// Statements that had to wait for a connection.
    pub pool_waits: Cell,
    /// Accepts that failed because of missing file descriptors or memory.
    pub accept_errors: Cell,
    /// Accepted sockets handed to a less loaded worker.
    pub handed_over: Cell,
}

impl WorkerMetrics {
    /// Makes a statement that was counted an exemplar of the histograms: `us` is how long it took, and `on` the number of
    /// its server with how long it took there. Only for statements of which a trace is kept.
    pub fn exemplar(&self, trace_id: u128, port: Port, us: u64, on: Option<(u32, u64)>) {
        self.latency[port].exemplar(trace_id, us);
        if let Some((server, us)) = on
            && let Some(latency) = self.server_latencies.of(server)
        {
            latency.exemplar(trace_id, us);
        }
    }

    /// Returns the cell of the connections that were reset for another session and were not explained by this; None: explained.
    pub fn resets(&self, by: Option<Unexplained>) -> &Cell {
        by.map_or(&self.explained_resets, |by| &self.unexplained_resets[by])
    }

    /// Returns the cell of the handshakes with clients of this version and result.
    pub fn client_handshakes(&self, version: TlsVersion, result: Handshake) -> &Cell {
        &self.client_handshakes[version][result]
    }
}
