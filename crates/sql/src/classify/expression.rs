//! Scans a statement's expressions for functions, variables, and clauses that lock or store.

use super::found::Found;
use super::schemas::SystemTables;
use super::{Effects, Env, Kind, Native, RoutineFacts, StatementKind, Why};
use crate::class::TRACKER;
use crate::tokens::{Statement, Tok};
use crate::vocabulary::words::Meaning;
use crate::vocabulary::{has_built_ins, is_built_in_of, lookup};

/// The kind of statement that contains the expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ExpressionPlace {
    /// A query: words that begin a write must not appear in it.
    Query,
    /// INSERT, UPDATE, …: the statement writes anyway; only the effects of its expressions count.
    Writing,
}

/// Returns the class of a statement that would be a read without its expressions.
pub(super) fn scan(statement: Statement<'_, '_>, place: ExpressionPlace, env: Env<'_>) -> Found {
    let mut scan = Scan { statement, place, env, found: Found::read(), tables: SystemTables::default() };
    for at in 0..statement.len() {
        let tok = statement.at(at);
        match tok.kind {
            Kind::Word if tok.meaning > Meaning::Literal => scan.word(at, tok),
            Kind::QuotedIdentifier if statement.at(at + 1).kind == Kind::Dot => scan.quoted_schema(at, tok),
            Kind::Open => scan.call(at),
            // The dot may belong to the name, as in `SELECT @a. INTO @x`: what follows is then not the rest of a name.
            Kind::At if statement.at(at + 2).kind == Kind::Dot => scan.not_understood(),
            Kind::At => scan.found.add(Effects::READS_USER_VARIABLES),
            Kind::AtAt => scan.system_variable(at),
            Kind::Assign => {
                scan.found.raise(StatementKind::Session, Why::UserVariable, Effects::SETS_USER_VARIABLES);
            }
            _ => {}
        }
    }
    if place == ExpressionPlace::Query {
        scan.tables.judge(statement, env, &mut scan.found);
    }
    scan.found
}

struct Scan<'t, 'a, 'e> {
    statement: Statement<'t, 'a>,
    place: ExpressionPlace,
    env: Env<'e>,
    found: Found,
    tables: SystemTables,
}

impl<'a> Scan<'_, 'a, '_> {
    fn word(&mut self, at: usize, tok: Tok<'a>) {
        let last = self.statement.before(at, 1);
        let next = self.statement.at(at + 1);
        if matches!(last.kind, Kind::Dot) {
            // `sequence.NEXTVAL` of MariaDB's Oracle mode.
            if matches!(tok.meaning, Meaning::UsesSequence | Meaning::ReadsSequence) {
                self.sequence(tok.meaning);
            }
            return;
        }
        // On MySQL `@` alone is a variable with an empty name: the word behind it may be a keyword of the statement.
        let own = match tok.meaning {
            Meaning::Into | Meaning::For => true,
            Meaning::Lock => next.is("IN"),
            _ => false,
        };
        if last.kind == Kind::AtAt || (last.kind == Kind::At && !own) {
            return;
        }
        match tok.meaning {
            Meaning::Into => self.into(next),
            Meaning::For => self.clause_for(at, next),
            Meaning::Lock => self.locks(),
            Meaning::Procedure => self.not_understood(),
            Meaning::CalcFoundRows => {
                self.found.raise(StatementKind::Session, Why::LooksBack, Effects::CALC_FOUND_ROWS);
            }
            Meaning::WriteVerb => self.write_verb(last, tok),
            Meaning::WriteVerbOrFunction if next.kind != Kind::Open => self.write_verb(last, tok),
            Meaning::ServerSchema | Meaning::InformationSchema if next.kind == Kind::Dot => {
                self.tables.schema(tok.meaning, self.statement.at(at + 2));
            }
            _ => {}
        }
    }

    fn quoted_schema(&mut self, at: usize, tok: Tok<'a>) {
        let meaning = crate::vocabulary::words::meaning(tok.name());
        if matches!(meaning, Meaning::ServerSchema | Meaning::InformationSchema) {
            self.tables.schema(meaning, self.statement.at(at + 2));
        }
    }

    fn into(&mut self, next: Tok<'a>) {
        if next.is_any(&["OUTFILE", "DUMPFILE"]) {
            self.found.raise(StatementKind::Write, Why::ServerFile, Effects::empty());
        } else if self.place == ExpressionPlace::Query || next.kind == Kind::At {
            let effects = Effects::SETS_USER_VARIABLES;
            self.found.raise(StatementKind::Session, Why::UserVariable, effects);
        }
    }

    fn clause_for(&mut self, at: usize, next: Tok<'a>) {
        if next.is_any(&["UPDATE", "SHARE"]) {
            self.locks();
        } else if self.statement.before(at, 1).is("VALUE") {
            let verb = self.statement.before(at, 2);
            if verb.is("NEXT") {
                self.sequence(Meaning::UsesSequence);
            } else if verb.is("PREVIOUS") {
                self.sequence(Meaning::ReadsSequence);
            }
        }
    }

