//! The text of a statement, as far as the server's reports are compared with it. A text of many statements is answered by as
//! many OK packets, and each may report many variables: whatever the answer, each property of the text is found once.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use super::mentions;
use crate::sql::Options;
use crate::sql::class::TRACKER;
use crate::sql::parts::{self, Name, SystemVariable};

/// The most names that are kept with whether the text has them. Servers have fewer variables.
const MOST_NAMES: usize = 2_000;

/// The text of one statement, with what was found out about it. Nothing else may search the text for a report.
#[derive(Debug)]
pub struct AskedText {
    text: Arc<[u8]>,
    /// How the server read it: what the text itself changes of this holds for later texts.
    options: Options,
    names_tracker: OnceCell<bool>,
    system_variables: OnceCell<Option<Rc<[SystemVariable]>>>,
    for_statement: OnceCell<Vec<Name>>,
    schema: OnceCell<Option<Vec<u8>>>,
    charset_too: OnceCell<bool>,
    before_renewal: OnceCell<usize>,
    mentioned: RefCell<BTreeMap<Box<[u8]>, bool>>,
    charsets: RefCell<BTreeMap<Box<[u8]>, bool>>,
    /// How often the text was searched.
    #[cfg(test)]
    searches: std::cell::Cell<usize>,
}

impl AskedText {
    /// Returns a text of which nothing is known.
    pub fn new(text: Arc<[u8]>, options: Options) -> Self {
        AskedText {
            text,
            options,
            names_tracker: OnceCell::new(),
            system_variables: OnceCell::new(),
            for_statement: OnceCell::new(),
            schema: OnceCell::new(),
            charset_too: OnceCell::new(),
            before_renewal: OnceCell::new(),
            mentioned: RefCell::default(),
            charsets: RefCell::default(),
            #[cfg(test)]
            searches: std::cell::Cell::default(),
        }
    }

    /// Returns how often the text was searched.
    #[cfg(test)]
    pub(super) fn searches(&self) -> usize {
        self.searches.get()
    }

    /// Returns the text, to be searched once for what the caller keeps.
    fn search(&self) -> &[u8] {
        #[cfg(test)]
        self.searches.set(self.searches.get() + 1);
        &self.text
    }

    /// True if the text may name a variable of the session trackers.
    pub(super) fn names_tracker(&self) -> bool {
        *self.names_tracker.get_or_init(|| mentions(self.search(), TRACKER))
    }

    /// Returns the system variables that the text sets, if it is a single SET: see [`parts::system_variables`].
    pub(super) fn system_variables(&self) -> Option<&Rc<[SystemVariable]>> {
        let set = || parts::system_variables(self.search(), self.options).map(Rc::from);
        self.system_variables.get_or_init(set).as_ref()
    }

    /// True if the text is a SET STATEMENT that sets this variable, for itself alone.
    pub(super) fn sets_for_statement(&self, name: &[u8]) -> bool {
        let names = self.for_statement.get_or_init(|| parts::set_for_statement(self.search(), self.options));
        names.iter().any(|known| known.eq_ignore_ascii_case(name))
    }

    /// Returns the schema that a USE names.
    pub(super) fn used_schema(&self) -> Option<&[u8]> {
        self.schema.get_or_init(|| parts::used_schema(self.search(), self.options)).as_deref()
    }

    /// True if a SET NAMES or a SET CHARACTER SET is among what the text sets: see [`parts::sets_charset_too`].
    pub(super) fn sets_charset_too(&self) -> bool {
        *self.charset_too.get_or_init(|| parts::sets_charset_too(self.search(), self.options))
    }

    /// Returns how many of the text's statements precede the first one that renews connections: see
    /// [`before_renewal`](crate::sql::before_renewal).
    pub fn before_renewal(&self) -> usize {
        *self.before_renewal.get_or_init(|| crate::sql::before_renewal(self.search(), self.options))
    }

    /// True if the text has this name anywhere, in any case.
    pub(super) fn mentions(&self, name: &[u8]) -> bool {
        self.remembers(&self.mentioned, name, |text| mentions(text, name))
    }

    /// True if one of the text's words is this character set or collation, under one of its names, or a collation of it.
    pub(super) fn names_charset(&self, charset: &str) -> bool {
        self.remembers(&self.charsets, charset.as_bytes(), |text| {
            let short = charset.strip_prefix("utf8mb3").map(|rest| ["utf8", rest].concat());
            let long = charset.strip_prefix("utf8_").map(|rest| ["utf8mb3_", rest].concat());
            let aliases = [Some(charset.to_owned()), short, long];
            let is_it = |word: &[u8]| {
                aliases.iter().flatten().any(|name| {
                    let start = word.get(..name.len()).unwrap_or_default();
                    let rest = word.get(name.len()..).unwrap_or_default();
                    start.eq_ignore_ascii_case(name.as_bytes()) && (rest.is_empty() || rest.starts_with(b"_"))
                })
            };
            text.split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_').any(is_it)
        })
    }

    /// Returns what was found of this name before, or finds it.
    fn remembers(
        &self,
        found: &RefCell<BTreeMap<Box<[u8]>, bool>>,
        name: &[u8],
        find: impl FnOnce(&[u8]) -> bool,
    ) -> bool {
        if let Some(known) = found.borrow().get(name) {
            return *known;
        }
        let is_there = find(self.search());
        let mut found = found.borrow_mut();
        if found.len() < MOST_NAMES {
            found.insert(name.into(), is_there);
        }
        is_there
    }
}
