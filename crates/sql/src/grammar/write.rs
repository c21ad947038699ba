//! INSERT, REPLACE, UPDATE and DELETE: what an EXPLAIN may explain, and what a server connection may run without being reset.

use super::{DerivedName, Kind, Parser, Rule};

impl<'a> Parser<'_, 'a> {
    /// Derives a statement that changes rows; its verb is the next token.
    pub(super) fn modification(&mut self) -> Rule {
        if self.eat_any(&["INSERT", "REPLACE"]) {
            return self.insert();
        }
        if self.eat_word("UPDATE") {
            return self.update();
        }
        self.need_word("DELETE")?;
        self.delete()
    }

    fn writes(&mut self, name: DerivedName<'a>) {
        self.facts.relations.push(name);
        self.facts.written.push(name);
    }

    fn insert(&mut self) -> Rule {
        while self.eat_any(&["LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY", "IGNORE"]) {}
        self.eat_word("INTO");
        let name = self.relation_name()?;
        self.writes(name);
        if self.word(0, "PARTITION") && self.kind(1) == Some(Kind::Open) {
            self.skip(1);
            self.columns()?;
        }
        if self.word(0, "SET") {
            self.skip(1);
            self.list(Self::column_value)?;
        } else {
            if self.kind(0) == Some(Kind::Open) && !self.begins_query(1) {
                self.column_list()?;
            }
            if self.eat_any(&["VALUES", "VALUE"]) {
                self.list(Self::row)?;
            } else {
                self.query()?;
            }
        }
        self.row_alias()?;
        if self.eat_words(&["ON", "DUPLICATE", "KEY", "UPDATE"]) {
            self.list(Self::column_value)?;
        }
        self.returning()
    }

    /// Derives `(column, …)`, which may be empty.
    fn column_list(&mut self) -> Rule {
        if self.kind(1) == Some(Kind::Close) {
            self.skip(2);
            return Ok(());
        }
        self.enclosed(Self::column)
    }

    /// Derives MySQL's `AS new [(column, …)]` behind the rows.
    fn row_alias(&mut self) -> Rule {
        if !self.eat_word("AS") {
            return Ok(());
        }
        self.name()?;
        if self.kind(0) == Some(Kind::Open) { self.columns() } else { Ok(()) }
    }

    /// Derives `column = value`.
    fn column_value(&mut self) -> Rule {
        self.column()?;
        if !self.eat(Kind::Equals) && !self.eat(Kind::Assign) {
            return self.unknown();
        }
        self.value()
    }

    fn update(&mut self) -> Rule {
        while self.eat_any(&["LOW_PRIORITY", "IGNORE"]) {}
        let before = self.facts.relations.len();
        self.table_references()?;
        // Which of several tables is written shows only by the columns.
        let tables: Vec<_> = self.facts.relations.get(before..).unwrap_or_default().to_vec();
        self.facts.written.extend(tables);
        self.need_word("SET")?;
        self.list(Self::column_value)?;
        self.condition_order_limit()
    }

    fn delete(&mut self) -> Rule {
        while self.eat_any(&["LOW_PRIORITY", "QUICK", "IGNORE"]) {}
        let before = self.facts.relations.len();
        if self.eat_word("FROM") {
            self.table_references()?;
            if self.eat_word("USING") {
                self.table_references()?;
            }
        } else {
            self.list(|this| {
                this.relation_name()?;
                if this.eat(Kind::Dot) {
                    if !this.operator(0, b'*') {
                        return this.unknown();
                    }
                    this.skip(1);
                }
                Ok(())
            })?;
            self.need_word("FROM")?;
            self.table_references()?;
        }
        let tables: Vec<_> = self.facts.relations.get(before..).unwrap_or_default().to_vec();
        self.facts.written.extend(tables);
        self.condition_order_limit()?;
        self.returning()
    }

    fn condition_order_limit(&mut self) -> Rule {
        if self.eat_word("WHERE") {
            self.expression()?;
        }
        if self.word(0, "ORDER") {
            self.order_by()?;
        }
        if self.word(0, "LIMIT") {
            self.limit()?;
        }
        Ok(())
    }

    /// Derives MariaDB's `RETURNING expression, …`.
    fn returning(&mut self) -> Rule {
        if !self.eat_word("RETURNING") {
            return Ok(());
        }
        self.list(|this| {
            this.expression()?;
            this.alias(true)
        })
    }
}
