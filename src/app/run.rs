//! `pointsman run`: the control thread, from the configuration to the exit code.

use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::LocalSet;
use tokio::time::Instant;

use super::admin_port::AdminPort;
use super::audit::Audit;
use super::defect::end_on_panic;
use super::events::PrimaryEvents;
use super::notice::Notices;
use super::reload::{Reloader, Secrets};
use super::served::Served;
use super::takeover::{self, Predecessor};
use super::traces::Traces;
use super::upgrade::{Legacy, upgraded};
use super::webhook::{Webhooks, host_name};
use super::{AppError, clients_tls, memory, privacy, questions, servers_tls, service_manager, slow};
use crate::admin::{AdminParts, AdminState, ChangeCosts, Question};
use crate::auth::OwnKey;
use crate::backend::accounts::AccountReading;
use crate::backend::{Ceilings, PooledQuestion};
use crate::config::{Config, CredentialSource, Discovery, Fixed, Kubernetes, Live, LogFormat};
#[cfg(feature = "console")]
use crate::console::{Console, Orders};
use crate::discovery::{self, Access, Acknowledgements, Drainer, PodEvents, Source, WatchState};
use crate::monitor::{AccountTables, BackendConnector, Kicker, PassingLogins, Routines, passing_accounts};
use crate::net::{ChosenDriver, Inherited, SystemRuntime};
use crate::server::{Feeds, Kick, Server, ServerParts};
use crate::telemetry::traces::TraceSender;
use crate::telemetry::{
    self, AuditSender, DriverFamilies, Lifecycle, LogFilter, LogStyle, Pulse, ReloadMetrics, WorkerMetrics,
};
use crate::topology::{Flavor, Snapshot};

/// The environment variable with the node that this process runs on, which a pod's manifest can set (`spec.nodeName`).
const OWN_NODE: &str = "POINTSMAN_NODE";

/// The longest time that the first probes wait for Secrets.
const FIRST_SECRETS: Duration = Duration::from_secs(2);

/// After another process took over, HTTP connections that were accepted before get this long to be answered that the
/// proxy is ready: it is, since the new process accepts on the same ports.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// The inputs of the data path, and the channels to which it reports.
struct DataPath<'a> {
    fixed: Fixed,
    /// What the workers follow.
    feeds: Feeds,
    /// Lets sessions have servers probed at once.
    kicker: Kicker,
    /// The catalogue of the servers' stored routines.
    routines: Routines,
    /// The servers' account tables.
    accounts: AccountTables,
    /// The servers' accounts that pass `read_only` and have logged in.
    passing_logins: PassingLogins,
    /// Receives the positions of writes that were acknowledged to clients.
    acknowledged: Acknowledgements,
    /// Takes orders to drain servers, except while another process takes over.
    drainer: Drainer,
    /// The metrics of each worker.
    metrics: Vec<Arc<WorkerMetrics>>,
    /// The data path enters `Listening` when every port accepts; SIGTERM enters `Draining`.
    lifecycle: Arc<watch::Sender<Lifecycle>>,
    /// The HTTP port and that of the SQL console, which are handed over to the next process with the listeners.
    ports: [Option<AdminPort>; 2],
    /// The process from which this one takes over.
    predecessor: Option<&'a Predecessor>,
    /// The sockets of the predecessor that were not taken yet.
    inherited: Inherited,
    /// The questions of the admin side to the workers.
    questions: mpsc::UnboundedReceiver<Question>,
    /// The questions of probes that servers do not let in.
    of_probes: mpsc::UnboundedReceiver<PooledQuestion>,
    /// Where the events of the audit log go.
    audit: AuditSender,
    /// Where the traces of statements go.
    traces: TraceSender,
}

/// Runs the proxy until it is told to end. `config` was read from `path`. If there is a predecessor, its ports are
/// taken over.
pub(super) fn run(
    config: Config,
    path: &Path,
    predecessor: Option<&Predecessor>,
) -> Result<ExitCode, AppError> {
    let style = match config.fixed.log.format {
        LogFormat::Text => LogStyle::Text,
        LogFormat::Json => LogStyle::Json,
    };
    let log = telemetry::init_tracing(style, &config.fixed.log.level)?;
    end_on_panic();
    privacy::keep_private();
    // This thread is for control only: probes, discovery, reload. Workers and HTTP have their own threads.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(LocalSet::new().run_until(control(config, path, predecessor, log)))
}

