//! Statements about the session: SET, USE, statements prepared as text, HANDLER, diagnostics.

use super::expression::{ExpressionPlace, scan};
use super::found::Found;
use super::{Effects, Env, Kind, StatementKind, Why};
use crate::tokens::{Statement, Tok};

/// Classifies a statement by its first word.
pub(super) fn session(statement: Statement<'_, '_>, env: Env<'_>) -> Found {
    let (first, rest) = (statement.at(0), statement.from(1));
    let prepared = |effects| Found::of(StatementKind::Session, Why::TextPrepared, effects);
    match () {
        () if first.is("SET") => set(rest, env),
        () if first.is("USE") => of_session(Effects::SETS_STATE),
        () if first.is("PREPARE") => {
            let mut found = prepared(Effects::PREPARES);
            found.add(scan(rest, ExpressionPlace::Writing, env).effects() - Effects::REPEATABLE);
            found
        }
        // The text that EXECUTE runs is not in this statement.
        () if first.is("EXECUTE") => Found::of(
            StatementKind::Unknown,
            Why::TextPrepared,
            Effects::EXECUTES
                | Effects::LEAVES_UNKNOWN
                | Effects::READS_INSERT_ID
                | Effects::READS_USER_VARIABLES,
        ),
        () if first.is("DEALLOCATE") => prepared(Effects::DEALLOCATES),
        () if first.is("HANDLER") => handler(rest, env),
        () if first.is("GET") => {
            let effects =
                Effects::READS_DIAGNOSTICS | Effects::KEEPS_DIAGNOSTICS | Effects::SETS_USER_VARIABLES;
            Found::of(StatementKind::Session, Why::LooksBack, effects)
        }
        () if first.is("SIGNAL") => of_session(Effects::empty()),
        // It adds its error to the diagnostics.
        () if first.is("RESIGNAL") => of_session(Effects::READS_DIAGNOSTICS | Effects::OPENS_NO_TABLE),
        () => Found::unknown(Why::NotUnderstood),
    }
}

fn of_session(effects: Effects) -> Found {
    Found::of(StatementKind::Session, Why::SessionState, effects)
}

/// Classifies what follows HANDLER: `t OPEN [AS u]`, `t READ …`, `t CLOSE`.
fn handler(rest: Statement<'_, '_>, env: Env<'_>) -> Found {
    let verb = rest.at(crate::tokens::name_length(rest));
    let effects = match () {
        () if verb.is("OPEN") => Effects::HANDLER_OPEN,
        () if verb.is("CLOSE") => Effects::HANDLER_CLOSE,
        () if verb.is("READ") => scan(rest, ExpressionPlace::Writing, env).effects() - Effects::REPEATABLE,
        () => return Found::unknown(Why::NotUnderstood),
    };
    Found::of(StatementKind::Session, Why::TableLock, effects)
}

/// Classifies what follows SET.
fn set(rest: Statement<'_, '_>, env: Env<'_>) -> Found {
    let (first, second) = (rest.at(0), rest.at(1));
    let scoped = first.is_any(&["SESSION", "LOCAL", "GLOBAL"]);
    let account = Found::of(
        StatementKind::Ddl,
        Why::Definition,
        Effects::SETS_STATE | Effects::COMMITS_IMPLICITLY | Effects::RENEWS,
    );
    match () {
        () if second.is_assignment() || second.kind == Kind::Dot => assignments(rest, env),
        () if first.is("TRANSACTION") => Found::of(
            StatementKind::Transaction,
            Why::TransactionControl,
            Effects::SETS_STATE | Effects::SETS_NEXT_TRANSACTION,
        ),
        () if scoped && second.is("TRANSACTION") => match first.is("GLOBAL") {
            true => server_wide(),
            false => Found::of(StatementKind::Session, Why::TransactionControl, Effects::SETS_STATE),
        },
        () if first.is("ROLE") => role(rest, env),
        () if first.is("RESOURCE") && second.is("GROUP") => {
            of_session(Effects::SETS_STATE | Effects::LEAVES_UNKNOWN)
        }
        () if first.is("PASSWORD") || (first.is("DEFAULT") && second.is("ROLE")) => account,
        () if first.is("STATEMENT") => for_statement(rest, env),
        () => assignments(rest, env),
    }
}

