//! Examples from the servers' manuals, then comparisons with naive sets.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const A: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
const B: &str = "4e11fa47-71ca-11e1-9e33-c80aa9429562";

fn mysql(text: &str) -> GtidSet {
    GtidSet::parse(Flavor::MySql, text).unwrap()
}

fn mariadb(text: &str) -> GtidSet {
    GtidSet::parse(Flavor::MariaDb, text).unwrap()
}

#[test]
fn mysql_texts_are_read_and_written_on_one_line() {
    for (text, written) in [
        ("".to_owned(), "".to_owned()),
        (" \n,".into(), "".into()),
        (format!("{A}:5"), format!("{A}:5")),
        (format!("{B}:1-3,\n{A}:1-5"), format!("{A}:1-5,{B}:1-3")),
        (format!("{}:1-3:4:11:9-11", A.to_uppercase()), format!("{A}:1-4:9-11")),
        (format!("{A}:1-5:Tag:1-3:7:b:2"), format!("{A}:1-5:b:2:tag:1-3:7")),
        (format!("{A}:tag:1 - 3 , {A}:1"), format!("{A}:1:tag:1-3")),
        (format!("{A}:tag:1:5-7,{A}:other:1,{B}:1"), format!("{A}:other:1:tag:1:5-7,{B}:1")),
        (A.replace('-', "") + ":1", format!("{A}:1")),
        (format!("{A}:3-1"), "".into()),
        (format!("{A}:9223372036854775806"), format!("{A}:9223372036854775806")),
    ] {
        assert_eq!(mysql(&text).to_string(), written, "{text}");
        assert_eq!(mysql(&written), mysql(&text));
    }
}

#[test]
fn what_is_no_gtid_is_refused_and_adds_nothing() {
    let tag33 = "t".repeat(33);
    for text in [
        "0-1-7".to_owned(),
        "3e11fa47:1".into(),
        A.into(),
        format!("{A}:"),
        format!("{A}:0"),
        format!("{A}:0-3"),
        format!("{A}:tag"),
        format!("{A}:1:tag"),
        format!("{A}:a:b:1"),
        format!("{A}:{tag33}:1"),
        format!("{A}:1-"),
        format!("{A}:-1"),
        format!("{A}:+1"),
        format!("{A}:1-2-3"),
        format!("{A}:9223372036854775807"),
        format!("{A}:99999999999999999999"),
        format!("{}g:1", &A[..35]),
        format!("{}:1", A.replace("-7", "7-")),
        format!("{A}:4,{B}:x-1"),
    ] {
        let mut set = mysql(&format!("{A}:1-2"));
        let before = set.clone();
        assert!(set.insert(&text).is_err(), "{text}");
        assert_eq!(set, before, "{text}");
    }
    for text in ["7", "0-1", "0-1-2-3", "0-1-x", "-0-1-7", "0-1-", "4294967296-1-1", "0-1-7,0", A] {
        let mut position = mariadb("0-1-5");
        assert!(position.insert(text).is_err(), "{text}");
        assert_eq!(position, mariadb("0-1-5"));
    }
    let error = GtidSet::parse(Flavor::MySql, "x".repeat(1000)).unwrap_err().to_string();
    assert!(error.len() < 120, "{error}");
}

#[test]
fn any_byte_in_a_uuid_is_a_digit_or_refused() {
    for byte in 0..=u8::MAX {
        let mut text = format!("{A}:1").into_bytes();
        text[3] = byte;
        let read = GtidSet::parse(Flavor::MySql, &text);
        match char::from(byte).to_digit(16).filter(|_| byte.is_ascii()) {
            Some(digit) => assert_eq!(read.unwrap().to_string().chars().nth(3), char::from_digit(digit, 16)),
            None => assert!(read.is_err(), "{byte}"),
        }
    }
}

#[test]
fn mysql_sources_and_tags_count_by_themselves() {
    let replica = mysql(&format!("{A}:1-5:9:tag:1-3"));
    for covered in [":5", ":1-5", ":2-4:9", ":tag:3", ":tag:1-3"] {
        assert!(replica.contains(&mysql(&format!("{A}{covered}"))), "{covered}");
    }
    for missing in [":6", ":1-6", ":5-9", ":tag:4", ":other:1"] {
        assert!(!replica.contains(&mysql(&format!("{A}{missing}"))), "{missing}");
    }
    assert!(!replica.contains(&mysql(&format!("{B}:1"))));
    assert!(replica.contains(&mysql("")) && !mysql("").contains(&replica));
}

