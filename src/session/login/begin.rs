//! What a client hears of its session before a server has answered: the flags with which the servers begin a session. A
//! client escapes its literals by them, so they must be those of the servers, not the proxy's own.

use std::time::Duration;

use crate::client::{Failure, StatementError};
use crate::net::Runtime;
use crate::session::Session;
use crate::session::common::ok_before_41;
use crate::session::fresh::Freshness;
use crate::terms::{Close, Port, Role};
use crate::topology::LoginFlags;
use crate::topology::{Facts, Flavor, Snapshot};
use crate::upstream::Restored;
use crate::wire::{Capabilities, OkPacket, StatusFlags, Writer};

/// For how long the probes may not have seen a change of global variables that passed through this process.
const UNSEEN: Duration = Duration::from_secs(5);

/// How long a login waits for a server to check a schema that is new to this worker.
pub(super) const SCHEMA_PATIENCE: Duration = Duration::from_secs(1);

/// The type of a schema change among session state changes (SESSION_TRACK_SCHEMA).
const SCHEMA_CHANGE: u8 = 1;

/// Returns the status flags of a session that has set nothing.
pub(super) fn status_of(login: LoginFlags) -> StatusFlags {
    let mut status = StatusFlags::empty();
    status.set(StatusFlags::AUTOCOMMIT, login.contains(LoginFlags::AUTOCOMMIT));
    status.set(StatusFlags::NO_BACKSLASH_ESCAPES, login.contains(LoginFlags::NO_BACKSLASH_ESCAPES));
    status.set(StatusFlags::ANSI_QUOTES, login.contains(LoginFlags::ANSI_QUOTES));
    status
}

/// Returns the primary's facts; without a primary, those of any server.
pub(super) fn greeting_facts(snapshot: &Snapshot) -> Option<&Facts> {
    snapshot
        .primary()
        .and_then(|s| s.facts.as_ref())
        .or_else(|| snapshot.servers.iter().find_map(|s| s.facts.as_ref()))
}

impl<R: Runtime> Session<R> {
    /// Begins the session with the flags of the servers: the primary's, as the probes saw them. Asks a server if they are
    /// uncertain.
    pub(in crate::session) async fn begin_as_servers_do(&mut self) {
        let (login, flavor) =
            greeting_facts(&self.context.topology.get()).map(|facts| (facts.login, facts.flavor)).unzip();
        // The primary's: no replica decides how the session's texts are read.
        self.state.texts.of_mariadb = flavor == Some(Flavor::MariaDb);
        self.state.begins_as(status_of(login.unwrap_or_default()));
        let uncertain = login.is_some_and(|login| login.contains(LoginFlags::UNCERTAIN));
        if (uncertain || self.context.pool.renewed_within(UNSEEN)) && self.own_login().is_none() {
            Box::pin(self.ask_for_status()).await;
        }
    }

    /// Takes the flags of a server connection on which the session is restored. If no server can be asked now, the first
    /// answer brings them.
    async fn ask_for_status(&mut self) {
        let context = self.context.clone();
        let role = if self.client.port == Port::Replica { Role::Replica } else { Role::Primary };
        let asked = context.runtime.timeout(SCHEMA_PATIENCE, self.restore_on_a_server(role)).await;
        if let (Some(Ok(())), Some(connection)) = (asked, self.upstream.connection()) {
            self.state.begins_as(connection.status - StatusFlags::IN_TRANS - StatusFlags::IN_TRANS_READONLY);
        }
        self.upstream.release_after_statement(&mut self.state);
    }

    /// Sends the OK packet of a login. Like servers, it names the schema to clients that track the session's state.
    pub(super) async fn send_login_ok(&mut self, seq: u8, info: &[u8]) -> Result<(), Close> {
        if self.client.greeted.is_before_41 {
            return self.client.send(seq, ok_before_41).await;
        }
        let mut status = self.replies().shown_status();
        let track = self.client.capabilities.contains(Capabilities::SESSION_TRACK);
        let mut state = Vec::new();
        if let Some(schema) = self.state.carried.schema.as_deref().filter(|_| track) {
            let mut name = Vec::new();
            name.put_lenenc_bytes(schema);
            state.push(SCHEMA_CHANGE);
            state.put_lenenc_bytes(&name);
            status |= StatusFlags::SESSION_STATE_CHANGED;
        }
        let ok = OkPacket { status, info, state: &state, ..OkPacket::default() };
        self.client.send(seq, |out| ok.encode(out, 0, track)).await
    }

    /// Acquires a connection for this role and restores the session there.
    async fn restore_on_a_server(&mut self, role: Role) -> Result<(), StatementError> {
        self.attach(role, &Freshness::Unasked).await?;
        self.restore_here(false).await
    }

    /// Restores the session on the connection in use. `asks`: the server selects the schema in any case, and its refusal
    /// is an error.
    pub(super) async fn restore_here(&mut self, asks: bool) -> Result<(), StatementError> {
        let (state, insert_id) = (self.state.carried.clone(), Some(0));
        if let Some((connection, prelude)) = self.upstream.with_prelude() {
            connection.become_session(&state, insert_id, prelude);
            if asks {
                connection.select_again(&state, prelude);
            }
        }
        let said = !self.upstream.prelude.is_empty();
        match self.upstream.send_prelude_of_state(self.facts().may_leave()).await? {
            Restored::Ready => {
                if let Some(connection) = self.upstream.connection_mut().filter(|_| said) {
                    connection.has_past = false;
                }
                let refused = self.upstream.connection().and_then(|c| c.refused_schema());
                match refused.filter(|_| asks) {
                    Some((error, _)) => Err(StatementError::Tell(Failure::Server(error.clone()))),
                    None => Ok(()),
                }
            }
            Restored::Broken => Err(StatementError::Close(Close::ServerLost)),
        }
    }
}
