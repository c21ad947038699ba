//! The reads that wait for the answer to one shared question.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::task::{Poll, Waker};

use tokio::time::Instant;

use crate::net::turn_time;
use crate::topology::GtidSet;

/// What a server answered.
#[derive(Debug, Clone)]
pub enum PositionAnswer {
    /// The primary's position.
    Position {
        /// All that any replica can have by now.
        position: Rc<GtidSet>,
        /// The part of it that the primary is still committing, while replicas may already have it.
        pending: Option<Rc<GtidSet>>,
    },
    /// The server has the position that the reads wait for.
    Reached,
    /// The server has none of the transactions that were asked for.
    Unseen,
    /// The primary answers, but has no position that replicas could be compared with.
    Untold,
    /// The answer did not arrive in time, or the server is lost or no longer the primary.
    Unknown,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Batch {
    answer: RefCell<Option<PositionAnswer>>,
    waiting: RefCell<Vec<Waker>>,
    joined: Cell<u64>,
    /// The union of the positions that the reads wait for or ask about.
    target: RefCell<Option<Rc<GtidSet>>>,
    /// When the answer came, if reads went to a replica before.
    told: Cell<Option<Instant>>,
    /// The primary's position as assumed by those reads that went to a replica before the answer.
    expected: RefCell<Option<Rc<GtidSet>>>,
}

impl Batch {
    /// Adds a read, which waits for this position, too.
    pub fn join(&self, position: Option<&Rc<GtidSet>>) {
        self.joined.set(self.joined.get() + 1);
        let Some(position) = position else { return };
        let mut target = self.target.borrow_mut();
        match &mut *target {
            None => *target = Some(position.clone()),
            Some(known) if Rc::ptr_eq(known, position) || known.contains(position) => {}
            // A later read mostly asks for all that the reads before it asked for.
            Some(known) if position.contains(known) => *known = position.clone(),
            Some(known) => Rc::make_mut(known).union(position),
        }
    }

    /// Records that a read goes to a replica before the answer, assuming this position of the primary.
    /// Returns false if other reads assume another position.
    pub fn expects(&self, position: &Rc<GtidSet>) -> bool {
        let mut expected = self.expected.borrow_mut();
        Rc::ptr_eq(expected.get_or_insert_with(|| position.clone()), position)
    }

    /// Returns the position that the reads assume.
    pub fn expected(&self) -> Option<Rc<GtidSet>> {
        self.expected.borrow().clone()
    }

    /// True if a replica that had the assumed position has all of this position.
    pub fn is_as_expected(&self, position: &Rc<GtidSet>) -> bool {
        let expected = self.expected.borrow();
        expected
            .as_ref()
            .is_some_and(|expected| Rc::ptr_eq(expected, position) || expected.contains(position))
    }

    /// Returns how many reads have joined. Some of them may have given up.
    pub fn joined(&self) -> u64 {
        self.joined.get()
    }

    /// Returns the union of the positions that the reads wait for or ask about.
    pub fn target(&self) -> Option<Rc<GtidSet>> {
        self.target.borrow().clone()
    }

    /// True if the reads wait for this position or a later one.
    pub fn waits_for(&self, position: &Rc<GtidSet>) -> bool {
        let target = self.target.borrow();
        target.as_ref().is_some_and(|target| Rc::ptr_eq(target, position) || target.contains(position))
    }

    /// Returns the target as text.
    pub fn position(&self) -> String {
        self.target.borrow().as_ref().map(ToString::to_string).unwrap_or_default()
    }

    /// Stores the answer and wakes the reads.
    pub fn tell(&self, answer: PositionAnswer) {
        if self.expected.borrow().is_some() {
            self.told.set(Some(turn_time()));
        }
        self.answer.replace(Some(answer));
        self.waiting.borrow_mut().drain(..).for_each(Waker::wake);
    }

    /// Returns when the answer came that reads on a replica waited for, so that not each of them looks at the clock.
    pub fn told_at(&self) -> Option<Instant> {
        self.told.get()
    }

    /// Forgets everything, for the reads of another question. Its memory stays.
    pub fn begin_anew(&self) {
        let Batch { answer, waiting, joined, target, told, expected } = self;
        answer.take();
        waiting.borrow_mut().clear();
        joined.take();
        target.take();
        told.take();
        expected.take();
    }

    /// Waits for the answer. May be dropped at any time.
    pub fn answer(&self) -> impl Future<Output = PositionAnswer> {
        let mut registered = false;
        poll_fn(move |cx| {
            if let Some(answer) = &*self.answer.borrow() {
                return Poll::Ready(answer.clone());
            }
            // Registers once: a session's task has one waker, whatever else the session waits for.
            if !std::mem::replace(&mut registered, true) {
                self.waiting.borrow_mut().push(cx.waker().clone());
            }
            Poll::Pending
        })
    }
}
