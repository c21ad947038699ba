//! Why a statement runs where it does, and what kind of statement it is.

use super::label;

label! {
    /// The kind of a statement. A text of several statements has the strictest of their kinds.
    #[derive(PartialOrd, Ord)]
    StatementKind {
        /// Changes nothing that outlives the statement, and any server can answer it.
        Read = "read",
        /// About the state of the session, or about its last statement: USE, SET, SHOW WARNINGS, PREPARE, …
        Session = "session",
        /// BEGIN, COMMIT, SAVEPOINT, SET TRANSACTION, XA, …
        Transaction = "transaction",
        /// About one server or its administration: SHOW PROCESSLIST, FLUSH, KILL, …
        Admin = "admin",
        /// Changes rows, or may.
        Write = "write",
        /// Changes definitions; commits implicitly.
        Ddl = "ddl",
        /// Not understood.
        Unknown = "unknown",
    }
}

label! {
    /// Why a statement runs where it does: because of the session, or because of the class of its text.
    Why {
        /// The port does not split.
        Port = "port",
        /// A transaction is open on the chosen server.
        Transaction = "in_transaction",
        /// The session holds something on the chosen server.
        Pinned = "pinned",
        /// With autocommit off every statement is part of a transaction.
        AutocommitOff = "autocommit_off",
        /// The statement asks about the session's last statement.
        LooksBack = "looks_back",
        /// The statement is a read, but no replica serves reads.
        NoReplica = "no_replica",
        /// The statement is a read, but no replica has the session's own writes yet.
        NotFresh = "not_fresh",
        /// The statement is a read, but a replica refused it or failed.
        Refused = "replica_refused",
        /// SELECT, TABLE, VALUES, … that use only tables and harmless functions.
        PlainRead = "plain_read",
        /// SHOW and DESCRIBE of definitions, EXPLAIN of a read.
        Definitions = "definitions",
        /// INSERT, UPDATE, DELETE, REPLACE, LOAD, …
        Modifies = "modifies",
        /// CREATE, ALTER, DROP, …
        Definition = "definition",
        /// FOR UPDATE, FOR SHARE, LOCK IN SHARE MODE.
        LockingRead = "locking_read",
        /// GET_LOCK and its family.
        NamedLock = "named_lock",
        /// NEXTVAL and its family.
        Sequence = "sequence",
        /// INTO OUTFILE, DUMPFILE, LOAD_FILE: the server's files.
        ServerFile = "server_file",
        /// User variables are set by an expression.
        UserVariable = "user_variable",
        /// The statement asks for, or sets, `LAST_INSERT_ID()`.
        InsertId = "insert_id",
        /// The statement reads system variables, which differ between servers and sessions.
        SystemVariable = "system_variable",
        /// SHOW, functions and schemas about one server: STATUS, PROCESSLIST, performance_schema, CONNECTION_ID().
        OneServer = "one_server",
        /// A function that is neither built in nor known to only read.
        UnknownFunction = "unknown_function",
        /// A view that is known to do more than read, or whose query is not understood.
        View = "view",
        /// CALL.
        Procedure = "procedure",
        /// BEGIN, COMMIT, …
        TransactionControl = "transaction_control",
        /// START TRANSACTION READ ONLY.
        ReadOnlyTransaction = "read_only_transaction",
        /// SET, USE, …
        SessionState = "session_state",
        /// PREPARE, EXECUTE, DEALLOCATE as text.
        TextPrepared = "text_prepared",
        /// LOCK TABLES, FLUSH … WITH READ LOCK, HANDLER, …
        TableLock = "table_lock",
        /// Temporary tables.
        TemporaryTable = "temporary_table",
        /// FLUSH, KILL, CHECK, ANALYZE, …
        Administration = "administration",
        /// Neither the lexer nor the parser understands it.
        NotUnderstood = "not_understood",
        /// A quote or comment without end, or bytes that could be read in two ways.
        Ambiguous = "ambiguous",
        /// A comment overrides the class.
        Hint = "hint",
    }
}

impl Why {
    /// Returns the reason for `explain`, as a sentence without a full stop.
    pub const fn words(self) -> &'static str {
        match self {
            Why::Port => "the port decides",
            Why::Transaction => "a transaction is open there",
            Why::Pinned => "the session holds something there",
            Why::AutocommitOff => "autocommit is off, so it is part of a transaction",
            Why::LooksBack => "it asks what the last statement did, which ran there",
            Why::NoReplica => "it reads, but no replica serves",
            Why::NotFresh => "it reads, but no replica is known to have the session's own writes yet",
            Why::Refused => "it reads, but a replica refused or failed it",
            Why::PlainRead => "the statement only reads, by functions that are known to be harmless",
            Why::Definitions => "the statement asks for definitions, which all servers have alike",
            Why::Modifies => "the statement changes rows, or may",
            Why::Definition => "the statement changes definitions",
            Why::LockingRead => "the statement locks the rows that it reads",
            Why::NamedLock => "the statement takes, asks for or gives back a named lock",
            Why::Sequence => "the statement uses a sequence",
            Why::ServerFile => "the statement reads or writes a file of the server",
            Why::UserVariable => "the statement sets a user variable by an expression",
            Why::InsertId => "the statement asks for, or sets, the insert id of the session",
            Why::SystemVariable => "the statement asks for system variables, which differ between servers",
            Why::OneServer => "the statement is about one server",
            Why::UnknownFunction => {
                "the statement calls a function that is neither built in nor known by the servers' catalogue to only read"
            }
            Why::View => "the statement uses a view that may do more than read",
            Why::Procedure => "the statement calls a procedure",
            Why::TransactionControl => "the statement begins, ends or shapes a transaction",
            Why::ReadOnlyTransaction => "the statement begins a transaction that only reads",
            Why::SessionState => "the statement changes what the session is",
            Why::TextPrepared => "the statement is about a statement prepared as text",
            Why::TableLock => "the statement locks tables, or more",
            Why::TemporaryTable => "the statement makes or drops a temporary table",
            Why::Administration => "the statement administers a server",
            Why::NotUnderstood => "the statement is not understood",
            Why::Ambiguous => {
                "the statement has a quote or comment without end, or could be read in two ways"
            }
            Why::Hint => "the statement has a comment that says so",
        }
    }
}