    fn locks(&mut self) {
        self.found.raise(StatementKind::Write, Why::LockingRead, Effects::LOCKS_ROWS);
    }

    fn sequence(&mut self, meaning: Meaning) {
        match meaning {
            Meaning::UsesSequence => {
                self.found.raise(StatementKind::Write, Why::Sequence, Effects::USES_SEQUENCE);
            }
            _ => self.found.raise(StatementKind::Session, Why::Sequence, Effects::READS_SEQUENCE),
        }
    }

    /// A reserved word of a write. A query with such a word is not understood, except for FOR UPDATE, which was already
    /// handled as a lock.
    fn write_verb(&mut self, last: Tok<'a>, verb: Tok<'a>) {
        let locks = last.is("FOR") && verb.is("UPDATE");
        if self.place == ExpressionPlace::Query && !locks {
            self.not_understood();
        }
    }

    fn not_understood(&mut self) {
        let effects = Effects::LEAVES_UNKNOWN | Effects::READS_INSERT_ID;
        self.found.raise(StatementKind::Unknown, Why::NotUnderstood, effects);
    }

    /// A system variable that is read: `@@x`, `@@session.x`.
    fn system_variable(&mut self, at: usize) {
        let (first, second) = (self.statement.at(at + 1), self.statement.at(at + 3));
        let name = if self.statement.at(at + 2).kind == Kind::Dot { second } else { first };
        let is = |names: [&str; 2]| names.iter().any(|known| name.names(known));
        let (kind, reason, effects) = if is(["last_insert_id", "identity"]) {
            (StatementKind::Session, Why::InsertId, Effects::READS_INSERT_ID)
        } else if is(["warning_count", "error_count"]) {
            (StatementKind::Session, Why::LooksBack, Effects::READS_DIAGNOSTICS)
        } else if name.name().get(..TRACKER.len()).is_some_and(|start| start.eq_ignore_ascii_case(TRACKER)) {
            (StatementKind::Admin, Why::SystemVariable, Effects::READS_TRACKERS)
        } else if is(["tx_read_only", "transaction_read_only"]) {
            (StatementKind::Admin, Why::SystemVariable, Effects::READS_ACCESS_MODE)
        } else {
            (StatementKind::Admin, Why::SystemVariable, Effects::empty())
        };
        self.found.raise(kind, reason, effects);
    }

    /// Handles the token before the parenthesis at `open`, which may be the name of a function.
    fn call(&mut self, open: usize) {
        let name = self.statement.before(open, 1);
        let before = self.statement.before(open, 2);
        if !name.is_name() || matches!(before.kind, Kind::At | Kind::AtAt) {
            return;
        }
        if before.kind == Kind::Dot {
            let schema = self.statement.before(open, 3).name();
            // On MariaDB, a function of that schema never hides the built-in one.
            if has_built_ins(schema) {
                self.built_in(open, name);
            }
            if !has_built_ins(schema) || !is_built_in_of(schema, name.name(), self.env.routines) {
                self.stored(open, Some(schema), name);
            }
            return;
        }
        if name.kind == Kind::QuotedIdentifier {
            return self.stored(open, None, name);
        }
        let first = self.statement.at(open + 1);
        match name.meaning {
            Meaning::Callable | Meaning::Source | Meaning::For | Meaning::Into => {}
            Meaning::WriteVerbOrFunction => {}
            Meaning::Tight if name.start + name.text.len() == self.statement.at(open).start => {}
            // `COUNT (*)` is a function under IGNORE_SPACE, and an error otherwise.
            Meaning::Tight if first.text == b"*" => {}
            Meaning::Somewhere => self.somewhere(open, name),
            Meaning::BeforeQuery
                if first.kind == Kind::Open || first.is_any(&["SELECT", "WITH", "VALUES", "TABLE"]) => {}
            Meaning::Against if before.kind == Kind::Close => {}
            Meaning::Columns if before.kind == Kind::String => {}
            Meaning::Of if before.is("MEMBER") => {}
            Meaning::Name => self.stored(open, None, name),
            Meaning::OneServer | Meaning::UsesSequence | Meaning::ReadsSequence => {
                self.of_some_servers(open, name);
            }
            _ => self.special(open, name),
        }
    }

    /// Handles a built-in function that is called by its schema, as far as it does more than a plain read.
    fn built_in(&mut self, open: usize, name: Tok<'a>) {
        match crate::vocabulary::words::meaning(name.name()) {
            Meaning::GetLock
            | Meaning::ReleaseLock
            | Meaning::AsksLock
            | Meaning::InsertId
            | Meaning::FoundRows
            | Meaning::RowCount
            | Meaning::OneServer
            | Meaning::LoadFile
            | Meaning::UsesSequence
            | Meaning::ReadsSequence => {
                let meaning = crate::vocabulary::words::meaning(name.name());
                self.special(open, Tok { meaning, ..name });
            }
            _ => {}
        }
    }

