//! `pointsman run`: the control thread, from the configuration to the exit code.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::LocalSet;
use tokio::time::Instant;

use super::AppError;
use super::admin_port::AdminPort;
use super::defect::end_on_panic;
use super::events::Events;
use super::memory;
use super::notice::Notices;
use super::privacy;
use super::reload::{Reloader, Secrets};
use super::served::Served;
use super::servers_tls;
use super::service_manager;
use super::takeover::{self, Predecessor};
use super::upgrade::upgraded;
use super::webhook::{Webhooks, host_name};
use crate::admin::{AdminState, ChangeCosts};
use crate::config::{Config, Discovery, Fixed, Kubernetes, Live, LogFormat};
use crate::discovery::{self, Access, Acknowledgements, PodEvents, Source, WatchState};
use crate::monitor::{BackendConnector, Kicker, Routines, passing_accounts};
use crate::net::{Inherited, MemoryBudget, TokioRuntime};
use crate::server::{Kick, Server, ServerParts};
use crate::telemetry::{self, Lifecycle, LogStyle, Pulse, ReloadMetrics, WorkerMetrics};
use crate::topology::{Flavor, Snapshot};

/// The node that this process runs on, as a pod's manifest can say it (`spec.nodeName`).
const OWN_NODE: &str = "POINTSMAN_NODE";

/// The first probes wait so long for Secrets at most.
const FIRST_SECRETS: Duration = Duration::from_secs(2);

/// HTTP connections that were accepted before another process took over are answered within this, and hear that clients
/// can be sent here: so they can.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// What the data path is given, and where it reports.
struct DataPath<'a> {
    fixed: Fixed,
    /// The current settings; changes on reload.
    live: watch::Receiver<Arc<Live>>,
    /// Where servers are connected to.
    runtime: TokioRuntime,
    /// Discovery and probes publish here.
    snapshot: watch::Receiver<Arc<Snapshot>>,
    /// How sessions have servers probed at once.
    kicker: Kicker,
    /// What the servers' stored routines do.
    routines: Routines,
    /// Where to say what clients were told to be written.
    acknowledged: Acknowledgements,
    /// One for each worker.
    metrics: Vec<Arc<WorkerMetrics>>,
    /// What sessions may make the process keep.
    memory: Arc<MemoryBudget>,
    /// The data path enters `Listening` when every port accepts; SIGTERM enters `Draining`.
    lifecycle: Arc<watch::Sender<Lifecycle>>,
    /// Goes with the listeners to the next process.
    admin: Option<AdminPort>,
    /// The process that this one is to follow, and what is left of its sockets.
    predecessor: Option<&'a Predecessor>,
    inherited: Inherited,
}

/// Runs the proxy until it is told to end. `path` is where `config` was read from; a predecessor is asked for its ports.
pub(super) fn run(
    config: Config,
    path: &Path,
    predecessor: Option<&Predecessor>,
) -> Result<ExitCode, AppError> {
    let style = match config.fixed.log.format {
        LogFormat::Text => LogStyle::Text,
        LogFormat::Json => LogStyle::Json,
    };
    telemetry::init_tracing(style, &config.fixed.log.level)?;
    end_on_panic();
    privacy::keep_private();
    // This thread is for control only: probes, HTTP, reload. Workers have their own.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(LocalSet::new().run_until(control(config, path, predecessor)))
}

