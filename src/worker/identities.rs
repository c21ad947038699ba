//! What a worker knows of the accounts that are not configured: the servers' tables, and what was learned.

use std::cell::{Cell, RefCell};
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
    /// The passwords that servers accepted; the same for all workers.
    pub learned: RefCell<Arc<Learned>>,
    /// A permit for each password that a server is checking.
    pub checks: Semaphore,
}

impl Default for Identities {
    fn default() -> Self {
        Identities {
            accounts: RefCell::default(),
            attempts: Cell::default(),
            read: Notify::new(),
            learned: RefCell::default(),
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

    /// Waits until the tables were read once more. A read that was under way already may have missed a change, but the next
    /// login then finds it.
    pub async fn another_reading(&self) {
        let before = self.attempts.get();
        while self.attempts.get() == before {
            self.read.notified().await;
        }
    }
}
