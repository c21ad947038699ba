//! How one try of a statement ended.

use crate::backend::{Mark, ServerError};
use crate::client::StatementError;
use crate::session::observe::EndedTry;
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

impl Outcome {
    /// Returns what a trace says of the try. `code`, `rows`: what the server answered to a statement that is done.
    pub fn traced(&self, code: Option<u16>, rows: u64) -> EndedTry {
        let outcome = match self {
            Outcome::Done => "answered",
            Outcome::Again => "lost",
            Outcome::NotHere | Outcome::Refused(..) => "refused",
            Outcome::PrepareAgain => "prepare_again",
            Outcome::NotCommitted => "not_committed",
            Outcome::Overtaken => "overtaken",
            Outcome::Replay => "lost_in_transaction",
            Outcome::LookUp(..) => "lost_at_commit",
            Outcome::Stop(..) => "stopped",
        };
        let (error, rows) = match self {
            Outcome::Done => (code, rows),
            Outcome::Refused(error, _) => (Some(error.code), 0),
            _ => (None, 0),
        };
        EndedTry { outcome, error, rows }
    }
}

/// A marked COMMIT that the server did not answer.
pub(in crate::session) struct UnansweredTry {
    /// The savepoint that was sent in front of the COMMIT.
    pub mark: Mark,
    /// The server that the COMMIT was sent to.
    pub server: ServerId,
}
