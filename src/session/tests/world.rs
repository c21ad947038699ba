//! One worker's context, a network in memory, and a snapshot that follows what the
//! story's servers say.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use super::{Client, Login, Peer, Refused, Server};
use crate::backend::{Ceilings, Lesson, Loads, Pool};
use crate::config::{
    ClientCompression, CredentialSettings, CredentialSource, Level, Live, Monitor, Secret, User,
};
use crate::net::memory::MemoryRuntime;
use crate::net::{BufferPool, Runtime};
use crate::positions::{WorkerSeat, seats};
use crate::session::{Context, Session, kill_here};
use crate::sql::RoutineCatalogue;
use crate::sql::catalogue::{Changes, Contents, Relation, RelationKind, Table};
use crate::telemetry::traces::TraceRecord;
use crate::telemetry::{AuditRecord, WorkerMetrics};
use crate::terms::{Close, Disruption, Port};
use crate::topology::{
    Discovered, Event, Facts, Flavor, Group, GtidSet, Maintenance, Member, ProbeOutcome, Replication,
    ServerId, Snapshot, reduce,
};
use crate::wire::Capabilities;
use crate::worker::admission::{Admission, Pass};
use crate::worker::{Entrance, KillRequest, Outside, Resources};

/// What sessions asked of the rest of the process.
#[derive(Default)]
pub struct Recorded {
    pub kicks: RefCell<Vec<ServerId>>,
    pub kicks_anew: RefCell<Vec<ServerId>>,
    pub kicks_all: Cell<u32>,
    pub routines_changed: Cell<u32>,
    pub accounts_doubted: Cell<u32>,
    pub passing: RefCell<Vec<String>>,
    pub kills: RefCell<Vec<KillRequest>>,
    pub audited: RefCell<Vec<AuditRecord>>,
    /// The traces of statements.
    pub traced: RefCell<Vec<TraceRecord>>,
    ids: Cell<u32>,
    context: OnceCell<Weak<Context<MemoryRuntime>>>,
}

struct Recorder(Rc<Recorded>);

impl Outside for Recorder {
    fn kick(&self, server: ServerId) {
        self.0.kicks.borrow_mut().push(server);
    }

    fn kick_anew(&self, server: ServerId) {
        self.0.kicks_anew.borrow_mut().push(server);
    }

    fn kick_all(&self) {
        self.0.kicks_all.set(self.0.kicks_all.get() + 1);
    }

    fn routines_changed(&self) {
        self.0.routines_changed.set(self.0.routines_changed.get() + 1);
    }

    fn accounts_doubted(&self) {
        self.0.accounts_doubted.set(self.0.accounts_doubted.get() + 1);
    }

    fn passes_read_only(&self, user: &str) {
        self.0.passing.borrow_mut().push(user.to_owned());
    }

    fn learned(&self, _: Lesson) {}

    fn audit(&self, record: AuditRecord) {
        self.0.audited.borrow_mut().push(record);
    }

    fn trace(&self, record: Box<TraceRecord>) {
        self.0.traced.borrow_mut().push(*record);
    }

    fn connection_id(&self) -> u32 {
        self.0.ids.set(self.0.ids.get() + 1);
        0x4000_0000 | self.0.ids.get()
    }

    fn kill(&self, request: KillRequest) -> Pin<Box<dyn Future<Output = bool>>> {
        self.0.kills.borrow_mut().push(request.clone());
        let context = self.0.context.get().and_then(Weak::upgrade).unwrap();
        Box::pin(kill_here(context, request))
    }
}

/// The catalogue of servers whose tables are plain: no view, no trigger, nothing that runs when they are read.
fn plain_tables() -> RoutineCatalogue {
    let table = |schema: &str, name: &str| Relation {
        schema: schema.as_bytes().into(),
        name: name.as_bytes().into(),
        kind: RelationKind::Table(Table { columns: Some(vec![]), triggers: Some(vec![]), cascades: vec![] }),
    };
    let names = ["a", "log", "t", "u", "x"];
    let relations =
        ["shop", "test"].iter().flat_map(|schema| names.map(|name| table(schema, name))).collect();
    let contents = Contents { relations, ..Contents::default() };
    let empty = RoutineCatalogue::default();
    empty.replaced_by(contents, Changes::default().now()).expect("it has tables")
}

