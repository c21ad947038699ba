//! SET: each element of its list.

use super::statement::Form;
use super::{Deeds, Kind, Parser, Rule, Stop, Why, bare, words};
use crate::Token;

/// What a SET assigns to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// `@name`
    User,
    /// A system variable of the session.
    Session,
}

/// `name = value` in a SET.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assignment<'a> {
    /// User or system variable.
    pub scope: Scope,
    /// The name as it is written, without quotes.
    pub name: &'a [u8],
    /// The value, if it is one token.
    pub value: Option<Token<'a>>,
}

impl Assignment<'_> {
    /// True if the value of a literal decides whether the session may set the variable to it.
    pub fn is_judged_by_literal(&self) -> bool {
        let names = ACCESS_MODE.iter().chain(&CHARSETS).chain(&COLLATIONS).chain(&["names"]);
        let is_judged = names.into_iter().any(|known| self.name.eq_ignore_ascii_case(known.as_bytes()));
        let is_word = self.value.is_some_and(|value| value.kind == Kind::Word);
        self.scope == Scope::Session && is_judged && !is_word
    }
}

/// Variables that hold the session's access mode.
const ACCESS_MODE: [&str; 2] = ["transaction_read_only", "tx_read_only"];

/// Variables whose value is a character set that decides how texts are read. SET CHARACTER SET gives the connection that
/// of the schema.
const CHARSETS: [&str; 5] = [
    "character_set_client",
    "character_set_connection",
    "character_set_results",
    "character_set_database",
    "character_set_server",
];
/// Variables whose value is a collation of such a character set.
const COLLATIONS: [&str; 3] = ["collation_connection", "collation_database", "collation_server"];

