//! Replica clusters: all servers are read-only and replicate from a primary that is not among them (another
//! site's). Such a cluster has no primary, and that is not a fault.

use super::sources::replicates_from;
use super::types::*;

impl Snapshot {
    /// True if the servers are a replica cluster, whose reads can be served although there is no primary.
    pub fn is_replica_cluster(&self) -> bool {
        self.primary.is_none() && replicates_from_outside(|| self.servers.iter().map(AsRef::as_ref), self)
    }
}

/// True if every server that answers is read-only, and one of them replicates from a source that is not in
/// the list. A primary of `before` that has left the list does not count as a primary of another site.
pub(super) fn replicates_from_outside<'a, I: Iterator<Item = &'a Server>>(
    servers: impl Fn() -> I,
    before: &Snapshot,
) -> bool {
    let up = || servers().filter(|server| server.health == Health::Up);
    if up().any(|server| !server.is_up_read_only()) {
        return false;
    }
    let lost = before.history.iter().rev().find_map(|change| change.from.as_ref());
    let lost = before.primary().map(|primary| &primary.name).or(lost);
    let lost = lost.filter(|lost| servers().all(|server| server.name != **lost));
    up().filter(|server| server.replicates()).any(|server| {
        let Some(source) = server.replication().and_then(|replication| replication.source.as_ref()) else {
            return false;
        };
        let host = source.rsplit_once(':').map_or(&**source, |(host, _)| host);
        let of_lost = lost.is_some_and(|lost| host.split('.').next() == Some(&**lost))
            || before.last_primary_at.as_ref() == Some(source);
        !of_lost && !servers().any(|other| replicates_from(server, other))
    })
}
