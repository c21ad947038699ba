//! Server connections: opens, authenticates, pools and resets them, and sets a session's state on them. A
//! connection belongs to one worker; the workers share only the limits in `Ceilings`.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::cast_possible_truncation
    )
)]

pub mod accounts;
mod carried;
mod ceilings;
mod collations;
mod connect;
mod connection;
mod credentials;
mod dump;
mod equal_states;
mod grants;
mod insert_id;
mod instance;
mod introduction;
mod learned;
mod loads;
mod login_names;
mod passing;
mod pool;
mod query;
mod session_variables;
mod shelf;
mod statements;
mod user_variables;
mod variable_values;

pub use carried::{Carried, Charset, Onto};
pub use ceilings::{Ceilings, Full, Permit, Renewals, WaitingMark};
pub use collations::{DEFAULT_COLLATION, charset_of, client_collation, is_collation_of, is_known_charset};
pub use connect::{ConnectError, Login, Target, connect};
pub use connection::{
    About, Class, Connection, Left, Mark, RefusedCommand, ServerThread, Settled, SwallowError, TextStatement,
    TextStatements, read_mark,
};
pub use credentials::{Credential, Credentials, Proven, Standing};
pub use equal_states::EqualStates;
pub use grants::{may_change_servers, passes_read_only};
pub use insert_id::{InsertId, InsertIdCell, PendingInsertId};
pub use instance::instance_question;
pub use introduction::{Announced, Introduction};
pub use learned::{Learned, Lesson};
pub use loads::{Loads, serving_workers};
pub use login_names::{in_utf8, is_well_formed};
pub use passing::{PassingConnection, PassingLogin, refusal, take_packet};
pub use pool::{
    Applicant, Leased, Limit, Place, Pool, PoolCount, PoolKey, PooledQuestion, TakeError, Terms, own_class,
};
pub use query::{ColumnType, QueryError, ResultSet, Values};
pub use session_variables::is_charset_name;
pub use shelf::Seat;
pub use statements::{PreparedText, ServerStatement, Statements};
pub use user_variables::{UserVariable, UserVariables};
pub use variable_values::write_name;

/// The contents of an ERR packet, owned, so that they outlive the packet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("error {code} ({}): {}", String::from_utf8_lossy(sqlstate), String::from_utf8_lossy(message))]
pub struct ServerError {
    /// The error code.
    pub code: u16,
    /// The SQLSTATE: five characters.
    pub sqlstate: [u8; 5],
    /// The server's error message.
    pub message: Vec<u8>,
}

impl ServerError {
    /// Makes an error with the SQLSTATE that the servers send with its code.
    pub fn new(code: u16, message: impl Into<Vec<u8>>) -> Self {
        ServerError { code, sqlstate: crate::wire::error_code::sqlstate(code), message: message.into() }
    }
}

impl From<&crate::wire::ErrPacket<'_>> for ServerError {
    fn from(err: &crate::wire::ErrPacket<'_>) -> Self {
        ServerError { code: err.code, sqlstate: err.sqlstate, message: err.message.to_vec() }
    }
}
