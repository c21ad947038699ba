//! `[digests]`: the counts of statements by their digests.

use std::fmt::{self, Formatter};

use super::reader::Section;

/// The most digests that a worker may count. More would take over 100 MiB of each worker.
const MOST: usize = 100_000;

/// `[digests]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DigestSettings {
    /// `max`: for how many digests each worker counts. 0: none. Default 2,000.
    pub max: usize,
}

impl Default for DigestSettings {
    fn default() -> Self {
        DigestSettings { max: 2_000 }
    }
}

impl DigestSettings {
    pub(super) fn read(s: &Section<'_>) -> Self {
        let default = DigestSettings::default();
        DigestSettings { max: s.count_up_to("max", 0, MOST).unwrap_or(default.max) }
    }

    pub(super) fn write(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n[digests]\nmax = {}", self.max)
    }
}
