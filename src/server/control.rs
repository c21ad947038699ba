//! Starts the workers, and sends them commands.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use socket2::Socket;
use tokio::sync::{Mutex, mpsc, oneshot, watch};

use super::feeds::Feeds;
use super::messages::{Control, Kick};
use super::outside::SharedOutside;
use super::worker::{self, WorkerParts};
use crate::backend::{Ceilings, Loads, PoolCount, PooledQuestion};
use crate::config::{self, Mode};
use crate::net::{Endpoint, EndpointError, Inherited, Listener};
use crate::positions::seats;
use crate::telemetry::traces::TraceSender;
use crate::telemetry::{AuditSender, DigestReport, WorkerMetrics};
use crate::terms::Port;
use crate::topology::{Acknowledged, Flavor, GtidSet};
use crate::worker::{Entrance, KillRequest, KilledBy, SessionReport};

/// How many sessions a worker describes at a time, which takes some 200 microseconds.
const SESSIONS_AT_A_TIME: usize = 500;

/// How many digests a worker copies at a time, which takes some 100 microseconds.
const DIGESTS_AT_A_TIME: usize = 100;

/// How much of a drain's time is used for ending sessions after an answer. A client that is silent for this
/// long can be disconnected without that.
const MOST_PRESSED: Duration = Duration::from_secs(5);

/// What the server is started with.
pub struct ServerParts {
    /// `[[listeners]]`
    pub listeners: Vec<config::Listener>,
    /// What every worker follows and shares.
    pub feeds: Feeds,
    /// The sockets of the previous process. A listener with the same address takes its sockets over; the
    /// others are closed.
    pub inherited: Inherited,
    /// The metrics, one entry for each worker.
    pub metrics: Vec<Arc<WorkerMetrics>>,
    /// `worker_fill`
    pub worker_fill: usize,
    /// Where the events of the audit log go.
    pub audit: AuditSender,
    /// Where the traces of statements go.
    pub traces: TraceSender,
    /// How sessions ask for probes.
    pub kick: Arc<dyn Fn(Kick) + Send + Sync>,
}

/// Why the ports could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is invalid.
    #[error("listeners.{name}: {source}")]
    Address {
        /// The listener.
        name: Arc<str>,
        /// The cause.
        source: EndpointError,
    },
    /// The operating system does not allow to listen there.
    #[error("listeners.{name}: cannot listen on {address}: {source}")]
    Bind {
        /// The listener.
        name: Arc<str>,
        /// The address, as configured.
        address: String,
        /// The reason.
        source: io::Error,
    },
    /// A thread could not be started.
    #[error("cannot start a worker: {0}")]
    Thread(io::Error),
}

/// The running workers.
pub struct Server {
    pub(super) shared: Arc<SharedOutside>,
    loads: Arc<Loads>,
    /// The channel disconnects when every worker has ended.
    ended: Mutex<mpsc::UnboundedReceiver<()>>,
    ceilings: Arc<Ceilings>,
    /// The workers accept clients once this is true.
    open: watch::Sender<bool>,
    /// One copy of every listening socket, for the process that takes them over. Clients can connect as long
    /// as a copy of a socket is open, so these copies are closed no later than the workers' copies.
    sockets: RefCell<Vec<Socket>>,
}

/// The sockets of all listeners: those that each worker accepts from, and a list with each socket once.
struct Ports {
    shares: Vec<Vec<(Socket, Entrance)>>,
    sockets: Vec<Socket>,
}

