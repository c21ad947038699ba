//! Whether the proxy is ready for clients. A pure function, so that every case can be tested.

use std::time::Duration;

use crate::config::{Fallback, Live, Mode};
use crate::telemetry::Lifecycle;
use crate::topology::{Alarm, Snapshot};

/// What decides what the proxy's ports can serve.
#[derive(Debug, Clone, Copy)]
pub struct Serving<'a> {
    /// The modes of the listeners.
    pub modes: &'a [Mode],
    /// Whether the primary answers where no replica does.
    pub fallback: Fallback,
    /// `failover.hold`: how long a statement waits for a primary.
    pub hold: Duration,
}

impl<'a> Serving<'a> {
    /// Reads what the configuration says now.
    pub fn of(modes: &'a [Mode], live: &Live) -> Self {
        Serving { modes, fallback: live.replicas.fallback, hold: live.failover.hold }
    }
}

/// Returns Ok, or why the proxy is not ready, in one line. A port that writes needs a primary; if all
/// ports only read, a server for reads is enough. A replica cluster never has a primary: with a port
/// that only reads, a server for reads is enough there, too.
///
/// A primary that was lost less than `hold` ago counts as there, since statements wait for the next one. All pods of the
/// proxy lose the primary at the same time, and a Service without a ready pod refuses connections, those for reads too. (A
/// pod that alone is cut off from the servers looks the same from inside, and stays in its Service for that time.)
///
/// `now_ms` is Unix time in milliseconds.
pub fn readiness(
    lifecycle: Lifecycle,
    snapshot: &Snapshot,
    serving: Serving<'_>,
    now_ms: u64,
) -> Result<(), &'static str> {
    match lifecycle {
        Lifecycle::Starting => return Err("starting: the ports are not open yet"),
        Lifecycle::Draining => return Err("draining: the process is ending"),
        Lifecycle::Listening => {}
    }
    if snapshot.maintenance.cordoned {
        return Err("cordoned: the cluster takes no new clients");
    }
    let primary = snapshot.primary().is_some() || is_awaited(snapshot, serving.hold, now_ms);
    let replica = snapshot.replicas().next().is_some();
    let modes = serving.modes;
    let reads_outside = modes.contains(&Mode::Replica) && snapshot.is_replica_cluster();
    let only_reads = modes.iter().all(|mode| *mode == Mode::Replica);
    match (only_reads, serving.fallback) {
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

/// True if the primary was lost less than `hold` ago.
fn is_awaited(snapshot: &Snapshot, hold: Duration, now_ms: u64) -> bool {
    let lost =
        snapshot.history.back().filter(|_| snapshot.primary.is_none() && snapshot.last_primary.is_some());
    lost.is_some_and(|lost| u128::from(now_ms.saturating_sub(lost.at_ms)) < hold.as_millis())
}
