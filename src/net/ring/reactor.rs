//! The ring of one thread, and what waits for it.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use pointsman_uring::{Completion, Filled, Ring, Sent};
use rustix::event::{EventfdFlags, PollFlags, eventfd};

use super::slot::{SENDS, Slot, SlotKind};
use super::timers::Timers;
use crate::net::turn;

/// How much the sockets of a thread may do in one turn: a KiB that was read or written counts as one, and so does each read
/// and write. Then all wait for the next turn, so that a client that never stops cannot keep the thread from it.
const BUDGET: usize = 1024;

/// How long the thread may sleep while it does not hear the alarm.
const DEAF: Duration = Duration::from_millis(50);

thread_local! {
    static CURRENT: RefCell<Option<Rc<Reactor>>> = const { RefCell::new(None) };
}

/// Wakes the thread from any other one.
#[derive(Debug)]
pub struct RingAlarm {
    /// The thread's tasks have something to do.
    woken: AtomicBool,
    /// The thread waits, or is about to.
    asleep: AtomicBool,
    event: OwnedFd,
}

impl RingAlarm {
    /// True once for each time the thread was woken.
    pub fn take(&self) -> bool {
        self.woken.swap(false, SeqCst)
    }
}

impl Wake for RingAlarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Both sides first say what they do and then look what the other one does, so that one of them notices.
        self.woken.store(true, SeqCst);
        if self.asleep.swap(false, SeqCst) {
            // It fails only if the counter is full: then the thread is woken already.
            let _ = rustix::io::write(&self.event, &1_u64.to_ne_bytes());
        }
    }
}

/// The slots of the thread's descriptors. The index is a part of the tags.
#[derive(Debug, Default)]
struct RingSlots {
    all: Vec<Option<Rc<Slot>>>,
    free: Vec<usize>,
}

/// The ring of one thread.
pub struct Reactor {
    ring: RefCell<Ring>,
    slots: RefCell<RingSlots>,
    pub timers: Timers,
    pub alarm: Arc<RingAlarm>,
    /// The alarm is not watched, because the kernel had no memory for that.
    deaf: Cell<bool>,
    /// What was done in this turn, of `BUDGET`.
    spent: Cell<usize>,
    /// The tasks that go on with the next turn.
    later: RefCell<Vec<Waker>>,
    /// Memory for the completions of a turn.
    came: Cell<Vec<Completion>>,
    /// The sockets that send with the next turn.
    to_send: RefCell<Vec<Rc<Slot>>>,
    /// How many sockets were dropped, and stay open until the peer has read enough for the rest of what was written.
    lingering: RefCell<Vec<Lingering>>,
    /// At most one socket got something in this turn.
    pub alone: Cell<bool>,
    /// Unused memory of outboxes.
    spare: RefCell<Vec<Vec<u8>>>,
}

/// A socket that was dropped before the peer took all that was written.
struct Lingering {
    slot: Rc<Slot>,
    /// How long it may still take.
    seconds: u32,
}

/// How long a dropped socket waits for its peer, in seconds: as long as the kernel lets a closed one (net.ipv4.tcp_fin_timeout).
const LINGERS: u32 = 60;

/// So many dropped sockets may wait at a time. They count in no other limit.
const MOST_LINGERING: usize = 256;

/// So many outboxes are kept without use.
const SPARE: usize = 64;

impl std::fmt::Debug for Reactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reactor").field("slots", &self.slots.borrow().all.len()).finish_non_exhaustive()
    }
}

/// The tag of the alarm: no descriptor has this index. (The ring keeps larger tags for itself.)
const ALARM: u64 = (1 << 62) - 1;

fn tag(index: usize, kind: SlotKind) -> u64 {
    (index as u64) << 3 | kind as u64
}

impl Reactor {
    /// Makes the ring of the calling thread.
    pub fn new() -> io::Result<Rc<Self>> {
        Self::with_buffers(super::BUFFERS, super::BUFFER)
    }

