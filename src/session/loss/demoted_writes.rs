//! Ends what writes on a server that lost the primary's role but lives, and finds out what was written there.

use std::rc::Rc;

use crate::backend::{
    Connection, Introduction, Login, QueryError, Target, connect, own_class, passes_read_only,
};
use crate::net::{Runtime, Stream};
use crate::session::context::Context;
use crate::topology::{Flavor, GtidSet, Health, Server, ServerId};
use crate::worker::{Attached, DataAccess, Handle, KillUnderWay};

/// utf8mb4_general_ci, which every server has.
const COLLATION: u16 = 45;

impl<R: Runtime> Context<R> {
    /// True if the primary that this connection was opened to lost the role but lives.
    pub(in crate::session) fn has_demoted(&self, here: Attached) -> bool {
        !here.read_only && self.topology.get().has_demoted(here.server, here.generation)
    }

    /// Returns whether an account bypasses `read_only`. None: unknown.
    pub(in crate::session) fn passes(&self, user: &str) -> Option<bool> {
        self.demotions.passing.borrow().get(user).copied()
    }

    /// Ends the writes on a server that lost the primary's role, with one task for each account.
    pub(in crate::session) fn end_demoted_writes(self: &Rc<Self>) {
        let snapshot = self.topology.get();
        let mut accounts: Vec<(Rc<Login>, ServerId)> = Vec::new();
        for handle in self.handles() {
            let is_up = |id| snapshot.server(id).is_some_and(|server| server.health == Health::Up);
            let demoted = |at: &Attached| self.has_demoted(*at) && is_up(at.server);
            let user = handle.login.borrow().as_ref().map(|login| login.user.clone()).unwrap_or_default();
            // If a session only keeps a connection there, its account's grants are asked for before the
            // session continues.
            let wanted = |at: &Attached| {
                let writes = handle.servers.attached() == Some(*at)
                    && handle.servers.data_access.get() != DataAccess::Reads;
                demoted(at) && (writes || self.passes(&user).is_none())
            };
            let Some(at) = handle.servers.bound().find(wanted) else { continue };
            let Some(login) = handle.login.borrow().clone() else { continue };
            let known = accounts.iter().any(|(of, server)| of.user == login.user && *server == at.server);
            if !known {
                accounts.push((login, at.server));
            }
        }
        for (login, server) in accounts {
            self.end_writes_of(login, server);
        }
    }

    /// Runs one task for each account and server at a time. If something changes meanwhile, the task looks
    /// again.
    fn end_writes_of(self: &Rc<Self>, login: Rc<Login>, server: ServerId) {
        let key = (login.user.clone(), server);
        if let Some(again) = self.demotions.ending.borrow_mut().get_mut(&key) {
            *again = true;
            return;
        }
        self.demotions.ending.borrow_mut().insert(key.clone(), false);
        let context = self.clone();
        self.runtime.spawn(async move {
            loop {
                let limit = context.live().timeouts.connect;
                if context.runtime.timeout(limit, context.end_them(&login, server)).await.is_none() {
                    tracing::info!(user = %login.user, "KILL on a former primary takes too long");
                }
                let again = context.demotions.ending.borrow_mut().get_mut(&key).is_some_and(std::mem::take);
                if !again || !context.handles().iter().any(|handle| context.to_end(handle, &login, server)) {
                    break;
                }
            }
            context.demotions.ending.borrow_mut().remove(&key);
        });
    }

