//! Writes the tokens of a digest text, and collapses values and lists of values as they are completed.

use super::MAX_DIGEST;

/// The most parts whose places are remembered. Only the last few are ever looked at again.
const MOST_PARTS: usize = 512;

/// What a part of the digest text is, as far as later parts depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReducedPart {
    /// The beginning of the text.
    Start,
    /// `?`
    Value,
    /// `?, ...`
    Values,
    /// `(?)`
    Row,
    /// `(?) /* , ... */`
    Rows,
    /// `(...)`
    LongRow,
    /// `(...) /* , ... */`
    LongRows,
    Open,
    Comma,
    Dot,
    /// `@`, `@@`: what follows belongs to it.
    Sigil,
    /// `+` or `-`
    Sign,
    /// What an operator can follow: a name, `)`, a number of a column.
    Operand,
    /// ORDER, GROUP
    Lists,
    By,
    In,
    Is,
    Not,
    /// SET, for `ON DELETE SET NULL`.
    Set,
    /// A keyword after which an expression begins.
    Begins,
    /// Any other keyword.
    Keyword,
    Other,
}

/// See the module.
pub(super) struct Reducer<'o> {
    out: &'o mut String,
    /// The last parts, and where they begin in `out`.
    parts: Vec<(ReducedPart, usize)>,
}

impl<'o> Reducer<'o> {
    pub(super) fn new(out: &'o mut String) -> Self {
        out.clear();
        Reducer { out, parts: Vec::with_capacity(64) }
    }

    /// True if nothing more fits.
    pub(super) fn is_full(&self) -> bool {
        self.out.len() > MAX_DIGEST
    }

    /// Ends the text where it is full.
    pub(super) fn cut(&mut self) {
        let mut end = MAX_DIGEST;
        while !self.out.is_char_boundary(end) {
            end -= 1;
        }
        self.out.truncate(end);
    }

    pub(super) fn finish(&mut self) {
        let end = self.out.trim_end().len();
        self.out.truncate(end);
        if self.is_full() {
            self.cut();
        }
    }

    pub(super) fn last(&self) -> ReducedPart {
        self.back(1)
    }

    /// Returns the last part but `n` - 1.
    fn back(&self, n: usize) -> ReducedPart {
        let at = self.parts.len().checked_sub(n);
        at.and_then(|at| self.parts.get(at)).map_or(ReducedPart::Start, |(part, _)| *part)
    }

    /// Removes the last `n` parts.
    fn pop(&mut self, n: usize) {
        let keep = self.parts.len().saturating_sub(n);
        if let Some((_, start)) = self.parts.get(keep) {
            self.out.truncate(*start);
        }
        self.parts.truncate(keep);
    }

    fn begin(&mut self, part: ReducedPart) {
        if self.parts.len() == MOST_PARTS {
            self.parts.drain(..MOST_PARTS / 2);
        }
        self.parts.push((part, self.out.len()));
    }

    fn end(&mut self) {
        if self.last() != ReducedPart::Sigil {
            self.out.push(' ');
        }
    }

    pub(super) fn push(&mut self, part: ReducedPart, text: &[u8]) {
        self.begin(part);
        self.out.push_str(&String::from_utf8_lossy(text));
        self.end();
    }

    /// A word of an optimizer hint.
    pub(super) fn upper(&mut self, word: &[u8]) {
        self.begin(ReducedPart::Other);
        self.out.push_str(&String::from_utf8_lossy(word).to_ascii_uppercase());
        self.end();
    }

    /// A name without quotes.
    pub(super) fn name(&mut self, name: &[u8]) {
        self.begin(ReducedPart::Operand);
        self.out.push('`');
        self.out.push_str(&String::from_utf8_lossy(name.get(..MAX_DIGEST).unwrap_or(name)));
        self.out.push('`');
        self.end();
    }

    /// A name in quotes, where a doubled quote is one.
    pub(super) fn quoted_name(&mut self, quoted: &[u8]) {
        let Some((quote, rest)) = quoted.split_first() else { return };
        let inner = rest.strip_suffix(&[*quote]).unwrap_or(rest);
        let mut name = Vec::with_capacity(inner.len());
        let mut bytes = inner.iter();
        while let Some(byte) = bytes.next() {
            name.push(*byte);
            if byte == quote {
                bytes.next();
            }
        }
        self.name(&name);
    }

