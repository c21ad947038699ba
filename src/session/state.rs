//! What a session has become by its statements: what can be carried to another server
//! connection, and whether it holds anything that cannot. Fed by the OK packets' session
//! trackers and by a look at each text; the only owner of these facts.

use std::collections::HashSet;

use crate::backend::{Carried, Charset};
use crate::sql;
use crate::topology::Flavor;
use crate::wire::{OkPacket, StateChange, StateChanges, StatusFlags};

/// Words of texts that ask for what the statement before them left.
const LOOKS_BACK: [&str; 5] = ["warnings", "errors", "row_count", "found_rows", "diagnostics"];

/// Why a session cannot silently move to another server connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// A text that may have left a variable, a temporary table, a lock, … on the connection.
    Text,
    /// A text too long to look at.
    LongText,
    /// A tracker reported a change without saying what it was.
    Untracked,
    /// A variable that cannot be set elsewhere with the same meaning.
    Variable,
    /// COM_SET_OPTION, COM_DEBUG and other commands that leave something behind.
    Command,
}

/// A session of more queries than this is reset at its end whatever they were.
const MAX_PLAIN: u8 = 4;

/// See the module.
#[derive(Debug)]
pub struct SessionState {
    /// What another server connection can be given.
    pub carried: Carried,
    /// The status that the client saw last.
    pub status: StatusFlags,
    /// The first reason why the session cannot move.
    hold: Option<Hold>,
    /// Prepared statements that are open.
    statements: HashSet<u32>,
    /// `LAST_INSERT_ID()` may have been set by an INSERT: an OK packet's id can also be a value that the
    /// statement gave itself, which does not set it. So it cannot be carried with certainty.
    inserted: bool,
    /// The session moved after that: a text that asks for the insert id must not get a wrong one.
    pub insert_id_lost: bool,
    /// A prepared statement can end a transaction.
    prepared_control: bool,
    /// The client itself changed what is tracked: it sees every tracker.
    pub tracks_all: bool,
    /// Queries so far, while all of them were plain reads: such a session leaves nothing on its connection but
    /// the diagnostics of the last one. None: something else came, or too many to go on looking.
    plain: Option<u8>,
    /// A replica port's connection left its read-only mode: it must not be used again.
    pub read_only_lost: bool,
    /// The connection's character set changed, but nobody said yet to which collation.
    collation_untold: bool,
    /// The schema named at login: what a reset goes back to is the schema of the moment, a new session
    /// begins with this one.
    login_schema: Option<std::rc::Rc<[u8]>>,
}

impl Default for SessionState {
    fn default() -> Self {
        SessionState::new(None, 0)
    }
}

impl SessionState {
    /// At login.
    pub fn new(schema: Option<&[u8]>, collation: u16) -> Self {
        let carried = Carried::new(schema, collation);
        SessionState {
            login_schema: carried.schema.clone(),
            carried,
            status: StatusFlags::AUTOCOMMIT,
            hold: None,
            statements: HashSet::new(),
            inserted: false,
            insert_id_lost: false,
            prepared_control: false,
            tracks_all: false,
            plain: Some(0),
            read_only_lost: false,
            collation_untold: false,
        }
    }

    /// After COM_RESET_CONNECTION: everything but the schema is as at login. (MySQL goes back to the
    /// server's default character set, MariaDB to the handshake's. Here it is the handshake's.)
    pub fn reset(&mut self, collation: u16) {
        let schema = self.carried.schema.take();
        let login_schema = self.login_schema.take();
        *self = SessionState { login_schema, ..SessionState::new(schema.as_deref(), collation) };
    }

    /// The state of a session that logs in as this one did.
    pub fn fresh(&self, collation: u16) -> Carried {
        // A schema cannot be taken away from a connection: one that was set stays the likeliest wish.
        let schema = self.login_schema.clone().or_else(|| self.carried.schema.clone());
        Carried::new(schema.as_deref(), collation)
    }

