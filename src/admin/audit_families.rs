//! The audit log as a metric family.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use crate::telemetry::{AuditCounts, Families};

/// How many events were written and lost.
#[derive(Debug)]
pub(super) struct AuditFamilies(pub Arc<AuditCounts>);

impl Collector for AuditFamilies {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let counts = [("written", &self.0.written), ("lost", &self.0.lost)];
        Families::new(encoder).counters(
            "pointsman_audit_events",
            "Events of the audit log, by outcome: written, or lost because the queue was full or audit.to could not be written.",
            counts.map(|(outcome, count)| ([("outcome", outcome)], count.load(Relaxed))),
        )
    }
}
