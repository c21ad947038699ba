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
mod points;
mod pools;
mod port;
mod readiness;
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
pub use pools::PoolReport;
pub use port::serve;
pub use readiness::readiness;
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
use crate::monitor::Passing;
use crate::net::{AcceptorsCell, MemoryBudget};
use crate::sql::RoutineCatalogue;
use crate::telemetry::stream::{Filter, TapBatch};
use crate::telemetry::traces::TraceCounts;
use crate::telemetry::{
    AuditSender, DigestReport, DriverFamilies, Lifecycle, ProcessFamilies, Pulse, ReloadFamilies,
    ReloadMetrics, WorkerFamilies, WorkerMetrics, exposition,
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
    passing: Vec<watch::Receiver<Passing>>,
    account_tables: watch::Receiver<AccountReading>,
    /// The servers' routines, tables and views.
    catalogue: watch::Receiver<Arc<RoutineCatalogue>>,
    /// The modes of the listeners, each once.
    modes: Vec<Mode>,
    started: SystemTime,
    /// The pulse of the control thread.
    pulse: Pulse,
    /// Where the events of the audit log go.
    audit: Option<AuditSender>,
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
        let pooled = watch::Sender::default();
        registry.register_collector(Box::new(server_families::ServerFamilies {
            snapshot: snapshot.clone(),
            workers: workers.clone(),
            live: live.clone(),
            pooled: pooled.subscribe(),
        }));
        registry.register_collector(Box::new(ReloadFamilies(reloads)));
        registry.register_collector(Box::new(ProcessFamilies { started }));
        let mut each_once = Vec::new();
        for mode in modes {
            if !each_once.contains(&mode) {
                each_once.push(mode);
            }
        }
        AdminState {
            ceilings: Arc::default(),
            snapshot,
            lifecycle,
            live,
            workers,
            kubernetes: Vec::new(),
            costs: watch::channel(ChangeCosts::default()).1,
            passing: Vec::new(),
            account_tables: watch::channel(AccountReading::default()).1,
            catalogue: watch::channel(Arc::default()).1,
            modes: each_once,
            started,
            pulse: Pulse::default(),
            audit: None,
            drainer: None,
            questions: None,
            pooled: Arc::new(pooled),
            config: watch::channel(ServedConfig::default()).1,
            registry: Arc::new(registry),
        }
    }

    /// Shows how many connections the servers bear.
    pub fn with_ceilings(mut self, ceilings: Arc<Ceilings>) -> Self {
        if let Some(registry) = Arc::get_mut(&mut self.registry) {
            let (snapshot, ceilings) = (self.snapshot.clone(), ceilings.clone());
            registry.register_collector(Box::new(server_families::BelievedFamilies { snapshot, ceilings }));
        }
        self.ceilings = ceilings;
        self
    }

    /// Sets the effects of changes of the primary.
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

    /// Sets where the events of the audit log go. Call it before the first clone.
    pub fn with_audit(mut self, audit: AuditSender) -> Self {
        if let Some(registry) = Arc::get_mut(&mut self.registry) {
            registry.register_collector(Box::new(audit_families::AuditFamilies(audit.counts().clone())));
        }
        self.audit = Some(audit);
        self
    }

    /// Sets what became of spans. Call it before the first clone.
    pub fn with_traces(mut self, counts: Arc<TraceCounts>) -> Self {
        if let Some(registry) = Arc::get_mut(&mut self.registry) {
            let workers = self.workers.clone();
            registry.register_collector(Box::new(trace_families::TraceFamilies { counts, workers }));
        }
        self
    }

    /// Sets which driver the workers use, and why. Call it before the first clone.
    pub fn with_driver(mut self, driver: &'static str, reason: &'static str) -> Self {
        if let Some(registry) = Arc::get_mut(&mut self.registry) {
            registry.register_collector(Box::new(DriverFamilies { driver, reason }));
        }
        self
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

    /// Sets where the listeners' certificates are. Call it before the first clone.
    pub fn with_certificates(mut self, acceptors: AcceptorsCell) -> Self {
        if let Some(registry) = Arc::get_mut(&mut self.registry) {
            registry.register_collector(Box::new(certificate_families::CertificateFamilies(acceptors)));
        }
        self
    }

    /// Sets where drains are ordered.
    pub fn with_drainer(mut self, drainer: Drainer) -> Self {
        self.drainer = Some(drainer);
        self
    }

    /// Sets where the workers are asked.
    pub fn with_questions(mut self, questions: Questions) -> Self {
        self.questions = Some(questions);
        self
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

    /// Sets the catalogue of the servers' routines, tables and views. Call it before the first clone.
    pub fn with_catalogue(mut self, catalogue: watch::Receiver<Arc<RoutineCatalogue>>) -> Self {
        self.catalogue = catalogue;
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
