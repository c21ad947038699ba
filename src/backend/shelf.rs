//! Where server connections of one kind wait. A connection stays with the session that
//! used it last, in its seat, until that session comes back or another one needs it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Carried, Connection, PoolKey, Standing};
use crate::net::Stream;

/// So many connections of a kind are opened at the same time. A server that is asked for all at once has none ready
/// before it has nearly all of them: logins cost it milliseconds of computing each. While the first few are opened
/// nobody waits longer, most sessions are served by these, and the rest can go on from what the first brought (a
/// password in the cache of caching_sha2_password, TLS sessions to resume).
const OPENING: usize = 8;

/// The same for sessions that only pass: a read takes less time than a login, so they had better share.
const OPENING_TO_PASS: usize = 2;

/// Where no connection was opened for so long, the server is slow in another way, or does not answer: then it
/// helps nobody to wait for others.
pub const STALLED: Duration = Duration::from_millis(200);

/// Which connections are taken that their sessions left to come back to.
#[derive(Debug, Clone, Copy)]
pub enum Claims {
    /// None of them.
    Count,
    /// Those that were taken in an earlier generation than this one.
    OfBefore(u64),
    /// All.
    None,
}

/// A session's claim on a connection that it parked. Worth nothing once another session took it.
#[derive(Debug)]
pub struct Seat<S: Stream> {
    shelf: Rc<Shelf<S>>,
    index: usize,
    epoch: u64,
}

/// One place: a connection that waits, or one that is in use, or nothing.
#[derive(Debug)]
struct Slot<S> {
    /// The session that may come back has this number.
    epoch: u64,
    /// The id of the session that has it, or had it last.
    owner: u32,
    /// What `CONNECTION_ID()` answers on it.
    thread_id: u32,
    /// Its session is still there.
    owned: bool,
    /// The session may ask it what its last statement did: it is taken last.
    asked_for: bool,
    connection: Option<Box<Connection<S>>>,
    /// The connection is being opened.
    opening: bool,
    /// When it was parked last: by the pool's clock, and in seconds.
    parked: u64,
    second: u32,
}

/// See the module.
#[derive(Debug)]
pub struct Shelf<S: Stream> {
    /// What its connections have in common.
    pub key: PoolKey,
    /// Whether the password that they were opened with still counts.
    pub standing: Cell<Standing>,
    slots: RefCell<Vec<Slot<S>>>,
    /// Slots without a connection, waiting or in use.
    free: RefCell<Vec<usize>>,
    /// How many are being opened,
    opening: Cell<usize>,
    /// and when the last one was ready, or the first of these was begun.
    progress: Cell<Option<Instant>>,
    epochs: Cell<u64>,
    clock: Rc<Cell<u64>>,
}

impl<S: Stream> Shelf<S> {
    /// An empty one. `clock` is shared by all shelves of a pool.
    pub fn new(key: PoolKey, standing: Standing, clock: Rc<Cell<u64>>) -> Self {
        Shelf {
            key,
            standing: Cell::new(standing),
            slots: RefCell::default(),
            free: RefCell::default(),
            opening: Cell::new(0),
            progress: Cell::new(None),
            epochs: Cell::new(0),
            clock,
        }
    }

    /// Whether one more may be opened now; else it is better to wait for one of those that are.
    pub fn may_open(&self, passing: bool) -> bool {
        let most = if passing { OPENING_TO_PASS } else { OPENING };
        self.opening.get() < most || self.progress.get().is_none_or(|last| last.elapsed() >= STALLED)
    }

    fn ends_opening(&self, slot: &mut Slot<S>) {
        if std::mem::take(&mut slot.opening) {
            self.opening.set(self.opening.get().saturating_sub(1));
        }
    }

    fn next_epoch(&self) -> u64 {
        self.epochs.set(self.epochs.get() + 1);
        self.epochs.get()
    }

    /// Whether one is being opened.
    pub fn is_opening(&self) -> bool {
        self.opening.get() > 0
    }

