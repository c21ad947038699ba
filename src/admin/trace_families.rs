//! What became of the spans of traced statements, as metric families.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use crate::telemetry::traces::TraceCounts;
use crate::telemetry::{Families, WorkerMetrics};

/// How many spans were exported and dropped.
#[derive(Debug)]
pub(super) struct TraceFamilies {
    /// The counts of the queue and of the exports.
    pub counts: Arc<TraceCounts>,
    /// The counts of the workers.
    pub workers: Vec<Arc<WorkerMetrics>>,
}

impl Collector for TraceFamilies {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut families = Families::new(encoder);
        families.counter(
            "pointsman_spans_exported",
            "Spans of traced statements that the collector took.",
            self.counts.exported.load(Relaxed),
        )?;
        let over_limit = self.workers.iter().map(|worker| worker.traces_over_limit.get());
        let dropped = [
            ("limit", over_limit.fold(0, u64::wrapping_add)),
            ("queue", self.counts.queue_full.load(Relaxed)),
            ("export", self.counts.not_taken.load(Relaxed)),
        ];
        families.counters(
            "pointsman_spans_dropped",
            "Spans that did not reach the collector, by reason: traces.max_per_second (a statement counts as one span), \
             a full queue, or a failed export.",
            dropped.map(|(reason, count)| ([("reason", reason)], count)),
        )?;
        families.counter(
            "pointsman_span_exports_failed",
            "Attempts to export spans that failed.",
            self.counts.failed_exports.load(Relaxed),
        )
    }
}