async fn control(
    config: Config,
    path: &Path,
    predecessor: Option<&Predecessor>,
    log: LogFilter,
) -> Result<ExitCode, AppError> {
    // The default action of SIGUSR2 would end the process, which may get the signal before it can handle it.
    let _caught = signal(SignalKind::user_defined2())?;
    let mut inherited = predecessor.map(Predecessor::inherited).unwrap_or_default();
    log_start(&config, path);
    let mut secrets = Secrets::of(&config);
    let (source, kubernetes) = match &config.fixed.discovery {
        Discovery::Static => (Source::Configured, Vec::new()),
        Discovery::Kubernetes(pods) => watch_kubernetes(pods, &mut secrets, !config.secrets.is_empty()),
    };
    // Waits for the Secrets: a probe without its password would only be refused.
    secrets.complete(&config, FIRST_SECRETS).await;
    let (live_sender, live) = watch::channel(Arc::new(secrets.fill(&config)));
    let memory = memory::budget(live.clone());
    let (driver, runtime) = (ChosenDriver::of(config.fixed.io)?, SystemRuntime::default());
    servers_tls::follow(runtime.servers_tls.clone(), live.clone());
    clients_tls::follow(runtime.acceptors.clone(), live.clone()).map_err(AppError::Tls)?;
    let ceilings = Arc::<Ceilings>::default();
    let connector = || BackendConnector::new(runtime.clone(), ceilings.clone());
    let (pools, of_probes) = mpsc::unbounded_channel();
    let discovery::Started { snapshot, kicker, acknowledged, drainer } =
        discovery::start_with(source, live.clone(), connector().asking(pools));
    keep_drained(predecessor, &drainer).await;
    let routines = Routines::start(connector(), live.clone(), snapshot.clone());
    let accounts = AccountTables::start(connector(), live.clone(), snapshot.clone());
    let passing = passing_accounts(connector(), live.clone(), snapshot.clone());
    let (passing_logins, passing_seen) = PassingLogins::start(accounts.current.clone());
    let lifecycle = Arc::new(watch::Sender::new(Lifecycle::Starting));
    let reloads = Arc::new(ReloadMetrics::default());
    let metrics: Vec<_> = (0..config.fixed.workers.get()).map(|_| Arc::default()).collect();
    let costs = start_notices(&config.fixed.discovery, &live, &snapshot, &metrics);
    let (served, pulse) = (Served::at_start(&config.fingerprint), beating());
    let (ask, questions) = mpsc::unbounded_channel();
    let audit = Audit::start(live.clone())?;
    let traces = Traces::start(live.clone())?;
    let state = AdminState::new(AdminParts {
        modes: config.fixed.listeners.iter().map(|listener| listener.mode).collect(),
        workers: metrics.clone(),
        snapshot: snapshot.clone(),
        lifecycle: lifecycle.subscribe(),
        live: live.clone(),
        reloads: reloads.clone(),
        costs,
        ceilings: Some(ceilings.clone()),
        memory: Some(memory.clone()),
        audit: Some(audit.sender()),
        traces: Some(traces.sender().counts().clone()),
        certificates: Some(runtime.acceptors.clone()),
        driver: Some(DriverFamilies { driver: driver.driver.as_str(), reason: driver.reason }),
        config: Some(served.watched()),
        passing: vec![passing.clone(), passing_seen],
        account_tables: Some(accounts.current.clone()),
        catalogue: routines.current.clone(),
        kubernetes,
        drainer: Some(drainer.clone()),
        questions: Some(ask),
        pulse,
    });
    let (fixed, hangup) = (config.fixed.clone(), signal(SignalKind::hangup())?);
    let admin = open_http(&fixed, &mut inherited, state.clone(), predecessor.is_none())?;
    let mut reloader = Reloader::new(path.to_owned(), config, live_sender, secrets, reloads, served)
        .with_audit(audit.sender());
    let console = open_console(&fixed, &mut inherited, state, &mut reloader, log)?;
    tokio::spawn(reloader.run(hangup));
    drain_on_signal(Arc::clone(&lifecycle))?;
    carry_traffic(DataPath {
        fixed,
        feeds: Feeds {
            live,
            snapshot,
            routines: routines.current.clone(),
            accounts: accounts.current.clone(),
            runtime,
            ceilings,
            memory,
            driver: driver.driver,
        },
        kicker,
        routines,
        accounts,
        passing_logins,
        acknowledged,
        drainer,
        metrics,
        lifecycle,
        ports: [admin, console],
        predecessor,
        inherited,
        questions,
        of_probes,
        audit: audit.sender(),
        traces: traces.sender(),
    })
    .await
}

