//! The SQL console: tables about the proxy, ProxySQL's names for some of them, and actions, for any client of MySQL. It runs
//! on a thread of its own, never on a worker. Each query reads a snapshot that is taken when the query begins.

mod actions;
mod bounded;
mod engine;
mod functions;
mod link;
mod login;
mod outcome;
mod places;
mod port;
mod session;
mod sources;
mod statement;
mod tables;
#[cfg(test)]
mod tests;

pub use actions::{Done, Orders};
pub use port::serve;

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::admin::AdminState;
use crate::config::Live;

/// The databases. All tables are in the first one; the second one has ProxySQL's statistics, as it has in ProxySQL.
const SCHEMAS: [&str; 2] = ["main", "stats"];

/// What the console reads, and where it sends actions. Clones share the same data.
#[derive(Clone)]
pub struct Console {
    /// What the HTTP port reads, too.
    admin: AdminState,
    orders: Orders,
    /// The turn of a query: one runs at a time.
    turn: Arc<Semaphore>,
    /// The memory, in bytes, for answers that clients have not read yet.
    answers: Arc<Semaphore>,
}

impl Console {
    /// Makes the console of the proxy whose state is `admin`.
    pub fn new(admin: AdminState, orders: Orders) -> Self {
        let (turn, answers) = (Arc::new(Semaphore::new(1)), Arc::new(Semaphore::new(session::ANSWERS)));
        Console { admin, orders, turn, answers }
    }

    fn live(&self) -> Arc<Live> {
        self.admin.live()
    }
}

impl std::fmt::Debug for Console {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Console").finish_non_exhaustive()
    }
}
