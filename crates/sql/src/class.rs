//! What a statement is and does, as far as the read/write split needs it: the result of
//! [`super::classify()`]. Small, `Copy`, and decided without asking a server.

use pointsman_terms::{StatementKind, Unexplained, Why};

/// How the names of the variables begin that say what session trackers report.
pub const TRACKER: &[u8] = b"session_track_";

bitflags::bitflags! {
    /// What a statement needs of its session's server connection, and what it leaves there.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct Effects: u64 {
        /// The statement can be run twice without harm, as long as the client did not see its first answer: a read
        /// without side effects.
        const REPEATABLE = 1;
        /// Several statements in the text.
        const SEVERAL = 1 << 1;
        /// Rows are locked to the transaction's end: FOR UPDATE, FOR SHARE, LOCK IN SHARE MODE.
        const LOCKS_ROWS = 1 << 2;
        /// The statement reads no table, not even through a function: `SELECT 1`. No write changes its answer.
        const READS_NO_TABLE = 1 << 3;
        /// The statement opens no table, not even a derived one. On MariaDB such a statement keeps the diagnostics of the
        /// statement before it, unless it leaves some itself: `super::classify::tables`.
        const OPENS_NO_TABLE = 1 << 4;
        /// The statement keeps the diagnostics of the statement before it on all servers: SHOW WARNINGS, SHOW ERRORS, GET
        /// DIAGNOSTICS.
        const KEEPS_DIAGNOSTICS = 1 << 5;
        /// The access mode of the session's transactions may be shown: `@@tx_read_only`, `@@transaction_read_only`, SHOW
        /// VARIABLES. A replica's connections have another one.
        const READS_ACCESS_MODE = 1 << 6;
        /// `@@session_track_…` is shown: the proxy sets these variables for itself.
        const READS_TRACKERS = 1 << 7;

        /// A command that is no statement: MySQL adds its error to the diagnostics of the statement before it.
        const ADDS_DIAGNOSTICS = 1 << 15;
        /// The statement leaves `FOUND_ROWS()` as it is on MariaDB: it executes no query, not even a subquery.
        const KEEPS_FOUND_ROWS_ON_MARIADB = 1 << 14;
        /// The same on MySQL.
        const KEEPS_FOUND_ROWS_ON_MYSQL = 1 << 38;

        /// A query for which `FOUND_ROWS()` is the number of rows that it sends: without LIMIT and the like, and without versioned
        /// comments.
        const FOUND_ROWS_ARE_SENT = 1 << 37;

        // What the statement reads about the previous statement or of the session.
        /// SHOW WARNINGS, SHOW ERRORS, GET DIAGNOSTICS, `@@warning_count`, `@@error_count`.
        const READS_DIAGNOSTICS = 1 << 8;
        /// `ROW_COUNT()`
        const READS_ROW_COUNT = 1 << 9;
        /// `FOUND_ROWS()`
        const READS_FOUND_ROWS = 1 << 10;
        /// `LAST_INSERT_ID()`, `@@last_insert_id`, `@@identity`, or what may read them out of sight (CALL, unknown
        /// functions).
        const READS_INSERT_ID = 1 << 11;
        /// A user variable is named: `@x`.
        const READS_USER_VARIABLES = 1 << 12;
        /// `LASTVAL()`, PREVIOUS VALUE FOR.
        const READS_SEQUENCE = 1 << 13;

        // What the statement leaves on the connection.
        /// A SET that assigns only literals to user variables: `super::parts::user_variables` reads them.
        const SETS_LITERALS = 1 << 16;
        /// User variables get, or may get, values that only the server knows: `:=`, INTO @x, SET @x = expression.
        const SETS_USER_VARIABLES = 1 << 17;
        /// CREATE TEMPORARY TABLE.
        const CREATES_TEMPORARY = 1 << 18;
        /// DROP TABLE, DROP TEMPORARY TABLE: may end a temporary table (`super::parts::dropped_tables`).
        const DROPS_TABLE = 1 << 19;
        /// LOCK TABLES.
        const LOCKS_TABLES = 1 << 20;
        /// FLUSH TABLES … WITH READ LOCK / FOR EXPORT, LOCK INSTANCE FOR BACKUP, BACKUP STAGE / LOCK.
        const READ_LOCK = 1 << 21;
        /// UNLOCK TABLES, UNLOCK INSTANCE, BACKUP UNLOCK, BACKUP STAGE END.
        const UNLOCKS = 1 << 22;
        /// GET_LOCK().
        const GET_LOCK = 1 << 23;
        /// RELEASE_ALL_LOCKS() alone in its statement.
        const RELEASES_LOCKS = 1 << 24;
        /// HANDLER … OPEN.
        const HANDLER_OPEN = 1 << 25;
        /// HANDLER … CLOSE.
        const HANDLER_CLOSE = 1 << 26;
        /// PREPARE name FROM …
        const PREPARES = 1 << 27;
        /// EXECUTE name, EXECUTE IMMEDIATE.
        const EXECUTES = 1 << 28;
        /// DEALLOCATE PREPARE, DROP PREPARE.
        const DEALLOCATES = 1 << 29;
        /// SQL_CALC_FOUND_ROWS.
        const CALC_FOUND_ROWS = 1 << 30;
        /// NEXTVAL, NEXT VALUE FOR, SETVAL: they set what LASTVAL returns later.
        const USES_SEQUENCE = 1 << 31;
        /// Leaves, or may leave, something that has no flag of its own: CALL of a procedure that is not known to be
        /// harmless, BINLOG, XA, unknown statements, …
        const LEAVES_UNKNOWN = 1 << 32;

        /// On a replica port: the catalogue cannot see into a relation or a function that the statement names. It may change
        /// the access mode of its connection.
        const OPAQUE = 1 << 33;
        /// Each statement of the text is derived from the grammar of statements that read. (Whether the functions in it
        /// write, the kind says.)
        const UNDERSTOOD = 1 << 34;

        /// COMMIT RELEASE, ROLLBACK RELEASE: the server closes the connection.
        const ENDS_SESSION = 1 << 35;
        /// COMMIT NO RELEASE, ROLLBACK NO RELEASE: the server does not close the connection, whatever `completion_type` is.
        const KEEPS_SESSION = 1 << 36;

        // Transactions.
        /// BEGIN, START TRANSACTION (not READ ONLY).
        const BEGINS = 1 << 40;
        /// START TRANSACTION READ ONLY, in any order of its options.
        const BEGINS_READ_ONLY = 1 << 41;
        /// COMMIT, ROLLBACK (not TO SAVEPOINT).
        const ENDS = 1 << 42;
        /// Ends an open transaction as a side effect: DDL, LOCK TABLES, BEGIN, SET autocommit = 1, …
        const COMMITS_IMPLICITLY = 1 << 43;
        /// SET TRANSACTION for the next transaction only.
        const SETS_NEXT_TRANSACTION = 1 << 44;
        /// A SET of any kind, or USE: the session trackers report the result.
        const SETS_STATE = 1 << 45;
        /// CALL.
        const CALLS = 1 << 46;
        /// Routines may be created, changed or dropped: the catalogue must be read again.
        const CHANGES_ROUTINES = 1 << 47;
        /// Tables, views, triggers or sequences may be created, changed or dropped: the catalogue must be read again.
        const CHANGES_RELATIONS = 1 << 39;
        /// START TRANSACTION READ WRITE: may write, whatever the session's access mode is.
        const BEGINS_READ_WRITE = 1 << 48;

        /// SET ROLE: changes the active role.
        const SETS_ROLE = 1 << 50;

        /// Changes the initial state of new connections. SET GLOBAL, SET PERSIST and RESET PERSIST do so on one server;
        /// statements about accounts, privileges and roles on all servers.
        const RENEWS = 1 << 51;

        /// May be about the proxy's own variable: `super::proxy_variable::parse` decides.
        const MAY_BE_OWN = 1 << 49;

        /// LOAD DATA LOCAL, LOAD XML LOCAL: the server asks the client for a file, which
        /// `super::parts::local_files` names.
        const LOADS_LOCAL_FILE = 1 << 52;

        // What the kind and the reason of a text of several statements do not show: they are those of the strictest.
        /// One of the statements changes definitions.
        const ALSO_DEFINES = 1 << 53;
        /// One of the statements administers a server.
        const ALSO_ADMINISTERS = 1 << 54;

        /// Text and catalogue show everything that the statement leaves on its connection: `super::classify::explained`
        /// decides.
        const EXPLAINED = 1 << 55;

        // Comments that override the classification or the read level.
        /// `/* pointsman: primary */`
        const HINT_PRIMARY = 1 << 56;
        /// `/* pointsman: replica */`
        const HINT_REPLICA = 1 << 57;
        /// `/* pointsman: explain */`
        const HINT_EXPLAIN = 1 << 58;
        /// `/* pointsman: consistency=strong */`
        const HINT_STRONG = 1 << 59;
        /// `/* pointsman: consistency=session */`
        const HINT_SESSION = 1 << 60;
        /// `/* pointsman: consistency=bounded */`
        const HINT_BOUNDED = 1 << 61;
        /// `/* pointsman: consistency=eventual */`
        const HINT_EVENTUAL = 1 << 62;
    }
}

