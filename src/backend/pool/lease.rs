//! Leasing a connection: the order in which sessions are served, and whether a session takes a parked
//! connection, opens one, steals one or waits. Also what the workers tell each other about a limit that they
//! share.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::waiting::Waiter;
use super::{Applicant, Leased, Limit, Pool, PoolKey, TakeError, Terms};
use crate::backend::accounts::Accounts;
use crate::backend::shelf::{STALLED, Steals};
use crate::backend::{ConnectError, Connection, Full, Login, Target, WaitingMark, connect};
use crate::net::{Runtime, turn_time};
use crate::telemetry::Counted;
use crate::terms::Handshake;
use crate::topology::{Server, ServerId};

/// A waiting session looks again after this time in any case: a server that refuses by a limit of its own
/// does not announce when there is room.
const PAUSE: Duration = Duration::from_millis(50);

/// Removes the waiter from the queue when dropped, also if its wait was cancelled, and wakes the next one.
struct Queued<'a, R: Runtime>(&'a Pool<R>, Rc<Waiter>);

impl<R: Runtime> Drop for Queued<'_, R> {
    fn drop(&mut self) {
        self.0.waiting.leave(&self.1);
        self.0.wake(self.1.server, &self.1.user);
    }
}

/// One request for a connection.
struct ConnectionWish<'a> {
    key: &'a PoolKey,
    server: &'a Server,
    /// The generation of the snapshot that the server was chosen from.
    generation: u64,
    login: &'a Login,
    session: &'a Applicant<'a>,
    terms: &'a Terms,
    deadline: Instant,
}

/// Why no connection was opened.
struct NotOpened {
    limit: Limit,
    /// True if the server refused it, although this process has just closed one: there may be a place in a moment.
    soon: bool,
    /// How the server refused it.
    refused: Option<ConnectError>,
}

/// The result of one look.
enum LeaseLook<S: crate::net::Stream> {
    /// A connection for the session.
    Leased(Leased<S>),
    /// Look again at once: a place became free.
    Again,
    /// This limit is reached. `entitled`: this worker has used less than its share, so other workers have
    /// more than theirs.
    Wait { limit: Limit, entitled: bool },
}

impl<R: Runtime> Pool<R> {
    /// Notes the accounts of the servers' tables, for connections that are opened from now on.
    pub fn know_accounts(&self, accounts: Arc<Accounts>) {
        self.accounts.replace(accounts);
    }

    /// True if the server limits the statements of this account, as the tables say.
    fn limits_time(&self, user: &str) -> bool {
        matches!(&**self.accounts.borrow(), Accounts::Known(table) if table.limits_time(user))
    }

    /// Leases a connection for a session, by the first of these that succeeds: a parked connection that no
    /// session claims; a read-only one from when the server was a replica; a new one, if the limits permit
    /// and few are being opened; stealing the connection that was parked longest ago; waiting in the queue. A
    /// passing session steals as soon as a connection is being opened. The server comes with the generation of the snapshot
    /// that it was chosen from.
    pub async fn lease(
        &self,
        key: &PoolKey,
        (server, generation): (&Server, u64),
        login: &Login,
        session: &Applicant<'_>,
        terms: &Terms,
    ) -> Result<Leased<R::Stream>, TakeError> {
        let ask = ConnectionWish {
            key,
            server,
            generation,
            login,
            session,
            terms,
            deadline: turn_time() + terms.queue,
        };
        let mut queued: Option<Queued<'_, R>> = None;
        let mut reached = Limit::Server;
        let mut mark = LeaseMark::default();
        // True if no connection was parked here during a whole pause: sessions hold all that this worker has.
        let mut stuck = false;
        loop {
            let first = match &queued {
                Some(Queued(_, me)) => self.is_first(me),
                None => !self.someone_is_before(key, session.passing),
            };
            let mut wanted = None;
            if first {
                match self.look(&ask, &mut queued).await? {
                    LeaseLook::Leased((connection, seat)) => {
                        if session.passing && key.session.is_none() {
                            seat.set_passing();
                        }
                        return Ok((connection, seat));
                    }
                    LeaseLook::Again => continue,
                    LeaseLook::Wait { limit, entitled } => {
                        reached = limit;
                        // Another worker cannot speed up an open.
                        wanted = (limit != Limit::Opening && (entitled || stuck)).then_some(limit);
                    }
                }
            }
            let Queued(_, me) = queued.get_or_insert_with(|| self.queue(key, session.passing, false));
            if first {
                let let_others_open = me.lets_others_open();
                me.limit.set(reached);
                if me.lets_others_open() && !let_others_open {
                    // The wake-up may have been for a free place, which a session further back can use.
                    self.wake_who_stays(key.server, &key.user);
                }
            }
            mark.show(self, key, wanted);
            let waiting = Counted::on(&self.metrics.waiting_for_connection);
            let pause = ask.deadline.saturating_duration_since(turn_time()).min(PAUSE);
            let woken = self.runtime.timeout(pause, mark.or_freed(me.wake.notified())).await;
            drop(waiting);
            stuck = first && woken.is_none();
            if woken.is_none() && Instant::now() >= ask.deadline {
                return Err(TakeError::Queue(terms.queue, reached));
            }
        }
    }

