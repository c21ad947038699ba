//! The portable driver: tokio's readiness, on a current-thread runtime.

use std::future::{Future, poll_fn};
use std::io;
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};
use tokio::net::{TcpStream, UnixStream};

use super::tls::{Io, Tls};
use super::{Buf, Encrypted, Endpoint, Runtime, Stream, TlsCell, TlsClient, TlsError};

/// A TCP or Unix socket.
#[derive(Debug)]
pub enum TokioStream {
    /// TCP, with TCP_NODELAY and keepalive.
    Tcp(TcpStream),
    /// Unix.
    Unix(UnixStream),
    /// TCP, encrypted. Boxed, so that the other variants stay small.
    Tls(Box<TlsStream>),
}

/// TLS over TCP, to a server.
#[derive(Debug)]
pub struct TlsStream {
    socket: TcpStream,
    tls: Tls,
}

/// A socket for a call that waits.
struct Waiting<'a, 'c>(&'a mut TcpStream, &'a mut Context<'c>);

impl Io for Waiting<'_, '_> {
    fn read(&mut self, room: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut room = ReadBuf::new(room);
        ready!(Pin::new(&mut *self.0).poll_read(self.1, &mut room))?;
        Poll::Ready(Ok(room.filled().len()))
    }

    fn write(&mut self, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0).poll_write(self.1, bytes)
    }
}

/// A socket for a call that does not wait.
struct AtOnce<'a>(&'a TcpStream);

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

impl TlsStream {
    /// Returns the state machine, and the socket for a call that waits.
    fn waiting<'a, 'c>(&'a mut self, cx: &'a mut Context<'c>) -> (&'a mut Tls, Waiting<'a, 'c>) {
        (&mut self.tls, Waiting(&mut self.socket, cx))
    }

    /// Returns the state machine, and the socket for a call that does not wait.
    fn at_once(&mut self) -> (&mut Tls, AtOnce<'_>) {
        (&mut self.tls, AtOnce(&self.socket))
    }

    /// Waits for the end as `TokioStream::poll_ended` does. Processes records first: they may have no data, or announce
    /// the end.
    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (tls, mut io) = self.waiting(cx);
        if ready!(tls.poll_readable(&mut io)).is_err() || tls.has_ended() {
            return Poll::Ready(());
        }
        poll_ended(&self.socket, cx)
    }
}

fn poll_ended(socket: &TcpStream, cx: &mut Context<'_>) -> Poll<()> {
    ended(std::pin::pin!(socket.ready(Interest::READABLE | Interest::ERROR)).poll(cx))
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

/// Sets TCP_NODELAY and keepalive: a peer that vanished is noticed after 60 + 3 × 10 s. On Linux an accepted
/// socket inherits these options from its listening socket.
pub(super) fn tune(socket: &SockRef<'_>) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(60))
        .with_interval(Duration::from_secs(10))
        .with_retries(3);
    socket.set_tcp_keepalive(&keepalive)
}

impl TokioStream {
    fn socket(&self) -> SockRef<'_> {
        match self {
            TokioStream::Tcp(s) => SockRef::from(s),
            TokioStream::Unix(s) => SockRef::from(s),
            TokioStream::Tls(s) => SockRef::from(&s.socket),
        }
    }

    /// Reads into the room of `buf`; 0 is the end.
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut Buf) -> Poll<io::Result<usize>> {
        let mut room = ReadBuf::new(buf.room_mut());
        match self {
            TokioStream::Tcp(s) => ready!(Pin::new(s).poll_read(cx, &mut room))?,
            TokioStream::Unix(s) => ready!(Pin::new(s).poll_read(cx, &mut room))?,
            TokioStream::Tls(s) => {
                let (tls, mut io) = s.waiting(cx);
                return tls.poll_read(&mut io, buf);
            }
        }
        let n = room.filled().len();
        buf.grew(n);
        Poll::Ready(Ok(n))
    }

    /// Writes the bytes behind `written`, and advances it. After an error `written` is how many bytes were taken.
    fn poll_write_all(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        written: &mut usize,
    ) -> Poll<io::Result<()>> {
        while let Some(rest) = bytes.get(*written..).filter(|rest| !rest.is_empty()) {
            let n = match self {
                TokioStream::Tcp(s) => ready!(Pin::new(s).poll_write(cx, rest))?,
                TokioStream::Unix(s) => ready!(Pin::new(s).poll_write(cx, rest))?,
                TokioStream::Tls(_) => break,
            };
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            *written += n;
        }
        match self {
            TokioStream::Tls(s) => {
                let (tls, mut io) = s.waiting(cx);
                tls.poll_write(&mut io, bytes, written)
            }
            _ => Poll::Ready(Ok(())),
        }
    }

    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            TokioStream::Tcp(s) => s.poll_read_ready(cx),
            TokioStream::Unix(s) => s.poll_read_ready(cx),
            TokioStream::Tls(s) => {
                let (tls, mut io) = s.waiting(cx);
                tls.poll_readable(&mut io)
            }
        }
    }

    fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            TokioStream::Tcp(s) => poll_ended(s, cx),
            TokioStream::Unix(s) => {
                ended(std::pin::pin!(s.ready(Interest::READABLE | Interest::ERROR)).poll(cx))
            }
            TokioStream::Tls(s) if s.tls.has_ended() => Poll::Ready(()),
            TokioStream::Tls(s) => poll_ended(&s.socket, cx),
        }
    }
}

