//! One statement of a text, as an iterator over its tokens. A copy continues at the same position.

use super::budget::Budget;
use super::functions::Calls;
use crate::sql::{Kind, Lexer, Token};

/// The tokens of a statement up to the `;`, without white space and comments, as seen by a server
/// that skips the versioned comments of the given marks and reads the others.
///
/// Words are split at 0xa0 and 0xff: in latin1, cp850 and others these bytes are white space (tried
/// on both servers). UTF-8 has 0xa0 inside characters, but always behind another byte over 0x7f, so
/// the split never makes a keyword of the allow list out of the beginning of a name.
#[derive(Clone, Copy)]
pub(super) struct Statement<'a> {
    lexer: Lexer<'a>,
    skipped: &'a [&'a [u8]],
    /// The rest of the current word that was not returned yet, behind a separator.
    word: &'a [u8],
    /// The offset of `word`.
    start: usize,
    ended: bool,
    /// Once this budget is spent, the iterator ends.
    budget: &'a Budget,
    /// What is known of stored functions.
    calls: Option<&'a Calls<'a>>,
}

impl<'a> Statement<'a> {
    /// Begins at the position of the lexer.
    pub(super) fn new(
        lexer: Lexer<'a>,
        skipped: &'a [&'a [u8]],
        budget: &'a Budget,
        calls: Option<&'a Calls<'a>>,
    ) -> Self {
        Self { lexer, skipped, word: &[], start: 0, ended: false, budget, calls }
    }

    /// Returns what is known of stored functions. None: calls are not checked.
    pub(super) fn calls(&self) -> Option<&'a Calls<'a>> {
        self.calls
    }

    /// Returns the budget of the whole text.
    pub(super) fn budget(&self) -> &'a Budget {
        self.budget
    }

    /// True if the statement may change how the servers split the text behind it: it may set sql_mode
    /// or a character set. EXECUTE may do anything that a prepared text does.
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

/// True if the text contains `part`, in any case.
fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part))
}

impl<'a> Statement<'a> {
    /// Returns the next part of the current word.
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

/// Returns the tokens outside parentheses, without the parentheses.
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
