//! The workers' counts as metric families: summed up, except where the difference
//! between workers matters.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use enum_map::EnumMap;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::cells::Cell;
use super::error_codes::ErrorCodes;
use super::families::{Families, Label};
use super::worker::{FreshCells, WorkerMetrics};
use crate::terms::{
    CertificateProof, Close, Disruption, FalseReport, Fresh, Handshake, Pin, Port, Question, Reader, Refused,
    Role, StatementKind, TlsVersion, Unexplained, Why,
};

/// All workers of the process.
#[derive(Debug)]
pub struct WorkerFamilies(pub Vec<Arc<WorkerMetrics>>);

impl Collector for WorkerFamilies {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut families = Families::new(encoder);
        self.clients(&mut families)?;
        self.statements(&mut families)?;
        self.consistency(&mut families)?;
        self.failovers(&mut families)?;
        self.servers(&mut families)
    }
}

impl WorkerFamilies {
    fn sum(&self, cell: impl Fn(&WorkerMetrics) -> &Cell) -> u64 {
        self.0.iter().map(|worker| cell(worker).get()).fold(0, u64::wrapping_add)
    }

    fn sum_gauge(&self, cell: impl Fn(&WorkerMetrics) -> &Cell) -> f64 {
        self.sum(cell) as f64
    }

