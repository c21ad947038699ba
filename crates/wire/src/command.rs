//! Commands of the command phase, and the shape of the answer that each gets.

/// A COM_* byte. Source: `my_command.h`, `mysql_com.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are the protocol's own")]
pub enum Command {
    Quit,
    InitDb,
    Query,
    FieldList,
    CreateDb,
    DropDb,
    Refresh,
    Shutdown,
    Statistics,
    ProcessInfo,
    ProcessKill,
    Debug,
    Ping,
    ChangeUser,
    BinlogDump,
    RegisterSlave,
    StmtPrepare,
    StmtExecute,
    StmtSendLongData,
    StmtClose,
    StmtReset,
    SetOption,
    StmtFetch,
    BinlogDumpGtid,
    ResetConnection,
    /// MariaDB's bulk execute.
    StmtBulkExecute,
    /// Any other byte. The proxy answers error 1047, as a server would. COM_TABLE_DUMP (0x13) and COM_CLONE (0x20) are
    /// among them: only servers send them, and the response walker cannot follow the answers.
    Unknown(u8),
}

/// What a server answers to a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseShape {
    /// Nothing.
    None,
    /// One OK, EOF or ERR packet.
    Ok,
    /// One or more results, each a result set, an OK or an ERR packet; or a request for a local file.
    Results,
    /// As `Results`, or only column definitions: the answer to a COM_STMT_EXECUTE that asked for a cursor.
    Cursor,
    /// The answer to COM_STMT_PREPARE.
    Prepare,
    /// Rows without column definitions: the answer to COM_STMT_FETCH.
    Rows,
    /// Column definitions up to an EOF packet: the answer to COM_FIELD_LIST.
    Fields,
    /// One packet of text.
    Text,
    /// An ERR packet, or a stream of binary log events without a fixed end.
    Stream,
}

impl From<u8> for Command {
    fn from(byte: u8) -> Self {
        use Command::*;
        match byte {
            0x01 => Quit,
            0x02 => InitDb,
            0x03 => Query,
            0x04 => FieldList,
            0x05 => CreateDb,
            0x06 => DropDb,
            0x07 => Refresh,
            0x08 => Shutdown,
            0x09 => Statistics,
            0x0a => ProcessInfo,
            0x0c => ProcessKill,
            0x0d => Debug,
            0x0e => Ping,
            0x11 => ChangeUser,
            0x12 => BinlogDump,
            0x15 => RegisterSlave,
            0x16 => StmtPrepare,
            0x17 => StmtExecute,
            0x18 => StmtSendLongData,
            0x19 => StmtClose,
            0x1a => StmtReset,
            0x1b => SetOption,
            0x1c => StmtFetch,
            0x1e => BinlogDumpGtid,
            0x1f => ResetConnection,
            0xfa => StmtBulkExecute,
            other => Unknown(other),
        }
    }
}

impl Command {
    /// Returns the shape of the answer to this command.
    pub fn response(self) -> ResponseShape {
        use Command::*;
        match self {
            Quit | StmtClose | StmtSendLongData => ResponseShape::None,
            Query | ProcessInfo | StmtExecute | StmtBulkExecute => ResponseShape::Results,
            StmtPrepare => ResponseShape::Prepare,
            StmtFetch => ResponseShape::Rows,
            FieldList => ResponseShape::Fields,
            Statistics => ResponseShape::Text,
            BinlogDump | BinlogDumpGtid => ResponseShape::Stream,
            InitDb | CreateDb | DropDb | Refresh | Shutdown | ProcessKill | Debug | Ping | ChangeUser
            | RegisterSlave | StmtReset | SetOption | ResetConnection | Unknown(_) => ResponseShape::Ok,
        }
    }

    /// True for the commands whose answer, if it is no ERR packet, is or ends with an EOF packet without rows in front of it.
    pub const fn ends_with_eof(self) -> bool {
        use Command::*;
        match self {
            FieldList | Shutdown | Debug | SetOption => true,
            Quit | InitDb | Query | CreateDb | DropDb | Refresh | Statistics | ProcessInfo | ProcessKill
            | Ping | ChangeUser | BinlogDump | RegisterSlave | StmtPrepare | StmtExecute
            | StmtSendLongData | StmtClose | StmtReset | StmtFetch | BinlogDumpGtid | ResetConnection
            | StmtBulkExecute | Unknown(_) => false,
        }
    }

    /// True for the commands that execute a prepared statement.
    pub const fn executes(self) -> bool {
        use Command::*;
        match self {
            StmtExecute | StmtBulkExecute => true,
            Quit | InitDb | Query | FieldList | CreateDb | DropDb | Refresh | Shutdown | Statistics
            | ProcessInfo | ProcessKill | Debug | Ping | ChangeUser | BinlogDump | RegisterSlave
            | StmtPrepare | StmtSendLongData | StmtClose | StmtReset | SetOption | StmtFetch
            | BinlogDumpGtid | ResetConnection | Unknown(_) => false,
        }
    }

    /// True for the commands that run a statement of SQL: a text, or a prepared statement.
    pub const fn runs_statement(self) -> bool {
        self.executes() || matches!(self, Command::Query)
    }

    /// True for the commands that consist of a text.
    pub const fn has_text(self) -> bool {
        use Command::*;
        match self {
            Query | StmtPrepare => true,
            Quit | InitDb | FieldList | CreateDb | DropDb | Refresh | Shutdown | Statistics | ProcessInfo
            | ProcessKill | Debug | Ping | ChangeUser | BinlogDump | RegisterSlave | StmtExecute
            | StmtSendLongData | StmtClose | StmtReset | SetOption | StmtFetch | BinlogDumpGtid
            | ResetConnection | StmtBulkExecute | Unknown(_) => false,
        }
    }

    /// Returns the shape of the answer to this command with this payload. The first `Self::HEAD` bytes are enough.
    pub fn response_to(self, payload: &[u8]) -> ResponseShape {
        /// CURSOR_TYPE_READ_ONLY, in the flags behind the statement's id. Neither MySQL nor MariaDB opens a cursor of
        /// another type.
        const READ_ONLY: u8 = 1;
        match (self, payload.get(5)) {
            (Command::StmtExecute, Some(flags)) if flags & READ_ONLY != 0 => ResponseShape::Cursor,
            _ => self.response(),
        }
    }

    /// The first bytes of a payload that `response_to` needs.
    pub const HEAD: usize = 6;
}