async fn control(
    config: Config,
    path: &Path,
    predecessor: Option<&Predecessor>,
) -> Result<ExitCode, AppError> {
    // Its default would end the process, which may get it before it can follow it.
    let _caught = signal(SignalKind::user_defined2())?;
    let mut inherited = predecessor.map(Predecessor::inherited).unwrap_or_default();
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        config = %path.display(),
        workers = config.fixed.workers,
        servers = config.live.servers.len(),
        "pointsman starts"
    );
    let mut secrets = Secrets::of(&config);
    let (source, kubernetes) = match &config.fixed.discovery {
        Discovery::Static => (Source::Configured, Vec::new()),
        Discovery::Kubernetes(pods) => watch_kubernetes(pods, &mut secrets, !config.secrets.is_empty()),
    };
    // A probe with a password that is not there yet would only be refused.
    secrets.complete(&config, FIRST_SECRETS).await;
    let (live_sender, live) = watch::channel(Arc::new(secrets.fill(&config)));
    let memory = memory::budget(live.clone());
    let runtime = TokioRuntime::default();
    servers_tls::follow(runtime.servers_tls.clone(), live.clone());
    let discovery::Started { snapshot, kicker, acknowledged } =
        discovery::start_with(source, live.clone(), BackendConnector(runtime.clone()));
    let routines = Routines::start(BackendConnector(runtime.clone()), live.clone(), snapshot.clone());
    let passing = passing_accounts(BackendConnector(runtime.clone()), live.clone(), snapshot.clone());
    let lifecycle = Arc::new(watch::Sender::new(Lifecycle::Starting));
    let reloads = Arc::new(ReloadMetrics::default());
    let metrics: Vec<_> = (0..config.fixed.workers.get()).map(|_| Arc::default()).collect();
    let (costs, costs_seen) = watch::channel(ChangeCosts::default());
    let notices = Notices {
        snapshot: snapshot.clone(),
        workers: metrics.clone(),
        costs,
        webhooks: Webhooks::start(live.clone()),
        events: pod_events(&config.fixed.discovery, &live),
    };
    tokio::task::spawn_local(notices.run());
    let served = Served::at_start(&config.fingerprint);
    let pulse = Pulse::default();
    tokio::spawn(pulse.clone().beat());
    let mut admin = None;
    if let Some(address) = &config.fixed.admin_http {
        let modes = config.fixed.listeners.iter().map(|listener| listener.mode);
        let state = AdminState::new(
            modes,
            metrics.clone(),
            snapshot.clone(),
            lifecycle.subscribe(),
            live.clone(),
            Arc::clone(&reloads),
        )
        .with_costs(costs_seen)
        .with_memory(memory.clone())
        .with_pulse(pulse)
        .with_passing(passing.clone())
        .with_config(served.watched())
        .with_kubernetes(kubernetes);
        let port = admin.insert(AdminPort::open(address, &mut inherited, state).await?);
        // While a predecessor answers there, nobody should hear that we are starting.
        if predecessor.is_none() {
            port.serve()?;
        }
    }
    let hangup = signal(SignalKind::hangup())?;
    let fixed = config.fixed.clone();
    tokio::spawn(Reloader::new(path.to_owned(), config, live_sender, secrets, reloads, served).run(hangup));
    drain_on_signal(Arc::clone(&lifecycle))?;
    let code = carry_traffic(DataPath {
        fixed,
        live,
        runtime,
        snapshot,
        kicker,
        routines,
        acknowledged,
        metrics,
        memory,
        lifecycle,
        admin,
        predecessor,
        inherited,
    })
    .await?;
    tracing::info!("pointsman ends");
    Ok(code)
}

/// The watches of the Kubernetes API: where the servers come from, and what the reports say of them.
/// Secrets are watched only if the configuration names one: they need rights of their own.
fn watch_kubernetes(
    pods: &Kubernetes,
    secrets: &mut Secrets,
    with_secrets: bool,
) -> (Source, Vec<watch::Receiver<WatchState>>) {
    // An empty one is none: a manifest may set it whatever the node.
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

/// Ready whether they are wanted or not: a reload may ask for them.
fn pod_events(discovery: &Discovery, live: &watch::Receiver<Arc<Live>>) -> Option<Events> {
    let Discovery::Kubernetes(pods) = discovery else { return None };
    let posted = PodEvents::start(pods.namespace.clone(), Access::Infer, host_name());
    Some(Events::new(posted, live.clone()))
}

/// The first SIGTERM or SIGINT drains; the second ends at once.
fn drain_on_signal(lifecycle: Arc<watch::Sender<Lifecycle>>) -> Result<(), AppError> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        let mut told = false;
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if std::mem::replace(&mut told, true) {
                tracing::warn!("told to end a second time: ending without waiting for sessions");
                std::process::exit(1);
            }
            let drains = !Lifecycle::Draining.enter(&lifecycle);
            tracing::info!("told to end: {}", if drains { "draining already" } else { "draining" });
        }
    });
    Ok(())
}

