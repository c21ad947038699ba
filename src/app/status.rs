//! `pointsman status`: asks a running proxy's `/topology` and shows it as tables,
//! once or, with `--watch`, in place until Ctrl-C.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use http_body_util::Empty;
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, HOST, HeaderValue};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::table::render;
use super::{AppError, complain, http, say};
use crate::admin::Report;
use crate::telemetry::stream::unix_ms;

const REFRESH: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest answer that is read: enough for thousands of servers.
const MAX_ANSWER_BYTES: usize = 16 << 20;

/// The HTTP port to ask, and the credentials for it.
pub(super) struct StatusTarget {
    /// `host:port`
    authority: String,
    /// None for `http://`.
    tls: Option<http::HttpTls>,
    /// The Authorization header; None without a token.
    right: Option<HeaderValue>,
}

/// The options of the command line about the HTTP port.
#[derive(Debug, clap::Args)]
pub(super) struct Where {
    /// Where its HTTP port is (`admin.http`); https:// where it has a certificate (`admin.tls`).
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9090")]
    pub url: String,
    /// The certificates (PEM) of the CA that the port's certificate leads to, with https://.
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Whom the port's certificate is for, if that is not the URL's host.
    #[arg(long, value_name = "NAME", requires = "ca_file")]
    pub tls_name: Option<String>,
    /// A file with the port's token (`admin.token`).
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// The environment variable with the port's token.
    #[arg(long, value_name = "NAME", conflicts_with = "token_file")]
    pub token_env: Option<String>,
}

impl StatusTarget {
    /// Reads the options. The error says what is wrong with the command line.
    pub fn of(place: &Where) -> Result<Self, AppError> {
        let (https, authority) =
            authority(&place.url).map_err(|wrong| AppError::Url { url: place.url.clone(), wrong })?;
        let tls = match (https, &place.ca_file) {
            (false, None) => None,
            (false, Some(_)) => return Err(AppError::Target("--ca-file needs an https:// URL".to_owned())),
            (true, None) => {
                let text = "https:// needs --ca-file: the certificates of the CA that the port's leads to";
                return Err(AppError::Target(text.to_owned()));
            }
            (true, Some(ca_file)) => {
                let host = authority.rsplit_once(':').map_or(&*authority, |(host, _)| host);
                let name = place.tls_name.as_deref().unwrap_or(host);
                Some(http::HttpTls::new(ca_file, name).map_err(AppError::Target)?)
            }
        };
        let right = token(place)?.map(|token| header(&token)).transpose()?;
        Ok(StatusTarget { authority, tls, right })
    }

    /// Returns a request for a path.
    pub fn request(&self, path: &str) -> Result<Request<Empty<Bytes>>, http::HttpError> {
        let mut request = Request::get(path).header(HOST, &self.authority);
        if let Some(right) = &self.right {
            request = request.header(AUTHORIZATION, right);
        }
        Ok(request.body(Empty::new())?)
    }

    /// Returns `host:port`.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Returns how to encrypt the connection; None for `http://`.
    pub fn tls(&self) -> Option<&http::HttpTls> {
        self.tls.as_ref()
    }

    /// Sets the token, unless an option has set one.
    pub fn set_token(&mut self, token: &str) -> Result<(), AppError> {
        if self.right.is_none() {
            self.right = Some(header(token)?);
        }
        Ok(())
    }

    /// Returns the line that says why there is no answer.
    pub fn silent(&self, reason: &str) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("pointsman does not answer at {scheme}://{}: {reason}", self.authority)
    }
}

/// Returns the Authorization header with this token.
fn header(token: &str) -> Result<HeaderValue, AppError> {
    let right = HeaderValue::from_str(&format!("Bearer {token}"));
    let mut right = right.map_err(|_| AppError::Target("the token is no text of one line".to_owned()))?;
    right.set_sensitive(true);
    Ok(right)
}

