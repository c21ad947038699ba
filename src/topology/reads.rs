//! Which servers may serve reads.

use std::time::Duration;

use super::types::*;

/// Up, read-only, a running replica or a fit member of a group, within `max_lag`, and with a weight; never the writer.
///
/// A replica whose source died still serves, although it receives nothing and its lag is unknown:
/// otherwise the loss of the primary would take all replicas with it, and without a writer nothing
/// is written that it could lack. But once there has been a writer for `max_lag` and the replica
/// did not receive from anyone in that time, it is as old as that.
pub(super) fn serves(server: &Server, snapshot: &Snapshot, now_ms: u64) -> bool {
    let Some(facts) = &server.facts else { return false };
    if server.health != Health::Up
        || server.deleting
        || server.weight == 0
        || snapshot.writer == Some(server.id)
        || server.member.is_some_and(|member| !member.fit)
    {
        return false;
    }
    if server.member.is_some_and(|member| member.group == Group::Galera) {
        // Writable and in order: it certifies every write before that is acknowledged.
        return true;
    }
    match &facts.replication {
        // Not a replica, or not allowed to know: what is read-only cannot have gone its own way.
        None => facts.is_read_only(),
        Some(replication) => {
            let fresh = match replication.lag {
                Some(lag) => lag <= snapshot.max_lag,
                None => stalled_for(server, snapshot, now_ms) <= snapshot.max_lag,
            };
            replication.applying && fresh
        }
    }
}

/// How long it has received nothing while there was something to receive.
fn stalled_for(server: &Server, snapshot: &Snapshot, now_ms: u64) -> Duration {
    let written_since = snapshot.writer.and(snapshot.history.back()).map(|change| change.at_ms);
    match (server.stalled_since_ms, written_since) {
        (Some(stalled), Some(written)) => Duration::from_millis(now_ms.saturating_sub(stalled.max(written))),
        _ => Duration::ZERO,
    }
}
