//! Those who wait for the answer to one question.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use crate::topology::GtidSet;

/// What a server said.
#[derive(Debug, Clone)]
pub enum Answer {
    /// The primary is this far.
    Position {
        /// All that any replica can have by now.
        position: Rc<GtidSet>,
        /// What of it is still being committed there, while replicas may have it.
        pending: Option<Rc<GtidSet>>,
    },
    /// The replica is there.
    Reached,
    /// The server has nothing of it.
    Unseen,
    /// The primary answers, but with no position that replicas could be measured by.
    Untold,
    /// Not in time, or from a server that is lost, or not the primary any more.
    Unknown,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Batch {
    answer: RefCell<Option<Answer>>,
    waiting: RefCell<Vec<Waker>>,
    joined: Cell<u64>,
    /// What all of them wait for.
    target: RefCell<Option<Rc<GtidSet>>>,
    /// What some of them, whose reads went ahead, take the primary's position to be.
    expected: RefCell<Option<Rc<GtidSet>>>,
}

impl Batch {
    /// One more waits, for this position too.
    pub fn join(&self, position: Option<&Rc<GtidSet>>) {
        self.joined.set(self.joined.get() + 1);
        let Some(position) = position else { return };
        let mut target = self.target.borrow_mut();
        match &mut *target {
            None => *target = Some(position.clone()),
            Some(known) if Rc::ptr_eq(known, position) || known.contains(position) => {}
            // Who comes later mostly asks for all that those before him asked for.
            Some(known) if position.contains(known) => *known = position.clone(),
            Some(known) => Rc::make_mut(known).union(position),
        }
    }

    /// A read goes ahead, taking the primary to be at this position. False: others take it for another.
    pub fn expects(&self, position: &Rc<GtidSet>) -> bool {
        let mut expected = self.expected.borrow_mut();
        Rc::ptr_eq(expected.get_or_insert_with(|| position.clone()), position)
    }

    /// What was expected.
    pub fn expected(&self) -> Option<Rc<GtidSet>> {
        self.expected.borrow().clone()
    }

    /// Whether a replica that had what was expected has all that there is.
    pub fn is_as_expected(&self, position: &Rc<GtidSet>) -> bool {
        let expected = self.expected.borrow();
        expected
            .as_ref()
            .is_some_and(|expected| Rc::ptr_eq(expected, position) || expected.contains(position))
    }

    /// How many waited, at most.
    pub fn joined(&self) -> u64 {
        self.joined.get()
    }

    /// What they wait for.
    pub fn target(&self) -> Option<Rc<GtidSet>> {
        self.target.borrow().clone()
    }

    /// The same as text.
    pub fn position(&self) -> String {
        self.target.borrow().as_ref().map(ToString::to_string).unwrap_or_default()
    }

    /// Wakes them all.
    pub fn tell(&self, answer: Answer) {
        self.answer.replace(Some(answer));
        for waker in self.waiting.take() {
            waker.wake();
        }
    }

    /// Waits for the answer. May be dropped at any time.
    pub async fn answer(&self) -> Answer {
        let mut registered = false;
        poll_fn(|cx| {
            if let Some(answer) = &*self.answer.borrow() {
                return Poll::Ready(answer.clone());
            }
            // A session's task has one waker, whatever else it waits for.
            if !std::mem::replace(&mut registered, true) {
                self.waiting.borrow_mut().push(cx.waker().clone());
            }
            Poll::Pending
        })
        .await
    }
}
