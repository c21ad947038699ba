//! The limits on the connections of the whole process to a server, and of a user there. Shared by the
//! workers, but only touched when a connection is opened or closed.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool, AtomicU64, AtomicUsize,
    Ordering::{Relaxed, SeqCst},
};

use std::time::Duration;
use tokio::sync::{Mutex, Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::Limit;
use crate::terms::Proof;
use crate::topology::ServerId;

/// One limit.
#[derive(Debug)]
struct Ceiling {
    permits: Arc<Semaphore>,
    limit: AtomicUsize,
    /// True if it is an account's own limit. Without one, what the server bears is also the account's limit.
    own: AtomicBool,
    /// Permits to remove as they are returned: the limit was lowered below the number of open connections.
    debt: AtomicUsize,
    /// For how many of them a connection is being closed already.
    paying: AtomicUsize,
    /// Sessions that wait for a place that another worker holds.
    waiting: AtomicUsize,
    /// For how many of those sessions a connection is being closed already.
    given: AtomicUsize,
    freed: Notify,
    /// Permits removed because the server itself refused more connections; `restore` returns them.
    withheld: AtomicUsize,
    /// How many of them `restore` returns next, less one. Doubles while the server refuses nothing.
    step: AtomicUsize,
    /// When a connection was last closed, in milliseconds since the ceilings were made, plus one; 0: none was.
    closed_ms: AtomicU64,
}

/// A server may still count a connection as open that was closed less than this long ago: it ends the connection's thread
/// first.
const COUNTED_LONGER: Duration = Duration::from_millis(300);

/// The most permits of a ceiling that are restored at once, less one.
const MOST_RESTORED: usize = 63;

/// Whose connections a server has too many of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// Everybody's.
    Server,
    /// The account's.
    Account,
}

impl Full {
    /// Returns whose connections the server has too many of, if the error with this code says so.
    pub fn of(code: u16) -> Option<Self> {
        use Proof::*;
        match Proof::of(code) {
            ServerFull => Some(Full::Server),
            AccountFull => Some(Full::Account),
            HostRefused | AccountRefused | ConnectionEnds | RightMissing | Answers => None,
        }
    }
}

/// Which limit: a server's, or a user's on a server.
type Key = (ServerId, Option<Arc<str>>);

/// With more servers than this, several share a counter; then more connections are closed than necessary.
const COUNTERS: usize = 64;

/// Counts, for each server, the changes to what its new connections begin with: global variables, accounts. A
/// session that begins now may not have a connection that was opened before the last change.
#[derive(Debug)]
pub struct Renewals {
    counts: [AtomicU64; COUNTERS],
    /// No connection may go on whose count is lower than this: it leads to an address that its server has left.
    retired: [AtomicU64; COUNTERS],
    /// When this list was made.
    made: Instant,
    /// How many milliseconds later the last change was counted, plus one; 0: none was.
    last_ms: AtomicU64,
}

impl Default for Renewals {
    fn default() -> Self {
        let none = || std::array::from_fn(|_| AtomicU64::new(0));
        Renewals { counts: none(), retired: none(), made: Instant::now(), last_ms: AtomicU64::new(0) }
    }
}

impl Renewals {
    /// Returns the current count of a server, for a connection that is about to be opened.
    pub fn of(&self, server: ServerId) -> u64 {
        let at = server.0 as usize % COUNTERS;
        self.counts.get(at).map_or(0, |count| count.load(SeqCst))
    }

    /// Returns the lowest count with which a connection to this server may go on.
    pub fn least(&self, server: ServerId) -> u64 {
        self.retired.get(server.0 as usize % COUNTERS).map_or(0, |count| count.load(SeqCst))
    }

    /// Has all connections to this server that are open now be closed as soon as nothing pins them.
    pub fn retire(&self, server: ServerId) {
        self.renew(Some(server));
        if let Some(retired) = self.retired.get(server.0 as usize % COUNTERS) {
            retired.fetch_max(self.of(server), SeqCst);
        }
    }

