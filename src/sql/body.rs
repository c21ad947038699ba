//! What the body of a stored routine does: the body is split into its statements and expressions,
//! and [`classify`] judges each of them. A body that is not fully understood may do anything.
//! Servers do not check what a routine declares about itself, so a visible body counts more than
//! the declaration.

use std::collections::HashSet;

use super::classify::{Context, RoutineFacts, Routines, classify};
use super::{Effects, Kind, Lexer, Options, Token, steps};
use crate::terms::StatementKind;

/// Bodies with more tokens are not judged, and may do anything.
const MAX_TOKENS: usize = 50_000;

/// Judges a body. `schema` is the schema of the routine: unqualified calls in the body refer to routines in it.
pub fn judge(body: &[u8], options: Options, schema: &[u8], routines: &dyn Routines) -> RoutineFacts {
    let Some(tokens) = tokens(body, options) else { return RoutineFacts::Other };
    let context = Context { options, schema };
    let mut judge = Judge { body, context, routines, variables: HashSet::new(), reads: true, clean: true };
    for piece in tokens.split(|token| token.kind == Kind::Semicolon) {
        judge.piece(piece);
    }
    match judge {
        Judge { clean: false, .. } => RoutineFacts::Other,
        Judge { reads: true, .. } => RoutineFacts::ReadsOnly,
        Judge { .. } => RoutineFacts::Harmless,
    }
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
    body: &'a [u8],
    context: Context<'a>,
    routines: &'a dyn Routines,
    /// The local variables declared so far, in lower case. A SET of any other name may set a system variable.
    variables: HashSet<Vec<u8>>,
    /// True as long as everything judged only reads.
    reads: bool,
    /// True as long as nothing judged leaves anything behind in the session.
    clean: bool,
}

impl<'a> Judge<'a> {
    fn other(&mut self) {
        self.clean = false;
    }

