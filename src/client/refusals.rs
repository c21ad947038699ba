//! What a server's ERR packet says beside its words: that nothing was executed, and the
//! statement can go elsewhere; or that what it says is not the whole truth.

use crate::backend::{ServerError, SwallowError};
use crate::policy::{Said, Way};
use crate::telemetry::Cell;
use crate::wire::ErrPacket;

/// An ERR packet that the client does not get, since the statement goes on elsewhere.
pub struct Refusal {
    /// How it goes on.
    pub way: Way,
    /// What the server said.
    pub error: ServerError,
}

/// Returns what an ERR packet says.
pub fn said(err: &ErrPacket<'_>) -> Said {
    match err.code {
        1180 if may_be_committed(err) => Said::MayBeCommitted,
        1792 => Said::ReadOnlyTransaction,
        INTERRUPTED => Said::Interrupted,
        1243 => Said::UnknownStatement,
        1615 => Said::PrepareAgain,
        code if ends_connection(code) => Said::ConnectionEnds,
        code if may_be_behind(code) => Said::Missing,
        _ if refuses_as_read_only(err) => Said::ReadOnly,
        _ if is_cut_off(err) => Said::CutOff,
        _ => Said::Other,
    }
}

/// ER_QUERY_INTERRUPTED.
pub const INTERRUPTED: u16 = 1317;

/// What a client hears of a statement that was ended on a former primary, and that may have done a part of what it does.
pub const DEMOTED: ErrPacket<'static> = ErrPacket {
    code: 1105,
    sqlstate: *b"08007",
    message: b"pointsman: the server lost the primary's role, and the statement under way there was ended; it may or may \
               not have been executed in part",
};

/// What a read-only server says on a replica port, whatever its version says.
pub const READ_ONLY_SERVER: ErrPacket<'static> = ErrPacket {
    code: 1290,
    sqlstate: *b"HY000",
    message: b"The MySQL server is running with the --read-only option so it cannot execute this statement \
               (pointsman: this is a read-only port; use the read-write port)",
};

/// What a server says in a transaction that only reads (ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION), where a
/// replica would say that it is read-only.
const READ_ONLY_TRANSACTION: ErrPacket<'static> = ErrPacket {
    code: 1792,
    sqlstate: *b"25006",
    message: b"Cannot execute statement in a READ ONLY transaction.",
};

/// The same in the servers' words.
pub fn read_only_transaction(of_mariadb: bool) -> ErrPacket<'static> {
    // Without the full stop.
    let message = READ_ONLY_TRANSACTION.message.strip_suffix(b".").filter(|_| of_mariadb);
    ErrPacket { message: message.unwrap_or(READ_ONLY_TRANSACTION.message), ..READ_ONLY_TRANSACTION }
}

/// Errors that a replica also gives because it does not have a definition or a grant yet that the primary has:
/// the primary's word counts. No such schema, table, column, index, routine, view; access denied.
pub fn may_be_behind(code: u16) -> bool {
    matches!(
        code,
        1044 | 1049 | 1051 | 1054 | 1109 | 1142 | 1143 | 1146 | 1176 | 1305 | 1356 | 1370 | 1449 | 1630
    )
}

/// 1290 is for many options; 1836 and 3100 (group replication's hook) say that nothing was executed.
pub fn refuses_as_read_only(err: &ErrPacket<'_>) -> bool {
    let says_read_only = || {
        let has = |what: &[u8]| err.message.windows(what.len()).any(|w| w == what);
        [&b"read-only"[..], b"read_only", b"read only", b"hook"].into_iter().any(has)
    };
    matches!(err.code, 1290 | 1836 | 3100) && says_read_only()
}

/// The server shuts down (ER_SERVER_SHUTDOWN, which MySQL also says to who is killed), or somebody killed the connection
/// (MariaDB's ER_CONNECTION_KILLED).
pub fn ends_connection(code: u16) -> bool {
    matches!(code, 1053 | 1927)
}

/// What a client hears of that which has a part of the answer: drivers take 1053 for the end of their own connection.
/// Counts what is in doubt by it.
pub fn ended(no_doubt: bool, unknown: &Cell) -> ErrPacket<'static> {
    if no_doubt {
        let message = b"pointsman: the server ended the connection in the middle of the answer; run the statement again";
        return ErrPacket { code: 1105, sqlstate: *b"08S01", message };
    }
    unknown.add(1);
    let message = b"pointsman: the server ended the connection in the middle of the answer; what was under way may or may \
                    not have been executed";
    ErrPacket { code: 1105, sqlstate: *b"08007", message }
}

/// The server's last words on a connection, in answer to nothing, by the sequence id: a statement may have crossed them.
/// MySQL's 4031 is of a client that was idle for too long.
pub fn is_farewell(bytes: &[u8]) -> bool {
    let [_, _, _, 0, 0xff, low, high, ..] = bytes else { return false };
    let code = u16::from_le_bytes([*low, *high]);
    ends_connection(code) || code == 4031
}

/// The same in front of the statement's own answer.
pub fn is_ending(error: &SwallowError) -> bool {
    matches!(error, SwallowError::Schema(e) | SwallowError::State(e) if ends_connection(e.code))
}

/// What Galera's members answer to everything while they are not with the majority, or not ready.
pub fn is_cut_off(err: &ErrPacket<'_>) -> bool {
    err.code == 1047 && err.message.starts_with(b"WSREP ")
}

/// What a member of a Galera cluster says of a commit that it could not bring to the others: that it failed. It is
/// there all the same if the others had it already when they parted (`tests/groups.rs` met it).
pub fn may_be_committed(err: &ErrPacket<'_>) -> bool {
    const WHY: &[u8] = b"provider status";
    err.code == 1180 && err.message.windows(WHY.len()).any(|words| words == WHY)
}

/// And the truth of it.
pub const MAY_BE_COMMITTED: ErrPacket<'static> = ErrPacket {
    code: 1105,
    sqlstate: *b"08007",
    message: b"pointsman: the server lost its group before it could confirm; the statement may or may not have been \
               executed",
};

/// Refusals of a login that say something of the server's moment, not of the account: too many
/// connections (1040, 1203, 1226), shutting down (1053), starting (1130 is not one of them).
pub fn is_passing(error: &ServerError) -> bool {
    matches!(error.code, 1040 | 1203 | 1226 | 1053 | 1927)
}
