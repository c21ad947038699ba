//! What a worker knows of the accounts that are not configured: the servers' tables, and what was learned.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

use super::checks::Checks;
use crate::backend::Learned;
use crate::backend::accounts::{AccountReading, Accounts};

/// How many clients of a worker log in to servers themselves at a time: each holds a server connection for as long as it
/// takes, up to `timeouts.login`. They have permits of their own, so that slow clients do not keep others waiting.
const PASSING: usize = 32;

/// How long a worker remembers that only the client itself can log in to an account.
const REMEMBERED: Duration = Duration::from_secs(600);

/// The most such accounts.
const MOST_REMEMBERED: usize = 1000;

/// See the module.
pub struct Identities {
    /// The servers' account tables.
    pub accounts: RefCell<Arc<Accounts>>,
    /// The number of the read that ended last.
    ended: Cell<u64>,
    /// The number of the read that began last; the reader counts it.
    begun: RefCell<Arc<AtomicU64>>,
    /// Notified when a read has ended.
    read: Notify,
    /// The passwords that servers accepted.
    pub learned: Learned,
    /// Decides which kind of account a name that does not exist looks like. Different in each process, so that clients cannot
    /// compute it.
    decoys: RandomState,
    /// The turns of the clients whose passwords a server checks.
    pub checks: Checks,
    /// A permit for each client that logs in to a server itself.
    pub passing: Semaphore,
    /// When a server asked the proxy something about this account that only the client can answer.
    need_client: RefCell<HashMap<Box<str>, Instant>>,
}

impl Default for Identities {
    fn default() -> Self {
        Identities {
            accounts: RefCell::default(),
            ended: Cell::default(),
            begun: RefCell::default(),
            read: Notify::new(),
            learned: Learned::default(),
            decoys: RandomState::new(),
            checks: Checks::default(),
            passing: Semaphore::new(PASSING),
            need_client: RefCell::default(),
        }
    }
}

impl Identities {
    /// Stores a reading of the tables, and wakes the logins that wait for it.
    pub fn replace(&self, reading: AccountReading) {
        self.accounts.replace(reading.accounts);
        self.begun.replace(reading.begun);
        self.ended.set(reading.ended);
        self.read.notify_waiters();
    }

    /// True if an account of this name that does not exist should look like a configured one, and not like one of the
    /// servers. The answer is always the same for a name, as with an account that exists.
    pub fn looks_configured(&self, user: &[u8]) -> bool {
        self.decoys.hash_one(user).is_multiple_of(2)
    }

    /// Notes that a server asked something about this account that only the client can answer.
    pub fn note_need_of_client(&self, user: &str) {
        let mut noted = self.need_client.borrow_mut();
        if noted.len() >= MOST_REMEMBERED {
            noted.retain(|_, since| since.elapsed() < REMEMBERED);
        }
        if noted.len() < MOST_REMEMBERED {
            noted.insert(user.into(), Instant::now());
        }
    }

    /// True if only the client itself can log in to this account, as a server showed a while ago.
    pub fn needs_client(&self, user: &str) -> bool {
        self.need_client.borrow().get(user).is_some_and(|since| since.elapsed() < REMEMBERED)
    }

    /// Forgets all of these accounts.
    #[cfg(test)]
    pub fn forget_needs_of_clients(&self) {
        self.need_client.borrow_mut().clear();
    }

    /// Waits until a read has ended that began after this call: a read that is under way may have missed a change.
    pub async fn another_reading(&self) {
        let next = self.begun.borrow().load(SeqCst) + 1;
        while self.ended.get() < next {
            self.read.notified().await;
        }
    }
}