    /// Tries each way once to get a connection for the first session in the queue.
    async fn look<'a>(
        &'a self,
        ask: &ConnectionWish<'_>,
        queued: &mut Option<Queued<'a, R>>,
    ) -> Result<LeaseLook<R::Stream>, TakeError> {
        let ConnectionWish { key, generation, session, terms, .. } = *ask;
        if let Some(leased) = self.take_parked(key, session, Steals::Nothing, terms).await {
            return Ok(LeaseLook::Leased(leased));
        }
        let reads = if session.passing { 0 } else { terms.reads_to_come };
        if let Some(leased) = self.take_turned(key, generation, session, terms, reads).await {
            return Ok(LeaseLook::Leased(leased));
        }
        if session.passing
            && self.shelf(key).is_opening()
            && let Some(leased) = self.take_parked(key, session, Steals::Explained, terms).await
        {
            self.metrics.steals.add(1);
            return Ok(LeaseLook::Leased(leased));
        }
        let quota = self.room(key, terms);
        let (mut reached, mut soon, mut refused) = (quota.err(), false, None);
        // A passing session lets others open first, but only for so long.
        let began = ask.deadline.checked_sub(terms.queue);
        let passing = session.passing && began.is_none_or(|began| began.elapsed() < STALLED);
        if reached.is_none() && !self.shelf(key).may_open(passing) {
            reached = Some(Limit::Opening);
        }
        if reached.is_none() {
            // Boxed: opening is rare, and its future is large, which each session in line would carry.
            match Box::pin(self.open(ask, queued)).await? {
                Ok(leased) => return Ok(LeaseLook::Leased(leased)),
                Err(not) => (reached, soon, refused) = (Some(not.limit), not.soon, not.refused),
            }
        }
        // A session keeps its connection with state that nobody saw while there is room for another.
        let steals = if reached == Some(Limit::Opening) { Steals::Explained } else { Steals::Anything };
        if let Some(leased) = self.take_parked(key, session, steals, terms).await {
            self.metrics.steals.add(1);
            return Ok(LeaseLook::Leased(leased));
        }
        // No connection can be opened in place of those that were left to reads.
        if reads > 0
            && quota.is_err()
            && let Some(leased) = self.take_turned(key, generation, session, terms, 0).await
        {
            return Ok(LeaseLook::Leased(leased));
        }
        let limit = reached.unwrap_or(Limit::Server);
        if soon || limit == Limit::Opening {
            return Ok(LeaseLook::Wait { limit, entitled: false });
        }
        // A parked connection may have been dead: its place is free now.
        let place_left = quota.is_err() && self.room(key, terms).is_ok();
        let of_user = matches!(limit, Limit::User | Limit::Account).then_some(&*key.user);
        if place_left || self.make_way(key.server, of_user, terms.connect).await {
            return Ok(LeaseLook::Again);
        }
        // Nothing is there to wait for. Another replica, or the primary, may have room.
        if let Some(error) = refused.filter(|_| key.class.read_only && self.open_to(key.server) == 0) {
            return Err(error.into());
        }
        // Other workers may not use all of their share.
        if quota.is_err() {
            match Box::pin(self.open(ask, queued)).await? {
                Ok(leased) => return Ok(LeaseLook::Leased(leased)),
                Err(NotOpened { limit, soon, .. }) if soon || limit == Limit::Account => {
                    return Ok(LeaseLook::Wait { limit, entitled: false });
                }
                Err(_) => {}
            }
        }
        Ok(LeaseLook::Wait { limit, entitled: quota.is_ok() })
    }

    /// Opens a connection, unless a limit of the process or of the server is reached. Meanwhile others in the
    /// queue may look for parked connections.
    async fn open<'a>(
        &'a self,
        ask: &ConnectionWish<'_>,
        queued: &mut Option<Queued<'a, R>>,
    ) -> Result<Result<Leased<R::Stream>, NotOpened>, TakeError> {
        let ConnectionWish { key, server, generation, terms, .. } = *ask;
        // Takes the place before the first await, so that sessions that ask meanwhile see it taken.
        let seat = self.shelf(key).seat(ask.session.id);
        let most = self.server_limit(key.server, terms);
        let acquire = self.ceilings.acquire(key.server, most, &key.user, terms.user_limit);
        let permit = match acquire.await {
            Ok(permit) => permit,
            Err(limit) => return Ok(Err(NotOpened { limit, soon: false, refused: None })),
        };
        let waited = queued.take().is_some();
        self.metrics.server_connects.add(1);
        let begun = self.ceilings.renewals.of(key.server);
        ask.session.opening.set(Some(Instant::now()));
        // `Target` counts references that all workers share, so it is made only for a connection that is opened.
        let target = Target::new(server, generation);
        let opened = connect(&self.runtime, &target, ask.login, key.class, &ask.session.introduction);
        let refused = match self.runtime.timeout(terms.connect, opened).await {
            Some(Ok((mut connection, _))) => {
                if let Some(tls) = connection.encrypted.as_deref() {
                    self.count_handshake(if tls.resumed { Handshake::Resumed } else { Handshake::Full });
                    if let Some(proof) = tls.proof {
                        self.metrics.certificate_proofs[proof].add(1);
                    }
                }
                connection.begun = begun;
                let idle = server.facts.as_ref().and_then(|facts| facts.wait_timeout);
                connection.idle_limit =
                    idle.map_or(u16::MAX, |limit| limit.as_secs().try_into().unwrap_or(u16::MAX));
                // A reset of MariaDB forgets the account's MAX_STATEMENT_TIME.
                let limits_time = self.limits_time(&key.user);
                connection.about.resets &= !limits_time;
                connection.about.has_defaults &= !limits_time;
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
        let Some((full, limit)) = Self::full(&refused).filter(|_| Instant::now() < ask.deadline) else {
            return Err(refused.into());
        };
        let soon = !permit.server_refused(full);
        if waited {
            *queued = Some(self.queue(key, ask.session.passing, true));
        }
        Ok(Err(NotOpened { limit, soon, refused: Some(refused) }))
    }

    /// Returns how many connections this worker has to a server.
    fn open_to(&self, server: ServerId) -> usize {
        let shelves = self.shelves.borrow();
        shelves.iter().filter(|(key, _)| key.server == server).map(|(_, shelf)| shelf.open()).sum()
    }

    /// Returns whose connections the server has too many of, if that is why it refuses another one.
    fn full(refused: &ConnectError) -> Option<(Full, Limit)> {
        let ConnectError::Refused(error) = refused else { return None };
        Full::of(error.code).map(|full| match full {
            Full::Server => (full, Limit::Full),
            Full::Account => (full, Limit::Account),
        })
    }

    fn count_handshake(&self, result: Handshake) {
        self.metrics.server_handshakes[result].add(1);
    }

    /// Joins the queue at its end, or at its head if `again`.
    fn queue(&self, key: &PoolKey, passing: bool, again: bool) -> Queued<'_, R> {
        if !again {
            self.metrics.pool_waits.add(1);
        }
        Queued(self, self.waiting.join(key.server, key.user.clone(), passing, again))
    }

    fn is_first(&self, me: &Rc<Waiter>) -> bool {
        let first = self.waiting.first(me.server, &me.user, |w| me.passing || !w.lets_others_open());
        first.is_some_and(|w| Rc::ptr_eq(&w, me))
    }

    /// True if another session must be served before a session of this user that asks now.
    fn someone_is_before(&self, key: &PoolKey, passing: bool) -> bool {
        self.waiting.first(key.server, &key.user, |w| passing || !w.lets_others_open()).is_some()
    }

    /// True if a waiting session could use this connection or its place.
    #[inline]
    pub(super) fn someone_waits(&self, key: &PoolKey) -> bool {
        !self.waiting.is_empty() && self.waiting.first(key.server, &key.user, |_| true).is_some()
    }

    /// Wakes the first session that waits for a connection of this user or for its place, after one was
    /// parked or closed.
    #[inline]
    pub(super) fn wake(&self, server: ServerId, user: &str) {
        let Some(first) = self.waiting.first(server, user, |_| true) else { return };
        first.wake.notify_one();
        // A session that waits for others to open may be unable to use the place: wakes the next one too.
        if first.lets_others_open() {
            self.wake_who_stays(server, user);
        }
    }

    fn wake_who_stays(&self, server: ServerId, user: &str) {
        if let Some(stays) = self.waiting.first(server, user, |w| !w.lets_others_open()) {
            stays.wake.notify_one();
        }
    }

    fn room(&self, key: &PoolKey, terms: &Terms) -> Result<(), Limit> {
        let shelves = self.shelves.borrow();
        let open = |of_user: bool| -> usize {
            let wanted = |k: &PoolKey| k.server == key.server && (!of_user || k.user == key.user);
            shelves.iter().filter(|(k, _)| wanted(k)).map(|(_, shelf)| shelf.open()).sum()
        };
        if terms.user_limit.is_some_and(|limit| open(true) >= self.part_of(limit)) {
            return Err(Limit::User);
        }
        if open(false) >= self.part_of(self.server_limit(key.server, terms)) {
            Err(Limit::Server)
        } else {
            Ok(())
        }
    }

    /// Takes the connection that has been parked longest of those with a key that `of` admits, if it satisfies `wanted`.
    pub(super) fn take_oldest(
        &self,
        of: impl Fn(&PoolKey) -> bool,
        wanted: impl FnOnce(&Connection<R::Stream>) -> bool,
    ) -> Option<Leased<R::Stream>> {
        let oldest = {
            let shelves = self.shelves.borrow();
            let admitted = shelves.iter().filter(|(key, _)| of(key));
            let aged = admitted.filter_map(|(_, shelf)| shelf.oldest().map(|age| (age, shelf.clone())));
            aged.min_by_key(|(age, _)| *age).map(|(_, shelf)| shelf)
        };
        oldest.and_then(|shelf| shelf.take_oldest(wanted))
    }

    /// Closes the connection to this server, of this account or (None) of any, that has been parked longest.
    pub(super) async fn make_way(&self, server: ServerId, of_user: Option<&str>, connect: Duration) -> bool {
        let of = |key: &PoolKey| key.server == server && of_user.is_none_or(|user| *key.user == *user);
        let Some((connection, seat)) = self.take_oldest(of, |_| true) else { return false };
        self.metrics.server_idle.sub(1);
        if connection.pending_insert_id.is_some() {
            drop(self.take_over(connection, connect).await);
        } else {
            drop(connection);
        }
        seat.give_up();
        true
    }
}

/// What a waiting session announces to the other workers.
#[derive(Default)]
struct LeaseMark(Option<(Limit, WaitingMark)>);

impl LeaseMark {
    /// Announces that a place at this limit is wanted, or withdraws the announcement.
    fn show<R: Runtime>(&mut self, pool: &Pool<R>, key: &PoolKey, wanted: Option<Limit>) {
        if wanted != self.0.as_ref().map(|(shown, _)| *shown) {
            self.0 = wanted.and_then(|limit| {
                let user = (!matches!(limit, Limit::Server | Limit::Full)).then_some(&key.user);
                Some((limit, pool.ceilings.mark_waiting(key.server, user)?))
            });
        }
    }

    /// Waits until `woken` is ready or another worker frees a place.
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