/// Returns the pulse of this thread, which beats from now on.
fn beating() -> Pulse {
    let pulse = Pulse::default();
    tokio::spawn(pulse.clone().beat());
    pulse
}

/// Starts to tell webhooks and Events of changes of the primary, and returns what each change did to the sessions.
fn start_notices(
    discovery: &Discovery,
    live: &watch::Receiver<Arc<Live>>,
    snapshot: &watch::Receiver<Arc<Snapshot>>,
    metrics: &[Arc<WorkerMetrics>],
) -> watch::Receiver<ChangeCosts> {
    let (costs, seen) = watch::channel(ChangeCosts::default());
    let notices = Notices {
        snapshot: snapshot.clone(),
        workers: metrics.to_vec(),
        costs,
        webhooks: Webhooks::start(live.clone()),
        events: pod_events(discovery, live),
    };
    tokio::task::spawn_local(notices.run());
    seen
}

/// Opens the HTTP port, if there is one. `serve`: requests are answered at once. While a predecessor answers on the port,
/// requests must not get the answer "starting" of this process.
fn open_http(
    fixed: &Fixed,
    inherited: &mut Inherited,
    state: AdminState,
    serve: bool,
) -> Result<Option<AdminPort>, AppError> {
    let Some(address) = &fixed.admin_http else { return Ok(None) };
    let mut port = AdminPort::http(address, inherited, state)?;
    if serve {
        port.serve()?;
    }
    Ok(Some(port))
}

/// Opens the port of the SQL console, if there is one.
#[cfg(feature = "console")]
fn open_console(
    fixed: &Fixed,
    inherited: &mut Inherited,
    state: AdminState,
    reloader: &mut Reloader,
    log: LogFilter,
) -> Result<Option<AdminPort>, AppError> {
    let Some(address) = &fixed.admin_console else { return Ok(None) };
    let (reload, asked) = mpsc::unbounded_channel();
    reloader.asked_by(asked);
    let console = Console::new(state, Orders { reload, log });
    AdminPort::console(address, inherited, console).map(Some)
}

/// A build without the console refuses to start with its port configured: an operator would look for it in vain.
#[cfg(not(feature = "console"))]
fn open_console(
    fixed: &Fixed,
    _: &mut Inherited,
    _: AdminState,
    _: &mut Reloader,
    _: LogFilter,
) -> Result<Option<AdminPort>, AppError> {
    if fixed.admin_console.is_some() { Err(AppError::WithoutConsole) } else { Ok(None) }
}

fn log_start(config: &Config, path: &Path) {
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        config = %path.display(),
        workers = config.fixed.workers,
        servers = config.live.servers.len(),
        "pointsman starts"
    );
    if let Some(missing) = config.no_server() {
        tracing::warn!("{missing}");
    }
}

/// Starts the watches of the Kubernetes API. Returns the source of the servers, and the states of the
/// watches for reports. Secrets are watched only if the configuration names one, because reading them
/// needs additional rights.
fn watch_kubernetes(
    pods: &Kubernetes,
    secrets: &mut Secrets,
    with_secrets: bool,
) -> (Source, Vec<watch::Receiver<WatchState>>) {
    // An empty value counts as none: a manifest may set the variable in any case.
    let own_node = std::env::var(OWN_NODE).ok().filter(|node| !node.is_empty());
    let watched = discovery::watch_pods(pods, Access::Infer, own_node);
    secrets.zone_is(watched.own_zone);
    let mut states = watched.states;
    let named = discovery::watch_secrets(pods.namespace.clone(), Access::Infer, secrets.wanted());
    if with_secrets {
        states.push(named.state);
    }
    secrets.watched(named.values);
    let source = Source::Pods { servers: watched.servers, maintenance: watched.maintenance };
    (source, states)
}

