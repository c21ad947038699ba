//! `notify.webhook`: sends notices as JSON, one POST request each, in order. Nothing waits for the
//! webhook: notices that it does not accept in time are dropped, with a line in the log.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HOST};
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use super::http;
use crate::config::{Live, Webhook};

/// How many notices may wait to be sent.
const QUEUE: usize = 64;
/// The time limit of one request, from connect to answer.
const PATIENCE: Duration = Duration::from_secs(5);
const TRIES: u32 = 3;
/// The longest answer that is accepted, in bytes. Its body is ignored.
const MAX_ANSWER_BYTES: usize = 64 << 10;
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The queue of notices to send.
pub(super) struct Webhooks {
    queue: mpsc::Sender<Value>,
    /// The name of this proxy in the notices: usually the pod's name.
    proxy: String,
}

impl Webhooks {
    /// Starts a task on the current thread's `LocalSet` that delivers notices until the queue is dropped. `live` has
    /// the current URL.
    pub fn start(live: watch::Receiver<Arc<Live>>) -> Self {
        let (queue, notices) = mpsc::channel(QUEUE);
        tokio::task::spawn_local(deliver(notices, live));
        Webhooks { queue, proxy: host_name() }
    }

    /// Queues a notice, without waiting.
    pub fn post(&self, mut notice: Value) {
        if let Some(fields) = notice.as_object_mut() {
            fields.insert("proxy".to_owned(), Value::from(self.proxy.as_str()));
        }
        if self.queue.try_send(notice).is_err() {
            tracing::warn!("the webhook does not keep up: a notice is dropped");
        }
    }
}

/// Returns the host's name as other hosts know it: in a pod usually the pod's name.
pub(super) fn host_name() -> String {
    // Not from /proc, which may be restricted for a service.
    let system = rustix::system::uname();
    // The API server does not accept an empty name.
    let host = system.nodename().to_str().unwrap_or_default();
    if host.is_empty() { "localhost".to_owned() } else { host.to_owned() }
}

async fn deliver(mut notices: mpsc::Receiver<Value>, live: watch::Receiver<Arc<Live>>) {
    while let Some(notice) = notices.recv().await {
        let webhook = live.borrow().notify.webhook.clone();
        let Some(webhook) = webhook else { continue };
        let body = Bytes::from(notice.to_string());
        let mut pause = FIRST_PAUSE;
        for tries in 1.. {
            let tried = timeout(PATIENCE, post(&webhook, body.clone())).await;
            let error = match tried {
                Ok(Ok(())) => break,
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("no answer within {} s", PATIENCE.as_secs()),
            };
            if tries >= TRIES {
                tracing::warn!(webhook = &*webhook.authority, error, %notice, "a notice could not be delivered");
                break;
            }
            sleep(pause).await;
            pause *= 2;
        }
    }
}

async fn post(webhook: &Webhook, body: Bytes) -> Result<(), http::HttpError> {
    let request = Request::post(&*webhook.path)
        .header(HOST, &*webhook.authority)
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(body))?;
    let (status, _) = http::send(&webhook.authority, None, request, MAX_ANSWER_BYTES).await?;
    if status.is_success() { Ok(()) } else { Err(format!("it answers {status}").into()) }
}
