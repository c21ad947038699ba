//! `log.slow` and `log.literals`: which statements the log shows, and how much of them.

use std::fmt::{self, Formatter};
use std::time::Duration;

use toml::de::DeValue;

use super::choice::Choice;
use super::level::Level;
use super::reader::Section;
use super::values::{format_duration, parse_duration};
use super::written::quoted;

/// The number of consistency levels.
const LEVELS: usize = Level::WORDS.len();

/// The word for no slow log.
const OFF: &str = "off";

/// `log.slow` and `log.literals`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatementLog {
    /// `slow`: a statement that takes so long is logged, by the level of its reads, strictest first. None: never.
    pub slow: [Option<Duration>; LEVELS],
    /// `literals`: true if statements are shown with their literals.
    pub literals: bool,
}

impl StatementLog {
    /// True if there is a slow log.
    pub fn has_slow(&self) -> bool {
        self.slow.iter().any(Option::is_some)
    }

    pub(super) fn read(s: &Section<'_>) -> Self {
        StatementLog { slow: slow(s), literals: s.flag("literals").unwrap_or(false) }
    }

    pub(super) fn write(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let duration = |duration: &Duration| quoted(&format_duration(*duration));
        match &self.slow {
            [None, None, None, None] => writeln!(f, "slow = {}", quoted(OFF))?,
            [Some(first), rest @ ..] if rest.iter().all(|other| *other == Some(*first)) => {
                writeln!(f, "slow = {}", duration(first))?;
            }
            each => {
                let each = Level::WORDS.iter().zip(each);
                let given = each
                    .filter_map(|((word, _), least)| Some(format!("{word} = {}", duration(least.as_ref()?))));
                writeln!(f, "slow = {{ {} }}", given.collect::<Vec<_>>().join(", "))?;
            }
        }
        writeln!(f, "literals = {}", self.literals)
    }
}

/// Reads one duration for all levels, or a table with a duration for each of some levels.
fn slow(s: &Section<'_>) -> [Option<Duration>; LEVELS] {
    let mut all = [None; LEVELS];
    let Some(found) = s.get("slow") else { return all };
    if matches!(found.value, DeValue::Table(_)) {
        return s.table("slow", |s| {
            for ((word, _), least) in Level::WORDS.iter().zip(&mut all) {
                *least = s.get(word).and_then(|_| one(s, word));
            }
            all
        });
    }
    [one(s, "slow"); LEVELS]
}

/// Reads a duration, or "off".
fn one(s: &Section<'_>, key: &'static str) -> Option<Duration> {
    let (text, line) = s.text(key)?;
    if text == OFF {
        return None;
    }
    let least = parse_duration(&text);
    if least.is_none() {
        let text = format!(
            "{text:?} is not a duration; write \"off\", or a whole number and ms, s, m or h in quotes, like \"1s\""
        );
        s.problem(Some(line), key, text);
    }
    least
}
