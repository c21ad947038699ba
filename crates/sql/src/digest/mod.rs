//! The digest text of a statement: its tokens without literals, as `STATEMENT_DIGEST_TEXT()` of MySQL returns it. Lists of
//! literals are collapsed, so that statements with any number of values have one digest. MariaDB's texts get the same
//! digests.

mod reduce;
#[cfg(test)]
mod tests;
mod words;

use self::reduce::{ReducedPart, Reducer};
use super::lexer::{Kind, Lexer, Options, Token};

/// The longest digest text, in bytes; MySQL's default for max_digest_length. What does not fit is cut off.
pub const MAX_DIGEST: usize = 1024;

/// Writes the digest text of `sql` into `out`, which is cleared first. The text is valid UTF-8, whatever the bytes of
/// `sql` are. Returns false if the text was cut off.
pub fn digest(sql: &[u8], options: Options, out: &mut String) -> bool {
    let written = write(sql, options, out);
    if written.is_uncertain || is_misread(sql, options) {
        *out = not_understood(sql);
    }
    written.is_whole
}

/// True if the bytes of the text may be read otherwise in its character set. Such a text is not shown.
fn is_misread(sql: &[u8], options: Options) -> bool {
    !options.charset.reads_as_ascii(sql)
}

/// Returns what stands for a text whose literals cannot be told from the rest: its first word, if it is a keyword, and its
/// length.
fn not_understood(sql: &[u8]) -> String {
    let begin = sql.trim_ascii_start();
    let length = begin.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let verb = words::spelled(begin.get(..length).unwrap_or_default(), false).unwrap_or_default();
    let space = if verb.is_empty() { "" } else { " " };
    format!("{verb}{space}? (not understood, {} bytes)", sql.len())
}

/// What is known of a digest text that was written.
struct WrittenDigest {
    is_whole: bool,
    has_column_number: bool,
    /// True if a server may split the text in another way than the lexer, so that what was written may be a literal.
    is_uncertain: bool,
}

fn write(sql: &[u8], options: Options, out: &mut String) -> WrittenDigest {
    let (lexer, reducer) = (Lexer::new(sql, options), Reducer::new(out));
    let mut writer =
        DigestWriter { lexer, reducer, by: None, depth: 0, has_column_number: false, is_uncertain: false };
    while let Some(token) = writer.lexer.next_significant_or_hint() {
        if writer.reducer.is_full() {
            writer.reducer.cut();
            let DigestWriter { has_column_number, is_uncertain, .. } = writer;
            return WrittenDigest { is_whole: false, has_column_number, is_uncertain };
        }
        writer.token(token);
    }
    writer.reducer.finish();
    let DigestWriter { has_column_number, is_uncertain, .. } = writer;
    WrittenDigest { is_whole: true, has_column_number, is_uncertain }
}

/// A digest text and its number.
#[derive(Debug, PartialEq, Eq)]
pub struct Digest {
    id: u64,
    text: Box<str>,
    /// True if the text has a number of a column, so that statements which differ only in that number have other digests.
    has_column_number: bool,
}

impl Digest {
    /// Returns the digest of a text.
    pub fn of(sql: &[u8], options: Options) -> Self {
        let mut text = String::new();
        let written = write(sql, options, &mut text);
        if written.is_uncertain || is_misread(sql, options) {
            return Self::of_not_understood(sql);
        }
        let has_column_number = written.has_column_number;
        Digest { id: number(text.as_bytes()), text: text.into(), has_column_number }
    }

    /// Makes the digest of a text that may be read in several ways. It has none of the text's bytes but a keyword, and is
    /// never that of another text of the same shape.
    pub fn of_not_understood(sql: &[u8]) -> Self {
        let text = not_understood(sql);
        Digest { id: number(text.as_bytes()), text: text.into(), has_column_number: true }
    }

    /// Makes the digest of all texts that are too long to be read as a whole.
    pub fn of_unread() -> Self {
        let text = "(a text that was too long to be read)";
        Digest { id: number(text.as_bytes()), text: text.into(), has_column_number: false }
    }

    /// True if statements of the same shape may have other digests.
    pub(super) fn varies(&self) -> bool {
        self.has_column_number
    }

