//! Metrics of reloads: a broken file must raise an alert, not only a log line.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::cells::Cell;
use super::families::Families;

/// Counts of reloads; only the control thread changes them.
#[derive(Debug, Default)]
pub struct ReloadMetrics {
    /// Files accepted, changed or not.
    pub done: Cell,
    /// Files refused.
    pub failed: Cell,
    /// 1 while the last file was refused, otherwise 0.
    pub stale: Cell,
}

/// `ReloadMetrics` as metric families.
#[derive(Debug)]
pub struct ReloadFamilies(pub Arc<ReloadMetrics>);

impl Collector for ReloadFamilies {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut families = Families::new(encoder);
        let results = [([("result", "done")], &self.0.done), ([("result", "failed")], &self.0.failed)];
        families.counters(
            "pointsman_config_reloads",
            "Reloads of the configuration, by result.",
            results.map(|(labels, cell)| (labels, cell.get())),
        )?;
        families.gauge(
            "pointsman_config_stale",
            "1 while the configuration file has a mistake and an older one is in effect.",
            self.0.stale.get() as f64,
        )
    }
}
