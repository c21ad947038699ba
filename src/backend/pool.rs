//! One worker's pool. A connection stays parked with the session that used it last until
//! another session needs it; one whose session is gone is anybody's. What the next
//! session needs differently is sent in front of its first statement (see `Connection`).

mod lease;

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::shelf::{Claims, Seat, Shelf};
use super::{Carried, Ceilings, Class, ConnectError, Connection, Credentials, PendingInsertId, Standing};
use crate::net::{BufferPool, Runtime, Stream};
use crate::telemetry::WorkerMetrics;
use crate::topology::ServerId;
use crate::wire::Capabilities;

/// Error codes by which a server refuses one more connection: of this user (1226 `MAX_USER_CONNECTIONS`,
/// 1203 `max_user_connections`).
const USER_LIMITS: [u16; 2] = [1226, 1203];

/// For a COM_QUIT.
const QUIT_PATIENCE: Duration = Duration::from_millis(200);

/// Connections that can stand in for each other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PoolKey {
    /// On this server,
    pub server: ServerId,
    /// of this account,
    pub user: Arc<str>,
    /// opened with this generation of its password,
    pub credential: u64,
    /// of this class.
    pub class: Class,
}

/// Limits and timeouts at the moment of asking.
#[derive(Debug, Clone)]
pub struct Terms {
    /// `limits.max_server_connections`
    pub server_limit: usize,
    /// `users.max_connections`
    pub user_limit: Option<usize>,
    /// `limits.queue_timeout`
    pub queue: Duration,
    /// `timeouts.connect`
    pub connect: Duration,
}

/// The session that asks.
#[derive(Debug)]
pub struct Applicant<'a> {
    /// Its connection id.
    pub id: u32,
    /// Its state.
    pub wish: &'a Carried,
    /// The collation id of its handshake.
    pub collation: u16,
    /// Its home is elsewhere: it has one statement here, or a few.
    pub passing: bool,
}

/// Which limit keeps a session waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// `limits.max_server_connections`
    Server,
    /// `max_connections` of the user.
    User,
    /// The server itself refuses more connections of this account.
    Account,
    /// None: others are being opened.
    Opening,
}

/// Why the pool gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// A limit stayed reached for `limits.queue_timeout`.
    #[error("no server connection became free within {0:?}")]
    Queue(Duration, Limit),
    /// Opening one failed.
    #[error("{0}")]
    Connect(#[from] ConnectError),
}

/// A connection with its place in the pool.
pub type Leased<S> = (Box<Connection<S>>, Seat<S>);

/// See the module.
pub struct Pool<R: Runtime> {
    runtime: R,
    shelves: RefCell<HashMap<PoolKey, Rc<Shelf<R::Stream>>>>,
    /// In order.
    waiters: RefCell<VecDeque<Rc<lease::Waiter>>>,
    /// Counts parkings: the order in which connections were left.
    clock: Rc<Cell<u64>>,
    /// Seconds since the worker began, set from outside.
    second: Cell<u32>,
    ceilings: Arc<Ceilings>,
    /// Which of the connections' credentials still count.
    credentials: Rc<Credentials>,
    /// Which worker of how many: each has its share of a limit.
    share: (usize, usize),
    buffers: Rc<BufferPool>,
    metrics: Arc<WorkerMetrics>,
}

impl<R: Runtime> Pool<R> {
    /// An empty pool of one worker, the `share.0`th of `share.1`.
    pub fn new(
        runtime: R,
        ceilings: Arc<Ceilings>,
        share: (usize, usize),
        buffers: Rc<BufferPool>,
        metrics: Arc<WorkerMetrics>,
    ) -> Self {
        Pool {
            runtime,
            shelves: RefCell::default(),
            waiters: RefCell::default(),
            clock: Rc::default(),
            second: Cell::new(0),
            ceilings,
            credentials: Rc::default(),
            share,
            buffers,
            metrics,
        }
    }