    /// True if a change was counted less than this long ago. The probes may not have seen it yet.
    pub fn any_within(&self, span: Duration) -> bool {
        let last_ms = self.last_ms.load(SeqCst);
        last_ms != 0 && self.made.elapsed() < Duration::from_millis(last_ms).saturating_add(span)
    }

    /// Counts a change on this server, or (None) on all of them.
    pub fn renew(&self, server: Option<ServerId>) {
        let is_meant = |at: usize| server.is_none_or(|server| server.0 as usize % COUNTERS == at);
        let ms = u64::try_from(self.made.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_ms.store(ms.saturating_add(1), SeqCst);
        for (_, count) in self.counts.iter().enumerate().filter(|(at, _)| is_meant(*at)) {
            count.fetch_add(1, SeqCst);
        }
    }
}

/// All limits of the process, and what else the workers must know about each other's connections.
#[derive(Debug, Default)]
pub struct Ceilings {
    /// See `Renewals`.
    pub renewals: Renewals,
    all: Mutex<HashMap<Key, Arc<Ceiling>>>,
    clock: Clock,
}

/// Milliseconds since a moment.
#[derive(Debug, Clone, Copy)]
struct Clock(Instant);

impl Default for Clock {
    fn default() -> Self {
        Clock(Instant::now())
    }
}

impl Clock {
    /// Never 0.
    fn now(self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }
}

/// The right to hold one connection. Dropping it lets another connection be opened.
#[derive(Debug)]
pub struct Permit {
    server: Option<OwnedSemaphorePermit>,
    user: Option<OwnedSemaphorePermit>,
    ceilings: [Option<Arc<Ceiling>>; 2],
    clock: Clock,
    /// True if the connection of this permit was open.
    was_open: bool,
}

impl Permit {
    /// True if a session in another worker waits for a place and no other connection is being closed for it:
    /// this connection should then be closed, not pooled. Each waiting session is claimed for only once.
    pub fn claim(&self) -> bool {
        self.ceilings.iter().flatten().any(|c| c.claim())
    }

    /// True if more connections are open than a limit allows: this connection should then be closed. True only once for each
    /// connection too many.
    pub fn pays(&self) -> bool {
        self.ceilings.iter().flatten().any(|c| c.pays())
    }

    /// True if `claim` or `pays` would return true now.
    pub fn is_wanted(&self) -> bool {
        self.ceilings.iter().flatten().any(|c| c.is_wanted())
    }

    /// Notes that the connection is open.
    pub fn opened(&mut self) {
        self.was_open = true;
    }