    /// Returns the number of the text. It is the same in every process.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Returns the text.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// FNV-1a of 64 bits.
fn number(text: &[u8]) -> u64 {
    text.iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

struct DigestWriter<'a, 'o> {
    lexer: Lexer<'a>,
    reducer: Reducer<'o>,
    /// The depth of the list of ORDER BY or GROUP BY that the lexer is in. Numbers of columns are no literals there.
    by: Option<u32>,
    depth: u32,
    has_column_number: bool,
    is_uncertain: bool,
}

impl<'a> Lexer<'a> {
    fn next_significant_or_hint(&mut self) -> Option<Token<'a>> {
        self.find(|token| !token.is_trivia() || token.text.starts_with(b"/*+"))
    }
}

impl<'a> DigestWriter<'a, '_> {
    fn token(&mut self, token: Token<'a>) {
        match token.kind {
            Kind::Space | Kind::CodeClose => {}
            Kind::CodeOpen if is_skipped(token.text) => self.lexer.skip_code_comment(),
            Kind::CodeOpen => {}
            Kind::Comment => self.hint(token),
            Kind::Word => self.word(token),
            Kind::Number if self.is_column_number(token) => {
                self.has_column_number = true;
                self.reducer.push(ReducedPart::Operand, token.text);
            }
            Kind::Number | Kind::String => self.reducer.value(),
            Kind::QuotedIdentifier => self.reducer.quoted_name(token.text),
            Kind::At | Kind::AtAt => self.variable(token),
            Kind::Open => {
                self.depth = self.depth.saturating_add(1);
                self.reducer.push(ReducedPart::Open, b"(");
            }
            Kind::Close => {
                self.depth = self.depth.saturating_sub(1);
                if self.by.is_some_and(|depth| depth > self.depth) {
                    self.by = None;
                }
                self.reducer.close();
            }
            Kind::Comma => self.reducer.push(ReducedPart::Comma, b","),
            Kind::Semicolon => {
                self.by = None;
                // The last one is no part of the digest.
                if self.peek().is_some() {
                    self.reducer.push(ReducedPart::Other, b";");
                }
            }
            Kind::Assign => self.reducer.push(ReducedPart::Other, b":="),
            Kind::Dot | Kind::Equals | Kind::Operator => self.operator(token),
            // Its end is not certain, so it may have literals.
            Kind::Incomplete => self.is_uncertain = true,
        }
    }

