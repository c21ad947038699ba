//! Requests to the API server. Only the access is `kube`'s work: the address and the identity (ServiceAccount
//! or kubeconfig), TLS, and renewing the token.

use std::cell::RefCell;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Bytes;
use hyper::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE};
use hyper::{Request, Response};
use kube::client::Body;
use tokio::time::timeout;

use super::objects::ApiRefusal;

const CONNECT: Duration = Duration::from_secs(5);
/// The time limit for the head of an answer, and for a whole page of a list.
const ANSWER: Duration = Duration::from_secs(15);
/// The longest line: an object has up to 1.5 MiB in etcd, and more as JSON.
const LONGEST_LINE: usize = 16 << 20;

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ApiError {
    /// The API server's address or the credentials are unknown.
    #[error("no access to a Kubernetes API: {0}")]
    NoAccess(String),
    /// The connection was refused, reset or closed, the name could not be resolved, or the certificate is not
    /// trusted.
    #[error("the Kubernetes API cannot be reached: {0}")]
    Unreachable(String),
    /// It took too long.
    #[error("the Kubernetes API does not answer")]
    Silent,
    /// It answered with an error.
    #[error("the Kubernetes API says {code}: {message}")]
    Refused {
        /// The HTTP status code.
        code: u16,
        /// The API server's message.
        message: String,
    },
    /// The answer cannot be parsed.
    #[error("the Kubernetes API's answer cannot be read: {0}")]
    Malformed(String),
}

/// The API server's address, and the credentials for it.
#[derive(Debug, Clone)]
pub enum Access {
    /// KUBECONFIG or ~/.kube/config if there is one, else the pod's own ServiceAccount.
    Infer,
    /// The given configuration; for tests.
    Given(Box<kube::Config>),
}

/// A client of the API server, shared by the watches.
pub(super) struct Api {
    access: Access,
    /// The client. None at first and after a failure, so that no pooled connection outlives its server.
    client: RefCell<Option<ApiClient>>,
}

#[derive(Clone)]
struct ApiClient {
    client: kube::Client,
    namespace: String,
}

impl Api {
    pub fn new(access: Access) -> Self {
        Api { access, client: RefCell::new(None) }
    }

    /// Returns the namespace that this process runs in.
    pub async fn own_namespace(&self) -> Result<String, ApiError> {
        Ok(self.client().await?.namespace)
    }

    /// Sends a GET and returns the whole answer.
    pub async fn get(&self, uri: &str, accept: &'static str) -> Result<Bytes, ApiError> {
        let answer = async {
            let response = self.send(reading(uri, accept)).await?;
            let body = response.into_body().collect().await.map_err(unreachable)?;
            Ok(body.to_bytes())
        };
        self.judged(timeout(ANSWER, answer).await.unwrap_or(Err(ApiError::Silent)))
    }

    /// Sends a GET and returns the lines of an answer that does not end.
    pub async fn lines(&self, uri: &str, accept: &'static str) -> Result<WatchLines, ApiError> {
        let head = self.send(reading(uri, accept));
        let head = timeout(ANSWER, head).await.unwrap_or(Err(ApiError::Silent));
        Ok(WatchLines { body: self.judged(head)?.into_body(), buffer: Vec::new(), seen: 0 })
    }

    /// Sends a POST of JSON, with the time limit `patience`; only its success matters.
    pub async fn post(&self, uri: &str, json: Vec<u8>, patience: Duration) -> Result<(), ApiError> {
        let answer = async {
            let request = Request::post(uri).header(CONTENT_TYPE, "application/json").body(Body::from(json));
            let response = self.send(request).await?;
            // A connection is reused only if its answer was read.
            response.into_body().collect().await.map_err(unreachable)?;
            Ok(())
        };
        self.judged(timeout(patience, answer).await.unwrap_or(Err(ApiError::Silent)))
    }

    /// Drops the client: the next request opens a new connection.
    pub fn forget(&self) {
        self.client.replace(None);
    }

    fn judged<T>(&self, result: Result<T, ApiError>) -> Result<T, ApiError> {
        // 401: the token was replaced, and the file already contains the new one.
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
        let refusal: ApiRefusal = serde_json::from_slice(&body).unwrap_or_default();
        let message = if refusal.message.is_empty() { status.to_string() } else { refusal.message };
        Err(ApiError::Refused { code: status.as_u16(), message })
    }

    async fn client(&self) -> Result<ApiClient, ApiError> {
        if let Some(client) = &*self.client.borrow() {
            return Ok(client.clone());
        }
        let mut config = match &self.access {
            Access::Infer => kube::Config::infer().await.map_err(|e| ApiError::NoAccess(causes(&e)))?,
            Access::Given(config) => kube::Config::clone(config),
        };
        config.connect_timeout = Some(CONNECT);
        // The callers retry themselves, and log it.
        config.default_retry = false;
        let namespace = config.default_namespace.clone();
        let client = kube::Client::try_from(config).map_err(|e| ApiError::NoAccess(causes(&e)))?;
        let client = ApiClient { client, namespace };
        self.client.replace(Some(client.clone()));
        Ok(client)
    }
}

fn reading(uri: &str, accept: &'static str) -> hyper::http::Result<Request<Body>> {
    Request::get(uri)
        .header(ACCEPT, accept)
        // Compressed watches have one gzip member for each event, which not every decoder supports.
        .header(ACCEPT_ENCODING, "identity")
        .body(Body::empty())
}

fn unreachable(error: impl std::error::Error) -> ApiError {
    ApiError::Unreachable(causes(&error))
}

/// Returns the error with its causes: "client error (Connect)" alone does not help.
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

/// An answer that is read line by line.
pub(super) struct WatchLines {
    body: Body,
    buffer: Vec<u8>,
    /// How much of the buffer is known to contain no line end.
    seen: usize,
}

impl WatchLines {
    /// Returns the next line; None at the end. The future may be dropped and `next` called again.
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

/// Escapes a value for a URI's query.
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
