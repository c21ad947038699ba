//! A connected socket.

use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::task::{Context, Poll};

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use socket2::{Domain, SockAddr, SockRef, Socket, Type};

use super::Reactor;
use super::slot::{RingEnd, Slot, SlotKind};

/// The most bytes that wait for the turn, in the outbox of a socket. More is sent at once, without a copy.
const OUTBOX: usize = 4 * 1024;

/// A connected socket, TCP or unix. Receives from the first time that somebody asks for bytes or an end.
#[derive(Debug)]
pub struct RingSocket {
    reactor: Rc<Reactor>,
    slot: Rc<Slot>,
    is_unix: bool,
}

impl RingSocket {
    /// Registers a socket with the thread's ring. It must not block.
    pub fn new(reactor: Rc<Reactor>, fd: OwnedFd, is_unix: bool) -> Self {
        let slot = reactor.add(fd);
        RingSocket { reactor, slot, is_unix }
    }

    /// Connects to an address, without a time limit.
    pub async fn connect(reactor: Rc<Reactor>, to: &SockAddr) -> io::Result<Self> {
        let socket = Socket::new(to.domain(), Type::STREAM.nonblocking(), None)?;
        let begun = socket.connect(to);
        let stream = RingSocket::new(reactor, socket.into(), to.domain() == Domain::UNIX);
        match begun {
            Ok(()) => return Ok(stream),
            Err(e) if e.raw_os_error() == Some(Errno::INPROGRESS.raw_os_error()) => {}
            Err(e) => return Err(e),
        }
        stream.reactor.wait(&stream.slot, SlotKind::Writable)?;
        poll_fn(|cx| {
            stream.slot.writer.register(cx);
            if stream.slot.is_under_way(SlotKind::Writable) { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
        match stream.options().take_error()? {
            None => Ok(stream),
            Some(e) => Err(e),
        }
    }

    /// True for a unix socket.
    pub fn is_unix(&self) -> bool {
        self.is_unix
    }

    /// Returns the id of the operating system's user at the other end of a unix socket.
    pub fn os_user_id(&self) -> Option<u32> {
        let peer = self.is_unix.then(|| rustix::net::sockopt::socket_peercred(&self.slot.fd));
        peer.and_then(Result::ok).map(|peer| peer.uid.as_raw())
    }

    /// Returns the socket for its options.
    pub fn options(&self) -> SockRef<'_> {
        SockRef::from(&self.slot.fd)
    }

    /// Begins to receive, unless a receive is under way or would be in vain.
    fn listen(&self) {
        let slot = &self.slot;
        if slot.is_under_way(SlotKind::Receive) || slot.end.get().is_some() || slot.direct.get() {
            return;
        }
        // It fails if the kernel has no memory: what cannot be heard any more has broken.
        if let Err(error) = self.reactor.receive(slot) {
            slot.end.set(Some(RingEnd::of(&error)));
        }
    }

    /// True if there are bytes or an end.
    fn has_come(&self) -> bool {
        !self.slot.pieces.borrow().is_empty() || self.slot.end.get().is_some()
    }

    /// Reads what was received. None if there is nothing.
    fn read_pieces(&self, room: &mut [u8]) -> Option<io::Result<usize>> {
        let slot = &self.slot;
        let mut pieces = slot.pieces.borrow_mut();
        let mut read = 0;
        while let (Some(piece), Some(room)) = (pieces.front(), room.get_mut(read..).filter(|r| !r.is_empty()))
        {
            let from = slot.read_of_first.get();
            let n = self.reactor.copy(piece, from, room);
            read += n;
            if from + n < piece.len() {
                slot.read_of_first.set(from + n);
                break;
            }
            slot.read_of_first.set(0);
            if let Some(piece) = pieces.pop_front() {
                self.reactor.give_back(piece);
            }
        }
        if read > 0 {
            return Some(Ok(read));
        }
        slot.end.get().filter(|_| pieces.is_empty()).map(RingEnd::read)
    }

    /// Reads bytes that no receive fetches. None if there are none, and then a receive is under way.
    fn read_direct(&self, room: &mut [u8]) -> Option<io::Result<usize>> {
        let slot = &self.slot;
        if !slot.direct.get() || slot.is_under_way(SlotKind::Receive) {
            self.listen();
            return None;
        }
        let most = room.len();
        let result = match recv(&slot.fd, &mut *room, RecvFlags::DONTWAIT) {
            Ok((0, _)) if most > 0 => {
                slot.end.set(Some(RingEnd::Closed));
                Some(Ok(0))
            }
            Ok((n, _)) => {
                slot.direct.set(n == most);
                Some(Ok(n))
            }
            Err(Errno::AGAIN) => {
                slot.direct.set(false);
                None
            }
            Err(Errno::INTR) => return self.read_direct(room),
            Err(error) => {
                slot.end.set(Some(RingEnd::of(&error.into())));
                Some(Err(error.into()))
            }
        };
        self.listen();
        result
    }

    /// Reads without waiting.
    pub fn try_read(&self, room: &mut [u8]) -> io::Result<usize> {
        let read = self.read_pieces(room).or_else(|| self.read_direct(room));
        self.reactor.spend(read.as_ref().map_or(0, |read| read.as_ref().copied().unwrap_or_default()));
        read.unwrap_or_else(|| Err(io::ErrorKind::WouldBlock.into()))
    }

    /// Reads into the room; 0 is the end.
    pub fn poll_read(&self, cx: &Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.reactor.is_spent(cx) {
            return Poll::Pending;
        }
        match self.try_read(room) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                self.slot.reader.register(cx);
                Poll::Pending
            }
            result => Poll::Ready(result),
        }
    }

