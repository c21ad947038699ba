//! Random sessions on a shelf, compared with a model that looks at all connections for each choice.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::backend::connection::About;
use crate::backend::own_class;
use crate::net::memory::{MemoryStream, pair};
use crate::topology::{Flavor, ServerId};
use crate::wire::{Capabilities, StatusFlags};

/// What a choice depends on.
#[derive(Debug, Clone, Copy, Default)]
pub struct Kind {
    pub begun: u64,
    pub generation: u64,
    pub has_schema: bool,
    pub unexplained: bool,
}

/// Returns the key of the connections.
pub fn key() -> PoolKey {
    PoolKey { server: ServerId(0), user: "app".into(), credential: 0, class: own_class(), session: None }
}

/// Returns a connection to nobody.
pub fn connection(kind: Kind, thread_id: u32) -> Box<Connection<MemoryStream>> {
    connection_to(pair(1).0, kind, thread_id)
}

/// Returns a connection to whoever has the other end of the stream.
pub fn connection_to(stream: MemoryStream, kind: Kind, thread_id: u32) -> Box<Connection<MemoryStream>> {
    let about = About {
        server: ServerId(0),
        generation: kind.generation,
        user: "app".into(),
        class: own_class(),
        flavor: Flavor::MariaDb,
        capabilities: Capabilities::empty(),
        autocommit: true,
        resets: true,
        has_defaults: true,
        thread_id,
    };
    let mut connection = Box::new(Connection::new(stream, about, StatusFlags::empty()));
    connection.begun = kind.begun;
    connection.begins_in(kind.has_schema.then_some(b"shop"));
    connection.ran(kind.unexplained.then_some(crate::terms::Unexplained::Relation));
    connection
}

/// One step of a test. `usize` names one of the sessions for which the step is possible, see `wrapped`.
#[derive(Debug, Clone)]
enum Step {
    Open(Kind, bool),
    Park { user: usize, claim: bool, asked_for: bool },
    Reclaim(usize),
    GiveUp(usize),
    Take { steals: Steals, begun: u64, has_schema: bool, passing: bool },
    TakeOldest,
    TakeWhere(u32),
    Retain { divisor: u32, claimed: bool },
    Wait,
    CloseIdle { limit: u32, divisor: u32 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let kind = (0..2u64, 0..3u64, prop::bool::weighted(0.3), any::<bool>());
    let kind = kind.prop_map(|(begun, generation, has_schema, unexplained)| Kind {
        begun,
        generation,
        has_schema,
        unexplained,
    });
    let steals = prop_oneof![
        Just(Steals::Nothing),
        (0..4u64).prop_map(Steals::OlderThan),
        Just(Steals::Explained),
        Just(Steals::Anything),
    ];
    let take = (steals, 0..2u64, prop::bool::weighted(0.7), any::<bool>());
    let step = prop_oneof![
        4 => (kind, any::<bool>()).prop_map(|(kind, passing)| Step::Open(kind, passing)),
        8 => (any::<usize>(), prop::bool::weighted(0.8), any::<bool>())
            .prop_map(|(user, claim, asked_for)| Step::Park { user, claim, asked_for }),
        4 => any::<usize>().prop_map(Step::Reclaim),
        2 => any::<usize>().prop_map(Step::GiveUp),
        4 => take.prop_map(|(steals, begun, has_schema, passing)| {
            Step::Take { steals, begun, has_schema, passing }
        }),
        1 => Just(Step::TakeOldest),
        1 => (2..5u32).prop_map(Step::TakeWhere),
        1 => (2..9u32, any::<bool>()).prop_map(|(divisor, claimed)| Step::Retain { divisor, claimed }),
        2 => Just(Step::Wait),
        1 => (0..9u32, 2..9u32).prop_map(|(limit, divisor)| Step::CloseIdle { limit, divisor }),
    ];
    vec(step, 1..120)
}

/// A parked connection in the model.
#[derive(Debug, Clone, Copy)]
struct Entry {
    thread_id: u32,
    /// The seat from which the connection was parked.
    epoch: u64,
    kind: Kind,
    claimed: bool,
    asked_for: bool,
    parked: u64,
    second: u32,
}

/// A seat with its connection, if that is in use.
struct User {
    seat: Seat<MemoryStream>,
    connection: Option<Box<Connection<MemoryStream>>>,
    thread_id: u32,
    passing: bool,
}

struct World {
    shelf: Rc<Shelf<MemoryStream>>,
    users: Vec<User>,
    /// The kinds of all connections, by thread id.
    kinds: Vec<Kind>,
    /// The parked connections, by slot.
    model: BTreeMap<usize, Entry>,
    parkings: u64,
    second: u32,
}

impl World {
    fn new() -> Self {
        let shelf = Rc::new(Shelf::new(key(), Standing::Current, Rc::default()));
        World { shelf, users: Vec::new(), kinds: Vec::new(), model: BTreeMap::new(), parkings: 0, second: 0 }
    }

