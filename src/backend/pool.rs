//! One worker's pool. A connection comes back when its session ends, is reset at once
//! (so that nothing of the session lives on), and keeps the state of the session before,
//! since the next session of the same account most often begins alike.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Carried, Ceilings, Class, ConnectError, Connection, Login, Target, connect};
use crate::net::{BufferPool, Runtime, Stream};
use crate::telemetry::{Counted, WorkerMetrics};
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

/// Why the pool gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// A limit stayed reached for `limits.queue_timeout`.
    #[error("no server connection became free within {0:?}")]
    Queue(Duration),
    /// Opening one failed.
    #[error("{0}")]
    Connect(#[from] ConnectError),
}

#[derive(Debug)]
struct Idle<S> {
    connection: Connection<S>,
    since: Instant,
}

/// See the module.
pub struct Pool<R: Runtime> {
    runtime: R,
    idle: RefCell<HashMap<PoolKey, Vec<Idle<R::Stream>>>>,
    ceilings: Arc<Ceilings>,
    buffers: Rc<BufferPool>,
    metrics: Arc<WorkerMetrics>,
}

impl<R: Runtime> Pool<R> {
    /// An empty pool of one worker.
    pub fn new(
        runtime: R,
        ceilings: Arc<Ceilings>,
        buffers: Rc<BufferPool>,
        metrics: Arc<WorkerMetrics>,
    ) -> Self {
        Pool { runtime, idle: RefCell::default(), ceilings, buffers, metrics }
    }

    /// A pooled connection if one lives, else a new one, waiting for the limits in order.
    pub async fn take(
        &self,
        key: &PoolKey,
        target: &Target,
        login: &Login,
        wish: &Carried,
        collation: u16,
        terms: &Terms,
    ) -> Result<Connection<R::Stream>, TakeError> {
        let deadline = Instant::now() + terms.queue;
        loop {
            if let Some(mut connection) = self.take_idle(key, wish) {
                // Usually settled long ago.
                if !connection.is_expecting()
                    || matches!(self.runtime.timeout(terms.connect, connection.settle()).await, Some(Ok(())))
                {
                    return Ok(connection);
                }
                continue;
            }
            self.make_way(key);
            let acquire =
                self.ceilings.acquire(target.server, terms.server_limit, &key.user, terms.user_limit);
            let left = deadline.saturating_duration_since(Instant::now());
            let waiting = Counted::on(&self.metrics.waiting_for_connection);
            let permit = self.runtime.timeout(left, acquire).await;
            drop(waiting);
            let permit = permit.ok_or(TakeError::Queue(terms.queue))?;
            self.metrics.server_connects.add(1);
            let opened = connect(&self.runtime, target, login, key.class, collation);
            let refused = match self.runtime.timeout(terms.connect, opened).await {
                Some(Ok((mut connection, _))) => {
                    connection.hold(permit, &self.metrics);
                    return Ok(connection);
                }
                Some(Err(e)) => e,
                None => ConnectError::Timeout(terms.connect),
            };
            self.metrics.server_connect_errors.add(1);
            match refused {
                ConnectError::Refused(e) if USER_LIMITS.contains(&e.code) && Instant::now() < deadline => {
                    permit.server_refused();
                    // With nothing of ours open there, others fill the limit: ask again, but gently.
                    self.runtime.sleep(Duration::from_millis(50)).await;
                }
                e => return Err(e.into()),
            }
        }
    }

    fn take_idle(&self, key: &PoolKey, wish: &Carried) -> Option<Connection<R::Stream>> {
        let mut idle = self.idle.borrow_mut();
        let list = idle.get_mut(key)?;
        let mut spare = self.buffers.small();
        let mut found = None;
        // The youngest first: the rest can grow old and be closed.
        while let Some(at) = list.iter().rposition(|i| i.connection.can_become(wish)) {
            let mut candidate = list.swap_remove(at).connection;
            self.metrics.server_idle.sub(1);
            if candidate.is_alive(&mut spare) {
                found = Some(candidate);
                break;
            }
        }
        self.buffers.give(spare);
        found
    }

    /// Takes a session's connection back: it is reset in one write, and pooled unless others wait for
    /// its place. `fit` says that no answer is under way and nothing else speaks against it.
    pub async fn give(&self, mut connection: Connection<R::Stream>, next: &Carried, fit: bool) {
        if !fit {
            // Mid-answer even a COM_QUIT would not be understood.
            return;
        }
        if connection.is_wanted() {
            self.discard(connection).await;
            return;
        }
        let mut out = self.buffers.small();
        out.replace_with(|out| {
            connection.reset(out);
            let _ = connection.become_session(next, out);
        });
        let (result, out) = connection.stream.write_all(out).await;
        self.buffers.give(out);
        if result.is_err() {
            return;
        }
        self.keep(connection);
    }

    fn keep(&self, connection: Connection<R::Stream>) {
        let key = PoolKey {
            server: connection.about.server,
            user: connection.about.user.clone(),
            class: connection.about.class,
        };
        let idle = Idle { connection, since: Instant::now() };
        self.idle.borrow_mut().entry(key).or_default().push(idle);
        self.metrics.server_idle.add(1);
    }

    /// Takes back a connection that its session left as it found it: it need not be reset.
    pub fn give_unchanged(&self, mut connection: Connection<R::Stream>) {
        // Somebody who waits for its place has it by the drop.
        if !connection.is_wanted() {
            connection.has_past = true;
            self.keep(connection);
        }
    }

    /// Closes a connection that cannot be used again.
    pub async fn discard(&self, connection: Connection<R::Stream>) {
        // A server that does not read is not waited for.
        let _ = self.runtime.timeout(QUIT_PATIENCE, connection.quit()).await;
    }

    /// Drops idle connections that `keep` does not want; `keep` hears the connection and its idle time.
    pub fn retain(&self, mut keep: impl FnMut(&Connection<R::Stream>, Duration) -> bool) {
        let now = Instant::now();
        self.idle.borrow_mut().retain(|_, list| {
            let before = list.len();
            list.retain(|i| keep(&i.connection, now.saturating_duration_since(i.since)));
            let gone = (before - list.len()) as u64;
            self.metrics.server_idle.sub(gone);
            !list.is_empty()
        });
    }

    /// Whether somebody, in any worker, waits for a connection to this server.
    pub fn is_wanted(&self, server: ServerId) -> bool {
        self.ceilings.is_wanted(server)
    }

    /// Drops the oldest idle connection whose permit could be the one that is missing.
    fn make_way(&self, key: &PoolKey) {
        if !self.ceilings.is_full(key.server, &key.user) {
            return;
        }
        let mut idle = self.idle.borrow_mut();
        let oldest = idle
            .iter()
            .filter(|(k, list)| k.server == key.server && !list.is_empty())
            .min_by_key(|(k, list)| (k.user != key.user, list.first().map(|i| i.since)))
            .map(|(k, _)| k.clone());
        if let Some(list) = oldest.and_then(|k| idle.get_mut(&k)) {
            list.remove(0);
            self.metrics.server_idle.sub(1);
        }
    }
}

/// A class for the proxy's own connections.
pub fn own_class() -> Class {
    Class { capabilities: Capabilities::MULTI_STATEMENTS | Capabilities::MULTI_RESULTS, read_only: false }
}
