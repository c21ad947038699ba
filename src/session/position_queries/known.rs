//! Positions that a worker heard of since the last probe.

use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

use crate::topology::{Flavor, GtidSet, Server, ServerId, Snapshot};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// What the primary said last, and what that is.
    last: Option<(Vec<u8>, Rc<GtidSet>)>,
    /// How often in a row it said the same, with nothing being committed.
    same: u32,
    /// How far replicas have come, as of these roles: who was rebuilt was down meanwhile.
    reached: Vec<(ServerId, Rc<GtidSet>)>,
    roles: u64,
    /// Who did not reach what in time.
    failed: Vec<Missed>,
}

/// A wait in vain.
#[derive(Debug)]
struct Missed {
    server: ServerId,
    position: Rc<GtidSet>,
    /// As of these roles: a write that was lost with the primary comes nowhere.
    roles: u64,
    at: Instant,
}

/// How far a primary is, and what of it is still being committed.
type Position = (Rc<GtidSet>, Option<Rc<GtidSet>>);

/// After this long a replica is waited for again, whatever its probes say: what was waited for may have been rolled
/// back, or may never come there.
const FORGOTTEN: Duration = Duration::from_secs(10);

/// A primary that said the same so often in a row is quiet: one read in so many is run twice, at most.
const QUIET: u32 = 8;

impl Known {
    /// Where the primary is, as far as one can tell without asking: None unless it is quiet.
    pub fn quiet_at(&self) -> Option<Rc<GtidSet>> {
        let last = self.last.as_ref().filter(|_| self.same >= QUIET);
        last.map(|(_, position)| position.clone())
    }

    /// The primary did not say the same, or nothing.
    pub fn note_activity(&mut self) {
        self.same = 0;
    }

    /// The position that a text means, with the GTIDs that threads own: `uuid:7#23:8#24`, the thread behind the hash.
    /// These alone, too, if there are any. None: nobody can read it, or it is empty, as with a primary without a binary
    /// log: every replica would be there.
    pub fn position(&mut self, flavor: Flavor, text: &[u8], owned: &[u8]) -> Option<Position> {
        let executed = match &self.last {
            Some((known, position)) if known == text => {
                self.same = if owned.is_empty() { self.same.saturating_add(1) } else { 0 };
                position.clone()
            }
            _ => {
                self.same = 0;
                let position = GtidSet::parse(flavor, text).ok().filter(|position| !position.is_empty())?;
                let position = Rc::new(position);
                self.last = Some((text.to_vec(), position.clone()));
                position
            }
        };
        if owned.is_empty() {
            return Some((executed, None));
        }
        let pending = GtidSet::parse(flavor, without_threads(owned)).ok()?;
        let mut position = (*executed).clone();
        position.union(&pending);
        Some((Rc::new(position), Some(Rc::new(pending))))
    }

    /// A replica has this position.
    pub fn reached(&mut self, server: ServerId, position: Option<Rc<GtidSet>>, asked_at: &Snapshot) {
        let Some(position) = position else { return };
        if self.roles < asked_at.roles_version {
            self.reached.clear();
            self.roles = asked_at.roles_version;
        }
        if self.roles != asked_at.roles_version {
            // It was asked before the servers changed.
            return;
        }
        self.failed.retain(|missed| missed.server != server);
        match self.reached.iter_mut().find(|(known, _)| *known == server) {
            Some((_, known)) if known.contains(&position) => {}
            Some((_, known)) => *known = position,
            None => self.reached.push((server, position)),
        }
    }

    /// A replica did not reach this position in time.
    pub fn failed(&mut self, server: ServerId, position: &Rc<GtidSet>, roles: u64) {
        self.failed.retain(|missed| missed.server != server);
        self.failed.push(Missed { server, position: position.clone(), roles, at: Instant::now() });
    }

    /// See `Asking::has`.
    pub fn has(&mut self, server: &Server, position: &Rc<GtidSet>, snapshot: &Snapshot) -> bool {
        let reached = self.reached.iter().find(|(known, _)| *known == server.id);
        if let Some((_, reached)) = reached.filter(|_| self.roles == snapshot.roles_version)
            && (Rc::ptr_eq(reached, position) || reached.contains(position))
        {
            return true;
        }
        if !server.facts.as_ref().is_some_and(|f| f.gtid.contains(position)) {
            return false;
        }
        // Found out once is enough for all who ask for the same.
        let position = Some(position.clone());
        self.reached(server.id, position, snapshot);
        true
    }

    /// See `Asking::is_behind`.
    pub fn is_behind(&mut self, server: &Server, snapshot: &Snapshot) -> bool {
        let Some(at) = self.failed.iter().position(|missed| missed.server == server.id) else { return false };
        let is_over = self.failed.get(at).is_none_or(|missed| {
            missed.roles != snapshot.roles_version
                || missed.at.elapsed() >= FORGOTTEN
                || server.facts.as_ref().is_some_and(|f| f.gtid.contains(&missed.position))
        });
        if is_over {
            self.failed.swap_remove(at);
        }
        !is_over
    }
}

pub(super) fn without_threads(owned: &[u8]) -> Vec<u8> {
    let mut in_thread = false;
    let kept = owned.iter().filter(|byte| {
        in_thread = match byte {
            b'#' => true,
            b':' | b',' => false,
            _ => in_thread,
        };
        !in_thread
    });
    kept.copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa";
    const B: &str = "bbbbbbbb-bbbb-bbbb-bbbb-bbbbbbbbbbbb";

    #[test]
    fn what_is_being_committed_counts() {
        let mut known = Known::default();
        let mut position = |text: &str, owned: &str| {
            let position = known.position(Flavor::MySql, text.as_bytes(), owned.as_bytes());
            position.map(|(all, pending)| (all.to_string(), pending.map(|p| p.to_string())))
        };
        let executed = format!("{A}:1-5");
        assert_eq!(position(&executed, ""), Some((executed.clone(), None)));
        assert_eq!(
            position(&executed, &format!("{A}:6#23:8#24,{B}:tag:1#7")),
            Some((format!("{A}:1-6:8,{B}:tag:1"), Some(format!("{A}:6:8,{B}:tag:1"))))
        );
        assert_eq!(position(&executed, "nonsense"), None);
        assert_eq!(position("", ""), None);
        assert_eq!(position(&executed, ""), Some((executed, None)));
    }
}