    fn open(&mut self, kind: Kind, passing: bool) {
        let thread_id = u32::try_from(self.kinds.len()).unwrap();
        self.kinds.push(kind);
        let connection = connection(kind, thread_id);
        let seat = self.shelf.seat_open(thread_id, thread_id);
        self.uses((connection, seat), passing);
    }

    fn uses(&mut self, (connection, seat): Seated<MemoryStream>, passing: bool) {
        if passing {
            seat.set_passing();
        }
        let thread_id = connection.about.thread_id;
        self.users.push(User { seat, connection: Some(connection), thread_id, passing });
    }

    /// Compares a taken connection with the model's choice, which leaves the model.
    fn check(&mut self, taken: Option<&Seated<MemoryStream>>, expected: Option<usize>) {
        let taken = taken.map(|(connection, seat)| (seat.index, connection.about.thread_id));
        let expected = expected.map(|slot| (slot, self.model.remove(&slot).unwrap().thread_id));
        assert_eq!(taken, expected);
    }

    fn park(&mut self, user: usize, claim: bool, asked_for: bool) {
        let mut in_use: Vec<_> = self.users.iter_mut().filter(|user| user.connection.is_some()).collect();
        let Some(user) = wrapped(in_use.len(), user).map(|at| &mut in_use[at]) else { return };
        user.seat.park(user.connection.take().unwrap(), claim, asked_for, self.second);
        self.parkings += 1;
        let claimed = claim && (!user.passing || asked_for);
        let kind = self.kinds[user.thread_id as usize];
        let (parked, second) = (self.parkings, self.second);
        let (thread_id, epoch) = (user.thread_id, user.seat.epoch);
        let entry = Entry { thread_id, epoch, kind, claimed, asked_for, parked, second };
        assert!(self.model.insert(user.seat.index, entry).is_none());
    }

    /// Returns this seat's connection, if it is parked and nobody took it.
    fn parked_by(&self, user: &User) -> Option<Entry> {
        let entry = self.model.get(&user.seat.index).filter(|_| user.connection.is_none())?;
        (entry.claimed && entry.epoch == user.seat.epoch).then_some(*entry)
    }

    fn reclaim(&mut self, user: usize) {
        let away = (0..self.users.len()).filter(|at| self.users[*at].connection.is_none());
        let away: Vec<_> = away.collect();
        let Some(at) = wrapped(away.len(), user).map(|at| away[at]) else { return };
        let expected = self.parked_by(&self.users[at]).map(|entry| entry.thread_id);
        let connection = self.users[at].seat.reclaim();
        assert_eq!(connection.as_ref().map(|c| c.about.thread_id), expected);
        if connection.is_some() {
            self.model.remove(&self.users[at].seat.index);
            self.users[at].connection = connection;
        }
    }

    fn give_up(&mut self, user: usize) {
        let Some(at) = wrapped(self.users.len(), user) else { return };
        // Dropping the seat gives it up.
        let user = self.users.remove(at);
        if let Some(entry) = self.parked_by(&user) {
            self.model.insert(user.seat.index, Entry { claimed: false, ..entry });
        }
    }

