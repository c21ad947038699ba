//! A replica's lag, as stories in milliseconds, then compared with the true lag.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::position_history::{Age, Until};

/// db-0 writes, db-1 and db-2 replicate from it.
struct Race(Story);

impl Race {
    /// Starts with all servers at `0-1-1` at 0 ms; the next writes are `0-1-2` and so on.
    fn start() -> Self {
        let mut race = Race(Story::of(&["db-0", "db-1", "db-2"]));
        race.0.now_ms = 1_000_000;
        race.primary(0, 1).replica(0, 1).answers(0, "db-2", replica_at(1));
        assert_eq!(race.0.replicas(), ["db-1", "db-2"]);
        race
    }

    fn at(&mut self, at_ms: u64) -> &mut Story {
        self.0.now_ms = 1_000_000 + at_ms;
        &mut self.0
    }

    fn answers(&mut self, at_ms: u64, name: &str, facts: Facts) -> &mut Self {
        self.at(at_ms).says(name, facts);
        self
    }

    /// The primary answers a probe that took 1 ms.
    fn primary(&mut self, at_ms: u64, sequence: u64) -> &mut Self {
        self.answers(at_ms, "db-0", writable_at(&format!("0-1-{sequence}")))
    }

    fn replica(&mut self, at_ms: u64, sequence: u64) -> &mut Self {
        self.answers(at_ms, "db-1", replica_at(sequence))
    }

    /// The lag of db-1, in milliseconds.
    fn lag(&self) -> Option<u128> {
        self.0.server("db-1").lag.map(|lag| lag.as_millis())
    }

    fn serves(&self) -> bool {
        self.0.server("db-1").serves_reads
    }
}

fn writable_at(position: &str) -> Facts {
    Facts { gtid: gtid(position), round_trip: Duration::from_micros(900), ..writable() }
}

/// A replica that always reports a lag of 0, as MariaDB does while its receiver lags.
fn replica_at(sequence: u64) -> Facts {
    Facts { gtid: gtid(&format!("0-1-{sequence}")), ..replica_of("db-0") }
}

#[test]
fn a_lag_is_the_age_of_the_position_and_not_the_servers_word() {
    let mut race = Race::start();
    race.primary(100, 2).primary(200, 3).primary(300, 3).primary(400, 4);
    assert_eq!(race.replica(450, 4).lag(), Some(0));
    assert_eq!(race.replica(450, 5).lag(), Some(0), "it has what no probe of the primary saw yet");
    // The primary was last seen without 0-1-4 by the probe that was sent at 299.
    assert_eq!(race.replica(450, 3).lag(), Some(151));
    assert_eq!(race.replica(450, 2).lag(), Some(351));
    assert_eq!(race.replica(450, 1).lag(), Some(450));
    let wrong = with(replica_at(3), |r| r.lag = Some(Duration::from_secs(3600)));
    assert_eq!(race.answers(460, "db-1", wrong).lag(), Some(161), "its clock may be wrong");
    assert!(race.serves());
}

#[test]
fn an_idle_primary_makes_nobody_old() {
    let mut race = Race::start();
    let version = race.0.snapshot.version;
    for at_ms in (100..60_000).step_by(100) {
        race.primary(at_ms, 1).replica(at_ms + 50, 1);
        assert_eq!((race.lag(), race.serves()), (Some(0), true));
    }
    assert_eq!(race.0.snapshot.version, version, "nothing new");
    // A write after the silence is not as old as the silence.
    race.primary(60_100, 2);
    assert_eq!(race.replica(60_150, 1).lag(), Some(60_150 - 59_899));
    assert_eq!(race.replica(60_250, 2).lag(), Some(0));
}

#[test]
fn a_stopped_replica_grows_old_with_the_clock_also_without_an_answer() {
    let mut race = Race::start();
    race.primary(100, 2);
    for at_ms in [200u64, 1_000, 5_000, 10_000] {
        assert_eq!(race.replica(at_ms, 1).lag(), Some(u128::from(at_ms)));
        assert_eq!(race.serves(), at_ms <= 10_000);
        race.primary(at_ms + 50, 2);
    }
    let stopped = with(replica_at(1), |r| (r.lag, r.receiving) = (None, false));
    assert_eq!(race.answers(11_000, "db-1", stopped).lag(), Some(11_000));
    race.at(12_000).silent("db-1");
    assert_eq!(race.lag(), Some(12_000));
    race.at(13_000).refuses("db-1");
    assert_eq!((race.lag(), race.serves()), (None, false), "nobody knows");
    assert_eq!(race.replica(14_000, 2).lag(), Some(0));
    assert!(race.serves());
}

