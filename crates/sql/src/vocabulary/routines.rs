//! What the servers' catalogue says about the names in a text: stored routines, tables and views, built-in functions.

use super::native::Native;
use super::native::native;
use super::words::{Meaning, meaning};

/// What is known of a stored routine, including what it calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoutineFacts {
    /// The catalogue does not have the routine, or was not read.
    Unknown,
    /// The routine only reads and leaves no session state.
    ReadsOnly,
    /// As far as the catalogue can see, the routine only reads and leaves no session state. The catalogue does not see
    /// all of it: the routine reads relations that are opaque, or only its declaration can be seen.
    ReadsOpaque,
    /// The routine only reads and leaves no session state, and asks about one server or about the session:
    /// `@@hostname`, `LAST_INSERT_ID()`.
    ReadsServer,
    /// The routine may write, and leaves no session state.
    Harmless,
    /// The routine may write. As far as the catalogue can see, it leaves no session state: it uses relations that are
    /// opaque, or whose triggers are not understood.
    WritesOpaque,
    /// The routine may do anything: its body cannot be seen, or is not understood.
    Other,
    /// The routine is known to leave session state, or to do more than read and write. So is a routine of a package, whose
    /// text is not judged.
    Acts,
}

impl RoutineFacts {
    /// True if the routine is not known to do more than read.
    pub fn is_read(self) -> bool {
        matches!(self, Self::ReadsOnly | Self::ReadsOpaque | Self::ReadsServer)
    }

    /// True if the routine is not known to leave any session state.
    pub fn leaves_nothing(self) -> bool {
        self.is_read() || matches!(self, Self::Harmless | Self::WritesOpaque)
    }

    /// True if everything that the routine does is known, and it leaves no session state.
    pub fn is_explained(self) -> bool {
        matches!(self, Self::ReadsOnly | Self::ReadsServer | Self::Harmless)
    }
}

/// What is known of a table or a view.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RelationFacts {
    /// The catalogue does not have the relation, or was not read.
    #[default]
    Unknown,
    /// A base table: reads and writes of it run nothing but built-in functions without state.
    Plain,
    /// A base table whose reads are plain, but whose writes run triggers, defaults or generated columns that do more
    /// than call built-in functions without state, or that the catalogue cannot see into.
    PlainToRead,
    /// A view that only reads, and leaves nothing in the session.
    ReadingView,
    /// A view that only reads, as [`RelationFacts::ReadingView`] does, and calls stored functions. If somebody replaced one
    /// of them past this proxy, the catalogue knows the former text.
    CallingView,
    /// A view that only reads, and leaves nothing in the session. What it shows depends on the server or on the session:
    /// `IS_FREE_LOCK('a')`, `LAST_INSERT_ID()`.
    ServerView,
    /// A view that only reads, and shows what the session's last statement did: `ROW_COUNT()`, `FOUND_ROWS()`.
    LooksBackView,
    /// The catalogue cannot see into the relation: a privilege is missing.
    Opaque,
    /// A view whose query is seen and not understood, or uses such a view, or calls a routine that may do anything.
    UnknownView,
    /// The relation is known to do more than read, or to leave state in the session, when it is read.
    Acts,
}

/// The servers' catalogue. Names of routines are passed without quotes and with ASCII letters in lower case,
/// because the servers ignore their case. Names of schemas are passed without quotes, in their original case. What an
/// implementation does not say is not known.
pub trait Routines {
    /// Returns what is known of a stored or loadable function. `_schema` is None if there is no default schema or it is
    /// unknown: then the answer must hold for all functions of that name.
    fn function(&self, _schema: Option<&[u8]>, _name: &[u8]) -> RoutineFacts {
        RoutineFacts::Unknown
    }

    /// Returns what is known of a stored procedure; otherwise as [`Routines::function`].
    fn procedure(&self, _schema: Option<&[u8]>, _name: &[u8]) -> RoutineFacts {
        RoutineFacts::Unknown
    }

    /// Returns what is known of a table or a view. `_schema` is None if there is no default schema or it is unknown: then
    /// the answer must hold for all relations of that name. `_name` is without quotes and in its original case.
    fn relation(&self, _schema: Option<&[u8]>, _name: &[u8]) -> RelationFacts {
        RelationFacts::Unknown
    }

    /// Says whether the name, without quotes and in any case, is that of a built-in function on the servers in use. The
    /// answer is about the name alone: GET_LOCK and SLEEP are built in, too.
    fn native(&self, name: &[u8]) -> Native {
        native_by_name(name)
    }

    /// Returns a number that changes whenever an answer may have changed. Cached classes are invalid then.
    fn version(&self) -> u64;

    /// True if every routine that is [`RoutineFacts::Unknown`] certainly does not exist. Only then a call such as
    /// `JSON_QUERY(…)` or `MD5(…)`, a built-in function on some servers only, is taken for the built-in function.
    fn is_complete(&self) -> bool {
        false
    }
}

/// Nothing is known.
impl Routines for () {
    fn version(&self) -> u64 {
        0
    }
}

/// The answer of [`Routines::native`] if the servers in use are not known. Functions about one server count as built in
/// everywhere, as far as the tables have them: a text with one goes to the primary anyway.
fn native_by_name(name: &[u8]) -> Native {
    match (meaning(name), native(name, &[])) {
        (Meaning::OneServer | Meaning::UsesSequence | Meaning::ReadsSequence, _) => Native::Everywhere,
        (_, native) => native,
    }
}

/// MariaDB's schemas of built-in functions: `oracle_schema.concat('a', 'b')`. A view that was made in SQL mode ORACLE has the
/// second one in its text. Source: `Schema::find_by_name` in MariaDB's `sql/sql_schema.cc`
const BUILT_IN_SCHEMAS: [&[u8]; 3] = [b"mariadb_schema", b"oracle_schema", b"maxdb_schema"];

/// True if a built-in function may be called by this schema. On MySQL it is a schema like others.
pub(crate) fn has_built_ins(schema: &[u8]) -> bool {
    BUILT_IN_SCHEMAS.iter().any(|known| schema.eq_ignore_ascii_case(known))
}

/// True if `schema.name()` certainly calls the built-in function on each server in use, where `schema` has built-in functions.
pub(crate) fn is_built_in_of(schema: &[u8], name: &[u8], routines: &dyn Routines) -> bool {
    routines.native(name) == Native::Everywhere
        && routines.is_complete()
        && lookup(name, |name| routines.function(Some(schema), name)) == RoutineFacts::Unknown
}

/// The longest name that a routine can have, in bytes.
const MAX_NAME: usize = 256;

/// Calls `ask` with the name in lower case; returns `Other` for a name that is too long.
pub(crate) fn lookup(name: &[u8], ask: impl FnOnce(&[u8]) -> RoutineFacts) -> RoutineFacts {
    let mut lower = [0u8; MAX_NAME];
    match lower.get_mut(..name.len()) {
        Some(lower) => {
            lower.copy_from_slice(name);
            lower.make_ascii_lowercase();
            ask(lower)
        }
        None => RoutineFacts::Other,
    }
}
