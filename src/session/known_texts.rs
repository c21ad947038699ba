//! What a worker's sessions know of the texts of statements: their classes and digests, and the texts that were prepared.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use crate::sql::digest::Digest;
use crate::sql::{self, ClassCache, MAX_READ, Readings, StatementClass};
use crate::state::PreparedTexts;

/// What is known of the texts of statements.
pub struct KnownTexts {
    /// The texts that sessions have prepared.
    pub(super) prepared: PreparedTexts,
    classes: RefCell<ClassCache>,
    /// What the servers' stored routines do.
    pub routines: RefCell<Arc<sql::RoutineCatalogue>>,
    /// True if texts get digests.
    pub(super) digests: Cell<bool>,
    /// The permit to have a long text read on another thread, for one session at a time.
    pub(super) permit: tokio::sync::Semaphore,
}

impl KnownTexts {
    /// Knows no texts. `digests`: texts get digests.
    pub(super) fn new(digests: bool) -> Self {
        KnownTexts {
            prepared: PreparedTexts::default(),
            classes: RefCell::new(ClassCache::with_digests(digests)),
            routines: RefCell::default(),
            digests: Cell::new(digests),
            permit: tokio::sync::Semaphore::new(1),
        }
    }
}

impl KnownTexts {
    /// Returns the digest of a text that was not read as a whole.
    pub(super) fn unread(&self) -> Option<Rc<Digest>> {
        self.digests.get().then(|| Rc::new(Digest::of_unread()))
    }

    /// Returns the digest of a text that was prepared before texts got digests.
    pub(super) fn late_digest(&self, text: &[u8], readings: Readings) -> Option<Rc<Digest>> {
        let options = readings.options;
        match self.digests.get() {
            true if readings.of(text).nth(1).is_some() => Some(Rc::new(Digest::of_not_understood(text))),
            true if text.len() <= MAX_READ => Some(Rc::new(Digest::of(text, options))),
            _ => self.unread(),
        }
    }

    /// Forgets the classes of texts. `digests`: texts get digests from now on.
    pub(super) fn forget_classes(&self, digests: bool) {
        self.digests.set(digests);
        self.classes.replace(ClassCache::with_digests(digests));
    }

    /// Returns the class of a text, and its digest.
    pub(super) fn classify(
        &self,
        text: &[u8],
        options: sql::Options,
        schema: Option<&[u8]>,
    ) -> (StatementClass, Option<Rc<Digest>>) {
        let context = sql::Context { options, schema: schema.unwrap_or_default() };
        self.classes.borrow_mut().look_up(text, context, &**self.routines.borrow())
    }
}
