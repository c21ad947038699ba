//! Classifies a text by the first words of each statement and by a scan of its expressions. A statement is a read only
//! if everything in it is known to be harmless; in doubt the statement goes to the primary.
//!
//! What looks like a read must also be derived from the grammar of replica ports ([`crate::grammar`]), to its last token. The
//! scan decides what the statement does; the grammar decides whether the scan saw all of it.

mod cache;
mod ddl;
mod explained;
mod expression;
mod found;
mod relations;
mod schemas;
pub(crate) mod session;
mod shape;
mod show;
mod statement;
mod tables;
#[cfg(test)]
mod tests;
mod transaction;

use super::read_only::{Verdict, check, is_understood};
use super::tokens::{Lists, Raw, Statement, Tok, Unreadable, statements};
use super::vocabulary::{Native, RoutineFacts, Routines};
use super::{Effects, Kind, Options, StatementClass};
use found::Found;
use pointsman_terms::{StatementKind, TextCharset, Why};

pub use cache::ClassCache;

/// The session's settings that decide what its texts mean.
#[derive(Debug, Clone, Copy, Default)]
pub struct Context<'a> {
    /// How the lexer reads the texts.
    pub options: Options,
    /// The default schema; empty if there is none or it is unknown.
    pub schema: &'a [u8],
}

impl From<Options> for Context<'_> {
    fn from(options: Options) -> Self {
        Self { options, schema: b"" }
    }
}

/// What the class depends on besides the tokens.
#[derive(Clone, Copy)]
struct Env<'e> {
    schema: &'e [u8],
    routines: &'e dyn Routines,
    /// True if the text is in UTF-8, as the names in the catalogue are.
    is_utf8: bool,
    /// Classifies a statement inside another one: what EXPLAIN explains, or SET STATEMENT is for.
    inner: Inner,
}

type Inner = fn(Statement<'_, '_>, Env<'_>) -> Found;

/// Classifies a text; see the module. Returns a class for any bytes. Does not cache: [`ClassCache`] does.
pub fn classify<'a>(sql: &[u8], context: impl Into<Context<'a>>, routines: &dyn Routines) -> StatementClass {
    let context = context.into();
    let is_utf8 = context.options.charset == TextCharset::Utf8;
    let env = Env { schema: context.schema, routines, is_utf8, inner: statement::statement };
    let mut all: Option<Found> = None;
    let split = statements(sql, context.options, Lists::Short, |raw| {
        let found = one(raw, env);
        all = Some(match all {
            None => found,
            Some(before) => several(before, found),
        });
    });
    match split {
        Err(Unreadable) => Found::unknown(Why::Ambiguous).class(),
        Ok(hints) => {
            let found = hinted(all.unwrap_or_else(nothing), hints, || check(sql, context.options));
            understood(found, || is_understood(sql, context.options)).class()
        }
    }
}

/// Returns how many statements of a text precede the first one with `RENEWS`; 0 if there is none.
pub fn before_renewal<'a>(sql: &[u8], context: impl Into<Context<'a>>) -> usize {
    let context = context.into();
    let env = Env { schema: context.schema, routines: &(), is_utf8: false, inner: statement::statement };
    let (mut before, mut found) = (0, false);
    let split = statements(sql, context.options, Lists::Short, |raw| {
        found = found || one(raw, env).effects().contains(Effects::RENEWS);
        before += usize::from(!found);
    });
    if found && split.is_ok() { before } else { 0 }
}

/// A text without a statement: it leaves nothing.
fn nothing() -> Found {
    let mut found = Found::read();
    found.add(Effects::EXPLAINED);
    found
}

/// Combines two statements of one text. The literals that a SET assigns to user variables are read only if the SET is
/// alone in its text.
fn several(before: Found, found: Found) -> Found {
    let mut both = before.and(found);
    both.add(Effects::SEVERAL);
    opaque_values(both)
}

