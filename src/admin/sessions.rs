//! The content of `/sessions`: what each session does.

use serde::Serialize;
use tokio::task::spawn_blocking;

use super::{AdminState, Unanswered};
use crate::config::Choice;
use crate::terms::{Pin, Role};
use crate::topology::{ServerId, Snapshot};
use crate::worker::SessionReport;

/// A session, with the names of its servers.
#[derive(Debug, Serialize)]
pub(crate) struct SessionLine {
    /// The connection id that the client was greeted with.
    pub id: u32,
    /// The index of the worker.
    pub worker: usize,
    /// The account; None before the login.
    pub user: Option<String>,
    /// The client's address and port.
    pub client: String,
    /// The listener's name.
    pub listener: String,
    /// The listener's mode.
    pub mode: &'static str,
    /// The version of TLS; None: not encrypted.
    pub tls: Option<&'static str>,
    /// The consistency level of its reads.
    pub consistency: &'static str,
    /// The default schema.
    pub schema: String,
    /// What the session does.
    pub state: &'static str,
    /// How long it has done so.
    pub seconds: u32,
    /// The digest text of the statement under way, or of the last one.
    pub statement: Option<String>,
    /// The server that executes the command under way.
    pub server: Option<String>,
    /// The server to whose connection for writes the session keeps.
    pub kept_primary: Option<String>,
    /// The server to whose connection for reads the session keeps.
    pub kept_replica: Option<String>,
    /// Why it keeps its connections.
    pub pins: Vec<&'static str>,
    /// Why its connection to the primary may have state that nobody saw; None: it has none.
    pub unexplained_primary: Option<&'static str>,
    /// The same for its connection to a replica.
    pub unexplained_replica: Option<&'static str>,
}

impl SessionLine {
    fn of(report: SessionReport, snapshot: &Snapshot) -> Self {
        let name = |id: Option<ServerId>| Some(snapshot.server(id?)?.name.to_string());
        let bits = Role::BOTH.iter().fold(0, |bits, role| bits | report.pins.of(*role));
        SessionLine {
            id: report.id,
            worker: report.worker,
            user: report.user.map(|user| user.to_string()),
            client: report.peer.to_string(),
            listener: report.listener.to_string(),
            mode: report.port.as_str(),
            tls: report.tls,
            consistency: report.level.word(),
            schema: report.schema,
            state: report.state.as_str(),
            seconds: report.seconds,
            statement: report.statement,
            server: name(report.server),
            kept_primary: name(report.kept.primary),
            kept_replica: name(report.kept.replica),
            pins: Pin::ALL
                .iter()
                .filter(|pin| bits >> **pin as u32 & 1 != 0)
                .map(|pin| pin.as_str())
                .collect(),
            unexplained_primary: report.unexplained.primary.map(|by| by.as_str()),
            unexplained_replica: report.unexplained.replica.map(|by| by.as_str()),
        }
    }
}

/// Returns all sessions, in the order of their ids. Without workers, there are none.
pub(crate) async fn sessions(state: &AdminState) -> Result<Vec<SessionLine>, Unanswered> {
    let mut reports = state.sessions().await?;
    let snapshot = state.snapshot.borrow().clone();
    let named = move || {
        reports.sort_unstable_by_key(|report| report.id);
        reports.into_iter().map(|report| SessionLine::of(report, &snapshot)).collect()
    };
    // Thousands of sessions take their time.
    Ok(spawn_blocking(named).await.unwrap_or_default())
}

/// The whole page.
#[derive(Serialize)]
pub(super) struct SessionsPage {
    sessions: Vec<SessionLine>,
}

impl SessionsPage {
    /// Asks the workers.
    pub async fn of(state: &AdminState) -> Result<Self, Unanswered> {
        Ok(SessionsPage { sessions: sessions(state).await? })
    }
}
