//! SHOW: an allow-list of what is shown, then names, patterns and a condition.

use super::{DerivedName, Kind, Parser, Rule, words};

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
        self.shown_relations()?;
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

    /// Derives what names the relations that a server opens to show them: `[EXTENDED] [FULL] COLUMNS FROM t [FROM schema]`,
    /// `CREATE TABLE t`, `TABLE STATUS`. Passes nothing if SHOW shows something else.
    fn shown_relations(&mut self) -> Rule {
        let before = self.at;
        while self.eat_any(&["EXTENDED", "FULL"]) {}
        if self.eat_any(&["COLUMNS", "FIELDS", "INDEX", "INDEXES", "KEYS"]) {
            let from = ["FROM", "IN"];
            if !self.eat_any(&from) {
                return self.unknown();
            }
            let mut relation = self.relation_name()?;
            if self.eat_any(&from) {
                // The second schema is the one that counts.
                relation.schema = Some(self.name()?);
            }
            self.facts.relations.push(relation);
            return Ok(());
        }
        if self.eat_words(&["TABLE", "STATUS"]) {
            // MariaDB reads this table for it.
            let tables = DerivedName { schema: Some(b"information_schema"), name: b"TABLES" };
            self.facts.relations.push(tables);
            return Ok(());
        }
        if self.eat_word("CREATE") && self.eat_any(&["TABLE", "VIEW", "SEQUENCE"]) {
            let relation = self.relation_name()?;
            self.facts.relations.push(relation);
            return Ok(());
        }
        self.at = before;
        Ok(())
    }
}
