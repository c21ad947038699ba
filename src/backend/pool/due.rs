//! What a pool does once a second. Looks only at the shelves, and at the connections that are due.

use std::collections::HashMap;
use std::time::Duration;

use super::{Pool, Terms};
use crate::backend::{Connection, Standing};
use crate::net::Runtime;
use crate::topology::ServerId;

impl<R: Runtime> Pool<R> {
    /// Has the next statement wait for an answer of the server if the server may have closed the connection for its age: a
    /// statement that is sent at that moment would be in doubt.
    pub(super) fn asks_first_if_old(&self, connection: &Connection<R::Stream>) {
        if connection.may_time_out(self.second.get()) {
            connection.unsure.set(true);
        }
    }

    /// Has this process's connections to each server be at most these; see [`Ceilings::leave_room`](crate::backend::Ceilings::leave_room).
    pub fn leave_room(&self, limits: HashMap<ServerId, usize>) {
        self.ceilings.leave_room(|server| limits.get(&server).copied());
        self.server_limits.replace(limits);
    }

    /// Returns how many connections this process may have to the server now. A session may have waited since its terms were
    /// made, and the server may bear more, or less, by now.
    pub(super) fn server_limit(&self, server: ServerId, terms: &Terms) -> usize {
        self.server_limits.borrow().get(&server).copied().unwrap_or(terms.server_limit)
    }

    /// True if the connection should be closed now that nothing pins it: more are open than a limit allows, or its server has
    /// left the address.
    #[cold]
    pub(super) fn is_one_too_many(&self, connection: &Connection<R::Stream>) -> bool {
        let least = self.ceilings.renewals.least(connection.about.server);
        connection.pending_insert_id.is_none() && (connection.begun < least || connection.pays())
    }

    /// Closes parked connections whose password is no longer valid: all connections of a removed account, and
    /// those of a former password that no session claims or needs.
    pub fn credentials_changed(&self) {
        for (key, shelf) in self.shelves.borrow().iter() {
            shelf.standing.set(self.credentials.standing(&key.user, key.credential));
        }
        self.retain_shelved(|standing, connection, claimed| match standing {
            Standing::Current => true,
            Standing::Former => claimed || connection.is_awaited(),
            Standing::Removed => false,
        });
    }

    /// Closes the parked connections that are idle for as long as `idle_limit` says for their server, those without
    /// a claim that are too old for a new session (see `renew`), and those whose places sessions of other workers
    /// wait for. Keeps connections with a pending insert id, unless they are too old, without a claim, and their session is over.
    pub fn close_due(&self, idle_limit: impl Fn(ServerId) -> Duration) {
        let now = self.second.get();
        self.shelves.borrow_mut().retain(|key, shelf| {
            let begun = self.ceilings.renewals.of(key.server);
            let least = self.ceilings.renewals.least(key.server);
            shelf.checks.set(least > 0 || self.ceilings.is_over(key.server, &key.user));
            let limit = idle_limit(key.server);
            let closed = if shelf.all_began_at(begun) && !shelf.is_wanted() {
                shelf.close_idle(now, limit, |c| c.pending_insert_id.is_none())
            } else {
                shelf.set_begun(begun);
                shelf.retain(now, |c, seconds, claimed| {
                    let is_idle = Duration::from_secs(seconds.into()) >= limit;
                    // A connection that was parked while another session waited has no claim. After a renewal, the session that
                    // waited may not have it any more, and the session that parked it still needs the insert id.
                    let may_stay = c.begun == begun
                        || c.is_awaited()
                        || (claimed && (c.begun >= least || c.pending_insert_id.is_some()));
                    may_stay && (c.pending_insert_id.is_some() || (!is_idle && !c.claim() && !c.pays()))
                })
            };
            self.metrics.server_idle.sub(closed);
            shelf.open() > 0
        });
        self.waiting.wake_all();
    }

