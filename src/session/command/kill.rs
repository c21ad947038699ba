//! KILL. A client knows two ids of its connection: the id in the proxy's greeting, which client libraries
//! remember and kill by, and the answer to `SELECT CONNECTION_ID()`, which is the server's thread id. Both
//! mean the session, whichever worker of this process has it. A KILL of any other id is forwarded to the
//! server.

use std::rc::Rc;

use crate::backend::{Introduction, Login, ServerError, Target};
use crate::client::{Failure, Request};
use crate::net::Runtime;
use crate::session::Session;
use crate::session::context::Context;
use crate::session::observe::audit_kill;
use crate::sql;
use crate::terms::{Close, Port};
use crate::wire::error_code::{ER_CONNECTION_KILLED, ER_NO_SUCH_THREAD};
use crate::wire::{Capabilities, query_text};
use crate::worker::{Attached, Handle, KillRequest, KillUnderWay, KilledBy, Signals};

impl<R: Runtime> Session<R> {
    /// Executes a `KILL` that was sent as text. Forwards a text that only looks like a KILL.
    pub(in crate::session) async fn kill_text(&mut self, request: &mut Request) -> Result<(), Close> {
        let attributes = self.client.capabilities.contains(Capabilities::QUERY_ATTRIBUTES);
        let text = query_text(request.arguments(), attributes).unwrap_or_default();
        let options = self.state.sql_options();
        let kill = request.whole.then(|| sql::kill::parse(text, options)).flatten();
        let may_kill = !request.whole || sql::kill::has_kill(text, options);
        let id = kill.and_then(|kill| u32::try_from(kill.id).ok());
        let (Some(kill), Some(id)) = (kill, id) else {
            if self.client.port == Port::Replica && may_kill {
                return self.no_such_thread(request, kill.map_or(0, |kill| kill.id)).await;
            }
            return self.forward_text(request).await;
        };
        self.kill(request, id, kill.target == sql::kill::Target::Connection).await
    }

    /// Executes COM_PROCESS_KILL: `buf` begins with the whole command. A command without a whole number kills nothing: MariaDB
    /// would take the number from what is left of an earlier packet, mostly zeros.
    pub(in crate::session) async fn process_kill(&mut self, request: &mut Request) -> Result<(), Close> {
        let arguments = request.arguments();
        if let Some(id) = arguments.first_chunk::<4>() {
            return self.kill(request, u32::from_le_bytes(*id), true).await;
        }
        let id = arguments.iter().rev().fold(0, |id, byte| id << 8 | u32::from(*byte));
        let failure = if self.state.texts.of_mariadb {
            let message = format!("Unknown thread id: {id}").into_bytes();
            Failure::Server(ServerError::new(ER_NO_SUCH_THREAD, message))
        } else {
            Failure::UnknownCommand
        };
        let seq = self.client.skip(request).await?;
        self.replies().send_failure(seq, &failure).await
    }

    async fn kill(&mut self, request: &mut Request, id: u32, connection: bool) -> Result<(), Close> {
        // The server where the client's CONNECTION_ID() was executed.
        let server = match self.client.port {
            Port::Replica => self.state.last.connection.map(|connection| connection.server),
            _ => self.context.topology.last_primary(),
        };
        if id == self.client.handle.id
            || self.context.pool.owner_of(server, id) == Some(self.client.handle.id)
        {
            audit_kill(&self.context, &self.client, id, connection);
            let seq = self.client.skip(request).await?;
            let failure = match connection && self.state.texts.of_mariadb {
                true => Failure::Server(ServerError::new(ER_CONNECTION_KILLED, b"Connection was killed")),
                false => Failure::Interrupted,
            };
            self.replies().send_failure(seq, &failure).await?;
            return if connection { Err(Close::Killed) } else { Ok(()) };
        }
        // Without an account the proxy kills nothing.
        let Some(user) = self.client.login.as_ref().map(|l| l.user.to_string()) else {
            if self.client.port == Port::Replica {
                return self.no_such_thread(request, id.into()).await;
            }
            return self.forward(request).await;
        };
        let kill = KillRequest { id, connection, by: KilledBy::Account(user), server };
        let context = self.context.clone();
        if context.outside.kill(kill).await {
            audit_kill(&self.context, &self.client, id, connection);
            let seq = self.client.skip(request).await?;
            return self.replies().send_ok(seq).await;
        }
        if self.client.port == Port::Replica {
            // The id may be that of a thread of the server's own, such as its replication.
            return self.no_such_thread(request, id.into()).await;
        }
        self.forward(request).await
    }

