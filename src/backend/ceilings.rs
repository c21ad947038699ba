//! How many connections the whole process may hold to a server, and of a user there.
//! Shared by the workers, but only touched when a connection is opened or closed.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};

use crate::topology::ServerId;

/// One limit. Waiters are served in order.
#[derive(Debug)]
struct Ceiling {
    permits: Arc<Semaphore>,
    limit: AtomicUsize,
    /// Permits to take away as they come back: the limit was lowered below what is open.
    debt: AtomicUsize,
    waiting: AtomicUsize,
    /// Taken away because the server itself refused more (1226); given back by `restore`.
    withheld: AtomicUsize,
}

/// Which limit: a server's, or a user's on a server.
type Key = (ServerId, Option<Arc<str>>);

/// All limits of the process.
#[derive(Debug, Default)]
pub struct Ceilings {
    all: Mutex<HashMap<Key, Arc<Ceiling>>>,
}

/// The right to one connection; dropping it lets the next one in.
#[derive(Debug)]
pub struct Permit {
    server: Option<OwnedSemaphorePermit>,
    user: Option<OwnedSemaphorePermit>,
    ceilings: [Option<Arc<Ceiling>>; 2],
}

impl Permit {
    /// Whether others wait for this one: then it is better closed than pooled.
    pub fn is_wanted(&self) -> bool {
        self.ceilings.iter().flatten().any(|c| c.waiting.load(Relaxed) > 0)
    }

    /// The server refused a connection beyond those it has (1226, 1203): the user's ceiling comes down
    /// to what is open, but never to nothing.
    pub fn server_refused(mut self) {
        let (Some(mine), [_, Some(ceiling)]) = (self.user.take(), &self.ceilings) else { return };
        let taken = ceiling.permits.forget_permits(Semaphore::MAX_PERMITS);
        let open = ceiling.limit.load(Relaxed).saturating_sub(ceiling.withheld.load(Relaxed) + taken + 1);
        ceiling.withheld.fetch_add(taken, Relaxed);
        if open > 0 {
            mine.forget();
            ceiling.withheld.fetch_add(1, Relaxed);
        }
    }
}

/// Counts a waiter for as long as it lives, also when its wait is given up.
struct Waiting<'a>(&'a Ceiling);

impl<'a> Waiting<'a> {
    fn on(ceiling: &'a Ceiling) -> Self {
        ceiling.waiting.fetch_add(1, Relaxed);
        Waiting(ceiling)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Relaxed);
    }
}

impl Ceiling {
    /// A reload changed the limit. What is open stays; the difference is made up as connections close.
    fn set_limit(&self, limit: usize) {
        let old = self.limit.swap(limit, Relaxed);
        if limit > old {
            let paid = self.debt.load(Relaxed).min(limit - old);
            self.debt.fetch_sub(paid, Relaxed);
            self.permits.add_permits(limit - old - paid);
        } else if limit < old {
            let gone = self.permits.forget_permits(old - limit);
            self.debt.fetch_add(old - limit - gone, Relaxed);
        }
    }

    /// A permit comes back, or pays a debt.
    fn take_back(&self, permit: Option<OwnedSemaphorePermit>) {
        let pay = |debt: usize| debt.checked_sub(1);
        if permit.is_some() && self.debt.fetch_update(Relaxed, Relaxed, pay).is_ok() {
            permit.into_iter().for_each(OwnedSemaphorePermit::forget);
        }
    }

    async fn acquire(self: &Arc<Self>) -> Option<OwnedSemaphorePermit> {
        if let Ok(permit) = self.permits.clone().try_acquire_owned() {
            return Some(permit);
        }
        let _waiting = Waiting::on(self);
        self.permits.clone().acquire_owned().await.ok()
    }
}

impl Ceilings {
    /// Waits for the right to one more connection, in order. `None` for `user_limit` means that only the
    /// server's limit and the server's own refusals count.
    pub async fn acquire(
        &self,
        server: ServerId,
        server_limit: usize,
        user: &Arc<str>,
        user_limit: Option<usize>,
    ) -> Permit {
        let per_user = self.get((server, Some(user.clone())), user_limit.unwrap_or(server_limit)).await;
        let per_server = self.get((server, None), server_limit).await;
        let user = per_user.acquire().await;
        let server = per_server.acquire().await;
        Permit { server, user, ceilings: [Some(per_server), Some(per_user)] }
    }

