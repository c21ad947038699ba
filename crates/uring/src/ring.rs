//! The ring: operations are queued, and handed to the kernel together when the thread waits.

use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;
use std::time::Duration;

use io_uring::squeue::{Entry, Flags};
use io_uring::types::{Fd, SubmitArgs, Timespec};
use io_uring::{EnterFlags, IoUring, cqueue, opcode};

use super::buffers::GROUP;
use super::{Buffers, Filled};

/// The tag of operations whose completion concerns nobody.
pub const NOBODY: u64 = u64::MAX;

/// IORING_RECVSEND_POLL_FIRST (io_uring.h): waits for bytes before the first try to receive, which would be in vain.
const POLL_FIRST: u16 = 1;
/// IORING_RECV_MULTISHOT (io_uring.h).
const MULTISHOT: u16 = 2;

// What io_uring_enter(2) returns: interrupted by a signal; too little memory for now; completions must be taken first; the
// time is over.
const EINTR: i32 = 4;
const EAGAIN: i32 = 11;
const EBUSY: i32 = 16;
const ETIME: i32 = 62;

/// Tags are less than this: the bit marks sends, whose completions are told by `Ring::sent`.
const SEND: u64 = 1 << 62;

/// MSG_DONTWAIT, MSG_WAITALL and MSG_NOSIGNAL (send(2)): as much as the socket takes at once, and an error for less than all
/// that says how much.
const AS_MUCH_AS_POSSIBLE: i32 = 0x40 | 0x100 | 0x4000;

/// How often a queue is handed over again that the kernel has no memory for.
const TRIES: usize = 100;

/// What became of a `send`.
#[derive(Debug)]
pub struct Sent {
    /// The tag.
    pub tag: u64,
    /// What was to be sent.
    pub bytes: Vec<u8>,
    /// How many bytes the socket took. WouldBlock: none, because it is full.
    pub result: io::Result<usize>,
}

/// The completion of an operation, or one of several.
#[derive(Debug)]
pub struct Completion {
    /// The operation's tag.
    pub tag: u64,
    /// What the system call of the same name returns; for a wait, the events.
    pub result: io::Result<u32>,
    /// True if more completions of the operation follow.
    pub more: bool,
    /// The bytes of a `receive`.
    pub filled: Option<Filled>,
}

/// Refuses tags that are not a caller's.
fn allowed(tag: u64) -> io::Result<u64> {
    if tag < SEND { Ok(tag) } else { Err(io::ErrorKind::InvalidInput.into()) }
}

/// An io_uring, which belongs to the thread that made it.
#[allow(missing_debug_implementations)]
pub struct Ring {
    // Both are dropped by hand: the ring first.
    ring: ManuallyDrop<IoUring>,
    buffers: ManuallyDrop<Buffers>,
    /// Operations whose last completion is still to come, but for those of `NOBODY`.
    under_way: usize,
    /// The bytes of the sends that were queued since the last turn, in their order.
    sending: Vec<(u64, Vec<u8>)>,
    /// The sends of the last turn that did not send all.
    failed: Vec<(u64, io::Result<u32>)>,
    /// All sends in `sending` were handed to the kernel, and so are over.
    settled: bool,
}

impl Ring {
    /// Makes a ring of this many queued operations, with `count` receive buffers (a power of two) of `size` bytes.
    pub fn new(operations: u32, count: u16, size: u32) -> io::Result<Self> {
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_submit_all()
            .setup_cqsize(operations.saturating_mul(4))
            .build(operations)?;
        let buffers = Buffers::new(&ring.submitter(), count, size)?;
        Ok(Ring {
            ring: ManuallyDrop::new(ring),
            buffers: ManuallyDrop::new(buffers),
            under_way: 0,
            sending: Vec::new(),
            failed: Vec::new(),
            settled: true,
        })
    }

    /// Returns the receive buffers.
    pub fn buffers(&self) -> &Buffers {
        &self.buffers
    }

    /// Gives a buffer to the kernel again.
    pub fn give_back(&mut self, filled: Filled) {
        self.buffers.give_back(filled);
    }