    fn by_port<'s>(
        &'s self,
        cells: impl Fn(&WorkerMetrics) -> &EnumMap<Port, Cell> + 's,
    ) -> impl Iterator<Item = ([Label<'static>; 1], u64)> + 's {
        Port::ALL
            .iter()
            .map(move |&port| ([("port", port.as_str())], self.sum(|worker| &cells(worker)[port])))
    }

    fn clients(&self, families: &mut Families<'_>) -> fmt::Result {
        families.counters(
            "pointsman_client_connections",
            "Clients accepted, by the mode of their port.",
            self.by_port(|worker| &worker.accepted),
        )?;
        let names: Vec<String> = (0..self.0.len()).map(|n| n.to_string()).collect();
        families.gauges(
            "pointsman_clients",
            "Clients connected now, by the mode of their port and by worker thread.",
            self.0.iter().zip(&names).flat_map(|(worker, name)| {
                Port::ALL.iter().map(move |&port| {
                    let labels = [("port", port.as_str()), ("worker", name.as_str())];
                    (labels, worker.clients[port].get() as f64)
                })
            }),
        )?;
        families.counters(
            "pointsman_client_disconnects",
            "Clients whose connection ended, by reason: which side ended it, and why.",
            Close::ALL.iter().map(|&reason| {
                let total = self.sum(|worker| &worker.closed[reason]);
                ([("reason", reason.as_str())], total)
            }),
        )?;
        families.counters(
            "pointsman_logins_refused",
            "Clients whose connection or login was refused, by reason.",
            Refused::ALL.iter().map(|&reason| {
                let total = self.sum(|worker| &worker.refused[reason]);
                ([("reason", reason.as_str())], total)
            }),
        )?;
        let handshakes =
            TlsVersion::ALL.iter().flat_map(|&version| Handshake::ALL.iter().map(move |&r| (version, r)));
        families.counters(
            "pointsman_client_tls_handshakes",
            "TLS handshakes with clients, by version and result.",
            handshakes.map(|(version, result)| {
                let cell = |worker: &WorkerMetrics| worker.client_handshakes(version, result).get();
                let total = self.0.iter().map(|worker| cell(worker)).fold(0, u64::wrapping_add);
                ([("version", version.as_str()), ("result", result.as_str())], total)
            }),
        )?;
        families.counter(
            "pointsman_accept_errors",
            "Accepts that failed because file descriptors or memory ran out.",
            self.sum(|worker| &worker.accept_errors),
        )?;
        families.counter(
            "pointsman_clients_handed_over",
            "New clients that a worker thread with many clients handed to another thread.",
            self.sum(|worker| &worker.handed_over),
        )?;
        families.counter(
            "pointsman_client_received_bytes",
            "Bytes received from clients.",
            self.sum(|worker| &worker.bytes_in),
        )?;
        families.counter(
            "pointsman_client_sent_bytes",
            "Bytes sent to clients.",
            self.sum(|worker| &worker.bytes_out),
        )
    }

    fn statements(&self, families: &mut Families<'_>) -> fmt::Result {
        let mut from = Vec::new();
        for &port in Port::ALL {
            for role in Role::BOTH.iter().filter(|&&role| port.sends_to(role)) {
                for kind in StatementKind::ALL {
                    let counts = self.0.iter().map(|worker| worker.placed.from(port, *kind, *role));
                    let labels =
                        [("port", port.as_str()), ("kind", kind.as_str()), ("target", role.target())];
                    from.push((labels, counts.fold(0, u64::wrapping_add)));
                }
            }
        }
        families.counters(
            "pointsman_statements",
            "Commands that went to a server, by the mode of the port, the kind of the statement and the target.",
            from,
        )?;
        families.latencies(
            "pointsman_statement_duration_seconds",
            "Time from reading a command to writing the last byte of its answer, by the mode of the port; on io_uring from turn to turn of the worker thread.",
            Port::ALL.iter().map(|&port| {
                let parts = self.0.iter().map(|worker| &worker.latency[port]);
                ([("port", port.as_str())], parts.collect())
            }),
        )?;
        self.placed(families)?;
        families.counters(
            "pointsman_stream_dropped",
            "Statements that a reader of the stream (`pointsman tap`, the slow log) wanted but did not get, because it did not keep up, by reader.",
            Reader::ALL.iter().map(|&reader| {
                ([("reader", reader.as_str())], self.sum(|worker| &worker.stream_dropped[reader]))
            }),
        )?;
        families.counter(
            "pointsman_proxy_errors",
            "ERR packets that the proxy itself sent in answer to a login or a command. Refusals in place of a greeting are in pointsman_logins_refused_total.",
            self.sum(|worker| &worker.proxy_errors),
        )?;
        self.errors(families)
    }

    fn errors(&self, families: &mut Families<'_>) -> fmt::Result {
        let sums = |of: fn(&WorkerMetrics) -> &ErrorCodes| {
            let mut sums = BTreeMap::new();
            self.0.iter().for_each(|worker| of(worker).add_to(&mut sums));
            sums
        };
        let (servers, own) = (sums(|worker| &worker.server_errors), sums(|worker| &worker.own_errors));
        let named = |(origin, sums): (&'static str, BTreeMap<Option<u16>, u64>)| {
            let name = |code: Option<u16>| code.map_or_else(|| "other".to_owned(), |code| code.to_string());
            sums.into_iter().map(move |(code, n)| (origin, name(code), n))
        };
        let all: Vec<_> = [("server", servers), ("proxy", own)].into_iter().flat_map(named).collect();
        families.counters(
            "pointsman_errors",
            "ERR packets that clients got, by code and by who made it: the server or the proxy.",
            all.iter().map(|(origin, code, n)| ([("origin", *origin), ("code", code.as_str())], *n)),
        )
    }

    /// Writes only those of the hundreds of combinations that occurred.
    fn placed(&self, families: &mut Families<'_>) -> fmt::Result {
        let mut counts = Vec::new();
        for &kind in StatementKind::ALL {
            for role in Role::BOTH {
                for &why in Why::ALL.iter().filter(|&&why| why != Why::Port) {
                    let count = self.sum(|worker| worker.placed.at(kind, role, why));
                    let labels =
                        [("kind", kind.as_str()), ("target", role.target()), ("reason", why.as_str())];
                    if count > 0 {
                        counts.push((labels, count));
                    }
                }
            }
        }
        families.counters(
            "pointsman_split_statements",
            "Statements on ports that split, by kind, target and reason.",
            counts,
        )?;
        families.counters(
            "pointsman_pins",
            "How often a pin began to keep a session on its server connection, by pin.",
            Pin::ALL.iter().map(|&pin| ([("pin", pin.as_str())], self.sum(|worker| &worker.pins[pin]))),
        )?;
        families.seconds_counters(
            "pointsman_pinned_seconds",
            "How long pins kept sessions on a server connection, by pin; counted when the pin ends.",
            Pin::ALL.iter().map(|&pin| {
                let us = self.sum(|worker| &worker.pinned_us[pin]);
                ([("pin", pin.as_str())], us as f64 / 1e6)
            }),
        )
    }

    fn consistency(&self, families: &mut Families<'_>) -> fmt::Result {
        let reads = FreshCells::LEVELS.iter().enumerate().flat_map(|(at, level)| {
            Fresh::ALL.iter().map(move |&outcome| {
                let labels = [("level", *level), ("outcome", outcome.as_str())];
                (labels, self.sum(|worker| worker.fresh_reads.at(at, outcome)))
            })
        });
        families.counters(
            "pointsman_consistency_reads",
            "Reads that needed a replica at a certain position (the primary's, or the session's own writes), by level \
             and by what answered them: a replica that was there already, one that was waited for, or the primary.",
            reads,
        )?;
        families.counters(
            "pointsman_consistency_reads_overtaken",
            "Answers of replicas that were dropped, and their reads run again: they were asked at the same time as a \
             quiet primary for its position, and it had moved.",
            [([], self.sum(|worker| &worker.overtaken))],
        )?;
        families.latencies(
            "pointsman_consistency_wait_seconds",
            "How long reads waited for the primary's position and for a replica that has it.",
            [([], self.0.iter().map(|worker| &worker.consistency_wait).collect())],
        )?;
        families.counters(
            "pointsman_consistency_questions",
            "Position queries that the proxy sent to servers for waiting reads, by kind.",
            Question::ALL.iter().map(|&question| {
                let total = self.sum(|worker| &worker.questions[question]);
                ([("question", question.as_str())], total)
            }),
        )?;
        families.counters(
            "pointsman_consistency_questions_shared",
            "Reads that waited for position queries, by kind. Divided by the number of queries: how many reads share a query.",
            Question::ALL.iter().map(|&question| {
                let total = self.sum(|worker| &worker.asked[question]);
                ([("question", question.as_str())], total)
            }),
        )?;
        families.gauge(
            "pointsman_reads_waiting_for_replica",
            "Reads waiting now because all replicas are behind and consistency.primary_share is used up.",
            self.sum_gauge(|worker| &worker.waiting_for_replica),
        )
    }

    fn failovers(&self, families: &mut Families<'_>) -> fmt::Result {
        families.counters(
            "pointsman_disruptions",
            "Effects of a change of the primary, or of a lost server, on sessions, by effect.",
            Disruption::ALL.iter().map(|&effect| {
                let total = self.sum(|worker| &worker.disruptions[effect]);
                ([("effect", effect.as_str())], total)
            }),
        )?;
        families.gauge(
            "pointsman_statements_waiting_for_writer",
            "Statements waiting for a primary now.",
            self.sum_gauge(|worker| &worker.waiting_for_primary),
        )
    }

    fn servers(&self, families: &mut Families<'_>) -> fmt::Result {
        families.counter(
            "pointsman_server_connects",
            "Connections opened to servers.",
            self.sum(|worker| &worker.server_connects),
        )?;
        families.counter(
            "pointsman_server_connect_errors",
            "Failed attempts to open a connection to a server.",
            self.sum(|worker| &worker.server_connect_errors),
        )?;
        families.counters(
            "pointsman_server_tls_handshakes",
            "TLS handshakes with servers, by result.",
            Handshake::ALL.iter().map(|&result| {
                let total = self.sum(|worker| &worker.server_handshakes[result]);
                ([("result", result.as_str())], total)
            }),
        )?;
        families.counters(
            "pointsman_server_certificate_proofs",
            "Connections to servers (MariaDB 11.4 or later) that no CA verifies, by the server's proof of its certificate by \
             the account's password.",
            CertificateProof::ALL.iter().map(|&proof| {
                let total = self.sum(|worker| &worker.certificate_proofs[proof]);
                ([("proof", proof.as_str())], total)
            }),
        )?;
        families.counters(
            "pointsman_false_reports",
            "Answers that the proxy refused since a replica reported about the session what the statement does not explain.",
            FalseReport::ALL.iter().map(|&what| {
                ([("what", what.as_str())], self.sum(|worker| &worker.false_reports[what]))
            }),
        )?;
        families.counter(
            "pointsman_connection_steals",
            "Parked server connections that the proxy took from one session for another.",
            self.sum(|worker| &worker.steals),
        )?;
        families.counters(
            "pointsman_connection_resets",
            "Server connections that were reset for another session, by why they may have had state that nobody saw; explained: none.",
            std::iter::once(None).chain(Unexplained::ALL.iter().copied().map(Some)).map(|by| {
                let label = by.map_or("explained", Unexplained::as_str);
                ([("by", label)], self.sum(|worker| worker.resets(by)))
            }),
        )?;
        families.counters(
            "pointsman_unexplained_connections",
            "How often a statement left a server connection with state that nobody may have seen, by why.",
            Unexplained::ALL
                .iter()
                .map(|&by| ([("by", by.as_str())], self.sum(|worker| &worker.unexplained[by]))),
        )?;
        families.counter(
            "pointsman_state_replays",
            "How often the proxy sent a session's settings or prepared statements to a server connection that did not have them.",
            self.sum(|worker| &worker.replays),
        )?;
        families.counter(
            "pointsman_pool_waits",
            "Statements that had to wait for a server connection, because a limit was reached.",
            self.sum(|worker| &worker.pool_waits),
        )?;
        families.gauge(
            "pointsman_server_connections",
            "Connections to servers now, in use or idle.",
            self.sum_gauge(|worker| &worker.server_connections),
        )?;
        families.gauge(
            "pointsman_server_connections_idle",
            "Connections to servers that wait in the pool now.",
            self.sum_gauge(|worker| &worker.server_idle),
        )?;
        families.gauge(
            "pointsman_statements_waiting_for_connection",
            "Statements waiting for a server connection now, because a limit is reached.",
            self.sum_gauge(|worker| &worker.waiting_for_connection),
        )
    }
}
