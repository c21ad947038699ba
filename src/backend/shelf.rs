//! The places of server connections that share a `PoolKey`. A connection stays parked in the seat of the
//! session that used it last, until that session reclaims it or another session takes it.

mod slots;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

use self::slots::{List, Slots};
use super::{Carried, Connection, PoolKey, Standing};
use crate::net::Stream;

/// How many connections of a shelf are opened at the same time. Asked for all connections at once, a server
/// finishes none until nearly all are done: each login costs it milliseconds of computing. Opening a few at a
/// time delays nobody: most sessions are then served by these first connections, and the rest benefit from
/// what the first logins left (a password in the cache of caching_sha2_password, TLS sessions to resume).
const OPENING: usize = 8;

/// The same limit for passing sessions: a read takes less time than a login, so sharing a connection is
/// better.
const OPENING_TO_PASS: usize = 2;

/// The most connections that writing sessions leave to reads on a new primary.
const LEFT_TO_READS: usize = 4;

/// If opening has made no progress for this long, the server is slow for another reason or does not answer:
/// waiting for other opens is then pointless.
pub const STALLED: Duration = Duration::from_millis(200);

/// Which parked connections a session may steal from the sessions that claim them. Connections that no session claims
/// may be taken always.
#[derive(Debug, Clone, Copy)]
pub enum Steals {
    /// No claimed connection.
    Nothing,
    /// Claimed connections that were opened in an earlier generation than this one.
    OlderThan(u64),
    /// Any claimed connection that is explained (see `Left`).
    Explained,
    /// Any claimed connection, those that are explained first.
    Anything,
}

/// A session's claim on a connection that it parked. Worth nothing once another session took it.
#[derive(Debug)]
pub struct Seat<S: Stream> {
    shelf: Rc<Shelf<S>>,
    index: usize,
    epoch: u64,
}

/// A connection with a new seat for it.
type Seated<S> = (Box<Connection<S>>, Seat<S>);

/// One place: for a parked connection, one in use, or none.
#[derive(Debug)]
struct ShelfSlot {
    /// The number of the seat that this place belongs to; 0 if to none.
    epoch: u64,
    /// The id of the session that has the connection, or had it last.
    owner: u32,
    /// What `CONNECTION_ID()` returns on the connection.
    thread_id: u32,
    /// True if the session needs the connection for only one statement, or a few: the session parks it for whoever
    /// needs it next.
    passing: bool,
    /// True while the connection is being opened.
    opening: bool,
    /// When the connection was last parked, in seconds since the worker began.
    second: u32,
}

/// The places of a shelf, with the connections that are parked there.
type ShelfPlaces<S> = Slots<ShelfSlot, Box<Connection<S>>>;

/// The parked connection that is closed first if room is needed.
struct Oldest {
    /// True if it is the only connection of its kind that sessions claim.
    claimed: bool,
    /// When it was parked, as a number that grows.
    at: u64,
    /// Its slot.
    index: usize,
}

/// See the module.
#[derive(Debug)]
pub struct Shelf<S: Stream> {
    /// What the shelf's connections have in common.
    pub key: PoolKey,
    /// Whether the password that the shelf's connections were opened with is still valid.
    pub standing: Cell<Standing>,
    /// The pool's clock gives the times of the parked connections.
    slots: RefCell<ShelfPlaces<S>>,
    /// No claimed connection that is parked here was opened in an earlier generation than this one.
    earliest: Cell<u64>,
    /// The renewal count of all connections that are parked here without a claim; None: they may have several.
    begun: Cell<Option<u64>>,
    /// True if a connection is checked before it is parked here: it may be one too many, or lead to an address that its
    /// server has left.
    pub checks: Cell<bool>,
    /// Indexes of slots that have no connection, parked or in use.
    free: RefCell<Vec<usize>>,
    /// How many connections are being opened.
    opening: Cell<usize>,
    /// How many connections were taken from here in a generation, for sessions that use the new primary.
    turned: Cell<(u64, usize)>,
    /// When the last of them was ready, or, before that, when the first was begun.
    progress: Cell<Option<Instant>>,
    epochs: Cell<u64>,
    clock: Rc<Cell<u64>>,
}

