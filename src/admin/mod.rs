//! The HTTP endpoints: `/livez`, `/readyz`, `/metrics`, `/topology`, `/digests`, `/sessions`, `/tap`, and the page with its
//! events. They read the snapshot, the workers' counts and statements, and change nothing. They run on a separate thread.

#[cfg(feature = "protobuf")]
mod accept;
mod account_families;
mod assets;
mod audit_families;
mod browser;
#[cfg(test)]
mod browser_tests;
mod certificate;
mod certificate_families;
mod config_families;
mod digests;
mod drains;
mod events;
mod http;
mod kubernetes_families;
mod memory_families;
#[cfg(test)]
mod page_tests;
mod pages;
mod parts;
mod points;
mod pools;
mod port;
mod readiness;
#[cfg(test)]
mod readiness_tests;
mod report;
mod seats;
mod server_families;
mod sessions;
mod stream;
mod sums;
mod tap;
#[cfg(test)]
mod tests;
mod trace_families;

#[cfg(feature = "console")]
pub(crate) use certificate::Certificate;
pub use config_families::ServedConfig;
pub use drains::DrainError;
pub use parts::AdminParts;
pub use pools::PoolReport;
pub use port::serve;
pub use readiness::{Serving, readiness};
pub use report::{
    CatalogueReport, ChangeCost, KubernetesReport, PortReport, PrimaryChangeReport, Report, ServerReport,
    Traffic,
};
#[cfg(feature = "console")]
pub(crate) use seats::Seats;
#[cfg(feature = "console")]
pub(crate) use sessions::{SessionLine, sessions};
pub use tap::{TapLine, Waited};

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use prometheus_client::registry::Registry;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use self::account_families::{AccountFamilies, TableFamilies};
use self::config_families::ConfigFamilies;
use self::kubernetes_families::KubernetesFamilies;
use crate::backend::Ceilings;
use crate::backend::PoolCount;
use crate::backend::accounts::AccountReading;
use crate::config::{Live, Mode};
use crate::discovery::{Drainer, WatchState};
use crate::monitor::PassingAccounts;
use crate::sql::RoutineCatalogue;
use crate::telemetry::stream::{Filter, TapBatch};
use crate::telemetry::{
    DigestReport, Lifecycle, ProcessFamilies, Pulse, ReloadFamilies, WorkerFamilies, WorkerMetrics,
    exposition,
};
use crate::topology::{PrimaryChange, Snapshot};
use crate::worker::SessionReport;

/// How long the metrics wait for the workers.
const POOLS_LIMIT: Duration = Duration::from_millis(200);

/// Changes of the primary, and the effects of each on the sessions.
pub type ChangeCosts = Arc<VecDeque<(PrimaryChange, ChangeCost)>>;

/// A question to the workers, or an order; the answer comes through the sender.
#[derive(Debug)]
pub enum Question {
    /// What did the statements of each digest do?
    Digests(oneshot::Sender<DigestReport>),
    /// Which statements end that this filter admits?
    Tap(Filter, oneshot::Sender<mpsc::Receiver<TapBatch>>),
    /// Forget what was counted by digest.
    ForgetDigests,
    /// Which sessions are there?
    Sessions(oneshot::Sender<Vec<SessionReport>>),
    /// How many server connections are there?
    Pools(oneshot::Sender<Vec<PoolCount>>),
    /// Kill a session, or only the statement that it has under way.
    Kill {
        /// The session's id.
        id: u32,
        /// True if the session is to end.
        connection: bool,
        /// False: there is no such session.
        reply: oneshot::Sender<bool>,
    },
}

/// Where the workers are asked.
pub type Questions = mpsc::UnboundedSender<Question>;

/// How long the workers may take to answer a question.
const PATIENCE: Duration = Duration::from_secs(5);

/// A worker, or the control thread, stands still: it has not answered in time.
#[derive(Debug, thiserror::Error)]
#[error("the worker threads do not answer")]
pub struct Unanswered;