/// Starts the sender of Events for pods; None without Kubernetes. Started even if Events are not wanted, because a
/// reload may turn them on.
fn pod_events(discovery: &Discovery, live: &watch::Receiver<Arc<Live>>) -> Option<PrimaryEvents> {
    let Discovery::Kubernetes(pods) = discovery else { return None };
    let posted = PodEvents::start(pods.namespace.clone(), Access::Infer, host_name());
    Some(PrimaryEvents::new(posted, live.clone()))
}

/// Handles SIGTERM and SIGINT: the first drains the proxy, the second ends it at once.
fn drain_on_signal(lifecycle: Arc<watch::Sender<Lifecycle>>) -> Result<(), AppError> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        let mut is_draining = false;
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if std::mem::replace(&mut is_draining, true) {
                tracing::warn!("told to end a second time: ending without waiting for sessions");
                std::process::exit(1);
            }
            let drains = !Lifecycle::Draining.enter(&lifecycle);
            tracing::info!("told to end: {}", if drains { "draining already" } else { "draining" });
        }
    });
    Ok(())
}

/// Runs the workers, from opening the ports to the end of the drain.
async fn carry_traffic(parts: DataPath<'_>) -> Result<ExitCode, AppError> {
    let DataPath { mut feeds, acknowledged, lifecycle, mut ports, predecessor, .. } = parts;
    let (live, mut snapshot, memory) = (feeds.live.clone(), feeds.snapshot.clone(), feeds.memory.clone());
    let (mut asked, mut of_probes) = (parts.questions, parts.of_probes);
    let phase = lifecycle.subscribe();
    let settings = live.borrow().clone();
    first_look(snapshot.clone(), &settings, &mut feeds.accounts).await;
    match predecessor {
        None => {}
        Some(_) => {
            let modes = parts.fixed.listeners.iter().map(|listener| listener.mode).collect();
            takeover::ready(modes, snapshot.clone(), live.clone(), phase.clone()).await?;
        }
    }
    let (kicker, routines, accounts) = (parts.kicker, parts.routines, parts.accounts);
    let passing_logins = parts.passing_logins;
    // Makes the key while no client waits for it.
    std::thread::spawn(OwnKey::of_process);
    let kick = move |kick| match kick {
        Kick::One(server) => kicker.kick(server),
        Kick::Anew(server) => kicker.kick_anew(server),
        Kick::All => kicker.kick_all(),
        Kick::Routines => routines.changed(),
        Kick::Accounts => accounts.doubted(),
        Kick::PassesReadOnly(user) => passing_logins.note(&user),
    };
    let server = Server::start(ServerParts {
        listeners: parts.fixed.listeners,
        feeds,
        inherited: parts.inherited,
        metrics: parts.metrics,
        worker_fill: parts.fixed.worker_fill,
        audit: parts.audit,
        traces: parts.traces,
        kick: Arc::new(kick),
    })?;
    if let Some(predecessor) = predecessor {
        predecessor.agree(phase).await?;
    }
    tokio::spawn(slow::log(server.slow_statements(live.clone())));
    server.open();
    Lifecycle::Listening.enter(&lifecycle);
    match predecessor {
        // systemd still expects notifications from the predecessor, so READY=1 is not sent here.
        Some(_) => {}
        None => service_manager::notify("READY=1"),
    }
    // Does nothing for a port that is served already.
    ports.iter_mut().flatten().try_for_each(AdminPort::serve)?;
    let drains = (parts.drainer, snapshot.clone());
    let ending = end(&server, &ports, &live, &lifecycle, drains);
    tokio::pin!(ending);
    let mut last_asked = None;
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            ended = &mut ending => {
                ended?;
                tracing::info!("pointsman ends");
                return Ok(ExitCode::SUCCESS);
            }
            Some(question) = asked.recv() => questions::answer(question, &server),
            Some(question) = of_probes.recv() => drop(tokio::spawn(server.ask(question))),
            _ = seconds.tick() => {
                memory.refresh();
                server.tick();
            }
            lost = primary_is_lost(&mut snapshot, last_asked) => {
                last_asked = Some(Instant::now());
                if let Some(writes) = server.acknowledged_writes(lost.0, lost.1).await {
                    acknowledged.send(writes).await;
                }
            }
        }
    }
}

