//! The counts of one worker. Label values are closed enums and indexes of arrays, so that
//! counting is an addition and a scrape needs no map.

use super::cells::{Cell, Latency};

/// Defines an enum whose variants are label values and array indexes.
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
    /// Why a client's connection ended.
    Close {
        /// COM_QUIT or a clean end between statements.
        Quit = "quit",
        /// The client vanished in the middle of a command or an answer.
        ClientLost = "client_lost",
        /// The client broke the protocol.
        ClientProtocol = "client_protocol",
        /// Login refused.
        LoginFailed = "login_failed",
        /// Login took too long.
        LoginTimeout = "login_timeout",
        /// `timeouts.idle`.
        IdleTimeout = "idle_timeout",
        /// `timeouts.client_read`: the client sent only a part of a command.
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
        /// The session's account was removed from the configuration, or the servers refuse its old password.
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
    /// Why a login was refused.
    Refused {
        /// A wrong password, or no such user.
        Password = "password",
        /// Logins from the address, or of this user name from it, failed too often.
        Blocked = "blocked",
        /// `limits.max_connections_per_address`
        AddressConnections = "address_connections",
        /// `limits.max_user_connections`
        UserConnections = "user_connections",
        /// The client did not send a valid handshake response.
        Handshake = "handshake",
        /// The client went away in the middle of its login.
        Aborted = "aborted",
        /// `timeouts.login`
        Timeout = "timeout",
    }
}

label! {
    /// The effect of a change of the writer, or of a lost server, on a session.
    Disruption {
        /// The session moved silently.
        Moved = "moved",
        /// The statement was run again on another server (a read without an answer yet).
        Retried = "retried",
        /// The statement waited for a writer.
        Held = "held",
        /// The wait for a writer ended in an error.
        HoldExpired = "hold_expired",
        /// The open transaction was replayed on another primary, with the same answers.
        Replayed = "replayed",
        /// The open transaction was rolled back: error 1213, SQLSTATE 40001.
        RolledBack = "rolled_back",
        /// A COMMIT got no answer, but its transaction was found on the new primary: OK.
        Committed = "committed",
        /// A write got no answer, so its outcome is unknown: SQLSTATE 08007.
        OutcomeUnknown = "outcome_unknown",
        /// The answer was cut off in the middle.
        AnswerCut = "answer_cut",
        /// The session had state that cannot move: error 1053, SQLSTATE 08S01, and the connection ends.
        StateLost = "state_lost",
    }
}

label! {
    /// The result of a TLS handshake with a server.
    Handshake {
        /// A full handshake, with certificates.
        Full = "full",
        /// An earlier TLS session was resumed.
        Resumed = "resumed",
        /// The handshake or the verification of the server failed.
        Failed = "failed",
    }
}

label! {
    /// The mode of the port that the client connected to.
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
        /// COM_STMT_SEND_LONG_DATA whose COM_STMT_EXECUTE did not come yet.
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
    /// The kind of server that a statement is sent to.
    Target {
        /// The primary.
        Primary = "primary",
        /// A replica.
        Replica = "replica",
    }
}

label! {
    /// Why a statement is sent to its target.
    Reason {
        /// The port does not split.
        Port = "port",
        /// The session is in a transaction.
        Transaction = "in_transaction",
        /// The session is pinned to its server connection.
        Pinned = "pinned",
        /// `autocommit = 0`
        AutocommitOff = "autocommit_off",
        /// The statement asks what the last statement did.
        LooksBack = "looks_back",
        /// No replica serves reads.
        NoReplica = "no_replica",
        /// No replica was fresh enough for the read's level.
        NotFresh = "not_fresh",
        /// A replica refused the statement, or failed.
        Refused = "replica_refused",
        /// A SELECT or a similar read.
        PlainRead = "plain_read",
        /// SHOW and DESCRIBE of definitions.
        Definitions = "definitions",
        /// INSERT, UPDATE, …
        Modifies = "modifies",
        /// CREATE, ALTER, …
        Definition = "definition",
        /// FOR UPDATE, FOR SHARE.
        LockingRead = "locking_read",
        /// GET_LOCK and related functions.
        NamedLock = "named_lock",
        /// NEXTVAL and related functions.
        Sequence = "sequence",
        /// Reads or writes a file of the server.
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
        /// LOCK TABLES and similar statements.
        TableLock = "table_lock",
        /// Temporary tables.
        TemporaryTable = "temporary_table",
        /// Administration.
        Administration = "administration",
        /// Not understood.
        NotUnderstood = "not_understood",
        /// A quote without end, or bytes that could be read in two ways.
        Ambiguous = "ambiguous",
        /// A comment overrides the class.
        Hint = "hint",
    }
}

