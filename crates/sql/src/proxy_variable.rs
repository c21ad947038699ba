//! The proxy's own variable, `pointsman_consistency`, which no server knows.
//! [`parse`] finds the statements about it, which the proxy answers itself.

use super::classify::session::items;
use super::tokens::{Lists, Raw, Statement, Tok, statements};
use super::{Kind, Options};

pub use super::vocabulary::names::CONSISTENCY;

/// The beginning (in any case) of a `SHOW VARIABLES LIKE` pattern that means the proxy's variable.
const PREFIX: &[u8] = b"pointsman";

/// A statement about the proxy's variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Own<'a> {
    /// `SET [SESSION] pointsman_consistency = 'value'`, with the value without its quotes; None means DEFAULT.
    Set(Option<&'a [u8]>),
    /// `SELECT @@[session.]pointsman_consistency [AS name]`, with the name of the column.
    Select(&'a [u8]),
    /// `SHOW [SESSION] VARIABLES LIKE 'pointsman%'`.
    Show,
    /// SET GLOBAL or SET PERSIST of the variable.
    SetGlobal,
    /// `@@global.pointsman_consistency`
    SelectGlobal,
    /// The variable is used together with other things, which the proxy does not answer.
    NotAlone,
}

/// Returns what the text does with the variable, or None if the text does not use it.
pub fn parse(sql: &[u8], options: Options) -> Option<Own<'_>> {
    let (mut found, mut count) = (None, 0usize);
    let split = statements(sql, options, Lists::Whole, |raw: &Raw<'_>| {
        count += 1;
        let own = statement(Statement(&raw.toks), sql);
        // With a versioned comment some server would read the statement in another way.
        found = found.or(if raw.versioned { own.map(|_| Own::NotAlone) } else { own });
    });
    let found = found.filter(|_| split.is_ok())?;
    Some(if count == 1 { found } else { Own::NotAlone })
}

fn statement<'a>(statement: Statement<'_, 'a>, sql: &'a [u8]) -> Option<Own<'a>> {
    let first = statement.at(0);
    if first.is("SHOW") {
        return show(statement.from(1));
    }
    if first.is("SET") && items(statement.from(1)).any(|item| sets(item).is_some()) {
        return set(statement.from(1));
    }
    reads(statement).map(|at| select(statement, at, sql))
}

/// Returns the position of the `@@` before the variable's name.
fn reads(statement: Statement<'_, '_>) -> Option<usize> {
    (0..statement.len()).find(|at| {
        statement.at(*at).kind == Kind::AtAt
            && (statement.at(at + 1).names(CONSISTENCY)
                || (statement.at(at + 2).kind == Kind::Dot && statement.at(at + 3).names(CONSISTENCY)))
    })
}

/// Returns the position of the `=` behind the variable's name.
fn sets(item: Statement<'_, '_>) -> Option<usize> {
    let assigned = item.iter().position(Tok::is_assignment)?;
    let user_variable = item.at(0).kind == Kind::At;
    (item.before(assigned, 1).names(CONSISTENCY) && !user_variable).then_some(assigned)
}

/// Reads what follows SET.
fn set<'a>(rest: Statement<'_, 'a>) -> Option<Own<'a>> {
    if items(rest).count() > 1 {
        return Some(Own::NotAlone);
    }
    let assigned = sets(rest)?;
    let scope = match (rest.at(0).kind, assigned) {
        (_, 1) => None,
        (Kind::AtAt, 2) => None,
        (Kind::AtAt, 4) if rest.at(2).kind == Kind::Dot => Some(rest.at(1)),
        (_, 2) => Some(rest.at(0)),
        _ => return Some(Own::NotAlone),
    };
    match scope {
        Some(scope) if is_global(&scope) => return Some(Own::SetGlobal),
        Some(scope) if !is_local(&scope) => return Some(Own::NotAlone),
        _ => {}
    }
    let value = rest.from(assigned + 1);
    Some(match value.0 {
        [one] if one.is("DEFAULT") => Own::Set(None),
        [one] => Own::Set(Some(one.name())),
        // An expression is never a valid value; its first token is reported as the wrong value.
        [first, ..] => Own::Set(Some(first.text)),
        [] => Own::NotAlone,
    })
}

fn is_global(scope: &Tok<'_>) -> bool {
    ["global", "persist", "persist_only"].iter().any(|name| scope.names(name))
}

fn is_local(scope: &Tok<'_>) -> bool {
    ["session", "local"].iter().any(|name| scope.names(name))
}

