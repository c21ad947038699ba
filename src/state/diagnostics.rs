//! The session's diagnostics: what SHOW WARNINGS, SHOW ERRORS, GET DIAGNOSTICS, `@@warning_count` and `@@error_count` return.
//!
//! A statement replaces the diagnostics of the statement before it, with three exceptions: statements that ask for diagnostics,
//! commands that are no statements (COM_INIT_DB, COM_SET_OPTION, …), and on MariaDB statements that open no table. After these the
//! diagnostics are still where they were. MySQL adds the errors of such commands to them.

use super::{PinSet, SessionState};
use crate::backend::{RefusedCommand, ServerError, ServerThread};
use crate::sql::{self, Effects, StatementClass, classify};
use crate::terms::{Pin, Role, StatementKind};

/// Where the diagnostics are.
#[derive(Debug, Default)]
enum DiagnosticsPlace {
    /// On no connection: no statement has left any.
    #[default]
    Nowhere,
    /// On this connection.
    On(ServerThread),
    /// No server has them: the proxy itself answered the last statement with this error or warning.
    Own(Box<ServerError>),
}

/// The effects of commands that are no statements, and only repeat the number of conditions in front of them.
const REPEATS: Effects = Effects::KEEPS_DIAGNOSTICS.union(Effects::ADDS_DIAGNOSTICS);

/// So many refused commands are remembered. The errors of later ones are missing in the list.
const MOST_REFUSED: usize = 16;

/// True for a statement that returns the list, as SHOW WARNINGS does: the number of warnings in its answer is the list's. In the
/// answer to GET DIAGNOSTICS it is the number of conditions that the statement itself has added to the list, since it asked for one
/// that is not there.
fn shows_diagnostics(class: &StatementClass) -> bool {
    const OF_SHOW: Effects = Effects::READS_DIAGNOSTICS.union(Effects::KEEPS_DIAGNOSTICS);
    class.effects.contains(OF_SHOW) && !class.effects.contains(Effects::SETS_USER_VARIABLES)
}

/// Where the diagnostics are. See the module.
#[derive(Debug)]
pub struct Diagnostics {
    place: DiagnosticsPlace,
    /// The role for whose connection the statement ran that left them.
    role: Role,
    /// The role whose connection still has the diagnostics of an earlier statement than the last.
    pub stale: Option<Role>,
    /// True if the last statement kept the diagnostics of the statement before it.
    pub kept: bool,
    /// True if there are warnings, or an error.
    left: bool,
    /// True if the client gets another error than the server's for the statement under way.
    replaced: bool,
    /// True if the command under way failed on a replica before, where it added its error, and runs on the primary now.
    added_elsewhere: bool,
    /// The number of conditions that MySQL repeats in the answers to commands that are no statements: those of the last
    /// statement, and the errors of such commands behind it.
    conditions: u16,
    /// True if there may be more: no error packet says how many warnings the statement had left.
    at_least: bool,
}

impl Default for Diagnostics {
    fn default() -> Self {
        Diagnostics {
            place: DiagnosticsPlace::Nowhere,
            role: Role::Primary,
            stale: None,
            kept: false,
            left: false,
            replaced: false,
            added_elsewhere: false,
            conditions: 0,
            at_least: false,
        }
    }
}

/// What must be done on a connection before a statement may ask it for the session's diagnostics.
#[derive(Debug, PartialEq, Eq)]
pub enum Bring<'a> {
    /// Nothing: the connection has the session's diagnostics.
    Nothing,
    /// Clear them: the session has none.
    Clear,
    /// Raise this error: the proxy itself answered with it.
    Raise(&'a ServerError),
    /// They are on another connection, or another session has replaced them.
    Lost,
}

impl Diagnostics {
    /// Returns the connection that has the diagnostics.
    pub fn connection(&self) -> Option<ServerThread> {
        match self.place {
            DiagnosticsPlace::On(connection) => Some(connection),
            DiagnosticsPlace::Nowhere | DiagnosticsPlace::Own(_) => None,
        }
    }

    /// Notes that this connection has the diagnostics.
    pub fn are_on(&mut self, connection: ServerThread) {
        self.place = DiagnosticsPlace::On(connection);
    }

