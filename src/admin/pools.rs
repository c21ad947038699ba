//! The server connections of all workers together.

use std::collections::BTreeMap;

use crate::backend::PoolCount;
use crate::topology::Snapshot;

/// How many connections to a server an account has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolReport {
    /// The server's name.
    pub server: String,
    /// The account.
    pub user: String,
    /// Open connections, in use or idle.
    pub connections: usize,
    /// Connections that are parked.
    pub idle: usize,
}

/// Adds up the counts of the workers.
pub(super) fn named(counts: &[PoolCount], snapshot: &Snapshot) -> Vec<PoolReport> {
    let mut sums: BTreeMap<(String, String), (usize, usize)> = BTreeMap::new();
    for count in counts {
        // The connections of a server that is gone are about to be closed.
        let Some(server) = snapshot.server(count.server) else { continue };
        let sum = sums.entry((server.name.to_string(), count.user.to_string())).or_default();
        *sum = (sum.0 + count.connections, sum.1 + count.idle);
    }
    let report = |((server, user), (connections, idle))| PoolReport { server, user, connections, idle };
    sums.into_iter().map(report).collect()
}
