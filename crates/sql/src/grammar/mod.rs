//! A grammar of statements, as both servers read them. [`Parser`] derives one statement from its tokens, to the last one, or
//! says at which token the derivation stopped. The grammar is looser than the servers' own where that changes nothing (in the order of
//! clauses, for example), and never accepts a word, an operator or a clause that it does not name: what is derived
//! consists of known parts only. [`DerivedFacts`] has what a caller must look up: relations, functions, variables.
//!
//! The recursion is bounded by [`MAX_DEPTH`]. Each token is passed once.

mod call;
mod explain;
mod expression;
mod query;
mod set;
mod show;
mod statement;
mod tables;
#[cfg(test)]
mod tests;
mod types;
mod words;
mod write;

use super::{Kind, Token};

pub use set::{Assignment, Scope};
pub use statement::Form;
pub use words::{is_safe_charset, is_session_variable};

/// How deep subqueries, calls, lists in parentheses and CASE may be nested. Parentheses around an operand do not count.
pub const MAX_DEPTH: u16 = 100;

/// Where a derivation stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stop {
    /// The index of the token that was not understood; the number of tokens if the statement ended too early.
    pub at: usize,
    /// Why.
    pub why: Why,
}

/// Why a derivation stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// No rule of the grammar has this token here.
    NotUnderstood,
    /// The nesting is deeper than [`MAX_DEPTH`].
    TooDeep,
    /// `INTO OUTFILE`, `INTO DUMPFILE`.
    WritesFile,
    /// NEXT VALUE FOR, `sequence.NEXTVAL`.
    AdvancesSequence,
    /// The statement begins with a verb that is none of this grammar.
    Verb,
    /// CALL.
    Calls,
    /// XA.
    Xa,
    /// READ WRITE, or an access mode that is not switched on by a literal.
    ReadWrite,
    /// GLOBAL, PERSIST, PASSWORD, DEFAULT ROLE: the SET reaches beyond the session.
    BeyondSession,
    /// A system variable that no session may set here.
    Variable,
    /// A character set that is not admitted.
    Charset,
    /// A text that is not in the statement as one literal.
    HiddenText,
}

/// A name of a relation or function as the text spells it, without its quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DerivedName<'a> {
    /// The schema, if the name has one.
    pub schema: Option<&'a [u8]>,
    /// The name itself.
    pub name: &'a [u8],
}

/// A call of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DerivedCall<'a> {
    /// The function's name.
    pub name: DerivedName<'a>,
    /// True if `(` directly follows the name.
    pub tight: bool,
    /// True if the name is not quoted.
    pub bare: bool,
    /// True if the call has no argument.
    pub empty: bool,
    /// The index of the name's token.
    pub at: usize,
}

bitflags::bitflags! {
    /// What a statement does besides reading relations and calling functions.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct Deeds: u16 {
        /// FOR UPDATE, FOR SHARE, LOCK IN SHARE MODE.
        const LOCKS_ROWS = 1;
        /// `@x := …`, `SET @x = …`.
        const ASSIGNS = 1 << 1;
        /// `INTO @x`.
        const INTO_VARIABLES = 1 << 2;
        /// SQL_CALC_FOUND_ROWS.
        const FOUND_ROWS = 1 << 3;
        /// PREVIOUS VALUE FOR.
        const READS_SEQUENCE = 1 << 4;
        /// `@x`
        const USER_VARIABLE = 1 << 5;
        /// `@@x`
        const SYSTEM_VARIABLE = 1 << 6;
        /// SET CHARACTER SET: the connection gets the character set of the default schema.
        const CHARSET_OF_SCHEMA = 1 << 7;
    }
}