impl<'a> Parser<'_, 'a> {
    /// Derives what follows SET.
    pub(super) fn set(&mut self) -> Result<Form, Stop> {
        if self.any_word(0, &["SESSION", "LOCAL"]) && self.word(1, "TRANSACTION") {
            self.skip(1);
        }
        if self.eat_word("TRANSACTION") {
            return self.list(Self::characteristic).map(|()| Form::Set);
        }
        if self.word(0, "ROLE") && !self.is_assigned(1) {
            self.skip(1);
            return self.role().map(|()| Form::Set);
        }
        if self.word(0, "STATEMENT") && !self.is_assigned(1) {
            self.skip(1);
            return self.statement_for();
        }
        self.list(Self::element)?;
        Ok(Form::Set)
    }

    fn is_assigned(&self, ahead: usize) -> bool {
        matches!(self.kind(ahead), Some(Kind::Equals | Kind::Assign | Kind::Dot))
    }

    /// Derives `SET STATEMENT name = value, … FOR query`, MariaDB's.
    fn statement_for(&mut self) -> Result<Form, Stop> {
        self.list(|this| {
            let name = this.plain_name()?;
            this.assign(Scope::Session, name)
        })?;
        self.need_word("FOR")?;
        if !self.begins_query(0) {
            return Err(self.stop(Why::Verb));
        }
        self.query()?;
        Ok(Form::Query)
    }

    /// Derives `ISOLATION LEVEL …` or `READ ONLY`.
    fn characteristic(&mut self) -> Rule {
        if self.eat_words(&["ISOLATION", "LEVEL"]) {
            let known = self.eat_words(&["READ", "COMMITTED"])
                || self.eat_words(&["READ", "UNCOMMITTED"])
                || self.eat_words(&["REPEATABLE", "READ"])
                || self.eat_word("SERIALIZABLE");
            return if known { Ok(()) } else { self.unknown() };
        }
        if self.eat_words(&["READ", "WRITE"]) {
            return Err(self.stop(Why::ReadWrite));
        }
        if self.eat_words(&["READ", "ONLY"]) { Ok(()) } else { self.unknown() }
    }

    /// Derives `NONE`, `DEFAULT`, `ALL [EXCEPT role, …]` or `role, …`. On MariaDB a list of assignments may follow the role:
    /// no element here can be one.
    fn role(&mut self) -> Rule {
        if self.any_word(0, &["NONE", "DEFAULT"]) {
            self.skip(1);
            return Ok(());
        }
        if self.eat_word("ALL") && !self.eat_word("EXCEPT") {
            return Ok(());
        }
        self.list(Self::role_name)
    }

    fn role_name(&mut self) -> Rule {
        if self.any_word(0, &["GLOBAL", "PERSIST", "PERSIST_ONLY", "SESSION", "LOCAL", "PASSWORD", "DEFAULT"])
        {
            return Err(self.stop(Why::BeyondSession));
        }
        if !self.eat(Kind::String) {
            self.name()?;
        }
        if self.kind(0) == Some(Kind::At) {
            self.skip(1);
            if !self.eat(Kind::String) {
                self.name()?;
            }
        }
        if self.is_assigned(0) { self.unknown() } else { Ok(()) }
    }

    fn element(&mut self) -> Rule {
        match self.peek(0) {
            Some(token) if token.kind == Kind::At => self.user_assignment(),
            Some(token) if token.kind == Kind::AtAt => self.system_assignment(),
            Some(token) if self.is_assigned(1) && self.kind(1) != Some(Kind::Dot) => {
                // `name = value`; a scope can be no name.
                if token.is_any(&["GLOBAL", "PERSIST", "PERSIST_ONLY", "PASSWORD"]) {
                    return Err(self.stop(Why::BeyondSession));
                }
                // A charset word: `SET NAMES = …` is no SET NAMES on any server, and none knows such a variable.
                let name = self.plain_name()?;
                self.assign(Scope::Session, name)
            }
            Some(token) if token.is("NAMES") => {
                self.skip(1);
                self.names()
            }
            Some(token) if token.is("CHARSET") => {
                self.skip(1);
                self.facts.deeds |= Deeds::CHARSET_OF_SCHEMA;
                self.charset_value()
            }
            Some(token) if token.is_any(&["CHARACTER", "CHAR"]) && self.word(1, "SET") => {
                self.skip(2);
                self.facts.deeds |= Deeds::CHARSET_OF_SCHEMA;
                self.charset_value()
            }
            Some(token) if token.is_any(&["SESSION", "LOCAL"]) && !self.is_assigned(1) => {
                self.skip(1);
                if self.word(0, "TRANSACTION") {
                    return self.unknown();
                }
                let name = self.plain_name()?;
                self.assign(Scope::Session, name)
            }
            Some(token) if token.is_any(&["GLOBAL", "PERSIST", "PERSIST_ONLY", "PASSWORD", "DEFAULT"]) => {
                Err(self.stop(Why::BeyondSession))
            }
            _ => self.unknown(),
        }
    }

    /// Passes the name of a system variable. The servers compare these names without regard to case, accents and trailing
    /// spaces, so only plain ASCII names are certain.
    fn plain_name(&mut self) -> Result<&'a [u8], Stop> {
        let token = self.peek(0).filter(|token| matches!(token.kind, Kind::Word | Kind::QuotedIdentifier));
        let name = token.map(bare);
        match name {
            Some(name) if name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') => {
                self.skip(1);
                Ok(name)
            }
            _ => self.unknown(),
        }
    }

    /// Derives `@name = expression`.
    fn user_assignment(&mut self) -> Rule {
        let name = self.peek(1).map(bare).unwrap_or_default();
        self.user_variable()?;
        self.facts.deeds |= Deeds::ASSIGNS;
        self.assign(Scope::User, name)
    }

    /// Derives `@@[scope.]name = value`.
    fn system_assignment(&mut self) -> Rule {
        self.skip(1);
        let mut name = self.plain_name()?;
        if self.eat(Kind::Dot) {
            let is = |scope: &str| name.eq_ignore_ascii_case(scope.as_bytes());
            if !is("session") && !is("local") {
                return Err(self.stop(Why::BeyondSession));
            }
            name = self.plain_name()?;
        }
        self.assign(Scope::Session, name)
    }

    /// Derives `= value` and checks which variable gets it.
    fn assign(&mut self, scope: Scope, name: &'a [u8]) -> Rule {
        let at = self.at.saturating_sub(1);
        if !self.eat(Kind::Equals) && !self.eat(Kind::Assign) {
            return self.unknown();
        }
        let begin = self.at;
        if self.any_word(0, &["DEFAULT", "ON", "ALL", "BINARY", "ROW", "SYSTEM"]) && self.ends_element(1) {
            self.skip(1);
        } else {
            self.expression()?;
        }
        let value = self.toks.get(begin).copied().filter(|_| self.at == begin + 1);
        if scope == Scope::Session {
            self.settable(name, value).map_err(|why| Stop { at, why })?;
        }
        self.facts.assignments.push(Assignment { scope, name, value });
        Ok(())
    }

    fn ends_element(&self, ahead: usize) -> bool {
        matches!(self.kind(ahead), None | Some(Kind::Comma)) || self.word(ahead, "FOR")
    }

    /// Says whether the session may set this variable to this value.
    fn settable(&self, name: &[u8], value: Option<Token<'a>>) -> Result<(), Why> {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        if ACCESS_MODE.iter().any(|known| is(known)) {
            let on = value.is_some_and(|value| value.is_any(&["ON", "TRUE"]) || value.text == b"1");
            return if on { Ok(()) } else { Err(Why::ReadWrite) };
        }
        if CHARSETS.iter().any(|known| is(known)) {
            let null = is("character_set_results") && value.is_some_and(|value| value.is("NULL"));
            let safe = value.is_some_and(|value| words::is_safe_charset(bare(value)));
            return if null || safe { Ok(()) } else { Err(Why::Charset) };
        }
        if COLLATIONS.iter().any(|known| is(known)) {
            let safe = value.is_some_and(|value| words::is_safe_collation(bare(value)));
            return if safe { Ok(()) } else { Err(Why::Charset) };
        }
        if words::is_session_variable(name) { Ok(()) } else { Err(Why::Variable) }
    }

    /// Derives `charset [COLLATE collation]`.
    fn names(&mut self) -> Rule {
        self.charset_value()?;
        if self.eat_word("COLLATE") {
            if self.eat_word("DEFAULT") {
                return Ok(());
            }
            let safe = self.peek(0).is_some_and(|token| words::is_safe_collation(bare(token)));
            if !safe {
                return Err(self.stop(Why::Charset));
            }
            self.skip(1);
        }
        Ok(())
    }

    /// Passes the name of an admitted character set, or DEFAULT, whose meaning the server reports.
    fn charset_value(&mut self) -> Rule {
        let value = self.peek(0);
        self.facts.assignments.push(Assignment { scope: Scope::Session, name: b"names", value });
        if self.eat_word("DEFAULT") {
            return Ok(());
        }
        let safe = value.is_some_and(|token| {
            matches!(token.kind, Kind::Word | Kind::String | Kind::QuotedIdentifier)
                && words::is_safe_charset(bare(token))
        });
        if !safe {
            return Err(self.stop(Why::Charset));
        }
        self.skip(1);
        Ok(())
    }
}
