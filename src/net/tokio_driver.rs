//! The driver that runs everywhere: readiness by tokio, on a current-thread runtime.

use std::future::{Future, poll_fn};
use std::io;
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use super::{Buf, Endpoint, Runtime, Stream};

/// A TCP or Unix socket.
#[derive(Debug)]
pub enum TokioStream {
    /// TCP, with TCP_NODELAY and keepalive.
    Tcp(TcpStream),
    /// Unix.
    Unix(UnixStream),
}

/// TCP_NODELAY, and keepalive: a peer that vanished is noticed after 60 + 3 × 10 s. On Linux an accepted
/// socket has what its listening socket has.
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
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            TokioStream::Tcp(s) => Pin::new(s).poll_read(cx, buf),
            TokioStream::Unix(s) => Pin::new(s).poll_read(cx, buf),
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            TokioStream::Tcp(s) => Pin::new(s).poll_write(cx, bytes),
            TokioStream::Unix(s) => Pin::new(s).poll_write(cx, bytes),
        }
    }

    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            TokioStream::Tcp(s) => s.poll_read_ready(cx),
            TokioStream::Unix(s) => s.poll_read_ready(cx),
        }
    }
}

impl TokioStream {
    /// Readable: because of an end, or because of bytes? Bytes of a next command wait their turn, and an
    /// end behind them is found when they are read.
    fn poll_ended(&self, cx: &mut Context<'_>) -> Poll<()> {
        let interest = Interest::READABLE | Interest::ERROR;
        let ready = match self {
            TokioStream::Tcp(s) => std::pin::pin!(s.ready(interest)).poll(cx),
            TokioStream::Unix(s) => std::pin::pin!(s.ready(interest)).poll(cx),
        };
        match ready {
            Poll::Ready(Ok(ready)) if !ready.is_read_closed() && !ready.is_error() => Poll::Pending,
            Poll::Ready(_) => Poll::Ready(()),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl Stream for TokioStream {
    async fn read(&mut self, mut buf: Buf) -> (io::Result<usize>, Buf) {
        // `poll_read` marks the socket as drained when a read does not fill the room, which saves the
        // second read that would only say EAGAIN.
        let result = poll_fn(|cx| {
            let mut room = ReadBuf::new(buf.room_mut());
            ready!(self.poll_read(cx, &mut room))?;
            Poll::Ready(Ok(room.filled().len()))
        })
        .await;
        if let Ok(n) = result {
            buf.grew(n);
        }
        (result, buf)
    }

    async fn write_all(&mut self, mut buf: Buf) -> (io::Result<()>, Buf) {
        let mut written = 0;
        let result = poll_fn(|cx| {
            while let Some(rest) = buf.filled().get(written..).filter(|rest| !rest.is_empty()) {
                match ready!(self.poll_write(cx, rest))? {
                    0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    n => written += n,
                }
            }
            Poll::Ready(Ok(()))
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
        poll_fn(|cx| ready!(self.poll_readable(cx)).map_or(Poll::Ready(()), |()| self.poll_ended(cx))).await;
    }

    fn write_now(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = match self {
            TokioStream::Tcp(s) => s.try_write(bytes),
            TokioStream::Unix(s) => s.try_write(bytes),
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
        // Only looks at what the event loop knows; nobody is registered to be woken.
        let looked = match self {
            TokioStream::Tcp(s) => s.try_io(Interest::READABLE, || Ok(())),
            TokioStream::Unix(s) => s.try_io(Interest::READABLE, || Ok(())),
        };
        looked.is_ok()
    }

    fn has_bytes(&mut self) -> bool {
        let looked = self.socket().peek(&mut [MaybeUninit::uninit()]);
        !looked.is_err_and(|e| e.kind() == io::ErrorKind::WouldBlock)
    }

    fn cork(&mut self, on: bool) {
        if let TokioStream::Tcp(s) = self {
            // Without it the end comes in a packet of its own.
            let _ = SockRef::from(&*s).set_tcp_cork(on);
        }
    }

    fn shut(&mut self) {
        // Whatever is wrong with it, it is closed next.
        let _ = self.socket().shutdown(Shutdown::Write);
    }

    fn abort(&mut self) {
        match self {
            // Without it the kernel would go on trying to deliver for minutes after the close.
            TokioStream::Tcp(s) => drop(s.set_zero_linger()),
            // A Unix socket has delivered what it took.
            TokioStream::Unix(_) => {}
        }
    }
}

/// tokio's current-thread runtime with a `LocalSet`.
#[derive(Debug, Clone, Copy, Default)]
pub struct TokioRuntime;

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

    async fn timeout<F: Future>(&self, limit: Duration, future: F) -> Option<F::Output> {
        tokio::time::timeout(limit, future).await.ok()
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
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

    /// Writes as much as is taken to a peer that does not read; how much that was, and the peer's end.
    async fn stuffed() -> (TokioStream, usize, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = Endpoint::Tcp { host: "127.0.0.1".into(), port: listener.local_addr().unwrap().port() };
        let mut stream = TokioRuntime.connect(&to).await.unwrap();
        let (peer, _) = listener.accept().await.unwrap();
        let bytes = vec![7; 1 << 16];
        let mut written = 0;
        loop {
            match stream.write_now(&bytes).unwrap() {
                0 => return (stream, written, peer),
                n => written += n,
            }
            // The driver looks at the socket again.
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
        // The kernel holds it for 200 ms at most, and this process may stand still for longer.
        for _ in 0..20 {
            let (mut stream, mut peer) = connected().await;
            stream.cork(true);
            assert_eq!(stream.write_now(b"answer").unwrap(), 6);
            let mut room = [0; 16];
            held |= tokio::time::timeout(Duration::from_millis(5), peer.peek(&mut room)).await.is_err();
            stream.shut();
            assert_eq!(peer.read(&mut room).await.unwrap(), 6);
            // In the same packet: nothing is waited for.
            assert_eq!(peer.try_read(&mut room).unwrap(), 0);
        }
        assert!(held);
    }
}
