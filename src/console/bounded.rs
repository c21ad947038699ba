//! Functions of SQLite whose time is the product of two lengths, written anew: in linear time where that is possible, and
//! with an eye on the time of the query, which SQLite does not look at within a call.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ffi};

/// The longest value that a query may compute, in bytes. It bounds the time of one call of a function, which nothing
/// interrupts; a long statement has thousands of calls without a jump between them, which SQLite does not interrupt either.
pub(super) const LENGTH: usize = 64 << 10;
/// The longest pattern of LIKE, in characters.
const LONGEST_PATTERN: usize = 1000;

/// Adds the functions to a database. `over`: true once the time of the query is over.
pub(super) fn register(connection: &Connection, over: &Arc<AtomicBool>) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        // The views use LIKE.
        | FunctionFlags::SQLITE_INNOCUOUS;
    // The operator LIKE. SQLite's own takes a time that is exponential in the number of `%`.
    let of = over.clone();
    connection.create_scalar_function("like", 2, flags, move |context| like(context, None, &of))?;
    let of = over.clone();
    connection.create_scalar_function("like", 3, flags, move |context| {
        let escape: String = context.get(2)?;
        like(context, escape.chars().next(), &of)
    })?;
    let of = over.clone();
    connection.create_scalar_function("instr", 2, flags, move |context| {
        within_time(&of)?;
        let (Some(text), Some(part)) = (text_of(context, 0), text_of(context, 1)) else { return Ok(None) };
        let found = text.find(&part).and_then(|at| text.get(..at));
        Ok(Some(found.map_or(0, |before| before.chars().count() as i64 + 1)))
    })?;
    let of = over.clone();
    connection.create_scalar_function("replace", 3, flags, move |context| replace(context, &of))?;
    for (name, start, end) in [("trim", true, true), ("ltrim", true, false), ("rtrim", false, true)] {
        let of = over.clone();
        connection.create_scalar_function(name, 2, flags, move |context| {
            within_time(&of)?;
            let (Some(text), Some(set)) = (text_of(context, 0), text_of(context, 1)) else { return Ok(None) };
            let mut set: Vec<char> = set.chars().collect();
            set.sort_unstable();
            let is_in = |c: char| set.binary_search(&c).is_ok();
            let mut rest = text.as_str();
            rest = if start { rest.trim_start_matches(is_in) } else { rest };
            rest = if end { rest.trim_end_matches(is_in) } else { rest };
            Ok(Some(rest.to_owned()))
        })?;
    }
    Ok(())
}

/// Returns an error once the time of the query is over.
fn within_time(over: &AtomicBool) -> rusqlite::Result<()> {
    match over.load(Ordering::Relaxed) {
        true => Err(failure(ffi::SQLITE_INTERRUPT)),
        false => Ok(()),
    }
}

fn failure(code: i32) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)
}

/// Returns an argument as a text; None for NULL.
fn text_of(context: &Context<'_>, at: usize) -> Option<String> {
    match context.get_raw(at) {
        ValueRef::Null => None,
        ValueRef::Integer(n) => Some(n.to_string()),
        ValueRef::Real(n) => Some(n.to_string()),
        ValueRef::Text(text) | ValueRef::Blob(text) => Some(String::from_utf8_lossy(text).into_owned()),
    }
}

/// Evaluates `replace(text, part, by)`.
fn replace(context: &Context<'_>, over: &AtomicBool) -> rusqlite::Result<Option<String>> {
    within_time(over)?;
    let (Some(text), Some(part), Some(by)) = (text_of(context, 0), text_of(context, 1), text_of(context, 2))
    else {
        return Ok(None);
    };
    if part.is_empty() {
        return Ok(Some(text));
    }
    let times = text.matches(&part).count();
    if (text.len() + times * by.len()).saturating_sub(times * part.len()) > LENGTH {
        return Err(failure(ffi::SQLITE_TOOBIG));
    }
    Ok(Some(text.replace(&part, &by)))
}

/// Evaluates `text LIKE pattern`: the first argument is the pattern. None is NULL.
fn like(context: &Context<'_>, escape: Option<char>, over: &AtomicBool) -> rusqlite::Result<Option<bool>> {
    within_time(over)?;
    let (Some(pattern), Some(text)) = (text_of(context, 0), text_of(context, 1)) else { return Ok(None) };
    if pattern.chars().nth(LONGEST_PATTERN).is_some() {
        let error = format!("a pattern of LIKE has more than {LONGEST_PATTERN} characters");
        return Err(rusqlite::Error::UserFunctionError(error.into()));
    }
    matches(&parts(&pattern, escape), &text, over).map(Some)
}

/// A part of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PatternPart {
    /// `%`
    Any,
    /// `_`
    One,
    /// A character, in small letters.
    Char(char),
}

fn small(c: char) -> char {
    c.to_lowercase().next().unwrap_or(c)
}

fn parts(pattern: &str, escape: Option<char>) -> Vec<PatternPart> {
    let mut chars = pattern.chars();
    let mut parts = Vec::new();
    while let Some(c) = chars.next() {
        parts.push(match c {
            c if Some(c) == escape => PatternPart::Char(small(chars.next().unwrap_or(c))),
            '%' => PatternPart::Any,
            '_' => PatternPart::One,
            c => PatternPart::Char(small(c)),
        });
    }
    parts
}

/// Matches without regard to case. After a mismatch only the last `%` takes one character more, so the time is at most the
/// product of the lengths.
fn matches(parts: &[PatternPart], text: &str, over: &AtomicBool) -> rusqlite::Result<bool> {
    let (mut pattern, mut rest) = (parts, text);
    let mut retry: Option<(&[PatternPart], &str)> = None;
    loop {
        let mut chars = rest.chars();
        match (pattern.split_first(), chars.next()) {
            (Some((PatternPart::Any, behind)), _) => {
                retry = Some((behind, rest));
                pattern = behind;
                continue;
            }
            (None, None) => return Ok(true),
            (Some((PatternPart::One, behind)), Some(_)) => {
                (pattern, rest) = (behind, chars.as_str());
                continue;
            }
            (Some((PatternPart::Char(wanted), behind)), Some(c)) if small(c) == *wanted => {
                (pattern, rest) = (behind, chars.as_str());
                continue;
            }
            _ => {}
        }
        let Some((behind, from)) = retry else { return Ok(false) };
        within_time(over)?;
        let mut chars = from.chars();
        if chars.next().is_none() {
            return Ok(false);
        }
        retry = Some((behind, chars.as_str()));
        (pattern, rest) = (behind, chars.as_str());
    }
}
