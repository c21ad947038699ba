//! The answers of the HTTP port, by path, method and authorization.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{
    ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, WWW_AUTHENTICATE,
};
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::yield_now;
use tokio::time::timeout;

use super::assets::asset;
use super::events::EventStream;
use super::pages::{Page, Pages};
use super::readiness::{Serving, readiness};
use super::stream::{Content, Large};
use super::tap::{self, TapLines, TapPlaces};
use super::{AdminState, browser, digests};
use crate::config::{Live, Secret};
use crate::net::Origin;
use crate::routing::Explanation;
use crate::telemetry;
use crate::telemetry::stream::unix_ms;

/// The paths, without the files of the page.
const PATHS: [&str; 9] =
    ["/livez", "/readyz", "/metrics", "/topology", "/digests", "/sessions", "/events", "/explain", "/tap"];
const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const JSON_LINES: &str = "application/x-ndjson";
const EVENTS: &str = "text/event-stream";

/// The header of `/readyz` with the SHA-256 of the configuration file that is served.
const CONFIG: HeaderName = HeaderName::from_static("pointsman-config-sha256");

/// The longest text that `/explain` takes, in bytes.
const LONGEST_TEXT: usize = 64 << 10;
/// The most readers of `/digests` and `/sessions` at a time: each may have another page of megabytes.
const MOST_LARGE: usize = 8;
/// The time limit of a reader of `/events`, who asks again then.
const READER_LIMIT: Duration = Duration::from_secs(3600);
/// How long a client may take to send the text.
const BODY_LIMIT: Duration = Duration::from_secs(5);

type HttpReply = Response<Content>;

/// How a request was transported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HttpChannel {
    /// Without TLS, on a port without a certificate.
    Open,
    /// Without TLS, on a port with a certificate: only the probes' paths are allowed.
    Plain,
    /// With TLS.
    Encrypted,
}

/// The connection of a request.
pub(super) struct Visit {
    pub channel: HttpChannel,
    /// Where the connection comes from.
    pub of: Origin,
    /// Lets the connection stay for longer than an answer may take.
    pub stays: Option<oneshot::Sender<Stay>>,
}

/// How long a reader's connection stays.
pub(super) struct Stay {
    /// Fails when the reader is sent away.
    pub until: oneshot::Receiver<()>,
    /// The longest time; None: as long as the reader wants.
    pub at_most: Option<Duration>,
}

/// The paths, and the data that they serve.
#[derive(Clone)]
pub(super) struct Routes {
    state: AdminState,
    pages: Pages,
    events: EventStream,
    /// Lets only one text be explained at a time, so that probes are served in between.
    turn: Arc<Semaphore>,
    /// The places of the readers of `/tap`.
    taps: Arc<TapPlaces>,
    /// A permit for each reader of a page that may have megabytes.
    larges: Arc<Semaphore>,
    /// Fails when another process has the port.
    leaving: watch::Receiver<()>,
}

impl Routes {
    /// Starts the tasks that write what the paths show.
    pub fn start(state: AdminState, leaving: watch::Receiver<()>) -> Self {
        Routes {
            pages: Pages::start(state.clone()),
            events: EventStream::start(state.clone(), leaving.clone()),
            state,
            leaving,
            turn: Arc::new(Semaphore::new(1)),
            taps: Arc::default(),
            larges: Arc::new(Semaphore::new(MOST_LARGE)),
        }
    }

    /// Returns the answer to a request.
    pub async fn answer(&self, request: Request<Incoming>, visit: Visit) -> Result<HttpReply, Infallible> {
        let mut answer = match self.permitted(&request, visit.channel) {
            Ok(live) => self.allowed(request, visit, live).await,
            Err(refused) => *refused,
        };
        browser::protect(answer.headers_mut());
        Ok(answer)
    }

    async fn allowed(&self, request: Request<Incoming>, visit: Visit, live: Arc<Live>) -> HttpReply {
        let path = request.uri().path();
        let asset = asset(path);
        if !PATHS.contains(&path) && asset.is_none() {
            let text = format!("no such path; there are:\n/\n{}\n", PATHS.join("\n"));
            return respond(StatusCode::NOT_FOUND, TEXT, text);
        }
        if path == "/explain" {
            return self.explain(request).await;
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return not_allowed("GET, HEAD", "only GET and HEAD\n");
        }
        if let Some((kind, text)) = asset {
            return respond(StatusCode::OK, kind, text);
        }
        let query = request.uri().query().unwrap_or_default();
        match path {
            "/livez" => self.alive(),
            "/readyz" => self.ready(),
            #[cfg(feature = "protobuf")]
            "/metrics" if super::accept::prefers_protobuf(request.headers()) => {
                page(self.pages.get(Page::NativeMetrics).await, telemetry::PROTOBUF_CONTENT_TYPE)
            }
            "/metrics" => page(self.pages.get(Page::Metrics).await, telemetry::CONTENT_TYPE),
            "/topology" => page(self.pages.get(Page::Topology).await, JSON),
            "/digests" => match digests::most(query) {
                Ok(most) => self.large(Page::Digests(most)).await,
                Err(wrong) => respond(StatusCode::BAD_REQUEST, TEXT, wrong + "\n"),
            },
            "/sessions" => self.large(Page::Sessions).await,
            // A reader who wants the head of the answer only.
            "/events" | "/tap" if request.method() == Method::HEAD => {
                respond(StatusCode::OK, if path == "/tap" { JSON_LINES } else { EVENTS }, Bytes::new())
            }
            "/tap" => self.tap(query, visit, &live).await,
            _ => self.events(visit, live),
        }
    }

