//! Which server is the primary.

use super::*;

#[test]
fn at_start_the_one_writable_server_is_the_primary_once_all_have_spoken() {
    let mut s = Story::of(&["db-0", "db-1"]);
    s.says("db-0", writable());
    assert_eq!(s.primary(), None, "db-1 may be writable too");
    s.says("db-1", replica_of("db-0"));
    assert_eq!(s.primary(), Some("db-0"));
    assert_eq!((s.snapshot.generation, s.snapshot.alarm), (1, None));
    assert_eq!(s.last_reason(), "db-0 is writable");
}

#[test]
fn a_server_that_never_answers_does_not_hold_up_the_start() {
    let mut s = Story::of(&["db-0", "db-1"]);
    s.says("db-0", writable()).silent("db-1").silent("db-1");
    assert_eq!((s.primary(), s.server("db-1").health), (None, Health::Unknown));
    s.silent("db-1");
    assert_eq!((s.primary(), s.server("db-1").health), (Some("db-0"), Health::Down));
}

#[test]
fn three_missed_probes_are_down_and_an_answer_in_between_counts_anew() {
    let mut s = Story::of(&["db-0"]);
    s.says("db-0", writable()).silent("db-0").silent("db-0");
    assert_eq!((s.primary(), s.server("db-0").missed), (Some("db-0"), 2));
    s.says("db-0", writable())
        .silent("db-0")
        .probe("db-0", ProbeOutcome::Refused("error 3032: offline mode".into()));
    assert_eq!(s.primary(), Some("db-0"));
    s.silent("db-0");
    assert_eq!((s.primary(), s.server("db-0").health, s.snapshot.alarm), (None, Health::Down, None));
    assert_eq!(s.last_reason(), "db-0 is down (no answer within the probe's time)");
    let version = s.snapshot.version;
    s.silent("db-0").silent("db-0");
    assert_eq!(s.snapshot.version, version, "nothing new");
}

#[test]
fn error_answers_count_as_missed_and_are_shown() {
    let mut s = Story::of(&["db-0"]);
    let offline = || ProbeOutcome::Refused("error 3032: offline mode".into());
    s.says("db-0", writable()).probe("db-0", offline()).probe("db-0", offline());
    assert_eq!(s.server("db-0").health, Health::Up);
    s.probe("db-0", offline());
    assert_eq!(s.server("db-0").health, Health::Down);
    assert_eq!(s.server("db-0").last_error.as_deref(), Some("error 3032: offline mode"));
    s.says("db-0", writable());
    assert_eq!((s.server("db-0").last_error.as_deref(), s.primary()), (None, Some("db-0")));
}

#[test]
fn a_silent_server_that_lets_no_probe_in_is_what_it_was() {
    let denied = || ProbeOutcome::Barred { error: "error 1045: Access denied".into(), told: None };
    let lost = || ProbeOutcome::Lost("closed; no answer to a new one".into());
    let mut s = Story::of(&["db-0", "db-1"]);
    s.says("db-0", writable()).says("db-1", replica_of("db-0"));
    let generation = s.snapshot.generation;
    for name in ["db-0", "db-1"] {
        s.silent(name).silent(name).silent(name);
        assert_eq!(s.server(name).health, Health::Down);
        s.probe(name, denied());
        assert!(s.server(name).is_barred());
        s.probe(name, lost());
        assert_eq!(s.server(name).health, Health::Down);
        s.probe(name, denied());
        assert!(s.server(name).is_barred());
    }
    assert_eq!((s.primary(), s.snapshot.generation), (Some("db-0"), generation));
    // Where nobody answers at its address, it has ended.
    s.probe("db-1", lost()).refuses("db-1").probe("db-1", denied());
    assert_eq!(s.server("db-1").health, Health::Down);
    s.refuses("db-1").probe("db-1", lost()).probe("db-1", denied());
    assert_eq!(s.server("db-1").health, Health::Down);
    // A primary that was replaced meanwhile is not what it was.
    s.says("db-1", replica_of("db-0")).probe("db-0", lost()).says("db-1", writable());
    assert_eq!(s.primary(), Some("db-1"));
    s.probe("db-0", denied());
    assert_eq!((s.primary(), s.server("db-0").health), (Some("db-1"), Health::Down));
}

