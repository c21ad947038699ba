//! Exact positions in the history of writes: GTID sets of MySQL, GTID positions of MariaDB. They say what a
//! replica has applied, what a session has written, and whether the former covers the latter. `contains` is
//! on the path of reads: it never allocates.

mod mariadb;
mod mysql;
mod source;

#[cfg(test)]
mod tests;

use std::fmt;

pub use source::Gtid;

use super::identity::Flavor;

/// A position. A server at this position has applied every write that it contains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GtidSet {
    /// Sequence numbers by source and tag, as in `gtid_executed`.
    MySql(mysql::Intervals),
    /// The last GTID of each domain, as in `gtid_current_pos`.
    MariaDb(mariadb::Position),
}

/// The error for a text that is no position. Carries the part that could not be parsed, truncated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no GTID")]
pub struct GtidError(String);

impl GtidError {
    fn of(part: &[u8]) -> Self {
        let shown = part.get(..80).unwrap_or(part);
        GtidError(String::from_utf8_lossy(shown).into_owned())
    }
}

/// The parsed parts of a text: none, a single part, as the text for a write usually has, or several.
enum Only<T> {
    None,
    One(T),
    Several,
}

impl<T> Only<T> {
    fn add(&mut self, part: T) {
        *self = if matches!(self, Only::None) { Only::One(part) } else { Only::Several };
    }
}

impl GtidSet {
    /// Returns the set that contains nothing.
    pub const fn empty(flavor: Flavor) -> Self {
        match flavor {
            Flavor::MySql => GtidSet::MySql(mysql::Intervals::EMPTY),
            Flavor::MariaDb => GtidSet::MariaDb(mariadb::Position::EMPTY),
        }
    }

    /// Parses a server's own notation: MySQL's `uuid:1-5:8,uuid:tag:1-3` with newlines anywhere, MariaDB's
    /// `0-1-7,1-1-9`. An empty text is the empty set.
    pub fn parse(flavor: Flavor, text: impl AsRef<[u8]>) -> Result<Self, GtidError> {
        let mut set = GtidSet::empty(flavor);
        set.add(text.as_ref())?;
        Ok(set)
    }

    /// Returns what a MariaDB server has applied. `slave_pos` is `@@gtid_slave_pos`, `current_pos` is
    /// `@@gtid_current_pos`, `server` is its `@@server_id`.
    ///
    /// The server's own writes (it was a primary once, or someone wrote to a replica) share the sequence
    /// numbers with the source's writes, but prove nothing about those: a former primary at `0-2-100` whose
    /// last writes were lost lacks its successor's `0-1-99`. So an own write covers only GTIDs with the
    /// server's own id; replicated writes count by domain and sequence number.
    pub fn applied_by_mariadb(slave_pos: &str, current_pos: &str, server: u32) -> Result<Self, GtidError> {
        let mut position = mariadb::Position::EMPTY;
        for text in [slave_pos, current_pos] {
            mariadb::each(text.as_bytes(), |gtid| position.add(gtid, gtid.server == server))?;
        }
        Ok(GtidSet::MariaDb(position))
    }

    /// Adds what a session tracker reported: one GTID, or any other text that `parse` accepts. On an error
    /// nothing is added.
    pub fn insert(&mut self, text: impl AsRef<[u8]>) -> Result<(), GtidError> {
        let text = text.as_ref();
        // A single part is added without parsing the text again.
        match self {
            GtidSet::MySql(set) => {
                let mut only = Only::None;
                mysql::each(text, |source, interval| only.add((source, interval)))?;
                if let Only::One((source, interval)) = only {
                    set.add(source, interval);
                    return Ok(());
                }
            }
            GtidSet::MariaDb(position) => {
                let mut only = Only::None;
                mariadb::each(text, |gtid| only.add(gtid))?;
                if let Only::One(gtid) = only {
                    position.add(gtid, false);
                    return Ok(());
                }
            }
        }
        self.add(text)
    }

    /// Adds a text as `insert` does, but on an error the part before it has been added.
    fn add(&mut self, text: &[u8]) -> Result<(), GtidError> {
        match self {
            GtidSet::MySql(set) => mysql::each(text, |source, interval| set.add(source, interval)),
            GtidSet::MariaDb(position) => mariadb::each(text, |gtid| position.add(gtid, false)),
        }
    }

    /// Adds everything that `other` contains. An empty set takes the other's flavour. Sets of different
    /// flavours have nothing in common: then `other`, the newer one, replaces this one.
    pub fn union(&mut self, other: &GtidSet) {
        match (&mut *self, other) {
            (_, other) if other.is_empty() => {}
            (GtidSet::MySql(set), GtidSet::MySql(other)) => set.union(other),
            (GtidSet::MariaDb(position), GtidSet::MariaDb(other)) => position.union(other),
            _ => *self = other.clone(),
        }
    }

