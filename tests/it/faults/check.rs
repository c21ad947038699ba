//! Compares what the clients were told with what the servers have.

use super::book::{Book, Class, Entry, Told};
use std::collections::{HashMap, HashSet};

/// Rows of a token by table and server that wrote them, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub token: String,
    /// 0: `log`; 1: `pair`.
    pub table: usize,
    pub server: usize,
    /// In the notation of the server.
    pub at: String,
}

/// What there is after a run.
#[derive(Debug, Default)]
pub struct Found {
    /// On the primary of the end.
    pub here: Vec<Row>,
    /// On each primary that was deposed and could be asked: its number, its rows, committed or not.
    pub deposed: Vec<(usize, Vec<Row>)>,
    /// Of the runs' primaries, in order. A planned change may name one twice.
    pub primaries: Vec<usize>,
    /// What was deposed was restored without being asked, and replicas acknowledge nothing: it lost what it lost.
    pub may_lose: bool,
}

/// What must not be, in words.
#[derive(Debug, Default)]
pub struct Verdict {
    pub wrong: Vec<String>,
    /// Acknowledged, and missing, where replication may lose writes.
    pub lost_by_replication: usize,
    /// Of unknown outcome, and written on a deposed primary after its successor began.
    pub late_in_doubt: usize,
}

/// Rows of a whole transaction: in `log` and in `pair`.
const OF_TRANSACTION: [usize; 2] = [2, 1];
const OF_STATEMENT: [usize; 2] = [1, 0];

pub fn check(books: &[Book], found: &Found) -> Verdict {
    let mut verdict = Verdict::default();
    let mut there: HashMap<&str, [usize; 2]> = HashMap::new();
    for row in &found.here {
        there.entry(&row.token).or_default()[row.table] += 1;
    }
    for book in books {
        verdict.wrong.extend(book.wrong.iter().cloned());
        for entry in book.entries.iter().filter(|e| e.class.writes()) {
            let rows = there.remove(&*entry.token).unwrap_or_default();
            judge(entry, rows, found, &mut verdict);
        }
    }
    for (token, rows) in there {
        verdict.wrong.push(format!("nobody wrote {token}: {rows:?}"));
    }
    late(books, found, &mut verdict);
    verdict
}

fn judge(entry: &Entry, rows: [usize; 2], found: &Found, verdict: &mut Verdict) {
    let whole = if entry.class.in_transaction() { OF_TRANSACTION } else { OF_STATEMENT };
    let (token, told) = (&entry.token, &entry.told);
    let wrong = if rows.iter().zip(whole).any(|(n, whole)| *n > whole) {
        "ran twice"
    } else if rows != [0, 0] && rows != whole {
        "half a transaction"
    } else if told.allows(rows == whole) {
        return;
    } else if *told != Told::Done {
        "said not to have run, but there"
    } else if found.may_lose {
        verdict.lost_by_replication += 1;
        return;
    } else {
        "acknowledged and lost"
    };
    verdict.wrong.push(format!("{wrong}: {token}, told {told:?}, rows {rows:?}"));
}

/// What reached a primary after its successor took its first write. Clients of statements in doubt know that they do
/// not know; they may still be on their way.
fn late(books: &[Book], found: &Found, verdict: &mut Verdict) {
    let doubted = |e: &&Entry| !matches!(e.told, Told::Done | Told::Refused(_));
    let doubt: HashSet<_> =
        books.iter().flat_map(|b| b.entries.iter().filter(doubted)).map(|e| e.token.as_str()).collect();
    let mut seen = HashSet::new();
    for (old, rows) in &found.deposed {
        // Who was the primary again later wrote for a good reason.
        if found.primaries.iter().filter(|n| *n == old).count() != 1 {
            continue;
        }
        let after = found.primaries.iter().skip_while(|n| *n != old).nth(1);
        let Some(new) = after else { continue };
        let began = found.here.iter().filter(|r| r.server == *new).map(|r| r.at.as_str()).min();
        let Some(began) = began else { continue };
        let ours = rows.iter().chain(&found.here).filter(|r| r.server == *old && r.at.as_str() > began);
        for row in ours {
            if !seen.insert((&row.token, row.table, &row.at)) {
                continue;
            }
            if doubt.contains(&*row.token) {
                verdict.late_in_doubt += 1;
            } else {
                verdict.wrong.push(format!("on a deposed primary: {row:?}, its successor began at {began}"));
            }
        }
    }
    for row in found.here.iter().filter(|r| !found.primaries.contains(&r.server)) {
        verdict.wrong.push(format!("on a server that never was the primary: {row:?}"));
    }
}

/// What a fault excuses, beyond what is always allowed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Excuse {
    /// The servers' own errors reach the clients.
    pub server_errors: bool,
    /// Answers may break off in the middle of a packet, and with them the connection.
    pub torn: bool,
    /// More than one server is lost: a read that was on two of them is told so.
    pub several: bool,
    /// Nothing is lost: the primary only pauses. No client may be told anything.
    pub nothing: bool,
}

/// Errors that autocommit statements may not get, and connections that may not be lost.
pub fn errors(books: &[Book], excuse: Excuse) -> Vec<String> {
    let mut wrong = Vec::new();
    let failed_logins: usize = books.iter().map(|book| book.failed_logins).sum();
    if excuse.nothing && failed_logins > 0 {
        wrong.push(format!("{failed_logins} logins failed"));
    }
    for entry in books.iter().flat_map(|b| &b.entries) {
        let excused = match &entry.told {
            Told::Done => true,
            _ if excuse.nothing => false,
            Told::InDoubt => true,
            Told::RolledBack => entry.class.in_transaction(),
            Told::Cut(_) => entry.class == Class::LongRead || excuse.torn || excuse.several,
            Told::Torn => entry.class == Class::LongRead || excuse.torn,
            // A server that stops interrupts statements, and one of a session with a table of its own cannot run elsewhere.
            Told::Odd(text) if entry.class == Class::Temporary && text.starts_with("1317 ") => true,
            Told::Odd(_) | Told::Refused(_) => excuse.server_errors,
            // Its table is lost with the server.
            Told::Lost(_) => excuse.torn || entry.class == Class::Temporary,
        };
        if !excused {
            wrong.push(format!("{:?} {} was told {:?}", entry.class, entry.token, entry.told));
        }
        if entry.told == Told::InDoubt && !entry.class.writes() && entry.class != Class::Temporary {
            wrong.push(format!("a read in doubt: {:?}", entry.class));
        }
    }
    wrong
}
