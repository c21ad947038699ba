//! The accounts of the servers (`mysql.user`, `mysql.global_priv`), as far as a login needs them: the monitor reads them,
//! and clients then log in without a copy of their passwords in the configuration.

mod host;
mod rows;

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use crate::auth::native_password::Sha1;
use crate::config::Requirements;
use crate::topology::Flavor;

pub use host::HostPattern;
pub use rows::{AccountRows, BadRow};

/// One way in which the clients of an account prove who they are.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum ProofMethod {
    /// Without a password.
    Empty,
    /// `mysql_native_password`: the double SHA-1 of the password.
    Native(Sha1),
    /// Another plugin of this name with a password: only a server can check it. The hash is of what the server stores.
    Password(Box<str>, u64),
    /// The operating system's user at the other end of a unix socket (`unix_socket`, `auth_socket`): of this name, or, if
    /// there is none, of the account's.
    Socket(Option<Box<str>>),
    /// An exchange that only the client can do, with the server itself: several factors, or a plugin that the proxy does not
    /// know, of this name. The hash is of what the server stores.
    OnlyClient(Box<str>, u64),
}

/// One account, `'user'@'host'`.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// From where it may log in.
    pub host: HostPattern,
    /// How its clients prove who they are; MariaDB permits several ways.
    pub ways: Vec<ProofMethod>,
    /// True after `ACCOUNT LOCK`.
    pub locked: bool,
    /// True after `PASSWORD EXPIRE`.
    pub expired: bool,
    /// `REQUIRE`
    pub requires: Requirements,
    /// True if its own privileges exempt it from `read_only`. Roles do not count: the tables that are read lack them.
    pub passes_read_only: bool,
    /// True if it has a MAX_STATEMENT_TIME, which a reset of MariaDB forgets.
    pub limits_time: bool,
}

impl Account {
    /// Returns a number that changes when the password or the plugin changes.
    pub fn stamp(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.ways.hash(&mut hasher);
        hasher.finish()
    }

    /// True if a client of this operating system's user is let in without a password. `user` is the account's name.
    pub fn is_for_os_user(&self, user: &str, os_user: &str) -> bool {
        let is_name = |way: &ProofMethod| match way {
            ProofMethod::Socket(name) => name.as_deref().unwrap_or(user) == os_user,
            _ => false,
        };
        self.ways.iter().any(is_name)
    }
}

/// The accounts of the primary, or why there are none.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Accounts {
    /// The tables were not read (yet): the monitor account may not read them, or there was no primary.
    #[default]
    Unknown,
    /// All accounts.
    Known(AccountTable),
}

/// What the tables had at the last read.
#[derive(Debug, Clone, Default)]
pub struct AccountReading {
    /// The number of the read that ended last, also if it failed or found no change. The first one is 1.
    pub ended: u64,
    /// The number of the read that began last.
    pub begun: Arc<AtomicU64>,
    /// The accounts.
    pub accounts: Arc<Accounts>,
}

impl AccountReading {
    /// Notes that the read that began last has ended.
    pub fn end(&mut self) {
        self.ended = self.begun.load(SeqCst);
    }

    /// Returns how many accounts there are; None: they are not known.
    pub fn known(&self) -> Option<usize> {
        match &*self.accounts {
            Accounts::Unknown => None,
            Accounts::Known(table) => Some(table.len()),
        }
    }
}

/// See [`Accounts`].
#[derive(Clone, PartialEq, Eq)]
pub struct AccountTable {
    /// The kind of the server.
    pub flavor: Flavor,
    /// The host from which the server sees the proxy.
    own_host: Arc<str>,
    /// By user; the most specific host first, as the servers sort them.
    by_user: HashMap<Box<str>, Vec<Account>>,
}

/// The name of accounts by which users of all names log in.
const ANONYMOUS: &str = "";

/// What a client of this name and address finds.
pub enum FoundAccount<'a> {
    /// The account that the server will use for the proxy's connection.
    Account(&'a Account),
    /// There is an account, but not for the client's address.
    NotFromThere,
    /// There is an account for the client's address, but not for the proxy's, or with another password.
    NotThroughProxy,
    /// There is no account of this name.
    Nobody,
}

