//! What every worker follows, and what all of them share.

use std::sync::Arc;

use tokio::sync::watch;

use crate::backend::Ceilings;
use crate::backend::accounts::AccountReading;
use crate::config::Live;
use crate::net::{Driver, MemoryBudget, SystemRuntime};
use crate::sql::RoutineCatalogue;
use crate::topology::Snapshot;

/// See the module. Each worker has a clone.
#[derive(Clone)]
pub struct Feeds {
    /// The settings, which change on a reload.
    pub live: watch::Receiver<Arc<Live>>,
    /// The snapshots from discovery.
    pub snapshot: watch::Receiver<Arc<Snapshot>>,
    /// What the servers' stored routines do.
    pub routines: watch::Receiver<Arc<RoutineCatalogue>>,
    /// The servers' account tables.
    pub accounts: watch::Receiver<AccountReading>,
    /// The runtime that connects to servers.
    pub runtime: SystemRuntime,
    /// The limits on server connections.
    pub ceilings: Arc<Ceilings>,
    /// The limit on the memory that sessions may use.
    pub memory: Arc<MemoryBudget>,
    /// How the workers wait for their sockets.
    pub driver: Driver,
}