/// What a story begins with.
#[derive(Clone)]
pub struct Settings {
    /// The most bytes that a read returns, on both legs.
    pub chunk: usize,
    pub flavor: Flavor,
    /// What the probes saw the servers greet with.
    pub seen: Capabilities,
    /// What the servers greet sessions with.
    pub served: Capabilities,
    /// How fresh reads must be. At `session` the proxy asks the primary nothing as long as a session's reads stay on
    /// one replica.
    pub level: Level,
    pub change: fn(&mut Live),
}

impl Default for Settings {
    fn default() -> Self {
        let mysql = Capabilities::OFFERED - Capabilities::MARIADB - Capabilities::QUERY_ATTRIBUTES;
        Settings {
            chunk: usize::MAX,
            flavor: Flavor::MySql,
            seen: mysql,
            served: mysql,
            level: Level::Session,
            change: |_| {},
        }
    }
}

pub struct World {
    pub context: Rc<Context<MemoryRuntime>>,
    pub outside: Rc<Recorded>,
    pub settings: Settings,
    pub runtime: MemoryRuntime,
    snapshot: RefCell<Snapshot>,
    now_ms: Cell<u64>,
    /// How far servers are, as their next probes find it; nowhere, unless said.
    positions: RefCell<HashMap<String, GtidSet>>,
}

/// An uncompressed port, for clients without a PROXY header.
pub fn entrance(port: Port) -> Entrance {
    Entrance {
        port,
        listener: port.as_str().into(),
        native_password: true,
        compression: ClientCompression::Off,
        proxy_protocol_from: Default::default(),
    }
}

fn live() -> Live {
    let user = |name: &str, password: &str| {
        let allow_empty_password = password.is_empty();
        let user = User { allow_empty_password, ..User::new(name.into(), Some(Secret::new(password))) };
        (Arc::from(name), user)
    };
    Live {
        servers: Vec::new(),
        admin: Default::default(),
        monitor: Monitor {
            user: "monitor".into(),
            password: Secret::new(super::server::MONITORS),
            allow_empty_password: false,
            interval: Duration::from_millis(100),
        },
        users: HashMap::from([user("app", "secret"), user("other", "secret"), user("nopass", "")]),
        withheld: Default::default(),
        credentials: CredentialSettings {
            sources: vec![CredentialSource::Configuration],
            check_client_host: true,
        },
        listener_levels: HashMap::new(),
        listener_tls: HashMap::new(),
        servers_tls: Default::default(),
        consistency: Default::default(),
        replicas: Default::default(),
        failover: Default::default(),
        limits: Default::default(),
        pool: Default::default(),
        timeouts: Default::default(),
        notify: crate::config::Notify::default(),
        drain: Default::default(),
        digests: Default::default(),
        statements: Default::default(),
        audit: Default::default(),
        traces: Default::default(),
    }
}

/// `server_uuid` of a server whose name ends in a digit.
pub fn uuid_of(name: &str) -> String {
    format!("{}0000000-0000-0000-0000-000000000000", name.chars().next_back().unwrap())
}

impl World {
    /// A MySQL primary `db-0` with the replicas `db-1` and `db-2`.
    pub fn new() -> Self {
        World::with(Settings::default())
    }

    pub fn with(settings: Settings) -> Self {
        let world = World::without_servers(settings);
        world.primary("db-0");
        world.replica("db-1");
        world.replica("db-2");
        world
    }

    /// Workers of one process, each with the same servers. Each has a script of its own for them.
    pub fn workers(settings: &Settings, count: usize) -> Vec<Self> {
        let worlds = seats(count).into_iter().map(|seat| World::in_seat(settings.clone(), seat));
        worlds.collect()
    }

    /// The same servers, of which nothing is known yet.
    pub fn without_servers(settings: Settings) -> Self {
        World::in_seat(settings, seats(1).pop().unwrap())
    }

    fn in_seat(settings: Settings, seat: WorkerSeat) -> Self {
        let runtime = MemoryRuntime::with_chunk(settings.chunk);
        let (buffers, metrics) = (Rc::new(BufferPool::default()), Arc::new(WorkerMetrics::default()));
        let pool = Pool::new(
            runtime.clone(),
            Arc::new(Ceilings::default()),
            (0, Arc::new(Loads::new(1, 1))),
            buffers.clone(),
            metrics.clone(),
        );
        let outside = Rc::new(Recorded::default());
        let snapshot = Snapshot::empty();
        let mut live = live();
        live.consistency.level = settings.level;
        (settings.change)(&mut live);
        let resources = Resources::new(
            runtime.clone(),
            buffers,
            pool,
            Arc::new(snapshot.clone()),
            Arc::new(live),
            metrics,
            Box::new(Recorder(outside.clone())),
        );
        let context = Rc::new(Context::new(resources, seat));
        context.texts.routines.replace(Arc::new(plain_tables()));
        outside.context.set(Rc::downgrade(&context)).unwrap();
        let (snapshot, now_ms) = (RefCell::new(snapshot), Cell::new(1_000_000));
        let positions = RefCell::default();
        let world = World { context, outside, settings, runtime, snapshot, now_ms, positions };
        world.event(Event::Grace(world.context.live().failover.grace));
        world.event(Event::Silence(world.context.live().failover.silence));
        world.configured(&["db-0", "db-1", "db-2"]);
        world
    }