    /// Whether a transaction is open.
    pub fn in_transaction(&self) -> bool {
        self.status.contains(StatusFlags::IN_TRANS)
    }

    /// What keeps the session from moving, in words.
    pub fn held(&self) -> Option<&'static str> {
        if !self.statements.is_empty() {
            return Some("prepared statements");
        }
        self.hold.or(self.collation_untold.then_some(Hold::Variable)).map(|hold| match hold {
            Hold::Text => "user variables, temporary tables, locks or the like",
            Hold::LongText => "the effects of a statement too long to be examined",
            Hold::Untracked => "state that the server did not name",
            Hold::Variable => "a variable that cannot be set elsewhere",
            Hold::Command => "a connection option",
        })
    }

    /// Whether COM_RESET_CONNECTION makes the connection as new.
    pub fn is_poolable(&self) -> bool {
        !self.read_only_lost && self.hold != Some(Hold::Command)
    }

    /// The server connection is gone, and with it transaction and statements.
    pub fn lost_connection(&mut self) {
        self.status -= StatusFlags::IN_TRANS | StatusFlags::IN_TRANS_READONLY;
        self.read_only_lost = false;
    }

    /// The server rolled the transaction back of its own accord.
    pub fn rolled_back(&mut self) {
        self.status -= StatusFlags::IN_TRANS | StatusFlags::IN_TRANS_READONLY;
    }

    /// What a text may leave behind. `whole` unless only its front is there.
    pub fn leaves(&self, text: &[u8], whole: bool) -> Option<Hold> {
        if self.hold.is_some() {
            None
        } else if !whole {
            Some(Hold::LongText)
        } else {
            sql::holds::may_hold(text, self.sql_options()).then_some(Hold::Text)
        }
    }

    /// Whether a text only reads, for the first few of a session: there a closer look pays, since it saves
    /// a reset.
    pub fn looks_plain(&mut self, text: &[u8]) -> bool {
        let count = self.plain.take().filter(|count| *count < MAX_PLAIN);
        self.plain =
            count.filter(|_| sql::plain_read::is_plain_read(text, self.sql_options())).map(|count| count + 1);
        self.plain.is_some()
    }

    /// Something else than a query.
    pub fn is_not_plain(&mut self) {
        self.plain = None;
    }

    /// Whether the connection is as the session found it, diagnostics aside.
    pub fn left_nothing(&self) -> bool {
        self.plain.is_some() && !self.in_transaction() && self.held().is_none()
    }

    /// A request that leaves this goes to the server now.
    pub fn holds(&mut self, hold: Option<Hold>) {
        if hold == Some(Hold::Command) || self.hold.is_none() {
            self.hold = hold.or(self.hold);
        }
    }

    /// A statement was prepared.
    pub fn prepared(&mut self, statement: u32, text_controls: bool) {
        self.statements.insert(statement);
        self.prepared_control |= text_controls;
    }

    /// COM_STMT_CLOSE.
    pub fn closed(&mut self, statement: u32) {
        self.statements.remove(&statement);
    }

    /// The session goes on with another connection.
    pub fn moves(&mut self) {
        self.insert_id_lost |= std::mem::take(&mut self.inserted);
    }

    /// What a text asks for that was left on another connection: what the statement before it did, or an
    /// insert id. `moving` if the session moves now.
    pub fn misses(&self, text: &[u8], moving: bool) -> Option<&'static str> {
        let asks = |words: &[&str]| sql::holds::has_word(text, words);
        if (self.insert_id_lost || (moving && self.inserted)) && asks(&["last_insert_id", "identity"]) {
            return Some("an insert id");
        }
        (moving && asks(&LOOKS_BACK)).then_some("the diagnostics of its last statement")
    }

    /// Whether a prepared statement can end a transaction.
    pub fn may_control(&self) -> bool {
        self.prepared_control
    }

    /// How the session's texts are to be read.
    pub fn sql_options(&self) -> sql::Options {
        let charset = match &self.carried.charset {
            Charset::Set { client, .. } => {
                [&b"gbk"[..], b"gb18030", b"sjis", b"cp932", b"big5"].contains(&&**client)
            }
            // Handshake ids of big5 (1, 84), sjis (13, 88), gbk (28, 87), cp932 (95, 96), gb18030 (248 to 250).
            Charset::Handshake(id) => matches!(id, 1 | 84 | 13 | 88 | 28 | 87 | 95 | 96 | 248..=250),
        };
        let mode = self.carried.variables.iter().find(|(name, _)| **name == *b"sql_mode");
        let mode_has = |word: &[u8]| {
            mode.is_some_and(|(_, value)| value.split(|b| *b == b',').any(|w| w.eq_ignore_ascii_case(word)))
        };
        sql::Options {
            ansi_quotes: self.status.contains(StatusFlags::ANSI_QUOTES) || mode_has(b"ANSI_QUOTES"),
            no_backslash_escapes: self.status.contains(StatusFlags::NO_BACKSLASH_ESCAPES),
            unsafe_charset: charset,
        }
    }

    /// An OK packet, or the end of a result set.
    pub fn ok(&mut self, ok: &OkPacket<'_>, flavor: Flavor, read_only: bool) {
        self.status = ok.status;
        self.carried.autocommit = ok.status.contains(StatusFlags::AUTOCOMMIT);
        if ok.last_insert_id != 0 {
            self.inserted = true;
            self.insert_id_lost = false;
        }
        if !ok.state.is_empty() {
            self.changes(ok.state, flavor, read_only);
        }
    }

    fn changes(&mut self, state: &[u8], flavor: Flavor, read_only: bool) {
        let (mut named, mut unnamed) = (false, false);
        let (mut charset, mut collation) = (false, false);
        let readable = StateChanges::new(state).each(|change| match change {
            StateChange::Schema(name) => {
                named = true;
                self.carried.schema = (!name.is_empty()).then(|| name.into());
            }
            // What a server reports of its own accord does not tell what else changed.
            StateChange::SystemVariable { name, .. } if Carried::is_noise(name) => {}
            StateChange::SystemVariable { name, value } => {
                named = true;
                charset |= name == b"character_set_connection";
                collation |= name == b"collation_connection";
                self.variable(name, value, flavor, read_only);
            }
            StateChange::Something => unnamed = true,
            StateChange::Unknown(_) => {
                self.hold.get_or_insert(Hold::Untracked);
            }
            StateChange::Gtids(_)
            | StateChange::TransactionCharacteristics(_)
            | StateChange::TransactionState(_) => {}
        });
        // A change of the former brings a change of the latter that is not always reported.
        if collation {
            self.collation_untold = false;
        } else if charset {
            self.collation_untold = true;
        }
        if readable.is_err() || (unnamed && !named) {
            self.hold.get_or_insert(Hold::Untracked);
        }
    }

    /// Whether `learn_collation` has something to find out.
    pub fn wants_collation(&self) -> bool {
        self.collation_untold
    }

    /// The text that was just executed changed the character set; None: it cannot be looked at.
    pub fn learn_collation(&mut self, text: Option<&[u8]>) {
        use sql::set_names::{Collation, collation};
        match text.and_then(|text| collation(text, self.sql_options())) {
            Some(Collation::Default) => self.carried.set_collation(b""),
            Some(Collation::Named(name)) => self.carried.set_collation(name),
            None => _ = self.hold.get_or_insert(Hold::Variable),
        }
        self.collation_untold = false;
    }

    fn variable(&mut self, name: &[u8], value: &[u8], flavor: Flavor, read_only: bool) {
        if matches!(name, b"tx_read_only" | b"transaction_read_only") && read_only {
            self.read_only_lost |= value.eq_ignore_ascii_case(b"OFF") || value == b"0";
            return;
        }
        self.tracks_all |= name.starts_with(b"session_track_");
        if !self.carried.note(name, value, flavor) {
            self.hold.get_or_insert(Hold::Variable);
        }
    }
}
