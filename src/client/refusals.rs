//! Interprets ERR packets of servers. From the code and the text follow facts about the statement: for example, that
//! the server executed nothing, so that the statement can run on another server, or that the error hides a doubt about
//! the outcome. Also defines the ERR packets that replace a server's ERR packet.

use super::Failure;
use crate::backend::{ServerError, SwallowError};
use crate::policy::{ErrorMeaning, RetryRoute};
use crate::telemetry::Cell;
use crate::wire::ErrPacket;
use crate::wire::error_code::*;

/// An ERR packet that the client does not get, because the statement is tried again.
pub struct Refusal {
    /// How the statement continues.
    pub way: RetryRoute,
    /// The server's error.
    pub error: ServerError,
}

/// Returns what an ERR packet says about its statement and its server.
pub fn said(err: &ErrPacket<'_>) -> ErrorMeaning {
    match err.code {
        ER_ERROR_DURING_COMMIT if may_be_committed(err) => ErrorMeaning::MayBeCommitted,
        ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION => ErrorMeaning::ReadOnlyTransaction,
        ER_QUERY_INTERRUPTED => ErrorMeaning::Interrupted,
        ER_UNKNOWN_STMT_HANDLER => ErrorMeaning::UnknownStatement,
        ER_NEED_REPREPARE => ErrorMeaning::PrepareAgain,
        code if ends_connection(code) => ErrorMeaning::ConnectionEnds,
        code if may_be_behind(code) => ErrorMeaning::Missing,
        _ if refuses_as_read_only(err) => ErrorMeaning::ReadOnly,
        _ if is_cut_off(err) => ErrorMeaning::CutOff,
        _ => ErrorMeaning::Other,
    }
}

/// The ERR packet for a statement that the proxy ended on a demoted primary, if the statement may have been executed in
/// part.
pub const DEMOTED: ErrPacket<'static> = ErrPacket {
    code: ER_UNKNOWN_ERROR,
    sqlstate: *b"08007",
    message: b"pointsman: the server lost the primary's role, and the statement under way there was ended; it may or may \
               not have been executed in part",
};

/// The ERR packet for a write on a replica port. Replaces the error of the server, which depends on the server's
/// version.
pub const READ_ONLY_SERVER: ErrPacket<'static> = ErrPacket {
    code: ER_OPTION_PREVENTS_STATEMENT,
    sqlstate: *b"HY000",
    message: b"The MySQL server is running with the --read-only option so it cannot execute this statement \
               (pointsman: this is a read-only port; use the read-write port)",
};

/// The ERR packet for a write in a read-only transaction (ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION), in MySQL's words.
/// Replaces the error of a replica, which says that the server is read-only.
const READ_ONLY_TRANSACTION: ErrPacket<'static> = ErrPacket {
    code: ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION,
    sqlstate: *b"25006",
    message: b"Cannot execute statement in a READ ONLY transaction.",
};

/// Returns the ERR packet for a write in a read-only transaction, in the words of MySQL or MariaDB.
pub fn read_only_transaction(of_mariadb: bool) -> ErrPacket<'static> {
    // MariaDB's text has no full stop at its end.
    let message = READ_ONLY_TRANSACTION.message.strip_suffix(b".").filter(|_| of_mariadb);
    ErrPacket { message: message.unwrap_or(READ_ONLY_TRANSACTION.message), ..READ_ONLY_TRANSACTION }
}

/// True if a server that refuses to prepare a write with this error returns the same error, and not the one for a write in a
/// read-only transaction, if the write is executed there. MySQL resolves all names before it locks tables, where it looks at the
/// transaction. MariaDB has only parsed the text and opened the tables by then.
pub fn precedes_read_only(error: &ServerError, of_mariadb: bool) -> bool {
    const OF_MARIADB: [u16; 8] = [
        ER_PARSE_ERROR,
        ER_UNKNOWN_TABLE,
        ER_NO_SUCH_TABLE,
        ER_BAD_DB_ERROR,
        ER_NO_DB_ERROR,
        ER_DBACCESS_DENIED_ERROR,
        ER_TABLEACCESS_DENIED_ERROR,
        ER_COLUMNACCESS_DENIED_ERROR,
    ];
    if of_mariadb {
        return OF_MARIADB.contains(&error.code);
    }
    let err = ErrPacket { code: error.code, sqlstate: error.sqlstate, message: &error.message };
    let of_text = [ErrorMeaning::Other, ErrorMeaning::Missing].contains(&said(&err));
    of_text && ![ER_UNSUPPORTED_PS, ER_LOCK_WAIT_TIMEOUT].contains(&error.code)
}

