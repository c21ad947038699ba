//! Accounts that pass `read_only`, as a metric family.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use tokio::sync::watch;

use crate::monitor::Passing;
use crate::telemetry::Families;

/// One series for each account that passes `read_only`.
#[derive(Debug)]
pub(super) struct AccountFamilies(pub watch::Receiver<Passing>);

impl Collector for AccountFamilies {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let passing = self.0.borrow().clone();
        Families::new(encoder).gauges(
            "pointsman_user_passes_read_only",
            "1 for a user of the configuration whose privileges let it write to a server that is read-only: at a planned \
             change nothing but this proxy keeps its writes from the former primary.",
            passing.iter().map(|user| ([("user", &**user)], 1.0)),
        )
    }
}
