//! `/metrics`, `/topology` and `/digests`: a page is written once for all requests that wait for it, so that many readers cost no
//! more than one, and a probe waits for one page at most.

use std::time::Duration;

use hyper::StatusCode;
use hyper::body::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep};

use super::{AdminState, digests};
use crate::telemetry;

/// A page that takes time to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Page {
    Metrics,
    Topology,
    Digests,
}

/// The status and the content of a page.
pub(super) type Written = (StatusCode, Bytes);

/// Requests pages from the task that writes them.
#[derive(Debug, Clone)]
pub(super) struct Pages(mpsc::UnboundedSender<(Page, oneshot::Sender<Written>)>);

/// The pause after a page is this many times as long as writing the page took, so that the thread can serve probes.
const PAUSE: u32 = 4;
/// The longest pause after a page.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

impl Pages {
    /// Starts a task on the current runtime that writes pages until all clones of the returned value are dropped.
    pub fn start(state: AdminState) -> Self {
        // Unbounded is safe: each connection asks once, and the number of connections is limited.
        let (asked, waiting) = mpsc::unbounded_channel();
        tokio::spawn(write(state, waiting));
        Pages(asked)
    }

    /// Returns a page that was written after this call.
    pub async fn get(&self, page: Page) -> Written {
        let (reply, answer) = oneshot::channel();
        // Neither can fail: the writer runs as long as `self` exists.
        let _ = self.0.send((page, reply));
        answer.await.unwrap_or_else(|_| failed("the page was not written\n"))
    }
}

async fn write(state: AdminState, mut waiting: mpsc::UnboundedReceiver<(Page, oneshot::Sender<Written>)>) {
    while let Some(first) = waiting.recv().await {
        let mut all = vec![first];
        while let Ok(next) = waiting.try_recv() {
            all.push(next);
        }
        for page in [Page::Metrics, Page::Topology, Page::Digests] {
            let mut readers = all.extract_if(.., |(of, _)| *of == page).peekable();
            if readers.peek().is_none() {
                continue;
            }
            let began = Instant::now();
            let written = render(&state, page).await;
            for (_, reply) in readers {
                // Fails if the reader is gone.
                let _ = reply.send(written.clone());
            }
            sleep((began.elapsed() * PAUSE).min(LONGEST_PAUSE)).await;
        }
    }
}

async fn render(state: &AdminState, page: Page) -> Written {
    match page {
        Page::Metrics => match telemetry::exposition(&state.registry) {
            Ok(text) => (StatusCode::OK, text.into()),
            Err(_) => failed("the metrics cannot be written\n"),
        },
        Page::Topology => match serde_json::to_string(&state.report()) {
            Ok(text) => (StatusCode::OK, (text + "\n").into()),
            Err(_) => failed("the topology cannot be written\n"),
        },
        Page::Digests => match digests::page(state).await {
            Ok(text) => (StatusCode::OK, (text + "\n").into()),
            Err(_) => failed("the digests cannot be written\n"),
        },
    }
}

fn failed(why: &'static str) -> Written {
    (StatusCode::INTERNAL_SERVER_ERROR, Bytes::from_static(why.as_bytes()))
}