    /// Makes the ring of the calling thread, with this many buffers of this size.
    pub fn with_buffers(count: u16, size: u32) -> io::Result<Rc<Self>> {
        let mut ring = Ring::new(super::OPERATIONS, count, size)?;
        let event = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        ring.watch(event.as_fd(), u32::from(PollFlags::IN.bits()), ALARM)?;
        let alarm = RingAlarm { woken: AtomicBool::new(true), asleep: AtomicBool::new(false), event };
        Ok(Rc::new(Reactor {
            ring: RefCell::new(ring),
            slots: RefCell::default(),
            timers: Timers::default(),
            alarm: Arc::new(alarm),
            deaf: Cell::default(),
            spent: Cell::default(),
            later: RefCell::default(),
            came: Cell::default(),
            to_send: RefCell::default(),
            lingering: RefCell::default(),
            alone: Cell::new(true),
            spare: RefCell::default(),
        }))
    }

    /// Returns the reactor of this thread, unless it is one of tokio's.
    pub fn current() -> Option<Rc<Self>> {
        CURRENT.with_borrow(Clone::clone)
    }

    /// Makes this the reactor of the calling thread.
    pub fn enter(self: &Rc<Self>) {
        CURRENT.set(Some(self.clone()));
        turn::begins();
    }

    /// Ends what `enter` did.
    pub fn leave() {
        CURRENT.set(None);
        turn::no_more();
    }

    /// Makes a slot for a descriptor.
    pub fn add(&self, fd: OwnedFd) -> Rc<Slot> {
        let mut slots = self.slots.borrow_mut();
        let index = slots.free.pop().unwrap_or_else(|| {
            slots.all.push(None);
            slots.all.len() - 1
        });
        let slot = Rc::new(Slot::new(fd, index));
        if let Some(place) = slots.all.get_mut(index) {
            *place = Some(slot.clone());
        }
        slot
    }

    fn remove(&self, index: usize) {
        let mut slots = self.slots.borrow_mut();
        if slots.all.get_mut(index).and_then(Option::take).is_some() {
            slots.free.push(index);
        }
    }

    /// Begins to receive. The receive goes on until the socket ends, or `Slot::complete` stops it.
    pub fn receive(&self, slot: &Slot) -> io::Result<()> {
        self.ring.borrow_mut().receive(slot.fd.as_fd(), tag(slot.index, SlotKind::Receive))?;
        slot.begins(SlotKind::Receive);
        Ok(())
    }

    /// Begins to wait for what this kind waits for, unless it waits already.
    pub fn wait(&self, slot: &Slot, kind: SlotKind) -> io::Result<()> {
        if slot.is_under_way(kind) {
            return Ok(());
        }
        let events = match kind {
            SlotKind::Writable => PollFlags::OUT,
            SlotKind::HungUp => PollFlags::RDHUP,
            SlotKind::Receive | SlotKind::Readable => PollFlags::IN,
        };
        self.ring.borrow_mut().wait_for(slot.fd.as_fd(), u32::from(events.bits()), tag(slot.index, kind))?;
        slot.begins(kind);
        Ok(())
    }

    /// Sends the socket's outbox with the next turn.
    pub fn send(&self, slot: &Rc<Slot>) {
        self.to_send.borrow_mut().push(slot.clone());
    }

    /// True if nobody else has something to send in this turn, most likely: then waiting for its end gains nothing, and
    /// the peer could work meanwhile.
    pub fn is_alone(&self) -> bool {
        self.alone.get()
    }

    /// Takes note of a read or write of this many bytes.
    pub fn spend(&self, bytes: usize) {
        self.spent.set(self.spent.get().saturating_add(1 + bytes / 1024));
    }

    /// True if a task must wait for the next turn, which then wakes it.
    pub fn is_spent(&self, cx: &Context<'_>) -> bool {
        let spent = self.spent.get() >= BUDGET;
        if spent {
            self.later.borrow_mut().push(cx.waker().clone());
        }
        spent
    }