/// Reads a statement that reads the variable; `at` is the position of the `@@`.
fn select<'a>(statement: Statement<'_, 'a>, at: usize, sql: &'a [u8]) -> Own<'a> {
    let scoped = statement.at(at + 2).kind == Kind::Dot;
    if scoped && is_global(&statement.at(at + 1)) {
        return Own::SelectGlobal;
    }
    if !statement.is(0, "SELECT") || at != 1 || (scoped && !is_local(&statement.at(2))) {
        return Own::NotAlone;
    }
    let name = if scoped { 4 } else { 2 };
    let (from, last) = (statement.at(1).start, statement.at(name));
    let alias = |tok: &Tok<'_>| tok.is_name() || tok.kind == Kind::String;
    match statement.from(name + 1).0 {
        [] => Own::Select(sql.get(from..last.start + last.text.len()).unwrap_or_default()),
        [one] if alias(one) && !one.is("AS") => Own::Select(one.name()),
        [word, one] if word.is("AS") && alias(one) => Own::Select(one.name()),
        _ => Own::NotAlone,
    }
}

/// Reads what follows SHOW: `[SESSION] VARIABLES LIKE 'pattern'`, or `VARIABLES WHERE Variable_name = 'name'`. A
/// pattern that also fits variables of the servers is left to the server.
fn show<'a>(rest: Statement<'_, 'a>) -> Option<Own<'a>> {
    let rest = rest.from(usize::from(rest.at(0).is_any(&["SESSION", "LOCAL"])));
    let (pattern, is_like) = match rest.0 {
        [variables, like, pattern] if variables.is("VARIABLES") && like.is("LIKE") => (pattern, true),
        [variables, where_, column, operator, value]
            if variables.is("VARIABLES")
                && where_.is("WHERE")
                && column.names("Variable_name")
                && (operator.kind == Kind::Equals || operator.is("LIKE")) =>
        {
            (value, operator.is("LIKE"))
        }
        _ => return None,
    };
    let text = pattern.name().to_ascii_lowercase();
    let fits = if is_like { like(&text, CONSISTENCY.as_bytes()) } else { text == CONSISTENCY.as_bytes() };
    (pattern.kind == Kind::String && text.starts_with(PREFIX) && fits).then_some(Own::Show)
}

