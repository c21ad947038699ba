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
    /// Anything else: the server says 1047 itself, and this proxy says it in its place. COM_TABLE_DUMP (0x13) and
    /// COM_CLONE (0x20) are among them: servers send them to servers, and what follows them is no answer that can be
    /// followed.
    Unknown(u8),
}

/// What a server answers to a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseShape {
    /// Nothing.
    None,
    /// One OK, EOF or ERR packet.
    Ok,
    /// Result sets, OK or ERR; more than one of them; or a request for a local file.
    Results,
    /// The same, or columns alone: COM_STMT_EXECUTE that asked for a cursor.
    Cursor,
    /// COM_STMT_PREPARE's own.
    Prepare,
    /// Rows without columns in front, as COM_STMT_FETCH has them.
    Rows,
    /// Column definitions up to an EOF, as COM_FIELD_LIST has them.
    Fields,
    /// One packet of text.
    Text,
    /// An ERR packet, or a stream of a binary log's events, of which more may come at any time.
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
    /// The shape of the answer.
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
            _ => ResponseShape::Ok,
        }
    }

    /// The same for a command with this payload, of which the first `Self::HEAD` bytes are enough.
    pub fn response_to(self, payload: &[u8]) -> ResponseShape {
        /// CURSOR_TYPE_READ_ONLY, in the flags behind the statement's id. No other type opens one, on either server.
        const READ_ONLY: u8 = 1;
        match (self, payload.get(5)) {
            (Command::StmtExecute, Some(flags)) if flags & READ_ONLY != 0 => ResponseShape::Cursor,
            _ => self.response(),
        }
    }

    /// So many bytes of a payload tell the shape of its answer.
    pub const HEAD: usize = 6;
}
