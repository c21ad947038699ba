//! Expressions: operands and operators in turn. Precedence is left to the servers: no derivation depends on it.

use super::{Deeds, DerivedName, Kind, Parser, Rule, Why, bare, words};
use crate::Token;

/// Words that stand between two operands.
const BETWEEN_OPERANDS: [&str; 11] =
    ["AND", "OR", "XOR", "DIV", "MOD", "LIKE", "IN", "BETWEEN", "REGEXP", "RLIKE", "ESCAPE"];

/// Words that may stand between NOT and an operand: `a NOT IN (…)`.
const NEGATED: [&str; 5] = ["LIKE", "IN", "BETWEEN", "REGEXP", "RLIKE"];

/// Functions that are called without parentheses.
const CONSTANTS: [&str; 13] = [
    "NULL",
    "TRUE",
    "FALSE",
    "CURRENT_DATE",
    "CURRENT_TIME",
    "CURRENT_TIMESTAMP",
    "CURRENT_USER",
    "CURRENT_ROLE",
    "LOCALTIME",
    "LOCALTIMESTAMP",
    "UTC_DATE",
    "UTC_TIME",
    "UTC_TIMESTAMP",
];

impl<'a> Parser<'_, 'a> {
    /// Derives an expression. Parentheses around operands are counted, not recursed into: programs write hundreds of them.
    pub(super) fn expression(&mut self) -> Rule {
        let mut open = 0usize;
        loop {
            self.prefixes(Some(&mut open));
            self.operand()?;
            loop {
                if open > 0 && self.eat(Kind::Close) {
                    open -= 1;
                } else if open > 0 && self.eat(Kind::Comma) {
                    break;
                } else if open > 0 && self.is_combined() {
                    // `((SELECT 1) UNION (SELECT 2))`
                    self.combined()?;
                } else if open > 0 && self.any_word(0, &["ORDER", "LIMIT"]) {
                    self.combined()?;
                } else {
                    let before = self.at;
                    if self.between_operands()? {
                        break;
                    }
                    // Behind `IS NULL` another parenthesis may close.
                    if self.at == before {
                        return if open == 0 { Ok(()) } else { self.unknown() };
                    }
                }
            }
        }
    }

    /// Passes what may stand in front of an operand. With `open`, opening parentheses of expressions, too, which it counts.
    fn prefixes(&mut self, mut open: Option<&mut usize>) {
        loop {
            let is_prefix = match self.peek(0) {
                Some(token) if token.kind == Kind::Operator => {
                    matches!(token.text, b"-" | b"+" | b"~" | b"!")
                }
                Some(token) if token.kind == Kind::Word => token.is_any(&["NOT", "BINARY"]),
                Some(token) if token.kind == Kind::Open && !self.begins_expression_query(1) => {
                    match &mut open {
                        Some(open) => {
                            **open += 1;
                            true
                        }
                        None => false,
                    }
                }
                _ => false,
            };
            if !is_prefix {
                return;
            }
            self.skip(1);
        }
    }

    /// True if a query begins here, where an expression could. `VALUES (…)` is a function there.
    fn begins_expression_query(&self, ahead: usize) -> bool {
        self.begins_query(ahead) && !(self.word(ahead, "VALUES") && self.kind(ahead + 1) == Some(Kind::Open))
    }

    /// Derives an expression of `+` and `-` only, where AND would belong to the clause around it.
    pub(super) fn operand_sum(&mut self) -> Rule {
        self.operand()?;
        while self.operator(0, b'+') || self.operator(0, b'-') {
            self.skip(1);
            self.operand()?;
        }
        Ok(())
    }

    /// Passes the operator behind an operand, and returns true if another operand must follow.
    fn between_operands(&mut self) -> Result<bool, super::Stop> {
        loop {
            let Some(token) = self.peek(0) else { return Ok(false) };
            match token.kind {
                Kind::Equals => {
                    self.skip(1);
                    return Ok(true);
                }
                // `:=` assigns only behind a variable, which `user_variable` passes.
                Kind::Operator => return self.operator_between(token),
                Kind::Word if token.is("IS") => {
                    self.skip(1);
                    self.eat_word("NOT");
                    if !self.eat_any(&["NULL", "TRUE", "FALSE", "UNKNOWN"]) {
                        if self.eat_word("JSON") {
                            self.eat_any(&["VALUE", "ARRAY", "OBJECT", "SCALAR"]);
                        } else {
                            return self.unknown();
                        }
                    }
                }
                Kind::Word if token.is("COLLATE") => {
                    self.skip(1);
                    if !self.eat(Kind::String) && !self.eat_word("BINARY") {
                        self.name()?;
                    }
                }
                Kind::Word if token.is("NOT") && self.any_word(1, &NEGATED) => {
                    self.skip(2);
                    return Ok(true);
                }
                Kind::Word if token.is("SOUNDS") && self.word(1, "LIKE") => {
                    self.skip(2);
                    return Ok(true);
                }
                Kind::Word
                    if token.is("MEMBER") && (self.word(1, "OF") || self.kind(1) == Some(Kind::Open)) =>
                {
                    self.skip(1);
                    self.eat_word("OF");
                    self.enclosed(Self::expression)?;
                }
                Kind::Word if token.is_any(&BETWEEN_OPERANDS) => {
                    self.skip(1);
                    return Ok(true);
                }
                _ => return Ok(false),
            }
        }
    }

    /// Passes an operator of one to three characters.
    fn operator_between(&mut self, token: Token<'a>) -> Result<bool, super::Stop> {
        let joined = |this: &Self, ahead: usize| {
            let kind = this.kind(ahead + 1);
            this.adjacent(ahead) && matches!(kind, Some(Kind::Operator | Kind::Equals))
        };
        let byte = |this: &Self, ahead: usize| this.peek(ahead).and_then(|token| token.text.first().copied());
        let second = joined(self, 0).then(|| byte(self, 1)).flatten();
        let third = second.and_then(|_| joined(self, 1).then(|| byte(self, 2)).flatten());
        let length = match (token.text, second, third) {
            (b"<", Some(b'='), Some(b'>')) => 3,
            (b"-", Some(b'>'), Some(b'>')) => 3,
            (b"<", Some(b'=' | b'>' | b'<'), _) | (b">", Some(b'=' | b'>'), _) => 2,
            (b"!", Some(b'='), _) | (b"|", Some(b'|'), _) | (b"&", Some(b'&'), _) | (b"-", Some(b'>'), _) => {
                2
            }
            (b"<" | b">" | b"|" | b"&" | b"+" | b"-" | b"*" | b"/" | b"%" | b"^", ..) => 1,
            _ => return Ok(false),
        };
        self.skip(length);
        Ok(true)
    }

    /// Derives an operand with its prefixes.
    pub(super) fn operand(&mut self) -> Rule {
        self.prefixes(None);
        match self.peek(0) {
            Some(token) => self.primary(token),
            None => self.unknown(),
        }
    }

    fn primary(&mut self, token: Token<'a>) -> Rule {
        match token.kind {
            Kind::Number => self.literal_number(),
            Kind::String => self.strings(),
            Kind::Open => self.parenthesised(),
            Kind::At => self.user_variable_or_assignment(),
            Kind::AtAt => self.system_variable(),
            Kind::Operator if token.text == b"*" => {
                self.skip(1);
                Ok(())
            }
            Kind::Operator if token.text == b"?" => {
                self.skip(1);
                Ok(())
            }
            Kind::Operator if token.text == b"{" => self.escape(),
            Kind::Word => self.word_operand(token),
            Kind::QuotedIdentifier | Kind::Dot => self.column_or_call(),
            _ => self.unknown(),
        }
    }

    /// Passes a number. What directly follows it must not look like a part of it.
    fn literal_number(&mut self) -> Rule {
        let glued = self.adjacent(0)
            && matches!(self.kind(1), Some(Kind::Word | Kind::Number | Kind::QuotedIdentifier | Kind::Dot));
        if glued {
            return self.unknown();
        }
        self.skip(1);
        Ok(())
    }

    /// Passes strings that stand side by side, which are one.
    fn strings(&mut self) -> Rule {
        while self.eat(Kind::String) {}
        Ok(())
    }

    /// Derives `(expression, …)` or `(query)`.
    pub(super) fn parenthesised(&mut self) -> Rule {
        self.need(Kind::Open)?;
        self.deeper(|this| {
            if this.begins_expression_query(0) {
                return this.query();
            }
            let nested = this.kind(0) == Some(Kind::Open);
            this.list(Self::expression)?;
            // `((SELECT 1) UNION (SELECT 2))`
            let is_query = nested && (this.is_combined() || this.any_word(0, &["ORDER", "LIMIT"]));
            if is_query { this.combined() } else { Ok(()) }
        })?;
        self.need(Kind::Close)
    }

    /// Derives `{d '2024-01-01'}`, ODBC's form.
    fn escape(&mut self) -> Rule {
        self.skip(1);
        self.name()?;
        self.deeper(Self::expression)?;
        if !self.operator(0, b'}') {
            return self.unknown();
        }
        self.skip(1);
        Ok(())
    }

    fn word_operand(&mut self, token: Token<'a>) -> Rule {
        if let Some(next) = self.peek(1).filter(|next| next.kind == Kind::String)
            && self.introduces(token, next)
        {
            self.skip(1);
            return self.strings();
        }
        if let [b'_', charset @ ..] = token.text {
            if !words::is_charset(charset) {
                // It may introduce a string in a character set that the grammar does not know.
                return if self.kind(1) == Some(Kind::String) {
                    self.unknown()
                } else {
                    self.column_or_call()
                };
            }
            // `_utf8mb4 0xC3A9`, `_binary X'00'`
            let prefixed = self.kind(1) == Some(Kind::Word) && self.kind(2) == Some(Kind::String);
            if self.kind(1) == Some(Kind::Number) || (prefixed && self.adjacent(1)) {
                self.skip(1);
                return self.operand();
            }
        }
        match () {
            () if token.is("CASE") => self.case(),
            () if token.is("INTERVAL") => self.interval(),
            () if token.is("EXISTS") => {
                self.skip(1);
                self.parenthesised()
            }
            () if token.is_any(&["ALL", "ANY", "SOME"]) && self.kind(1) == Some(Kind::Open) => {
                self.skip(1);
                self.parenthesised()
            }
            () if token.is("ROW") && self.kind(1) == Some(Kind::Open) => {
                self.skip(1);
                self.parenthesised()
            }
            () if token.is("MATCH") => self.fulltext(),
            () if token.is_any(&["NEXT", "PREVIOUS"]) && self.word(1, "VALUE") && self.word(2, "FOR") => {
                if token.is("NEXT") {
                    return Err(self.stop(Why::AdvancesSequence));
                }
                self.skip(3);
                self.facts.deeds |= Deeds::READS_SEQUENCE;
                self.relation_name().map(|_| ())
            }
            () if token.is_any(&CONSTANTS) && self.kind(1) != Some(Kind::Open) => {
                self.skip(1);
                Ok(())
            }
            () if token.is("DEFAULT") && self.kind(1) != Some(Kind::Open) => {
                self.skip(1);
                Ok(())
            }
            () => self.column_or_call(),
        }
    }

    /// True if a word is a prefix of the string behind it: `N'…'`, `X'…'`, `_utf8mb4'…'`, `DATE '…'`.
    fn introduces(&self, token: Token<'a>, next: Token<'a>) -> bool {
        let adjacent = token.start + token.text.len() == next.start;
        match token.text {
            [b'_', charset @ ..] => words::is_charset(charset),
            [b'n' | b'N' | b'x' | b'X' | b'b' | b'B'] => adjacent,
            _ => token.is_any(&["DATE", "TIME", "TIMESTAMP"]),
        }
    }

    fn case(&mut self) -> Rule {
        self.skip(1);
        self.deeper(|this| {
            if !this.word(0, "WHEN") {
                this.expression()?;
            }
            while this.eat_word("WHEN") {
                this.expression()?;
                this.need_word("THEN")?;
                this.expression()?;
            }
            if this.eat_word("ELSE") {
                this.expression()?;
            }
            this.need_word("END")
        })
    }

    /// Derives `INTERVAL expression unit`, or the function `INTERVAL (a, b, …)`.
    fn interval(&mut self) -> Rule {
        self.skip(1);
        let enclosed = self.kind(0) == Some(Kind::Open);
        self.deeper(Self::expression)?;
        if self.unit() || enclosed { Ok(()) } else { self.unknown() }
    }

    /// Passes a unit of time.
    pub(super) fn unit(&mut self) -> bool {
        let is = self.peek(0).is_some_and(|token| token.kind == Kind::Word && words::is_unit(token.text));
        self.at += usize::from(is);
        is
    }

    /// Derives `MATCH (column, …) AGAINST (expression [mode])`.
    fn fulltext(&mut self) -> Rule {
        self.skip(1);
        if self.kind(0) == Some(Kind::Open) {
            self.enclosed(Self::column)?;
        } else {
            self.list(Self::column)?;
        }
        self.need_word("AGAINST")?;
        self.need(Kind::Open)?;
        self.deeper(|this| {
            this.operand()?;
            while this.operator(0, b'+') || this.operator(0, b'|') {
                this.skip(1);
                this.operand()?;
            }
            let _ = this.eat_words(&["IN", "BOOLEAN", "MODE"])
                || this.eat_words(&["IN", "NATURAL", "LANGUAGE", "MODE"]);
            let _ = this.eat_words(&["WITH", "QUERY", "EXPANSION"]);
            Ok(())
        })?;
        self.need(Kind::Close)
    }

    /// Derives `name`, `table.name` or `schema.table.name`.
    pub(super) fn column(&mut self) -> Rule {
        self.eat(Kind::Dot);
        self.name()?;
        while self.eat(Kind::Dot) {
            self.name_behind_dot()?;
        }
        Ok(())
    }

    /// Derives a column, `table.*`, or a call of a function.
    fn column_or_call(&mut self) -> Rule {
        let at = self.at;
        if self.kind(0) == Some(Kind::Dot) {
            // `.table.column`
            self.skip(1);
            self.name_behind_dot()?;
        } else if self.kind(1) == Some(Kind::Open) {
            return self.call(at);
        } else {
            self.name()?;
        }
        let mut schema = self.toks.get(self.at.saturating_sub(1)).map(|token| bare(*token));
        while self.eat(Kind::Dot) {
            if self.operator(0, b'*') {
                self.skip(1);
                return Ok(());
            }
            let token = self.peek(0);
            let name = self.name_behind_dot()?;
            if self.kind(0) == Some(Kind::Open) {
                return self.qualified_call(DerivedName { schema, name }, self.at - 1);
            }
            // `sequence.NEXTVAL` of MariaDB's Oracle mode.
            if token.is_some_and(|_| words::is_sequence_function(name)) {
                return Err(self.stop(Why::AdvancesSequence));
            }
            schema = Some(name);
        }
        Ok(())
    }

    /// Passes `@name`. The name directly follows, and does not end in a dot: `@a.` is a whole name on the servers.
    pub(super) fn user_variable(&mut self) -> Rule {
        let named = self.adjacent(0)
            && matches!(self.kind(1), Some(Kind::Word | Kind::QuotedIdentifier | Kind::String));
        if self.kind(0) != Some(Kind::At) || !named {
            return self.unknown();
        }
        self.skip(1);
        let bare = self.kind(0) == Some(Kind::Word);
        // `@a.b` is one name.
        while bare && self.adjacent(0) && self.kind(1) == Some(Kind::Dot) {
            if !self.adjacent(1) || self.kind(2) != Some(Kind::Word) {
                self.skip(1);
                return self.unknown();
            }
            self.skip(2);
        }
        if self.adjacent(0) && matches!(self.kind(1), Some(Kind::Dot | Kind::Number | Kind::At | Kind::AtAt))
        {
            self.skip(1);
            return self.unknown();
        }
        self.skip(1);
        self.facts.deeds |= Deeds::USER_VARIABLE;
        Ok(())
    }

    fn user_variable_or_assignment(&mut self) -> Rule {
        self.user_variable()?;
        if self.eat(Kind::Assign) {
            self.facts.deeds |= Deeds::ASSIGNS;
            return self.deeper(Self::expression);
        }
        Ok(())
    }

    /// Passes `@@name`, `@@scope.name` or `@@scope.cache.name`.
    fn system_variable(&mut self) -> Rule {
        self.facts.deeds |= Deeds::SYSTEM_VARIABLE;
        for separator in [Kind::AtAt, Kind::Dot, Kind::Dot] {
            if self.kind(0) != Some(separator) {
                break;
            }
            let named = matches!(self.kind(1), Some(Kind::Word | Kind::QuotedIdentifier));
            if !named || (separator == Kind::AtAt && !self.adjacent(0)) {
                return self.unknown();
            }
            self.skip(2);
        }
        Ok(())
    }
}
