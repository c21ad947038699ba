//! Metric families with closed label enums, and the set-up of the log. Workers count
//! in plain cells; collectors sum them up at each scrape.

mod cells;
mod digests;
mod families;
mod lifecycle;
mod logs;
mod process;
mod pulse;
mod reloads;
mod worker;
mod worker_families;

pub use cells::{Cell, Counted, LATENCY_BOUNDS_US, Latency};
pub use digests::{DigestReport, DigestTotals, Digests, Figures, Histogram, Totals};
pub use families::{CONTENT_TYPE, Families, exposition};
pub use lifecycle::Lifecycle;
pub use logs::{LogStyle, LogsError, init_tracing};
pub use process::ProcessFamilies;
pub use pulse::Pulse;
pub use reloads::{ReloadFamilies, ReloadMetrics};
pub use worker::{PlacedCells, WorkerMetrics, cell_of};
pub use worker_families::WorkerFamilies;
