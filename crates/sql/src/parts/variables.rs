//! The variables that a text sets, and their values if they can be set again on another connection.

use std::collections::HashSet;

use super::super::classify::session::{is_literal, items, user_variable};
use super::super::tokens::{Lists, Raw, Statement, Tok, statements};
use super::{Kind, Name, Options, plain_name, single, unquoted};

/// Returns what a SET assigns to user variables, in order: `(name, text of the literal)`. Empty if it sets none. None
/// if the text is not a single SET, or one of the values is not a literal. The SET may also set system variables,
/// unless their values can assign to user variables.
pub fn user_variables(sql: &[u8], options: Options) -> Option<Vec<(Name, Vec<u8>)>> {
    single(sql, options, |statement| {
        if !statement.is(0, "SET") {
            return None;
        }
        let mut found = Vec::new();
        for item in items(statement.from(1)) {
            match user_variable(item) {
                Some((name, value)) if is_literal(value) => {
                    found.push((name.name().to_ascii_lowercase(), literal(value)));
                }
                Some(_) => return None,
                None if item.at(0).kind == Kind::At || item.len() == 0 || assigns_inside(item) => {
                    return None;
                }
                None => {}
            }
        }
        Some(found)
    })
}

/// Returns all user variables that a text names, and so all that it can set. The text may have several statements. None
/// if the text names no user variable, or one whose name cannot be read.
pub fn named_user_variables(sql: &[u8], options: Options) -> Option<Vec<Name>> {
    let mut names: Vec<Name> = Vec::new();
    let mut known = HashSet::new();
    let mut readable = true;
    let split = statements(sql, options, Lists::Whole, |raw: &Raw<'_>| {
        let all = Statement(&raw.toks);
        for at in (0..all.len()).filter(|at| all.at(*at).kind == Kind::At) {
            // `'a'@'b'` is an account, which does not appear in statements that set variables.
            // `@a.b` is a single name, which is not read.
            let whole = all.at(at + 2).kind != Kind::Dot;
            match plain_name(&all.at(at + 1)).filter(|_| whole) {
                Some(name) if known.contains(&name) => {}
                Some(name) => {
                    known.insert(name.clone());
                    names.push(name);
                }
                None => readable = false,
            }
        }
    });
    Some(names).filter(|names| readable && split.is_ok() && !names.is_empty())
}

/// True if servers create each user variable that the text reads and that does not exist, with the value NULL: they do so for
/// a statement that changes data, since their binary logs tell replicas the values. MariaDB does it for the EXPLAIN of one,
/// too. The text is one that changes data, or, on MariaDB, any that reads user variables.
pub fn creates_what_it_reads(sql: &[u8], options: Options, of_mariadb: bool) -> bool {
    let mut found = false;
    let split = statements(sql, options, Lists::Whole, |raw: &Raw<'_>| {
        found |= changes_data(Statement(&raw.toks), of_mariadb);
    });
    found && split.is_ok()
}

fn changes_data(statement: Statement<'_, '_>, of_mariadb: bool) -> bool {
    const CHANGE: [&str; 5] = ["INSERT", "REPLACE", "UPDATE", "DELETE", "LOAD"];
    const ASK: [&str; 4] = ["SELECT", "WITH", "VALUES", "TABLE"];
    let is_first = |words: &[&str]| statement.at(0).is_any(words);
    if is_first(&["CREATE"]) {
        let kind = statement.iter().skip(1).find(|tok| !tok.is_any(&["OR", "REPLACE", "TEMPORARY"]));
        return kind.is_some_and(|tok| tok.is("TABLE"));
    }
    // `SET STATEMENT a = 1 FOR INSERT …`
    let is_in_front = (of_mariadb && is_first(&["EXPLAIN", "DESCRIBE", "DESC", "ANALYZE"]))
        || (is_first(&["SET"]) && statement.is(1, "STATEMENT"));
    let verb = match is_in_front {
        true => statement.iter().skip(1).find(|tok| tok.is_any(&CHANGE) || tok.is_any(&ASK)),
        false => statement.iter().next(),
    };
    // Of the two servers, MySQL alone has a WITH that changes data.
    let is_with = |verb: &Tok<'_>| verb.is("WITH") && !of_mariadb && !is_in_front;
    verb.is_some_and(|verb| verb.is_any(&CHANGE) || is_with(verb))
}

/// The value that a SET assigns to a system variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    /// A literal: a number as written, a string without its quotes, or a word.
    Literal(Vec<u8>),
    /// DEFAULT
    Default,
    /// A value that only the server knows.
    Unknown,
}

/// One assignment of a SET.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemVariable {
    /// The name in lower case.
    pub name: Name,
    /// True for `@@name` without a scope, which MariaDB's session trackers do not report.
    pub unscoped: bool,
    /// The value.
    pub given: Given,
}