fn token(place: &Where) -> Result<Option<String>, AppError> {
    let read = match (&place.token_file, &place.token_env) {
        (None, None) => return Ok(None),
        (Some(file), _) => std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display())),
        (None, Some(name)) => {
            std::env::var(name).map_err(|e| format!("the environment variable {name}: {e}"))
        }
    };
    read.map(|token| Some(token.trim().to_owned())).map_err(AppError::Target)
}

/// Shows the proxy at `target`. With `watch`, `note` is shown below the tables.
pub(super) fn status(target: &StatusTarget, watch: bool, note: &str) -> Result<ExitCode, AppError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        if watch {
            let done = tokio::select! {
                never = watch_forever(target, note) => never,
                _ = tokio::signal::ctrl_c() => Ok(()),
            };
            // The terminal shows ^C behind the last line, so a new line follows.
            say("\n")?;
            done.map(|()| ExitCode::SUCCESS)
        } else {
            once(target).await
        }
    })
}

async fn once(target: &StatusTarget) -> Result<ExitCode, AppError> {
    let first = fetch(target).await;
    // Rates need two reports.
    tokio::time::sleep(REFRESH).await;
    match (first, fetch(target).await) {
        (first, Ok(second)) => {
            say(&render(&second, first.ok().as_ref(), unix_ms()))?;
            Ok(ExitCode::SUCCESS)
        }
        (_, Err(reason)) => {
            complain(target.silent(&reason));
            Ok(ExitCode::FAILURE)
        }
    }
}

async fn watch_forever(target: &StatusTarget, note: &str) -> Result<(), AppError> {
    let in_place = std::io::stdout().is_terminal();
    let mut last = None;
    if in_place {
        say("\x1b[2J")?;
    }
    loop {
        let page = match fetch(target).await {
            Ok(report) => {
                let page = render(&report, last.as_ref(), unix_ms());
                last = Some(report);
                page + note
            }
            Err(reason) => {
                last = None;
                target.silent(&reason) + "\n" + note
            }
        };
        say(&if in_place { frame(&page) } else { page + "\n" })?;
        tokio::time::sleep(REFRESH).await;
    }
}

/// Returns the control sequences that draw a page over the previous page without flicker: cursor
/// home, each line cleared to its end, the rest of the screen cleared. Long lines are cut off.
pub(super) fn frame(page: &str) -> String {
    let lines: String = page.lines().map(|line| format!("{line}\x1b[K\n")).collect();
    format!("\x1b[?7l\x1b[H{lines}\x1b[J\x1b[?7h")
}

/// Returns whether a URL is https, and its `host:port`.
pub(super) fn authority(url: &str) -> Result<(bool, String), &'static str> {
    let (https, rest) = match url.split_once("://") {
        Some(("http", rest)) => (false, rest),
        Some(("https", rest)) => (true, rest),
        Some(_) => return Err("is not an http or https URL"),
        None => (false, url),
    };
    let authority = rest.trim_end_matches('/');
    if authority.is_empty() || authority.contains(['/', '@', ' ', '?']) {
        return Err("has no host, or more than host and port");
    }
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    Ok((https, if has_port { authority.to_owned() } else { format!("{authority}:9090") }))
}

/// Returns the proxy's report, or why there is none.
pub(super) async fn fetch(target: &StatusTarget) -> Result<Report, String> {
    match timeout(PATIENCE, get(target, "/topology")).await {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}

/// Returns the answer to a path, which is JSON. Has no time limit.
pub(super) async fn get<T: DeserializeOwned>(
    target: &StatusTarget,
    path: &str,
) -> Result<T, http::HttpError> {
    let request = target.request(path)?;
    let (status, body) =
        http::send(&target.authority, target.tls.as_ref(), request, MAX_ANSWER_BYTES).await?;
    if !status.is_success() {
        let why = match status.as_u16() {
            401 => " (write --token-file or --token-env)",
            403 => " (write https:// and --ca-file)",
            _ => "",
        };
        return Err(format!("{path} answers {status}{why}").into());
    }
    Ok(serde_json::from_slice(&body?)?)
}
