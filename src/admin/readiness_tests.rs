//! How long the proxy stays ready without a primary.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::readiness::{Serving, readiness};
use super::tests::three;
use crate::config::{Fallback, Mode};
use crate::telemetry::Lifecycle;
use crate::topology::{Alarm, PrimaryChange, Snapshot};

const HOLD: Duration = Duration::from_secs(30);
const LOST_AT_MS: u64 = 1_000_000;

/// The primary was lost at `LOST_AT_MS`.
fn lost() -> Snapshot {
    let before = three();
    let change = PrimaryChange {
        at_ms: LOST_AT_MS,
        from: Some("db-0".into()),
        to: None,
        reason: "it does not answer".into(),
        generation: before.generation,
    };
    Snapshot {
        primary: None,
        last_primary: before.primary,
        alarm: Some(Alarm::NoCandidate),
        history: Arc::new(VecDeque::from([change])),
        ..before
    }
}

fn at(
    snapshot: &Snapshot,
    mode: Mode,
    fallback: Fallback,
    hold: Duration,
    later_ms: u64,
) -> Result<(), &'static str> {
    let serving = Serving { modes: &[mode], fallback, hold };
    readiness(Lifecycle::Listening, snapshot, serving, LOST_AT_MS + later_ms)
}

#[test]
fn a_lost_primary_is_awaited_as_long_as_statements_wait_for_it() {
    let lost = lost();
    for mode in [Mode::Primary, Mode::Split] {
        for later_ms in [0, 4_000, 29_999] {
            assert_eq!(at(&lost, mode, Fallback::Primary, HOLD, later_ms), Ok(()), "{mode:?} {later_ms}");
        }
        let over = at(&lost, mode, Fallback::Primary, HOLD, 30_000);
        assert_eq!(over, Err("no primary: no server that answers is fit to be it"), "{mode:?}");
        assert!(at(&lost, mode, Fallback::Primary, Duration::ZERO, 0).is_err(), "no statement waits");
    }
}

#[test]
fn a_read_only_port_awaits_the_primary_only_where_it_may_answer() {
    let alone = Snapshot { servers: Arc::new([]), ..lost() };
    assert_eq!(at(&alone, Mode::Replica, Fallback::Primary, HOLD, 5_000), Ok(()));
    assert_eq!(at(&alone, Mode::Replica, Fallback::None, HOLD, 5_000), Err("no replica serves reads"));
}

#[test]
fn who_has_never_seen_a_primary_is_not_ready() {
    let never = Snapshot { last_primary: None, ..lost() };
    assert!(at(&never, Mode::Split, Fallback::Primary, HOLD, 0).is_err());
    let no_history = Snapshot { history: Arc::default(), ..lost() };
    assert!(at(&no_history, Mode::Split, Fallback::Primary, HOLD, 0).is_err());
}

#[test]
fn a_clock_that_was_set_back_does_not_end_the_wait() {
    let lost = lost();
    let serving = Serving { modes: &[Mode::Split], fallback: Fallback::Primary, hold: HOLD };
    assert_eq!(readiness(Lifecycle::Listening, &lost, serving, LOST_AT_MS - 5_000), Ok(()));
}
