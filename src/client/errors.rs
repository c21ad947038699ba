//! Every error that a client can get from the proxy itself in answer to a login or a command. Codes are the server's own
//! where one fits; the text says what to do. ERR packets that take the place of a server's are in `refusals`.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use crate::backend::{Limit, ServerError};
use crate::wire::ErrPacket;

#[cfg(test)]
mod tests;
mod texts;

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
    /// Returns code, SQLSTATE and text.
    pub fn parts(&self) -> (u16, [u8; 5], Cow<'_, str>) {
        let (code, sqlstate) = self.code();
        (code, sqlstate, self.text())
    }

    /// Returns the server's own code and SQLSTATE for such an error if it has one.
    fn code(&self) -> (u16, [u8; 5]) {
        use Failure::*;
        match self {
            Server(e) => (e.code, e.sqlstate),
            TooManyConnections | NoMemoryForClients | TooManyOfAddress(_) | Queue(..) | AllBehind(_) => {
                (1040, *b"08004")
            }
            OutOfMemory => (1041, *b"HY000"),
            Handshake(_) => (1043, *b"08S01"),
            AccessDenied { .. } | AccountRemoved(_) | PasswordChanged => (1045, *b"28000"),
            UnknownCommand => (1047, *b"08S01"),
            StateLost(_) | ShuttingDown => (1053, *b"08S01"),
            OutcomeUnknown => (1105, *b"08007"),
            StateRefused(_) | Unreachable(_) | LostTwice | AnswerCut | BadServer(_) => (1105, *b"08S01"),
            NoReplica | Forgotten => (1105, *b"HY000"),
            Blocked(..) => (1129, *b"HY000"),
            TooLongToCheck(_) | TooLongToPrepare(_) => (1153, *b"08S01"),
            OutOfOrder => (1156, *b"08S01"),
            ReadTimeout => (1159, *b"08S01"),
            TooManyOfUser(_) => (1203, *b"42000"),
            NoTypes => (1210, *b"HY000"),
            RolledBack => (1213, *b"40001"),
            OwnVariable(Misuse::SetGlobal) => (1228, *b"HY000"),
            UnknownLevel(_) => (1231, *b"42000"),
            OwnVariable(Misuse::NotAlone) => (1235, *b"42000"),
            OwnVariable(Misuse::ReadGlobal) => (1238, *b"HY000"),
            NoStatement(..) => (1243, *b"HY000"),
            OldClient => (1251, *b"08004"),
            ReadOnlyPort(_) | NoWriter(..) | ReadOnlyMaintenance => (1290, *b"HY000"),
            OwnVariable(Misuse::Prepared) => (1295, *b"HY000"),
            Interrupted => (1317, *b"70100"),
            NoCursor(_) => (1421, *b"HY000"),
            TooManyStatements(_) => (1461, *b"42000"),
            Malformed(_) => (1835, *b"HY000"),
            Cordoned => (3032, *b"HY000"),
        }
    }

    /// Returns what happened and what to do.
    fn text(&self) -> Cow<'_, str> {
        use Failure::*;
        match self {
            AccessDenied { user, password } => texts::access_denied(user, *password).into(),
            OldClient => texts::OLD_CLIENT.into(),
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
            UnknownCommand => "pointsman: unknown command".into(),
            Malformed(what) => format!("pointsman: malformed packet: {what}").into(),
            TooLongToCheck(limit) => texts::too_long_to_check(*limit).into(),
            ReadOnlyPort(why) => texts::read_only_port(why).into(),
            NoWriter(waited, known) => texts::no_writer(*waited, known).into(),
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
            NoCursor(id) => format!("The statement ({id}) has no open cursor.").into(),
            TooLongToPrepare(limit) => texts::too_long_to_prepare(*limit).into(),
            UnknownLevel(word) => texts::unknown_level(word).into(),
            OwnVariable(Misuse::Prepared) => texts::OWN_VARIABLE_PREPARED.into(),
            OwnVariable(Misuse::SetGlobal) => texts::OWN_VARIABLE_SET_GLOBAL.into(),
            OwnVariable(Misuse::ReadGlobal) => {
                "pointsman: Variable 'pointsman_consistency' is a SESSION variable".into()
            }
            OwnVariable(Misuse::NotAlone) => texts::OWN_VARIABLE_NOT_ALONE.into(),
            Unreachable(why) => texts::unreachable(why).into(),
            Server(e) => String::from_utf8_lossy(&e.message),
            RolledBack => texts::ROLLED_BACK.into(),
            OutcomeUnknown => texts::OUTCOME_UNKNOWN.into(),
            LostTwice => texts::LOST_TWICE.into(),
            AnswerCut => texts::ANSWER_CUT.into(),
            StateLost(what) => texts::state_lost(what).into(),
            Interrupted => "Query execution was interrupted".into(),
            ShuttingDown => "pointsman: the proxy is shutting down; connect again".into(),
            BadServer(why) => format!("pointsman: the server broke the protocol: {why}").into(),
        }
    }

    /// Appends the payload of the ERR packet.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let (code, sqlstate, text) = self.parts();
        ErrPacket { code, sqlstate, message: text.as_bytes() }.encode(out);
    }
}

/// The packet that a client gets in place of a greeting.
pub fn in_place_of_greeting(failure: &Failure) -> Vec<u8> {
    let mut out = Vec::new();
    crate::wire::frame_with(&mut out, 0, |out| failure.encode(out));
    out
}