    /// Whether somebody waits for a connection to this server (of this user).
    pub fn is_wanted(&self, server: ServerId) -> bool {
        // Only a hint: a lock that is taken just now means that somebody may be about to wait.
        self.all
            .try_lock()
            .is_ok_and(|all| all.iter().any(|((s, _), c)| *s == server && c.waiting.load(Relaxed) > 0))
    }

    /// Whether one more connection of this user would have to wait now.
    pub fn is_full(&self, server: ServerId, user: &Arc<str>) -> bool {
        let keys = [(server, None), (server, Some(user.clone()))];
        self.all.try_lock().is_ok_and(|all| {
            keys.iter().filter_map(|key| all.get(key)).any(|c| c.permits.available_permits() == 0)
        })
    }

    /// Gives back what servers refused earlier, so that a raised limit there is found out.
    pub async fn restore(&self) {
        for ceiling in self.all.lock().await.values() {
            let withheld = ceiling.withheld.swap(0, Relaxed);
            ceiling.permits.add_permits(withheld);
        }
    }

    async fn get(&self, key: Key, limit: usize) -> Arc<Ceiling> {
        let mut all = self.all.lock().await;
        if let Some(ceiling) = all.get(&key) {
            ceiling.set_limit(limit);
            return ceiling.clone();
        }
        let ceiling = Arc::new(Ceiling {
            permits: Arc::new(Semaphore::new(limit)),
            limit: AtomicUsize::new(limit),
            debt: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            withheld: AtomicUsize::new(0),
        });
        all.insert(key, ceiling.clone());
        ceiling
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        // The server's first: whoever waits for it holds a user's permit already.
        let (server, user) = (self.server.take(), self.user.take());
        if let [Some(of_server), Some(of_user)] = &self.ceilings {
            of_server.take_back(server);
            of_user.take_back(user);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::timeout;

    async fn get(c: &Ceilings, user: &str, limit: Option<usize>) -> Option<Permit> {
        timeout(Duration::from_millis(5), c.acquire(ServerId(1), 3, &user.into(), limit)).await.ok()
    }

    #[tokio::test(start_paused = true)]
    async fn the_smaller_limit_counts_and_a_dropped_permit_lets_the_next_in() {
        let c = Ceilings::default();
        let first = get(&c, "a", Some(1)).await.unwrap();
        assert!(get(&c, "a", Some(1)).await.is_none());
        let _b = get(&c, "b", None).await.unwrap();
        let _c = get(&c, "b", None).await.unwrap();
        assert!(get(&c, "b", None).await.is_none());
        assert!(!first.is_wanted(), "waits that were given up do not count");
        drop(first);
        assert!(get(&c, "a", Some(1)).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_changed_limit_counts_what_is_open() {
        let c = Ceilings::default();
        let open = [get(&c, "a", Some(3)).await.unwrap(), get(&c, "a", Some(3)).await.unwrap()];
        assert!(get(&c, "a", Some(1)).await.is_none());
        let [first, second] = open;
        drop(first);
        assert!(get(&c, "a", Some(1)).await.is_none(), "one is still open");
        drop(second);
        let held = get(&c, "a", Some(1)).await.unwrap();
        assert!(get(&c, "a", Some(1)).await.is_none());
        assert!(get(&c, "a", Some(2)).await.is_some());
        drop(held);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_lowers_the_ceiling_until_it_is_restored() {
        let c = Ceilings::default();
        let held = get(&c, "a", None).await.unwrap();
        get(&c, "a", None).await.unwrap().server_refused();
        assert!(get(&c, "a", None).await.is_none(), "the ceiling is at one now");
        drop(held);
        let held = get(&c, "a", None).await.unwrap();
        assert!(get(&c, "a", None).await.is_none());
        c.restore().await;
        assert!(get(&c, "a", None).await.is_some());
        drop(held);
        // With nothing open the ceiling stays at one.
        get(&c, "z", Some(2)).await.unwrap().server_refused();
        assert!(get(&c, "z", Some(2)).await.is_some());
    }
}
