//! compio's driver with the interface of `pointsman-uring`, for a comparison: benches/compio/run.sh. Events that compio cannot
//! wait for (POLLRDHUP) never come.

use std::io;
use std::num::NonZero;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};
use std::time::Duration;

use compio_buf::BufResult;
use compio_driver::op::{Interest, PollOnce, RecvFlags, RecvMulti, Send, SendFlags, TakeBuffer};
use compio_driver::{Key, Proactor, PushEntry};

use super::{Buffers, Filled};

/// The tag of operations whose completion concerns nobody.
pub const NOBODY: u64 = u64::MAX;

/// MSG_DONTWAIT, MSG_WAITALL and MSG_NOSIGNAL, see uring/src/ring.rs.
const AS_MUCH_AS_POSSIBLE: u32 = 0x40 | 0x100 | 0x4000;

/// POLLOUT and POLLRDHUP (poll(2)).
const POLLOUT: u32 = 4;
const POLLRDHUP: u32 = 0x2000;

/// The tag that `Reactor` has for its alarm.
const ALARM: u64 = (1 << 62) - 1;

/// A descriptor that its user keeps open until the last completion, as for `pointsman-uring`.
struct Descriptor(RawFd);

impl AsFd for Descriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: open as long as an operation has it, see above.
        unsafe { BorrowedFd::borrow_raw(self.0) }
    }
}

/// What became of a `send`.
#[derive(Debug)]
pub struct Sent {
    /// The tag.
    pub tag: u64,
    /// What was to be sent.
    pub bytes: Vec<u8>,
    /// How many bytes the socket took.
    pub result: io::Result<usize>,
}

/// The completion of an operation, or one of several.
#[derive(Debug)]
pub struct Completion {
    /// The operation's tag.
    pub tag: u64,
    /// What the system call of the same name returns.
    pub result: io::Result<u32>,
    /// True if more completions of the operation follow.
    pub more: bool,
    /// The bytes of a `receive`.
    pub filled: Option<Filled>,
}

enum Operation {
    Receive(Key<RecvMulti<Descriptor>>),
    Wait(Key<PollOnce<Descriptor>>),
    /// Waits for what compio cannot wait for.
    Never,
}

/// Notes that an operation has a completion: compio tells it with a waker.
struct Ready {
    tag: u64,
    all: Arc<Mutex<Vec<u64>>>,
}

impl Wake for Ready {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Ok(mut all) = self.all.lock() {
            all.push(self.tag);
        }
    }
}

type Sending = PushEntry<Key<Send<Vec<u8>, Descriptor>>, BufResult<usize, Send<Vec<u8>, Descriptor>>>;

/// The ring of one thread.
#[allow(missing_debug_implementations)]
pub struct Ring {
    /// By tag.
    operations: Vec<Option<Operation>>,
    alarm: Option<Operation>,
    ready: Arc<Mutex<Vec<u64>>>,
    /// Memory for the tags of a turn.
    tags: Vec<u64>,
    sending: Vec<(u64, Sending)>,
    settled: bool,
    buffers: Buffers,
    /// Dropped last: all others belong to it.
    proactor: Proactor,
}

fn result(result: io::Result<usize>) -> io::Result<u32> {
    // compio has an error of its own for ENOBUFS, with which the kernel says that it has no buffer left.
    match result {
        Err(e) if e.kind() == io::ErrorKind::ResourceBusy => Err(io::Error::from_raw_os_error(105)),
        result => result.map(|n| u32::try_from(n).unwrap_or(u32::MAX)),
    }
}

impl Ring {
    /// Makes a ring of this many queued operations, with `count` receive buffers of `size` bytes.
    pub fn new(operations: u32, count: u16, size: u32) -> io::Result<Self> {
        let count = NonZero::new(count).ok_or(io::ErrorKind::InvalidInput)?;
        let mut proactor = Proactor::builder()
            .capacity(operations)
            .cqsize(operations.saturating_mul(4))
            .single_issuer(true)
            .defer_taskrun(true)
            .buffer_pool_size(count)
            .buffer_pool_buffer_len(size as usize)
            .build()?;
        let buffers = Buffers { pool: proactor.buffer_pool()? };
        Ok(Ring {
            operations: Vec::new(),
            alarm: None,
            ready: Arc::default(),
            tags: Vec::new(),
            sending: Vec::new(),
            settled: true,
            buffers,
            proactor,
        })
    }

    /// Returns the receive buffers.
    pub fn buffers(&self) -> &Buffers {
        &self.buffers
    }

    /// Gives a buffer to the kernel again.
    pub fn give_back(&mut self, filled: Filled) {
        drop(filled);
    }

    fn place(&mut self, tag: u64) -> &mut Option<Operation> {
        if tag == ALARM {
            return &mut self.alarm;
        }
        let at = usize::try_from(tag).unwrap_or(usize::MAX);
        if self.operations.len() <= at {
            self.operations.resize_with(at + 1, || None);
        }
        &mut self.operations[at]
    }

    fn waker(&self, tag: u64) -> Waker {
        Arc::new(Ready { tag, all: self.ready.clone() }).into()
    }

    fn again(&self, tag: u64) {
        if let Ok(mut all) = self.ready.lock() {
            all.push(tag);
        }
    }

    /// Sends with the next turn what a socket then takes without waiting.
    pub fn send(&mut self, socket: BorrowedFd<'_>, bytes: Vec<u8>, tag: u64) -> io::Result<()> {
        let flags = SendFlags::from_bits_retain(AS_MUCH_AS_POSSIBLE);
        let pushed = self.proactor.push(Send::new(Descriptor(socket.as_raw_fd()), bytes, flags));
        self.sending.push((tag, pushed));
        self.settled = false;
        Ok(())
    }