    /// True if they are an error with which the proxy itself answered.
    pub fn are_own(&self) -> bool {
        matches!(self.place, DiagnosticsPlace::Own(_))
    }

    /// True if a connection has warnings, or an error, that the client may ask for.
    pub fn are_left(&self) -> bool {
        self.left && !matches!(self.place, DiagnosticsPlace::Own(_))
    }

    /// Notes a command behind which MySQL counts anew, and has counted nothing.
    pub fn counts_none(&mut self) {
        (self.conditions, self.at_least) = (0, false);
    }

    /// Returns the role whose connection alone can say what the diagnostics are; None if any connection can be brought to say
    /// it.
    pub fn only_on(&self) -> Option<Role> {
        self.are_left().then_some(self.role)
    }

    /// Returns what must be done on this connection before a statement asks for diagnostics. `has_past`: another session used
    /// the connection in the meantime. `may_have`: the connection may have diagnostics, of whatever statement.
    pub fn bring(&self, here: ServerThread, has_past: bool, may_have: bool) -> Bring<'_> {
        let is_here = !has_past && self.connection() == Some(here);
        match &self.place {
            DiagnosticsPlace::Own(error) => Bring::Raise(error),
            _ if self.left && !is_here => Bring::Lost,
            _ if !self.left && may_have => Bring::Clear,
            _ => Bring::Nothing,
        }
    }
}

impl SessionState {
    /// Returns the number of conditions that MySQL repeats in the answers to COM_PING, COM_INIT_DB and COM_SET_OPTION, where an
    /// error is one, too; 0 on MariaDB.
    pub fn conditions(&self) -> u16 {
        if self.texts.of_mariadb { 0 } else { self.diagnostics.conditions }
    }

    /// Returns the number of conditions that the client must find in the answer to a command of this class; None: what the
    /// server counts on this connection.
    pub fn repeats_conditions(&self, class: &StatementClass, here: ServerThread) -> Option<u16> {
        let counts = self.diagnostics.at_least && self.diagnostics.connection() == Some(here);
        (class.effects.contains(REPEATS) && !self.texts.of_mariadb && !counts).then(|| self.conditions())
    }

    /// True if a command of this class, which failed on this connection, adds its error on MySQL to diagnostics that are
    /// elsewhere.
    pub fn adds_elsewhere(&self, class: &StatementClass, here: ServerThread) -> bool {
        self.adds_error(class) && self.diagnostics.connection() != Some(here)
    }

    /// True if the command under way, of this class, added its error to the diagnostics in front of it.
    fn adds_error(&self, class: &StatementClass) -> bool {
        let adds = class.effects.contains(REPEATS) && !self.texts.of_mariadb;
        adds && self.answer.failed() && self.diagnostics.left
    }

    /// True if a command of this class adds a warning, and does not count it: COM_FIELD_LIST on MySQL.
    pub fn adds_warning(&self, class: &StatementClass) -> bool {
        let adds = class.effects.contains(Effects::ADDS_DIAGNOSTICS) && !class.effects.contains(REPEATS);
        adds && !self.texts.of_mariadb
    }

    /// Notes that the command under way failed on this connection, and goes to the primary. If it fails there, too, this
    /// connection has the diagnostics.
    pub fn adds_before_leaving(&mut self, role: Role, class: &StatementClass, here: ServerThread) {
        if self.adds_warning(class) {
            self.diagnostics.are_on(here);
            (self.diagnostics.role, self.diagnostics.left) = (role, true);
            self.diagnostics.added_elsewhere = true;
            self.pin(role, Pin::Warnings);
        }
    }

    /// Counts the conditions behind the answer to a statement or a command.
    fn count_conditions(&mut self, class: &StatementClass) {
        let diagnostics = &mut self.diagnostics;
        let failed = u16::from(self.answer.failed());
        if class.effects.contains(REPEATS) {
            diagnostics.conditions = diagnostics.conditions.saturating_add(failed);
            return;
        }
        diagnostics.conditions = failed.max(self.answer.warnings);
        // COM_FIELD_LIST counts its error alone.
        diagnostics.at_least = failed > 0 && !class.effects.contains(Effects::ADDS_DIAGNOSTICS);
    }

