//! What a text is and does: the first words of each statement decide, and a scan of its expressions for
//! what matters. A statement is a read only if all of it is known to be harmless; in doubt it is the primary's.
//!
//! No parser helps. A parser's tree would have to be searched for the same functions and clauses, it knows other
//! dialects than the servers' lexers (versioned comments, character sets, sql_mode), and what it understands in
//! addition is rare: such statements go to the primary, which is right for all of them.

mod cache;
mod ddl;
mod expression;
mod found;
mod hint;
pub mod names;
mod routines;
mod schemas;
pub(in crate::sql) mod session;
mod shape;
mod show;
mod statement;
#[cfg(test)]
mod tests;
pub(in crate::sql) mod tokens;
mod transaction;
pub(in crate::sql) mod words;

use super::read_only::{Verdict, check};
use super::{ClassReason, Effects, Kind, Options, StatementClass, StatementKind};
use found::Found;
use tokens::{Lists, Raw, Statement, Tok, Unreadable, statements};

pub use cache::ClassCache;
pub(in crate::sql) use routines::lookup;
pub use routines::{RoutineFacts, Routines};

/// What a session's settings say about its texts.
#[derive(Debug, Clone, Copy, Default)]
pub struct Context<'a> {
    /// How they are read.
    pub options: Options,
    /// The default schema; empty when there is none, or none is known.
    pub schema: &'a [u8],
}

impl From<Options> for Context<'_> {
    fn from(options: Options) -> Self {
        Self { options, schema: b"" }
    }
}

/// What decides besides the tokens.
#[derive(Clone, Copy)]
struct Env<'e> {
    schema: &'e [u8],
    routines: &'e dyn Routines,
}

/// See the module. Total, and without memory between calls; [`ClassCache`] has one.
pub fn classify<'a>(sql: &[u8], context: impl Into<Context<'a>>, routines: &dyn Routines) -> StatementClass {
    let context = context.into();
    let env = Env { schema: context.schema, routines };
    let mut all: Option<Found> = None;
    let split = statements(sql, context.options, Lists::Short, |raw| {
        let found = one(raw, env);
        all = Some(match all {
            None => found,
            Some(before) => several(before, found),
        });
    });
    match split {
        Err(Unreadable) => Found::unknown(ClassReason::Ambiguous).class(),
        Ok(hints) => hinted(all.unwrap_or_else(Found::read), hints, || check(sql, context.options)).class(),
    }
}

/// How many statements of a text stand before the first that changes what new connections begin with.
pub fn before_renewal<'a>(sql: &[u8], context: impl Into<Context<'a>>) -> usize {
    let context = context.into();
    let env = Env { schema: context.schema, routines: &() };
    let (mut before, mut found) = (0, false);
    let split = statements(sql, context.options, Lists::Short, |raw| {
        found = found || one(raw, env).effects().contains(Effects::RENEWS);
        before += usize::from(!found);
    });
    if found && split.is_ok() { before } else { 0 }
}

/// Two statements in one text. What a SET gives to user variables is only read from a text of its own.
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

/// A statement, in all the ways in which servers may read its versioned comments.
fn one(raw: &Raw<'_>, env: Env<'_>) -> Found {
    if !raw.versioned {
        return statement::statement(Statement(&raw.toks), env);
    }
    let mut all: Option<Found> = None;
    for set in 0..1u32 << raw.marks.len() {
        let reading = reading(raw, |mark| {
            let place = raw.marks.iter().position(|known| *known == mark);
            place.is_some_and(|place| set >> place & 1 == 1)
        });
        let found = statement::statement(Statement(&reading), env);
        all = Some(all.map_or(found, |before| before.and(found)));
    }
    opaque_values(all.unwrap_or_else(Found::read))
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

/// Comments that overrule. A hint makes a read of what differs between servers and of what calls a function that
/// is not known; never of what locks, writes or belongs to the session.
fn hinted(mut found: Found, hints: Effects, guard: impl FnOnce() -> Verdict) -> Found {
    found.add(hints);
    if hints.contains(Effects::HINT_PRIMARY) {
        return if found.kind() == StatementKind::Read { found.because(ClassReason::Hint) } else { found };
    }
    if !hints.contains(Effects::HINT_REPLICA) {
        return found;
    }
    // No more than the guard of replica ports lets through.
    if !found.hintable() || guard() != Verdict::Allowed {
        return found;
    }
    let kept = found.effects() - Effects::LEAVES_UNKNOWN;
    Found::of(StatementKind::Read, ClassReason::Hint, kept)
}
