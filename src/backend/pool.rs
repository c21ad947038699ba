//! One worker's pool of server connections. A connection stays parked with the session that used it last
//! until another session needs the connection. If that session has ended, any session may take the
//! connection. Where the next session's state differs, the difference is sent ahead of its first statement
//! (see `Connection`).

mod due;
mod insert_id;
mod lease;
mod place;
mod question;
mod waiting;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use foldhash::quality::RandomState;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::accounts::Accounts;
use super::shelf::{Seat, Shelf, Steals};
use super::{
    Carried, Ceilings, Class, ConnectError, Connection, Credentials, Introduction, Left, Loads,
    PendingInsertId, Standing,
};
use crate::net::{BufferPool, Runtime, Stream};
use crate::telemetry::WorkerMetrics;
use crate::topology::ServerId;
use crate::wire::Capabilities;

use insert_id::{LAST_QUESTION, learn_insert_id};
pub use place::Place;
pub use question::PooledQuestion;
use waiting::Waiting;

/// How long to wait until a server takes a COM_QUIT or a reset.
const QUIT_PATIENCE: Duration = Duration::from_millis(200);

/// Identifies connections that are interchangeable.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PoolKey {
    /// The server that the connections lead to.
    pub server: ServerId,
    /// The account that they are logged in with.
    pub user: Arc<str>,
    /// The generation of the account's password that they were opened with (see `Credentials`).
    pub credential: u64,
    /// Their class.
    pub class: Class,
    /// The session for which they were opened, if the server knows them by the address of its client: no other session
    /// may use them.
    pub session: Option<u32>,
}

/// The limits and timeouts in force when a session asks for a connection.
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
    /// How many reads may need a connection to the primary in a moment, because no replica can answer them.
    pub reads_to_come: usize,
}

/// The session that asks for a connection.
#[derive(Debug)]
pub struct Applicant<'a> {
    /// Its connection id.
    pub id: u32,
    /// The state that the connection must have for this session.
    pub wish: &'a Carried,
    /// What a server learns of the session at a login.
    pub introduction: Introduction<'a>,
    /// True if the session needs this server for only one statement, or a few: it usually uses another
    /// server.
    pub passing: bool,
    /// Gets the time at which the pool begins to open a connection for the session.
    pub opening: &'a Cell<Option<Instant>>,
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
    /// The server itself refuses more connections.
    Full,
    /// No limit: enough connections are being opened already (see `Shelf::may_open`).
    Opening,
}

/// How many connections to a server an account has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolCount {
    /// The server.
    pub server: ServerId,
    /// The account.
    pub user: Arc<str>,
    /// Open connections, in use or parked.
    pub connections: usize,
    /// Parked connections.
    pub idle: usize,
}

/// Why the pool returned no connection.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// No connection became free within `limits.queue_timeout`.
    #[error("no server connection became free within {0:?}")]
    Queue(Duration, Limit),
    /// Opening a connection failed.
    #[error("{0}")]
    Connect(#[from] ConnectError),
}

/// A connection with its place in the pool.
pub type Leased<S> = (Box<Connection<S>>, Seat<S>);

/// Every shelf of a pool.
type Shelves<S> = HashMap<PoolKey, Rc<Shelf<S>>, RandomState>;

/// See the module.
pub struct Pool<R: Runtime> {
    runtime: R,
    shelves: RefCell<Shelves<R::Stream>>,
    /// The sessions that wait for a connection, in order.
    waiting: Waiting,
    /// Counts parkings, which orders the parked connections by age.
    clock: Rc<Cell<u64>>,
    /// Seconds since the worker began; `set_second` updates it.
    second: Cell<u32>,
    ceilings: Arc<Ceilings>,
    /// See `leave_room`.
    server_limits: RefCell<HashMap<ServerId, usize>>,
    /// The accounts' current passwords.
    credentials: Rc<Credentials>,
    /// The accounts of the servers' tables.
    accounts: RefCell<Arc<Accounts>>,
    /// This worker's index, and the clients of all workers: each worker has a part of every limit.
    share: (usize, Arc<Loads>),
    buffers: Rc<BufferPool>,
    metrics: Arc<WorkerMetrics>,
}

