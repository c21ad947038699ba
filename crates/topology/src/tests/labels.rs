//! Which server is the primary if pods carry labels: the orders of events that operators produce.

use super::*;
use Label::{Absent, Primary, Replica};

/// A healthy cluster of labelled pods; `db-0` is the primary.
pub(super) fn cluster() -> Story {
    let mut s = Story { snapshot: Snapshot::empty(), now_ms: 1_000_000 };
    s.labelled(&[("db-0", Primary), ("db-1", Replica), ("db-2", Replica)]);
    s.says("db-0", writable()).says("db-1", replica_of("db-0")).says("db-2", replica_of("db-0"));
    assert_eq!((s.primary(), s.snapshot.generation), (Some("db-0"), 1));
    s
}

pub(super) fn at(facts: Facts, position: &str) -> Facts {
    Facts { gtid: gtid(position), ..facts }
}

/// Lists the pods, with this one being deleted.
fn deleting(s: &mut Story, labels: &[(&str, Label)], name: &str) {
    let mut list = discovered(&labels.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    for (server, (_, label)) in list.iter_mut().zip(labels) {
        server.label = Some(*label);
        server.deleting = &*server.name == name;
    }
    s.event(Event::Servers(list));
}

const MOVED: [(&str, Label); 3] = [("db-0", Replica), ("db-1", Primary), ("db-2", Replica)];
const BOTH: [(&str, Label); 3] = [("db-0", Primary), ("db-1", Primary), ("db-2", Replica)];
const NOBODY: [(&str, Label); 3] = [("db-0", Replica), ("db-1", Replica), ("db-2", Replica)];

#[test]
fn the_label_alone_makes_no_primary() {
    let mut s = Story { snapshot: Snapshot::empty(), now_ms: 1_000_000 };
    s.labelled(&[("db-0", Primary), ("db-1", Replica)]);
    s.says("db-0", read_only()).says("db-1", read_only());
    assert_eq!((s.primary(), s.snapshot.alarm), (None, Some(Alarm::NoCandidate)));
    s.says("db-0", writable());
    assert_eq!(s.primary(), Some("db-0"));
}

#[test]
fn what_is_known_is_told_in_words() {
    let mut s = cluster();
    assert_eq!(Snapshot::empty().why_no_primary(), "no server is known");
    s.refuses("db-0").says("db-1", writable());
    assert_eq!(
        s.snapshot.why_no_primary(),
        "db-0 is down, db-1 is writable, but not known to have all writes, and waits for its label, db-2 is read-only"
    );
    s.says("db-2", writable());
    assert_eq!(
        s.snapshot.why_no_primary(),
        "db-0 is down, db-1 is writable, but not alone, db-2 is writable, but not alone"
    );
    let many: Vec<_> = (0..7).map(|n| (format!("db-{n}-{}", "x".repeat(100)), Replica)).collect();
    let many: Vec<_> = many.iter().map(|(name, label)| (name.as_str(), *label)).collect();
    s.labelled(&many);
    let text = s.snapshot.why_no_primary();
    assert!(text.ends_with("was not reached yet, and 2 more") && text.len() < 400, "{text}");
}

#[test]
fn a_primary_that_is_read_only_on_purpose_is_no_alarm() {
    let mut s = cluster();
    let read_only_on_purpose = Maintenance { read_only: true, ..Maintenance::default() };
    s.says("db-0", read_only());
    assert_eq!((s.primary(), s.snapshot.alarm), (None, Some(Alarm::NoCandidate)));
    let (version, roles) = (s.snapshot.version, s.snapshot.roles_version);
    s.event(Event::Maintenance(read_only_on_purpose));
    assert_eq!((s.primary(), s.snapshot.alarm), (None, None));
    assert!(s.snapshot.version > version && s.snapshot.roles_version > roles, "who waits hears of it");
    assert_eq!(s.snapshot.replicas().count(), 3, "the primary serves reads, too");
    s.refuses("db-0");
    assert_eq!((s.primary(), s.snapshot.alarm), (None, Some(Alarm::NoCandidate)), "nobody asked for that");
    s.event(Event::Maintenance(Maintenance::default())).says("db-0", writable());
    assert_eq!((s.primary(), s.snapshot.generation), (Some("db-0"), 1));
}

#[test]
fn a_crash_with_the_label_after_writability() {
    // mariadb-operator, RadonDB: the new primary is writable before its label moves, and the dead primary
    // keeps its own label.
    let mut s = cluster();
    s.refuses("db-0").says("db-1", writable());
    assert_eq!((s.primary(), s.snapshot.alarm), (None, Some(Alarm::NoCandidate)), "it may lack writes");
    s.labelled(&BOTH);
    assert_eq!((s.primary(), s.snapshot.generation, s.snapshot.alarm), (Some("db-1"), 2, None));
    s.labelled(&MOVED);
    assert_eq!((s.primary(), s.snapshot.generation), (Some("db-1"), 2));
}

#[test]
fn a_crash_with_the_label_before_writability() {
    // MOCO: the label comes first.
    let mut s = cluster();
    s.refuses("db-0").labelled(&MOVED);
    assert_eq!(s.primary(), None);
    s.says("db-1", writable());
    assert_eq!((s.primary(), s.snapshot.generation), (Some("db-1"), 2));
}

#[test]
fn a_crash_with_no_label_for_a_moment() {
    // Percona removes the old label first.
    let mut s = cluster();
    s.labelled(&NOBODY);
    assert_eq!(s.primary(), Some("db-0"), "it is writable still, and nobody else is");
    s.refuses("db-0").says("db-1", writable());
    assert_eq!(s.primary(), None);
    s.labelled(&MOVED);
    assert_eq!((s.primary(), s.snapshot.generation), (Some("db-1"), 2));
}

#[test]
fn a_planned_switchover_needs_no_label_when_positions_tell() {
    let mut s = cluster();
    s.says("db-0", at(read_only(), "0-1-70"));
    assert_eq!(s.primary(), None);
    s.says("db-1", at(replica_of("db-0"), "0-1-69")).says("db-1", at(writable(), "0-1-69"));
    assert_eq!(s.primary(), None, "it lacks a write");
    s.says("db-1", at(writable(), "0-1-70"));
    assert_eq!((s.primary(), s.snapshot.generation), (Some("db-1"), 2));
    assert_eq!(s.last_reason(), "db-0 is read-only, db-1 is writable");
    // The label may arrive at any time.
    s.labelled(&MOVED);
    assert_eq!((s.primary(), s.snapshot.generation), (Some("db-1"), 2));
}

#[test]
fn a_planned_switchover_with_the_label_first() {
    let mut s = cluster();
    s.labelled(&MOVED);
    assert_eq!(s.primary(), Some("db-0"), "a label is a hint");
    s.says("db-0", at(read_only(), "0-1-70")).says("db-1", at(writable(), "0-1-70"));
    assert_eq!((s.primary(), s.snapshot.generation), (Some("db-1"), 2));
}

#[test]
fn a_writable_pod_that_is_being_set_up_is_not_taken_for_want_of_another() {
    let mut s = cluster();
    let with_new = [("db-0", Primary), ("db-1", Replica), ("db-2", Replica), ("db-3", Absent)];
    s.labelled(&with_new);
    for gone in [|s: &mut Story| _ = s.refuses("db-0"), |s: &mut Story| _ = s.says("db-0", read_only())] {
        gone(&mut s);
        s.says("db-3", writable());
        assert_eq!((s.primary(), s.snapshot.alarm), (None, Some(Alarm::NoCandidate)));
        // db-3 was never a replica of the old primary, even if it has every GTID.
        s.says("db-3", at(writable(), "0-1-99"));
        assert_eq!(s.primary(), None);
        s.says("db-3", read_only()).says("db-0", writable());
        assert_eq!((s.primary(), s.snapshot.generation), (Some("db-0"), 1));
    }
}

#[test]
fn what_the_sessions_heard_replaces_the_label() {
    let heard = |generation, text: &str| Event::Acknowledged(Acknowledged { generation, set: gtid(text) });
    let mut s = cluster();
    s.refuses("db-0").says("db-1", at(writable(), "0-1-50"));
    s.event(heard(1, "0-1-51"));
    assert_eq!(s.primary(), None, "a client was told of a write that db-1 lacks");
    s.event(heard(1, "0-1-50"));
    assert_eq!((s.primary(), s.snapshot.generation), (Some("db-1"), 2));
    assert_eq!(s.snapshot.acknowledged, None, "that was then");

    let mut s = cluster();
    s.event(heard(1, "0-1-1"));
    assert_eq!(s.snapshot.acknowledged, None, "with a primary there will be more");
    s.refuses("db-0").event(heard(0, "0-1-50")).says("db-1", at(writable(), "0-1-50"));
    assert_eq!(s.primary(), None, "of another generation");
}

#[test]
fn the_labelled_server_answers_again_before_anyone_is_chosen() {
    let mut s = cluster();
    s.refuses("db-0").says("db-1", writable()).says("db-0", writable());
    assert_eq!((s.primary(), s.snapshot.alarm), (None, Some(Alarm::SeveralCandidates)), "who was promoted?");
    s.labelled(&BOTH).labelled(&MOVED);
    assert_eq!(s.primary(), None, "never two");
    s.says("db-0", replica_of("db-1"));
    assert_eq!((s.primary(), s.snapshot.generation), (Some("db-1"), 2));
    // The other way round: the operator abandons the promotion.
    let mut s = cluster();
    s.refuses("db-0").says("db-1", writable()).says("db-0", writable()).says("db-1", replica_of("db-0"));
    assert_eq!((s.primary(), s.snapshot.generation), (Some("db-0"), 1));
}

#[test]
fn the_old_primary_returns_writable_and_labelled() {
    // mariadb-operator does not fence the old primary.
    let mut s = cluster();
    s.refuses("db-0").says("db-1", writable()).labelled(&BOTH);
    s.says("db-0", writable());
    assert_eq!((s.primary(), s.snapshot.alarm), (Some("db-1"), Some(Alarm::SeveralCandidates)));
    assert!(!s.server("db-0").serves_reads);
    // The old primary does not take over while the new one fails briefly, either.
    s.refuses("db-1");
    assert_eq!((s.primary(), s.snapshot.alarm), (None, Some(Alarm::FormerPrimary)));
    s.says("db-1", writable());
    assert_eq!((s.primary(), s.snapshot.generation), (Some("db-1"), 2));
    s.labelled(&MOVED).says("db-0", replica_of("db-1"));
    assert_eq!((s.primary(), s.replicas(), s.snapshot.alarm), (Some("db-1"), vec!["db-0", "db-2"], None));
}

#[test]
fn the_old_primary_returns_before_its_successor_is_seen() {
    // The proxy is cut off from db-1, which took over.
    let mut s = cluster();
    s.refuses("db-0").refuses("db-1").labelled(&BOTH);
    s.says("db-0", writable());
    assert_eq!((s.primary(), s.snapshot.alarm), (None, Some(Alarm::FormerPrimary)), "the newer label");
    s.says("db-1", writable()).says("db-0", read_only());
    assert_eq!((s.primary(), s.snapshot.generation), (Some("db-1"), 2));
    // The earlier label means nothing when db-1 fails briefly.
    s.refuses("db-0").refuses("db-1").says("db-1", writable());
    assert_eq!((s.primary(), s.snapshot.generation), (Some("db-1"), 2));

    // db-1 did not take over: it answers that it is read-only, or its label is removed.
    let mut s = cluster();
    s.refuses("db-0").refuses("db-1").labelled(&BOTH).says("db-0", writable()).says("db-1", read_only());
    assert_eq!((s.primary(), s.snapshot.generation), (Some("db-0"), 1));
    s.refuses("db-0").refuses("db-1").says("db-0", writable());
    assert_eq!(s.primary(), None);
    s.labelled(&[("db-0", Primary), ("db-1", Replica), ("db-2", Replica)]);
    assert_eq!((s.primary(), s.snapshot.generation), (Some("db-0"), 1));
}

#[test]
fn a_replica_knows_that_another_took_over() {
    let mut s = cluster();
    s.refuses("db-0").refuses("db-1").says("db-2", replica_of("db-1")).says("db-0", writable());
    assert_eq!((s.primary(), s.snapshot.alarm), (None, Some(Alarm::FormerPrimary)));
    s.says("db-1", read_only());
    assert_eq!(s.primary(), Some("db-0"), "it follows a replica");
    // A replica that always followed another server proves nothing.
    let mut s = Story { snapshot: Snapshot::empty(), now_ms: 1_000_000 };
    s.labelled(&[("db-0", Primary), ("db-1", Replica), ("db-2", Replica)]);
    s.says("db-0", writable()).says("db-1", replica_of("db-0")).says("db-2", replica_of("db-1"));
    s.refuses("db-0").refuses("db-1").says("db-0", writable());
    assert_eq!(s.primary(), Some("db-0"));
}

#[test]
fn a_former_primary_that_nobody_fenced_is_not_taken_in_a_switchover() {
    let mut s = cluster();
    s.refuses("db-0").says("db-1", writable()).labelled(&BOTH);
    s.says("db-0", at(writable(), "0-1-1"));
    // db-1 hands over to db-2, which has not answered yet.
    s.says("db-1", at(read_only(), "0-1-2"));
    assert_eq!((s.primary(), s.snapshot.alarm), (None, Some(Alarm::FormerPrimary)), "it lacks a write");
    s.labelled(&[("db-0", Primary), ("db-2", Replica)]);
    assert_eq!(s.primary(), None, "nor when nobody can be asked what it lacks");
    s.says("db-0", replica_of("db-2")).says("db-0", writable());
    assert_eq!(s.primary(), Some("db-0"));
}

#[test]
fn two_pods_carry_the_label_and_both_are_writable() {
    let mut s = cluster();
    s.says("db-1", writable()).labelled(&BOTH);
    assert_eq!((s.primary(), s.snapshot.alarm), (Some("db-0"), Some(Alarm::SeveralCandidates)));
    // A proxy that starts now cannot decide, unless a server replicates from one of them.
    let mut s = Story { snapshot: Snapshot::empty(), now_ms: 1_000_000 };
    s.labelled(&BOTH).says("db-0", writable()).says("db-1", writable()).says("db-2", read_only());
    assert_eq!((s.primary(), s.snapshot.alarm), (None, Some(Alarm::SeveralCandidates)));
    s.says("db-2", replica_of("db-1"));
    assert_eq!(s.primary(), Some("db-1"));
}

#[test]
fn a_source_is_known_by_the_pods_name_in_dns() {
    for (host, wanted) in [
        ("db-1.db-internal.ns.svc.cluster.local:3306", Some("db-1")),
        ("db-1:3306", Some("db-1")),
        ("db-1.db-internal.ns.svc:3307", None),
        ("db-11.db-internal:3306", None),
    ] {
        let mut s = Story { snapshot: Snapshot::empty(), now_ms: 1_000_000 };
        let mut list = discovered(&["db-0", "db-1", "db-2"]);
        for (server, (_, label)) in list.iter_mut().zip(BOTH) {
            (server.label, server.uid) = (Some(label), format!("uid-{}", server.name).into());
            server.address = format!("10.0.0.{}:3306", server.name.len()).into();
        }
        s.event(Event::Servers(list)).says("db-0", writable()).says("db-1", writable());
        s.says("db-2", with(replica_of("x"), |r| r.source = Some(host.into())));
        assert_eq!(s.primary(), wanted, "{host}");
    }
}

#[test]
fn a_pod_that_is_being_deleted_gets_nothing_new() {
    let mut s = cluster();
    let (old, generation) = (s.id("db-0"), s.snapshot.generation);
    deleting(&mut s, &[("db-0", Primary), ("db-1", Replica), ("db-2", Replica)], "db-0");
    assert_eq!((s.primary(), s.last_reason()), (None, "db-0 is being deleted"));
    assert_eq!((s.id("db-0"), s.snapshot.generation), (old, generation), "what is open there may end");
    let roles = s.snapshot.roles_version;
    for _ in 0..4 {
        s.says("db-0", writable());
    }
    assert!(!s.snapshot.grace_over && s.snapshot.roles_version == roles, "for 5 s");
    s.says("db-0", writable());
    assert!(s.snapshot.grace_over && s.snapshot.roles_version > roles);
    s.says("db-1", writable());
    deleting(&mut s, &MOVED, "db-0");
    assert_eq!((s.primary(), s.snapshot.generation), (Some("db-1"), 2));
    assert!(!s.snapshot.grace_over);
    s.labelled(&MOVED[1..]);
    deleting(&mut s, &MOVED[1..], "db-2");
    assert!(s.replicas().is_empty());
    assert_eq!(s.primary(), Some("db-1"));
}

#[test]
fn another_pod_under_the_same_name_and_address_is_another_server() {
    let mut s = cluster();
    let old = s.id("db-0");
    let mut list = discovered(&["db-0", "db-1", "db-2"]);
    list.iter_mut().for_each(|server| server.label = Some(Replica));
    list[0].uid = "new".into();
    list[0].label = Some(Absent);
    s.event(Event::Servers(list));
    assert_ne!(s.id("db-0"), old);
    s.says("db-0", writable());
    assert_eq!(s.primary(), None, "it may be empty");
}

#[test]
fn without_any_label_yet_the_probes_decide() {
    // percona-ps with asynchronous replication, before its first failover.
    let mut s = Story::of(&["db-0", "db-1"]);
    s.says("db-0", writable()).says("db-1", replica_of("db-0"));
    assert_eq!(s.primary(), Some("db-0"));
    s.refuses("db-0").says("db-1", writable());
    assert_eq!(s.primary(), Some("db-1"));
}

/// Lets a member of a group answer.
fn member(s: &mut Story, name: &str, facts: Facts, member: Member) {
    let facts = Facts { identity: format!("uuid-of-{name}").into(), ..facts };
    s.probe(name, ProbeOutcome::Member(facts, member));
}

const GROUP_PRIMARY: Member =
    Member { group: Group::Replication, fit: true, apart: false, writes: true, several_write: false };
const GROUP_SECONDARY: Member =
    Member { group: Group::Replication, fit: true, apart: false, writes: false, several_write: false };
const GROUP_MINORITY: Member =
    Member { group: Group::Replication, fit: false, apart: true, writes: false, several_write: false };
const SYNCED: Member =
    Member { group: Group::Galera, fit: true, apart: false, writes: true, several_write: true };
const DONOR: Member =
    Member { group: Group::Galera, fit: false, apart: false, writes: false, several_write: true };

#[test]
fn a_replication_group_names_its_primary_itself() {
    let mut s = Story { snapshot: Snapshot::empty(), now_ms: 1_000_000 };
    s.labelled(&[("db-0", Primary), ("db-1", Replica), ("db-2", Replica)]);
    member(&mut s, "db-0", writable(), GROUP_PRIMARY);
    assert_eq!(s.primary(), Some("db-0"), "the majority has spoken: no need to hear the others");
    member(&mut s, "db-1", read_only(), GROUP_SECONDARY);
    member(&mut s, "db-2", read_only(), GROUP_SECONDARY);
    assert_eq!(s.replicas(), ["db-1", "db-2"]);
    // db-0 crashes; the labels are minutes late.
    s.refuses("db-0");
    assert_eq!(s.primary(), None);
    member(&mut s, "db-1", read_only(), GROUP_PRIMARY);
    assert_eq!(s.primary(), None, "it applies its backlog");
    member(&mut s, "db-1", writable(), GROUP_PRIMARY);
    assert_eq!((s.primary(), s.snapshot.generation, s.snapshot.alarm), (Some("db-1"), 2, None));
    // The old primary comes back cut off, labelled and writable.
    member(&mut s, "db-0", writable(), GROUP_MINORITY);
    assert_eq!((s.primary(), s.snapshot.alarm), (Some("db-1"), None));
    assert!(!s.server("db-0").serves_reads);
}

#[test]
fn a_primary_in_a_minority_loses_its_role() {
    let mut s = Story { snapshot: Snapshot::empty(), now_ms: 1_000_000 };
    s.labelled(&[("db-0", Primary), ("db-1", Replica)]);
    member(&mut s, "db-0", writable(), GROUP_PRIMARY);
    member(&mut s, "db-1", read_only(), GROUP_SECONDARY);
    member(&mut s, "db-0", writable(), GROUP_MINORITY);
    assert_eq!(s.primary(), None);
}

#[test]
fn who_is_in_no_group_is_no_candidate_beside_one() {
    let mut s = Story { snapshot: Snapshot::empty(), now_ms: 1_000_000 };
    s.labelled(&[("db-0", Replica), ("db-1", Replica), ("db-2", Primary)]);
    member(&mut s, "db-0", writable(), GROUP_PRIMARY);
    s.says("db-2", writable());
    assert_eq!(s.primary(), Some("db-0"));
    s.refuses("db-0");
    assert_eq!(s.primary(), None);
}

#[test]
fn a_galera_cluster_has_one_primary_and_it_follows_the_label() {
    let labels = |primary: &str| {
        ["db-0", "db-1", "db-2"].map(|name| (name, if name == primary { Primary } else { Replica }))
    };
    let mut s = Story { snapshot: Snapshot::empty(), now_ms: 1_000_000 };
    s.labelled(&labels("db-0"));
    for name in ["db-0", "db-1", "db-2"] {
        member(&mut s, name, writable(), SYNCED);
    }
    assert_eq!((s.primary(), s.snapshot.alarm), (Some("db-0"), None), "several writable ones are usual");
    assert_eq!(s.replicas(), ["db-1", "db-2"]);
    // db-0 stops; the label moves late.
    s.refuses("db-0");
    assert_eq!((s.primary(), s.snapshot.generation), (Some("db-1"), 2));
    s.labelled(&labels("db-2"));
    assert_eq!((s.primary(), s.snapshot.generation), (Some("db-2"), 3), "so that all proxies agree");
    // A donor accepts no writes, whatever its label.
    member(&mut s, "db-0", writable(), DONOR);
    s.labelled(&labels("db-0"));
    assert_eq!((s.primary(), s.server("db-0").serves_reads), (Some("db-2"), false));
    member(&mut s, "db-0", writable(), SYNCED);
    assert_eq!(s.primary(), Some("db-0"));
}

#[test]
fn a_galera_cluster_waits_for_all_at_start_unless_the_label_tells() {
    let mut s = Story { snapshot: Snapshot::empty(), now_ms: 1_000_000 };
    s.labelled(&[("db-0", Primary), ("db-1", Replica)]);
    member(&mut s, "db-1", writable(), SYNCED);
    assert_eq!(s.primary(), None);
    member(&mut s, "db-0", writable(), SYNCED);
    assert_eq!(s.primary(), Some("db-0"));
}

/// In a replication group with several primaries, nobody names the one that gets the writes.
#[test]
fn a_replication_group_of_primaries_waits_for_all_at_start() {
    let among_primaries = Member { several_write: true, ..GROUP_PRIMARY };
    let mut s = Story { snapshot: Snapshot::empty(), now_ms: 1_000_000 };
    s.labelled(&["db-0", "db-1", "db-2"].map(|name| (name, Primary)));
    for name in ["db-2", "db-1"] {
        member(&mut s, name, writable(), among_primaries);
        assert_eq!(s.primary(), None, "another proxy may hear another one first");
    }
    member(&mut s, "db-0", writable(), among_primaries);
    assert_eq!((s.primary(), s.snapshot.alarm), (Some("db-0"), None));
    assert_eq!(s.replicas(), ["db-1", "db-2"]);
    s.refuses("db-0");
    assert_eq!((s.primary(), s.replicas()), (Some("db-1"), vec!["db-2"]));
    member(&mut s, "db-0", writable(), among_primaries);
    assert_eq!((s.primary(), s.snapshot.generation), (Some("db-1"), 2));
    assert_eq!(s.replicas(), ["db-0", "db-2"]);
}

/// KubeBlocks' and KubeDB's operators label every synced node as a primary.
#[test]
fn a_galera_cluster_of_primaries_has_one_primary() {
    let mut s = Story { snapshot: Snapshot::empty(), now_ms: 1_000_000 };
    s.labelled(&["db-0", "db-1", "db-2"].map(|name| (name, Primary)));
    for name in ["db-2", "db-1", "db-0"] {
        member(&mut s, name, writable(), SYNCED);
    }
    assert_eq!((s.primary(), s.snapshot.alarm), (Some("db-0"), None));
    assert_eq!(s.replicas(), ["db-1", "db-2"]);
    s.refuses("db-0");
    assert_eq!((s.primary(), s.replicas()), (Some("db-1"), vec!["db-2"]));
    // db-0 is back, catches up while labelled as a replica, and is labelled primary again: the primary stays.
    s.labelled(&[("db-0", Replica), ("db-1", Primary), ("db-2", Primary)]);
    member(&mut s, "db-0", writable(), DONOR);
    assert_eq!(s.primary(), Some("db-1"));
    s.labelled(&["db-0", "db-1", "db-2"].map(|name| (name, Primary)));
    member(&mut s, "db-0", writable(), SYNCED);
    assert_eq!((s.primary(), s.snapshot.generation, s.snapshot.alarm), (Some("db-1"), 2, None));
    assert_eq!(s.replicas(), ["db-0", "db-2"]);
}

#[test]
fn a_label_that_moves_between_writable_servers_is_followed() {
    let told = |set: &str| Event::Acknowledged(Acknowledged { generation: 1, set: gtid(set) });
    let mut s = cluster();
    s.says("db-1", at(writable(), "0-1-40"));
    assert_eq!((s.primary(), s.snapshot.alarm), (Some("db-0"), Some(Alarm::SeveralCandidates)));
    assert_eq!(s.snapshot.why_alarm().as_deref(), Some("db-1 is writable besides the primary db-0"));
    s.labelled(&BOTH);
    assert_eq!(s.primary(), Some("db-0"), "two pods may carry it");
    s.labelled(&MOVED);
    assert_eq!(s.primary(), None, "nobody writes until it is known what was acknowledged");
    s.event(told("0-1-165"));
    assert_eq!((s.primary(), s.snapshot.generation), (Some("db-1"), 2));
    assert!(s.server("db-0").deposed);
    assert_eq!(
        s.last_reason(),
        "db-0 lost the label, db-1 is writable; up to 125 acknowledged writes are not known to be there (acknowledged: \
         0-1-165; there: 0-1-40)"
    );
    assert_eq!(s.snapshot.writes_in_question, 125);
    s.says("db-0", writable()).says("db-1", writable());
    assert_eq!((s.primary(), s.snapshot.generation), (Some("db-1"), 2), "that was the decision");
    assert_eq!(s.snapshot.writes_in_question, 125, "it is told once");
}

#[test]
fn what_was_acknowledged_is_awaited_for_a_moment_only() {
    let mut s = cluster();
    s.says("db-1", writable()).labelled(&MOVED);
    assert_eq!(s.primary(), None);
    s.says("db-2", replica_of("db-1"));
    assert_eq!((s.primary(), s.snapshot.generation), (Some("db-1"), 2));
    assert_eq!(s.snapshot.writes_in_question, 0);
}

#[test]
fn an_old_label_that_comes_back_has_not_moved() {
    // db-1 is the primary, its label is late, and db-0 comes back with its own.
    let mut s = cluster();
    s.refuses("db-0").event(Event::Acknowledged(Acknowledged { generation: 1, set: gtid("0-1-1") }));
    s.says("db-1", writable()).says("db-0", writable());
    assert_eq!((s.primary(), s.snapshot.generation), (Some("db-1"), 2));
    s.labelled(&BOTH);
    assert_eq!(s.primary(), Some("db-1"));
    // The operator corrects itself: the label of db-1 goes again, and db-0 has had its own since before.
    s.labelled(&[("db-0", Primary), ("db-1", Replica), ("db-2", Replica)]);
    assert_eq!((s.primary(), s.snapshot.generation), (Some("db-1"), 2));
}

#[test]
fn a_new_primary_that_lacks_acknowledged_writes_is_reported() {
    let mut s = cluster();
    s.refuses("db-0").event(Event::Acknowledged(Acknowledged { generation: 1, set: gtid("0-1-50") }));
    s.says("db-1", at(writable(), "0-1-47"));
    assert_eq!(s.primary(), None);
    assert_eq!(
        s.snapshot.why_alarm().as_deref(),
        Some(
            "db-0 is down, db-1 is writable, but not known to have all writes, and waits for its label (its position \
             0-1-47 is not known to contain 0-1-50), db-2 is read-only"
        )
    );
    s.labelled(&MOVED);
    assert_eq!((s.primary(), s.snapshot.writes_in_question), (Some("db-1"), 3));
    assert!(s.last_reason().contains("up to 3 acknowledged writes"), "{}", s.last_reason());
    // Without positions nobody can tell.
    let mut s = cluster();
    let unknown = |facts: Facts| Facts { gtid_on: false, ..facts };
    s.says("db-0", unknown(writable())).says("db-1", unknown(replica_of("db-0"))).refuses("db-0");
    s.labelled(&MOVED).says("db-1", unknown(writable()));
    assert_eq!((s.primary(), s.snapshot.writes_in_question), (Some("db-1"), 0));
}
