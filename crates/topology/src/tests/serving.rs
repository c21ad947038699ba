//! Which servers serve reads, and which events make a new snapshot.

use super::*;

#[test]
fn which_servers_serve_reads() {
    for (facts, serves, why) in [
        (replica_of("db-0"), true, "a replica in good order"),
        (writable_replica_of("db-0"), true, "read-only is not what makes a replica"),
        (read_only(), true, "read-only, and not a replica or not allowed to know"),
        (writable(), false, "it went its own way"),
        (with(replica_of("db-0"), |r| r.applying = false), false, "applies nothing"),
        (says_behind("db-0", 10), true, "just within max_lag"),
        (says_behind("db-0", 11), false, "too far behind"),
        (with(replica_of("db-0"), |r| r.lag = None), true, "lag unknown"),
        (with(replica_of("db-0"), |r| (r.lag, r.receiving) = (None, false)), true, "not receiving, for now"),
    ] {
        let mut s = Story::of(&["db-0", "db-1"]);
        s.says("db-0", writable()).says("db-1", read_only()).says("db-1", facts);
        assert_eq!(s.primary(), Some("db-0"));
        assert_eq!(s.replicas() == ["db-1"], serves, "{why}");
    }
}

#[test]
fn a_former_primary_with_writes_of_its_own_serves_once_it_replicates() {
    // A server's own writes are distinguished by the server id.
    let own = |sequence| Arc::new(GtidSet::applied_by_mariadb("", &format!("0-1-{sequence}"), 1).unwrap());
    for (beyond, serves) in [(50, true), (51, false)] {
        let mut s = Story::of(&["db-0", "db-1"]);
        s.says("db-0", Facts { gtid: gtid("0-1-50"), ..writable() });
        s.says("db-1", Facts { gtid: gtid("0-1-50"), ..replica_of("db-0") });
        s.refuses("db-0").says("db-1", Facts { gtid: gtid("0-1-50"), ..writable() });
        assert_eq!(s.primary(), Some("db-1"));
        let back = || Facts { gtid: own(beyond), ..read_only() };
        s.says("db-0", back()).says("db-1", Facts { gtid: gtid("0-1-50"), ..writable() });
        assert_eq!(s.replicas() == ["db-0"], serves, "{beyond}");
        s.says("db-0", Facts { gtid: gtid("0-1-50"), ..replica_of("db-1") });
        assert_eq!(s.replicas(), ["db-0"]);
    }
}

#[test]
fn the_loss_of_the_primary_takes_no_replica_with_it() {
    for gtid_on in [true, false] {
        the_primary_is_lost(gtid_on);
    }
}

