//! `notify.webhook`: notices as JSON, one POST request each, in their order. Nobody waits
//! for it: what it does not take in time is dropped, and the log says so.

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

/// Notices that may wait.
const QUEUE: usize = 64;
/// One request, from its connect to its answer.
const PATIENCE: Duration = Duration::from_secs(5);
const TRIES: u32 = 3;
/// Nobody reads it.
const MAX_ANSWER_BYTES: usize = 64 << 10;
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// Where to put notices.
pub(super) struct Webhooks {
    queue: mpsc::Sender<Value>,
    /// Who tells: the pod's name, as a rule.
    proxy: String,
}

impl Webhooks {
    /// Delivers on the current thread, inside its `LocalSet`, until it is dropped. `live` names the URL of the moment.
    pub fn start(live: watch::Receiver<Arc<Live>>) -> Self {
        let (queue, notices) = mpsc::channel(QUEUE);
        tokio::task::spawn_local(deliver(notices, live));
        Webhooks { queue, proxy: host_name() }
    }

    /// Does not wait.
    pub fn tell(&self, mut notice: Value) {
        if let Some(fields) = notice.as_object_mut() {
            fields.insert("proxy".to_owned(), Value::from(self.proxy.as_str()));
        }
        if self.queue.try_send(notice).is_err() {
            tracing::warn!("the webhook does not keep up: a notice is dropped");
        }
    }
}

/// As others know it: in a pod the pod's name, as a rule.
pub(super) fn host_name() -> String {
    // Not from /proc, of which a service may see its own processes alone.
    let system = rustix::system::uname();
    // It must not be empty for the API server.
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

async fn post(webhook: &Webhook, body: Bytes) -> Result<(), http::Error> {
    let request = Request::post(&*webhook.path)
        .header(HOST, &*webhook.authority)
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(body))?;
    let (status, _) = http::send(&webhook.authority, None, request, MAX_ANSWER_BYTES).await?;
    if status.is_success() { Ok(()) } else { Err(format!("it answers {status}").into()) }
}
