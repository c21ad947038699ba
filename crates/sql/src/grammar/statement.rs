//! The first words of a statement decide its form. Everything else about it is in [`super::Facts`].

use super::{Deeds, Kind, Parser, Rule, Stop, Why};

/// The form of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Nothing but comments.
    Empty,
    /// SELECT, TABLE, VALUES, WITH, EXPLAIN ANALYZE of these, DO.
    Query,
    /// SHOW, DESCRIBE, HELP, CHECKSUM TABLE, GET DIAGNOSTICS, EXPLAIN FOR CONNECTION.
    Show,
    /// EXPLAIN of a query or of a write, which is not executed.
    Explain,
    /// SET of the session's own variables, characteristics or role.
    Set,
    /// BEGIN, START TRANSACTION without READ WRITE, COMMIT, ROLLBACK, savepoints.
    Transaction,
    /// USE.
    Use,
    /// `PREPARE name FROM 'text'`.
    Prepare,
    /// `EXECUTE name`.
    Execute,
    /// `EXECUTE IMMEDIATE 'text'`.
    ExecuteImmediate,
    /// DEALLOCATE PREPARE, DROP PREPARE.
    Deallocate,
    /// HANDLER.
    Handler,
    /// LOCK TABLES … READ, UNLOCK TABLES.
    Lock,
    /// KILL of a connection or of its statement, by a literal number.
    Kill,
    /// INSERT, UPDATE, DELETE, REPLACE.
    Write,
}

impl Parser<'_, '_> {
    pub(super) fn statement(&mut self) -> Result<Form, Stop> {
        let Some(first) = self.peek(0) else { return Ok(Form::Empty) };
        if first.kind == Kind::Open {
            return self.parenthesised_query();
        }
        if first.kind != Kind::Word {
            return Err(self.stop(Why::Verb));
        }
        if self.begins_query(0) || first.is("VALUES") {
            self.query()?;
            return Ok(Form::Query);
        }
        let verb = first.text.to_ascii_uppercase();
        self.skip(1);
        match verb.as_slice() {
            b"SHOW" => self.show().map(|()| Form::Show),
            b"DESC" | b"DESCRIBE" | b"EXPLAIN" => self.explain(),
            b"ANALYZE" => self.analyze(),
            b"SET" => self.set(),
            b"DO" => self.list(Self::expression).map(|()| Form::Query),
            b"USE" => self.name().map(|_| Form::Use),
            b"BEGIN" => {
                self.eat_word("WORK");
                // `BEGIN NOT ATOMIC …` and Oracle's `BEGIN …` are blocks of any statements.
                Ok(Form::Transaction)
            }
            b"START" => self.start_transaction(),
            b"COMMIT" | b"ROLLBACK" => self.end_transaction(verb == b"ROLLBACK"),
            b"SAVEPOINT" => self.name().map(|_| Form::Transaction),
            b"RELEASE" if self.eat_word("SAVEPOINT") => self.name().map(|_| Form::Transaction),
            b"DEALLOCATE" | b"DROP" if self.eat_word("PREPARE") => self.name().map(|_| Form::Deallocate),
            b"UNLOCK" if self.eat_any(&["TABLES", "TABLE"]) => Ok(Form::Lock),
            b"LOCK" if self.eat_any(&["TABLES", "TABLE"]) => self.list(Self::read_lock).map(|()| Form::Lock),
            b"PREPARE" => self.prepare(),
            b"EXECUTE" => self.execute(),
            b"HANDLER" => self.handler().map(|()| Form::Handler),
            b"CHECKSUM" if self.eat_any(&["TABLE", "TABLES"]) => self.checksum().map(|()| Form::Show),
            b"HELP" => self.help().map(|()| Form::Show),
            b"KILL" => self.kill().map(|()| Form::Kill),
            b"GET" => self.diagnostics().map(|()| Form::Show),
            b"INSERT" | b"REPLACE" | b"UPDATE" | b"DELETE" => {
                self.at -= 1;
                self.modification().map(|()| Form::Write)
            }
            b"CALL" => Err(Stop { at: 0, why: Why::Calls }),
            b"XA" => Err(Stop { at: 0, why: Why::Xa }),
            _ => Err(Stop { at: 0, why: Why::Verb }),
        }
    }

    /// Derives `((SELECT …) UNION …)`.
    fn parenthesised_query(&mut self) -> Result<Form, Stop> {
        let mut inner = 0;
        while self.kind(inner) == Some(Kind::Open) {
            inner += 1;
        }
        if !self.begins_query(inner) {
            self.skip(inner);
            return Err(self.stop(Why::Verb));
        }
        self.query()?;
        Ok(Form::Query)
    }

    fn start_transaction(&mut self) -> Result<Form, Stop> {
        if !self.eat_word("TRANSACTION") {
            return Err(Stop { at: 0, why: Why::Verb });
        }
        if self.peek(0).is_none() {
            return Ok(Form::Transaction);
        }
        self.list(|this| {
            if this.eat_words(&["WITH", "CONSISTENT", "SNAPSHOT"]) || this.eat_words(&["READ", "ONLY"]) {
                return Ok(());
            }
            if this.eat_words(&["READ", "WRITE"]) {
                return Err(this.stop(Why::ReadWrite));
            }
            this.unknown()
        })?;
        Ok(Form::Transaction)
    }