    /// These are the servers now.
    pub fn configured(&self, names: &[&str]) {
        let found = names.iter().map(|n| Discovered::from(((*n).into(), format!("{n}:3306").into())));
        self.event(Event::Servers(found.collect()));
    }

    fn event(&self, event: Event) {
        self.now_ms.set(self.now_ms.get() + 100);
        let next = reduce(&self.snapshot.borrow(), &event, self.now_ms.get());
        self.snapshot.replace(next.clone());
        self.context.new_snapshot(Arc::new(next));
    }

    /// Nothing is heard for so long.
    pub fn passes(&self, time: Duration) {
        self.now_ms.set(self.now_ms.get() + u64::try_from(time.as_millis()).unwrap());
    }

    pub fn id(&self, name: &str) -> ServerId {
        self.snapshot.borrow().servers.iter().find(|s| &*s.name == name).unwrap().id
    }

    fn probed(&self, name: &str, outcome: ProbeOutcome) {
        self.event(Event::Probe { server: self.id(name), outcome });
    }

    fn facts(&self, name: &str) -> Facts {
        let version = if self.settings.flavor == Flavor::MySql { "8.4.2" } else { "11.4.2-MariaDB" };
        Facts {
            flavor: self.settings.flavor,
            version: version.into(),
            capabilities: self.settings.seen.bits(),
            collation: 45,
            tls: None,
            read_only: false,
            super_read_only: false,
            replication: None,
            tells_replication: true,
            gtid: Arc::new(
                self.positions
                    .borrow()
                    .get(name)
                    .cloned()
                    .unwrap_or_else(|| GtidSet::empty(self.settings.flavor)),
            ),
            gtid_on: true,
            wait_timeout: None,
            life: Default::default(),
            binlog_state: Default::default(),
            first_own: Default::default(),
            max_packet: None,
            max_connections: None,
            occupied: None,
            modes: crate::topology::TextModes::empty(),
            login: crate::topology::LoginFlags::default(),
            identity: uuid_of(name).into(),
            round_trip: Duration::from_micros(200),
        }
    }

    /// Its next probe finds it here.
    pub fn gets_to(&self, name: &str, position: &str) {
        let position = GtidSet::parse(self.settings.flavor, position).unwrap();
        self.positions.borrow_mut().insert(name.to_owned(), position);
    }

    /// A probe found it writable.
    pub fn primary(&self, name: &str) {
        self.probed(name, ProbeOutcome::Facts(self.facts(name)));
    }

    /// A probe found it read-only and not replicating, as in the middle of a switchover.
    pub fn read_only(&self, name: &str) {
        self.probed(name, ProbeOutcome::Facts(Facts { read_only: true, ..self.facts(name) }));
    }

    /// A probe found it a replica in good order.
    pub fn replica(&self, name: &str) {
        self.replica_behind(name, Duration::ZERO);
    }

    /// The same, behind by its own word, which counts where its position does not tell.
    pub fn replica_behind(&self, name: &str, lag: Duration) {
        self.replicates(name, lag, None, true);
    }

    /// The same, and whom it follows.
    pub fn replica_of(&self, name: &str, source: &str) {
        self.replicates(name, Duration::ZERO, Some(format!("{source}:3306").into()), true);
    }

    /// The same, but it receives nothing.
    pub fn replica_cut_off(&self, name: &str) {
        self.replicates(name, Duration::ZERO, None, false);
    }

    fn replicates(&self, name: &str, lag: Duration, source: Option<Arc<str>>, receiving: bool) {
        let gtid_on = lag.is_zero();
        let replication = Replication { receiving, applying: true, lag: Some(lag), source, several: false };
        let facts = Facts { read_only: true, gtid_on, replication: Some(replication), ..self.facts(name) };
        self.probed(name, ProbeOutcome::Facts(facts));
    }

