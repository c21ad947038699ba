//! `pointsman run`: the control thread, from the configuration to the exit code.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::reload::Reloader;
use super::{AppError, supported};
use crate::admin::{self, AdminState};
use crate::config::{Config, Fixed, Live, LogFormat};
use crate::telemetry::{self, Lifecycle, LogStyle, ReloadMetrics, WorkerMetrics};
use crate::topology::Snapshot;

/// What the data path is given, and where it reports.
struct DataPath {
    fixed: Fixed,
    /// The current settings; changes on reload.
    live: watch::Receiver<Arc<Live>>,
    /// Discovery and probes publish here.
    snapshot: watch::Sender<Arc<Snapshot>>,
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
    // This thread is for control only: probes, HTTP, reload. Workers have their own.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(control(config, path))
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
    let (snapshot, _) = watch::channel(Arc::new(Snapshot::empty()));
    let lifecycle = Arc::new(watch::Sender::new(Lifecycle::Starting));
    let reloads = Arc::new(ReloadMetrics::default());
    let metrics: Vec<_> = (0..config.fixed.workers.get()).map(|_| Arc::default()).collect();
    if let Some(address) = &config.fixed.admin_http {
        let modes = config.fixed.listeners.iter().map(|listener| listener.mode);
        let state = AdminState::new(
            modes,
            metrics.clone(),
            snapshot.subscribe(),
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
    let code = carry_traffic(DataPath { fixed, live, snapshot, metrics, lifecycle }).await?;
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

/// Discovery, probes and workers begin here. Returns when the drain is over.
async fn carry_traffic(parts: DataPath) -> Result<ExitCode, AppError> {
    let DataPath { fixed, live, snapshot, metrics, lifecycle } = parts;
    let mut phase = lifecycle.subscribe();
    tracing::debug!(listeners = fixed.listeners.len(), workers = metrics.len(), "no data path yet");
    // Held so that what reads them sees them open.
    let _open = (live, snapshot);
    let _ = phase.wait_for(|phase| *phase == Lifecycle::Draining).await;
    Ok(ExitCode::SUCCESS)
}