    /// Queues an operation. Hands the queue to the kernel first if it is full.
    fn queue(&mut self, entry: Entry, tag: u64) -> io::Result<()> {
        let entry = entry.user_data(tag);
        // SAFETY: only a send points to memory. `sending` keeps that until the kernel took the entry from the queue, and
        // then the kernel does not use it any more: MSG_DONTWAIT makes it send at once and never later, and the socket has
        // copied what it took.
        if unsafe { self.ring.submission().push(&entry) }.is_err() {
            self.enter(0, None)?;
            // SAFETY: as above.
            let pushed = unsafe { self.ring.submission().push(&entry) };
            pushed.map_err(|_| io::Error::from(io::ErrorKind::WouldBlock))?;
        }
        self.under_way += usize::from(tag < SEND);
        Ok(())
    }

    /// Sends with the next turn what a socket then takes without waiting. `sent` tells how much that was. The tag must
    /// not be that of another send of the same turn.
    pub fn send(&mut self, socket: BorrowedFd<'_>, bytes: Vec<u8>, tag: u64) -> io::Result<()> {
        allowed(tag)?;
        let length = u32::try_from(bytes.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        let entry = opcode::Send::new(Fd(socket.as_raw_fd()), bytes.as_ptr(), length)
            .flags(AS_MUCH_AS_POSSIBLE)
            .build()
            // Only a send that fails has a completion: otherwise each of them would end the wait of the turn.
            .flags(Flags::SKIP_SUCCESS);
        // Kept until `sent`, whatever happens next. The memory of a `Vec` stays where it is when the `Vec` moves.
        self.sending.push((tag, bytes));
        self.settled = false;
        let queued = self.queue(entry, tag | SEND);
        if queued.is_err() {
            self.sending.pop();
        }
        queued
    }

    /// Tells what became of the sends of the last turn.
    pub fn sent(&mut self, mut each: impl FnMut(Sent)) {
        if !self.settled {
            return;
        }
        let mut failed = std::mem::take(&mut self.failed);
        for (tag, bytes) in self.sending.drain(..) {
            let at = if failed.is_empty() { None } else { failed.iter().position(|(of, _)| *of == tag) };
            let result = match at {
                None => Ok(bytes.len()),
                Some(at) => failed.swap_remove(at).1.map(|n| n as usize),
            };
            each(Sent { tag, bytes, result });
        }
        failed.clear();
        self.failed = failed;
    }

    /// Receives from a socket until it ends, breaks, is cancelled, or the kernel has no buffer left (ENOBUFS): a
    /// completion for each piece. The socket must stay open until the last completion.
    pub fn receive(&mut self, socket: BorrowedFd<'_>, tag: u64) -> io::Result<()> {
        let entry = opcode::Recv::new(Fd(socket.as_raw_fd()), ptr::null_mut(), 0)
            .buf_group(GROUP)
            .ioprio(POLL_FIRST | MULTISHOT)
            .build()
            .flags(Flags::BUFFER_SELECT);
        self.queue(entry, allowed(tag)?)
    }

    /// Waits once for any of these events (POLLIN and so on, see poll(2)). The descriptor must stay open until the
    /// completion.
    pub fn wait_for(&mut self, descriptor: BorrowedFd<'_>, events: u32, tag: u64) -> io::Result<()> {
        self.queue(opcode::PollAdd::new(Fd(descriptor.as_raw_fd()), events).build(), allowed(tag)?)
    }

    /// As `wait_for`, with a completion each time.
    pub fn watch(&mut self, descriptor: BorrowedFd<'_>, events: u32, tag: u64) -> io::Result<()> {
        self.queue(
            opcode::PollAdd::new(Fd(descriptor.as_raw_fd()), events).multi(true).build(),
            allowed(tag)?,
        )
    }

    /// Ends an operation. Its last completion comes nevertheless, with ECANCELED unless it came to its end before.
    pub fn cancel(&mut self, tag: u64) -> io::Result<()> {
        let entry = opcode::AsyncCancel::new(tag).build().flags(Flags::SKIP_SUCCESS);
        self.queue(entry, NOBODY)
    }

    /// Hands what is queued to the kernel, and waits for a completion, at most this long. None: however long it takes.
    pub fn turn(&mut self, limit: Option<Duration>) -> io::Result<()> {
        let timespec = limit.map(|limit| Timespec::new().sec(limit.as_secs()).nsec(limit.subsec_nanos()));
        let least = u32::from(!limit.is_some_and(|limit| limit.is_zero()));
        let timespec = timespec.as_ref().filter(|_| least > 0);
        match self.enter(least, timespec) {
            Err(e) if e.raw_os_error() != Some(ETIME) => return Err(e),
            _ => {}
        }
        for _ in 0..TRIES {
            if self.queued() == 0 {
                self.settled = true;
                return Ok(());
            }
            self.enter(0, None)?;
        }
        Err(io::Error::from(io::ErrorKind::OutOfMemory))
    }

    /// Returns how many operations the kernel has not taken yet.
    fn queued(&mut self) -> u32 {
        let mut queue = self.ring.submission();
        queue.sync();
        u32::try_from(queue.len()).unwrap_or(u32::MAX)
    }

    /// Always runs the work that the kernel deferred for this thread, even if there is nothing to wait for.
    fn enter(&mut self, least: u32, limit: Option<&Timespec>) -> io::Result<()> {
        let queued = self.queued();
        let submitter = self.ring.submitter();
        let flags = EnterFlags::GETEVENTS;
        let entered = match limit {
            Some(limit) => {
                let args = SubmitArgs::new().timespec(limit);
                let flags = flags | EnterFlags::EXT_ARG;
                // SAFETY: the argument is the one that EXT_ARG announces, and outlives the call.
                unsafe { submitter.enter(queued, least, flags.bits(), Some(&args)) }
            }
            // SAFETY: there is no argument.
            None => unsafe { submitter.enter::<u8>(queued, least, flags.bits(), None) },
        };
        match entered {
            Ok(_) => Ok(()),
            Err(e) if matches!(e.raw_os_error(), Some(EINTR | EAGAIN | EBUSY)) => Ok(()),
            Err(e) => Err(e),
        }
    }

    /// Moves the completions that have come to `all`.
    pub fn take(&mut self, all: &mut Vec<Completion>) -> io::Result<()> {
        self.take_some(all);
        // More than there is room for: the kernel keeps them until it is asked again. A failed send could be among them.
        while self.ring.submission().cq_overflow() {
            self.enter(0, None)?;
            self.take_some(all);
        }
        Ok(())
    }

    fn take_some(&mut self, all: &mut Vec<Completion>) {
        for entry in self.ring.completion() {
            let (flags, result) = (entry.flags(), entry.result());
            let more = cqueue::more(flags);
            if entry.user_data() == NOBODY {
                continue;
            }
            let result = u32::try_from(result).map_err(|_| io::Error::from_raw_os_error(-result));
            if entry.user_data() & SEND != 0 {
                self.failed.push((entry.user_data() & !SEND, result));
                continue;
            }
            self.under_way -= usize::from(!more && self.under_way > 0);
            let length = result.as_ref().copied().unwrap_or_default();
            let filled = cqueue::buffer_select(flags).and_then(|id| self.buffers.filled(id, length));
            all.push(Completion { tag: entry.user_data(), result, more, filled });
        }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: not used after this.
        unsafe { ManuallyDrop::drop(&mut self.ring) };
        // The kernel ends a ring's operations after the ring itself, at a time that this process does not learn.
        if self.under_way == 0 && self.settled {
            // SAFETY: not used after this.
            unsafe { ManuallyDrop::drop(&mut self.buffers) };
        }
        if !self.settled {
            // In the queue of a ring that has gone: nobody will ever send it. Leaked all the same.
            let _ = Box::leak(Box::new(std::mem::take(&mut self.sending)));
        }
    }
}
