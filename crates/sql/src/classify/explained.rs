//! Decides whether text and catalogue show everything that a statement leaves on its connection. A list of what is
//! known: whatever is not on it is unexplained.

use super::found::Found;
use super::relations::Derived;
use super::{Effects, Env, Kind, StatementKind, Why};
use crate::RelationFacts;
use crate::grammar::{DerivedFacts, DerivedName, Form};
use crate::tokens::Statement;
use crate::vocabulary::words::Meaning;

/// Effects of statements that are never explained: their state shows neither in the text nor in a report.
const NEVER: Effects = Effects::LEAVES_UNKNOWN
    .union(Effects::CALLS)
    .union(Effects::EXECUTES)
    .union(Effects::SETS_ROLE)
    .union(Effects::USES_SEQUENCE)
    .union(Effects::READS_SEQUENCE)
    .union(Effects::CHANGES_ROUTINES)
    .union(Effects::OPAQUE)
    .union(Effects::RENEWS)
    .union(Effects::LOADS_LOCAL_FILE);

/// What a statement does with the relations that it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RelationUse {
    Reads,
    Shows,
    Writes,
}

/// True if text and catalogue show everything that the statement leaves on its connection.
pub(super) fn explained(
    statement: Statement<'_, '_>,
    found: &Found,
    derived: Option<&Derived<'_>>,
    env: Env<'_>,
) -> bool {
    let effects = found.effects();
    if effects.intersects(NEVER) {
        return false;
    }
    // Stored functions have this effect, too: the catalogue may know their former body.
    let asks_id = found.reason() == Why::InsertId && !effects.contains(Effects::SETS_STATE);
    if effects.contains(Effects::READS_INSERT_ID) && !asks_id && !sets_id(statement, found) {
        return false;
    }
    match (found.kind(), found.reason()) {
        (StatementKind::Transaction, _) | (_, Why::TransactionControl) => true,
        (StatementKind::Session, Why::TextPrepared) => true,
        (StatementKind::Session, Why::SessionState | Why::UserVariable)
            if statement.is(0, "SET") || statement.is(0, "USE") =>
        {
            !statement.is(1, "STATEMENT") && uses_no_relation(statement)
        }
        (StatementKind::Read, Why::Definitions) | (_, Why::OneServer | Why::LooksBack)
            if statement.is(0, "SHOW") =>
        {
            !statement.iter().any(|tok| tok.kind == Kind::Open)
                && uses_only_known(derived, RelationUse::Shows, env)
        }
        (StatementKind::Read, Why::PlainRead)
        | (
            StatementKind::Session | StatementKind::Admin,
            Why::NamedLock
            | Why::InsertId
            | Why::SystemVariable
            | Why::OneServer
            | Why::LooksBack
            | Why::UserVariable,
        )
        | (StatementKind::Write, Why::LockingRead) => {
            (statement.is(0, "SELECT") || statement.is(0, "DO") || statement.at(0).kind == Kind::Open)
                && uses_only_known(derived, RelationUse::Reads, env)
        }
        (StatementKind::Write, Why::Modifies) => uses_only_known(derived, RelationUse::Writes, env),
        _ => false,
    }
}

/// True for `SET last_insert_id = literal`, which the servers report.
fn sets_id(statement: Statement<'_, '_>, found: &Found) -> bool {
    found.reason() == Why::SessionState
        && statement.is(0, "SET")
        && !statement.iter().any(|tok| tok.kind == Kind::Open)
}

fn uses_no_relation(statement: Statement<'_, '_>) -> bool {
    !statement.iter().any(|tok| tok.meaning == Meaning::Source || tok.is("SELECT"))
}

/// True if the statement is derived from the grammar, to its last token, and the catalogue knows each relation that it names
/// as harmless for what the statement does with it.
fn uses_only_known(derived: Option<&Derived<'_>>, usage: RelationUse, env: Env<'_>) -> bool {
    let Some(Derived { form, facts }) = derived else { return false };
    let wanted = match usage {
        RelationUse::Reads => Form::Query,
        RelationUse::Shows => Form::Show,
        RelationUse::Writes => Form::Write,
    };
    *form == wanted && facts.relations.iter().all(|name| is_harmless(name, facts, env))
}

fn is_harmless(name: &DerivedName<'_>, facts: &DerivedFacts<'_>, env: Env<'_>) -> bool {
    let default = (!env.schema.is_empty()).then_some(env.schema);
    // A doubled quote inside stays doubled, so that the name would be that of another relation.
    let is_odd = |name: &[u8]| {
        name.iter().any(|byte| matches!(byte, b'`' | b'"')) || (!env.is_utf8 && !name.is_ascii())
    };
    if is_odd(name.name) || name.schema.is_some_and(is_odd) {
        return false;
    }
    match env.routines.relation(name.schema.or(default), name.name) {
        RelationFacts::Plain => true,
        RelationFacts::PlainToRead | RelationFacts::ReadingView => !facts.written.contains(name),
        RelationFacts::CallingView
        | RelationFacts::ServerView
        | RelationFacts::LooksBackView
        | RelationFacts::Opaque
        | RelationFacts::UnknownView
        | RelationFacts::Acts
        | RelationFacts::Unknown => false,
    }
}
