//! Taking a connection: in which order sessions get what is there, may open, take over from
//! others, or wait; and what the workers tell each other about a limit that they share.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::{Applicant, Leased, Limit, Pool, PoolKey, TakeError, Terms, USER_LIMITS};
use crate::backend::shelf::{Claims, STALLED};
use crate::backend::{ConnectError, Login, Target, WaitingMark, connect};
use crate::net::Runtime;
use crate::telemetry::{Counted, Handshake, cell_of};
use crate::topology::ServerId;

/// Who waits looks again after this time, whatever happens: a server that refuses by a limit of its own does
/// not say when there is room.
const PAUSE: Duration = Duration::from_millis(50);

/// A session that waits.
#[derive(Debug)]
pub(super) struct Waiter {
    server: ServerId,
    user: Arc<str>,
    /// For what, when it looked last.
    limit: Cell<Limit>,
    /// See `Applicant`.
    passing: bool,
    pub(super) wake: Notify,
}

impl Waiter {
    /// Whether one of this user who came later must not be served before it: who waits for the limit of its
    /// account holds up nobody else's.
    fn is_before(&self, server: ServerId, user: &str) -> bool {
        self.server == server && (self.limit.get() == Limit::Server || *self.user == *user)
    }

    /// Whether it waits for what others open, while more may be opened for who stays.
    fn lets_others_open(&self) -> bool {
        self.passing && self.limit.get() == Limit::Opening
    }
}

/// Leaves the queue when dropped, also when the wait was given up, and lets the next one look.
struct Queued<'a, R: Runtime>(&'a Pool<R>, Rc<Waiter>);

impl<R: Runtime> Drop for Queued<'_, R> {
    fn drop(&mut self) {
        self.0.waiters.borrow_mut().retain(|w| !Rc::ptr_eq(w, &self.1));
        self.0.wake(self.1.server, &self.1.user);
    }
}

/// Who asks for what.
struct Ask<'a> {
    key: &'a PoolKey,
    target: &'a Target,
    login: &'a Login,
    session: &'a Applicant<'a>,
    terms: &'a Terms,
    deadline: Instant,
}

/// What one look came to.
enum Look<S: crate::net::Stream> {
    /// There is one.
    Leased(Leased<S>),
    /// Look again at once: a place became free.
    Again,
    /// This limit is reached. `entitled`: by others, who have more of it than their share.
    Wait { limit: Limit, entitled: bool },
}

impl<R: Runtime> Pool<R> {
    /// A connection for a session with this state: one that nobody claims, else one that only read while its server was
    /// a replica, else a new one while there is room and not many are being opened, else the one that its session left
    /// longest ago; else waits, in order. A session that only passes takes over what others left while one is being
    /// opened.
    pub async fn lease(
        &self,
        key: &PoolKey,
        target: &Target,
        login: &Login,
        session: &Applicant<'_>,
        terms: &Terms,
    ) -> Result<Leased<R::Stream>, TakeError> {
        let ask = Ask { key, target, login, session, terms, deadline: Instant::now() + terms.queue };
        let mut queued: Option<Queued<'_, R>> = None;
        let mut reached = Limit::Server;
        let mut mark = Mark::default();
        // Nothing was parked here during a whole pause: what this worker has is kept by its sessions.
        let mut stuck = false;
        loop {
            let first = match &queued {
                Some(Queued(_, me)) => self.is_first(me),
                None => !self.someone_is_before(key, session.passing),
            };
            let mut wanted = None;
            if first {
                match self.look(&ask, &mut queued).await? {
                    Look::Leased(leased) => return Ok(leased),
                    Look::Again => continue,
                    Look::Wait { limit, entitled } => {
                        reached = limit;
                        // No other worker can help to open one.
                        wanted = (limit != Limit::Opening && (entitled || stuck)).then_some(limit);
                    }
                }
            }
            let Queued(_, me) = queued.get_or_insert_with(|| self.queue(key, session.passing, false));
            if first {
                let let_others_open = me.lets_others_open();
                me.limit.set(reached);
                if me.lets_others_open() && !let_others_open {
                    // The wake may have been for a place.
                    self.wake_who_stays(key);
                }
            }
            mark.show(self, key, wanted);
            let waiting = Counted::on(&self.metrics.waiting_for_connection);
            let pause = ask.deadline.saturating_duration_since(Instant::now()).min(PAUSE);
            let woken = self.runtime.timeout(pause, mark.or_freed(me.wake.notified())).await;
            drop(waiting);
            stuck = first && woken.is_none();
            if woken.is_none() && Instant::now() >= ask.deadline {
                return Err(TakeError::Queue(terms.queue, reached));
            }
        }
    }

