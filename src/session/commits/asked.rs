//! What a worker knows of COMMITs without an answer: where the primary was before they were sent, and
//! the answers of new primaries, which all sessions share that lost theirs together.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::Seen;
use crate::backend::{Connection, Mark};
use crate::topology::{Facts, GtidSet, ServerId, Snapshot};

/// At most so many positions; then every second of the older half goes. At ten probes a second the last 6 s stay as
/// fine as the probes.
const MOST: usize = 128;

/// As much older a position is taken than it need be, if there is one: the same answer then is everybody's whose
/// COMMIT was sent not more than this before.
const SHARED: Duration = Duration::from_secs(1);

/// A position of the primary, and when this worker heard of it: what was sent later is not in it.
#[derive(Debug, Clone)]
pub(super) struct Before {
    at: Instant,
    position: Arc<GtidSet>,
}

/// A question to a new primary.
pub(super) struct Asked {
    generation: u64,
    lost: ServerId,
    before: Before,
    /// What is not asked for: the position of before.
    pub excluded: Arc<GtidSet>,
    /// None: it cannot be answered there.
    pub answer: OnceCell<Option<Seen>>,
}

/// See the module.
#[derive(Default)]
pub struct Commits {
    positions: RefCell<VecDeque<Before>>,
    /// The last marked COMMIT that each server answered, with a GTID.
    witnesses: RefCell<Vec<(ServerId, Mark)>>,
    asked: RefCell<Vec<Rc<Asked>>>,
}

impl Commits {
    /// To be told of every snapshot.
    pub fn note(&self, snapshot: &Snapshot) {
        let facts = snapshot.writer().and_then(|writer| writer.facts.as_ref());
        // An empty one may be one that is not known.
        let known = |f: &&Facts| f.gtid_on && !f.gtid.is_empty();
        let Some(facts) = facts.filter(known) else { return };
        let mut positions = self.positions.borrow_mut();
        if positions.back().is_some_and(|last| *last.position == *facts.gtid) {
            return;
        }
        if positions.len() >= MOST {
            let mut number = 0;
            positions.retain(|_| {
                number += 1;
                number > MOST / 2 || number % 2 == 1
            });
        }
        positions.push_back(Before { at: Instant::now(), position: facts.gtid.clone() });
    }

    /// A server answered: perhaps a marked COMMIT, which has a GTID.
    #[inline]
    pub fn answered<S>(&self, connection: &Connection<S>) {
        let Some(mark) = connection.mark.filter(|mark| mark.told) else { return };
        let server = connection.about.server;
        let mut witnesses = self.witnesses.borrow_mut();
        match witnesses.iter_mut().find(|(known, _)| *known == server) {
            Some((_, known)) => *known = mark,
            None => witnesses.push((server, mark)),
        }
    }

    /// The last one that this server answered: where its mark is not seen, that another is not seen proves nothing.
    pub(super) fn witness(&self, server: ServerId) -> Option<Mark> {
        self.witnesses.borrow().iter().find(|(known, _)| *known == server).map(|(_, mark)| *mark)
    }

    /// A position of the primary that lacks all that was sent from `sent` on.
    pub(super) fn before(&self, sent: Instant) -> Option<Before> {
        let positions = self.positions.borrow();
        let older = |least: Duration| move |before: &&Before| before.at + least < sent;
        let best = positions.iter().rev().find(older(SHARED));
        best.or_else(|| positions.front().filter(older(Duration::ZERO))).cloned()
    }

    /// The same, as a position alone.
    pub(in crate::session) fn position_before(&self, sent: Instant) -> Option<Arc<GtidSet>> {
        self.before(sent).map(|before| before.position)
    }

    /// The question to the primary of this generation, for a COMMIT that was sent at `sent` at the earliest.
    pub(super) fn asked(&self, generation: u64, lost: ServerId, before: &Before, sent: Instant) -> Rc<Asked> {
        let mut asked = self.asked.borrow_mut();
        asked.retain(|asked| asked.generation == generation);
        if let Some(asked) = asked.iter().find(|asked| asked.lost == lost && asked.before.at < sent) {
            return asked.clone();
        }
        let excluded = before.position.clone();
        let new = Asked { generation, lost, before: before.clone(), excluded, answer: OnceCell::new() };
        let new = Rc::new(new);
        asked.push(new.clone());
        new
    }

    /// This answer was not the last word.
    pub(super) fn ask_again(&self, old: &Rc<Asked>) {
        self.asked.borrow_mut().retain(|asked| !Rc::ptr_eq(asked, old));
    }
}
