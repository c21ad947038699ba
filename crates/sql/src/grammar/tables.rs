//! Table references: joins, derived tables, JSON_TABLE, index hints.

use super::{Kind, Parser, Rule};

impl Parser<'_, '_> {
    /// Derives `table, table JOIN table ON …`.
    pub(super) fn table_references(&mut self) -> Rule {
        self.list(Self::joined_table)
    }

    fn joined_table(&mut self) -> Rule {
        self.table_factor()?;
        self.joins()
    }

    /// Derives the joins behind a table.
    fn joins(&mut self) -> Rule {
        loop {
            if self.eat_word("ON") {
                self.expression()?;
            } else if self.word(0, "USING") {
                self.skip(1);
                self.columns()?;
            } else if self.join() {
                self.table_factor()?;
            } else {
                return Ok(());
            }
        }
    }

    /// Passes the words of a join.
    fn join(&mut self) -> bool {
        if self.eat_any(&["STRAIGHT_JOIN", "JOIN"]) {
            return true;
        }
        let before = self.at;
        self.eat_word("NATURAL");
        if self.eat_any(&["LEFT", "RIGHT", "FULL"]) {
            self.eat_word("OUTER");
        } else {
            self.eat_any(&["INNER", "CROSS"]);
        }
        if self.at > before && self.eat_word("JOIN") {
            return true;
        }
        self.at = before;
        false
    }

    fn table_factor(&mut self) -> Rule {
        if self.kind(0) == Some(Kind::Open) {
            self.parenthesised_table()?;
            return self.derived_alias();
        }
        if self.word(0, "LATERAL") && self.kind(1) == Some(Kind::Open) {
            self.skip(2);
            self.query()?;
            self.need(Kind::Close)?;
            return self.derived_alias();
        }
        if self.word(0, "JSON_TABLE") && self.kind(1) == Some(Kind::Open) {
            self.json_table()?;
            return self.alias(false);
        }
        if self.operator(0, b'{') && self.word(1, "OJ") {
            self.skip(2);
            self.deeper(Self::joined_table)?;
            if !self.operator(0, b'}') {
                return self.unknown();
            }
            self.skip(1);
            return Ok(());
        }
        self.table()
    }

    /// Derives `( … )`, which holds a query or table references. Which of them shows only behind further parentheses.
    fn parenthesised_table(&mut self) -> Rule {
        self.need(Kind::Open)?;
        self.deeper(|this| {
            if this.begins_query(0) {
                return this.query();
            }
            if this.kind(0) != Some(Kind::Open) {
                return this.table_references();
            }
            this.parenthesised_table()?;
            let is_query = this.is_combined() || this.any_word(0, &["ORDER", "LIMIT", "FOR", "LOCK"]);
            if is_query {
                return this.combined();
            }
            this.derived_alias()?;
            this.joins()?;
            while this.eat(Kind::Comma) {
                this.joined_table()?;
            }
            Ok(())
        })?;
        self.need(Kind::Close)
    }

    /// Derives `[AS] alias [(column, …)]`.
    fn derived_alias(&mut self) -> Rule {
        let before = self.at;
        self.alias(false)?;
        if self.at > before && self.kind(0) == Some(Kind::Open) {
            self.columns()?;
        }
        Ok(())
    }

    fn table(&mut self) -> Rule {
        if self.eat_word("DUAL") {
            return Ok(());
        }
        let name = self.relation_name()?;
        self.reads(name);
        if self.word(0, "PARTITION") && self.kind(1) == Some(Kind::Open) {
            self.skip(1);
            self.columns()?;
        }
        if self.word(0, "FOR") && self.any_word(1, &["SYSTEM_TIME"]) {
            self.skip(2);
            self.system_time()?;
        }
        self.alias(false)?;
        if self.word(0, "TABLESAMPLE") {
            self.skip(1);
            self.eat_any(&["SYSTEM", "BERNOULLI"]);
            self.enclosed(Self::expression)?;
        }
        while self.any_word(0, &["USE", "FORCE", "IGNORE"]) && self.any_word(1, &["INDEX", "KEY"]) {
            self.index_hint()?;
        }
        Ok(())
    }

    /// Derives what follows `FOR SYSTEM_TIME`.
    fn system_time(&mut self) -> Rule {
        if self.eat_word("ALL") {
            return Ok(());
        }
        if self.eat_words(&["AS", "OF"]) {
            self.eat_any(&["TRANSACTION", "TIMESTAMP"]);
            return self.operand_sum();
        }
        if self.eat_word("BETWEEN") {
            self.eat_any(&["TRANSACTION", "TIMESTAMP"]);
            self.operand_sum()?;
            self.need_word("AND")?;
            self.eat_any(&["TRANSACTION", "TIMESTAMP"]);
            return self.operand_sum();
        }
        self.need_word("FROM")?;
        self.eat_any(&["TRANSACTION", "TIMESTAMP"]);
        self.operand_sum()?;
        self.need_word("TO")?;
        self.eat_any(&["TRANSACTION", "TIMESTAMP"]);
        self.operand_sum()
    }

    /// Derives `USE INDEX [FOR JOIN | ORDER BY | GROUP BY] (index, …)`.
    fn index_hint(&mut self) -> Rule {
        self.skip(2);
        if self.eat_word("FOR") {
            let known =
                self.eat_word("JOIN") || self.eat_words(&["ORDER", "BY"]) || self.eat_words(&["GROUP", "BY"]);
            if !known {
                return self.unknown();
            }
        }
        if self.kind(0) == Some(Kind::Open) && self.kind(1) == Some(Kind::Close) {
            self.skip(2);
            return Ok(());
        }
        self.enclosed(|this| if this.eat_word("PRIMARY") { Ok(()) } else { this.name().map(|_| ()) })
    }

    /// Derives `JSON_TABLE (expression, path COLUMNS (…))`.
    fn json_table(&mut self) -> Rule {
        self.skip(1);
        self.need(Kind::Open)?;
        self.deeper(|this| {
            this.expression()?;
            this.need(Kind::Comma)?;
            this.string()?;
            this.need_word("COLUMNS")?;
            this.enclosed(Self::json_column)
        })?;
        self.need(Kind::Close)
    }

    fn json_column(&mut self) -> Rule {
        if self.eat_word("NESTED") {
            self.eat_word("PATH");
            self.string()?;
            self.need_word("COLUMNS")?;
            return self.enclosed(Self::json_column);
        }
        self.name()?;
        if self.eat_words(&["FOR", "ORDINALITY"]) {
            return Ok(());
        }
        self.data_type()?;
        self.eat_word("EXISTS");
        self.need_word("PATH")?;
        self.string()?;
        self.on_empty_or_error()
    }

    /// Derives `{NULL | ERROR | DEFAULT value} ON {EMPTY | ERROR}`, any number of times.
    pub(super) fn on_empty_or_error(&mut self) -> Rule {
        while self.any_word(0, &["NULL", "ERROR", "DEFAULT"]) {
            if self.eat_word("DEFAULT") {
                self.operand()?;
            } else {
                self.skip(1);
            }
            self.need_word("ON")?;
            if !self.eat_any(&["EMPTY", "ERROR"]) {
                return self.unknown();
            }
        }
        Ok(())
    }
}