fn server_wide() -> Found {
    Found::of(StatementKind::Admin, Why::Administration, Effects::SETS_STATE | Effects::RENEWS)
}

/// MariaDB's `SET STATEMENT name = value, … FOR statement`: the old values are restored afterwards.
fn for_statement(rest: Statement<'_, '_>, env: Env<'_>) -> Found {
    let at = rest.outside(|tok| tok.is("FOR"));
    // A SET STATEMENT inside another is not understood: otherwise a text could make the recursion arbitrarily deep.
    let nested = at.is_some_and(|at| rest.is(at + 1, "SET") && rest.is(at + 2, "STATEMENT"));
    let Some(at) = at.filter(|_| !nested) else {
        return Found::unknown(Why::NotUnderstood);
    };
    let mut found = of_session(Effects::SETS_STATE);
    found.with_value(scan(rest.until(at), ExpressionPlace::Query, env));
    let inner = (env.inner)(rest.from(at + 1), env);
    found.raise(inner.kind(), inner.reason(), inner.effects() - Effects::REPEATABLE);
    found
}

/// Classifies `ROLE name, …`: on MySQL a list of roles, on MariaDB one role in front of any other elements of a SET.
fn role(rest: Statement<'_, '_>, env: Env<'_>) -> Found {
    // The name of a role has at most a host behind it: `r`, `'r'@'%'`.
    let is_name = |item: &Statement<'_, '_>| {
        let account = item.at(1).kind == Kind::At && item.len() == 3;
        (item.at(0).is_name() || item.at(0).kind == Kind::String) && (item.len() == 1 || account)
    };
    let mut found = elements(items(rest).skip(1).filter(|item| !is_name(item)), env);
    found.add(Effects::SETS_ROLE);
    found
}

/// Classifies `[scope] name = value, …`, which may include NAMES and CHARACTER SET.
fn assignments(rest: Statement<'_, '_>, env: Env<'_>) -> Found {
    elements(items(rest), env)
}

/// Classifies the elements of a SET. One that is not understood may be anything.
fn elements<'t, 'a: 't>(all: impl Iterator<Item = Statement<'t, 'a>>, env: Env<'_>) -> Found {
    let mut found = of_session(Effects::SETS_STATE);
    let (mut literals, mut values) = (false, false);
    for item in all {
        match user_variable(item) {
            Some((_, value)) if is_literal(value) => literals = true,
            Some((_, value)) => {
                values = true;
                found.with_value(scan(value, ExpressionPlace::Query, env));
            }
            None => system_variable(item, &mut found, env),
        }
    }
    // The value of a system variable can assign to user variables, too.
    values |= found.effects().contains(Effects::SETS_USER_VARIABLES);
    values |= found.kind() == StatementKind::Unknown && literals;
    found.add(match (literals, values) {
        (_, true) => Effects::SETS_USER_VARIABLES,
        (true, false) => Effects::SETS_LITERALS,
        (false, false) => Effects::empty(),
    });
    match values && found.kind() == StatementKind::Session {
        true => found.because(Why::UserVariable),
        false => found,
    }
}

/// Returns the parts between commas outside parentheses.
pub(crate) fn items<'t, 'a>(rest: Statement<'t, 'a>) -> impl Iterator<Item = Statement<'t, 'a>> {
    let mut left = Some(rest);
    std::iter::from_fn(move || {
        let items = left?;
        let mut depth = 0usize;
        let comma = items.iter().position(|tok| {
            match tok.kind {
                Kind::Open => depth += 1,
                Kind::Close => depth = depth.saturating_sub(1),
                _ => return tok.kind == Kind::Comma && depth == 0,
            }
            false
        });
        left = comma.map(|comma| items.from(comma + 1));
        Some(comma.map_or(items, |comma| items.until(comma)))
    })
}

