//! Decides which clients may connect and log in. Limits the connections of an address and the sessions of a
//! user, and blocks addresses whose logins fail. All workers share it. It is used when a client connects,
//! logs in and leaves, never for a statement.
//!
//! Many clients may share one address (NAT, a node of a Kubernetes cluster), so one client's mistakes must
//! not lock the others out. Wrong passwords count for the pair of address and user name. A whole address is
//! blocked only for broken handshakes and for failed logins of many different names. A user with a session
//! from a blocked address can log in from there again.
//!
//! Memory is bounded: an entry stays while it has connections or sessions. Of the entries that have only
//! failures, the latest are kept.

mod failures;
mod lines;
#[cfg(test)]
mod tests;

pub use lines::shown;

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use self::failures::Failures;
use self::lines::LogLines;
use crate::config::Limits;
use crate::net::{Origin, Peer};
use crate::terms::Refused;

/// At most this many addresses, and pairs of address and user name, have their failures remembered.
const MOST_FAILING: usize = 16_384;

/// The hash of a user name, since a client may send any name.
type LoginName = u64;

/// See the module.
#[derive(Debug, Default)]
pub struct Admission {
    /// The channel serves as a lock: nobody waits for its changes.
    table: watch::Sender<AdmissionTable>,
    lines: watch::Sender<LogLines>,
    /// The lines of the audit log about refused logins.
    audited: watch::Sender<LogLines>,
    names: RandomState,
}

#[derive(Debug, Default)]
struct AdmissionTable {
    addresses: HashMap<Origin, AdmissionEntry>,
    pairs: HashMap<(Origin, LoginName), AdmissionEntry>,
    /// The number of logged-in sessions of each user.
    users: HashMap<Arc<str>, usize>,
    /// The entries with failures, the oldest first. Some of these may have no failures any more.
    failing: VecDeque<(Origin, Option<LoginName>)>,
}

/// The counts of an address, or of a pair of address and user name.
#[derive(Debug, Default)]
struct AdmissionEntry {
    /// Connections, logged in or not. Always 0 for a pair.
    connections: usize,
    /// Sessions that are logged in.
    sessions: usize,
    failures: Option<Failures>,
    /// True if the entry is in `AdmissionTable::failing`, once.
    queued: bool,
}

impl AdmissionEntry {
    fn is_blocked(&self, now: Instant) -> bool {
        self.failures.as_ref().is_some_and(|failures| failures.is_blocked(now))
    }

    fn is_empty(&self) -> bool {
        self.connections == 0 && self.sessions == 0 && self.failures.is_none() && !self.queued
    }
}

/// Why a login failed.
#[derive(Debug, Clone, Copy)]
pub enum Fault<'a> {
    /// A wrong password, or no such user.
    Password(&'a [u8]),
    /// The client broke off the handshake, took too long, or sent something else.
    Handshake,
}

/// The admission of one client, from its accept to its end. Dropping it releases what the client counted for.
#[derive(Debug)]
pub struct Pass {
    admission: Arc<Admission>,
    peer: Peer,
    /// The address that the client counts for. None on a unix socket, and until the PROXY header is read.
    origin: Option<Origin>,
    /// True until the PROXY header is read: the peer is a load balancer.
    awaits_header: bool,
    /// The user that the client is logged in as.
    user: Option<Arc<str>>,
}

impl Admission {
    /// Admits a client that has connected. The error says why the client is refused.
    pub fn enter(self: &Arc<Self>, peer: Peer, limits: &Limits) -> Result<Pass, Refused> {
        let origin = peer.origin();
        let refused = origin.and_then(|origin| {
            self.locked(|table| {
                let now = Instant::now();
                let address = table.addresses.entry(origin).or_default();
                let most = limits.max_connections_per_address;
                // If the address has a session, its user may log in again: `is_blocked` decides once the user
                // is known.
                let refused = if address.sessions == 0 && address.is_blocked(now) {
                    Some(Refused::Blocked)
                } else if most > 0 && address.connections >= most {
                    Some(Refused::AddressConnections)
                } else {
                    address.connections += 1;
                    None
                };
                table.forget_if_empty(origin, None);
                refused
            })
        });
        match refused {
            Some(refused) => Err(refused),
            None => Ok(Pass { admission: self.clone(), peer, origin, awaits_header: false, user: None }),
        }
    }

