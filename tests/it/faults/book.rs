//! What each client was told, and the table of it.

use mysql_async::Error;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;
use tokio::time::Instant;

/// What a client does all along.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    Write,
    PreparedWrite,
    Transaction,
    PreparedTransaction,
    /// Transactions of a session without autocommit.
    Implicit,
    Read,
    PreparedRead,
    LongRead,
    Idle,
    /// A session with a temporary table, which counts what it has put there.
    Temporary,
}

impl Class {
    pub fn in_transaction(self) -> bool {
        matches!(self, Class::Transaction | Class::PreparedTransaction | Class::Implicit)
    }

    pub fn writes(self) -> bool {
        self.in_transaction() || matches!(self, Class::Write | Class::PreparedWrite)
    }
}

/// How a statement, or a transaction as a whole, ended for its client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    Done,
    /// Certainly not executed, says the answer.
    Refused(String),
    /// 08007
    InDoubt,
    /// 1213
    RolledBack,
    /// A read whose server was lost: run it again. What it was told.
    Cut(String),
    /// The connection ended in the middle of an answer: in a packet, where nothing else can be said.
    Torn,
    /// An error that says nothing of whether it ran.
    Odd(String),
    /// The connection ended without a word, or with one that says so.
    Lost(String),
}

impl Told {
    /// `partly`: a part of the answer had come.
    pub fn of(result: Result<(), Error>, class: Class, partly: bool) -> Self {
        let error = match result {
            Ok(()) => return Told::Done,
            Err(Error::Server(error)) => error,
            Err(_) if partly => return Told::Torn,
            Err(other) => return Told::Lost(other.to_string()),
        };
        let text = format!("{} ({}): {}", error.code, error.state, error.message);
        match (error.code, &*error.state) {
            (_, "08007") => Told::InDoubt,
            (1213, "40001") if class.in_transaction() => Told::RolledBack,
            (1290 | 1040, _) => Told::Refused(text),
            (1105, "08S01") if !class.writes() => Told::Cut(text),
            (1053, "08S01") => Told::Lost(text),
            _ => Told::Odd(text),
        }
    }

    /// Whether its rows may be there, and whether they may be missing.
    pub fn allows(&self, rows: bool) -> bool {
        match self {
            Told::Done => rows,
            Told::Refused(_) | Told::RolledBack => !rows,
            Told::InDoubt | Told::Cut(_) | Told::Torn | Told::Odd(_) | Told::Lost(_) => true,
        }
    }
}

/// One statement, or one transaction.
#[derive(Debug, Clone)]
pub struct Entry {
    pub class: Class,
    /// In each row that it wrote; empty where it only read.
    pub token: String,
    pub told: Told,
    pub began: Instant,
    /// When a transaction's first statement was answered, and when its COMMIT was sent.
    pub opened: Option<Instant>,
    pub committed: Option<Instant>,
    pub ended: Instant,
}

/// All that one client was told, and what it saw that cannot be.
#[derive(Debug, Default)]
pub struct Book {
    pub entries: Vec<Entry>,
    /// Answers that are wrong, in words.
    pub wrong: Vec<String>,
    /// Logins that were refused, or failed, after a lost connection.
    pub failed_logins: usize,
}

#[derive(Debug, Default, Clone)]
struct Counts {
    done: usize,
    refused: usize,
    in_doubt: usize,
    rolled_back: usize,
    cut: usize,
    torn: usize,
    odd: usize,
    lost: usize,
    /// From the beginning of what did not go well, if anything, to the end of the next that did.
    longest: Duration,
    /// Transactions that were open when a primary was lost, and those of them that went through.
    open: usize,
    unseen: usize,
}

/// Counts by class, of one run or many.
#[derive(Debug, Default, Clone)]
pub struct Table {
    rows: BTreeMap<Class, Counts>,
    pub failed_logins: usize,
}

