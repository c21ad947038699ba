//! What a worker knows about COMMITs that got no answer: the primary's positions from before these COMMITs were sent,
//! and the answers of new primaries. Sessions that lost the same server share an answer.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::binlog_marks::SeenMarks;
use crate::backend::{Connection, Mark};
use crate::topology::{Facts, GtidSet, ServerId, Snapshot};

/// The most positions that are kept. Beyond that every second one of the older half is dropped. At ten probes
/// a second, the last 6 s keep the position of every probe.
const MOST: usize = 128;

/// How much older than necessary the chosen position is, if there is one so old. Sessions whose COMMIT was
/// sent up to this much earlier can then share the answer.
const SHARED: Duration = Duration::from_secs(1);

/// A position of the primary, and when this worker received it. Whatever was sent later is not in the
/// position.
#[derive(Debug, Clone)]
pub struct LookupBefore {
    at: Instant,
    position: Arc<GtidSet>,
}

/// A question to a new primary.
pub struct LookupAsked {
    generation: u64,
    lost: ServerId,
    before: LookupBefore,
    /// The transactions that are not asked for: the position from before the COMMIT.
    pub excluded: Arc<GtidSet>,
    /// What the new primary's binary log has. None: the server cannot answer.
    pub answer: OnceCell<Option<SeenMarks>>,
}

/// See the module.
#[derive(Default)]
pub struct Commits {
    positions: RefCell<VecDeque<LookupBefore>>,
    /// The mark of the last COMMIT that each server answered with a GTID.
    witnesses: RefCell<Vec<(ServerId, Mark)>>,
    asked: RefCell<Vec<Rc<LookupAsked>>>,
}

impl Commits {
    /// Records the primary's position. Called with every snapshot.
    pub fn note(&self, snapshot: &Snapshot) {
        let facts = snapshot.primary().and_then(|primary| primary.facts.as_ref());
        // An empty position may mean that the position is not known.
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
        positions.push_back(LookupBefore { at: Instant::now(), position: facts.gtid.clone() });
    }

    /// Records the connection's mark if the server answered a marked COMMIT, with a GTID.
    #[inline]
    pub fn answered<S>(&self, connection: &Connection<S>) {
        let Some(mark) = connection.mark.filter(|mark| mark.has_gtid) else { return };
        let server = connection.about.server;
        let mut witnesses = self.witnesses.borrow_mut();
        match witnesses.iter_mut().find(|(known, _)| *known == server) {
            Some((_, known)) => *known = mark,
            None => witnesses.push((server, mark)),
        }
    }

    /// Returns the mark of the last COMMIT that this server answered. If the new primary's binary log lacks
    /// this mark, too, the absence of another mark proves nothing.
    pub fn witness(&self, server: ServerId) -> Option<Mark> {
        self.witnesses.borrow().iter().find(|(known, _)| *known == server).map(|(_, mark)| *mark)
    }

    /// Returns a position of the primary that lacks all that was sent at `sent` or later.
    pub fn before(&self, sent: Instant) -> Option<LookupBefore> {
        let positions = self.positions.borrow();
        let older = |least: Duration| move |before: &&LookupBefore| before.at + least < sent;
        let best = positions.iter().rev().find(older(SHARED));
        best.or_else(|| positions.front().filter(older(Duration::ZERO))).cloned()
    }

    /// Returns the position of [`Self::before`], without its time.
    pub fn position_before(&self, sent: Instant) -> Option<Arc<GtidSet>> {
        self.before(sent).map(|before| before.position)
    }

    /// Returns the question to the primary of this generation, for a COMMIT that was sent at `sent` at the
    /// earliest. Sessions share a question if its position is old enough for their COMMIT.
    pub fn asked(
        &self,
        generation: u64,
        lost: ServerId,
        before: &LookupBefore,
        sent: Instant,
    ) -> Rc<LookupAsked> {
        let mut asked = self.asked.borrow_mut();
        asked.retain(|asked| asked.generation == generation);
        if let Some(asked) = asked.iter().find(|asked| asked.lost == lost && asked.before.at < sent) {
            return asked.clone();
        }
        let excluded = before.position.clone();
        let new = LookupAsked { generation, lost, before: before.clone(), excluded, answer: OnceCell::new() };
        let new = Rc::new(new);
        asked.push(new.clone());
        new
    }

    /// Drops a question whose answer was not final, so that it is asked again.
    pub fn ask_again(&self, old: &Rc<LookupAsked>) {
        self.asked.borrow_mut().retain(|asked| !Rc::ptr_eq(asked, old));
    }
}