/// Returns the servers' error for a login with a collation of this character set, in which no client can write
/// (ER_WRONG_VALUE_FOR_VAR).
pub fn unusable_charset(charset: &str) -> Failure {
    let message =
        format!("Variable 'character_set_client' can't be set to the value of '{charset}'").into_bytes();
    Failure::Server(ServerError::new(ER_WRONG_VALUE_FOR_VAR, message))
}

/// Returns MariaDB's error for a login with a schema's name that is no text in its character set
/// (ER_INVALID_CHARACTER_STRING).
pub fn malformed_name(name: &[u8], charset: &str) -> Failure {
    let shown: String = name
        .iter()
        .map(|byte| if byte.is_ascii() { char::from(*byte).to_string() } else { format!("\\x{byte:02X}") })
        .collect();
    let message = format!("Invalid {charset} character string: '{shown}'").into_bytes();
    Failure::Server(ServerError::new(ER_INVALID_CHARACTER_STRING, message))
}

/// True for an error that a replica may return because it has not received a definition or a grant yet. Only the
/// primary's error is final. The codes mean: unknown schema, table, column, index, routine or view; access denied.
pub fn may_be_behind(code: u16) -> bool {
    matches!(
        code,
        ER_DBACCESS_DENIED_ERROR
            | ER_BAD_DB_ERROR
            | ER_BAD_TABLE_ERROR
            | ER_BAD_FIELD_ERROR
            | ER_UNKNOWN_TABLE
            | ER_TABLEACCESS_DENIED_ERROR
            | ER_COLUMNACCESS_DENIED_ERROR
            | ER_NO_SUCH_TABLE
            | ER_KEY_DOES_NOT_EXISTS
            | ER_SP_DOES_NOT_EXIST
            | ER_VIEW_INVALID
            | ER_PROCACCESS_DENIED_ERROR
            | ER_NO_SUCH_USER
            | ER_FUNC_INEXISTENT_NAME_COLLISION
    )
}

/// True if the server refused the statement because the server is read-only, and executed nothing. 1290
/// (ER_OPTION_PREVENTS_STATEMENT) is used for many options, so its text must name this one, which stands untranslated in each
/// language of `lc_messages`.
pub fn refuses_as_read_only(err: &ErrPacket<'_>) -> bool {
    let names: [&[u8]; 4] = [b"read-only", b"read_only", b"read only", b"read@002donly"];
    is_read_only_code(err.code) && (err.code != ER_OPTION_PREVENTS_STATEMENT || may_say(err, &names))
}

/// True if an error's text contains one of these, or cannot be known. Servers send it in the session's `character_set_results`, and
/// cut it at the first zero byte: in ucs2, utf16 and utf32 nothing is left of it, in utf16le the first letter. In MariaDB's
/// `filename`, a hyphen is `@002d`, and a space `@0020`.
fn may_say(err: &ErrPacket<'_>, any: &[&[u8]]) -> bool {
    err.message.len() <= 1
        || any.iter().any(|what| err.message.windows(what.len()).any(|words| words == *what))
}

/// The codes by which a server refuses a write because it is read-only: the option, MySQL's `innodb_read_only`, and the hook of
/// group replication.
fn is_read_only_code(code: u16) -> bool {
    matches!(code, ER_OPTION_PREVENTS_STATEMENT | ER_READ_ONLY_MODE | ER_RUN_HOOK_ERROR)
}

/// True for a code by which a server may say that it is not the primary, or not any longer: it is read-only, ends the
/// connection, or is a Galera node without a majority (ER_UNKNOWN_COM_ERROR, see `is_cut_off`). For statements that
/// succeeded on the former primary; where the text is at hand, `said` decides.
pub fn may_mean_not_primary(code: u16) -> bool {
    is_read_only_code(code) || ends_connection(code) || code == ER_UNKNOWN_COM_ERROR
}

/// True if the server ends the connection with this error: ER_SERVER_SHUTDOWN (1053), which MySQL also sends on a
/// killed connection, or MariaDB's ER_CONNECTION_KILLED (1927).
pub fn ends_connection(code: u16) -> bool {
    matches!(code, ER_SERVER_SHUTDOWN | ER_CONNECTION_KILLED)
}

/// Returns the ERR packet for a client that already has a part of the answer when the server ends the connection. The
/// server's 1053 is not forwarded, because drivers take it for the end of their own connection. Counts the statement in
/// `unknown` if its outcome is in doubt.
pub fn ended(no_doubt: bool, unknown: &Cell) -> ErrPacket<'static> {
    if no_doubt {
        let message = b"pointsman: the server ended the connection in the middle of the answer; run the statement again";
        return ErrPacket { code: ER_UNKNOWN_ERROR, sqlstate: *b"08S01", message };
    }
    unknown.add(1);
    let message = b"pointsman: the server ended the connection in the middle of the answer; what was under way may or may \
                    not have been executed";
    ErrPacket { code: ER_UNKNOWN_ERROR, sqlstate: *b"08007", message }
}

