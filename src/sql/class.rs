//! What a statement is and does, as far as the read/write split needs it: the result of
//! [`super::classify()`]. Small, `Copy`, and decided without asking a server.

/// The kind of a statement. A text of several statements has the strictest of their kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StatementKind {
    /// Changes nothing that outlives the statement, and any server can answer it.
    Read,
    /// About the state of the session, or about its last statement: USE, SET, SHOW WARNINGS, PREPARE, …
    Session,
    /// BEGIN, COMMIT, SAVEPOINT, SET TRANSACTION, XA, …
    Transaction,
    /// About one server or its administration: SHOW PROCESSLIST, FLUSH, KILL, …
    Admin,
    /// Changes rows, or may.
    Write,
    /// Changes definitions; commits implicitly.
    Ddl,
    /// Not understood.
    Unknown,
}

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

/// Why a statement has its class: a metric label, and the answer of `explain`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClassReason {
    /// SELECT, TABLE, VALUES, … that use only tables and harmless functions.
    PlainRead,
    /// SHOW and DESCRIBE of definitions, EXPLAIN of a read.
    Definitions,
    /// INSERT, UPDATE, DELETE, REPLACE, LOAD, …
    Modifies,
    /// CREATE, ALTER, DROP, …
    Definition,
    /// FOR UPDATE, FOR SHARE, LOCK IN SHARE MODE.
    LockingRead,
    /// GET_LOCK and its family.
    NamedLock,
    /// NEXTVAL and its family.
    Sequence,
    /// INTO OUTFILE, DUMPFILE, LOAD_FILE: the server's files.
    ServerFile,
    /// User variables are set by an expression.
    UserVariable,
    /// It asks what the previous statement did.
    LooksBack,
    /// `LAST_INSERT_ID()`
    InsertId,
    /// It reads system variables, which differ between servers and sessions.
    SystemVariable,
    /// SHOW, functions and schemas about one server: STATUS, PROCESSLIST, performance_schema, CONNECTION_ID().
    OneServer,
    /// A function that is neither built in nor known to only read.
    UnknownFunction,
    /// CALL.
    Procedure,
    /// BEGIN, COMMIT, …
    TransactionControl,
    /// START TRANSACTION READ ONLY.
    ReadOnlyTransaction,
    /// SET, USE, …
    SessionState,
    /// PREPARE, EXECUTE, DEALLOCATE as text.
    TextPrepared,
    /// LOCK TABLES, FLUSH … WITH READ LOCK, HANDLER, …
    TableLock,
    /// Temporary tables.
    TemporaryTable,
    /// FLUSH, KILL, CHECK, ANALYZE, …
    Administration,
    /// Neither the lexer nor the parser understands it.
    NotUnderstood,
    /// A quote or comment without end, or bytes that could be read in two ways.
    Ambiguous,
    /// A comment overrides the class.
    Hint,
}

/// The result of the classification; see the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatementClass {
    /// The kind of the statement.
    pub kind: StatementKind,
    /// What the statement needs of its connection, and what it leaves there.
    pub effects: Effects,
    /// Why the statement has this class.
    pub reason: ClassReason,
}

impl StatementKind {
    /// Returns the name in metrics and in the answer of `explain`.
    pub const fn as_str(self) -> &'static str {
        match self {
            StatementKind::Read => "read",
            StatementKind::Session => "session",
            StatementKind::Transaction => "transaction",
            StatementKind::Admin => "admin",
            StatementKind::Write => "write",
            StatementKind::Ddl => "ddl",
            StatementKind::Unknown => "unknown",
        }
    }
}

impl ClassReason {
    /// Returns words for people that complete the sentence "it …".
    pub const fn words(self) -> &'static str {
        match self {
            ClassReason::PlainRead => "only reads, by functions that are known to be harmless",
            ClassReason::Definitions => "asks for definitions, which all servers have alike",
            ClassReason::Modifies => "changes rows, or may",
            ClassReason::Definition => "changes definitions",
            ClassReason::LockingRead => "locks the rows that it reads",
            ClassReason::NamedLock => "takes, asks for or gives back a named lock",
            ClassReason::Sequence => "uses a sequence",
            ClassReason::ServerFile => "reads or writes a file of the server",
            ClassReason::UserVariable => "sets a user variable by an expression",
            ClassReason::LooksBack => "asks what the statement before it did",
            ClassReason::InsertId => "asks for, or sets, the insert id of the session",
            ClassReason::SystemVariable => "asks for system variables, which differ between servers",
            ClassReason::OneServer => "is about one server",
            ClassReason::UnknownFunction => {
                "calls a function that is neither built in nor known by the servers' catalogue to only read"
            }
            ClassReason::Procedure => "calls a procedure",
            ClassReason::TransactionControl => "begins, ends or shapes a transaction",
            ClassReason::ReadOnlyTransaction => "begins a transaction that only reads",
            ClassReason::SessionState => "changes what the session is",
            ClassReason::TextPrepared => "is about a statement prepared as text",
            ClassReason::TableLock => "locks tables, or more",
            ClassReason::TemporaryTable => "makes or drops a temporary table",
            ClassReason::Administration => "administers a server",
            ClassReason::NotUnderstood => "is not understood",
            ClassReason::Ambiguous => "has a quote or comment without end, or could be read in two ways",
            ClassReason::Hint => "has a comment that says so",
        }
    }
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
    /// True if a replica may answer the statement, unless the session's state forbids it.
    pub fn is_read(&self) -> bool {
        self.kind == StatementKind::Read
    }

    /// The class of a text that was not examined.
    pub const UNKNOWN: StatementClass = StatementClass {
        kind: StatementKind::Unknown,
        effects: Effects::LEAVES_UNKNOWN.union(Effects::READS_INSERT_ID),
        reason: ClassReason::NotUnderstood,
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