impl<S: Stream> Shelf<S> {
    /// Returns an empty shelf. `clock` is shared by all shelves of a pool.
    pub fn new(key: PoolKey, standing: Standing, clock: Rc<Cell<u64>>) -> Self {
        Shelf {
            key,
            standing: Cell::new(standing),
            slots: RefCell::default(),
            earliest: Cell::new(u64::MAX),
            begun: Cell::new(None),
            checks: Cell::new(false),
            free: RefCell::default(),
            opening: Cell::new(0),
            turned: Cell::default(),
            progress: Cell::new(None),
            epochs: Cell::new(0),
            clock,
        }
    }

    /// True if another connection may be opened now. Otherwise it is better to wait for one that is being
    /// opened.
    pub fn may_open(&self, passing: bool) -> bool {
        let most = if passing { OPENING_TO_PASS } else { OPENING };
        self.opening.get() < most || self.progress.get().is_none_or(|last| last.elapsed() >= STALLED)
    }

    fn ends_opening(&self, slot: &mut ShelfSlot) {
        if std::mem::take(&mut slot.opening) {
            self.opening.set(self.opening.get().saturating_sub(1));
        }
    }

    fn next_epoch(&self) -> u64 {
        self.epochs.set(self.epochs.get() + 1);
        self.epochs.get()
    }

    /// True if a connection is being opened.
    pub fn is_opening(&self) -> bool {
        self.opening.get() > 0
    }

    /// Returns a place for a connection that is about to be opened.
    pub fn seat(self: &Rc<Self>, owner: u32) -> Seat<S> {
        if self.opening.replace(self.opening.get() + 1) == 0 {
            self.progress.set(Some(Instant::now()));
        }
        self.place(owner, 0, true)
    }

    /// Returns a place for a connection that is already open, with this thread id.
    pub fn seat_open(self: &Rc<Self>, owner: u32, thread_id: u32) -> Seat<S> {
        self.place(owner, thread_id, false)
    }

    fn place(self: &Rc<Self>, owner: u32, thread_id: u32, opening: bool) -> Seat<S> {
        let epoch = self.next_epoch();
        let slot = ShelfSlot { epoch, owner, thread_id, passing: false, opening, second: 0 };
        let mut slots = self.slots.borrow_mut();
        let index = match self.free.borrow_mut().pop() {
            Some(index) => {
                if let Some(place) = slots.get_mut(index) {
                    *place = slot;
                }
                index
            }
            None => slots.push(slot),
        };
        Seat { shelf: self.clone(), index, epoch }
    }

    /// Takes a parked connection that can serve a session with this state. Prefers the most recently parked
    /// without a claim; otherwise takes the one parked longest ago whose claim may be ignored, and last the
    /// connections that their sessions may ask about a statement. Considers only connections with this renewal
    /// count.
    pub fn take(
        self: &Rc<Self>,
        owner: u32,
        wish: &Carried,
        steals: Steals,
        begun: u64,
    ) -> Option<Seated<S>> {
        let mut slots = self.slots.borrow_mut();
        let fits = |c: &Connection<S>| c.begun == begun && c.can_become(wish);
        let unclaimed = slots.newest_first(List::Unclaimed).find(|(_, parked)| fits(&parked.item));
        let index = match unclaimed {
            Some((index, _)) => index,
            None => self.stealable(&slots, steals, fits)?,
        };
        let (connection, seat) = self.take_at(&mut slots, index)?;
        if let Some(slot) = slots.get_mut(index) {
            slot.owner = owner;
            slot.passing = false;
        }
        Some((connection, seat))
    }

