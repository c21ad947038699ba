//! Whether the proxy is ready for clients. A pure function, so that every case can be tested.

use crate::config::{Fallback, Mode};
use crate::telemetry::Lifecycle;
use crate::topology::{Alarm, Snapshot};

/// Returns Ok, or why the proxy is not ready, in one line. A port that writes needs a primary; if all
/// ports only read, a server for reads is enough. A replica cluster never has a primary: with a port
/// that only reads, a server for reads is enough there, too.
pub fn readiness(
    lifecycle: Lifecycle,
    snapshot: &Snapshot,
    modes: &[Mode],
    fallback: Fallback,
) -> Result<(), &'static str> {
    match lifecycle {
        Lifecycle::Starting => return Err("starting: the ports are not open yet"),
        Lifecycle::Draining => return Err("draining: the process is ending"),
        Lifecycle::Listening => {}
    }
    if snapshot.maintenance.cordoned {
        return Err("cordoned: the cluster takes no new clients");
    }
    let primary = snapshot.primary().is_some();
    let replica = snapshot.replicas().next().is_some();
    let reads_outside = modes.contains(&Mode::Replica) && snapshot.is_replica_cluster();
    let only_reads = modes.iter().all(|mode| *mode == Mode::Replica);
    match (only_reads, fallback) {
        (false, _) if primary => Ok(()),
        (false, _) if replica && snapshot.maintenance.read_only && snapshot.alarm.is_none() => Ok(()),
        (false, _) if replica && reads_outside => Ok(()),
        (false, _) => Err(match snapshot.alarm {
            Some(Alarm::SeveralCandidates) => "no primary: several servers are writable",
            Some(Alarm::NoCandidate) => "no primary: no server that answers is fit to be it",
            Some(Alarm::FormerPrimary) => "no primary: the only writable server is a former primary",
            None => "no primary is known",
        }),
        (true, _) if replica => Ok(()),
        (true, Fallback::Primary) if primary => Ok(()),
        (true, Fallback::Primary) => Err("no replica serves reads, and no primary is known"),
        (true, Fallback::None) => Err("no replica serves reads"),
    }
}
