//! The snapshot as metric families, one series for each server.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use tokio::sync::watch;

use crate::telemetry::Families;
use crate::topology::{Health, Server, Snapshot};

/// The servers, with the results of the last probes.
#[derive(Debug)]
pub(super) struct ServerFamilies(pub watch::Receiver<Arc<Snapshot>>);

impl Collector for ServerFamilies {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let snapshot = Arc::clone(&self.0.borrow());
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
            flag(snapshot.writer == Some(s.id))
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
        gauge("pointsman_server_probe_seconds", "Round trip of the last probe that was answered.", &|s| {
            s.facts.as_ref().map(|facts| facts.round_trip.as_secs_f64())
        })?;
        gauge("pointsman_server_missed_probes", "Probes in a row without an answer.", &|s| {
            Some(s.missed.into())
        })?;
        families.gauge(
            "pointsman_generation",
            "The generation: grows with each change to another writer.",
            snapshot.generation as f64,
        )?;
        families.gauge(
            "pointsman_writer_known",
            "1 while a primary is known; 0 while statements that write have to wait.",
            f64::from(u8::from(snapshot.writer().is_some())),
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
            "pointsman_writer_changes",
            "How often another server became the writer, the first one included.",
            snapshot.generation,
        )
    }
}

fn flag(value: bool) -> Option<f64> {
    Some(f64::from(u8::from(value)))
}