    /// Returns the slot of the claimed connection to steal. Looks at one connection, and at one more for each that does
    /// not fit.
    fn stealable(
        &self,
        slots: &ShelfPlaces<S>,
        steals: Steals,
        fits: impl Fn(&Connection<S>) -> bool,
    ) -> Option<usize> {
        let before = match steals {
            Steals::Nothing => return None,
            // Otherwise each session that finds no such connection would look at all claimed connections.
            Steals::OlderThan(generation) if generation <= self.earliest.get() => return None,
            Steals::OlderThan(generation) => Some(generation),
            Steals::Explained | Steals::Anything => None,
        };
        let mut earliest = u64::MAX;
        let explained = matches!(steals, Steals::Explained);
        let lists = if explained { &List::CLAIMED[..2] } else { &List::CLAIMED[..] };
        for (index, parked) in lists.iter().flat_map(|list| slots.oldest_first(*list)) {
            let generation = parked.item.about.generation;
            if before.is_none_or(|before| generation < before) && fits(&parked.item) {
                return Some(index);
            }
            earliest = earliest.min(generation);
        }
        if !explained {
            self.earliest.set(earliest);
        }
        None
    }

    /// Takes the connection parked in this slot, whose former seat is worth nothing from now on.
    fn take_at(self: &Rc<Self>, slots: &mut ShelfPlaces<S>, index: usize) -> Option<Seated<S>> {
        let connection = slots.take(index)?;
        let epoch = self.next_epoch();
        slots.get_mut(index)?.epoch = epoch;
        Some((connection, Seat { shelf: self.clone(), index, epoch }))
    }

    /// Returns the session that has the connection with this thread id, or had it last.
    pub fn owner_of(&self, thread_id: u32) -> Option<u32> {
        let slots = self.slots.borrow();
        // A connection that is being opened has no thread id yet.
        let mut open = slots.iter().filter(|s| s.epoch != 0 && !s.opening);
        open.find(|s| s.thread_id == thread_id).map(|s| s.owner)
    }

    /// Returns whether a session claims the next connection to close, and when it was parked. Connections
    /// without a claim come before claimed ones, older before younger.
    pub fn oldest(&self) -> Option<(bool, u64)> {
        self.next_to_close().map(|oldest| (oldest.claimed, oldest.at))
    }

    /// Returns the same as `oldest`, and the connection's slot.
    fn next_to_close(&self) -> Option<Oldest> {
        let slots = self.slots.borrow();
        let oldest_of = |list| slots.oldest_first(list).next().map(|(index, parked)| (parked.at, index));
        let (claimed, (at, index)) = match oldest_of(List::Unclaimed) {
            Some(unclaimed) => (false, unclaimed),
            None => (true, List::CLAIMED.into_iter().filter_map(oldest_of).min()?),
        };
        Some(Oldest { claimed, at, index })
    }

    /// Takes the connection that `oldest` describes, if it satisfies `wanted`.
    pub fn take_oldest(self: &Rc<Self>, wanted: impl FnOnce(&Connection<S>) -> bool) -> Option<Seated<S>> {
        let oldest = self.next_to_close()?;
        let mut slots = self.slots.borrow_mut();
        slots.parked_in(oldest.index).filter(|parked| wanted(&parked.item))?;
        self.take_at(&mut slots, oldest.index)
    }

    /// Takes the first parked connection that satisfies `wanted`.
    pub fn take_where(self: &Rc<Self>, mut wanted: impl FnMut(&Connection<S>) -> bool) -> Option<Seated<S>> {
        let mut slots = self.slots.borrow_mut();
        let is_wanted = |index: &usize| slots.parked_in(*index).is_some_and(|parked| wanted(&parked.item));
        let index = (0..slots.len()).find(is_wanted)?;
        self.take_at(&mut slots, index)
    }

