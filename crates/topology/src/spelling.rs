//! How states are spelled for people and machines.

use super::identity::Flavor;
use super::types::{Alarm, Health, Label, Maintenance};

impl Label {
    /// Returns the spelling of `/topology` and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Label::Primary => "primary",
            Label::Replica => "replica",
            Label::Absent => "none",
        }
    }
}

impl Health {
    /// Returns the spelling of `/topology`, metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Health::Unknown => "unknown",
            Health::Up => "up",
            Health::Down => "down",
        }
    }
}

impl Alarm {
    /// Returns the spelling of `/topology`, metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Alarm::SeveralCandidates => "several_candidates",
            Alarm::NoCandidate => "no_candidate",
            Alarm::FormerPrimary => "former_primary",
        }
    }
}

impl Maintenance {
    /// Returns what is asked for, as spelled in `/topology`, metrics and logs.
    pub fn flags(self) -> [(&'static str, bool); 3] {
        [
            ("cordoned", self.cordoned),
            ("draining", self.cordoned && self.drain.is_some()),
            ("read_only", self.read_only),
        ]
    }
}

impl Flavor {
    /// Returns the spelling of `/topology`, metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Flavor::MySql => "mysql",
            Flavor::MariaDb => "mariadb",
        }
    }
}
