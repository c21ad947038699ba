//! The parts of a statement that the session remembers: values of user variables, names of temporary tables,
//! prepared statements and locks. Most functions read a text of one statement without versioned comments; None means
//! that the text is not such a statement or does not say, so its effect is unknown.

use super::classify::session::items;
use super::read_only::unescape;
use super::tokens::{Lists, Raw, Statement, Tok, statements};
use super::{Kind, Lexer, Options};

mod variables;

pub use variables::{
    Given, SystemVariable, creates_what_it_reads, named_user_variables, sets_charset_too, system_variables,
    user_variables,
};

/// A name in the form in which names are compared: without quotes, in lower case.
pub type Name = Vec<u8>;

/// A table's name without quotes, in its original case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableName {
    /// The schema, if the text names one.
    pub schema: Option<Vec<u8>>,
    /// The table.
    pub table: Vec<u8>,
}

/// Calls `read` with the only statement of a text. Returns None for several statements or versioned comments.
fn single<T>(sql: &[u8], options: Options, read: impl Fn(Statement<'_, '_>) -> Option<T>) -> Option<T> {
    let mut found = None;
    let mut count = 0usize;
    let split = statements(sql, options, Lists::Whole, |raw: &Raw<'_>| {
        count += 1;
        found = if raw.versioned { None } else { read(Statement(&raw.toks)) };
    });
    found.filter(|_| split.is_ok() && count == 1)
}

/// Returns the first word of a text; None if something else stands in front.
pub fn first_word(sql: &[u8], options: Options) -> Option<&[u8]> {
    let tokens = Lexer::new(sql, options);
    let first = tokens.into_iter().find(|token| !matches!(token.kind, Kind::Space | Kind::Comment))?;
    (first.kind == Kind::Word).then_some(first.text)
}

/// Returns the variables to which the text gives a value that ends with the statement behind FOR, if it is MariaDB's SET
/// STATEMENT.
pub fn set_for_statement(sql: &[u8], options: Options) -> Vec<Name> {
    let found = single(sql, options, |statement| {
        let (values, _) = set_statement(statement)?;
        let pairs = values.iter().zip(values.iter().skip(1));
        Some(pairs.filter(|(_, next)| next.is_assignment()).map(|(tok, _)| unquoted(tok)).collect())
    });
    found.unwrap_or_default()
}

/// True if the text is MariaDB's SET STATEMENT for a statement that sets no variable of the session: what the text sets ends
/// with it.
pub fn sets_for_statement_alone(sql: &[u8], options: Options) -> bool {
    const SET_NOTHING: [&str; 9] =
        ["SELECT", "WITH", "VALUES", "SHOW", "DO", "INSERT", "UPDATE", "DELETE", "REPLACE"];
    let found =
        single(sql, options, |statement| Some(set_statement(statement)?.1.at(0).is_any(&SET_NOTHING)));
    found == Some(true)
}

/// Returns what a SET STATEMENT sets, and the statement behind FOR.
fn set_statement<'s, 'a>(statement: Statement<'s, 'a>) -> Option<(Statement<'s, 'a>, Statement<'s, 'a>)> {
    if !statement.is(0, "SET") || !statement.is(1, "STATEMENT") {
        return None;
    }
    let at = statement.outside(|tok| tok.is("FOR"))?;
    Some((statement.until(at), statement.from(at + 1)))
}

/// Returns a name or string without its quotes, and with doubled quotes inside replaced by single ones.
fn unquoted(tok: &Tok<'_>) -> Vec<u8> {
    let Some((quote, name)) = tok.text.first().zip(match tok.kind {
        Kind::QuotedIdentifier | Kind::String => Some(tok.name()),
        _ => None,
    }) else {
        return tok.text.to_vec();
    };
    let mut value = Vec::with_capacity(name.len());
    let mut bytes = name.iter();
    while let Some(byte) = bytes.next() {
        value.push(*byte);
        if byte == quote {
            bytes.next();
        }
    }
    value
}

/// Returns a name in lower case. None if it has characters outside ASCII, whose comparison depends on the server, or
/// characters that mean something inside quotes: the proxy writes the name into texts of its own.
fn plain_name(tok: &Tok<'_>) -> Option<Name> {
    let name = unquoted(tok).to_ascii_lowercase();
    let kind = matches!(tok.kind, Kind::Word | Kind::QuotedIdentifier | Kind::String | Kind::Number);
    let plain = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'`' | b'"' | b'\'' | b'\\');
    (kind && !name.is_empty() && name.iter().all(plain)).then_some(name)
}