/// The data that the endpoints read. Clones share the same data.
#[derive(Clone)]
pub struct AdminState {
    snapshot: watch::Receiver<Arc<Snapshot>>,
    lifecycle: watch::Receiver<Lifecycle>,
    live: watch::Receiver<Arc<Live>>,
    workers: Vec<Arc<WorkerMetrics>>,
    /// The watches of the Kubernetes API; empty without Kubernetes.
    kubernetes: Vec<watch::Receiver<WatchState>>,
    /// The effects of changes of the primary on the sessions.
    costs: watch::Receiver<ChangeCosts>,
    /// Accounts that pass `read_only`.
    passing: Vec<watch::Receiver<PassingAccounts>>,
    account_tables: watch::Receiver<AccountReading>,
    /// The servers' routines, tables and views.
    catalogue: watch::Receiver<Arc<RoutineCatalogue>>,
    /// The modes of the listeners, each once.
    modes: Vec<Mode>,
    started: SystemTime,
    /// The pulse of the control thread.
    pulse: Pulse,
    /// Where the events of the audit log go.
    #[cfg(feature = "console")]
    audit: Option<crate::telemetry::AuditSender>,
    /// Where drains are ordered.
    drainer: Option<Drainer>,
    /// Where the workers are asked.
    questions: Option<Questions>,
    /// The server connections when the metrics were last asked for.
    pooled: Arc<watch::Sender<Vec<PoolReport>>>,
    /// How many connections the servers bear.
    ceilings: Arc<Ceilings>,
    /// Which configuration is served.
    config: watch::Receiver<ServedConfig>,
    registry: Arc<Registry>,
}

impl AdminState {
    /// Builds the state and the registry of the metrics. The start time of the process is set to now.
    pub fn new(parts: AdminParts) -> Self {
        let started = SystemTime::now();
        let pooled = watch::Sender::default();
        let registry = Arc::new(registry(&parts, started, pooled.subscribe()));
        let mut modes = Vec::new();
        for mode in parts.modes {
            if !modes.contains(&mode) {
                modes.push(mode);
            }
        }
        AdminState {
            ceilings: parts.ceilings.unwrap_or_default(),
            snapshot: parts.snapshot,
            lifecycle: parts.lifecycle,
            live: parts.live,
            workers: parts.workers,
            kubernetes: parts.kubernetes,
            costs: parts.costs,
            passing: parts.passing,
            account_tables: parts
                .account_tables
                .unwrap_or_else(|| watch::channel(AccountReading::default()).1),
            catalogue: parts.catalogue,
            modes,
            started,
            pulse: parts.pulse,
            #[cfg(feature = "console")]
            audit: parts.audit,
            drainer: parts.drainer,
            questions: parts.questions,
            pooled: Arc::new(pooled),
            config: parts.config.unwrap_or_else(|| watch::channel(ServedConfig::default()).1),
            registry,
        }
    }

    /// Records what somebody did to the proxy, if the audit log wants such events.
    #[cfg(feature = "console")]
    pub(crate) fn audit(&self, of: crate::config::AuditEvents, record: crate::telemetry::AuditRecord) {
        if let Some(audit) = &self.audit
            && self.live.borrow().audit.recorded().contains(of)
        {
            audit.record(record);
        }
    }

    /// Asks the workers. The answer is empty without workers, and while the process ends.
    async fn ask<T: Default>(
        &self,
        question: impl FnOnce(oneshot::Sender<T>) -> Question,
    ) -> Result<T, Unanswered> {
        let Some(questions) = &self.questions else { return Ok(T::default()) };
        let (reply, answer) = oneshot::channel();
        let _ = questions.send(question(reply));
        let answer = timeout(PATIENCE, answer).await.map_err(|_| Unanswered)?;
        Ok(answer.unwrap_or_default())
    }

    /// Returns what the statements of each digest did, those first on which most time was spent.
    pub async fn digests(&self) -> Result<DigestReport, Unanswered> {
        let of_workers = self.ask(Question::Digests).await?;
        // Tens of thousands of digests take their time.
        Ok(spawn_blocking(|| of_workers.merged()).await.unwrap_or_default())
    }

    /// Forgets what was counted by digest.
    pub fn forget_digests(&self) {
        if let Some(questions) = &self.questions {
            let _ = questions.send(Question::ForgetDigests);
        }
    }

    /// Ends a session, or only the statement that it has under way. Returns false if there is no such session.
    pub async fn kill_session(&self, id: u32, connection: bool) -> Result<bool, Unanswered> {
        self.ask(|reply| Question::Kill { id, connection, reply }).await
    }

