//! What the servers' catalogue says about stored routines.

/// What is known of a stored routine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoutineFacts {
    /// The catalogue does not have the routine, or was not read.
    Unknown,
    /// The routine, including what it calls, only reads and leaves no session state.
    ReadsOnly,
    /// The routine may write, and leaves no session state.
    Harmless,
    /// The routine may do anything.
    Other,
}

/// The catalogue of stored routines. Names of routines are passed without quotes and with ASCII letters in lower case,
/// because the servers ignore their case. Names of schemas are passed without quotes, in their original case.
pub trait Routines {
    /// Returns what is known of a stored or loadable function. `schema` is None if there is no default schema or it is
    /// unknown: then the answer must hold for all functions of that name.
    fn function(&self, schema: Option<&[u8]>, name: &[u8]) -> RoutineFacts;

    /// Returns what is known of a stored procedure; otherwise as [`Routines::function`].
    fn procedure(&self, schema: Option<&[u8]>, name: &[u8]) -> RoutineFacts;

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

/// The longest name that a routine can have, in bytes.
const MAX_NAME: usize = 256;

/// Calls `ask` with the name in lower case; returns `Other` for a name that is too long.
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