    fn end_transaction(&mut self, rollback: bool) -> Result<Form, Stop> {
        self.eat_word("WORK");
        if rollback && self.eat_word("TO") {
            if self.word(0, "SAVEPOINT") && self.peek(1).is_some() {
                self.skip(1);
            }
            self.name()?;
            return Ok(Form::Transaction);
        }
        if self.word(0, "AND") {
            self.skip(1);
            self.eat_word("NO");
            self.need_word("CHAIN")?;
        }
        if self.word(0, "NO") {
            self.skip(1);
            self.need_word("RELEASE")?;
        } else {
            self.eat_word("RELEASE");
        }
        Ok(Form::Transaction)
    }

    /// Derives `table [[AS] alias] READ [LOCAL]`.
    fn read_lock(&mut self) -> Rule {
        // A lock reads nothing, also not behind a view.
        self.relation_name()?;
        self.alias(false)?;
        if !self.eat_word("READ") {
            return Err(self.stop(Why::Verb));
        }
        self.eat_word("LOCAL");
        Ok(())
    }

    fn prepare(&mut self) -> Result<Form, Stop> {
        self.name()?;
        let literal = self.peek(1).filter(|token| token.kind == Kind::String);
        let (true, Some(literal)) = (self.word(0, "FROM"), literal) else {
            return Err(self.stop(Why::HiddenText));
        };
        self.skip(2);
        // Strings side by side are one string, and so is an expression that begins with one.
        if self.peek(0).is_some() {
            return Err(self.stop(Why::HiddenText));
        }
        self.facts.text = Some(literal);
        Ok(Form::Prepare)
    }

    fn execute(&mut self) -> Result<Form, Stop> {
        let immediate = self.word(0, "IMMEDIATE") && self.peek(1).is_some() && !self.word(1, "USING");
        if !immediate {
            self.name()?;
            self.using()?;
            return Ok(Form::Execute);
        }
        self.skip(1);
        let literal = self.peek(0).filter(|token| token.kind == Kind::String);
        let Some(literal) = literal else { return Err(self.stop(Why::HiddenText)) };
        self.skip(1);
        if self.peek(0).is_some_and(|token| !token.is("USING")) {
            return Err(self.stop(Why::HiddenText));
        }
        self.using()?;
        self.facts.text = Some(literal);
        Ok(Form::ExecuteImmediate)
    }

    fn using(&mut self) -> Rule {
        if self.eat_word("USING") { self.list(Self::expression) } else { Ok(()) }
    }

    /// Derives what follows HANDLER.
    fn handler(&mut self) -> Rule {
        let name = self.relation_name()?;
        if self.eat_word("OPEN") {
            // Later statements name the handler, which may have an alias.
            self.facts.relations.push(name);
            return self.alias(false);
        }
        if self.eat_word("CLOSE") {
            return Ok(());
        }
        self.need_word("READ")?;
        if !self.eat_any(&["FIRST", "NEXT"]) {
            if self.eat_word("PRIMARY") {
                // A primary key has this name.
            } else {
                self.name()?;
            }
            if !self.eat_any(&["FIRST", "NEXT", "PREV", "LAST"]) {
                self.comparison()?;
                self.enclosed(Self::expression)?;
            }
        }
        if self.eat_word("WHERE") {
            self.expression()?;
        }
        if self.word(0, "LIMIT") {
            self.limit()?;
        }
        Ok(())
    }

    /// Passes `=`, `<=`, `>=`, `<` or `>`.
    fn comparison(&mut self) -> Rule {
        if self.eat(Kind::Equals) {
            return Ok(());
        }
        if !self.operator(0, b'<') && !self.operator(0, b'>') {
            return self.unknown();
        }
        let with_equals = self.adjacent(0) && self.kind(1) == Some(Kind::Equals);
        self.skip(if with_equals { 2 } else { 1 });
        Ok(())
    }

    fn checksum(&mut self) -> Rule {
        self.list(|this| {
            let name = this.relation_name()?;
            this.facts.relations.push(name);
            Ok(())
        })?;
        self.eat_any(&["QUICK", "EXTENDED"]);
        Ok(())
    }

    fn help(&mut self) -> Rule {
        if self.eat(Kind::String) { Ok(()) } else { self.name_behind_dot().map(|_| ()) }
    }

    /// Derives `KILL [HARD | SOFT] [CONNECTION | QUERY] number`: the proxy finds the session itself.
    fn kill(&mut self) -> Rule {
        self.eat_any(&["HARD", "SOFT"]);
        self.eat_any(&["CONNECTION", "QUERY"]);
        self.number()
    }

    /// Derives `GET [CURRENT | STACKED] DIAGNOSTICS …`.
    fn diagnostics(&mut self) -> Rule {
        self.eat_any(&["CURRENT", "STACKED"]);
        self.need_word("DIAGNOSTICS")?;
        if self.eat_word("CONDITION") && !self.eat(Kind::Number) {
            self.user_variable()?;
        }
        self.list(|this| {
            this.user_variable()?;
            this.facts.deeds |= Deeds::ASSIGNS;
            this.need(Kind::Equals)?;
            this.name().map(|_| ())
        })
    }
}
