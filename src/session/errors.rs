//! Every ERR packet that a client can get from the proxy itself. Codes are the server's
//! own where one fits; the text says what to do.

use std::sync::Arc;
use std::time::Duration;

use crate::backend::{Limit, ServerError};
use crate::wire::ErrPacket;

#[cfg(test)]
mod tests;

/// What cannot be done with the proxy's own variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misuse {
    /// COM_STMT_PREPARE.
    Prepared,
    /// SET GLOBAL, PERSIST.
    SetGlobal,
    /// `@@global.…`
    ReadGlobal,
    /// Beside something that a server would have to do.
    NotAlone,
}

/// Why a statement, or a login, fails in the proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Wrong password or no such user; the server's own words.
    AccessDenied {
        /// As the client gave it.
        user: String,
        /// Whether the client gave a password.
        password: bool,
    },
    /// It speaks mysql_native_password only, and the listener does not allow that.
    OldClient,
    /// The account of the session is not in the configuration any more.
    AccountRemoved(Arc<str>),
    /// The password of the account changed behind the login, and a server refuses the former one.
    PasswordChanged,
    /// The client's packets break the protocol.
    Handshake(String),
    /// `limits.max_connections`.
    TooManyConnections,
    /// `limits.max_connections_per_address`; of whom.
    TooManyOfAddress(Box<str>),
    /// `limits.max_user_connections`; of whom.
    TooManyOfUser(String),
    /// Too many failed logins from this address; for how long at most, in seconds.
    Blocked(Box<str>, u32),
    /// `limits.memory`, told to a new client.
    NoMemoryForClients,
    /// `limits.memory`, told to a statement or login that needs more than a usual buffer.
    OutOfMemory,
    /// A session has so many prepared statements open, or too many bytes of them.
    TooManyStatements(usize),
    /// The rest of a command did not come: `timeouts.client_read`.
    ReadTimeout,
    /// A sequence id out of order.
    OutOfOrder,
    /// A command that this proxy or protocol does not have.
    UnknownCommand,
    /// A packet that is malformed or too large for what it is.
    Malformed(&'static str),
    /// A text on a replica port that is too long to be checked.
    TooLongToCheck(usize),
    /// A replica port refused a statement; why it did.
    ReadOnlyPort(&'static str),
    /// A server said that it is read-only.
    ReadOnlyServer,
    /// There was no primary for this long; what is known of the servers.
    NoWriter(Duration, String),
    /// The primary is read-only for maintenance.
    ReadOnlyMaintenance,
    /// The cluster takes no new clients.
    Cordoned,
    /// No replica serves reads and the primary must not stand in.
    NoReplica,
    /// No server connection became free.
    Queue(Duration, Limit),
    /// All replicas are behind, and the primary has as many such reads as it may.
    AllBehind(Duration),
    /// What the last statement did is asked for, and its connection was another session's since.
    Forgotten,
    /// No server takes the session's state; what the last one said.
    StateRefused(ServerError),
    /// No such prepared statement; what was to be done with it.
    NoStatement(u32, &'static str),
    /// An execute without parameter types, where none were ever given.
    NoTypes,
    /// The prepared statement has no open cursor.
    NoCursor(u32),
    /// A text that is to be prepared is too long.
    TooLongToPrepare(usize),
    /// No level has this name.
    UnknownLevel(Box<[u8]>),
    /// The proxy's own variable, used in a way in which it cannot be.
    OwnVariable(Misuse),
    /// A server connection could not be opened.
    Unreachable(String),
    /// A server's own refusal.
    Server(ServerError),
    /// Open transaction, server lost.
    RolledBack,
    /// Sent, no answer.
    OutcomeUnknown,
    /// Two servers were lost while they had this read.
    LostTwice,
    /// The answer to a read broke off.
    AnswerCut,
    /// State that could not move.
    StateLost(&'static str),
    /// The session's own statement was killed.
    Interrupted,
    /// The proxy ends.
    ShuttingDown,
    /// The server broke the protocol.
    BadServer(String),
}

impl Failure {
    /// Code, SQLSTATE and text.
    pub fn parts(&self) -> (u16, &'static [u8; 5], String) {
        use Failure::*;
        match self {
            AccessDenied { user, password } => {
                let using = if *password { "YES" } else { "NO" };
                (1045, b"28000", format!("Access denied for user '{user}' (using password: {using})"))
            }
            // ER_NOT_SUPPORTED_AUTH_MODE, in the server's words.
            OldClient => (
                1251,
                b"08004",
                "Client does not support authentication protocol requested by server; consider upgrading MySQL client \
                 (pointsman: listeners.allow_native_password is false)"
                    .into(),
            ),
            AccountRemoved(user) => (
                1045,
                b"28000",
                format!(
                    "pointsman: Access denied for user '{user}': the account is not in the proxy's configuration any \
                     more; nothing was executed"
                ),
            ),
            PasswordChanged => (
                1045,
                b"28000",
                "pointsman: the password of this account changed since this session logged in, and the server \
                 refuses the former one; nothing was executed, connect again"
                    .into(),
            ),
            Handshake(why) => (1043, b"08S01", format!("pointsman: bad handshake: {why}")),
            TooManyConnections => (
                1040,
                b"08004",
                "Too many connections: pointsman: limits.max_connections is reached; try again later".into(),
            ),
            NoMemoryForClients => (
                1040,
                b"08004",
                "Too many connections: pointsman: limits.memory is used up; try again later".into(),
            ),
            OutOfMemory => (
                1041,
                b"HY000",
                "Out of memory: pointsman: limits.memory is used up; nothing was executed, try again later".into(),
            ),
            TooManyOfAddress(host) => (
                1040,
                b"08004",
                format!(
                    "Too many connections: pointsman: limits.max_connections_per_address is reached by {host}"
                ),
            ),
            TooManyOfUser(user) => (
                1203,
                b"42000",
                format!(
                    "User {user} already has more than 'max_user_connections' active connections (pointsman: \
                     limits.max_user_connections)"
                ),
            ),
            Blocked(host, seconds) => (
                1129,
                b"HY000",
                format!(
                    "Host '{host}' is blocked because of many connection errors (pointsman: limits.max_login_errors is \
                     reached; it ends by itself within {seconds} s)"
                ),
            ),
            TooManyStatements(most) => (
                1461,
                b"42000",
                format!(
                    "Can't create more than max_prepared_stmt_count statements (pointsman: a session can have {most} \
                     open, and 64 MiB of their texts, as long as limits.memory is not used up; close some)"
                ),
            ),
            ReadTimeout => (
                1159,
                b"08S01",
                "Got timeout reading communication packets (pointsman: timeouts.client_read); connect again".into(),
            ),
            OutOfOrder => (1156, b"08S01", "pointsman: got packets out of order; connect again".into()),
            UnknownCommand => (1047, b"08S01", "pointsman: unknown command".into()),
            Malformed(what) => (1835, b"HY000", format!("pointsman: malformed packet: {what}")),
            TooLongToCheck(limit) => (
                1153,
                b"08S01",
                format!(
                    "pointsman: a statement on a read-only port can be at most {limit} bytes long; use the read-write port"
                ),
            ),
            ReadOnlyPort(why) => (
                1290,
                b"HY000",
                format!(
                    "The MySQL server is running with the --read-only option so it cannot execute this statement \
                     (pointsman: this is a read-only port, and the statement {why}; use the read-write port)"
                ),
            ),
            ReadOnlyServer => (
                1290,
                b"HY000",
                "The MySQL server is running with the --read-only option so it cannot execute this statement \
                 (pointsman: this is a read-only port; use the read-write port)"
                    .into(),
            ),
            NoWriter(waited, known) => (
                1290,
                b"HY000",
                format!(
                    "pointsman: there is no primary, and none appeared within {:.1} s (failover.hold): {known}; \
                     nothing was executed, try again",
                    waited.as_secs_f64()
                ),
            ),
            ReadOnlyMaintenance => (
                1290,
                b"HY000",
                "The MariaDB server is running with the --read-only option so it cannot execute this statement \
                 (pointsman: the cluster is in maintenance, by spec.maintenance.readOnly of its resource)"
                    .into(),
            ),
            Cordoned => (
                3032,
                b"HY000",
                "The server is currently in offline mode (pointsman: the cluster is cordoned, by \
                 spec.maintenance.cordon of its resource, and takes no new connections; try again later)"
                    .into(),
            ),
            NoReplica => (
                1105,
                b"HY000",
                "pointsman: no replica serves reads, and replicas.fallback is \"none\"; try again later".into(),
            ),
            Queue(waited, limit) => {
                let limit = match limit {
                    Limit::Server => "limits.max_server_connections is reached",
                    Limit::User => "max_connections of the user is reached",
                    Limit::Account => "the server's own limit of connections for this account is reached",
                    Limit::Opening => "many sessions wait for it to let connections in",
                };
                (
                    1040,
                    b"08004",
                    format!(
                        "pointsman: no server connection became free within {:.1} s (limits.queue_timeout): {limit}; \
                         try again later",
                        waited.as_secs_f64()
                    ),
                )
            }
            AllBehind(waited) => (
                1040,
                b"08004",
                format!(
                    "pointsman: for {:.1} s no replica was fresh enough for this read, and the primary had as many of \
                     them as consistency.primary_share allows; try again later",
                    waited.as_secs_f64()
                ),
            ),
            Forgotten => (
                1105,
                b"HY000",
                "pointsman: what the last statement did is not known any more: its server connection is gone, or \
                 another session has had it since; this session keeps its connection from now on"
                    .into(),
            ),
            StateRefused(e) => (
                1105,
                b"08S01",
                format!(
                    "pointsman: the servers refuse the state of this session (error {}: {}); the statement was not \
                     executed; connect again",
                    e.code,
                    String::from_utf8_lossy(&e.message)
                ),
            ),
            NoStatement(id, what) => {
                (1243, b"HY000", format!("Unknown prepared statement handler ({id}) given to {what}"))
            }
            NoTypes => (1210, b"HY000", "Incorrect arguments to mysqld_stmt_execute".into()),
            NoCursor(id) => (1421, b"HY000", format!("The statement ({id}) has no open cursor.")),
            TooLongToPrepare(limit) => (
                1153,
                b"08S01",
                format!("pointsman: a statement that is prepared can be at most {limit} bytes long"),
            ),
            UnknownLevel(word) => (
                1231,
                b"42000",
                format!(
                    "pointsman: Variable 'pointsman_consistency' can't be set to the value of '{}'; it takes \
                     'strong', 'session', 'bounded' or 'eventual'",
                    String::from_utf8_lossy(word.get(..64).unwrap_or(word))
                ),
            ),
            OwnVariable(Misuse::Prepared) => (
                1295,
                b"HY000",
                "pointsman: This command is not supported in the prepared statement protocol yet: send statements \
                 about pointsman_consistency as text"
                    .into(),
            ),
            OwnVariable(Misuse::SetGlobal) => (
                1228,
                b"HY000",
                "pointsman: Variable 'pointsman_consistency' is a SESSION variable and can't be used with SET \
                 GLOBAL; what sessions begin with is set in the proxy's configuration"
                    .into(),
            ),
            OwnVariable(Misuse::ReadGlobal) => {
                (1238, b"HY000", "pointsman: Variable 'pointsman_consistency' is a SESSION variable".into())
            }
            OwnVariable(Misuse::NotAlone) => (
                1235,
                b"42000",
                "pointsman: pointsman_consistency is the proxy's own variable, which no server knows: a SET or SELECT \
                 of it must be alone in its text; nothing was executed"
                    .into(),
            ),
            Unreachable(why) => {
                (1105, b"08S01", format!("pointsman: no server could be reached: {why}; nothing was executed, try again"))
            }
            Server(e) => (e.code, b"HY000", String::from_utf8_lossy(&e.message).into_owned()),
            RolledBack => (
                1213,
                b"40001",
                "pointsman: the server was lost or demoted and the transaction rolled back; try restarting transaction"
                    .into(),
            ),
            OutcomeUnknown => (
                1105,
                b"08007",
                "pointsman: the server was lost before it answered; the statement may or may not have been executed"
                    .into(),
            ),
            LostTwice => (
                1105,
                b"08S01",
                "pointsman: two servers were lost while they ran this statement, and no third one gets it; nothing \
                 was changed by it"
                    .into(),
            ),
            AnswerCut => (
                1105,
                b"08S01",
                "pointsman: the server was lost in the middle of the answer; run the statement again".into(),
            ),
            StateLost(what) => (
                1053,
                b"08S01",
                format!(
                    "pointsman: the server was lost or demoted, and the session held {what}, which cannot move to \
                     another; connect again"
                ),
            ),
            Interrupted => (1317, b"70100", "Query execution was interrupted".into()),
            ShuttingDown => (1053, b"08S01", "pointsman: the proxy is shutting down; connect again".into()),
            BadServer(why) => (1105, b"08S01", format!("pointsman: the server broke the protocol: {why}")),
        }
    }

    /// Appends the payload of the ERR packet.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let (code, sqlstate, text) = self.parts();
        let sqlstate = if let Failure::Server(e) = self { e.sqlstate } else { *sqlstate };
        ErrPacket { code, sqlstate, message: text.as_bytes() }.encode(out);
    }
}

/// The packet that a client gets in place of a greeting.
pub fn in_place_of_greeting(failure: &Failure) -> Vec<u8> {
    let mut out = Vec::new();
    crate::wire::frame_with(&mut out, 0, |out| failure.encode(out));
    out
}