/// The result of the classification; see the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatementClass {
    /// The kind of the statement.
    pub kind: StatementKind,
    /// What the statement needs of its connection, and what it leaves there.
    pub effects: Effects,
    /// Why the statement has this class.
    pub reason: Why,
}

impl Effects {
    /// All hints, which are comments that override the classification or the read level.
    pub const HINTS: Effects = Effects::HINT_PRIMARY
        .union(Effects::HINT_REPLICA)
        .union(Effects::HINT_EXPLAIN)
        .union(Effects::HINT_LEVELS);

    /// The hints that say how fresh the statement's reads must be.
    pub const HINT_LEVELS: Effects = Effects::HINT_STRONG
        .union(Effects::HINT_SESSION)
        .union(Effects::HINT_BOUNDED)
        .union(Effects::HINT_EVENTUAL);

    /// The statement leaves `FOUND_ROWS()` as it is on all servers.
    pub const KEEPS_FOUND_ROWS: Effects =
        Effects::KEEPS_FOUND_ROWS_ON_MARIADB.union(Effects::KEEPS_FOUND_ROWS_ON_MYSQL);

    /// True if the statement leaves `FOUND_ROWS()` as it is on this kind of server.
    pub fn keeps_found_rows(self, of_mariadb: bool) -> bool {
        self.contains(if of_mariadb {
            Effects::KEEPS_FOUND_ROWS_ON_MARIADB
        } else {
            Effects::KEEPS_FOUND_ROWS_ON_MYSQL
        })
    }

