//! What a session has become by its statements: what can be carried to another server
//! connection, and what pins it to one. Fed by the OK packets' session trackers and by
//! the class of each statement; the only owner of these facts.

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

/// Few sessions have any.
#[derive(Debug, Default)]
struct TemporaryTables(HashSet<Qualified>);

use answered::{TransactionDoubt, mentions};

pub use answered::{Answered, is_rollback};
use reading::Reading;
pub use reading::readings_under;
pub use variables::INSERT_ID;

/// As an error spells it, without its schema.
#[derive(Debug)]
struct RoutineName(Vec<u8>);

/// What an answer is the answer to.
#[derive(Debug, Clone, Copy)]
pub struct Heard {
    /// From which of the session's servers.
    pub role: Role,
    /// MySQL or MariaDB.
    pub flavor: Flavor,
    /// The connection only reads.
    pub read_only: bool,
    /// A change without a name is explained by the statement.
    pub explained: bool,
}

/// See the module.
#[derive(Debug)]
pub struct SessionState {
    /// What another server connection can be given.
    pub carried: Rc<Carried>,
    /// The status that the client saw last.
    pub status: StatusFlags,
    /// What keeps it on its connections.
    pub pins: Pins,
    /// What `LAST_INSERT_ID()` answers.
    pub insert_id: InsertIdCell,
    /// Statements prepared by the binary protocol.
    pub statements: ClientStatements,
    /// Statements prepared as text.
    pub text_statements: TextStatements,
    /// What its open transaction on the primary did, as long as that can be run again.
    pub journal: Option<Box<Journal>>,
    /// What its reads must see.
    pub written: Written,
    /// The temporary tables that it has, as they were named.
    temporary_tables: Option<Box<TemporaryTables>>,
    /// How its texts are to be read, as follows from the rest.
    options: sql::Options,
    /// What leaves that open.
    reading: Reading,
    /// The servers are MariaDB.
    pub(super) of_mariadb: bool,
    /// HANDLERs that were opened and not closed.
    handlers: u16,
    /// Named locks that were asked for and not given back, as often as that was.
    named_locks: Option<Vec<Vec<u8>>>,
    /// What `ROW_COUNT()` answers.
    pub row_count: i64,
    /// The last statement changed rows, so that `ROW_COUNT()` may be asked for.
    pub counted: bool,
    /// The connection for this role has diagnostics of a statement that was not the last.
    pub stale_diagnostics: Option<Role>,
    /// Where the last statement ran: for which role,
    pub last: Role,
    /// and on which connection: its server, and its number there.
    pub last_connection: Option<(ServerId, u32)>,
    /// The connection that knows the insert id, if only it does.
    pub insert_connection: Option<(ServerId, u32)>,
    /// The same for its diagnostics: on MariaDB SET leaves those of the statement before it, on both servers
    /// COM_INIT_DB does.
    diagnostics: Role,
    pub diagnostics_connection: Option<(ServerId, u32)>,
    pub kept_diagnostics: bool,
    /// The last statement left warnings, or an error.
    pub left_diagnostics: bool,
    /// Nothing was executed yet.
    pub is_new: bool,
    /// It asks what its statements did: each is kept until the next comes.
    pub looks_back: bool,
    /// The client itself changed what is tracked: it sees every tracker.
    pub tracks_all: bool,
    /// It did so just now, on the connection in use.
    pub trackers_changed: bool,
    /// The transaction that is open on a replica has savepoints.
    reader_savepoint: bool,
    /// A connection that should only read left that mode: it must not be used again.
    pub read_only_lost: bool,
    /// The connection's character set changed, but nobody said yet to which collation.
    collation_untold: bool,
    /// `timestamp` was set, but nobody said yet whether to a moment or to the clock.
    timestamp_untold: bool,
    /// Variables that only one of its connections knows.
    untold: UntoldVariables,
    /// The routine that the answer under way said is not there.
    missing_routine: Option<Box<RoutineName>>,
    /// Whether the transaction that `status` tells of is open indeed.
    over: TransactionDoubt,
    /// What the answer under way has said so far.
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
    /// At login.
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

    /// After COM_RESET_CONNECTION: everything but the schema is as at login. (MySQL goes back to the
    /// server's default character set, MariaDB to the handshake's. Here it is the handshake's.)
    pub fn reset(&mut self, collation: u16) {
        let schema = self.carried.schema.clone();
        self.end_pins(Role::Writer);
        self.end_pins(Role::Reader);
        let written = std::mem::take(&mut self.written);
        *self = SessionState::new(schema.as_deref(), collation, self.metrics.take());
        // What it wrote it may still ask for.
        self.written = written;
    }

    /// Whether a transaction on a replica must not end by a COMMIT: MariaDB's binary log has its savepoints, and so
    /// a GTID of the replica's own where the account may write in spite of read_only.
    #[inline]
    pub fn must_not_commit(&self, role: Role, effects: Effects) -> bool {
        let ends = Effects::ENDS | Effects::COMMITS_IMPLICITLY;
        self.reader_savepoint
            && role == Role::Reader
            && self.of_mariadb
            && effects.intersects(ends)
            && self.pins.on(role).has(Pin::Transaction)
    }