    /// Kills the statements over a connection of the account, which may kill its own threads. If the account
    /// gets no connection, uses the monitor's account, which needs the privilege to kill threads of others.
    async fn end_them(&self, login: &Rc<Login>, server: ServerId) {
        let snapshot = self.topology.get();
        let Some(found) = snapshot.server(server) else { return };
        let target = Target::new(found, snapshot.generation);
        let sessions = self.handles();
        let session = sessions.iter().find(|handle| self.to_end(handle, login, server));
        let announced = session.and_then(|handle| self.announced(handle));
        let introduction = Introduction { announced, ..Introduction::of_proxy(COLLATION) };
        let own = connect(&self.runtime, &target, login, own_class(), &introduction).await;
        let mut connection = match own {
            Ok((mut connection, _)) => {
                let version = found.facts.as_ref().map(|facts| facts.version.clone()).unwrap_or_default();
                if let Ok(passes) = ask_grants(&mut connection, &version).await {
                    self.demotions.passing.borrow_mut().insert(login.user.clone(), passes);
                }
                connection
            }
            Err(_) if !self.handles().iter().any(|handle| self.to_end(handle, login, server)) => return,
            Err(error) => {
                tracing::info!(user = %login.user, %error, "no connection to end what writes on a former primary");
                let monitor = self.live().monitor.clone();
                let monitor = Login::new(monitor.user, monitor.password);
                let introduction = Introduction::of_proxy(COLLATION);
                match connect(&self.runtime, &target, &monitor, own_class(), &introduction).await {
                    Ok((connection, _)) => connection,
                    Err(_) => return,
                }
            }
        };
        for handle in self.handles().iter().filter(|handle| self.to_end(handle, login, server)) {
            end_write(&mut connection, handle).await;
        }
        connection.quit().await;
    }

    /// True if the statement that this session has under way on this server must be ended.
    fn to_end(&self, handle: &Handle, login: &Login, server: ServerId) -> bool {
        let Some(here) = handle.servers.attached().filter(|here| here.server == server) else {
            return false;
        };
        let writes = handle.servers.data_access.get() != DataAccess::Reads;
        let ending = handle.servers.killing.get() || handle.servers.demoted.get() == Some(here);
        let own = handle.login.borrow().as_ref().is_some_and(|of| of.user == login.user);
        own && writes && !ending && handle.busy.get() && self.has_demoted(here)
    }

    /// True if this server has these writes, by its last probe or (MariaDB) by the state of its binary log
    /// now.
    pub(in crate::session) async fn has_written(
        &self,
        primary: &Server,
        position: &GtidSet,
        handle: &Handle,
    ) -> bool {
        let Some(facts) = &primary.facts else { return false };
        if facts.gtid.contains(position) {
            return true;
        }
        if position.flavor() == Flavor::MySql {
            return false;
        }
        // Operators empty gtid_slave_pos, but the state of the binary log still has the last write of each
        // origin.
        let login = handle.login.borrow().clone();
        let Some(login) = login else { return false };
        let target = Target::new(primary, self.topology.generation());
        let limit = self.live().timeouts.connect;
        let asking = async {
            let announced = self.announced(handle);
            let introduction = Introduction { announced, ..Introduction::of_proxy(COLLATION) };
            let opened = connect(&self.runtime, &target, &login, own_class(), &introduction).await;
            let (mut connection, _) = opened.ok()?;
            let state = first_column(&mut connection, "SELECT @@global.gtid_binlog_state").await.ok()?;
            connection.quit().await;
            Some(state.first().is_some_and(|state| position.is_in_binlog_state(state)))
        };
        self.runtime.timeout(limit, asking).await.flatten().unwrap_or(false)
    }
}

async fn end_write<S: Stream>(connection: &mut Connection<S>, handle: &Handle) {
    let Some(here) = handle.servers.attached() else { return };
    handle.servers.demoted.set(Some(here));
    let under_way = KillUnderWay::begin(handle, here);
    let killed = connection.query(&format!("KILL QUERY {}", here.thread_id)).await;
    under_way.answered();
    if let Err(error) = killed {
        handle.servers.demoted.set(None);
        tracing::info!(%error, "what writes on a former primary cannot be ended there");
    }
}

async fn ask_grants<S: Stream>(connection: &mut Connection<S>, version: &str) -> Result<bool, QueryError> {
    let flavor = connection.about.flavor;
    passes_read_only(flavor, version, async |sql: String| first_column(connection, &sql).await).await
}

async fn first_column<S: Stream>(
    connection: &mut Connection<S>,
    sql: &str,
) -> Result<Vec<Vec<u8>>, QueryError> {
    let sets = connection.query(sql).await?;
    let rows = sets.into_iter().next().map(|set| set.rows).unwrap_or_default();
    Ok(rows.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect())
}
