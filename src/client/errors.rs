//! Every error with which the proxy itself answers a login or a command. An error has MySQL's code and SQLSTATE if
//! MySQL has a matching error. The text says what to do. ERR packets that replace a server's ERR packet are in
//! `refusals`.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use crate::backend::{Limit, ServerError};
use crate::sql::read_only::Refusal;
use crate::wire::ErrPacket;
use crate::wire::error_code::{self, *};

#[cfg(test)]
mod tests;
mod texts;

/// An unsupported use of the proxy's own variable (`pointsman_consistency`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misuse {
    /// A COM_STMT_PREPARE of a statement about the variable.
    Prepared,
    /// SET GLOBAL or SET PERSIST of the variable.
    SetGlobal,
    /// A SELECT of the variable as `@@global.…`.
    ReadGlobal,
    /// A text that also contains something that a server would have to execute.
    NotAlone,
}

/// Why the proxy itself answers a statement or a login with an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The password is wrong, or the user does not exist. The text is MySQL's.
    AccessDenied {
        /// The user name that the client sent.
        user: String,
        /// Where the client is.
        host: Box<str>,
        /// True if the client sent a password.
        password: bool,
    },
    /// The account has no password, and the proxy cannot log in to servers as the operating system's user, which this client
    /// is. The fields are the account and its client's operating system's user.
    NoPassword(Box<str>, Box<str>),
    /// The client supports only mysql_native_password, which the listener does not allow.
    OldClient,
    /// The listener takes encrypted connections only.
    InsecureTransport,
    /// The session's account, which this field names, was removed from the configuration.
    AccountRemoved(Arc<str>),
    /// The account's password changed after the login, and a server refuses the old password.
    PasswordChanged,
    /// The client broke the protocol during the handshake. The field says how.
    Handshake(String),
    /// `limits.max_connections` is reached.
    TooManyConnections,
    /// This address has reached `limits.max_connections_per_address`.
    TooManyOfAddress(Box<str>),
    /// This user has reached `limits.max_user_connections`.
    TooManyOfUser(String),
    /// Too many logins from this address failed. The number is the maximum duration of the block, in seconds.
    Blocked(Box<str>, u32),
    /// `limits.memory` is used up, and a new client connects.
    NoMemoryForClients,
    /// `limits.memory` is used up, and a statement or a login needs memory.
    OutOfMemory,
    /// The session has reached this number of open prepared statements, or the limit for their bytes.
    TooManyStatements(usize),
    /// The client did not send the rest of a command within `timeouts.client_read`.
    ReadTimeout,
    /// The client sent a packet with a wrong sequence id.
    OutOfOrder,
    /// The proxy or the protocol does not have this command.
    UnknownCommand,
    /// The client sent a packet that is malformed, or too large for its kind. The field names the packet.
    Malformed(&'static str),
    /// On a replica port, the text is longer than this limit, so the proxy cannot check whether it only reads.
    TooLongToCheck(usize),
    /// A replica port refused the statement, for this reason.
    ReadOnlyPort(Refusal),
    /// There was no primary for this time. The text says what is known about the servers.
    NoPrimary(Duration, String),
    /// The primary is read-only for maintenance.
    ReadOnlyMaintenance,
    /// The cluster is cordoned: the proxy accepts no new clients.
    Cordoned,
    /// No replica serves reads, and `replicas.fallback` forbids the primary.
    NoReplica,
    /// No server connection became free in this time, because of this limit.
    Queue(Duration, Limit),
    /// For this time no replica was fresh enough for the read, and the primary had as many such reads as
    /// `consistency.primary_share` allows.
    AllBehind(Duration),
    /// The client asks for results of its last statement (ROW_COUNT(), warnings, …), but that statement's connection is
    /// gone, or another session has used the connection since.
    Forgotten,
    /// No server accepted the session's state. The last server answered with this error.
    StateRefused(ServerError),
    /// The client has no prepared statement with this id. The text names the command.
    NoStatement(u32, &'static str),
    /// The client never sent parameter types for the prepared statement that it executes; on MariaDB, its parameters cannot be
    /// read.
    NoTypes,
    /// The prepared statement with this id has no open cursor. True: in the words of MariaDB.
    NoCursor(u32, bool),
    /// On a replica port, a KILL names a connection that is none of the account's sessions here.
    NoThread(u64),
    /// The text to prepare is longer than this limit.
    TooLongToPrepare(usize),
    /// No consistency level has this name.
    UnknownLevel(Box<[u8]>),
    /// The statement uses the proxy's own variable in an unsupported way.
    OwnVariable(Misuse),
    /// The proxy could not open a server connection, for this reason.
    Unreachable(String),
    /// The client cannot log in to a server through the proxy, for this reason.
    NotPassed(String),
    /// A server refused the statement or the connection with this error.
    Server(ServerError),
    /// The server was lost or demoted, and the open transaction was rolled back.
    RolledBack,
    /// The statement was sent, but the server was lost before it answered: the outcome is unknown.
    OutcomeUnknown,
    /// Two servers were lost while they executed this read.
    LostTwice,
    /// The server was lost in the middle of the answer to a read.
    AnswerCut,
    /// The session held this state on a lost server, and the state cannot move to another server.
    StateLost(&'static str),
    /// A KILL ended the session's statement or connection.
    Interrupted,
    /// The proxy is shutting down.
    ShuttingDown,
    /// The client's TLS connection has encrypted as much as it may.
    KeysWorn,
    /// The server broke the protocol. The field says how.
    BadServer(String),
}

impl Failure {
    /// Returns the failure of a server that was tried again for so long.
    pub fn held(self, waited: Duration) -> Self {
        match self {
            Failure::Unreachable(why) => {
                Failure::Unreachable(format!("{why}, for {:.1} s (failover.hold)", waited.as_secs_f64()))
            }
            failure => failure,
        }
    }

    /// Returns the code, the SQLSTATE and the text.
    pub fn parts(&self) -> (u16, [u8; 5], Cow<'_, str>) {
        (self.code(), self.sqlstate(), self.text())
    }

    /// Returns the SQLSTATE: the one of the code, and for errors that only the proxy has, of the class that drivers know
    /// them by.
    fn sqlstate(&self) -> [u8; 5] {
        use Failure::*;
        match self {
            Server(e) => e.sqlstate,
            // Transaction resolution unknown.
            OutcomeUnknown => *b"08007",
            // Communication link failure.
            StateRefused(_) | Unreachable(_) | LostTwice | AnswerCut | BadServer(_) => *b"08S01",
            _ => error_code::sqlstate(self.code()),
        }
    }

    /// Returns the code: MySQL's if MySQL has a matching error, otherwise ER_UNKNOWN_ERROR.
    fn code(&self) -> u16 {
        use Failure::*;
        match self {
            Server(e) => e.code,
            TooManyConnections | NoMemoryForClients | TooManyOfAddress(_) | Queue(..) | AllBehind(_) => {
                ER_CON_COUNT_ERROR
            }
            OutOfMemory => ER_OUT_OF_RESOURCES,
            Handshake(_) => ER_HANDSHAKE_ERROR,
            AccessDenied { .. } | AccountRemoved(_) | PasswordChanged => ER_ACCESS_DENIED_ERROR,
            UnknownCommand => ER_UNKNOWN_COM_ERROR,
            StateLost(_) | ShuttingDown | KeysWorn => ER_SERVER_SHUTDOWN,
            OutcomeUnknown | StateRefused(_) | Unreachable(_) | LostTwice | AnswerCut | BadServer(_)
            | NoReplica | Forgotten | NotPassed(_) => ER_UNKNOWN_ERROR,
            Blocked(..) => ER_HOST_IS_BLOCKED,
            TooLongToCheck(_) | TooLongToPrepare(_) => ER_NET_PACKET_TOO_LARGE,
            OutOfOrder => ER_NET_PACKETS_OUT_OF_ORDER,
            NoThread(_) => ER_NO_SUCH_THREAD,
            ReadTimeout => ER_NET_READ_INTERRUPTED,
            TooManyOfUser(_) => ER_TOO_MANY_USER_CONNECTIONS,
            NoTypes => ER_WRONG_ARGUMENTS,
            RolledBack => ER_LOCK_DEADLOCK,
            OwnVariable(Misuse::SetGlobal) => ER_LOCAL_VARIABLE,
            UnknownLevel(_) => ER_WRONG_VALUE_FOR_VAR,
            OwnVariable(Misuse::NotAlone) => ER_NOT_SUPPORTED_YET,
            OwnVariable(Misuse::ReadGlobal) => ER_INCORRECT_GLOBAL_LOCAL_VAR,
            NoStatement(..) => ER_UNKNOWN_STMT_HANDLER,
            OldClient => ER_NOT_SUPPORTED_AUTH_MODE,
            ReadOnlyPort(_) | NoPrimary(..) | ReadOnlyMaintenance => ER_OPTION_PREVENTS_STATEMENT,
            OwnVariable(Misuse::Prepared) => ER_UNSUPPORTED_PS,
            Interrupted => ER_QUERY_INTERRUPTED,
            NoPassword(..) => ER_ACCESS_DENIED_NO_PASSWORD_ERROR,
            NoCursor(..) => ER_STMT_HAS_NO_OPEN_CURSOR,
            TooManyStatements(_) => ER_MAX_PREPARED_STMT_COUNT_REACHED,
            Malformed(_) => ER_MALFORMED_PACKET,
            Cordoned => ER_SERVER_OFFLINE_MODE,
            InsecureTransport => ER_SECURE_TRANSPORT_REQUIRED,
        }
    }

    /// Returns the text, which says what happened and what to do.
    fn text(&self) -> Cow<'_, str> {
        use Failure::*;
        match self {
            AccessDenied { user, host, password } => texts::access_denied(user, host, *password).into(),
            NoPassword(user, os_user) => texts::no_password(user, os_user).into(),
            OldClient => texts::OLD_CLIENT.into(),
            InsecureTransport => texts::INSECURE_TRANSPORT.into(),
            AccountRemoved(user) => texts::account_removed(user).into(),
            PasswordChanged => texts::PASSWORD_CHANGED.into(),
            Handshake(why) => format!("pointsman: bad handshake: {why}").into(),
            TooManyConnections => texts::TOO_MANY_CONNECTIONS.into(),
            NoMemoryForClients => texts::NO_MEMORY_FOR_CLIENTS.into(),
            OutOfMemory => texts::OUT_OF_MEMORY.into(),
            TooManyOfAddress(host) => texts::too_many_of_address(host).into(),
            TooManyOfUser(user) => texts::too_many_of_user(user).into(),
            Blocked(host, seconds) => texts::blocked(host, *seconds).into(),
            TooManyStatements(most) => texts::too_many_statements(*most).into(),
            ReadTimeout => texts::READ_TIMEOUT.into(),
            OutOfOrder => "pointsman: got packets out of order; connect again".into(),
            UnknownCommand => "Unknown command".into(),
            Malformed(what) => format!("pointsman: malformed packet: {what}").into(),
            TooLongToCheck(limit) => texts::too_long_to_check(*limit).into(),
            ReadOnlyPort(why) => texts::read_only_port(&why.to_string()).into(),
            NoPrimary(waited, known) => texts::no_primary(*waited, known).into(),
            ReadOnlyMaintenance => texts::READ_ONLY_MAINTENANCE.into(),
            Cordoned => texts::CORDONED.into(),
            NoReplica => texts::NO_REPLICA.into(),
            Queue(waited, limit) => texts::queue(*waited, *limit).into(),
            AllBehind(waited) => texts::all_behind(*waited).into(),
            Forgotten => texts::FORGOTTEN.into(),
            StateRefused(e) => texts::state_refused(e).into(),
            NoStatement(id, what) => {
                format!("Unknown prepared statement handler ({id}) given to {what}").into()
            }
            NoTypes => "Incorrect arguments to mysqld_stmt_execute".into(),
            NoCursor(id, of_mariadb) => texts::no_cursor(*id, *of_mariadb).into(),
            NoThread(id) => texts::no_thread(*id).into(),
            TooLongToPrepare(limit) => texts::too_long_to_prepare(*limit).into(),
            UnknownLevel(word) => texts::unknown_level(word).into(),
            OwnVariable(Misuse::Prepared) => texts::OWN_VARIABLE_PREPARED.into(),
            OwnVariable(Misuse::SetGlobal) => texts::OWN_VARIABLE_SET_GLOBAL.into(),
            OwnVariable(Misuse::ReadGlobal) => {
                "pointsman: Variable 'pointsman_consistency' is a SESSION variable".into()
            }
            OwnVariable(Misuse::NotAlone) => texts::OWN_VARIABLE_NOT_ALONE.into(),
            Unreachable(why) => texts::unreachable(why).into(),
            NotPassed(why) => texts::not_passed(why).into(),
            Server(e) => String::from_utf8_lossy(&e.message),
            RolledBack => texts::ROLLED_BACK.into(),
            OutcomeUnknown => texts::OUTCOME_UNKNOWN.into(),
            LostTwice => texts::LOST_TWICE.into(),
            AnswerCut => texts::ANSWER_CUT.into(),
            StateLost(what) => texts::state_lost(what).into(),
            Interrupted => "Query execution was interrupted".into(),
            ShuttingDown => "pointsman: the proxy is shutting down; connect again".into(),
            KeysWorn => {
                "pointsman: the cipher suite of this TLS 1.2 connection may encrypt no more; connect again"
                    .into()
            }
            BadServer(why) => format!("pointsman: the server broke the protocol: {why}").into(),
        }
    }

    /// Appends the payload of the ERR packet.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let (code, sqlstate, text) = self.parts();
        ErrPacket { code, sqlstate, message: text.as_bytes() }.encode(out);
    }

    /// Appends the payload for a client that speaks the protocol from before version 4.1, which has no SQLSTATE.
    pub fn encode_before_41(&self, out: &mut Vec<u8>) {
        let (code, _, text) = self.parts();
        out.push(0xff);
        out.extend_from_slice(&code.to_le_bytes());
        out.extend_from_slice(text.as_bytes());
    }
}

/// Returns the ERR packet that the client gets in place of the initial handshake packet.
pub fn in_place_of_greeting(failure: &Failure) -> Vec<u8> {
    let mut out = Vec::new();
    crate::wire::frame_with(&mut out, 0, |out| failure.encode(out));
    out
}
