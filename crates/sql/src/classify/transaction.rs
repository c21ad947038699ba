//! Transactions and table locks: BEGIN, START, COMMIT, ROLLBACK, SAVEPOINT, RELEASE, XA, LOCK, UNLOCK.

use super::found::Found;
use super::{Effects, Kind, StatementKind, Why};
use crate::tokens::Statement;

/// Classifies a statement that begins with one of the words above.
pub(super) fn transaction(statement: Statement<'_, '_>) -> Found {
    let first = statement.at(0);
    let rest = statement.from(1);
    match () {
        () if first.is("BEGIN") => begin(rest),
        () if first.is("START") => start(rest),
        () if first.is("COMMIT") => end(rest),
        () if first.is("ROLLBACK") => match rest.iter().any(|tok| tok.is("TO")) {
            true => control(Effects::empty()),
            false => end(rest),
        },
        () if first.is("SAVEPOINT") => control(Effects::empty()),
        () if first.is("RELEASE") && rest.is(0, "SAVEPOINT") => control(Effects::empty()),
        () if first.is("XA") && rest.is(0, "RECOVER") => {
            Found::of(StatementKind::Admin, Why::OneServer, Effects::empty())
        }
        () if first.is("XA") => control(Effects::LEAVES_UNKNOWN),
        () if first.is("LOCK") => lock(rest),
        () if first.is("UNLOCK") => unlock(rest),
        () => Found::unknown(Why::NotUnderstood),
    }
}

fn control(effects: Effects) -> Found {
    Found::of(StatementKind::Transaction, Why::TransactionControl, effects)
}

/// Classifies what follows BEGIN: nothing, or WORK. `BEGIN NOT ATOMIC` and, in Oracle mode, BEGIN with anything else
/// behind it are blocks of statements, which are not understood.
fn begin(rest: Statement<'_, '_>) -> Found {
    match rest.0 {
        [] => control(Effects::BEGINS | Effects::COMMITS_IMPLICITLY),
        [work] if work.is("WORK") => control(Effects::BEGINS | Effects::COMMITS_IMPLICITLY),
        _ => Found::unknown(Why::NotUnderstood),
    }
}

/// Classifies what follows START: `TRANSACTION [options]`, or REPLICA and the like, which is administration.
fn start(rest: Statement<'_, '_>) -> Found {
    if rest.at(0).is_any(&["SLAVE", "REPLICA", "ALL", "GROUP_REPLICATION"]) {
        let effects = Effects::COMMITS_IMPLICITLY;
        return Found::of(StatementKind::Admin, Why::Administration, effects);
    }
    let known = ["WITH", "CONSISTENT", "SNAPSHOT", "READ", "ONLY", "WRITE"];
    let options = rest.from(1);
    let understood = options.iter().all(|tok| tok.kind == Kind::Comma || tok.is_any(&known));
    if !rest.is(0, "TRANSACTION") || !understood {
        return Found::unknown(Why::NotUnderstood);
    }
    match options.has("ONLY") && !options.has("WRITE") {
        true => {
            control(Effects::BEGINS_READ_ONLY | Effects::COMMITS_IMPLICITLY).because(Why::ReadOnlyTransaction)
        }
        false => {
            let mut effects = Effects::BEGINS | Effects::COMMITS_IMPLICITLY;
            effects.set(Effects::BEGINS_READ_WRITE, options.has("WRITE"));
            control(effects)
        }
    }
}

/// Classifies what follows COMMIT or ROLLBACK: `[WORK] [AND [NO] CHAIN] [[NO] RELEASE]`. CHAIN begins the next
/// transaction, RELEASE closes the connection.
fn end(rest: Statement<'_, '_>) -> Found {
    if !rest.iter().all(|tok| tok.is_any(&["WORK", "AND", "NO", "CHAIN", "RELEASE"])) {
        return Found::unknown(Why::NotUnderstood);
    }
    let does = |word: &str| {
        let mut places = rest.iter().enumerate();
        places.any(|(at, tok)| tok.is(word) && !rest.before(at, 1).is("NO"))
    };
    let mut effects = Effects::ENDS;
    effects.set(Effects::BEGINS, does("CHAIN"));
    effects.set(Effects::LEAVES_UNKNOWN | Effects::ENDS_SESSION, does("RELEASE"));
    effects.set(Effects::KEEPS_SESSION, rest.has("NO") && rest.has("RELEASE") && !does("RELEASE"));
    control(effects)
}

fn lock(rest: Statement<'_, '_>) -> Found {
    match rest.at(0).is_any(&["TABLE", "TABLES"]) {
        true => {
            let effects = Effects::LOCKS_TABLES | Effects::COMMITS_IMPLICITLY;
            Found::of(StatementKind::Session, Why::TableLock, effects)
        }
        // LOCK INSTANCE FOR BACKUP
        false => Found::of(StatementKind::Admin, Why::TableLock, Effects::READ_LOCK),
    }
}

fn unlock(rest: Statement<'_, '_>) -> Found {
    match rest.at(0).is_any(&["TABLE", "TABLES"]) {
        true => {
            let effects = Effects::UNLOCKS | Effects::COMMITS_IMPLICITLY;
            Found::of(StatementKind::Session, Why::TableLock, effects)
        }
        false => Found::of(StatementKind::Admin, Why::TableLock, Effects::UNLOCKS),
    }
}