/// Matches LIKE with the usual escape character. Backtracks only to the last `%`, so that no pattern takes long.
fn like(pattern: &[u8], text: &[u8]) -> bool {
    let (mut pattern, mut text) = (pattern, text);
    let mut last: Option<(&[u8], &[u8])> = None;
    loop {
        let step = match (pattern, text) {
            ([b'%', rest @ ..], text) => {
                last = Some((rest, text));
                Some((rest, text))
            }
            ([b'_', rest @ ..], [_, text @ ..]) => Some((rest, text)),
            ([b'\\', byte, rest @ ..] | [byte, rest @ ..], [first, text @ ..]) if byte == first => {
                Some((rest, text))
            }
            ([], []) => return true,
            _ => None,
        };
        (pattern, text) = match (step, last) {
            (Some(next), _) => next,
            (None, Some((rest, [_, text @ ..]))) => {
                last = Some((rest, text));
                (rest, text)
            }
            (None, _) => return false,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(sql: &str) -> Option<Own<'_>> {
        parse(sql.as_bytes(), Options::default())
    }

    #[test]
    fn the_ways_to_set_it() {
        for sql in [
            "SET pointsman_consistency = 'session'",
            "set Pointsman_Consistency = \"session\";",
            "SET SESSION pointsman_consistency=session",
            "SET LOCAL pointsman_consistency := 'session'",
            "SET @@pointsman_consistency = 'session'",
            "SET @@session.pointsman_consistency = session",
            "/* x */ SET @@local . `pointsman_consistency` = `session` -- y",
        ] {
            assert_eq!(read(sql), Some(Own::Set(Some(b"session"))), "{sql}");
        }
        assert_eq!(read("SET pointsman_consistency = DEFAULT"), Some(Own::Set(None)));
        assert_eq!(read("SET pointsman_consistency = 'default'"), Some(Own::Set(Some(b"default"))));
        assert_eq!(read("SET pointsman_consistency = 1"), Some(Own::Set(Some(b"1"))));
        assert_eq!(read("SET pointsman_consistency = CONCAT('a')"), Some(Own::Set(Some(b"CONCAT"))));
        assert_eq!(read("SET pointsman_consistency = ?"), Some(Own::Set(Some(b"?"))));
    }

    #[test]
    fn the_ways_to_ask_for_it() {
        for (sql, column) in [
            ("SELECT @@pointsman_consistency", "@@pointsman_consistency"),
            ("select @@session.pointsman_consistency;", "@@session.pointsman_consistency"),
            ("SELECT @@local.`pointsman_consistency` AS level", "level"),
            ("SELECT @@pointsman_consistency 'my level'", "my level"),
        ] {
            assert_eq!(read(sql), Some(Own::Select(column.as_bytes())), "{sql}");
        }
        for sql in [
            "SHOW VARIABLES LIKE 'pointsman%'",
            "show session variables like 'POINTSMAN_consistency';",
            r"SHOW VARIABLES LIKE 'pointsman\_%'",
            "SHOW VARIABLES WHERE Variable_name = 'pointsman_consistency'",
            "SHOW LOCAL VARIABLES WHERE `variable_name` LIKE 'pointsman_consist____'",
        ] {
            assert_eq!(read(sql), Some(Own::Show), "{sql}");
        }
    }

    #[test]
    fn like_is_the_servers_and_takes_no_time() {
        for pattern in ["abcab", "%", "a%", "%b", "a%b", "%ca%", "a%%b", "_____", "a_c%", r"\a\bcab", "%%%%%"]
        {
            assert!(like(pattern.as_bytes(), b"abcab"), "{pattern}");
        }
        for pattern in ["", "abca", "abcabc", "b%", "%c", "______", "a%c%d", "____", r"\%"] {
            assert!(!like(pattern.as_bytes(), b"abcab"), "{pattern}");
        }
        let slow = format!("pointsman{}x", "%s".repeat(30_000));
        assert_eq!(read(&format!("SHOW VARIABLES LIKE '{slow}'")), None);
        let percent = format!("SHOW VARIABLES LIKE 'pointsman{}'", "%".repeat(30_000));
        assert_eq!(read(&percent), Some(Own::Show));
        assert!(!like("%n".repeat(40).as_bytes(), CONSISTENCY.as_bytes()));
    }

    #[test]
    fn what_it_has_not() {
        for sql in [
            "SET GLOBAL pointsman_consistency = 'x'",
            "SET @@global.pointsman_consistency = 'x'",
            "SET PERSIST pointsman_consistency = 'x'",
        ] {
            assert_eq!(read(sql), Some(Own::SetGlobal), "{sql}");
        }
        assert_eq!(read("SELECT @@GLOBAL.pointsman_consistency"), Some(Own::SelectGlobal));
        for sql in [
            "SET autocommit = 1, pointsman_consistency = 'session'",
            "SET pointsman_consistency = 'session', @a = 1",
            "SET pointsman_consistency = 'session'; SELECT 1",
            "SELECT 1; SELECT @@pointsman_consistency",
            "SET /*!50000 SESSION */ pointsman_consistency = 'session'",
            "SET foo pointsman_consistency = 'session'",
            "SET x.pointsman_consistency = 'session'",
            "SET pointsman_consistency =",
            "SET @a = @@pointsman_consistency",
            "SELECT @@pointsman_consistency, @@version",
            "SELECT 1, @@pointsman_consistency",
            "SELECT @@pointsman_consistency FROM t",
            "INSERT INTO t VALUES (@@session.pointsman_consistency)",
            "SET STATEMENT pointsman_consistency = 'session' FOR SELECT 1",
        ] {
            assert_eq!(read(sql), Some(Own::NotAlone), "{sql}");
        }
    }

    #[test]
    fn everything_else_is_none_of_its_business() {
        for sql in [
            "",
            "SELECT pointsman_consistency FROM t",
            "SELECT @pointsman_consistency",
            "SET @pointsman_consistency = 'session'",
            "UPDATE t SET pointsman_consistency = 'session'",
            "SELECT '@@pointsman_consistency'",
            "SET pointsman_other = 'session'",
            "SHOW VARIABLES",
            "SHOW VARIABLES LIKE 'max_allowed_packet'",
            "SHOW VARIABLES LIKE '%consistency%'",
            "SHOW VARIABLES LIKE 'pointsman_x%'",
            "SHOW VARIABLES LIKE ?",
            "SHOW GLOBAL VARIABLES LIKE 'pointsman%'",
            "SHOW VARIABLES WHERE Value = 'pointsman_consistency'",
            "SHOW STATUS LIKE 'pointsman%'",
            "SET pointsman_consistency = 'session",
        ] {
            assert_eq!(read(sql), None, "{sql}");
        }
    }
}
