//! `[traces]`: exports the spans of traced statements to a collector, on a thread of its own. The thread looks for new
//! traces by itself. While the collector is slow or away, traces are dropped and counted; nothing is sent twice.

mod client;
mod resource;
mod spans;
mod summary;

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use opentelemetry_otlp::{Protocol, RetryPolicy, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use self::client::CollectorClient;
use self::spans::Spans;
use crate::config::{Live, TraceSettings};
use crate::telemetry::traces::{TraceCounts, TraceReceiver, TraceSender};

/// How often the thread looks for traces.
const PACE: Duration = Duration::from_millis(100);
/// The same, while nothing is exported.
const SLOW_PACE: Duration = Duration::from_secs(1);
/// How long spans wait for others, so that they are sent together.
const GATHER: Duration = Duration::from_secs(1);
/// The most spans that are sent together. A further trace may exceed this by its own spans.
const MOST_SPANS: usize = 2_048;
/// How long a collector may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the end of the process waits for the last spans.
const LAST: Duration = Duration::from_secs(1);

/// The running thread. When this is dropped, it waits a moment until the spans so far are exported.
pub(super) struct Traces {
    sender: TraceSender,
    ending: watch::Sender<bool>,
    ended: Receiver<()>,
}

impl Traces {
    /// Starts the thread. `live` has the settings.
    pub fn start(live: watch::Receiver<Arc<Live>>) -> io::Result<Self> {
        let (sender, traces) = TraceSender::new();
        let ending = watch::Sender::new(false);
        let (done, ended) = sync_channel(1);
        let counts = sender.counts().clone();
        let thread = Thread {
            traces,
            counts,
            live,
            ending: ending.subscribe(),
            was_failing: false,
            why: watch::Sender::default(),
        };
        std::thread::Builder::new().name("traces".to_owned()).spawn(move || run(thread, done))?;
        Ok(Traces { sender, ending, ended })
    }

    /// Returns where traces go.
    pub fn sender(&self) -> TraceSender {
        self.sender.clone()
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        self.ending.send_replace(true);
        // Fails if the collector does not take the last spans in time: they are lost.
        let _ = self.ended.recv_timeout(LAST);
    }
}

fn run(thread: Thread, done: SyncSender<()>) {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(thread.run()),
        Err(error) => tracing::error!(%error, "traces: there is no runtime, so no span is exported"),
    }
    // Nobody may wait any more.
    let _ = done.try_send(());
}

/// What the thread has.
struct Thread {
    traces: TraceReceiver,
    counts: Arc<TraceCounts>,
    live: watch::Receiver<Arc<Live>>,
    /// Becomes true when the process ends.
    ending: watch::Receiver<bool>,
    /// True if the last export failed: the log has one line for each change.
    was_failing: bool,
    /// Why the last request failed.
    why: watch::Sender<String>,
}

impl Thread {
    async fn run(mut self) {
        let mut settings = self.live.borrow_and_update().traces.clone();
        let mut exporter = self.exporter(&settings);
        let (mut spans, mut batch, mut since) = (Spans::new(), Vec::new(), Instant::now());
        loop {
            let is_ending = *self.ending.borrow();
            if self.live.has_changed().unwrap_or(false) {
                let new = self.live.borrow_and_update().traces.clone();
                if new != settings {
                    exporter = self.exporter(&new);
                    settings = new;
                }
            }
            while batch.len() < MOST_SPANS
                && let Some(record) = self.traces.take()
            {
                if batch.is_empty() {
                    since = Instant::now();
                }
                spans.add(*record, &mut batch);
            }
            let is_full = batch.len() >= MOST_SPANS;
            if !batch.is_empty() && (is_full || is_ending || since.elapsed() >= GATHER) {
                self.export(exporter.as_ref(), std::mem::take(&mut batch)).await;
            }
            if is_ending && !is_full {
                return;
            }
            if !is_full {
                let pace = if exporter.is_some() { PACE } else { SLOW_PACE };
                // Fails if the pace is over first.
                let _ = timeout(pace, self.ending.changed()).await;
            }
        }
    }

    /// Returns the exporter for these settings. None: spans go nowhere.
    fn exporter(&mut self, settings: &TraceSettings) -> Option<opentelemetry_otlp::SpanExporter> {
        let endpoint = settings.endpoint.as_ref()?;
        self.was_failing = false;
        let made = CollectorClient::new(endpoint, settings, self.why.clone()).and_then(|client| {
            // An export that failed is not repeated: by then there are newer spans.
            let once = RetryPolicy::disabled();
            let builder = opentelemetry_otlp::SpanExporter::builder().with_http().with_http_client(client);
            let builder = builder.with_protocol(Protocol::HttpBinary).with_endpoint(endpoint.url());
            let builder = builder.with_timeout(PATIENCE);
            builder.with_retry_policy(once).build().map_err(|e| e.to_string())
        });
        match made {
            Ok(mut exporter) => {
                exporter.set_resource(&resource::of_process(&settings.service_name));
                Some(exporter)
            }
            Err(error) => {
                tracing::error!(%endpoint, error, "traces: no span can be exported");
                None
            }
        }
    }

    async fn export(&mut self, exporter: Option<&opentelemetry_otlp::SpanExporter>, batch: Vec<SpanData>) {
        let count = batch.len() as u64;
        let Some(exporter) = exporter else {
            self.counts.not_taken.fetch_add(count, Relaxed);
            return;
        };
        self.why.send_replace(String::new());
        let failed = match timeout(PATIENCE, exporter.export(batch)).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => {
                let why = self.why.borrow().clone();
                Some(if why.is_empty() { error.to_string() } else { why })
            }
            Err(_) => Some(format!("no answer within {} s", PATIENCE.as_secs())),
        };
        match &failed {
            None => _ = self.counts.exported.fetch_add(count, Relaxed),
            Some(_) => {
                self.counts.not_taken.fetch_add(count, Relaxed);
                self.counts.failed_exports.fetch_add(1, Relaxed);
            }
        }
        match (failed, self.was_failing) {
            (Some(error), false) => {
                tracing::warn!(error, "traces: the collector takes no spans; they are dropped");
                self.was_failing = true;
            }
            (None, true) => {
                tracing::info!("traces: the collector takes spans again");
                self.was_failing = false;
            }
            _ => {}
        }
    }
}