#[test]
fn one_that_is_out_comes_back_when_it_is_well_within_the_limit() {
    let mut race = Race::start();
    for second in 1..=30 {
        race.primary(second * 1000, second + 1);
    }
    // At 30 s the primary has 0-1-31; a replica at 0-1-n is 31 - n seconds behind, since probes were a second apart.
    for (behind, serves) in
        [(9, true), (10, true), (11, false), (10, false), (9, false), (8, true), (9, true), (10, true)]
    {
        let lag = race.replica(29_999, 31 - behind).lag();
        assert_eq!((lag, race.serves()), (Some(u128::from(behind) * 1000), serves), "{behind} s");
    }
    // The same with the lag that the server reports.
    for (behind, serves) in [(9, true), (11, false), (9, false), (8, true), (10, true)] {
        race.answers(30_000, "db-1", says_behind("db-0", behind));
        assert_eq!(
            (race.lag(), race.serves()),
            (Some(u128::from(behind) * 1000), serves),
            "it says {behind} s"
        );
    }
}

#[test]
fn one_that_is_restored_serves_when_it_has_caught_up() {
    let mut race = Race::start();
    race.primary(20_000, 100);
    // A new server in the place of db-1; it reports a lag of 0.
    let fresh = |sequence| Facts { identity: "new".into(), ..replica_at(sequence) };
    let empty = || Facts { gtid: gtid(""), ..fresh(1) };
    assert_eq!(race.answers(20_010, "db-1", empty()).lag(), Some(20_010), "at least so old");
    assert!(!race.serves());
    assert_eq!(race.answers(20_020, "db-1", fresh(50)).lag(), Some(20_020));
    assert!(!race.serves());
    assert_eq!(race.answers(20_030, "db-1", fresh(100)).lag(), Some(0));
    assert!(race.serves());
    // The same server with its data reset to an earlier state.
    assert_eq!(race.answers(20_040, "db-1", fresh(2)).lag(), Some(20_040));
    assert!(!race.serves());
}

#[test]
fn a_replica_that_was_never_seen_with_a_known_position_does_not_serve() {
    let mut s = Story::of(&["db-0", "db-1"]);
    s.says("db-0", writable_at("0-1-100"));
    s.says("db-1", Facts { gtid: gtid("0-1-7"), ..replica_of("db-0") });
    assert_eq!((s.primary(), s.server("db-1").lag, s.replicas().len()), (Some("db-0"), None, 0));
    // It reports a lag that is longer than the time since the primary is known.
    let word = with(Facts { gtid: gtid("0-1-7"), ..replica_of("db-0") }, |r| {
        r.lag = Some(Duration::from_secs(7));
    });
    s.says("db-0", writable_at("0-1-101")).says("db-1", word);
    assert_eq!((s.server("db-1").lag, s.replicas().len()), (Some(Duration::from_secs(7)), 0));
    s.says("db-1", Facts { gtid: gtid("0-1-100"), ..replica_of("db-0") });
    assert_eq!(s.replicas(), ["db-1"]);
}

#[test]
fn while_there_is_no_primary_nobody_gets_older() {
    let mut race = Race::start();
    race.primary(3_000, 2).primary(3_100, 3).replica(3_150, 1);
    race.at(3_200).silent("db-0");
    assert_eq!(race.replica(3_250, 3).lag(), Some(0), "a late answer is no write");
    race.at(3_300).refuses("db-0");
    for at_ms in [3_400, 60_000] {
        assert_eq!(race.replica(at_ms, 3).lag(), Some(0));
        assert_eq!(race.replica(at_ms, 1).lag(), Some(3_099), "as when the primary was last seen");
        assert!(race.serves());
    }
}

