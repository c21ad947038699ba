//! One statement of a text as an iterator over its tokens; a copy is a bookmark.

use super::budget::Budget;
use super::functions::Calls;
use crate::sql::{Kind, Lexer, Token};

/// The tokens that mean something, up to the `;`, as a server sees them that skips the
/// versioned comments of the given marks and reads the others.
///
/// In words, 0xa0 and 0xff separate: in latin1, cp850 and others they are white space (tried on
/// both servers). UTF-8 has 0xa0 inside characters, but there it is no word's end: a byte over
/// 0x7f stands before it, so no keyword of the allow list comes out of a name.
#[derive(Clone, Copy)]
pub(super) struct Statement<'a> {
    lexer: Lexer<'a>,
    skipped: &'a [&'a [u8]],
    /// What is left of a word behind a separator.
    word: &'a [u8],
    /// Its offset.
    start: usize,
    ended: bool,
    /// Once it is spent, every statement of the text seems to end.
    budget: &'a Budget,
    /// What is known of functions.
    calls: Option<&'a Calls<'a>>,
}

impl<'a> Statement<'a> {
    /// From where the lexer stands.
    pub(super) fn new(
        lexer: Lexer<'a>,
        skipped: &'a [&'a [u8]],
        budget: &'a Budget,
        calls: Option<&'a Calls<'a>>,
    ) -> Self {
        Self { lexer, skipped, word: &[], start: 0, ended: false, budget, calls }
    }

    /// What is known of functions; None: any may be called.
    pub(super) fn calls(&self) -> Option<&'a Calls<'a>> {
        self.calls
    }

    /// What the text that it stands in may cost.
    pub(super) fn budget(&self) -> &'a Budget {
        self.budget
    }

    /// Whether it may change how the servers split the text behind it: sql_mode, character sets.
    /// What EXECUTE does was decided elsewhere.
    pub(super) fn changes_reading(mut self) -> bool {
        match self.next() {
            Some(first) if first.is("EXECUTE") => true,
            Some(first) if first.is("SET") => self.any(|token| {
                [&b"sql_mode"[..], b"names", b"char"].iter().any(|part| contains(token.text, part))
            }),
            _ => false,
        }
    }
}

/// Whether these few letters stand in the text, in any case.
fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part))
}

impl<'a> Statement<'a> {
    /// The next part of the word that was begun.
    fn part(&mut self) -> Option<Token<'a>> {
        let is_separator = |byte: &u8| matches!(byte, 0xa0 | 0xff);
        let skip = self.word.iter().position(|byte| !is_separator(byte))?;
        let part = self.word.get(skip..)?;
        let length = part.iter().position(is_separator).unwrap_or(part.len());
        let (text, rest) = part.split_at_checked(length)?;
        let start = self.start + skip;
        self.word = rest;
        self.start = start + length;
        Some(Token { kind: Kind::Word, text, start })
    }
}

impl<'a> Iterator for Statement<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        while !self.ended {
            if let Some(part) = self.part() {
                return Some(part);
            }
            self.word = &[];
            let from = self.lexer.offset();
            let token = self.lexer.next_significant();
            if !self.budget.take(self.lexer.offset().saturating_sub(from)) {
                self.ended = true;
                return None;
            }
            match token {
                None => self.ended = true,
                Some(token) => match token.kind {
                    Kind::Semicolon => self.ended = true,
                    Kind::CodeOpen if self.skipped.contains(&token.text) => self.lexer.skip_code_comment(),
                    Kind::CodeOpen | Kind::CodeClose => {}
                    Kind::Word if !token.text.is_ascii() => {
                        self.word = token.text;
                        self.start = token.start;
                    }
                    _ => return Some(token),
                },
            }
        }
        None
    }
}

/// The tokens that stand in no parentheses, parentheses left out.
pub(super) fn outside<'a>(tokens: impl Iterator<Item = Token<'a>>) -> impl Iterator<Item = Token<'a>> {
    let mut depth = 0usize;
    tokens.filter(move |token| {
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth = depth.saturating_sub(1),
            _ => return depth == 0,
        }
        false
    })
}
