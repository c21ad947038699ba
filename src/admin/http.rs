//! The answers of the HTTP port, by path, method and authorization.

use std::convert::Infallible;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{
    ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, WWW_AUTHENTICATE,
};
use hyper::{Method, Request, Response, StatusCode};

use super::pages::{Page, Pages};
use super::{AdminState, readiness};
use crate::config::Secret;
use crate::telemetry;

const PATHS: &str = "/livez\n/readyz\n/metrics\n/topology\n/digests\n";
const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

/// The header of `/readyz` with the SHA-256 of the configuration file that is served.
const CONFIG: HeaderName = HeaderName::from_static("pointsman-config-sha256");

/// How a request was transported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Channel {
    /// Without TLS, on a port without a certificate.
    Open,
    /// Without TLS, on a port with a certificate: only the probes' paths are allowed.
    Plain,
    /// With TLS.
    Encrypted,
}

/// The paths, and the data that they serve.
#[derive(Clone)]
pub(super) struct Routes {
    pub state: AdminState,
    pub pages: Pages,
}

impl Routes {
    /// Returns the answer to a request. The request's body is ignored.
    pub async fn answer<B>(
        &self,
        request: &Request<B>,
        channel: Channel,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let path = request.uri().path();
        let probe = matches!(path, "/livez" | "/readyz");
        if !probe && let Some(refused) = self.refused(request, channel) {
            return Ok(refused);
        }
        if !matches!(path, "/livez" | "/readyz" | "/metrics" | "/topology" | "/digests") {
            return Ok(respond(StatusCode::NOT_FOUND, TEXT, format!("no such path; there are:\n{PATHS}")));
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut response = respond(StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET and HEAD\n");
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return Ok(response);
        }
        Ok(match path {
            "/livez" => self.alive(),
            "/readyz" => self.ready(),
            "/metrics" => page(self.pages.get(Page::Metrics).await, telemetry::CONTENT_TYPE),
            "/digests" => page(self.pages.get(Page::Digests).await, JSON),
            _ => page(self.pages.get(Page::Topology).await, JSON),
        })
    }

    /// Returns the refusal of a request that is not a probe's; None if the request is allowed.
    fn refused<B>(&self, request: &Request<B>, channel: Channel) -> Option<Response<Full<Bytes>>> {
        if channel == Channel::Plain {
            let text = "this port wants HTTPS for everything but /livez and /readyz\n";
            return Some(respond(StatusCode::FORBIDDEN, TEXT, text));
        }
        let live = self.state.live.borrow();
        let token = live.admin.token.as_ref()?;
        let given = request.headers().get(AUTHORIZATION).map(HeaderValue::as_bytes);
        if given.and_then(bearer).is_some_and(|given| is_token(given, token)) {
            return None;
        }
        let mut response =
            respond(StatusCode::UNAUTHORIZED, TEXT, "this path wants the token of admin.token\n");
        response
            .headers_mut()
            .insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"pointsman\""));
        Some(response)
    }

    fn alive(&self) -> Response<Full<Bytes>> {
        match self.state.pulse.stands_still() {
            false => respond(StatusCode::OK, TEXT, "ok\n"),
            true => {
                let text = "the control thread stands still: servers are not probed any more\n";
                respond(StatusCode::SERVICE_UNAVAILABLE, TEXT, text)
            }
        }
    }

    fn ready(&self) -> Response<Full<Bytes>> {
        let state = &self.state;
        let lifecycle = *state.lifecycle.borrow();
        let fallback = state.live.borrow().replicas.fallback;
        let config = state.config.borrow().clone();
        let ready = readiness(lifecycle, &state.snapshot.borrow(), &state.modes, fallback);
        let mut response = match (ready, &config.awaited) {
            (Err(reason), _) => respond(StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("{reason}\n")),
            (Ok(()), Some(awaited)) => {
                let text = format!("configuration: {} is served, and {awaited} is awaited\n", config.sha256);
                respond(StatusCode::SERVICE_UNAVAILABLE, TEXT, text)
            }
            (Ok(()), None) => {
                respond(StatusCode::OK, TEXT, format!("ready\nconfiguration: {}\n", config.sha256))
            }
        };
        if let Ok(sum) = HeaderValue::from_str(&config.sha256) {
            response.headers_mut().insert(CONFIG, sum);
        }
        response
    }
}

/// Returns the credential of an Authorization header with the scheme Bearer (RFC 6750).
fn bearer(header: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = header.split_at_checked(b"Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| rest.trim_ascii())
}

/// Compares the digests of the tokens in constant time, so that neither the token nor its length can be guessed byte by
/// byte.
fn is_token(given: &[u8], token: &Secret) -> bool {
    let digest = |text: &[u8]| aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text);
    let (given, token) = (digest(given), digest(token.expose().as_bytes()));
    aws_lc_rs::constant_time::verify_slices_are_equal(given.as_ref(), token.as_ref()).is_ok()
}

fn page((status, body): (StatusCode, Bytes), kind: &'static str) -> Response<Full<Bytes>> {
    respond(status, if status == StatusCode::OK { kind } else { TEXT }, body)
}

fn respond(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
