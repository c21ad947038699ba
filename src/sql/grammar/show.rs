//! SHOW: an allow-list of what is shown, then names, patterns and a condition.

use super::{Kind, Parser, Rule, words};

impl Parser<'_, '_> {
    /// Derives what follows SHOW: words and names, then `LIKE 'pattern'` or `WHERE expression`, and LIMIT.
    pub(super) fn show(&mut self) -> Rule {
        let known = self.peek(0).is_some_and(|token| token.kind == Kind::Word && words::is_shown(token.text));
        if !known {
            return self.unknown();
        }
        if self.eat_word("PARSE_TREE") {
            return self.query();
        }
        // `SHOW COUNT(*) WARNINGS`
        if self.word(0, "COUNT") && self.kind(1) == Some(Kind::Open) {
            self.skip(2);
            if !self.operator(0, b'*') {
                return self.unknown();
            }
            self.skip(1);
            self.need(Kind::Close)?;
        }
        while let Some(token) = self.peek(0) {
            match token.kind {
                Kind::Word if token.is("WHERE") => {
                    self.skip(1);
                    self.expression()?;
                }
                Kind::Word if token.is("LIMIT") => self.limit()?,
                Kind::Word if token.is("INTO") => return self.unknown(),
                Kind::Word | Kind::QuotedIdentifier | Kind::String | Kind::Number => self.skip(1),
                Kind::Dot | Kind::Comma | Kind::At | Kind::Equals => self.skip(1),
                Kind::Open => {
                    // `SHOW GRANTS FOR CURRENT_USER()`
                    self.skip(1);
                    self.need(Kind::Close)?;
                }
                _ => return self.unknown(),
            }
        }
        Ok(())
    }
}
