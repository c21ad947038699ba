//! The model: all that a session has changed about itself, and so all that it must see.

use std::collections::BTreeMap;

/// The schemas that sessions move between. Both hold the table `nl_where`, with the schema's name in it.
pub const SCHEMAS: [&str; 2] = ["test", "sbtest"];

/// System variables that are set and compared, by name on MariaDB.
pub const VARS: [&str; 15] = [
    "group_concat_max_len",
    "net_write_timeout",
    "sql_select_limit",
    "default_week_format",
    "div_precision_increment",
    "lc_time_names",
    "time_zone",
    "sql_mode",
    "max_sort_length",
    "foreign_key_checks",
    "unique_checks",
    "innodb_lock_wait_timeout",
    "sql_quote_show_create",
    "sql_safe_updates",
    "tx_isolation",
];
pub const WEEK_FORMAT: usize = 3;
pub const DIV_PRECISION: usize = 4;
pub const TIME_NAMES: usize = 5;
pub const TIME_ZONE: usize = 6;
pub const SQL_MODE: usize = 7;
pub const SAFE_UPDATES: usize = 13;
/// foreign_key_checks and unique_checks
pub const CHECKS: [usize; 2] = [9, 10];
pub const ISOLATION: usize = 14;

/// character_set_client, character_set_connection, character_set_results, collation_connection.
pub type Charsets = [Option<String>; 4];

/// What a session starts with, asked of the server once.
#[derive(Clone, Debug, Default)]
pub struct Baseline {
    pub mariadb: bool,
    /// True if the account may make the triggers and functions of the step `hidden`.
    pub hidden: bool,
    pub vars: Vec<String>,
    /// After a login and COM_CHANGE_USER.
    pub charsets: Charsets,
    /// After COM_RESET_CONNECTION.
    pub reset_charsets: Charsets,
    /// WEEK('2008-02-20', 0…7)
    pub weeks: Vec<String>,
}

/// The session's own rows. What a transaction can take back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Data {
    pub rows: BTreeMap<u32, String>,
    pub autos: BTreeMap<u64, String>,
    pub temp: Vec<String>,
}

/// What a prepared statement does, with what it keeps of the moment of its preparation.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// `SELECT ? AS a, ? AS b, 'tag' AS c`
    Echo(String),
    /// The name that is in `nl_where` of the schema of that moment.
    Where(usize),
    /// `SELECT 'tag' || 'x'`: whether || concatenates.
    Pipes(String, bool),
    /// The variable's value now.
    UserVar(usize),
    /// One own row by id.
    Row,
    /// All own rows.
    Rows,
    /// The same, only executed with a cursor: executed without one afterwards, MySQL 9.7 answers with the columns
    /// and an OK packet, and no rows.
    Cursor,
    Insert,
    Update,
    Delete,
    /// `SET @u1 = ?`
    SetVar(usize),
}

#[derive(Clone, Debug)]
pub struct Slot {
    pub id: u32,
    pub kind: Kind,
    /// Types of the last execution: an execution without new types uses them.
    pub types: Option<Vec<u8>>,
    /// Sent by COM_STMT_SEND_LONG_DATA for the first parameter.
    pub long: Option<Vec<u8>>,
    /// Rows of an open cursor that are still to come, and their columns.
    pub cursor: Option<Vec<Vec<Option<Vec<u8>>>>>,
    pub columns: Vec<(u8, bool)>,
}

/// What views, triggers and routines may have left.
#[derive(Clone, Debug, Default)]
pub struct Hidden {
    /// The last value before the session began to leave such state; None: it did not begin.
    pub since: Option<u64>,
    pub role: bool,
    pub variable: bool,
    pub locks: bool,
}