    /// Waits for the next turn.
    pub async fn next_turn(&self) {
        let mut waits = true;
        poll_fn(|cx| {
            if !std::mem::take(&mut waits) {
                return Poll::Ready(());
            }
            self.later.borrow_mut().push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Returns memory for an outbox.
    pub fn spare(&self) -> Vec<u8> {
        self.spare.borrow_mut().pop().unwrap_or_default()
    }

    fn keep(&self, mut bytes: Vec<u8>) {
        let mut spare = self.spare.borrow_mut();
        if spare.len() < SPARE {
            bytes.clear();
            spare.push(bytes);
        }
    }

    /// Queues the sends of the turn.
    fn send_all(&self) -> io::Result<()> {
        let mut ring = self.ring.borrow_mut();
        for slot in self.to_send.borrow_mut().drain(..) {
            slot.outbox.queued.set(false);
            let bytes = slot.outbox.bytes.take();
            // It may have been flushed meanwhile, and be full.
            if bytes.is_empty() {
                continue;
            }
            if slot.outbox.full.get() {
                slot.outbox.bytes.replace(bytes);
                continue;
            }
            ring.send(slot.fd.as_fd(), bytes, (slot.index as u64) << 3 | SENDS)?;
        }
        Ok(())
    }

    /// Takes note of what became of the sends of the turn.
    fn sent(&self) {
        let mut full = Vec::new();
        self.ring.borrow_mut().sent(|Sent { tag, mut bytes, result }| {
            let slots = self.slots.borrow();
            let slot =
                usize::try_from(tag >> 3).ok().and_then(|index| slots.all.get(index)).cloned().flatten();
            if let Some(slot) = slot
                && slot.sent(result, &mut bytes)
            {
                full.push(slot);
            }
            self.keep(bytes);
        });
        for slot in full {
            if self.wait(&slot, SlotKind::Writable).is_err() {
                slot.flush();
            }
        }
    }

    /// Copies what is left of a buffer to `room`. Returns how much that is.
    pub fn copy(&self, filled: &Filled, from: usize, room: &mut [u8]) -> usize {
        let ring = self.ring.borrow();
        let bytes = ring.buffers().bytes(filled).get(from..).unwrap_or_default();
        let n = bytes.len().min(room.len());
        if let (Some(to), Some(bytes)) = (room.get_mut(..n), bytes.get(..n)) {
            to.copy_from_slice(bytes);
        }
        n
    }

    /// Gives a buffer to the kernel again.
    pub fn give_back(&self, filled: Filled) {
        self.ring.borrow_mut().give_back(filled);
    }

    /// Ends all operations of a descriptor, and forgets it behind the last one: until then it must stay open, or the
    /// next descriptor would get its number.
    pub fn close(&self, slot: &Slot) {
        slot.dropped.set(true);
        slot.reader.forget();
        slot.writer.forget();
        slot.pieces.take().into_iter().for_each(|filled| self.give_back(filled));
        // What was written comes first. The kernel would send it behind the end of the process, too; this one waits for
        // the rest that a full socket does not take, see `lingering`.
        let lingers = !slot.flush() && self.wait(slot, SlotKind::Writable).is_ok();
        if slot.is_idle() {
            return self.remove(slot.index);
        }
        if lingers && let Some(slot) = self.slots.borrow().all.get(slot.index).cloned().flatten() {
            let mut lingering = self.lingering.borrow_mut();
            lingering.push(Lingering { slot, seconds: LINGERS });
            if let Some(oldest) =
                lingering.len().checked_sub(MOST_LINGERING + 1).and_then(|_| lingering.first())
            {
                self.give_up(&oldest.slot);
            }
        }
        for kind in SlotKind::ALL {
            let stops = kind == SlotKind::Receive && slot.stopping.get();
            let lingers = kind == SlotKind::Writable && lingers;
            if slot.is_under_way(kind) && !stops && !lingers {
                self.cancel(slot.index, kind);
            }
        }
    }

    /// Gives up dropped sockets whose peers have not read for too long. Call it once a second.
    pub fn end_lingering(&self) {
        for Lingering { slot, seconds } in &mut *self.lingering.borrow_mut() {
            *seconds = seconds.saturating_sub(1);
            if *seconds == 0 {
                self.give_up(slot);
            }
        }
    }

    fn give_up(&self, lingering: &Slot) {
        lingering.outbox.bytes.take();
        lingering.outbox.full.set(false);
        self.cancel(lingering.index, SlotKind::Writable);
    }

    /// Returns how many dropped sockets have something to send.
    pub fn lingering(&self) -> usize {
        self.lingering.borrow().len()
    }

    fn cancel(&self, index: usize, kind: SlotKind) {
        // The queue has no place only if the kernel has no memory. Then the operation ends with its socket.
        if let Err(error) = self.ring.borrow_mut().cancel(tag(index, kind)) {
            tracing::warn!(%error, "an operation of io_uring cannot be cancelled");
        }
    }

    /// Takes the completions that are there, without a system call. Returns how many there were.
    pub fn take(&self) -> io::Result<usize> {
        let mut came = self.came.take();
        let taken = self.ring.borrow_mut().take(&mut came);
        self.sent();
        let count = came.len();
        for completion in came.drain(..) {
            self.complete(completion);
        }
        self.came.set(came);
        taken.map(|()| count)
    }

    fn complete(&self, mut completion: Completion) {
        if completion.tag == ALARM {
            return self.heard(completion.more);
        }
        let index = usize::try_from(completion.tag >> 3).unwrap_or(usize::MAX);
        let slot = self.slots.borrow().all.get(index).cloned().flatten();
        // A buffer of nobody goes back.
        if (slot.is_none() || completion.result.is_err())
            && let Some(filled) = completion.filled.take()
        {
            self.give_back(filled);
        }
        let (Some(slot), Some(kind)) = (slot, SlotKind::of_tag(completion.tag)) else { return };
        let stop = slot.complete(kind, completion);
        if kind == SlotKind::Writable && slot.outbox.full.get() && self.wait(&slot, kind).is_ok() {
            return;
        }
        if slot.dropped.get() {
            slot.pieces.take().into_iter().for_each(|filled| self.give_back(filled));
            if kind == SlotKind::Writable {
                self.lingering.borrow_mut().retain(|lingering| lingering.slot.index != index);
            }
            if slot.is_idle() {
                self.remove(index);
            }
        } else if stop {
            self.cancel(index, kind);
        }
    }

    fn heard(&self, more: bool) {
        // Empties the counter.
        let _ = rustix::io::read(&self.alarm.event, &mut [0_u8; 8]);
        if !more {
            self.listen_for_alarm();
        }
    }

    /// Watches the alarm. Fails if the kernel has no memory: then no wait is long, see `turn`.
    fn listen_for_alarm(&self) {
        let events = u32::from(PollFlags::IN.bits());
        let watched = self.ring.borrow_mut().watch(self.alarm.event.as_fd(), events, ALARM);
        self.deaf.set(watched.is_err());
    }

    /// Hands the queued operations to the kernel, waits until there is something to do, and tells who waits for it.
    pub fn turn(&self) -> io::Result<()> {
        let alarm = &self.alarm;
        alarm.asleep.store(true, SeqCst);
        self.send_all()?;
        if self.deaf.get() {
            self.listen_for_alarm();
        }
        let goes_on = alarm.woken.load(SeqCst) || !self.later.borrow().is_empty();
        let limit = if goes_on { Some(Duration::ZERO) } else { self.timers.first() };
        let limit = if self.deaf.get() { Some(limit.map_or(DEAF, |limit| limit.min(DEAF))) } else { limit };
        let turned = self.ring.borrow_mut().turn(limit);
        alarm.asleep.store(false, SeqCst);
        turned?;
        turn::begins();
        self.alone.set(self.take()? <= 1);
        self.timers.fire();
        self.spent.set(0);
        self.later.borrow_mut().drain(..).for_each(Waker::wake);
        Ok(())
    }
}
