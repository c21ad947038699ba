//! MariaDB's GTID positions: the last GTID of each domain. Within a domain sequence numbers only grow,
//! whichever server writes, so a later GTID covers all earlier ones.

use std::fmt;

use super::{GtidError, number};

/// `domain-server-sequence`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct DomainGtid {
    pub(super) domain: u32,
    /// The id of the server that wrote it.
    pub(super) server: u32,
    pub(super) sequence: u64,
}

/// A GTID position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// Sorted by domain. A domain has at most one entry that counts by sequence number and at most one of the
    /// server's own writes.
    last: Vec<Last>,
}

/// The last GTID of a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Last {
    gtid: DomainGtid,
    /// True if it covers only GTIDs of the same server, see `GtidSet::applied_by_mariadb`.
    own: bool,
}

impl Last {
    fn contains(&self, wanted: &DomainGtid) -> bool {
        self.gtid.sequence >= wanted.sequence && (!self.own || self.gtid.server == wanted.server)
    }
}

impl Position {
    pub(super) const EMPTY: Position = Position { last: Vec::new() };

    pub(super) fn is_empty(&self) -> bool {
        self.last.is_empty()
    }

    pub(super) fn heap(&self) -> usize {
        self.last.capacity() * size_of::<Last>()
    }

    pub(super) fn add(&mut self, gtid: DomainGtid, own: bool) {
        match self.last.binary_search_by(|l| (l.gtid.domain, l.own).cmp(&(gtid.domain, own))) {
            Err(at) => self.last.insert(at, Last { gtid, own }),
            Ok(at) => match self.last.get_mut(at) {
                Some(last) if last.gtid.sequence < gtid.sequence => last.gtid = gtid,
                _ => {}
            },
        }
    }

    pub(super) fn union(&mut self, other: &Position) {
        for last in &other.last {
            self.add(last.gtid, last.own);
        }
    }

    pub(super) fn subtract(&self, other: &Position) -> Position {
        Position { last: self.last.iter().filter(|last| !other.has(&last.gtid)).copied().collect() }
    }

    pub(super) fn count_beyond(&self, other: &Position) -> u64 {
        let missing = self.last.iter().filter(|last| !other.has(&last.gtid));
        let beyond = |last: &Last| {
            let same = other.last.iter().filter(|l| l.gtid.domain == last.gtid.domain && !l.own);
            last.gtid.sequence.saturating_sub(same.map(|l| l.gtid.sequence).max().unwrap_or(0)).max(1)
        };
        missing.fold(0, |sum, last| sum.saturating_add(beyond(last)))
    }

    pub(super) fn has_writes_of(&self, identity: &str) -> bool {
        identity.parse().is_ok_and(|server: u32| self.last.iter().any(|last| last.gtid.server == server))
    }

    pub(super) fn contains(&self, other: &Position) -> bool {
        other.last.iter().all(|wanted| self.has(&wanted.gtid))
    }

    /// See `GtidSet::is_in_binlog_state`. An unreadable state contains nothing.
    pub(super) fn is_in_state(&self, state: &[u8]) -> bool {
        let mut found = vec![false; self.last.len()];
        let read = each(state, |gtid| {
            for (found, last) in found.iter_mut().zip(&self.last) {
                let same = (gtid.domain, gtid.server) == (last.gtid.domain, last.gtid.server);
                *found |= same && gtid.sequence >= last.gtid.sequence;
            }
        });
        read.is_ok() && found.into_iter().all(|found| found)
    }

    /// See `GtidSet::is_followed_by`. An unreadable GTID follows nothing.
    pub(super) fn is_followed_by(&self, first: &str, identity: &str) -> bool {
        let Some(first) = gtid(first.as_bytes()).filter(|first| identity.parse() == Ok(first.server)) else {
            return false;
        };
        let is_last = |last: &Last| {
            last.gtid.domain == first.domain
                && last.gtid.server != first.server
                && last.gtid.sequence.checked_add(1) == Some(first.sequence)
        };
        !self.last.is_empty() && self.last.iter().all(is_last)
    }

    fn has(&self, wanted: &DomainGtid) -> bool {
        self.last.iter().filter(|l| l.gtid.domain == wanted.domain).any(|l| l.contains(wanted))
    }
}

/// One GTID for each domain: the later one, as `gtid_current_pos` shows it.
impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let same = |a: &Last, b: &Last| a.gtid.domain == b.gtid.domain;
        for (at, domain) in self.last.chunk_by(same).enumerate() {
            let Some(last) = domain.iter().max_by_key(|last| last.gtid.sequence) else { continue };
            let DomainGtid { domain, server, sequence } = last.gtid;
            write!(f, "{}{domain}-{server}-{sequence}", if at > 0 { "," } else { "" })?;
        }
        Ok(())
    }
}

/// Calls `found` for each GTID of a text, in order.
pub(super) fn each(text: &[u8], mut found: impl FnMut(DomainGtid)) -> Result<(), GtidError> {
    for part in text.split(|b| *b == b',').map(<[u8]>::trim_ascii).filter(|part| !part.is_empty()) {
        found(gtid(part).ok_or_else(|| GtidError::of(part))?);
    }
    Ok(())
}

fn gtid(text: &[u8]) -> Option<DomainGtid> {
    let mut parts = text.split(|b| *b == b'-');
    let gtid = DomainGtid {
        domain: number(parts.next()?)?,
        server: number(parts.next()?)?,
        sequence: number(parts.next()?)?,
    };
    parts.next().is_none().then_some(gtid)
}
