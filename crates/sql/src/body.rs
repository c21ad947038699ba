//! What stored code does: the body of a routine or a trigger, the query of a view, the expression of a column. A body is
//! split into its statements and expressions; [`classify`] judges each of them, and [`names`] looks up what they name.
//! A body that is not fully understood may do anything. Servers do not check what a routine declares about itself, so a
//! visible body counts more than the declaration.

mod blocks;
mod names;

use super::classify::{Context, classify};
use super::vocabulary::{RelationFacts, RoutineFacts, Routines};
use super::{Effects, Kind, Lexer, Options, Token};
use blocks::Blocks;
use pointsman_terms::{StatementKind, Why};

/// Bodies with more tokens are not judged, and may do anything.
const MAX_TOKENS: usize = 50_000;

/// Stored code.
#[derive(Debug, Clone, Copy)]
pub struct Code<'a> {
    /// The text.
    pub text: &'a [u8],
    /// The lexer options of the session that created it.
    pub options: Options,
    /// The schema of the object: unqualified names in the text refer to objects in it.
    pub schema: &'a [u8],
    /// The names of a routine's parameters.
    pub parameters: &'a [Box<[u8]>],
    /// True for a trigger: `SET NEW.column = …` changes the row.
    pub of_trigger: bool,
}

impl<'a> Code<'a> {
    /// Returns code without parameters: a query, an expression.
    pub fn new(text: &'a [u8], options: Options, schema: &'a [u8]) -> Self {
        Code { text, options, schema, parameters: &[], of_trigger: false }
    }
}

/// What was found in stored code.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Findings {
    /// The code writes, or locks rows.
    pub writes: bool,
    /// The code asks about one server, and must not run on another one.
    pub of_server: bool,
    /// The code uses objects that the catalogue cannot see into.
    pub opaque: bool,
    /// The code, or a routine that it calls, is not understood.
    pub unknown: bool,
    /// The code is known to leave session state, or to do more than read and write.
    pub acts: bool,
    /// The code calls stored routines, or reads views that do.
    pub calls: bool,
    /// The code reads views that are not understood.
    pub unknown_view: bool,
    /// The code asks what the session's last statement did.
    pub looks_back: bool,
}

impl Findings {
    /// Code that is not understood.
    pub const UNKNOWN: Findings = Findings {
        unknown: true,
        writes: false,
        of_server: false,
        opaque: false,
        acts: false,
        calls: false,
        unknown_view: false,
        looks_back: false,
    };

    /// Returns what was found in two pieces of code together.
    pub fn and(self, other: Self) -> Self {
        Findings {
            writes: self.writes || other.writes,
            of_server: self.of_server || other.of_server,
            opaque: self.opaque || other.opaque,
            unknown: self.unknown || other.unknown,
            acts: self.acts || other.acts,
            calls: self.calls || other.calls,
            unknown_view: self.unknown_view || other.unknown_view,
            looks_back: self.looks_back || other.looks_back,
        }
    }

    /// Returns the facts of a routine with this body.
    pub fn of_routine(self) -> RoutineFacts {
        match self {
            Findings { acts: true, .. } => RoutineFacts::Acts,
            // Only a view can show what the session's last statement did: in a routine it is the last of the routine, too.
            Findings { unknown: true, .. } | Findings { looks_back: true, .. } => RoutineFacts::Other,
            Findings { writes: true, opaque: true, .. } | Findings { of_server: true, opaque: true, .. } => {
                RoutineFacts::WritesOpaque
            }
            Findings { writes: true, .. } => RoutineFacts::Harmless,
            Findings { of_server: true, .. } => RoutineFacts::ReadsServer,
            Findings { opaque: true, .. } => RoutineFacts::ReadsOpaque,
            Findings { .. } => RoutineFacts::ReadsOnly,
        }
    }