#[test]
fn a_full_server_lives_and_stays_what_it_is() {
    let full = || ProbeOutcome::Barred { error: "error 1040: Too many connections".into(), told: None };
    let mut s = Story::of(&["db-0", "db-1"]);
    s.says("db-0", writable()).says("db-1", replica_of("db-0"));
    for _ in 0..20 {
        s.probe("db-0", full()).probe("db-1", full());
    }
    assert_eq!(
        (s.primary(), s.server("db-0").health, s.server("db-1").health),
        (Some("db-0"), Health::Up, Health::Up)
    );
    assert_eq!(s.server("db-0").last_error.as_deref(), Some("error 1040: Too many connections"));
    assert!(s.server("db-0").is_barred() && s.server("db-1").is_barred());
    // Probes that were missed before do not count: it answers.
    s.silent("db-0").silent("db-0").probe("db-0", full()).silent("db-0");
    assert_eq!((s.primary(), s.server("db-0").missed), (Some("db-0"), 1));
    assert!(!s.server("db-0").is_barred(), "it did not answer");
    // A server that was down may have lost its role meanwhile.
    s.refuses("db-0").probe("db-0", full());
    assert_eq!((s.primary(), s.server("db-0").health), (None, Health::Down));
    s.says("db-0", writable());
    assert_eq!((s.primary(), s.server("db-0").last_error.as_deref()), (Some("db-0"), None));
}

#[test]
fn a_server_that_lets_no_probe_in_moves_by_what_it_tells_on_another_connection() {
    let tells = |facts: Facts| ProbeOutcome::Barred {
        error: "error 1045: Access denied".into(),
        told: Some(Box::new(Facts { tells_replication: false, replication: None, ..facts })),
    };
    let mut s = Story::of(&["db-0", "db-1"]);
    s.says("db-0", writable()).says("db-1", replica_of("db-0"));
    let known = s.server("db-1").facts.clone();
    s.probe("db-0", tells(writable())).probe("db-1", tells(replica_of("db-0")));
    assert_eq!((s.primary(), s.server("db-1").facts.clone()), (Some("db-0"), known), "nothing has moved");
    // A switchover.
    s.probe("db-0", tells(read_only()));
    assert_eq!(s.primary(), None);
    s.probe("db-1", tells(writable()));
    assert_eq!(s.primary(), Some("db-1"));
    assert!(s.server("db-0").is_barred() && s.server("db-1").is_barred());
    let facts = s.server("db-1").facts.clone().expect("facts");
    assert!(
        facts.replication.is_none() && !facts.tells_replication,
        "nobody knows whether it still replicates"
    );
    // A former primary that was silent meanwhile is up again as what it says to be.
    s.probe("db-0", ProbeOutcome::Lost("reset".into())).probe("db-0", tells(read_only()));
    assert_eq!((s.primary(), s.server("db-0").health), (Some("db-1"), Health::Up));
    // Another server's answer says nothing.
    let other = Facts { identity: "77".into(), ..read_only() };
    s.probe("db-1", tells(other));
    assert_eq!(s.primary(), Some("db-1"));
}

#[test]
fn a_server_bears_its_own_limit_less_the_reserve() {
    let mut s = Story::of(&["db-0"]);
    assert_eq!(s.server("db-0").bears(1000, 10), 1000, "not known");
    for (takes, most, reserve, expected) in [
        (151, 1000, 10, 141),
        (151, 100, 10, 100),
        (24, 1000, 10, 14),
        (10, 1000, 10, 5),
        (1, 1000, 10, 1),
        (151, 1000, 0, 151),
    ] {
        s.says("db-0", Facts { max_connections: Some(takes), ..writable() });
        assert_eq!(s.server("db-0").bears(most, reserve), expected, "{takes}");
    }
}

