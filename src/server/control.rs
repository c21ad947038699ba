//! Starting the workers, and speaking to them.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use socket2::Socket;
use tokio::sync::{Mutex, mpsc, oneshot, watch};

use super::outside::Shared;
use super::worker::{self, Loads, WorkerParts};
use crate::backend::Ceilings;
use crate::config::{self, Live, Mode};
use crate::net::{Accepted, Endpoint, EndpointError, Inherited, Listener, MemoryBudget, TokioRuntime};
use crate::session::{Entrance, KillRequest, Pass};
use crate::sql::RoutineCatalogue;
use crate::telemetry::{Port, WorkerMetrics};
use crate::topology::{Acknowledged, Flavor, GtidSet, ServerId, Snapshot};

/// Whom to probe now.
#[derive(Debug, Clone, Copy)]
pub enum Kick {
    /// This server.
    One(ServerId),
    /// All of them.
    All,
    /// None, but read the catalogue of routines: a session changed one.
    Routines,
}

/// What a worker is told.
pub enum Control {
    /// A socket that another worker accepted.
    Adopt(Accepted, Entrance, Pass),
    /// Find this session, and kill it.
    Kill {
        /// Which.
        request: KillRequest,
        /// Whether it was here.
        reply: oneshot::Sender<bool>,
    },
    /// Say what was written in this generation, as far as clients were told.
    Heard {
        /// Which.
        generation: u64,
        /// None: not every write has a position.
        reply: oneshot::Sender<Option<GtidSet>>,
    },
    /// A second is over: look for timeouts.
    Tick,
    /// Stop accepting; sessions end where their clients notice.
    Drain,
    /// The drain's time is nearly over: sessions end at their next transaction boundary.
    Press,
    /// The drain's time is over: what is left ends now.
    End,
}

/// How much of a drain's time is for ending sessions behind an answer: a client that says nothing for so long is
/// silent enough to be ended without.
const MOST_PRESSED: Duration = Duration::from_secs(5);

/// What the workers are given.
pub struct ServerParts {
    /// `[[listeners]]`
    pub listeners: Vec<config::Listener>,
    /// The settings; changes on reload.
    pub live: watch::Receiver<Arc<Live>>,
    /// Listeners with an address of these take the sockets over; the others of them are closed.
    pub inherited: Inherited,
    /// From discovery.
    pub snapshot: watch::Receiver<Arc<Snapshot>>,
    /// What the servers' stored routines do.
    pub routines: watch::Receiver<Arc<RoutineCatalogue>>,
    /// One for each worker.
    pub metrics: Vec<Arc<WorkerMetrics>>,
    /// What sessions may make the process keep.
    pub memory: Arc<MemoryBudget>,
    /// Where servers are connected to.
    pub runtime: TokioRuntime,
    /// How sessions have servers probed.
    pub kick: Arc<dyn Fn(Kick) + Send + Sync>,
}

/// Why the ports are not open.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Not an address.
    #[error("listeners.{name}: {source}")]
    Address {
        /// The listener.
        name: Arc<str>,
        /// What is wrong.
        source: EndpointError,
    },
    /// The system's reason.
    #[error("listeners.{name}: cannot listen on {address}: {source}")]
    Bind {
        /// The listener.
        name: Arc<str>,
        /// As configured.
        address: String,
        /// The reason.
        source: io::Error,
    },
    /// No thread.
    #[error("cannot start a worker: {0}")]
    Thread(io::Error),
}

/// The running workers.
pub struct Server {
    shared: Arc<Shared>,
    loads: Arc<Loads>,
    /// Disconnects when every worker ended.
    ended: Mutex<mpsc::UnboundedReceiver<()>>,
    ceilings: Arc<Ceilings>,
    /// Workers accept when it turns true.
    open: watch::Sender<bool>,
    /// Every listening socket once, for the process that takes them over. Clients can connect as long as
    /// one copy of a socket is open: not longer than the workers have theirs.
    sockets: RefCell<Vec<Socket>>,
}

/// The sockets of all listeners: what each worker accepts from, and each socket once.
struct Ports {
    shares: Vec<Vec<(Socket, Entrance)>>,
    sockets: Vec<Socket>,
}

