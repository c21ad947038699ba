//! The sessions that wait for a connection, in order. Each server has a queue, sorted by place: a search visits the sessions
//! of one server only, and a session leaves without a search.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use foldhash::fast::RandomState;
use tokio::sync::Notify;

use super::Limit;
use crate::topology::ServerId;

/// A session that waits.
#[derive(Debug)]
pub struct Waiter {
    pub server: ServerId,
    pub user: Arc<str>,
    /// The limit that it waited for when it last looked.
    pub limit: Cell<Limit>,
    /// See `Applicant`.
    pub passing: bool,
    pub wake: Notify,
    /// The place in the server's queue. No other session has it, so the session leaves without a search.
    place: i64,
}

impl Waiter {
    /// True if a later session of `user` must not be served before this one. A session that waits for the
    /// limit of its own account blocks only sessions of that account.
    fn is_before(&self, user: &str) -> bool {
        matches!(self.limit.get(), Limit::Server | Limit::Full) || *self.user == *user
    }

    /// True if it is blocked only by the limit on concurrent opens for passing sessions: other sessions may
    /// open more.
    pub fn lets_others_open(&self) -> bool {
        self.passing && self.limit.get() == Limit::Opening
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Waiting {
    /// The queues that are not empty.
    queues: RefCell<HashMap<ServerId, BTreeMap<i64, Rc<Waiter>>, RandomState>>,
    /// The greatest place so far: sessions that join at the end get greater ones.
    last: Cell<i64>,
    /// The smallest place so far, below 0: sessions that join at the head get smaller ones.
    head: Cell<i64>,
}

impl Waiting {
    /// Adds a session at the end, or at the head.
    pub fn join(&self, server: ServerId, user: Arc<str>, passing: bool, at_head: bool) -> Rc<Waiter> {
        let (counter, step) = if at_head { (&self.head, -1) } else { (&self.last, 1) };
        let place = counter.get() + step;
        counter.set(place);
        // Until it has looked, the other waiters assume that this limit blocks it.
        let limit = Cell::new(if passing { Limit::Opening } else { Limit::User });
        let waiter = Rc::new(Waiter { server, user, limit, passing, wake: Notify::new(), place });
        self.queues.borrow_mut().entry(server).or_default().insert(place, waiter.clone());
        waiter
    }

    /// Removes a session.
    pub fn leave(&self, waiter: &Waiter) {
        let mut queues = self.queues.borrow_mut();
        let Some(queue) = queues.get_mut(&waiter.server) else { return };
        queue.remove(&waiter.place);
        if queue.is_empty() {
            queues.remove(&waiter.server);
        }
    }

    /// True if no session waits for any server.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.queues.borrow().is_empty()
    }

    /// Returns the first session in the server's queue that no later session of `user` may overtake and that `wanted` accepts.
    pub fn first(
        &self,
        server: ServerId,
        user: &str,
        mut wanted: impl FnMut(&Waiter) -> bool,
    ) -> Option<Rc<Waiter>> {
        let queues = self.queues.borrow();
        queues.get(&server)?.values().find(|waiter| waiter.is_before(user) && wanted(waiter)).cloned()
    }

    /// Has all sessions look again.
    pub fn wake_all(&self) {
        let queues = self.queues.borrow();
        queues.values().flat_map(BTreeMap::values).for_each(|waiter| waiter.wake.notify_one());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: ServerId = ServerId(1);

    fn places(waiting: &Waiting, server: ServerId, user: &str) -> Vec<(Arc<str>, bool)> {
        let mut found = Vec::new();
        let none = waiting.first(server, user, |waiter| {
            found.push((waiter.user.clone(), waiter.passing));
            false
        });
        assert!(none.is_none());
        found
    }

    #[test]
    fn sessions_are_served_in_order_apart_for_each_server() {
        let waiting = Waiting::default();
        let first = waiting.join(HERE, "a".into(), false, false);
        first.limit.set(Limit::Server);
        waiting.join(ServerId(2), "a".into(), false, false);
        let own = waiting.join(HERE, "b".into(), true, false);
        assert_eq!(places(&waiting, HERE, "b"), [("a".into(), false), ("b".into(), true)]);
        assert_eq!(places(&waiting, HERE, "a"), [("a".into(), false)], "b waits for its own account's limit");
        assert_eq!(places(&waiting, ServerId(3), "a"), []);
        let again = waiting.join(HERE, "b".into(), false, true);
        assert_eq!(
            places(&waiting, HERE, "b"),
            [("b".into(), false), ("a".into(), false), ("b".into(), true)],
            "at the head"
        );
        for waiter in [&first, &own, &again] {
            waiting.leave(waiter);
        }
        assert_eq!(places(&waiting, HERE, "b"), []);
        assert!(!waiting.is_empty(), "one waits for the other server");
    }

    #[test]
    fn who_joins_at_the_head_again_and_again_stays_in_front() {
        let waiting = Waiting::default();
        let last = waiting.join(HERE, "last".into(), false, false);
        last.limit.set(Limit::Server);
        for user in ["a", "b", "a"] {
            let again = waiting.join(HERE, user.into(), false, true);
            assert!(waiting.first(HERE, user, |_| true).is_some_and(|first| Rc::ptr_eq(&first, &again)));
            waiting.leave(&again);
        }
        assert!(waiting.first(HERE, "a", |_| true).is_some_and(|first| Rc::ptr_eq(&first, &last)));
        waiting.leave(&last);
        assert!(waiting.is_empty(), "nobody waits for any server");
    }
}
