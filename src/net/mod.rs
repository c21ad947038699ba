//! Bytes on sockets. I/O is shaped for completion: a buffer goes in and comes back with
//! the result, behind `Stream`; connecting, timers and spawning stand behind `Runtime`.
//! Sessions name neither tokio nor epoll, so that a driver on io_uring can follow.
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

mod budget;
mod buffer;
mod endpoint;
mod handover;
mod listener;
#[cfg(test)]
pub mod memory;
mod origin;
mod packet;
mod signal;
mod tls;
mod tokio_driver;
mod tunnel;

pub use budget::{Claim, MemoryBudget, SESSION_BYTES, WITHOUT_LIMIT};
pub use buffer::{Buf, BufferPool, LARGE_BUFFER, SMALL_BUFFER};
pub use endpoint::{Endpoint, EndpointError};
pub use handover::{Inherited, send_sockets};
pub use listener::{Accepted, Listener};
pub use origin::{Origin, Peer};
pub use packet::{PacketError, read_packet};
pub use signal::{Signal, or_raised};
pub use tls::{Encrypted, TlsCell, TlsClient, TlsError};
pub use tokio_driver::{TokioRuntime, TokioStream};
pub use tunnel::{Passing, tunnel};

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// One connected socket.
///
/// Dropping a future of `read` or `write_all` cancels the operation and loses its buffer; whoever
/// does that closes the stream.
pub trait Stream: 'static {
    /// Reads at least one byte behind what `buf` has, which must have room. 0 is the end.
    fn read(&mut self, buf: Buf) -> impl Future<Output = (io::Result<usize>, Buf)>;

    /// Writes all that `buf` has. It comes back unchanged; after an error it has only what was not taken,
    /// so that its length tells whether anything was sent.
    fn write_all(&mut self, buf: Buf) -> impl Future<Output = (io::Result<()>, Buf)>;

    /// The same, and calls `took` whenever a part was taken, as far as the driver can tell.
    fn write_all_noting(&mut self, buf: Buf, took: &dyn Fn()) -> impl Future<Output = (io::Result<()>, Buf)>;

    /// Waits, without a buffer, until a read would return. May be dropped at any time.
    fn readable(&mut self) -> impl Future<Output = io::Result<()>>;

    /// Waits until the peer has closed its end, or the connection broke. May be dropped at any time.
    fn peer_closed(&mut self) -> impl Future<Output = ()>;

    /// Writes as much as is taken without waiting; 0 is nothing. A driver that cannot tell says 0, and all
    /// goes through `write_all`.
    fn write_now(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Whether the peer has closed its end, or the connection broke, as far as is known here. Costs no
    /// system call.
    fn has_ended(&mut self) -> bool;

    /// Reads what is there, without waiting: `None` if nothing is.
    fn read_now(&mut self, buf: &mut Buf) -> io::Result<Option<usize>>;

    /// Whether anything (bytes, an end, an error) came since the last read drained the socket. Costs no
    /// system call; may be late by one turn of the event loop.
    fn has_news(&mut self) -> bool;

    /// Whether a read would return at once. Asks the system, and so is never late.
    fn has_bytes(&mut self) -> bool;

    /// Holds what is written back until there is a whole packet of it, or lets it go. Only where packets are.
    fn cork(&mut self, on: bool);

    /// Nothing is written any more: the peer reads an end behind what was. What was held back goes with it.
    fn shut(&mut self);

    /// What was written and is still on its way here is not sent any more, also not after the stream is dropped: a
    /// peer that cannot be reached now must not get it later.
    fn abort(&mut self);
}

/// Connecting, time and tasks of one worker.
pub trait Runtime: Clone + 'static {
    /// Its sockets.
    type Stream: Stream;

    /// Connects, without a time limit.
    fn connect(&self, to: &Endpoint) -> impl Future<Output = io::Result<Self::Stream>>;

    /// How connections to servers are encrypted as of now.
    fn tls(&self) -> Arc<TlsClient>;

    /// Encrypts a connection to a server that waits for that: it may have any of these names, or that of its
    /// address if there are none. Without a time limit.
    fn secure(
        &self,
        stream: Self::Stream,
        tls: &TlsClient,
        names: &[Arc<str>],
        to: &Endpoint,
    ) -> impl Future<Output = Result<(Self::Stream, Encrypted), TlsError>>;

    /// Runs `future` at most this long.
    fn timeout<F: Future>(&self, limit: Duration, future: F) -> impl Future<Output = Option<F::Output>>;

    /// Waits.
    fn sleep(&self, time: Duration) -> impl Future<Output = ()>;

    /// Runs work that takes long on another thread, and hands its result back. None: that thread panicked.
    fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = Option<T>>;

    /// Lets everything else on this thread go on first.
    fn give_way(&self) -> impl Future<Output = ()>;

    /// Runs beside the caller, on the same thread.
    fn spawn(&self, task: impl Future<Output = ()> + 'static);
}