    fn take(&mut self, steals: Steals, begun: u64, has_schema: bool, passing: bool) {
        let wish = Carried::new(has_schema.then_some(b"shop"), 45);
        let is_free = |entry: &Entry| match steals {
            _ if !entry.claimed => true,
            Steals::Nothing => false,
            Steals::OlderThan(generation) => entry.kind.generation < generation,
            Steals::Explained => !entry.kind.unexplained,
            Steals::Anything => true,
        };
        let fits = |kind: Kind| kind.begun == begun && (has_schema || !kind.has_schema);
        let rank = |entry: &Entry| match (entry.claimed, entry.asked_for) {
            (false, _) => (0, u64::MAX - entry.parked),
            (true, _) if entry.kind.unexplained => (3, entry.parked),
            (true, false) => (1, entry.parked),
            (true, true) => (2, entry.parked),
        };
        let fitting = self.model.iter().filter(|(_, entry)| fits(entry.kind) && is_free(entry));
        let expected = fitting.min_by_key(|(_, entry)| rank(entry)).map(|(slot, _)| *slot);
        let taken = self.shelf.take(7, &wish, steals, begun);
        self.check(taken.as_ref(), expected);
        taken.into_iter().for_each(|taken| self.uses(taken, passing));
    }

    fn oldest(&self) -> Option<(bool, u64, usize)> {
        self.model.iter().map(|(slot, entry)| (entry.claimed, entry.parked, *slot)).min()
    }

    fn close_idle(&mut self, limit: u32, divisor: u32) {
        let (now, before) = (self.second, self.model.len());
        let keeps = |thread_id: u32| thread_id.is_multiple_of(divisor);
        self.model.retain(|_, entry| now - entry.second < limit || keeps(entry.thread_id));
        let limit = Duration::from_secs(limit.into());
        let dropped = self.shelf.close_idle(now, limit, |c| !keeps(c.about.thread_id));
        assert_eq!(dropped, (before - self.model.len()) as u64);
    }

    fn play(&mut self, step: &Step) {
        match *step {
            Step::Open(kind, passing) => self.open(kind, passing),
            Step::Park { user, claim, asked_for } => self.park(user, claim, asked_for),
            Step::Reclaim(user) => self.reclaim(user),
            Step::GiveUp(user) => self.give_up(user),
            Step::Take { steals, begun, has_schema, passing } => {
                self.take(steals, begun, has_schema, passing);
            }
            Step::TakeOldest => {
                let expected = self.oldest().map(|(_, _, slot)| slot);
                let taken = self.shelf.take_oldest(|_| true);
                self.check(taken.as_ref(), expected);
            }
            Step::TakeWhere(divisor) => {
                let wanted = |entry: &Entry| entry.thread_id.is_multiple_of(divisor);
                let expected = self.model.iter().find(|(_, entry)| wanted(entry)).map(|(slot, _)| *slot);
                let taken = self.shelf.take_where(|c| c.about.thread_id.is_multiple_of(divisor));
                self.check(taken.as_ref(), expected);
            }
            Step::Retain { divisor, claimed } => {
                let keep =
                    |thread_id: u32, is_claimed| !thread_id.is_multiple_of(divisor) || is_claimed == claimed;
                let before = self.model.len();
                self.model.retain(|_, entry| keep(entry.thread_id, entry.claimed));
                let dropped =
                    self.shelf.retain(self.second, |c, _, claimed| keep(c.about.thread_id, claimed));
                assert_eq!(dropped, (before - self.model.len()) as u64);
            }
            Step::Wait => self.second += 1,
            Step::CloseIdle { limit, divisor } => self.close_idle(limit, divisor),
        }
        assert_eq!(self.shelf.oldest(), self.oldest().map(|(claimed, parked, _)| (claimed, parked)));
        assert_eq!(self.shelf.parked(), self.model.len());
        let in_use = self.users.iter().filter(|user| user.connection.is_some()).count();
        assert_eq!(self.shelf.open(), self.model.len() + in_use);
    }
}

/// Returns which of `count` elements this number names; None if there are none.
fn wrapped(count: usize, at: usize) -> Option<usize> {
    at.checked_rem(count)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_choice_is_that_of_a_look_at_all_connections(steps in steps()) {
        let mut world = World::new();
        for step in &steps {
            world.play(step);
        }
    }
}