/// What a derivation found. The callers look the names up.
#[derive(Debug, Default)]
pub struct DerivedFacts<'a> {
    /// Relations that are read or written, without references to common table expressions.
    pub relations: Vec<DerivedName<'a>>,
    /// The schema in which EXPLAIN FOR SCHEMA looks names up, in the place of the session's.
    pub default_schema: Option<&'a [u8]>,
    /// Relations that are written.
    pub written: Vec<DerivedName<'a>>,
    /// Function calls.
    pub calls: Vec<DerivedCall<'a>>,
    /// What else the statement does.
    pub deeds: Deeds,
    /// The assignments of a SET.
    pub assignments: Vec<Assignment<'a>>,
    /// The literal that PREPARE or EXECUTE IMMEDIATE executes.
    pub text: Option<Token<'a>>,
}

/// The result of a rule.
type Rule = Result<(), Stop>;

/// Derives one statement. See the module.
pub struct Parser<'t, 'a> {
    toks: &'t [Token<'a>],
    at: usize,
    depth: u16,
    /// The common table expressions that a name at this place may refer to.
    common: Vec<&'a [u8]>,
    /// What was found so far.
    pub facts: DerivedFacts<'a>,
}

impl<'t, 'a> Parser<'t, 'a> {
    /// Begins at the first token of a statement. `toks` has neither white space nor comments nor the `;`.
    pub fn new(toks: &'t [Token<'a>]) -> Self {
        Self { toks, at: 0, depth: 0, common: Vec::new(), facts: DerivedFacts::default() }
    }

    /// Derives the whole statement.
    pub fn derive(&mut self) -> Result<Form, Stop> {
        let form = self.statement()?;
        if self.at < self.toks.len() { Err(self.stop(Why::NotUnderstood)) } else { Ok(form) }
    }

    fn stop(&self, why: Why) -> Stop {
        Stop { at: self.at, why }
    }

    fn unknown<T>(&self) -> Result<T, Stop> {
        Err(self.stop(Why::NotUnderstood))
    }

    /// Returns the token that is `ahead` tokens behind the next one.
    fn peek(&self, ahead: usize) -> Option<Token<'a>> {
        self.toks.get(self.at + ahead).copied()
    }

    fn kind(&self, ahead: usize) -> Option<Kind> {
        self.peek(ahead).map(|token| token.kind)
    }

    /// True if the token is this word.
    fn word(&self, ahead: usize, word: &str) -> bool {
        self.peek(ahead).is_some_and(|token| token.is(word))
    }

    fn any_word(&self, ahead: usize, words: &[&str]) -> bool {
        self.peek(ahead).is_some_and(|token| token.is_any(words))
    }

    /// True if the next token is this operator character.
    fn operator(&self, ahead: usize, byte: u8) -> bool {
        self.peek(ahead).is_some_and(|token| token.kind == Kind::Operator && token.text == [byte])
    }

    /// True if nothing stands between the token that is `ahead` and the token behind it.
    fn adjacent(&self, ahead: usize) -> bool {
        match (self.peek(ahead), self.peek(ahead + 1)) {
            (Some(first), Some(second)) => first.start + first.text.len() == second.start,
            _ => false,
        }
    }

    fn skip(&mut self, tokens: usize) {
        self.at += tokens;
    }

    /// Passes the next token if it is of this kind.
    fn eat(&mut self, kind: Kind) -> bool {
        let is = self.kind(0) == Some(kind);
        self.at += usize::from(is);
        is
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let is = self.word(0, word);
        self.at += usize::from(is);
        is
    }

    fn eat_any(&mut self, words: &[&str]) -> bool {
        let is = self.any_word(0, words);
        self.at += usize::from(is);
        is
    }

    /// Passes these words if all of them follow.
    fn eat_words(&mut self, words: &[&str]) -> bool {
        let all = words.iter().enumerate().all(|(ahead, word)| self.word(ahead, word));
        self.at += if all { words.len() } else { 0 };
        all
    }

    fn need(&mut self, kind: Kind) -> Rule {
        if self.eat(kind) { Ok(()) } else { self.unknown() }
    }

    fn need_word(&mut self, word: &str) -> Rule {
        if self.eat_word(word) { Ok(()) } else { self.unknown() }
    }

    /// Derives `rule (, rule)*`.
    fn list(&mut self, mut rule: impl FnMut(&mut Self) -> Rule) -> Rule {
        rule(self)?;
        while self.eat(Kind::Comma) {
            rule(self)?;
        }
        Ok(())
    }

    /// Derives `( rule (, rule)* )`.
    fn enclosed(&mut self, rule: impl FnMut(&mut Self) -> Rule) -> Rule {
        self.need(Kind::Open)?;
        self.deeper(|this| this.list(rule))?;
        self.need(Kind::Close)
    }

    /// Runs a rule one level deeper.
    fn deeper<T>(&mut self, rule: impl FnOnce(&mut Self) -> Result<T, Stop>) -> Result<T, Stop> {
        if self.depth >= MAX_DEPTH {
            return Err(self.stop(Why::TooDeep));
        }
        self.depth += 1;
        let result = rule(self);
        self.depth -= 1;
        result
    }

    /// True if the token is a name: a quoted one, or a word that no server reserves.
    fn is_name(&self, ahead: usize) -> bool {
        self.peek(ahead).is_some_and(|token| match token.kind {
            Kind::QuotedIdentifier => true,
            Kind::Word => !words::is_reserved(token.text),
            _ => false,
        })
    }

    /// Passes a name and returns it without its quotes.
    fn name(&mut self) -> Result<&'a [u8], Stop> {
        match self.peek(0) {
            Some(token) if self.is_name(0) => {
                self.at += 1;
                Ok(bare(token))
            }
            _ => self.unknown(),
        }
    }

    /// Passes any word or quoted name: behind a dot, reserved words are names.
    fn name_behind_dot(&mut self) -> Result<&'a [u8], Stop> {
        match self.peek(0) {
            Some(token) if matches!(token.kind, Kind::Word | Kind::QuotedIdentifier) => {
                self.at += 1;
                Ok(bare(token))
            }
            _ => self.unknown(),
        }
    }

    /// Passes `name`, `schema.name` or `.name`.
    fn relation_name(&mut self) -> Result<DerivedName<'a>, Stop> {
        if self.eat(Kind::Dot) {
            return Ok(DerivedName { schema: None, name: self.name_behind_dot()? });
        }
        let first = self.name()?;
        if !self.eat(Kind::Dot) {
            return Ok(DerivedName { schema: None, name: first });
        }
        Ok(DerivedName { schema: Some(first), name: self.name_behind_dot()? })
    }

    fn number(&mut self) -> Rule {
        self.need(Kind::Number)
    }

    fn string(&mut self) -> Rule {
        self.need(Kind::String)
    }

    /// Passes a number, a parameter marker, or the name of a stored routine's variable: what LIMIT takes.
    fn count(&mut self) -> Rule {
        if self.eat(Kind::Number) {
            return Ok(());
        }
        if self.operator(0, b'?') {
            self.skip(1);
            return Ok(());
        }
        self.unknown()
    }

    /// Derives `[AS] alias`, if there is one. Behind AS a string is an alias, too, where `strings` is true.
    fn alias(&mut self, strings: bool) -> Rule {
        if self.eat_word("AS") {
            if strings && self.eat(Kind::String) {
                return Ok(());
            }
            return self.name().map(|_| ());
        }
        if strings && self.eat(Kind::String) {
            return Ok(());
        }
        if self.is_name(0) && !self.begins_clause() {
            self.skip(1);
        }
        Ok(())
    }

    /// True if the next word begins a clause, although some server allows it as a name.
    fn begins_clause(&self) -> bool {
        match self.peek(0) {
            Some(token) if token.kind == Kind::Word => words::begins_clause(token.text),
            _ => false,
        }
    }
}

/// Returns a name without its quotes. A doubled quote inside stays as it is: such a name equals no other.
pub(crate) fn bare<'a>(token: Token<'a>) -> &'a [u8] {
    match (token.kind, token.text) {
        (Kind::QuotedIdentifier | Kind::String, [_, inside @ .., _]) => inside,
        (_, text) => text,
    }
}