    /// The accounts' passwords, for logins and for `credentials_changed`.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Closes what waits and was opened with a password that does not count any more: all connections of an account
    /// that is gone; those of a former password that no session comes back to.
    pub fn credentials_changed(&self) {
        for (key, shelf) in self.shelves.borrow().iter() {
            shelf.standing.set(self.credentials.standing(&key.user, key.credential));
        }
        self.retain_shelved(|standing, claimed| match standing {
            Standing::Current => true,
            Standing::Former => claimed,
            Standing::Removed => false,
        });
    }

    /// One that waits and lives.
    async fn take_parked(
        &self,
        key: &PoolKey,
        session: &Applicant<'_>,
        claims: Claims,
        terms: &Terms,
    ) -> Option<Leased<R::Stream>> {
        let shelf = self.shelves.borrow().get(key).cloned()?;
        let begun = self.ceilings.renewals.of(key.server);
        while let Some((connection, seat)) = shelf.take(session.id, session.wish, claims, begun) {
            self.metrics.server_idle.sub(1);
            if let Some(mut connection) = self.take_over(connection, terms.connect).await {
                connection.has_past = true;
                connection.stale_diagnostics = true;
                return Some((connection, seat));
            }
            seat.give_up();
        }
        None
    }

    /// One that only read, while its server was a replica, for a session that writes there: a reset costs the server
    /// far less than a login. Of those that sessions left only what is of an earlier generation than this one: who reads
    /// from the primary comes back.
    async fn take_turned(
        &self,
        key: &PoolKey,
        generation: u64,
        session: &Applicant<'_>,
        terms: &Terms,
    ) -> Option<Leased<R::Stream>> {
        if key.class.read_only {
            return None;
        }
        let readers = PoolKey { class: Class { read_only: true, ..key.class }, ..key.clone() };
        let claims = Claims::OfBefore(generation);
        while let Some((mut connection, old)) = self.take_parked(&readers, session, claims, terms).await {
            let seat = self.shelf(key).seat_open(session.id, connection.about.thread_id);
            old.give_up();
            connection.about.class = key.class;
            // Its answer is swallowed in front of that to the session's statement.
            let mut out = self.buffers.small();
            out.replace_with(|out| connection.reset(out));
            // Under the same id as before, and yet nothing of its last session is there.
            connection.has_past = true;
            let (sent, out) = connection.stream.write_all(out).await;
            self.buffers.give(out);
            if sent.is_ok() {
                return Some((connection, seat));
            }
        }
        None
    }

    /// Before a connection changes hands it must be settled and alive, and the session that had it gets what only
    /// the connection knows.
    async fn take_over(
        &self,
        mut connection: Box<Connection<R::Stream>>,
        limit: Duration,
    ) -> Option<Box<Connection<R::Stream>>> {
        let Some(legacy) = connection.legacy.take() else {
            // Most often settled long ago.
            let settled = !connection.is_expecting()
                || matches!(self.runtime.timeout(limit, connection.settle()).await, Some(Ok(())));
            return (settled && self.is_alive(&mut connection)).then_some(connection);
        };
        // In a task of its own: who wants the connection may end meanwhile, and its former session must still
        // be told.
        let (reply, answer) = oneshot::channel();
        let runtime = self.runtime.clone();
        self.runtime.spawn(async move {
            let known = learn_insert_id(&runtime, &mut connection, Some(legacy), limit).await;
            // Nobody wants it any more: it is closed.
            let _ = reply.send(known.then_some(connection));
        });
        answer.await.ok().flatten()
    }

    /// Asks the connection for its insert id, for the session that waits for it and for the connection itself.
    pub async fn learn_insert_id(
        &self,
        connection: &mut Connection<R::Stream>,
        legacy: Option<PendingInsertId>,
        limit: Duration,
    ) -> bool {
        learn_insert_id(&self.runtime, connection, legacy, limit).await
    }

    /// Whether a connection that waited still lives, as far as can be seen without asking.
    pub fn is_alive(&self, connection: &mut Connection<R::Stream>) -> bool {
        if !connection.stream.has_news() {
            return true;
        }
        let mut spare = self.buffers.small();
        let alive = connection.is_alive(&mut spare);
        self.buffers.give(spare);
        alive
    }

