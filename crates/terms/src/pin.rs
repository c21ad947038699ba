//! What keeps a session on its server connection.

use super::label;

label! {
    /// What keeps a session on its server connection.
    Pin {
        /// An open transaction.
        Transaction = "transaction",
        /// SET TRANSACTION for the next transaction.
        NextTransaction = "next_transaction",
        /// A temporary table.
        TemporaryTable = "temporary_table",
        /// LOCK TABLES.
        LockTables = "lock_tables",
        /// FLUSH TABLES … WITH READ LOCK and similar statements.
        ReadLock = "read_lock",
        /// GET_LOCK().
        NamedLock = "named_lock",
        /// A user variable whose value only the server knows.
        UserVariable = "user_variable",
        /// An open cursor.
        Cursor = "cursor",
        /// HANDLER … OPEN.
        Handler = "handler",
        /// COM_STMT_SEND_LONG_DATA whose COM_STMT_EXECUTE has not arrived yet.
        LongData = "long_data",
        /// Warnings or an error that the client may still ask for.
        Warnings = "warnings",
        /// SQL_CALC_FOUND_ROWS.
        FoundRows = "found_rows",
        /// A sequence whose last value the client may still ask for.
        Sequence = "sequence",
        /// A variable that cannot be set to the same value on another connection.
        Variable = "variable",
        /// SET ROLE.
        Role = "role",
        /// State that neither the text nor a session tracker names.
        Unknown = "unknown",
        /// A login that the client did with the server itself: the proxy has nothing to log in with a second time.
        UnknownLogin = "unknown_login",
    }
}

impl Pin {
    /// Returns the words for error texts and `explain`.
    pub const fn words(self) -> &'static str {
        match self {
            Pin::Transaction => "an open transaction",
            Pin::NextTransaction => "the characteristics of its next transaction",
            Pin::TemporaryTable => "temporary tables",
            Pin::LockTables => "table locks",
            Pin::ReadLock => "a global lock",
            Pin::NamedLock => "locks by GET_LOCK()",
            Pin::UserVariable => "user variables",
            Pin::Cursor => "an open cursor",
            Pin::Handler => "an open HANDLER",
            Pin::LongData => "parameters sent in advance",
            Pin::Warnings | Pin::FoundRows => "the diagnostics of its last statement",
            Pin::Sequence => "the last value of a sequence",
            Pin::Variable => "a variable that cannot be set elsewhere",
            Pin::Role => "an active role",
            Pin::Unknown => "user variables, temporary tables, locks or the like",
            Pin::UnknownLogin => "a login that only its client can repeat",
        }
    }
}
