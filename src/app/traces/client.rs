//! The HTTP client of the exporter: one request on a connection of its own, as for the proxy's other requests.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use http_body_util::Full;
use hyper::header::{HOST, HeaderName, HeaderValue};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use tokio::sync::watch;

use crate::app::http::{self, HttpTls};
use crate::config::{Secret, TraceEndpoint, TraceSettings};

/// The longest answer that is accepted, in bytes.
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// See the module.
pub(super) struct CollectorClient {
    authority: Arc<str>,
    host: HeaderValue,
    tls: Option<HttpTls>,
    /// What the collector wants in addition.
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Why the last request failed, which the exporter does not say.
    why: watch::Sender<String>,
}

impl CollectorClient {
    /// Returns a client of this collector. The error says what is wrong.
    pub fn new(
        endpoint: &TraceEndpoint,
        settings: &TraceSettings,
        why: watch::Sender<String>,
    ) -> Result<Self, String> {
        let tls = match (endpoint.tls, &settings.ca) {
            (false, _) => None,
            (true, ca) => {
                let tls = match ca.as_ref().map(Secret::expose) {
                    Some(pem) => HttpTls::of_pem(pem.as_bytes(), endpoint.host()),
                    None => HttpTls::of_machine(endpoint.host()),
                };
                Some(tls.map_err(|wrong| format!("the CAs for {endpoint}: {wrong}"))?)
            }
        };
        let wrong = "a header of traces.headers_file cannot be sent".to_owned();
        let mut headers = Vec::new();
        for (name, value) in settings.headers() {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong.clone())?;
            let mut value = HeaderValue::from_str(value).map_err(|_| wrong.clone())?;
            value.set_sensitive(true);
            headers.push((name, value));
        }
        let authority = endpoint.authority.clone();
        let host = HeaderValue::from_str(&authority).map_err(|e| e.to_string())?;
        Ok(CollectorClient { authority, host, tls, headers, why })
    }

    async fn post(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        // The request line has the path only.
        let path = request.uri().path().parse()?;
        *request.uri_mut() = path;
        let headers = request.headers_mut();
        headers.insert(HOST, self.host.clone());
        for (name, value) in &self.headers {
            headers.insert(name.clone(), value.clone());
        }
        let request = request.map(Full::new);
        let sent = http::send(&self.authority, self.tls.as_ref(), request, MAX_ANSWER_BYTES).await;
        match sent.and_then(|(status, body)| Ok((status, body?))) {
            Ok((status, body)) => {
                if !status.is_success() {
                    self.why.send_replace(format!("it answers {status}"));
                }
                let mut response = Response::new(body);
                *response.status_mut() = status;
                Ok(response)
            }
            Err(error) => {
                self.why.send_replace(error.to_string());
                Err(error)
            }
        }
    }
}

impl fmt::Debug for CollectorClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CollectorClient").field("authority", &self.authority).finish_non_exhaustive()
    }
}

impl HttpClient for CollectorClient {
    fn send_bytes<'life0, 'async_trait>(
        &'life0 self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(self.post(request))
    }
}
