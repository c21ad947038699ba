//! How far a server lags behind the primary, and whether it is fresh enough for reads.

use std::time::Duration;

use super::position_history::{Age, Until};
use super::types::*;

/// A late server serves reads again when its lag is at most this percentage of `replicas.max_lag`. The margin
/// is for hysteresis: a server that hovers about the limit would otherwise move its sessions with every
/// probe. With 10 s the margin is 2 s, 20 probes.
const BACK_PERCENT: u32 = 80;

/// A server's lag, and how it is known.
enum Behind {
    /// Measured by its position.
    Known(Duration),
    /// It lacks every position known of the primary. The lag is more than `max_lag`, or what the server
    /// reports, if that is possible.
    Lost(Option<Duration>),
    /// As the server reports it, since its position cannot be compared.
    Reported(Option<Duration>),
}

/// Sets `lag` and `freshness` of a server: after each of its probes, and when the primary or `max_lag`
/// changes.
pub(super) fn measure(server: &mut Server, snapshot: &Snapshot, until: Until, now_ms: u64) {
    let Some(facts) = server.facts.as_ref().filter(|_| server.health == Health::Up) else {
        // What it applies meanwhile is unknown.
        server.lag = None;
        return;
    };
    let max = snapshot.max_lag;
    let before = server.freshness;
    let within =
        |lag: Duration, back: bool| lag <= if back { max.saturating_mul(BACK_PERCENT) / 100 } else { max };
    let (lag, fresh, kind) = match behind(server, facts, snapshot, until) {
        Behind::Known(lag) => (Some(lag), within(lag, before != Freshness::Seen), Freshness::Seen),
        // A server that was fresh may only lack the first writes of a new primary; a server that is new here
        // is being restored.
        Behind::Lost(lag) => {
            (lag, before == Freshness::Seen && lag.is_none_or(|lag| within(lag, false)), Freshness::Seen)
        }
        Behind::Reported(Some(lag)) => {
            (Some(lag), within(lag, before == Freshness::Late), Freshness::Reported)
        }
        Behind::Reported(None) => (None, stalled_for(server, snapshot, now_ms) <= max, Freshness::Reported),
    };
    server.lag = lag;
    server.freshness = if fresh { kind } else { Freshness::Late };
}

fn behind(server: &Server, facts: &Facts, snapshot: &Snapshot, until: Until) -> Behind {
    let reported = facts.replication.as_ref().and_then(|r| r.lag);
    // Galera members each number their own writes, unless wsrep_gtid_mode is on.
    let comparable = facts.gtid_on
        && snapshot.primary != Some(server.id)
        && server.member.is_none_or(|member| member.group != Group::Galera);
    match snapshot.trail.age(&facts.gtid, until).filter(|_| comparable) {
        None => Behind::Reported(reported),
        Some(Age::Of(lag)) => Behind::Known(lag),
        Some(Age::Beyond(least)) if least > snapshot.max_lag => {
            Behind::Lost(Some(reported.map_or(least, |reported| reported.max(least))))
        }
        Some(Age::Beyond(least)) => Behind::Lost(reported.filter(|reported| *reported > least)),
    }
}

/// Returns how long a server has received nothing while there was a primary.
fn stalled_for(server: &Server, snapshot: &Snapshot, now_ms: u64) -> Duration {
    let written_since = snapshot.primary.and(snapshot.history.back()).map(|change| change.at_ms);
    match (server.stalled_since_ms, written_since) {
        (Some(stalled), Some(written)) => Duration::from_millis(now_ms.saturating_sub(stalled.max(written))),
        _ => Duration::ZERO,
    }
}
