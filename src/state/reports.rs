//! What a server may report of a statement. A server is believed in what it says of its data. In what it says of the
//! session, a replica is believed only as far as the statement explains: the session's state comes from its own
//! statements and from the primary. Everything else a replica reports is a [`FalseReport`]: the answer counts as that
//! of a broken server, and nothing of it enters the session.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;

use super::{AnswerSource, AskedText, SessionState};
use crate::backend::{Carried, is_collation_of, is_known_charset};
use crate::sql::grammar::is_safe_charset;
use crate::sql::parts::{Given, SystemVariable};
use crate::sql::{Effects, StatementClass};
use crate::terms::{FalseReport, Pin, Port, Role, StatementKind, TextCharset};
use crate::topology::{Flavor, TextModes};
use crate::wire::{Command, OkPacket, StateChange, StateChanges, StatusFlags};

bitflags::bitflags! {
    /// What a statement explains of the reports about it.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Explains: u8 {
        /// Variables that its text names have other values.
        const NAMED = 1;
        /// The schema that its text names is the default schema.
        const SCHEMA = 1 << 1;
        /// A transaction is open that was not open before.
        const BEGINS = 1 << 2;
        /// The transaction that was open is over.
        const ENDS = 1 << 3;
        /// There is an insert id, or a GTID.
        const WRITES = 1 << 4;
        /// Any variable has another value: the text does not show all that runs.
        const HIDDEN = 1 << 5;
    }
}

/// Returns what a statement of this class explains on the server of this role. The primary is believed: its routines
/// and triggers may change the session.
pub fn explains(role: Role, class: &StatementClass) -> Explains {
    if role == Role::Primary {
        return Explains::all();
    }
    let (kind, effects) = (class.kind, class.effects);
    let hides = Effects::LEAVES_UNKNOWN | Effects::CALLS | Effects::EXECUTES;
    let begins = Effects::BEGINS | Effects::BEGINS_READ_ONLY | Effects::BEGINS_READ_WRITE | Effects::ENDS;
    let ends = begins | Effects::COMMITS_IMPLICITLY;
    if kind == StatementKind::Unknown || effects.intersects(hides) {
        let mut explained = Explains::all() - Explains::SCHEMA;
        // No function begins or ends a transaction.
        let only_calls = effects.contains(Effects::UNDERSTOOD) && !effects.contains(Effects::EXECUTES);
        explained.set(Explains::BEGINS, !only_calls || effects.intersects(begins));
        explained.set(Explains::ENDS, !only_calls || effects.intersects(ends));
        return explained;
    }
    let mut explained = Explains::empty();
    explained.set(Explains::NAMED, effects.contains(Effects::SETS_STATE));
    explained.set(Explains::SCHEMA, kind == StatementKind::Session && effects.contains(Effects::SETS_STATE));
    // COMMIT AND CHAIN, or completion_type = CHAIN.
    explained.set(Explains::BEGINS, effects.intersects(begins));
    explained.set(Explains::ENDS, effects.intersects(ends));
    match kind {
        // Everything that the text does is in its effects: `SELECT @@version` ends no transaction.
        _ if effects.contains(Effects::UNDERSTOOD) => explained,
        StatementKind::Read | StatementKind::Session | StatementKind::Transaction => explained,
        StatementKind::Write | StatementKind::Ddl | StatementKind::Admin | StatementKind::Unknown => {
            explained | Explains::BEGINS | Explains::ENDS | Explains::WRITES
        }
    }
}

/// The statement that was asked, as far as its reports are compared with it.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The class of the statement.
    pub class: StatementClass,
    /// The command.
    pub command: Command,
    /// The part of the command behind its first byte that is in the buffer.
    pub arguments: &'a [u8],
    /// The client's id of the prepared statement that the command names, or 0.
    pub statement: u32,
    /// The whole text, if the class says that it sets state.
    pub text: Option<&'a Rc<AskedText>>,
}

