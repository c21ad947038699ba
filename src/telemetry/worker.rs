//! What one worker counts. Label values are closed enums: an index into an array,
//! so that counting is an add and a scrape needs no map.

use super::cells::{Cell, Latency};

/// Makes an enum whose variants are label values and array indices.
macro_rules! label {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// Every value, in order of index.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// The label's value in `/metrics`.
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text),+ }
            }
        }
    };
}

label! {
    /// Why a client's connection ended, by who ended it.
    Close {
        /// COM_QUIT or a clean end between statements.
        Quit = "quit",
        /// The client vanished in the middle of something.
        ClientLost = "client_lost",
        /// The client broke the protocol.
        ClientProtocol = "client_protocol",
        /// Login refused.
        LoginFailed = "login_failed",
        /// Login took too long.
        LoginTimeout = "login_timeout",
        /// `timeouts.idle`.
        IdleTimeout = "idle_timeout",
        /// `timeouts.client_read`: a part of a command came, and no more.
        ClientReadTimeout = "client_read_timeout",
        /// `timeouts.client_write`: the client did not read its answer.
        ClientWriteTimeout = "client_write_timeout",
        /// `limits.max_connections`.
        TooManyConnections = "too_many_connections",
        /// `limits.memory`.
        OutOfMemory = "out_of_memory",
        /// The cluster is cordoned for maintenance.
        Cordoned = "cordoned",
        /// The server was lost in the middle of an answer, or held state that cannot move.
        ServerLost = "server_lost",
        /// The session's account is not configured any more, or the servers refuse its former password.
        CredentialGone = "credential_gone",
        /// The server broke the protocol.
        ServerProtocol = "server_protocol",
        /// KILL.
        Killed = "killed",
        /// The proxy is shutting down.
        Drained = "drained",
    }
}

label! {
    /// Why a client was not let in.
    Refused {
        /// A wrong password, or no such user.
        Password = "password",
        /// The address, or this user name from it, failed too often.
        Blocked = "blocked",
        /// `limits.max_connections_per_address`
        AddressConnections = "address_connections",
        /// `limits.max_user_connections`
        UserConnections = "user_connections",
        /// The handshake was no handshake.
        Handshake = "handshake",
        /// The client went away in the middle of its login.
        Aborted = "aborted",
        /// `timeouts.login`
        Timeout = "timeout",
    }
}

label! {
    /// What a change of writer, or a lost server, meant for a session's statement.
    Disruption {
        /// The session moved silently.
        Moved = "moved",
        /// The statement was run again on another server (a read without an answer yet).
        Retried = "retried",
        /// The statement waited for a writer.
        Held = "held",
        /// The wait for a writer ended in an error.
        HoldExpired = "hold_expired",
        /// Open transaction run again on another primary, with the same answers.
        Replayed = "replayed",
        /// Open transaction rolled back: 1213, 40001.
        RolledBack = "rolled_back",
        /// COMMIT sent, no answer, and found on the new primary: OK.
        Committed = "committed",
        /// Sent, no answer: 08007.
        OutcomeUnknown = "outcome_unknown",
        /// The answer broke off in the middle.
        AnswerCut = "answer_cut",
        /// State that could not move: 1053, 08S01, and the connection ends.
        StateLost = "state_lost",
    }
}

label! {
    /// What a TLS handshake with a server came to.
    Handshake {
        /// With certificates.
        Full = "full",
        /// An earlier session went on.
        Resumed = "resumed",
        /// It failed, or the server is not who it should be.
        Failed = "failed",
    }
}

label! {
    /// The mode of the port a session came through.
    Port {
        /// `mode = "primary"`
        Primary = "primary",
        /// `mode = "replica"`
        Replica = "replica",
        /// `mode = "split"`
        Split = "split",
    }
}

label! {
    /// What keeps a session on its server connection.
    Pin {
        /// An open transaction.
        Transaction = "transaction",
        /// SET TRANSACTION for the next one.
        NextTransaction = "next_transaction",
        /// A temporary table.
        TemporaryTable = "temporary_table",
        /// LOCK TABLES.
        LockTables = "lock_tables",
        /// FLUSH TABLES … WITH READ LOCK and its like.
        ReadLock = "read_lock",
        /// GET_LOCK().
        NamedLock = "named_lock",
        /// A user variable whose value only the server knows.
        UserVariable = "user_variable",
        /// An open cursor.
        Cursor = "cursor",
        /// HANDLER … OPEN.
        Handler = "handler",
        /// COM_STMT_SEND_LONG_DATA without its execute yet.
        LongData = "long_data",
        /// Warnings or an error that were not asked for yet.
        Warnings = "warnings",
        /// SQL_CALC_FOUND_ROWS.
        FoundRows = "found_rows",
        /// A sequence whose last value may be asked for.
        Sequence = "sequence",
        /// A variable that cannot be set elsewhere with the same meaning.
        Variable = "variable",
        /// SET ROLE.
        Role = "role",
        /// Something that neither the text nor a tracker named.
        Unknown = "unknown",
    }
}