    /// Lowers the server's or the account's ceiling to the number of open connections, but at least one: the server refused
    /// more. Returns false, and lowers nothing, if this process has just closed one, which the server may still count.
    pub fn server_refused(mut self, full: Full) -> bool {
        let [of_server, of_user] = &self.ceilings;
        let (mine, ceiling) = match full {
            Full::Server => (&mut self.server, of_server),
            Full::Account => (&mut self.user, of_user),
        };
        let (Some(mine), Some(ceiling)) = (mine.take(), ceiling) else { return false };
        let closed_ms = ceiling.closed_ms.load(Relaxed);
        let age = Duration::from_millis(self.clock.now().saturating_sub(closed_ms));
        if closed_ms > 0 && age < COUNTED_LONGER {
            ceiling.take_back(Some(mine));
            return false;
        }
        ceiling.step.store(0, Relaxed);
        let taken = ceiling.permits.forget_permits(Semaphore::MAX_PERMITS);
        let open = ceiling.limit.load(Relaxed).saturating_sub(ceiling.withheld.load(Relaxed) + taken + 1);
        ceiling.withheld.fetch_add(taken, Relaxed);
        if open > 0 {
            mine.forget();
            ceiling.withheld.fetch_add(1, Relaxed);
        }
        true
    }
}

/// See `Ceilings::mark_waiting`.
#[derive(Debug)]
pub struct WaitingMark(Arc<Ceiling>);

impl WaitingMark {
    /// Ready when a place may have become free.
    pub async fn freed(&self) {
        self.0.freed.notified().await;
    }
}

impl Drop for WaitingMark {
    fn drop(&mut self) {
        let before = self.0.waiting.fetch_sub(1, Relaxed);
        debug_assert!(before > 0, "each mark counts once");
        let taken = |given: usize| given.checked_sub(1);
        let _ = self.0.given.fetch_update(Relaxed, Relaxed, taken);
    }
}

impl Ceiling {
    /// Changes the limit after a reload. Open connections stay; a lower limit takes effect as they close.
    fn set_limit(&self, limit: usize) {
        let old = self.limit.swap(limit, Relaxed);
        if limit > old {
            let paid = self.debt.load(Relaxed).min(limit - old);
            self.debt.fetch_sub(paid, Relaxed);
            let more = limit - old - paid;
            // What the server refused, it may refuse again: `restore` tries.
            let withhold = |withheld: usize| (withheld > 0).then_some(withheld + more);
            if self.withheld.fetch_update(Relaxed, Relaxed, withhold).is_err() {
                self.permits.add_permits(more);
            }
        } else if limit < old {
            // Permits that are withheld are no longer there to be removed.
            let gone = |withheld: usize| Some(withheld.saturating_sub(old - limit));
            let withheld = self.withheld.fetch_update(Relaxed, Relaxed, gone).unwrap_or(0);
            let fewer = (old - limit).saturating_sub(withheld);
            let forgotten = self.permits.forget_permits(fewer);
            self.debt.fetch_add(fewer - forgotten, Relaxed);
        }
    }

    /// Returns a permit, or removes it if too many are out.
    fn take_back(&self, permit: Option<OwnedSemaphorePermit>) {
        let pay = |debt: usize| debt.checked_sub(1);
        let _ = self.paying.fetch_update(Relaxed, Relaxed, pay);
        if permit.is_some() && self.debt.fetch_update(Relaxed, Relaxed, pay).is_ok() {
            permit.into_iter().for_each(OwnedSemaphorePermit::forget);
        } else {
            drop(permit);
            if self.waiting.load(Relaxed) > 0 {
                self.freed.notify_one();
            }
        }
    }

    fn restore(&self) {
        let most = self.step.load(Relaxed) + 1;
        let rest = |withheld: usize| (withheld > 0).then(|| withheld.saturating_sub(most));
        let Ok(withheld) = self.withheld.fetch_update(Relaxed, Relaxed, rest) else { return };
        self.step.store((most * 2 - 1).min(MOST_RESTORED), Relaxed);
        let restored = withheld.min(most);
        // A limit that was lowered meanwhile takes them first.
        let pay = |debt: usize| (debt > 0).then(|| debt.saturating_sub(restored));
        let debt = self.debt.fetch_update(Relaxed, Relaxed, pay).unwrap_or(0);
        self.permits.add_permits(restored.saturating_sub(debt));
        if self.waiting.load(Relaxed) > 0 {
            self.freed.notify_one();
        }
    }

    fn is_wanted(&self) -> bool {
        self.given.load(Relaxed) < self.waiting.load(Relaxed)
            || self.paying.load(Relaxed) < self.debt.load(Relaxed)
    }

    fn claim(&self) -> bool {
        let waiting = self.waiting.load(Relaxed);
        let up_to = |most: usize| move |given: usize| (given < most).then_some(given + 1);
        waiting > 0 && self.given.fetch_update(Relaxed, Relaxed, up_to(waiting)).is_ok()
    }

    fn pays(&self) -> bool {
        let debt = self.debt.load(Relaxed);
        let pay = |paying: usize| (paying < debt).then_some(paying + 1);
        debt > 0 && self.paying.fetch_update(Relaxed, Relaxed, pay).is_ok()
    }