    /// Closes the parked connections that satisfy `leaves` and whose sessions still need an insert id from them: these are asked first.
    /// Returns how many there were.
    pub fn leave_awaited(&self, leaves: impl Fn(&Connection<R::Stream>) -> bool) -> u64 {
        let shelves: Vec<_> = self.shelves.borrow().values().cloned().collect();
        let mut left = 0;
        for shelf in shelves {
            for (connection, seat) in
                shelf.take_all(|connection| connection.is_awaited() && leaves(connection))
            {
                self.metrics.server_idle.sub(1);
                left += 1;
                self.vacate(connection, &seat);
            }
        }
        left
    }

    /// Closes connections that sessions of other workers wait for and whose insert id must be queried first.
    /// `limit` bounds each query.
    pub async fn give_way(&self, limit: Duration) {
        let shelves: Vec<_> = self.shelves.borrow().values().cloned().collect();
        for shelf in shelves.into_iter().filter(|shelf| shelf.is_wanted()) {
            while let Some((mut connection, seat)) =
                shelf.take_where(|c| c.pending_insert_id.is_some() && c.claim())
            {
                self.metrics.server_idle.sub(1);
                let pending = connection.pending_insert_id.take();
                self.learn_insert_id(&mut connection, pending, limit).await;
                drop(connection);
                seat.give_up();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;
    use std::sync::Arc;

    use super::*;
    use crate::backend::shelf::tests::{Kind, connection, key};
    use crate::backend::{Ceilings, InsertId, InsertIdCell, Loads, Seat};
    use crate::config::{Secret, User};
    use crate::net::BufferPool;
    use crate::net::memory::{MemoryRuntime, MemoryStream};
    use crate::telemetry::WorkerMetrics;

    struct World {
        pool: Pool<MemoryRuntime>,
        ceilings: Arc<Ceilings>,
        metrics: Arc<WorkerMetrics>,
    }

    impl World {
        fn new() -> Self {
            let ceilings = Arc::<Ceilings>::default();
            let metrics = Arc::<WorkerMetrics>::default();
            let buffers = Rc::<BufferPool>::default();
            let pool = Pool::new(
                MemoryRuntime::default(),
                ceilings.clone(),
                (0, Arc::new(Loads::new(2, 1))),
                buffers,
                metrics.clone(),
            );
            World { pool, ceilings, metrics }
        }

        /// Parks a connection that is opened now.
        async fn park(&self, pending: bool) -> Seat<MemoryStream> {
            self.park_with(pending, u16::MAX).await
        }

        /// The same with how long the server leaves a connection idle, in seconds.
        async fn park_with(&self, pending: bool, idle_limit: u16) -> Seat<MemoryStream> {
            let key = key();
            let permit = self.ceilings.acquire(key.server, 9, &key.user, None).await.unwrap();
            let kind = Kind { begun: self.ceilings.renewals.of(key.server), ..Kind::default() };
            let mut connection = connection(kind, 7);
            connection.hold(permit, &self.metrics);
            connection.idle_limit = idle_limit;
            connection.pending_insert_id = pending.then(|| InsertIdCell::default().link());
            let shelf = self.pool.shelf(&key);
            shelf.standing.set(Standing::Current);
            let seat = shelf.seat_open(1, 7);
            self.pool.park(connection, &seat, false);
            seat
        }

        /// Returns how many connections are left after the check of this second, for a limit of 10 seconds.
        fn left_at(&self, second: u32) -> usize {
            self.pool.set_second(second);
            self.pool.close_due(|_| Duration::from_secs(10));
            let left = self.pool.counts().iter().map(|count| count.idle).sum();
            assert_eq!(self.metrics.server_idle.get(), left as u64);
            left
        }
    }

    /// A session may wait for minutes, and its terms are of when it began.
    #[tokio::test]
    async fn a_session_that_waits_follows_what_the_server_bears() {
        let World { pool, ceilings, .. } = World::new();
        let key = key();
        let terms = Terms {
            server_limit: 1,
            user_limit: None,
            queue: Duration::ZERO,
            connect: Duration::from_secs(1),
            reads_to_come: Default::default(),
        };
        let _first = pool.place(&key, 1, &terms).await.unwrap();
        assert!(pool.place(&key, 2, &terms).await.is_err());
        pool.leave_room(HashMap::from([(key.server, 3)]));
        let _second = pool.place(&key, 2, &terms).await.unwrap();
        assert!(!ceilings.is_over(key.server, &key.user));
        pool.leave_room(HashMap::from([(key.server, 1)]));
        assert!(ceilings.is_over(key.server, &key.user));
        pool.leave_room(HashMap::from([(key.server, 2)]));
        assert!(!ceilings.is_over(key.server, &key.user), "the account has no limit of its own");
        assert!(pool.place(&key, 3, &Terms { server_limit: 9, ..terms }).await.is_err());
    }

    #[tokio::test]
    async fn a_connection_that_the_server_may_have_closed_for_its_age_is_asked_first() {
        for (limit, age) in [(u16::MAX, None), (3, Some(1)), (100, Some(74)), (1, Some(0))] {
            for second in 0..80 {
                let world = World::new();
                world.pool.set_second(20);
                let seat = world.park_with(false, limit).await;
                world.pool.set_second(20 + second);
                // The other end of its stream is gone, so the pool itself would not give it.
                let connection = seat.reclaim().unwrap();
                world.pool.asks_first_if_old(&connection);
                let asked = age.is_some_and(|age| second >= age);
                assert_eq!(connection.unsure.get(), asked, "{second} s of {limit} s");
            }
        }
    }

    #[tokio::test]
    async fn an_idle_connection_is_closed_unless_its_insert_id_is_needed() {
        let world = World::new();
        let first = world.park(false).await;
        let _pending = world.park(true).await;
        assert_eq!(world.left_at(4), 2);
        let _later = world.park(false).await;
        assert_eq!((world.left_at(9), world.left_at(10), world.left_at(13)), (3, 2, 2));
        assert!(first.reclaim().is_none());
        assert_eq!((world.left_at(14), world.left_at(99)), (1, 1));
    }

    #[tokio::test]
    async fn after_a_renewal_the_unclaimed_are_closed_whenever_they_lose_their_claim() {
        let world = World::new();
        let (first, second, _third) =
            (world.park(false).await, world.park(true).await, world.park(false).await);
        first.give_up();
        assert_eq!(world.left_at(1), 3);
        world.ceilings.renewals.renew(None);
        assert_eq!((world.left_at(2), world.left_at(3)), (2, 2));
        second.give_up();
        let fresh = world.park(false).await;
        fresh.give_up();
        assert_eq!((world.left_at(4), world.left_at(5)), (2, 2));
    }

    #[tokio::test]
    async fn after_a_renewal_an_insert_id_that_a_session_needs_is_kept_also_without_a_claim() {
        let world = World::new();
        let seat = world.park(true).await;
        let mut connection = seat.reclaim().unwrap();
        let session = InsertIdCell::default();
        session.set(InsertId::OnConnection);
        connection.pending_insert_id = Some(session.link());
        // As if another session had waited for it.
        seat.park(connection, false, false, 0);
        world.pool.renew(None);
        assert_eq!((world.left_at(2), world.left_at(3)), (1, 1));
        // Nor does a new password of the account end it.
        let app = key().user;
        let accounts = [(app.clone(), User::new(app, Some(Secret::new("new"))))];
        world.pool.credentials().update(&accounts.into_iter().collect());
        world.pool.credentials_changed();
        assert_eq!((world.left_at(4), session.get()), (1, InsertId::OnConnection));
    }

    #[tokio::test]
    async fn one_connection_is_closed_for_each_session_that_waits_elsewhere() {
        let world = World::new();
        let mut seats = Vec::new();
        for pending in [true, false, false, false] {
            seats.push(world.park(pending).await);
        }
        assert_eq!(world.left_at(1), 4);
        let user = key().user;
        let mark = world.ceilings.mark_waiting(ServerId(0), Some(&user));
        assert_eq!((world.left_at(2), world.left_at(3)), (3, 3));
        let other = world.ceilings.mark_waiting(ServerId(0), None);
        assert_eq!((world.left_at(4), world.left_at(5)), (2, 2));
        drop((mark, other));
        assert_eq!(world.left_at(6), 2);
    }
}