#[test]
fn a_server_bears_what_others_leave_less_the_reserve() {
    let mut s = Story::of(&["db-0"]);
    // How many it has in all, and of others; how many this process may have, and whether hardly any is free.
    for (all, by_others, expected, nearly_full) in [
        (3, 1, 26, false),
        (39, 20, 25, false),
        (40, 20, 25, true),
        (50, 20, 30, true),
        (60, 10, 40, true),
        (60, 45, 8, true),
        (60, 60, 1, true),
    ] {
        let occupied = Some(Occupied { all, by_others });
        s.says("db-0", Facts { max_connections: Some(60), occupied, ..writable() });
        let server = s.server("db-0");
        assert_eq!((server.bears(1000, 10), server.is_nearly_full(10)), (expected, nearly_full), "{all}");
    }
    let (version, roles) = (s.snapshot.version, s.snapshot.roles_version);
    let occupied = Some(Occupied { all: 60, by_others: 59 });
    s.says("db-0", Facts { max_connections: Some(60), occupied, ..writable() });
    assert!(s.snapshot.version > version);
    assert_eq!(s.snapshot.roles_version, roles, "no connection is affected");
}

#[test]
fn a_server_is_up_since_its_process_answers() {
    let mut s = Story::of(&["db-0", "db-1"]);
    let since = |s: &Story| s.server("db-1").up_since;
    s.says("db-0", writable()).says("db-1", replica_of("db-0"));
    let began = since(&s);
    assert!(began > 0 && began <= s.snapshot.roles_version);
    s.refuses("db-0").says("db-1", replica_of("db-0")).silent("db-1");
    assert!(s.snapshot.roles_version > began);
    assert_eq!(since(&s), began, "it was not rebuilt");
    s.refuses("db-1");
    let down = s.snapshot.roles_version;
    s.says("db-1", replica_of("db-0"));
    assert!(since(&s) > down && since(&s) == s.snapshot.roles_version);
    let again = since(&s);
    let life = Life { started: Some(7), ..Life::default() };
    s.says("db-1", Facts { life, ..replica_of("db-0") });
    assert!(since(&s) > again, "another process");
}

#[test]
fn a_silent_primary_is_awaited_until_something_proves_that_it_is_gone() {
    let quiet = |s: &mut Story| {
        for _ in 0..3 {
            s.silent("db-0");
        }
    };
    let lost = |s: &Story, read_only: bool| {
        let id = s.server("db-0").id;
        s.snapshot.has_lost(id, 1, read_only)
    };
    let begin = || {
        let mut s = Story::of(&["db-0", "db-1"]);
        s.says("db-0", writable()).says("db-1", replica_of("db-0"));
        quiet(&mut s);
        assert_eq!((s.primary(), s.server("db-0").health), (None, Health::Down), "new statements wait");
        assert_eq!((lost(&s, false), lost(&s, true)), (false, true), "reads run elsewhere");
        s
    };
    // It comes back.
    let mut s = begin();
    s.says("db-0", writable());
    assert_eq!((s.primary(), s.snapshot.generation, lost(&s, false)), (Some("db-0"), 1, false));
    // Its address refuses connections.
    let mut s = begin();
    s.refuses("db-0");
    assert!(lost(&s, false));
    s.silent("db-0");
    assert!(lost(&s, false), "once proven, it stays");
    // Another server is the primary.
    let mut s = begin();
    s.says("db-1", writable());
    assert_eq!(s.primary(), Some("db-1"));
    assert!(lost(&s, false));
    // It was silent for too long.
    let mut s = begin();
    s.event(Event::Silence(Duration::ZERO));
    assert!(lost(&s, false));
}

#[test]
fn refused_is_down_at_once() {
    let mut s = Story::of(&["db-0"]);
    s.says("db-0", writable()).refuses("db-0");
    assert_eq!((s.primary(), s.server("db-0").health), (None, Health::Down));
}

