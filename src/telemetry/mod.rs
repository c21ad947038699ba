//! Metric families with closed label enums, and the set-up of the log. Workers count
//! in plain cells; collectors sum them up at each scrape.

mod audit;
mod cells;
mod digests;
mod error_codes;
mod exemplars;
mod families;
mod latency;
mod lifecycle;
mod logs;
mod process;
#[cfg(feature = "protobuf")]
mod protobuf;
mod pulse;
mod reloads;
mod server_latencies;
pub mod stream;
pub mod traces;
mod worker;
mod worker_families;

pub use audit::{AuditCounts, AuditMessage, AuditOutcome, AuditRecord, AuditSender};
pub use cells::{Cell, Counted};
pub use digests::{DigestReport, DigestTotals, Digests, Figures, Histogram, Totals, Waits};
pub use error_codes::{ErrorCodes, MOST_CODES};
pub use families::{CONTENT_TYPE, Families, exposition};
pub use latency::{LATENCY_BOUNDS_US, LATENCY_BUCKETS, Latency, micros_of};
pub use lifecycle::Lifecycle;
pub use logs::{LogFilter, LogStyle, LogsError, init_tracing};
pub use process::{DriverFamilies, ProcessFamilies};
#[cfg(feature = "protobuf")]
pub use protobuf::{PROTOBUF_CONTENT_TYPE, protobuf_exposition};
pub use pulse::Pulse;
pub use reloads::{ReloadFamilies, ReloadMetrics};
pub use server_latencies::ServerLatencies;
pub use worker::{FreshCells, PlacedCells, WorkerMetrics};
pub use worker_families::WorkerFamilies;
