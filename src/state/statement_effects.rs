//! Records what a statement leaves after its answer: pins that begin or end, and the variables, tables, locks
//! and prepared statements that the session gains or loses.

use std::collections::HashMap;
use std::rc::Rc;

use super::unreported_variables::Whose;
use super::{AnswerError, PinSet, Qualified, ReadingTransactions, SessionState, mentions};
use crate::backend::{Carried, InsertId, TextStatement, TextStatements};
use crate::sql::class::TRACKER;
use crate::sql::{self, Effects, StatementClass};
use crate::terms::{Pin, Role, StatementKind, Why};

/// The most names of locks, or of temporary tables, that are kept for one session.
pub(super) const MOST_NAMES: usize = 1_000;

/// The most statements prepared as text that are kept for one session: each new statement is compared with
/// all of them.
const MOST_TEXTS: usize = 256;

/// The most bytes of their texts that are kept for one session.
const MOST_TEXT_BYTES: usize = 1024 * 1024;

impl SessionState {
    /// True if the connection has, or may have, state that COM_RESET_CONNECTION does not clear: an active
    /// role (on both servers), a resource group or the traces of statements (MySQL), their profiles
    /// (MariaDB). COM_CHANGE_USER does not clear most of it, either.
    pub fn outlives_reset(&mut self, role: Role) -> bool {
        let pins = self.pins.on(role);
        pins.has_any(PinSet::of(&[Pin::Role, Pin::Unknown]))
            || (pins.has(Pin::Variable) && {
                let names = self.trackers.unreported.on(role, Whose::System).names();
                names.is_none_or(|names| names.iter().any(|name| Carried::records(name)))
            })
    }

    /// Forgets the tables, handlers and locks that neither connection holds any more, after a connection was
    /// lost.
    pub(super) fn forget_what_nobody_holds(&mut self) {
        let nobody = |pin| !Role::BOTH.iter().any(|role| self.pins.on(*role).has(pin));
        let (tables, handlers, locks) =
            (nobody(Pin::TemporaryTable), nobody(Pin::Handler), nobody(Pin::NamedLock));
        if tables && let Some(rare) = &mut self.objects.rare {
            rare.temporary_tables.clear();
        }
        if handlers {
            self.objects.handlers = 0;
        }
        if locks {
            self.forget_locks();
        }
    }

    pub(super) fn note_effects(&mut self, role: Role, class: &StatementClass, text: Option<&[u8]>) {
        let returns = |text: &[u8]| mentions(text, b"returning");
        let in_several = class.effects.contains(Effects::SEVERAL) && text.is_none_or(returns);
        if role == Role::Primary && (in_several || (self.answer.rows && class.kind == StatementKind::Write)) {
            // The packet behind the rows of INSERT … RETURNING does not report the insert id.
            self.insert.id.set(InsertId::OnConnection);
        }
        if self.may_create_user_variables(class) && !class.effects.contains(Effects::SETS_USER_VARIABLES) {
            self.created_user_variables(role, text);
        }
        // Most statements leave nothing that needs a second look.
        let plain = Effects::OF_ALL | Effects::READS_USER_VARIABLES | Effects::LOCKS_ROWS | Effects::OPAQUE;
        let is_control = class.kind == StatementKind::Transaction && role == Role::Primary;
        if !plain.contains(class.effects) || is_control || !self.pins.on(role).is_empty() {
            self.leaves(role, class, text);
        }
        if self.pins.on(role).has(Pin::Unknown) {
            self.doubt_user_variables(role);
        }
    }

    /// True if `completion_type` makes a COMMIT or a ROLLBACK end the session.
    fn completes_by_release(&self, effects: Effects) -> bool {
        let says = Effects::KEEPS_SESSION | Effects::BEGINS;
        let kind = self.carried.variables.iter().find(|(name, _)| **name == *b"completion_type");
        !effects.intersects(says)
            && kind.is_some_and(|(_, kind)| kind.eq_ignore_ascii_case(b"RELEASE") || **kind == *b"2")
    }

