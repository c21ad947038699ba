use super::*;

/// A digest with this text.
fn digest(text: &str) -> (u64, &str) {
    (mix(1, text.as_bytes()), text)
}

fn figures(micros: u64) -> Figures {
    Figures {
        began: Instant::now(),
        trace: None,
        micros,
        waits: Waits { hold: 1, pool: 2, position: 3 },
        pins: 1 << Pin::Transaction as u32,
        repeated: 1,
        disruptions: 1 << Disruption::Retried as u16 | 1 << Disruption::Held as u16,
        placed: Some((Role::Replica, Why::Port)),
        error: None,
        rows_sent: 2,
        rows_affected: 3,
        bytes_in: 4,
        bytes_out: 5,
    }
}

fn count_of(report: &DigestReport) -> u64 {
    report.digests.iter().map(|one| one.totals.count).sum::<u64>() + report.other.count
}

#[test]
fn every_duration_is_in_a_bucket_whose_bound_is_at_most_an_eighth_too_large() {
    let mut before = 0;
    for micros in (0..4096).chain((12..26).flat_map(|bits| [(1 << bits) - 1, 1 << bits, (1 << bits) + 1])) {
        let (bucket, bound) = (Histogram::bucket(micros), Histogram::bound(Histogram::bucket(micros)));
        assert!(bucket >= before || micros > 4096, "{micros}");
        before = bucket;
        assert!(bound >= micros && bound <= micros + micros / 8, "{micros} is counted as {bound}");
    }
    assert_eq!(Histogram::bucket(u64::MAX), BUCKETS - 1);
}

#[test]
fn quantiles() {
    let mut all = Histogram::default();
    assert_eq!(all.quantile(0.5), 0);
    (1..=100).for_each(|micros| all.add(micros));
    assert_eq!((all.quantile(0.0), all.quantile(0.05), all.quantile(1.0)), (1, 5, 103));
    assert!((50..=56).contains(&all.quantile(0.5)), "{}", all.quantile(0.5));
}

#[test]
fn sums_are_kept_by_account_schema_and_digest() {
    let mut table = Digests::new(10);
    let (one, two) = (digest("SELECT ?"), digest("SELECT `a`"));
    table.count("app", b"shop", one, &figures(10));
    table.count("app", b"shop", digest("SELECT ?"), &figures(30));
    table.count("app", b"other", one, &figures(10));
    table.count("root", b"shop", one, &figures(10));
    table.count("app", b"shop", two, &Figures { error: Some(1054), placed: None, ..figures(10) });
    let report = table.report(0, 100);
    assert_eq!((report.digests.len(), report.evicted), (4, 0));
    let first = &report.digests[0];
    assert_eq!((&*first.user, &*first.schema, &*first.text), ("app", "shop", "SELECT ?"));
    let sums = &first.totals;
    assert_eq!((sums.count, sums.sum, sums.max), (2, 40, 30));
    assert_eq!(sums.waits, Waits { hold: 2, pool: 4, position: 6 });
    assert_eq!((sums.pins[Pin::Transaction as usize], sums.pins.iter().sum::<u32>()), (2, 2));
    assert_eq!(sums.repeated, 2);
    let disruptions = &sums.disruptions;
    assert_eq!((disruptions[Disruption::Retried as usize], disruptions.iter().sum::<u32>()), (2, 4));
    assert_eq!((sums.rows_sent, sums.rows_affected, sums.bytes_in, sums.bytes_out), (4, 6, 8, 10));
    assert_eq!((sums.roles, sums.reasons[Why::Port as usize]), ([0, 2], 2));
    let failed = &report.digests[3].totals;
    assert_eq!((failed.errors[0], failed.failed(), failed.roles), ((1054, 1), 1, [0, 0]));
    let (first_seen, last_seen) = sums.seen.unwrap();
    assert!(first_seen <= last_seen && last_seen <= SystemTime::now().duration_since(UNIX_EPOCH).unwrap());
}

#[test]
fn errors_beyond_the_first_codes_are_counted_together() {
    let mut sums = Totals::default();
    for code in [1, 2, 3, 4, 5, 6, 1] {
        sums.add(&Figures { error: Some(code), ..figures(1) }, Duration::ZERO);
    }
    assert_eq!((sums.errors, sums.other_errors, sums.failed()), ([(1, 2), (2, 1), (3, 1), (4, 1)], 2, 7));
}

#[test]
fn a_full_table_keeps_what_is_used_and_loses_no_count() {
    let mut table = Digests::new(8);
    let used = digest("SELECT used FROM t");
    for n in 0..1000 {
        table.count("app", b"", used, &figures(5));
        table.count("app", b"", digest(&format!("SELECT c{n} FROM t")), &figures(5));
    }
    let report = table.report(0, 100);
    assert_eq!((report.digests.len(), count_of(&report)), (8, 2000));
    let kept = report.digests.iter().find(|one| one.text.contains("used")).expect("it is used all the time");
    assert_eq!(kept.totals.count, 1000);
    assert_eq!(report.evicted, 993);
    assert!(table.index.len() == 8 && table.index.iter().all(|(key, at)| table.entries[*at].key == *key));
    table.reset();
    assert_eq!(count_of(&table.report(0, 100)), 0);
}

#[test]
fn reports_of_workers_are_merged() {
    let report = |sqls: &[&str]| {
        let mut table = Digests::new(10);
        for sql in sqls {
            table.count("app", b"", digest(sql), &figures(if sql.contains('b') { 100 } else { 10 }));
        }
        table.report(0, 100)
    };
    let mut all = report(&["SELECT `a`", "SELECT `a`"]);
    all.digests.extend(report(&["SELECT `b`", "SELECT `a`"]).digests);
    let merged = all.merged();
    let counts: Vec<_> = merged.digests.iter().map(|one| (&*one.text, one.totals.count)).collect();
    assert_eq!(counts, [("SELECT `b`", 1), ("SELECT `a`", 3)]);
}

#[test]
fn a_table_of_no_digests_counts_nothing() {
    let mut table = Digests::new(0);
    table.count("app", b"", digest("SELECT ?"), &figures(1));
    assert!(!table.is_on() && count_of(&table.report(0, 10)) == 0);
}