/// Returns the name's token and the value of `@name = value`. Only for names of plain ASCII characters, which the
/// servers compare without regard to case; other letters and trailing spaces follow more complex rules.
pub(crate) fn user_variable<'t, 'a>(item: Statement<'t, 'a>) -> Option<(Tok<'a>, Statement<'t, 'a>)> {
    let name = item.at(1).name();
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'.');
    let assigns = item.at(0).kind == Kind::At && item.at(2).is_assignment() && item.len() > 3;
    let assigns = assigns && name.iter().all(plain);
    assigns.then(|| (item.at(1), item.from(3)))
}

/// True for a value that means the same on every server and at any time: a number with or without a sign, NULL, TRUE,
/// FALSE, a string without a backslash, `x'…'`, `b'…'`.
pub(crate) fn is_literal(value: Statement<'_, '_>) -> bool {
    let plain = |tok: &Tok<'_>| tok.kind == Kind::String && !tok.text.contains(&b'\\');
    match value.0 {
        [one] if one.kind == Kind::Number || plain(one) => true,
        [one] => one.meaning == crate::vocabulary::words::Meaning::Literal,
        [sign, number] if number.kind == Kind::Number => matches!(sign.text, b"-" | b"+"),
        [base, digits] if base.is_any(&["X", "B"]) => {
            plain(digits) && digits.text.starts_with(b"'") && base.start + 1 == digits.start
        }
        _ => false,
    }
}

/// Variables that `SET @@name` sets for the next transaction only.
const ISOLATION: [&str; 4] =
    ["tx_isolation", "transaction_isolation", "tx_read_only", "transaction_read_only"];

/// Classifies one assignment: `[@@][scope.]name = value`, `GLOBAL name = value`, `NAMES x`, `CHARACTER SET x`.
fn system_variable(item: Statement<'_, '_>, found: &mut Found, env: Env<'_>) {
    if item.at(0).is_any(&["NAMES", "CHARACTER", "CHARSET", "CHAR"]) && !item.at(1).is_assignment() {
        return;
    }
    if item.is(0, "PASSWORD") && item.is(1, "FOR") {
        let effects = Effects::COMMITS_IMPLICITLY | Effects::RENEWS;
        return found.raise(StatementKind::Ddl, Why::Definition, effects);
    }
    let Some(assigned) = item.iter().position(Tok::is_assignment) else {
        return not_understood(found);
    };
    let (head, value) = (item.until(assigned), item.from(assigned + 1));
    // The servers compare these names without regard to accents and trailing spaces.
    let plain = |tok: &Tok<'_>| {
        let name = tok.name();
        name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'-'))
    };
    let named = |tok: &Tok<'_>| matches!(tok.kind, Kind::AtAt | Kind::Dot) || (tok.is_name() && plain(tok));
    if assigned == 0 || value.len() == 0 || !head.iter().all(named) {
        return not_understood(found);
    }
    let name = head.at(assigned - 1);
    let is = |names: &[&str]| names.iter().any(|known| name.names(known));
    let scope = |names: &[&str]| assigned > 1 && head.iter().any(|tok| names.iter().any(|n| tok.names(n)));
    if scope(&["global", "persist", "persist_only"]) {
        found.raise(StatementKind::Admin, Why::Administration, Effects::RENEWS);
    } else if assigned == 1 && is(&["password"]) {
        let effects = Effects::COMMITS_IMPLICITLY | Effects::RENEWS;
        found.raise(StatementKind::Ddl, Why::Definition, effects);
    } else if is(&["autocommit"]) {
        found.add(Effects::COMMITS_IMPLICITLY);
    } else if is(&["last_insert_id", "identity"]) {
        found.add(Effects::READS_INSERT_ID);
    } else if is(&ISOLATION) && head.at(0).kind == Kind::AtAt && assigned == 2 {
        // `SET @@tx_isolation = …` is for the next transaction; without the `@@` it is for the session.
        found.add(Effects::SETS_NEXT_TRANSACTION);
    }
    found.with_value(scan(value, ExpressionPlace::Query, env));
}

fn not_understood(found: &mut Found) {
    let effects = Effects::LEAVES_UNKNOWN | Effects::READS_INSERT_ID | Effects::RENEWS;
    found.raise(StatementKind::Unknown, Why::NotUnderstood, effects);
}
