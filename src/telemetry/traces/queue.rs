//! The queue between the workers and the thread that exports spans. The thread looks into it by itself, so that a statement
//! wakes no other thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, channel};

use super::TraceRecord;

/// How much memory the traces that wait may take, in bytes.
const MOST_BYTES: usize = 8 << 20;

/// What became of spans.
#[derive(Debug, Default)]
pub struct TraceCounts {
    /// Spans that the collector took.
    pub exported: AtomicU64,
    /// Spans that found the queue full.
    pub queue_full: AtomicU64,
    /// Spans that the collector did not take.
    pub not_taken: AtomicU64,
    /// Attempts to export that failed.
    pub failed_exports: AtomicU64,
}

/// Sends traces to the thread that exports them. Clones share the queue.
#[derive(Debug, Clone)]
pub struct TraceSender {
    queue: Sender<Box<TraceRecord>>,
    /// How much memory the traces take that wait.
    waiting: Arc<AtomicUsize>,
    counts: Arc<TraceCounts>,
}

/// Where the thread receives traces.
#[derive(Debug)]
pub struct TraceReceiver {
    queue: Receiver<Box<TraceRecord>>,
    waiting: Arc<AtomicUsize>,
}

impl TraceSender {
    /// Returns the two ends of a queue.
    pub fn new() -> (Self, TraceReceiver) {
        let (sender, receiver) = channel();
        let waiting = Arc::<AtomicUsize>::default();
        let sender = TraceSender { queue: sender, waiting: waiting.clone(), counts: Arc::default() };
        (sender, TraceReceiver { queue: receiver, waiting })
    }

    /// Sends a trace, without waiting. Drops it if the queue is full.
    pub fn send(&self, record: Box<TraceRecord>) {
        let bytes = record.bytes();
        let spans = record.trace.steps.len() as u64 + 1;
        if self.waiting.fetch_add(bytes, Relaxed) + bytes > MOST_BYTES || self.queue.send(record).is_err() {
            self.waiting.fetch_sub(bytes, Relaxed);
            self.counts.queue_full.fetch_add(spans, Relaxed);
        }
    }

    /// Returns the counts, which the thread shares.
    pub fn counts(&self) -> &Arc<TraceCounts> {
        &self.counts
    }
}

impl TraceReceiver {
    /// Returns the next trace, if one waits.
    pub fn take(&self) -> Option<Box<TraceRecord>> {
        let record = self.queue.try_recv().ok()?;
        self.waiting.fetch_sub(record.bytes(), Relaxed);
        Some(record)
    }
}
