//! Log lines on standard error, for people or for machines, with RFC 3339 times.

use std::io::IsTerminal;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::Registry;
use tracing_subscriber::reload;
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

/// The log target of what operators do: the SQL console's logins and actions.
const AUDIT: &str = "audit";

/// Why the log cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// `log.level` is wrong.
    #[error("log.level: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// The log was already set up: it can be set up only once in a process.
    #[error("logging is set up already: {0}")]
    Again(#[from] tracing_subscriber::util::TryInitError),
    /// The filter cannot be replaced.
    #[error("the filter of the log cannot be replaced: {0}")]
    Replace(#[from] reload::Error),
}

/// The filter of the process's log, which can be replaced while the process runs.
#[derive(Debug, Clone)]
pub struct LogFilter(reload::Handle<Targets, Registry>);

impl LogFilter {
    /// Replaces the filter by a level or a list of `target=level`.
    ///
    /// # Errors
    /// [`LogsError::Filter`] for a wrong filter, [`LogsError::Replace`] while the process ends.
    pub fn replace(&self, filter: &str) -> Result<(), LogsError> {
        self.0.reload(targets(filter)?)?;
        Ok(())
    }
}

/// Sets up the process's log. `filter` is a level or a list of `target=level`.
pub fn init_tracing(style: LogStyle, filter: &str) -> Result<LogFilter, LogsError> {
    let (filter, handle) = reload::Layer::new(targets(filter)?);
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
    Ok(LogFilter(handle))
}

/// Reads a filter, and adds defaults for targets that it does not name.
fn targets(filter: &str) -> Result<Targets, LogsError> {
    let mut targets: Targets = filter.replace(' ', "").parse()?;
    // The Kubernetes client logs every request that fails. The proxy's watch logs a failure once itself.
    if !names(filter, API_CLIENT) {
        targets = targets.with_target(API_CLIENT, LevelFilter::OFF);
    }
    if !names(filter, AUDIT) {
        targets = targets.with_target(AUDIT, LevelFilter::INFO);
    }
    Ok(targets)
}

/// True if a filter has an entry for exactly this target.
fn names(filter: &str, target: &str) -> bool {
    filter.split(',').any(|entry| entry.split('=').next().is_some_and(|name| name.trim() == target))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_level_hides_the_audit_unless_it_names_it() {
        let shows = |filter: &str| targets(filter).unwrap().would_enable(AUDIT, &tracing::Level::INFO);
        assert!(shows("info") && shows("error") && shows("pointsman=debug") && shows("off"));
        assert!(!shows("info,audit=off") && !shows("info, audit = off"));
        // Part of the name of another target.
        assert!(shows("error,pointsman::session::audited=debug") && shows("error,audits=off"));
        let client = |filter: &str| targets(filter).unwrap().would_enable(API_CLIENT, &tracing::Level::INFO);
        assert!(!client("info") && !client("info,my_kube_client=debug") && client("error,kube_client=info"));
        assert_eq!(targets("warn").unwrap().default_level(), Some(LevelFilter::WARN));
    }
}