/// What the reports of one packet are compared with.
struct Compared<'h, 'a> {
    heard: &'h AnswerSource<'a>,
    explained: Explains,
    /// The text of the statement, or what the buffer has of it.
    text: OnceCell<Rc<AskedText>>,
}

impl<'h, 'a> Compared<'h, 'a> {
    fn new(heard: &'h AnswerSource<'a>) -> Self {
        let explained = explains(heard.role, &heard.asked.class);
        Compared { heard, explained, text: OnceCell::new() }
    }
}

/// The status flags that show the SQL mode.
const MODE_FLAGS: StatusFlags = StatusFlags::ANSI_QUOTES.union(StatusFlags::NO_BACKSLASH_ESCAPES);

/// The access mode and the isolation level, which SET TRANSACTION sets without naming the variable.
pub(super) const CHARACTERISTICS: [&[u8]; 4] =
    [b"tx_isolation", b"transaction_isolation", b"tx_read_only", b"transaction_read_only"];

/// The variables that SET NAMES sets without naming them.
pub(super) const NAMES: [&[u8]; 4] =
    [b"character_set_client", b"character_set_results", b"character_set_connection", b"collation_connection"];

/// True if these status flags can be those of a session whose SQL mode is one of these.
fn shows(status: StatusFlags, modes: TextModes, flavor: Flavor) -> bool {
    let is = |flag, on, off| modes.contains(if status.contains(flag) { on } else { off });
    let escapes =
        is(StatusFlags::NO_BACKSLASH_ESCAPES, TextModes::NO_BACKSLASH_ESCAPES, TextModes::BACKSLASH_ESCAPES);
    escapes
        && match flavor {
            // MySQL has no such flag.
            Flavor::MySql => !status.contains(StatusFlags::ANSI_QUOTES),
            Flavor::MariaDb => {
                is(StatusFlags::ANSI_QUOTES, TextModes::ANSI_QUOTES, TextModes::DOUBLE_QUOTED_STRINGS)
            }
        }
}

/// Returns the modes that a literal for `sql_mode` means; None if it is not a list of words.
pub(super) fn modes_of_literal(value: &[u8]) -> Option<TextModes> {
    let words = value.iter().all(|b| b.is_ascii_alphabetic() || matches!(b, b'_' | b','));
    words.then(|| std::str::from_utf8(value).ok().map(TextModes::of_sql_mode)).flatten()
}

/// Returns what a literal for a boolean variable means.
fn switch_of(value: &[u8]) -> Option<bool> {
    match value {
        b"0" => Some(false),
        b"1" => Some(true),
        value if value.eq_ignore_ascii_case(b"ON") => Some(true),
        value if value.eq_ignore_ascii_case(b"OFF") => Some(false),
        _ => None,
    }
}

/// True if the server reports the schema that the text names. Some servers report it in lower case. Bytes outside ASCII
/// depend on the client's character set, and are not compared.
fn is_same_schema(named: &[u8], reported: &[u8]) -> bool {
    let ascii = |name: &[u8]| -> Vec<u8> {
        name.iter().filter(|byte| byte.is_ascii()).map(u8::to_ascii_lowercase).collect()
    };
    named.is_ascii() == reported.is_ascii() && ascii(named) == ascii(reported)
}

impl AnswerSource<'_> {
    /// True if the session may write on a primary later.
    pub(super) fn may_write(&self) -> bool {
        self.port != Port::Replica
    }
}

impl SessionState {
    /// True if the status flags show another SQL mode than the session's last answer.
    #[inline]
    pub fn shows_another_mode(&self, status: StatusFlags) -> bool {
        (self.transaction.status ^ status).intersects(MODE_FLAGS)
    }

    /// Checks the status flags that a replica sends behind columns.
    pub fn check_flags(&self, status: StatusFlags, heard: AnswerSource<'_>) -> Result<(), FalseReport> {
        self.checked_status(status, &Compared::new(&heard)).map(drop)
    }