    /// Returns a page that may have megabytes. Slow readers have few of them at a time.
    async fn large(&self, which: Page) -> HttpReply {
        let Ok(place) = self.larges.clone().try_acquire_owned() else {
            let text = format!("{MOST_LARGE} readers have such a page under way already; ask again\n");
            return respond(StatusCode::SERVICE_UNAVAILABLE, TEXT, text);
        };
        let (status, body) = self.pages.get(which).await;
        let mut answer = page((status, Bytes::new()), JSON);
        *answer.body_mut() = Content::Large(Large::new(body, place));
        answer
    }

    fn events(&self, visit: Visit, live: Arc<Live>) -> HttpReply {
        let mut answer = respond(StatusCode::OK, EVENTS, Bytes::new());
        if let Some(stays) = visit.stays {
            let (parts, until) = self.events.read(visit.of, live);
            // Fails if the connection ended meanwhile.
            let _ = stays.send(Stay { until, at_most: Some(READER_LIMIT) });
            *answer.body_mut() = Content::Parts(parts);
        }
        answer
    }

    /// Explains the statement in the request's body, and changes nothing.
    async fn explain(&self, request: Request<Incoming>) -> HttpReply {
        if *request.method() != Method::POST {
            return not_allowed("POST", "only POST, with a statement as the body\n");
        }
        if !browser::is_deliberate(request.headers()) {
            return respond(StatusCode::FORBIDDEN, TEXT, "the header \"X-Pointsman: explain\" is missing\n");
        }
        let body = Limited::new(request.into_body(), LONGEST_TEXT).collect();
        let text = match timeout(BODY_LIMIT, body).await {
            Ok(Ok(text)) => text.to_bytes(),
            Ok(Err(_)) => {
                let why = format!("the statement is longer than {LONGEST_TEXT} bytes, or was cut off\n");
                return respond(StatusCode::PAYLOAD_TOO_LARGE, TEXT, why);
            }
            Err(_) => return respond(StatusCode::REQUEST_TIMEOUT, TEXT, "the statement did not come\n"),
        };
        let explained = {
            let _turn = self.turn.acquire().await;
            yield_now().await;
            serde_json::to_string(&Explanation::of(&text))
        };
        match explained {
            Ok(json) => respond(StatusCode::OK, JSON, json + "\n"),
            Err(_) => respond(StatusCode::INTERNAL_SERVER_ERROR, TEXT, "the answer cannot be written\n"),
        }
    }

    /// Returns the settings under which a request is allowed, or its refusal. Probes are always allowed.
    fn permitted<B>(&self, request: &Request<B>, channel: HttpChannel) -> Result<Arc<Live>, Box<HttpReply>> {
        let live = self.state.live.borrow().clone();
        match refused(request, channel, live.admin.token.as_ref()) {
            Some(refused) => Err(Box::new(refused)),
            None => Ok(live),
        }
    }
    /// Begins to send statements to the client.
    async fn tap(&self, query: &str, visit: Visit, live: &Live) -> HttpReply {
        let filter = match tap::filter(query) {
            Ok(filter) => filter,
            Err(wrong) => return respond(StatusCode::BAD_REQUEST, TEXT, wrong + "\n"),
        };
        if !live.has_digests() {
            let text =
                "statements get no digests; set digests.max, log.slow or audit.to in the configuration\n";
            return respond(StatusCode::CONFLICT, TEXT, text);
        }
        let Some(batches) = self.state.tap(filter).await else {
            return respond(StatusCode::SERVICE_UNAVAILABLE, TEXT, "the proxy begins or ends\n");
        };
        let place = self.taps.take(visit.of);
        let (deadline, until) =
            tap::deadline(&live.admin, self.state.live.clone(), self.leaving.clone(), place);
        if let Some(stays) = visit.stays {
            // Fails if the connection ended meanwhile.
            let _ = stays.send(Stay { until, at_most: None });
        }
        // Whoever reaches the port may read what has no literals.
        let literals = live.admin.token.is_some();
        let lines = Content::Lines(Box::new(TapLines::new(batches, deadline, literals)));
        with_head(Response::new(lines), JSON_LINES)
    }

