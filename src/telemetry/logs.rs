//! Log lines on standard error, for people or for machines, with RFC 3339 times.

use std::io::IsTerminal;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogStyle {
    /// One line for people, coloured on a terminal.
    Text,
    /// One JSON object per line.
    Json,
}

/// The log target of the Kubernetes client library.
const API_CLIENT: &str = "kube_client";

/// Why the log cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// `log.level` is wrong.
    #[error("log.level: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// The log was already set up: it can be set up only once in a process.
    #[error("logging is set up already: {0}")]
    Again(#[from] tracing_subscriber::util::TryInitError),
}

/// Sets up the process's log. `filter` is a level or a list of `target=level`.
pub fn init_tracing(style: LogStyle, filter: &str) -> Result<(), LogsError> {
    let asked: Targets = filter.replace(' ', "").parse()?;
    // The Kubernetes client logs every request that fails. The proxy's watch logs a failure once itself.
    let filter = match filter.contains(API_CLIENT) {
        true => asked,
        false => asked.with_target(API_CLIENT, LevelFilter::OFF),
    };
    let registry = tracing_subscriber::registry().with(filter);
    match style {
        LogStyle::Text => {
            let colours = std::io::stderr().is_terminal();
            registry.with(fmt::layer().with_writer(std::io::stderr).with_ansi(colours)).try_init()?;
        }
        LogStyle::Json => {
            let layer = fmt::layer().json().flatten_event(true).with_writer(std::io::stderr);
            registry.with(layer).try_init()?;
        }
    }
    Ok(())
}