    /// Returns the facts of a view with this query.
    pub fn of_view(self) -> RelationFacts {
        match self {
            Findings { acts: true, .. } | Findings { writes: true, .. } => RelationFacts::Acts,
            Findings { unknown: true, .. } | Findings { unknown_view: true, .. } => {
                RelationFacts::UnknownView
            }
            Findings { opaque: true, .. } => RelationFacts::Opaque,
            Findings { looks_back: true, .. } => RelationFacts::LooksBackView,
            Findings { of_server: true, .. } => RelationFacts::ServerView,
            Findings { calls: true, .. } => RelationFacts::CallingView,
            Findings { .. } => RelationFacts::ReadingView,
        }
    }

    /// True if the code does nothing but call built-in functions without state, and read and write plain tables. Not if it
    /// calls stored routines: somebody may have replaced them past this proxy.
    pub fn is_plain(self) -> bool {
        let Findings { acts, unknown, opaque, calls, unknown_view, writes: _, of_server: _, looks_back: _ } =
            self;
        !acts && !unknown && !opaque && !calls && !unknown_view
    }
}

/// Judges the body of a routine or a trigger.
pub fn judge(code: Code<'_>, routines: &dyn Routines) -> Findings {
    let Some(tokens) = tokens(code.text, code.options) else { return Findings::UNKNOWN };
    let mut judge = Judge::new(code, routines);
    if opens_for_type(&tokens) {
        judge.unknown();
    }
    let mut blocks = Blocks::new(code.parameters);
    for piece in tokens.split(|token| token.kind == Kind::Semicolon) {
        judge.piece(&mut blocks, piece);
    }
    if !blocks.all_closed() {
        judge.unknown();
    }
    judge.found
}

/// True if `TYPE OF table.column` or `ROW TYPE OF view` stands in the code: the server opens the relation for its columns.
pub fn opens_for_type(tokens: &[Token<'_>]) -> bool {
    tokens.windows(2).any(|pair| matches!(pair, [first, second] if first.is("TYPE") && second.is("OF")))
}

/// Judges the query of a view.
pub fn judge_query(code: Code<'_>, routines: &dyn Routines) -> Findings {
    let Some(tokens) = tokens(code.text, code.options) else { return Findings::UNKNOWN };
    let mut judge = Judge::new(code, routines);
    match tokens.as_slice() {
        [first, ..] if first.kind == Kind::Open || first.is_any(&["SELECT", "WITH", "VALUES", "TABLE"]) => {
            judge.classify(code.text);
            judge.names(&tokens);
        }
        _ => judge.unknown(),
    }
    judge.found
}

/// A function call in stored code: a name with `(` behind it.
#[derive(Debug, Clone, Copy)]
pub struct Called<'a> {
    /// The schema or package in front of the name.
    pub schema: Option<&'a [u8]>,
    /// The name without its quotes.
    pub name: &'a [u8],
    /// True if the call has no argument.
    pub empty: bool,
}

/// Returns all function calls in stored code. None: servers may read it in several ways, or it is too long.
pub fn calls(code: Code<'_>) -> Option<Vec<Called<'_>>> {
    let tokens = tokens(code.text, code.options)?;
    let mut calls = Vec::new();
    for (at, name) in tokens.iter().enumerate().filter(|(_, token)| is_name(token)) {
        let kind = |ahead: usize| tokens.get(at + ahead).map(|token| token.kind);
        if kind(1) != Some(Kind::Open) {
            continue;
        }
        let before = |back: usize| at.checked_sub(back).and_then(|at| tokens.get(at));
        let schema = match before(1) {
            Some(dot) if dot.kind == Kind::Dot => before(2).filter(|schema| is_name(schema)).map(unquoted),
            _ => None,
        };
        calls.push(Called { schema, name: unquoted(name), empty: kind(2) == Some(Kind::Close) });
    }
    Some(calls)
}

/// Judges an expression: of a default, or of a generated column.
pub fn judge_expression(code: Code<'_>, routines: &dyn Routines) -> Findings {
    let Some(tokens) = tokens(code.text, code.options) else { return Findings::UNKNOWN };
    let mut judge = Judge::new(code, routines);
    judge.expression(&tokens);
    judge.found
}

/// Returns the tokens except white space and comments; None if servers may read the body in several ways, or if it is
/// too long.
fn tokens(body: &[u8], options: Options) -> Option<Vec<Token<'_>>> {
    let mut tokens = Vec::new();
    for token in Lexer::new(body, options).filter(|token| !token.is_trivia()) {
        if matches!(token.kind, Kind::Incomplete | Kind::CodeOpen) || tokens.len() >= MAX_TOKENS {
            return None;
        }
        tokens.push(token);
    }
    (!tokens.is_empty()).then_some(tokens)
}

