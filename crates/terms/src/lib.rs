//! The closed vocabulary: what a session, a statement and a connection can be, and why something happened to them.
//! Decisions, metrics, errors and `explain` use the same words.

mod pin;
mod role;
mod server_error;
mod text_charset;
mod unexplained;
mod why;

pub use pin::Pin;
pub use role::{PerRole, Role};
pub use server_error::{Proof, stops_reading};
pub use text_charset::TextCharset;
pub use unexplained::Unexplained;
pub use why::{StatementKind, Why};

/// Defines an enum whose variants are label values and keys of an `EnumMap`.
macro_rules! label {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, enum_map::Enum)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// Every value, in order of index.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// Returns the label's value in `/metrics`.
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text),+ }
            }
        }
    };
}
pub(crate) use label;

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

impl Port {
    /// True if statements on a port of this mode can go to a server of this role.
    pub fn sends_to(self, role: Role) -> bool {
        match self {
            Port::Primary => role == Role::Primary,
            Port::Replica => role == Role::Replica,
            Port::Split => true,
        }
    }
}

label! {
    /// What a replica reported about a session that the statement does not explain.
    FalseReport {
        /// A status flag: autocommit, or a part of the SQL mode.
        Flag = "flag",
        /// That a transaction began or ended.
        Transaction = "transaction",
        /// The default schema.
        Schema = "schema",
        /// A system variable.
        Variable = "variable",
        /// A change without a name.
        Unnamed = "unnamed",
        /// An insert id.
        InsertId = "insert_id",
        /// The GTID of a write.
        Gtid = "gtid",
        /// The number of parameters of a prepared statement.
        Parameters = "parameters",
        /// Something that cannot be read.
        Unreadable = "unreadable",
    }
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
        /// The login was refused.
        LoginFailed = "login_failed",
        /// The login took too long.
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
        /// The user may not log in from this address: `users.from`, or no account on the servers is for it.
        Elsewhere = "elsewhere",
        /// The servers have an account for the client's address, but not for the proxy's, or with another password.
        NotThroughProxy = "not_through_proxy",
        /// The account is locked on the servers.
        Locked = "locked",
        /// The account's password has expired on the servers.
        Expired = "expired",
        /// A server refused the login with another error than a wrong password, or no server could be asked.
        Server = "server",
        /// Logins from the address, or of this user name from it, failed too often.
        Blocked = "blocked",
        /// `limits.max_connections_per_address`
        AddressConnections = "address_connections",
        /// `limits.max_user_connections`
        UserConnections = "user_connections",
        /// The client did not send a valid handshake response.
        Handshake = "handshake",
        /// The TLS handshake with the client failed.
        Tls = "tls",
        /// The connection lacks what `users.require_…` says.
        Requirements = "requirements",
        /// The listener takes encrypted connections only.
        InsecureTransport = "insecure_transport",
        /// The client went away in the middle of its login.
        Aborted = "aborted",
        /// `timeouts.login`
        Timeout = "timeout",
    }
}

label! {
    /// The effect of a change of the primary, or of a lost server, on a session.
    Disruption {
        /// The session moved silently.
        Moved = "moved",
        /// The statement was run again on another server (a read without an answer yet).
        Retried = "retried",
        /// The statement waited for a primary.
        Held = "held",
        /// The wait for a primary ended in an error.
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
    /// What the audit log records.
    AuditKind {
        /// A login.
        Login = "login",
        /// COM_CHANGE_USER.
        ChangeUser = "change_user",
        /// A statement that changes definitions.
        Ddl = "ddl",
        /// A statement about accounts, privileges or roles.
        Grant = "grant",
        /// A statement that the proxy does not understand.
        Unknown = "unknown",
        /// A statement that administers a server, or something that was done to the proxy.
        Action = "action",
    }
}

label! {
    /// What reads the stream of statements.
    Reader {
        /// `pointsman tap`, or another client of `/tap`.
        Tap = "tap",
        /// The slow log.
        SlowLog = "slow_log",
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

label! {
    /// The result of a TLS handshake.
    Handshake {
        /// A full handshake, with certificates.
        Full = "full",
        /// An earlier TLS session was resumed.
        Resumed = "resumed",
        /// The handshake, or the verification of a certificate, failed.
        Failed = "failed",
    }
}

label! {
    /// What a server proved of its certificate by the password (MariaDB 11.4).
    CertificateProof {
        /// The owner of the certificate knows the password.
        Right = "right",
        /// The proof is for another certificate, or another password.
        Wrong = "wrong",
        /// No proof came, or the proxy cannot verify that the server has the certificate's key.
        Missing = "missing",
    }
}

label! {
    /// The version of TLS that a client uses.
    TlsVersion {
        /// TLS 1.2
        Tls12 = "TLSv1.2",
        /// TLS 1.3
        Tls13 = "TLSv1.3",
        /// The handshake failed before the version was known.
        Unknown = "unknown",
    }
}

label! {
    /// A step of a traced statement.
    TraceStep {
        /// The proxy reads the statement, and chooses where it goes.
        Route = "route",
        /// The statement waits for a primary, or for a change of the servers before another try.
        Hold = "hold",
        /// The statement waits in line for a server connection.
        Queue = "queue",
        /// A server connection is opened.
        Connect = "connect",
        /// The read waits for the primary's position, and for a replica that has it.
        Barrier = "barrier",
        /// The session's state is restored on the connection.
        Restore = "restore",
        /// A server has the statement, up to the last byte of its answer.
        Server = "server",
        /// The client does not take the answer as fast as the server sends it.
        Client = "client",
        /// The open transaction runs again on the next primary.
        Replay = "replay",
        /// The proxy finds out whether the next primary has what was written.
        Fate = "fate",
    }
}
