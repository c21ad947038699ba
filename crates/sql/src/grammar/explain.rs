//! EXPLAIN, DESCRIBE and MariaDB's ANALYZE.

use super::statement::Form;
use super::{Kind, Parser, Rule, Stop, Why};

impl Parser<'_, '_> {
    /// Derives what follows EXPLAIN, DESCRIBE or DESC.
    pub(super) fn explain(&mut self) -> Result<Form, Stop> {
        let form = self.explained()?;
        if let Some(schema) = self.facts.default_schema {
            let relations = self.facts.relations.iter_mut();
            relations.filter(|name| name.schema.is_none()).for_each(|name| name.schema = Some(schema));
        }
        Ok(form)
    }

    fn explained(&mut self) -> Result<Form, Stop> {
        let runs = self.explain_options()?;
        if self.begins_query(0) || self.kind(0) == Some(Kind::Open) {
            self.query()?;
            return Ok(if runs { Form::Query } else { Form::Explain });
        }
        if self.eat_words(&["FOR", "CONNECTION"]) {
            self.number()?;
            return Ok(Form::Show);
        }
        if self.any_word(0, &["INSERT", "REPLACE", "UPDATE", "DELETE"]) {
            if runs {
                return Err(self.stop(Why::Verb));
            }
            self.modification()?;
            return Ok(Form::Explain);
        }
        if runs {
            return self.unknown();
        }
        // `DESCRIBE table [column | 'pattern']`
        let relation = self.relation_name()?;
        self.facts.relations.push(relation);
        if !self.eat(Kind::String) && self.is_name(0) {
            self.skip(1);
        }
        Ok(Form::Show)
    }

    /// Passes the options. Returns true if one of them makes the server run the statement.
    fn explain_options(&mut self) -> Result<bool, Stop> {
        let mut runs = false;
        loop {
            if self.word(0, "ANALYZE") {
                self.skip(1);
                runs = true;
            } else if self.word(0, "FORMAT") && self.kind(1) == Some(Kind::Equals) {
                self.skip(2);
                self.format()?;
            } else if self.word(0, "INTO") && self.kind(1) == Some(Kind::At) {
                self.skip(1);
                self.facts.deeds |= super::Deeds::INTO_VARIABLES;
                self.user_variable()?;
            } else if self.any_word(0, &["FOR"]) && self.any_word(1, &["SCHEMA", "DATABASE"]) {
                self.skip(2);
                self.facts.default_schema = Some(self.name()?);
            } else if self.any_word(0, &["EXTENDED", "PARTITIONS"]) && !self.ends_behind_name() {
                self.skip(1);
            } else {
                return Ok(runs);
            }
        }
    }

    /// True if the next token is the last one: then it names a table.
    fn ends_behind_name(&self) -> bool {
        self.peek(1).is_none()
    }

    fn format(&mut self) -> Rule {
        if self.eat_any(&["JSON", "TREE", "TRADITIONAL", "TRADITIONAL_STRICT"]) || self.eat(Kind::String) {
            return Ok(());
        }
        self.unknown()
    }

    /// Derives what follows MariaDB's ANALYZE, which runs the statement.
    pub(super) fn analyze(&mut self) -> Result<Form, Stop> {
        if self.word(0, "FORMAT") && self.kind(1) == Some(Kind::Equals) {
            self.skip(2);
            self.format()?;
        }
        if !self.any_word(0, &["SELECT", "WITH"]) {
            return Err(self.stop(Why::Verb));
        }
        self.query()?;
        Ok(Form::Query)
    }
}
