//! The longer texts of errors. Each says what happened, to what, and what to do.

use std::time::Duration;

use crate::backend::{Limit, ServerError};

/// ER_NOT_SUPPORTED_AUTH_MODE, in the server's words.
pub(super) const OLD_CLIENT: &str = "Client does not support authentication protocol requested by server; consider \
     upgrading MySQL client (pointsman: listeners.allow_native_password is false)";

pub(super) fn no_password(user: &str, os_user: &str) -> String {
    format!(
        "pointsman: the account '{user}' has no password (unix_socket, auth_socket), and the proxy cannot log in to the servers \
         as the operating system's user '{os_user}'; give the account a password, too, and write it in [[users]] with \
         unix_user = \"{os_user}\""
    )
}

/// ER_SECURE_TRANSPORT_REQUIRED, in the server's words.
pub(super) const INSECURE_TRANSPORT: &str = "Connections using insecure transport are prohibited while \
     --require_secure_transport=ON (pointsman: listeners.tls.mode is \"required\"; connect with TLS).";

pub(super) const PASSWORD_CHANGED: &str = "pointsman: the password of this account changed since this session \
     logged in, and the server refuses the former one; nothing was executed, connect again";

pub(super) const TOO_MANY_CONNECTIONS: &str =
    "Too many connections: pointsman: limits.max_connections is reached; try again later";

pub(super) const NO_MEMORY_FOR_CLIENTS: &str =
    "Too many connections: pointsman: limits.memory is used up; try again later";

pub(super) const OUT_OF_MEMORY: &str =
    "Out of memory: pointsman: limits.memory is used up; nothing was executed, try again later";

pub(super) const READ_TIMEOUT: &str =
    "Got timeout reading communication packets (pointsman: timeouts.client_read); connect again";

pub(super) const READ_ONLY_MAINTENANCE: &str = "The MariaDB server is running with the --read-only option so it \
     cannot execute this statement (pointsman: the cluster is in maintenance, by spec.maintenance.readOnly of its \
     resource)";

pub(super) const CORDONED: &str = "The server is currently in offline mode (pointsman: the cluster is cordoned, by \
     spec.maintenance.cordon of its resource, and takes no new connections; try again later)";

pub(super) const NO_REPLICA: &str =
    "pointsman: no replica serves reads, and replicas.fallback is \"none\"; try again later";

pub(super) const FORGOTTEN: &str = "pointsman: what the last statement did is not known any more: its server \
     connection is gone, or another session has had it since; this session keeps its connection from now on";

pub(super) const OWN_VARIABLE_PREPARED: &str = "pointsman: This command is not supported in the prepared statement \
     protocol yet: send statements about pointsman_consistency as text";

pub(super) const OWN_VARIABLE_SET_GLOBAL: &str = "pointsman: Variable 'pointsman_consistency' is a SESSION variable \
     and can't be used with SET GLOBAL; what sessions begin with is set in the proxy's configuration";

pub(super) const OWN_VARIABLE_NOT_ALONE: &str = "pointsman: pointsman_consistency is the proxy's own variable, \
     which no server knows: a SET or SELECT of it must be alone in its text; nothing was executed";

pub(super) const ROLLED_BACK: &str =
    "pointsman: the server was lost or demoted and the transaction rolled back; try restarting transaction";

pub(super) const OUTCOME_UNKNOWN: &str =
    "pointsman: the server was lost before it answered; the statement may or may not have been executed";

pub(super) const LOST_TWICE: &str = "pointsman: two servers were lost while they ran this statement, and no third \
     one gets it; nothing was changed by it";

pub(super) const ANSWER_CUT: &str =
    "pointsman: the server was lost in the middle of the answer; run the statement again";

pub(super) fn access_denied(user: &str, host: &str, password: bool) -> String {
    let using = if password { "YES" } else { "NO" };
    format!("Access denied for user '{user}'@'{host}' (using password: {using})")
}

pub(super) fn account_removed(user: &str) -> String {
    format!(
        "pointsman: Access denied for user '{user}': the account is not in the proxy's configuration any \
         more; nothing was executed"
    )
}

