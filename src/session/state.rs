//! The session's state as its statements made it: what can be carried to another server connection, and what
//! pins the session to one connection. Fed by the session trackers in OK packets and by the class of each
//! statement. The only owner of these facts.

mod answered;
mod reading;
mod statement_effects;
mod variables;

use std::collections::HashSet;
use std::rc::Rc;

use super::journal::Journal;
use super::pins::{PinSet, Pins, words};
use super::replica_choice::Written;
use super::statements::ClientStatements;
use super::unreported_variables::{UntoldVariables, Whose};
use crate::backend::{Carried, InsertId, InsertIdCell, TextStatements};
use crate::routing::{Role, SessionFacts};
use crate::sql;
use crate::sql::{ClassReason, Effects, StatementClass};
use crate::telemetry::{Pin, WorkerMetrics};
use crate::topology::{Flavor, GtidSet, ServerId};
use crate::wire::{OkPacket, StateChange, StateChanges, StatusFlags};

/// A schema and a table.
type Qualified = (Vec<u8>, Vec<u8>);

/// The session's temporary tables. Few sessions have any.
#[derive(Debug, Default)]
struct TemporaryTables(HashSet<Qualified>);

use answered::{TransactionDoubt, mentions};

pub use answered::{Answered, is_rollback};
use reading::Reading;
pub use reading::readings_under;
pub use variables::INSERT_ID;

/// The name of a routine as an error spells it, without its schema.
#[derive(Debug)]
struct RoutineName(Vec<u8>);

/// The context of an answer.
#[derive(Debug, Clone, Copy)]
pub struct Heard {
    /// The role of the connection that answered.
    pub role: Role,
    /// MySQL or MariaDB.
    pub flavor: Flavor,
    /// True if the connection is in read-only mode.
    pub read_only: bool,
    /// True if the statement explains a state change that is reported without a name.
    pub explained: bool,
}

/// See the module.
#[derive(Debug)]
pub struct SessionState {
    /// The state that can be restored on another server connection.
    pub carried: Rc<Carried>,
    /// The status that the client saw last.
    pub status: StatusFlags,
    /// What keeps the session on its connections.
    pub pins: Pins,
    /// What `LAST_INSERT_ID()` returns.
    pub insert_id: InsertIdCell,
    /// Statements prepared by the binary protocol.
    pub statements: ClientStatements,
    /// Statements prepared as text.
    pub text_statements: TextStatements,
    /// The record of the open transaction on the primary, as long as the transaction can be replayed.
    pub journal: Option<Box<Journal>>,
    /// The writes that the session's reads must see.
    pub written: Written,
    /// The names of its temporary tables, where they are known.
    temporary_tables: Option<Box<TemporaryTables>>,
    /// The lexer options for the session's texts, derived from the other fields.
    options: sql::Options,
    /// What trackers reported about how servers read the texts, and what is unknown about that.
    reading: Reading,
    /// True if the servers are MariaDB.
    pub(super) of_mariadb: bool,
    /// The number of HANDLERs that were opened and not closed.
    handlers: u16,
    /// The named locks that were requested and not released, once for each request.
    named_locks: Option<Vec<Vec<u8>>>,
    /// What `ROW_COUNT()` returns.
    pub row_count: i64,
    /// True if the last statement changed rows, so that the client may ask for `ROW_COUNT()`.
    pub counted: bool,
    /// The role whose connection still has the diagnostics of an earlier statement than the last.
    pub stale_diagnostics: Option<Role>,
    /// The role for which the last statement ran.
    pub last: Role,
    /// The connection on which the last statement ran: its server and its thread id there.
    pub last_connection: Option<(ServerId, u32)>,
    /// The connection that knows the insert id, if only this connection does.
    pub insert_connection: Option<(ServerId, u32)>,
    /// The role whose connection has the current diagnostics. May differ from `last`: SET (on MariaDB) and
    /// COM_INIT_DB (on both) keep the diagnostics of the statement before.
    diagnostics: Role,
    /// The connection that has the current diagnostics.
    pub diagnostics_connection: Option<(ServerId, u32)>,
    /// True if the last statement kept the diagnostics of the statement before it.
    pub kept_diagnostics: bool,
    /// True if the last statement left warnings, or an error.
    pub left_diagnostics: bool,
    /// True if no statement was executed yet.
    pub is_new: bool,
    /// True if the client asked for ROW_COUNT() or FOUND_ROWS(): each statement's connection is then kept
    /// until the next statement.
    pub looks_back: bool,
    /// True if the client itself set session trackers: it then sees the reports of all trackers.
    pub tracks_all: bool,
    /// True if the client set trackers just now, on the connection in use.
    pub trackers_changed: bool,
    /// True if the transaction that is open on a replica has savepoints.
    reader_savepoint: bool,
    /// True if a connection that should only read left read-only mode: it must not be used again.
    pub read_only_lost: bool,
    /// True if the connection's character set changed, and its collation is not known yet.
    collation_untold: bool,
    /// True if `timestamp` was set, and it is not known yet whether to a moment or to the clock.
    timestamp_untold: bool,
    /// The variables whose values only one of the session's connections knows.
    untold: UntoldVariables,
    /// The routine that the answer under way reported as missing.
    missing_routine: Option<Box<RoutineName>>,
    /// Whether the transaction that `status` shows is really open.
    over: TransactionDoubt,
    /// What the answer under way has reported so far.
    pub answer: Answered,
    /// Where pins are counted.
    metrics: Option<std::sync::Arc<WorkerMetrics>>,
}

