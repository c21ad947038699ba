//! What the HTTP endpoints are built from: all of it is there before the first of them is served.

use std::sync::Arc;

use tokio::sync::watch;

use super::{ChangeCosts, Questions, ServedConfig};
use crate::backend::Ceilings;
use crate::backend::accounts::AccountReading;
use crate::config::{Live, Mode};
use crate::discovery::{Drainer, WatchState};
use crate::monitor::PassingAccounts;
use crate::net::{AcceptorsCell, MemoryBudget};
use crate::sql::RoutineCatalogue;
use crate::telemetry::traces::TraceCounts;
use crate::telemetry::{AuditSender, DriverFamilies, Lifecycle, Pulse, ReloadMetrics, WorkerMetrics};
use crate::topology::Snapshot;

/// The parts of the process that the endpoints show. What is None or empty is not shown.
pub struct AdminParts {
    /// The modes of the configured listeners.
    pub modes: Vec<Mode>,
    /// The metrics of each worker.
    pub workers: Vec<Arc<WorkerMetrics>>,
    /// What is known of the servers.
    pub snapshot: watch::Receiver<Arc<Snapshot>>,
    /// The state of the process.
    pub lifecycle: watch::Receiver<Lifecycle>,
    /// The settings that a reload replaces.
    pub live: watch::Receiver<Arc<Live>>,
    /// How reloads ended.
    pub reloads: Arc<ReloadMetrics>,
    /// The effects of changes of the primary on the sessions.
    pub costs: watch::Receiver<ChangeCosts>,
    /// How many connections the servers bear.
    pub ceilings: Option<Arc<Ceilings>>,
    /// The memory budget of the sessions.
    pub memory: Option<Arc<MemoryBudget>>,
    /// Where the events of the audit log go.
    pub audit: Option<AuditSender>,
    /// What became of spans.
    pub traces: Option<Arc<TraceCounts>>,
    /// The listeners' certificates.
    pub certificates: Option<AcceptorsCell>,
    /// The driver of the workers.
    pub driver: Option<DriverFamilies>,
    /// The configuration that is served.
    pub config: Option<watch::Receiver<ServedConfig>>,
    /// Accounts that pass `read_only`, from several sources.
    pub passing: Vec<watch::Receiver<PassingAccounts>>,
    /// The servers' account tables.
    pub account_tables: Option<watch::Receiver<AccountReading>>,
    /// The catalogue of the servers' routines, tables and views.
    pub catalogue: watch::Receiver<Arc<RoutineCatalogue>>,
    /// The watches of the Kubernetes API; empty without Kubernetes.
    pub kubernetes: Vec<watch::Receiver<WatchState>>,
    /// Where drains are ordered.
    pub drainer: Option<Drainer>,
    /// Where the workers are asked. Without it their answers are empty.
    pub questions: Option<Questions>,
    /// The pulse of the control thread.
    pub pulse: Pulse,
}

#[cfg(test)]
impl AdminParts {
    /// The parts that no endpoint can do without, and nothing else.
    pub fn least(
        workers: Vec<Arc<WorkerMetrics>>,
        snapshot: watch::Receiver<Arc<Snapshot>>,
        lifecycle: watch::Receiver<Lifecycle>,
        live: watch::Receiver<Arc<Live>>,
    ) -> Self {
        AdminParts {
            modes: Vec::new(),
            workers,
            snapshot,
            lifecycle,
            live,
            reloads: Arc::default(),
            costs: watch::channel(ChangeCosts::default()).1,
            ceilings: None,
            memory: None,
            audit: None,
            traces: None,
            certificates: None,
            driver: None,
            config: None,
            passing: Vec::new(),
            account_tables: None,
            catalogue: watch::channel(Arc::default()).1,
            kubernetes: Vec::new(),
            drainer: None,
            questions: None,
            pulse: Pulse::default(),
        }
    }
}
