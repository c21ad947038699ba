use std::sync::Arc;

use tokio::time::Instant;

use super::*;
use crate::telemetry::{Figures, Waits};
use crate::terms::{Role, StatementKind, Why};

fn figures(micros: u64) -> Figures {
    Figures {
        began: Instant::now(),
        trace: None,
        micros,
        waits: Waits::default(),
        pins: 0,
        repeated: 0,
        disruptions: 0,
        placed: Some((Role::Replica, Why::PlainRead)),
        error: None,
        rows_sent: 1,
        rows_affected: 0,
        bytes_in: 10,
        bytes_out: 100,
    }
}

/// Shows a statement of `app` on db-1, and returns how often it was dropped.
fn offer(taps: &Taps, figures: &Figures) -> u32 {
    let (user, server) = (Arc::from("app"), Arc::from("db-1"));
    let mut dropped = 0;
    let seen = ExecutedStatement {
        session: 7,
        client: Some("10.0.0.7:51234".parse().unwrap()),
        user: &user,
        schema: b"shop",
        digest: (42, "SELECT ?"),
        text: None,
        kind: Some(StatementKind::Read),
        server: Some(&server),
        level: 1,
        figures,
    };
    taps.offer(&seen, |_| dropped += 1);
    dropped
}

/// Returns how many of three statements a filter admits: a read, a slow read, and a failed one that no server executed.
fn admitted(filter: Filter) -> usize {
    let taps = Taps::default();
    taps.open(1, filter);
    offer(&taps, &figures(100));
    offer(&taps, &figures(5_000));
    offer(&taps, &Figures { placed: None, error: Some(1040), ..figures(100) });
    taps.take(1).unwrap().events.len()
}

#[test]
fn a_filter_admits_what_meets_all_its_conditions() {
    let all = Filter::default;
    assert_eq!(admitted(all()), 3);
    assert_eq!(admitted(Filter { user: Some("app".into()), schema: Some("shop".into()), ..all() }), 3);
    assert_eq!(admitted(Filter { user: Some("other".into()), ..all() }), 0);
    assert_eq!(admitted(Filter { schema: Some("".into()), ..all() }), 0);
    assert_eq!(admitted(Filter { digest: Some(42), ..all() }), 3);
    assert_eq!(admitted(Filter { digest: Some(43), ..all() }), 0);
    assert_eq!(admitted(Filter { role: Some(Role::Replica), why: Some(Why::PlainRead), ..all() }), 2);
    assert_eq!(admitted(Filter { role: Some(Role::Primary), ..all() }), 0);
    assert_eq!(admitted(Filter { why: Some(Why::Port), ..all() }), 0);
    assert_eq!(admitted(Filter { error: Some(Errors::Any), ..all() }), 1);
    assert_eq!(admitted(Filter { error: Some(Errors::Code(1040)), ..all() }), 1);
    assert_eq!(admitted(Filter { error: Some(Errors::Code(1041)), ..all() }), 0);
    assert_eq!(admitted(Filter { least_us: [0, 5_000, 0, 0], ..all() }), 1, "of the statement's level");
    assert_eq!(admitted(Filter { least_us: [0, u64::MAX, 0, 0], ..all() }), 0);
    assert_eq!(admitted(Filter { server: Some("db-1".into()), ..all() }), 3);
    assert_eq!(admitted(Filter { server: Some("db-2".into()), ..all() }), 0);
    assert_eq!(admitted(Filter { sample: 3, ..all() }), 1);
    assert_eq!(admitted(Filter { sample: 0, ..all() }), 3);
}

#[test]
fn nobody_wants_what_is_below_every_readers_time() {
    let taps = Taps::default();
    assert!(!taps.may_want(u64::MAX - 1) && !taps.is_watched());
    taps.open(SLOW, Filter { least_us: [900, 1_000, 2_000, u64::MAX], ..Filter::default() });
    assert!(taps.may_want(900) && !taps.may_want(899) && taps.is_watched());
    taps.open(1, Filter::default());
    assert!(taps.may_want(0));
    taps.close(1);
    assert!(!taps.may_want(899));
    taps.close(SLOW);
    assert!(!taps.is_watched() && taps.take(SLOW).is_none());
}

#[test]
fn what_finds_no_place_is_counted_and_the_next_batch_begins_anew() {
    let taps = Taps::default();
    taps.open(1, Filter::default());
    taps.open(2, Filter { error: Some(Errors::Any), ..Filter::default() });
    let dropped: u32 = (0..10_000).map(|_| offer(&taps, &figures(1))).sum();
    let batch = taps.take(1).unwrap();
    assert_eq!(batch.events.len() as u64 + batch.dropped, 10_000);
    assert_eq!(batch.dropped, u64::from(dropped));
    let bytes: usize = batch.events.iter().map(Event::bytes).sum();
    assert!(dropped > 0 && bytes < (1 << 20) + 4096, "{bytes} bytes");
    assert!(taps.take(2).unwrap().is_empty(), "each reader has its own store");
    assert!(taps.take(1).unwrap().is_empty());
    assert_eq!(offer(&taps, &figures(1)), 0);
    let event = taps.take(1).unwrap().events.pop().unwrap();
    assert_eq!((&*event.user, &*event.schema, &*event.digest_text), ("app", "shop", "SELECT ?"));
    assert_eq!((event.digest, event.session, event.figures.rows_sent), (42, 7, 1));
}

#[test]
fn times_are_written_as_rfc_has_them() {
    // date -u -d @951782400
    assert_eq!(rfc_time(951_782_400_000_001), "2000-02-29T00:00:00.000001Z");
    assert_eq!(rfc_time(0), "1970-01-01T00:00:00.000000Z");
    // date -u -d @4107542399
    assert_eq!(rfc_time(4_107_542_399_999_999), "2100-02-28T23:59:59.999999Z");
    assert_eq!(rfc_time(4_107_542_400_000_000), "2100-03-01T00:00:00.000000Z");
    assert_eq!(rfc_time(1_767_225_599_000_000), "2025-12-31T23:59:59.000000Z");
}