#[test]
fn the_primary_dies_and_a_replica_is_promoted() {
    let mut s = Story::of(&["db-0", "db-1", "db-2"]);
    s.says("db-0", writable()).says("db-1", replica_of("db-0")).says("db-2", replica_of("db-0"));
    s.refuses("db-0");
    assert_eq!((s.primary(), s.snapshot.generation, s.snapshot.alarm), (None, 1, Some(Alarm::NoCandidate)));
    s.says("db-1", writable());
    assert_eq!((s.primary(), s.snapshot.generation, s.snapshot.alarm), (Some("db-1"), 2, None));
    assert_eq!(s.last_reason(), "db-0 is down (connection refused), db-1 became writable");
    let change = s.snapshot.history.back().unwrap();
    assert_eq!((change.from.as_deref(), change.to.as_deref(), change.generation), (None, Some("db-1"), 2));
}

#[test]
fn the_replica_is_promoted_before_the_frozen_primary_counts_as_down() {
    let mut s = Story::of(&["db-0", "db-1"]);
    s.says("db-0", writable()).says("db-1", replica_of("db-0"));
    s.silent("db-0").silent("db-0").says("db-1", writable());
    assert_eq!((s.primary(), s.snapshot.alarm), (Some("db-0"), Some(Alarm::SeveralCandidates)));
    s.silent("db-0");
    assert_eq!((s.primary(), s.snapshot.generation, s.snapshot.alarm), (Some("db-1"), 2, None));
    let change = s.snapshot.history.back().unwrap();
    assert_eq!((change.from.as_deref(), change.to.as_deref()), (Some("db-0"), Some("db-1")));
}

#[test]
fn a_planned_switchover_has_no_primary_in_between() {
    let mut s = Story::of(&["db-0", "db-1"]);
    s.says("db-0", writable()).says("db-1", replica_of("db-0"));
    s.says("db-0", read_only());
    assert_eq!((s.primary(), s.snapshot.alarm), (None, Some(Alarm::NoCandidate)));
    assert_eq!(s.last_reason(), "db-0 is read-only");
    s.says("db-1", writable());
    assert_eq!((s.primary(), s.snapshot.generation), (Some("db-1"), 2));
    assert_eq!(s.last_reason(), "db-0 is read-only, db-1 became writable");
    s.says("db-0", replica_of("db-1")).says("db-1", read_only()).says("db-0", writable());
    assert_eq!((s.primary(), s.snapshot.generation), (Some("db-0"), 3), "and back again");
}

#[test]
fn the_same_primary_after_a_break_is_the_same_generation() {
    let mut s = Story::of(&["db-0", "db-1"]);
    s.says("db-0", writable()).says("db-1", replica_of("db-0"));
    s.refuses("db-0").says("db-0", writable());
    assert_eq!((s.primary(), s.snapshot.generation), (Some("db-0"), 1));
    assert_eq!(s.last_reason(), "db-0 is writable again");
    s.says("db-0", read_only()).says("db-0", writable());
    assert_eq!((s.primary(), s.snapshot.generation), (Some("db-0"), 1));
}

#[test]
fn super_read_only_alone_is_no_candidate() {
    let mut s = Story::of(&["db-0"]);
    s.says("db-0", Facts { super_read_only: true, ..writable() });
    assert_eq!((s.primary(), s.snapshot.alarm), (None, Some(Alarm::NoCandidate)));
}

#[test]
fn several_at_start_the_one_that_others_replicate_from() {
    let mut s = Story::of(&["db-0", "db-1", "db-2"]);
    s.says("db-0", writable()).says("db-1", writable()).says("db-2", replica_of("db-1"));
    assert_eq!((s.primary(), s.snapshot.alarm), (Some("db-1"), Some(Alarm::SeveralCandidates)));

    let mut s = Story::of(&["db-0", "db-1"]);
    s.says("db-0", writable_replica_of("db-1")).says("db-1", writable());
    assert_eq!(s.primary(), Some("db-1"), "a replica that nobody made read-only is no rival");
}

#[test]
fn a_former_primary_that_follows_the_new_one_is_no_rival_from_the_first_moment() {
    let mut s = Story::of(&["db-0", "db-1", "db-2"]);
    s.refuses("db-0").says("db-2", read_only()).says("db-1", writable());
    s.says("db-0", writable()).says("db-2", writable());
    assert_eq!((s.primary(), s.snapshot.alarm), (Some("db-1"), Some(Alarm::SeveralCandidates)));
    s.refuses("db-1").says("db-1", writable_replica_of("db-2"));
    assert_eq!((s.primary(), s.snapshot.alarm), (None, Some(Alarm::SeveralCandidates)));
    s.says("db-0", writable_replica_of("db-1"));
    assert_eq!((s.primary(), s.snapshot.alarm), (Some("db-2"), None), "writable still, but it follows");
}

