//! A question of the proxy's own to a server that does not let the probes in: a connection that is there answers it.

use std::time::Duration;

use tokio::sync::oneshot;

use super::{Pool, PoolKey};
use crate::backend::{Connection, ResultSet};
use crate::net::Runtime;
use crate::topology::ServerId;

/// A question to one server.
#[derive(Debug)]
pub struct PooledQuestion {
    /// The server.
    pub server: ServerId,
    /// The statement, which any account may run.
    pub text: String,
    /// Gets the answer. Dropped if no connection is idle, or the server does not answer.
    pub reply: oneshot::Sender<Vec<ResultSet>>,
}

impl<R: Runtime> Pool<R> {
    /// Runs a query on the connection to this server that has been idle longest. It is reset first, since its session's character
    /// set and limits hold there. None: no connection is idle, or there is no answer within `limit`.
    pub async fn ask(&self, server: ServerId, text: &str, limit: Duration) -> Option<Vec<ResultSet>> {
        let may_reset = |connection: &Connection<R::Stream>| connection.about.resets;
        // A connection that only its session may use could not be given to others behind the reset.
        let of = |key: &PoolKey| key.server == server && key.session.is_none();
        let (parked, seat) = self.take_oldest(of, may_reset)?;
        self.metrics.server_idle.sub(1);
        let mut connection = self.take_over(parked, limit).await?;
        if !self.clear(&mut connection, limit).await {
            return None;
        }
        let answer = self.runtime.timeout(limit, connection.query(text)).await?.ok()?;
        self.park_for_others(connection, &seat);
        Some(answer)
    }
}
