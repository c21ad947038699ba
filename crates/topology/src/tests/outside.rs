//! Replica clusters: the primary is another site's.

use super::*;

/// Three servers: one replicates from another site, the others from that server.
fn of_another_site() -> Story {
    let mut s = Story::of(&["db-0", "db-1", "db-2"]);
    s.says("db-0", replica_of("shop-primary.site-a")).says("db-1", replica_of("db-0"));
    assert!(!s.snapshot.is_replica_cluster() || s.snapshot.alarm.is_none());
    s.says("db-2", replica_of("db-0"));
    s
}

#[test]
fn a_replica_cluster_is_in_order_without_a_primary() {
    let mut s = of_another_site();
    assert_eq!((s.primary(), s.snapshot.alarm), (None, None));
    assert!(s.snapshot.is_replica_cluster());
    assert_eq!(s.replicas(), ["db-0", "db-1", "db-2"]);
    // With a server down it is still a replica cluster, even if the others replicate from that server.
    s.refuses("db-2");
    assert!(s.snapshot.is_replica_cluster());
    assert_eq!(s.replicas(), ["db-0", "db-1"]);
    // All replicate from the other site directly, as with operators that give such a cluster no primary.
    s.says("db-1", replica_of("shop-primary.site-a")).refuses("db-0");
    assert!(s.snapshot.is_replica_cluster());
}

#[test]
fn whoever_may_be_written_to_makes_it_a_cluster_of_its_own() {
    let mut s = of_another_site();
    s.says("db-0", writable());
    assert_eq!((s.primary(), s.snapshot.is_replica_cluster()), (Some("db-0"), false));
    // db-0 is demoted again: the other site takes the role.
    s.says("db-0", read_only());
    assert_eq!(
        (s.primary(), s.snapshot.alarm),
        (None, Some(Alarm::NoCandidate)),
        "it replicates from nobody yet"
    );
    s.says("db-0", replica_of("shop-primary.site-a"));
    assert_eq!((s.snapshot.alarm, s.snapshot.is_replica_cluster()), (None, true));
}

#[test]
fn a_link_that_is_broken_is_an_alarm() {
    let mut s = of_another_site();
    s.says("db-0", with(replica_of("shop-primary.site-a"), |r| r.receiving = false));
    assert_eq!((s.snapshot.alarm, s.snapshot.is_replica_cluster()), (Some(Alarm::NoCandidate), false));
}

#[test]
fn replicas_of_a_lost_primary_are_no_replica_cluster() {
    let mut s = Story::of(&["db-0", "db-1", "db-2"]);
    s.says("db-0", writable()).says("db-1", replica_of("db-0")).says("db-2", replica_of("db-0"));
    assert_eq!(s.primary(), Some("db-0"));
    // The host of db-0 is gone: for a minute its replicas believe that they are connected.
    s.refuses("db-0");
    assert!(!s.snapshot.is_replica_cluster());
    assert_eq!(s.snapshot.alarm, Some(Alarm::NoCandidate));
    // The pod has left the list, and the replicas know it by a longer DNS name.
    s.configured(&["db-1", "db-2"]);
    s.says("db-1", replica_of("db-0.shop-internal.databases.svc")).says("db-2", replica_of("db-0"));
    assert!(!s.snapshot.is_replica_cluster());
    assert_eq!(s.snapshot.alarm, Some(Alarm::NoCandidate));
    // They may know it by its address alone.
    let by_address = with(replica_of("db-0"), |r| r.source = Some("10.0.0.7:3306".into()));
    let mut s = Story { snapshot: Snapshot::empty(), now_ms: 1_000_000 };
    let [mut primary, replica] = ["db-0", "db-1"].map(|name| discovered(&[name]).remove(0));
    primary.address = "10.0.0.7:3306".into();
    s.event(Event::Servers(vec![primary, replica.clone()]));
    s.says("db-0", writable()).says("db-1", by_address.clone());
    assert_eq!(s.primary(), Some("db-0"));
    s.event(Event::Servers(vec![replica]));
    s.says("db-1", by_address);
    assert_eq!((s.snapshot.alarm, s.snapshot.is_replica_cluster()), (Some(Alarm::NoCandidate), false));
}
