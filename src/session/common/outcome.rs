//! How one try of a statement ended.

use crate::backend::{Mark, ServerError};
use crate::client::StatementError;
use crate::topology::ServerId;

/// How one try of a statement ended. The request stays in the buffer only if the statement can be tried again.
pub(in crate::session) enum Outcome {
    /// The client has the complete answer, or the command has no answer.
    Done,
    /// The statement can run again: the server did not execute it, or only with effects that are lost or harmless.
    /// Nothing was forwarded.
    Again,
    /// A replica refused a statement that the proxy took for a read, and executed nothing.
    NotHere,
    /// The server does not know the prepared statement, or requires it to be prepared again. Nothing was executed.
    PrepareAgain,
    /// A replica does not commit the transaction, which only read (MariaDB with log_bin, after a savepoint): the proxy
    /// rolls it back instead.
    NotCommitted,
    /// This server returned this error, which was not forwarded. Either a server that was taken for the primary refused
    /// the statement as read-only or interrupted it, and executed nothing; or any server ends the connection.
    Refused(ServerError, ServerId),
    /// A replica executed the read before the primary had confirmed its position, and the primary did not confirm it.
    /// Nothing was forwarded.
    Overtaken,
    /// The server is lost. The open transaction can be replayed on another server, and this statement run after it.
    Replay,
    /// The server was lost before it answered a COMMIT. The next primary knows the result. The number is the sequence
    /// id of the answer that the client gets.
    LookUp(u8, Box<UnansweredTry>),
    /// The statement ends with this error. The number is the sequence id of the ERR packet, if the client gets one.
    Stop(u8, StatementError),
}

/// A marked COMMIT that the server did not answer.
pub(in crate::session) struct UnansweredTry {
    /// The savepoint that was sent in front of the COMMIT.
    pub mark: Mark,
    /// The server that the COMMIT was sent to.
    pub server: ServerId,
}
