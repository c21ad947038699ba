//! Variables of the session: which values can be carried to another connection, which values only one
//! connection knows, and what makes such a value known.

use std::rc::Rc;

use super::reports::{CHARACTERISTICS, Explains, NAMES, explains, is_access_mode, own_set};
use super::unreported_variables::Whose;
use super::{AnswerError, AnswerSource, PinSet, SessionState};
use crate::backend::{Carried, Charset, InsertId, UserVariable};
use crate::sql::class::TRACKER;
use crate::sql::parts::{
    Given, creates_what_it_reads, named_user_variables, sets_for_statement_alone, system_variables,
    user_variables,
};
use crate::sql::{Effects, StatementClass};
use crate::terms::{Pin, Role, StatementKind};
use crate::topology::Flavor;

/// The variable that turns on profiles of the session's statements (SHOW PROFILES), on one connection.
const PROFILING: &[u8] = b"profiling";

/// The character set and the collation of literals.
const CONNECTION: [&[u8]; 2] = [b"character_set_connection", b"collation_connection"];

const NULL: &[u8] = b"NULL";

/// The name that stands for `LAST_INSERT_ID()` among the user variables.
pub const INSERT_ID: &[u8] = b"LAST_INSERT_ID()";

impl SessionState {
    /// Notes that only the connection for this role knows the value of this system variable.
    pub(super) fn unreported_variable(&mut self, role: Role, name: &[u8]) {
        // Each of the two sets the other.
        let names = if CONNECTION.contains(&name) { &CONNECTION[..] } else { &[name] };
        for name in names {
            Rc::make_mut(&mut self.carried).forget_variable(name);
            self.trackers.unreported.on(role, Whose::System).add(name);
            self.reading_unreported(Some(name));
        }
        self.pin(role, Pin::Variable);
    }

    /// Notes that only the connection for this role knows the values of variables with unknown names.
    pub(super) fn unreported_variables(&mut self, role: Role) {
        self.trackers.unreported.on(role, Whose::System).add_nameless();
        self.pin(role, Pin::Variable);
        self.reading_unreported(None);
    }

    /// True if the connection for this role records profiles of the session's statements, or did. The
    /// profiles list everything that is executed there.
    pub fn has_profiles(&mut self, role: Role) -> bool {
        self.pins.on(role).has(Pin::Variable)
            && self
                .trackers
                .unreported
                .on(role, Whose::System)
                .names()
                .is_some_and(|all| all.iter().any(|name| name == PROFILING))
    }

    /// Handles a variable that a replica reported and the statement explains. Returns true if the reported value is to
    /// be carried. A literal is taken from the text instead, once the statement is done (`set_unscoped`).
    pub(super) fn takes_from_replica(&mut self, name: &[u8], heard: &AnswerSource<'_>) -> bool {
        let explained = explains(heard.role, &heard.asked.class);
        if heard.read_only && is_access_mode(name) {
            return true;
        }
        if explained.contains(Explains::HIDDEN) {
            if heard.may_write() {
                self.pin(heard.role, Pin::Unknown);
            }
            return !heard.may_write();
        }
        if !explained.contains(Explains::NAMED) {
            // A hint: the variable had another value during the statement.
            return false;
        }
        if NAMES.contains(&name) {
            return true;
        }
        let Some(set) = own_set(heard) else {
            // SET STATEMENT: MariaDB reports the restored values with the connection's next statement, whose session
            // may be another one. The connection is set up anew in front of it.
            self.trackers.restored = true;
            return false;
        };
        match set.iter().find(|one| one.name == name).map(|one| &one.given) {
            Some(Given::Literal(_) | Given::Default) => false,
            // SET TRANSACTION.
            None if CHARACTERISTICS.contains(&name) => true,
            // The name may be another one of a variable that the text sets, or stand in a value.
            Some(Given::Unknown) | None if heard.may_write() => {
                self.unreported_variable(heard.role, name);
                false
            }
            Some(Given::Unknown) | None => true,
        }
    }

