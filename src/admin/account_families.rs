//! The servers' accounts, and those that pass `read_only`, as metric families.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use tokio::sync::watch;

use crate::backend::accounts::AccountReading;
use crate::monitor::PassingAccounts;
use crate::telemetry::Families;

/// The number of accounts that clients can log in with.
#[derive(Debug)]
pub(super) struct TableFamilies(pub watch::Receiver<AccountReading>);

impl Collector for TableFamilies {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let known = self.0.borrow().known();
        Families::new(encoder).gauges(
            "pointsman_server_accounts",
            "Accounts in the account tables of the primary, as the proxy read them last. No sample: the tables were not read, \
             because credentials.sources does not name them, or because the monitor account may not read them.",
            known.iter().map(|count| ([], *count as f64)),
        )
    }
}

/// One series for each account that passes `read_only`.
#[derive(Debug)]
pub(super) struct AccountFamilies(pub Vec<watch::Receiver<PassingAccounts>>);

/// Returns all these names, each once.
pub(super) fn names(of: &[watch::Receiver<PassingAccounts>]) -> BTreeSet<Arc<str>> {
    of.iter().flat_map(|names| names.borrow().iter().cloned().collect::<Vec<_>>()).collect()
}

impl Collector for AccountFamilies {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let passing = names(&self.0);
        Families::new(encoder).gauges(
            "pointsman_user_passes_read_only",
            "1 for a user of the configuration, or an account of the servers that has logged in, whose privileges let it write \
             to a server that is read-only: at a planned change nothing but this proxy keeps its writes from the former \
             primary.",
            passing.iter().map(|user| ([("user", &**user)], 1.0)),
        )
    }
}