#[test]
fn a_session_collects_what_trackers_report() {
    let mut written = GtidSet::empty(Flavor::MySql);
    for text in [
        format!("{A}:7"),
        format!("{A}:9"),
        format!("{A}:8"),
        format!("{A}:tag:1-2"),
        String::new(),
        format!("{A}:12:14-15,{B}:1"),
    ] {
        written.insert(text).unwrap();
    }
    assert_eq!(written.to_string(), format!("{A}:7-9:12:14-15:tag:1-2,{B}:1"));

    let mut written = GtidSet::empty(Flavor::MariaDb);
    for text in ["0-1-7", "1-1-3", "0-2-9", "0-1-8", "1-2-4,2-1-6"] {
        written.insert(text).unwrap();
    }
    assert_eq!(written.to_string(), "0-2-9,1-2-4,2-1-6");
}

#[test]
fn mariadb_compares_by_domain_and_sequence() {
    let replica = mariadb("0-2-100,1-1-7");
    for covered in ["", "0-1-99", "0-1-100", "0-2-100", "1-3-7,0-1-1"] {
        assert!(replica.contains(&mariadb(covered)), "{covered}");
    }
    for missing in ["0-1-101", "2-1-1", "0-1-1,1-1-8"] {
        assert!(!replica.contains(&mariadb(missing)), "{missing}");
    }
    assert_eq!(mariadb(" 1-1-7, 0-2-100").to_string(), "0-2-100,1-1-7");
    assert_eq!(replica.subtract(&mariadb("0-1-100,1-1-6")).to_string(), "1-1-7");
}

/// Server 2 was the primary until 0-2-100, but only its writes until 0-2-98 were replicated; server 1 took
/// over.
#[test]
fn own_writes_prove_nothing_about_those_of_a_successor() {
    let applied = |slave_pos, current_pos| GtidSet::applied_by_mariadb(slave_pos, current_pos, 2).unwrap();
    let former = applied("0-1-90", "0-2-100");
    assert!(former.contains(&mariadb("0-2-100")) && former.contains(&mariadb("0-1-90")));
    assert!(!former.contains(&mariadb("0-1-99")), "written by the successor");
    assert_eq!(former.to_string(), "0-2-100");
    // Writes received from the successor count by sequence number again, and cover the server's own writes
    // too.
    let following = applied("0-1-101", "0-1-101");
    assert!(following.contains(&mariadb("0-1-99,0-2-100")) && following.contains(&mariadb("0-3-101")));
    // Configured to replicate from its own last position: the position is still its own writes.
    let rejoined = applied("0-2-100", "0-2-100");
    assert!(rejoined.contains(&mariadb("0-2-100")) && !rejoined.contains(&mariadb("0-1-99")));
    // A write to a replica by mistake.
    let stray = applied("0-1-90", "0-2-91");
    assert!(!stray.contains(&mariadb("0-1-91")) && stray.contains(&mariadb("0-1-90")));
}

#[test]
fn flavours_have_nothing_in_common() {
    let (my, maria) = (mysql(&format!("{A}:1-5")), mariadb("0-1-5"));
    assert!(!my.contains(&maria) && !maria.contains(&my));
    assert!(my.contains(&GtidSet::empty(Flavor::MariaDb)));
    let mut both = my.clone();
    both.union(&GtidSet::empty(Flavor::MariaDb));
    assert_eq!(both, my);
    both.union(&maria);
    assert_eq!(both, maria);
}

/// A set, as the pairs of source and number that it contains.
type Model = BTreeSet<(usize, u64)>;

const SOURCES: [&str; 4] =
    [A, "3e11fa47-71ca-11e1-9e33-c80aa9429562:t", B, "4e11fa47-71ca-11e1-9e33-c80aa9429562:u_1"];

fn pieces() -> impl Strategy<Value = Vec<(usize, u64, u64)>> {
    vec((0..SOURCES.len(), 1u64..24, 0u64..6), 0..12)
}

fn model(pieces: &[(usize, u64, u64)]) -> Model {
    pieces.iter().flat_map(|(source, first, more)| (*first..=first + more).map(|n| (*source, n))).collect()
}

fn text(pieces: &[(usize, u64, u64)]) -> String {
    let part = |(source, first, more): &(usize, u64, u64)| match more {
        0 => format!("{}:{first}", SOURCES[*source]),
        more => format!("{}:{first}-{}", SOURCES[*source], first + more),
    };
    pieces.iter().map(part).collect::<Vec<_>>().join(",\n")
}

fn of(model: &Model) -> GtidSet {
    let singles: Vec<_> = model.iter().map(|(source, n)| (*source, *n, 0)).collect();
    mysql(&text(&singles))
}