    /// Tells what became of the sends of the last turn.
    pub fn sent(&mut self, mut each: impl FnMut(Sent)) {
        if !self.settled {
            return;
        }
        for (tag, pushed) in std::mem::take(&mut self.sending) {
            let pushed = match pushed {
                PushEntry::Pending(key) => self.proactor.pop(key),
                ready => ready,
            };
            match pushed {
                PushEntry::Ready(BufResult(result, operation)) => {
                    use compio_buf::IntoInner;
                    each(Sent { tag, bytes: operation.into_inner(), result });
                }
                pending => self.sending.push((tag, pending)),
            }
        }
    }

    /// Receives from a socket until it ends: a completion for each piece.
    pub fn receive(&mut self, socket: BorrowedFd<'_>, tag: u64) -> io::Result<()> {
        let descriptor = Descriptor(socket.as_raw_fd());
        let receive = RecvMulti::new(descriptor, &self.buffers.pool, 0, RecvFlags::empty())?;
        let waker = self.waker(tag);
        match self.proactor.push(receive) {
            PushEntry::Pending(key) => {
                self.proactor.update_waker(&key, &waker);
                *self.place(tag) = Some(Operation::Receive(key));
                Ok(())
            }
            PushEntry::Ready(BufResult(result, _)) => result.map(drop),
        }
    }

    /// Waits once for any of these events.
    pub fn wait_for(&mut self, descriptor: BorrowedFd<'_>, events: u32, tag: u64) -> io::Result<()> {
        if events & POLLRDHUP != 0 {
            *self.place(tag) = Some(Operation::Never);
            return Ok(());
        }
        let interest = if events & POLLOUT != 0 { Interest::Writable } else { Interest::Readable };
        let waker = self.waker(tag);
        match self.proactor.push(PollOnce::new(Descriptor(descriptor.as_raw_fd()), interest)) {
            PushEntry::Pending(key) => {
                self.proactor.update_waker(&key, &waker);
                *self.place(tag) = Some(Operation::Wait(key));
                Ok(())
            }
            PushEntry::Ready(BufResult(result, _)) => result.map(drop),
        }
    }

    /// As `wait_for`: compio waits once, and the caller has to wait again.
    pub fn watch(&mut self, descriptor: BorrowedFd<'_>, events: u32, tag: u64) -> io::Result<()> {
        self.wait_for(descriptor, events, tag)
    }

    /// Ends an operation. Its last completion comes nevertheless.
    pub fn cancel(&mut self, tag: u64) -> io::Result<()> {
        let operation = self.place(tag).take();
        let cancel = match &operation {
            Some(Operation::Receive(key)) => Some(self.proactor.register_cancel(key)),
            Some(Operation::Wait(key)) => Some(self.proactor.register_cancel(key)),
            Some(Operation::Never) => {
                self.again(tag);
                None
            }
            None => None,
        };
        *self.place(tag) = operation;
        if let Some(cancel) = cancel {
            self.proactor.cancel_token(cancel);
        }
        Ok(())
    }

    /// Hands what is queued to the kernel, and waits for a completion, at most this long.
    pub fn turn(&mut self, limit: Option<Duration>) -> io::Result<()> {
        let polled = self.proactor.poll(limit);
        self.settled = true;
        match polled {
            Err(e) if matches!(e.kind(), io::ErrorKind::TimedOut | io::ErrorKind::Interrupted) => Ok(()),
            polled => polled,
        }
    }

    /// Moves the completions that have come to `all`.
    pub fn take(&mut self, all: &mut Vec<Completion>) -> io::Result<()> {
        let mut tags = std::mem::take(&mut self.tags);
        if let Ok(mut ready) = self.ready.lock() {
            std::mem::swap(&mut *ready, &mut tags);
        }
        for tag in tags.drain(..) {
            self.take_of(tag, all)?;
        }
        self.tags = tags;
        Ok(())
    }

    fn take_of(&mut self, tag: u64, all: &mut Vec<Completion>) -> io::Result<()> {
        let one = |result, more, filled| Completion { tag, result, more, filled };
        match self.place(tag).take() {
            None => {}
            Some(Operation::Never) => all.push(one(Err(io::Error::from_raw_os_error(125)), false, None)),
            Some(Operation::Wait(key)) => match self.proactor.pop(key) {
                PushEntry::Ready(BufResult(r, _)) => all.push(one(result(r), false, None)),
                PushEntry::Pending(key) => *self.place(tag) = Some(Operation::Wait(key)),
            },
            Some(Operation::Receive(key)) => {
                while let Some(BufResult(r, extra)) = self.proactor.pop_multishot(&key) {
                    let filled = match (&r, extra.buffer_id()) {
                        (Ok(n), Ok(id)) => Some(self.buffers.filled(id, *n)?),
                        _ => None,
                    };
                    all.push(one(result(r), true, filled));
                }
                match self.proactor.pop(key) {
                    PushEntry::Ready(BufResult(r, operation)) => {
                        let length = *r.as_ref().unwrap_or(&0);
                        let filled = operation.take_buffer().map(|buffer| Filled::new(buffer, length));
                        all.push(one(result(r), false, filled));
                    }
                    PushEntry::Pending(key) => *self.place(tag) = Some(Operation::Receive(key)),
                }
            }
        }
        Ok(())
    }
}