impl Server {
    /// Opens the ports and starts a thread for each of `metrics`. Clients can connect, but none is accepted
    /// before `open`.
    pub fn start(mut parts: ServerParts) -> Result<Self, StartError> {
        let count = parts.metrics.len();
        let Ports { shares, sockets } = open_ports(&parts.listeners, &mut parts.inherited, count)?;
        let open = watch::Sender::new(false);
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..count).map(|_| mpsc::unbounded_channel()).unzip();
        let shared = Arc::new(SharedOutside::new(senders, parts.kick, parts.audit, parts.traces));
        let loads = Arc::new(Loads::new(count, parts.worker_fill));
        let ceilings = parts.feeds.ceilings.clone();
        let (alive, ended) = mpsc::unbounded_channel();
        let places = receivers.into_iter().zip(seats(count));
        for (index, ((sockets, (control, seat)), metrics)) in
            shares.into_iter().zip(places).zip(parts.metrics).enumerate()
        {
            let worker = WorkerParts {
                index,
                sockets,
                open: open.subscribe(),
                control,
                metrics,
                feeds: parts.feeds.clone(),
                aside: tokio::runtime::Handle::current(),
                shared: shared.clone(),
                loads: loads.clone(),
                seat,
            };
            let alive = alive.clone();
            std::thread::Builder::new()
                .name(format!("worker-{index}"))
                .spawn(move || worker::run(worker, alive))
                .map_err(StartError::Thread)?;
        }
        let (ended, sockets) = (Mutex::new(ended), RefCell::new(sockets));
        Ok(Server { shared, loads, ended, ceilings, open, sockets })
    }

    /// Starts accepting clients.
    pub fn open(&self) {
        self.open.send_replace(true);
    }

    /// Returns the listening sockets, for another process to accept from.
    pub fn sockets(&self) -> io::Result<Vec<OwnedFd>> {
        self.sockets.borrow().iter().map(|socket| socket.as_fd().try_clone_to_owned()).collect()
    }

    /// Returns the number of connected clients.
    pub fn sessions(&self) -> usize {
        self.loads.total()
    }

    /// Must be called once a second: timeouts of sessions and pools are counted in seconds. A worker without
    /// its own timer does not read the clock in every turn of its loop.
    pub fn tick(&self) {
        let left_out = self.shared.admission.left_out();
        if left_out > 0 {
            tracing::info!(left_out, "more logins were refused than the log takes");
        }
        self.ceilings.restore();
        self.send_to_all(|| Control::Tick);
    }

    /// Returns all writes of a generation that were acknowledged to clients; `flavor` is its primary's. None:
    /// the position of a write is unknown.
    pub async fn acknowledged_writes(&self, generation: u64, flavor: Flavor) -> Option<Acknowledged> {
        let answers = self.shared.workers.iter().map(|worker| {
            let (reply, answer) = oneshot::channel();
            worker.send(Control::AcknowledgedWrites { generation, reply }).map(|()| answer)
        });
        // Asks all workers first, so that they answer concurrently.
        let answers: Vec<_> = answers.collect();
        let mut all = GtidSet::empty(flavor);
        for answer in answers {
            all.union(&answer.ok()?.await.ok()??);
        }
        Some(Acknowledged { generation, set: all.into() })
    }

    /// Returns what the statements of each digest did, worker by worker. The future is independent of the server, and
    /// keeps no worker busy for longer than it takes to copy a hundred digests.
    pub fn digests(&self) -> impl Future<Output = DigestReport> + 'static {
        let shared = self.shared.clone();
        async move {
            let mut all = DigestReport::default();
            for worker in &shared.workers {
                let mut from = 0;
                loop {
                    let (reply, answer) = oneshot::channel();
                    if worker.send(Control::Digests { from, most: DIGESTS_AT_A_TIME, reply }).is_err() {
                        break;
                    }
                    let Ok(some) = answer.await else { break };
                    from += some.digests.len();
                    let is_last = some.digests.len() < DIGESTS_AT_A_TIME;
                    all.digests.extend(some.digests);
                    if is_last {
                        all.other.merge(&some.other);
                        all.evicted += some.evicted;
                        break;
                    }
                }
            }
            all
        }
    }

    /// Forgets what was counted by digest.
    pub fn forget_digests(&self) {
        self.send_to_all(|| Control::ForgetDigests);
    }

    /// Returns all sessions. The future is independent of the server, and keeps no worker busy for longer than it takes to
    /// describe a few hundred sessions.
    pub fn describe_sessions(&self) -> impl Future<Output = Vec<SessionReport>> + 'static {
        let shared = self.shared.clone();
        async move {
            let mut all = Vec::new();
            for worker in &shared.workers {
                let mut after = None;
                loop {
                    let (reply, answer) = oneshot::channel();
                    if worker.send(Control::Sessions { after, most: SESSIONS_AT_A_TIME, reply }).is_err() {
                        break;
                    }
                    let Ok(some) = answer.await else { break };
                    after = some.last().map(|session| session.id);
                    let is_last = some.len() < SESSIONS_AT_A_TIME;
                    all.extend(some);
                    if is_last {
                        break;
                    }
                }
            }
            all
        }
    }

    /// Returns how many connections to each server there are, several counts for each server and account. The future is
    /// independent of the server.
    pub fn pools(&self) -> impl Future<Output = Vec<PoolCount>> + 'static {
        let shared = self.shared.clone();
        async move {
            let mut all = Vec::new();
            for worker in &shared.workers {
                let (reply, answer) = oneshot::channel();
                if worker.send(Control::Pools { reply }).is_ok() {
                    all.extend(answer.await.unwrap_or_default());
                }
            }
            all
        }
    }

    /// Asks a server something over an idle connection of any worker. The future is independent of the server.
    pub fn ask(&self, question: PooledQuestion) -> impl Future<Output = ()> + 'static {
        let shared = self.shared.clone();
        async move {
            let PooledQuestion { server, text, reply: asker } = question;
            for worker in &shared.workers {
                let (reply, answer) = oneshot::channel();
                let question = PooledQuestion { server, text: text.clone(), reply };
                if worker.send(Control::Ask(question)).is_ok()
                    && let Ok(answer) = answer.await
                {
                    // The probe may have given up.
                    let _ = asker.send(answer);
                    return;
                }
            }
        }
    }

    /// Kills a session, or the statement that it has under way. Returns false if there is no such session. The future is
    /// independent of the server.
    pub fn kill(&self, id: u32, connection: bool) -> impl Future<Output = bool> + 'static {
        let request = KillRequest { id, connection, by: KilledBy::Operator, server: None };
        self.shared.clone().kill(request)
    }

    /// Ends all sessions: each where its client notices it before sending another statement; near the end of
    /// `limit` at a transaction boundary; the remaining ones at once. Returns how many remained. `tick` must
    /// still be called meanwhile.
    pub async fn drain(&self, limit: Duration) -> usize {
        let pressed = (limit / 4).min(MOST_PRESSED);
        self.sockets.take();
        self.send_to_all(|| Control::Drain);
        if self.ended_within(limit - pressed).await {
            return 0;
        }
        tracing::info!(sessions = self.sessions(), "sessions end behind their next answer");
        self.send_to_all(|| Control::Press);
        if self.ended_within(pressed).await {
            return 0;
        }
        let left = self.sessions();
        self.send_to_all(|| Control::End);
        // Enough time to send an ERR packet to every client that reads.
        self.ended_within(Duration::from_secs(1)).await;
        left
    }

    async fn ended_within(&self, limit: Duration) -> bool {
        tokio::time::timeout(limit, async { self.ended.lock().await.recv().await }).await.is_ok()
    }

    fn send_to_all(&self, control: impl Fn() -> Control) {
        for worker in &self.shared.workers {
            // A worker that has ended needs no command.
            let _ = worker.send(control());
        }
    }
}

