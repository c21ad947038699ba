//! Positions that a worker has received since the last probe.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::topology::{Flavor, GtidSet, Server, ServerId, Snapshot};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct KnownPosition {
    /// The primary's last answer, as text and as a position.
    last: Option<(Vec<u8>, Rc<GtidSet>)>,
    /// How often in a row the primary gave this answer, with nothing being committed.
    same: u32,
    /// How far replicas have come. Only valid while the snapshot's roles are those of `roles`: a replica that
    /// is rebuilt is down meanwhile, which changes the roles.
    reached: Vec<(ServerId, Rc<GtidSet>)>,
    /// The snapshot's `roles_version` to which `reached` belongs.
    roles: u64,
    /// The last wait in vain for each server.
    failed: Vec<Missed>,
    /// The present primary, if it took over while this worker ran.
    succession: Option<Succession>,
    /// The generation of the last snapshot with a primary.
    generation: u64,
}

/// A change of the primary, as long as some replicas have not shown a write of the new one.
#[derive(Debug)]
struct Succession {
    /// The new primary's identity.
    identity: Arc<str>,
    /// The new primary's position when it took over.
    position: Arc<GtidSet>,
    /// The servers that were there at that time and have not shown a write of the new primary. A probe reports that a
    /// replica receives as soon as the replica is connected, long before the first write arrives.
    newcomers: Vec<ServerId>,
}

/// A wait in vain.
#[derive(Debug)]
struct Missed {
    server: ServerId,
    position: Rc<GtidSet>,
    /// The snapshot's `roles_version` at that time. After a change the wait does not count: the write may
    /// have been lost with the primary, and then no server ever has it.
    roles: u64,
    at: Instant,
}

/// A primary's position, and the part of it that is still being committed.
type SeenPosition = (Rc<GtidSet>, Option<Rc<GtidSet>>);

/// After this long a replica is waited for again, whatever its probes report: the write that was waited for
/// may have been rolled back, or may never get there.
const FORGOTTEN: Duration = Duration::from_secs(10);

/// A primary that gave the same answer this often in a row is quiet. So at most one read in this many is run
/// twice.
const QUIET: u32 = 8;

impl KnownPosition {
    /// True if the primary is quiet.
    pub fn is_quiet(&self) -> bool {
        self.same >= QUIET
    }

    /// Returns the primary's position, as far as it is known without asking. None unless the primary is
    /// quiet.
    pub fn quiet_at(&self) -> Option<Rc<GtidSet>> {
        let last = self.last.as_ref().filter(|_| self.is_quiet());
        last.map(|(_, position)| position.clone())
    }

    /// Records that the primary gave another answer, or none.
    pub fn note_activity(&mut self) {
        self.same = 0;
    }

    /// Parses the primary's position. `owned` has the GTIDs that threads own, as `uuid:7#23:8#24` with the
    /// thread after the hash: these are in the position, too, and are returned on their own if there are any.
    /// None: the text cannot be parsed, or is empty, as on a primary without a binary log. (Every replica would
    /// seem to have an empty position.)
    pub fn position(&mut self, flavor: Flavor, text: &[u8], owned: &[u8]) -> Option<SeenPosition> {
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

    /// Takes from a snapshot who has become the primary, and which replicas have shown a write of it.
    pub fn note(&mut self, snapshot: &Snapshot) {
        let Some(primary) = snapshot.primary() else { return };
        let before = std::mem::replace(&mut self.generation, snapshot.generation);
        if before != self.generation {
            let others = snapshot.servers.iter().map(|server| server.id).filter(|id| *id != primary.id);
            // At the start all replicas count as before.
            let facts = primary.facts.as_ref().filter(|_| before != 0);
            self.succession = facts.map(|facts| Succession {
                identity: facts.identity.clone(),
                position: facts.gtid.clone(),
                newcomers: others.collect(),
            });
        } else if let Some(Succession { identity, position, newcomers }) = &mut self.succession {
            newcomers.retain(|id| {
                let facts = snapshot.server(*id).and_then(|server| server.facts.as_ref());
                facts.is_some_and(|facts| !facts.gtid.subtract(position).has_writes_of(identity))
            });
            if newcomers.is_empty() {
                self.succession = None;
            }
        }
    }

    /// True if a replica lacks writes of a new primary, and has not shown any write of it yet.
    pub fn is_newcomer(&self, server: &Server, position: &GtidSet) -> bool {
        self.succession.as_ref().is_some_and(|succession| {
            let lacks = |has: &GtidSet| position.subtract(has).has_writes_of(&succession.identity);
            succession.newcomers.contains(&server.id)
                && server.facts.as_ref().is_some_and(|facts| lacks(&facts.gtid))
        })
    }

    /// Records that a replica has this position.
    pub fn reached(&mut self, server: ServerId, position: Option<Rc<GtidSet>>, asked_at: &Snapshot) {
        let Some(position) = position else { return };
        if let Some(succession) = &mut self.succession
            && self.generation == asked_at.generation
            && position.subtract(&succession.position).has_writes_of(&succession.identity)
        {
            succession.newcomers.retain(|newcomer| *newcomer != server);
        }
        if self.roles < asked_at.roles_version {
            self.reached.clear();
            self.roles = asked_at.roles_version;
        }
        if self.roles != asked_at.roles_version {
            // The replica was asked before the roles changed.
            return;
        }
        self.failed.retain(|missed| missed.server != server);
        match self.reached.iter_mut().find(|(known, _)| *known == server) {
            Some((_, known)) if known.contains(&position) => {}
            Some((_, known)) => *known = position,
            None => self.reached.push((server, position)),
        }
    }

    /// Records that a replica did not reach this position in time.
    pub fn failed(&mut self, server: ServerId, position: &Rc<GtidSet>, roles: u64) {
        self.failed.retain(|missed| missed.server != server);
        self.failed.push(Missed { server, position: position.clone(), roles, at: Instant::now() });
    }

    /// See `Positions::has`.
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
        // Recorded, so that later reads that ask for the same position need no comparison.
        let position = Some(position.clone());
        self.reached(server.id, position, snapshot);
        true
    }

    /// See `Positions::is_behind`.
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
        let mut known = KnownPosition::default();
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