    /// Joins the intervals of every source that has more than `most` of them, including the gaps. MariaDB's
    /// positions have no gaps.
    pub fn close_gaps(&mut self, most: usize) {
        if let GtidSet::MySql(set) = self {
            set.close_gaps(most);
        }
    }

    /// Returns what this set contains and `other` does not. MariaDB: the domains in which this position is
    /// ahead.
    pub fn subtract(&self, other: &GtidSet) -> GtidSet {
        match (self, other) {
            (GtidSet::MySql(set), GtidSet::MySql(other)) => GtidSet::MySql(set.subtract(other)),
            (GtidSet::MariaDb(position), GtidSet::MariaDb(other)) => {
                GtidSet::MariaDb(position.subtract(other))
            }
            _ => self.clone(),
        }
    }

    /// True if this set contains every write in `other`. MariaDB: if each of `other`'s domains is here with
    /// at least its sequence number. Every set contains the empty set.
    pub fn contains(&self, other: &GtidSet) -> bool {
        match (self, other) {
            (GtidSet::MySql(set), GtidSet::MySql(other)) => set.contains(other),
            (GtidSet::MariaDb(position), GtidSet::MariaDb(other)) => position.contains(other),
            _ => other.is_empty(),
        }
    }

    /// Returns how many writes this set contains beyond `other`. MariaDB: by the sequence numbers of the domains, so writes of
    /// others count, too.
    pub fn count_beyond(&self, other: &GtidSet) -> u64 {
        match (self, other) {
            (GtidSet::MySql(set), GtidSet::MySql(other)) => set.subtract(other).count(),
            (GtidSet::MySql(set), GtidSet::MariaDb(_)) => set.count(),
            (GtidSet::MariaDb(position), GtidSet::MariaDb(other)) => position.count_beyond(other),
            (GtidSet::MariaDb(position), GtidSet::MySql(_)) => {
                position.count_beyond(&mariadb::Position::EMPTY)
            }
        }
    }

    /// True if a server of this identity (see `Facts::identity`) made any of the writes. MariaDB: the last
    /// write of a domain.
    pub fn has_writes_of(&self, identity: &str) -> bool {
        match self {
            GtidSet::MySql(set) => set.has_writes_of(identity),
            GtidSet::MariaDb(position) => position.has_writes_of(identity),
        }
    }

    /// True if a MariaDB server with this `@@gtid_binlog_state` has everything in this position: the state
    /// lists the last number of each server that ever wrote. Always false for MySQL's GTIDs.
    pub fn is_in_binlog_state(&self, state: &[u8]) -> bool {
        matches!(self, GtidSet::MariaDb(position) if position.is_in_state(state))
    }

    /// True if a MariaDB server of this identity gave the number `first` to its first own write right behind this position, the
    /// last one of its domain. A server numbers its own writes from the last number on that it applied (`record_gtid` in the
    /// servers' `sql/rpl_gtid.cc`), so it has applied this position.
    pub fn is_followed_by(&self, first: &str, identity: &str) -> bool {
        matches!(self, GtidSet::MariaDb(position) if position.is_followed_by(first, identity))
    }

    /// True if the set contains nothing.
    pub fn is_empty(&self) -> bool {
        match self {
            GtidSet::MySql(set) => set.is_empty(),
            GtidSet::MariaDb(position) => position.is_empty(),
        }
    }

    /// Returns the approximate memory use, in bytes.
    pub fn bytes(&self) -> usize {
        let heap = match self {
            GtidSet::MySql(set) => set.heap(),
            GtidSet::MariaDb(position) => position.heap(),
        };
        size_of::<GtidSet>() + heap
    }

    /// Returns the flavour of the servers that the set belongs to.
    pub const fn flavor(&self) -> Flavor {
        match self {
            GtidSet::MySql(_) => Flavor::MySql,
            GtidSet::MariaDb(_) => Flavor::MariaDb,
        }
    }
}

/// Writes the server's notation, on one line; `WAIT_FOR_EXECUTED_GTID_SET` and `MASTER_GTID_WAIT` accept it.
impl fmt::Display for GtidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GtidSet::MySql(set) => set.fmt(f),
            GtidSet::MariaDb(position) => position.fmt(f),
        }
    }
}

/// Parses a decimal number; only blanks may surround it.
fn number<T: TryFrom<u64>>(text: &[u8]) -> Option<T> {
    let text = text.trim_ascii();
    if text.is_empty() {
        return None;
    }
    let mut value = 0u64;
    for byte in text {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    T::try_from(value).ok()
}
