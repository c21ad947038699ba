//! What a worker knows of the accounts that are not configured: the servers' tables, and what was learned.

use std::cell::{Cell, RefCell};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use tokio::sync::{Notify, Semaphore};

use crate::backend::Learned;
use crate::backend::accounts::Accounts;

/// How many passwords a worker has servers check at a time. More clients wait: a crowd of clients with wrong passwords must
/// not take the servers' connections.
const CHECKS: usize = 8;

/// See the module.
pub struct Identities {
    /// The servers' account tables.
    pub accounts: RefCell<Arc<Accounts>>,
    /// Counts the attempts to read the tables.
    attempts: Cell<u64>,
    read: Notify,
    /// The passwords that servers accepted.
    pub learned: Learned,
    /// Decides what an account that does not exist looks like; another one in every process.
    decoys: RandomState,
    /// A permit for each password that a server is checking.
    pub checks: Semaphore,
}

impl Default for Identities {
    fn default() -> Self {
        Identities {
            accounts: RefCell::default(),
            attempts: Cell::default(),
            read: Notify::new(),
            learned: Learned::default(),
            decoys: RandomState::new(),
            checks: Semaphore::new(CHECKS),
        }
    }
}

impl Identities {
    /// Takes over what was read, and wakes those who wait for it.
    pub fn replace(&self, attempts: u64, accounts: Arc<Accounts>) {
        self.accounts.replace(accounts);
        self.attempts.set(attempts);
        self.read.notify_waiters();
    }

    /// True if an account of this name that does not exist should look like a configured one, and not like one of the
    /// servers. The answer is always the same for a name, as with an account that exists.
    pub fn looks_configured(&self, user: &[u8]) -> bool {
        self.decoys.hash_one(user).is_multiple_of(2)
    }

    /// Waits until the tables were read once more. A read that was under way already may have missed a change, but the next
    /// login then finds it.
    pub async fn another_reading(&self) {
        let before = self.attempts.get();
        while self.attempts.get() == before {
            self.read.notified().await;
        }
    }
}