/// Checks for a SET that changes what the session trackers report. `Some(true)`: the SET changes nothing else, except
/// perhaps autocommit, which is in the status flags of every answer. `Some(false)`: it changes other variables, too.
/// None: it is no such SET.
pub fn changes_trackers(sql: &[u8], options: Options) -> Option<bool> {
    let named = |item: &Statement<'_, '_>, names: &[&str]| {
        let at = item.iter().position(Tok::is_assignment).unwrap_or(0);
        let name = at.checked_sub(1).map(|at| item.at(at));
        name.is_some_and(|tok| names.iter().any(|name| tok.name().eq_ignore_ascii_case(name.as_bytes())))
    };
    const TRACKERS: [&str; 5] = [
        "session_track_system_variables",
        "session_track_schema",
        "session_track_state_change",
        "session_track_transaction_info",
        "session_track_gtids",
    ];
    single(sql, options, |statement| {
        let all: Vec<_> =
            if statement.is(0, "SET") { items(statement.from(1)).collect() } else { Vec::new() };
        let some = all.iter().any(|item| named(item, &TRACKERS));
        let alone = all.iter().all(|item| named(item, &TRACKERS) || named(item, &["autocommit"]));
        some.then_some(alone)
    })
}

/// Returns the least and the greatest number of parameters that a text can have: servers may or may not read the content
/// of versioned comments. None if servers may split the text in different ways.
pub fn parameters(sql: &[u8], options: Options) -> Option<(usize, usize)> {
    if options.is_ambiguous(sql) {
        return None;
    }
    let mut lexer = Lexer::new(sql, options);
    let (mut sure, mut open, mut depth) = (0usize, 0usize, 0usize);
    while let Some(token) = lexer.next_significant() {
        match token.kind {
            Kind::CodeOpen => depth += 1,
            Kind::CodeClose => depth = depth.saturating_sub(1),
            Kind::Incomplete => return None,
            Kind::Operator if token.text == b"?" && depth > 0 => open += 1,
            Kind::Operator if token.text == b"?" => sure += 1,
            _ => {}
        }
    }
    Some((sure, sure + open))
}

/// Returns the schema that a USE names, in its original case.
pub fn used_schema(sql: &[u8], options: Options) -> Option<Vec<u8>> {
    single(sql, options, |statement| {
        let name = statement.at(1);
        let is_use = statement.is(0, "USE") && statement.len() == 2;
        (is_use && matches!(name.kind, Kind::Word | Kind::QuotedIdentifier)).then(|| unquoted(&name))
    })
}

/// Returns the table that a CREATE TEMPORARY TABLE creates.
pub fn temporary_table(sql: &[u8], options: Options) -> Option<TableName> {
    single(sql, options, |statement| {
        let words = ["CREATE", "OR", "REPLACE", "TEMPORARY", "TABLE", "SEQUENCE", "IF", "NOT", "EXISTS"];
        let at = statement.iter().position(|tok| !tok.is_any(&words))?;
        let head = statement.until(at);
        (statement.is(0, "CREATE") && head.has("TEMPORARY")).then_some(())?;
        table(statement.from(at)).map(|(name, _)| name)
    })
}

/// Returns the tables that a `DROP [TEMPORARY] TABLE` drops.
pub fn dropped_tables(sql: &[u8], options: Options) -> Option<Vec<TableName>> {
    single(sql, options, |statement| {
        let words = ["DROP", "TEMPORARY", "TABLE", "TABLES", "SEQUENCE", "IF", "EXISTS"];
        let at = statement.iter().position(|tok| !tok.is_any(&words))?;
        let head = statement.until(at);
        (statement.is(0, "DROP") && (head.has("TABLE") || head.has("TABLES") || head.has("SEQUENCE")))
            .then_some(())?;
        let mut found = Vec::new();
        let mut rest = statement.from(at);
        loop {
            let (name, length) = table(rest)?;
            found.push(name);
            rest = rest.from(length);
            match rest.at(0).kind {
                Kind::Comma => rest = rest.from(1),
                // RESTRICT, CASCADE, WAIT n.
                Kind::Word => return Some(found),
                _ => return (rest.len() == 0).then_some(found),
            }
        }
    })
}

/// Returns the table's name at the start, and how many tokens it has.
fn table(rest: Statement<'_, '_>) -> Option<(TableName, usize)> {
    let (first, second) = (rest.at(0), rest.at(2));
    if !first.is_name() {
        return None;
    }
    match rest.at(1).kind == Kind::Dot {
        true if second.is_name() => {
            Some((TableName { schema: Some(unquoted(&first)), table: unquoted(&second) }, 3))
        }
        true => None,
        false => Some((TableName { schema: None, table: unquoted(&first) }, 1)),
    }
}

/// Returns the name and the text of `PREPARE name FROM 'text'`; None if the text is not a literal.
pub fn prepared(sql: &[u8], options: Options) -> Option<(Name, Vec<u8>)> {
    single(sql, options, |statement| {
        let (name, literal) = (statement.at(1), statement.at(3));
        let fits = statement.is(0, "PREPARE") && statement.is(2, "FROM") && statement.len() == 4;
        let text = (fits && literal.kind == Kind::String).then(|| unescape(literal.text, options))?;
        Some((plain_name(&name)?, text))
    })
}

/// Returns the name in `PREPARE name FROM …`, whatever the statement's text comes from.
pub fn prepared_name(sql: &[u8], options: Options) -> Option<Name> {
    single(sql, options, |statement| {
        let fits = statement.is(0, "PREPARE") && statement.at(1).is_name() && statement.is(2, "FROM");
        fits.then(|| plain_name(&statement.at(1)))?
    })
}