    /// Returns how many permits are out.
    fn open(&self) -> usize {
        let most = self.limit.load(Relaxed) + self.debt.load(Relaxed);
        most.saturating_sub(self.withheld.load(Relaxed) + self.permits.available_permits())
    }

    fn acquire(self: &Arc<Self>) -> Option<OwnedSemaphorePermit> {
        self.permits.clone().try_acquire_owned().ok()
    }
}

impl Ceilings {
    /// Acquires the right to one more connection, or returns the limit that is reached. `None` for
    /// `user_limit` means that only the server's limit and the server's own refusals count.
    pub async fn acquire(
        &self,
        server: ServerId,
        server_limit: usize,
        user: &Arc<str>,
        user_limit: Option<usize>,
    ) -> Result<Permit, Limit> {
        let per_user = self.get((server, Some(user.clone())), user_limit.unwrap_or(server_limit)).await;
        per_user.own.store(user_limit.is_some(), Relaxed);
        let per_server = self.get((server, None), server_limit).await;
        let Some(of_user) = per_user.acquire() else {
            return Err(match user_limit {
                _ if per_user.withheld.load(Relaxed) > 0 => Limit::Account,
                Some(_) => Limit::User,
                None => Limit::Server,
            });
        };
        let Some(of_server) = per_server.acquire() else {
            return Err(match per_server.withheld.load(Relaxed) {
                0 => Limit::Server,
                _ => Limit::Full,
            });
        };
        Ok(Permit {
            server: Some(of_server),
            user: Some(of_user),
            ceilings: [Some(per_server), Some(per_user)],
            clock: self.clock,
            was_open: false,
        })
    }

    /// Announces to the other workers, until the mark is dropped, that a session waits for a place at this
    /// server (with `user`: at the user's own limit there). None: the lock is busy, or no connection was ever
    /// opened.
    pub fn mark_waiting(&self, server: ServerId, user: Option<&Arc<str>>) -> Option<WaitingMark> {
        let ceiling = self.all.try_lock().ok()?.get(&(server, user.cloned()))?.clone();
        ceiling.waiting.fetch_add(1, Relaxed);
        Some(WaitingMark(ceiling))
    }

    /// Returns some withheld permits of each account and server, so that the proxy notices if there is room again: one, and
    /// each time twice as many until the server refuses one more. A session whose connection is refused waits, and does not
    /// fail.
    pub fn restore(&self) {
        // If somebody asks for a place just now, the next second will do.
        let Ok(all) = self.all.try_lock() else { return };
        all.values().for_each(|ceiling| ceiling.restore());
    }

    /// True if more connections to a server, of any account or of this one, are open than a limit allows.
    pub fn is_over(&self, server: ServerId, user: &Arc<str>) -> bool {
        let Ok(all) = self.all.try_lock() else { return false };
        let over = |user| all.get(&(server, user)).is_some_and(|c| c.debt.load(Relaxed) > 0);
        over(None) || over(Some(user.clone()))
    }

    /// Returns how many connections of this process's pools a server has, including those that are being opened. None: a
    /// connection is being opened just now.
    pub fn open_to(&self, server: ServerId) -> Option<usize> {
        let all = self.all.try_lock().ok()?;
        Some(all.get(&(server, None)).map_or(0, |ceiling| ceiling.open()))
    }

    /// Has the limits of the servers that a connection was opened to be at most these. If more are open, connections are
    /// closed as sessions need them no more.
    pub fn leave_room(&self, limit_of: impl Fn(ServerId) -> Option<usize>) {
        // If somebody asks for a place just now, the next second will do.
        let Ok(all) = self.all.try_lock() else { return };
        for ((server, _), ceiling) in all.iter().filter(|(_, ceiling)| !ceiling.own.load(Relaxed)) {
            if let Some(limit) = limit_of(*server) {
                ceiling.set_limit(limit);
            }
        }
    }