    /// Checks what a replica reports with an OK packet against the statement. Returns the status flags of the session
    /// after the statement. Changes nothing.
    #[inline]
    pub(super) fn check_replica(
        &self,
        ok: &OkPacket<'_>,
        heard: &AnswerSource<'_>,
    ) -> Result<StatusFlags, FalseReport> {
        if self.reports_nothing(ok, heard) {
            debug_assert_eq!(self.check_reports(ok, heard).ok(), Some(ok.status));
            return Ok(ok.status);
        }
        self.check_reports(ok, heard)
    }

    /// True if a read outside of transactions reports that all is as it was, as nearly all do.
    #[inline]
    fn reports_nothing(&self, ok: &OkPacket<'_>, heard: &AnswerSource<'_>) -> bool {
        const COMPARED: StatusFlags = MODE_FLAGS
            .union(StatusFlags::AUTOCOMMIT)
            .union(StatusFlags::IN_TRANS)
            .union(StatusFlags::MORE_RESULTS_EXISTS);
        const PLAIN: Effects = Effects::OF_ALL.union(Effects::READS_USER_VARIABLES);
        let class = &heard.asked.class;
        let unchanged = (ok.status ^ self.transaction.status) & COMPARED;
        class.kind == StatementKind::Read
            && PLAIN.contains(class.effects)
            && unchanged.is_empty()
            && !ok.status.intersects(StatusFlags::IN_TRANS | StatusFlags::MORE_RESULTS_EXISTS)
            && ok.status.contains(StatusFlags::AUTOCOMMIT) == self.carried.autocommit
            && ok.state.is_empty()
            && ok.last_insert_id == 0
            && !self.pins.on(heard.role).has(Pin::Transaction)
    }

    fn check_reports(&self, ok: &OkPacket<'_>, heard: &AnswerSource<'_>) -> Result<StatusFlags, FalseReport> {
        let compared = Compared::new(heard);
        let explained = compared.explained;
        let status = self.checked_status(ok.status, &compared)?;
        let open = self.pins.on(heard.role).has(Pin::Transaction);
        let may_begin = explained.contains(Explains::BEGINS) || !self.carried.autocommit;
        match ok.status.contains(StatusFlags::IN_TRANS) {
            true if !open && !may_begin => return Err(FalseReport::Transaction),
            false if open && !explained.contains(Explains::ENDS) => return Err(FalseReport::Transaction),
            now if self.must_be_open(&heard.asked.class).is_some_and(|open| open != now) => {
                return Err(FalseReport::Transaction);
            }
            _ => {}
        }
        if ok.last_insert_id != 0 && !explained.contains(Explains::WRITES) {
            return Err(FalseReport::InsertId);
        }
        let (mut charset, mut unnamed) = (false, false);
        if !ok.state.is_empty() {
            let (mut wrong, mut named) = (None, false);
            StateChanges::new(ok.state)
                .each(|change| {
                    match change {
                        StateChange::Something => unnamed = true,
                        StateChange::Schema(_) => named = true,
                        // The access mode is reported for the proxy's own lock.
                        StateChange::SystemVariable { name, .. } => {
                            named |= !Carried::is_noise(name) && !is_access_mode(name);
                        }
                        _ => {}
                    }
                    charset |=
                        matches!(change, StateChange::SystemVariable { name: b"character_set_client", .. });
                    if wrong.is_none() {
                        wrong = self.check_change(change, &compared).err();
                    }
                })
                .map_err(|_| FalseReport::Unreadable)?;
            if let Some(report) = wrong {
                return Err(report);
            }
            unnamed &= !named && !heard.explained;
        }
        // A routine behind a view changes something: on a port that splits, the primary is the place for that. In a
        // transaction it stays, unless nothing in the text can have done it.
        let class = &heard.asked.class;
        let reads = matches!(class.kind, StatementKind::Read | StatementKind::Transaction);
        let changes_nothing = class.effects.contains(Effects::EXPLAINED) || (reads && !open);
        if unnamed && heard.may_write() && changes_nothing {
            return Err(FalseReport::Unnamed);
        }
        // A replica that keeps silent about SET NAMES would leave the primary with another character set.
        let silent = explained.contains(Explains::NAMED) && !charset && !self.trackers.shown && {
            let text = heard.asked.text.filter(|text| text.system_variables().is_some());
            text.is_some_and(|text| text.sets_charset_too())
        };
        if silent { Err(FalseReport::Variable) } else { Ok(status) }
    }

