//! Sockets in memory for scripted peers in tests. A test sets how many bytes a read returns at most.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::future::{Future, poll_fn};
use std::io;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use super::{
    Buf, ClientTls, Compressed, Encrypted, Endpoint, Runtime, Stream, TlsAcceptor, TlsClient, TlsError,
};

#[derive(Debug, Default)]
struct Pipe {
    bytes: VecDeque<u8>,
    closed: bool,
    /// How many more bytes the pipe accepts; None: any number.
    room: Option<usize>,
    wakers: Vec<Waker>,
    /// The operating system's user who writes.
    os_user: Option<Box<str>>,
}

impl Pipe {
    fn wake(&mut self) {
        self.wakers.drain(..).for_each(Waker::wake);
    }

    /// Takes what there is room for. Returns how many bytes that is.
    fn take(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.closed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let taken = bytes.len().min(self.room.unwrap_or(usize::MAX));
        self.bytes.extend(bytes.get(..taken).unwrap_or_default());
        self.room = self.room.map(|room| room - taken);
        if taken > 0 {
            self.wake();
        }
        Ok(taken)
    }
}

/// One end of a connection in memory.
#[derive(Debug)]
pub struct MemoryStream {
    incoming: Rc<RefCell<Pipe>>,
    outgoing: Rc<RefCell<Pipe>>,
    /// The most bytes that one read returns.
    chunk: usize,
    /// True if the stream takes bytes without waiting, as sockets do. Otherwise every write is one that has to wait.
    takes_at_once: bool,
}

/// Returns both ends of a connection; each read returns at most `chunk` bytes.
pub fn pair(chunk: usize) -> (MemoryStream, MemoryStream) {
    let (a, b) = (Rc::<RefCell<Pipe>>::default(), Rc::<RefCell<Pipe>>::default());
    (
        MemoryStream { incoming: a.clone(), outgoing: b.clone(), chunk, takes_at_once: false },
        MemoryStream { incoming: b, outgoing: a, chunk, takes_at_once: false },
    )
}

impl MemoryStream {
    /// Sets the operating system's user that the other end sees here.
    pub fn set_os_user(&self, name: &str) {
        self.outgoing.borrow_mut().os_user = Some(name.into());
    }

    /// While the stream is full, writes to this end wait.
    pub fn set_full(&self, full: bool) {
        self.set_room(full.then_some(0));
    }

    /// Sets how many more bytes this end accepts. Further writes to this end wait.
    pub fn set_room(&self, room: Option<usize>) {
        let mut pipe = self.incoming.borrow_mut();
        pipe.room = room;
        pipe.wake();
    }
}

impl Drop for MemoryStream {
    fn drop(&mut self) {
        for pipe in [&self.incoming, &self.outgoing] {
            let mut pipe = pipe.borrow_mut();
            pipe.closed = true;
            pipe.wake();
        }
    }
}

