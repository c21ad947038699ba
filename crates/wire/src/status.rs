//! SERVER_STATUS_* flags, as OK and EOF packets carry them.

bitflags::bitflags! {
    /// Source: `mysql_com.h` of both servers; the names are theirs.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct StatusFlags: u16 {
        /// A transaction is open.
        const IN_TRANS = 0x0001;
        /// Autocommit is on.
        const AUTOCOMMIT = 0x0002;
        /// Another result follows.
        const MORE_RESULTS_EXISTS = 0x0008;
        /// The statement used no good index.
        const NO_GOOD_INDEX_USED = 0x0010;
        /// The statement used no index.
        const NO_INDEX_USED = 0x0020;
        /// A cursor was opened: the client gets the rows with COM_STMT_FETCH.
        const CURSOR_EXISTS = 0x0040;
        /// A COM_STMT_FETCH reached the end.
        const LAST_ROW_SENT = 0x0080;
        /// NO_BACKSLASH_ESCAPES is in the SQL mode.
        const NO_BACKSLASH_ESCAPES = 0x0200;
        /// An execute found another number of columns than the prepare or execute before it told the client.
        const METADATA_CHANGED = 0x0400;
        /// The statement took longer than `long_query_time`.
        const QUERY_WAS_SLOW = 0x0800;
        /// The rows are the values of OUT parameters.
        const PS_OUT_PARAMS = 0x1000;
        /// The open transaction is read-only.
        const IN_TRANS_READONLY = 0x2000;
        /// Session state changes follow in the OK packet.
        const SESSION_STATE_CHANGED = 0x4000;
        /// MariaDB: ANSI_QUOTES is in the SQL mode.
        const ANSI_QUOTES = 0x8000;
        // All others pass unchanged.
        const _ = !0;
    }
}

impl StatusFlags {
    /// Flags that describe the session, not the last statement.
    pub const OF_THE_SESSION: StatusFlags = StatusFlags::IN_TRANS
        .union(Self::AUTOCOMMIT)
        .union(Self::NO_BACKSLASH_ESCAPES)
        .union(Self::IN_TRANS_READONLY)
        .union(Self::ANSI_QUOTES);
}