    /// Takes all parked connections that satisfy `wanted`.
    pub fn take_all(self: &Rc<Self>, mut wanted: impl FnMut(&Connection<S>) -> bool) -> Vec<Seated<S>> {
        let mut slots = self.slots.borrow_mut();
        let is_wanted = |index: &usize| slots.parked_in(*index).is_some_and(|parked| wanted(&parked.item));
        let all: Vec<usize> = (0..slots.len()).filter(is_wanted).collect();
        all.into_iter().filter_map(|index| self.take_at(&mut slots, index)).collect()
    }

    /// Drops the parked connections that `keep` rejects. `keep` gets how many seconds a connection was
    /// parked, and whether a session claims it. Returns how many were dropped.
    pub fn retain(&self, now: u32, mut keep: impl FnMut(&Connection<S>, u32, bool) -> bool) -> u64 {
        let mut dropped = 0;
        let mut slots = self.slots.borrow_mut();
        for index in 0..slots.len() {
            let (Some(slot), Some(parked)) = (slots.get(index), slots.parked_in(index)) else { continue };
            if keep(&parked.item, now.wrapping_sub(slot.second), parked.list != List::Unclaimed) {
                continue;
            }
            self.close(&mut slots, index);
            dropped += 1;
        }
        dropped
    }

    /// Drops the connections that were parked `limit` ago or earlier and that `closes` accepts. Looks only at
    /// connections that were parked so long ago. Returns how many were dropped.
    pub fn close_idle(&self, now: u32, limit: Duration, closes: impl Fn(&Connection<S>) -> bool) -> u64 {
        let mut slots = self.slots.borrow_mut();
        let idle = |index| slots.get(index).map(|slot| now.wrapping_sub(slot.second));
        let is_due = |index| idle(index).is_some_and(|idle| Duration::from_secs(idle.into()) >= limit);
        let due = |list| slots.oldest_first(list).take_while(|(index, _)| is_due(*index));
        let closing = List::ALL.into_iter().flat_map(due).filter(|(_, parked)| closes(&parked.item));
        let closing: Vec<_> = closing.map(|(index, _)| index).collect();
        closing.iter().for_each(|index| self.close(&mut slots, *index));
        closing.len() as u64
    }

    /// True if a session of another worker waits for the place of a connection that is parked here.
    pub fn is_wanted(&self) -> bool {
        let slots = self.slots.borrow();
        let any = List::ALL.into_iter().find_map(|list| slots.oldest_first(list).next());
        any.is_some_and(|(_, parked)| parked.item.is_wanted())
    }

    /// True if all connections that are parked here without a claim have this renewal count, as far as known.
    pub fn all_began_at(&self, begun: u64) -> bool {
        self.begun.get() == Some(begun)
    }

    /// Records that all connections that are parked here without a claim have this renewal count.
    pub fn set_begun(&self, begun: u64) {
        self.begun.set(Some(begun));
    }

    /// Records that a connection with this renewal count is parked here without a claim.
    fn adds_unclaimed(&self, begun: u64) {
        if !self.all_began_at(begun) {
            self.begun.set(None);
        }
    }

    /// Drops the connection parked in this slot, and frees the slot.
    fn close(&self, slots: &mut ShelfPlaces<S>, index: usize) {
        drop(slots.take(index));
        if let Some(slot) = slots.get_mut(index) {
            slot.epoch = 0;
        }
        self.free.borrow_mut().push(index);
    }

    /// Returns the number of places that are taken: by parked connections or those in use.
    pub fn open(&self) -> usize {
        self.slots.borrow().len() - self.free.borrow().len()
    }

    /// Counts a connection that was taken from here, from when a new primary was a replica.
    pub fn count_turned(&self, generation: u64) {
        let (counted, turned) = self.turned.get();
        self.turned.set((generation, if counted == generation { turned + 1 } else { 1 }));
    }

    /// True if the connections that are still parked here, from when a new primary was a replica, should not go to
    /// sessions that write: so many reads may need one in a moment. A write may hold its connection until a replica
    /// follows the new primary (semi-synchronous replication), and a read that finds no connection waits for a
    /// login. The reads get no more than half of the connections.
    pub fn is_left_to_reads(&self, generation: u64, reads: usize) -> bool {
        let (counted, turned) = self.turned.get();
        let turned = if counted == generation { turned } else { 0 };
        reads > 0 && self.parked() <= reads.min(LEFT_TO_READS).min(turned)
    }

