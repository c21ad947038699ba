//! The streams and the runtime of the proxy. A thread that has a ring (`Reactor::current`) uses io_uring for both; any other
//! thread uses tokio's readiness, on a current-thread runtime.

use std::future::{Future, poll_fn};
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use socket2::{SockAddr, SockRef, TcpKeepalive};
use tokio::io::ReadBuf;
use tokio::net::{TcpStream, UnixStream};

use super::compression::Below;
use super::os_user::name_of;
use super::ring::{Reactor, RingSocket};
use super::socket::{AtOnce, Socket, SocketWait};
use super::timeout::{Timeout, Timer};
use super::tls::Tls;
use super::{
    AcceptorsCell, Buf, ClientTls, Compressed, Compression, Encrypted, Endpoint, Runtime, Stream,
    TlsAcceptor, TlsCell, TlsClient, TlsError,
};

/// A TCP or Unix socket, which may be encrypted, and compressed above that.
#[derive(Debug)]
pub struct SystemStream {
    socket: Socket,
    /// One box for both, so that streams with neither stay small.
    layers: Option<Box<Layers>>,
}

/// What is between the socket and the ordinary packets.
#[derive(Debug, Default)]
struct Layers {
    tls: Option<Box<Tls>>,
    compression: Option<Box<Compression>>,
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

impl From<Socket> for SystemStream {
    fn from(socket: Socket) -> Self {
        SystemStream { socket, layers: None }
    }
}

/// The layers of a stream, the upper one first, and its socket.
struct Parts<'a> {
    compression: Option<&'a mut Compression>,
    tls: Option<&'a mut Tls>,
    socket: &'a mut Socket,
}

