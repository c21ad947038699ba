//! Metric families with closed label enums, and the tracing set-up.

mod cells;
mod worker;

pub use cells::{Cell, LATENCY_BOUNDS_US, Latency};
pub use worker::{Close, Disruption, Port, WorkerMetrics, cell_of};