/// True if the bytes begin with an unsolicited ERR packet by which the server ends the connection. Such a packet has
/// sequence id 0, so it is not the answer to a statement that was sent at the same time. MySQL sends 4031
/// (ER_CLIENT_INTERACTION_TIMEOUT) to a client that was idle for too long.
pub fn is_farewell(bytes: &[u8]) -> bool {
    let [_, _, _, 0, 0xff, low, high, ..] = bytes else { return false };
    let code = u16::from_le_bytes([*low, *high]);
    ends_connection(code) || code == ER_CLIENT_INTERACTION_TIMEOUT
}

/// True if the server ended the connection in its answer to a command that the proxy sent in front of the statement.
pub fn is_ending(error: &SwallowError) -> bool {
    matches!(error, SwallowError::Schema(e) | SwallowError::State(e) if ends_connection(e.code))
}

/// True for the error that a Galera node returns for every statement while the node is not ready, or is not part of the
/// majority.
pub fn is_cut_off(err: &ErrPacket<'_>) -> bool {
    err.code == ER_UNKNOWN_COM_ERROR && may_say(err, &[b"WSREP ", b"WSREP@0020"])
}

/// True for Galera's 1180 for a commit that the node could not replicate. The error says that the commit failed. But if
/// the other nodes had received the transaction before the cluster split, it is committed there (see
/// `tests/it/groups.rs`).
pub fn may_be_committed(err: &ErrPacket<'_>) -> bool {
    err.code == ER_ERROR_DURING_COMMIT && may_say(err, &[b"provider status", b"provider@0020status"])
}

/// Replaces Galera's 1180, which may report a committed transaction as failed.
pub const MAY_BE_COMMITTED: ErrPacket<'static> = ErrPacket {
    code: ER_UNKNOWN_ERROR,
    sqlstate: *b"08007",
    message: b"pointsman: the server lost its group before it could confirm; the statement may or may not have been \
               executed",
};

/// True if a server refused the login for a temporary reason that has nothing to do with the account: too many
/// connections (1040, 1203, 1226), or the server ends the connection (1053, 1927). 1130 (ER_HOST_NOT_PRIVILEGED) is not
/// temporary.
pub fn is_passing(error: &ServerError) -> bool {
    matches!(
        error.code,
        ER_CON_COUNT_ERROR
            | ER_TOO_MANY_USER_CONNECTIONS
            | ER_USER_LIMIT_REACHED
            | ER_SERVER_SHUTDOWN
            | ER_CONNECTION_KILLED
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a server sends of the text in each character set that `character_set_results` can have and that is not as ASCII.
    fn in_each_charset(text: &str) -> [Vec<u8>; 4] {
        let filename = |c: char| match c {
            '0'..='9' | 'A'..='Z' | 'a'..='z' | '_' => c.to_string(),
            _ => format!("@{:04x}", u32::from(c)),
        };
        [
            text.into(),
            b"".into(),
            text.as_bytes()[..1].into(),
            text.chars().map(filename).collect::<String>().into(),
        ]
    }

    fn meaning(code: u16, message: &[u8]) -> ErrorMeaning {
        said(&ErrPacket { code, sqlstate: *b"HY000", message })
    }

    #[test]
    fn an_error_means_the_same_in_each_character_set() {
        for text in [
            "The MariaDB server is running with the --read-only option so it cannot execute this statement",
            "The MySQL server is running with the --super-read-only option so it cannot execute this statement",
            "MariaDB-Server läuft mit der Option --read-only",
        ] {
            for message in in_each_charset(text) {
                assert_eq!(meaning(1290, &message), ErrorMeaning::ReadOnly, "{}", message.escape_ascii());
            }
        }
        let [ascii, .., filename] =
            in_each_charset("running with the --secure-file-priv option so it cannot");
        for message in [ascii, filename] {
            assert_ne!(meaning(1290, &message), ErrorMeaning::ReadOnly);
        }
        for message in in_each_charset("WSREP has not yet prepared node for application use") {
            assert_eq!(meaning(1047, &message), ErrorMeaning::CutOff);
        }
        for message in in_each_charset("Got error 6 during COMMIT; provider status") {
            assert_eq!(meaning(1180, &message), ErrorMeaning::MayBeCommitted);
        }
        // These have no other meaning, and are translated.
        assert_eq!(meaning(1836, "l\u{e4}uft".as_bytes()), ErrorMeaning::ReadOnly);
        assert_eq!(meaning(3100, b""), ErrorMeaning::ReadOnly);
    }
}