    fn alive(&self) -> HttpReply {
        match self.state.pulse.stands_still() {
            false => respond(StatusCode::OK, TEXT, "ok\n"),
            true => {
                let text = "the control thread stands still: servers are not probed any more\n";
                respond(StatusCode::SERVICE_UNAVAILABLE, TEXT, text)
            }
        }
    }

    fn ready(&self) -> HttpReply {
        let state = &self.state;
        let lifecycle = *state.lifecycle.borrow();
        let config = state.config.borrow().clone();
        let serving = Serving::of(&state.modes, &state.live.borrow());
        let ready = readiness(lifecycle, &state.snapshot.borrow(), serving, unix_ms());
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

/// Returns the refusal of a request; None if the request is allowed.
fn refused<B>(request: &Request<B>, channel: HttpChannel, token: Option<&Secret>) -> Option<HttpReply> {
    let path = request.uri().path();
    if matches!(path, "/livez" | "/readyz") {
        return None;
    }
    if channel == HttpChannel::Plain {
        let text = "this port wants HTTPS for everything but /livez and /readyz\n";
        return Some(respond(StatusCode::FORBIDDEN, TEXT, text));
    }
    if asset(path).is_some() {
        return None;
    }
    if browser::is_foreign(request.headers()) {
        return Some(respond(StatusCode::FORBIDDEN, TEXT, "a page of another site may not read this\n"));
    }
    let given = request.headers().get(AUTHORIZATION).map(HeaderValue::as_bytes);
    let token = token?;
    if given.and_then(bearer).is_some_and(|given| is_token(given, token)) {
        return None;
    }
    let mut response = respond(StatusCode::UNAUTHORIZED, TEXT, "this path wants the token of admin.token\n");
    let realm = HeaderValue::from_static("Bearer realm=\"pointsman\"");
    response.headers_mut().insert(WWW_AUTHENTICATE, realm);
    Some(response)
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

fn page((status, body): (StatusCode, Bytes), kind: &'static str) -> HttpReply {
    respond(status, if status == StatusCode::OK { kind } else { TEXT }, body)
}

fn not_allowed(methods: &'static str, why: &'static str) -> HttpReply {
    let mut response = respond(StatusCode::METHOD_NOT_ALLOWED, TEXT, why);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
    response
}

fn respond(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> HttpReply {
    let mut response = Response::new(Content::Whole(Full::new(body.into())));
    *response.status_mut() = status;
    with_head(response, kind)
}

fn with_head(mut response: HttpReply, kind: &'static str) -> HttpReply {
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;
    use crate::admin::{Question, page_tests};

    fn status(page: &HttpReply) -> u16 {
        page.status().as_u16()
    }

    #[tokio::test(start_paused = true)]
    async fn workers_that_stand_still_keep_no_other_page_waiting() {
        let (questions, mut asked) = mpsc::unbounded_channel();
        let state = page_tests::asking(questions);
        let (_stays, leaving) = watch::channel(());
        let routes = Routes::start(state, leaving);
        let page = routes.large(Page::Sessions).await;
        assert_eq!(status(&page), 503);
        assert!(matches!(asked.recv().await, Some(Question::Sessions(_))));
        assert_eq!(routes.pages.get(Page::Topology).await.0, StatusCode::OK);
    }

    #[tokio::test]
    async fn slow_readers_hold_few_large_pages() {
        let (_stays, leaving) = watch::channel(());
        let routes = Routes::start(page_tests::everything(), leaving);
        let mut slow = Vec::new();
        for _ in 0..MOST_LARGE {
            slow.push(routes.large(Page::Digests(usize::MAX)).await);
        }
        assert!(slow.iter().all(|page| status(page) == 200));
        assert_eq!(status(&routes.large(Page::Sessions).await), 503);
        let body = slow.pop().unwrap().into_body().collect().await.unwrap().to_bytes();
        assert!(body.starts_with(b"{\"digests\":[]"), "{body:?}");
        assert_eq!(status(&routes.large(Page::Sessions).await), 200);
    }

    #[test]
    fn a_query_says_how_many_digests() {
        assert_eq!(digests::most("most=5"), Ok(5));
        for wrong in ["most=", "most=x", "least=5", "most=5&most=6", "most=-1"] {
            assert!(digests::most(wrong).unwrap_err().contains("write most=100"), "{wrong}");
        }
    }
}
