//! What workers are told, and what they ask of the rest of the process.

use tokio::sync::oneshot;

use crate::backend::{Lesson, PoolCount, PooledQuestion};
use crate::net::Accepted;
use crate::telemetry::DigestReport;
use crate::telemetry::stream::{Filter, TapBatch, TapId};
use crate::topology::{GtidSet, ServerId};
use crate::worker::admission::Pass;
use crate::worker::{Entrance, KillRequest, SessionReport};

/// What to probe or read now, or to warn of.
#[derive(Debug, Clone)]
pub enum Kick {
    /// This server.
    One(ServerId),
    /// This server, over a new connection.
    Anew(ServerId),
    /// All servers.
    All,
    /// No server, but the catalogue of routines must be read again: a session changed a routine.
    Routines,
    /// No server, but the account tables must be read again: a login failed.
    Accounts,
    /// No server, but a warning: an account of the servers that passes `read_only` has logged in.
    PassesReadOnly(Box<str>),
}

/// What a reader of the stream of statements wants.
pub enum TapRequest {
    /// Show the statements to one more reader.
    Open {
        /// The reader.
        id: TapId,
        /// The statements that it wants.
        filter: Box<Filter>,
    },
    /// Report the statements that wait for a reader.
    Read {
        /// The reader.
        id: TapId,
        /// The statements.
        reply: oneshot::Sender<TapBatch>,
    },
    /// The reader is gone.
    Close(TapId),
}

/// A client that is admitted, and has no session yet.
pub struct AdmittedClient {
    /// Its socket.
    pub socket: Accepted,
    /// Where it came in.
    pub entrance: Entrance,
    /// Its place among the clients.
    pub pass: Pass,
}

/// A command for a worker.
pub enum Control {
    /// A socket that another worker accepted. Boxed, because all other commands are small.
    Adopt(Box<AdmittedClient>),
    /// Kill a session, if this worker has it.
    Kill {
        /// The session, and what to kill.
        request: KillRequest,
        /// True if the session was found here.
        reply: oneshot::Sender<bool>,
    },
    /// Report the writes of this generation that were acknowledged to clients.
    AcknowledgedWrites {
        /// The generation.
        generation: u64,
        /// The writes; None: the position of a write is unknown.
        reply: oneshot::Sender<Option<GtidSet>>,
    },
    /// Report these digests: from this place on, at most so many.
    Digests {
        /// The first place.
        from: usize,
        /// The most digests to report.
        most: usize,
        /// The digests, and the sums of those that lost their place.
        reply: oneshot::Sender<DigestReport>,
    },
    /// About a reader of the stream of statements.
    Tap(TapRequest),
    /// Forget what was counted by digest.
    ForgetDigests,
    /// Describe sessions: the first `most` of those whose id is larger than `after`.
    Sessions {
        /// The id of the last session that was described already.
        after: Option<u32>,
        /// The most sessions to describe.
        most: usize,
        /// The sessions, in the order of their ids.
        reply: oneshot::Sender<Vec<SessionReport>>,
    },
    /// Count the server connections.
    Pools {
        /// The counts, several for each server and account.
        reply: oneshot::Sender<Vec<PoolCount>>,
    },
    /// Ask a server something over a connection that is idle.
    Ask(PooledQuestion),
    /// Another worker had a server check a password.
    Learned(Lesson),
    /// A second has passed: check the timeouts.
    Tick,
    /// Stop accepting. Each session ends at a moment when its client notices it before sending another
    /// statement.
    Drain,
    /// The drain's time is nearly over: sessions end at their next transaction boundary.
    Press,
    /// The drain's time is over: all remaining sessions end now.
    End,
}
