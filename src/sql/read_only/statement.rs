//! One statement of a text as an iterator over its tokens; a copy is a bookmark.

use crate::sql::{Kind, Lexer, Token};

/// The tokens that mean something, up to the `;`, as a server sees them that skips the
/// versioned comments of the given marks and reads the others.
#[derive(Debug, Clone, Copy)]
pub(super) struct Statement<'a> {
    lexer: Lexer<'a>,
    skipped: &'a [&'a [u8]],
    ended: bool,
}

impl<'a> Statement<'a> {
    /// From where the lexer stands.
    pub(super) fn new(lexer: Lexer<'a>, skipped: &'a [&'a [u8]]) -> Self {
        Self { lexer, skipped, ended: false }
    }

    /// Whether it may change how the servers split the text behind it: sql_mode, character sets.
    /// What EXECUTE does was decided elsewhere.
    pub(super) fn changes_reading(mut self) -> bool {
        match self.next() {
            Some(first) if first.is("EXECUTE") => true,
            Some(first) if first.is("SET") => self.any(|token| {
                let name = token.text.to_ascii_lowercase();
                [&b"sql_mode"[..], b"names", b"char"].iter().any(|part| contains(&name, part))
            }),
            _ => false,
        }
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

impl<'a> Iterator for Statement<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        while !self.ended {
            match self.lexer.next_significant() {
                None => self.ended = true,
                Some(token) => match token.kind {
                    Kind::Semicolon => self.ended = true,
                    Kind::CodeOpen if self.skipped.contains(&token.text) => self.lexer.skip_code_comment(),
                    Kind::CodeOpen | Kind::CodeClose => {}
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