label! {
    /// The kind of a statement.
    Kind {
        /// Reads only.
        Read = "read",
        /// Session state.
        Session = "session",
        /// Transaction control.
        Transaction = "transaction",
        /// Administration.
        Admin = "admin",
        /// Changes rows.
        Write = "write",
        /// Changes definitions.
        Ddl = "ddl",
        /// Not understood.
        Unknown = "unknown",
    }
}

label! {
    /// Where statements go.
    Target {
        /// The primary.
        Primary = "primary",
        /// A replica.
        Replica = "replica",
    }
}

label! {
    /// Why a statement goes where it goes.
    Reason {
        /// The port does not split.
        Port = "port",
        /// In a transaction.
        Transaction = "in_transaction",
        /// The session holds something.
        Pinned = "pinned",
        /// `autocommit = 0`
        AutocommitOff = "autocommit_off",
        /// It asks what the last statement did.
        LooksBack = "looks_back",
        /// No replica serves.
        NoReplica = "no_replica",
        /// No replica has the session's own writes yet.
        NotFresh = "not_fresh",
        /// A replica refused it, or failed.
        Refused = "replica_refused",
        /// A SELECT and its like.
        PlainRead = "plain_read",
        /// SHOW and DESCRIBE of definitions.
        Definitions = "definitions",
        /// INSERT, UPDATE, …
        Modifies = "modifies",
        /// CREATE, ALTER, …
        Definition = "definition",
        /// FOR UPDATE, FOR SHARE.
        LockingRead = "locking_read",
        /// GET_LOCK and its family.
        NamedLock = "named_lock",
        /// NEXTVAL and its family.
        Sequence = "sequence",
        /// The server's files.
        ServerFile = "server_file",
        /// User variables set by an expression.
        UserVariable = "user_variable",
        /// `LAST_INSERT_ID()`
        InsertId = "insert_id",
        /// System variables.
        SystemVariable = "system_variable",
        /// About one server.
        OneServer = "one_server",
        /// A function that is not known to only read.
        UnknownFunction = "unknown_function",
        /// CALL.
        Procedure = "procedure",
        /// BEGIN, COMMIT, …
        TransactionControl = "transaction_control",
        /// START TRANSACTION READ ONLY.
        ReadOnlyTransaction = "read_only_transaction",
        /// SET, USE, …
        SessionState = "session_state",
        /// PREPARE, EXECUTE as text.
        TextPrepared = "text_prepared",
        /// LOCK TABLES and its like.
        TableLock = "table_lock",
        /// Temporary tables.
        TemporaryTable = "temporary_table",
        /// Administration.
        Administration = "administration",
        /// Not understood.
        NotUnderstood = "not_understood",
        /// A quote without end, or bytes that could be read in two ways.
        Ambiguous = "ambiguous",
        /// A comment says so.
        Hint = "hint",
    }
}

label! {
    /// What a worker asks a server for the reads that wait.
    Question {
        /// The primary: how far it is.
        Position = "position",
        /// A replica: whether it has come that far, or does soon.
        Wait = "wait",
        /// Another server than the primary: whether it has any of what is being committed there.
        Seen = "seen",
        /// A Galera node: whether it has applied all that the cluster agreed on.
        Step = "step",
    }
}

label! {
    /// How a read that asked for freshness got it.
    Fresh {
        /// A replica was there already.
        There = "there",
        /// A replica was waited for.
        Waited = "waited",
        /// It went to the primary.
        Primary = "primary",
    }
}

/// Cells by level and outcome.
#[derive(Debug)]
pub struct FreshCells([[Cell; Fresh::ALL.len()]; 2]);

impl Default for FreshCells {
    fn default() -> Self {
        FreshCells(std::array::from_fn(|_| std::array::from_fn(|_| Cell::zero())))
    }
}