impl Table {
    /// `faults`: when a primary was lost.
    pub fn add(&mut self, books: &[Book], faults: &[Instant]) {
        for book in books {
            self.failed_logins += book.failed_logins;
            let mut since = None;
            for entry in &book.entries {
                let counts = self.rows.entry(entry.class).or_default();
                counts.note(entry, faults);
                let began = *since.get_or_insert(entry.began);
                if entry.told == Told::Done {
                    counts.longest = counts.longest.max(entry.ended - began);
                    since = None;
                }
            }
        }
    }

    pub fn merge(&mut self, other: Table) {
        self.failed_logins += other.failed_logins;
        for (class, more) in other.rows {
            self.rows.entry(class).or_default().add(&more);
        }
    }
}

/// One line for a kind of fault: autocommit statements, then transactions.
pub const LINE_HEADS: [&str; 10] = [
    "ok",
    "in doubt",
    "errors",
    "conn lost",
    "longest",
    "trans. ok",
    "in doubt",
    "1213",
    "other",
    "  open: unseen",
];

impl Table {
    pub fn line(&self) -> String {
        let sum = |transactions: bool| {
            let mut all = Counts::default();
            let rows = self.rows.iter().filter(|(class, _)| class.in_transaction() == transactions);
            rows.for_each(|(_, counts)| all.add(counts));
            all
        };
        let (one, many) = (sum(false), sum(true));
        let errors = one.refused + one.odd + one.cut;
        format!(
            "{:>10}{:>10}{errors:>10}{:>10}{:>9.1}s{:>10}{:>10}{:>10}{:>10}{:>14}",
            one.done,
            one.in_doubt,
            one.lost + one.torn,
            one.longest.max(many.longest).as_secs_f64(),
            many.done,
            many.in_doubt,
            many.rolled_back,
            many.lost + many.torn + many.refused + many.odd,
            format!("{}: {}", many.open, many.unseen)
        )
    }
}

impl Counts {
    fn add(&mut self, more: &Counts) {
        self.done += more.done;
        self.refused += more.refused;
        self.in_doubt += more.in_doubt;
        self.rolled_back += more.rolled_back;
        self.cut += more.cut;
        self.torn += more.torn;
        self.odd += more.odd;
        self.lost += more.lost;
        self.open += more.open;
        self.unseen += more.unseen;
        self.longest = self.longest.max(more.longest);
    }

    fn note(&mut self, entry: &Entry, faults: &[Instant]) {
        *match &entry.told {
            Told::Done => &mut self.done,
            Told::Refused(_) => &mut self.refused,
            Told::InDoubt => &mut self.in_doubt,
            Told::RolledBack => &mut self.rolled_back,
            Told::Cut(_) => &mut self.cut,
            Told::Torn => &mut self.torn,
            Told::Odd(_) => &mut self.odd,
            Told::Lost(_) => &mut self.lost,
        } += 1;
        let until = entry.committed.unwrap_or(entry.ended);
        if entry.opened.is_some_and(|since| faults.iter().any(|at| since < *at && *at < until)) {
            self.open += 1;
            self.unseen += usize::from(entry.told == Told::Done);
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heads = [
            "ok",
            "refused",
            "in doubt",
            "1213",
            "cut",
            "torn",
            "other",
            "conn lost",
            "longest",
            "  open: unseen",
        ];
        write!(f, "{:<20}", "")?;
        for head in heads {
            write!(f, "{head:>10}")?;
        }
        writeln!(f)?;
        for (class, c) in &self.rows {
            let open =
                if class.in_transaction() { format!("{}: {}", c.open, c.unseen) } else { String::new() };
            write!(f, "{:<20}", format!("{class:?}"))?;
            let counts = [c.done, c.refused, c.in_doubt, c.rolled_back, c.cut, c.torn, c.odd, c.lost];
            for count in counts {
                write!(f, "{count:>10}")?;
            }
            writeln!(f, "{:>9.1}s{open:>14}", c.longest.as_secs_f64())?;
        }
        write!(f, "logins that failed: {}", self.failed_logins)
    }
}
