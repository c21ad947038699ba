//! A socket of either driver, without encryption, and how TLS reads and writes it.

use std::io;
use std::mem::MaybeUninit;
use std::net::IpAddr;
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};
use tokio::net::{TcpStream, UnixStream};

use super::ring::RingSocket;
use super::tls::Io;

/// A connected socket.
#[derive(Debug)]
pub(super) enum Socket {
    /// TCP, with TCP_NODELAY and keepalive.
    Tcp(TcpStream),
    /// Unix.
    Unix(UnixStream),
    /// Either of them, on io_uring.
    Ring(RingSocket),
}

impl Socket {
    /// Returns the socket for its options.
    pub fn options(&self) -> SockRef<'_> {
        match self {
            Socket::Tcp(s) => SockRef::from(s),
            Socket::Unix(s) => SockRef::from(s),
            Socket::Ring(s) => s.options(),
        }
    }

    /// True for a unix socket.
    pub fn is_unix(&self) -> bool {
        match self {
            Socket::Tcp(_) => false,
            Socket::Unix(_) => true,
            Socket::Ring(s) => s.is_unix(),
        }
    }

    /// Returns the IP address of the other end. None: a unix socket, or the connection has ended.
    pub fn peer_address(&self) -> Option<IpAddr> {
        match self {
            Socket::Tcp(s) => s.peer_addr().ok().map(|peer| peer.ip()),
            Socket::Unix(_) => None,
            Socket::Ring(s) => s.options().peer_addr().ok()?.as_socket().map(|peer| peer.ip()),
        }
    }

    /// Returns the id of the operating system's user at the other end of a unix socket.
    pub fn os_user_id(&self) -> Option<u32> {
        match self {
            Socket::Tcp(_) => None,
            Socket::Unix(s) => s.peer_cred().ok().map(|peer| peer.uid()),
            Socket::Ring(s) => s.os_user_id(),
        }
    }

    pub fn poll_read(&mut self, cx: &mut Context<'_>, room: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Socket::Tcp(s) => Pin::new(s).poll_read(cx, room),
            Socket::Unix(s) => Pin::new(s).poll_read(cx, room),
            Socket::Ring(s) => {
                let n = ready!(s.poll_read(cx, room.initialize_unfilled()))?;
                room.advance(n);
                Poll::Ready(Ok(()))
            }
        }
    }

    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Socket::Tcp(s) => Pin::new(s).poll_write(cx, bytes),
            Socket::Unix(s) => Pin::new(s).poll_write(cx, bytes),
            Socket::Ring(s) => s.poll_write(cx, bytes),
        }
    }

    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Socket::Tcp(s) => s.poll_read_ready(cx),
            Socket::Unix(s) => s.poll_read_ready(cx),
            Socket::Ring(s) => s.poll_read_ready(cx),
        }
    }

    /// Waits until the peer has closed its end, or the connection broke.
    pub fn poll_ended(&self, cx: &mut Context<'_>) -> Poll<()> {
        let interest = Interest::READABLE | Interest::ERROR;
        match self {
            Socket::Tcp(s) => ended(std::pin::pin!(s.ready(interest)).poll(cx)),
            Socket::Unix(s) => ended(std::pin::pin!(s.ready(interest)).poll(cx)),
            Socket::Ring(s) => s.poll_ended(cx),
        }
    }

    /// True if the connection is known to be broken, or both of its halves to be closed.
    pub fn is_broken(&self) -> bool {
        let cx = &mut Context::from_waker(Waker::noop());
        let interest = Interest::WRITABLE | Interest::ERROR;
        let ready = match self {
            Socket::Tcp(s) => std::pin::pin!(s.ready(interest)).poll(cx),
            Socket::Unix(s) => std::pin::pin!(s.ready(interest)).poll(cx),
            Socket::Ring(s) => return s.is_broken(),
        };
        match ready {
            Poll::Ready(Ok(ready)) => ready.is_error() || ready.is_write_closed(),
            Poll::Ready(Err(_)) => true,
            Poll::Pending => false,
        }
    }

    pub fn try_read(&self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(s) => s.try_read(room),
            Socket::Unix(s) => s.try_read(room),
            Socket::Ring(s) => s.try_read(room),
        }
    }

    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(s) => s.try_write(bytes),
            Socket::Unix(s) => s.try_write(bytes),
            Socket::Ring(s) => s.try_write(bytes),
        }
    }

    /// Notes that what is written next is a request.
    pub fn begins_request(&self) {
        match self {
            Socket::Tcp(_) | Socket::Unix(_) => {}
            Socket::Ring(s) => s.begins_request(),
        }
    }

    /// True if it is known that nothing of the request has left.
    pub fn never_left(&self) -> bool {
        match self {
            // What these write is taken.
            Socket::Tcp(_) | Socket::Unix(_) => false,
            Socket::Ring(s) => s.never_left(),
        }
    }

    /// Ends writing.
    pub fn shut(&self) {
        match self {
            Socket::Ring(s) => s.shut(),
            // An error does not matter: the socket is closed next.
            Socket::Tcp(_) | Socket::Unix(_) => _ = self.options().shutdown(Shutdown::Write),
        }
    }

    /// Discards what this host has not sent yet.
    pub fn abort(&self) {
        if let Socket::Ring(s) = self {
            s.abort();
        }
        // Without this option the kernel would try to deliver for minutes after the close. A Unix socket has already
        // delivered all bytes that it took.
        if !self.is_unix() {
            let _ = self.options().set_linger(Some(Duration::ZERO));
        }
    }

    /// True if a read would return at once. Asks the system, and so is never late.
    pub fn has_bytes(&self) -> bool {
        if let Socket::Ring(s) = self {
            return s.has_bytes();
        }
        let looked = self.options().peek(&mut [MaybeUninit::uninit()]);
        !looked.is_err_and(|e| e.kind() == io::ErrorKind::WouldBlock)
    }

    /// True if a read would return the end at once. Asks the system.
    pub fn is_at_end(&self) -> bool {
        if let Socket::Ring(s) = self {
            return s.is_at_end();
        }
        matches!(self.options().peek(&mut [MaybeUninit::uninit()]), Ok(0))
    }

    /// Checks only what the event loop knows. Registers no task to be woken.
    pub fn looks_readable(&self) -> bool {
        match self {
            Socket::Tcp(s) => s.try_io(Interest::READABLE, || Ok(())).is_ok(),
            Socket::Unix(s) => s.try_io(Interest::READABLE, || Ok(())).is_ok(),
            Socket::Ring(s) => s.looks_readable(),
        }
    }
}

