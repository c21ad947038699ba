//! The checker finds what it looks for: books and rows that do not agree, one fault at a time.

use super::book::{Book, Class, Entry, Told};
use super::check::{Excuse, Found, Row, check, errors};
use tokio::time::Instant;

fn entry(class: Class, token: &str, told: Told) -> Entry {
    let now = Instant::now();
    Entry { class, token: token.into(), told, began: now, opened: None, committed: None, ended: now }
}

fn row(token: &str, table: usize, server: usize, at: &str) -> Row {
    Row { token: token.into(), table, server, at: at.into() }
}

/// Server 0 was killed and 1 took over at 12:00:05.
fn in_order() -> (Vec<Book>, Found) {
    let entries = vec![
        entry(Class::Write, "one", Told::Done),
        entry(Class::Transaction, "two", Told::Done),
        entry(Class::Write, "doubted", Told::InDoubt),
        entry(Class::Transaction, "undone", Told::RolledBack),
        entry(Class::Write, "later", Told::Done),
    ];
    let here = vec![
        row("one", 0, 0, "12:00:01"),
        row("two", 0, 0, "12:00:02"),
        row("two", 0, 0, "12:00:03"),
        row("two", 1, 0, "12:00:04"),
        row("later", 0, 1, "12:00:05"),
    ];
    let deposed = vec![(0, vec![row("one", 0, 0, "12:00:01")])];
    let found = Found { here, deposed, primaries: vec![0, 1], may_lose: false };
    (vec![Book { entries, ..Book::default() }], found)
}

fn findings(twist: impl Fn(&mut Vec<Book>, &mut Found)) -> Vec<String> {
    let (mut books, mut found) = in_order();
    twist(&mut books, &mut found);
    check(&books, &found).wrong
}

#[track_caller]
fn one_finding(begin: &str, twist: impl Fn(&mut Vec<Book>, &mut Found)) {
    let wrong = findings(twist);
    assert!(wrong.len() == 1 && wrong[0].starts_with(begin), "{begin}: {wrong:?}");
}

#[test]
fn what_is_in_order_is_let_through() {
    assert_eq!(findings(|_, _| {}), Vec::<String>::new());
    let seen = |_: &mut Vec<Book>, found: &mut Found| found.here.push(row("doubted", 0, 1, "12:00:06"));
    assert_eq!(findings(seen), Vec::<String>::new(), "one in doubt may have run");
}

#[test]
fn a_write_that_ran_twice_is_noticed() {
    one_finding("ran twice: one", |_, found| found.here.push(row("one", 0, 1, "12:00:07")));
    one_finding("ran twice: two", |_, found| found.here.push(row("two", 1, 1, "12:00:07")));
    one_finding("ran twice: doubted", |_, found| {
        found.here.extend(["12:00:07", "12:00:08"].map(|at| row("doubted", 0, 1, at)));
    });
}

#[test]
fn an_acknowledged_write_that_is_lost_is_noticed() {
    one_finding("acknowledged and lost: one", |_, found| found.here.retain(|r| r.token != "one"));
    one_finding("acknowledged and lost: two", |_, found| found.here.retain(|r| r.token != "two"));
    let (books, mut found) = in_order();
    found.here.retain(|r| r.token != "one");
    found.may_lose = true;
    let verdict = check(&books, &found);
    assert_eq!((verdict.wrong.len(), verdict.lost_by_replication), (0, 1), "asynchronous replication may");
}

#[test]
fn half_a_transaction_is_noticed() {
    one_finding("half a transaction: two", |_, found| found.here.retain(|r| r.table == 0));
    one_finding("half a transaction: undone", |_, found| found.here.push(row("undone", 0, 0, "12:00:04")));
}

#[test]
fn a_write_that_was_said_not_to_run_is_noticed() {
    one_finding("said not to have run, but there: later", |books, _| {
        books[0].entries[4].told = Told::Refused("1290".into());
    });
    one_finding("nobody wrote stray", |_, found| found.here.push(row("stray", 0, 1, "12:00:06")));
}

#[test]
fn a_write_on_a_deposed_primary_is_noticed() {
    one_finding("on a deposed primary", |books, found| {
        found.deposed[0].1.push(row("late", 0, 0, "12:00:06"));
        books[0].entries.push(entry(Class::Write, "late", Told::Done));
        found.here.push(row("late", 0, 1, "12:00:07"));
    });
    one_finding("on a server that never was the primary", |_, found| found.here[0].server = 2);
    let (books, mut found) = in_order();
    found.deposed[0].1.push(row("doubted", 0, 0, "12:00:06"));
    let verdict = check(&books, &found);
    assert_eq!((verdict.wrong.len(), verdict.late_in_doubt), (0, 1), "its client was told");
}

#[test]
fn errors_that_nobody_promised_are_noticed() {
    let (mut books, _) = in_order();
    assert_eq!(errors(&books, Excuse::default()), Vec::<String>::new());
    let promised = books[0].entries.len();
    books[0].entries.extend([
        entry(Class::Write, "a", Told::RolledBack),
        entry(Class::Write, "b", Told::Refused("1290".into())),
        entry(Class::Read, "", Told::Cut(String::new())),
        entry(Class::Read, "", Told::InDoubt),
        entry(Class::Idle, "", Told::Lost("reset".into())),
        entry(Class::Transaction, "c", Told::Odd("1146".into())),
    ]);
    let wrong = errors(&books, Excuse::default());
    assert_eq!(wrong.len(), books[0].entries.len() - promised, "{wrong:?}");
}