impl Stream for MemoryStream {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut Buf) -> Poll<io::Result<usize>> {
        ready!(self.poll_readable(cx))?;
        Poll::Ready(self.read_now(buf).map(Option::unwrap_or_default))
    }

    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut pipe = self.incoming.borrow_mut();
        if !pipe.bytes.is_empty() || pipe.closed {
            return Poll::Ready(Ok(()));
        }
        pipe.wakers.push(cx.waker().clone());
        Poll::Pending
    }

    async fn write_all(&mut self, buf: Buf) -> (io::Result<()>, Buf) {
        self.write_all_noting(buf, &|| {}).await
    }

    async fn write_all_noting(&mut self, mut buf: Buf, took: &dyn Fn()) -> (io::Result<()>, Buf) {
        let mut written = 0;
        let result = poll_fn(|cx| {
            let mut pipe = self.outgoing.borrow_mut();
            let taken = pipe.take(buf.filled().get(written..).unwrap_or_default())?;
            written += taken;
            if taken > 0 {
                took();
            }
            if written == buf.len() {
                return Poll::Ready(Ok(()));
            }
            pipe.wakers.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
        if result.is_err() {
            buf.consume(written);
        }
        (result, buf)
    }

    async fn accept_tls(&mut self, _: &TlsAcceptor, _: &[u8]) -> Result<ClientTls, TlsError> {
        Err(io::Error::from(io::ErrorKind::Unsupported).into())
    }

    fn peer_address(&self) -> Option<IpAddr> {
        None
    }

    /// Has no effect: scripted peers do not compress.
    fn compress(&mut self, _: Compressed, _: &[u8]) {}

    async fn peer_closed(&mut self) {
        poll_fn(|cx| {
            let mut pipe = self.incoming.borrow_mut();
            if pipe.closed {
                return Poll::Ready(());
            }
            pipe.wakers.push(cx.waker().clone());
            Poll::Pending
        })
        .await
    }

    fn write_now(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.takes_at_once { self.outgoing.borrow_mut().take(bytes) } else { Ok(0) }
    }

    fn has_ended(&mut self) -> bool {
        self.incoming.borrow().closed
    }

    fn is_broken(&mut self) -> bool {
        self.incoming.borrow().closed && self.outgoing.borrow().closed
    }

    fn read_now(&mut self, buf: &mut Buf) -> io::Result<Option<usize>> {
        let mut pipe = self.incoming.borrow_mut();
        if pipe.bytes.is_empty() {
            return Ok(pipe.closed.then_some(0));
        }
        let n = pipe.bytes.len().min(self.chunk).min(buf.room_mut().len());
        // Copies slices, as a system does: tests/suites/cost/run.py counts the instructions of this copy.
        let taken = io::Read::read(&mut pipe.bytes, buf.room_mut().get_mut(..n).unwrap_or_default())?;
        let rest = io::Read::read(&mut pipe.bytes, buf.room_mut().get_mut(taken..n).unwrap_or_default())?;
        debug_assert_eq!(taken + rest, n, "a ring of bytes has two parts");
        buf.grew(taken + rest);
        Ok(Some(taken + rest))
    }

    fn has_news(&mut self) -> bool {
        let pipe = self.incoming.borrow();
        !pipe.bytes.is_empty() || pipe.closed
    }

    fn has_bytes(&mut self) -> bool {
        self.has_news()
    }

    fn is_at_end(&mut self) -> bool {
        let pipe = self.incoming.borrow();
        pipe.closed && pipe.bytes.is_empty()
    }

    fn cork(&mut self, _on: bool) {}

    fn shut(&mut self) {
        let mut pipe = self.outgoing.borrow_mut();
        pipe.closed = true;
        pipe.wake();
    }

    fn os_user(&self) -> Option<Box<str>> {
        self.incoming.borrow().os_user.clone()
    }

    fn abort(&mut self) {
        self.outgoing.borrow_mut().bytes.clear();
    }
}

type Accepting = Rc<RefCell<VecDeque<MemoryStream>>>;

/// A network in memory: addresses are names, time is tokio's.
#[derive(Debug, Clone, Default)]
pub struct MemoryRuntime {
    listening: Rc<RefCell<HashMap<String, Accepting>>>,
    chunk: Option<usize>,
    takes_at_once: Rc<Cell<bool>>,
    /// The TLS settings. Streams in memory cannot be encrypted.
    pub tls: Arc<TlsClient>,
    /// The result of every handshake, which exchanges nothing. None: every handshake fails.
    pub secured: Option<Encrypted>,
}

impl MemoryRuntime {
    /// Makes a network whose streams return at most `chunk` bytes per read.
    pub fn with_chunk(chunk: usize) -> Self {
        MemoryRuntime { chunk: Some(chunk), ..Self::default() }
    }

    /// Has the proxy's ends of all later connections take bytes without waiting, as sockets do.
    pub fn take_at_once(&self) {
        self.takes_at_once.set(true);
    }

    /// Returns the proxy's end of a new connection, and its peer's end.
    pub fn pair(&self) -> (MemoryStream, MemoryStream) {
        let (mut here, there) = pair(self.chunk.unwrap_or(usize::MAX));
        here.takes_at_once = self.takes_at_once.get();
        (here, there)
    }

    /// Listens at an address; connections queue up in the returned listener.
    pub fn listen(&self, at: &str) -> MemoryListener {
        let queue = Accepting::default();
        self.listening.borrow_mut().insert(at.to_owned(), queue.clone());
        MemoryListener(queue)
    }

    /// Stops listening at an address: connections to it are refused from now on.
    pub fn unlisten(&self, at: &str) {
        self.listening.borrow_mut().remove(at);
    }
}

/// The queue of connections to an address; see `MemoryRuntime::listen`.
#[derive(Debug, Clone)]
pub struct MemoryListener(Accepting);

impl MemoryListener {
    /// Waits for the next connection.
    pub async fn accept(&self) -> MemoryStream {
        loop {
            if let Some(stream) = self.0.borrow_mut().pop_front() {
                return stream;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Returns the next connection, if there is one.
    pub fn try_accept(&self) -> Option<MemoryStream> {
        self.0.borrow_mut().pop_front()
    }
}

impl Runtime for MemoryRuntime {
    type Stream = MemoryStream;

    async fn connect(&self, to: &Endpoint) -> io::Result<MemoryStream> {
        let listening = self.listening.borrow();
        let queue = listening.get(&to.to_string()).ok_or(io::ErrorKind::ConnectionRefused)?;
        let (here, there) = self.pair();
        queue.borrow_mut().push_back(there);
        Ok(here)
    }

    fn acceptor(&self, _: &str) -> Arc<TlsAcceptor> {
        Arc::default()
    }

    fn tls(&self) -> Arc<TlsClient> {
        self.tls.clone()
    }

    async fn secure(
        &self,
        stream: MemoryStream,
        _: &TlsClient,
        _: &[Arc<str>],
        _: &Endpoint,
    ) -> Result<(MemoryStream, Encrypted), TlsError> {
        let secured = self.secured.ok_or_else(|| io::Error::from(io::ErrorKind::Unsupported))?;
        Ok((stream, secured))
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
        drop(tokio::task::spawn_local(async move {
            let mut task = pin!(task);
            poll_fn(|cx| poll_of_the_proxy(task.as_mut(), cx)).await;
        }));
    }
}

/// Polls a task of the proxy. tests/suites/cost/run.py counts what runs within this function, which it finds by its name.
#[inline(never)]
fn poll_of_the_proxy(task: Pin<&mut dyn Future<Output = ()>>, cx: &mut Context<'_>) -> Poll<()> {
    task.poll(cx)
}
