//! What a session has written. Its reads must see these writes.

use super::SessionState;
use crate::topology::{Flavor, GtidSet, Server};
use crate::wire::{StateChange, StateChanges};

/// What the session has written, as far as its reads must see it.
#[derive(Debug, Default)]
pub enum Written {
    /// Nothing that a replica could lack.
    #[default]
    Nothing,
    /// Writes with these GTIDs.
    These(Box<GtidSet>),
    /// Writes on a server without GTIDs: it is unknown which replicas have them.
    Unknown,
}

impl Written {
    /// Adds later writes.
    pub fn union(&mut self, later: Written) {
        match (&mut *self, later) {
            (Written::Unknown, _) | (_, Written::Nothing) => {}
            (Written::These(set), Written::These(later)) => set.union(&later),
            (before, later) => *before = later,
        }
    }

    /// Adds earlier writes.
    pub fn wrote_before(&mut self, before: Written) {
        let later = std::mem::replace(self, before);
        self.union(later);
    }

    /// True if a server is known to have all these writes.
    pub fn is_on(&self, server: &Server) -> bool {
        match self {
            Written::Nothing => true,
            Written::These(set) => server.facts.as_ref().is_some_and(|f| f.gtid.contains(set)),
            Written::Unknown => false,
        }
    }
}

/// Calls `each` with the GTIDs of writes that the session state changes of an OK packet report.
pub fn positions(state: &[u8], mut each: impl FnMut(&[u8])) {
    // A malformed packet is ignored here: `SessionState::ok` pins the session to its connection for it.
    let _ = StateChanges::new(state).each(|change| match change {
        // MariaDB reports GTIDs in this variable; MySQL has a state change of its own for them.
        StateChange::SystemVariable { name: b"last_gtid", value } => each(value),
        StateChange::Gtids(set) => each(set),
        _ => {}
    });
}

impl SessionState {
    /// Notes the GTID of a write of the session: its reads must see the write from now on.
    pub fn wrote(&mut self, gtid: &[u8], flavor: Flavor) {
        match &mut self.written {
            Written::These(set) => {
                if set.insert(gtid).is_err() {
                    self.written = Written::Unknown;
                }
            }
            Written::Nothing => {
                self.written = match GtidSet::parse(flavor, gtid) {
                    Ok(set) if set.is_empty() => Written::Nothing,
                    Ok(set) => Written::These(Box::new(set)),
                    Err(_) => Written::Unknown,
                }
            }
            Written::Unknown => {}
        }
    }
}