    /// What two statements have together only if each of them has it.
    pub const OF_ALL: Effects = Effects::REPEATABLE
        .union(Effects::READS_NO_TABLE)
        .union(Effects::OPENS_NO_TABLE)
        .union(Effects::KEEPS_DIAGNOSTICS)
        .union(Effects::KEEPS_FOUND_ROWS)
        .union(Effects::FOUND_ROWS_ARE_SENT)
        .union(Effects::UNDERSTOOD)
        .union(Effects::EXPLAINED);

    /// Returns words for those of the effects that keep a session on its connection.
    pub fn leaves(self) -> impl Iterator<Item = &'static str> {
        const WORDS: [(Effects, &str); 12] = [
            (Effects::SETS_USER_VARIABLES, "user variables"),
            (Effects::CREATES_TEMPORARY, "a temporary table"),
            (Effects::LOCKS_TABLES, "table locks"),
            (Effects::READ_LOCK, "a global lock"),
            (Effects::GET_LOCK, "a named lock"),
            (Effects::HANDLER_OPEN, "an open HANDLER"),
            (Effects::CALC_FOUND_ROWS, "FOUND_ROWS()"),
            (Effects::USES_SEQUENCE, "the last value of a sequence"),
            (Effects::SETS_NEXT_TRANSACTION, "the characteristics of the next transaction"),
            (Effects::BEGINS.union(Effects::BEGINS_READ_ONLY), "a transaction"),
            (Effects::SETS_ROLE, "an active role"),
            (Effects::LEAVES_UNKNOWN, "something that its text does not tell"),
        ];
        WORDS.into_iter().filter(move |(effect, _)| self.intersects(*effect)).map(|(_, words)| words)
    }
}

impl StatementClass {
    /// True if the server may ask the client for a file: for one that `super::parts::local_files` names.
    pub fn may_load_local_file(&self) -> bool {
        self.effects.contains(Effects::LOADS_LOCAL_FILE) || self.reason == Why::Ambiguous
    }

    /// True if a replica may answer the statement, unless the session's state forbids it.
    pub fn is_read(&self) -> bool {
        self.kind == StatementKind::Read
    }

    /// True if the statement calls a stored function, and nothing else that may leave a number for `LAST_INSERT_ID()`.
    pub fn calls_stored_function(&self) -> bool {
        self.effects.contains(Effects::READS_INSERT_ID) && self.reason != Why::InsertId
    }

    /// Returns why text and catalogue do not show everything that the statement leaves on its connection; None if they
    /// do.
    pub fn unexplained(&self) -> Option<Unexplained> {
        let has = |effects| self.effects.intersects(effects);
        match () {
            () if has(Effects::EXPLAINED) && !has(Effects::OPAQUE) => None,
            () if has(Effects::CALLS) => Some(Unexplained::Routine),
            () if self.reason == Why::UnknownFunction => Some(Unexplained::Function),
            () if has(Effects::LEAVES_UNKNOWN | Effects::EXECUTES) => Some(Unexplained::Form),
            () if self.calls_stored_function() => Some(Unexplained::Function),
            () if matches!(self.kind, StatementKind::Read | StatementKind::Write) => {
                Some(Unexplained::Relation)
            }
            () => Some(Unexplained::Form),
        }
    }

    /// The class of a text that was not examined.
    pub const UNKNOWN: StatementClass = StatementClass {
        kind: StatementKind::Unknown,
        effects: Effects::LEAVES_UNKNOWN.union(Effects::READS_INSERT_ID),
        reason: Why::NotUnderstood,
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use bitflags::Flags;

    #[test]
    fn each_effect_has_a_bit_of_its_own() {
        let mut seen = Effects::empty();
        for flag in Effects::FLAGS {
            assert_eq!(flag.value().bits().count_ones(), 1, "{}", flag.name());
            assert!(!seen.intersects(*flag.value()), "{} has the bit of another effect", flag.name());
            seen |= *flag.value();
        }
    }
}
