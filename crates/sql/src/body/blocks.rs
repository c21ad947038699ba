//! The statements of a body, with the blocks that they stand in. A variable is known only inside the block that declares
//! it: behind the block, `SET name = …` assigns to a system variable of that name.

use std::collections::HashSet;

use super::{Judge, is_name, unquoted};
use crate::{Kind, Token, steps};

/// Blocks may be nested this deep.
const MAX_DEPTH: usize = 100;

/// The blocks that are open at a place of the body, the outermost first.
pub(super) struct Blocks {
    /// The names of the parameters, in lower case.
    parameters: HashSet<Vec<u8>>,
    open: Vec<Block>,
    /// True if an END did not match.
    broken: bool,
}

struct Block {
    /// The word behind END: None for `BEGIN … END`.
    closes_with: Option<&'static str>,
    /// The variables that the block declares, in lower case.
    variables: HashSet<Vec<u8>>,
}

impl Blocks {
    pub(super) fn new(parameters: &[Box<[u8]>]) -> Self {
        let parameters = parameters.iter().map(|name| name.to_ascii_lowercase()).collect();
        Blocks { parameters, open: Vec::new(), broken: false }
    }

    pub(super) fn all_closed(&self) -> bool {
        self.open.is_empty() && !self.broken
    }

    fn open(&mut self, closes_with: Option<&'static str>) {
        self.broken |= self.open.len() >= MAX_DEPTH;
        if !self.broken {
            self.open.push(Block { closes_with, variables: HashSet::new() });
        }
    }

    fn close(&mut self, word: Option<&Token<'_>>) {
        let closed = self.open.pop().is_some_and(|block| match (block.closes_with, word) {
            (None, None) => true,
            (Some(expected), Some(word)) => word.is(expected),
            _ => false,
        });
        self.broken |= !closed;
    }

    fn declare(&mut self, name: &Token<'_>) {
        if let Some(block) = self.open.last_mut() {
            block.variables.insert(unquoted(name).to_ascii_lowercase());
        }
    }

    /// True for a variable of an open block, or a parameter. Names outside ASCII are compared as bytes: a name that is
    /// not found may be that of a system variable.
    fn has(&self, name: &Token<'_>) -> bool {
        let name = unquoted(name).to_ascii_lowercase();
        self.parameters.contains(&name) || self.open.iter().any(|block| block.variables.contains(&name))
    }
}