#[derive(Clone, Debug, Default)]
pub struct Model {
    pub account: usize,
    pub schema: usize,
    pub vars: Vec<String>,
    pub charsets: Charsets,
    /// @u0 … @u3; the second is whether an expression gave the value.
    pub uservars: [(Option<String>, bool); 4],
    /// `PREPARE p0` … `p2`
    pub named: [Option<Kind>; 3],
    pub slots: [Option<Slot>; 4],
    /// Ids that were ours and are closed.
    pub closed: Vec<u32>,
    pub data: Data,
    pub temp: bool,
    /// What a rollback goes back to.
    pub undo: Option<Data>,
    pub saves: Vec<(u8, Data)>,
    /// BEGIN … COMMIT
    pub tx: bool,
    pub tx_read_only: bool,
    pub manual_commit: bool,
    /// SET SESSION TRANSACTION READ ONLY
    pub read_only: bool,
    pub named_locks: Vec<String>,
    pub table_lock: Option<usize>,
    pub last_insert_id: u64,
    pub timestamp: Option<u64>,
    pub hidden: Hidden,
    /// A text ran that may have left anything: until the session begins anew, it stays where it is.
    pub opaque: bool,
}

impl Model {
    pub fn new(baseline: &Baseline, account: usize, schema: usize) -> Model {
        Model {
            account,
            schema,
            vars: baseline.vars.clone(),
            charsets: baseline.charsets.clone(),
            ..Model::default()
        }
    }

    /// COM_RESET_CONNECTION and COM_CHANGE_USER: only committed rows stay.
    pub fn reset(&mut self, baseline: &Baseline, changed: Option<(usize, usize)>) {
        let data = Data { temp: Vec::new(), ..self.committed() };
        let (account, schema) = changed.unwrap_or((self.account, self.schema));
        let mut closed = std::mem::take(&mut self.closed);
        closed.extend(self.slots.iter().flatten().map(|slot| slot.id));
        closed.drain(..closed.len().saturating_sub(8));
        *self = Model { data, closed, ..Model::new(baseline, account, schema) };
        if changed.is_none() {
            self.charsets = baseline.reset_charsets.clone();
        }
    }

    pub fn in_transaction(&self) -> bool {
        self.tx || self.manual_commit
    }

    pub fn writes_refused(&self) -> bool {
        if self.tx { self.tx_read_only } else { self.read_only }
    }

    pub fn committed(&self) -> Data {
        self.undo.clone().unwrap_or_else(|| self.data.clone())
    }

    pub fn begin(&mut self, read_only: bool) {
        self.commit();
        self.tx = true;
        self.tx_read_only = read_only;
        self.undo = Some(self.data.clone());
    }

    /// The end of a transaction that keeps all.
    pub fn commit(&mut self) {
        self.tx = false;
        self.saves.clear();
        self.undo = self.manual_commit.then(|| self.data.clone());
    }

    pub fn rollback(&mut self) {
        if let Some(undo) = self.undo.take() {
            self.data = undo;
        }
        self.commit();
    }

    pub fn save(&mut self, name: u8) {
        self.saves.retain(|(other, _)| *other != name);
        self.saves.push((name, self.data.clone()));
    }

    /// ROLLBACK TO: later savepoints are gone. False: there is none of this name.
    pub fn rollback_to(&mut self, name: u8) -> bool {
        let Some(at) = self.saves.iter().position(|(other, _)| *other == name) else { return false };
        self.saves.truncate(at + 1);
        self.data = self.saves[at].1.clone();
        true
    }

    pub fn release(&mut self, name: u8) -> bool {
        let Some(at) = self.saves.iter().position(|(other, _)| *other == name) else { return false };
        self.saves.truncate(at);
        true
    }

    /// Temporary tables come and go at once, whatever becomes of the transaction.
    pub fn empty_temp(&mut self, exists: bool) {
        self.temp = exists;
        self.data.temp.clear();
        for data in self.undo.iter_mut().chain(self.saves.iter_mut().map(|(_, data)| data)) {
            data.temp.clear();
        }
    }

    /// Whether a session in this state cannot leave its server connection.
    pub fn pinned(&self) -> bool {
        self.in_transaction()
            || self.opaque
            || self.temp
            || self.table_lock.is_some()
            || !self.named_locks.is_empty()
            || self.uservars.iter().any(|(_, by_expression)| *by_expression)
            || self.slots.iter().flatten().any(|slot| slot.long.is_some() || slot.cursor.is_some())
    }

    pub fn has_mode(&self, mode: &str) -> bool {
        self.vars[SQL_MODE].split(',').any(|one| one == mode)
    }

    pub fn strict(&self) -> bool {
        self.has_mode("STRICT_TRANS_TABLES") || self.has_mode("STRICT_ALL_TABLES")
    }
}
