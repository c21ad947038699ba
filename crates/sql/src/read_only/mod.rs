//! The guard of replica ports. A text passes only if each of its statements is derived, to the last token, from the
//! grammar of statements that read ([`crate::grammar`]), in an alphabet that all servers read alike, and if the
//! catalogue knows nothing against the names in it. Everything else is refused. The guard complements
//! `SET SESSION TRANSACTION READ ONLY`, which is set on the server connections of these ports, so it also refuses
//! statements that could leave that mode.

mod budget;
#[cfg(test)]
mod corpus_tests;
#[cfg(test)]
mod function_tests;
#[cfg(test)]
mod grammar_tests;
mod names;
mod refusal;
#[cfg(test)]
mod tests;
mod text;
mod tokens;

use super::grammar::{Assignment, Deeds, Form, Parser};
use super::{Kind, Lexer, Options, Readings, TextCharset, steps};
use budget::ReadingBudget;
pub use names::Calls;
pub use refusal::{Near, Reason, Refusal};
pub(super) use text::unescape;
use tokens::{GuardedStatement, Pieces};

/// Whether a text may run on a replica port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Every statement in it only reads.
    Allowed,
    /// As far as the text shows, every statement in it only reads. The catalogue cannot see into a relation or a function that
    /// one of them names.
    Opaque,
    /// One statement writes, or may, or is not understood.
    Refused(Refusal),
}

impl Verdict {
    /// True if the text is not refused.
    pub fn passes(self) -> bool {
        !matches!(self, Self::Refused(_))
    }
}

/// How deep texts in PREPAREs are checked. The servers refuse PREPARE of a PREPARE anyway.
const MAX_NESTING: u8 = 2;

/// Checks each statement of a text from COM_QUERY or COM_STMT_PREPARE. The names in it are not looked up;
/// [`check_calls`] looks them up, too.
pub fn check(sql: &[u8], options: Options) -> Verdict {
    verdict(Check::new(options, &ReadingBudget::of(sql.len()), None).run(sql))
}

/// True if [`check`] allows this text and every other one that differs from it only in literals.
pub(super) fn is_understood(sql: &[u8], options: Options) -> bool {
    let budget = ReadingBudget::of(sql.len());
    let mut check = Check::new(options, &budget, None);
    check.text(sql, 0).is_ok() && !check.by_literals
}

/// Checks a text as [`check`] does, in every way in which servers may read it. Functions must be known to only read.
pub fn check_calls(sql: &[u8], readings: Readings, calls: &Calls<'_>) -> Verdict {
    let mut worst = Verdict::Allowed;
    for options in readings.of(sql) {
        let budget = ReadingBudget::of(sql.len());
        match verdict(Check::new(options, &budget, Some(calls)).run(sql)) {
            Verdict::Allowed => {}
            Verdict::Opaque => worst = Verdict::Opaque,
            refused => return refused,
        }
    }
    worst
}

/// A schema, if the text names one, and a relation.
pub type Relation = (Option<Vec<u8>>, Vec<u8>);

/// Returns the relations of a text into which the catalogue cannot see, each once. None: something else about the text is
/// opaque or refused, or servers may read the text in several ways.
pub fn opaque_relations(sql: &[u8], readings: Readings, calls: &Calls<'_>) -> Option<Vec<Relation>> {
    let mut ways = readings.of(sql);
    let (options, None) = (ways.next()?, ways.next()) else { return None };
    let budget = ReadingBudget::of(sql.len());
    let mut check = Check { collects: Some(Vec::new()), ..Check::new(options, &budget, Some(calls)) };
    check.text(sql, 0).ok()?;
    if check.opaque { None } else { check.collects }
}

fn verdict(checked: Result<bool, Refusal>) -> Verdict {
    match checked {
        Ok(false) => Verdict::Allowed,
        Ok(true) => Verdict::Opaque,
        Err(refusal) => Verdict::Refused(refusal),
    }
}

/// Returns the first statement of a text, and the text behind its semicolon, if it has one.
pub fn first_statement(sql: &[u8], options: Options) -> (&[u8], Option<&[u8]>) {
    let semicolon = Lexer::new(sql, options).find(|token| token.kind == Kind::Semicolon);
    match semicolon.and_then(|token| sql.split_at_checked(token.start)) {
        Some((first, rest)) => (first, rest.get(1..)),
        None => (sql, None),
    }
}

/// True if a statement has only white space and comments.
pub fn is_blank(sql: &[u8], options: Options) -> bool {
    Lexer::new(sql, options).all(|token| token.is_trivia())
}

/// One check of a text.
struct Check<'c> {
    options: Options,
    budget: &'c ReadingBudget,
    /// What is known of names. None: names are not looked up.
    calls: Option<&'c Calls<'c>>,
    /// True once a name is opaque.
    opaque: bool,
    /// True once the verdict depends on the value of a literal: of a text to prepare, or of a system variable.
    by_literals: bool,
    /// If relations into which the catalogue cannot see are collected, in place of marking the text as opaque: those so far.
    collects: Option<Vec<Relation>>,
}

impl<'c> Check<'c> {
    fn new(options: Options, budget: &'c ReadingBudget, calls: Option<&'c Calls<'c>>) -> Self {
        Self { options, budget, calls, opaque: false, by_literals: false, collects: None }
    }
    /// Checks a text that a client sent. Returns true if a name in it is opaque.
    fn run(mut self, sql: &[u8]) -> Result<bool, Refusal> {
        self.text(sql, 0)?;
        Ok(self.opaque)
    }

