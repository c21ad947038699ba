//! How one try of a statement ended.

use crate::backend::{Mark, ServerError};
use crate::client::StatementError;
use crate::topology::ServerId;

/// How one try ended. Unless it can go elsewhere, the request is gone from the buffer.
pub(super) enum Outcome {
    /// The client has its answer.
    Done,
    /// Nothing was executed and nothing forwarded: it can go elsewhere.
    Again,
    /// A replica does not execute what was taken for a read, and executed nothing of it.
    NotHere,
    /// The server does not know the prepared statement, or wants it prepared anew; nothing was executed.
    PrepareAgain,
    /// A replica does not commit a transaction that only read: MariaDB with log_bin, where there was a savepoint.
    NotCommitted,
    /// A server that was taken for the primary says it is read-only; nothing was executed. Or any says that it ends the
    /// connection; nothing was forwarded.
    Refused(ServerError, ServerId),
    /// A replica was asked while the primary was quiet, but a write came in between: nothing was forwarded.
    Overtaken,
    /// The server is lost, and the open transaction can be run again on another, this statement behind it.
    Replay,
    /// A COMMIT without an answer, of which another server will know. The sequence id of the answer.
    LookUp(u8, Box<Unanswered>),
    /// The client gets an ERR packet with this sequence id, or none, and stays or not.
    Stop(u8, StatementError),
}

/// A COMMIT without an answer.
pub(super) struct Unanswered {
    /// The savepoint in front of the COMMIT.
    pub mark: Mark,
    /// The server that the COMMIT was sent to.
    pub server: ServerId,
}