/// Decides whether a readable socket has an end or an error, or only bytes. Bytes of the next command
/// do not count; an end behind them is found when they are read.
fn ended(ready: Poll<io::Result<Ready>>) -> Poll<()> {
    match ready {
        Poll::Ready(Ok(ready)) if !ready.is_read_closed() && !ready.is_error() => Poll::Pending,
        Poll::Ready(_) => Poll::Ready(()),
        Poll::Pending => Poll::Pending,
    }
}

/// A socket for a call that waits.
pub(super) struct SocketWait<'a, 'c>(pub &'a mut Socket, pub &'a mut Context<'c>);

impl Io for SocketWait<'_, '_> {
    fn read(&mut self, room: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut room = ReadBuf::new(room);
        ready!(self.0.poll_read(self.1, &mut room))?;
        Poll::Ready(Ok(room.filled().len()))
    }

    fn write(&mut self, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.poll_write(self.1, bytes)
    }
}

/// A socket for a call that does not wait.
pub(super) struct AtOnce<'a>(pub &'a Socket);

fn now(result: io::Result<usize>) -> Poll<io::Result<usize>> {
    match result {
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
        result => Poll::Ready(result),
    }
}

impl Io for AtOnce<'_> {
    fn read(&mut self, room: &mut [u8]) -> Poll<io::Result<usize>> {
        now(self.0.try_read(room))
    }

    fn write(&mut self, bytes: &[u8]) -> Poll<io::Result<usize>> {
        now(self.0.try_write(bytes))
    }
}