impl Stream for TokioStream {
    async fn read(&mut self, mut buf: Buf) -> (io::Result<usize>, Buf) {
        // `poll_read` marks the socket as drained when a read does not fill the room, which saves the
        // second read that would only say EAGAIN.
        let result = poll_fn(|cx| self.poll_read(cx, &mut buf)).await;
        (result, buf)
    }

    async fn write_all(&mut self, buf: Buf) -> (io::Result<()>, Buf) {
        self.write_all_noting(buf, &|| {}).await
    }

    async fn write_all_noting(&mut self, mut buf: Buf, took: &dyn Fn()) -> (io::Result<()>, Buf) {
        let mut written = 0;
        let result = poll_fn(|cx| {
            let before = written;
            let polled = self.poll_write_all(cx, buf.filled(), &mut written);
            if written > before {
                took();
            }
            polled
        })
        .await;
        if result.is_err() {
            buf.consume(written);
        }
        (result, buf)
    }

    async fn readable(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_readable(cx)).await
    }

    async fn peer_closed(&mut self) {
        poll_fn(|cx| match &mut *self {
            TokioStream::Tls(s) => s.poll_closed(cx),
            plain => ready!(plain.poll_readable(cx)).map_or(Poll::Ready(()), |()| plain.poll_ended(cx)),
        })
        .await;
    }

    fn write_now(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = match self {
            TokioStream::Tcp(s) => s.try_write(bytes),
            TokioStream::Unix(s) => s.try_write(bytes),
            TokioStream::Tls(s) => {
                let (tls, mut io) = s.at_once();
                return tls.write_now(&mut io, bytes);
            }
        };
        match result {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(0),
            result => result,
        }
    }

    fn has_ended(&mut self) -> bool {
        self.poll_ended(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    fn read_now(&mut self, buf: &mut Buf) -> io::Result<Option<usize>> {
        let result = match self {
            TokioStream::Tcp(s) => s.try_read(buf.room_mut()),
            TokioStream::Unix(s) => s.try_read(buf.room_mut()),
            TokioStream::Tls(s) => {
                let (tls, mut io) = s.at_once();
                return match tls.poll_read(&mut io, buf) {
                    Poll::Ready(result) => result.map(Some),
                    Poll::Pending => Ok(None),
                };
            }
        };
        match result {
            Ok(n) => {
                buf.grew(n);
                Ok(Some(n))
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn has_news(&mut self) -> bool {
        // Only checks what the event loop knows; registers no task to be woken.
        let looked = match self {
            TokioStream::Tcp(s) => s.try_io(Interest::READABLE, || Ok(())),
            TokioStream::Unix(s) => s.try_io(Interest::READABLE, || Ok(())),
            TokioStream::Tls(s) if s.tls.has_news() => Ok(()),
            TokioStream::Tls(s) => s.socket.try_io(Interest::READABLE, || Ok(())),
        };
        looked.is_ok()
    }

    fn has_bytes(&mut self) -> bool {
        if let TokioStream::Tls(s) = self {
            // Bytes on the socket may be records without data.
            let (tls, mut io) = s.at_once();
            return tls.poll_readable(&mut io).is_ready();
        }
        let looked = self.socket().peek(&mut [MaybeUninit::uninit()]);
        !looked.is_err_and(|e| e.kind() == io::ErrorKind::WouldBlock)
    }

    fn cork(&mut self, on: bool) {
        if !matches!(self, TokioStream::Unix(_)) {
            // Best effort: without the cork the end is sent in a separate packet.
            let _ = self.socket().set_tcp_cork(on);
        }
    }

    fn shut(&mut self) {
        if let TokioStream::Tls(s) = self {
            let (tls, mut io) = s.at_once();
            tls.close(&mut io);
        }
        // An error does not matter: the socket is closed next.
        let _ = self.socket().shutdown(Shutdown::Write);
    }

    fn abort(&mut self) {
        match self {
            // Without this option the kernel would try to deliver for minutes after the close.
            TokioStream::Tcp(s) => drop(s.set_zero_linger()),
            // A Unix socket has already delivered all bytes that it took.
            TokioStream::Unix(_) => {}
            TokioStream::Tls(s) => {
                s.tls.abandon();
                drop(s.socket.set_zero_linger());
            }
        }
    }
}

/// tokio's current-thread runtime with a `LocalSet`.
#[derive(Debug, Clone, Default)]
pub struct TokioRuntime {
    /// The TLS settings for connections to servers; shared by all workers.
    pub servers_tls: TlsCell,
}

impl Runtime for TokioRuntime {
    type Stream = TokioStream;

    async fn connect(&self, to: &Endpoint) -> io::Result<TokioStream> {
        match to {
            Endpoint::Tcp { host, port } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                tune(&SockRef::from(&stream))?;
                Ok(TokioStream::Tcp(stream))
            }
            Endpoint::Unix(path) => Ok(TokioStream::Unix(UnixStream::connect(path).await?)),
        }
    }

    fn tls(&self) -> Arc<TlsClient> {
        self.servers_tls.get()
    }

    async fn secure(
        &self,
        stream: TokioStream,
        tls: &TlsClient,
        names: &[Arc<str>],
        to: &Endpoint,
    ) -> Result<(TokioStream, Encrypted), TlsError> {
        let TokioStream::Tcp(socket) = stream else {
            return Err(io::Error::from(io::ErrorKind::Unsupported).into());
        };
        let mut secured = Box::new(TlsStream { socket, tls: tls.begin(names, to.host(), to.port())? });
        let shaken = poll_fn(|cx| {
            let (tls, mut io) = secured.waiting(cx);
            tls.poll_handshake(&mut io)
        });
        shaken.await.map_err(TlsError::of_handshake)?;
        let encrypted = tls.finish(&secured.tls, names, to.host())?;
        Ok((TokioStream::Tls(secured), encrypted))
    }

    async fn timeout<F: Future>(&self, limit: Duration, future: F) -> Option<F::Output> {
        tokio::time::timeout(limit, future).await.ok()
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    async fn aside<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        tokio::task::spawn_blocking(work).await.ok()
    }

    async fn give_way(&self) {
        tokio::task::yield_now().await;
    }

    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        drop(tokio::task::spawn_local(task));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    /// Writes to a peer that does not read until no more is taken. Returns the stream, how many bytes were taken, and
    /// the peer's end.
    async fn stuffed() -> (TokioStream, usize, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = Endpoint::Tcp { host: "127.0.0.1".into(), port: listener.local_addr().unwrap().port() };
        let mut stream = TokioRuntime::default().connect(&to).await.unwrap();
        let (peer, _) = listener.accept().await.unwrap();
        let bytes = vec![7; 1 << 16];
        let mut written = 0;
        loop {
            match stream.write_now(&bytes).unwrap() {
                0 => return (stream, written, peer),
                n => written += n,
            }
            // Lets the driver check the socket again.
            tokio::task::yield_now().await;
        }
    }

    async fn heard(mut peer: TcpStream) -> usize {
        let mut heard = 0;
        let mut room = vec![0; 1 << 16];
        while let Ok(n @ 1..) = peer.read(&mut room).await {
            heard += n;
        }
        heard
    }

    #[tokio::test]
    async fn what_is_on_its_way_comes_after_a_close_and_not_after_an_abort() {
        let (stream, written, peer) = stuffed().await;
        drop(stream);
        assert_eq!(heard(peer).await, written);
        let (mut stream, written, peer) = stuffed().await;
        stream.abort();
        drop(stream);
        assert!(heard(peer).await < written);
    }

    async fn connected() -> (TokioStream, TcpStream) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (TokioStream::Tcp(listener.accept().await.unwrap().0), peer)
    }

    #[tokio::test]
    async fn each_part_that_is_taken_is_noted() {
        let (mut stream, written, mut peer) = stuffed().await;
        let mut buf = Buf::with_room(1 << 20);
        buf.extend_from_slice(&vec![7; 1 << 20]);
        let (all, noted) = (written + (1 << 20), std::cell::Cell::new(0));
        let reading = async {
            let mut room = vec![0; 1 << 16];
            let mut heard = 0;
            while heard < all {
                heard += peer.read(&mut room).await.unwrap();
            }
        };
        let note = || noted.set(noted.get() + 1);
        let ((result, _), ()) = tokio::join!(stream.write_all_noting(buf, &note), reading);
        result.unwrap();
        assert!(noted.get() > 0);
    }

    #[tokio::test]
    async fn bytes_are_seen_before_the_event_loop_tells_of_them() {
        let (mut stream, peer) = connected().await;
        assert!(!stream.has_bytes());
        peer.try_write(b"x").unwrap();
        assert!(stream.has_bytes());
        let (mut stream, peer) = connected().await;
        drop(peer);
        assert!(stream.has_bytes(), "an end is news, too");
    }

    #[tokio::test]
    async fn what_is_held_back_leaves_with_the_end() {
        let mut held = false;
        // The kernel holds a corked byte back for 200 ms at most, and this process may be paused for longer.
        for _ in 0..20 {
            let (mut stream, mut peer) = connected().await;
            stream.cork(true);
            assert_eq!(stream.write_now(b"answer").unwrap(), 6);
            let mut room = [0; 16];
            held |= tokio::time::timeout(Duration::from_millis(5), peer.peek(&mut room)).await.is_err();
            stream.shut();
            assert_eq!(peer.read(&mut room).await.unwrap(), 6);
            // The end came in the same packet, so this read need not wait for it.
            assert_eq!(peer.try_read(&mut room).unwrap(), 0);
        }
        assert!(held);
    }
}