    /// Admits a load balancer's connection, whose PROXY header will name the client. The connection counts for no
    /// address, and is never refused: the balancer must not be limited or blocked for its clients.
    pub fn enter_behind_balancer(self: &Arc<Self>, balancer: Peer) -> Pass {
        Pass { admission: self.clone(), peer: balancer, origin: None, awaits_header: true, user: None }
    }

    /// Forgets the failures of these accounts, which are new or have a new password: a password that was
    /// wrong before may be right now.
    pub fn forgive(&self, accounts: &[Arc<str>]) {
        if accounts.is_empty() {
            return;
        }
        let names: HashSet<LoginName> = accounts.iter().map(|user| self.name(user.as_bytes())).collect();
        self.locked(|table| {
            table.pairs.retain(|(_, name), pair| {
                if names.contains(name) {
                    pair.failures = None;
                }
                !pair.is_empty()
            });
        });
    }

    /// Returns None if no line about a login may be written now, else how many lines were left out before
    /// this one.
    pub fn line(&self) -> Option<u64> {
        let mut allowed = None;
        self.lines.send_if_modified(|lines| {
            allowed = lines.one(Instant::now());
            false
        });
        allowed
    }

    /// The same for the audit log's lines about logins that were refused.
    pub fn audited_refusal(&self) -> Option<u64> {
        let mut allowed = None;
        self.audited.send_if_modified(|lines| {
            allowed = lines.one(Instant::now());
            false
        });
        allowed
    }

    /// Returns how many lines were left out in a second that is over and were not yet reported. Called every
    /// second.
    pub fn left_out(&self) -> u64 {
        let mut left_out = 0;
        self.lines.send_if_modified(|lines| {
            left_out = lines.left_out(Instant::now());
            false
        });
        left_out
    }

    fn locked<T: Default>(&self, work: impl FnOnce(&mut AdmissionTable) -> T) -> T {
        let mut result = T::default();
        self.table.send_if_modified(|table| {
            result = work(table);
            false
        });
        result
    }

    fn name(&self, user: &[u8]) -> LoginName {
        self.names.hash_one(user)
    }
}

impl AdmissionTable {
    fn forget_if_empty(&mut self, origin: Origin, name: Option<LoginName>) {
        match name {
            None if self.addresses.get(&origin).is_some_and(AdmissionEntry::is_empty) => {
                self.addresses.remove(&origin);
            }
            Some(name) if self.pairs.get(&(origin, name)).is_some_and(AdmissionEntry::is_empty) => {
                self.pairs.remove(&(origin, name));
            }
            _ => {}
        }
    }

    fn entry(&mut self, origin: Origin, name: Option<LoginName>) -> &mut AdmissionEntry {
        match name {
            None => self.addresses.entry(origin).or_default(),
            Some(name) => self.pairs.entry((origin, name)).or_default(),
        }
    }

    /// Counts a failure. Returns true if no earlier failure of this address or pair counts any more.
    fn failed(&mut self, origin: Origin, name: Option<LoginName>, limits: &Limits, now: Instant) -> bool {
        let entry = self.entry(origin, name);
        let first = entry.failures.as_ref().is_none_or(|failures| failures.has_emptied(limits, now));
        entry.failures.get_or_insert_with(|| Failures::begin(now)).add(limits, now);
        if !std::mem::replace(&mut entry.queued, true) {
            self.failing.push_back((origin, name));
            if self.failing.len() > MOST_FAILING
                && let Some((origin, name)) = self.failing.pop_front()
            {
                let oldest = self.entry(origin, name);
                (oldest.failures, oldest.queued) = (None, false);
                self.forget_if_empty(origin, name);
            }
        }
        first
    }

