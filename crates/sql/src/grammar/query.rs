//! Queries: SELECT, TABLE, VALUES, WITH, and their combinations.

use super::{Deeds, DerivedName, Kind, Parser, Rule, Why};

/// The words between SELECT and its first expression.
const OPTIONS: [&str; 11] = [
    "ALL",
    "DISTINCT",
    "DISTINCTROW",
    "HIGH_PRIORITY",
    "STRAIGHT_JOIN",
    "SQL_SMALL_RESULT",
    "SQL_BIG_RESULT",
    "SQL_BUFFER_RESULT",
    "SQL_CACHE",
    "SQL_NO_CACHE",
    "SQL_CALC_FOUND_ROWS",
];

/// How many common table expressions a name is compared with, so that long texts take linear time.
const MOST_COMMON: usize = 64;

impl<'a> Parser<'_, 'a> {
    /// True if a query begins behind any number of parentheses. Looks at each of them once for each level, so the work
    /// is bounded by the depth.
    pub(super) fn begins_query(&self, ahead: usize) -> bool {
        match self.peek(ahead) {
            Some(token) if token.is_any(&["SELECT", "WITH"]) => true,
            Some(token) if token.is("TABLE") => true,
            // `VALUES (1), (2)` and `VALUES ROW (1)`; `VALUES(column)` is a function.
            Some(token) if token.is("VALUES") => {
                self.word(ahead + 1, "ROW") || self.kind(ahead + 1) == Some(Kind::Open)
            }
            _ => false,
        }
    }

    /// Derives a query with everything behind it: `[WITH …] body [ORDER BY …] [LIMIT …] [INTO @x] [FOR UPDATE]`.
    pub(super) fn query(&mut self) -> Rule {
        if !self.word(0, "WITH") {
            return self.deeper(|this| {
                this.term()?;
                this.combined()
            });
        }
        // MariaDB does not see an outer WITH from the expressions of an inner one, and MySQL does: a name of the outer one
        // may be that of a relation.
        let outer = std::mem::take(&mut self.common);
        let derived = self.deeper(|this| {
            this.skip(1);
            let recursive = this.eat_word("RECURSIVE");
            this.list(|this| this.common_table(recursive))?;
            this.term()?;
            this.combined()
        });
        self.common = outer;
        derived
    }

    /// Derives what may follow the first term of a query.
    pub(super) fn combined(&mut self) -> Rule {
        loop {
            self.clauses()?;
            if !self.eat_any(&["UNION", "EXCEPT", "INTERSECT"]) {
                return Ok(());
            }
            self.eat_any(&["ALL", "DISTINCT"]);
            self.term()?;
        }
    }

    pub(super) fn is_combined(&self) -> bool {
        self.any_word(0, &["UNION", "EXCEPT", "INTERSECT"])
    }

    /// Derives `name [(column, …)] AS (query)`. The name is known to the expressions behind it and to the query that
    /// WITH belongs to; in its own query only if the WITH is recursive.
    fn common_table(&mut self, recursive: bool) -> Rule {
        let name = self.name()?;
        if recursive {
            self.common.push(name);
        }
        if self.kind(0) == Some(Kind::Open) {
            self.columns()?;
        }
        self.need_word("AS")?;
        self.need(Kind::Open)?;
        self.query()?;
        self.need(Kind::Close)?;
        if !recursive {
            self.common.push(name);
        }
        if self.eat_word("CYCLE") {
            self.list(|this| this.name().map(|_| ()))?;
            self.need_word("RESTRICT")?;
        }
        Ok(())
    }

    /// Notes a relation that is read, unless the name is that of a common table expression. Servers may compare these names
    /// with or without regard to case, so another spelling names a relation, too; and so does one with a quote inside.
    pub(super) fn reads(&mut self, relation: DerivedName<'a>) {
        let is_odd = relation.name.iter().any(|byte| matches!(byte, b'`' | b'"'));
        let mut common = self.common.iter().rev().take(MOST_COMMON);
        if relation.schema.is_some() || is_odd || !common.any(|name| *name == relation.name) {
            self.facts.relations.push(relation);
        }
    }

    /// Derives `(name, name)`.
    pub(super) fn columns(&mut self) -> Rule {
        self.enclosed(|this| this.name().map(|_| ()))
    }

    fn term(&mut self) -> Rule {
        if self.eat(Kind::Open) {
            self.query()?;
            return self.need(Kind::Close);
        }
        if self.eat_word("SELECT") {
            return self.select();
        }
        if self.eat_word("TABLE") {
            let name = self.relation_name()?;
            self.reads(name);
            return Ok(());
        }
        if self.eat_word("VALUES") {
            return self.list(Self::row);
        }
        self.unknown()
    }

    /// Derives a row of VALUES: `ROW (1, 2)`, or `(1, 2)` on MariaDB.
    pub(super) fn row(&mut self) -> Rule {
        self.eat_word("ROW");
        if self.kind(0) == Some(Kind::Open) && self.kind(1) == Some(Kind::Close) {
            self.skip(2);
            return Ok(());
        }
        self.enclosed(Self::value)
    }

    /// Derives an expression, or DEFAULT or IGNORE in a list of values.
    pub(super) fn value(&mut self) -> Rule {
        if self.any_word(0, &["DEFAULT", "IGNORE"]) && self.kind(1) != Some(Kind::Open) {
            self.skip(1);
            return Ok(());
        }
        self.expression()
    }

    fn select(&mut self) -> Rule {
        while self.any_word(0, &OPTIONS) {
            if self.word(0, "SQL_CALC_FOUND_ROWS") {
                self.facts.deeds |= Deeds::FOUND_ROWS;
            }
            self.skip(1);
        }
        self.list(|this| {
            this.expression()?;
            this.alias(true)
        })
    }

    /// Derives the clauses behind a SELECT's list or behind a combined query, in any order.
    fn clauses(&mut self) -> Rule {
        loop {
            let Some(token) = self.peek(0).filter(|token| token.kind == Kind::Word) else { return Ok(()) };
            if token.is("FROM") {
                self.skip(1);
                self.table_references()?;
            } else if token.is_any(&["WHERE", "HAVING", "QUALIFY"]) {
                self.skip(1);
                self.expression()?;
            } else if token.is("GROUP") {
                self.skip(1);
                self.group_by()?;
            } else if token.is("ORDER") {
                self.order_by()?;
            } else if token.is("WINDOW") {
                self.skip(1);
                self.list(Self::named_window)?;
            } else if token.is_any(&["LIMIT", "OFFSET", "FETCH"]) {
                self.limit()?;
            } else if token.is_any(&["FOR", "LOCK"]) {
                self.locking()?;
            } else if token.is("INTO") {
                self.skip(1);
                self.variables_behind_into()?;
            } else if token.is("PROCEDURE") && self.word(1, "ANALYSE") {
                self.skip(2);
                self.analyse()?;
            } else {
                return Ok(());
            }
        }
    }

    fn group_by(&mut self) -> Rule {
        self.need_word("BY")?;
        self.sorted_list()
    }

    /// Derives `ORDER BY expression [ASC | DESC], …`.
    pub(super) fn order_by(&mut self) -> Rule {
        self.need_word("ORDER")?;
        self.need_word("BY")?;
        self.sorted_list()
    }

    /// Derives `expression [ASC | DESC], … [WITH ROLLUP]`.
    fn sorted_list(&mut self) -> Rule {
        self.list(|this| {
            this.expression()?;
            this.eat_any(&["ASC", "DESC"]);
            Ok(())
        })?;
        self.eat_words(&["WITH", "ROLLUP"]);
        Ok(())
    }

    /// Derives `LIMIT n [, n | OFFSET n]`, `OFFSET n ROWS`, `FETCH FIRST n ROWS ONLY`, `LIMIT ROWS EXAMINED n`.
    pub(super) fn limit(&mut self) -> Rule {
        if self.eat_word("LIMIT") {
            if self.eat_words(&["ROWS", "EXAMINED"]) {
                return self.count();
            }
            self.count()?;
            if self.eat(Kind::Comma) {
                self.count()?;
            }
            if self.eat_words(&["ROWS", "EXAMINED"]) {
                return self.count();
            }
            return Ok(());
        }
        if self.eat_word("OFFSET") {
            self.count()?;
            self.eat_any(&["ROW", "ROWS"]);
            return Ok(());
        }
        self.need_word("FETCH")?;
        if !self.eat_any(&["FIRST", "NEXT"]) {
            return self.unknown();
        }
        if !self.any_word(0, &["ROW", "ROWS"]) {
            self.count()?;
        }
        if !self.eat_any(&["ROW", "ROWS"]) {
            return self.unknown();
        }
        if self.eat_word("ONLY") || self.eat_words(&["WITH", "TIES"]) { Ok(()) } else { self.unknown() }
    }

    fn locking(&mut self) -> Rule {
        self.facts.deeds |= Deeds::LOCKS_ROWS;
        if self.eat_word("LOCK") {
            if !self.eat_words(&["IN", "SHARE", "MODE"]) {
                return self.unknown();
            }
        } else {
            self.need_word("FOR")?;
            if !self.eat_any(&["UPDATE", "SHARE"]) {
                return self.unknown();
            }
            if self.eat_word("OF") {
                self.list(|this| this.relation_name().map(|_| ()))?;
            }
        }
        if self.eat_word("WAIT") {
            return self.number();
        }
        if self.eat_word("NOWAIT") || self.eat_words(&["SKIP", "LOCKED"]) {
            return Ok(());
        }
        Ok(())
    }

    fn variables_behind_into(&mut self) -> Rule {
        if self.any_word(0, &["OUTFILE", "DUMPFILE"]) {
            return Err(self.stop(Why::WritesFile));
        }
        self.facts.deeds |= Deeds::INTO_VARIABLES;
        self.list(Self::user_variable)
    }

    /// Derives the arguments of MariaDB's `PROCEDURE ANALYSE ([number, number])`.
    fn analyse(&mut self) -> Rule {
        if self.kind(0) == Some(Kind::Open) && self.kind(1) == Some(Kind::Close) {
            self.skip(2);
            return Ok(());
        }
        self.enclosed(Self::number)
    }

    fn named_window(&mut self) -> Rule {
        self.name()?;
        self.need_word("AS")?;
        self.window()
    }

    /// Derives `([name] [PARTITION BY …] [ORDER BY …] [frame])`.
    pub(super) fn window(&mut self) -> Rule {
        self.need(Kind::Open)?;
        self.deeper(|this| {
            if this.is_name(0) && !this.any_word(0, &["GROUPS"]) {
                this.skip(1);
            }
            if this.eat_words(&["PARTITION", "BY"]) {
                this.list(Self::expression)?;
            }
            if this.word(0, "ORDER") {
                this.order_by()?;
            }
            this.frame()
        })?;
        self.need(Kind::Close)
    }

    fn frame(&mut self) -> Rule {
        if !self.eat_any(&["ROWS", "RANGE", "GROUPS"]) {
            return Ok(());
        }
        if self.eat_word("BETWEEN") {
            self.frame_bound()?;
            self.need_word("AND")?;
        }
        self.frame_bound()?;
        if self.eat_word("EXCLUDE") {
            let known = self.eat_words(&["CURRENT", "ROW"])
                || self.eat_any(&["GROUP", "TIES"])
                || self.eat_words(&["NO", "OTHERS"]);
            if !known {
                return self.unknown();
            }
        }
        Ok(())
    }

    fn frame_bound(&mut self) -> Rule {
        if self.eat_words(&["CURRENT", "ROW"]) {
            return Ok(());
        }
        if !self.eat_word("UNBOUNDED") {
            // Not a whole expression: AND separates the bounds.
            self.operand()?;
        }
        if self.eat_any(&["PRECEDING", "FOLLOWING"]) { Ok(()) } else { self.unknown() }
    }
}