struct Judge<'a> {
    code: Code<'a>,
    routines: &'a dyn Routines,
    found: Findings,
}

impl<'a> Judge<'a> {
    fn new(code: Code<'a>, routines: &'a dyn Routines) -> Self {
        Judge { code, routines, found: Findings::default() }
    }

    fn unknown(&mut self) {
        self.found.unknown = true;
    }

    fn acts(&mut self) {
        self.found.acts = true;
    }

    /// Judges an expression, as what a SELECT returns.
    fn expression(&mut self, toks: &[Token<'a>]) {
        if toks.is_empty() {
            return;
        }
        let mut text = b"SELECT ".to_vec();
        text.extend_from_slice(self.text(toks));
        self.classify(&text);
        self.names(toks);
    }

    fn classify(&mut self, sql: &[u8]) {
        let context = Context { options: self.code.options, schema: self.code.schema };
        let class = classify(sql, context, self.routines);
        // What the body reads of the session does not count here: the classification of every call assumes it anyway.
        let looks = Effects::READS_INSERT_ID | Effects::READS_USER_VARIABLES;
        let hidden = Effects::LEAVES_UNKNOWN;
        let looks_back = Effects::READS_ROW_COUNT | Effects::READS_FOUND_ROWS;
        let asks = looks_back | Effects::READS_DIAGNOSTICS | Effects::READS_SEQUENCE;
        let harmless = Effects::OF_ALL | Effects::LOCKS_ROWS | Effects::CALLS | looks | asks;
        let names_function = matches!(class.reason, Why::UnknownFunction | Why::Procedure | Why::View);
        if class.reason == Why::NotUnderstood {
            return self.unknown();
        }
        match class.kind {
            StatementKind::Read | StatementKind::Admin | StatementKind::Write => {}
            // It asks about the session, and changes nothing in it.
            StatementKind::Session if harmless.contains(class.effects) => self.found.of_server = true,
            _ => self.unknown(),
        }
        self.found.looks_back |= class.effects.intersects(looks_back);
        // A view, a function or a procedure that may do anything is looked up by its name, which says more.
        self.found.unknown |= class.effects.contains(hidden) && class.reason != Why::View;
        self.found.acts |= !(harmless | hidden).contains(class.effects);
        self.found.of_server |= class.kind == StatementKind::Admin;
        let reads_hidden = names_function && class.effects.contains(hidden);
        self.found.writes |= class.effects.contains(Effects::LOCKS_ROWS)
            || (class.kind == StatementKind::Write && !reads_hidden);
    }

    /// Returns the text from the first to the last token.
    fn text(&self, toks: &[Token<'a>]) -> &'a [u8] {
        match (toks.first(), toks.last()) {
            (Some(first), Some(last)) => {
                self.code.text.get(first.start..last.start + last.text.len()).unwrap_or_default()
            }
            _ => b"",
        }
    }
}

fn is_name(token: &Token<'_>) -> bool {
    matches!(token.kind, Kind::Word | Kind::QuotedIdentifier)
}

fn unquoted<'a>(token: &Token<'a>) -> &'a [u8] {
    match (token.kind, token.text) {
        (Kind::QuotedIdentifier, [_, name @ .., _]) => name,
        (_, text) => text,
    }
}

#[cfg(test)]
mod tests;