/// Drains the servers that the previous process had drained.
async fn keep_drained(predecessor: Option<&Predecessor>, drainer: &Drainer) {
    for server in predecessor.map(Predecessor::drained).unwrap_or_default() {
        // Fails only if this process ends.
        let _ = drainer.order(server, true).await;
    }
}

/// Waits until the process is told to end, or another process has taken over; then drains.
async fn end(
    server: &Server,
    ports: &[Option<AdminPort>],
    live: &watch::Receiver<Arc<Live>>,
    lifecycle: &watch::Sender<Lifecycle>,
    (drainer, snapshot): (Drainer, watch::Receiver<Arc<Snapshot>>),
) -> Result<(), AppError> {
    let mut phase = lifecycle.subscribe();
    let legacy = || -> io::Result<Legacy> {
        let mut sockets = server.sockets()?;
        for port in ports.iter().flatten() {
            sockets.extend(port.socket()?);
        }
        let held = drainer.hold();
        let drained = snapshot.borrow().drain_orders.iter().map(|name| name.to_string()).collect();
        Ok(Legacy { sockets, drained, held })
    };
    let taken_over = upgraded(signal(SignalKind::user_defined2())?, legacy);
    tokio::select! {
        // An error of `wait_for` is ignored: the sender lives as long as the process.
        _ = phase.wait_for(|phase| *phase == Lifecycle::Draining) => {
            // Load balancers take a moment to see that the proxy is not ready: until then they still send clients.
            let delay = live.borrow().drain.delay;
            tokio::time::sleep(delay).await;
            drain(server, live).await;
        }
        _held = taken_over => {
            ports.iter().flatten().for_each(AdminPort::leave);
            let last_answers = async {
                tokio::time::sleep(LAST_ANSWERS).await;
                Lifecycle::Draining.enter(lifecycle);
            };
            tokio::join!(drain(server, live), last_answers);
        }
    }
    Ok(())
}

/// Closes the ports, and waits for the end of the last session or the drain timeout.
async fn drain(server: &Server, live: &watch::Receiver<Arc<Live>>) {
    tracing::info!(
        sessions = server.sessions(),
        "closing the ports; sessions end where their clients notice"
    );
    let timeout = live.borrow().drain.timeout;
    match server.drain(timeout).await {
        0 => tracing::info!("every session ended"),
        left => tracing::warn!(left, "the drain's time is over: the rest was told ERROR 1053"),
    }
}

/// How often the workers are asked again while there is no primary: a last answer of the lost primary may have come.
const ASK_AGAIN: Duration = Duration::from_millis(50);

/// Waits until there is no primary, and the workers were not asked within `ASK_AGAIN` for acknowledged writes. Returns
/// the generation and flavour of the lost primary.
async fn primary_is_lost(
    snapshot: &mut watch::Receiver<Arc<Snapshot>>,
    last_asked: Option<Instant>,
) -> (u64, Flavor) {
    loop {
        let of = snapshot.borrow_and_update().lost();
        let again = last_asked.map(|at| at + ASK_AGAIN).filter(|at| *at > Instant::now());
        match (of, again) {
            (Some(of), None) => return of,
            (Some(_), Some(at)) => tokio::time::sleep_until(at).await,
            // The sender of snapshots is gone only if the process ends.
            (None, _) if snapshot.changed().await.is_err() => std::future::pending().await,
            (None, _) => {}
        }
    }
}

/// Waits up to a second for a primary and its account tables, so that the first clients are greeted with the primary's
/// version and find their accounts. A proxy without servers opens its ports, too, and answers with an error.
async fn first_look(
    mut snapshot: watch::Receiver<Arc<Snapshot>>,
    live: &Live,
    accounts: &mut watch::Receiver<AccountReading>,
) {
    let wanted = live.credentials.has(CredentialSource::Accounts);
    let known = async {
        let _ = snapshot.wait_for(|s| s.primary.is_some()).await;
        let _ = accounts.wait_for(|reading| !wanted || reading.ended > 0).await;
    };
    let _ = tokio::time::timeout(Duration::from_secs(1), known).await;
}
