//! SET: allowed for session variables and user variables; refused for a writable access mode, for
//! the server's variables and for accounts.

use super::query::expressions;
use super::statement::Statement;
use super::text::inside_quotes;
use super::{Kind, Reason};
use crate::sql::Token;

const ACCESS_MODE: [&str; 2] = ["tx_read_only", "transaction_read_only"];
/// These are refused because even an empty transaction with a chosen GTID adds the GTID to the replica's history.
const GTID: [&str; 4] = ["gtid_next", "gtid_purged", "gtid_slave_pos", "gtid_binlog_state"];
/// Scopes of the whole server, and `PASSWORD = '…'`, which on MariaDB can appear anywhere among the assignments.
const SERVER_WIDE: [&str; 4] = ["global", "persist", "persist_only", "password"];

/// Checks what follows SET.
pub(super) fn set(rest: Statement<'_>) -> Result<(), Reason> {
    let mut words = rest;
    let first = words.next().ok_or(Reason::Writes)?;
    let second = words.next();
    let names_variable = second.is_some_and(|token| is_assignment(token) || token.kind == Kind::Dot);
    if names_variable {
        return assignments(rest);
    }
    let scoped = first.is_any(&["SESSION", "LOCAL", "GLOBAL"]);
    let transaction = if scoped { second } else { Some(first) };
    match first {
        _ if transaction.is_some_and(|token| token.is("TRANSACTION")) && !first.is("GLOBAL") => {
            characteristics(rest)
        }
        first if first.is("ROLE") => Ok(()),
        first if first.is("DEFAULT") => Err(Reason::ServerWide),
        first if first.is("STATEMENT") => Err(Reason::HiddenText),
        _ => assignments(rest),
    }
}

/// Allows `[SESSION] TRANSACTION ISOLATION LEVEL …, READ ONLY`, and no other words.
fn characteristics(rest: Statement<'_>) -> Result<(), Reason> {
    let scope = ["SESSION", "LOCAL", "TRANSACTION"];
    let level =
        ["ISOLATION", "LEVEL", "REPEATABLE", "COMMITTED", "UNCOMMITTED", "SERIALIZABLE", "READ", "ONLY"];
    for token in rest {
        if token.is("WRITE") {
            return Err(Reason::ReadWriteTransaction);
        }
        if token.kind != Kind::Comma && !token.is_any(&scope) && !token.is_any(&level) {
            return Err(Reason::Writes);
        }
    }
    Ok(())
}

fn is_assignment(token: Token<'_>) -> bool {
    matches!(token.kind, Kind::Equals | Kind::Assign)
}

/// Checks `[scope] name = value, …`, which may include NAMES and CHARACTER SET.
fn assignments(rest: Statement<'_>) -> Result<(), Reason> {
    let mut item = Item::default();
    let mut depth = 0usize;
    for token in rest {
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth = depth.saturating_sub(1),
            Kind::Comma if depth == 0 => {
                item.finish()?;
                item = Item::default();
                continue;
            }
            _ => {}
        }
        item.push(token)?;
    }
    item.finish()?;
    expressions(rest)
}

/// One assignment, read token by token.
#[derive(Default)]
struct Item<'a> {
    first: Option<Token<'a>>,
    access_mode: bool,
    assigned: bool,
    value: Option<Token<'a>>,
    value_tokens: usize,
}

impl<'a> Item<'a> {
    fn push(&mut self, token: Token<'a>) -> Result<(), Reason> {
        if self.assigned {
            self.value = self.value.or(Some(token));
            self.value_tokens = self.value_tokens.saturating_add(1);
            return Ok(());
        }
        if is_assignment(token) {
            self.assigned = true;
            return Ok(());
        }
        let first = *self.first.get_or_insert(token);
        match first.kind {
            Kind::At => Ok(()),
            _ if names_charset(first) => Ok(()),
            _ => self.name(token),
        }
    }

    /// Checks a part of a system variable's name, or its scope. The servers compare these names
    /// without regard to case, accents or trailing spaces, so only plain ASCII names are certain.
    fn name(&mut self, token: Token<'a>) -> Result<(), Reason> {
        let name = match token.kind {
            Kind::AtAt | Kind::Dot => return Ok(()),
            Kind::Word => token.text,
            Kind::QuotedIdentifier | Kind::String => inside_quotes(token.text),
            _ => return Err(Reason::Writes),
        };
        if !name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$')) {
            return Err(Reason::Unreadable);
        }
        let is_one = |names: &[&str]| names.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()));
        if is_one(&SERVER_WIDE) || is_one(&GTID) {
            return Err(Reason::ServerWide);
        }
        self.access_mode |= is_one(&ACCESS_MODE);
        Ok(())
    }

    fn finish(self) -> Result<(), Reason> {
        let switches_on = self.value_tokens == 1
            && self.value.is_some_and(|value| value.is_any(&["ON", "TRUE"]) || value.text == b"1");
        match self.first {
            None => Err(Reason::Writes),
            Some(first) if self.assigned == names_charset(first) => Err(Reason::Writes),
            Some(_) if self.access_mode && !switches_on => Err(Reason::ReadWriteTransaction),
            Some(_) => Ok(()),
        }
    }
}

/// `NAMES utf8mb4 COLLATE …`, `CHARACTER SET x`, `CHARSET x`, `CHAR SET x`
fn names_charset(first: Token<'_>) -> bool {
    first.is_any(&["NAMES", "CHARACTER", "CHARSET", "CHAR"])
}
