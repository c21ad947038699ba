//! Requests to the API server: who we are and how to get there is `kube`'s work
//! (ServiceAccount or kubeconfig, TLS, the token's renewal), and nothing else of it.

use std::cell::RefCell;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Bytes;
use hyper::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE};
use hyper::{Request, Response};
use kube::client::Body;
use tokio::time::timeout;

use super::objects::Refusal;

const CONNECT: Duration = Duration::from_secs(5);
/// For the head of an answer, and for a whole page of a list.
const ANSWER: Duration = Duration::from_secs(15);
/// An object has 1.5 MiB in etcd, and more as JSON.
const LONGEST_LINE: usize = 16 << 20;

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ApiError {
    /// Nobody says where the API server is, or who we are.
    #[error("no access to a Kubernetes API: {0}")]
    NoAccess(String),
    /// Refused, reset, closed, no name, no trust.
    #[error("the Kubernetes API cannot be reached: {0}")]
    Unreachable(String),
    /// It took too long.
    #[error("the Kubernetes API does not answer")]
    Silent,
    /// It answered with an error.
    #[error("the Kubernetes API says {code}: {message}")]
    Refused {
        /// HTTP's.
        code: u16,
        /// Its words.
        message: String,
    },
    /// An answer that makes no sense.
    #[error("the Kubernetes API's answer cannot be read: {0}")]
    Malformed(String),
}

/// Where the API server is and who asks.
#[derive(Debug, Clone)]
pub enum Access {
    /// KUBECONFIG or ~/.kube/config if there is one, else the pod's own ServiceAccount.
    Infer,
    /// As given; for tests.
    Given(Box<kube::Config>),
}

/// One way to the API server, shared by the watches.
pub(super) struct Api {
    access: Access,
    /// None at first and after a failure, so that no pooled connection outlives its server.
    client: RefCell<Option<Client>>,
}

#[derive(Clone)]
struct Client {
    client: kube::Client,
    namespace: String,
}

impl Api {
    pub fn new(access: Access) -> Self {
        Api { access, client: RefCell::new(None) }
    }

    /// The namespace that this process runs in.
    pub async fn own_namespace(&self) -> Result<String, ApiError> {
        Ok(self.client().await?.namespace)
    }

    /// The whole answer to a GET.
    pub async fn get(&self, uri: &str, accept: &'static str) -> Result<Bytes, ApiError> {
        let answer = async {
            let response = self.send(reading(uri, accept)).await?;
            let body = response.into_body().collect().await.map_err(unreachable)?;
            Ok(body.to_bytes())
        };
        self.judged(timeout(ANSWER, answer).await.unwrap_or(Err(ApiError::Silent)))
    }

    /// The lines of an answer that goes on.
    pub async fn lines(&self, uri: &str, accept: &'static str) -> Result<Lines, ApiError> {
        let head = self.send(reading(uri, accept));
        let head = timeout(ANSWER, head).await.unwrap_or(Err(ApiError::Silent));
        Ok(Lines { body: self.judged(head)?.into_body(), buffer: Vec::new(), seen: 0 })
    }

    /// A POST of JSON, which may take so long; of its answer only the success matters.
    pub async fn post(&self, uri: &str, json: Vec<u8>, patience: Duration) -> Result<(), ApiError> {
        let answer = async {
            let request = Request::post(uri).header(CONTENT_TYPE, "application/json").body(Body::from(json));
            let response = self.send(request).await?;
            // Only a connection whose answer was read is used again.
            response.into_body().collect().await.map_err(unreachable)?;
            Ok(())
        };
        self.judged(timeout(patience, answer).await.unwrap_or(Err(ApiError::Silent)))
    }

    /// The next request opens a new connection.
    pub fn forget(&self) {
        self.client.replace(None);
    }

    fn judged<T>(&self, result: Result<T, ApiError>) -> Result<T, ApiError> {
        // 401: the token was replaced, and the new one is in the file already.
        if let Err(ApiError::Unreachable(_) | ApiError::Silent | ApiError::Refused { code: 401, .. }) = result
        {
            self.forget();
        }
        result
    }

    async fn send(&self, request: hyper::http::Result<Request<Body>>) -> Result<Response<Body>, ApiError> {
        let client = self.client().await?.client;
        let request = request.map_err(|error| ApiError::Malformed(error.to_string()))?;
        let response = client.send(request).await.map_err(unreachable)?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = response.into_body().collect().await.map_err(unreachable)?.to_bytes();
        let refusal: Refusal = serde_json::from_slice(&body).unwrap_or_default();
        let message = if refusal.message.is_empty() { status.to_string() } else { refusal.message };
        Err(ApiError::Refused { code: status.as_u16(), message })
    }

    async fn client(&self) -> Result<Client, ApiError> {
        if let Some(client) = &*self.client.borrow() {
            return Ok(client.clone());
        }
        let mut config = match &self.access {
            Access::Infer => kube::Config::infer().await.map_err(|e| ApiError::NoAccess(causes(&e)))?,
            Access::Given(config) => kube::Config::clone(config),
        };
        config.connect_timeout = Some(CONNECT);
        // Whoever asks here waits and asks again by himself, and says so.
        config.default_retry = false;
        let namespace = config.default_namespace.clone();
        let client = kube::Client::try_from(config).map_err(|e| ApiError::NoAccess(causes(&e)))?;
        let client = Client { client, namespace };
        self.client.replace(Some(client.clone()));
        Ok(client)
    }
}

fn reading(uri: &str, accept: &'static str) -> hyper::http::Result<Request<Body>> {
    Request::get(uri)
        .header(ACCEPT, accept)
        // One gzip member for each event is what not every reader understands.
        .header(ACCEPT_ENCODING, "identity")
        .body(Body::empty())
}

fn unreachable(error: impl std::error::Error) -> ApiError {
    ApiError::Unreachable(causes(&error))
}

/// "client error (Connect)" alone helps nobody.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}

/// An answer, line by line.
pub(super) struct Lines {
    body: Body,
    buffer: Vec<u8>,
    /// So much of the buffer has no line end.
    seen: usize,
}

impl Lines {
    /// The next line; None at the end. It can be dropped and called again.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, ApiError> {
        loop {
            let unseen = self.buffer.get(self.seen..).unwrap_or_default();
            if let Some(at) = unseen.iter().position(|byte| *byte == b'\n') {
                let rest = self.buffer.split_off(self.seen + at + 1);
                self.seen = 0;
                return Ok(Some(std::mem::replace(&mut self.buffer, rest)));
            }
            self.seen = self.buffer.len();
            if self.seen > LONGEST_LINE {
                return Err(ApiError::Malformed(format!("a line of more than {LONGEST_LINE} bytes")));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Ok(frame)) => {
                    self.buffer.extend_from_slice(frame.data_ref().map_or(&[][..], |data| &data[..]));
                }
                Some(Err(error)) => return Err(unreachable(error)),
            }
        }
    }
}

/// A value of a URI's query.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
