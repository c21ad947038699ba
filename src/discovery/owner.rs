//! The task that owns the snapshot.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::{Instant, sleep_until};

use super::kubernetes::PodServers;
use super::log::SnapshotLog;
use crate::config::Live;
use crate::monitor::{Connector, Kicker, Kicks, ProbeOrders, ProbePermit, Prober, ServerAddress};
use crate::topology::{
    Acknowledged, Discovered, Drain, Event, Maintenance, Server, ServerId, Snapshot, reduce,
};

/// How long probes are urgent while there is no primary; a replica cluster never has one.
const HURRY: Duration = Duration::from_secs(60);

/// Where the list of servers comes from.
#[derive(Debug, Clone)]
pub enum Source {
    /// The configuration.
    Configured,
    /// The pods.
    Pods {
        /// The servers that the pods form.
        servers: PodServers,
        /// What the operator's resource asks for.
        maintenance: watch::Receiver<Maintenance>,
    },
}

/// Starts as `start_with` does, with the configured servers.
pub fn start<C: Connector>(
    live: watch::Receiver<Arc<Live>>,
    connector: C,
) -> (watch::Receiver<Arc<Snapshot>>, Kicker) {
    let Started { snapshot, kicker, .. } = start_with(Source::Configured, live, connector);
    (snapshot, kicker)
}

/// The handles of a running owner.
pub struct Started {
    /// The current snapshot.
    pub snapshot: watch::Receiver<Arc<Snapshot>>,
    /// Asks for immediate probes.
    pub kicker: Kicker,
    /// Takes the writes that were acknowledged to clients, while there is no primary.
    pub acknowledged: Acknowledgements,
    /// Orders drains.
    pub drainer: Drainer,
}

/// Orders drains from the owner.
#[derive(Clone)]
pub struct Drainer {
    orders: mpsc::UnboundedSender<DrainOrder>,
    /// True while orders are refused.
    held: watch::Sender<bool>,
}

/// Orders to drain servers are refused while this value lives.
pub struct DrainsHeld(watch::Sender<bool>);

impl Drop for DrainsHeld {
    fn drop(&mut self) {
        self.0.send_replace(false);
    }
}

/// Why an order was not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotOrdered {
    /// The process ends.
    Ending,
    /// Another process takes over.
    HandsOver,
}

/// An order to this process to drain a server, or to end such a drain.
struct DrainOrder {
    /// The server's name.
    server: Arc<str>,
    /// False: the drain ends.
    drained: bool,
    /// Gets the snapshot after the order. The order is not carried out any more if nobody waits for that.
    reply: oneshot::Sender<Result<Arc<Snapshot>, NotOrdered>>,
}

impl Drainer {
    /// Drains a server, or ends its drain. Returns the snapshot after that. If the future is dropped, the order is not
    /// carried out later.
    pub async fn order(&self, server: Arc<str>, drained: bool) -> Result<Arc<Snapshot>, NotOrdered> {
        let (reply, done) = oneshot::channel();
        let order = DrainOrder { server, drained, reply };
        self.orders.send(order).map_err(|_| NotOrdered::Ending)?;
        done.await.unwrap_or(Err(NotOrdered::Ending))
    }

    /// Refuses orders from now on, so that those in the snapshot stay as they are.
    pub fn hold(&self) -> DrainsHeld {
        self.held.send_replace(true);
        DrainsHeld(self.held.clone())
    }
}

/// Sends acknowledged writes to the owner.
pub struct Acknowledgements(mpsc::Sender<Event>);

impl Acknowledgements {
    /// Sends the writes that are known now.
    pub async fn send(&self, writes: Acknowledged) {
        // Without an owner there is no election that needs them.
        let _ = self.0.send(Event::Acknowledged(writes)).await;
    }
}

