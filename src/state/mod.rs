//! The session's state as its statements made it: what can be carried to another server connection, and what
//! pins the session to one connection. Fed by the session trackers in OK packets and by the class of each
//! statement. The only owner of these facts.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::cast_possible_truncation
    )
)]

mod answered;
mod asked_text;
mod client_trackers;
mod diagnostics;
mod journal;
mod parts;
mod pins;
mod prepared;
mod reading;
mod reports;
mod statement_effects;
mod unexplained;
mod unreported_variables;
mod variables;
mod written;

use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;

use crate::backend::{Carried, InsertId, RefusedCommand, ServerThread};
use crate::routing::SessionFacts;
use crate::sql::{self, Effects, StatementClass};
use crate::telemetry::WorkerMetrics;
use crate::terms::{FalseReport, Pin, Port, Role};
use crate::topology::{Flavor, TextModes};
use crate::wire::{Command, OkPacket, StateChange, StateChanges, StatusFlags, Tracked};

/// A schema and a table.
type Qualified = (Vec<u8>, Vec<u8>);

/// What few sessions have.
#[derive(Debug, Default)]
struct Rare {
    /// Its temporary tables, where their names are known.
    temporary_tables: HashSet<Qualified>,
    /// The named locks that were requested and not released, once for each request.
    named_locks: Vec<Vec<u8>>,
    /// Which session state changes the client gets, if it set session trackers itself.
    tracked: Option<Tracked>,
    /// The trackers whose values only the connection in use knows.
    trackers_to_ask: Vec<Vec<u8>>,
    /// The commands that the proxy refused since the last statement, whose errors MySQL adds to the diagnostics.
    refused: Vec<RefusedCommand>,
}

use answered::{TransactionDoubt, mentions};
use unreported_variables::Whose;

pub use answered::{AnswerError, Answered, is_rollback, may_undo};
pub use asked_text::AskedText;
pub use diagnostics::{Bring, Diagnostics};
pub use journal::{Answer, Entry, Journal, Summary, Witness};
pub use parts::{
    BringCount, InsertIds, LastStatement, Objects, ReadingTransactions, Texts, Trackers, Transaction,
};
pub use pins::{PinSet, Pins};
pub use prepared::{
    ClientStatements, MOST as MOST_STATEMENTS, PREPARED, Prepared, PreparedTexts, types_in, with_string,
    with_types,
};
pub use reading::readings_under;
pub use reports::{Asked, Explains, explains};
pub use variables::INSERT_ID;
pub use written::{Written, positions};

/// The context of an answer.
#[derive(Debug, Clone, Copy)]
pub struct AnswerSource<'a> {
    /// The role of the connection that answered.
    pub role: Role,
    /// MySQL or MariaDB.
    pub flavor: Flavor,
    /// True if the connection is in read-only mode.
    pub read_only: bool,
    /// True if the statement explains the flag by which servers report that something changed.
    pub explained: bool,
    /// The port that the client connected to.
    pub port: Port,
    /// How servers read the texts of a session that set no `sql_mode`.
    pub modes: TextModes,
    /// The statement.
    pub asked: Asked<'a>,
}

/// Pins whose state is lost with the connection: a client with one of these is in the middle of something.
const UNFINISHED: PinSet = PinSet::of(&[
    Pin::Transaction,
    Pin::NextTransaction,
    Pin::TemporaryTable,
    Pin::LockTables,
    Pin::ReadLock,
    Pin::NamedLock,
    Pin::Cursor,
    Pin::Handler,
    Pin::LongData,
]);

/// See the module.
#[derive(Debug)]
// `repr(C)` keeps this order: the fields that each statement touches come last, next to `Session::reads`.
#[repr(C)]
pub struct SessionState {
    /// What the session has on its connections by name.
    pub objects: Objects,
    /// What `LAST_INSERT_ID()` returns.
    pub insert: InsertIds,
    /// What session trackers report, and what they do not.
    pub trackers: Trackers,
    /// The writes that the session's reads must see.
    pub written: Written,
    /// Where the current diagnostics are.
    pub diagnostics: Diagnostics,
    /// The last statement, about which the client may ask.
    pub last: LastStatement,
    /// The state that can be restored on another server connection.
    pub carried: Rc<Carried>,
    /// What keeps the session on its connections.
    pub pins: Pins,
    /// How servers read the session's texts.
    pub texts: Texts,
    /// The open transaction.
    pub transaction: Transaction,
    /// What the answer under way has reported so far.
    pub answer: Answered,
    /// Statements prepared by the binary protocol.
    pub statements: ClientStatements,
}