    /// Returns whether a transaction is open after a statement that says so.
    fn must_be_open(&self, class: &StatementClass) -> Option<bool> {
        let begins = Effects::BEGINS | Effects::BEGINS_READ_ONLY | Effects::BEGINS_READ_WRITE;
        let chains = self.carried.variables.iter().any(|(name, _)| **name == *b"completion_type");
        let plain = class.kind == StatementKind::Transaction && !class.effects.contains(Effects::SEVERAL);
        match class.effects {
            _ if !plain => None,
            effects if effects.intersects(begins) => Some(true),
            effects if effects.contains(Effects::ENDS) && !chains => Some(false),
            _ => None,
        }
    }

    /// Checks the flags for autocommit and the SQL mode.
    fn checked_status(
        &self,
        status: StatusFlags,
        compared: &Compared<'_, '_>,
    ) -> Result<StatusFlags, FalseReport> {
        let Compared { heard, explained, .. } = *compared;
        let several =
            explained.contains(Explains::HIDDEN) || heard.asked.class.effects.contains(Effects::SEVERAL);
        if status.contains(StatusFlags::MORE_RESULTS_EXISTS) && !several {
            return Err(FalseReport::Flag);
        }
        let believes = explained.contains(Explains::HIDDEN) && !heard.may_write();
        let set = if explained.contains(Explains::NAMED) { own_set(heard) } else { None };
        let given = |name: &[u8]| set?.iter().find(|one| one.name == name).map(|one| &one.given);
        let names = |name: &[u8]| {
            given(name).is_some()
                || (explained.contains(Explains::NAMED) && set.is_none() && self.is_named(name, compared))
        };
        let autocommit = status.contains(StatusFlags::AUTOCOMMIT);
        let right = match given(b"autocommit") {
            Some(Given::Literal(value)) => switch_of(value).is_none_or(|on| on == autocommit),
            _ => self.carried.autocommit == autocommit || names(b"autocommit") || believes,
        };
        if !right {
            return Err(FalseReport::Flag);
        }
        match given(b"sql_mode") {
            Some(Given::Literal(value)) => {
                let modes = modes_of_literal(value).unwrap_or(TextModes::ANY_SQL_MODE);
                if shows(status, modes, heard.flavor) { Ok(status) } else { Err(FalseReport::Flag) }
            }
            Some(_) => Ok(status),
            None if !self.shows_another_mode(status) || believes => Ok(status),
            None if shows(status, self.own_modes(heard.modes), heard.flavor) => Ok(status),
            // A server decides by its version whether it reads the content of a versioned comment.
            None if names(b"sql_mode") && self.text(compared).mentions(b"/*!") => Ok(status),
            None if names(b"sql_mode") && self.text(compared).mentions(b"/*m!") => Ok(status),
            // SET STATEMENT: the flags show the mode of the statement, not of the session.
            None if names(b"sql_mode") => Ok((status - MODE_FLAGS) | (self.transaction.status & MODE_FLAGS)),
            None => Err(FalseReport::Flag),
        }
    }

    /// Returns the session's status flags behind a statement that the primary answered with these: those of a SET STATEMENT
    /// show its own modes.
    #[inline]
    pub(super) fn behind_statement(&self, status: StatusFlags, heard: &AnswerSource<'_>) -> StatusFlags {
        let own = self.shows_another_mode(status)
            && heard.asked.text.is_some_and(|text| text.sets_for_statement(b"sql_mode"));
        if own { (status - MODE_FLAGS) | (self.transaction.status & MODE_FLAGS) } else { status }
    }

