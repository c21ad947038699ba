//! Splits a text into statements. Each is a list of tokens without white space and comments.

pub(crate) mod hint;

use super::vocabulary::names::CONSISTENCY;
use super::vocabulary::words::{Meaning, meaning};
use crate::{Effects, Kind, Lexer, Options, steps};

/// A token that is neither white space nor a comment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tok<'a> {
    pub(crate) kind: Kind,
    pub(crate) meaning: Meaning,
    pub(crate) text: &'a [u8],
    pub(crate) start: usize,
}

/// The token that is returned beyond the last one.
const END: Tok<'static> = Tok { kind: Kind::Semicolon, meaning: Meaning::Name, text: b"", start: usize::MAX };

/// The most tokens (after shortening) that are examined in a text, over all its statements and all the ways in which
/// servers may read their versioned comments. A text with more counts as not understood.
const MAX_TOKENS: usize = 100_000;

/// The most different versioned comments in one statement, each of which a server may read or skip.
const MAX_VERSIONS: usize = 4;

impl<'a> Tok<'a> {
    /// True if the token is this keyword, in any case.
    pub(crate) fn is(&self, keyword: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(keyword.as_bytes())
    }

    /// True if the token is one of these keywords.
    pub(crate) fn is_any(&self, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.is(keyword))
    }

    /// True for a name, quoted or not.
    pub(crate) fn is_name(&self) -> bool {
        matches!(self.kind, Kind::Word | Kind::QuotedIdentifier)
    }

    /// Returns the name without its quotes. A doubled quote inside stays doubled.
    pub(crate) fn name(&self) -> &'a [u8] {
        match (self.kind, self.text) {
            (Kind::QuotedIdentifier | Kind::String, [_, name @ .., _]) => name,
            (_, text) => text,
        }
    }

    /// True if the token is this name, quoted or not, in any case.
    pub(crate) fn names(&self, name: &str) -> bool {
        self.is_name() && self.name().eq_ignore_ascii_case(name.as_bytes())
    }

    pub(crate) fn is_assignment(&self) -> bool {
        matches!(self.kind, Kind::Equals | Kind::Assign)
    }

    fn is_literal(&self) -> bool {
        matches!(self.kind, Kind::Number | Kind::String)
            || self.meaning == Meaning::Literal
            || (self.kind == Kind::Operator && self.text == b"?")
    }
}

/// The tokens of a statement, or of a part of it. Cheap to copy.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Statement<'t, 'a>(pub(crate) &'t [Tok<'a>]);

impl<'t, 'a> Statement<'t, 'a> {
    /// Returns the token at this position, or `END` if there is none.
    pub(crate) fn at(&self, place: usize) -> Tok<'a> {
        steps::count(1);
        self.0.get(place).copied().unwrap_or(END)
    }

    /// Returns the token `back` positions before `place`.
    pub(crate) fn before(&self, place: usize, back: usize) -> Tok<'a> {
        place.checked_sub(back).map_or(END, |place| self.at(place))
    }

    pub(crate) fn is(&self, place: usize, keyword: &str) -> bool {
        self.at(place).is(keyword)
    }

    /// Returns the tokens from this position on.
    pub(crate) fn from(&self, place: usize) -> Statement<'t, 'a> {
        Statement(self.0.get(place..).unwrap_or_default())
    }

    /// Returns the tokens before this position.
    pub(crate) fn until(&self, place: usize) -> Statement<'t, 'a> {
        Statement(self.0.get(..place).unwrap_or(self.0))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// All tokens, in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &'t Tok<'a>> + use<'t, 'a> {
        self.0.iter().inspect(|_| steps::count(1))
    }

    pub(crate) fn has(&self, keyword: &str) -> bool {
        self.iter().any(|tok| tok.is(keyword))
    }

    /// Returns the position of the first token outside parentheses for which `wanted` is true.
    pub(crate) fn outside(&self, wanted: impl Fn(&Tok<'a>) -> bool) -> Option<usize> {
        let mut depth = 0usize;
        self.iter().position(|tok| {
            match tok.kind {
                Kind::Open => depth += 1,
                Kind::Close => depth = depth.saturating_sub(1),
                _ => return depth == 0 && wanted(tok),
            }
            false
        })
    }

    /// Returns the position behind the parenthesis that closes the one at `open`.
    pub(crate) fn behind(&self, open: usize) -> usize {
        let mut depth = 0usize;
        for place in open..self.len() {
            match self.at(place).kind {
                Kind::Open => depth += 1,
                Kind::Close => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                return place + 1;
            }
        }
        self.len()
    }
}

/// The error for a text that cannot be read with certainty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unreadable;

/// A statement before its versioned comments are resolved: their marks are among the tokens.
pub(crate) struct Raw<'a> {
    pub(crate) toks: Vec<Tok<'a>>,
    /// The marks of versioned comments that a server may skip, each once.
    pub(crate) marks: Vec<&'a [u8]>,
    /// True if the statement has a versioned comment.
    pub(crate) versioned: bool,
    /// How many tokens of the text may still be examined.
    left: usize,
}

/// What happens to lists of literals in parentheses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lists {
    /// They are kept.
    Whole,
    /// They are shortened: `(1, 2, 3), (4, 5, 6)` becomes `(6)`, so that even the largest INSERT costs little memory.
    Short,
}