    fn leave(&mut self, origin: Option<Origin>, user: Option<(&Arc<str>, LoginName)>) {
        if let Some((user, _)) = user
            && let Some(sessions) = self.users.get_mut(user)
        {
            debug_assert!(*sessions > 0, "a session ends once");
            *sessions = sessions.saturating_sub(1);
            if *sessions == 0 {
                self.users.remove(user);
            }
        }
        if let (Some(origin), Some((_, name))) = (origin, user) {
            for name in [None, Some(name)] {
                let entry = self.entry(origin, name);
                entry.sessions = entry.sessions.saturating_sub(1);
                self.forget_if_empty(origin, name);
            }
        }
    }
}

impl Pass {
    /// Returns the client's address.
    pub fn peer(&self) -> Peer {
        self.peer
    }

    /// True if the client's address is unknown until its PROXY header is read.
    pub fn awaits_header(&self) -> bool {
        self.awaits_header
    }

    /// Admits the client that the PROXY header named, in place of the load balancer. The error says why the client is
    /// refused.
    pub fn read_header(&mut self, client: Peer, limits: &Limits) -> Result<(), Refused> {
        self.peer = client;
        *self = self.admission.clone().enter(client, limits)?;
        Ok(())
    }

    /// True if this user name may not log in from this address now.
    pub fn is_blocked(&self, user: &[u8]) -> bool {
        let Some(origin) = self.origin else { return false };
        let (now, name) = (Instant::now(), self.admission.name(user));
        self.admission.locked(|table| {
            let pair = table.pairs.get(&(origin, name));
            let address = table.addresses.get(&origin);
            pair.is_some_and(|pair| pair.is_blocked(now))
                || (address.is_some_and(|address| address.is_blocked(now))
                    && pair.is_none_or(|pair| pair.sessions == 0))
        })
    }

    /// Counts a failed login.
    pub fn failed(&self, fault: Fault<'_>, limits: &Limits) {
        let Some(origin) = self.origin.filter(|_| limits.max_login_errors > 0) else { return };
        let now = Instant::now();
        self.admission.locked(|table| {
            let of_address = match fault {
                Fault::Handshake => true,
                // However often one name fails, it counts once for the address: other clients may share the
                // address.
                Fault::Password(user) => table.failed(origin, Some(self.admission.name(user)), limits, now),
            };
            if of_address {
                table.failed(origin, None, limits, now);
            }
        });
    }

    /// Counts the client as a session of this user, instead of its former user. Returns an error if the user
    /// has reached `limits.max_user_connections`.
    pub fn log_in(&mut self, user: &Arc<str>, limits: &Limits) -> Result<(), Refused> {
        self.log_out();
        let (origin, name) = (self.origin, self.admission.name(user.as_bytes()));
        let most = Some(limits.max_user_connections).filter(|most| *most > 0);
        let full = self.admission.locked(|table| {
            let sessions = table.users.entry(user.clone()).or_default();
            if most.is_some_and(|most| *sessions >= most) {
                return true;
            }
            *sessions += 1;
            let Some(origin) = origin else { return false };
            for name in [None, Some(name)] {
                let entry = table.entry(origin, name);
                // Failures stay: only time ends them. Otherwise a client with one account could guess for ever.
                entry.sessions += 1;
            }
            false
        });
        if full {
            return Err(Refused::UserConnections);
        }
        self.user = Some(user.clone());
        Ok(())
    }

    fn log_out(&mut self) {
        if let Some(user) = self.user.take() {
            let name = self.admission.name(user.as_bytes());
            let origin = self.origin;
            self.admission.locked(|table| table.leave(origin, Some((&user, name))));
        }
    }

    /// See [`Admission::audited_refusal`].
    pub fn audited_refusal(&self) -> Option<u64> {
        self.admission.audited_refusal()
    }

    /// See [`Admission::line`].
    pub fn line(&self) -> Option<u64> {
        self.admission.line()
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.log_out();
        if let Some(origin) = self.origin {
            self.admission.locked(|table| {
                let address = table.entry(origin, None);
                debug_assert!(address.connections > 0, "a client leaves once");
                address.connections = address.connections.saturating_sub(1);
                table.forget_if_empty(origin, None);
            });
        }
    }
}

/// Returns how many seconds a block that begins now lasts at most, for the error text.
pub fn block_seconds(limits: &Limits) -> u32 {
    u32::try_from(limits.block_time.max(Duration::from_secs(1)).as_secs()).unwrap_or(u32::MAX)
}
