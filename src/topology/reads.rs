//! Which servers may serve reads.

use super::types::*;

/// Up, read-only, a running replica or a fit member of a group, within `max_lag`, and with a weight; never the writer.
///
/// A replica whose source died still serves, although it receives nothing: otherwise the loss of the
/// primary would take all replicas with it, and without a writer nothing is written that it could lack.
/// With a new one its position tells. Where positions do not tell, it is as old as the time that
/// there has been a writer from which it did not receive.
pub(super) fn serves(server: &Server, snapshot: &Snapshot) -> bool {
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
    let in_order = match &facts.replication {
        // Not a replica, or not allowed to know: what is read-only cannot have gone its own way.
        None => facts.is_read_only(),
        Some(replication) => replication.applying,
    };
    in_order && server.freshness != Freshness::Late
}