#[test]
fn a_new_primary_goes_on_where_the_old_one_ended() {
    let follows = |position: &str| Facts { gtid: gtid(position), ..replica_of("db-2") };
    let mut race = Race::start();
    race.primary(1_000, 2).replica(1_010, 2);
    race.answers(1_010, "db-2", replica_at(2)).at(1_020).refuses("db-0");
    race.answers(30_000, "db-2", replica_at(2)).answers(30_020, "db-2", writable_at("0-1-2,0-3-4"));
    assert_eq!(race.0.primary(), Some("db-2"));
    // db-2 was still at 0-1-2 at its previous probe, and nobody wrote during the 30 s before.
    assert_eq!(race.answers(30_050, "db-1", follows("0-1-2")).lag(), Some(30));
    assert!(race.serves());
    assert_eq!(race.answers(30_060, "db-1", follows("0-1-1")).lag(), Some(30_060), "the old primary's past");
    assert_eq!(race.answers(30_070, "db-1", follows("0-3-4")).lag(), Some(0));
    assert_eq!(race.answers(41_000, "db-2", writable_at("0-3-5")).lag(), Some(0));
    assert_eq!(race.answers(41_010, "db-1", follows("0-3-4")).lag(), Some(10_990), "last seen so at 30020");
}

#[test]
fn writes_that_were_lost_with_a_primary_make_nobody_old() {
    let mysql = |text: &str| Arc::new(GtidSet::parse(Flavor::MySql, text).expect("a set"));
    let (a, b) = ("aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa", "bbbbbbbb-bbbb-bbbb-bbbb-bbbbbbbbbbbb");
    let mut trail = Trail::default();
    for (at_ms, last) in [(0, 1), (1_000, 2), (2_000, 3)] {
        trail.note(ServerId(0), &mysql(&format!("{a}:1-{last}")), (at_ms, at_ms), Duration::ZERO);
    }
    // No other server got the third write; the new primary continues after the second.
    let replica = mysql(&format!("{a}:1-2"));
    let new = Until::Now(9_000, ServerId(1));
    assert_eq!(trail.age(&replica, new), Some(Age::Of(Duration::from_secs(8))));
    trail.note(ServerId(1), &mysql(&format!("{a}:1-2,{b}:1")), (9_000, 9_000), Duration::ZERO);
    assert_eq!(trail.age(&replica, new), Some(Age::Of(Duration::from_secs(8))), "0 would be a guess");
    assert_eq!(trail.age(&mysql(&format!("{a}:1-2,{b}:1")), new), Some(Age::Of(Duration::ZERO)));
    assert_eq!(trail.age(&mysql(&format!("{b}:1")), new), Some(Age::Beyond(Duration::from_secs(9))));
    assert_eq!(trail.age(&gtid("0-1-1"), new), None, "of another flavour");
}

#[test]
fn a_primary_by_its_label_is_not_the_old_one() {
    let list = |primary| {
        let label = |name| if name == primary { Label::Primary } else { Label::Replica };
        ["db-0", "db-1", "db-2"].map(|name| (name, label(name)))
    };
    let mut s = Story::of(&[]);
    s.labelled(&list("db-0"));
    s.says("db-0", writable()).says("db-1", replica_of("db-0")).says("db-2", replica_of("db-0"));
    s.says("db-0", writable()).says("db-2", writable_at("0-3-2")).refuses("db-0");
    s.says("db-1", replica_of("db-2")).labelled(&list("db-2"));
    assert_eq!(s.primary(), Some("db-2"));
    let lag = s.server("db-1").lag;
    assert!(lag.is_some_and(|lag| lag >= Duration::from_secs(4)), "it lacks 0-3-2: {lag:?}");
}

#[test]
fn what_is_read_only_and_does_not_follow_grows_old() {
    let mut race = Race::start();
    let alone = || Facts { gtid: gtid("0-1-1"), ..read_only() };
    race.answers(100, "db-1", alone());
    assert!(race.serves());
    race.primary(1_000, 2).primary(11_000, 2).answers(11_010, "db-1", alone());
    assert_eq!((race.lag(), race.serves()), (Some(11_010), false));
    // The same for a member of a group, which reports no replication; Galera members are never late.
    for (group, lag, serves) in [(Group::Replication, Some(11_020), false), (Group::Galera, None, true)] {
        let member = Member { group, fit: true, apart: false, writes: false, several_write: false };
        let primary = Facts { identity: "uuid-of-db-0".into(), ..writable_at("0-1-2") };
        race.at(11_015).probe("db-0", ProbeOutcome::Member(primary, Member { writes: true, ..member }));
        let facts = Facts { identity: "uuid-of-db-1".into(), ..alone() };
        race.at(11_020).probe("db-1", ProbeOutcome::Member(facts, member));
        assert_eq!((race.lag(), race.serves()), (lag, serves), "{group:?}");
    }
}