impl<R: Runtime> Pool<R> {
    /// Returns an empty pool. `share`: the worker's index, and the clients of all workers.
    pub fn new(
        runtime: R,
        ceilings: Arc<Ceilings>,
        share: (usize, Arc<Loads>),
        buffers: Rc<BufferPool>,
        metrics: Arc<WorkerMetrics>,
    ) -> Self {
        Pool {
            runtime,
            shelves: RefCell::default(),
            waiting: Waiting::default(),
            clock: Rc::default(),
            second: Cell::new(0),
            ceilings,
            server_limits: RefCell::default(),
            credentials: Rc::default(),
            accounts: RefCell::default(),
            share,
            buffers,
            metrics,
        }
    }

    /// Returns the accounts' passwords. After changing them, call `credentials_changed`.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Takes a parked connection that is alive.
    async fn take_parked(
        &self,
        key: &PoolKey,
        session: &Applicant<'_>,
        steals: Steals,
        terms: &Terms,
    ) -> Option<Leased<R::Stream>> {
        let shelf = self.shelves.borrow().get(key).cloned()?;
        let begun = self.ceilings.renewals.of(key.server);
        while let Some((connection, seat)) = shelf.take(session.id, session.wish, steals, begun) {
            self.metrics.server_idle.sub(1);
            if let Some(mut connection) = self.take_over(connection, terms.connect).await {
                if connection.unexplained().is_some() && !self.clear(&mut connection, terms.connect).await {
                    seat.give_up();
                    continue;
                }
                connection.has_past = true;
                connection.counted_another = true;
                connection.is_taken_over = true;
                connection.stale_diagnostics = connection.left() != Left::Nothing;
                return Some((connection, seat));
            }
            seat.give_up();
        }
        None
    }

    /// Takes a parked read-only connection of this server for a session that writes there: a reset costs the
    /// server far less than a login. Steals only connections from before this generation, when the server was
    /// a replica: a session that reads from the primary now will reclaim its connection. Leaves some of them to
    /// `reads` that are to come, see [`Shelf::is_left_to_reads`].
    async fn take_turned(
        &self,
        key: &PoolKey,
        generation: u64,
        session: &Applicant<'_>,
        terms: &Terms,
        reads: usize,
    ) -> Option<Leased<R::Stream>> {
        if key.class.read_only {
            return None;
        }
        let readers = PoolKey { class: Class { read_only: true, ..key.class }, ..key.clone() };
        let steals = Steals::OlderThan(generation);
        let shelf = self.shelves.borrow().get(&readers).cloned()?;
        if shelf.is_left_to_reads(generation, reads) {
            return None;
        }
        while let Some((mut connection, old)) = self.take_parked(&readers, session, steals, terms).await {
            if !connection.about.resets {
                old.give_up();
                continue;
            }
            let seat = self.shelf(key).seat_open(session.id, connection.about.thread_id);
            old.give_up();
            connection.about.class = key.class;
            // The answer to the reset is swallowed before the answer to the session's statement.
            let mut out = self.buffers.small();
            out.replace_with(|out| connection.reset(out));
            // Its thread id is unchanged, but the reset cleared the row counts and warnings of its last
            // session.
            connection.has_past = true;
            connection.counted_another = true;
            let (sent, out) = connection.stream.write_all(out).await;
            self.buffers.give(out);
            if sent.is_ok() {
                shelf.count_turned(generation);
                return Some((connection, seat));
            }
        }
        None
    }

    /// Resets a connection with state that only its former session may see, and waits for the answers. Returns false if
    /// the connection is unusable.
    async fn clear(&self, connection: &mut Connection<R::Stream>, limit: Duration) -> bool {
        if !connection.about.resets {
            return false;
        }
        self.count_reset(connection);
        let mut out = self.buffers.small();
        out.replace_with(|out| {
            connection.reset_fully(out);
        });
        let cleared = async {
            let (sent, out) = connection.stream.write_all(out).await;
            self.buffers.give(out);
            sent.is_ok() && connection.settle().await.is_ok()
        };
        self.runtime.timeout(limit, cleared).await == Some(true)
    }