impl Default for SessionState {
    fn default() -> Self {
        SessionState::new(None, 0, None)
    }
}

impl SessionState {
    /// Returns the state at login.
    pub fn new(schema: Option<&[u8]>, collation: u16, metrics: Option<Arc<WorkerMetrics>>) -> Self {
        let mut state = SessionState {
            carried: Rc::new(Carried::new(schema, collation)),
            transaction: Transaction::default(),
            pins: Pins::counted_in(metrics),
            insert: InsertIds::default(),
            statements: ClientStatements::default(),
            written: Written::default(),
            objects: Objects::default(),
            texts: Texts::default(),
            last: LastStatement::default(),
            diagnostics: Diagnostics::default(),
            trackers: Trackers::default(),
            answer: Answered::default(),
        };
        state.texts.options = state.options_of_now();
        state
    }

    /// Begins the session with these flags, as servers begin one: before its first statement, or after a reset.
    pub fn begins_as(&mut self, flags: StatusFlags) {
        self.transaction.status = flags & StatusFlags::OF_THE_SESSION;
        let autocommit = flags.contains(StatusFlags::AUTOCOMMIT);
        if self.carried.autocommit != autocommit {
            Rc::make_mut(&mut self.carried).autocommit = autocommit;
        }
        self.texts.options = self.options_of_now();
    }

    /// Resets the state after COM_RESET_CONNECTION: all but the schema is as at login, with the handshake's character set. (MySQL
    /// resets to the server's default one.)
    pub fn reset(&mut self, collation: u16) {
        let schema = self.carried.schema.clone();
        Role::BOTH.iter().for_each(|role| self.end_pins(*role));
        let metrics = self.pins.take_metrics();
        self.begin_anew(schema.as_deref(), collation, metrics);
    }

    /// Begins anew as after a login. The session's reads must still see what it wrote, under another account, too.
    pub fn begin_anew(&mut self, schema: Option<&[u8]>, collation: u16, metrics: Option<Arc<WorkerMetrics>>) {
        let mut anew = SessionState::new(schema, collation, metrics);
        anew.written = std::mem::take(&mut self.written);
        anew.statements = std::mem::take(&mut self.statements).all_closed();
        anew.last = self.last.kept_at_reset();
        *self = anew;
    }

    /// True if the session has values that only a replica's connection knows, and may ask for these before a
    /// statement with these effects.
    #[inline]
    pub fn has_values_to_move(&self, effects: Effects) -> bool {
        let pins = self.pins.on(Role::Replica);
        let looks_back = Effects::READS_DIAGNOSTICS | Effects::READS_ROW_COUNT | Effects::READS_FOUND_ROWS;
        pins.has(Pin::UserVariable) && !pins.has(Pin::Transaction) && !effects.intersects(looks_back)
    }

    /// True if a transaction on a replica must not end by a COMMIT: MariaDB writes its savepoints to the
    /// binary log, and so a GTID of the replica's own if the account may write in spite of read_only.
    #[inline]
    pub fn must_not_commit(&self, role: Role, effects: Effects) -> bool {
        let ends = Effects::ENDS | Effects::COMMITS_IMPLICITLY;
        self.transaction.reading.contains(ReadingTransactions::SAVEPOINT)
            && role == Role::Replica
            && self.texts.of_mariadb
            && effects.intersects(ends)
            && self.pins.on(role).has(Pin::Transaction)
    }

    /// True if the client would lose something with the connection.
    pub fn is_unfinished(&self) -> bool {
        Role::BOTH.iter().any(|role| self.pins.on(*role).has_any(UNFINISHED))
    }

    /// True if a transaction is open.
    pub fn in_transaction(&self) -> bool {
        self.transaction.status.contains(StatusFlags::IN_TRANS)
    }

