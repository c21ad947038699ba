//! `/metrics`, `/topology`, `/digests` and `/sessions`: a page is written once for all requests that wait for it, so that
//! many readers cost no more than one, and a probe waits for one page at most.

use std::time::Duration;

use hyper::StatusCode;
use hyper::body::Bytes;
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

use super::digests::DigestsPage;
use super::sessions::SessionsPage;
use super::{AdminState, Unanswered};

/// A page that takes time to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Page {
    /// `/metrics` as text.
    Metrics,
    /// `/metrics` in the format that has native histograms.
    #[cfg(feature = "protobuf")]
    NativeMetrics,
    Topology,
    /// At most so many digests, those on which most time was spent.
    Digests(usize),
    Sessions,
}

/// The status and the content of a page.
pub(super) type WrittenPage = (StatusCode, Bytes);

/// Requests pages from the task that writes them.
#[derive(Debug, Clone)]
pub(super) struct Pages(mpsc::UnboundedSender<(Page, oneshot::Sender<WrittenPage>)>);

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
    pub async fn get(&self, page: Page) -> WrittenPage {
        let (reply, answer) = oneshot::channel();
        // Neither can fail: the primary runs as long as `self` exists.
        let _ = self.0.send((page, reply));
        answer.await.unwrap_or_else(|_| failed("the page was not written\n"))
    }
}

async fn write(
    state: AdminState,
    mut waiting: mpsc::UnboundedReceiver<(Page, oneshot::Sender<WrittenPage>)>,
) {
    while let Some(first) = waiting.recv().await {
        let mut all = vec![first];
        while let Ok(next) = waiting.try_recv() {
            all.push(next);
        }
        while let Some((page, _)) = all.first() {
            let (page, began) = (*page, Instant::now());
            let written = render(&state, page).await;
            for (_, reply) in all.extract_if(.., |(of, _)| *of == page) {
                // Fails if the reader is gone.
                let _ = reply.send(written.clone());
            }
            sleep((began.elapsed() * PAUSE).min(LONGEST_PAUSE)).await;
        }
    }
}

async fn render(state: &AdminState, page: Page) -> WrittenPage {
    match page {
        Page::Metrics => match state.exposition().await {
            Ok(text) => (StatusCode::OK, text.into()),
            Err(_) => failed("the metrics cannot be written\n"),
        },
        #[cfg(feature = "protobuf")]
        Page::NativeMetrics => match state.protobuf_exposition().await {
            Ok(bytes) => (StatusCode::OK, bytes.into()),
            Err(_) => failed("the metrics cannot be written\n"),
        },
        Page::Topology => match serde_json::to_string(&state.report()) {
            Ok(text) => (StatusCode::OK, (text + "\n").into()),
            Err(_) => failed("the topology cannot be written\n"),
        },
        Page::Digests(most) => large(DigestsPage::of(state, most).await).await,
        Page::Sessions => large(SessionsPage::of(state).await).await,
    }
}

/// Writes megabytes, while the thread goes on to serve probes.
async fn large(content: Result<impl Serialize + Send + 'static, Unanswered>) -> WrittenPage {
    let content = match content {
        Ok(content) => content,
        Err(error) => return (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n").into()),
    };
    match spawn_blocking(move || serde_json::to_string(&content)).await {
        Ok(Ok(text)) => (StatusCode::OK, (text + "\n").into()),
        Ok(Err(_)) | Err(_) => failed("the page cannot be written\n"),
    }
}

fn failed(why: &'static str) -> WrittenPage {
    (StatusCode::INTERNAL_SERVER_ERROR, Bytes::from_static(why.as_bytes()))
}