    fn count_reset(&self, connection: &Connection<R::Stream>) {
        self.metrics.resets(connection.unexplained()).add(1);
    }

    /// Prepares a parked connection for another session: waits for the expected answers, checks that the
    /// connection is alive, and passes its insert id to the session that parked it. None: the connection is
    /// unusable.
    async fn take_over(
        &self,
        mut connection: Box<Connection<R::Stream>>,
        limit: Duration,
    ) -> Option<Box<Connection<R::Stream>>> {
        let Some(pending) = connection.pending_insert_id.take() else {
            // Usually no answers are outstanding, or those to a reset have arrived.
            let settled = !connection.is_expecting()
                || matches!(self.runtime.timeout(limit, connection.settle()).await, Some(Ok(())));
            let is_alive = settled && self.is_alive(&mut connection);
            self.asks_first_if_old(&connection);
            return is_alive.then_some(connection);
        };
        // A separate task: the session that wants the connection may end meanwhile, and the former session
        // still needs its insert id.
        let (reply, answer) = oneshot::channel();
        let runtime = self.runtime.clone();
        self.runtime.spawn(async move {
            let known = learn_insert_id(&runtime, &mut connection, Some(pending), limit).await;
            // If the receiver is gone, the connection is closed here.
            let _ = reply.send(known.then_some(connection));
        });
        answer.await.ok().flatten()
    }

    /// Queries `LAST_INSERT_ID()` and stores the result in the connection and, through `pending`, in the
    /// session that waits for it. Returns false if the query failed.
    pub async fn learn_insert_id(
        &self,
        connection: &mut Connection<R::Stream>,
        pending: Option<PendingInsertId>,
        limit: Duration,
    ) -> bool {
        learn_insert_id(&self.runtime, connection, pending, limit).await
    }

    /// True if a parked connection seems alive, as far as that shows without a query.
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

    /// True if a new session may have this connection: its password is current, and the server's settings for
    /// new connections have not changed since it was opened.
    fn is_of_now(&self, connection: &Connection<R::Stream>, seat: &Seat<R::Stream>) -> bool {
        seat.standing() == Standing::Current && self.began_as_now(connection)
    }

    fn began_as_now(&self, connection: &Connection<R::Stream>) -> bool {
        connection.begun == self.ceilings.renewals.of(connection.about.server)
    }

    /// Handles a statement that changed what new connections to this server (None: to any server) begin with.
    /// Closes parked connections that no session claims. The other workers do so within a second, and until
    /// then give none of these connections to another session.
    pub fn renew(&self, server: Option<ServerId>) {
        self.ceilings.renewals.renew(server);
        self.retain(|_, _, _| true);
    }

    /// True if connections were renewed less than this long ago.
    pub fn renewed_within(&self, span: Duration) -> bool {
        self.ceilings.renewals.any_within(span)
    }

    /// Parks the connection after a statement if nothing pins it. The session keeps its claim, unless others
    /// wait for the connection or its place. `asked_for`: the session may still ask the connection about its
    /// last statement.
    #[inline]
    pub fn park(&self, mut connection: Box<Connection<R::Stream>>, seat: &Seat<R::Stream>, asked_for: bool) {
        let key = seat.key();
        let wanted = self.someone_waits(key);
        // No new session may have it. With an insert id that only it knows, it stays the session's, until `make_way` asks.
        let is_former = wanted && !self.is_of_now(&connection, seat);
        if seat.standing() == Standing::Removed
            || (is_former && connection.pending_insert_id.is_none())
            || (seat.checks() && self.is_one_too_many(&connection))
        {
            return self.vacate(connection, seat);
        }
        if !wanted && connection.pending_insert_id.is_none() && connection.claim() {
            // A session of another worker waits: only a closed connection frees a place for that worker.
            drop(connection);
            return seat.give_up();
        }
        connection.parked = self.second.get();
        // The place of a connection that no other session may use is freed by `make_way`, if somebody needs it.
        seat.park(connection, !wanted || is_former || key.session.is_some(), asked_for, self.second.get());
        self.metrics.server_idle.add(1);
        if wanted {
            self.wake_for(seat);
        }
    }