/// Takes over or binds the sockets of all listeners, before any client is accepted.
fn open_ports(
    listeners: &[config::Listener],
    inherited: &mut Inherited,
    workers: usize,
) -> Result<Ports, StartError> {
    let mut ports = Ports { shares: (0..workers).map(|_| Vec::new()).collect(), sockets: Vec::new() };
    for listener in listeners {
        let port = match listener.mode {
            Mode::Primary => Port::Primary,
            Mode::Replica => Port::Replica,
            Mode::Split => Port::Split,
        };
        let (name, address) = (&listener.name, &listener.address);
        let at: Endpoint =
            address.parse().map_err(|source| StartError::Address { name: name.clone(), source })?;
        let refused = |source| StartError::Bind { name: name.clone(), address: address.clone(), source };
        let mut sockets = inherited.take(&at).map_err(refused)?;
        let taken_over = !sockets.is_empty();
        if !taken_over {
            sockets = Listener::bind(&at, workers).map_err(refused)?;
        }
        tracing::info!(%name, %address, mode = port.as_str(), taken_over, "listens");
        let spread = Listener::spread(&sockets, workers).map_err(refused)?;
        for (share, sockets) in ports.shares.iter_mut().zip(spread) {
            let entrance = || Entrance {
                port,
                listener: name.clone(),
                native_password: listener.native_password,
                compression: listener.compression,
                proxy_protocol_from: listener.proxy_protocol_from.clone(),
            };
            share.extend(sockets.into_iter().map(|socket| (socket, entrance())));
        }
        ports.sockets.append(&mut sockets);
    }
    Ok(ports)
}