    /// Returns the modes that the session's own `sql_mode` means; those of the servers if it has none.
    fn own_modes(&self, servers: TextModes) -> TextModes {
        let own = self.carried.variables.iter().find(|(name, _)| **name == *b"sql_mode");
        own.map_or(servers, |(_, value)| modes_of_literal(value).unwrap_or(TextModes::ANY_SQL_MODE))
    }

    fn check_change(&self, change: StateChange<'_>, compared: &Compared<'_, '_>) -> Result<(), FalseReport> {
        let Compared { heard, explained, .. } = *compared;
        let if_so = |right: bool, report: FalseReport| if right { Ok(()) } else { Err(report) };
        match change {
            StateChange::SystemVariable { name: b"last_gtid", .. } | StateChange::Gtids(_) => {
                if_so(explained.contains(Explains::WRITES) || self.trackers.shown, FalseReport::Gtid)
            }
            StateChange::SystemVariable { name, .. } if Carried::is_noise(name) => Ok(()),
            // `variable` handles a connection that left its read-only mode.
            StateChange::SystemVariable { name, .. } if heard.read_only && is_access_mode(name) => Ok(()),
            StateChange::SystemVariable { name, value } => {
                let hidden = explained.contains(Explains::HIDDEN);
                let named = hidden || self.is_named(name, compared);
                let charset = NAMES.contains(&name) && explained.contains(Explains::NAMED) && !hidden;
                let right = !charset || self.is_own_charset(name, value, compared);
                // What EXECUTE did is not in the text. On a replica port, no text is read in such a character set.
                let admitted = name != b"character_set_connection"
                    || !hidden
                    || heard.may_write()
                    || is_safe_charset(value);
                if_so(named && right && admitted, FalseReport::Variable)
            }
            // MariaDB reports the session's own schema behind a view of another one.
            StateChange::Schema(reported)
                if reported == self.carried.schema.as_deref().unwrap_or_default() =>
            {
                Ok(())
            }
            StateChange::Schema(reported) => {
                let named = named_schema(heard).filter(|_| explained.contains(Explains::SCHEMA));
                if_so(named.is_some_and(|named| is_same_schema(named, reported)), FalseReport::Schema)
            }
            StateChange::Something
            | StateChange::TransactionCharacteristics(_)
            | StateChange::TransactionState(_) => Ok(()),
            StateChange::Unknown(_) => Err(FalseReport::Unreadable),
        }
    }