    fn peek(&self) -> Option<Token<'a>> {
        self.lexer.clone().next_significant()
    }

    /// Returns the next token if nothing stands between it and the current one.
    fn adjacent(&self) -> Option<Token<'a>> {
        self.lexer.clone().next()
    }

    fn word(&mut self, token: Token<'a>) {
        let adjacent = self.adjacent().map(|next| next.kind);
        let quotes = adjacent == Some(Kind::String);
        match token.text {
            // N'…', X'…', B'…'
            [b'n' | b'N' | b'x' | b'X' | b'b' | b'B'] if quotes => {
                self.lexer.next();
                return self.reducer.value();
            }
            // The character set of a string.
            [b'_', _, ..] if self.peek().is_some_and(|next| is_charset_operand(&next)) => {
                return self.reducer.push(ReducedPart::Other, b"(_charset)");
            }
            _ => {}
        }
        // A part of a qualified name, unless it is the scope of a system variable.
        let qualifies = adjacent == Some(Kind::Dot) && self.reducer.last() != ReducedPart::Sigil;
        if self.reducer.last() == ReducedPart::Dot || qualifies {
            return self.reducer.name(token.text);
        }
        match words::spelled(token.text, adjacent == Some(Kind::Open)) {
            Some(word) => self.keyword(word),
            None => self.reducer.name(token.text),
        }
    }

    fn keyword(&mut self, word: &'static str) {
        if self.by.is_some_and(|depth| depth == self.depth) && !matches!(word, "ASC" | "DESC") {
            self.by = None;
        }
        if word == "BY" && matches!(self.reducer.last(), ReducedPart::Lists) {
            self.by = Some(self.depth);
        }
        self.reducer.keyword(word);
    }

    /// True for a number in ORDER BY or GROUP BY that names a column by its place.
    fn is_column_number(&self, token: Token<'a>) -> bool {
        let begins = matches!(self.reducer.last(), ReducedPart::Comma | ReducedPart::By);
        let ends = || match self.peek() {
            None => true,
            Some(next) => match next.kind {
                Kind::Comma | Kind::Close | Kind::Semicolon => true,
                Kind::Word => {
                    !next.is_any(&["DIV", "MOD", "AND", "OR", "XOR", "IS", "IN", "LIKE", "BETWEEN", "NOT"])
                }
                _ => false,
            },
        };
        self.by == Some(self.depth) && begins && token.text.iter().all(u8::is_ascii_digit) && ends()
    }

    /// `@name`, `@@name`, and the host of an account. Only quoted names of user variables are in the digest.
    fn variable(&mut self, token: Token<'a>) {
        if token.kind == Kind::AtAt {
            return self.reducer.push(ReducedPart::Sigil, b"@@");
        }
        self.reducer.push(ReducedPart::Sigil, b"@");
        match self.adjacent() {
            Some(next) if matches!(next.kind, Kind::Word | Kind::String) => {
                self.lexer.next();
                // `@host.name` and `@a.b` are one name.
                while self
                    .adjacent()
                    .is_some_and(|next| matches!(next.kind, Kind::Dot | Kind::Word | Kind::Number))
                {
                    self.lexer.next();
                }
                self.reducer.push(ReducedPart::Operand, b"?");
            }
            _ => {}
        }
    }

    /// An operator of one or more bytes.
    fn operator(&mut self, token: Token<'a>) {
        const LONG: [(&[u8], &[u8]); 9] = [
            (b"<=>", b"<=>"),
            (b"->>", b"->>"),
            (b"<=", b"<="),
            (b">=", b">="),
            (b"<>", b"!="),
            (b"!=", b"!="),
            (b"<<", b"<<"),
            (b">>", b">>"),
            (b"||", b"||"),
        ];
        const MORE: [&[u8]; 2] = [b"&&", b"->"];
        let rest = self.lexer.text_from(token.start);
        let long = LONG.iter().find(|(bytes, _)| rest.starts_with(bytes)).copied();
        let long =
            long.or_else(|| MORE.iter().find(|bytes| rest.starts_with(bytes)).map(|bytes| (*bytes, *bytes)));
        if let Some((bytes, spelled)) = long {
            (1..bytes.len()).for_each(|_| {
                self.lexer.next();
            });
            return self.reducer.push(ReducedPart::Other, spelled);
        }
        match token.text {
            // `\N`, or a byte of a character that the lexer does not see.
            b"\\" => self.is_uncertain = true,
            b"?" => self.reducer.value(),
            b"+" | b"-" => self.reducer.sign(token.text),
            b"." => self.reducer.push(ReducedPart::Dot, b"."),
            other => self.reducer.push(ReducedPart::Other, other),
        }
    }

    /// The words of an optimizer hint; other comments are no part of the digest.
    fn hint(&mut self, token: Token<'a>) {
        let Some(body) = token.text.strip_prefix(b"/*+").and_then(|text| text.strip_suffix(b"*/")) else {
            return;
        };
        self.reducer.push(ReducedPart::Other, b"/*+");
        for token in Lexer::new(body, Options::default()).filter(|token| !token.is_trivia()) {
            if self.reducer.is_full() {
                return;
            }
            match token.kind {
                Kind::Word if body.get(token.start + token.text.len()..).is_some_and(calls) => {
                    self.reducer.upper(token.text);
                }
                Kind::Word => self.reducer.name(token.text),
                Kind::QuotedIdentifier => self.reducer.quoted_name(token.text),
                Kind::Number | Kind::String => self.reducer.value(),
                Kind::Open => self.reducer.push(ReducedPart::Open, b"("),
                Kind::Close => self.reducer.close(),
                Kind::Comma => self.reducer.push(ReducedPart::Comma, b","),
                Kind::Incomplete => self.is_uncertain = true,
                _ => self.reducer.push(ReducedPart::Other, token.text),
            }
        }
        self.reducer.push(ReducedPart::Other, b"*/");
    }
}

/// True if MySQL skips a versioned comment that begins so: one of MariaDB, or of a version that does not exist yet.
fn is_skipped(open: &[u8]) -> bool {
    let version = open.strip_prefix(b"/*!").and_then(|digits| std::str::from_utf8(digits).ok());
    version.is_none_or(|digits| digits.parse::<u32>().is_ok_and(|version| version > 99_000))
}

fn calls(rest: &[u8]) -> bool {
    rest.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'(')
}

/// True for what may stand behind the name of a character set: a string, or a number such as 0x41.
fn is_charset_operand(token: &Token<'_>) -> bool {
    let prefixed = matches!(token.text, [b'x' | b'X' | b'b' | b'B']);
    token.kind == Kind::String || token.kind == Kind::Word && prefixed || {
        token.kind == Kind::Number && matches!(token.text, [b'0', b'x' | b'b', ..])
    }
}