#[test]
fn several_at_start_and_no_way_to_tell_is_none_and_an_alarm() {
    for (third, why) in [
        (read_only(), "nobody replicates"),
        (replica_of("10.0.0.1"), "under a name that is not configured"),
        (with(replica_of("db-0"), |r| r.source = None), "source unknown"),
    ] {
        let mut s = Story::of(&["db-0", "db-1", "db-2"]);
        s.says("db-0", writable()).says("db-1", writable()).says("db-2", third);
        assert_eq!((s.primary(), s.snapshot.alarm), (None, Some(Alarm::SeveralCandidates)), "{why}");
        s.says("db-1", read_only());
        assert_eq!((s.primary(), s.snapshot.alarm), (Some("db-0"), None), "{why}, then one remains");
    }
    let mut s = Story::of(&["db-0", "db-1"]);
    s.says("db-0", writable_replica_of("db-1")).says("db-1", writable_replica_of("db-0"));
    assert_eq!((s.primary(), s.snapshot.alarm), (None, Some(Alarm::SeveralCandidates)), "a ring");
}

#[test]
fn an_old_primary_that_returns_writable_is_not_believed() {
    let mut s = Story::of(&["db-0", "db-1"]);
    s.says("db-0", writable()).says("db-1", replica_of("db-0")).refuses("db-0").says("db-1", writable());
    s.says("db-0", writable());
    assert_eq!((s.primary(), s.snapshot.alarm), (Some("db-1"), Some(Alarm::SeveralCandidates)));
    assert!(s.replicas().is_empty(), "it went its own way");
    // The new primary fails briefly: the old one lacks its writes and must not take over.
    s.refuses("db-1");
    assert_eq!((s.primary(), s.snapshot.alarm), (None, Some(Alarm::FormerPrimary)));
    s.says("db-1", writable());
    assert_eq!((s.primary(), s.snapshot.generation), (Some("db-1"), 2));
}

#[test]
fn an_old_primary_that_became_a_replica_is_a_server_like_others() {
    let mut s = Story::of(&["db-0", "db-1"]);
    s.says("db-0", writable()).says("db-1", replica_of("db-0")).refuses("db-0").says("db-1", writable());
    s.says("db-0", writable()).says("db-0", replica_of("db-1"));
    assert_eq!((s.replicas(), s.snapshot.alarm), (vec!["db-0"], None));
    s.refuses("db-1").says("db-0", writable());
    assert_eq!((s.primary(), s.snapshot.generation), (Some("db-0"), 3));
}

#[test]
fn the_answer_that_ends_a_role_is_one_of_a_replica() {
    let mut s = Story::of(&["db-0", "db-1", "db-2"]);
    s.says("db-0", writable()).says("db-1", read_only()).says("db-2", read_only());
    s.says("db-1", writable_replica_of("db-2")).says("db-2", writable_replica_of("db-1")).refuses("db-0");
    assert_eq!(s.primary(), None, "a ring");
    s.says("db-0", writable_replica_of("db-1"));
    assert_eq!((s.primary(), s.server("db-0").deposed), (Some("db-1"), false));
}

#[test]
fn an_old_primary_is_taken_when_its_successor_gave_up_or_is_gone() {
    for give_up in
        [(|s: &mut Story| _ = s.says("db-1", read_only())) as fn(&mut Story), |s| _ = s.configured(&["db-0"])]
    {
        let mut s = Story::of(&["db-0", "db-1"]);
        s.says("db-0", writable()).says("db-1", replica_of("db-0")).refuses("db-0").says("db-1", writable());
        s.says("db-0", writable());
        give_up(&mut s);
        assert_eq!((s.primary(), s.snapshot.generation, s.snapshot.alarm), (Some("db-0"), 3, None));
    }
}