    /// Returns the text of the statement, or what the buffer has of it.
    fn text<'c>(&self, compared: &'c Compared<'_, '_>) -> &'c AskedText {
        compared.text.get_or_init(|| {
            let asked = &compared.heard.asked;
            let prepared =
                || self.statements.peek(asked.statement).map(|prepared| prepared.text.text.clone());
            let raw = || {
                let text = prepared().unwrap_or_else(|| Arc::from(asked.arguments));
                Rc::new(AskedText::new(text, self.sql_options()))
            };
            asked.text.cloned().unwrap_or_else(raw)
        })
    }

    /// True if the text names this variable, also in a hint or in SET STATEMENT, or sets it without its name.
    fn is_named(&self, name: &[u8], compared: &Compared<'_, '_>) -> bool {
        let text = self.text(compared);
        let has = |word: &[u8]| text.mentions(word);
        let is_set = compared.heard.asked.class.effects.contains(Effects::SETS_STATE);
        let by_names = || NAMES.contains(&name) && (has(b"names") || has(b"char") || has(b"collation"));
        let by_transaction = || CHARACTERISTICS.contains(&name) && has(b"transaction");
        !name.is_empty() && (has(name) || (is_set && (by_names() || by_transaction())))
    }

    /// True if the text names this character set or collation, or leaves the choice to the server and the server chose a
    /// safe one.
    fn is_own_charset(&self, variable: &[u8], value: &[u8], compared: &Compared<'_, '_>) -> bool {
        let text = self.text(compared);
        // NULL: no conversion.
        if value.is_empty() || value == b"NULL" {
            return text.mentions(b"NULL") || text.mentions(b"binary");
        }
        let name = std::str::from_utf8(value).unwrap_or_default();
        let charset = name.split('_').next().unwrap_or_default().as_bytes();
        // Any other value would be one that the primary refuses, with the session's next statement.
        let known = match variable {
            b"collation_connection" => {
                is_collation_of(charset, value) && (name.contains('_') || name == "binary")
            }
            _ => is_known_charset(value),
        };
        let open = || text.mentions(b"default") || text.mentions(b"character") || text.mentions(b"char");
        known && (text.names_charset(name) || (open() && is_readable(name)))
    }

    /// Takes what the statement itself did to the schema on a replica. Called after the checks.
    pub(super) fn take_own_schema(&mut self, heard: &AnswerSource<'_>) {
        if !explains(heard.role, &heard.asked.class).contains(Explains::SCHEMA) {
            return;
        }
        let Some(schema) = named_schema(heard) else { return };
        if self.carried.schema.as_deref() != Some(schema) {
            std::rc::Rc::make_mut(&mut self.carried).schema = Some(schema.into());
        }
        if self.carried.has_charset_of_schema() {
            std::rc::Rc::make_mut(&mut self.carried).forget_charset_of_schema();
        }
    }

    /// Handles a variable that the primary reported. Returns true if the session has the reported value from now on.
    pub(super) fn takes_from_primary(&mut self, name: &[u8], heard: &AnswerSource<'_>) -> bool {
        if self.ends_with_statement(name, heard) {
            // MariaDB reports the restored value with a later statement.
            self.trackers.restores = true;
            return false;
        }
        let is_foreign = !self.trackers.restores && self.is_foreign(name, heard);
        if is_foreign {
            self.pin(heard.role, Pin::Unknown);
        }
        !is_foreign
    }

    /// True if the statement is a SET STATEMENT that sets this variable, for itself alone.
    fn ends_with_statement(&self, name: &[u8], heard: &AnswerSource<'_>) -> bool {
        let text = heard.asked.text.filter(|_| heard.flavor == Flavor::MariaDb);
        text.is_some_and(|text| text.sets_for_statement(name))
    }

    /// True if the primary reports a variable that this plain SET of literals does not name: something else runs there
    /// than the text says.
    fn is_foreign(&self, name: &[u8], heard: &AnswerSource<'_>) -> bool {
        let class = &heard.asked.class;
        let more = Effects::LEAVES_UNKNOWN
            | Effects::CALLS
            | Effects::EXECUTES
            | Effects::SEVERAL
            | Effects::SETS_ROLE
            | Effects::SETS_USER_VARIABLES;
        class.kind == StatementKind::Session
            && class.effects.contains(Effects::SETS_STATE)
            && !class.effects.intersects(more)
            && own_set(heard)
                .is_some_and(|set| !set.is_empty() && set.iter().all(|one| one.given != Given::Unknown))
            && !self.is_named(name, &Compared::new(heard))
            && !self.carried.variables.iter().any(|(known, _)| **known == *name)
    }
}

/// Returns the schema that USE or COM_INIT_DB names.
fn named_schema<'a>(heard: &AnswerSource<'a>) -> Option<&'a [u8]> {
    match heard.asked.command {
        Command::InitDb => Some(heard.asked.arguments),
        _ => heard.asked.text?.used_schema(),
    }
}

/// Returns the assignments of the SET, if the statement is a single one.
pub(super) fn own_set<'a>(heard: &AnswerSource<'a>) -> Option<&'a Rc<[SystemVariable]>> {
    heard.asked.text?.system_variables()
}

/// True for the access mode of transactions.
pub(super) fn is_access_mode(name: &[u8]) -> bool {
    matches!(name, b"tx_read_only" | b"transaction_read_only")
}

/// True if the bytes of a text in this character set, or in that of this collation, are read as the proxy reads them.
fn is_readable(name: &str) -> bool {
    let charset = name.split('_').next().unwrap_or_default();
    TextCharset::of(charset.as_bytes()) < TextCharset::MultiByte
}

#[cfg(test)]
mod tests;