impl Server {
    /// Opens the ports and starts a thread for each of `metrics`. Clients can connect, but nobody is accepted
    /// before `open`.
    pub fn start(mut parts: ServerParts) -> Result<Self, StartError> {
        let count = parts.metrics.len();
        let Ports { shares, sockets } = open_ports(&parts.listeners, &mut parts.inherited, count)?;
        let open = watch::Sender::new(false);
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..count).map(|_| mpsc::unbounded_channel()).unzip();
        let shared = Arc::new(Shared::new(senders, parts.kick));
        let loads = Arc::new(Loads::new(count));
        let ceilings = Arc::new(Ceilings::default());
        let (alive, ended) = mpsc::unbounded_channel();
        for (index, ((sockets, control), metrics)) in
            shares.into_iter().zip(receivers).zip(parts.metrics).enumerate()
        {
            let worker = WorkerParts {
                index,
                sockets,
                open: open.subscribe(),
                control,
                metrics,
                live: parts.live.clone(),
                runtime: parts.runtime.clone(),
                snapshot: parts.snapshot.clone(),
                routines: parts.routines.clone(),
                shared: shared.clone(),
                loads: loads.clone(),
                ceilings: ceilings.clone(),
                memory: parts.memory.clone(),
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

    /// From now on clients are accepted.
    pub fn open(&self) {
        self.open.send_replace(true);
    }

    /// The listening sockets, for another process to accept from.
    pub fn sockets(&self) -> io::Result<Vec<OwnedFd>> {
        self.sockets.borrow().iter().map(|socket| socket.as_fd().try_clone_to_owned()).collect()
    }

    /// Clients connected now.
    pub fn sessions(&self) -> usize {
        self.loads.total()
    }

    /// To be called once a second: timeouts of sessions and pools are counted in these. A worker without a
    /// timer of its own does not ask for the time at every turn of its loop.
    pub fn tick(&self) {
        let left_out = self.shared.admission.left_out();
        if left_out > 0 {
            tracing::info!(left_out, "more logins were refused than the log takes");
        }
        self.tell(|| Control::Tick);
    }

    /// All writes of a generation, the writer of which was of this flavour, that clients were told of. None:
    /// not every one has a position.
    pub async fn heard(&self, generation: u64, flavor: Flavor) -> Option<Acknowledged> {
        let asked = self.shared.workers.iter().map(|worker| {
            let (reply, answer) = oneshot::channel();
            worker.send(Control::Heard { generation, reply }).map(|()| answer)
        });
        // All of them first, so that they answer at once.
        let asked: Vec<_> = asked.collect();
        let mut all = GtidSet::empty(flavor);
        for answer in asked {
            all.union(&answer.ok()?.await.ok()??);
        }
        Some(Acknowledged { generation, set: all.into() })
    }

    /// Gives raised limits of the servers a chance; to be called once a minute or so.
    pub async fn restore_ceilings(&self) {
        self.ceilings.restore().await;
    }

    /// Ends every session where its client notices, then at a transaction boundary, and what is left after `limit`
    /// at once. Returns how many were left. `tick` has to be called meanwhile, too.
    pub async fn drain(&self, limit: Duration) -> usize {
        let pressed = (limit / 4).min(MOST_PRESSED);
        self.sockets.take();
        self.tell(|| Control::Drain);
        if self.ended_within(limit - pressed).await {
            return 0;
        }
        tracing::info!(sessions = self.sessions(), "sessions end behind their next answer");
        self.tell(|| Control::Press);
        if self.ended_within(pressed).await {
            return 0;
        }
        let left = self.sessions();
        self.tell(|| Control::End);
        // Long enough for an ERR packet to every client that reads.
        self.ended_within(Duration::from_secs(1)).await;
        left
    }

    async fn ended_within(&self, limit: Duration) -> bool {
        tokio::time::timeout(limit, async { self.ended.lock().await.recv().await }).await.is_ok()
    }

    fn tell(&self, control: impl Fn() -> Control) {
        for worker in &self.shared.workers {
            // A worker that ended needs no word.
            let _ = worker.send(control());
        }
    }
}

/// Takes over or binds what the listeners need, all of it before anybody is accepted.
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
            let entrance =
                || Entrance { port, listener: name.clone(), native_password: listener.native_password };
            share.extend(sockets.into_iter().map(|socket| (socket, entrance())));
        }
        ports.sockets.append(&mut sockets);
    }
    Ok(ports)
}