    /// Notes the value of a variable that a tracker reported.
    pub(super) fn variable(&mut self, name: &[u8], value: &[u8], heard: AnswerSource<'_>) {
        if matches!(name, b"tx_read_only" | b"transaction_read_only") && heard.read_only {
            self.trackers.read_only_lost |= value.eq_ignore_ascii_case(b"OFF") || value == b"0";
            return;
        }
        if matches!(name, b"last_insert_id" | b"identity") {
            let number = std::str::from_utf8(value).ok().and_then(|v| v.parse().ok());
            self.insert.id.set(number.map_or(InsertId::OnConnection, InsertId::Known));
            return;
        }
        if name.starts_with(TRACKER) {
            return;
        }
        if name == b"timestamp" {
            self.trackers.timestamp_unreported = true;
            return;
        }
        if Rc::make_mut(&mut self.carried).note(name, value, heard.flavor) {
            self.known_variable(name);
        } else {
            self.unreported_variable(heard.role, name);
            if heard.flavor == Flavor::MySql {
                // A value that cannot be carried shows how texts are read, too. (MySQL's status flags do not show ANSI_QUOTES.)
                self.texts.reading.reported(name, value);
                self.texts.options = self.options_of_now();
            }
        }
    }

    /// Returns the system variables that only the primary's connection knows, if the proxy can ask for them:
    /// the question must not disturb state of the session, and the answers must allow the session to move. A
    /// question would be listed among the session's profiles, which tie the session to its connection anyway.
    pub fn variables_to_ask(&mut self) -> Option<Vec<Vec<u8>>> {
        let pins = self.pins.on(Role::Primary);
        if !pins.has(Pin::Variable) || pins.has(Pin::NextTransaction) || pins.has(Pin::Warnings) {
            return None;
        }
        // The value of `timestamp` does not show whether the clock stands still.
        let plain = |name: &Vec<u8>| {
            let learnt =
                name != b"timestamp" && !Carried::is_one_shot(name) && !Carried::is_about_inserts(name);
            learnt && name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_')
        };
        let names = self.trackers.unreported.on(Role::Primary, Whose::System).names()?;
        (!names.is_empty() && names.iter().all(plain)).then(|| names.to_vec())
    }

    /// Returns the user variables that only the primary's connection knows, if they are NULL, and the proxy can ask for their
    /// types: see `variables_to_ask`.
    pub fn nulls_to_ask(&mut self) -> Option<Vec<Vec<u8>>> {
        let pins = self.pins.on(Role::Primary);
        if !pins.has(Pin::UserVariable) || pins.has(Pin::NextTransaction) || pins.has(Pin::Warnings) {
            return None;
        }
        let names = self.trackers.unreported.on(Role::Primary, Whose::User).names()?;
        let are_null = names.iter().all(|name| self.carried.user_variables.is_null_of_unknown_type(name));
        (!names.is_empty() && are_null).then(|| names.to_vec())
    }

