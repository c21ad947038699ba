//! Where a statement runs: [`place`] chooses the primary or a replica by the class of the statement;
//! [`route`] chooses the server by the snapshot and the load.

mod split;

pub use split::{InReading, SessionFacts, in_reading, place};

mod choose;

pub use choose::{choose_replica, is_worth_a_move};

mod explain;

pub use explain::Explanation;

use crate::topology::{ServerId, Snapshot};

/// The role that a port asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// The primary.
    Primary,
    /// A replica.
    Replica {
        /// True if the primary serves reads while no replica does, read-only (`replicas.fallback`).
        or_primary: bool,
    },
}

/// The server chosen, or why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Use this server.
    Go {
        /// The server.
        server: ServerId,
        /// The reason.
        reason: Reason,
    },
    /// There is no primary; wait for one.
    WaitForPrimary,
    /// No replica serves reads, and the primary may not stand in.
    NoReplica,
}

/// Why a server was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The port is for the primary.
    PrimaryPort,
    /// The port is for replicas.
    ReplicaPort,
    /// The port is for replicas, but none serves reads.
    NoReplicaServes,
}

/// Chooses a server. `random` is any number, `load` the current number of statements or sessions on a server:
/// of two replicas picked at random, the less loaded one is chosen. Servers in `avoid` have just failed and
/// are skipped.
pub fn route(
    want: Want,
    snapshot: &Snapshot,
    random: u64,
    avoid: &[ServerId],
    load: impl Fn(ServerId) -> usize,
) -> Decision {
    let or_primary = match want {
        Want::Primary => return primary(snapshot, Reason::PrimaryPort),
        Want::Replica { or_primary } => or_primary,
    };
    let candidates = || snapshot.replicas().map(|s| s.id).filter(|id| !avoid.contains(id));
    let count = candidates().count() as u64;
    if count == 0 {
        let untried = snapshot.primary.is_none_or(|w| !avoid.contains(&w));
        return if or_primary && untried {
            primary(snapshot, Reason::NoReplicaServes)
        } else {
            Decision::NoReplica
        };
    }
    let pick = |n: u64| candidates().nth(usize::try_from(n % count).unwrap_or(0));
    let (first, second) = (pick(random), pick(random.rotate_right(32)));
    let best = [first, second].into_iter().flatten().min_by_key(|id| load(*id));
    match best {
        Some(server) => Decision::Go { server, reason: Reason::ReplicaPort },
        None => Decision::NoReplica,
    }
}

fn primary(snapshot: &Snapshot, reason: Reason) -> Decision {
    match snapshot.primary {
        Some(server) => Decision::Go { server, reason },
        None => Decision::WaitForPrimary,
    }
}

/// True if a session may stay on this server. Replicas in `avoid` have just failed and do not count, as for
/// `route`: a server that `route` chose from a snapshot may stay chosen under that snapshot.
pub fn may_stay(
    want: Want,
    snapshot: &Snapshot,
    server: ServerId,
    generation: u64,
    avoid: &[ServerId],
) -> bool {
    let is_primary = snapshot.primary == Some(server) && snapshot.generation == generation;
    match want {
        Want::Primary => is_primary,
        Want::Replica { or_primary } => {
            let serves = snapshot.server(server).is_some_and(|s| s.serves_reads);
            serves || (or_primary && is_primary && snapshot.replicas().all(|s| avoid.contains(&s.id)))
        }
    }
}

#[cfg(test)]
mod tests;
