//! What the thread's reactor keeps of one descriptor: the operations under way, and what has come of them.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::task::{Context, Waker};

use pointsman_uring::{Completion, Filled};
use rustix::io::Errno;
use rustix::net::{SendFlags, Shutdown};

/// The operations of a descriptor, of each kind at most one at a time. The number is a part of the tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotKind {
    /// A receive with many completions.
    Receive = 0,
    /// A wait until the socket takes bytes, or is connected.
    Writable = 1,
    /// A wait until the peer has closed its end, while no receive is under way.
    HungUp = 2,
    /// A wait until there is something to accept.
    Readable = 3,
}

/// The part of the tag of a send, which is over with the turn and so never under way.
pub const SENDS: u64 = 4;

/// What the socket has not taken yet.
#[derive(Debug, Default)]
pub struct Outbox {
    pub bytes: RefCell<Vec<u8>>,
    /// The bytes are sent with the next turn.
    pub queued: Cell<bool>,
    /// The socket is full: the bytes are sent when it takes some again.
    pub full: Cell<bool>,
    /// Nothing can be sent any more.
    pub broken: Cell<Option<RingEnd>>,
    /// Nothing was taken since the last request began.
    pub never_left: Cell<bool>,
    /// The sending side is shut behind the bytes.
    pub shuts: Cell<bool>,
}

impl SlotKind {
    pub const ALL: [SlotKind; 4] =
        [SlotKind::Receive, SlotKind::Writable, SlotKind::HungUp, SlotKind::Readable];

