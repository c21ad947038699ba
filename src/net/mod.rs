//! Bytes on sockets (`Stream`). Connecting, timers and spawning are behind `Runtime`. `system` has both for the operating
//! system's sockets, `memory` for tests. Sessions do not know which driver there is: tokio's epoll or io_uring (`ring`).
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
mod compression;
#[cfg(test)]
mod cut_wire;
mod driver;
mod endpoint;
mod handover;
mod lent;
mod listener;
#[cfg(test)]
pub mod memory;
mod origin;
mod os_user;
mod packet;
mod ring;
mod signal;
mod socket;
mod system;
mod timeout;
mod tls;
mod tunnel;
mod turn;

pub use budget::{Claim, MemoryBudget, SESSION_BYTES, WITHOUT_LIMIT};
pub use buffer::{Buf, BufferPool, LARGE_BUFFER, SMALL_BUFFER};
pub use compression::{Algorithm, Below, Compressed, Compression};
pub use driver::{ChosenDriver, Driver, NoIoUring};
pub use endpoint::{Endpoint, EndpointError, UNIX};
pub use handover::{Inherited, send_sockets};
pub use listener::{Accepted, Listener};
pub use origin::{Origin, Peer};
pub use packet::{PacketError, read_packet};
pub use ring::{end_lingering, lingering, run as run_on_ring};
pub use signal::{Signal, first_of, or_raised};
pub use system::{SystemRuntime, SystemStream};
pub use tls::{
    AcceptorMaker, AcceptorsCell, CertificateFacts, ClientTls, Encrypted, Io, TlsAcceptor, TlsCell,
    TlsClient, TlsError, UnverifiedCertificate,
};
pub use tunnel::{TunnelGate, tunnel};
pub use turn::turn_time;

