//! What a stored routine's body does: split into its statements and expressions, each of which
//! [`classify`] judges. In doubt it may do anything. Servers do not check what a routine declares
//! about itself, so a body that can be seen counts more.

use std::collections::HashSet;

use super::classify::{Context, RoutineFacts, Routines, classify};
use super::{Effects, Kind, Lexer, Options, StatementKind, Token, steps};

/// Longer bodies are not looked into.
const MAX_TOKENS: usize = 50_000;

/// Judges a body. `schema` is the routine's own, in which the names of its calls are looked up by `routines`.
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

/// The tokens that mean something; None if servers may read them in several ways.
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
    /// Declared so far, in lower case; a SET of any other name may be one of a parameter or of a system variable.
    variables: HashSet<Vec<u8>>,
    /// It only reads.
    reads: bool,
    /// It leaves nothing behind in the session.
    clean: bool,
}

impl<'a> Judge<'a> {
    fn other(&mut self) {
        self.clean = false;
    }

    /// What stands between two semicolons: control words, then a statement.
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

    /// Judges the expression up to the keyword; returns what stands behind that.
    fn until<'t>(&mut self, keyword: &str, toks: &'t [Token<'a>]) -> &'t [Token<'a>] {
        let Some(at) = outside(toks, |token| token.is(keyword)) else {
            self.other();
            return &[];
        };
        let (expression, rest) = toks.split_at(at);
        self.expression(expression);
        rest.get(1..).unwrap_or_default()
    }

    /// Behind DECLARE; returns the statement that belongs to it.
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
            // END LOOP label
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

    /// `name = expression` of a declared variable.
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

    /// A query, with or without INTO variables, which a routine's local ones only are without `@`.
    fn query(&mut self, toks: &[Token<'a>]) {
        let Some(at) = outside(toks, |token| token.is("INTO")) else {
            return self.classify(self.text(toks));
        };
        let (before, into) = toks.split_at(at);
        let local = local_variables(into.get(1..).unwrap_or_default());
        // A user variable, a file: left to be judged with the INTO.
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
        // What it looks at in the session is the caller's business: every call counts as looking.
        let looks = Effects::READS_INSERT_ID | Effects::READS_USER_VARIABLES;
        let harmless = Effects::REPEATABLE | Effects::LOCKS_ROWS | Effects::CALLS | looks;
        let kinds = [StatementKind::Read, StatementKind::Admin, StatementKind::Write];
        self.clean &= kinds.contains(&class.kind) && harmless.contains(class.effects);
        self.reads &= class.is_read() && !class.effects.contains(Effects::LOCKS_ROWS);
    }

    /// From the first to the last token.
    fn text(&self, toks: &[Token<'a>]) -> &'a [u8] {
        match (toks.first(), toks.last()) {
            (Some(first), Some(last)) => {
                self.body.get(first.start..last.start + last.text.len()).unwrap_or_default()
            }
            _ => b"",
        }
    }
}

/// How many tokens a list of names has that stands first; None if something else stands in it.
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

/// The place of the first token outside parentheses of which this holds.
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

/// Behind HANDLER: `FOR condition, condition` …; the handler's statement follows.
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
