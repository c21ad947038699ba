//! A place in the pool's limits for a connection that only one session can use.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Leased, Limit, Pool, PoolKey, TakeError, Terms, own_class};
use crate::backend::{ConnectError, Connection, Full, Introduction, Login, Permit, Seat, Target, connect};
use crate::net::{Runtime, Stream};
use crate::terms::Handshake;
use crate::topology::ServerId;
use crate::wire::Greeting;

/// A session that waits for a place looks again after this time.
const PAUSE: Duration = Duration::from_millis(50);

/// The right to one connection, which is not open yet.
pub struct Place<S: Stream> {
    seat: Seat<S>,
    permit: Permit,
    begun: u64,
}

impl<R: Runtime> Pool<R> {
    /// Waits for a place for one more connection of this kind, for at most `limits.queue_timeout`. If there is none,
    /// closes the connection that has been parked longest.
    pub async fn place(
        &self,
        key: &PoolKey,
        session: u32,
        terms: &Terms,
    ) -> Result<Place<R::Stream>, TakeError> {
        let deadline = Instant::now() + terms.queue;
        let seat = self.shelf(key).seat(session);
        loop {
            let most = self.server_limit(key.server, terms);
            let acquire = self.ceilings.acquire(key.server, most, &key.user, terms.user_limit);
            match acquire.await {
                Ok(permit) => {
                    self.metrics.server_connects.add(1);
                    let begun = self.ceilings.renewals.of(key.server);
                    return Ok(Place { seat, permit, begun });
                }
                Err(limit) if Instant::now() >= deadline => return Err(TakeError::Queue(terms.queue, limit)),
                Err(limit) => {
                    let of_user = matches!(limit, Limit::User | Limit::Account).then_some(&*key.user);
                    if !self.make_way(key.server, of_user, terms.connect).await {
                        self.runtime.sleep(PAUSE).await;
                    }
                }
            }
        }
    }

    /// Gives a place back for which the server refused a connection with this code. Returns true, after a pause, if it is
    /// worth another try: the server was full, and there may be room now.
    pub async fn refused(&self, place: Place<R::Stream>, code: u16, terms: &Terms) -> bool {
        let Some(full) = Full::of(code) else { return false };
        let Place { seat, permit, .. } = place;
        let key = seat.key().clone();
        drop(seat);
        if permit.server_refused(full) {
            self.make_way_on_full(key.server, full, &key.user, terms.connect).await;
        }
        self.runtime.sleep(PAUSE).await;
        true
    }

    /// Opens a connection that does not count in the pool's limits. While the server is full, closes parked connections, and
    /// tries again until `limit` is over. None: it was over.
    pub async fn connect_outside(
        &self,
        target: &Target,
        login: &Login,
        introduction: &Introduction<'_>,
        limit: Duration,
    ) -> Option<Result<(Connection<R::Stream>, Greeting), ConnectError>> {
        let deadline = Instant::now() + limit;
        let mut was_full = None;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let opening = connect(&self.runtime, target, login, own_class(), introduction);
            let refused = match self.runtime.timeout(left, opening).await {
                Some(Err(ConnectError::Refused(error))) => error,
                Some(opened) => return Some(opened),
                None => return was_full.map(|error| Err(ConnectError::Refused(error))),
            };
            let Some(full) = Full::of(refused.code).filter(|_| Instant::now() + PAUSE < deadline) else {
                return Some(Err(ConnectError::Refused(refused)));
            };
            was_full = Some(refused);
            self.make_way_on_full(target.server, full, &login.user, left).await;
            self.runtime.sleep(PAUSE).await;
        }
    }

    async fn make_way_on_full(&self, server: ServerId, full: Full, user: &Arc<str>, connect: Duration) {
        let of_user = (full == Full::Account).then_some(user);
        if !self.make_way(server, of_user.map(|user| &**user), connect).await {
            // Another worker may have a connection to close.
            if let Some(mark) = self.ceilings.mark_waiting(server, of_user) {
                let _ = self.runtime.timeout(PAUSE, mark.freed()).await;
            }
        }
    }

    /// Gives the place to its connection, which is logged in.
    pub fn move_in(
        &self,
        place: Place<R::Stream>,
        mut connection: Connection<R::Stream>,
    ) -> Leased<R::Stream> {
        let Place { seat, permit, begun } = place;
        if let Some(tls) = connection.encrypted.as_deref() {
            let how = if tls.resumed { Handshake::Resumed } else { Handshake::Full };
            self.metrics.server_handshakes[how].add(1);
        }
        connection.begun = begun;
        connection.hold(permit, &self.metrics);
        seat.opened(connection.about.thread_id);
        (Box::new(connection), seat)
    }
}