    /// Parks a connection without a claim. If it is not explained, it is reset before another session gets it.
    pub fn park_for_others(&self, mut connection: Box<Connection<R::Stream>>, seat: &Seat<R::Stream>) {
        if seat.key().session.is_some() {
            connection.quit_now();
            return self.vacate(connection, seat);
        }
        if !self.is_of_now(&connection, seat) || (!self.someone_waits(seat.key()) && connection.claim()) {
            self.vacate(connection, seat);
            return;
        }
        connection.parked = self.second.get();
        seat.park(connection, false, false, self.second.get());
        self.metrics.server_idle.add(1);
        self.wake_for(seat);
    }

    /// Returns the connection parked in this seat if no other session took it and it is alive.
    #[inline]
    pub fn reclaim(&self, seat: &Seat<R::Stream>) -> Option<Box<Connection<R::Stream>>> {
        let mut connection = seat.reclaim()?;
        self.metrics.server_idle.sub(1);
        if self.is_alive(&mut connection) {
            self.asks_first_if_old(&connection);
            return Some(connection);
        }
        if connection.pending_insert_id.is_some() {
            let thread = connection.about.thread_id;
            tracing::info!(
                thread,
                "a server closed an idle connection that alone knew its session's insert id"
            );
        }
        drop(connection);
        self.leave(seat);
        None
    }

    /// Closes a connection that broke or must not be used again, and frees its place. If only the connection knows its session's
    /// insert id, it is asked first, which takes a moment longer than its place is taken.
    pub fn vacate(&self, mut connection: Box<Connection<R::Stream>>, seat: &Seat<R::Stream>) {
        if let Some(pending) = connection.pending_insert_id.take() {
            let runtime = self.runtime.clone();
            self.runtime.spawn(async move {
                learn_insert_id(&runtime, &mut connection, Some(pending), LAST_QUESTION).await;
            });
        } else {
            drop(connection);
        }
        self.leave(seat);
    }

    /// Gives up the seat of a session that does not come back to it, whether or not its connection was taken.
    pub fn leave(&self, seat: &Seat<R::Stream>) {
        seat.give_up();
        self.wake_for(seat);
    }

    fn wake_for(&self, seat: &Seat<R::Stream>) {
        let key = seat.key();
        self.wake(key.server, &key.user);
    }

    /// Resets the connection of a session that has ended, and parks it for other sessions. Does not wait for the answer:
    /// the next session removes it. Also sets the state with which a session with this character set begins.
    pub async fn reset(
        &self,
        mut connection: Box<Connection<R::Stream>>,
        seat: &Seat<R::Stream>,
        collation: u16,
    ) {
        if seat.key().session.is_some() {
            return self.park_for_others(connection, seat);
        }
        if !connection.about.resets {
            // The next session must find what `init_connect` does at a login.
            connection.quit_now();
            return self.vacate(connection, seat);
        }
        if !self.is_of_now(&connection, seat) || (!self.someone_waits(seat.key()) && connection.claim()) {
            return self.vacate(connection, seat);
        }
        self.count_reset(&connection);
        let mut out = self.buffers.small();
        out.replace_with(|out| {
            connection.reset_fully(out);
            let first = Rc::new(Carried::new(connection.schema(), collation));
            connection.become_session(&first, None, out);
        });
        let taken = connection.stream.write_now(out.filled()).unwrap_or(0);
        let sent = taken == out.len() || {
            out.consume(taken);
            let writing = connection.stream.write_all(std::mem::take(&mut out));
            self.runtime.timeout(QUIT_PATIENCE, writing).await.is_some_and(|(sent, _)| sent.is_ok())
        };
        self.buffers.give(out);
        if sent {
            self.park_for_others(connection, seat);
        } else {
            self.vacate(connection, seat);
        }
    }