#[test]
fn a_trail_is_bounded_and_reaches_back() {
    let mut trail = Trail::default();
    let interval = 100;
    let last = 200_000u64;
    for n in 0..=last {
        trail.note(
            ServerId(0),
            &gtid(&format!("0-1-{}", n + 1)),
            (n * interval, n * interval),
            Duration::ZERO,
        );
    }
    let age = |behind: u64| match trail
        .age(&gtid(&format!("0-1-{}", last + 1 - behind)), Until::Now(last * interval, ServerId(0)))
    {
        Some(Age::Of(age)) => u64::try_from(age.as_millis()).unwrap(),
        other => panic!("{behind}: {other:?}"),
    };
    for behind in 1..1000 {
        assert_eq!(age(behind), behind * interval, "as fine as the probes");
    }
    for behind in 1000..6000 {
        let (true_age, age) = (behind * interval, age(behind));
        assert!(age >= true_age && age <= true_age + true_age / 100, "{true_age}: {age}");
    }
    let (count, bytes) = trail.size();
    assert!(count <= 2048 && bytes <= 1 << 20, "{count} with {bytes} bytes");

    // Sets of 20 KiB each.
    let gaps: Vec<String> = (0..1200).map(|n| (2 * n + 1).to_string()).collect();
    let long = format!("aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa:{}", gaps.join(":"));
    let (mut trail, mut all) = (Trail::default(), GtidSet::empty(Flavor::MySql));
    for n in 3000..3500 {
        let set = GtidSet::parse(Flavor::MySql, format!("{long}:{}", 2 * n)).expect("a set");
        all.union(&set);
        trail.note(ServerId(0), &Arc::new(all.clone()), (n * interval, n * interval), Duration::ZERO);
    }
    let (count, bytes) = trail.size();
    assert!(bytes <= 1 << 20 && count >= 10, "{count} with {bytes} bytes");
}

#[derive(Debug, Clone)]
struct LagPlan {
    /// The milliseconds between the primary's writes.
    writes: Vec<u64>,
    /// When the primary and the replica are first probed.
    offsets: (u64, u64),
    delay: u64,
    /// When the applier stops, and for how long.
    stopped: (u64, u64),
}

fn ways() -> impl Strategy<Value = LagPlan> {
    let gaps = prop_oneof![6 => 1u64..40, 2 => 40u64..300, 1 => 300u64..3000];
    (vec(gaps, 1..150), (0u64..100, 0u64..100), prop_oneof![0u64..30, 0u64..3000], (0u64..6000, 0u64..5000))
        .prop_map(|(writes, offsets, delay, stopped)| LagPlan { writes, offsets, delay, stopped })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Compares with the true lag: the time since the first write that the replica lacks.
    #[test]
    fn a_lag_is_right_to_within_one_probe_interval(way in ways()) {
        const INTERVAL: u64 = 100;
        let at = way.writes.iter().scan(0, |at, gap| { *at += gap; Some(*at) });
        let at: Vec<u64> = at.collect();
        let written = |now: u64| at.partition_point(|at| *at <= now);
        let (stop, long) = way.stopped;
        let applied = |now: u64| {
            let now = if now >= stop && now < stop + long { stop } else { now };
            now.checked_sub(way.delay).map_or(0, written)
        };
        let mut race = Race::start();
        for now in 1..8000u64 {
            if now % INTERVAL == way.offsets.0 {
                race.primary(now, written(now) as u64 + 1);
            }
            if now % INTERVAL == way.offsets.1 {
                race.replica(now, applied(now) as u64 + 1);
                let missing = at.get(applied(now)).filter(|at| **at <= now);
                let truth = missing.map_or(0, |at| now - at);
                let lag = u64::try_from(race.lag().unwrap()).unwrap();
                // The probe takes 1 ms, and rounding adds another.
                let error = INTERVAL + 2;
                prop_assert!(lag + error >= truth && lag <= truth + error, "{now}: {lag}, truly {truth}");
                prop_assert!(lag == 0 || lag >= truth, "{now}: {lag}, truly {truth}");
            }
        }
    }
}