/// Splits a text, and calls `each` with every statement that is not empty. Returns the hints in the comments, and
/// `MAY_BE_OWN` if the text contains the name of the proxy's own variable.
pub(crate) fn statements<'a>(
    sql: &'a [u8],
    options: Options,
    lists: Lists,
    mut each: impl FnMut(&Raw<'a>),
) -> Result<Effects, Unreadable> {
    if options.is_ambiguous(sql) {
        return Err(Unreadable);
    }
    let mut lexer = Lexer::new(sql, options);
    let mut hints = Effects::empty();
    let room = (sql.len() / 4 + 8).min(4096);
    let toks = Vec::with_capacity(room);
    let mut raw = Raw { toks, marks: Vec::new(), versioned: false, left: MAX_TOKENS };
    let (mut depth, mut behind) = (0usize, false);
    while let Some(token) = lexer.next() {
        let mut tok = Tok { kind: token.kind, meaning: Meaning::Name, text: token.text, start: token.start };
        match token.kind {
            Kind::Space => continue,
            Kind::Comment => {
                hints |= hint::read(token.text);
                // Servers end the statement in front of it as the first of several: its answer has MORE_RESULTS_EXISTS, and
                // another one follows.
                if behind {
                    hints |= Effects::SEVERAL;
                }
                continue;
            }
            Kind::Incomplete => return Err(Unreadable),
            // A server that skips the comment sees one statement, a server that reads it sees two.
            Kind::Semicolon if lexer.in_code_comment() => return Err(Unreadable),
            Kind::Semicolon => {
                finish(&mut raw, &mut each)?;
                (depth, behind) = (0, true);
                continue;
            }
            Kind::CodeOpen => {
                raw.versioned = true;
                // A bare /*! is code for every server.
                if token.text != b"/*!" && !raw.marks.contains(&token.text) {
                    if raw.marks.len() == MAX_VERSIONS {
                        return Err(Unreadable);
                    }
                    raw.marks.push(token.text);
                }
            }
            Kind::Word => {
                if !token.text.is_ascii() && hides_a_word(token.text) {
                    return Err(Unreadable);
                }
                tok.meaning = meaning(token.text);
                hints |= own_variable(&tok);
            }
            Kind::QuotedIdentifier => hints |= own_variable(&tok),
            Kind::Open => depth += 1,
            Kind::Close => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > 0 && lists == Lists::Short {
            shorten(&mut raw.toks, tok);
        }
        raw.toks.push(tok);
        if raw.toks.len() > raw.left {
            return Err(Unreadable);
        }
    }
    finish(&mut raw, &mut each)?;
    Ok(hints)
}

fn own_variable(tok: &Tok<'_>) -> Effects {
    if tok.names(CONSISTENCY) { Effects::MAY_BE_OWN } else { Effects::empty() }
}

fn finish<'a>(raw: &mut Raw<'a>, each: &mut impl FnMut(&Raw<'a>)) -> Result<(), Unreadable> {
    // Every combination of read and skipped versioned comments costs as much as all tokens.
    let cost = raw.toks.len() << raw.marks.len();
    raw.left = raw.left.checked_sub(cost).ok_or(Unreadable)?;
    if !raw.toks.is_empty() {
        each(raw);
    }
    raw.toks.clear();
    raw.marks.clear();
    raw.versioned = false;
    Ok(())
}

/// True if a word cannot be read with certainty. 0xa0 and 0xff are white space in latin1, cp850 and others, and parts
/// of characters in UTF-8; the word is uncertain if one of the parts between these bytes is a word with a meaning.
fn hides_a_word(word: &[u8]) -> bool {
    let is_separator = |byte: &u8| matches!(byte, 0xa0 | 0xff);
    word.iter().any(is_separator)
        && word.split(is_separator).any(|part| meaning(part) != Meaning::Name || is_verb(part))
}

fn is_verb(part: &[u8]) -> bool {
    let words: [&[u8]; 8] =
        [b"outfile", b"dumpfile", b"write", b"with", b"share", b"value", b"next", b"previous"];
    words.iter().any(|word| part.eq_ignore_ascii_case(word))
}

/// Drops the tokens that the next token makes superfluous, if it continues a list of literals or a list of such lists.
fn shorten(toks: &mut Vec<Tok<'_>>, tok: Tok<'_>) {
    let drop = match toks.as_slice() {
        [.., value, comma] if tok.is_literal() && comma.kind == Kind::Comma && value.is_literal() => 2,
        // Only behind a comma or VALUES: behind a name the first list would be arguments of a function.
        [.., before, open, value, close, comma]
            if tok.kind == Kind::Open
                && (before.kind == Kind::Comma || before.is_any(&["VALUES", "VALUE"]))
                && (open.kind, close.kind, comma.kind) == (Kind::Open, Kind::Close, Kind::Comma)
                && value.is_literal() =>
        {
            4
        }
        _ => 0,
    };
    toks.truncate(toks.len() - drop);
}

/// Returns how many tokens the name at the beginning has (`t`, `s.t`, `` `s`.`t` ``); 0 if there is none.
pub(crate) fn name_length(statement: Statement<'_, '_>) -> usize {
    let is_name = |place| {
        let tok: Tok<'_> = statement.at(place);
        tok.is_name() && (tok.kind == Kind::QuotedIdentifier || tok.meaning != Meaning::WriteVerb)
    };
    match () {
        () if !is_name(0) => 0,
        () if statement.at(1).kind == Kind::Dot && statement.at(2).is_name() => 3,
        () => 1,
    }
}
