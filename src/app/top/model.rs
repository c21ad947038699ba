//! What `pointsman top` shows: the last answers of the proxy, what changed between them, and what the keys chose.

use std::collections::{BTreeMap, HashMap};

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use serde::Deserialize;

use crate::admin::{Report, Waited};

/// The part of `/digests` that is shown.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct TopDigests {
    /// The digests, those first on which most time was spent.
    pub digests: Vec<TopDigest>,
}

/// One digest, with its sums since the start of the proxy.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct TopDigest {
    /// The account.
    pub user: String,
    /// The default schema.
    pub schema: String,
    /// The digest's number: `0x…`.
    pub digest: String,
    /// The statement without its literals.
    pub digest_text: String,
    /// The number of statements.
    pub count: u64,
    /// The time that all statements took, in microseconds.
    pub sum_us: u64,
    /// The time within which 95 % of the statements ended, in microseconds.
    pub p95_us: u64,
    /// The time of the longest statement, in microseconds.
    pub max_us: u64,
    /// The time that all statements waited in the proxy, in microseconds.
    pub waited_us: Waited,
    /// The number of rows that clients got.
    pub rows_sent: u64,
    /// The number of rows that the statements changed.
    pub rows_affected: u64,
    /// The number of statements that ended with an error.
    pub failed: u64,
    /// The number of errors by code.
    pub errors: BTreeMap<String, u64>,
    /// The number of statements by target: `primary`, `replica`.
    pub targets: BTreeMap<String, u64>,
    /// The number of statements by the reason for their target.
    pub reasons: BTreeMap<String, u64>,
    /// The number of pins that the statements began, by pin.
    pub pins: BTreeMap<String, u64>,
}

impl TopDigest {
    /// Returns what no other digest has: the account, the schema and the number.
    pub fn key(&self) -> DigestKey<'_> {
        DigestKey { user: &self.user, schema: &self.schema, digest: &self.digest }
    }
}

/// What names a line of the digests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DigestKey<'a> {
    user: &'a str,
    schema: &'a str,
    digest: &'a str,
}

/// Two answers of the same moment.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    /// The answer of `/topology`.
    pub report: Report,
    /// The answer of `/digests`.
    pub digests: Vec<TopDigest>,
}

impl Sample {
    /// Joins the answers.
    pub fn of(report: Report, digests: TopDigests) -> Self {
        Sample { report, digests: digests.digests }
    }
}

/// What the statements of a digest did in a second, on average between the last two answers.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Rates {
    /// Statements per second.
    pub calls: f64,
    /// Seconds that statements took, per second: how many statements ran at a time.
    pub busy: f64,
    /// Seconds that statements waited in the proxy, per second: how many statements waited at a time.
    pub waited: f64,
    /// Statements with an error, per second.
    pub failed: f64,
}

/// One line of the list.
#[derive(Debug, Clone)]
pub(super) struct TopLine {
    /// The digest as the last answer has it.
    pub digest: TopDigest,
    /// What changed since the answer before; all 0 after the first answer.
    pub rates: Rates,
}

/// By what the list is sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Sort {
    /// By the time that statements took, per second.
    #[default]
    Time,
    /// By statements per second.
    Calls,
    /// By the time that statements waited in the proxy, per second.
    Waits,
    /// By statements with an error, per second.
    Errors,
    /// By the number of pins since the start of the proxy.
    Pins,
}

impl Sort {
    const ALL: [Sort; 5] = [Sort::Time, Sort::Calls, Sort::Waits, Sort::Errors, Sort::Pins];

    /// Returns the word in the last line.
    pub fn word(self) -> &'static str {
        match self {
            Sort::Time => "time",
            Sort::Calls => "calls",
            Sort::Waits => "waits",
            Sort::Errors => "errors",
            Sort::Pins => "pins",
        }
    }

    fn next(self) -> Self {
        let at = Self::ALL.iter().position(|sort| *sort == self).map_or(0, |at| at + 1);
        Self::ALL.get(at).copied().unwrap_or_default()
    }

    fn of(self, line: &TopLine) -> f64 {
        let pins = || line.digest.pins.values().sum::<u64>() as f64;
        match self {
            Sort::Time => line.rates.busy,
            Sort::Calls => line.rates.calls,
            Sort::Waits => line.rates.waited,
            Sort::Errors => line.rates.failed,
            Sort::Pins => pins(),
        }
    }
}

/// What happens after a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// Draw the model again.
    GoOn,
    /// End the program.
    Quit,
}

/// Everything that is drawn.
#[derive(Debug, Default)]
pub(super) struct Model {
    /// The answers before the last ones; None if these are of another process, or the first.
    before: Option<Sample>,
    /// The last answers; None before the first ones.
    pub now: Option<Sample>,
    /// Why there was no answer to the last question; None if there was one.
    pub silent: Option<String>,
    /// The digests that the filter admits, sorted by `sort`.
    pub lines: Vec<TopLine>,
    /// The order of `lines`.
    pub sort: Sort,
    /// The text that a digest's user, schema, text or number must have, without regard to case; empty: any.
    pub filter: String,
    /// True while the filter is typed.
    pub types: bool,
    /// True if the reasons of the selected digest are shown.
    pub why: bool,
    /// The index in `lines` of the selected digest.
    pub selected: usize,
}