impl AccountTable {
    /// Creates a table of these accounts for a proxy that the server sees as `own_host`.
    pub fn new(flavor: Flavor, own_host: &str, accounts: Vec<(String, Account)>) -> Self {
        let mut by_user: HashMap<Box<str>, Vec<Account>> = HashMap::new();
        for (user, account) in accounts {
            by_user.entry(user.into()).or_default().push(account);
        }
        by_user.values_mut().for_each(|all| all.sort_by_key(|account| account.host.rank()));
        AccountTable { flavor, own_host: own_host.into(), by_user }
    }

    /// Returns how many accounts there are.
    pub fn len(&self) -> usize {
        self.by_user.values().map(Vec::len).sum()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.by_user.is_empty()
    }

    /// Returns the accounts by which a user of this name may log in, in the order in which the servers look: an anonymous account
    /// of a more specific host comes before one of this name.
    fn of(&self, user: &str) -> Vec<&Account> {
        let of = |name: &str| self.by_user.get(name).into_iter().flatten();
        let mut all: Vec<&Account> = of(user).collect();
        let named = all.len();
        if user != ANONYMOUS {
            all.extend(of(ANONYMOUS));
        }
        if (1..all.len()).contains(&named) {
            all.sort_by_key(|account| account.host.rank());
        }
        all
    }

    /// True if an account of this name is exempt from `read_only`.
    pub fn passes_read_only(&self, user: &str) -> bool {
        self.of(user).iter().any(|account| account.passes_read_only)
    }

    /// True if an account of this name has a MAX_STATEMENT_TIME.
    pub fn limits_time(&self, user: &str) -> bool {
        self.of(user).iter().any(|account| account.limits_time)
    }

    /// Adds to the privileges what [`AccountRows::admins_sql`] returned: names and hosts of exempt accounts.
    pub fn add_admins(&mut self, rows: &[Vec<Option<Vec<u8>>>]) {
        let text = |value: &Option<Vec<u8>>| String::from_utf8(value.clone()?).ok();
        for row in rows {
            let [user, host] = row.as_slice() else { continue };
            let (Some(user), Some(host)) = (text(user), text(host)) else { continue };
            let host = HostPattern::new(&host);
            let accounts = self.by_user.get_mut(&*user).into_iter().flatten();
            accounts.filter(|a| a.host == host).for_each(|account| account.passes_read_only = true);
        }
    }

    /// True if the server is on the proxy's own machine, as far as the server's connections show it: on another machine
    /// an operating system's user of the same name may be somebody else.
    pub fn is_of_this_machine(&self) -> bool {
        &*self.own_host == "localhost"
            || self.own_host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
    }

    /// Looks for the account of a user whose address the servers get in a PROXY header: only this address counts.
    pub fn find_announced(&self, user: &str, client: IpAddr) -> FoundAccount<'_> {
        let accounts = self.of(user);
        let address = client.to_canonical().to_string();
        // A loopback address may be announced as the proxy's.
        let matches = |account: &&Account| {
            account.host.matches(&address) || (client.is_loopback() && account.host.matches(&self.own_host))
        };
        match accounts.is_empty() {
            true => FoundAccount::Nobody,
            false => {
                accounts.into_iter().find(matches).map_or(FoundAccount::NotFromThere, FoundAccount::Account)
            }
        }
    }

    /// Looks for the account of this name. `client` is the client's address. None: only the proxy's address counts, as for
    /// clients on the proxy's own machine.
    ///
    /// The server sees the proxy's address, so its account for the proxy decides. But a client must have been able to log
    /// in directly, too, and with the same password.
    pub fn find(&self, user: &str, client: Option<IpAddr>) -> FoundAccount<'_> {
        let accounts = self.of(user);
        if accounts.is_empty() {
            return FoundAccount::Nobody;
        }
        let from = |host: &str| accounts.iter().copied().find(|account| account.host.matches(host));
        let own = from(&self.own_host);
        let client = match client.filter(|address| !address.is_loopback()) {
            Some(address) => from(&address.to_canonical().to_string()),
            None => own,
        };
        match (own, client) {
            (Some(own), Some(client)) if own.ways == client.ways => {
                FoundAccount::Account(if client.locked { client } else { own })
            }
            (None, None) | (Some(_), None) => FoundAccount::NotFromThere,
            (_, Some(_)) => FoundAccount::NotThroughProxy,
        }
    }
}

impl std::fmt::Debug for Accounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the hashes.
        match self {
            Accounts::Unknown => f.write_str("Unknown"),
            Accounts::Known(table) => write!(f, "Known({} accounts)", table.len()),
        }
    }
}

#[cfg(test)]
mod tests;