use std::future::{Future, poll_fn};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// One connected socket.
///
/// Dropping a future of `write_all` cancels the operation and loses its buffer; the stream must be closed then.
pub trait Stream: 'static {
    /// Reads at least one byte and appends it to `buf`, which must have room. Returns 0 at the end of the stream. Both
    /// drivers copy into `buf` within the call, so that a reader may give up at any time and loses nothing.
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut Buf) -> Poll<io::Result<usize>>;

    /// Waits, without a buffer, until a read would return at once.
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// As `poll_read`. The future may be dropped at any time.
    fn read(&mut self, buf: &mut Buf) -> impl Future<Output = io::Result<usize>> {
        poll_fn(|cx| self.poll_read(cx, buf))
    }

    /// As `poll_readable`. The future may be dropped at any time.
    fn readable(&mut self) -> impl Future<Output = io::Result<()>> {
        poll_fn(|cx| self.poll_readable(cx))
    }

    /// Writes the content of `buf`. Returns `buf` unchanged on success. After an error `buf` has only the bytes that
    /// were not taken, so that its length shows whether anything was sent.
    fn write_all(&mut self, buf: Buf) -> impl Future<Output = (io::Result<()>, Buf)>;

    /// Writes as `write_all` does, and calls `took` whenever a part was taken, as far as the driver knows.
    fn write_all_noting(&mut self, buf: Buf, took: &dyn Fn()) -> impl Future<Output = (io::Result<()>, Buf)>;

    /// Encrypts a connection of a client that begins a TLS handshake. `begun` is what was already read of it. After an
    /// error, and if the future is dropped, the stream must be closed. Without a time limit.
    fn accept_tls(
        &mut self,
        acceptor: &TlsAcceptor,
        begun: &[u8],
    ) -> impl Future<Output = Result<ClientTls, TlsError>>;

    /// Compresses all that follows, as it was agreed in the login. `begun` is what was already read of the compressed
    /// stream.
    fn compress(&mut self, how: Compressed, begun: &[u8]);

    /// Notes that what the client sends next, or the proxy to the server in its place, belongs to the current command (a
    /// local file, a replica's acknowledgements), whatever its sequence id is. Compression must know where commands begin.
    fn continue_command(&mut self) {}

    /// Waits until the peer has closed its end, or the connection broke. The future may be dropped at any time.
    fn peer_closed(&mut self) -> impl Future<Output = ()>;

    /// Writes as much as possible without waiting, and returns how many bytes were taken. A driver that cannot do this
    /// returns 0; the caller then uses `write_all`. A driver may take bytes first and send them a moment later: see
    /// `never_left`.
    fn write_now(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Notes that what is written next is a request, for `never_left`.
    fn begins_request(&mut self) {}

    /// True if it is known that nothing of the request has left this process. Only for a stream that is aborted next.
    fn never_left(&mut self) -> bool {
        false
    }

    /// True if the peer is known to have closed its end, or the connection is known to be broken. Costs no
    /// system call.
    fn has_ended(&mut self) -> bool;

    /// True if the connection is known to be broken, so that nothing that is written arrives. False for a peer that has only
    /// closed its own half. Costs no system call.
    fn is_broken(&mut self) -> bool;

    /// True if the connection must end soon, because its keys have encrypted nearly as much as they may.
    fn is_worn(&mut self) -> bool {
        false
    }

    /// Reads without waiting. Returns `None` if there is nothing to read.
    fn read_now(&mut self, buf: &mut Buf) -> io::Result<Option<usize>>;

    /// True if anything (bytes, an end, an error) came since the last read drained the socket. Costs no
    /// system call; may be late by one turn of the event loop.
    fn has_news(&mut self) -> bool;

    /// True if a read would return at once. Asks the system, and so is never late.
    fn has_bytes(&mut self) -> bool;

    /// True if the peer has closed its end, and everything that it sent was read. Asks the system. False for an encrypted or
    /// compressed stream, where only a read can tell.
    fn is_at_end(&mut self) -> bool;

    /// Sets whether written bytes are held back until they fill a TCP segment (TCP_CORK). No effect on other sockets.
    fn cork(&mut self, on: bool);

    /// Ends writing: the peer reads an end behind the bytes that were written. Bytes that were held back are sent, too.
    fn shut(&mut self);

    /// As `shut`, but leaves an encrypted or compressed stream open, and returns false: its end is bytes, so that a server does
    /// not take the stream for ended, and a server writes nothing more to an encrypted one that ends without these bytes.
    fn shut_plain(&mut self) -> bool {
        self.shut();
        true
    }

    /// Returns the IP address of the other end. None: it has none, or the connection has ended.
    fn peer_address(&self) -> Option<IpAddr>;

    /// Returns the name of the operating system's user at the other end of a unix socket. None: another socket, or a user
    /// that this system does not know.
    fn os_user(&self) -> Option<Box<str>>;

    /// Discards written bytes that this host has not sent yet; they are not sent after the stream is dropped, either.
    /// A peer that cannot be reached now must not get them later.
    fn abort(&mut self);
}

/// Connecting, time and tasks of one worker.
pub trait Runtime: Clone + 'static {
    /// The sockets of this runtime.
    type Stream: Stream;

    /// Connects, without a time limit.
    fn connect(&self, to: &Endpoint) -> impl Future<Output = io::Result<Self::Stream>>;

    /// Returns the current TLS settings of a listener.
    fn acceptor(&self, listener: &str) -> Arc<TlsAcceptor>;

    /// Returns the current TLS settings for connections to servers.
    fn tls(&self) -> Arc<TlsClient>;

    /// Encrypts a connection to a server that waits for the TLS handshake. The server's certificate may be for any of
    /// these names, or, if there are none, for the host of its address. Without a time limit.
    fn secure(
        &self,
        stream: Self::Stream,
        tls: &TlsClient,
        names: &[Arc<str>],
        to: &Endpoint,
    ) -> impl Future<Output = Result<(Self::Stream, Encrypted), TlsError>>;

    /// Runs `future` at most this long. Returns None if the time is over.
    fn timeout<F: Future>(&self, limit: Duration, future: F) -> impl Future<Output = Option<F::Output>>;

    /// Waits this long.
    fn sleep(&self, time: Duration) -> impl Future<Output = ()>;

    /// Runs long work on another thread, and returns its result. None if that thread panicked.
    fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = Option<T>>;

    /// Lets all other tasks of this thread run first.
    fn give_way(&self) -> impl Future<Output = ()>;

    /// Runs a task concurrently with the caller, on the same thread.
    fn spawn(&self, task: impl Future<Output = ()> + 'static);
}
