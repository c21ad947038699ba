//! `pointsman run`: the control thread, from the configuration to the exit code.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::LocalSet;

use super::reload::Reloader;
use super::{AppError, supported};
use crate::admin::{self, AdminState};
use crate::config::{Config, Fixed, Live, LogFormat};
use crate::discovery;
use crate::monitor::{BackendConnector, Kicker};
use crate::net::TokioRuntime;
use crate::server::{Kick, Server, ServerParts};
use crate::telemetry::{self, Lifecycle, LogStyle, ReloadMetrics, WorkerMetrics};
use crate::topology::Snapshot;

/// What the data path is given, and where it reports.
struct DataPath {
    fixed: Fixed,
    /// The current settings; changes on reload.
    live: watch::Receiver<Arc<Live>>,
    /// Discovery and probes publish here.
    snapshot: watch::Receiver<Arc<Snapshot>>,
    /// How sessions have servers probed at once.
    kicker: Kicker,
    /// One for each worker.
    metrics: Vec<Arc<WorkerMetrics>>,
    /// The data path enters `Listening` when every port accepts; SIGTERM enters `Draining`.
    lifecycle: Arc<watch::Sender<Lifecycle>>,
}

/// Runs the proxy until it is told to end. `path` is where `config` was read from.
pub fn run(config: Config, path: &Path) -> Result<ExitCode, AppError> {
    supported(&config, path)?;
    let style = match config.fixed.log.format {
        LogFormat::Text => LogStyle::Text,
        LogFormat::Json => LogStyle::Json,
    };
    telemetry::init_tracing(style, &config.fixed.log.level)?;
    end_on_panic();
    // This thread is for control only: probes, HTTP, reload. Workers have their own.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(LocalSet::new().run_until(control(config, path)))
}

/// Tasks' panics are caught by their runtime, and the rest would go on without them.
fn end_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        tracing::error!(%panic, "a defect of pointsman: the process ends");
        std::process::exit(70);
    }));
}

async fn control(config: Config, path: &Path) -> Result<ExitCode, AppError> {
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        config = %path.display(),
        workers = config.fixed.workers,
        servers = config.live.servers.len(),
        "pointsman starts"
    );
    let (live_sender, live) = watch::channel(Arc::new(config.live.clone()));
    let (snapshot, kicker) = discovery::start(live.clone(), BackendConnector(TokioRuntime));
    let lifecycle = Arc::new(watch::Sender::new(Lifecycle::Starting));
    let reloads = Arc::new(ReloadMetrics::default());
    let metrics: Vec<_> = (0..config.fixed.workers.get()).map(|_| Arc::default()).collect();
    if let Some(address) = &config.fixed.admin_http {
        let modes = config.fixed.listeners.iter().map(|listener| listener.mode);
        let state = AdminState::new(
            modes,
            metrics.clone(),
            snapshot.clone(),
            lifecycle.subscribe(),
            live.clone(),
            Arc::clone(&reloads),
        );
        serve_admin(address, state).await?;
    }
    let hangup = signal(SignalKind::hangup())?;
    let fixed = config.fixed.clone();
    tokio::spawn(Reloader::new(path.to_owned(), config, live_sender, reloads).run(hangup));
    drain_on_signal(Arc::clone(&lifecycle))?;
    let code = carry_traffic(DataPath { fixed, live, snapshot, kicker, metrics, lifecycle }).await?;
    tracing::info!("pointsman ends");
    Ok(code)
}

async fn serve_admin(address: &str, state: AdminState) -> Result<(), AppError> {
    let bind_error = |source| AppError::AdminBind { address: address.to_owned(), source };
    let listener = TcpListener::bind(address).await.map_err(bind_error)?;
    let address = listener.local_addr().map_err(bind_error)?;
    tracing::info!(%address, "HTTP listens");
    tokio::spawn(admin::serve(listener, state));
    Ok(())
}

/// The first SIGTERM or SIGINT drains; the second ends at once.
fn drain_on_signal(lifecycle: Arc<watch::Sender<Lifecycle>>) -> Result<(), AppError> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if !Lifecycle::Draining.enter(&lifecycle) {
                tracing::warn!("told to end a second time: ending without waiting for sessions");
                std::process::exit(1);
            }
            tracing::info!("told to end: draining");
        }
    });
    Ok(())
}

/// The workers, from opening the ports to the end of the drain.
async fn carry_traffic(parts: DataPath) -> Result<ExitCode, AppError> {
    let DataPath { fixed, live, snapshot, kicker, metrics, lifecycle } = parts;
    let mut phase = lifecycle.subscribe();
    first_look(snapshot.clone()).await;
    let kick = move |kick| match kick {
        Kick::One(server) => kicker.kick(server),
        Kick::All => kicker.kick_all(),
    };
    let server = Server::start(ServerParts {
        listeners: fixed.listeners,
        live: live.clone(),
        snapshot,
        metrics,
        kick: Arc::new(kick),
    })?;
    Lifecycle::Listening.enter(&lifecycle);
    let draining = phase.wait_for(|phase| *phase == Lifecycle::Draining);
    tokio::pin!(draining);
    let mut minutes = tokio::time::interval(Duration::from_secs(60));
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = &mut draining => break,
            _ = minutes.tick() => server.restore_ceilings().await,
            _ = seconds.tick() => server.tick(),
        }
    }
    let drain = live.borrow().drain.clone();
    // Load balancers take a moment to see that we are not ready: until then clients still come.
    tokio::time::sleep(drain.delay).await;
    tracing::info!(sessions = server.sessions(), "closing the ports; sessions end at their next boundary");
    match server.drain(drain.timeout).await {
        0 => tracing::info!("every session ended"),
        left => tracing::warn!(left, "the drain's time is over: the rest was told ERROR 1053"),
    }
    Ok(ExitCode::SUCCESS)
}

/// The first clients should be greeted with the primary's version: waits a moment for the probes, but a
/// proxy without servers opens its ports, too, and says what is wrong.
async fn first_look(mut snapshot: watch::Receiver<Arc<Snapshot>>) {
    let known = snapshot.wait_for(|s| s.writer.is_some());
    let _ = tokio::time::timeout(Duration::from_secs(1), known).await;
}