    /// Notes a savepoint in front of a transaction. With autocommit off, servers keep it for the transaction that the next
    /// statement begins, and report none.
    fn savepoint_ahead(&mut self, role: Role, class: &StatementClass) {
        if class.effects.intersects(Effects::ENDS | Effects::COMMITS_IMPLICITLY) {
            self.transaction.reading -= ReadingTransactions::SAVEPOINT_AHEAD;
        }
        let is_savepoint = class.kind == StatementKind::Transaction
            && (Effects::OF_ALL | Effects::SEVERAL).contains(class.effects);
        let outside = !self.carried.autocommit && !self.in_transaction();
        if role == Role::Primary && is_savepoint && outside && !self.answer.failed() {
            self.transaction.reading |= ReadingTransactions::SAVEPOINT_AHEAD;
            self.pin(role, Pin::NextTransaction);
        }
    }

    /// True if the statement that is done was, or ended, the transaction for which `SET TRANSACTION` was meant. Servers keep that
    /// for the next one while statements use no table of a transactional engine; one that failed may not have come so far.
    fn ends_next_transaction(&self, class: &StatementClass) -> bool {
        let effects = class.effects;
        let unseen = Effects::OPENS_NO_TABLE
            | Effects::READS_NO_TABLE
            | Effects::CALLS
            | Effects::EXECUTES
            | Effects::LEAVES_UNKNOWN;
        if self.answer.failed() || effects.contains(Effects::SETS_NEXT_TRANSACTION) {
            return false;
        }
        let ends = effects.intersects(Effects::ENDS | Effects::COMMITS_IMPLICITLY);
        let uses_tables = matches!(class.kind, StatementKind::Read | StatementKind::Write)
            && !effects.intersects(unseen)
            && class.reason != Why::Definitions
            && !class.calls_stored_function();
        ends || uses_tables
    }

    fn leaves(&mut self, role: Role, class: &StatementClass, text: Option<&[u8]>) {
        let (effects, failed) = (class.effects, self.answer.failed());
        self.savepoint_ahead(role, class);
        let ahead = self.transaction.reading.contains(ReadingTransactions::SAVEPOINT_AHEAD);
        if !ahead && !self.in_transaction() && self.ends_next_transaction(class) {
            self.unpin(role, PinSet::of(&[Pin::NextTransaction]));
        }
        if effects.intersects(Effects::READS_INSERT_ID) && role == Role::Primary {
            // The statement may have set the insert id, and no packet reports that.
            self.insert.id.set(InsertId::OnConnection);
        } else if effects.contains(Effects::READS_INSERT_ID)
            && effects.intersects(Effects::SETS_STATE | Effects::LEAVES_UNKNOWN | Effects::CALLS)
            && self.in_transaction()
        {
            self.insert_id_on_replica();
        }
        if self.answer.error == Some(AnswerError::Interrupted) && !effects.contains(Effects::REPEATABLE) {
            self.pin(role, Pin::Unknown);
        }
        if failed {
            if effects.contains(Effects::PREPARES) {
                self.text_not_prepared(text);
                self.text_prepared_variables(role, text);
            }
            if effects.contains(Effects::SETS_LITERALS) && self.answer.error != Some(AnswerError::NotParsed) {
                self.literals_not_set(role, text);
            }
            return;
        }
        if role == Role::Replica
            && class.kind == StatementKind::Transaction
            && Effects::OF_ALL.contains(effects)
        {
            self.transaction.reading |= ReadingTransactions::SAVEPOINT;
        }
        if effects.contains(Effects::ENDS_SESSION)
            || (effects.contains(Effects::ENDS) && self.completes_by_release(effects))
        {
            self.transaction.reading |= ReadingTransactions::SESSION_ENDED;
        }
        if effects.contains(Effects::SETS_STATE) && self.answer.error != Some(AnswerError::NotParsed) {
            self.client_tracks(role, text);
            self.set_unscoped(role, text);
        }
        if effects.contains(Effects::UNLOCKS) {
            self.unpin(role, PinSet::of(&[Pin::LockTables, Pin::ReadLock]));
        }
        if effects.contains(Effects::RELEASES_LOCKS) {
            self.unpin(role, PinSet::of(&[Pin::NamedLock]));
            self.forget_locks();
        } else if class.reason == Why::NamedLock {
            self.count_locks(role, text, effects.contains(Effects::GET_LOCK));
        }
        if effects.intersects(Effects::BEGINS | Effects::BEGINS_READ_ONLY) {
            // A transaction that begins releases the locks of LOCK TABLES.
            self.unpin(role, PinSet::of(&[Pin::LockTables]));
        }
        if effects.intersects(Effects::HANDLER_OPEN | Effects::HANDLER_CLOSE) {
            self.count_handlers(role, effects);
        }
        if effects.contains(Effects::DROPS_TABLE) {
            self.dropped_tables(role, text);
        }
        if effects.contains(Effects::SETS_LITERALS) {
            self.set_literals(role, text);
        }
        if effects.intersects(Effects::PREPARES | Effects::DEALLOCATES) {
            self.text_prepared(role, class, text);
            self.text_prepared_variables(role, text);
        }
    }

