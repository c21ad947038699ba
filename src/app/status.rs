//! `pointsman status`: asks a running proxy's `/topology` and shows it as tables,
//! once or, with `--watch`, in place until Ctrl-C.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http_body_util::Empty;
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::HOST;
use tokio::time::timeout;

use super::http;
use super::table::render;
use super::{AppError, complain, say};
use crate::admin::Report;

const REFRESH: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(2);
/// Thousands of servers; a larger answer is not from us.
const MAX_ANSWER_BYTES: usize = 16 << 20;

/// Shows the proxy at `url`; `note` stands below the table that is watched.
pub(super) fn status(url: &str, watch: bool, note: &str) -> Result<ExitCode, AppError> {
    let authority = authority(url).map_err(|wrong| AppError::Url { url: url.to_owned(), wrong })?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        if watch {
            let done = tokio::select! {
                never = watch_forever(&authority, note) => never,
                _ = tokio::signal::ctrl_c() => Ok(()),
            };
            // The terminal shows ^C behind the last line.
            say("\n")?;
            done.map(|()| ExitCode::SUCCESS)
        } else {
            once(&authority).await
        }
    })
}

async fn once(authority: &str) -> Result<ExitCode, AppError> {
    let first = fetch(authority).await;
    // Rates need two looks.
    tokio::time::sleep(REFRESH).await;
    match (first, fetch(authority).await) {
        (first, Ok(second)) => {
            say(&render(&second, first.ok().as_ref(), unix_ms()))?;
            Ok(ExitCode::SUCCESS)
        }
        (_, Err(reason)) => {
            complain(silent(authority, &reason));
            Ok(ExitCode::FAILURE)
        }
    }
}

async fn watch_forever(authority: &str, note: &str) -> Result<(), AppError> {
    let in_place = std::io::stdout().is_terminal();
    let mut last = None;
    if in_place {
        say("\x1b[2J")?;
    }
    loop {
        let page = match fetch(authority).await {
            Ok(report) => {
                let page = render(&report, last.as_ref(), unix_ms());
                last = Some(report);
                page + note
            }
            Err(reason) => {
                last = None;
                silent(authority, &reason) + "\n" + note
            }
        };
        say(&if in_place { frame(&page) } else { page + "\n" })?;
        tokio::time::sleep(REFRESH).await;
    }
}

fn silent(authority: &str, reason: &str) -> String {
    format!("pointsman does not answer at http://{authority}: {reason}")
}

/// A page over the one before, without flicker: home, each line to its end, the
/// rest cleared. Long lines are cut off and not wrapped while it is drawn.
pub(super) fn frame(page: &str) -> String {
    let lines: String = page.lines().map(|line| format!("{line}\x1b[K\n")).collect();
    format!("\x1b[?7l\x1b[H{lines}\x1b[J\x1b[?7h")
}

fn unix_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

/// `host:port` of an HTTP URL.
pub(super) fn authority(url: &str) -> Result<String, &'static str> {
    let rest = match url.split_once("://") {
        Some(("http", rest)) => rest,
        Some(_) => return Err("is not an http URL"),
        None => url,
    };
    let authority = rest.trim_end_matches('/');
    if authority.is_empty() || authority.contains(['/', '@', ' ', '?']) {
        return Err("has no host, or more than host and port");
    }
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    Ok(if has_port { authority.to_owned() } else { format!("{authority}:9090") })
}

/// The proxy's report, or why there is none.
pub(super) async fn fetch(authority: &str) -> Result<Report, String> {
    match timeout(PATIENCE, get_report(authority)).await {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}

async fn get_report(authority: &str) -> Result<Report, http::Error> {
    let request = Request::get("/topology").header(HOST, authority).body(Empty::<Bytes>::new())?;
    let (status, body) = http::send(authority, request, MAX_ANSWER_BYTES).await?;
    if !status.is_success() {
        return Err(format!("/topology answers {status}").into());
    }
    Ok(serde_json::from_slice(&body?)?)
}
