//! `pointsman tap`: shows the statements of a running proxy as they end, one line each, until Ctrl-C.

use std::fmt::Write as _;
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use serde::Deserialize;
use tokio::time::timeout;

use super::plain::plain;
use super::status::{StatusTarget, Where};
use super::{AppError, complain, http, load};
use crate::admin::TapLine;
use crate::config::Config;

/// How long the proxy may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest line that is read, in bytes.
const LONGEST_LINE: usize = 1 << 20;
/// The longest error text that is read, in bytes.
const LONGEST_ERROR: usize = 64 << 10;

/// The options of the command line about statements.
#[derive(Debug, clap::Args)]
pub(super) struct TapWanted {
    /// Only statements of this account.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Only statements with this default schema.
    #[arg(long, value_name = "NAME")]
    schema: Option<String>,
    /// Only statements with this digest, as /digests and this command show it: 0x….
    #[arg(long, value_name = "NUMBER")]
    digest: Option<String>,
    /// Only statements that the server of this name executed.
    #[arg(long, value_name = "NAME")]
    server: Option<String>,
    /// Only statements that went to the primary, or to a replica.
    #[arg(long, value_name = "primary|replica")]
    target: Option<String>,
    /// Only statements that were placed for this reason, such as plain_read or in_transaction.
    #[arg(long, value_name = "REASON")]
    reason: Option<String>,
    /// Only statements that took at least this many milliseconds.
    #[arg(long, value_name = "MS")]
    min_ms: Option<f64>,
    /// Only statements with this error, or with any.
    #[arg(long, value_name = "CODE", num_args = 0..=1, default_missing_value = "any")]
    error: Option<String>,
    /// Only one of this many statements.
    #[arg(long, value_name = "N")]
    sample: Option<u32>,
}

impl TapWanted {
    /// Returns the query of the URL.
    fn query(&self) -> String {
        let min_us = self.min_ms.map(|ms| format!("{:.0}", (ms * 1000.0).max(0.0)));
        let sample = self.sample.map(|sample| sample.to_string());
        let all = [
            ("user", &self.user),
            ("schema", &self.schema),
            ("digest", &self.digest),
            ("server", &self.server),
            ("target", &self.target),
            ("reason", &self.reason),
            ("min_us", &min_us),
            ("error", &self.error),
            ("sample", &sample),
        ];
        let given =
            all.iter().filter_map(|(key, value)| Some(format!("{key}={}", encoded(value.as_deref()?))));
        given.collect::<Vec<_>>().join("&")
    }
}

fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => out.push(char::from(byte)),
            // Writing to a String cannot fail.
            _ => _ = write!(out, "%{byte:02X}"),
        }
    }
    out
}

/// Returns where the HTTP port is and what is needed to read it: by the options, completed from a configuration file.
pub(super) fn target(place: Where, config: Option<&Path>) -> Result<StatusTarget, AppError> {
    let Some(path) = config else { return StatusTarget::of(&place) };
    let config = load(path)?;
    let mut target = StatusTarget::of(&Where { url: url(&config)?, ..place })?;
    if let Some(token) = &config.live.admin.token {
        target.set_token(token.expose())?;
    }
    Ok(target)
}

/// Returns the URL of a configuration's HTTP port on this host.
fn url(config: &Config) -> Result<String, AppError> {
    let off = || AppError::Target("admin.http is \"off\" in this configuration".to_owned());
    let address = config.fixed.admin_http.as_deref().ok_or_else(off)?;
    let (host, port) = address.rsplit_once(':').unwrap_or((address, "9090"));
    let host = if matches!(host, "0.0.0.0" | "[::]") { "127.0.0.1" } else { host };
    let scheme = if config.live.admin.tls.is_some() { "https" } else { "http" };
    Ok(format!("{scheme}://{host}:{port}"))
}

/// How the stream ended.
enum TapEnd {
    /// The proxy ended it.
    Proxy(String),
    /// Nobody reads the output any more.
    Output,
}

/// Shows the statements of the proxy at `target`.
pub(super) fn tap(target: &StatusTarget, wanted: &TapWanted, json: bool) -> Result<ExitCode, AppError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let query = wanted.query();
    runtime.block_on(async {
        let end = tokio::select! {
            end = follow(target, &query, json) => end,
            _ = tokio::signal::ctrl_c() => return Ok(ExitCode::SUCCESS),
        };
        match end {
            Ok(TapEnd::Output) => Ok(ExitCode::SUCCESS),
            Ok(TapEnd::Proxy(why)) => {
                complain(why);
                Ok(ExitCode::FAILURE)
            }
            Err(error) => {
                complain(target.silent(&error.to_string()));
                Ok(ExitCode::FAILURE)
            }
        }
    })
}

