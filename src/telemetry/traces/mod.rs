//! Traces: what a sampled statement did, step by step, on its way from the session to the thread that exports spans.
//! Nobody waits for that thread: a trace that finds the queue full is dropped, and counted.

mod queue;
mod sampler;
mod trace;

pub use queue::{TraceCounts, TraceReceiver, TraceSender};
pub use sampler::{Sampled, Sampler};
pub use trace::{Step, StepId, Trace, TraceRecord, TracedServer};