/// Returns the name in `EXECUTE name [USING …]`; None for EXECUTE IMMEDIATE.
pub fn executed(sql: &[u8], options: Options) -> Option<Name> {
    single(sql, options, |statement| {
        let fits = statement.is(0, "EXECUTE")
            && statement.at(1).is_name()
            && (statement.len() == 2 || statement.is(2, "USING"));
        fits.then(|| plain_name(&statement.at(1)))?
    })
}

/// Returns the text of `EXECUTE IMMEDIATE 'text' [USING …]`; None if the text is not a literal, or an expression behind USING may
/// hold a query.
pub fn immediate(sql: &[u8], options: Options) -> Option<Vec<u8>> {
    single(sql, options, |statement| {
        let literal = statement.at(2);
        let fits = statement.is(0, "EXECUTE")
            && statement.is(1, "IMMEDIATE")
            && (statement.len() == 3 || statement.is(3, "USING"))
            && !statement.iter().any(|tok| tok.kind == Kind::Open);
        (fits && literal.kind == Kind::String).then(|| unescape(literal.text, options))
    })
}

/// Returns the name in `DEALLOCATE PREPARE name` or `DROP PREPARE name`.
pub fn deallocated(sql: &[u8], options: Options) -> Option<Name> {
    single(sql, options, |statement| {
        let fits = statement.at(0).is_any(&["DEALLOCATE", "DROP"])
            && statement.is(1, "PREPARE")
            && statement.len() == 3;
        fits.then(|| plain_name(&statement.at(2)))?
    })
}

/// Returns the names behind `LOCAL INFILE` in a text of any number of statements, including versioned comments that a
/// server may skip. Returns none for a text that ends inside quotes or a comment, and only those in front of the first byte
/// that a server may read in another way.
pub fn local_files(sql: &[u8], options: Options) -> Vec<Vec<u8>> {
    let mut names = Vec::new();
    let certain = options.charset.unambiguous(sql);
    let (mut local, mut infile) = (false, false);
    for token in Lexer::new(certain, options) {
        match token.kind {
            Kind::Incomplete if certain.len() < sql.len() => break,
            Kind::Incomplete => return Vec::new(),
            Kind::Space | Kind::Comment | Kind::CodeOpen | Kind::CodeClose => {}
            Kind::String if infile => {
                let mut name = unescape(token.text, options);
                // The server reads the name as a C string, which ends at the first NUL.
                name.truncate(name.iter().position(|byte| *byte == 0).unwrap_or(name.len()));
                names.push(name);
            }
            _ => {
                infile = local && token.is_any(&["infile"]);
                local = token.is_any(&["local"]);
            }
        }
    }
    names
}

/// True if the text only asks for the cost of the previous statement: `SHOW STATUS LIKE 'last_query_cost'`.
pub fn asks_query_cost(sql: &[u8], options: Options) -> bool {
    let asks = single(sql, options, |statement| {
        let scoped = usize::from(statement.at(1).is_any(&["SESSION", "LOCAL"]));
        let shows = statement.is(0, "SHOW") && statement.is(1 + scoped, "STATUS");
        let names =
            |tok: &Tok<'_>| tok.kind == Kind::String && tok.name().eq_ignore_ascii_case(b"last_query_cost");
        (shows && statement.iter().any(names)).then_some(())
    });
    asks.is_some()
}

/// The named locks that a statement acquires and releases.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NamedLocks {
    /// `GET_LOCK('name', …)`, once for each call. The servers count: a lock acquired twice must be released twice.
    pub taken: Vec<Name>,
    /// `RELEASE_LOCK('name')`
    pub released: Vec<Name>,
}

/// Returns the named locks of a `SELECT` or `DO` that has only calls of GET_LOCK and RELEASE_LOCK. Returns None if a
/// name is not a literal, or if a call may run more than once or not at all.
pub fn named_locks(sql: &[u8], options: Options) -> Option<NamedLocks> {
    single(sql, options, |statement| {
        if !statement.at(0).is_any(&["SELECT", "DO"]) {
            return None;
        }
        let mut locks = NamedLocks::default();
        for item in items(statement.from(1)) {
            let (call, open, name) = (item.at(0), item.at(1), item.at(2));
            let end = item.behind(1);
            let tail = item.from(end);
            let named = tail.len() == 0
                || (tail.len() == 1 && tail.at(0).is_name())
                || (tail.len() == 2 && tail.is(0, "AS"));
            let simple = item.until(end).iter().filter(|tok| tok.kind == Kind::Open).count() == 1;
            if open.kind != Kind::Open || !named || !simple || name.kind != Kind::String {
                return None;
            }
            let name = unescape(name.text, options).to_ascii_lowercase();
            if !matches!(item.at(3).kind, Kind::Comma | Kind::Close) || !name.is_ascii() {
                return None;
            }
            match () {
                () if call.is("GET_LOCK") => locks.taken.push(name),
                () if call.is("RELEASE_LOCK") => locks.released.push(name),
                () => return None,
            }
        }
        Some(locks)
    })
}

#[cfg(test)]
mod tests;
