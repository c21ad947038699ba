//! The questions about the schemas of logins that are under way on a worker. Logins that wait at the same time share one
//! question; each takes only an answer to a question that was sent after the login had begun to wait.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::Notify;

use crate::backend::ServerError;
use crate::terms::Role;

/// An account, a schema, and the role of the servers that are asked.
type Subject = (Arc<str>, Box<[u8]>, Role);

/// What a server says of a schema.
type SchemaAnswer = Result<(), ServerError>;

/// See the module.
#[derive(Default)]
pub struct SchemaChecks(RefCell<HashMap<Subject, Rc<SharedAnswers>>>);

/// The questions about one subject.
#[derive(Default)]
struct SharedAnswers {
    /// The number of questions that were sent.
    sent: Cell<u64>,
    /// True while a login asks, or waits for a connection to ask.
    asking: Cell<bool>,
    /// The last answer, and the number of its question.
    answer: RefCell<Option<(u64, SchemaAnswer)>>,
    /// Wakes the logins that wait for an answer.
    changed: Notify,
}

/// A login that waits for an answer. The last one of a subject removes the subject.
pub struct WaitingForSchema<'a> {
    checks: &'a SchemaChecks,
    subject: Subject,
    shared: Rc<SharedAnswers>,
    /// The number of questions that were sent when the login began to wait.
    before: u64,
    /// True while this is the login that asks.
    asks: Cell<bool>,
}

impl SchemaChecks {
    /// Begins to wait.
    pub fn wait(&self, user: Arc<str>, schema: Box<[u8]>, role: Role) -> WaitingForSchema<'_> {
        let subject = (user, schema, role);
        let shared = self.0.borrow_mut().entry(subject.clone()).or_default().clone();
        let before = shared.sent.get();
        WaitingForSchema { checks: self, subject, shared, before, asks: Cell::new(false) }
    }
}

impl WaitingForSchema<'_> {
    /// Returns the answer, if there is one.
    pub fn answer(&self) -> Option<SchemaAnswer> {
        let answer = self.shared.answer.borrow();
        answer.as_ref().filter(|(number, _)| *number > self.before).map(|(_, answer)| answer.clone())
    }

    /// True if this login is to ask: no other one does.
    pub fn begins_to_ask(&self) -> bool {
        let asks = !self.shared.asking.replace(true);
        self.asks.set(asks);
        asks
    }

    /// Waits until there is an answer, or until another login is to ask.
    pub async fn changed(&self) {
        self.shared.changed.notified().await;
    }

    /// Records that the question is about to be sent.
    pub fn sends(&self) {
        self.shared.sent.set(self.shared.sent.get().saturating_add(1));
    }

    /// Records the answer to the question that was sent last.
    pub fn has_answer(&self, answer: SchemaAnswer) {
        self.shared.answer.replace(Some((self.shared.sent.get(), answer)));
        self.ends_to_ask();
    }

    fn ends_to_ask(&self) {
        if self.asks.replace(false) {
            self.shared.asking.set(false);
            self.shared.changed.notify_waiters();
        }
    }
}

impl Drop for WaitingForSchema<'_> {
    fn drop(&mut self) {
        // Without an answer, another login asks.
        self.ends_to_ask();
        // The table has one reference, and this login the other.
        if Rc::strong_count(&self.shared) == 2 {
            self.checks.0.borrow_mut().remove(&self.subject);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_counts_only_for_logins_that_waited_before_its_question() {
        let checks = SchemaChecks::default();
        let wait = || checks.wait("app".into(), Box::from(&b"shop"[..]), Role::Primary);
        let (first, second) = (wait(), wait());
        assert!(first.begins_to_ask() && !second.begins_to_ask());
        first.sends();
        let late = wait();
        assert!(first.answer().is_none());
        first.has_answer(Ok(()));
        assert_eq!((first.answer(), second.answer(), late.answer()), (Some(Ok(())), Some(Ok(())), None));
        assert!(late.begins_to_ask());
        late.sends();
        let last = wait();
        drop(late);
        // Its question has no answer.
        assert!(last.answer().is_none() && last.begins_to_ask());
        drop((first, second, last));
        assert!(checks.0.borrow().is_empty());
    }
}