    /// Returns how many connections of this process each server is believed to bear, where it refused more than that. None:
    /// somebody opens a connection just now.
    pub fn believed(&self) -> Option<HashMap<ServerId, usize>> {
        let all = self.all.try_lock().ok()?;
        let of_servers = all.iter().filter(|((_, user), _)| user.is_none());
        let lowered = of_servers.filter_map(|((server, _), ceiling)| {
            let withheld = ceiling.withheld.load(Relaxed);
            (withheld > 0).then(|| (*server, ceiling.limit.load(Relaxed).saturating_sub(withheld)))
        });
        Some(lowered.collect())
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
            own: AtomicBool::new(false),
            debt: AtomicUsize::new(0),
            paying: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            given: AtomicUsize::new(0),
            freed: Notify::new(),
            withheld: AtomicUsize::new(0),
            step: AtomicUsize::new(0),
            closed_ms: AtomicU64::new(0),
        });
        all.insert(key, ceiling.clone());
        ceiling
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        // The server's permit first: a session that waits for it already holds a user's permit.
        let (server, user) = (self.server.take(), self.user.take());
        if let [Some(of_server), Some(of_user)] = &self.ceilings {
            if self.was_open {
                let now = self.clock.now();
                of_server.closed_ms.store(now, Relaxed);
                of_user.closed_ms.store(now, Relaxed);
            }
            of_server.take_back(server);
            of_user.take_back(user);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn get(c: &Ceilings, user: &str, limit: Option<usize>) -> Option<Permit> {
        c.acquire(ServerId(1), 3, &user.into(), limit).await.ok()
    }

    #[tokio::test]
    async fn the_smaller_limit_counts_and_a_dropped_permit_lets_the_next_in() {
        let c = Ceilings::default();
        let first = get(&c, "a", Some(1)).await.unwrap();
        assert!(get(&c, "a", Some(1)).await.is_none());
        let _b = get(&c, "b", None).await.unwrap();
        let _c = get(&c, "b", None).await.unwrap();
        assert!(get(&c, "b", None).await.is_none());
        let user: Arc<str> = "a".into();
        drop(c.mark_waiting(ServerId(1), Some(&user)).unwrap());
        assert!(!first.claim(), "waits that were given up do not count");
        assert!(!first.is_wanted());
        let mark = c.mark_waiting(ServerId(1), Some(&user)).unwrap();
        assert!(first.is_wanted(), "looking gives nothing");
        assert_eq!((first.claim(), first.claim()), (true, false), "one waits, one is given");
        assert!(!first.is_wanted());
        drop(first);
        mark.freed().await;
        drop(mark);
        assert!(get(&c, "a", Some(1)).await.is_some());
    }

    #[tokio::test]
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

    #[tokio::test]
    async fn what_is_open_beyond_a_lower_limit_is_closed_once_each() {
        let c = Ceilings::default();
        let (server, user) = (ServerId(1), Arc::<str>::from("a"));
        let ask = async || c.acquire(server, 9, &user, Some(9)).await;
        let mut open = Vec::new();
        for _ in 0..6 {
            open.push(ask().await.unwrap());
        }
        assert_eq!((c.open_to(server), c.open_to(ServerId(2))), (Some(6), Some(0)));
        c.leave_room(|_| Some(4));
        assert!(c.is_over(server, &user));
        assert_eq!(open.iter().map(Permit::pays).filter(|pays| *pays).count(), 2);
        assert_eq!(c.open_to(server), Some(6));
        open.truncate(4);
        assert!(!c.is_over(server, &user) && !open[0].pays() && !open[0].is_wanted());
        assert_eq!(c.open_to(server), Some(4));
        c.leave_room(|_| Some(5));
        open.push(c.acquire(server, 5, &user, Some(9)).await.unwrap());
        assert!(c.acquire(server, 5, &user, Some(9)).await.is_err());
    }

    #[tokio::test]
    async fn a_limit_and_a_refusal_do_not_add_up() {
        let c = Ceilings::default();
        let (server, user) = (ServerId(1), Arc::<str>::from("a"));
        let ask = async |limit: usize| c.acquire(server, limit, &user, None).await;
        let _open = [ask(9).await.unwrap(), ask(9).await.unwrap()];
        assert!(ask(9).await.unwrap().server_refused(Full::Server));
        // Two are open, and seven are withheld.
        c.leave_room(|_| Some(3));
        assert!(!c.is_over(server, &user));
        assert_eq!((c.open_to(server), c.believed().unwrap().get(&server)), (Some(2), Some(&2)));
        c.leave_room(|_| Some(2));
        assert!(!c.is_over(server, &user) && c.believed().unwrap().is_empty());
        c.leave_room(|_| Some(1));
        assert!(c.is_over(server, &user));
    }

    #[tokio::test]
    async fn a_refusal_lowers_the_accounts_ceiling_until_it_is_restored() {
        let c = Ceilings::default();
        let held = get(&c, "a", None).await.unwrap();
        assert!(get(&c, "a", None).await.unwrap().server_refused(Full::Account));
        assert!(get(&c, "a", None).await.is_none(), "the ceiling is at one now");
        drop(held);
        let held = get(&c, "a", None).await.unwrap();
        assert!(get(&c, "a", None).await.is_none());
        c.restore();
        assert!(get(&c, "a", None).await.is_some());
        drop(held);
        // With nothing open the ceiling stays at one.
        get(&c, "z", Some(2)).await.unwrap().server_refused(Full::Account);
        assert!(get(&c, "z", Some(2)).await.is_some());
        assert!(c.believed().unwrap().is_empty(), "the server itself is not full");
    }

    #[tokio::test]
    async fn a_full_server_lowers_everybodys_ceiling_which_grows_again_by_one() {
        let c = Ceilings::default();
        let server = ServerId(1);
        let ask = async |user: &str| c.acquire(server, 9, &user.into(), None).await;
        let mut open = [ask("a").await.unwrap(), ask("b").await.unwrap()];
        open.iter_mut().for_each(Permit::opened);
        assert!(ask("b").await.unwrap().server_refused(Full::Server));
        assert_eq!(c.believed().unwrap(), HashMap::from([(server, 2)]));
        assert_eq!(
            ask("c").await.err(),
            Some(Limit::Full),
            "and not Limit::Server: the configuration allows more"
        );
        for more in [3, 5] {
            c.restore();
            assert_eq!(c.believed().unwrap(), HashMap::from([(server, more)]), "one more, then two");
        }
        let mut held = vec![ask("c").await.unwrap(), ask("c").await.unwrap(), ask("c").await.unwrap()];
        assert_eq!(ask("c").await.err(), Some(Limit::Full));
        c.restore();
        assert!(c.believed().unwrap().is_empty(), "four more");
        held.push(ask("c").await.unwrap());
        drop(held);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_just_after_a_connection_was_closed_lowers_nothing() {
        let c = Ceilings::default();
        let server = ServerId(1);
        let ask = async |user: &str| c.acquire(server, 9, &user.into(), None).await;
        let mut open = [ask("a").await.unwrap(), ask("b").await.unwrap()];
        open.iter_mut().for_each(Permit::opened);
        let [closed, _open] = open;
        drop(closed);
        assert!(
            !ask("b").await.unwrap().server_refused(Full::Server),
            "the server may still count the closed one"
        );
        assert!(c.believed().unwrap().is_empty());
        tokio::time::advance(COUNTED_LONGER).await;
        assert!(ask("b").await.unwrap().server_refused(Full::Server));
        assert_eq!(c.believed().unwrap(), HashMap::from([(server, 1)]));
    }
}
