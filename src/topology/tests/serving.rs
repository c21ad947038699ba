//! Who serves reads, and what makes a new snapshot.

use super::*;

#[test]
fn which_servers_serve_reads() {
    let second = Duration::from_secs(1);
    for (facts, serves, why) in [
        (replica_of("db-0"), true, "a replica in good order"),
        (writable_replica_of("db-0"), true, "read-only is not what makes a replica"),
        (read_only(), true, "read-only, and not a replica or not allowed to know"),
        (writable(), false, "it went its own way"),
        (with(replica_of("db-0"), |r| r.applying = false), false, "applies nothing"),
        (with(replica_of("db-0"), |r| r.lag = Some(second * 10)), true, "just within max_lag"),
        (with(replica_of("db-0"), |r| r.lag = Some(second * 11)), false, "too far behind"),
        (with(replica_of("db-0"), |r| r.lag = None), true, "lag unknown"),
        (with(replica_of("db-0"), |r| (r.lag, r.receiving) = (None, false)), true, "not receiving, for now"),
    ] {
        let mut s = Story::of(&["db-0", "db-1"]);
        s.says("db-0", writable()).says("db-1", read_only()).says("db-1", facts);
        assert_eq!(s.writer(), Some("db-0"));
        assert_eq!(s.replicas() == ["db-1"], serves, "{why}");
    }
}

#[test]
fn the_loss_of_the_primary_takes_no_replica_with_it() {
    let orphan = || with(replica_of("db-0"), |r| (r.lag, r.receiving) = (None, false));
    let mut s = Story::of(&["db-0", "db-1", "db-2"]);
    s.says("db-0", writable()).says("db-1", replica_of("db-0")).says("db-2", replica_of("db-0"));
    s.refuses("db-0");
    for _ in 0..60 {
        s.says("db-1", orphan()).says("db-2", orphan());
    }
    assert_eq!(s.replicas(), ["db-1", "db-2"], "two minutes later they are still all there is");
    // But with a new primary, one that follows nobody grows old.
    s.says("db-1", writable()).says("db-2", orphan());
    assert_eq!((s.writer(), s.replicas()), (Some("db-1"), vec!["db-2"]));
    s.now_ms += 10_000;
    assert!(s.says("db-2", orphan()).replicas().is_empty());
    s.says("db-2", replica_of("db-1"));
    assert_eq!(s.replicas(), ["db-2"]);
}

#[test]
fn a_down_replica_is_out_until_it_answers() {
    let mut s = Story::of(&["db-0", "db-1"]);
    s.says("db-0", writable()).says("db-1", replica_of("db-0")).silent("db-1").silent("db-1");
    assert_eq!(s.replicas(), ["db-1"]);
    s.silent("db-1");
    assert!(s.replicas().is_empty());
    s.says("db-1", replica_of("db-0"));
    assert_eq!(s.replicas(), ["db-1"]);
}

#[test]
fn a_reloaded_max_lag_counts_at_once() {
    let mut s = Story::of(&["db-0", "db-1"]);
    s.says("db-0", writable())
        .says("db-1", with(replica_of("db-0"), |r| r.lag = Some(Duration::from_secs(30))));
    assert!(s.replicas().is_empty());
    s.event(Event::MaxLag(Duration::from_secs(60)));
    assert_eq!(s.replicas(), ["db-1"]);
}

#[test]
fn noise_in_the_round_trip_makes_no_new_snapshot() {
    let took = |us| Facts { round_trip: Duration::from_micros(us), ..writable() };
    let mut s = Story::of(&["db-0"]);
    s.says("db-0", took(200));
    let version = s.snapshot.version;
    s.says("db-0", took(390)).says("db-0", took(101)).says("db-0", took(200));
    assert_eq!(s.snapshot.version, version);
    s.says("db-0", took(900));
    assert_eq!(s.snapshot.version, version + 1);
    assert_eq!(s.server("db-0").facts.as_ref().unwrap().round_trip, Duration::from_micros(900));
}

#[test]
fn servers_that_did_not_change_are_the_same_allocation() {
    let mut s = Story::of(&["db-0", "db-1"]);
    s.says("db-0", writable()).says("db-1", replica_of("db-0"));
    let before = s.snapshot.clone();
    s.says("db-1", Facts { gtid: "0-1-2".into(), ..replica_of("db-0") });
    let same = |i: usize| std::sync::Arc::ptr_eq(&before.servers[i], &s.snapshot.servers[i]);
    assert!(same(0) && !same(1));
}