impl Default for SessionState {
    fn default() -> Self {
        SessionState::new(None, 0, None)
    }
}

impl SessionState {
    /// Returns the state at login.
    pub fn new(
        schema: Option<&[u8]>,
        collation: u16,
        metrics: Option<std::sync::Arc<WorkerMetrics>>,
    ) -> Self {
        let mut state = SessionState {
            carried: Rc::new(Carried::new(schema, collation)),
            status: StatusFlags::AUTOCOMMIT,
            pins: Pins::default(),
            insert_id: InsertIdCell::default(),
            statements: ClientStatements::default(),
            text_statements: TextStatements::default(),
            journal: None,
            written: Written::default(),
            temporary_tables: None,
            options: sql::Options::default(),
            reading: Reading::default(),
            of_mariadb: false,
            handlers: 0,
            named_locks: None,
            row_count: -1,
            counted: false,
            stale_diagnostics: None,
            last: Role::Writer,
            last_connection: None,
            insert_connection: None,
            diagnostics: Role::Writer,
            diagnostics_connection: None,
            kept_diagnostics: false,
            left_diagnostics: false,
            is_new: true,
            looks_back: false,
            tracks_all: false,
            trackers_changed: false,
            reader_savepoint: false,
            read_only_lost: false,
            collation_untold: false,
            timestamp_untold: false,
            untold: UntoldVariables::default(),
            missing_routine: None,
            over: TransactionDoubt::No,
            answer: Answered::default(),
            metrics,
        };
        state.options = state.options_of_now();
        state
    }

    /// Resets the state after COM_RESET_CONNECTION: everything but the schema is as at login. (MySQL resets
    /// to the server's default character set, MariaDB to the handshake's. Here it is the handshake's.)
    pub fn reset(&mut self, collation: u16) {
        let schema = self.carried.schema.clone();
        self.end_pins(Role::Writer);
        self.end_pins(Role::Reader);
        let written = std::mem::take(&mut self.written);
        *self = SessionState::new(schema.as_deref(), collation, self.metrics.take());
        // The client may still read what it wrote.
        self.written = written;
    }

    /// True if a transaction on a replica must not end by a COMMIT: MariaDB writes its savepoints to the
    /// binary log, and so a GTID of the replica's own if the account may write in spite of read_only.
    #[inline]
    pub fn must_not_commit(&self, role: Role, effects: Effects) -> bool {
        let ends = Effects::ENDS | Effects::COMMITS_IMPLICITLY;
        self.reader_savepoint
            && role == Role::Reader
            && self.of_mariadb
            && effects.intersects(ends)
            && self.pins.on(role).has(Pin::Transaction)
    }

