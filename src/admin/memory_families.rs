//! The memory budget in `/metrics`.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use crate::net::{Claim, MemoryBudget};
use crate::telemetry::Families;

/// The memory budget as metric families.
#[derive(Debug)]
pub(super) struct MemoryFamilies(pub Arc<MemoryBudget>);

impl Collector for MemoryFamilies {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut families = Families::new(encoder);
        self.0.refresh();
        families.gauge(
            "pointsman_memory_bytes",
            "Memory in use, as the allocator reports it; new clients and statements are refused before it reaches the limit.",
            self.0.in_use() as f64,
        )?;
        families.gauge("pointsman_memory_limit_bytes", "limits.memory.", self.0.limit() as f64)?;
        families.counters(
            "pointsman_memory_refusals",
            "Refusals because limits.memory was nearly used up, by the purpose of the memory.",
            Claim::ALL.iter().map(|&claim| ([("claim", claim.as_str())], self.0.refused(claim) as u64)),
        )
    }
}