    /// Handles a client that sets session trackers itself: the connection's trackers are set anew.
    fn client_tracks(&mut self, role: Role, text: Option<&[u8]>) {
        let Some(text) = text.filter(|text| mentions(text, TRACKER)) else { return };
        self.trackers.shown = true;
        self.trackers.changed = true;
        if sql::parts::changes_trackers(text, self.sql_options()) == Some(true) {
            return;
        }
        // The other variables that the statement sets may not be reported any more.
        let Some(all) = sql::parts::system_variables(text, self.sql_options()) else {
            return self.unreported_variables(role);
        };
        for one in all.iter().filter(|one| !one.name.starts_with(TRACKER) && one.name != b"autocommit") {
            self.unreported_variable(role, &one.name);
        }
        if sql::parts::sets_charset_too(text, self.sql_options()) && !self.answer.charset_reported {
            self.unreported_variables(role);
        }
    }

    fn forget_locks(&mut self) {
        if let Some(rare) = &mut self.objects.rare {
            rare.named_locks.clear();
        }
    }

    fn count_handlers(&mut self, role: Role, effects: Effects) {
        if effects.intersects(Effects::SEVERAL | Effects::HANDLER_OPEN) {
            self.objects.handlers = self.objects.handlers.saturating_add(1);
        } else {
            self.objects.handlers = self.objects.handlers.saturating_sub(1);
            if self.objects.handlers == 0 {
                self.unpin(role, PinSet::of(&[Pin::Handler]));
            }
        }
    }

    /// Counts the locks that the text names. A lock that was requested but not acquired (a timeout) counts
    /// until it is released.
    fn count_locks(&mut self, role: Role, text: Option<&[u8]>, takes: bool) {
        let options = self.sql_options();
        let held = &mut self.objects.rare.get_or_insert_default().named_locks;
        match text.and_then(|text| sql::parts::named_locks(text, options)) {
            // Too many requests: keeps one lock without a name instead, which is never known to be released.
            Some(locks) if held.len().saturating_add(locks.taken.len()) > MOST_NAMES => {
                *held = vec![Vec::new()];
            }
            Some(locks) => {
                held.extend(locks.taken);
                // Each release removes one lock with that name.
                let mut released: HashMap<Vec<u8>, usize> = HashMap::new();
                locks.released.into_iter().for_each(|name| *released.entry(name).or_default() += 1);
                held.retain(|name| {
                    let left = released.get_mut(name).filter(|left| **left > 0);
                    left.map(|left| *left -= 1).is_none()
                });
                if held.is_empty() {
                    self.unpin(role, PinSet::of(&[Pin::NamedLock]));
                }
            }
            // The names are unknown, so no release is known to be the last.
            None if takes && held.len() < MOST_NAMES => held.push(Vec::new()),
            None => {}
        }
    }

    fn dropped_tables(&mut self, role: Role, text: Option<&[u8]>) {
        let dropped = text.and_then(|t| sql::parts::dropped_tables(t, self.sql_options()));
        let dropped: Vec<_> = dropped.into_iter().flatten().map(|name| self.qualified(name)).collect();
        let Some(names) = self.objects.rare.as_deref_mut().map(|rare| &mut rare.temporary_tables) else {
            return;
        };
        for name in dropped {
            names.remove(&name);
        }
        if names.is_empty() {
            self.unpin(role, PinSet::of(&[Pin::TemporaryTable]));
        }
    }

    /// Returns the schema and the table that a name means.
    pub(super) fn qualified(&self, name: sql::parts::TableName) -> Qualified {
        let schema = name.schema.or_else(|| self.carried.schema.as_deref().map(<[u8]>::to_vec));
        (schema.unwrap_or_default(), name.table)
    }

    /// Forgets the statement that a failed PREPARE names, because the server dropped it.
    fn text_not_prepared(&mut self, text: Option<&[u8]>) {
        match text.and_then(|text| sql::parts::prepared_name(text, self.sql_options())) {
            Some(name) => self.forget_text_statement(&name),
            None => self.objects.text_statements = TextStatements::default(),
        }
    }

