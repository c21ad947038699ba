//! What the sessions of a run share: its settings, the count of statements, who may be killed, the first failure.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};

use tokio::time::Instant;

use super::state::Baseline;

/// Accounts as `name:password`.
#[derive(Clone, Debug)]
pub struct Settings {
    pub host: String,
    pub port: u16,
    /// The primary's own port, where functions are replaced past the proxy.
    pub direct: Option<u16>,
    pub accounts: Vec<(String, String)>,
    /// Most sessions that hold a server connection at a time.
    pub pins: usize,
    pub weights: Vec<(&'static str, u32)>,
    /// Two sessions' sockets are swapped for one statement, once in so many; 0: never.
    pub sabotage: u64,
    pub verbose: bool,
}

/// Which steps of which sessions run. A step's content follows from the seed, the session and its number alone,
/// as far as the state of the session lets it.
#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    /// The steps of a session; None: all, without end. A list is run again and again.
    pub sessions: BTreeMap<u32, Option<Vec<u64>>>,
    pub statements: u64,
    pub seconds: f64,
}

#[derive(Clone, Debug)]
pub struct Fault {
    pub session: u32,
    pub feature: &'static str,
    pub what: String,
}

/// What other sessions know of one.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    /// The connection's id by its greeting; 0: none now.
    pub id: u32,
    pub account: usize,
    /// Somebody sends a KILL for it: its connection may be lost from now on.
    pub doomed: bool,
    /// When a KILL CONNECTION for it was answered with OK.
    pub killed_at: Option<Instant>,
    /// Named locks that it surely holds.
    pub locks: Vec<String>,
    /// Steps begun.
    pub steps: u64,
}

pub struct Shared {
    pub settings: Settings,
    pub baseline: Baseline,
    pub plan: Plan,
    pub peers: RefCell<Vec<Peer>>,
    pub pins_left: Cell<usize>,
    pub statements: Cell<u64>,
    pub skipped: Cell<u64>,
    pub logins: Cell<u64>,
    pub kills: Cell<u64>,
    pub lost: Cell<u64>,
    pub swaps: Cell<u64>,
    pub excused: Cell<u64>,
    pub stop: Cell<bool>,
    pub faults: RefCell<Vec<Fault>>,
    pub histories: RefCell<Vec<VecDeque<(u64, String)>>>,
    pub began: Instant,
    pub by_feature: RefCell<BTreeMap<&'static str, u64>>,
    /// A session that offers its socket for a swap.
    pub offer: RefCell<Option<super::permits::Offer>>,
    /// Sessions and values by which hidden locks are named.
    pub lock_names: RefCell<Vec<(u32, String)>>,
}

/// Steps kept of each session's history.
const HISTORY: usize = 60;

impl Shared {
    pub fn new(settings: Settings, baseline: Baseline, plan: Plan) -> Shared {
        let count = plan.sessions.keys().max().map_or(0, |last| *last as usize + 1);
        Shared {
            pins_left: Cell::new(settings.pins),
            settings,
            baseline,
            plan,
            peers: RefCell::new(vec![Peer::default(); count]),
            statements: Cell::new(0),
            skipped: Cell::new(0),
            logins: Cell::new(0),
            kills: Cell::new(0),
            lost: Cell::new(0),
            swaps: Cell::new(0),
            excused: Cell::new(0),
            stop: Cell::new(false),
            faults: RefCell::new(Vec::new()),
            histories: RefCell::new(vec![VecDeque::new(); count]),
            began: Instant::now(),
            by_feature: RefCell::new(BTreeMap::new()),
            offer: RefCell::new(None),
            lock_names: RefCell::new(Vec::new()),
        }
    }

    /// Counts a statement; its number.
    pub fn count(&self, feature: &'static str) -> u64 {
        let number = self.statements.get() + 1;
        self.statements.set(number);
        *self.by_feature.borrow_mut().entry(feature).or_default() += 1;
        if number >= self.plan.statements {
            self.stop.set(true);
        }
        number
    }

    pub fn note(&self, session: u32, number: u64, text: String) {
        if let Some(history) = self.histories.borrow_mut().get_mut(session as usize) {
            if history.len() >= HISTORY {
                history.pop_front();
            }
            history.push_back((number, text));
        }
    }

    pub fn fail(&self, fault: Fault) {
        self.stop.set(true);
        self.faults.borrow_mut().push(fault);
    }

    pub fn peer<T>(&self, session: u32, with: impl FnOnce(&mut Peer) -> T) -> T {
        with(&mut self.peers.borrow_mut()[session as usize])
    }

    pub fn time_is_up(&self) -> bool {
        self.stop.get() || self.began.elapsed().as_secs_f64() >= self.plan.seconds
    }
}

pub fn bump(cell: &Cell<u64>) {
    cell.set(cell.get() + 1);
}