/// The sequence number of each domain.
fn mariadb_model(gtids: &[(u32, u32, u64)]) -> BTreeMap<u32, u64> {
    let mut model = BTreeMap::new();
    for (domain, _, sequence) in gtids {
        let last = model.entry(*domain).or_insert(0);
        *last = (*last).max(*sequence);
    }
    model
}

fn mariadb_text(gtids: &[(u32, u32, u64)]) -> String {
    gtids.iter().map(|(d, s, n)| format!("{d}-{s}-{n}")).collect::<Vec<_>>().join(",")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mysql_sets_are_sets(a in pieces(), b in pieces()) {
        let (set_a, set_b) = (mysql(&text(&a)), mysql(&text(&b)));
        let (model_a, model_b) = (model(&a), model(&b));
        // Equal sets have one form, whatever the order and the overlaps of the text; the form parses to the
        // same set.
        prop_assert_eq!(&set_a, &of(&model_a));
        prop_assert_eq!(&mysql(&set_a.to_string()), &set_a);
        prop_assert_eq!(set_a.is_empty(), model_a.is_empty());
        prop_assert_eq!(set_a.contains(&set_b), model_a.is_superset(&model_b));
        let mut both = set_a.clone();
        both.union(&set_b);
        prop_assert_eq!(&both, &of(&(&model_a | &model_b)));
        prop_assert!(both.contains(&set_a) && both.contains(&set_b));
        let mut inserted = set_a.clone();
        inserted.insert(text(&b)).unwrap();
        prop_assert_eq!(&inserted, &both);
        prop_assert_eq!(set_a.subtract(&set_b), of(&(&model_a - &model_b)));
    }

    #[test]
    fn mysql_single_gtids(a in pieces(), source in 0..SOURCES.len(), n in 1u64..30) {
        let one = mysql(&text(&[(source, n, 0)]));
        prop_assert_eq!(mysql(&text(&a)).contains(&one), model(&a).contains(&(source, n)));
    }

    #[test]
    fn mariadb_positions_are_maps(
        a in vec((0u32..4, 1u32..4, 1u64..9), 0..6),
        b in vec((0u32..4, 1u32..4, 1u64..9), 0..6),
    ) {
        let (pos_a, pos_b) = (mariadb(&mariadb_text(&a)), mariadb(&mariadb_text(&b)));
        let (model_a, model_b) = (mariadb_model(&a), mariadb_model(&b));
        let covers = |(d, n): (&u32, &u64)| model_a.get(d).is_some_and(|own| own >= n);
        prop_assert_eq!(pos_a.contains(&pos_b), model_b.iter().all(covers));
        prop_assert_eq!(&mariadb(&pos_a.to_string()), &pos_a);
        let mut both = pos_a.clone();
        both.union(&pos_b);
        let mut model_both = model_a.clone();
        for (d, n) in &model_b {
            let last = model_both.entry(*d).or_insert(0);
            *last = (*last).max(*n);
        }
        prop_assert_eq!(mariadb_model(&read_back(&both)), model_both);
        let rest = pos_a.subtract(&pos_b);
        let ahead = model_a.iter().filter(|(d, n)| model_b.get(d).is_none_or(|other| other < n));
        prop_assert_eq!(mariadb_model(&read_back(&rest)), ahead.map(|(d, n)| (*d, *n)).collect());
    }

    /// The laws of union and difference.
    #[test]
    fn the_laws_of_sets(a in pieces(), b in pieces(), c in pieces()) {
        let (a, b, c) = (mysql(&text(&a)), mysql(&text(&b)), mysql(&text(&c)));
        let or = |a: &GtidSet, b: &GtidSet| { let mut both = a.clone(); both.union(b); both };
        prop_assert_eq!(or(&a, &b), or(&b, &a));
        prop_assert_eq!(or(&or(&a, &b), &c), or(&a, &or(&b, &c)));
        prop_assert_eq!(or(&a.subtract(&b), &b), or(&a, &b));
        prop_assert_eq!(a.subtract(&b).subtract(&c), a.subtract(&or(&b, &c)));
        prop_assert_eq!(a.contains(&b), b.subtract(&a).is_empty());
        prop_assert!(a.contains(&a.subtract(&b)));
    }

    /// Intervals near the greatest number, where a sum could overflow.
    #[test]
    fn the_greatest_numbers(a in 0u64..6, more_a in 0u64..6, b in 0u64..6, more_b in 0u64..6) {
        let last = u64::try_from(i64::MAX).unwrap() - 1;
        let range = |below: u64, more: u64| {
            let first = last - below;
            let end = last.min(first + more);
            (mysql(&format!("{A}:{first}-{end}")), (first..=end).map(|n| (0, n)).collect::<Model>())
        };
        let ((set_a, model_a), (set_b, model_b)) = (range(a, more_a), range(b, more_b));
        let mut both = set_a.clone();
        both.union(&set_b);
        prop_assert_eq!(both, of(&(&model_a | &model_b)));
        prop_assert_eq!(set_a.subtract(&set_b), of(&(&model_a - &model_b)));
        prop_assert_eq!(set_a.contains(&set_b), model_a.is_superset(&model_b));
    }

    /// Closing gaps adds the numbers in them and nothing else.
    #[test]
    fn closed_gaps_lie_between_the_ends(a in pieces(), most in 0usize..4) {
        let (model_a, mut closed) = (model(&a), mysql(&text(&a)));
        closed.close_gaps(most);
        let mut expected = model_a.clone();
        for source in 0..SOURCES.len() {
            let own: Vec<u64> = model_a.iter().filter(|(s, _)| *s == source).map(|(_, n)| *n).collect();
            let runs = own.windows(2).filter(|pair| pair[1] > pair[0] + 1).count() + 1;
            if let (true, Some(first), Some(last)) = (runs > most, own.first(), own.last()) {
                expected.extend((*first..=*last).map(|n| (source, n)));
            }
        }
        prop_assert_eq!(closed, of(&expected));
    }

    /// A replicated GTID covers others by domain and number; an own write covers only own writes.
    #[test]
    fn what_a_mariadb_has_applied(
        slave in vec((0u32..3, 1u32..4, 1u64..9), 0..4),
        current in vec((0u32..3, 1u32..4, 1u64..9), 0..4),
        wanted in (0u32..3, 1u32..4, 1u64..9),
    ) {
        const OWN: u32 = 2;
        let applied = GtidSet::applied_by_mariadb(&mariadb_text(&slave), &mariadb_text(&current), OWN).unwrap();
        let (domain, server, sequence) = wanted;
        let all = || slave.iter().chain(&current).filter(|gtid| gtid.0 == domain && gtid.2 >= sequence);
        let expected = all().any(|gtid| gtid.1 != OWN) || (server == OWN && all().any(|gtid| gtid.1 == OWN));
        prop_assert_eq!(applied.contains(&mariadb(&mariadb_text(&[wanted]))), expected);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[0-9a-f:,\\- \n_t]{0,60}") {
        for flavor in [Flavor::MySql, Flavor::MariaDb] {
            if let Ok(set) = GtidSet::parse(flavor, &text) {
                prop_assert_eq!(GtidSet::parse(flavor, set.to_string()), Ok(set));
            }
        }
    }
}

