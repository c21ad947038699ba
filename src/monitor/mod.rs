//! Probes of the servers; each outcome is an event for the topology's reducer. One task per server on the
//! control thread; a probe is one statement and one round trip on a connection that stays open. [`Routines`]
//! reads the primary's stored routines, [`AccountTables`] its account tables; [`passing_accounts`] finds the configured
//! accounts that are exempt from `read_only`, and [`PassingLogins`] has those of the servers' accounts.

mod account_tables;
mod accounts;
mod backend;
mod client;
mod kick;
mod member;
mod name_watch;
mod own_log;
mod passing_logins;
mod primary;
mod probe;
mod routines;
mod statement;

#[cfg(test)]
pub(crate) mod tests;

pub use account_tables::{AccountTables, missing_grant};
pub use accounts::{PASSES, PassingAccounts, passes, passing_accounts};
pub use backend::BackendConnector;
pub use client::{Closed, Connection, Connector, Encryption, Error, Greeting, ResultSet, Row, Target};
pub use kick::{Kicker, Kicks, ProbePermit};
pub use passing_logins::PassingLogins;
pub use probe::{ProbeOrders, Prober, ServerAddress};
pub use routines::{MissingRight, Routines, missing_functions, missing_rights};
