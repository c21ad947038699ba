//! The statements of a text as tokens, in an alphabet that all servers read alike, with and without the content of
//! their versioned comments.

use super::budget::ReadingBudget;
use super::refusal::{Reason, Refusal};
use crate::{Kind, Lexer, Options, TextCharset, Token};

/// The most different versioned comments in one statement, each of which a server may read or skip.
const MAX_VERSIONS: usize = 4;

/// Cuts a text into its statements.
pub(super) struct Pieces<'a> {
    lexer: Lexer<'a>,
    options: Options,
    length: usize,
}

impl<'a> Pieces<'a> {
    pub(super) fn new(sql: &'a [u8], options: Options) -> Self {
        Self { lexer: Lexer::new(sql, options), options, length: sql.len() }
    }

    /// Returns the offset behind the last statement.
    pub(super) fn offset(&self) -> usize {
        self.lexer.offset()
    }

    /// Returns the next statement. None: the text has no more.
    pub(super) fn next(&mut self, budget: &ReadingBudget) -> Result<Option<GuardedStatement<'a>>, Refusal> {
        if self.offset() >= self.length {
            return Ok(None);
        }
        let mut statement = GuardedStatement { all: Vec::new(), marks: Vec::new(), read: Vec::new() };
        while let Some(token) = self.lexer.next() {
            if !budget.take(token.text.len()) {
                return Err(Reason::TooMuchWork.into());
            }
            match token.kind {
                Kind::Space | Kind::Comment => continue,
                Kind::Incomplete => return Err(Refusal::near(Reason::Unreadable, Some(&token))),
                // A server that skips the comment sees one statement, a server that reads it sees two.
                Kind::Semicolon if self.lexer.in_code_comment() => {
                    return Err(Refusal::near(Reason::Unreadable, Some(&token)));
                }
                Kind::Semicolon => break,
                // A bare /*! is code for every server.
                Kind::CodeOpen if token.text != b"/*!" && !statement.marks.contains(&token.text) => {
                    if statement.marks.len() == MAX_VERSIONS {
                        return Err(Refusal::near(Reason::Unreadable, Some(&token)));
                    }
                    statement.marks.push(token.text);
                }
                Kind::CodeOpen | Kind::CodeClose => {}
                _ if !self.is_certain(&token) => {
                    return Err(Refusal::near(Reason::NotUnderstood, Some(&token)));
                }
                _ => {}
            }
            statement.all.push(token);
        }
        Ok(Some(statement))
    }

    /// True if every server finds the same token here.
    fn is_certain(&self, token: &Token<'_>) -> bool {
        let letters = |text: &[u8]| match self.options.charset {
            // 0xa0 and 0xff are white space in latin1 and others, and some bytes are no letters.
            TextCharset::Utf8 => is_letters(text),
            _ => text.is_ascii(),
        };
        match token.kind {
            // `$$` may begin a string.
            Kind::Word => token.text.first() != Some(&b'$') && (token.text.is_ascii() || letters(token.text)),
            // A NUL ends a name on some servers. Within quotes, a byte beyond ASCII is a byte of the name in character sets of
            // single bytes: dumps use `binary`.
            Kind::QuotedIdentifier => {
                let single = self.options.charset == TextCharset::SingleByte;
                token.text.len() > 2
                    && token.text.iter().all(|byte| *byte >= b' ' && *byte != 0x7f)
                    && (single || letters(token.text))
            }
            Kind::Operator => b"!%&*+-/:<>?^{|}~".contains(token.text.first().unwrap_or(&0)),
            _ => true,
        }
    }
}

/// True for UTF-8 of characters that are no white space or control characters, of at most three bytes.
fn is_letters(text: &[u8]) -> bool {
    let fits = |letter: char| letter.len_utf8() < 4 && !letter.is_control() && letter != '\u{feff}';
    std::str::from_utf8(text).is_ok_and(|text| text.chars().all(fits))
}

/// One statement of a text.
pub(super) struct GuardedStatement<'a> {
    /// All tokens but white space and ordinary comments, with the marks of versioned comments.
    all: Vec<Token<'a>>,
    /// The different marks of its versioned comments.
    marks: Vec<&'a [u8]>,
    /// The tokens of the last reading.
    read: Vec<Token<'a>>,
}

impl<'a> GuardedStatement<'a> {
    /// Returns every set of versioned comments that a server could skip, as bits. Nearly always this is only the empty set.
    pub(super) fn readings(&self) -> impl Iterator<Item = u32> + use<> {
        0..1u32 << self.marks.len()
    }

    /// Returns the tokens as a server sees them that skips this set of versioned comments.
    pub(super) fn read(&mut self, skipped: u32, budget: &ReadingBudget) -> &[Token<'a>] {
        let versioned = self.all.iter().any(|token| token.kind == Kind::CodeOpen);
        if !versioned {
            return &self.all;
        }
        self.read.clear();
        let mut skips = false;
        for token in &self.all {
            match token.kind {
                Kind::CodeOpen => {
                    let at = self.marks.iter().position(|mark| *mark == token.text);
                    skips = at.is_some_and(|at| skipped >> at & 1 == 1);
                }
                Kind::CodeClose => skips = false,
                _ if skips => {}
                _ => self.read.push(*token),
            }
            if !budget.take(token.text.len()) {
                break;
            }
        }
        &self.read
    }
}