    /// True if a transaction is open.
    pub fn in_transaction(&self) -> bool {
        self.status.contains(StatusFlags::IN_TRANS)
    }

    /// Returns the facts that decide where a statement goes.
    pub fn facts(&self) -> SessionFacts {
        let transaction =
            [Role::Writer, Role::Reader].into_iter().find(|r| self.pins.on(*r).has(Pin::Transaction));
        SessionFacts {
            transaction,
            pinned: self.pins.reads_follow(),
            autocommit: self.carried.autocommit,
            only_reads: self.carried.only_reads(),
            keeps_access_mode: !self.of_mariadb,
            last: self.last,
            diagnostics: self.diagnostics,
        }
    }

    /// Returns, in words, what would be lost with the connection for this role, transaction and diagnostics
    /// aside.
    pub fn held(&self, role: Role) -> Option<&'static str> {
        let soft = [Pin::Transaction, Pin::Warnings, Pin::FoundRows];
        let hard = self.pins.on(role).without(PinSet::of(&soft)).iter().next();
        let untold = self.collation_untold.then_some(Pin::Variable);
        hard.or(untold).map(words).or_else(|| self.held_by_doubt(role))
    }

    /// Returns the number of warnings of the last statement, as MySQL repeats it in later OK packets; 0 on
    /// MariaDB.
    pub fn warnings_of_mysql(&self) -> u16 {
        if self.of_mariadb { 0 } else { self.answer.warnings }
    }

    /// Pins the session to the connection for this role.
    pub fn pin(&mut self, role: Role, pin: Pin) {
        if let Some(metrics) = &self.metrics {
            self.pins.set(role, pin, &metrics.pins);
        } else {
            self.pins.set(role, pin, &[]);
        }
    }

    /// Removes these pins.
    pub fn unpin(&mut self, role: Role, pins: PinSet) {
        if pins.has(Pin::UserVariable) {
            self.untold.clear(role, Whose::User);
        }
        if pins.has(Pin::Variable) {
            self.untold.clear(role, Whose::System);
        }
        match &self.metrics {
            Some(metrics) => self.pins.end(role, pins, &metrics.pinned_us),
            None => self.pins.end(role, pins, &[]),
        }
    }

    fn end_pins(&mut self, role: Role) {
        self.untold.clear(role, Whose::User);
        self.untold.clear(role, Whose::System);
        match &self.metrics {
            Some(metrics) => self.pins.end_all(role, &metrics.pinned_us),
            None => self.pins.end_all(role, &[]),
        }
    }

    /// Forgets the state that was lost with the connection for this role.
    pub fn lost_connection(&mut self, role: Role) {
        // A transaction that began in a text whose answer broke off is open without a pin.
        let elsewhere = !self.transaction_elsewhere(role).is_empty();
        if self.pins.on(role).has(Pin::Transaction) || !elsewhere {
            self.rolled_back();
        }
        self.end_pins(role);
        if role == Role::Writer {
            self.over = TransactionDoubt::No;
            self.journal = None;
        } else {
            self.read_only_lost = false;
        }
        self.forget_what_nobody_holds();
    }

    /// Returns the status flags of a transaction that is open on the session's other server: a read-only
    /// transaction while the primary is asked for a named lock, or any transaction while a replica's cursor
    /// is read.
    pub fn transaction_elsewhere(&self, role: Role) -> StatusFlags {
        match role {
            Role::Writer if self.pins.on(Role::Reader).has(Pin::Transaction) => {
                StatusFlags::IN_TRANS | StatusFlags::IN_TRANS_READONLY
            }
            Role::Reader if self.pins.on(Role::Writer).has(Pin::Transaction) => StatusFlags::IN_TRANS,
            _ => StatusFlags::empty(),
        }
    }

    /// Notes that the transaction was rolled back.
    pub fn rolled_back(&mut self) {
        self.status -= StatusFlags::IN_TRANS | StatusFlags::IN_TRANS_READONLY;
    }

    /// Notes that another statement begins. The results of the statement before can no longer be asked for,
    /// unless this statement asks for them.
    #[inline]
    pub fn begins(&mut self, class: &StatementClass) {
        self.answer = Answered::default();
        let looks_back = Effects::READS_DIAGNOSTICS | Effects::READS_ROW_COUNT | Effects::READS_FOUND_ROWS;
        if class.effects.intersects(looks_back) {
            self.looks_back |= class.effects.intersects(Effects::READS_ROW_COUNT | Effects::READS_FOUND_ROWS);
            return;
        }
        for role in Role::BOTH {
            if !self.pins.on(role).is_empty() {
                self.unpin(role, PinSet::of(&[Pin::FoundRows]));
            }
        }
    }

    /// Forgets the diagnostics of earlier statements, because a new statement replaced them. The connection
    /// on which it did not run still has the old ones: notes them as stale.
    fn forget_diagnostics(&mut self, role: Role) {
        let other = if role == Role::Writer { Role::Reader } else { Role::Writer };
        if self.pins.on(other).has(Pin::Warnings) {
            self.stale_diagnostics = Some(other);
        }
        for role in Role::BOTH {
            if self.pins.on(role).has(Pin::Warnings) {
                self.unpin(role, PinSet::of(&[Pin::Warnings]));
            }
        }
    }

    /// Pins what a statement may leave on the connection, before it is sent. Returns the pins that are new.
    pub fn sends(&mut self, role: Role, class: &StatementClass, text: Option<&[u8]>) -> PinSet {
        const LEAVES: [(Effects, Pin); 13] = [
            (Effects::SETS_USER_VARIABLES, Pin::UserVariable),
            (Effects::CREATES_TEMPORARY, Pin::TemporaryTable),
            (Effects::LOCKS_TABLES, Pin::LockTables),
            (Effects::READ_LOCK, Pin::ReadLock),
            (Effects::GET_LOCK, Pin::NamedLock),
            (Effects::HANDLER_OPEN, Pin::Handler),
            (Effects::CALC_FOUND_ROWS, Pin::FoundRows),
            (Effects::USES_SEQUENCE, Pin::Sequence),
            (Effects::SETS_ROLE, Pin::Role),
            (Effects::LEAVES_UNKNOWN, Pin::Unknown),
            (Effects::SETS_NEXT_TRANSACTION, Pin::NextTransaction),
            (Effects::READS_FOUND_ROWS, Pin::FoundRows),
            (Effects::READS_ROW_COUNT, Pin::FoundRows),
        ];
        const ANY: Effects = {
            let (mut all, mut left) = (Effects::empty(), LEAVES.as_slice());
            while let Some((first, rest)) = left.split_first() {
                all = all.union(first.0);
                left = rest;
            }
            all
        };
        let before = self.pins.on(role);
        if class.effects.intersects(ANY) {
            for (effect, pin) in LEAVES {
                if class.effects.intersects(effect) {
                    self.pin(role, pin);
                }
            }
            if class.effects.contains(Effects::SETS_USER_VARIABLES) {
                self.sends_user_variables(role, text);
            }
            if class.effects.contains(Effects::CREATES_TEMPORARY) {
                let name = text.and_then(|text| sql::parts::temporary_table(text, self.sql_options()));
                // A table without a known name is never seen to be dropped: the pin stays.
                let name = name.map(|name| self.qualified(name)).unwrap_or_default();
                let TemporaryTables(names) = &mut **self.temporary_tables.get_or_insert_default();
                names.insert(if names.len() < statement_effects::MOST_NAMES {
                    name
                } else {
                    Qualified::default()
                });
            }
        }
        self.pins.on(role).without(before)
    }

    /// Updates the state after the answer to a statement that ran on the connection for this role.
    pub fn done(&mut self, role: Role, class: &StatementClass, text: Option<&[u8]>, sent: PinSet) {
        self.last = role;
        self.is_new = false;
        self.counted = self.answer.affected > 0;
        self.row_count = match self.answer {
            Answered { failed: false, rows: false, affected, .. } => {
                i64::try_from(affected).unwrap_or(i64::MAX)
            }
            _ => -1,
        };
        let mut answered = self.answer;
        if let Some(name) = self.missing_routine.take() {
            // If the text itself names the missing routine, the statement failed before anything ran.
            // Otherwise a routine that ran named it.
            answered.not_parsed |= text.is_some_and(|text| mentions(text, &name.0));
        }
        let in_parts =
            Effects::SEVERAL | Effects::CALLS | Effects::LEAVES_UNKNOWN | Effects::SETS_USER_VARIABLES;
        let in_parts = class.effects.intersects(if answered.not_parsed {
            Effects::SEVERAL | Effects::CALLS
        } else {
            in_parts
        });
        if answered.failed && !in_parts {
            // Such a statement is executed as a whole or not at all.
            self.unpin(role, sent);
        }
        self.doubt(role, class.effects, text);
        if class.effects.contains(Effects::SETS_USER_VARIABLES) && self.pins.on(role).has(Pin::UserVariable) {
            self.set_user_variables(text);
        }
        // An ERR packet has no status flags. The earlier flags may be about a transaction on the other
        // server.
        let known = self.pins.on(role).has(Pin::Transaction) || self.transaction_elsewhere(role).is_empty();
        if self.in_transaction() && (known || !self.answer.failed) {
            self.pin(role, Pin::Transaction);
        } else if !self.pins.on(role).is_empty() {
            self.unpin(role, PinSet::of(&[Pin::Transaction]));
            self.reader_savepoint &= role == Role::Writer;
        }
        let quiet = answered.warnings == 0 && !answered.failed;
        let sets = class.effects.contains(Effects::SETS_STATE) && (self.of_mariadb || text.is_none());
        // On MariaDB, COM_STMT_PREPARE keeps the diagnostics, too.
        let prepares = class.reason == ClassReason::TextPrepared && class.effects.is_empty();
        let sets = sets || (prepares && self.of_mariadb);
        self.kept_diagnostics = class.effects.contains(Effects::READS_DIAGNOSTICS) || (sets && quiet);
        if self.kept_diagnostics {
            return self.note_effects(role, class, text);
        }
        self.forget_diagnostics(role);
        self.diagnostics = role;
        self.left_diagnostics = !quiet;
        if self.left_diagnostics {
            self.pin(role, Pin::Warnings);
        } else if self.looks_back {
            self.pin(role, Pin::FoundRows);
        }
        self.note_effects(role, class, text);
    }

    /// Notes the missing routine in the text of an ER_SP_DOES_NOT_EXIST: `FUNCTION schema.name does not
    /// exist`.
    pub fn lacks_routine(&mut self, message: &[u8]) {
        let name = message.split(|b| *b == b' ').nth(1).unwrap_or_default();
        let name = name.rsplit(|b| *b == b'.').next().unwrap_or_default();
        self.missing_routine = (!name.is_empty()).then(|| Box::new(RoutineName(name.to_vec())));
    }

    /// Notes an OK packet, or the end of a result set.
    #[inline]
    pub fn ok(&mut self, ok: &OkPacket<'_>, heard: Heard) {
        let modes = StatusFlags::ANSI_QUOTES | StatusFlags::NO_BACKSLASH_ESCAPES;
        let same_modes = self.status & modes == ok.status & modes;
        self.status = ok.status;
        if heard.role == Role::Writer {
            self.over = TransactionDoubt::No;
        }
        let results = self.answer.results.saturating_add(1);
        self.answer =
            Answered { results, warnings: ok.warnings, affected: ok.affected_rows, ..Answered::default() };
        self.of_mariadb = heard.flavor == Flavor::MariaDb;
        let autocommit = ok.status.contains(StatusFlags::AUTOCOMMIT);
        if self.carried.autocommit != autocommit {
            Rc::make_mut(&mut self.carried).autocommit = autocommit;
        }
        if ok.last_insert_id != 0 {
            // Only the server knows whether this is what LAST_INSERT_ID() returns.
            self.insert_id.set(InsertId::OnConnection);
        }
        if !ok.state.is_empty() {
            self.changes(ok.state, heard);
        }
        if !same_modes || !ok.state.is_empty() {
            self.options = self.options_of_now();
        }
    }

    fn changes(&mut self, state: &[u8], heard: Heard) {
        let (mut named, mut unnamed) = (false, false);
        let (mut charset, mut collation, mut parts) = (false, false, 0);
        let before = self.carried.clone();
        let readable = StateChanges::new(state).each(|change| match change {
            StateChange::Schema(name) => {
                named = true;
                Rc::make_mut(&mut self.carried).schema = (!name.is_empty()).then(|| name.into());
            }
            StateChange::SystemVariable { name: b"last_gtid", value } => self.wrote(value, heard.flavor),
            StateChange::Gtids(set) => self.wrote(set, heard.flavor),
            // Servers report these variables unasked, so they do not explain a change without a name.
            StateChange::SystemVariable { name, .. } if Carried::is_noise(name) => {}
            StateChange::SystemVariable { name, value } => {
                named = true;
                self.reading.told(name, value);
                parts += u8::from(name.starts_with(b"character_set_"));
                charset |= name == b"character_set_connection";
                collation |= name == b"collation_connection";
                self.variable(name, value, heard);
            }
            StateChange::Something => unnamed = true,
            StateChange::Unknown(_) => self.pin(heard.role, Pin::Unknown),
            StateChange::TransactionCharacteristics(_) | StateChange::TransactionState(_) => {}
        });
        if parts > 0 {
            self.answer.charset_told = true;
            // SET NAMES reports client, connection and results together.
            Rc::make_mut(&mut self.carried).set_names(parts == 3 && !collation);
        }
        // A change of `character_set_connection` also changes `collation_connection`, which is not always
        // reported.
        if collation {
            self.collation_untold = false;
        } else if charset {
            self.collation_untold = true;
        }
        if readable.is_err() || (unnamed && !named && !heard.explained) {
            self.pin(heard.role, Pin::Unknown);
        }
        if before.charset != self.carried.charset {
            self.answer.charset = true;
            self.keep_literals(heard.role, &before.charset);
        }
    }

    /// Notes the GTID of a write of the session: its reads must see the write from now on.
    pub(super) fn wrote(&mut self, gtid: &[u8], flavor: Flavor) {
        match &mut self.written {
            Written::These(set) => {
                if set.insert(gtid).is_err() {
                    self.written = Written::Unknown;
                }
            }
            Written::Nothing => {
                self.written = match GtidSet::parse(flavor, gtid) {
                    Ok(set) if set.is_empty() => Written::Nothing,
                    Ok(set) => Written::These(Box::new(set)),
                    Err(_) => Written::Unknown,
                }
            }
            Written::Unknown => {}
        }
    }

    /// True if `learn` has something to find out.
    #[inline]
    pub fn wants_text(&self) -> bool {
        self.collation_untold || self.timestamp_untold
    }

    /// Finds out what the text that was just executed did to the character set or the clock. None: there is
    /// no text to look at.
    pub fn learn(&mut self, role: Role, text: Option<&[u8]>) {
        use sql::set_names::{Collation, collation};
        if std::mem::take(&mut self.timestamp_untold) {
            self.learn_timestamp(role, text);
        }
        if !std::mem::take(&mut self.collation_untold) {
            return;
        }
        let found = text.and_then(|text| collation(text, self.sql_options()));
        match found {
            Some(Collation::Default) => Rc::make_mut(&mut self.carried).set_collation(b""),
            Some(Collation::Named(name)) => Rc::make_mut(&mut self.carried).set_collation(name),
            None => self.untold_variable(role, b"collation_connection"),
        }
    }
}