    /// Judges the tokens between two semicolons: control words, then a statement.
    fn piece(&mut self, mut toks: &[Token<'a>]) {
        while let [first, rest @ ..] = toks {
            toks = match rest {
                [colon, rest @ ..] if colon.text == b":" && is_name(first) => rest,
                _ if first.is_any(&["BEGIN", "LOOP", "REPEAT", "ELSE"]) => rest,
                _ if first.is_any(&["IF", "ELSEIF", "CASE", "WHEN"]) => self.until("THEN", rest),
                _ if first.is_any(&["WHILE"]) => self.until("DO", rest),
                [name, _, ..] if first.is("FOR") => {
                    self.variables.insert(unquoted(name).to_ascii_lowercase());
                    self.until("DO", rest)
                }
                _ if first.is("DECLARE") => self.declare(rest),
                _ => return self.statement(first, toks, rest),
            };
        }
    }

    /// Judges the expression up to the keyword; returns the tokens behind the keyword.
    fn until<'t>(&mut self, keyword: &str, toks: &'t [Token<'a>]) -> &'t [Token<'a>] {
        let Some(at) = outside(toks, |token| token.is(keyword)) else {
            self.other();
            return &[];
        };
        let (expression, rest) = toks.split_at(at);
        self.expression(expression);
        rest.get(1..).unwrap_or_default()
    }

    /// Judges the tokens behind DECLARE; returns the query of a cursor or the statement of a handler, which is judged
    /// next.
    fn declare<'t>(&mut self, toks: &'t [Token<'a>]) -> &'t [Token<'a>] {
        match toks {
            [_, kind, ..] if kind.is("CURSOR") => match outside(toks, |token| token.is("FOR")) {
                Some(at) => return toks.get(at + 1..).unwrap_or_default(),
                None => self.other(),
            },
            [_, kind, rest @ ..] if kind.is("HANDLER") => match behind_conditions(rest) {
                Some(rest) => return rest,
                None => self.other(),
            },
            [_, kind, ..] if kind.is("CONDITION") => {}
            _ => {
                let names = toks.split(|token| token.kind == Kind::Comma);
                let first_names = names.map_while(|names| names.first().filter(|name| is_name(name)));
                self.variables.extend(first_names.map(|name| unquoted(name).to_ascii_lowercase()));
                if let Some(at) = outside(toks, |token| token.is("DEFAULT")) {
                    self.expression(toks.get(at + 1..).unwrap_or_default());
                }
            }
        }
        &[]
    }

    fn statement(&mut self, first: &Token<'a>, all: &[Token<'a>], rest: &[Token<'a>]) {
        let verb = |words: &[&str]| first.is_any(words);
        if first.kind == Kind::Open || verb(&["SELECT", "WITH", "VALUES", "TABLE"]) {
            self.query(all);
        } else if verb(&["INSERT", "UPDATE", "DELETE", "REPLACE", "CALL"]) {
            self.classify(self.text(all));
        } else if verb(&["RETURN", "DO", "UNTIL", "SIGNAL", "RESIGNAL"]) {
            self.expression(rest);
        } else if first.is("SET") {
            for assignment in split_outside(rest) {
                self.assignment(assignment);
            }
        } else if verb(&["END", "LEAVE", "ITERATE", "OPEN", "CLOSE"]) {
            // `END LOOP label` is the longest that is understood.
            if rest.len() > 2 {
                self.other();
            }
        } else if verb(&["FETCH", "GET"]) {
            if rest.iter().any(|token| matches!(token.kind, Kind::At | Kind::AtAt)) {
                self.other();
            }
        } else {
            self.other();
        }
    }

    /// Judges `name = expression`, where the name must be that of a declared variable.
    fn assignment(&mut self, toks: &[Token<'a>]) {
        match toks {
            [name, sign, value @ ..]
                if is_name(name)
                    && matches!(sign.kind, Kind::Equals | Kind::Assign)
                    && self.variables.contains(&unquoted(name).to_ascii_lowercase()) =>
            {
                self.expression(value);
            }
            _ => self.other(),
        }
    }

    /// Judges a query, with or without INTO. INTO only local variables (names without `@`) is left out.
    fn query(&mut self, toks: &[Token<'a>]) {
        let Some(at) = outside(toks, |token| token.is("INTO")) else {
            return self.classify(self.text(toks));
        };
        let (before, into) = toks.split_at(at);
        let local = local_variables(into.get(1..).unwrap_or_default());
        // INTO user variables or a file stays in the text, so that `classify` judges it.
        let from = local.map_or(0, |count| count + 1);
        let mut text = self.text(before).to_vec();
        text.push(b' ');
        text.extend_from_slice(self.text(into.get(from..).unwrap_or_default()));
        self.classify(&text);
    }

    fn expression(&mut self, toks: &[Token<'a>]) {
        let mut text = b"SELECT ".to_vec();
        text.extend_from_slice(self.text(toks));
        self.classify(&text);
    }

    fn classify(&mut self, sql: &[u8]) {
        let class = classify(sql, self.context, self.routines);
        // What the body reads of the session does not count here: the classification of every call assumes it anyway.
        let looks = Effects::READS_INSERT_ID | Effects::READS_USER_VARIABLES;
        let harmless = Effects::OF_ALL | Effects::LOCKS_ROWS | Effects::CALLS | looks;
        let kinds = [StatementKind::Read, StatementKind::Admin, StatementKind::Write];
        self.clean &= kinds.contains(&class.kind) && harmless.contains(class.effects);
        self.reads &= class.is_read() && !class.effects.contains(Effects::LOCKS_ROWS);
    }

    /// Returns the text from the first to the last token.
    fn text(&self, toks: &[Token<'a>]) -> &'a [u8] {
        match (toks.first(), toks.last()) {
            (Some(first), Some(last)) => {
                self.body.get(first.start..last.start + last.text.len()).unwrap_or_default()
            }
            _ => b"",
        }
    }
}

/// Returns how many tokens the list of names at the beginning has; None if it contains anything but names.
fn local_variables(toks: &[Token<'_>]) -> Option<usize> {
    let mut count = 0;
    loop {
        let name = toks.get(count).filter(|name| is_name(name))?;
        if name.is_any(&["OUTFILE", "DUMPFILE"]) {
            return None;
        }
        count += 1;
        match toks.get(count) {
            Some(comma) if comma.kind == Kind::Comma => count += 1,
            _ => return Some(count),
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

/// Returns the position of the first token outside parentheses for which `wanted` is true.
fn outside(toks: &[Token<'_>], wanted: impl Fn(&Token<'_>) -> bool) -> Option<usize> {
    let mut depth = 0usize;
    toks.iter().inspect(|_| steps::count(1)).position(|token| {
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth = depth.saturating_sub(1),
            _ => return depth == 0 && wanted(token),
        }
        false
    })
}

/// Splits at commas outside parentheses.
fn split_outside<'t, 'a>(mut toks: &'t [Token<'a>]) -> Vec<&'t [Token<'a>]> {
    let mut parts = Vec::new();
    while let Some(at) = outside(toks, |token| token.kind == Kind::Comma) {
        let (part, rest) = toks.split_at(at);
        parts.push(part);
        toks = rest.get(1..).unwrap_or_default();
    }
    parts.push(toks);
    parts
}

/// Skips `FOR condition, condition …` behind HANDLER; returns the handler's statement.
fn behind_conditions<'t, 'a>(toks: &'t [Token<'a>]) -> Option<&'t [Token<'a>]> {
    let [keyword, toks @ ..] = toks else { return None };
    if !keyword.is("FOR") {
        return None;
    }
    let mut toks = toks;
    loop {
        toks = match toks {
            [not, found, rest @ ..] if not.is("NOT") && found.is("FOUND") => rest,
            [state, value, text, rest @ ..]
                if state.is("SQLSTATE") && value.is("VALUE") && text.kind == Kind::String =>
            {
                rest
            }
            [state, text, rest @ ..] if state.is("SQLSTATE") && text.kind == Kind::String => rest,
            [one, rest @ ..] if one.kind == Kind::Number || is_name(one) => rest,
            _ => return None,
        };
        match toks {
            [comma, rest @ ..] if comma.kind == Kind::Comma => toks = rest,
            rest => return Some(rest),
        }
    }
}

#[cfg(test)]
mod tests;
