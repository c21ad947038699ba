//! What the servers' catalogue says of stored routines.

/// What is known of a stored routine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoutineFacts {
    /// The catalogue does not have it, or was not read.
    Unknown,
    /// It reads only and leaves nothing (READS SQL DATA, NO SQL, …, and what it calls, too).
    ReadsOnly,
    /// It may write, and leaves no session state.
    Harmless,
    /// It may do anything.
    Other,
}

/// The catalogue of stored routines. Names of routines come without quotes, their ASCII letters in lower case, for the
/// servers compare them without regard to case; names of schemas come without quotes as they are written.
pub trait Routines {
    /// A stored or loadable function. Without a schema: of no default schema, or one that is not known;
    /// the answer then must hold for all functions of that name.
    fn function(&self, schema: Option<&[u8]>, name: &[u8]) -> RoutineFacts;

    /// A stored procedure; else as [`Routines::function`].
    fn procedure(&self, schema: Option<&[u8]>, name: &[u8]) -> RoutineFacts;

    /// Changes whenever an answer may have changed: what was concluded before no longer holds.
    fn version(&self) -> u64;

    /// Whether what is [`RoutineFacts::Unknown`] surely does not exist. Only then a call such as `JSON_QUERY(…)` or
    /// `MD5(…)`, built in here and free for a stored function there, is taken for the built-in one.
    fn is_complete(&self) -> bool {
        false
    }
}

/// Nothing is known.
impl Routines for () {
    fn function(&self, _: Option<&[u8]>, _: &[u8]) -> RoutineFacts {
        RoutineFacts::Unknown
    }

    fn procedure(&self, _: Option<&[u8]>, _: &[u8]) -> RoutineFacts {
        RoutineFacts::Unknown
    }

    fn version(&self) -> u64 {
        0
    }
}

/// Longer names (in bytes) exist nowhere.
const MAX_NAME: usize = 256;

/// Asks by the name in lower case.
pub(in crate::sql) fn lookup(name: &[u8], ask: impl FnOnce(&[u8]) -> RoutineFacts) -> RoutineFacts {
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
