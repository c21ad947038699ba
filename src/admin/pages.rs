//! `/metrics` and `/topology`: written once for everybody who waits for them, so that a crowd costs no more than one
//! reader, and a probe waits for one page at most.

use std::time::Duration;

use hyper::StatusCode;
use hyper::body::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep};

use super::AdminState;
use crate::telemetry;

/// A page that takes time to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Page {
    Metrics,
    Topology,
}

/// What a page says, and whether it could be written.
pub(super) type Written = (StatusCode, Bytes);

/// Asks for pages.
#[derive(Debug, Clone)]
pub(super) struct Pages(mpsc::UnboundedSender<(Page, oneshot::Sender<Written>)>);

/// Between two pages the thread is free for this many times what the first one took.
const PAUSE: u32 = 4;
/// And no longer than this.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

impl Pages {
    /// Writes pages on the current runtime until nobody can ask any more.
    pub fn start(state: AdminState) -> Self {
        // Each connection asks once, and there are few.
        let (asked, waiting) = mpsc::unbounded_channel();
        tokio::spawn(write(state, waiting));
        Pages(asked)
    }

    /// A page that was written after this was asked.
    pub async fn get(&self, page: Page) -> Written {
        let (reply, answer) = oneshot::channel();
        // Neither fails: the writer waits as long as anybody can ask.
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
        for page in [Page::Metrics, Page::Topology] {
            let mut readers = all.extract_if(.., |(of, _)| *of == page).peekable();
            if readers.peek().is_none() {
                continue;
            }
            let began = Instant::now();
            let written = render(&state, page);
            for (_, reply) in readers {
                // Its reader may be gone.
                let _ = reply.send(written.clone());
            }
            sleep((began.elapsed() * PAUSE).min(LONGEST_PAUSE)).await;
        }
    }
}

fn render(state: &AdminState, page: Page) -> Written {
    match page {
        Page::Metrics => match telemetry::exposition(&state.registry) {
            Ok(text) => (StatusCode::OK, text.into()),
            Err(_) => failed("the metrics cannot be written\n"),
        },
        Page::Topology => match serde_json::to_string(&state.report()) {
            Ok(text) => (StatusCode::OK, (text + "\n").into()),
            Err(_) => failed("the topology cannot be written\n"),
        },
    }
}

fn failed(why: &'static str) -> Written {
    (StatusCode::INTERNAL_SERVER_ERROR, Bytes::from_static(why.as_bytes()))
}