fn read_back(position: &GtidSet) -> Vec<(u32, u32, u64)> {
    let text = position.to_string();
    let gtids = text.split(',').filter(|part| !part.is_empty());
    let numbers = gtids.map(|part| part.split('-').map(|n| n.parse::<u64>().unwrap()).collect::<Vec<_>>());
    numbers.map(|n| (u32::try_from(n[0]).unwrap(), u32::try_from(n[1]).unwrap(), n[2])).collect()
}

#[test]
fn whose_writes_they_are() {
    let set = mysql(&format!("{A}:1-5,{B}:tag:1"));
    let other = A.replace('3', "7");
    for (identity, has) in [(A, true), (&*A.to_uppercase(), true), (B, true), (&*other, false), ("", false)] {
        assert_eq!(set.has_writes_of(identity), has, "{identity}");
    }
    let position = mariadb("0-1-7,1-23-9");
    for (identity, has) in [("1", true), ("23", true), ("2", false), ("0", false), ("", false)] {
        assert_eq!(position.has_writes_of(identity), has, "{identity}");
    }
}

#[test]
fn a_binlog_state_has_what_each_server_wrote_up_to_its_last_number() {
    let has = |wanted: &str, state: &[u8]| {
        GtidSet::parse(Flavor::MariaDb, wanted).unwrap().is_in_binlog_state(state)
    };
    let state = b"0-1-100,0-2-105,7-1-3";
    assert!(has("0-1-100", state) && has("0-1-99", state) && has("0-2-105,7-1-3", state));
    // The number alone is not enough: another server continued from 100.
    assert!(!has("0-1-101", state) && !has("0-3-1", state) && !has("7-2-1", state));
    assert!(!has("0-1-100", b"") && !has("0-1-100", b"0-1") && has("", b""));
    let mysql = GtidSet::parse(Flavor::MySql, "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa:1").unwrap();
    assert!(!mysql.is_in_binlog_state(b"0-1-100"));
}