    /// A place for a connection that is opened now.
    pub fn seat(self: &Rc<Self>, owner: u32) -> Seat<S> {
        if self.opening.replace(self.opening.get() + 1) == 0 {
            self.progress.set(Some(Instant::now()));
        }
        self.place(owner, 0, true)
    }

    /// A place for a connection that was open before, with this id at the server.
    pub fn seat_open(self: &Rc<Self>, owner: u32, thread_id: u32) -> Seat<S> {
        self.place(owner, thread_id, false)
    }

    fn place(self: &Rc<Self>, owner: u32, thread_id: u32, opening: bool) -> Seat<S> {
        let epoch = self.next_epoch();
        let slot = Slot {
            epoch,
            owner,
            thread_id,
            owned: true,
            asked_for: false,
            connection: None,
            opening,
            parked: 0,
            second: 0,
        };
        let mut slots = self.slots.borrow_mut();
        let index = match self.free.borrow_mut().pop() {
            Some(index) => {
                if let Some(place) = slots.get_mut(index) {
                    *place = slot;
                }
                index
            }
            None => {
                slots.push(slot);
                slots.len() - 1
            }
        };
        Seat { shelf: self.clone(), index, epoch }
    }

    /// Takes a waiting connection that can serve a session with this state: one that no session claims, the
    /// youngest of them, else, of those whose claims do not count, the one parked longest ago. Only those count that
    /// were begun at this count of their server's renewals.
    pub fn take(
        self: &Rc<Self>,
        owner: u32,
        wish: &Carried,
        claims: Claims,
        begun: u64,
    ) -> Option<(Box<Connection<S>>, Seat<S>)> {
        let mut slots = self.slots.borrow_mut();
        let is_free = |slot: &Slot<S>, connection: &Connection<S>| match claims {
            _ if !slot.owned => true,
            Claims::Count => false,
            Claims::OfBefore(generation) => connection.about.generation < generation,
            Claims::None => true,
        };
        let serves =
            |slot: &Slot<S>, c: &Connection<S>| c.begun == begun && is_free(slot, c) && c.can_become(wish);
        let fits = |slot: &Slot<S>| slot.connection.as_ref().is_some_and(|c| serves(slot, c));
        let rank = |slot: &Slot<S>| match (slot.owned, slot.asked_for) {
            (false, _) => (0, u64::MAX - slot.parked),
            (true, false) => (1, slot.parked),
            (true, true) => (2, slot.parked),
        };
        let index = (0..slots.len())
            .filter(|i| slots.get(*i).is_some_and(fits))
            .min_by_key(|i| slots.get(*i).map(rank))?;
        let slot = slots.get_mut(index)?;
        let connection = slot.connection.take()?;
        slot.epoch = self.next_epoch();
        slot.owner = owner;
        slot.owned = true;
        Some((connection, Seat { shelf: self.clone(), index, epoch: slot.epoch }))
    }

    /// The session that has the connection with this id at the server, or had it last.
    pub fn owner_of(&self, thread_id: u32) -> Option<u32> {
        let slots = self.slots.borrow();
        // One that is being opened has no id yet.
        let mut open = slots.iter().filter(|s| s.epoch != 0 && !s.opening);
        open.find(|s| s.thread_id == thread_id).map(|s| s.owner)
    }

    /// When the connection that waits longest was parked, and whether a session claims it.
    pub fn oldest(&self) -> Option<(bool, u64)> {
        let slots = self.slots.borrow();
        slots.iter().filter(|s| s.connection.is_some()).map(|s| (s.owned, s.parked)).min()
    }

    /// Takes the connection that `oldest` spoke of.
    pub fn take_oldest(self: &Rc<Self>) -> Option<(Box<Connection<S>>, Seat<S>)> {
        let oldest = self.oldest();
        let mut slots = self.slots.borrow_mut();
        let mut all = slots.iter_mut().enumerate();
        let (index, slot) =
            all.find(|(_, s)| s.connection.is_some() && Some((s.owned, s.parked)) == oldest)?;
        let connection = slot.connection.take()?;
        slot.epoch = self.next_epoch();
        Some((connection, Seat { shelf: self.clone(), index, epoch: slot.epoch }))
    }

