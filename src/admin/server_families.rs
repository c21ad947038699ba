//! The snapshot as metric families, one series for each server.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use tokio::sync::watch;

use super::PoolReport;
use crate::backend::Ceilings;
use crate::config::Live;
use crate::telemetry::{Families, WorkerMetrics};
use crate::topology::{Health, Server, Snapshot};

/// The servers, with the results of the last probes.
#[derive(Debug)]
pub(super) struct ServerFamilies {
    pub snapshot: watch::Receiver<Arc<Snapshot>>,
    pub workers: Vec<Arc<WorkerMetrics>>,
    pub live: watch::Receiver<Arc<Live>>,
    /// The server connections, by account.
    pub pooled: watch::Receiver<Vec<PoolReport>>,
}

impl ServerFamilies {
    /// Writes how much of its limit each server's pool uses.
    fn pools(&self, snapshot: &Snapshot, families: &mut Families<'_>) -> fmt::Result {
        let (pooled, limit) = (self.pooled.borrow(), self.live.borrow().limits.max_server_connections);
        let count = |server: &Server, of: fn(&PoolReport) -> usize| {
            pooled.iter().filter(|pool| pool.server == *server.name).map(of).sum::<usize>() as f64
        };
        families.gauges(
            "pointsman_server_pool_connections",
            "Connections to each server now, by state: in use by a session, or idle in the pool.",
            snapshot.servers.iter().flat_map(|server| {
                let idle = count(server, |pool| pool.idle);
                let in_use = count(server, |pool| pool.connections.saturating_sub(pool.idle));
                let of = |state| [("server", &*server.name), ("state", state)];
                [(of("in_use"), in_use), (of("idle"), idle)]
            }),
        )?;
        families.gauges(
            "pointsman_server_pool_limit",
            "The most connections that the proxy opens to each server: limits.max_server_connections.",
            snapshot.servers.iter().map(|server| ([("server", &*server.name)], limit.get() as f64)),
        )
    }
}

impl Collector for ServerFamilies {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let snapshot = Arc::clone(&self.snapshot.borrow());
        let mut families = Families::new(encoder);
        let mut gauge = |name: &str, help: &str, value: &dyn Fn(&Server) -> Option<f64>| {
            let servers = snapshot.servers.iter();
            families.gauges(
                name,
                help,
                servers.filter_map(|server| Some(([("server", &*server.name)], value(server)?))),
            )
        };
        gauge("pointsman_server_up", "1 while the server answers probes.", &|s| {
            flag(s.health == Health::Up)
        })?;
        gauge("pointsman_server_writer", "1 for the server that gets the writes.", &|s| {
            flag(snapshot.primary == Some(s.id))
        })?;
        gauge("pointsman_server_serves_reads", "1 for a replica that is fit to serve reads.", &|s| {
            flag(s.serves_reads)
        })?;
        gauge("pointsman_server_read_only", "1 if the server says that it is read-only.", &|s| {
            s.facts.as_ref().and_then(|facts| flag(facts.read_only))
        })?;
        gauge(
            "pointsman_server_lag_seconds",
            "How far the replica is behind the primary, as far as it is known.",
            &|s| s.lag.map(|lag| lag.as_secs_f64()),
        )?;
        gauge(
            "pointsman_server_probe_seconds",
            "Round trip of the probes that are answered: of the last one that took less than half or more than twice as long as before.",
            &|s| s.facts.as_ref().map(|facts| facts.round_trip.as_secs_f64()),
        )?;
        gauge("pointsman_server_missed_probes", "Probes in a row without an answer.", &|s| {
            Some(s.missed.into())
        })?;
        gauge(
            "pointsman_server_barred",
            "1 while the server lives and lets no probe in: sessions' connections tell its role, what else is known of it is from before.",
            &|s| flag(s.is_barred()),
        )?;
        families.latencies(
            "pointsman_server_statement_duration_seconds",
            "How long statements took without their waits in the proxy, by server.",
            snapshot.servers.iter().map(|server| {
                let parts = self.workers.iter().filter_map(|worker| worker.server_latencies.of(server.id.0));
                ([("server", &*server.name)], parts.collect())
            }),
        )?;
        self.pools(&snapshot, &mut families)?;
        families.gauge(
            "pointsman_generation",
            "The generation: grows with each change to another primary.",
            snapshot.generation as f64,
        )?;
        families.gauge(
            "pointsman_writer_known",
            "1 while a primary is known; 0 while statements that write have to wait.",
            f64::from(u8::from(snapshot.primary().is_some())),
        )?;
        families.gauges(
            "pointsman_maintenance",
            "1 for each kind of maintenance that the operator's resource of the cluster asks for.",
            snapshot
                .maintenance
                .flags()
                .into_iter()
                .map(|(word, on)| ([("asked", word)], f64::from(u8::from(on)))),
        )?;
        families.counter(
            "pointsman_writes_in_question",
            "Acknowledged writes that a new primary was not known to have, at most.",
            snapshot.writes_in_question,
        )?;
        families.counter(
            "pointsman_writer_changes",
            "How often another server became the primary, the first one included.",
            snapshot.generation,
        )
    }
}

/// What the servers bear.
#[derive(Debug)]
pub(super) struct BelievedFamilies {
    pub snapshot: watch::Receiver<Arc<Snapshot>>,
    pub ceilings: Arc<Ceilings>,
}

impl Collector for BelievedFamilies {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let snapshot = Arc::clone(&self.snapshot.borrow());
        let believed = self.ceilings.believed().unwrap_or_default();
        Families::new(encoder).gauges(
            "pointsman_server_believed_connections",
            "How many connections of this proxy a server is believed to bear, while it refuses more.",
            snapshot
                .servers
                .iter()
                .filter_map(|server| Some(([("server", &*server.name)], *believed.get(&server.id)? as f64))),
        )
    }
}

fn flag(value: bool) -> Option<f64> {
    Some(f64::from(u8::from(value)))
}

#[cfg(test)]
mod tests {
    use crate::admin::{Question, page_tests};
    use crate::backend::PoolCount;
    use crate::topology::ServerId;

    #[tokio::test(start_paused = true)]
    async fn pools_are_those_of_all_accounts_and_a_silent_worker_fails_no_scrape() {
        let (questions, mut asked) = tokio::sync::mpsc::unbounded_channel();
        let state = page_tests::asking(questions);
        let worker = tokio::spawn(async move {
            let Some(Question::Pools(reply)) = asked.recv().await else { panic!("another question") };
            let count = |server, user: &str, connections| PoolCount {
                server: ServerId(server),
                user: user.into(),
                connections,
                idle: 2,
            };
            reply.send(vec![count(0, "app", 5), count(0, "report", 3), count(1, "app", 2)]).unwrap();
            // The next question gets no answer.
            asked
        });
        let first = state.exposition().await.unwrap();
        let lines: Vec<_> =
            first.lines().filter(|line| line.starts_with("pointsman_server_pool_connections{")).collect();
        let line = |server, state, n| {
            format!("pointsman_server_pool_connections{{server=\"{server}\",state=\"{state}\"}} {n}")
        };
        let expected = [
            line("db-0", "in_use", 4),
            line("db-0", "idle", 4),
            line("db-1", "in_use", 0),
            line("db-1", "idle", 2),
            line("db-2", "in_use", 0),
            line("db-2", "idle", 0),
        ];
        assert_eq!(lines, expected);
        let _silent = worker.await.unwrap();
        assert!(state.exposition().await.unwrap().contains(&expected[0]));
    }
}