    /// Waits until a read would return at once.
    pub fn poll_read_ready(&self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        if self.reactor.is_spent(cx) {
            return Poll::Pending;
        }
        if self.looks_readable() && (self.has_come() || self.has_bytes()) {
            return Poll::Ready(Ok(()));
        }
        self.slot.reader.register(cx);
        Poll::Pending
    }

    /// True if something came that was not read, as far as this thread knows.
    pub fn looks_readable(&self) -> bool {
        self.listen();
        self.has_come() || (self.slot.direct.get() && !self.slot.is_under_way(SlotKind::Receive))
    }

    /// True if a read would return at once. Asks the system.
    pub fn has_bytes(&self) -> bool {
        if self.reactor.take().is_err() || self.has_come() {
            return true;
        }
        match recv(&self.slot.fd, &mut [0_u8; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT) {
            Err(Errno::AGAIN) => {
                if !self.slot.is_under_way(SlotKind::Receive) {
                    self.slot.direct.set(false);
                    self.listen();
                }
                false
            }
            _ => true,
        }
    }

    /// True if a read would return the end at once. Asks the system.
    pub fn is_at_end(&self) -> bool {
        if self.reactor.take().is_err() || !self.slot.pieces.borrow().is_empty() {
            return false;
        }
        match self.slot.end.get() {
            Some(end) => matches!(end, RingEnd::Closed),
            None => {
                let looked = recv(&self.slot.fd, &mut [0_u8; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT);
                matches!(looked, Ok((_, 0)))
            }
        }
    }

    /// Waits until the peer has closed its end, or the connection broke.
    pub fn poll_ended(&self, cx: &Context<'_>) -> Poll<()> {
        let slot = &self.slot;
        if slot.end.get().is_some() || slot.hung_up.get() {
            return Poll::Ready(());
        }
        self.listen();
        // While bytes wait to be read, no receive tells of the end behind them.
        if slot.direct.get() && self.reactor.wait(slot, SlotKind::HungUp).is_err() {
            return Poll::Ready(());
        }
        slot.reader.register(cx);
        if slot.end.get().is_some() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// True if a read or a write has found the connection broken.
    pub fn is_broken(&self) -> bool {
        let slot = &self.slot;
        slot.outbox.broken.get().or(slot.end.get()).is_some_and(|end| matches!(end, RingEnd::Broken(..)))
    }

    /// Writes without waiting. What is short is sent with the next turn, together with what other sockets send, if there
    /// are any.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.reactor.spend(bytes.len());
        let outbox = &self.slot.outbox;
        let read = self.slot.end.get().filter(|end| matches!(end, RingEnd::Broken(..)));
        if let Some(end) = outbox.broken.get().or(read) {
            return Err(end.write());
        }
        if outbox.full.get() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if outbox.bytes.borrow().len() + bytes.len() <= OUTBOX && !self.reactor.is_alone() {
            let mut waiting = outbox.bytes.borrow_mut();
            if waiting.capacity() == 0 {
                *waiting = self.reactor.spare();
            }
            waiting.extend_from_slice(bytes);
            drop(waiting);
            if !outbox.queued.replace(true) {
                self.reactor.send(&self.slot);
            }
            return Ok(bytes.len());
        }
        if !self.slot.flush() {
            self.reactor.wait(&self.slot, SlotKind::Writable)?;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if let Some(end) = outbox.broken.get() {
            return Err(end.write());
        }
        outbox.never_left.set(false);
        loop {
            match send(&self.slot.fd, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Err(Errno::INTR) => {}
                result => return Ok(result?),
            }
        }
    }

    /// Notes that what is written next is a request. It may be put behind others, which have not left either.
    pub fn begins_request(&self) {
        self.slot.outbox.never_left.set(true);
    }

    /// True if nothing of the request has left: it waits for the turn, or the connection broke before.
    pub fn never_left(&self) -> bool {
        let outbox = &self.slot.outbox;
        outbox.never_left.get() && (outbox.broken.get().is_some() || !outbox.bytes.borrow().is_empty())
    }

    /// Ends writing, behind what was written.
    pub fn shut(&self) {
        self.slot.outbox.shuts.set(true);
        if !self.slot.flush() {
            // It fails only if the kernel has no memory. Then the socket ends when it is closed.
            let _ = self.reactor.wait(&self.slot, SlotKind::Writable);
        }
    }

    /// Discards what was written and is still here.
    pub fn abort(&self) {
        self.slot.outbox.bytes.take();
        self.slot.outbox.full.set(false);
        self.slot.outbox.broken.set(Some(RingEnd::Closed));
    }

    /// Writes some of the bytes, at least one.
    pub fn poll_write(&self, cx: &Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.reactor.is_spent(cx) {
            return Poll::Pending;
        }
        match self.try_write(bytes) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                self.reactor.wait(&self.slot, SlotKind::Writable)?;
                self.slot.writer.register(cx);
                Poll::Pending
            }
            result => Poll::Ready(result),
        }
    }
}

impl Drop for RingSocket {
    fn drop(&mut self) {
        self.reactor.close(&self.slot);
    }
}