    /// Takes one that waits and of which this is true.
    pub fn take_where(
        self: &Rc<Self>,
        mut wanted: impl FnMut(&Connection<S>) -> bool,
    ) -> Option<(Box<Connection<S>>, Seat<S>)> {
        let mut slots = self.slots.borrow_mut();
        let mut all = slots.iter_mut().enumerate();
        let (index, slot) = all.find(|(_, s)| s.connection.as_ref().is_some_and(|c| wanted(c)))?;
        let connection = slot.connection.take()?;
        slot.epoch = self.next_epoch();
        Some((connection, Seat { shelf: self.clone(), index, epoch: slot.epoch }))
    }

    /// Drops waiting connections that `keep` does not want; it hears how many seconds they waited, and whether a session
    /// claims them. Returns how many are gone.
    pub fn retain(&self, now: u32, mut keep: impl FnMut(&Connection<S>, u32, bool) -> bool) -> u64 {
        let mut gone = 0;
        for (index, slot) in self.slots.borrow_mut().iter_mut().enumerate() {
            let waited = now.wrapping_sub(slot.second);
            if slot.connection.as_ref().is_some_and(|c| !keep(c, waited, slot.owned)) {
                slot.connection = None;
                slot.epoch = 0;
                self.free.borrow_mut().push(index);
                gone += 1;
            }
        }
        gone
    }

    /// Connections of this shelf: waiting, or in use.
    pub fn open(&self) -> usize {
        self.slots.borrow().len() - self.free.borrow().len()
    }
}

/// A seat that nobody has is free, also when a future that held it is dropped.
impl<S: Stream> Drop for Seat<S> {
    fn drop(&mut self) {
        self.give_up();
    }
}

impl<S: Stream> Seat<S> {
    /// The connection is open now; the server calls it so.
    pub fn opened(&self, thread_id: u32) {
        let mut slots = self.shelf.slots.borrow_mut();
        if let Some(slot) = slots.get_mut(self.index).filter(|slot| slot.epoch == self.epoch) {
            slot.thread_id = thread_id;
            self.shelf.progress.set(Some(Instant::now()));
            self.shelf.ends_opening(slot);
        }
    }

    /// Whose connections.
    pub fn key(&self) -> &PoolKey {
        &self.shelf.key
    }

    /// Whether the password that the connection was opened with still counts.
    #[inline]
    pub fn standing(&self) -> Standing {
        self.shelf.standing.get()
    }

    /// The connection that was parked here, unless another session took it.
    #[inline]
    pub fn reclaim(&self) -> Option<Box<Connection<S>>> {
        let mut slots = self.shelf.slots.borrow_mut();
        let slot = slots.get_mut(self.index).filter(|slot| slot.epoch == self.epoch)?;
        slot.connection.take()
    }

    /// Leaves the connection here, for this session or, without `claim`, for whoever comes.
    #[inline]
    pub fn park(&self, connection: Box<Connection<S>>, claim: bool, asked_for: bool, second: u32) {
        let clock = &self.shelf.clock;
        clock.set(clock.get() + 1);
        let mut slots = self.shelf.slots.borrow_mut();
        let slot = slots.get_mut(self.index).filter(|slot| slot.epoch == self.epoch);
        let Some(slot) = slot else { return };
        slot.connection = Some(connection);
        slot.parked = clock.get();
        slot.second = second;
        slot.asked_for = asked_for;
        if !claim {
            slot.epoch = 0;
            slot.owned = false;
        }
    }

    /// Nobody will come back: the session is gone, or its connection is.
    pub fn give_up(&self) {
        let mut slots = self.shelf.slots.borrow_mut();
        let Some(slot) = slots.get_mut(self.index).filter(|slot| slot.epoch == self.epoch) else { return };
        slot.epoch = 0;
        slot.owned = false;
        self.shelf.ends_opening(slot);
        if slot.connection.is_none() {
            self.shelf.free.borrow_mut().push(self.index);
        }
    }
}