    /// Closes a connection that cannot be used again.
    pub async fn discard(&self, connection: Connection<R::Stream>) {
        // Does not wait for a server that does not read.
        let _ = self.runtime.timeout(QUIT_PATIENCE, connection.quit()).await;
    }

    /// Drops the parked connections that `keep` rejects, and those that no session claims or needs and that are too old for a new
    /// session (see `renew`). `keep` gets the connection, how long it has been parked, and whether a session
    /// claims it.
    pub fn retain(&self, mut keep: impl FnMut(&Connection<R::Stream>, Duration, bool) -> bool) {
        let now = self.second.get();
        self.shelves.borrow_mut().retain(|_, shelf| {
            let closed = shelf.retain(now, |c, seconds, claimed| {
                (claimed || c.is_awaited() || self.began_as_now(c))
                    && keep(c, Duration::from_secs(seconds.into()), claimed)
            });
            self.metrics.server_idle.sub(closed);
            shelf.open() > 0
        });
        self.waiting.wake_all();
    }

    fn retain_shelved(&self, keep: impl Fn(Standing, &Connection<R::Stream>, bool) -> bool) {
        let now = self.second.get();
        self.shelves.borrow_mut().retain(|_, shelf| {
            let standing = shelf.standing.get();
            let closed = shelf.retain(now, |c, _, claimed| keep(standing, c, claimed));
            self.metrics.server_idle.sub(closed);
            shelf.open() > 0
        });
        self.waiting.wake_all();
    }

    /// Returns this worker's part of a limit, see [`Loads::part_of`].
    pub fn part_of(&self, limit: usize) -> usize {
        let (index, loads) = &self.share;
        loads.part_of(limit, *index)
    }

    /// True if this worker has no clients, and others have some.
    pub fn is_left_alone(&self) -> bool {
        let (index, loads) = &self.share;
        loads.of(*index) == 0 && loads.total() > 0
    }

    /// Estimates the connections to this server of the whole process: this worker has the same part of them as of the
    /// clients.
    pub fn connections_to(&self, server: ServerId) -> usize {
        let shelves = self.shelves.borrow();
        let here: usize = shelves.iter().filter(|(k, _)| k.server == server).map(|(_, s)| s.open()).sum();
        let (index, loads) = &self.share;
        here.saturating_mul(loads.total().div_ceil(loads.of(*index).max(1)).max(1))
    }

    /// Counts the connections of each shelf.
    pub fn counts(&self) -> Vec<PoolCount> {
        let count = |(key, shelf): (&PoolKey, &Rc<Shelf<R::Stream>>)| PoolCount {
            server: key.server,
            user: key.user.clone(),
            connections: shelf.open(),
            idle: shelf.parked(),
        };
        self.shelves.borrow().iter().map(count).filter(|count| count.connections > 0).collect()
    }

    /// Closes parked connections that have prepared statements, because the server has too many of them.
    /// Keeps those whose insert id is still needed.
    pub fn shed_statements(&self, server: ServerId) {
        self.retain(|c, _, _| {
            c.about.server != server || c.statements.is_empty() || c.pending_insert_id.is_some()
        });
    }

    /// Sets the time, in seconds since the worker began.
    pub fn set_second(&self, second: u32) {
        self.second.set(second);
    }

    /// Returns the session whose connection to this server (None: to any server) has this thread id.
    pub fn owner_of(&self, server: Option<ServerId>, thread_id: u32) -> Option<u32> {
        let shelves = self.shelves.borrow();
        let mut of_server = shelves.iter().filter(|(k, _)| server.is_none_or(|server| k.server == server));
        of_server.find_map(|(_, shelf)| shelf.owner_of(thread_id))
    }
}

/// The class of the proxy's own connections.
pub fn own_class() -> Class {
    Class { capabilities: Capabilities::MULTI_STATEMENTS | Capabilities::MULTI_RESULTS, read_only: false }
}
