//! What the ERR packet proves by which a server refuses a connection or a probe. Only a server that lives sends one.
//!
//! | the code | proves | a pool | a probe |
//! |---|---|---|---|
//! | 1040 `ER_CON_COUNT_ERROR` | the server has as many connections as it takes | uses fewer | asks for a place |
//! | 1135 `ER_CANT_CREATE_THREAD` | the same: no thread for another one | uses fewer | asks for a place |
//! | 1037 `ER_OUTOFMEMORY`, 1041 `ER_OUT_OF_RESOURCES` | the same: no memory for another one | uses fewer | asks for a place |
//! | 1203 `ER_TOO_MANY_USER_CONNECTIONS` | the account has as many as it may have | uses fewer of it | the server lives |
//! | 1226 `ER_USER_LIMIT_REACHED` | the account has as many as it may have, or had as many logins in this hour | uses fewer of it | the server lives |
//! | 1129 `ER_HOST_IS_BLOCKED`, 1130 `ER_HOST_NOT_PRIVILEGED` | the server takes no new connection from here | keeps what it has | the server lives |
//! | 1045, 1698: access denied; 1251, 1524: the account's plugin; 1820, 1862: its password has expired; 3118, 3955, 4150, 4151: it is locked; 3159: it needs TLS | the server does not let this account in | fails | the server lives |
//! | 1053 `ER_SERVER_SHUTDOWN`, 1927 `ER_CONNECTION_KILLED` (MariaDB), 4031 `ER_CLIENT_INTERACTION_TIMEOUT` | the connection ends | | connects again |
//! | 1153 `ER_NET_PACKET_TOO_LARGE`, 1156 to 1161 (out of order, cannot be decompressed, read and write errors and timeouts) | the server could not read a request to its end, and mostly closes the connection | | |
//! | 1142, 1143, 1227, 1044: a right is missing | the server lives | | asks for less |
//! | anything else, such as 3032 `ER_SERVER_OFFLINE_MODE` | the server does not answer the question | fails | as if it did not answer |

use pointsman_wire::error_code::*;

/// What an ERR packet proves; see the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The server takes no more connections.
    ServerFull,
    /// The server takes no more connections of this account.
    AccountFull,
    /// The server takes no new connection from this host.
    HostRefused,
    /// The server does not let this account in.
    AccountRefused,
    /// The connection ends right behind the packet.
    ConnectionEnds,
    /// The account lacks a right.
    RightMissing,
    /// Nothing but that a server answers.
    Answers,
}

impl Proof {
    /// Returns what a packet with this code proves.
    pub fn of(code: u16) -> Self {
        match code {
            ER_CON_COUNT_ERROR | ER_CANT_CREATE_THREAD | ER_OUTOFMEMORY | ER_OUT_OF_RESOURCES => {
                Proof::ServerFull
            }
            ER_TOO_MANY_USER_CONNECTIONS | ER_USER_LIMIT_REACHED => Proof::AccountFull,
            ER_HOST_IS_BLOCKED | ER_HOST_NOT_PRIVILEGED => Proof::HostRefused,
            ER_ACCESS_DENIED_ERROR
            | ER_ACCESS_DENIED_NO_PASSWORD_ERROR
            | ER_NOT_SUPPORTED_AUTH_MODE
            | ER_PLUGIN_IS_NOT_LOADED
            | ER_MUST_CHANGE_PASSWORD
            | ER_MUST_CHANGE_PASSWORD_LOGIN
            | MYSQL_ER_ACCOUNT_HAS_BEEN_LOCKED
            | ER_USER_ACCESS_DENIED_FOR_USER_ACCOUNT_BLOCKED_BY_PASSWORD_LOCK
            | ER_USER_IS_BLOCKED
            | MARIADB_ER_ACCOUNT_HAS_BEEN_LOCKED
            | ER_SECURE_TRANSPORT_REQUIRED => Proof::AccountRefused,
            ER_SERVER_SHUTDOWN | ER_CONNECTION_KILLED | ER_CLIENT_INTERACTION_TIMEOUT => {
                Proof::ConnectionEnds
            }
            ER_TABLEACCESS_DENIED_ERROR
            | ER_COLUMNACCESS_DENIED_ERROR
            | ER_SPECIFIC_ACCESS_DENIED_ERROR
            | ER_DBACCESS_DENIED_ERROR => Proof::RightMissing,
            _ => Proof::Answers,
        }
    }

    /// True if the server works, although it refuses another connection, or this account: those that are open go on.
    pub fn lets_open_ones_go_on(self) -> bool {
        match self {
            Proof::ServerFull | Proof::AccountFull | Proof::HostRefused | Proof::AccountRefused => true,
            Proof::ConnectionEnds | Proof::RightMissing | Proof::Answers => false,
        }
    }
}

/// True if a server sends this code when it could not read a request to its end. It closes the connection then, except if
/// a SIGNAL statement raised the error.
pub fn stops_reading(code: u16) -> bool {
    matches!(code, ER_NET_PACKET_TOO_LARGE | 1156..=ER_NET_WRITE_INTERRUPTED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_one_consequence() {
        let of = |wanted: Proof| (0..=u16::MAX).filter(|code| Proof::of(*code) == wanted).collect::<Vec<_>>();
        assert_eq!(of(Proof::ServerFull), [1037, 1040, 1041, 1135]);
        assert_eq!(of(Proof::AccountFull), [1203, 1226]);
        assert_eq!(of(Proof::HostRefused), [1129, 1130]);
        let refused = [1045, 1251, 1524, 1698, 1820, 1862, 3118, 3159, 3955, 4150, 4151];
        assert_eq!(of(Proof::AccountRefused), refused);
        assert_eq!(of(Proof::ConnectionEnds), [1053, 1927, 4031]);
        assert_eq!(of(Proof::RightMissing), [1044, 1142, 1143, 1227]);
        let stops = (0..=u16::MAX).filter(|code| stops_reading(*code)).collect::<Vec<_>>();
        assert_eq!(stops, [1153, 1156, 1157, 1158, 1159, 1160, 1161]);
        let go_on = (0..=u16::MAX).filter(|code| Proof::of(*code).lets_open_ones_go_on()).count();
        assert_eq!(go_on, 19);
    }
}
