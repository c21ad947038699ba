//! A worker: one data thread.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use socket2::Socket;
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{JoinHandle, LocalSet};
use tokio::time::Instant;

use super::accept;
use super::adopt::Worker;
use super::feeds::Feeds;
use super::messages::{Control, TapRequest};
use super::outside::{SharedOutside, WorkerOutside};
use crate::backend::accounts::AccountReading;
use crate::backend::{Loads, Pool, PooledQuestion};
use crate::config::Live;
use crate::net::{BufferPool, Driver, SystemRuntime, end_lingering, lingering, run_on_ring};
use crate::positions::WorkerSeat;
use crate::session::{Context, kill_here};
use crate::sql::RoutineCatalogue;
use crate::telemetry::WorkerMetrics;
use crate::topology::Snapshot;
use crate::worker::{Drain, Entrance, Resources, Signals};

/// The longest time that a worker without sessions waits for clients that have not read all of their last answers.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// How much of the time the calling thread runs.
struct CpuShare {
    at: Instant,
    ran: Duration,
}

impl CpuShare {
    fn begin() -> Self {
        CpuShare { at: Instant::now(), ran: thread_time() }
    }

    /// Returns for how much of the time since the last call the thread ran, in percent. None: too little time has passed,
    /// because the thread was late for the last call.
    fn percent(&mut self) -> Option<u8> {
        let now = Self::begin();
        let passed = now.at.duration_since(self.at);
        if passed < Duration::from_millis(500) {
            return None;
        }
        let before = std::mem::replace(self, now);
        let ran = self.ran.saturating_sub(before.ran);
        let percent = ran.as_micros() * 100 / passed.as_micros().max(1);
        Some(u8::try_from(percent.min(100)).unwrap_or(100))
    }
}

/// Returns for how long the calling thread has run.
fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// What a worker is started with.
pub(super) struct WorkerParts {
    pub index: usize,
    pub sockets: Vec<(Socket, Entrance)>,
    /// Clients are accepted once this is true.
    pub open: watch::Receiver<bool>,
    pub control: mpsc::UnboundedReceiver<Control>,
    pub metrics: Arc<WorkerMetrics>,
    pub feeds: Feeds,
    pub shared: Arc<SharedOutside>,
    pub loads: Arc<Loads>,
    /// The runtime of the control thread.
    pub aside: Handle,
    /// The worker's place among those that share the question for the primary's position.
    pub seat: WorkerSeat,
}

/// The thread's main function. Drops `alive` at its end. (A panic anywhere ends the process, through the hook
/// that `app` sets: half a proxy, with one worker's connections hanging, is worse than a restart.)
pub(super) fn run(parts: WorkerParts, alive: mpsc::UnboundedSender<()>) {
    let (driver, aside) = (parts.feeds.driver, parts.aside.clone());
    let local = LocalSet::new();
    // The work is a task in the set, because the future given to `block_on` is polled at every turn of the
    // loop. The set itself never ends (its tasks wait for snapshots); the process does.
    local.spawn_local(async move {
        work(parts).await;
        drop(alive);
    });
    let ran = match driver {
        Driver::Epoll => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map(|runtime| runtime.block_on(local))
        }
        Driver::IoUring => run_on_ring(local, &aside),
    };
    if let Err(error) = ran {
        tracing::error!(%error, "a worker cannot wait for its sockets: the process ends");
        std::process::exit(70);
    }
}

async fn work(parts: WorkerParts) {
    let WorkerParts { index, sockets, open, mut control, metrics, feeds, shared, loads, seat, aside: _ } =
        parts;
    let Feeds { live, snapshot, routines, accounts, runtime, ceilings, memory, driver: _ } = feeds;
    let buffers = Rc::new(BufferPool::new(memory));
    let pool = Pool::new(runtime.clone(), ceilings, (index, loads.clone()), buffers.clone(), metrics.clone());
    let (now, settings) = (snapshot.borrow().clone(), live.borrow().clone());
    let outside = Box::new(WorkerOutside(shared.clone()));
    let resources = Resources::new(runtime, buffers, pool, now, settings, metrics, outside);
    let context = Rc::new(Context::new(resources, seat));
    let worker = Rc::new(Worker { index, context: context.clone(), shared, loads });
    let stop = Rc::new(Notify::new());
    let accepting: Vec<_> = sockets
        .into_iter()
        .map(|(socket, entrance)| {
            let port = accept::OpenPort { socket, entrance, open: open.clone(), stop: stop.clone() };
            tokio::task::spawn_local(accept::run(worker.clone(), port))
        })
        .collect();
    tokio::task::spawn_local(follow_snapshot(context.clone(), snapshot));
    tokio::task::spawn_local(follow_settings(context.clone(), worker.shared.clone(), live));
    tokio::task::spawn_local(follow_routines(context.clone(), routines));
    tokio::task::spawn_local(follow_accounts(context.clone(), accounts));
    let mut draining = false;
    let mut share = CpuShare::begin();
    loop {
        let command = if draining {
            tokio::select! {
                command = control.recv() => command,
                () = no_sessions(&worker, &accepting) => {
                    // A client that was just handed over is still received, but none after it.
                    control.close();
                    control.recv().await
                }
            }
        } else {
            control.recv().await
        };
        match command {
            None => return no_sessions(&worker, &accepting).await,
            Some(Control::Adopt(client)) => worker.adopt(*client),
            Some(Control::Kill { request, reply }) => {
                let context = context.clone();
                tokio::task::spawn_local(async move {
                    // The requester may have given up.
                    let _ = reply.send(kill_here(context, request).await);
                });
            }
            // The requester may be gone.
            Some(Control::AcknowledgedWrites { generation, reply }) => {
                drop(reply.send(context.acknowledged.borrow().of(generation)));
            }
            Some(Control::Digests { from, most, reply }) => {
                drop(reply.send(context.digests.borrow().report(from, most)));
            }
            Some(Control::Tap(request)) => tap(&context, request),
            Some(Control::ForgetDigests) => context.digests.borrow_mut().reset(),
            Some(Control::Sessions { after, most, reply }) => {
                drop(reply.send(context.session_reports(index, after, most)));
            }
            Some(Control::Pools { reply }) => drop(reply.send(context.pool.counts())),
            Some(Control::Ask(question)) => {
                tokio::task::spawn_local(ask(context.clone(), question));
            }
            Some(Control::Learned(lesson)) => context.identities.learned.note(lesson),
            Some(Control::Tick) => {
                if let Some(percent) = share.percent() {
                    worker.loads.note_second(index, percent);
                }
                every_second(&context);
                tokio::task::spawn_local(give_way(context.clone()));
            }
            Some(Control::Drain) => {
                draining = true;
                context.drain.set(Drain::Gentle);
                stop.notify_waiters();
                context.handles().iter().for_each(|h| h.signal.raise(Signals::DRAIN));
            }
            Some(Control::Press) => context.drain.set(Drain::Pressed),
            Some(Control::End) => {
                context.handles().iter().for_each(|h| h.signal.raise(Signals::END));
            }
        }
    }
}