    fn shelf(&self, key: &PoolKey) -> Rc<Shelf<R::Stream>> {
        let mut shelves = self.shelves.borrow_mut();
        if let Some(shelf) = shelves.get(key) {
            return shelf.clone();
        }
        let standing = self.credentials.standing(&key.user, key.credential);
        let shelf = Rc::new(Shelf::new(key.clone(), standing, self.clock.clone()));
        shelves.insert(key.clone(), shelf.clone());
        shelf
    }

    /// True if a session that begins now may have this connection: its password counts, and what it began with.
    fn is_of_now(&self, connection: &Connection<R::Stream>, seat: &Seat<R::Stream>) -> bool {
        seat.standing() == Standing::Current && self.began_as_now(connection)
    }

    fn began_as_now(&self, connection: &Connection<R::Stream>) -> bool {
        connection.begun == self.ceilings.renewals.of(connection.about.server)
    }

    /// A statement changed what new connections to this server (None: to all of them) begin with. Those that wait are
    /// closed unless their sessions come back to them; the other workers do so within a second, and none of them gives
    /// one to another session meanwhile.
    pub fn renew(&self, server: Option<ServerId>) {
        self.ceilings.renewals.renew(server);
        self.retain(|_, _, _| true);
    }

    /// A session's statement is done and nothing keeps its connection: it waits in its seat, unless others
    /// wait for it or its place. `asked_for`: the session may yet ask it what the statement did.
    #[inline]
    pub fn park(&self, connection: Box<Connection<R::Stream>>, seat: &Seat<R::Stream>, asked_for: bool) {
        let key = seat.key();
        let wanted = self.someone_waits(key);
        let standing = seat.standing();
        if standing == Standing::Removed || (wanted && !self.is_of_now(&connection, seat)) {
            return self.vacate(connection, seat);
        }
        if !wanted && connection.legacy.is_none() && connection.claim() {
            // In another worker, which only a closed connection helps.
            drop(connection);
            seat.give_up();
            return;
        }
        seat.park(connection, !wanted, asked_for, self.second.get());
        self.metrics.server_idle.add(1);
        if wanted {
            self.wake_for(seat);
        }
    }

    /// A session ends that leaves nothing on the connection that a next one could see.
    pub fn park_for_others(&self, connection: Box<Connection<R::Stream>>, seat: &Seat<R::Stream>) {
        if !self.is_of_now(&connection, seat) || (!self.someone_waits(seat.key()) && connection.claim()) {
            self.vacate(connection, seat);
            return;
        }
        seat.park(connection, false, false, self.second.get());
        self.metrics.server_idle.add(1);
        self.wake_for(seat);
    }

    /// The connection of this seat, if it was not taken by another session and still lives.
    #[inline]
    pub fn reclaim(&self, seat: &Seat<R::Stream>) -> Option<Box<Connection<R::Stream>>> {
        let mut connection = seat.reclaim()?;
        self.metrics.server_idle.sub(1);
        if self.is_alive(&mut connection) {
            return Some(connection);
        }
        drop(connection);
        self.leave(seat);
        None
    }

    /// A session's connection broke or must not be used again: its place is free.
    pub fn vacate(&self, connection: Box<Connection<R::Stream>>, seat: &Seat<R::Stream>) {
        drop(connection);
        self.leave(seat);
    }

    /// A session ends that has left its connection in this seat, or had it taken.
    pub fn leave(&self, seat: &Seat<R::Stream>) {
        seat.give_up();
        self.wake_for(seat);
    }

    fn wake_for(&self, seat: &Seat<R::Stream>) {
        let key = seat.key();
        self.wake(key.server, &key.user);
    }

    /// A session ends with something on its connection that only a reset takes away; it is for others then.
    pub async fn reset(&self, mut connection: Box<Connection<R::Stream>>, seat: &Seat<R::Stream>) {
        if !self.is_of_now(&connection, seat) {
            return self.vacate(connection, seat);
        }
        let mut out = self.buffers.small();
        out.replace_with(|out| connection.reset(out));
        let (result, out) = connection.stream.write_all(out).await;
        self.buffers.give(out);
        if result.is_err() {
            self.vacate(connection, seat);
            return;
        }
        self.park_for_others(connection, seat);
    }