#[test]
fn several_after_a_loss_is_none_and_never_a_guess() {
    let mut s = Story::of(&["db-0", "db-1", "db-2"]);
    s.says("db-0", writable()).says("db-1", replica_of("db-0")).says("db-2", replica_of("db-0"));
    s.refuses("db-0").says("db-1", writable());
    s.refuses("db-1").says("db-2", writable());
    assert_eq!((s.primary(), s.snapshot.generation), (Some("db-2"), 3));
    s.refuses("db-2").says("db-0", writable()).says("db-1", writable());
    assert_eq!((s.primary(), s.snapshot.alarm), (None, Some(Alarm::SeveralCandidates)));
    s.says("db-2", writable());
    assert_eq!(
        (s.primary(), s.snapshot.generation),
        (Some("db-2"), 3),
        "the last primary alone has all writes"
    );
}

#[test]
fn a_primary_returns_among_replicas_that_nobody_made_read_only() {
    let mut s = Story::of(&["db-0", "db-1", "db-2"]);
    let others = |s: &mut Story| {
        _ = s.says("db-1", writable_replica_of("db-0")).says("db-2", writable_replica_of("db-0"))
    };
    s.says("db-0", writable());
    others(&mut s);
    assert_eq!((s.primary(), s.replicas()), (Some("db-0"), vec!["db-1", "db-2"]));
    s.refuses("db-0");
    assert_eq!(s.primary(), None);
    s.says("db-0", writable());
    assert_eq!((s.primary(), s.snapshot.generation), (Some("db-0"), 1));
}

#[test]
fn a_replica_that_is_writable_by_mistake_is_no_candidate() {
    let mut s = Story::of(&["db-0", "db-1"]);
    s.refuses("db-0").says("db-1", writable_replica_of("db-0"));
    assert_eq!((s.primary(), s.snapshot.alarm), (None, Some(Alarm::NoCandidate)), "its primary starts later");
    assert_eq!(
        s.snapshot.why_alarm().as_deref(),
        Some("db-0 is down, db-1 is writable, but replicates from another server (db-0:3306)")
    );
    s.says("db-1", with(writable_replica_of("db-0"), |r| r.receiving = false));
    assert_eq!(s.primary(), None, "it waits for its source");
    s.says("db-0", writable());
    assert_eq!((s.primary(), s.snapshot.alarm), (Some("db-0"), None));
    // It is no candidate while its primary pauses either.
    s.silent("db-0").silent("db-0").silent("db-0");
    assert_eq!((s.primary(), s.snapshot.awaited), (None, Some(s.id("db-0"))));
    // Who stops it makes it the primary.
    s.refuses("db-0")
        .says("db-1", with(writable_replica_of("db-0"), |r| (r.receiving, r.applying) = (false, false)));
    assert_eq!(s.primary(), Some("db-1"));
    // Or who makes it writable.
    let mut s = Story::of(&["db-0", "db-1"]);
    s.says("db-0", writable()).says("db-1", replica_of("db-0")).refuses("db-0");
    s.says("db-1", with(writable_replica_of("db-0"), |r| r.receiving = false));
    assert_eq!(s.primary(), Some("db-1"));
    // One of a pair in which each follows the other.
    let mut s = Story::of(&["db-0", "db-1"]);
    s.says("db-0", writable_replica_of("db-1")).says("db-1", replica_of("db-0"));
    assert_eq!(s.primary(), Some("db-0"));
    s.refuses("db-1");
    assert_eq!(s.primary(), Some("db-0"), "the other one is gone");
    s.says("db-1", read_only()).refuses("db-0").says("db-0", writable_replica_of("db-1"));
    assert_eq!((s.primary(), s.snapshot.generation), (Some("db-0"), 1), "it had the role");
    // A source that is not known is none of the cluster's.
    let mut s = Story::of(&["db-0", "db-1"]);
    s.refuses("db-1").says("db-0", writable_replica_of("10.0.0.1"));
    assert_eq!(s.primary(), Some("db-0"));
}