/// The workers, from opening the ports to the end of the drain.
async fn carry_traffic(parts: DataPath<'_>) -> Result<ExitCode, AppError> {
    let DataPath { live, mut snapshot, acknowledged, lifecycle, mut admin, predecessor, .. } = parts;
    let phase = lifecycle.subscribe();
    match predecessor {
        None => first_look(snapshot.clone()).await,
        Some(_) => {
            let modes = parts.fixed.listeners.iter().map(|listener| listener.mode).collect();
            takeover::ready(modes, snapshot.clone(), live.clone(), phase.clone()).await?;
        }
    }
    let (kicker, routines) = (parts.kicker, parts.routines);
    let catalogue = routines.current.clone();
    let kick = move |kick| match kick {
        Kick::One(server) => kicker.kick(server),
        Kick::All => kicker.kick_all(),
        Kick::Routines => routines.changed(),
    };
    let server = Server::start(ServerParts {
        listeners: parts.fixed.listeners,
        live: live.clone(),
        inherited: parts.inherited,
        snapshot: snapshot.clone(),
        routines: catalogue,
        metrics: parts.metrics,
        memory: parts.memory.clone(),
        runtime: parts.runtime,
        kick: Arc::new(kick),
    })?;
    if let Some(predecessor) = predecessor {
        predecessor.agree(phase).await?;
    }
    server.open();
    Lifecycle::Listening.enter(&lifecycle);
    match predecessor {
        // To systemd the process that was there before is still the one to speak.
        Some(_) => admin.iter_mut().try_for_each(AdminPort::serve)?,
        None => service_manager::tell("READY=1"),
    }
    let ending = end(&server, admin.as_ref(), &live, &lifecycle);
    tokio::pin!(ending);
    let mut asked = None;
    let mut minutes = tokio::time::interval(Duration::from_secs(60));
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            ended = &mut ending => return ended.map(|()| ExitCode::SUCCESS),
            _ = minutes.tick() => server.restore_ceilings().await,
            _ = seconds.tick() => {
                parts.memory.refresh();
                server.tick();
            }
            lost = writer_is_lost(&mut snapshot, asked) => {
                asked = Some(Instant::now());
                if let Some(heard) = server.heard(lost.0, lost.1).await {
                    acknowledged.tell(heard).await;
                }
            }
        }
    }
}

/// Waits until the process is told to end, or another one has taken over; then drains.
async fn end(
    server: &Server,
    admin: Option<&AdminPort>,
    live: &watch::Receiver<Arc<Live>>,
    lifecycle: &watch::Sender<Lifecycle>,
) -> Result<(), AppError> {
    let mut phase = lifecycle.subscribe();
    let sockets = || -> io::Result<Vec<OwnedFd>> {
        let mut all = server.sockets()?;
        all.extend(admin.map(AdminPort::socket).transpose()?.flatten());
        Ok(all)
    };
    let taken_over = upgraded(signal(SignalKind::user_defined2())?, sockets);
    tokio::select! {
        // Only the process's end drops the other side.
        _ = phase.wait_for(|phase| *phase == Lifecycle::Draining) => {
            // Load balancers take a moment to see that we are not ready: until then clients still come.
            let delay = live.borrow().drain.delay;
            tokio::time::sleep(delay).await;
            drain(server, live).await;
        }
        () = taken_over => {
            admin.iter().for_each(|admin| admin.leave());
            let last_answers = async {
                tokio::time::sleep(LAST_ANSWERS).await;
                Lifecycle::Draining.enter(lifecycle);
            };
            tokio::join!(drain(server, live), last_answers);
        }
    }
    Ok(())
}

/// From closing the ports to the end of the last session.
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

/// How often the workers are asked again while there is no writer: a last answer may have been on its way.
const ASK_AGAIN: Duration = Duration::from_millis(50);

/// Ends when there is no writer any more, and the workers were not asked a moment ago what was written: with
/// the generation and its flavour.
async fn writer_is_lost(
    snapshot: &mut watch::Receiver<Arc<Snapshot>>,
    asked: Option<Instant>,
) -> (u64, Flavor) {
    loop {
        let of = snapshot.borrow_and_update().lost();
        let again = asked.map(|asked| asked + ASK_AGAIN).filter(|at| *at > Instant::now());
        match (of, again) {
            (Some(of), None) => return of,
            (Some(_), Some(at)) => tokio::time::sleep_until(at).await,
            // Without a snapshot to come, the process ends.
            (None, _) if snapshot.changed().await.is_err() => std::future::pending().await,
            (None, _) => {}
        }
    }
}

/// The first clients should be greeted with the primary's version: waits a moment for the probes, but a
/// proxy without servers opens its ports, too, and says what is wrong.
async fn first_look(mut snapshot: watch::Receiver<Arc<Snapshot>>) {
    let known = snapshot.wait_for(|s| s.writer.is_some());
    let _ = tokio::time::timeout(Duration::from_secs(1), known).await;
}