    /// A probe found it writable, in a Galera cluster, with the majority or not.
    pub fn galera(&self, name: &str, fit: bool) {
        self.member(
            name,
            Member { group: Group::Galera, fit, apart: !fit, writes: fit, several_write: true },
        );
    }

    /// With the majority, and not to be used: it sends its data to a new one.
    pub fn donor(&self, name: &str) {
        self.member(
            name,
            Member { group: Group::Galera, fit: false, apart: false, writes: false, several_write: true },
        );
    }

    fn member(&self, name: &str, member: Member) {
        self.probed(name, ProbeOutcome::Member(self.facts(name), member));
    }

    /// The operator's resource asks for it.
    pub fn maintenance(&self, maintenance: Maintenance) {
        self.event(Event::Maintenance(maintenance));
    }

    /// Three probes got no answer, and nothing was refused.
    pub fn silent(&self, name: &str) {
        for _ in 0..3 {
            self.probed(name, ProbeOutcome::Timeout);
        }
    }

    /// A probe was refused, and so is everybody from now on.
    pub fn down(&self, name: &str) {
        self.runtime.unlisten(&format!("{name}:3306"));
        self.probed(name, ProbeOutcome::Unreachable("refused".into()));
    }

    /// Its side of the network.
    pub fn server(&self, name: &str) -> Server {
        Server::new(self.runtime.listen(&format!("{name}:3306")), self.settings.served)
    }

    /// A client's socket, accepted.
    pub fn socket(&self, login: &Login) -> Peer {
        self.socket_of(None, login)
    }

    /// The same of this user of the operating system.
    pub fn socket_of(&self, os_user: Option<&str>, login: &Login) -> Peer {
        let admission = Arc::new(Admission::default());
        let pass = admission.enter(crate::net::Peer::Unix, &self.context.live().limits).unwrap();
        self.session_of(os_user, entrance(login.port), pass)
    }

    /// The client's side of a socket that was accepted at this port, with this admission.
    pub fn session(&self, entrance: Entrance, pass: Pass) -> Peer {
        self.session_of(None, entrance, pass)
    }

    /// The same of this user of the operating system.
    pub fn session_of(&self, os_user: Option<&str>, entrance: Entrance, pass: Pass) -> Peer {
        let (theirs, ours) = self.runtime.pair();
        if let Some(os_user) = os_user {
            ours.set_os_user(os_user);
        }
        let mut session = Session::new(self.context.clone(), theirs, entrance, pass);
        self.runtime.spawn(async move { session.run().await });
        Peer::new(ours)
    }

    pub async fn attempt(&self, login: &Login) -> Result<Client, Refused> {
        Client::log_in(self.socket(login), login).await
    }

    pub async fn login(&self, login: &Login) -> Client {
        self.attempt(login).await.expect("a login")
    }

    /// `app` on the read-write port.
    pub async fn client(&self) -> Client {
        self.login(&Login::default()).await
    }

    /// Kills the session that began last.
    pub fn kill_last(&self) {
        let last = self.context.handles().into_iter().max_by_key(|handle| handle.id).unwrap();
        last.signal.raise(crate::worker::Signals::KILLED);
    }

    pub fn closed(&self, close: Close) -> u64 {
        self.context.metrics.closed[close].get()
    }

    pub fn disrupted(&self, disruption: Disruption) -> u64 {
        self.context.metrics.disruptions[disruption].get()
    }

    /// Returns how often failovers had this effect on statements of a digest.
    pub fn disrupted_by_digest(&self, text: &str, disruption: Disruption) -> u32 {
        let all = self.context.digests.borrow().report(0, usize::MAX).digests;
        let of = all.into_iter().find(|digest| digest.text == text);
        of.map_or(0, |digest| digest.totals.disruptions[disruption as usize])
    }

    /// Nothing is left of any session: no handle, no load, no gauge; so many pooled connections are.
    pub async fn expect_nothing_left(&self, pooled: u64) {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let m = &self.context.metrics;
        assert_eq!(self.context.session_count(), 0, "sessions");
        for name in ["db-0", "db-1", "db-2"] {
            assert_eq!(self.context.load(self.id(name)), 0, "load of {name}");
        }
        assert_eq!(m.clients.values().map(|c| c.get()).sum::<u64>(), 0, "clients");
        assert_eq!(m.waiting_for_primary.get(), 0, "waiting for a primary");
        assert_eq!(m.waiting_for_connection.get(), 0, "waiting for a connection");
        assert_eq!(m.server_idle.get(), pooled, "pooled");
        assert_eq!(m.server_connections.get(), pooled, "server connections");
    }
}