    /// Closes a connection that cannot be used again.
    pub async fn discard(&self, connection: Connection<R::Stream>) {
        // A server that does not read is not waited for.
        let _ = self.runtime.timeout(QUIT_PATIENCE, connection.quit()).await;
    }

    /// Drops waiting connections that nobody may have any more, or that `keep` does not want; `keep` hears the connection, how long it waited, and
    /// whether a session may come back to it.
    pub fn retain(&self, mut keep: impl FnMut(&Connection<R::Stream>, Duration, bool) -> bool) {
        let now = self.second.get();
        self.shelves.borrow_mut().retain(|_, shelf| {
            let gone = shelf.retain(now, |c, seconds, claimed| {
                (claimed || self.began_as_now(c)) && keep(c, Duration::from_secs(seconds.into()), claimed)
            });
            self.metrics.server_idle.sub(gone);
            shelf.open() > 0
        });
        self.waiters.borrow().iter().for_each(|waiter| waiter.wake.notify_one());
    }

    fn retain_shelved(&self, keep: impl Fn(Standing, bool) -> bool) {
        let now = self.second.get();
        self.shelves.borrow_mut().retain(|_, shelf| {
            let standing = shelf.standing.get();
            let gone = shelf.retain(now, |_, _, claimed| keep(standing, claimed));
            self.metrics.server_idle.sub(gone);
            shelf.open() > 0
        });
        self.waiters.borrow().iter().for_each(|waiter| waiter.wake.notify_one());
    }

    /// Closes those that sessions in other workers wait for, and that must be asked for their insert id before.
    /// `limit` bounds each question.
    pub async fn give_way(&self, limit: Duration) {
        let shelves: Vec<_> = self.shelves.borrow().values().cloned().collect();
        for shelf in shelves {
            while let Some((mut connection, seat)) = shelf.take_where(|c| c.legacy.is_some() && c.claim()) {
                self.metrics.server_idle.sub(1);
                let legacy = connection.legacy.take();
                self.learn_insert_id(&mut connection, legacy, limit).await;
                drop(connection);
                seat.give_up();
            }
        }
    }

    /// Connections to this server in the whole process, as far as this worker can tell: each has its share.
    pub fn connections_to(&self, server: ServerId) -> usize {
        let shelves = self.shelves.borrow();
        let here: usize = shelves.iter().filter(|(k, _)| k.server == server).map(|(_, s)| s.open()).sum();
        here * self.share.1
    }

    /// The server has too many prepared statements: closes waiting connections that have some.
    pub fn shed_statements(&self, server: ServerId) {
        self.retain(|c, _, _| c.about.server != server || c.statements.is_empty() || c.legacy.is_some());
    }

    /// The time, in seconds since the worker began.
    pub fn set_second(&self, second: u32) {
        self.second.set(second);
    }

    /// The session whose connection to this server (None: any) has this id there.
    pub fn owner_of(&self, server: Option<ServerId>, thread_id: u32) -> Option<u32> {
        let shelves = self.shelves.borrow();
        let mut of_server = shelves.iter().filter(|(k, _)| server.is_none_or(|server| k.server == server));
        of_server.find_map(|(_, shelf)| shelf.owner_of(thread_id))
    }
}

async fn learn_insert_id<R: Runtime>(
    runtime: &R,
    connection: &mut Connection<R::Stream>,
    legacy: Option<PendingInsertId>,
    limit: Duration,
) -> bool {
    let asked = async {
        connection.settle().await.ok()?;
        connection.query("SELECT LAST_INSERT_ID()").await.ok()
    };
    let id = runtime.timeout(limit, asked).await.flatten().and_then(|sets| {
        let value = sets.first()?.rows.first()?.first()?.clone()?;
        std::str::from_utf8(&value).ok()?.parse().ok()
    });
    if let Some(id) = id {
        if let Some(legacy) = legacy {
            legacy.tell(id);
        }
        connection.set_insert_id(Some(id));
    }
    id.is_some()
}

/// A class for the proxy's own connections.
pub fn own_class() -> Class {
    Class { capabilities: Capabilities::MULTI_STATEMENTS | Capabilities::MULTI_RESULTS, read_only: false }
}