/// Returns the session's system variables that a SET sets, in order, without NAMES and the like. None if the text is
/// not a single SET, sets a variable twice, or cannot be read.
pub fn system_variables(sql: &[u8], options: Options) -> Option<Vec<SystemVariable>> {
    single(sql, options, |statement| {
        if !statement.is(0, "SET") || statement.is(1, "STATEMENT") {
            return None;
        }
        let mut all: Vec<SystemVariable> = Vec::new();
        let mut names = HashSet::new();
        for item in items(statement.from(1)) {
            if user_variable(item).is_some() || sets_charset(item) {
                continue;
            }
            let Some(variable) = system_variable(item)? else { continue };
            if !names.insert(variable.name.clone()) {
                return None;
            }
            all.push(variable);
        }
        Some(all)
    })
}

/// True if a SET, among other things, sets the character set as `SET NAMES` does, or if the text cannot be read.
pub fn sets_charset_too(sql: &[u8], options: Options) -> bool {
    let some = single(sql, options, |statement| Some(items(statement.from(1)).any(sets_charset)));
    some.unwrap_or(true)
}

fn sets_charset(item: Statement<'_, '_>) -> bool {
    item.at(0).is_any(&["NAMES", "CHARACTER", "CHARSET", "CHAR"]) && !item.at(1).is_assignment()
}

/// Reads one assignment. Returns None if it is not understood, and `Some(None)` if it sets the server's variable, not
/// the session's.
fn system_variable(item: Statement<'_, '_>) -> Option<Option<SystemVariable>> {
    let assigned = item.iter().position(Tok::is_assignment)?;
    let head = item.until(assigned);
    let value = item.from(assigned + 1);
    let scope = |place: usize, names: &[&str]| names.iter().any(|name| head.at(place).names(name));
    let own = ["session", "local"];
    let others = ["global", "persist", "persist_only"];
    let (unscoped, name) = match (head.len(), head.at(0).kind) {
        (1, Kind::Word | Kind::QuotedIdentifier) => (false, head.at(0)),
        (2, Kind::AtAt) => (true, head.at(1)),
        (2, _) if scope(0, &own) => (false, head.at(1)),
        (4, Kind::AtAt) if scope(1, &own) && head.at(2).kind == Kind::Dot => (false, head.at(3)),
        (2, _) if scope(0, &others) => return Some(None),
        (4, Kind::AtAt) if scope(1, &others) => return Some(None),
        _ => return None,
    };
    Some(Some(SystemVariable { name: plain_name(&name)?, unscoped, given: given(value) }))
}

fn given(value: Statement<'_, '_>) -> Given {
    match value.0 {
        [one] if one.is("DEFAULT") => Given::Default,
        [one] if one.is("TRUE") => Given::Literal(b"1".to_vec()),
        [one] if one.is("FALSE") => Given::Literal(b"0".to_vec()),
        [one] if one.is("NULL") => Given::Unknown,
        [one] if is_plain_word(one) => Given::Literal(one.text.to_vec()),
        [one] if one.kind == Kind::String && is_literal(value) => Given::Literal(unquoted(one)),
        [one] if one.kind == Kind::Number && plain_number(one) => Given::Literal(one.text.to_vec()),
        [sign, number] if sign.text == b"-" && plain_number(number) => {
            Given::Literal([b"-", number.text].concat())
        }
        _ => Given::Unknown,
    }
}

/// True for a word that is its own value, and not a function without parentheses such as CURRENT_DATE.
fn is_plain_word(tok: &Tok<'_>) -> bool {
    let functions: [&[u8]; 3] = [b"current_", b"localtime", b"utc_"];
    let begins = |start: &&[u8]| tok.text.get(..start.len()).is_some_and(|t| t.eq_ignore_ascii_case(start));
    tok.kind == Kind::Word && tok.text.is_ascii() && !functions.iter().any(begins)
}

fn plain_number(tok: &Tok<'_>) -> bool {
    tok.kind == Kind::Number && tok.text.iter().all(|b| b.is_ascii_digit() || *b == b'.')
}

/// True if the value of an assignment itself assigns to user variables, as `(SELECT @a := 1)` does.
fn assigns_inside(item: Statement<'_, '_>) -> bool {
    let value = item.iter().position(Tok::is_assignment).map_or(0, |at| at + 1);
    let value = item.from(value);
    value.iter().any(|tok| tok.kind == Kind::Assign || tok.is("INTO"))
}

/// Returns a literal in a form that means the same under any sql_mode: a string in double quotes gets single quotes.
fn literal(value: Statement<'_, '_>) -> Vec<u8> {
    match value.0 {
        [one] if one.kind == Kind::String && one.text.starts_with(b"\"") => {
            let content = unquoted(one);
            let mut text = Vec::with_capacity(content.len() + 2);
            text.push(b'\'');
            for byte in content {
                if byte == b'\'' {
                    text.push(b'\'');
                }
                text.push(byte);
            }
            text.push(b'\'');
            text
        }
        toks => toks.iter().flat_map(|tok| tok.text).copied().collect(),
    }
}