impl<'a> Judge<'a> {
    /// Judges the tokens between two semicolons: control words, then a statement.
    pub(super) fn piece(&mut self, blocks: &mut Blocks, mut toks: &[Token<'a>]) {
        while let [first, rest @ ..] = toks {
            toks = match rest {
                [colon, rest @ ..] if colon.text == b":" && is_name(first) => rest,
                _ if first.is("BEGIN") => opened(blocks, None, rest),
                _ if first.is("LOOP") => opened(blocks, Some("LOOP"), rest),
                _ if first.is("REPEAT") => opened(blocks, Some("REPEAT"), rest),
                _ if first.is("ELSE") => rest,
                _ if first.is("IF") => self.until("THEN", opened(blocks, Some("IF"), rest)),
                [second, ..] if first.is("CASE") => {
                    let rest = opened(blocks, Some("CASE"), rest);
                    let rest = if second.is("WHEN") {
                        rest.get(1..).unwrap_or_default()
                    } else {
                        self.until("WHEN", rest)
                    };
                    self.until("THEN", rest)
                }
                _ if first.is_any(&["ELSEIF", "WHEN"]) => self.until("THEN", rest),
                _ if first.is("WHILE") => self.until("DO", opened(blocks, Some("WHILE"), rest)),
                [name, ..] if first.is("FOR") => {
                    blocks.open(Some("FOR"));
                    blocks.declare(name);
                    self.range(rest.get(1..).unwrap_or_default())
                }
                _ if first.is("DECLARE") => self.declare(blocks, rest),
                _ if first.is("END") => return self.end(blocks, rest),
                _ if first.is("UNTIL") => return self.until_end(blocks, rest),
                _ => return self.statement(blocks, first, toks, rest),
            };
        }
    }

    /// `END`, `END label`, `END LOOP`, `END LOOP label`. A label never is one of the words.
    fn end(&mut self, blocks: &mut Blocks, rest: &[Token<'a>]) {
        let words = ["IF", "CASE", "LOOP", "REPEAT", "WHILE", "FOR"];
        let word = rest.first().filter(|word| word.is_any(&words));
        let label = if word.is_some() { rest.get(1..).unwrap_or_default() } else { rest };
        if label.len() > 1 || label.iter().any(|label| !is_name(label)) {
            self.unknown();
        }
        blocks.close(word);
    }

    /// Judges the condition of `UNTIL condition END REPEAT [label]`.
    fn until_end(&mut self, blocks: &mut Blocks, rest: &[Token<'a>]) {
        let end = rest.iter().rposition(|token| token.is("REPEAT")).and_then(|at| at.checked_sub(1));
        match end.map(|at| rest.split_at(at)) {
            Some((condition, [end, behind @ ..])) if end.is("END") => {
                self.expression(condition);
                self.end(blocks, behind);
            }
            _ => self.unknown(),
        }
    }

    /// Judges the expression up to the keyword; returns the tokens behind the keyword.
    fn until<'t>(&mut self, keyword: &str, toks: &'t [Token<'a>]) -> &'t [Token<'a>] {
        let Some(at) = outside(toks, |token| token.is(keyword)) else {
            self.unknown();
            return &[];
        };
        let (expression, rest) = toks.split_at(at);
        self.expression(expression);
        rest.get(1..).unwrap_or_default()
    }

    /// Judges `IN [REVERSE] low..high DO`, `IN (query) DO` or `IN cursor DO`; returns the tokens behind DO.
    fn range<'t>(&mut self, toks: &'t [Token<'a>]) -> &'t [Token<'a>] {
        let Some((range, rest)) = outside(toks, |token| token.is("DO")).map(|at| toks.split_at(at)) else {
            self.unknown();
            return &[];
        };
        let range = match range {
            [word, reverse, range @ ..] if word.is("IN") && reverse.is("REVERSE") => range,
            [word, range @ ..] if word.is("IN") => range,
            _ => &[],
        };
        match range {
            [first, ..] if first.kind == Kind::Open => self.expression(range),
            _ if is_plain_range(range) => {}
            _ => self.unknown(),
        }
        rest.get(1..).unwrap_or_default()
    }

    /// Judges `[condition] [SET name = expression, …]`, where a condition is a name or `SQLSTATE [VALUE] 'state'`.
    fn signal(&mut self, toks: &[Token<'a>]) {
        let (condition, items) = toks.split_at(outside(toks, |token| token.is("SET")).unwrap_or(toks.len()));
        let is_known = match condition {
            [] => true,
            [name] => is_name(name),
            [state, text] => state.is("SQLSTATE") && text.kind == Kind::String,
            [state, value, text] => state.is("SQLSTATE") && value.is("VALUE") && text.kind == Kind::String,
            _ => false,
        };
        if !is_known {
            self.unknown();
        }
        let Some(items) = items.get(1..) else { return };
        for item in split_outside(items) {
            match item {
                [name, sign, value @ ..] if is_name(name) && sign.kind == Kind::Equals => {
                    self.expression(value)
                }
                _ => self.unknown(),
            }
        }
    }

    /// Judges the tokens behind DECLARE; returns the query of a cursor or the statement of a handler, which is judged
    /// next.
    fn declare<'t>(&mut self, blocks: &mut Blocks, toks: &'t [Token<'a>]) -> &'t [Token<'a>] {
        match toks {
            [_, kind, ..] if kind.is("CURSOR") => match outside(toks, |token| token.is("FOR")) {
                Some(at) => return toks.get(at + 1..).unwrap_or_default(),
                None => self.unknown(),
            },
            [_, kind, rest @ ..] if kind.is("HANDLER") => match behind_conditions(rest) {
                Some(rest) => return rest,
                None => self.unknown(),
            },
            [_, kind, ..] if kind.is("CONDITION") => {}
            _ => {
                // `a, b INT DEFAULT …`: a comma behind the type is part of it, or of the default.
                let mut rest = toks;
                while let [name, behind @ ..] = rest
                    && is_name(name)
                {
                    blocks.declare(name);
                    match behind {
                        [comma, more @ ..] if comma.kind == Kind::Comma => rest = more,
                        _ => break,
                    }
                }
                if let Some(at) = outside(toks, |token| token.is("DEFAULT")) {
                    self.expression(toks.get(at + 1..).unwrap_or_default());
                }
            }
        }
        &[]
    }

    fn statement(&mut self, blocks: &Blocks, first: &Token<'a>, all: &[Token<'a>], rest: &[Token<'a>]) {
        let verb = |words: &[&str]| first.is_any(words);
        if first.kind == Kind::Open || verb(&["SELECT", "WITH", "VALUES", "TABLE"]) {
            self.query(all);
        } else if verb(&["INSERT", "UPDATE", "DELETE", "REPLACE"]) {
            self.classify(self.text(all));
            self.names_of_write(all);
        } else if first.is("CALL") {
            self.classify(self.text(all));
            self.names_of_call(all);
        } else if verb(&["RETURN", "DO"]) {
            self.expression(rest);
        } else if verb(&["SIGNAL", "RESIGNAL"]) {
            self.signal(rest);
        } else if first.is("SET") {
            for assignment in split_outside(rest) {
                self.assignment(blocks, assignment);
            }
        } else if verb(&["LEAVE", "ITERATE", "OPEN", "CLOSE"]) {
            if rest.len() > 1 {
                self.unknown();
            }
        } else if verb(&["FETCH", "GET"]) {
            if rest.iter().any(|token| matches!(token.kind, Kind::At | Kind::AtAt)) {
                self.acts();
            }
        } else if verb(&KNOWN_TO_ACT) {
            self.acts();
        } else {
            self.unknown();
        }
    }

    /// Judges `name = expression`. The name must be that of a declared variable, of a parameter, or of a column of a
    /// trigger's new row; otherwise it is that of a system variable.
    fn assignment(&mut self, blocks: &Blocks, toks: &[Token<'a>]) {
        let is_sign = |sign: &Token<'_>| matches!(sign.kind, Kind::Equals | Kind::Assign);
        match toks {
            [name, sign, value @ ..] if is_name(name) && is_sign(sign) && blocks.has(name) => {
                self.expression(value);
            }
            [new, dot, column, sign, value @ ..]
                if self.code.of_trigger
                    && new.is("NEW")
                    && dot.kind == Kind::Dot
                    && is_name(column)
                    && is_sign(sign) =>
            {
                self.expression(value);
            }
            // `SET variable.field = …`, if the variable is a row.
            [name, dot, ..] if is_name(name) && dot.kind == Kind::Dot => self.unknown(),
            // A name outside ASCII may be written in another way than where it was declared.
            [name, sign, ..] if is_sign(sign) && !name.text.is_ascii() => self.unknown(),
            _ => self.acts(),
        }
    }

    /// Judges a query, with or without INTO. INTO only local variables (names without `@`) is left out.
    fn query(&mut self, toks: &[Token<'a>]) {
        let Some(at) = outside(toks, |token| token.is("INTO")) else {
            self.names(toks);
            return self.classify(self.text(toks));
        };
        let (before, into) = toks.split_at(at);
        let local = local_variables(into.get(1..).unwrap_or_default());
        // INTO user variables or a file stays in the text, so that `classify` judges it.
        let from = local.map_or(0, |count| count + 1);
        let behind = into.get(from..).unwrap_or_default();
        let mut text = self.text(before).to_vec();
        text.push(b' ');
        text.extend_from_slice(self.text(behind));
        self.classify(&text);
        let toks: Vec<_> = before.iter().chain(behind).copied().collect();
        self.names(&toks);
    }
}

/// First words of statements that do more than read and write rows. Not among them are PREPARE and EXECUTE, which may
/// do anything, and words that are not known.
const KNOWN_TO_ACT: [&str; 24] = [
    "ALTER",
    "ANALYZE",
    "BINLOG",
    "CACHE",
    "COMMIT",
    "CREATE",
    "DROP",
    "FLUSH",
    "GRANT",
    "HANDLER",
    "INSTALL",
    "KILL",
    "LOAD",
    "LOCK",
    "OPTIMIZE",
    "RENAME",
    "REPAIR",
    "RESET",
    "REVOKE",
    "ROLLBACK",
    "SAVEPOINT",
    "START",
    "TRUNCATE",
    "UNLOCK",
];

fn opened<'t, 'a>(
    blocks: &mut Blocks,
    closes_with: Option<&'static str>,
    rest: &'t [Token<'a>],
) -> &'t [Token<'a>] {
    blocks.open(closes_with);
    rest
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

/// True for numbers and names of variables with `..` between them, and for the name of a cursor. False for `s.nextval` and NEXT
/// VALUE FOR, which change a sequence.
fn is_plain_range(range: &[Token<'_>]) -> bool {
    let plain = range.iter().all(|token| matches!(token.kind, Kind::Number | Kind::Word | Kind::Dot));
    let word = |token: &Token<'_>| token.kind == Kind::Word;
    let side_by_side = range.windows(2).any(|pair| matches!(pair, [one, two] if word(one) && word(two)));
    let qualified = range
        .windows(3)
        .any(|three| matches!(three, [one, dot, two] if word(one) && dot.kind == Kind::Dot && word(two)));
    plain && !range.is_empty() && !side_by_side && !qualified
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