    /// Forgets the statement that a text names if the text is a PREPARE: the proxy refuses the PREPARE, and a server
    /// that refuses to prepare drops the older statement of that name.
    pub fn refuses_to_prepare(&mut self, text: &[u8]) {
        if let Some(name) = sql::parts::prepared_name(text, self.sql_options()) {
            self.forget_text_statement(&name);
        }
    }

    fn forget_text_statement(&mut self, name: &[u8]) {
        let others = self.objects.text_statements.iter().filter(|known| *known.name != *name);
        self.objects.text_statements = others.cloned().collect();
    }

    /// True if one more statement prepared as text can be kept.
    fn has_room_for(&self, name: &[u8], statement: &[u8]) -> bool {
        let others = self.objects.text_statements.iter().filter(|known| *known.name != *name);
        let (count, bytes) = others.fold((0, statement.len()), |(count, bytes), known| {
            (count + 1, known.text.len().saturating_add(bytes))
        });
        count < MOST_TEXTS && bytes <= MOST_TEXT_BYTES
    }

    fn text_prepared(&mut self, role: Role, class: &StatementClass, text: Option<&[u8]>) {
        let options = self.sql_options();
        let known = if class.effects.contains(Effects::SEVERAL) {
            None
        } else if class.effects.contains(Effects::PREPARES) {
            let prepared = text.and_then(|text| sql::parts::prepared(text, options));
            // The meaning of a backslash depends on the SQL mode.
            let plain = prepared.filter(|(_, statement)| !statement.contains(&b'\\'));
            let plain = plain.filter(|(name, statement)| self.has_room_for(name, statement));
            plain.map(|(name, statement)| (name, Some(statement)))
        } else {
            text.and_then(|text| sql::parts::deallocated(text, options)).map(|name| (name, None))
        };
        let Some((name, statement)) = known else {
            self.text_not_prepared(text);
            return self.pin(role, Pin::Unknown);
        };
        let name: Rc<[u8]> = name.into();
        let others = self.objects.text_statements.iter().filter(|known| known.name != name).cloned();
        let new = statement.map(|statement| TextStatement {
            name: name.clone(),
            text: std::sync::Arc::from(statement),
            under: self.carried.clone(),
        });
        self.objects.text_statements = others.chain(new).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepare(state: &mut SessionState, name: usize, statement: &str) -> bool {
        let text = format!("PREPARE s{name} FROM '{statement}'");
        let class = sql::classify(text.as_bytes(), sql::Options::default(), &());
        state.done(Role::Primary, &class, Some(text.as_bytes()), PinSet::default());
        state.pins.on(Role::Primary).has(Pin::Unknown)
    }

    #[test]
    fn what_set_transaction_sets_is_for_the_next_statement_with_a_table() {
        for (sql, ends) in [
            ("SELECT 1", false),
            ("DO 1", false),
            ("SET @a = 1", false),
            ("SHOW WARNINGS", false),
            ("CALL p()", false),
            ("SELECT f() FROM t", false),
            ("SELECT a FROM t", true),
            ("UPDATE t SET a = 1", true),
            ("CREATE TABLE t (a INT)", true),
            ("ROLLBACK", true),
        ] {
            let mut state = SessionState::default();
            for sql in ["SET TRANSACTION READ ONLY", sql] {
                let class = sql::classify(sql.as_bytes(), sql::Options::default(), &());
                let sent = state.sends(Role::Primary, &class, Some(sql.as_bytes()));
                state.done(Role::Primary, &class, Some(sql.as_bytes()), sent);
            }
            assert_eq!(state.pins.on(Role::Primary).has(Pin::NextTransaction), !ends, "{sql}");
        }
    }

    #[test]
    fn statements_prepared_as_text_have_a_bound() {
        let mut state = SessionState::default();
        for name in 0..MOST_TEXTS {
            assert!(!prepare(&mut state, name, "DO 0"), "{name}");
        }
        // A statement that replaces another needs no room.
        assert!(!prepare(&mut state, 7, "DO 1"));
        assert!(prepare(&mut state, MOST_TEXTS, "DO 0"), "the server connection knows more than the session");
        assert_eq!(state.objects.text_statements.len(), MOST_TEXTS);

        let mut state = SessionState::default();
        let long = format!("SELECT {}", "1".repeat(100_000));
        let pinned = (0..11).position(|name| prepare(&mut state, name, &long));
        assert_eq!((pinned, state.objects.text_statements.len()), (Some(10), 10));
    }
}
