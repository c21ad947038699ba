//! KILL. A client knows two ids of its connection: the id in the proxy's greeting, which client libraries
//! remember and kill by, and the answer to `SELECT CONNECTION_ID()`, which is the server's thread id. Both
//! mean the session, whichever worker of this process has it. A KILL of any other id is forwarded to the
//! server.

use std::rc::Rc;

use super::request::Request;
use super::{Attached, Context, Failure, Handle, Session, Signals};
use crate::backend::{Login, Target, connect, own_class};
use crate::net::{Buf, Runtime};
use crate::sql;
use crate::terms::{Close, Port};
use crate::topology::ServerId;
use crate::wire::{Capabilities, query_text};

/// A KILL by one of the proxy's clients.
#[derive(Debug, Clone)]
pub struct KillRequest {
    /// The id in the KILL.
    pub id: u32,
    /// True if the connection is to be killed, not just its statement.
    pub connection: bool,
    /// The account that sent the KILL. The proxy kills only sessions of the same account. The server decides
    /// about others.
    pub user: String,
    /// The server whose thread id this most likely is: where the client's CONNECTION_ID() is executed.
    pub server: Option<ServerId>,
}

impl<R: Runtime> Session<R> {
    /// Executes a `KILL` that was sent as text. Forwards a text that only looks like a KILL.
    pub(super) async fn kill_text(&mut self, buf: &mut Buf, mut request: Request) -> Result<(), Close> {
        let attributes = self.capabilities.contains(Capabilities::QUERY_ATTRIBUTES);
        let text = query_text(request.arguments(buf), attributes).unwrap_or_default();
        let kill = request.whole.then(|| sql::kill::parse(text, self.state.sql_options())).flatten();
        let id = kill.and_then(|kill| u32::try_from(kill.id).ok());
        let (Some(kill), Some(id)) = (kill, id) else {
            return self.forward_text(buf, &mut request).await;
        };
        self.kill(buf, request, id, kill.target == sql::kill::Target::Connection).await
    }

    /// Executes COM_PROCESS_KILL: `buf` begins with the whole command.
    pub(super) async fn process_kill(&mut self, buf: &mut Buf, request: Request) -> Result<(), Close> {
        let id = request.arguments(buf).first_chunk::<4>().copied().map(u32::from_le_bytes);
        match id {
            Some(id) => self.kill(buf, request, id, true).await,
            None => {
                let failure = Failure::Malformed("COM_PROCESS_KILL");
                Err(self.refuse(request.answer_seq(), &failure, Close::ClientProtocol).await)
            }
        }
    }

    async fn kill(
        &mut self,
        buf: &mut Buf,
        mut request: Request,
        id: u32,
        connection: bool,
    ) -> Result<(), Close> {
        // The server where the client's CONNECTION_ID() was executed.
        let server = match self.port {
            Port::Replica => self.state.last.connection.map(|(server, _)| server),
            _ => self.context.topology.last_writer(),
        };
        if id == self.handle.id || self.context.pool.owner_of(server, id) == Some(self.handle.id) {
            let seq = self.skip(buf, request).await?;
            self.send_failure(seq, &Failure::Interrupted).await?;
            return if connection { Err(Close::Killed) } else { Ok(()) };
        }
        let user = self.login.as_ref().map(|l| l.user.to_string()).unwrap_or_default();
        let kill = KillRequest { id, connection, user, server };
        let context = self.context.clone();
        if context.outside.kill(kill).await {
            let seq = self.skip(buf, request).await?;
            return self.send_ok(seq).await;
        }
        self.forward(buf, &mut request).await
    }
}

/// Kills the session if it is one of this worker's. Returns false if it is not.
pub async fn kill_here<R: Runtime>(context: Rc<Context<R>>, request: KillRequest) -> bool {
    let Some(handle) = find(&context, &request) else { return false };
    let login = handle.login.borrow().clone();
    // Uses the account's current password: the server may refuse the one that the session logged in with.
    let login = login.map(|login| context.login_of(login.user.as_bytes()).map_or(login, Rc::new));
    if let (Some(attached), Some(login), true) = (handle.attached.get(), login, handle.busy.get()) {
        kill_on_server(&context, &handle, attached, &login, request.connection).await;
    }
    if request.connection {
        handle.signal.raise(Signals::KILLED);
    }
    true
}

fn find<R: Runtime>(context: &Context<R>, request: &KillRequest) -> Option<Rc<Handle>> {
    let mine = |h: &Rc<Handle>| h.login.borrow().as_ref().is_some_and(|l| *l.user == *request.user);
    let handles = context.handles();
    let by_id = handles.iter().find(|h| h.id == request.id && mine(h));
    let by_thread = || {
        let owner = context.pool.owner_of(request.server, request.id)?;
        handles.iter().find(|h| h.id == owner && mine(h))
    };
    by_id.or_else(by_thread).cloned()
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
    let Some(Ok(target)) = snapshot.server(attached.server).map(|s| Target::new(s, attached.generation))
    else {
        return;
    };
    let limit = context.live().timeouts.connect;
    let killing = async {
        let (mut connection, _) = connect(&context.runtime, &target, login, own_class(), 45).await.ok()?;
        // By now the session may have ended, and another session may have its server connection.
        if handle.attached.get() == Some(attached) && handle.busy.get() {
            let what = if whole { "CONNECTION" } else { "QUERY" };
            // The client must get the error of the killed statement, even if the proxy itself wanted to end
            // the statement.
            handle.demoted.set(None);
            let under_way = UnderWay::begin(handle, attached);
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

/// A KILL that is on its way. If dropped without an answer, it leaves its connection in doubt.
pub(super) struct UnderWay<'a>(&'a Handle, Option<Attached>);

impl<'a> UnderWay<'a> {
    pub(super) fn begin(handle: &'a Handle, of: Attached) -> Self {
        handle.killing.set(true);
        UnderWay(handle, Some(of))
    }

    pub(super) fn answered(mut self) {
        self.1 = None;
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.killing.set(false);
        if self.1.is_some() {
            self.0.doubted.set(self.1);
        }
    }
}