    /// Whether a transaction is open.
    pub fn in_transaction(&self) -> bool {
        self.status.contains(StatusFlags::IN_TRANS)
    }

    /// What counts for the place of a statement.
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

    /// What goes with the connection to one of the servers, transaction and diagnostics aside, in words.
    pub fn held(&self, role: Role) -> Option<&'static str> {
        let soft = [Pin::Transaction, Pin::Warnings, Pin::FoundRows];
        let hard = self.pins.on(role).without(PinSet::of(&soft)).iter().next();
        let untold = self.collation_untold.then_some(Pin::Variable);
        hard.or(untold).map(words).or_else(|| self.held_by_doubt(role))
    }

    /// Warnings that the last statement left, where the server goes on saying so.
    pub fn warnings_of_mysql(&self) -> u16 {
        if self.of_mariadb { 0 } else { self.answer.warnings }
    }

    /// Begins to hold something.
    pub fn pin(&mut self, role: Role, pin: Pin) {
        if let Some(metrics) = &self.metrics {
            self.pins.set(role, pin, &metrics.pins);
        } else {
            self.pins.set(role, pin, &[]);
        }
    }

    /// These do not hold any more.
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

    /// The connection to one of the servers is gone, and with it what it held.
    pub fn lost_connection(&mut self, role: Role) {
        // Begun in a text whose answer broke off, one is open without the pin.
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

    /// The status flags of a transaction that is open on the session's other server: one that only reads while the
    /// primary is asked for a named lock, or any while a replica's cursor is read.
    pub fn transaction_elsewhere(&self, role: Role) -> StatusFlags {
        match role {
            Role::Writer if self.pins.on(Role::Reader).has(Pin::Transaction) => {
                StatusFlags::IN_TRANS | StatusFlags::IN_TRANS_READONLY
            }
            Role::Reader if self.pins.on(Role::Writer).has(Pin::Transaction) => StatusFlags::IN_TRANS,
            _ => StatusFlags::empty(),
        }
    }

    /// The server rolled the transaction back of its own accord.
    pub fn rolled_back(&mut self) {
        self.status -= StatusFlags::IN_TRANS | StatusFlags::IN_TRANS_READONLY;
    }

    /// Another statement begins: what was left of the one before is not to be asked for any more, unless this
    /// one asks.
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

    /// A statement that does not ask what the last one did is done: nobody can ask for what was before it. Where
    /// it did not run that is still there, though.
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

    /// A statement is about to be sent there: what it may leave is held from now on. Returns what was not held
    /// before.
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
                // Without a name it is never seen to go: the pin stays.
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

    /// The statement that ran there has its answer.
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
            // Named in the text itself it is missed before anything runs; else a routine that ran named it.
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
            // It is done as a whole or not at all.
            self.unpin(role, sent);
        }
        self.doubt(role, class.effects, text);
        if class.effects.contains(Effects::SETS_USER_VARIABLES) && self.pins.on(role).has(Pin::UserVariable) {
            self.set_user_variables(text);
        }
        // An ERR packet has no status flags; those of before may be of the other server's transaction.
        let known = self.pins.on(role).has(Pin::Transaction) || self.transaction_elsewhere(role).is_empty();
        if self.in_transaction() && (known || !self.answer.failed) {
            self.pin(role, Pin::Transaction);
        } else if !self.pins.on(role).is_empty() {
            self.unpin(role, PinSet::of(&[Pin::Transaction]));
            self.reader_savepoint &= role == Role::Writer;
        }
        let quiet = answered.warnings == 0 && !answered.failed;
        let sets = class.effects.contains(Effects::SETS_STATE) && (self.of_mariadb || text.is_none());
        // So does COM_STMT_PREPARE on MariaDB.
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

    /// The answer is ER_SP_DOES_NOT_EXIST with this text: `FUNCTION schema.name does not exist`.
    pub fn lacks_routine(&mut self, message: &[u8]) {
        let name = message.split(|b| *b == b' ').nth(1).unwrap_or_default();
        let name = name.rsplit(|b| *b == b'.').next().unwrap_or_default();
        self.missing_routine = (!name.is_empty()).then(|| Box::new(RoutineName(name.to_vec())));
    }

    /// An OK packet, or the end of a result set.
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
            // Only the server knows whether this is what LAST_INSERT_ID() answers.
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
            // What a server reports of its own accord does not tell what else changed.
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
        // A change of the former brings a change of the latter that is not always reported.
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

    /// A write of the session has this GTID: its reads must see it from now on.
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

    /// Whether `learn` has something to find out.
    #[inline]
    pub fn wants_text(&self) -> bool {
        self.collation_untold || self.timestamp_untold
    }

    /// The text that was just executed changed the character set, or the clock; None: it cannot be looked at.
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