    /// True if a statement of this class keeps the diagnostics of the statement before it, unless it leaves some itself.
    pub fn keeps_diagnostics(&self, class: &StatementClass) -> bool {
        class.effects.contains(Effects::KEEPS_DIAGNOSTICS)
            || (self.texts.of_mariadb && class.effects.contains(Effects::OPENS_NO_TABLE))
    }

    /// True if a statement of this class may keep the diagnostics of the statement before it on MariaDB, which alone knows: it
    /// keeps them if no table is opened, which the text of a compound statement, a routine or an EXECUTE does not show, nor the
    /// name of a stored function.
    pub fn may_keep_diagnostics(&self, class: &StatementClass) -> bool {
        const UNSEEN: Effects = Effects::LEAVES_UNKNOWN
            .union(Effects::CALLS)
            .union(Effects::EXECUTES)
            .union(Effects::OPAQUE)
            .union(Effects::SEVERAL);
        let is_plain = matches!(class.kind, StatementKind::Read | StatementKind::Write);
        let is_unseen = !is_plain || class.effects.intersects(UNSEEN) || class.calls_stored_function();
        self.texts.of_mariadb && is_unseen && !self.keeps_diagnostics(class)
    }

    /// True if the text that a PREPARE or an EXECUTE names opens no table.
    fn text_opens_none(&self, class: &StatementClass, text: Option<&[u8]>) -> bool {
        let options = self.sql_options();
        let opens_none = |text: &[u8]| classify(text, options, &()).effects.contains(Effects::OPENS_NO_TABLE);
        let Some(text) = text.filter(|_| !class.effects.contains(Effects::SEVERAL)) else { return false };
        if class.effects.contains(Effects::PREPARES) {
            return sql::parts::prepared(text, options).is_some_and(|(_, text)| opens_none(&text));
        }
        let named = || {
            let name = sql::parts::executed(text, options)?;
            let known = self.objects.text_statements.iter().find(|known| *known.name == *name);
            Some(opens_none(&known?.text))
        };
        let is_given = || Some(opens_none(&sql::parts::immediate(text, options)?));
        class.effects.contains(Effects::EXECUTES) && named().or_else(is_given).unwrap_or_default()
    }

    /// Notes that another session has used this connection in the meantime: nobody can ask it about a statement of this session
    /// any more.
    pub fn another_used(&mut self, connection: ServerThread) {
        self.last.covered(connection);
        if self.diagnostics.connection() == Some(connection) {
            self.diagnostics.place = DiagnosticsPlace::Nowhere;
        }
    }

    /// Notes an error with which the proxy itself answered a statement, or a command (`refused`) that MySQL would have refused
    /// with it.
    pub fn answered_itself(&mut self, error: ServerError, refused: Option<RefusedCommand>) {
        self.last.answered_itself(-1);
        // MySQL counts these beside the conditions of the statement in front; behind others it counts anew.
        if !matches!(refused, Some(RefusedCommand::Unknown | RefusedCommand::Malformed)) {
            self.diagnostics.counts_none();
        }
        self.diagnostics.conditions = self.diagnostics.conditions.saturating_add(1);
        if let Some(refused) = refused.filter(|_| self.diagnostics.left && !self.texts.of_mariadb) {
            return self.adds_refused(refused);
        }
        self.forget_diagnostics(self.diagnostics.role);
        self.diagnostics.place = DiagnosticsPlace::Own(Box::new(error));
        self.diagnostics.left = true;
    }

    /// Notes that the error that the client got is in this connection's list, word by word.
    pub fn has_its_error_on(&mut self, role: Role, here: ServerThread) {
        self.diagnostics.are_on(here);
        self.diagnostics.role = role;
        self.pin(role, Pin::Warnings);
    }

    /// Notes a refused command whose error the connection that has the session's diagnostics must add to them.
    pub fn adds_refused(&mut self, refused: RefusedCommand) {
        let all = &mut self.objects.rare.get_or_insert_default().refused;
        if all.len() < MOST_REFUSED {
            all.push(refused);
        }
    }

