//! Calls of functions: arguments, and the words that some functions have between them.

use super::{DerivedCall, DerivedName, Kind, Parser, Rule, bare, words};

impl<'a> Parser<'_, 'a> {
    /// Derives a call; the name is the next token.
    pub(super) fn call(&mut self, at: usize) -> Rule {
        let Some(token) = self.peek(0) else { return self.unknown() };
        if !matches!(token.kind, Kind::Word | Kind::QuotedIdentifier)
            || (token.kind == Kind::Word
                && words::is_reserved(token.text)
                && !words::is_function_word(token.text))
        {
            return self.unknown();
        }
        let tight = self.adjacent(0);
        let name = DerivedName { schema: None, name: bare(token) };
        let empty = self.kind(2) == Some(Kind::Close);
        let is_bare = token.kind == Kind::Word;
        self.facts.calls.push(DerivedCall { name, tight, bare: is_bare, empty, at });
        self.skip(1);
        if is_bare { self.arguments(name.name) } else { self.arguments(b"") }
    }

    /// Derives the arguments of a call with a qualified name; the `(` is the next token.
    pub(super) fn qualified_call(&mut self, name: DerivedName<'a>, at: usize) -> Rule {
        let empty = self.kind(1) == Some(Kind::Close);
        self.facts.calls.push(DerivedCall { name, tight: true, bare: false, empty, at });
        self.arguments(b"")
    }

    /// Derives `(…)` and what may follow it: OVER, WITHIN GROUP.
    fn arguments(&mut self, name: &[u8]) -> Rule {
        self.need(Kind::Open)?;
        self.deeper(|this| if this.kind(0) == Some(Kind::Close) { Ok(()) } else { this.inside(name) })?;
        self.need(Kind::Close)?;
        self.behind()
    }

    fn inside(&mut self, name: &[u8]) -> Rule {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        if is("extract") {
            if !self.unit() {
                return self.unknown();
            }
            self.need_word("FROM")?;
            return self.expression();
        }
        if is("trim") {
            return self.trim();
        }
        if is("timestampadd") || is("timestampdiff") {
            if !self.unit() {
                return self.unknown();
            }
            self.need(Kind::Comma)?;
            return self.list(Self::expression);
        }
        if is("get_format") {
            if !self.eat_any(&["DATE", "TIME", "DATETIME", "TIMESTAMP"]) {
                return self.unknown();
            }
            self.need(Kind::Comma)?;
            return self.expression();
        }
        if is("convert") {
            self.expression()?;
            return if self.eat(Kind::Comma) { self.data_type() } else { self.behind_arguments(name) };
        }
        if self.begins_query(0) && !self.word(0, "VALUES") {
            return self.query();
        }
        self.eat_any(&["DISTINCT", "ALL"]);
        self.list(Self::expression)?;
        self.behind_arguments(name)
    }

    /// Derives what some functions have behind their arguments.
    fn behind_arguments(&mut self, name: &[u8]) -> Rule {
        let is = |known: &[&str]| known.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()));
        if is(&["cast", "weight_string"]) && self.any_word(0, &["AS", "AT"]) {
            if self.eat_words(&["AT", "TIME", "ZONE"]) {
                self.eat_word("INTERVAL");
                self.string()?;
            }
            self.need_word("AS")?;
            self.data_type()?;
            self.eat_word("ARRAY");
            if self.eat_word("LEVEL") {
                self.list(|this| {
                    this.number()?;
                    this.eat_any(&["ASC", "DESC"]);
                    this.eat_word("REVERSE");
                    Ok(())
                })?;
            }
            return Ok(());
        }
        if is(&["convert", "char"]) && self.eat_word("USING") {
            return self.charset_name();
        }
        if is(&["substring", "substr", "mid"]) && self.eat_word("FROM") {
            self.expression()?;
            if self.eat_word("FOR") {
                self.expression()?;
            }
            return Ok(());
        }
        if is(&["json_value"]) {
            if self.eat_word("RETURNING") {
                self.data_type()?;
            }
            return self.on_empty_or_error();
        }
        if is(&["group_concat", "json_arrayagg", "listagg"]) {
            if self.word(0, "ORDER") {
                self.order_by()?;
            }
            if self.eat_word("SEPARATOR") {
                self.operand()?;
            }
            if self.word(0, "LIMIT") {
                self.limit()?;
            }
            return Ok(());
        }
        if is(&["first_value", "last_value", "lag", "lead", "nth_value"]) {
            self.null_treatment();
        }
        Ok(())
    }

    fn null_treatment(&mut self) {
        let _ = self.eat_words(&["FROM", "FIRST"]) || self.eat_words(&["FROM", "LAST"]);
        let _ = self.eat_words(&["RESPECT", "NULLS"]) || self.eat_words(&["IGNORE", "NULLS"]);
    }

    /// Derives `[BOTH | LEADING | TRAILING] [expression] FROM expression`, or one expression.
    fn trim(&mut self) -> Rule {
        self.eat_any(&["BOTH", "LEADING", "TRAILING"]);
        if !self.word(0, "FROM") {
            self.expression()?;
        }
        if self.eat_word("FROM") {
            return self.expression();
        }
        // Oracle mode of MariaDB has no other form, either.
        Ok(())
    }

    /// Derives `[WITHIN GROUP (ORDER BY …)] [OVER window]`.
    fn behind(&mut self) -> Rule {
        if self.eat_words(&["WITHIN", "GROUP"]) {
            self.need(Kind::Open)?;
            self.order_by()?;
            self.need(Kind::Close)?;
        }
        let before = self.at;
        self.null_treatment();
        if !self.eat_word("OVER") {
            self.at = before;
            return Ok(());
        }
        if self.kind(0) == Some(Kind::Open) { self.window() } else { self.name().map(|_| ()) }
    }

    /// Passes the name of a character set: a word, BINARY or a string.
    pub(super) fn charset_name(&mut self) -> Rule {
        if self.eat(Kind::String) || self.eat_word("BINARY") {
            return Ok(());
        }
        self.name().map(|_| ())
    }
}