    /// Returns those variables by which servers read texts whose values only the connection for this role knows. None if the
    /// question for them would disturb state of the session.
    pub fn reading_to_ask(&mut self, role: Role) -> Option<Vec<&'static [u8]>> {
        const READING: [&[u8]; 5] = [
            b"sql_mode",
            b"character_set_client",
            b"character_set_results",
            b"character_set_connection",
            b"collation_connection",
        ];
        if !self.pins.on(role).has(Pin::Variable) {
            return Some(Vec::new());
        }
        let unknown = self.trackers.unreported.on(role, Whose::System).names();
        let is_unknown = |name: &&[u8]| unknown.is_none_or(|names| names.iter().any(|n| n == name));
        let names: Vec<_> = READING.into_iter().filter(is_unknown).collect();
        (names.is_empty() || !self.pins.on(role).has(Pin::NextTransaction)).then_some(names)
    }

    /// Notes the value of a variable for which the proxy asked the connection for this role.
    pub fn variable_is(&mut self, role: Role, name: &[u8], value: &[u8], flavor: Flavor) {
        if name.starts_with(TRACKER) {
            return self.tracker_is(name, value);
        }
        let before = self.carried.clone();
        let carried = Rc::make_mut(&mut self.carried);
        let is_of_charset = NAMES.contains(&name);
        let known = match name {
            // The answer does not show which statement set it: the collation of results depends on that.
            name if is_of_charset && carried.has_charset_part(name, value, flavor) => true,
            b"collation_connection" => {
                carried.set_collation(value, self.trackers.by_names, flavor);
                true
            }
            name => carried.note(name, value, flavor),
        };
        if known {
            self.known_variable(name);
        }
        self.texts.reading.reported(name, value);
        self.texts.options = self.options_of_now();
        self.meaning_changed(role, &before);
    }

    /// Notes that the value of a system variable is known, and removes the pin if it was the last unknown
    /// value.
    pub(super) fn known_variable(&mut self, name: &[u8]) {
        for role in self.trackers.unreported.settle(Whose::System, name) {
            self.unpin(role, PinSet::of(&[Pin::Variable]));
        }
    }

    /// Finds out whether `timestamp` was set to a moment, at which it stands still from now on, or to the
    /// clock.
    pub(super) fn learn_timestamp(&mut self, role: Role, text: Option<&[u8]>) {
        let all = text.and_then(|text| system_variables(text, self.sql_options()));
        let set = all.and_then(|all| all.into_iter().find(|one| one.name == b"timestamp"));
        match set {
            Some(set) => self.given(role, b"timestamp", set.given),
            None => self.unreported_variable(role, b"timestamp"),
        }
    }

    /// Takes the literals that a SET on a replica's connection assigned: from the text, whatever the replica reports.
    pub(super) fn set_on_replica(&mut self, text: Option<&[u8]>) {
        let Some(all) = text.and_then(|text| system_variables(text, self.sql_options())) else { return };
        for one in all {
            // The status flags show autocommit. The connection keeps its access mode. The character set is reported,
            // and compared with the text.
            let others: [&[u8]; 7] = [
                b"autocommit",
                b"tx_read_only",
                b"transaction_read_only",
                b"character_set_client",
                b"character_set_results",
                b"character_set_connection",
                b"collation_connection",
            ];
            let next_only = one.unscoped && matches!(&*one.name, b"tx_isolation" | b"transaction_isolation");
            let unknown = one.given == Given::Unknown && !(one.unscoped && self.texts.of_mariadb);
            if others.contains(&&*one.name) || one.name.starts_with(TRACKER) || next_only || unknown {
                continue;
            }
            match (&*one.name, one.given) {
                (b"last_insert_id" | b"identity", Given::Literal(value)) => {
                    let number = std::str::from_utf8(&value).ok().and_then(|v| v.parse().ok());
                    self.insert.id.set(number.map_or(InsertId::OnConnection, InsertId::Known));
                }
                (b"last_insert_id" | b"identity", _) => {}
                (b"sql_mode", Given::Literal(value))
                    if super::reports::modes_of_literal(&value).is_some() =>
                {
                    self.given(Role::Replica, b"sql_mode", Given::Literal(value.clone()));
                    self.texts.reading.reported(b"sql_mode", &value);
                }
                (b"sql_mode", Given::Literal(_)) => self.unreported_variable(Role::Replica, b"sql_mode"),
                (name, given) => self.given(Role::Replica, name, given),
            }
        }
        self.texts.options = self.options_of_now();
    }

    /// Handles `SET @@name = value`, which MariaDB's trackers do not report.
    pub(super) fn set_unscoped(&mut self, role: Role, text: Option<&[u8]>) {
        if role == Role::Replica {
            return self.set_on_replica(text);
        }
        let Some(text) = text.filter(|_| self.texts.of_mariadb) else { return };
        if !text.windows(2).any(|pair| pair == b"@@") || sets_for_statement_alone(text, self.sql_options()) {
            return;
        }
        let Some(all) = system_variables(text, self.sql_options()) else {
            return self.unreported_variables(role);
        };
        for one in all.into_iter().filter(|one| one.unscoped) {
            // Handled elsewhere: the first four are for the next transaction only and have a pin, the status
            // flags show autocommit, and the class shows the insert id.
            let others: [&[u8]; 7] = [
                b"tx_isolation",
                b"transaction_isolation",
                b"tx_read_only",
                b"transaction_read_only",
                b"autocommit",
                b"last_insert_id",
                b"identity",
            ];
            if CONNECTION.contains(&&*one.name) {
                self.trackers.by_names = false;
                self.unreported_variable(role, &one.name);
            } else if !others.contains(&&*one.name) {
                self.given(role, &one.name, one.given);
            }
        }
    }

    fn given(&mut self, role: Role, name: &[u8], given: Given) {
        if name == b"sql_mode" {
            self.mode_given();
        }
        let is_clock = name == b"timestamp";
        let is_zero = |value: &[u8]| value.iter().all(|b| matches!(b, b'0' | b'.'));
        let is_number = |value: &[u8]| value.iter().all(|b| b.is_ascii_digit() || *b == b'.');
        let carried = Rc::make_mut(&mut self.carried);
        let known = match given {
            // The profiles that were recorded are still there.
            _ if name == PROFILING => false,
            Given::Literal(_) if Carried::is_switches(name) => false,
            Given::Default => carried.forget_variable(name),
            Given::Literal(value) if is_clock && is_zero(&value) => carried.forget_variable(name),
            Given::Literal(value) if is_clock && !is_number(&value) => false,
            Given::Literal(value) => carried.set_variable(name, &value),
            Given::Unknown => false,
        };
        if known {
            self.known_variable(name);
        } else {
            self.unreported_variable(role, name);
        }
    }

    /// Notes the user variables that a statement may set to values that only the server knows, before it is
    /// sent.
    pub(super) fn sends_user_variables(&mut self, role: Role, text: Option<&[u8]>) {
        let names = text.and_then(|text| named_user_variables(text, self.sql_options()));
        let unreported = self.trackers.unreported.on(role, Whose::User);
        match names {
            None => unreported.add_nameless(),
            Some(names) => names.iter().for_each(|name| unreported.add(name)),
        }
    }

    /// Forgets the former values of the user variables that the statement set, or may have set.
    pub(super) fn set_user_variables(&mut self, text: Option<&[u8]>) {
        let names = text.and_then(|text| named_user_variables(text, self.sql_options()));
        let carried = Rc::make_mut(&mut self.carried);
        let all = || carried.user_variables.iter().map(|known| known.name.to_vec()).collect();
        for name in names.unwrap_or_else(all) {
            carried.user_variables.forget(&name);
        }
    }

    /// Forgets the values of all user variables: something ran on the connection for this role that may have set them. It
    /// alone knows their values until they are set anew.
    pub(super) fn doubt_user_variables(&mut self, role: Role) {
        if self.carried.user_variables.iter().any(UserVariable::is_known) {
            self.set_user_variables(None);
            self.trackers.unreported.on(role, Whose::User).add_nameless();
            self.pin(role, Pin::UserVariable);
        }
    }

    /// Records user variables that were set to literals.
    pub(super) fn set_literals(&mut self, role: Role, text: Option<&[u8]>) {
        let pairs = text.and_then(|text| user_variables(text, self.sql_options()));
        let Some(pairs) = pairs else { return self.nameless_user_variables(role) };
        for (name, literal) in pairs {
            // The string has the character set from before the statement, which changed it.
            // The same holds for the SQL mode.
            let changed = (self.answer.charset && is_string(&literal))
                || (self.answer.mode && !is_same_in_any_mode(&literal));
            let known = !changed;
            if known && Rc::make_mut(&mut self.carried).user_variables.set(&name, &literal) {
                self.known_user_variable(&name);
            } else if known && literal.eq_ignore_ascii_case(NULL) {
                self.unreported_null(role, &name);
            } else {
                self.unreported_user_variable(role, &name);
            }
        }
    }

    /// Notes that a SET of literals failed: the server may have created its variables, and changed the character sets of
    /// those that existed.
    pub(super) fn literals_not_set(&mut self, role: Role, text: Option<&[u8]>) {
        let pairs = text.and_then(|text| user_variables(text, self.sql_options()));
        match pairs {
            Some(pairs) => pairs.iter().for_each(|(name, _)| self.unreported_user_variable(role, name)),
            None => self.nameless_user_variables(role),
        }
    }

    /// Notes which variables a server may have created, or given another character set, when it prepared a text with these
    /// effects, or refused to.
    pub fn prepared_user_variables(&mut self, role: Role, effects: Effects, text: Option<&[u8]>) {
        if self.answer.error == Some(AnswerError::NotParsed) {
            return;
        }
        if effects.intersects(Effects::SETS_USER_VARIABLES | Effects::SETS_LITERALS) {
            match text.and_then(|text| named_user_variables(text, self.sql_options())) {
                Some(names) => names.iter().for_each(|name| self.unreported_user_variable(role, name)),
                None => self.nameless_user_variables(role),
            }
        } else if effects.contains(Effects::READS_USER_VARIABLES) && self.texts.of_mariadb {
            self.created_user_variables(role, text);
        }
    }

    /// Notes which variables a PREPARE, or one that was refused, may have created.
    pub(super) fn text_prepared_variables(&mut self, role: Role, text: Option<&[u8]>) {
        let options = self.sql_options();
        let Some((_, statement)) = text.and_then(|text| crate::sql::parts::prepared(text, options)) else {
            return;
        };
        let effects = crate::sql::classify(&statement, options, &()).effects;
        self.prepared_user_variables(role, effects, Some(&statement));
    }

    /// True if a statement of this class may create the user variables that it reads.
    pub fn may_create_user_variables(&self, class: &StatementClass) -> bool {
        class.effects.contains(Effects::READS_USER_VARIABLES) && class.kind == StatementKind::Write
    }

    /// Notes the user variables that a server creates because a statement that changes data reads them. Only the server knows
    /// whether a statement that failed came that far.
    pub(super) fn created_user_variables(&mut self, role: Role, text: Option<&[u8]>) {
        // MariaDB creates the variable when it opens the statement, as by `SET @a = NULL`; MySQL when it reads it, with the
        // character set of the connection, which nearly all statements make it do.
        const READ_BY_MYSQL: &[u8] = b"'0'";
        let (options, of_mariadb) = (self.sql_options(), self.texts.of_mariadb);
        let never_began = matches!(self.answer.error, Some(AnswerError::NotParsed | AnswerError::Denied));
        let Some(text) = text.filter(|text| !never_began && creates_what_it_reads(text, options, of_mariadb))
        else {
            return;
        };
        let Some(names) = named_user_variables(text, options) else {
            return self.nameless_user_variables(role);
        };
        for name in names.iter().filter(|name| !self.carried.user_variables.has(name)).collect::<Vec<_>>() {
            let carried = Rc::make_mut(&mut self.carried);
            // MySQL may not have needed it for a statement that changed nothing.
            let is_sure = !self.answer.failed() && (of_mariadb || self.answer.affected > 0);
            let is_known = is_sure
                && match of_mariadb {
                    true => carried.user_variables.set(name, NULL),
                    false => carried.user_variables.set_to_null_of(name, READ_BY_MYSQL),
                };
            if !is_known {
                self.unreported_null(role, name);
            }
        }
    }

    /// Notes that a user variable is NULL, and that only the connection for this role knows its type, or whether it is there.
    fn unreported_null(&mut self, role: Role, name: &[u8]) {
        self.unreported_user_variable(role, name);
        Rc::make_mut(&mut self.carried).user_variables.set(name, NULL);
    }

    fn nameless_user_variables(&mut self, role: Role) {
        self.trackers.unreported.on(role, Whose::User).add_nameless();
        self.pin(role, Pin::UserVariable);
    }

    fn unreported_user_variable(&mut self, role: Role, name: &[u8]) {
        Rc::make_mut(&mut self.carried).user_variables.forget(name);
        self.trackers.unreported.on(role, Whose::User).add(name);
        self.pin(role, Pin::UserVariable);
    }

    fn known_user_variable(&mut self, name: &[u8]) {
        for role in self.trackers.unreported.settle(Whose::User, name) {
            self.unpin(role, PinSet::of(&[Pin::UserVariable]));
        }
    }

    /// Notes that a statement on a replica may have set what `LAST_INSERT_ID()` returns. On a port that splits, such a
    /// statement runs on the primary.
    pub(super) fn insert_id_on_replica(&mut self) {
        self.trackers.unreported.on(Role::Replica, Whose::User).add(INSERT_ID);
        self.pin(Role::Replica, Pin::UserVariable);
    }

    /// Returns the user variables that only a replica's connection knows; None if some names are unknown.
    pub fn unreported_on_replica(&mut self) -> Option<Vec<Vec<u8>>> {
        self.trackers.unreported.on(Role::Replica, Whose::User).names().map(<[_]>::to_vec)
    }

    /// Notes the value of a user variable for which the proxy asked the replica's connection.
    pub fn value_is(&mut self, name: &[u8], literal: &[u8]) {
        if name == INSERT_ID {
            let Some(id) = std::str::from_utf8(literal).ok().and_then(|text| text.parse().ok()) else {
                return;
            };
            self.insert.id.set(InsertId::Known(id));
        } else if !Rc::make_mut(&mut self.carried).user_variables.set(name, literal) {
            return;
        }
        self.known_user_variable(name);
    }

    /// Notes that a user variable for which the proxy asked the replica's connection is NULL, and has this literal's type.
    pub fn null_is(&mut self, name: &[u8], literal: &[u8]) {
        if Rc::make_mut(&mut self.carried).user_variables.set_to_null_of(name, literal) {
            self.known_user_variable(name);
        }
    }

    /// Notes that a user variable for which the proxy asked was never set.
    pub fn is_not_there(&mut self, name: &[u8]) {
        Rc::make_mut(&mut self.carried).user_variables.remove(name);
        self.known_user_variable(name);
    }

    /// Finds out what the text that was just executed did to the character set or the clock. None: there is
    /// no text to look at.
    pub fn learn(&mut self, role: Role, text: Option<&[u8]>) {
        use crate::sql::set_names::{Collation, collation};
        if std::mem::take(&mut self.trackers.timestamp_unreported) {
            self.learn_timestamp(role, text);
        }
        if !std::mem::take(&mut self.trackers.collation_unreported) {
            return;
        }
        let found = text.and_then(|text| collation(text, self.sql_options()));
        let before = self.carried.clone();
        let flavor = if self.texts.of_mariadb { Flavor::MariaDb } else { Flavor::MySql };
        match found {
            Some(Collation::Default) => {
                Rc::make_mut(&mut self.carried).set_collation(b"", self.trackers.by_names, flavor);
            }
            Some(Collation::Named(name)) => {
                Rc::make_mut(&mut self.carried).set_collation(name, self.trackers.by_names, flavor);
            }
            None => {
                self.unreported_variable(role, b"collation_connection");
                self.literals_stay(role);
            }
        }
        self.meaning_changed(role, &before);
    }

    /// Keeps the meaning of the carried literals after an answer that changed how servers read literals. `before`: the
    /// state before the answer.
    pub(super) fn meaning_changed(&mut self, role: Role, before: &Carried) {
        if before.charset != self.carried.charset {
            self.answer.charset = true;
            self.keep_literals(role, &before.charset);
        }
        let mode = |carried: &Carried| carried.variable(b"sql_mode").map(<[u8]>::to_vec);
        if mode(before) != mode(&self.carried) {
            self.answer.mode = true;
            self.literals_stay(role);
        }
    }

    /// Pins the session to the connection for this role if it has user variables whose literals mean something else from
    /// now on: `''` is NULL under EMPTY_STRING_IS_NULL.
    pub(super) fn literals_stay(&mut self, role: Role) {
        let all = self.carried.user_variables.iter();
        let changed: Vec<_> = all.filter(|known| !is_same_in_any_mode(&known.literal)).cloned().collect();
        for known in changed {
            self.unreported_user_variable(role, &known.name);
        }
    }

    /// Keeps the meaning of string literals after a change of the character set from `before`. A string that
    /// was written in the former character set would mean something else in the new one, so it gets an
    /// introducer that names the former.
    pub(super) fn keep_literals(&mut self, role: Role, before: &Charset) {
        let strings = |state: &Self| {
            let all = state.carried.user_variables.iter();
            all.filter(|known| is_string(&known.literal)).cloned().collect::<Vec<_>>()
        };
        let flavor = if self.texts.of_mariadb { Flavor::MariaDb } else { Flavor::MySql };
        for UserVariable { name, literal, is_null } in strings(self) {
            let carried = Rc::make_mut(&mut self.carried);
            let is_kept = match before.introduce(&literal, flavor) {
                Some(literal) if is_null => carried.user_variables.set_to_null_of(&name, &literal),
                Some(literal) => carried.user_variables.set(&name, &literal),
                None => false,
            };
            if !is_kept {
                // Only the connection that reported the change is sure to have the value.
                self.unreported_user_variable(role, &name);
            }
        }
    }
}

/// True for a literal that means the same under every SQL mode: a number, or a string of ASCII characters that is neither
/// empty nor has a backslash. An empty literal stands for an unknown value.
fn is_same_in_any_mode(literal: &[u8]) -> bool {
    let plain = literal.is_ascii() && !literal.contains(&b'\\') && !literal.contains(&b'"');
    plain && !literal.windows(2).any(|pair| pair == b"''")
}

/// True for a string literal without an introducer for its character set.
fn is_string(literal: &[u8]) -> bool {
    literal.starts_with(b"'")
}
