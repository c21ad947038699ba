//! A place in the pool's limits for a connection that only one session can use.

use std::time::Duration;

use tokio::time::Instant;

use super::{Leased, Pool, PoolKey, TakeError, Terms};
use crate::backend::{Connection, Permit, Seat};
use crate::net::{Runtime, Stream};
use crate::telemetry::cell_of;
use crate::terms::Handshake;

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
            let acquire = self.ceilings.acquire(key.server, terms.server_limit, &key.user, terms.user_limit);
            match acquire.await {
                Ok(permit) => {
                    self.metrics.server_connects.add(1);
                    let begun = self.ceilings.renewals.of(key.server);
                    return Ok(Place { seat, permit, begun });
                }
                Err(limit) if Instant::now() >= deadline => return Err(TakeError::Queue(terms.queue, limit)),
                Err(limit) if self.make_way(key, limit, terms).await => {}
                Err(_) => self.runtime.sleep(PAUSE).await,
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
            cell_of(&self.metrics.server_handshakes, how as usize).add(1);
        }
        connection.begun = begun;
        connection.hold(permit, &self.metrics);
        seat.opened(connection.about.thread_id);
        (Box::new(connection), seat)
    }
}
