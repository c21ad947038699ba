//! What other threads may know of a session.

use std::sync::Arc;

use super::Resources;
use super::handle::{Attached, Handle};
use crate::config::Level;
use crate::net::{Peer, Runtime};
use crate::terms::{PerRole, Port, Role, Unexplained};
use crate::topology::ServerId;

/// What a session does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionState {
    /// The client logs in.
    LogsIn,
    /// The session waits for a command.
    Idle,
    /// A command is under way, and no server has it.
    Waits,
    /// A server executes a command.
    Runs,
}

impl SessionState {
    /// Returns the name.
    pub fn as_str(self) -> &'static str {
        match self {
            SessionState::LogsIn => "logs_in",
            SessionState::Idle => "idle",
            SessionState::Waits => "waits",
            SessionState::Runs => "runs",
        }
    }
}

/// A session at one moment.
#[derive(Debug, Clone)]
pub struct SessionReport {
    /// The connection id that the client was greeted with.
    pub id: u32,
    /// The index of the worker.
    pub worker: usize,
    /// The account; None before the login.
    pub user: Option<Arc<str>>,
    /// The client's address.
    pub peer: Peer,
    /// The listener's name.
    pub listener: Arc<str>,
    /// The mode of the port.
    pub port: Port,
    /// The version of TLS, as in `TLSv1.3`; None: the client's connection is not encrypted.
    pub tls: Option<&'static str>,
    /// The consistency level of its reads.
    pub level: Level,
    /// The default schema; empty: none.
    pub schema: String,
    /// What the session does.
    pub state: SessionState,
    /// How long it has done so, in seconds.
    pub seconds: u32,
    /// The digest text of the statement under way, or of the last one.
    pub statement: Option<String>,
    /// The server that executes the command under way.
    pub server: Option<ServerId>,
    /// The servers whose connections the session keeps between statements.
    pub kept: PerRole<Option<ServerId>>,
    /// Why it keeps them: a bit for the index of each `Pin`.
    pub pins: PerRole<u32>,
    /// Why its connections may have state that nobody saw.
    pub unexplained: PerRole<Option<Unexplained>>,
}

impl SessionReport {
    fn of(handle: &Handle, worker: usize, now: u32) -> Self {
        let server = |of: Option<Attached>| of.map(|attached| attached.server);
        let login = handle.login.borrow();
        let attached = server(handle.servers.attached());
        let [primary, replica] = Role::BOTH.map(|role| server(handle.servers.kept(role)));
        let state = match (&*login, handle.busy.get(), attached) {
            (None, ..) => SessionState::LogsIn,
            (_, false, _) => SessionState::Idle,
            (_, true, None) => SessionState::Waits,
            (_, true, Some(_)) => SessionState::Runs,
        };
        let schema = handle.schema.borrow();
        SessionReport {
            id: handle.id,
            worker,
            user: login.as_ref().map(|login| login.user.clone()),
            peer: handle.peer.get(),
            listener: handle.entrance.listener.clone(),
            port: handle.entrance.port,
            tls: handle.tls.get().map(|tls| tls.version),
            level: handle.level.get(),
            schema: String::from_utf8_lossy(schema.as_deref().unwrap_or_default()).into_owned(),
            state,
            seconds: now.saturating_sub(handle.active.get()),
            statement: handle.statement.borrow().as_ref().map(|digest| digest.text().to_owned()),
            server: attached,
            kept: PerRole { primary, replica },
            pins: handle.pins.get(),
            unexplained: PerRole {
                primary: handle.servers.unexplained.primary.get(),
                replica: handle.servers.unexplained.replica.get(),
            },
        }
    }
}

impl<R: Runtime> Resources<R> {
    /// Describes sessions of this worker, whose index is `worker`: the first `most` of those whose id is larger than
    /// `after`, in the order of their ids.
    pub fn session_reports(&self, worker: usize, after: Option<u32>, most: usize) -> Vec<SessionReport> {
        let sessions = self.sessions.borrow();
        let mut ids: Vec<u32> =
            sessions.keys().copied().filter(|id| after.is_none_or(|after| *id > after)).collect();
        if ids.len() > most {
            ids.select_nth_unstable(most);
            ids.truncate(most);
        }
        ids.sort_unstable();
        let of = |id: &u32| Some(SessionReport::of(sessions.get(id)?, worker, self.seconds.get()));
        ids.iter().filter_map(of).collect()
    }
}