pub(super) fn too_many_of_address(host: &str) -> String {
    format!("Too many connections: pointsman: limits.max_connections_per_address is reached by {host}")
}

pub(super) fn too_many_of_user(user: &str) -> String {
    format!(
        "User {user} already has more than 'max_user_connections' active connections (pointsman: \
         limits.max_user_connections)"
    )
}

pub(super) fn blocked(host: &str, seconds: u32) -> String {
    format!(
        "Host '{host}' is blocked because of many connection errors (pointsman: limits.max_login_errors is \
         reached; it ends by itself within {seconds} s)"
    )
}

pub(super) fn too_many_statements(most: usize) -> String {
    format!(
        "Can't create more than max_prepared_stmt_count statements (pointsman: a session can have {most} \
         open, and 64 MiB of their texts, as long as limits.memory is not used up; close some)"
    )
}

pub(super) fn too_long_to_check(limit: usize) -> String {
    format!(
        "pointsman: a statement on a read-only port can be at most {limit} bytes long; use the read-write port"
    )
}

pub(super) fn read_only_port(why: &str) -> String {
    format!(
        "The MySQL server is running with the --read-only option so it cannot execute this statement \
         (pointsman: this is a read-only port, and the statement {why}; use the read-write port)"
    )
}

/// ER_STMT_HAS_NO_OPEN_CURSOR, in the words of MySQL or MariaDB.
pub(super) fn no_cursor(id: u32, of_mariadb: bool) -> String {
    format!("The statement ({id}) has no open cursor{}", if of_mariadb { "" } else { "." })
}

pub(super) fn no_thread(id: u64) -> String {
    format!(
        "Unknown thread id: {id} (pointsman: through a read-only port, KILL ends only sessions of the same account in this proxy)"
    )
}

pub(super) fn no_primary(waited: Duration, known: &str) -> String {
    format!(
        "pointsman: there is no primary, and none appeared within {:.1} s (failover.hold): {known}; nothing \
         was executed, try again",
        waited.as_secs_f64()
    )
}

pub(super) fn queue(waited: Duration, limit: Limit) -> String {
    let limit = match limit {
        Limit::Server => {
            "limits.max_server_connections is reached, or the server's max_connections less limits.reserve"
        }
        Limit::User => "max_connections of the user is reached",
        Limit::Account => "the server's own limit of connections for this account is reached",
        Limit::Full => {
            "the server takes no more connections (max_connections), and all that are open are in use"
        }
        Limit::Opening => "the server opens connections too slowly for all who wait",
    };
    format!(
        "pointsman: no server connection became free within {:.1} s (limits.queue_timeout): {limit}; try \
         again later",
        waited.as_secs_f64()
    )
}

pub(super) fn all_behind(waited: Duration) -> String {
    format!(
        "pointsman: for {:.1} s no replica was fresh enough for this read, and the primary had as many of \
         them as consistency.primary_share allows; try again later",
        waited.as_secs_f64()
    )
}

pub(super) fn state_refused(e: &ServerError) -> String {
    format!(
        "pointsman: the servers refuse the state of this session (error {}: {}); the statement was not \
         executed; undo that setting, or connect again",
        e.code,
        String::from_utf8_lossy(&e.message)
    )
}

pub(super) fn too_long_to_prepare(limit: usize) -> String {
    format!("pointsman: a statement that is prepared can be at most {limit} bytes long")
}

pub(super) fn unknown_level(word: &[u8]) -> String {
    format!(
        "pointsman: Variable 'pointsman_consistency' can't be set to the value of '{}'; it takes 'strong', \
         'session', 'bounded' or 'eventual'",
        String::from_utf8_lossy(word.get(..64).unwrap_or(word))
    )
}

pub(super) fn unreachable(why: &str) -> String {
    format!("pointsman: no server could be reached: {why}; nothing was executed, try again")
}

pub(super) fn not_passed(why: &str) -> String {
    format!("pointsman: the login cannot pass through the proxy: {why}")
}

pub(super) fn state_lost(what: &str) -> String {
    format!(
        "pointsman: the server was lost or demoted, and the session held {what}, which cannot move to \
         another; connect again"
    )
}
