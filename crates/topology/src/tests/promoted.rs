//! Whether a replica that became writable was promoted, and what it has.

use super::labels::{at, cluster};
use super::*;
use Label::{Primary, Replica};

#[test]
fn a_labelled_replica_that_nobody_made_read_only_is_no_candidate_while_it_has_a_source() {
    let stopped =
        |applying| with(writable_replica_of("db-0"), |r| (r.receiving, r.applying) = (false, applying));
    // The pod of db-2 was started again, and its operator has not looked at it since. Then the primary's pod is gone. The
    // operator stops all replicas, and looks which one has the most.
    let stop = || {
        let mut s = Story { snapshot: Snapshot::empty(), now_ms: 1_000_000 };
        s.labelled(&[("db-0", Primary), ("db-1", Replica), ("db-2", Replica)]);
        s.says("db-0", writable()).says("db-1", replica_of("db-0")).says("db-2", writable_replica_of("db-0"));
        assert_eq!(s.primary(), Some("db-0"));
        s.labelled(&[("db-1", Replica), ("db-2", Replica)]);
        s.event(Event::Acknowledged(Acknowledged { generation: 1, set: gtid("0-1-1") }));
        for applying in [true, false] {
            s.says("db-2", stopped(applying));
            assert_eq!((s.primary(), s.snapshot.alarm), (None, Some(Alarm::NoCandidate)));
        }
        s
    };
    let mut s = stop();
    s.says("db-1", writable());
    assert_eq!((s.primary(), s.snapshot.alarm), (Some("db-1"), None), "the operator's choice");
    let mut s = stop();
    s.says("db-2", writable());
    assert_eq!(s.primary(), Some("db-2"), "it has no source any more");
    let mut s = stop();
    s.labelled(&[("db-1", Replica), ("db-2", Primary)]);
    assert_eq!(s.primary(), Some("db-2"), "its label says so");
}

/// The promoted replica with what mariadb-operator leaves of its position: its own writes alone.
fn emptied(own: &str) -> Facts {
    let gtid = GtidSet::applied_by_mariadb("", own, 11).expect("a position");
    Facts { gtid: Arc::new(gtid), ..writable() }
}

#[test]
fn a_position_that_the_operator_empties_is_remembered() {
    let locked = at(read_only(), "0-10-70");
    let mut s = cluster();
    s.says("db-0", locked.clone()).says("db-1", at(replica_of("db-0"), "0-10-70"));
    s.says("db-1", emptied("0-11-71"));
    assert_eq!((s.primary(), s.snapshot.generation), (Some("db-1"), 2));
    // The primary is gone, and clients were told of these writes.
    let mut s = cluster();
    s.says("db-1", at(replica_of("db-0"), "0-10-70")).refuses("db-0");
    s.event(Event::Acknowledged(Acknowledged { generation: 1, set: gtid("0-10-70") }));
    s.says("db-1", emptied("0-11-71"));
    assert_eq!((s.primary(), s.snapshot.generation), (Some("db-1"), 2));
    // A write that it was not seen to have.
    let mut s = cluster();
    s.says("db-0", locked.clone()).says("db-1", at(replica_of("db-0"), "0-10-69"));
    s.says("db-1", emptied("0-11-70"));
    assert_eq!(s.primary(), None);
    // Its binary log has it.
    s.says("db-1", Facts { binlog_state: "0-10-70,0-11-71".into(), ..emptied("0-11-71") });
    assert_eq!(s.primary(), Some("db-1"));
    // Its first own write has the number behind that of the last one, so it has that one; or not.
    for (first, last, primary) in [
        ("0-11-71", "0-11-71", Some("db-1")),
        ("0-11-71", "0-11-75", Some("db-1")),
        ("0-11-70", "0-11-75", None),
        ("0-11-72", "0-11-75", None),
        ("0-12-71", "0-11-75", None),
        ("1-11-71", "1-11-71", None),
        ("", "0-11-71", None),
    ] {
        let mut s = cluster();
        // Its position is of its own writes.
        let own = GtidSet::applied_by_mariadb("", "0-10-70", 10).expect("a position");
        let locked = Facts { gtid: Arc::new(own), ..read_only() };
        let identity = |facts| Facts { identity: "11".into(), ..facts };
        s.says("db-1", identity(at(replica_of("db-0"), "0-10-69"))).says("db-0", locked);
        s.says("db-1", identity(Facts { first_own: first.into(), ..emptied(last) }));
        assert_eq!(s.primary(), primary, "{first}");
        assert_eq!(s.snapshot.writes_in_question, 0, "{first}");
    }
    // It was started again since: its data may be others.
    let began = |started, facts: Facts| {
        let life = Life { instance: "11/db-1/3306/data".into(), started: Some(started) };
        Facts { life, ..facts }
    };
    for (started, primary) in [(1_000, Some("db-1")), (1_001, Some("db-1")), (1_060, None)] {
        let mut s = cluster();
        s.says("db-1", began(1_000, at(replica_of("db-0"), "0-10-70"))).says("db-0", locked.clone());
        s.says("db-1", began(started, emptied("0-11-71")));
        assert_eq!(s.primary(), primary, "{started}");
    }
    // Another server answers at its address.
    let mut s = cluster();
    s.says("db-1", began(1_000, at(replica_of("db-0"), "0-10-70"))).says("db-0", locked);
    let life = Life { instance: "11/db-1/3306/other".into(), started: Some(1_000) };
    s.says("db-1", Facts { life, ..emptied("0-11-71") });
    assert_eq!(s.primary(), None);
}