async fn follow(target: &StatusTarget, query: &str, json: bool) -> Result<TapEnd, http::HttpError> {
    let request = target.request(&format!("/tap?{query}"))?;
    let opened = timeout(PATIENCE, http::open(target.authority(), target.tls(), request)).await;
    let mut answer = opened.map_err(|_| format!("no answer within {} s", PATIENCE.as_secs()))??;
    if !answer.status().is_success() {
        let mut text = Vec::new();
        while let Some(part) = answer.next().await?.filter(|_| text.len() < LONGEST_ERROR) {
            text.extend_from_slice(&part);
        }
        let why = String::from_utf8_lossy(&text).trim_end().to_owned();
        return Ok(TapEnd::Proxy(format!("/tap answers {}: {why}", answer.status())));
    }
    complain(format!("statements of {}, until Ctrl-C:", target.authority()));
    let mut lines = ShownLines::default();
    loop {
        match answer.next().await {
            Ok(Some(part)) => {
                let text = lines.add(&part, json);
                if let Err(error) = print(&text) {
                    return if error.kind() == ErrorKind::BrokenPipe {
                        Ok(TapEnd::Output)
                    } else {
                        Err(error.into())
                    };
                }
            }
            Ok(None) => return Ok(TapEnd::Proxy(target.silent("it ended the stream"))),
            Err(error) => return Ok(TapEnd::Proxy(target.silent(&format!("it went away ({error})")))),
        }
    }
}

fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush())
}

/// Cuts what comes into lines.
#[derive(Default)]
struct ShownLines(Vec<u8>);

impl ShownLines {
    /// Adds a part of the stream, and returns the whole lines in it, as JSON or for people.
    fn add(&mut self, part: &[u8], json: bool) -> String {
        self.0.extend_from_slice(part);
        let end = self.0.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let whole: Vec<u8> = self.0.drain(..end).collect();
        if self.0.len() > LONGEST_LINE {
            self.0.clear();
        }
        let mut out = String::new();
        for line in whole.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            out += &if json { String::from_utf8_lossy(line).into_owned() } else { shown(line) };
            out.push('\n');
        }
        out
    }
}

#[derive(Deserialize)]
struct Dropped {
    dropped: u64,
}

/// Returns a line for people.
fn shown(line: &[u8]) -> String {
    if let Ok(Dropped { dropped }) = serde_json::from_slice(line) {
        return format!("… {dropped} statements were dropped: they came faster than they were read");
    }
    let Ok(one) = serde_json::from_slice::<TapLine<'_>>(line) else {
        return plain(&String::from_utf8_lossy(line));
    };
    let time = one.time.split_once('T').map_or(&*one.time, |(_, time)| time.trim_end_matches('Z'));
    let place = match (&one.server, &one.target, &one.reason) {
        (server, Some(target), Some(reason)) => {
            format!("{} ({target}, {reason})", server.as_deref().unwrap_or("a server that is gone"))
        }
        _ => "no server".to_owned(),
    };
    let error = one.error.map(|code| format!("  ERROR {code}")).unwrap_or_default();
    let waited = one.waited_us.hold + one.waited_us.pool + one.waited_us.position;
    let waited = if waited > 0 { format!(" ({} waiting)", millis(waited)) } else { String::new() };
    let rows = if one.rows_affected > 0 { one.rows_affected } else { one.rows_sent };
    plain(&format!(
        "{time}  {}@{}  {}  {place}  {}{waited}  {rows} rows{error}  {}  {}",
        one.user,
        one.client,
        if one.schema.is_empty() { "-" } else { &one.schema },
        millis(one.us),
        one.digest,
        one.text.as_ref().unwrap_or(&one.digest_text),
    ))
}

fn millis(us: u64) -> String {
    format!("{}.{:03} ms", us / 1000, us % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"time":"2026-11-23T15:04:05.000123Z","session":7,"client":"10.0.0.7:51234","user":"app","schema":"shop","digest":"0x2a","digest_text":"SELECT ?","kind":"read","target":"replica","server":"db-1","reason":"plain_read","us":1234,"waited_us":{"hold":0,"pool":0,"position":500},"pins":[],"rows_sent":3,"rows_affected":0,"bytes_in":1,"bytes_out":2,"error":null}"#;

    #[test]
    fn people_read_one_line_for_each_statement() {
        assert_eq!(
            shown(LINE.as_bytes()),
            "15:04:05.000123  app@10.0.0.7:51234  shop  db-1 (replica, plain_read)  1.234 ms (0.500 ms waiting)  3 rows  \
             0x2a  SELECT ?"
        );
        let failed = LINE.replace("\"error\":null", "\"error\":1040").replace("\"replica\"", "null");
        assert!(
            shown(failed.as_bytes()).contains("  no server  ")
                && shown(failed.as_bytes()).contains("ERROR 1040")
        );
        assert!(shown(br#"{"dropped":12}"#).contains("12 statements were dropped"));
        assert_eq!(shown(b"\x1b[2J?"), " [2J?");
        let evil = LINE.replace("SELECT ?", "\\u001b[2J");
        assert!(shown(evil.as_bytes()).ends_with(" [2J"));
    }

    #[test]
    fn lines_come_in_any_pieces() {
        let text = format!("\n{LINE}\n\n{LINE}\n");
        for size in [1, 7, 1000] {
            let mut lines = ShownLines::default();
            let out: String = text.as_bytes().chunks(size).map(|part| lines.add(part, true)).collect();
            assert_eq!(out, format!("{LINE}\n{LINE}\n"));
        }
    }

    #[test]
    fn options_are_a_query() {
        let wanted = TapWanted {
            user: Some("a&b".to_owned()),
            schema: None,
            digest: Some("0x2a".to_owned()),
            server: None,
            target: None,
            reason: None,
            min_ms: Some(1.5),
            error: Some("any".to_owned()),
            sample: Some(10),
        };
        assert_eq!(wanted.query(), "user=a%26b&digest=0x2a&min_us=1500&error=any&sample=10");
    }
}