impl Model {
    /// Takes new answers.
    pub fn update(&mut self, sample: Result<Sample, String>) {
        match sample {
            Ok(sample) => {
                self.silent = None;
                // The counts of another process begin anew.
                let same = |before: &Sample| before.report.uptime_ms < sample.report.uptime_ms;
                self.before = self.now.take().filter(same);
                self.now = Some(sample);
                self.arrange();
            }
            Err(reason) => self.silent = Some(reason),
        }
    }

    /// Returns the seconds between the last two answers; None after the first answer.
    pub fn seconds(&self) -> Option<f64> {
        let (before, now) = (self.before.as_ref()?, self.now.as_ref()?);
        Some(now.report.uptime_ms.checked_sub(before.report.uptime_ms)? as f64 / 1e3)
    }

    /// Returns how many statements a port had in a second.
    pub fn port_rate(&self, mode: &str) -> Option<f64> {
        let count = |sample: &Sample| {
            sample.report.traffic.ports.iter().find(|port| port.mode == mode).map(|port| port.statements)
        };
        let counted = count(self.now.as_ref()?)?.checked_sub(count(self.before.as_ref()?)?)?;
        Some(counted as f64 / self.seconds()?)
    }

    /// Returns how many statements a server had in a second.
    pub fn server_rate(&self, name: &str) -> Option<f64> {
        let count = |sample: &Sample| {
            sample.report.servers.iter().find(|server| server.name == name).map(|server| server.statements)
        };
        let counted = count(self.now.as_ref()?)?.checked_sub(count(self.before.as_ref()?)?)?;
        Some(counted as f64 / self.seconds()?)
    }

    /// Sorts and filters the digests.
    fn arrange(&mut self) {
        let seconds = self.seconds();
        let earlier: HashMap<_, _> =
            self.before.iter().flat_map(|sample| &sample.digests).map(|one| (one.key(), one)).collect();
        let wanted = self.filter.to_lowercase();
        let admits = |one: &&TopDigest| {
            [&one.user, &one.schema, &one.digest_text, &one.digest]
                .iter()
                .any(|text| text.to_lowercase().contains(&wanted))
        };
        let digests = self.now.iter().flat_map(|sample| &sample.digests).filter(admits);
        let mut lines: Vec<_> = digests
            .map(|one| {
                let before = earlier.get(&one.key()).copied().cloned().unwrap_or_default();
                let rates = seconds.map(|seconds| rates(&before, one, seconds)).unwrap_or_default();
                TopLine { digest: one.clone(), rates }
            })
            .collect();
        lines.sort_by(|a, b| {
            let of = |line| self.sort.of(line);
            of(b).total_cmp(&of(a)).then_with(|| b.digest.sum_us.cmp(&a.digest.sum_us))
        });
        // Somebody who has chosen a digest goes on to see it, wherever it is now.
        let chosen = (self.why || self.selected > 0).then(|| self.lines.get(self.selected)).flatten();
        let chosen = chosen.map(|line| line.digest.key());
        let still = chosen.and_then(|key| lines.iter().position(|line| line.digest.key() == key));
        self.selected = still.unwrap_or(self.selected).min(lines.len().saturating_sub(1));
        self.lines = lines;
    }

    /// Follows a key. None: the terminal has another size.
    pub fn key(&mut self, key: Option<KeyEvent>) -> Then {
        let Some(key) = key else { return Then::GoOn };
        if key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL) {
            return Then::Quit;
        }
        if self.types {
            self.type_filter(key.code);
            return Then::GoOn;
        }
        match key.code {
            KeyCode::Char('q') => return Then::Quit,
            KeyCode::Char('s') => {
                self.sort = self.sort.next();
                self.arrange();
            }
            KeyCode::Char('/') => self.types = true,
            KeyCode::Enter => self.why = !self.why,
            KeyCode::Esc if self.why => self.why = false,
            KeyCode::Esc => {
                self.filter.clear();
                self.arrange();
            }
            KeyCode::Up | KeyCode::Char('k') => self.selected = self.selected.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => {
                self.selected = (self.selected + 1).min(self.lines.len().saturating_sub(1));
            }
            _ => {}
        }
        Then::GoOn
    }

    fn type_filter(&mut self, key: KeyCode) {
        match key {
            KeyCode::Enter => self.types = false,
            KeyCode::Esc => {
                self.types = false;
                self.filter.clear();
            }
            KeyCode::Backspace => _ = self.filter.pop(),
            KeyCode::Char(c) => self.filter.push(c),
            _ => {}
        }
        self.arrange();
    }
}

fn rates(before: &TopDigest, now: &TopDigest, seconds: f64) -> Rates {
    let rate = |before: u64, now: u64| now.saturating_sub(before) as f64 / seconds;
    let waited = |one: &TopDigest| one.waited_us.hold + one.waited_us.pool + one.waited_us.position;
    Rates {
        calls: rate(before.count, now.count),
        busy: rate(before.sum_us, now.sum_us) / 1e6,
        waited: rate(waited(before), waited(now)) / 1e6,
        failed: rate(before.failed, now.failed),
    }
}