    /// Returns the number of parked connections.
    pub fn parked(&self) -> usize {
        self.slots.borrow().parked()
    }
}

/// A dropped seat frees its place, also if the future that held the seat is cancelled.
impl<S: Stream> Drop for Seat<S> {
    fn drop(&mut self) {
        self.give_up();
    }
}

impl<S: Stream> Seat<S> {
    /// Records that the connection is open, with this thread id.
    pub fn opened(&self, thread_id: u32) {
        let mut slots = self.shelf.slots.borrow_mut();
        if let Some(slot) = slots.get_mut(self.index).filter(|slot| slot.epoch == self.epoch) {
            slot.thread_id = thread_id;
            self.shelf.progress.set(Some(Instant::now()));
            self.shelf.ends_opening(slot);
        }
    }

    /// Returns the key of the seat's shelf.
    pub fn key(&self) -> &PoolKey {
        &self.shelf.key
    }

    /// Returns whether the password that the connection was opened with is still valid.
    #[inline]
    pub fn standing(&self) -> Standing {
        self.shelf.standing.get()
    }

    /// True if the connection must be checked before it is parked.
    #[inline]
    pub fn checks(&self) -> bool {
        self.shelf.checks.get()
    }

    /// Takes the connection parked here, unless another session took it.
    #[inline]
    pub fn reclaim(&self) -> Option<Box<Connection<S>>> {
        let mut slots = self.shelf.slots.borrow_mut();
        slots.get(self.index).filter(|slot| slot.epoch == self.epoch)?;
        slots.take(self.index)
    }

    /// Records that the session needs the connection for only one statement, or a few.
    pub fn set_passing(&self) {
        let mut slots = self.shelf.slots.borrow_mut();
        if let Some(slot) = slots.get_mut(self.index).filter(|slot| slot.epoch == self.epoch) {
            slot.passing = true;
        }
    }

    /// Parks the connection here: for this session, or, without `claim`, for any session. A session that is passing
    /// has no claim, unless it may ask the connection about its last statement.
    #[inline]
    pub fn park(&self, connection: Box<Connection<S>>, claim: bool, asked_for: bool, second: u32) {
        debug_assert!(connection.is_between_exchanges(), "nobody waits for an answer on it");
        let clock = &self.shelf.clock;
        clock.set(clock.get() + 1);
        let mut slots = self.shelf.slots.borrow_mut();
        let slot = slots.get_mut(self.index).filter(|slot| slot.epoch == self.epoch);
        let Some(slot) = slot else { return };
        slot.second = second;
        let list = if !claim || (slot.passing && !asked_for) {
            slot.epoch = 0;
            self.shelf.adds_unclaimed(connection.begun);
            List::Unclaimed
        } else {
            let earliest = &self.shelf.earliest;
            earliest.set(earliest.get().min(connection.about.generation));
            match () {
                () if connection.unexplained().is_some() => List::Unexplained,
                () if asked_for => List::AskedFor,
                () => List::Claimed,
            }
        };
        slots.park(self.index, connection, list, clock.get());
    }

    /// Gives up the claim on this place: the session has ended, or its connection is gone.
    pub fn give_up(&self) {
        let mut slots = self.shelf.slots.borrow_mut();
        let Some(slot) = slots.get_mut(self.index).filter(|slot| slot.epoch == self.epoch) else { return };
        slot.epoch = 0;
        self.shelf.ends_opening(slot);
        if let Some(parked) = slots.parked_in(self.index) {
            self.shelf.adds_unclaimed(parked.item.begun);
            slots.unclaim(self.index);
        } else {
            self.shelf.free.borrow_mut().push(self.index);
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