    /// Handles a function that does more than a plain read, and that only some servers have.
    fn of_some_servers(&mut self, open: usize, name: Tok<'a>) {
        match self.env.routines.native(name.name()) {
            Native::Everywhere => self.special(open, name),
            Native::Somewhere => {
                self.special(open, name);
                self.somewhere(open, name);
            }
            Native::Nowhere => self.stored(open, None, name),
        }
    }

    /// Handles functions that do more than a plain read.
    fn special(&mut self, open: usize, name: Tok<'a>) {
        use StatementKind as K;
        use Why as R;
        let (kind, reason, effects) = match name.meaning {
            Meaning::GetLock => (K::Session, R::NamedLock, Effects::GET_LOCK),
            Meaning::ReleaseLock => (K::Session, R::NamedLock, self.releases_all(open)),
            Meaning::AsksLock => (K::Admin, R::NamedLock, Effects::empty()),
            Meaning::InsertId if self.statement.at(open + 1).kind == Kind::Close => {
                (K::Session, R::InsertId, Effects::READS_INSERT_ID)
            }
            Meaning::InsertId => (K::Session, R::InsertId, Effects::READS_INSERT_ID | Effects::SETS_STATE),
            Meaning::FoundRows => (K::Session, R::LooksBack, Effects::READS_FOUND_ROWS),
            Meaning::RowCount => (K::Session, R::LooksBack, Effects::READS_ROW_COUNT),
            Meaning::OneServer => (K::Admin, R::OneServer, Effects::empty()),
            Meaning::LoadFile => (K::Write, R::ServerFile, Effects::empty()),
            Meaning::UsesSequence | Meaning::ReadsSequence => return self.sequence(name.meaning),
            _ => return self.stored(open, None, name),
        };
        self.found.raise(kind, reason, effects);
    }

    /// RELEASES_LOCKS if the statement is `SELECT RELEASE_ALL_LOCKS()` and nothing else.
    fn releases_all(&self, open: usize) -> Effects {
        match self.statement.before(open, 1).is("RELEASE_ALL_LOCKS") && open == 2 && self.statement.len() == 4
        {
            true => Effects::RELEASES_LOCKS,
            false => Effects::empty(),
        }
    }

    /// Handles a name that is a built-in function on some servers, and on others may be a stored function.
    fn somewhere(&mut self, open: usize, name: Tok<'a>) {
        let schema = (!self.env.schema.is_empty()).then_some(self.env.schema);
        let routines = self.env.routines;
        if routines.native(name.name()) == Native::Everywhere {
            return;
        }
        if !routines.is_complete()
            || lookup(name.name(), |name| routines.function(schema, name)) != RoutineFacts::Unknown
        {
            self.stored(open, None, name);
        }
    }

    /// Handles a stored or loadable function, unless the parentheses are a list of columns.
    fn stored(&mut self, open: usize, schema: Option<&[u8]>, name: Tok<'a>) {
        if schema.is_none() && self.is_column_list(open) {
            return;
        }
        let default = (!self.env.schema.is_empty()).then_some(self.env.schema);
        let facts = lookup(name.name(), |name| self.env.routines.function(schema.or(default), name));
        // The function may read the session's insert id and user variables.
        self.found.add(Effects::READS_INSERT_ID | Effects::READS_USER_VARIABLES);
        let effects = match facts {
            RoutineFacts::ReadsOnly | RoutineFacts::ReadsOpaque => return,
            RoutineFacts::ReadsServer => {
                return self.found.raise(StatementKind::Admin, Why::OneServer, Effects::empty());
            }
            RoutineFacts::Harmless | RoutineFacts::WritesOpaque => Effects::empty(),
            RoutineFacts::Unknown | RoutineFacts::Other | RoutineFacts::Acts => Effects::LEAVES_UNKNOWN,
        };
        self.found.raise(StatementKind::Write, Why::UnknownFunction, effects);
    }

    /// True for the lists in `WITH t (a, b) AS (…)` and `(SELECT …) AS t (a, b)`: a call never follows AS, and is never
    /// followed by `AS (`. Such a list has only names and commas, so no token is examined for more than one
    /// parenthesis.
    fn is_column_list(&self, open: usize) -> bool {
        if self.statement.before(open, 2).is("AS") {
            return true;
        }
        let list = self.statement.from(open + 1);
        let Some(close) = list.iter().position(|tok| !tok.is_name() && tok.kind != Kind::Comma) else {
            return false;
        };
        let behind = list.from(close + 1);
        list.at(close).kind == Kind::Close && behind.is(0, "AS") && behind.at(1).kind == Kind::Open
    }
}
