//! The actions: what operators can do to the running proxy. Each is one line of the log, with the account and the client's
//! address, and is answered with what it did.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::Console;
use super::outcome::{ConsoleError, Rows};
use crate::config::{AuditEvents, is_log_filter};
use crate::telemetry::{AuditRecord, LogFilter};
use crate::terms::AuditKind;
use crate::wire::error_code::ER_UNKNOWN_ERROR;

/// An action.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Action {
    /// Reads the configuration file again.
    Reload,
    /// Sets the filter of the log.
    SetLogLevel(String),
    /// Ends a session, or its statement.
    Kill {
        /// The session's id, which its client knows as its connection id.
        id: u32,
        /// True if the connection ends, too.
        connection: bool,
    },
    /// Drains a server, or ends that.
    Drain { server: String, drained: bool },
    /// Forgets what was counted by digest.
    ResetDigests,
}

/// What an action did, or why it was not done.
pub type Done = Result<String, String>;

/// Where the actions go that are not for the workers.
#[derive(Debug, Clone)]
pub struct Orders {
    /// Reloads the configuration.
    pub reload: mpsc::UnboundedSender<oneshot::Sender<Done>>,
    /// The filter of the log.
    pub log: LogFilter,
}

/// Who sent a statement, for the audit.
#[derive(Debug, Clone)]
pub(super) struct Author {
    pub account: Arc<str>,
    pub peer: SocketAddr,
    /// The connection id of the client.
    pub id: u32,
}

impl Author {
    /// Returns the record of something that this client did.
    pub fn record(&self, kind: AuditKind) -> AuditRecord {
        AuditRecord::now(kind, self.id, &self.account, Some(self.peer))
    }
}

impl Action {
    /// Returns the action as a statement.
    fn statement(&self) -> String {
        match self {
            Action::Reload => "RELOAD".to_owned(),
            Action::SetLogLevel(level) => format!("SET LOG LEVEL {level:?}"),
            Action::Kill { id, connection: true } => format!("KILL SESSION {id}"),
            Action::Kill { id, connection: false } => format!("KILL QUERY {id}"),
            Action::Drain { server, drained: true } => format!("DRAIN SERVER {server:?}"),
            Action::Drain { server, drained: false } => format!("UNDRAIN SERVER {server:?}"),
            Action::ResetDigests => "RESET DIGESTS".to_owned(),
        }
    }
}

/// Executes an action, and returns what it did.
pub(super) async fn execute(
    console: &Console,
    author: &Author,
    action: Action,
) -> Result<Rows, ConsoleError> {
    let statement = action.statement();
    let (account, peer) = (&*author.account, author.peer);
    if let Action::SetLogLevel(_) = action {
        // The new level may end the lines of this target.
        tracing::info!(target: "audit", account, %peer, action = statement, "console: action begins");
    }
    let done = carry_out(console, action).await;
    let mut record = author.record(AuditKind::Action);
    (record.statement, record.outcome.failed) = (statement.as_str().into(), done.is_err());
    console.admin.audit(AuditEvents::ACTIONS, record);
    match done {
        Ok(done) => {
            tracing::info!(target: "audit", account, %peer, action = statement, done, "console: action");
            Ok(Rows::line(&["action", "done"], &[&statement, &done]))
        }
        Err(error) => {
            tracing::info!(target: "audit", account, %peer, action = statement, error, "console: action failed");
            Err(ConsoleError::new(ER_UNKNOWN_ERROR, error))
        }
    }
}

async fn carry_out(console: &Console, action: Action) -> Done {
    match action {
        Action::Reload => {
            let (reply, answer) = oneshot::channel();
            let ends = || Err("the proxy ends".to_owned());
            match console.orders.reload.send(reply) {
                Ok(()) => answer.await.unwrap_or_else(|_| ends()),
                Err(_) => ends(),
            }
        }
        Action::SetLogLevel(level) => set_log_level(&console.orders.log, &level),
        Action::Kill { id, connection } => {
            let what = if connection { "session" } else { "the statement of session" };
            match console.admin.kill_session(id, connection).await {
                Ok(true) => Ok(format!("killed {what} {id}")),
                Ok(false) => Err(format!("there is no session {id}")),
                Err(error) => Err(error.to_string()),
            }
        }
        Action::Drain { server, drained } => {
            console.admin.order_drain(&server, drained).await.map_err(|error| error.to_string())
        }
        Action::ResetDigests => {
            console.admin.forget_digests();
            Ok("what was counted by digest is forgotten".to_owned())
        }
    }
}

fn set_log_level(log: &LogFilter, level: &str) -> Done {
    if !is_log_filter(level) {
        let words =
            "off, error, warn, info, debug or trace, or a list like \"info,pointsman::monitor=debug\"";
        return Err(format!("{level:?} is not a level; write {words}"));
    }
    log.replace(level).map_err(|error| error.to_string())?;
    Ok(format!("the log has the level {level:?} until the proxy restarts"))
}