fn opaque_values(mut found: Found) -> Found {
    if found.effects().contains(Effects::SETS_LITERALS) {
        found = found.without(Effects::SETS_LITERALS);
        found.add(Effects::SETS_USER_VARIABLES);
    }
    found
}

/// Classifies a statement, with every way in which servers may read its versioned comments.
fn one(raw: &Raw<'_>, env: Env<'_>) -> Found {
    if !raw.versioned {
        let mut found = judged(Statement(&raw.toks), env);
        if tables::sends_found_rows(Statement(&raw.toks)) {
            found.add(Effects::FOUND_ROWS_ARE_SENT);
        }
        return found;
    }
    let mut all: Option<Found> = None;
    for set in 0..1u32 << raw.marks.len() {
        let reading = reading(raw, |mark| {
            let place = raw.marks.iter().position(|known| *known == mark);
            place.is_some_and(|place| set >> place & 1 == 1)
        });
        let found = judged(Statement(&reading), env);
        all = Some(all.map_or(found, |before| before.and(found)));
    }
    opaque_values(all.unwrap_or_else(Found::read))
}

/// Classifies a statement whose versioned comments were resolved.
fn judged(statement: Statement<'_, '_>, env: Env<'_>) -> Found {
    let mut found = statement::statement(statement, env);
    let derived = relations::derived(statement);
    if let Some(derived) = &derived {
        relations::judge(&mut found, derived, env);
    }
    if explained::explained(statement, &found, derived.as_ref(), env) {
        found.add(Effects::EXPLAINED);
    }
    if tables::opens_none(statement, &found) {
        found.add(Effects::OPENS_NO_TABLE);
    }
    found.add(tables::keeps_found_rows(statement, &found));
    found
}

fn reading<'a>(raw: &Raw<'a>, skips: impl Fn(&[u8]) -> bool) -> Vec<Tok<'a>> {
    let mut skipping = false;
    let mut toks = Vec::with_capacity(raw.toks.len());
    for tok in Statement(&raw.toks).iter() {
        match tok.kind {
            Kind::CodeOpen => skipping = skips(tok.text),
            Kind::CodeClose => skipping = false,
            _ if !skipping => toks.push(*tok),
            _ => {}
        }
    }
    toks
}

/// Marks a text whose statements are all derived from the grammar of statements that read. Definitions are never. A text that
/// looks like a read and is not derived goes to the primary, and nothing explains what it left.
fn understood(mut found: Found, derived: impl FnOnce() -> bool) -> Found {
    if matches!(found.kind(), StatementKind::Ddl | StatementKind::Unknown) {
        return found;
    }
    // Beside a COMMIT the read is not seen by the kind of the text.
    let several = found.effects().contains(Effects::SEVERAL) && found.kind() < StatementKind::Write;
    if derived() {
        found.add(Effects::UNDERSTOOD);
    } else if found.kind() == StatementKind::Read || several {
        found.raise(StatementKind::Write, Why::NotUnderstood, Effects::empty());
        return found.without(Effects::EXPLAINED);
    }
    found
}

/// Applies the hints. A hint can turn a statement into a read if its answer differs between servers, or if it calls an
/// unknown function; never if the statement locks, writes, or is about the session.
fn hinted(mut found: Found, hints: Effects, guard: impl FnOnce() -> Verdict) -> Found {
    found.add(hints);
    if hints.contains(Effects::HINT_PRIMARY) {
        return if found.kind() == StatementKind::Read { found.because(Why::Hint) } else { found };
    }
    if !hints.contains(Effects::HINT_REPLICA) {
        return found;
    }
    // The hint must not allow more than the guard of replica ports does.
    if !found.hintable() || guard() != Verdict::Allowed {
        return found;
    }
    let kept = found.effects() - Effects::LEAVES_UNKNOWN;
    Found::of(StatementKind::Read, Why::Hint, kept)
}
