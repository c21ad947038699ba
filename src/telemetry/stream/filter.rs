//! Which statements a reader wants.

use super::event::ExecutedStatement;
use crate::terms::{Role, Why};

/// The number of consistency levels.
pub const LEVELS: usize = 4;

/// Which errors a reader wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Errors {
    /// Statements with any error.
    Any,
    /// Statements with this error.
    Code(u16),
}

/// Which statements a reader wants: those for which everything that is set is true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// Of this account.
    pub user: Option<Box<str>>,
    /// With this default schema.
    pub schema: Option<Box<str>>,
    /// With the digest of this number.
    pub digest: Option<u64>,
    /// Executed by the server of this name.
    pub server: Option<Box<str>>,
    /// Executed by a server of this role.
    pub role: Option<Role>,
    /// Placed for this reason.
    pub why: Option<Why>,
    /// Ended with an error.
    pub error: Option<Errors>,
    /// Took at least this many microseconds, by consistency level, strictest first.
    pub least_us: [u64; LEVELS],
    /// One of this many of the statements for which all of the above is true; 0 and 1: all of them.
    pub sample: u32,
}

impl Default for Filter {
    fn default() -> Self {
        Filter {
            user: None,
            schema: None,
            digest: None,
            server: None,
            role: None,
            why: None,
            error: None,
            least_us: [0; LEVELS],
            sample: 1,
        }
    }
}

impl Filter {
    /// Returns the shortest time of a statement that the filter may admit.
    pub fn floor(&self) -> u64 {
        self.least_us.iter().copied().min().unwrap_or(0)
    }

    /// True if the filter admits a statement, apart from `sample`.
    pub fn admits(&self, seen: &ExecutedStatement<'_>) -> bool {
        let figures = seen.figures;
        let (role, why) = figures.placed.unzip();
        self.least_us.get(seen.level).is_some_and(|least| figures.micros >= *least)
            && self.digest.is_none_or(|digest| digest == seen.digest.0)
            && (self.role.is_none() || self.role == role)
            && (self.why.is_none() || self.why == why)
            && self.error.is_none_or(|errors| match errors {
                Errors::Any => figures.error.is_some(),
                Errors::Code(code) => figures.error == Some(code),
            })
            && self.user.as_ref().is_none_or(|user| **user == **seen.user)
            && self.schema.as_ref().is_none_or(|schema| schema.as_bytes() == seen.schema)
            && self.server.as_ref().is_none_or(|server| seen.server.is_some_and(|name| **name == **server))
    }
}
