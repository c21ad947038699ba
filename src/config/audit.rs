//! `[audit]`: the log of who logged in, and who changed definitions, privileges or the servers.

use std::fmt::{self, Formatter};
use std::path::PathBuf;

use super::reader::Section;
use super::values::format_size;
use super::written::quoted;

/// The least `max_size`, in bytes.
const SMALLEST: usize = 4 << 10;
/// The most `keep`.
const MOST_FILES: u16 = 1_000;

bitflags::bitflags! {
    /// `events`: what the audit log has.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct AuditEvents: u8 {
        /// Logins and changes of the user, accepted or refused.
        const LOGINS = 1;
        /// Statements that change definitions, and those that the proxy does not understand.
        const DDL = 1 << 1;
        /// Statements about accounts, privileges and roles.
        const GRANTS = 1 << 2;
        /// Statements that administer a server, and what was done to the proxy.
        const ACTIONS = 1 << 3;
    }
}

/// The words of `events`.
const WORDS: [(&str, AuditEvents); 4] = [
    ("logins", AuditEvents::LOGINS),
    ("ddl", AuditEvents::DDL),
    ("grants", AuditEvents::GRANTS),
    ("actions", AuditEvents::ACTIONS),
];

/// `to`: where the audit log is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditTarget {
    /// Nowhere.
    Off,
    /// To standard output.
    Stdout,
    /// To this file.
    File(PathBuf),
}

/// `[audit]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditSettings {
    /// `to`; default off.
    pub to: AuditTarget,
    /// `events`; default all.
    pub events: AuditEvents,
    /// `max_size`: a file is set aside before it grows over this many bytes; default 100 MiB.
    pub max_size: usize,
    /// `keep`: how many files that were set aside are kept; default 5.
    pub keep: u16,
}

impl Default for AuditSettings {
    fn default() -> Self {
        AuditSettings { to: AuditTarget::Off, events: AuditEvents::all(), max_size: 100 << 20, keep: 5 }
    }
}

impl AuditSettings {
    /// Returns what is recorded: nothing if the log is off.
    pub fn recorded(&self) -> AuditEvents {
        if self.to == AuditTarget::Off { AuditEvents::empty() } else { self.events }
    }

    pub(super) fn read(s: &Section<'_>) -> Self {
        let default = AuditSettings::default();
        let max_size = s.size("max_size", default.max_size);
        if max_size < SMALLEST {
            let line = s.get("max_size").map(|found| found.line);
            let least = format_size(SMALLEST);
            s.problem(line, "max_size", format!("is too small for a log; write at least \"{least}\""));
        }
        AuditSettings {
            to: to(s),
            events: events(s).unwrap_or(default.events),
            max_size,
            keep: s.count_up_to("keep", 0, MOST_FILES).unwrap_or(default.keep),
        }
    }

    pub(super) fn write(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let to = match &self.to {
            AuditTarget::Off => "off".into(),
            AuditTarget::Stdout => "stdout".into(),
            AuditTarget::File(path) => path.to_string_lossy(),
        };
        let events = WORDS.iter().filter(|(_, event)| self.events.contains(*event));
        let events: Vec<_> = events.map(|(word, _)| quoted(word)).collect();
        writeln!(f, "\n[audit]\nto = {}\nevents = [{}]", quoted(&to), events.join(", "))?;
        writeln!(f, "max_size = {}\nkeep = {}", quoted(&format_size(self.max_size)), self.keep)
    }
}

fn to(s: &Section<'_>) -> AuditTarget {
    match s.text("to") {
        None => AuditTarget::Off,
        Some((text, line)) => match &*text {
            "off" => AuditTarget::Off,
            "stdout" => AuditTarget::Stdout,
            path if path.starts_with('/') && !path.ends_with('/') && !path.contains('\0') => {
                AuditTarget::File(path.into())
            }
            _ => {
                let text = format!(
                    "{text:?} is no place; write \"off\", \"stdout\" or a path like \"/var/log/pointsman/audit.log\""
                );
                s.problem(Some(line), "to", text);
                AuditTarget::Off
            }
        },
    }
}

fn events(s: &Section<'_>) -> Option<AuditEvents> {
    let line = s.get("events")?.line;
    let mut events = AuditEvents::empty();
    for text in s.texts("events", "logins")? {
        match WORDS.iter().find(|(word, _)| **word == *text) {
            Some((_, event)) => events |= *event,
            None => {
                let words: Vec<_> = WORDS.iter().map(|(word, _)| format!("\"{word}\"")).collect();
                s.problem(
                    Some(line),
                    "events",
                    format!("{text:?} is unknown; known are {}", words.join(", ")),
                );
            }
        }
    }
    Some(events)
}