    /// Returns the facts that decide where a statement goes.
    pub fn facts(&self) -> SessionFacts {
        let transaction =
            [Role::Primary, Role::Replica].into_iter().find(|r| self.pins.on(*r).has(Pin::Transaction));
        SessionFacts {
            transaction,
            pinned: self.pins.reads_follow(),
            autocommit: self.carried.autocommit,
            only_reads: self.carried.only_reads(),
            of_mariadb: self.texts.of_mariadb,
            last: self.last.role,
            last_query: self.last.query.role,
            diagnostics: self.diagnostics.only_on(),
            reads_on_primary: self.transaction.reading.contains(ReadingTransactions::ON_PRIMARY),
        }
    }

    /// Returns, in words, what would be lost with the connection for this role, transaction and diagnostics
    /// aside.
    pub fn held(&self, role: Role) -> Option<&'static str> {
        let soft = [Pin::Transaction, Pin::Warnings, Pin::FoundRows];
        let hard = self.pins.on(role).without(PinSet::of(&soft)).iter().next();
        let unreported = self.trackers.collation_unreported.then_some(Pin::Variable);
        hard.or(unreported).map(Pin::words).or_else(|| self.held_by_doubt(role))
    }

    /// Pins the session to the connection for this role.
    pub fn pin(&mut self, role: Role, pin: Pin) {
        self.pins.set(role, pin);
    }

    /// Removes these pins.
    pub fn unpin(&mut self, role: Role, pins: PinSet) {
        if pins.has(Pin::UserVariable) {
            self.trackers.unreported.clear(role, Whose::User);
        }
        if pins.has(Pin::Variable) {
            self.trackers.unreported.clear(role, Whose::System);
        }
        self.pins.end(role, pins);
    }

    fn end_pins(&mut self, role: Role) {
        self.trackers.unreported.clear(role, Whose::User);
        self.trackers.unreported.clear(role, Whose::System);
        self.pins.end_all(role);
    }

    /// Forgets the state that was lost with the connection for this role.
    pub fn lost_connection(&mut self, role: Role) {
        // A transaction that began in a text whose answer broke off is open without a pin.
        let elsewhere = !self.transaction_elsewhere(role).is_empty();
        if self.pins.on(role).has(Pin::Transaction) || !elsewhere {
            self.rolled_back();
        }
        self.end_pins(role);
        if role == Role::Primary {
            self.transaction.doubt = TransactionDoubt::No;
            self.transaction.journal = None;
            self.transaction.reading -= ReadingTransactions::SAVEPOINT_AHEAD;
        } else {
            self.trackers.read_only_lost = false;
        }
        self.forget_what_nobody_holds();
    }

    /// Forgets what the session had on a connection that is gone.
    pub fn connection_gone(&mut self, role: Role) {
        self.lost_connection(role);
        self.statements.lost_connection(role);
        let id = &self.insert.id;
        if role == Role::Primary && id.get() == InsertId::OnConnection && !id.is_coming() {
            id.set(InsertId::Lost);
        }
    }

    /// Returns the status flags of a transaction that is open on the session's other server: a read-only
    /// transaction while the primary is asked for a named lock, or any transaction while a replica's cursor
    /// is read.
    pub fn transaction_elsewhere(&self, role: Role) -> StatusFlags {
        match role {
            Role::Primary if self.pins.on(Role::Replica).has(Pin::Transaction) => {
                StatusFlags::IN_TRANS | StatusFlags::IN_TRANS_READONLY
            }
            Role::Replica if self.pins.on(Role::Primary).has(Pin::Transaction) => StatusFlags::IN_TRANS,
            _ => StatusFlags::empty(),
        }
    }

    /// True if the server closed the session: as the session wanted, or because the server could not read a request.
    pub fn has_ended(&self) -> bool {
        self.transaction.reading.contains(ReadingTransactions::SESSION_ENDED)
    }

    /// Notes that the server closed the session.
    pub fn ends(&mut self) {
        self.transaction.reading |= ReadingTransactions::SESSION_ENDED;
    }

    /// True if the transaction that is open on a replica has read something: it sees one snapshot of the data.
    pub fn replica_has_read(&self) -> bool {
        self.transaction.reading.contains(ReadingTransactions::HAS_READ)
    }

    /// Notes that a transaction that only reads begins on the primary, in front of the next statement there.
    pub fn begins_reading_on_primary(&mut self) {
        self.transaction.status |= StatusFlags::IN_TRANS | StatusFlags::IN_TRANS_READONLY;
        self.pin(Role::Primary, Pin::Transaction);
    }

    /// Notes that the transaction was rolled back.
    pub fn rolled_back(&mut self) {
        self.transaction.status -= StatusFlags::IN_TRANS | StatusFlags::IN_TRANS_READONLY;
    }

    /// Notes that another statement begins. The results of the statement before can no longer be asked for,
    /// unless this statement asks for them.
    #[inline]
    pub fn begins(&mut self, class: &StatementClass) {
        self.answer = Answered::default();
        self.last.sent = 0;
        self.trackers.reports.clear();
        let looks_back = Effects::READS_DIAGNOSTICS | Effects::READS_ROW_COUNT | Effects::READS_FOUND_ROWS;
        if class.effects.intersects(looks_back) {
            self.last.looks_back |=
                class.effects.intersects(Effects::READS_ROW_COUNT | Effects::READS_FOUND_ROWS);
            return;
        }
        if class.effects.keeps_found_rows(self.texts.of_mariadb) {
            return;
        }
        for role in Role::BOTH {
            if !self.pins.on(role).is_empty() {
                self.unpin(role, PinSet::of(&[Pin::FoundRows]));
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
                let names = &mut self.objects.rare.get_or_insert_default().temporary_tables;
                names.insert(if names.len() < statement_effects::MOST_NAMES {
                    name
                } else {
                    Qualified::default()
                });
            }
        }
        self.pins.on(role).without(before)
    }

    /// Notes on which connection the statement or command ran that is done.
    pub fn ran_on(&mut self, connection: ServerThread, command: Command) {
        self.last.ran_on(connection, command);
        if self.answer.counted {
            self.last.query.connection = Some(connection);
        }
    }

    /// Updates the state after the answer to a statement that ran on the connection for this role.
    pub fn done(&mut self, role: Role, class: &StatementClass, text: Option<&[u8]>, sent: PinSet) {
        self.last.role = role;
        self.last.is_new = false;
        self.last.counted = self.answer.affected > 0;
        self.last.row_count = match self.answer {
            Answered { error: None, rows: false, affected, .. } => {
                i64::try_from(affected).unwrap_or(i64::MAX)
            }
            _ => -1,
        };
        self.answer.counted = self.answer.counts_rows(class, self.texts.of_mariadb);
        if self.answer.counted {
            self.last.counts(role, self.answer.found_rows(class, self.last.sent));
        }
        let answered = self.answer;
        let mut not_parsed = answered.error == Some(AnswerError::NotParsed);
        if let Some(name) = self.trackers.reports.take_missing_routine() {
            // If the text itself names the missing routine, the statement failed before anything ran.
            // Otherwise a routine that ran named it.
            not_parsed |= text.is_some_and(|text| mentions(text, &name));
        }
        let in_parts =
            Effects::SEVERAL | Effects::CALLS | Effects::LEAVES_UNKNOWN | Effects::SETS_USER_VARIABLES;
        let in_parts =
            class.effects.intersects(if not_parsed { Effects::SEVERAL | Effects::CALLS } else { in_parts });
        if answered.failed() && !in_parts {
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
        if self.in_transaction() && (known || !self.answer.failed()) {
            if role == Role::Replica {
                let begins = class.effects.contains(Effects::BEGINS_READ_ONLY);
                let has_read = !begins && (self.replica_has_read() || class.is_read());
                self.transaction.reading.set(ReadingTransactions::HAS_READ, has_read);
            }
            self.pin(role, Pin::Transaction);
        } else if !self.pins.on(role).is_empty() {
            self.unpin(role, PinSet::of(&[Pin::Transaction]));
            if role == Role::Replica {
                self.transaction.reading -= ReadingTransactions::SAVEPOINT;
            }
        }
        if !self.leaves_diagnostics(role, class, text) && !self.diagnostics.are_left() && self.last.looks_back
        {
            self.pin(role, Pin::FoundRows);
        }
        self.note_effects(role, class, text);
    }

    /// Notes an OK packet, or the end of a result set. Returns an error, and notes nothing, if a replica reports what
    /// the statement does not explain.
    #[inline]
    pub fn ok(&mut self, ok: &OkPacket<'_>, heard: AnswerSource<'_>) -> Result<(), FalseReport> {
        let status = match heard.role {
            Role::Primary => self.behind_statement(ok.status, &heard),
            Role::Replica => self.check_replica(ok, &heard)?,
        };
        if heard.asked.class.effects.contains(Effects::SETS_STATE) {
            self.note_trackers(heard.asked.text);
        }
        let same_modes = !self.shows_another_mode(status);
        self.transaction.status = status;
        if heard.role == Role::Primary {
            self.transaction.doubt = TransactionDoubt::No;
        }
        let results = self.answer.results.saturating_add(1);
        self.answer =
            Answered { results, warnings: ok.warnings, affected: ok.affected_rows, ..Answered::default() };
        if heard.role == Role::Primary || heard.port == Port::Replica {
            self.texts.of_mariadb = heard.flavor == Flavor::MariaDb;
        }
        let autocommit = status.contains(StatusFlags::AUTOCOMMIT);
        if self.carried.autocommit != autocommit {
            Rc::make_mut(&mut self.carried).autocommit = autocommit;
        }
        if ok.last_insert_id != 0 && heard.role == Role::Primary {
            // Only the server knows whether this is what LAST_INSERT_ID() returns.
            self.insert.id.set(InsertId::OnConnection);
        }
        if !ok.state.is_empty() {
            self.changes(ok.state, heard);
        }
        if heard.role == Role::Replica {
            self.take_own_schema(&heard);
        }
        if !same_modes || !ok.state.is_empty() {
            self.texts.options = self.options_of_now();
        }
        Ok(())
    }

    fn changes(&mut self, state: &[u8], heard: AnswerSource<'_>) {
        let (mut unnamed, mut own_schema) = (false, false);
        let (mut charset, mut collation, mut parts) = (false, false, 0);
        let before = self.carried.clone();
        let readable = StateChanges::new(state).each(|change| match change {
            // Of a replica, the text says it.
            StateChange::Schema(_) if heard.role == Role::Replica => {
                own_schema = heard.asked.class.effects.contains(Effects::EXPLAINED);
                self.trackers.reports.schema();
            }
            StateChange::Schema(name) => {
                self.trackers.reports.schema();
                let carried = Rc::make_mut(&mut self.carried);
                carried.schema = (!name.is_empty()).then(|| name.into());
                // Behind a view of another schema, MariaDB reports the session's own schema.
                let changes = heard.asked.class.effects.contains(Effects::SETS_STATE)
                    || heard.asked.command == Command::InitDb;
                if changes {
                    carried.forget_charset_of_schema();
                }
            }
            StateChange::SystemVariable { name: b"last_gtid", .. } | StateChange::Gtids(_)
                if heard.role == Role::Replica => {}
            StateChange::SystemVariable { name: b"last_gtid", value } => self.wrote(value, heard.flavor),
            StateChange::Gtids(set) => self.wrote(set, heard.flavor),
            // Servers report these variables unasked, so they do not explain a change without a name.
            StateChange::SystemVariable { name, .. } if Carried::is_noise(name) => {}
            StateChange::SystemVariable { name, value } => {
                self.trackers.reports.variable(name);
                if heard.role == Role::Replica && !self.takes_from_replica(name, &heard) {
                    return;
                }
                if heard.role == Role::Primary && !self.takes_from_primary(name, &heard) {
                    return;
                }
                self.texts.reading.reported(name, value);
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
            self.answer.charset_reported = true;
            // SET NAMES reports client, connection and results together.
            self.trackers.by_names = parts == 3 && !collation;
            if self.trackers.by_names {
                Rc::make_mut(&mut self.carried).set_names();
            }
        }
        // A change of `character_set_connection` also changes `collation_connection`, which is not always
        // reported.
        if collation {
            self.trackers.collation_unreported = false;
        } else if charset {
            self.trackers.collation_unreported = true;
        }
        // Servers send this flag beside each name: a name does not show that nothing else changed.
        // Behind a view of another schema, MariaDB reports the session's own schema, and that is all that changed if
        // everything in the text is known.
        if readable.is_err() || (unnamed && !heard.explained && !own_schema) {
            self.trackers.reports.something();
            self.pin(heard.role, Pin::Unknown);
        }
        self.meaning_changed(heard.role, &before);
    }

    /// True if `learn` has something to find out.
    #[inline]
    pub fn wants_text(&self) -> bool {
        self.trackers.collation_unreported || self.trackers.timestamp_unreported
    }
}