    /// What there is for the first in the queue.
    async fn look<'a>(
        &'a self,
        ask: &Ask<'_>,
        queued: &mut Option<Queued<'a, R>>,
    ) -> Result<Look<R::Stream>, TakeError> {
        let Ask { key, session, terms, .. } = *ask;
        if let Some(leased) = self.take_parked(key, session, Claims::Count, terms).await {
            return Ok(Look::Leased(leased));
        }
        if let Some(leased) = self.take_turned(key, ask.target.generation, session, terms).await {
            return Ok(Look::Leased(leased));
        }
        if session.passing
            && self.shelf(key).is_opening()
            && let Some(leased) = self.take_parked(key, session, Claims::None, terms).await
        {
            self.metrics.steals.add(1);
            return Ok(Look::Leased(leased));
        }
        let quota = self.room(key, terms);
        let mut reached = quota.err();
        // For ever it does not let others go first.
        let began = ask.deadline.checked_sub(terms.queue);
        let passing = session.passing && began.is_none_or(|began| began.elapsed() < STALLED);
        if reached.is_none() && !self.shelf(key).may_open(passing) {
            reached = Some(Limit::Opening);
        }
        if reached.is_none() {
            match self.open(ask, queued).await? {
                Ok(leased) => return Ok(Look::Leased(leased)),
                Err(limit) => reached = Some(limit),
            }
        }
        if let Some(leased) = self.take_parked(key, session, Claims::None, terms).await {
            self.metrics.steals.add(1);
            return Ok(Look::Leased(leased));
        }
        let limit = reached.unwrap_or(Limit::Server);
        if matches!(limit, Limit::Account | Limit::Opening) {
            return Ok(Look::Wait { limit, entitled: false });
        }
        // What waited there may have been dead, and left its place.
        let place_left = quota.is_err() && self.room(key, terms).is_ok();
        if place_left || self.make_way(key, limit, terms).await {
            return Ok(Look::Again);
        }
        // Other workers do not use all of theirs.
        if quota.is_err() {
            match self.open(ask, queued).await? {
                Ok(leased) => return Ok(Look::Leased(leased)),
                Err(Limit::Account) => return Ok(Look::Wait { limit: Limit::Account, entitled: false }),
                Err(_) => {}
            }
        }
        Ok(Look::Wait { limit, entitled: quota.is_ok() })
    }

    /// A new connection, unless a limit of the process or of the server is reached. While it is opened, others in
    /// the queue may look for what is parked meanwhile.
    async fn open<'a>(
        &'a self,
        ask: &Ask<'_>,
        queued: &mut Option<Queued<'a, R>>,
    ) -> Result<Result<Leased<R::Stream>, Limit>, TakeError> {
        let Ask { key, target, terms, .. } = *ask;
        // Its place is taken before the first await, so that others who come meanwhile see it.
        let seat = self.shelf(key).seat(ask.session.id);
        let acquire = self.ceilings.acquire(key.server, terms.server_limit, &key.user, terms.user_limit);
        let permit = match acquire.await {
            Ok(permit) => permit,
            Err(limit) => return Ok(Err(limit)),
        };
        let waited = queued.take().is_some();
        self.metrics.server_connects.add(1);
        let begun = self.ceilings.renewals.of(key.server);
        let opened = connect(&self.runtime, target, ask.login, key.class, ask.session.collation);
        let refused = match self.runtime.timeout(terms.connect, opened).await {
            Some(Ok((mut connection, _))) => {
                if let Some(tls) = connection.encrypted {
                    self.count_handshake(if tls.resumed { Handshake::Resumed } else { Handshake::Full });
                }
                connection.begun = begun;
                connection.hold(permit, &self.metrics);
                seat.opened(connection.about.thread_id);
                self.wake(key.server, &key.user);
                return Ok(Ok((Box::new(connection), seat)));
            }
            Some(Err(e)) => e,
            None => ConnectError::Timeout(terms.connect),
        };
        drop(seat);
        self.wake(key.server, &key.user);
        self.metrics.server_connect_errors.add(1);
        if matches!(refused, ConnectError::Tls { .. }) {
            self.count_handshake(Handshake::Failed);
        }
        match refused {
            ConnectError::Refused(e) if USER_LIMITS.contains(&e.code) && Instant::now() < ask.deadline => {
                permit.server_refused();
                if waited {
                    *queued = Some(self.queue(key, ask.session.passing, true));
                }
                Ok(Err(Limit::Account))
            }
            e => Err(e.into()),
        }
    }

    fn count_handshake(&self, result: Handshake) {
        cell_of(&self.metrics.server_handshakes, result as usize).add(1);
    }

    /// Joins the queue, at its end or, `again`, at its head.
    fn queue(&self, key: &PoolKey, passing: bool, again: bool) -> Queued<'_, R> {
        let (server, user) = (key.server, key.user.clone());
        // Until it has looked, this is what it is held up by for all that the others know.
        let limit = Cell::new(if passing { Limit::Opening } else { Limit::User });
        let waiter = Rc::new(Waiter { server, user, limit, passing, wake: Notify::new() });
        let mut waiters = self.waiters.borrow_mut();
        if again {
            waiters.push_front(waiter.clone());
        } else {
            self.metrics.pool_waits.add(1);
            waiters.push_back(waiter.clone());
        }
        Queued(self, waiter)
    }

    fn is_first(&self, me: &Rc<Waiter>) -> bool {
        let waiters = self.waiters.borrow();
        let mut before = waiters.iter().filter(|w| w.is_before(me.server, &me.user));
        before.find(|w| me.passing || !w.lets_others_open()).is_some_and(|w| Rc::ptr_eq(w, me))
    }

    /// Whether somebody must be served before one of this user who comes now.
    fn someone_is_before(&self, key: &PoolKey, passing: bool) -> bool {
        let waiters = self.waiters.borrow();
        let mut before = waiters.iter().filter(|w| w.is_before(key.server, &key.user));
        before.any(|w| passing || !w.lets_others_open())
    }

    /// Whether somebody waits who could use this connection or its place.
    #[inline]
    pub(super) fn someone_waits(&self, key: &PoolKey) -> bool {
        let waiters = self.waiters.borrow();
        !waiters.is_empty() && waiters.iter().any(|w| w.is_before(key.server, &key.user))
    }

    /// A connection of this user was parked or closed: the first who waits for it or its place looks.
    #[inline]
    pub(super) fn wake(&self, server: ServerId, user: &str) {
        let waiters = self.waiters.borrow();
        let mut waiting = waiters.iter().filter(|w| w.is_before(server, user));
        let Some(first) = waiting.next() else { return };
        first.wake.notify_one();
        // It may have no use for a place.
        if first.lets_others_open()
            && let Some(stays) = waiting.find(|w| !w.lets_others_open())
        {
            stays.wake.notify_one();
        }
    }

    fn wake_who_stays(&self, key: &PoolKey) {
        let waiters = self.waiters.borrow();
        let mut waiting = waiters.iter().filter(|w| w.is_before(key.server, &key.user));
        if let Some(stays) = waiting.find(|w| !w.lets_others_open()) {
            stays.wake.notify_one();
        }
    }

    /// This worker's share of a limit; never nothing. (Where that makes more than the limit in all, the ceilings
    /// that the workers share hold it.)
    fn quota(&self, limit: usize) -> usize {
        let (index, workers) = self.share;
        (limit / workers + usize::from(index < limit % workers)).max(1)
    }

    fn room(&self, key: &PoolKey, terms: &Terms) -> Result<(), Limit> {
        let shelves = self.shelves.borrow();
        let open = |of_user: bool| -> usize {
            let wanted = |k: &PoolKey| k.server == key.server && (!of_user || k.user == key.user);
            shelves.iter().filter(|(k, _)| wanted(k)).map(|(_, shelf)| shelf.open()).sum()
        };
        if terms.user_limit.is_some_and(|limit| open(true) >= self.quota(limit)) {
            return Err(Limit::User);
        }
        if open(false) >= self.quota(terms.server_limit) { Err(Limit::Server) } else { Ok(()) }
    }

    /// Drops the connection that waits longest among those whose place could be the one that is missing.
    async fn make_way(&self, key: &PoolKey, limit: Limit, terms: &Terms) -> bool {
        let oldest = {
            let shelves = self.shelves.borrow();
            let on_server = shelves
                .iter()
                .filter(|(k, _)| k.server == key.server && (limit != Limit::User || k.user == key.user));
            let aged = on_server.filter_map(|(_, shelf)| shelf.oldest().map(|age| (age, shelf.clone())));
            aged.min_by_key(|(age, _)| *age).map(|(_, shelf)| shelf)
        };
        let Some((connection, seat)) = oldest.and_then(|shelf| shelf.take_oldest()) else { return false };
        self.metrics.server_idle.sub(1);
        if connection.legacy.is_some() {
            drop(self.take_over(connection, terms.connect).await);
        } else {
            drop(connection);
        }
        seat.give_up();
        true
    }
}

/// What a session that waits shows the other workers.
#[derive(Default)]
struct Mark(Option<(Limit, WaitingMark)>);

impl Mark {
    /// Shows that a place at this limit is wanted, or nothing.
    fn show<R: Runtime>(&mut self, pool: &Pool<R>, key: &PoolKey, wanted: Option<Limit>) {
        if wanted != self.0.as_ref().map(|(shown, _)| *shown) {
            self.0 = wanted.and_then(|limit| {
                let user = (limit != Limit::Server).then_some(&key.user);
                Some((limit, pool.ceilings.mark_waiting(key.server, user)?))
            });
        }
    }

    /// Waits for this, or for a place that another worker gives back.
    async fn or_freed(&self, woken: impl Future<Output = ()>) {
        match &self.0 {
            Some((_, mark)) => tokio::select! {
                () = woken => {}
                () = mark.freed() => {}
            },
            None => woken.await,
        }
    }
}