    async fn no_such_thread(&mut self, request: &mut Request, id: u64) -> Result<(), Close> {
        let seq = self.client.skip(request).await?;
        self.replies().send_failure(seq, &Failure::NoThread(id)).await
    }
}

/// Kills the session if it is one of this worker's. Returns false if it is not.
pub async fn kill_here<R: Runtime>(context: Rc<Context<R>>, request: KillRequest) -> bool {
    let Some(handle) = find(&context, &request) else { return false };
    let login = handle.login.borrow().clone();
    // Uses the account's current password: the server may refuse the one that the session logged in with.
    let login = login.map(|login| context.login_of(&login.user).map_or(login, Rc::new));
    if let (Some(attached), Some(login), true) = (handle.servers.attached(), login, handle.busy.get()) {
        kill_on_server(&context, &handle, attached, &login, request.connection).await;
    }
    if request.connection {
        handle.signal.raise(Signals::KILLED);
    }
    true
}

fn find<R: Runtime>(context: &Context<R>, request: &KillRequest) -> Option<Rc<Handle>> {
    let mine = |h: &Rc<Handle>| match &request.by {
        KilledBy::Account(user) => h.login.borrow().as_ref().is_some_and(|l| *l.user == **user),
        KilledBy::Operator => true,
    };
    let handles = context.handles();
    let by_id = handles.iter().find(|h| h.id == request.id && mine(h));
    let by_thread = || {
        let owner = context.pool.owner_of(request.server, request.id)?;
        handles.iter().find(|h| h.id == owner && mine(h))
    };
    match request.by {
        KilledBy::Account(_) => by_id.or_else(by_thread).cloned(),
        // Names the ids of the proxy's own list.
        KilledBy::Operator => by_id.cloned(),
    }
}

/// Has the server end the statement under way, over a separate connection.
async fn kill_on_server<R: Runtime>(
    context: &Context<R>,
    handle: &Handle,
    attached: Attached,
    login: &Login,
    whole: bool,
) {
    let snapshot = context.topology.get();
    let Some(target) = snapshot.server(attached.server).map(|s| Target::new(s, attached.generation)) else {
        return;
    };
    let limit = context.live().timeouts.connect;
    // With the client's own login no second connection can be opened.
    let monitor = login.is_of_client().then(|| {
        let monitor = context.live().monitor.clone();
        Login::new(monitor.user, monitor.password)
    });
    let killing = async {
        let announced = context.announced(handle).filter(|_| monitor.is_none());
        let introduction = Introduction { announced, ..Introduction::of_proxy(45) };
        let login = monitor.as_ref().unwrap_or(login);
        let opened = context.pool.connect_outside(&target, login, &introduction, limit).await?;
        let (mut connection, _) = opened.ok()?;
        // By now the session may have ended, and another session may have its server connection.
        if handle.servers.attached() == Some(attached) && handle.busy.get() {
            let what = if whole { "CONNECTION" } else { "QUERY" };
            // The client must get the error of the killed statement, even if the proxy itself wanted to end
            // the statement.
            handle.servers.demoted.set(None);
            let under_way = KillUnderWay::begin(handle, attached);
            if whole {
                // The client gets nothing but the end of its connection, as from the server. That the server closes its own
                // must not be taken for a loss.
                handle.signal.raise(Signals::KILLED);
            }
            let killed = connection.query(&format!("KILL {what} {}", attached.thread_id)).await;
            under_way.answered();
            if let Err(error) = killed {
                tracing::debug!(%error, "KILL on the server");
            }
        }
        connection.quit().await;
        Some(())
    };
    let _ = context.runtime.timeout(limit, killing).await;
}
