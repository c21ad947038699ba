//! Which servers may serve reads.

use std::time::Duration;

use super::types::*;

/// Up, read-only or a running replica, and within `max_lag`; never the writer.
///
/// A replica whose source died still serves, although it receives nothing and its lag is unknown:
/// otherwise the loss of the primary would take all replicas with it. But when there is a writer
/// and the replica has not received from anyone for `max_lag`, it is as old as that.
pub(super) fn serves(server: &Server, writer: Option<ServerId>, max_lag: Duration, now_ms: u64) -> bool {
    let Some(facts) = &server.facts else { return false };
    if server.health != Health::Up || server.deleting || writer == Some(server.id) {
        return false;
    }
    match &facts.replication {
        // Not a replica, or not allowed to know: what is read-only cannot have gone its own way.
        None => facts.is_read_only(),
        Some(replication) => {
            let fresh = match replication.lag {
                Some(lag) => lag <= max_lag,
                None => writer.is_none() || !stalled_longer_than(server, max_lag, now_ms),
            };
            replication.applying && fresh
        }
    }
}

fn stalled_longer_than(server: &Server, max_lag: Duration, now_ms: u64) -> bool {
    server
        .stalled_since_ms
        .is_some_and(|since| u128::from(now_ms.saturating_sub(since)) > max_lag.as_millis())
}