/// Starts the owner and a monitor for each server, on the current thread: it must run inside a `LocalSet`.
/// The snapshot's first value already contains the configured servers; pods come later. Everything ends when
/// the last receiver of the snapshot is dropped. `live` is watched for reloads of the servers, `monitor`,
/// `replicas.max_lag`, `failover.grace` and `failover.silence`.
pub fn start_with<C: Connector>(source: Source, live: watch::Receiver<Arc<Live>>, connector: C) -> Started {
    let first = live.borrow().clone();
    let (events_in, events) = mpsc::channel(256);
    let (orders, _) = watch::channel(ProbeOrders { monitor: first.monitor.clone(), urgent: true });
    let (snapshots, seen) = watch::channel(Arc::new(Snapshot::empty()));
    let (kicks, kicks_seen) = watch::channel(Kicks::default());
    let acknowledged = Acknowledgements(events_in.clone());
    let (drain_orders, drains) = mpsc::unbounded_channel();
    let drainer = Drainer { orders: drain_orders, held: watch::Sender::new(false) };
    let mut owner = Owner {
        connector: Rc::new(connector),
        source,
        live,
        orders,
        snapshots,
        kicks,
        monitors: HashMap::new(),
        events_in,
        drains_held: drainer.held.subscribe(),
        clock: OwnerClock::new(),
        log: SnapshotLog::default(),
        hurry_until: Some(Instant::now() + HURRY),
    };
    owner.configure(&first);
    spawn_local(owner.run(events, drains));
    Started { snapshot: seen, kicker: Kicker::new(kicks_seen), acknowledged, drainer }
}

struct Owner<C: Connector> {
    connector: Rc<C>,
    source: Source,
    live: watch::Receiver<Arc<Live>>,
    orders: watch::Sender<ProbeOrders>,
    snapshots: watch::Sender<Arc<Snapshot>>,
    kicks: watch::Sender<Kicks>,
    monitors: HashMap<ServerId, ServerMonitor>,
    /// The sender that each monitor gets a clone of.
    events_in: mpsc::Sender<Event>,
    /// True while orders to drain servers are refused.
    drains_held: watch::Receiver<bool>,
    clock: OwnerClock,
    log: SnapshotLog,
    /// Until when probes are urgent, while there is no primary.
    hurry_until: Option<Instant>,
}

/// A running monitor. Dropping it ends the task.
struct ServerMonitor {
    task: JoinHandle<()>,
    kick: Arc<ProbePermit>,
    tls_names: Arc<[Arc<str>]>,
}

impl Drop for ServerMonitor {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl<C: Connector> Owner<C> {
    async fn run(
        mut self,
        mut events: mpsc::Receiver<Event>,
        mut drains: mpsc::UnboundedReceiver<DrainOrder>,
    ) {
        let mut reloads = true;
        loop {
            let calm_at = self.hurry_until.unwrap_or_else(Instant::now);
            tokio::select! {
                Some(event) = events.recv() => self.apply(&event),
                Some(order) = drains.recv() => self.drain(order),
                changed = self.live.changed(), if reloads => match changed {
                    Ok(()) => {
                        let live = self.live.borrow_and_update().clone();
                        self.configure(&live);
                    }
                    Err(_) => reloads = false,
                },
                change = next_change(&mut self.source) => match change {
                    SourceChange::Pods(servers) => self.pods(&servers),
                    SourceChange::Maintenance(wanted) => self.apply(&Event::Maintenance(wanted)),
                },
                () = sleep_until(calm_at), if self.hurry_until.is_some() => {
                    self.hurry_until = None;
                    self.set_urgent(false);
                }
                () = self.snapshots.closed() => return,
            }
        }
    }

    /// Applies the configuration, at start and after a reload.
    fn configure(&mut self, live: &Live) {
        self.orders.send_if_modified(|orders| {
            let changed = orders.monitor != live.monitor;
            orders.monitor = live.monitor.clone();
            changed
        });
        self.apply(&Event::MaxLag(live.replicas.max_lag));
        self.apply(&Event::Grace(live.failover.grace));
        self.apply(&Event::Silence(live.failover.silence));
        if let Source::Pods { .. } = self.source {
            return;
        }
        let servers = live.servers.iter().map(|s| Discovered {
            drain: s.drain.then_some(Drain::Configuration),
            weight: s.weight,
            zone: s.zone.clone(),
            tls_names: s.tls_name.iter().cloned().collect(),
            ..Discovered::from((s.name.clone(), s.address.clone()))
        });
        self.apply(&Event::Servers(servers.collect()));
    }

    /// Applies the servers that the pods form. A label that moved or a pod that is being deleted hints at a
    /// failover: those servers and the primary are probed at once.
    fn pods(&mut self, servers: &[Discovered]) {
        let before = self.snapshots.borrow().clone();
        self.apply(&Event::Servers(servers.to_vec()));
        let after = self.snapshots.borrow().clone();
        let moved = |s: &&Arc<Server>| {
            before.server(s.id).is_some_and(|old| (old.label, old.deleting) != (s.label, s.deleting))
        };
        let mut hinted: Vec<_> = after.servers.iter().filter(moved).map(|s| s.id).collect();
        if !hinted.is_empty() {
            hinted.extend(after.primary);
        }
        for monitor in hinted.iter().filter_map(|id| self.monitors.get(id)) {
            monitor.kick.give();
        }
    }