    pub(super) fn keyword(&mut self, word: &'static str) {
        let part = match word {
            "NULL" => return self.null(),
            "ORDER" | "GROUP" => ReducedPart::Lists,
            "BY" => ReducedPart::By,
            "IN" => ReducedPart::In,
            "IS" => ReducedPart::Is,
            "NOT" => ReducedPart::Not,
            "SET" => ReducedPart::Set,
            "AND" | "BETWEEN" | "CASE" | "DEFAULT" | "DISTINCTROW" | "DIV" | "ELSE" | "ELSEIF" | "FOR"
            | "FROM" | "HAVING" | "IF" | "INTERVAL" | "LIKE" | "LIMIT" | "MOD" | "ON" | "OR" | "RETURN"
            | "RLIKE" | "SELECT" | "THEN" | "TO" | "UNTIL" | "USING" | "WHEN" | "WHERE" | "WHILE" | "XOR" => {
                ReducedPart::Begins
            }
            // After these, `-` takes the difference.
            "END" | "TRUE" | "FALSE" | "NOW" | "CURDATE" | "CURTIME" | "UTC_DATE" | "UTC_TIME"
            | "UTC_TIMESTAMP" => ReducedPart::Operand,
            // The units of intervals.
            "YEAR" | "WEEK" | "MICROSECOND" | "YEAR_MONTH" => ReducedPart::Operand,
            unit if ["SQL_TSI_", "DAY_", "HOUR_", "MINUTE_", "SECOND_"]
                .iter()
                .any(|of| unit.starts_with(of)) =>
            {
                ReducedPart::Operand
            }
            _ => ReducedPart::Keyword,
        };
        self.push(part, word.as_bytes());
    }

    /// NULL is a value, except in IS NULL, NOT NULL, SET NULL and behind the type of a column.
    fn null(&mut self) {
        match self.last() {
            ReducedPart::Is
            | ReducedPart::Not
            | ReducedPart::Set
            | ReducedPart::Operand
            | ReducedPart::Keyword
            | ReducedPart::Row
            | ReducedPart::LongRow => {
                self.push(ReducedPart::Operand, b"NULL");
            }
            _ => self.value(),
        }
    }

    /// `+` or `-`. Whether it is a sign is known when a value follows.
    pub(super) fn sign(&mut self, text: &[u8]) {
        self.push(ReducedPart::Sign, text);
    }

    /// A literal, with its signs.
    pub(super) fn value(&mut self) {
        while self.last() == ReducedPart::Sign && self.takes_sign(self.back(2)) {
            self.pop(1);
        }
        let list = self.last() == ReducedPart::Comma
            && matches!(self.back(2), ReducedPart::Value | ReducedPart::Values);
        if list {
            self.pop(2);
            self.push(ReducedPart::Values, b"?, ...");
        } else {
            self.push(ReducedPart::Value, b"?");
        }
    }

    /// True if a sign behind this part belongs to the value that follows.
    fn takes_sign(&self, before: ReducedPart) -> bool {
        use ReducedPart::{Dot, LongRow, LongRows, Operand, Row, Rows, Sigil, Start, Value, Values};
        !matches!(before, Operand | Value | Values | Row | Rows | LongRow | LongRows | Dot | Sigil | Start)
    }

    /// `)`
    pub(super) fn close(&mut self) {
        let (row, rows, text) = match (self.back(2), self.last()) {
            (ReducedPart::Open, ReducedPart::Value) => (ReducedPart::Row, ReducedPart::Rows, "(?)"),
            (ReducedPart::Open, ReducedPart::Values) => {
                (ReducedPart::LongRow, ReducedPart::LongRows, "(...)")
            }
            _ => return self.push(ReducedPart::Operand, b")"),
        };
        self.pop(2);
        if self.last() == ReducedPart::In {
            return self.push(ReducedPart::Operand, b"(...)");
        }
        let again = self.last() == ReducedPart::Comma && (self.back(2) == row || self.back(2) == rows);
        if again {
            self.pop(2);
            self.push(rows, format!("{text} /* , ... */").as_bytes());
        } else {
            self.push(row, text.as_bytes());
        }
    }
}
