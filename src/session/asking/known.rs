//! Positions that a worker heard of since the last probe.

use std::rc::Rc;

use crate::topology::{Flavor, GtidSet, Server, ServerId, Snapshot};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// What the primary said last, and what that is.
    last: Option<(Vec<u8>, Rc<GtidSet>)>,
    /// How far replicas have come, as of these roles: who was rebuilt was down meanwhile.
    reached: Vec<(ServerId, Rc<GtidSet>)>,
    roles: u64,
    /// Who did not reach what in time.
    failed: Vec<(ServerId, Rc<GtidSet>)>,
}

impl Known {
    /// The position that a text means. None: nobody can read it, or it is empty, as with a primary without a
    /// binary log: every replica would be there.
    pub fn position(&mut self, flavor: Flavor, text: &[u8]) -> Option<Rc<GtidSet>> {
        if let Some((known, position)) = &self.last
            && known == text
        {
            return Some(position.clone());
        }
        let position = GtidSet::parse(flavor, text).ok().filter(|position| !position.is_empty())?;
        let position = Rc::new(position);
        self.last = Some((text.to_vec(), position.clone()));
        Some(position)
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
        self.failed.retain(|(failed, _)| *failed != server);
        match self.reached.iter_mut().find(|(known, _)| *known == server) {
            Some((_, known)) if known.contains(&position) => {}
            Some((_, known)) => *known = position,
            None => self.reached.push((server, position)),
        }
    }

    /// A replica did not reach this position in time.
    pub fn failed(&mut self, server: ServerId, position: &Rc<GtidSet>) {
        self.failed.retain(|(failed, _)| *failed != server);
        self.failed.push((server, position.clone()));
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
    pub fn is_behind(&mut self, server: &Server) -> bool {
        let Some(at) = self.failed.iter().position(|(failed, _)| *failed == server.id) else { return false };
        let came = self
            .failed
            .get(at)
            .is_some_and(|(_, missed)| server.facts.as_ref().is_some_and(|f| f.gtid.contains(missed)));
        if came {
            self.failed.swap_remove(at);
        }
        !came
    }
}