    fn drain(&mut self, order: DrainOrder) {
        let DrainOrder { server, drained, reply } = order;
        if *self.drains_held.borrow() {
            let _ = reply.send(Err(NotOrdered::HandsOver));
        } else if !reply.is_closed() {
            self.apply(&Event::DrainOrder { server, drained });
            let _ = reply.send(Ok(self.snapshots.borrow().clone()));
        }
    }

    fn apply(&mut self, event: &Event) {
        let before = self.snapshots.borrow().clone();
        let after = reduce(&before, event, self.clock.now_ms());
        if after.version == before.version {
            // Wakes no watcher. The new value may contain a later time until which the primary was seen at
            // its position.
            self.snapshots.send_if_modified(|snapshot| {
                *snapshot = Arc::new(after);
                false
            });
            return;
        }
        self.log.changed(&before, &after);
        if before.primary != after.primary {
            self.hurry_until = after.primary.is_none().then(|| Instant::now() + HURRY);
            self.set_urgent(after.primary.is_none());
        }
        self.keep_monitors(&after);
        self.snapshots.send_replace(Arc::new(after));
    }

    fn set_urgent(&self, urgent: bool) {
        self.orders.send_if_modified(|orders| std::mem::replace(&mut orders.urgent, urgent) != urgent);
    }

    /// Keeps one monitor per server of the snapshot. A replaced server has a new id, so it also gets a new
    /// connection.
    fn keep_monitors(&mut self, snapshot: &Snapshot) {
        let count = self.monitors.len();
        // If the names of a server's certificate change, its monitor starts again with a new connection.
        let as_before = |id: &ServerId, m: &mut ServerMonitor| {
            snapshot.server(*id).is_some_and(|s| s.tls_names == m.tls_names)
        };
        self.monitors.retain(as_before);
        let mut changed = count != self.monitors.len();
        for server in snapshot
            .servers
            .iter()
            .filter(|s| !self.monitors.contains_key(&s.id))
            .cloned()
            .collect::<Vec<_>>()
        {
            let monitor = self.monitor(&server);
            self.monitors.insert(server.id, monitor);
            changed = true;
        }
        if changed {
            let kicks = self.monitors.iter().map(|(id, monitor)| (*id, monitor.kick.clone()));
            self.kicks.send_replace(Arc::new(kicks.collect()));
        }
    }

    fn monitor(&self, server: &Server) -> ServerMonitor {
        let kick = Arc::<ProbePermit>::default();
        let prober = Prober::new(
            server.id,
            ServerAddress {
                name: server.name.clone(),
                address: server.address.clone(),
                tls_names: server.tls_names.clone(),
            },
            self.connector.clone(),
            self.orders.subscribe(),
            kick.clone(),
            self.events_in.clone(),
        );
        ServerMonitor { task: spawn_local(prober.run()), kick, tls_names: server.tls_names.clone() }
    }
}

/// The next change from the Kubernetes API.
enum SourceChange {
    Pods(Arc<Vec<Discovered>>),
    Maintenance(Maintenance),
}

/// Waits for the next change. Never returns if there can be none.
async fn next_change(source: &mut Source) -> SourceChange {
    let Source::Pods { servers, maintenance, .. } = source else { return std::future::pending().await };
    tokio::select! {
        servers = next_pods(servers) => SourceChange::Pods(servers),
        // If the resource is not read, there is no sender.
        Ok(()) = maintenance.changed() => SourceChange::Maintenance(*maintenance.borrow_and_update()),
    }
}

async fn next_pods(servers: &mut PodServers) -> Arc<Vec<Discovered>> {
    loop {
        if servers.changed().await.is_err() {
            return std::future::pending().await;
        }
        let now = servers.borrow_and_update().clone();
        if let Some(now) = now {
            return now;
        }
    }
}

/// Unix time derived from tokio's clock, so that tests can pause it.
struct OwnerClock {
    at_start: Duration,
    started: Instant,
}

impl OwnerClock {
    fn new() -> Self {
        let at_start = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        OwnerClock { at_start, started: Instant::now() }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from((self.at_start + self.started.elapsed()).as_millis()).unwrap_or(u64::MAX)
    }
}
