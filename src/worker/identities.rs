//! What a worker knows of the accounts that are not configured: the servers' tables, and what was learned.

use std::cell::{Cell, RefCell};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use tokio::sync::{Notify, Semaphore};

use crate::backend::Learned;
use crate::backend::accounts::{AccountReading, Accounts};

/// How many passwords of a worker's clients the servers check at a time. Further clients wait: a crowd of clients with wrong
/// passwords must not take the servers' connections.
const CHECKS: usize = 8;

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
    /// A permit for each password that a server is checking.
    pub checks: Semaphore,
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
            checks: Semaphore::new(CHECKS),
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

    /// Waits until a read has ended that began after this call: a read that is under way may have missed a change.
    pub async fn another_reading(&self) {
        let next = self.begun.borrow().load(SeqCst) + 1;
        while self.ended.get() < next {
            self.read.notified().await;
        }
    }
}