impl SystemStream {
    fn parts(&mut self) -> Parts<'_> {
        let socket = &mut self.socket;
        match self.layers.as_deref_mut() {
            Some(layers) => {
                let (compression, tls) = (layers.compression.as_deref_mut(), layers.tls.as_deref_mut());
                Parts { compression, tls, socket }
            }
            None => Parts { compression: None, tls: None, socket },
        }
    }

    fn tls(&self) -> io::Result<&Tls> {
        let tls = self.layers.as_ref().and_then(|layers| layers.tls.as_deref());
        tls.ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Completes the handshake of `tls`, and encrypts all that follows. After an error the stream is useless.
    async fn shake_hands(&mut self, mut tls: Box<Tls>) -> io::Result<()> {
        poll_fn(|cx| tls.poll_handshake(&mut SocketWait(&mut self.socket, cx))).await?;
        self.layers.get_or_insert_default().tls = Some(tls);
        Ok(())
    }

    /// Writes the bytes behind `written`, and advances it. After an error `written` is how many bytes were taken.
    fn poll_write_all(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        written: &mut usize,
    ) -> Poll<io::Result<()>> {
        let socket = match self.parts() {
            Parts { compression: Some(compression), tls, socket } => {
                return compression.poll_write(
                    &mut Below { tls, io: SocketWait(socket, cx) },
                    bytes,
                    written,
                );
            }
            Parts { tls: Some(tls), socket, .. } => {
                return tls.poll_write(&mut SocketWait(socket, cx), bytes, written);
            }
            Parts { socket, .. } => socket,
        };
        while let Some(rest) = bytes.get(*written..).filter(|rest| !rest.is_empty()) {
            match ready!(socket.poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                n => *written += n,
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Waits for the end. Records of TLS are processed first: they may have no data, or announce the end.
    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if ready!(self.poll_readable(cx)).is_err() {
            return Poll::Ready(());
        }
        self.poll_ended(cx)
    }

    fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Parts { compression, tls, socket } = self.parts();
        if tls.is_some_and(|tls| tls.has_ended())
            || compression.is_some_and(|compression| compression.has_ended())
        {
            return Poll::Ready(());
        }
        socket.poll_ended(cx)
    }
}

impl Stream for SystemStream {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut Buf) -> Poll<io::Result<usize>> {
        let socket = match self.parts() {
            Parts { compression: Some(compression), tls, socket } => {
                return compression.poll_read(&mut Below { tls, io: SocketWait(socket, cx) }, buf);
            }
            Parts { tls: Some(tls), socket, .. } => return tls.poll_read(&mut SocketWait(socket, cx), buf),
            Parts { socket, .. } => socket,
        };
        let mut room = ReadBuf::new(buf.room_mut());
        // Marks the socket as drained when a read does not fill the room, which saves the second read that would only
        // say EAGAIN.
        ready!(socket.poll_read(cx, &mut room))?;
        let n = room.filled().len();
        buf.grew(n);
        Poll::Ready(Ok(n))
    }

    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.parts() {
            Parts { compression: Some(compression), tls, socket } => {
                compression.poll_readable(&mut Below { tls, io: SocketWait(socket, cx) })
            }
            Parts { tls: Some(tls), socket, .. } => tls.poll_readable(&mut SocketWait(socket, cx)),
            Parts { socket, .. } => socket.poll_read_ready(cx),
        }
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

    async fn accept_tls(&mut self, acceptor: &TlsAcceptor, begun: &[u8]) -> Result<ClientTls, TlsError> {
        let begun = Box::new(acceptor.begin(begun)?);
        self.shake_hands(begun).await.map_err(TlsError::of_handshake)?;
        Ok(ClientTls::of(self.tls()?, acceptor))
    }

    fn compress(&mut self, how: Compressed, begun: &[u8]) {
        let compression = Box::new(Compression::new(how, begun));
        self.layers.get_or_insert_default().compression = Some(compression);
    }

    fn continue_command(&mut self) {
        if let Some(compression) = self.parts().compression {
            compression.continue_command();
        }
    }

    fn peer_closed(&mut self) -> impl Future<Output = ()> {
        poll_fn(|cx| self.poll_closed(cx))
    }

    fn write_now(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.parts() {
            Parts { compression: Some(compression), tls, socket } => {
                compression.write_now(&mut Below { tls, io: AtOnce(socket) }, bytes)
            }
            Parts { tls: Some(tls), socket, .. } => tls.write_now(&mut AtOnce(socket), bytes),
            Parts { socket, .. } => match socket.try_write(bytes) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(0),
                result => result,
            },
        }
    }

    fn begins_request(&mut self) {
        self.socket.begins_request();
    }

    fn never_left(&mut self) -> bool {
        self.socket.never_left()
    }

    fn has_ended(&mut self) -> bool {
        self.poll_ended(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    fn is_worn(&mut self) -> bool {
        self.parts().tls.is_some_and(|tls| tls.is_worn())
    }

    fn is_broken(&mut self) -> bool {
        self.socket.is_broken()
    }

    fn read_now(&mut self, buf: &mut Buf) -> io::Result<Option<usize>> {
        let polled = match self.parts() {
            Parts { compression: Some(compression), tls, socket } => {
                compression.poll_read(&mut Below { tls, io: AtOnce(socket) }, buf)
            }
            Parts { tls: Some(tls), socket, .. } => tls.poll_read(&mut AtOnce(socket), buf),
            Parts { socket, .. } => match socket.try_read(buf.room_mut()) {
                Ok(n) => {
                    buf.grew(n);
                    Poll::Ready(Ok(n))
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
                Err(e) => Poll::Ready(Err(e)),
            },
        };
        match polled {
            Poll::Ready(result) => result.map(Some),
            Poll::Pending => Ok(None),
        }
    }

    fn has_news(&mut self) -> bool {
        let Parts { compression, tls, socket } = self.parts();
        compression.is_some_and(|compression| compression.has_news())
            || tls.is_some_and(|tls| tls.has_news())
            || socket.looks_readable()
    }

    fn has_bytes(&mut self) -> bool {
        // Bytes on the socket of a layer may be records or packets without data.
        match self.parts() {
            Parts { compression: Some(compression), tls, socket } => {
                compression.poll_readable(&mut Below { tls, io: AtOnce(socket) }).is_ready()
            }
            Parts { tls: Some(tls), socket, .. } => tls.poll_readable(&mut AtOnce(socket)).is_ready(),
            Parts { socket, .. } => socket.has_bytes(),
        }
    }

    fn is_at_end(&mut self) -> bool {
        match self.parts() {
            Parts { compression: None, tls: None, socket } => socket.is_at_end(),
            _ => false,
        }
    }

    fn cork(&mut self, on: bool) {
        if !self.socket.is_unix() {
            // Best effort: without the cork the end is sent in a separate packet.
            let _ = self.socket.options().set_tcp_cork(on);
        }
    }

    fn shut(&mut self) {
        let Parts { compression, mut tls, socket } = self.parts();
        if let Some(compression) = compression {
            compression.close(&mut Below { tls: tls.as_deref_mut(), io: AtOnce(socket) });
        }
        if let Some(tls) = tls {
            tls.close(&mut AtOnce(socket));
        }
        self.socket.shut();
    }

    fn shut_plain(&mut self) -> bool {
        let Parts { compression, tls, socket } = self.parts();
        let is_plain = compression.is_none() && tls.is_none();
        if is_plain {
            socket.shut();
        }
        is_plain
    }

    fn peer_address(&self) -> Option<IpAddr> {
        self.socket.peer_address()
    }

    fn os_user(&self) -> Option<Box<str>> {
        name_of(self.socket.os_user_id()?)
    }

    fn abort(&mut self) {
        let Parts { compression, tls, .. } = self.parts();
        if let Some(compression) = compression {
            compression.abandon();
        }
        if let Some(tls) = tls {
            tls.abandon();
        }
        self.socket.abort();
    }
}

/// Connections, timers and tasks of the calling thread: by its ring if it has one, otherwise by tokio's current-thread
/// runtime. Both have a `LocalSet`.
#[derive(Debug, Clone, Default)]
pub struct SystemRuntime {
    /// The TLS settings for connections to servers; shared by all workers.
    pub servers_tls: TlsCell,
    /// The TLS settings of the listeners; shared by all workers.
    pub acceptors: AcceptorsCell,
}

/// Connects to the first address that takes the connection.
async fn connect_by_ring(reactor: &Rc<Reactor>, to: &Endpoint) -> io::Result<SystemStream> {
    let (host, port) = match to {
        Endpoint::Tcp { host, port } => (host.as_str(), *port),
        Endpoint::Unix(path) => {
            return Ok(
                Socket::Ring(RingSocket::connect(reactor.clone(), &SockAddr::unix(path)?).await?).into()
            );
        }
    };
    let mut failure = io::Error::new(io::ErrorKind::InvalidInput, "the host has no address");
    for address in tokio::net::lookup_host((host, port)).await? {
        match RingSocket::connect(reactor.clone(), &address.into()).await {
            Ok(socket) => {
                tune(&socket.options())?;
                return Ok(Socket::Ring(socket).into());
            }
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

impl Runtime for SystemRuntime {
    type Stream = SystemStream;

    async fn connect(&self, to: &Endpoint) -> io::Result<SystemStream> {
        if let Some(reactor) = Reactor::current() {
            return connect_by_ring(&reactor, to).await;
        }
        match to {
            Endpoint::Tcp { host, port } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                tune(&SockRef::from(&stream))?;
                Ok(Socket::Tcp(stream).into())
            }
            Endpoint::Unix(path) => Ok(Socket::Unix(UnixStream::connect(path).await?).into()),
        }
    }

    fn acceptor(&self, listener: &str) -> Arc<TlsAcceptor> {
        self.acceptors.get(listener)
    }

    fn tls(&self) -> Arc<TlsClient> {
        self.servers_tls.get()
    }

    async fn secure(
        &self,
        mut stream: SystemStream,
        tls: &TlsClient,
        names: &[Arc<str>],
        to: &Endpoint,
    ) -> Result<(SystemStream, Encrypted), TlsError> {
        let begun = Box::new(tls.begin(names, to.host(), to.port())?);
        stream.shake_hands(begun).await.map_err(TlsError::of_handshake)?;
        let encrypted = tls.finish(stream.tls()?, names, to.host())?;
        Ok((stream, encrypted))
    }

    fn timeout<F: Future>(&self, limit: Duration, future: F) -> impl Future<Output = Option<F::Output>> {
        Timeout::new(limit, future)
    }

    fn sleep(&self, time: Duration) -> impl Future<Output = ()> {
        Timer::new(time)
    }

    async fn aside<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        tokio::task::spawn_blocking(work).await.ok()
    }

    async fn give_way(&self) {
        match Reactor::current() {
            // The others' sockets are looked at in between.
            Some(reactor) => reactor.next_turn().await,
            None => tokio::task::yield_now().await,
        }
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

    /// A stream whose peer does not read.
    struct Stuffed {
        stream: SystemStream,
        /// How many bytes were taken.
        written: usize,
        peer: TcpStream,
    }

    /// Writes to a peer that does not read until no more is taken.
    async fn stuffed() -> Stuffed {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = Endpoint::Tcp { host: "127.0.0.1".into(), port: listener.local_addr().unwrap().port() };
        let mut stream = SystemRuntime::default().connect(&to).await.unwrap();
        let (peer, _) = listener.accept().await.unwrap();
        let bytes = vec![7; 1 << 16];
        let mut written = 0;
        loop {
            match stream.write_now(&bytes).unwrap() {
                0 => return Stuffed { stream, written, peer },
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
        let Stuffed { stream, written, peer } = stuffed().await;
        drop(stream);
        assert_eq!(heard(peer).await, written);
        let Stuffed { mut stream, written, peer } = stuffed().await;
        stream.abort();
        drop(stream);
        assert!(heard(peer).await < written);
    }

    async fn connected() -> (SystemStream, TcpStream) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (Socket::Tcp(listener.accept().await.unwrap().0).into(), peer)
    }

    #[tokio::test]
    async fn each_part_that_is_taken_is_noted() {
        let Stuffed { mut stream, written, mut peer } = stuffed().await;
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