async fn give_way(context: Rc<Context<SystemRuntime>>) {
    let limit = context.live().timeouts.connect;
    context.pool.give_way(limit).await;
}

async fn ask(context: Rc<Context<SystemRuntime>>, question: PooledQuestion) {
    let limit = context.live().timeouts.connect;
    if let Some(answer) = context.pool.ask(question.server, &question.text, limit).await {
        // The probe may have given up.
        let _ = question.reply.send(answer);
    }
}

fn tap(context: &Context<SystemRuntime>, request: TapRequest) {
    match request {
        TapRequest::Open { id, filter } => context.taps.open(id, *filter),
        // The reader may be gone.
        TapRequest::Read { id, reply } => drop(reply.send(context.taps.take(id).unwrap_or_default())),
        TapRequest::Close(id) => context.taps.close(id),
    }
}

/// Waits until the ports are closed and the last session has ended.
async fn no_sessions(worker: &Worker, accepting: &[JoinHandle<()>]) {
    while worker.loads.of(worker.index) > 0 || !accepting.iter().all(JoinHandle::is_finished) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // The last answers of clients that read slowly: an end of the process would cut them.
    let began = Instant::now();
    while lingering() > 0 && began.elapsed() < LAST_ANSWERS {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn follow_snapshot(context: Rc<Context<SystemRuntime>>, mut snapshot: watch::Receiver<Arc<Snapshot>>) {
    while snapshot.changed().await.is_ok() {
        let now = snapshot.borrow_and_update().clone();
        context.new_snapshot(now);
    }
}

async fn follow_routines(
    context: Rc<Context<SystemRuntime>>,
    mut routines: watch::Receiver<Arc<RoutineCatalogue>>,
) {
    loop {
        let now = routines.borrow_and_update().clone();
        context.texts.routines.replace(now);
        if routines.changed().await.is_err() {
            return;
        }
    }
}

async fn follow_accounts(context: Rc<Context<SystemRuntime>>, mut accounts: watch::Receiver<AccountReading>) {
    loop {
        let now = accounts.borrow_and_update().clone();
        context.pool.know_accounts(now.accounts.clone());
        context.identities.replace(now);
        if accounts.changed().await.is_err() {
            return;
        }
    }
}

async fn follow_settings(
    context: Rc<Context<SystemRuntime>>,
    shared: Arc<SharedOutside>,
    mut live: watch::Receiver<Arc<Live>>,
) {
    while live.changed().await.is_ok() {
        let now = live.borrow_and_update().clone();
        let renewed = context.new_settings(now);
        shared.admission.forgive(&renewed);
    }
}

/// How long a connection may be idle while its server is nearly full: others may need the place.
const IDLE_IN_THE_WAY: Duration = Duration::from_secs(5);

/// Checks the timeouts of sessions and pooled connections: a precision of one second suffices, and none of
/// them needs its own timer.
fn every_second(context: &Context<SystemRuntime>) {
    context.every_second();
    context.refill_traces();
    let (now, live, snapshot) = (context.seconds.get(), context.live(), context.topology.get());
    context.buffers.trim();
    end_lingering();
    context.shed_memory();
    context.positions.close_idle(live.pool.idle_timeout);
    let pool = &context.pool;
    pool.set_second(now);
    if pool.is_left_alone() {
        // Other workers' clients may want their places. A worker that gets clients again opens its own.
        pool.retain(|connection, _, claimed| claimed || connection.pending_insert_id.is_some());
    }
    let (most, reserve) = (live.limits.max_server_connections.get(), live.limits.reserve);
    pool.leave_room(snapshot.servers.iter().map(|server| (server.id, server.bears(most, reserve))).collect());
    pool.close_due(|server| {
        let server = snapshot.server(server);
        // The server must not close first: a statement may be on its way to it at that moment.
        let timeout = server.and_then(|server| server.facts.as_ref()?.wait_timeout);
        let early = timeout.map_or(Duration::MAX, |limit| limit * 3 / 4);
        let short = server.is_some_and(|server| server.is_nearly_full(reserve));
        let room = if short { IDLE_IN_THE_WAY } else { Duration::MAX };
        live.pool.idle_timeout.min(early).min(room)
    });
}
