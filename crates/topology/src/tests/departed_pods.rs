//! Pods without a label that leave and come back under their names with their volumes, as a StatefulSet's
//! pods do.

use super::labels::at;
use super::*;

/// Lists these pods: each by its name and how many times it was created.
fn pods(s: &mut Story, made: &[(&str, u32)]) {
    let mut list = discovered(&made.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    for (server, (name, times)) in list.iter_mut().zip(made) {
        server.uid = format!("{name}-{times}").into();
    }
    s.event(Event::Servers(list));
}

/// A cluster in which `db-1` took over from `db-0`, which is down.
fn taken_over() -> Story {
    let mut s = Story { snapshot: Snapshot::empty(), now_ms: 1_000_000 };
    pods(&mut s, &[("db-0", 1), ("db-1", 1)]);
    s.says("db-0", writable()).says("db-1", replica_of("db-0")).refuses("db-0").says("db-1", writable());
    assert_eq!((s.primary(), s.snapshot.generation), (Some("db-1"), 2));
    s
}

#[test]
fn a_successor_whose_pod_is_made_anew_has_not_given_up() {
    let mut s = taken_over();
    s.says("db-0", writable());
    pods(&mut s, &[("db-0", 1)]);
    assert_eq!((s.primary(), s.snapshot.alarm), (None, Some(Alarm::FormerPrimary)));
    pods(&mut s, &[("db-0", 1), ("db-1", 2)]);
    s.says("db-1", writable());
    assert_eq!((s.primary(), s.snapshot.generation), (Some("db-1"), 3));
    // Once db-0 replicates, it is a server like any other.
    s.says("db-0", replica_of("db-1")).refuses("db-1").says("db-0", writable());
    assert_eq!(s.primary(), Some("db-0"));
}

#[test]
fn a_successor_that_comes_back_read_only_has_given_up() {
    let mut s = taken_over();
    s.says("db-0", writable());
    pods(&mut s, &[("db-0", 1)]);
    pods(&mut s, &[("db-0", 1), ("db-1", 2)]);
    assert_eq!(s.primary(), None);
    s.says("db-1", replica_of("db-0"));
    assert_eq!((s.primary(), s.snapshot.generation, s.snapshot.alarm), (Some("db-0"), 3, None));
}

#[test]
fn a_former_primary_whose_pod_is_made_anew_is_not_believed() {
    for at_once in [true, false] {
        let mut s = taken_over();
        if !at_once {
            pods(&mut s, &[("db-1", 1)]);
        }
        pods(&mut s, &[("db-0", 2), ("db-1", 1)]);
        s.says("db-0", writable()).refuses("db-1");
        assert_eq!((s.primary(), s.snapshot.alarm), (None, Some(Alarm::FormerPrimary)), "{at_once}");
        pods(&mut s, &[("db-0", 3), ("db-1", 1)]);
        s.says("db-0", writable());
        assert_eq!(s.primary(), None, "once more");
        // A restored server begins as a replica.
        s.says("db-0", replica_of("db-1")).says("db-0", writable());
        assert_eq!((s.primary(), s.snapshot.generation), (Some("db-0"), 3), "{at_once}");
    }
}

#[test]
fn a_primary_that_went_before_another_took_over_is_not_believed() {
    for back_before in [true, false] {
        let mut s = Story { snapshot: Snapshot::empty(), now_ms: 1_000_000 };
        pods(&mut s, &[("db-0", 1), ("db-1", 1)]);
        s.says("db-0", writable()).says("db-1", replica_of("db-0"));
        pods(&mut s, &[("db-1", 1)]);
        assert_eq!(s.primary(), None);
        if back_before {
            pods(&mut s, &[("db-0", 2), ("db-1", 1)]);
            s.refuses("db-0");
        }
        s.says("db-1", writable());
        pods(&mut s, &[("db-0", 2), ("db-1", 1)]);
        s.says("db-0", writable());
        assert_eq!((s.primary(), s.snapshot.generation), (Some("db-1"), 2), "{back_before}");
        s.refuses("db-1");
        assert_eq!((s.primary(), s.snapshot.alarm), (None, Some(Alarm::FormerPrimary)), "{back_before}");
    }
}

#[test]
fn a_primary_that_comes_back_first_goes_on() {
    let mut s = Story { snapshot: Snapshot::empty(), now_ms: 1_000_000 };
    pods(&mut s, &[("db-0", 1)]);
    s.says("db-0", writable());
    for time in 2..50 {
        pods(&mut s, &[]);
        assert_eq!(s.primary(), None);
        pods(&mut s, &[("db-0", time)]);
        s.says("db-0", writable());
        assert_eq!((s.primary(), s.snapshot.alarm), (Some("db-0"), None));
        assert!(s.snapshot.departed_pods.is_empty());
    }
}

#[test]
fn names_that_never_come_back_do_not_pile_up() {
    let mut s = Story { snapshot: Snapshot::empty(), now_ms: 1_000_000 };
    for time in 0..100 {
        let name = format!("db-{time}");
        pods(&mut s, &[(&name, 1)]);
        s.says(&name, writable());
        assert_eq!(s.primary(), Some(&*name));
    }
    assert!(s.snapshot.departed_pods.len() <= 32, "{}", s.snapshot.departed_pods.len());
}

/// Lists pods with labels, at these addresses and each always with the same uid.
fn labelled_pods(s: &mut Story, at: &[(&str, Label, &str)]) {
    let mut list = discovered(&at.iter().map(|(name, ..)| *name).collect::<Vec<_>>());
    for (server, (name, label, address)) in list.iter_mut().zip(at) {
        (server.label, server.uid) = (Some(*label), format!("uid-{name}").into());
        server.address = (*address).into();
    }
    s.event(Event::Servers(list));
}

#[test]
fn a_former_primary_is_the_same_pod_at_another_address() {
    use Label::{Primary, Replica};
    for at_once in [true, false] {
        let mut s = Story { snapshot: Snapshot::empty(), now_ms: 1_000_000 };
        labelled_pods(&mut s, &[("db-0", Primary, "10.0.0.1:3306"), ("db-1", Replica, "10.0.0.2:3306")]);
        s.says("db-0", writable()).says("db-1", replica_of("db-0")).refuses("db-0");
        labelled_pods(&mut s, &[("db-0", Primary, "10.0.0.1:3306"), ("db-1", Primary, "10.0.0.2:3306")]);
        s.says("db-1", writable());
        assert_eq!((s.primary(), s.snapshot.generation), (Some("db-1"), 2));
        if !at_once {
            // The pod has no address while its node restarts.
            labelled_pods(&mut s, &[("db-1", Primary, "10.0.0.2:3306")]);
        }
        labelled_pods(&mut s, &[("db-0", Primary, "10.0.0.9:3306"), ("db-1", Primary, "10.0.0.2:3306")]);
        s.says("db-0", writable()).refuses("db-1");
        assert_eq!((s.primary(), s.snapshot.alarm), (None, Some(Alarm::FormerPrimary)), "{at_once}");
        if !at_once {
            // The list cannot show that its label is old; only the server itself can end the doubt.
            s.says("db-0", replica_of("db-1"));
        }
        s.says("db-1", writable());
        assert_eq!((s.primary(), s.snapshot.generation), (Some("db-1"), 2));
    }
}

#[test]
fn a_primary_at_another_address_goes_on_unless_another_took_over() {
    use Label::{Primary, Replica};
    for succeeded in [false, true] {
        let mut s = Story { snapshot: Snapshot::empty(), now_ms: 1_000_000 };
        labelled_pods(&mut s, &[("db-0", Primary, "10.0.0.1:3306"), ("db-1", Replica, "10.0.0.2:3306")]);
        s.says("db-0", writable()).says("db-1", replica_of("db-0")).refuses("db-0").refuses("db-1");
        let label = if succeeded { Primary } else { Replica };
        labelled_pods(&mut s, &[("db-0", Primary, "10.0.0.1:3306"), ("db-1", label, "10.0.0.2:3306")]);
        labelled_pods(&mut s, &[("db-0", Primary, "10.0.0.9:3306"), ("db-1", label, "10.0.0.2:3306")]);
        s.says("db-0", writable());
        let primary = (!succeeded).then_some("db-0");
        assert_eq!(s.primary(), primary);
        if succeeded {
            assert_eq!(s.snapshot.alarm, Some(Alarm::FormerPrimary));
        }
    }
}

#[test]
fn a_primary_made_anew_is_not_believed_where_a_replica_follows_another() {
    let mut s = Story { snapshot: Snapshot::empty(), now_ms: 1_000_000 };
    let (before, without) = ([("db-0", 1), ("db-1", 1), ("db-2", 1)], [("db-1", 1), ("db-2", 1)]);
    pods(&mut s, &before);
    s.says("db-0", writable()).says("db-1", replica_of("db-0")).says("db-2", replica_of("db-0"));
    pods(&mut s, &without);
    s.refuses("db-1").says("db-2", replica_of("db-1"));
    pods(&mut s, &[("db-0", 2), ("db-1", 1), ("db-2", 1)]);
    s.says("db-0", writable());
    assert_eq!((s.primary(), s.snapshot.alarm), (None, Some(Alarm::FormerPrimary)));
}

#[test]
fn a_handover_between_pods_that_moved_is_believed() {
    use Label::{Primary, Replica};
    let moved = |s: &mut Story, first: (Label, &str), second: (Label, &str)| {
        labelled_pods(s, &[("db-0", first.0, first.1), ("db-1", second.0, second.1)]);
    };
    let mut s = Story { snapshot: Snapshot::empty(), now_ms: 1_000_000 };
    moved(&mut s, (Primary, "10.0.0.1:3306"), (Replica, "10.0.0.2:3306"));
    s.says("db-0", writable()).says("db-1", replica_of("db-0")).refuses("db-0");
    moved(&mut s, (Primary, "10.0.0.1:3306"), (Primary, "10.0.0.2:3306"));
    s.says("db-1", writable());
    moved(&mut s, (Replica, "10.0.0.9:3306"), (Primary, "10.0.0.2:3306"));
    s.refuses("db-0");
    moved(&mut s, (Primary, "10.0.0.9:3306"), (Replica, "10.0.0.10:3306"));
    s.says("db-1", at(replica_of("db-0"), "0-1-70")).says("db-0", at(writable(), "0-1-70"));
    assert_eq!((s.primary(), s.snapshot.alarm), (Some("db-0"), None));
}