#[test]
fn another_server_at_the_same_address_is_another_server() {
    let mut s = Story::of(&["db-0", "db-1"]);
    s.says("db-0", writable()).says("db-1", replica_of("db-0"));
    let old = s.id("db-0");
    s.says("db-0", Facts { identity: "another".into(), ..read_only() });
    assert_ne!(s.id("db-0"), old);
    assert_eq!((s.primary(), s.snapshot.server(old)), (None, None));
    assert_eq!(s.last_reason(), "db-0 was replaced by another server");
    s.says("db-0", Facts { identity: "another".into(), ..writable() });
    assert_eq!(
        (s.primary(), s.snapshot.generation),
        (Some("db-0"), 2),
        "and its connections are not the old ones"
    );
    s.event(Event::Probe { server: old, outcome: ProbeOutcome::Unreachable("late".into()) });
    assert_eq!(s.primary(), Some("db-0"), "a late probe of the old one says nothing");
}

#[test]
fn reloading_keeps_what_is_known_of_who_stays() {
    let mut s = Story::of(&["db-0", "db-1"]);
    s.says("db-0", writable()).says("db-1", replica_of("db-0"));
    let (id, generation) = (s.id("db-0"), s.snapshot.generation);
    s.configured(&["db-2", "db-0"]);
    assert_eq!((s.id("db-0"), s.primary(), s.snapshot.generation), (id, Some("db-0"), generation));
    assert_eq!(s.server("db-2").health, Health::Unknown);
    s.configured(&["db-2"]);
    assert_eq!((s.primary(), s.last_reason()), (None, "db-0 is no longer configured"));
    s.configured(&["db-2", "db-0"]);
    assert_ne!(s.id("db-0"), id, "ids are never used again");
}

#[test]
fn the_same_name_elsewhere_is_another_server() {
    let mut s = Story::of(&["db-0"]);
    s.says("db-0", writable());
    let id = s.id("db-0");
    s.event(Event::Servers(vec![Discovered::from(("db-0".into(), "elsewhere:3306".into()))]));
    assert_ne!(s.id("db-0"), id);
    assert_eq!((s.primary(), s.server("db-0").health), (None, Health::Unknown));
}

#[test]
fn the_history_keeps_the_last_32() {
    let mut s = Story::of(&["db-0"]);
    for _ in 0..40 {
        s.says("db-0", writable()).refuses("db-0");
    }
    let history = &s.snapshot.history;
    assert_eq!((history.len(), s.snapshot.generation), (32, 1));
    assert!(history.iter().zip(history.iter().skip(1)).all(|(a, b)| a.at_ms < b.at_ms));
    assert_eq!(history.back().unwrap().to, None);
}

#[test]
fn with_labels_the_labelled_candidate_is_the_primary() {
    let mut s = Story::of(&[]);
    s.labelled(&[("db-0", Label::Primary), ("db-1", Label::Replica)]);
    s.says("db-0", writable()).says("db-1", replica_of("db-0"));
    assert_eq!(s.primary(), Some("db-0"));
    // Rule 4 without its GTID condition: a writable server without the label waits for it.
    s.refuses("db-0").says("db-1", writable());
    assert_eq!((s.primary(), s.snapshot.alarm), (None, Some(Alarm::NoCandidate)));
    s.labelled(&[("db-0", Label::Primary), ("db-1", Label::Primary)]);
    assert_eq!((s.primary(), s.snapshot.generation), (Some("db-1"), 2), "two may carry it");
    // The old label is removed first, or moves while the old one is still writable.
    s.labelled(&[("db-0", Label::Absent), ("db-1", Label::Absent)]);
    assert_eq!(s.primary(), Some("db-1"), "the primary stays one while it is a candidate");
}

#[test]
fn a_pod_that_is_being_deleted_is_no_candidate_and_serves_no_reads() {
    let mut s = Story::of(&["db-0", "db-1"]);
    s.says("db-0", writable()).says("db-1", replica_of("db-0"));
    let mut list = discovered(&["db-0", "db-1"]);
    list.iter_mut().for_each(|server| server.deleting = true);
    s.event(Event::Servers(list));
    assert_eq!((s.primary(), s.last_reason()), (None, "db-0 is being deleted"));
    assert!(s.replicas().is_empty());
}