impl FreshCells {
    /// The levels that ask, strictest first.
    pub const LEVELS: [&'static str; 2] = ["strong", "session"];

    /// The count of reads at the level of this index with this outcome.
    pub fn at(&self, level: usize, outcome: Fresh) -> &Cell {
        static NOWHERE: Cell = Cell::zero();
        self.0.get(level).and_then(|cells| cells.get(outcome as usize)).unwrap_or(&NOWHERE)
    }
}

/// Cells by kind, target and reason.
#[derive(Debug)]
pub struct PlacedCells([[[Cell; Reason::ALL.len()]; Target::ALL.len()]; Kind::ALL.len()]);

impl Default for PlacedCells {
    fn default() -> Self {
        let reasons = || std::array::from_fn(|_| Cell::zero());
        PlacedCells(std::array::from_fn(|_| std::array::from_fn(|_| reasons())))
    }
}

impl PlacedCells {
    /// The count of statements of this kind that went to this target for this reason.
    pub fn at(&self, kind: Kind, target: Target, reason: Reason) -> &Cell {
        static NOWHERE: Cell = Cell::zero();
        let cells = self.0.get(kind as usize).and_then(|t| t.get(target as usize));
        cells.and_then(|r| r.get(reason as usize)).unwrap_or(&NOWHERE)
    }
}

/// One worker's counts.
#[derive(Debug, Default)]
pub struct WorkerMetrics {
    /// Clients accepted, by port.
    pub accepted: [Cell; Port::ALL.len()],
    /// Clients connected now, by port.
    pub clients: [Cell; Port::ALL.len()],
    /// Clients ended, by reason.
    pub closed: [Cell; Close::ALL.len()],
    /// Logins that were refused, by `Refused`.
    pub refused: [Cell; Refused::ALL.len()],
    /// Commands that went to a server, by port.
    pub statements: [Cell; Port::ALL.len()],
    /// The same on ports that split, by kind, target and reason.
    pub placed: PlacedCells,
    /// Times that something began to keep a session on its connection, by what.
    pub pins: [Cell; Pin::ALL.len()],
    /// How long it did, in microseconds.
    pub pinned_us: [Cell; Pin::ALL.len()],
    /// Reads that asked how fresh they are.
    pub fresh_reads: FreshCells,
    /// Of those that went ahead, the ones whose answer was dropped.
    pub overtaken: Cell,
    /// How long they did.
    pub consistency_wait: Latency,
    /// Questions asked for them, by kind,
    pub questions: [Cell; Question::ALL.len()],
    /// and the reads that shared these.
    pub asked: [Cell; Question::ALL.len()],
    /// Reads waiting now because all replicas are behind, and the primary has enough of them.
    pub waiting_for_replica: Cell,
    /// From the command read to the last byte of the answer written, by port.
    pub latency: [Latency; Port::ALL.len()],
    /// ERR packets that the proxy made itself.
    pub proxy_errors: Cell,
    /// What failovers did to statements.
    pub disruptions: [Cell; Disruption::ALL.len()],
    /// Statements waiting for a writer now.
    pub waiting_for_writer: Cell,
    /// Statements waiting for a server connection now (a limit is reached).
    pub waiting_for_connection: Cell,
    /// Bytes from and to clients.
    pub bytes_in: Cell,
    /// Bytes to clients.
    pub bytes_out: Cell,
    /// Server connections opened.
    pub server_connects: Cell,
    /// Attempts to open a server connection that failed.
    pub server_connect_errors: Cell,
    /// TLS handshakes with servers, by what they came to.
    pub server_handshakes: [Cell; Handshake::ALL.len()],
    /// Server connections open now, in use or pooled.
    pub server_connections: Cell,
    /// Of these, idle in the pool.
    pub server_idle: Cell,
    /// Connections taken over from a session that had left them.
    pub steals: Cell,
    /// Times that a session's state, or a prepared statement, went to a server connection.
    pub replays: Cell,
    /// Statements that had to wait for a connection.
    pub pool_waits: Cell,
    /// Accepts that failed for want of file descriptors or memory.
    pub accept_errors: Cell,
    /// Raw sockets handed to a less loaded worker.
    pub handed_over: Cell,
}

/// `cell_of(&m.closed, Close::Quit as usize)` without a panic path.
pub fn cell_of(cells: &[Cell], index: usize) -> &Cell {
    static NOWHERE: Cell = Cell::zero();
    cells.get(index).unwrap_or(&NOWHERE)
}
