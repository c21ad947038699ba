//! Where a statement goes: [`place`] says to the primary or to a replica, by the class of
//! the statement; [`route`] finds the server, by the snapshot and the load.

mod split;

pub use split::{PerRole, Role, SessionFacts, Why, place};

mod choose;

pub use choose::choose_replica;

use crate::topology::{ServerId, Snapshot};

/// What the port wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// The primary.
    Writer,
    /// A replica.
    Reader {
        /// Without any, the primary, read-only (`replicas.fallback`).
        or_writer: bool,
    },
}

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// To this server.
    Go {
        /// Which one.
        server: ServerId,
        /// Why.
        reason: Reason,
    },
    /// Nowhere yet: there is no primary.
    WaitForWriter,
    /// Nowhere: no replica serves reads, and the primary must not stand in.
    NoReplica,
}

/// Why a statement goes where it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The port is for the primary.
    PrimaryPort,
    /// The port is for replicas.
    ReplicaPort,
    /// The port is for replicas, but none serves reads.
    NoReplicaServes,
}

/// Decides. `random` is any number, `load` the statements or sessions on a server now; of two replicas
/// picked at random the less loaded one wins. `avoid` was tried just now in vain.
pub fn route(
    want: Want,
    snapshot: &Snapshot,
    random: u64,
    avoid: &[ServerId],
    load: impl Fn(ServerId) -> usize,
) -> Decision {
    let or_writer = match want {
        Want::Writer => return writer(snapshot, Reason::PrimaryPort),
        Want::Reader { or_writer } => or_writer,
    };
    let candidates = || snapshot.replicas().map(|s| s.id).filter(|id| !avoid.contains(id));
    let count = candidates().count() as u64;
    if count == 0 {
        let untried = snapshot.writer.is_none_or(|w| !avoid.contains(&w));
        return if or_writer && untried {
            writer(snapshot, Reason::NoReplicaServes)
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

fn writer(snapshot: &Snapshot, reason: Reason) -> Decision {
    match snapshot.writer {
        Some(server) => Decision::Go { server, reason },
        None => Decision::WaitForWriter,
    }
}

/// Whether a session may stay where it is. Replicas in `avoid` were tried just now in vain: as for `route`, they
/// do not count, so that what `route` chose from a snapshot may stay there.
pub fn may_stay(
    want: Want,
    snapshot: &Snapshot,
    server: ServerId,
    generation: u64,
    avoid: &[ServerId],
) -> bool {
    let is_writer = snapshot.writer == Some(server) && snapshot.generation == generation;
    match want {
        Want::Writer => is_writer,
        Want::Reader { or_writer } => {
            let serves = snapshot.server(server).is_some_and(|s| s.serves_reads);
            serves || (or_writer && is_writer && snapshot.replicas().all(|s| avoid.contains(&s.id)))
        }
    }
}

#[cfg(test)]
mod tests;