    /// Notes that the proxy itself answered a SELECT without a table with so many rows, which clears the diagnostics on MySQL,
    /// or leaves this warning.
    pub fn answered_query(&mut self, rows: u32, warning: Option<ServerError>) {
        self.last.answered_query(rows);
        self.diagnostics.counts_none();
        if !self.texts.of_mariadb {
            self.forget_diagnostics(self.diagnostics.role);
            self.diagnostics.left = warning.is_some();
            self.diagnostics.conditions = u16::from(warning.is_some());
            self.diagnostics.place = match warning {
                Some(warning) => DiagnosticsPlace::Own(Box::new(warning)),
                None => DiagnosticsPlace::Nowhere,
            };
        }
    }

    /// Takes the refused commands whose errors a connection must add to the diagnostics that it has or was brought, before a
    /// statement asks for them. They are on this connection then.
    pub fn take_refused(&mut self, role: Role, here: ServerThread) -> Vec<RefusedCommand> {
        let refused =
            self.objects.rare.as_mut().map_or_else(Vec::new, |rare| std::mem::take(&mut rare.refused));
        if !refused.is_empty() {
            self.diagnostics.are_on(here);
            self.diagnostics.role = role;
            self.pin(role, Pin::Warnings);
        }
        refused
    }

    /// Notes the error that the client gets in place of the server's, for the statement under way.
    pub fn answers_instead(&mut self, error: ServerError) {
        self.diagnostics.place = DiagnosticsPlace::Own(Box::new(error));
        self.diagnostics.replaced = true;
    }

    /// Notes the diagnostics of a statement that ran on the connection for this role. Returns true if the statement kept those
    /// of the statement before it.
    pub(super) fn leaves_diagnostics(
        &mut self,
        role: Role,
        class: &StatementClass,
        text: Option<&[u8]>,
    ) -> bool {
        self.count_conditions(class);
        let quiet = self.answer.warnings == 0 && !self.answer.failed();
        let by_text = class.effects.intersects(Effects::PREPARES | Effects::EXECUTES);
        let keeps = self.keeps_diagnostics(class)
            || (by_text && self.texts.of_mariadb && self.text_opens_none(class, text));
        let shows = shows_diagnostics(class) && !self.answer.failed();
        let replaced = std::mem::take(&mut self.diagnostics.replaced);
        // The proxy's own error was raised on the connection in front of such a statement.
        let raised = self.diagnostics.are_own() && class.effects.contains(Effects::READS_DIAGNOSTICS);
        let may_keep = quiet && self.may_keep_diagnostics(class);
        // The number in such an answer is that of the conditions in front of it.
        let repeats = class.effects.contains(REPEATS) && !self.answer.failed();
        let added_elsewhere = std::mem::take(&mut self.diagnostics.added_elsewhere) && self.answer.failed();
        // No connection has the error that the client got.
        self.diagnostics.kept = replaced
            || repeats
            || self.adds_error(class)
            || added_elsewhere
            || (keeps && (quiet || shows))
            || (may_keep && self.has_diagnostics(role));
        if replaced {
            self.forget_diagnostics(role);
            self.diagnostics.left = true;
        }
        if self.diagnostics.kept {
            return true;
        }
        self.forget_diagnostics(role);
        if matches!(self.diagnostics.place, DiagnosticsPlace::Own(_)) {
            self.diagnostics.place = DiagnosticsPlace::Nowhere;
        }
        self.diagnostics.role = role;
        self.diagnostics.left = !quiet || self.adds_warning(class) || (may_keep && raised);
        if self.diagnostics.left {
            self.pin(role, Pin::Warnings);
        }
        false
    }

    /// True if the session keeps its connection for this role for the diagnostics that it has.
    fn has_diagnostics(&self, role: Role) -> bool {
        self.diagnostics.only_on() == Some(role) && self.pins.on(role).has(Pin::Warnings)
    }

    /// Forgets the diagnostics of earlier statements, because a new statement replaced them. The connection on which it did not
    /// run still has the old ones: notes them as stale.
    fn forget_diagnostics(&mut self, role: Role) {
        if let Some(rare) = &mut self.objects.rare {
            rare.refused.clear();
        }
        let other = if role == Role::Primary { Role::Replica } else { Role::Primary };
        if self.pins.on(other).has(Pin::Warnings) {
            self.diagnostics.stale = Some(other);
        }
        for role in Role::BOTH {
            if self.pins.on(role).has(Pin::Warnings) {
                self.unpin(role, PinSet::of(&[Pin::Warnings]));
            }
        }
    }
}
