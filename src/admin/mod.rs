//! The HTTP endpoints: `/livez`, `/readyz`, `/metrics`, `/topology`. They read the
//! snapshot and the workers' counts, and change nothing. They run on a separate thread.

mod account_families;
mod certificate_families;
mod config_families;
mod digests;
mod http;
mod kubernetes_families;
mod memory_families;
#[cfg(test)]
mod page_tests;
mod pages;
mod port;
mod readiness;
mod report;
mod seats;
mod server_families;
#[cfg(test)]
mod tests;

pub use config_families::ServedConfig;
pub use port::serve;
pub use readiness::readiness;
pub use report::{
    ChangeCost, KubernetesReport, PortReport, Report, ServerReport, Traffic, WriterChangeReport,
};

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use prometheus_client::registry::Registry;
use tokio::sync::{mpsc, oneshot, watch};

use self::account_families::{AccountFamilies, TableFamilies};
use self::config_families::ConfigFamilies;
use self::kubernetes_families::KubernetesFamilies;
use crate::backend::accounts::AccountReading;
use crate::config::{Live, Mode};
use crate::discovery::WatchState;
use crate::monitor::Passing;
use crate::net::{AcceptorsCell, MemoryBudget};
use crate::telemetry::{
    DigestReport, Lifecycle, ProcessFamilies, Pulse, ReloadFamilies, ReloadMetrics, WorkerFamilies,
    WorkerMetrics,
};
use crate::topology::{Snapshot, WriterChange};

/// Changes of the writer, and the effects of each on the sessions.
pub type ChangeCosts = Arc<VecDeque<(WriterChange, ChangeCost)>>;

/// Asks for the sums of statements by digest; the answer comes through the sender.
pub type DigestQuestions = mpsc::UnboundedSender<oneshot::Sender<DigestReport>>;

/// The data that the endpoints read. Clones share the same data.
#[derive(Clone)]
pub struct AdminState {
    snapshot: watch::Receiver<Arc<Snapshot>>,
    lifecycle: watch::Receiver<Lifecycle>,
    live: watch::Receiver<Arc<Live>>,
    workers: Vec<Arc<WorkerMetrics>>,
    /// The watches of the Kubernetes API; empty without Kubernetes.
    kubernetes: Vec<watch::Receiver<WatchState>>,
    /// The effects of changes of the writer on the sessions.
    costs: watch::Receiver<ChangeCosts>,
    /// Accounts that pass `read_only`.
    passing: Vec<watch::Receiver<Passing>>,
    account_tables: watch::Receiver<AccountReading>,
    /// The modes of the listeners, each once.
    modes: Vec<Mode>,
    started: SystemTime,
    /// The pulse of the control thread.
    pulse: Pulse,
    /// Asks for the sums of statements by digest.
    digests: Option<DigestQuestions>,
    /// Which configuration is served.
    config: watch::Receiver<ServedConfig>,
    registry: Arc<Registry>,
}

impl AdminState {
    /// `modes` are those of the configured listeners. The start time of the process is set to now.
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
            kubernetes: Vec::new(),
            costs: watch::channel(ChangeCosts::default()).1,
            passing: Vec::new(),
            account_tables: watch::channel(AccountReading::default()).1,
            modes: each_once,
            started,
            pulse: Pulse::default(),
            digests: None,
            config: watch::channel(ServedConfig::default()).1,
            registry: Arc::new(registry),
        }
    }

    /// Sets the effects of changes of the writer.
    pub fn with_costs(mut self, costs: watch::Receiver<ChangeCosts>) -> Self {
        self.costs = costs;
        self
    }

    /// Sets the memory budget. Call it before the first clone.
    pub fn with_memory(mut self, memory: Arc<MemoryBudget>) -> Self {
        if let Some(registry) = Arc::get_mut(&mut self.registry) {
            registry.register_collector(Box::new(memory_families::MemoryFamilies(memory)));
        }
        self
    }

    /// Sets where the listeners' certificates are. Call it before the first clone.
    pub fn with_certificates(mut self, acceptors: AcceptorsCell) -> Self {
        if let Some(registry) = Arc::get_mut(&mut self.registry) {
            registry.register_collector(Box::new(certificate_families::CertificateFamilies(acceptors)));
        }
        self
    }

    /// Sets where the sums of statements by digest are asked for.
    pub fn with_digests(mut self, questions: DigestQuestions) -> Self {
        self.digests = Some(questions);
        self
    }

    /// Sets the pulse of the control thread.
    pub fn with_pulse(mut self, pulse: Pulse) -> Self {
        self.pulse = pulse;
        self
    }

    /// Sets the configuration that is served. Call it before the first clone.
    pub fn with_config(mut self, config: watch::Receiver<ServedConfig>) -> Self {
        if let Some(registry) = Arc::get_mut(&mut self.registry) {
            registry.register_collector(Box::new(ConfigFamilies(config.clone())));
        }
        self.config = config;
        self
    }

    /// Sets the accounts that pass `read_only`, from several sources. Call it before the first clone.
    pub fn with_passing(mut self, passing: Vec<watch::Receiver<Passing>>) -> Self {
        if let Some(registry) = Arc::get_mut(&mut self.registry) {
            registry.register_collector(Box::new(AccountFamilies(passing.clone())));
        }
        self.passing = passing;
        self
    }

    /// Sets the servers' account tables. Call it before the first clone.
    pub fn with_account_tables(mut self, tables: watch::Receiver<AccountReading>) -> Self {
        if let Some(registry) = Arc::get_mut(&mut self.registry) {
            registry.register_collector(Box::new(TableFamilies(tables.clone())));
        }
        self.account_tables = tables;
        self
    }

    /// Sets the watches of the Kubernetes API. Call it before the first clone.
    pub fn with_kubernetes(mut self, watches: Vec<watch::Receiver<WatchState>>) -> Self {
        if let Some(registry) = Arc::get_mut(&mut self.registry)
            && !watches.is_empty()
        {
            registry.register_collector(Box::new(KubernetesFamilies(watches.clone())));
        }
        self.kubernetes = watches;
        self
    }
}

impl fmt::Debug for AdminState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminState").field("modes", &self.modes).finish_non_exhaustive()
    }
}