    fn text(&mut self, sql: &[u8], nesting: u8) -> Result<(), Refusal> {
        if nesting > MAX_NESTING {
            return Err(Reason::HiddenText.into());
        }
        if self.options.is_ambiguous(sql) {
            return Err(Refusal::new(Reason::Unreadable, sql));
        }
        let mut pieces = Pieces::new(sql, self.options);
        let (mut modes, mut is_first) = (None, true);
        while let Some(mut statement) = pieces.next(self.budget)? {
            let mut changes_reading = false;
            let rest = sql.get(pieces.offset()..).unwrap_or_default();
            let alone = std::mem::take(&mut is_first) && rest.trim_ascii().is_empty();
            for readings in statement.readings() {
                changes_reading |= self.statement(&mut statement, readings, (nesting, alone))?;
                if self.budget.is_spent() {
                    return Err(Reason::TooMuchWork.into());
                }
            }
            let behind = pieces.offset();
            if changes_reading
                && behind < sql.len()
                && modes.get_or_insert_with(|| Modes::of(sql)).matter_behind(behind)
            {
                return Err(Refusal::new(Reason::Unreadable, sql.get(behind..).unwrap_or_default()));
            }
        }
        Ok(())
    }

    /// Checks one statement, in one reading of its versioned comments. Returns true if it may change how the server splits the
    /// text behind it: it may set sql_mode or a character set. EXECUTE may do anything that a prepared text does.
    fn statement(
        &mut self,
        statement: &mut GuardedStatement<'_>,
        reading: u32,
        (nesting, alone): (u8, bool),
    ) -> Result<bool, Refusal> {
        let tokens = statement.read(reading, self.budget);
        let mut parser = Parser::new(tokens);
        let form = parser.derive().map_err(|stop| Refusal::stopped(stop, tokens))?;
        let facts = parser.facts;
        if nesting > 0 && facts.deeds.contains(Deeds::CHARSET_OF_SCHEMA) {
            // What the server reports of a text that a client sent is compared with the text.
            return Err(Refusal::near(Reason::Charset, tokens.first()));
        }
        if form == Form::Write {
            return Err(Refusal::near(Reason::Writes, tokens.first()));
        }
        if self.options.charset != TextCharset::Utf8
            && let Some(name) = names::outside_ascii(&facts, self.options.charset)
        {
            // The catalogue has names in UTF-8.
            return Err(Refusal::new(Reason::Unreadable, name));
        }
        self.opaque |= names::functions(&facts, tokens, self.calls)?;
        for name in names::opaque(&facts, self.options.charset, self.calls)? {
            match &mut self.collects {
                None => self.opaque = true,
                Some(all) => {
                    let relation = (name.schema.map(<[u8]>::to_vec), name.name.to_vec());
                    if !all.contains(&relation) {
                        all.push(relation);
                    }
                }
            }
        }
        if form == Form::Kill && (nesting > 0 || !alone) {
            // The proxy executes a KILL itself, and only if it is the whole text of a COM_QUERY.
            return Err(Refusal::near(Reason::Writes, tokens.first()));
        }
        self.by_literals |=
            facts.text.is_some() || facts.assignments.iter().any(Assignment::is_judged_by_literal);
        if let Some(literal) = facts.text {
            let text = text::unescape(literal.text, self.options);
            // The server converts the literal to the connection's character set and back.
            if !text.is_ascii() {
                return Err(Refusal::near(Reason::Unreadable, Some(&literal)));
            }
            // A server may read the text anew, when a table or a parameter's type has changed, in the sql_mode of then.
            let now = self.options;
            for options in Readings::any_mode(now).of(&text) {
                self.options = options;
                let checked = self.text(&text, nesting + 1);
                self.options = now;
                checked?;
            }
        }
        Ok(match form {
            Form::Execute | Form::ExecuteImmediate => true,
            Form::Set => tokens.iter().any(|token| {
                [&b"sql_mode"[..], b"names", b"char"].iter().any(|part| contains(token.text, part))
            }),
            _ => false,
        })
    }
}

/// True if the text contains `part`, in any case.
fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part))
}

/// The last positions of the bytes that sql_mode or the character set give a different meaning. All such differences
/// are about a backslash, or about a backtick as the second byte of a character.
struct Modes {
    /// The offset behind the last backslash.
    backslash: usize,
    /// The offset behind the last backtick.
    backtick: usize,
    /// The offset behind the last byte outside ASCII.
    other: usize,
}

impl Modes {
    /// Searches the text. Called only once for each text, whatever the number of its statements.
    fn of(sql: &[u8]) -> Self {
        steps::count(sql.len());
        let behind_last = |wanted: fn(&u8) -> bool| sql.iter().rposition(wanted).map_or(0, |at| at + 1);
        Self {
            backslash: behind_last(|byte| *byte == b'\\'),
            backtick: behind_last(|byte| *byte == b'`'),
            other: behind_last(|byte| !byte.is_ascii()),
        }
    }

    /// True if sql_mode or the character set decide how the text splits from this offset on.
    fn matter_behind(&self, offset: usize) -> bool {
        self.backslash > offset || (self.backtick > offset && self.other > offset)
    }
}