    pub fn of_tag(tag: u64) -> Option<SlotKind> {
        SlotKind::ALL.into_iter().find(|kind| *kind as u64 == tag & 7)
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A socket keeps at most this many buffers that were not read yet, and then stops to receive, so that one whose reader
/// is slow does not use up the buffers of all. (A completion that is on its way when it stops is kept as well.)
pub const MOST_PIECES: usize = 8;

/// How a socket ended.
#[derive(Debug, Clone, Copy)]
pub enum RingEnd {
    Closed,
    Broken(io::ErrorKind, Option<i32>),
}

impl RingEnd {
    pub fn of(error: &io::Error) -> Self {
        RingEnd::Broken(error.kind(), error.raw_os_error())
    }

    /// Returns the error of a write.
    pub fn write(self) -> io::Error {
        match self.read() {
            Ok(_) => io::ErrorKind::BrokenPipe.into(),
            Err(error) => error,
        }
    }

    /// Returns what a read returns at this end.
    pub fn read(self) -> io::Result<usize> {
        match self {
            RingEnd::Closed => Ok(0),
            RingEnd::Broken(_, Some(code)) => Err(io::Error::from_raw_os_error(code)),
            RingEnd::Broken(kind, None) => Err(kind.into()),
        }
    }
}

/// A task that waits. Its waker is kept behind its use, because the same task mostly waits again.
#[derive(Debug, Default)]
pub struct RingWaiter(RefCell<Option<Waker>>);

impl RingWaiter {
    pub fn register(&self, cx: &Context<'_>) {
        let waker = cx.waker();
        if waker.will_wake(Waker::noop()) {
            return;
        }
        let mut waiting = self.0.borrow_mut();
        match &mut *waiting {
            Some(known) => known.clone_from(waker),
            None => *waiting = Some(waker.clone()),
        }
    }

    pub fn wake(&self) {
        if let Some(waker) = &*self.0.borrow() {
            waker.wake_by_ref();
        }
    }

    pub fn forget(&self) {
        self.0.take();
    }
}

/// What has come of one descriptor. The descriptor is closed with it.
#[derive(Debug)]
pub struct Slot {
    pub fd: OwnedFd,
    /// The place among the slots of the thread.
    pub index: usize,
    /// The kinds of operations that are under way, as bits.
    under_way: Cell<u8>,
    /// The receive under way is being cancelled.
    pub stopping: Cell<bool>,
    /// Buffers that were received and not read yet.
    pub pieces: RefCell<VecDeque<Filled>>,
    /// How much of the first one was read.
    pub read_of_first: Cell<usize>,
    /// Bytes may wait in the socket that no receive will fetch: they are read directly, until there are none.
    pub direct: Cell<bool>,
    /// The end behind the buffers.
    pub end: Cell<Option<RingEnd>>,
    /// The peer is known to have closed its end, though bytes in front of that were not received yet.
    pub hung_up: Cell<bool>,
    pub outbox: Outbox,
    pub reader: RingWaiter,
    pub writer: RingWaiter,
    /// The socket was dropped.
    pub dropped: Cell<bool>,
}

impl Slot {
    pub fn new(fd: OwnedFd, index: usize) -> Self {
        Slot {
            fd,
            index,
            under_way: Cell::default(),
            stopping: Cell::default(),
            pieces: RefCell::default(),
            read_of_first: Cell::default(),
            direct: Cell::default(),
            end: Cell::default(),
            hung_up: Cell::default(),
            outbox: Outbox::default(),
            reader: RingWaiter::default(),
            writer: RingWaiter::default(),
            dropped: Cell::default(),
        }
    }

    pub fn is_under_way(&self, kind: SlotKind) -> bool {
        self.under_way.get() & kind.bit() != 0
    }

    pub fn begins(&self, kind: SlotKind) {
        self.under_way.set(self.under_way.get() | kind.bit());
    }

    pub fn is_idle(&self) -> bool {
        self.under_way.get() == 0
    }

    /// Takes note of a completion. Returns true if the receive under way should be cancelled.
    pub fn complete(&self, kind: SlotKind, completion: Completion) -> bool {
        if !completion.more {
            self.under_way.set(self.under_way.get() & !kind.bit());
        }
        match kind {
            SlotKind::Receive => return self.received(completion),
            SlotKind::Writable => {
                self.flush();
                self.writer.wake();
            }
            SlotKind::Readable => self.reader.wake(),
            SlotKind::HungUp => {
                // A wait that was cancelled says nothing.
                self.hung_up.set(self.hung_up.get() || completion.result.is_ok());
                self.reader.wake();
            }
        }
        false
    }

    /// Sends what is in the outbox, as much as the socket takes. Returns true if nothing is left.
    pub fn flush(&self) -> bool {
        let outbox = &self.outbox;
        let mut bytes = outbox.bytes.borrow_mut();
        while !bytes.is_empty() {
            match rustix::net::send(&self.fd, &bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(n) => {
                    outbox.never_left.set(false);
                    bytes.drain(..n);
                }
                Err(Errno::INTR) => {}
                // Without memory it is tried again, too.
                Err(Errno::AGAIN | Errno::NOMEM | Errno::NOBUFS) => {
                    outbox.full.set(true);
                    return false;
                }
                Err(error) => {
                    bytes.clear();
                    self.breaks(RingEnd::of(&error.into()));
                }
            }
        }
        drop(bytes);
        outbox.full.set(false);
        if outbox.shuts.take() {
            // An error does not matter: the socket is closed next.
            let _ = rustix::net::shutdown(&self.fd, Shutdown::Write);
        }
        true
    }

    /// Nothing can be sent any more. The receive ends behind what has come already: nobody must wait for an answer to what
    /// was lost.
    fn breaks(&self, end: RingEnd) {
        self.outbox.broken.set(Some(end));
        // It fails if the connection is gone, which the receive tells, too.
        let _ = rustix::net::shutdown(&self.fd, Shutdown::Both);
        self.writer.wake();
    }

    /// Takes note of what became of the bytes that were sent with the turn. Returns true if the socket is full.
    pub fn sent(&self, result: io::Result<usize>, bytes: &mut Vec<u8>) -> bool {
        let taken = match result {
            Ok(n) => n,
            // Without memory it is tried again, too.
            Err(e) if matches!(e.raw_os_error(), Some(EAGAIN | ENOBUFS | ENOMEM)) => 0,
            Err(error) => {
                self.breaks(RingEnd::of(&error));
                return false;
            }
        };
        if taken > 0 {
            self.outbox.never_left.set(false);
        }
        if taken == bytes.len() {
            return false;
        }
        bytes.drain(..taken);
        // Nothing was put there since: that happens only between turns.
        self.outbox.bytes.replace(std::mem::take(bytes));
        self.outbox.full.set(true);
        true
    }

    fn received(&self, completion: Completion) -> bool {
        let Completion { result, more, filled, .. } = completion;
        if !more {
            self.stopping.set(false);
        }
        match (result, filled) {
            (Ok(_), Some(filled)) => {
                let mut pieces = self.pieces.borrow_mut();
                pieces.push_back(filled);
                // The kernel may end a receive behind a piece, too.
                self.direct.set(self.direct.get() || !more || pieces.len() >= MOST_PIECES);
            }
            (Ok(_), None) => self.end.set(Some(RingEnd::Closed)),
            (Err(error), _) => match error.raw_os_error() {
                Some(ECANCELED | ENOBUFS | EINTR | EAGAIN) => self.direct.set(true),
                _ => self.end.set(Some(RingEnd::of(&error))),
            },
        }
        self.reader.wake();
        more && self.direct.get() && !self.stopping.replace(true)
    }
}

// errno(3)
const EINTR: i32 = 4;
const EAGAIN: i32 = 11;
const ENOMEM: i32 = 12;
const ENOBUFS: i32 = 105;
const ECANCELED: i32 = 125;
