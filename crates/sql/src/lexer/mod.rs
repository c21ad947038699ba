//! Splits SQL text into tokens, by the servers' own lexical rules, without allocation. Any bytes
//! give tokens that cover them; a token without an end, or without a certain end, is
//! [`Kind::Incomplete`].

mod scan;
#[cfg(test)]
mod tests;

use super::steps;
use pointsman_terms::TextCharset;

/// The session's settings that decide how its texts are split into tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// sql_mode ANSI_QUOTES: `"` quotes identifiers.
    pub ansi_quotes: bool,
    /// sql_mode NO_BACKSLASH_ESCAPES: `\` is an ordinary character in strings.
    pub no_backslash_escapes: bool,
    /// The kind of `character_set_client`. See [`Options::is_ambiguous`].
    pub charset: TextCharset,
}

impl Options {
    /// True if a server may split a text in another way than the lexer, which reads bytes: in some
    /// character sets a character of two bytes ends in `\` or a backtick, in others these bytes are letters.
    /// Then the caller must treat the statement as unknown.
    pub fn is_ambiguous(&self, sql: &[u8]) -> bool {
        crate::steps::count(if self.charset > TextCharset::SingleByte { sql.len() } else { 0 });
        self.charset.is_ambiguous(sql)
    }
}

/// The kind of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// White space.
    Space,
    /// `-- …`, `# …`, `/* … */`, `/*+ … */`.
    Comment,
    /// The start of a versioned comment, whose content is code: `/*!`, `/*!50001`, `/*M!100100`.
    CodeOpen,
    /// The `*/` that ends a versioned comment.
    CodeClose,
    /// A keyword or identifier: letters, digits, `_`, `$`, any byte over 0x7f.
    Word,
    /// A decimal, hexadecimal or binary number without its sign.
    Number,
    /// A quoted string, quotes included; an introducer or N, X, B in front is a separate word.
    String,
    /// A quoted identifier, quotes included.
    QuotedIdentifier,
    /// `@`, in front of a user variable's name.
    At,
    /// `@@`, in front of a system variable's name.
    AtAt,
    /// `;`
    Semicolon,
    /// `(`
    Open,
    /// `)`
    Close,
    /// `,`
    Comma,
    /// `.`
    Dot,
    /// `=`
    Equals,
    /// `:=`
    Assign,
    /// Any other single byte.
    Operator,
    /// A quote or comment without end, or one that servers of different versions end at
    /// different points. The token is the whole rest of the text.
    Incomplete,
}

/// A token and its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token<'a> {
    /// The kind of the token.
    pub kind: Kind,
    /// The bytes of the token, unchanged; never empty.
    pub text: &'a [u8],
    /// The offset of the first byte in the text.
    pub start: usize,
}

impl Token<'_> {
    /// True for white space and comments.
    pub fn is_trivia(&self) -> bool {
        matches!(self.kind, Kind::Space | Kind::Comment)
    }

    /// True if the token is this keyword, in any case. Quoted identifiers are never keywords.
    pub fn is(&self, keyword: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(keyword.as_bytes())
    }

    /// True if the token is one of these keywords.
    pub fn is_any(&self, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.is(keyword))
    }
}

/// An iterator over the tokens of a text. A copy continues at the same position.
#[derive(Debug, Clone, Copy)]
pub struct Lexer<'a> {
    sql: &'a [u8],
    options: Options,
    at: usize,
    /// The offset of the `*/` of the versioned comment that the lexer is in.
    code_end: Option<usize>,
    /// True if the last token can precede `.name`.
    after_name: bool,
    /// True if the last token was the `.` of a qualified name: a name follows even if it begins with a digit.
    after_dot: bool,
}

impl<'a> Lexer<'a> {
    /// Makes a lexer at the start of `sql`.
    pub fn new(sql: &'a [u8], options: Options) -> Self {
        Self { sql, options, at: 0, code_end: None, after_name: false, after_dot: false }
    }

    /// Returns the offset of the next token.
    pub fn offset(&self) -> usize {
        self.at
    }

    /// Returns the text from this offset to its end.
    pub(super) fn text_from(&self, start: usize) -> &'a [u8] {
        self.sql.get(start..).unwrap_or_default()
    }

    /// True if the next token is in a versioned comment.
    pub fn in_code_comment(&self) -> bool {
        self.code_end.is_some()
    }

    /// Skips to the end of the versioned comment, as a server of another version does. Call it after a
    /// [`Kind::CodeOpen`].
    pub fn skip_code_comment(&mut self) {
        if let Some(end) = self.code_end {
            self.at = end;
        }
    }

    /// Returns the next token that is neither white space nor a comment.
    pub fn next_significant(&mut self) -> Option<Token<'a>> {
        self.find(|token| !token.is_trivia())
    }

    /// Returns where the current token must end: at the end of the versioned comment, or of the text.
    fn limit(&self) -> usize {
        self.code_end.unwrap_or(self.sql.len())
    }

    /// The bytes from the next token to the limit.
    fn rest(&self) -> &'a [u8] {
        self.sql.get(self.at..self.limit()).unwrap_or_default()
    }

    fn take(&mut self, kind: Kind, length: usize) -> Token<'a> {
        let start = self.at;
        self.at = start.saturating_add(length).min(self.sql.len());
        steps::count(1 + self.at - start);
        Token { kind, text: self.sql.get(start..self.at).unwrap_or_default(), start }
    }
}

impl<'a> Iterator for Lexer<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        if self.at >= self.sql.len() {
            return None;
        }
        if self.code_end == Some(self.at) {
            self.code_end = None;
            self.after_name = false;
            self.after_dot = false;
            return Some(self.take(Kind::CodeClose, 2));
        }
        let (kind, length) = scan::token(self);
        if kind == Kind::Incomplete {
            self.code_end = None;
            return Some(self.take(kind, usize::MAX));
        }
        let token = self.take(kind, length);
        if kind == Kind::CodeOpen {
            let rest = self.sql.get(self.at..).unwrap_or_default();
            // `scan::token` found this end before; searching again passes these bytes only once more.
            self.code_end = scan::find(rest, b"*/").map(|offset| self.at + offset);
        }
        self.after_dot = kind == Kind::Dot && self.after_name;
        self.after_name = matches!(kind, Kind::Word | Kind::QuotedIdentifier);
        Some(token)
    }
}