    /// Returns all sessions.
    pub async fn sessions(&self) -> Result<Vec<SessionReport>, Unanswered> {
        self.ask(Question::Sessions).await
    }

    /// Returns the statements that a filter admits, as they end. None while there are no workers.
    async fn tap(&self, filter: Filter) -> Option<mpsc::Receiver<TapBatch>> {
        let (reply, answer) = oneshot::channel();
        self.questions.as_ref()?.send(Question::Tap(filter, reply)).ok()?;
        answer.await.ok()
    }

    /// Returns how many connections to each server there are, by account.
    pub async fn pools(&self) -> Result<Vec<PoolReport>, Unanswered> {
        let counts = self.ask(Question::Pools).await?;
        Ok(pools::named(&counts, &self.snapshot.borrow()))
    }
}

/// Returns the registry of the metrics of these parts.
fn registry(parts: &AdminParts, started: SystemTime, pooled: watch::Receiver<Vec<PoolReport>>) -> Registry {
    let mut registry = Registry::default();
    let (snapshot, workers) = (&parts.snapshot, &parts.workers);
    registry.register_collector(Box::new(WorkerFamilies(workers.clone())));
    registry.register_collector(Box::new(server_families::ServerFamilies {
        snapshot: snapshot.clone(),
        workers: workers.clone(),
        live: parts.live.clone(),
        pooled,
    }));
    registry.register_collector(Box::new(ReloadFamilies(parts.reloads.clone())));
    registry.register_collector(Box::new(ProcessFamilies { started }));
    if let Some(ceilings) = parts.ceilings.clone() {
        let snapshot = snapshot.clone();
        registry.register_collector(Box::new(server_families::BelievedFamilies { snapshot, ceilings }));
    }
    if let Some(memory) = parts.memory.clone() {
        registry.register_collector(Box::new(memory_families::MemoryFamilies(memory)));
    }
    if let Some(audit) = &parts.audit {
        registry.register_collector(Box::new(audit_families::AuditFamilies(audit.counts().clone())));
    }
    if let Some(counts) = parts.traces.clone() {
        let workers = workers.clone();
        registry.register_collector(Box::new(trace_families::TraceFamilies { counts, workers }));
    }
    if let Some(acceptors) = parts.certificates.clone() {
        registry.register_collector(Box::new(certificate_families::CertificateFamilies(acceptors)));
    }
    if let Some(driver) = parts.driver {
        registry.register_collector(Box::new(driver));
    }
    if let Some(config) = parts.config.clone() {
        registry.register_collector(Box::new(ConfigFamilies(config)));
    }
    if !parts.passing.is_empty() {
        registry.register_collector(Box::new(AccountFamilies(parts.passing.clone())));
    }
    if let Some(tables) = parts.account_tables.clone() {
        registry.register_collector(Box::new(TableFamilies(tables)));
    }
    if !parts.kubernetes.is_empty() {
        registry.register_collector(Box::new(KubernetesFamilies(parts.kubernetes.clone())));
    }
    registry
}

/// What the SQL console reads.
impl AdminState {
    /// Returns the current settings.
    pub fn live(&self) -> Arc<Live> {
        self.live.borrow().clone()
    }

    /// Returns the content of `/metrics`.
    ///
    /// # Errors
    /// If a family cannot be written.
    pub async fn exposition(&self) -> Result<String, fmt::Error> {
        self.count_pools().await;
        exposition(&self.registry)
    }

    /// Returns the content of `/metrics` in the format that has native histograms.
    ///
    /// # Errors
    /// If a family cannot be written.
    #[cfg(feature = "protobuf")]
    async fn protobuf_exposition(&self) -> Result<Vec<u8>, impl fmt::Display> {
        self.count_pools().await;
        crate::telemetry::protobuf_exposition(&self.registry)
    }

    /// Asks the workers for their server connections, for the metrics. A worker that does not answer makes no scrape fail:
    /// then the former numbers stay.
    async fn count_pools(&self) {
        if let Ok(Ok(pools)) = timeout(POOLS_LIMIT, self.pools()).await {
            self.pooled.send_replace(pools);
        }
    }
}

impl fmt::Debug for AdminState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminState").field("modes", &self.modes).finish_non_exhaustive()
    }
}