fn the_primary_is_lost(gtid_on: bool) {
    let of = |facts| Facts { gtid_on, ..facts };
    let replica_of = |source| of(replica_of(source));
    let orphan = || with(replica_of("db-0"), |r| (r.lag, r.receiving) = (None, false));
    let mut s = Story::of(&["db-0", "db-1", "db-2"]);
    s.says("db-0", of(writable())).says("db-1", replica_of("db-0")).says("db-2", replica_of("db-0"));
    s.refuses("db-0");
    for _ in 0..60 {
        s.says("db-1", orphan()).says("db-2", orphan());
    }
    assert_eq!(s.replicas(), ["db-1", "db-2"], "two minutes later they are still all there is");
    // But under a new primary, a replica that follows nobody becomes too old.
    let written = || Facts { gtid: gtid("0-2-2"), ..of(writable()) };
    s.says("db-1", written()).says("db-2", orphan());
    assert_eq!((s.primary(), s.replicas()), (Some("db-1"), vec!["db-2"]));
    s.now_ms += 10_000;
    assert!(s.says("db-2", orphan()).replicas().is_empty());
    s.says("db-2", Facts { gtid: gtid("0-2-2"), ..replica_of("db-1") });
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
    s.says("db-0", writable()).says("db-1", says_behind("db-0", 30));
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
fn weights_and_zones_follow_the_configuration_and_zero_serves_nothing() {
    let list = |weight, zone: Option<&str>| {
        let mut list = discovered(&["db-0", "db-1"]);
        (list[1].weight, list[1].zone) = (weight, zone.map(Arc::from));
        Event::Servers(list)
    };
    let mut s = Story::of(&["db-0", "db-1"]);
    s.says("db-0", writable()).says("db-1", replica_of("db-0"));
    assert_eq!((s.server("db-1").weight, s.replicas().len()), (1, 1));
    let roles = s.snapshot.roles_version;
    s.event(list(0, Some("a")));
    assert_eq!((s.replicas().len(), s.server("db-1").zone.as_deref()), (0, Some("a")));
    s.event(list(5, Some("b")));
    assert_eq!((s.replicas(), s.snapshot.roles_version), (vec!["db-1"], roles + 2));
    s.says("db-1", Facts { identity: "another".into(), ..replica_of("db-0") });
    let replaced = s.server("db-1");
    assert_eq!((replaced.weight, replaced.zone.as_deref()), (5, Some("b")), "of the place, not of the data");
}

#[test]
fn a_drained_server_serves_no_reads_and_can_be_the_primary() {
    let order = |server: &str, drained| Event::DrainOrder { server: server.into(), drained };
    let drain_of = |s: &Story, name| s.snapshot.drain_of(s.server(name));
    let mut s = Story::of(&["db-0", "db-1", "db-2"]);
    s.says("db-0", writable()).says("db-1", replica_of("db-0")).says("db-2", replica_of("db-0"));
    let roles = s.snapshot.roles_version;
    s.event(order("db-1", true));
    assert_eq!((s.replicas(), s.snapshot.roles_version), (vec!["db-2"], roles + 1));
    assert_eq!((drain_of(&s, "db-1"), drain_of(&s, "db-2")), (Some(Drain::Order), None));
    let version = s.snapshot.version;
    s.event(order("db-1", true));
    assert_eq!(s.snapshot.version, version, "no news");

    // The order is about the name: a server that is gone for a while, or has other data, is still drained.
    s.configured(&["db-0", "db-2"]).configured(&["db-0", "db-1", "db-2"]);
    s.says("db-1", replica_of("db-0"));
    s.says("db-1", Facts { identity: "another".into(), ..replica_of("db-0") });
    assert_eq!((s.replicas(), drain_of(&s, "db-1")), (vec!["db-2"], Some(Drain::Order)));

    let mut list = discovered(&["db-0", "db-1", "db-2"]);
    list[1].drain = Some(Drain::Configuration);
    s.event(Event::Servers(list)).event(order("db-1", false));
    assert_eq!((s.replicas(), drain_of(&s, "db-1")), (vec!["db-2"], Some(Drain::Configuration)));
    s.says("db-1", Facts { identity: "a third".into(), ..replica_of("db-0") });
    assert_eq!(drain_of(&s, "db-1"), Some(Drain::Configuration), "of the place, not of the data");
    s.configured(&["db-0", "db-1", "db-2"]);
    assert_eq!((s.replicas().len(), drain_of(&s, "db-1")), (2, None));

    s.event(order("db-0", true));
    assert_eq!(s.primary(), Some("db-0"));
}

#[test]
fn what_moves_with_every_write_changes_no_roles() {
    let replica = |position, lag| {
        with(Facts { gtid: gtid(position), ..replica_of("db-0") }, |r| r.lag = Some(Duration::from_secs(lag)))
    };
    let mut s = Story::of(&["db-0", "db-1"]);
    s.says("db-0", writable()).says("db-1", replica("0-1-1", 0));
    let (version, roles) = (s.snapshot.version, s.snapshot.roles_version);
    s.says("db-0", Facts { gtid: gtid("0-1-2"), round_trip: Duration::from_secs(1), ..writable() });
    s.says("db-1", replica("0-1-1", 1)).silent("db-1").says("db-1", replica("0-1-2", 0));
    assert_eq!((s.snapshot.version, s.snapshot.roles_version), (version + 4, roles));

    // What such a change leads to does change roles.
    s.says("db-1", says_behind("db-0", 11));
    assert_eq!((s.replicas().len(), s.snapshot.roles_version), (0, roles + 1));
    s.says("db-0", read_only());
    assert_eq!((s.primary(), s.snapshot.roles_version), (None, roles + 2));
    s.configured(&["db-0"]);
    assert_eq!(s.snapshot.roles_version, roles + 3);
    s.configured(&["db-0"]).says("db-0", read_only());
    assert_eq!(s.snapshot.roles_version, roles + 3, "nothing new");
}

#[test]
fn servers_that_did_not_change_are_the_same_allocation() {
    let mut s = Story::of(&["db-0", "db-1"]);
    s.says("db-0", writable()).says("db-1", replica_of("db-0"));
    let before = s.snapshot.clone();
    s.says("db-1", Facts { gtid: gtid("0-1-2"), ..replica_of("db-0") });
    let same = |i: usize| std::sync::Arc::ptr_eq(&before.servers[i], &s.snapshot.servers[i]);
    assert!(same(0) && !same(1));
}

#[test]
fn who_cannot_get_to_what_a_new_primary_wrote() {
    let at = |text: &str, facts: Facts| Facts { gtid: gtid(text), ..facts };
    let of = |source: &str| at("0-1-5", replica_of(source));
    let torn = || with(of("db-1"), |r| r.receiving = false);
    let several = || with(torn(), |r| r.several = true);
    let former = || at("0-1-5", read_only());
    let untold = || Facts { tells_replication: false, ..former() };
    let mine = "0-2-6";
    for (db_0, db_2, wanted, out_of_reach, why) in [
        (former(), of("db-0"), mine, [true, true], "both are to follow yet"),
        (of("db-1"), of("db-0"), mine, [false, false], "the one by way of the other"),
        (of("db-2"), of("db-0"), mine, [true, true], "each follows the other"),
        (of("db-1"), torn(), mine, [false, true], "one of them receives nothing"),
        (of("db-1"), torn(), "0-1-6", [false, false], "what its predecessor wrote may have been received"),
        (at("0-2-6", read_only()), of("db-0"), mine, [false, true], "one of them is there"),
        (several(), of("db-0"), mine, [false, false], "from another source, perhaps"),
        (untold(), of("db-0"), mine, [false, false], "it may not say whom it follows"),
        (of("a-name-of-the-primary"), of("db-1"), mine, [false, false], "nobody knows this name"),
    ] {
        let mut s = Story::of(&["db-0", "db-1", "db-2"]);
        s.says("db-0", at("0-1-5", writable())).says("db-1", of("db-0")).says("db-2", of("db-0"));
        s.says("db-0", read_only()).says("db-1", Facts { identity: "2".into(), ..at("0-2-5", writable()) });
        s.says("db-0", db_0).says("db-2", db_2);
        assert_eq!(s.primary(), Some("db-1"));
        let is = |name| s.snapshot.is_out_of_reach(s.server(name), &gtid(wanted));
        assert_eq!([is("db-0"), is("db-2")], out_of_reach, "{why}");
        assert!(!is("db-1"), "{why}");
    }
}

#[test]
fn what_a_server_said_of_its_replication_before_it_was_lost() {
    let at = |text: &str, facts: Facts| Facts { gtid: gtid(text), ..facts };
    let torn = with(replica_of("db-1"), |r| r.receiving = false);
    for (db_0, out_of_reach) in [(torn, false), (read_only(), true)] {
        let mut s = Story::of(&["db-0", "db-1", "db-2"]);
        s.says("db-0", writable()).says("db-2", replica_of("db-0")).says("db-0", db_0);
        s.says("db-1", Facts { identity: "2".into(), ..at("0-2-6", writable()) }).refuses("db-0");
        assert_eq!(s.primary(), Some("db-1"));
        let is = s.snapshot.is_out_of_reach(s.server("db-2"), &gtid("0-2-6"));
        assert_eq!(is, out_of_reach, "a relay may have more than it said, a former primary has not");
    }
}
