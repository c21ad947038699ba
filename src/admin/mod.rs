//! The HTTP endpoints: `/livez`, `/readyz`, `/metrics`, `/topology`. They read the
//! snapshot and the workers' counts and change nothing.

mod http;
mod readiness;
mod report;
mod server_families;
#[cfg(test)]
mod tests;

pub use http::serve;
pub use readiness::readiness;
pub use report::{PortReport, Report, ServerReport, Traffic, WriterChangeReport};

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use prometheus_client::registry::Registry;
use tokio::sync::watch;

use crate::config::{Live, Mode};
use crate::telemetry::{
    Lifecycle, ProcessFamilies, ReloadFamilies, ReloadMetrics, WorkerFamilies, WorkerMetrics,
};
use crate::topology::Snapshot;

/// What the endpoints read; a clone reads the same.
#[derive(Clone)]
pub struct AdminState {
    snapshot: watch::Receiver<Arc<Snapshot>>,
    lifecycle: watch::Receiver<Lifecycle>,
    live: watch::Receiver<Arc<Live>>,
    workers: Vec<Arc<WorkerMetrics>>,
    /// Of the listeners, each once.
    modes: Vec<Mode>,
    started: SystemTime,
    registry: Arc<Registry>,
}

impl AdminState {
    /// `modes` are those of the configured listeners; the process is taken to begin now.
    pub fn new(
        modes: impl IntoIterator<Item = Mode>,
        workers: Vec<Arc<WorkerMetrics>>,
        snapshot: watch::Receiver<Arc<Snapshot>>,
        lifecycle: watch::Receiver<Lifecycle>,
        live: watch::Receiver<Arc<Live>>,
        reloads: Arc<ReloadMetrics>,
    ) -> Self {
        let started = SystemTime::now();
        let mut registry = Registry::default();
        registry.register_collector(Box::new(WorkerFamilies(workers.clone())));
        registry.register_collector(Box::new(server_families::ServerFamilies(snapshot.clone())));
        registry.register_collector(Box::new(ReloadFamilies(reloads)));
        registry.register_collector(Box::new(ProcessFamilies { started }));
        let mut each_once = Vec::new();
        for mode in modes {
            if !each_once.contains(&mode) {
                each_once.push(mode);
            }
        }
        AdminState {
            snapshot,
            lifecycle,
            live,
            workers,
            modes: each_once,
            started,
            registry: Arc::new(registry),
        }
    }
}

impl fmt::Debug for AdminState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminState").field("modes", &self.modes).finish_non_exhaustive()
    }
}