label! {
    /// The kinds of questions that a worker asks servers for waiting reads.
    Question {
        /// Asks the primary for its position.
        Position = "position",
        /// Asks a replica to wait until it has a position.
        Wait = "wait",
        /// Asks another server than the primary whether it already has writes that are being committed on the primary.
        Seen = "seen",
        /// Asks a Galera node whether it has applied everything that the cluster agreed on.
        Step = "step",
    }
}

label! {
    /// How a read that needs a certain position was answered.
    Fresh {
        /// A replica already had the position.
        There = "there",
        /// The read waited until a replica had the position.
        Waited = "waited",
        /// The primary answered the read.
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
    /// The levels whose reads need a certain position, strictest first.
    pub const LEVELS: [&'static str; 2] = ["strong", "session"];

    /// Returns the count of reads with this index of `LEVELS` and this outcome.
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
    /// Returns the count of statements of this kind that were sent to this target for this reason.
    pub fn at(&self, kind: Kind, target: Target, reason: Reason) -> &Cell {
        static NOWHERE: Cell = Cell::zero();
        let cells = self.0.get(kind as usize).and_then(|t| t.get(target as usize));
        cells.and_then(|r| r.get(reason as usize)).unwrap_or(&NOWHERE)
    }
}

/// The counts of one worker.
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
    /// Commands that were sent to a server, by port.
    pub statements: [Cell; Port::ALL.len()],
    /// Statements on ports that split, by kind, target and reason.
    pub placed: PlacedCells,
    /// How often something began to keep a session on its connection, by what.
    pub pins: [Cell; Pin::ALL.len()],
    /// How long sessions were kept on their connections, by what, in microseconds.
    pub pinned_us: [Cell; Pin::ALL.len()],
    /// Reads that needed a server at a certain position, by level and outcome.
    pub fresh_reads: FreshCells,
    /// Reads that a replica answered while the primary was asked for its position, and whose answer was dropped because
    /// the primary had moved.
    pub overtaken: Cell,
    /// How long reads waited for the primary's position and for a replica that has it.
    pub consistency_wait: Latency,
    /// Questions that servers were asked for waiting reads, by kind.
    pub questions: [Cell; Question::ALL.len()],
    /// Reads that waited for these questions, by kind.
    pub asked: [Cell; Question::ALL.len()],
    /// Reads waiting now because all replicas are behind, and the primary's share of such reads is used up.
    pub waiting_for_replica: Cell,
    /// How long statements took, from the command read to the last byte of the answer written, by port.
    pub latency: [Latency; Port::ALL.len()],
    /// ERR packets that the proxy itself sent in answer to a login or a command.
    pub proxy_errors: Cell,
    /// Effects of failovers on sessions.
    pub disruptions: [Cell; Disruption::ALL.len()],
    /// Statements waiting for a writer now.
    pub waiting_for_writer: Cell,
    /// Statements waiting for a server connection now (a limit is reached).
    pub waiting_for_connection: Cell,
    /// Bytes received from clients.
    pub bytes_in: Cell,
    /// Bytes sent to clients.
    pub bytes_out: Cell,
    /// Server connections opened.
    pub server_connects: Cell,
    /// Attempts to open a server connection that failed.
    pub server_connect_errors: Cell,
    /// TLS handshakes with servers, by result.
    pub server_handshakes: [Cell; Handshake::ALL.len()],
    /// Server connections open now, in use or pooled.
    pub server_connections: Cell,
    /// Server connections that are idle in the pool now.
    pub server_idle: Cell,
    /// Parked connections that were stolen from their session.
    pub steals: Cell,
    /// How often a session's state, or a prepared statement, was sent to a server connection that did not have it.
    pub replays: Cell,
    /// Statements that had to wait for a connection.
    pub pool_waits: Cell,
    /// Accepts that failed because of missing file descriptors or memory.
    pub accept_errors: Cell,
    /// Accepted sockets handed to a less loaded worker.
    pub handed_over: Cell,
}

/// Returns the cell at an index, as in `cell_of(&m.closed, Close::Quit as usize)`, without a panic path.
pub fn cell_of(cells: &[Cell], index: usize) -> &Cell {
    static NOWHERE: Cell = Cell::zero();
    cells.get(index).unwrap_or(&NOWHERE)
}
