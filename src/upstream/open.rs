//! Acquires a server connection: takes it from the pool, or opens a new one.

use std::cell::Cell;
use std::rc::Rc;

use super::Upstream;
use crate::backend::{Applicant, ConnectError, Introduction, Login, PoolKey, Standing, TakeError, Terms};
use crate::client::{Client, Failure, StatementError};
use crate::net::{Runtime, first_of};
use crate::routing::{Want, may_stay};
use crate::state::SessionState;
use crate::terms::{Close, Pin, Role, TraceStep};
use crate::topology::{Server, ServerId};
use crate::worker::Resources;

/// The server to which a session wants a connection.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// What the connection is for.
    pub role: Role,
    /// The server.
    pub server: ServerId,
    /// The generation of the snapshot in which the server was chosen.
    pub generation: u64,
    /// The role that the server must have. If the server loses this role, the attempt is given up.
    pub want: Want,
    /// Servers that must not be used.
    pub tried: &'a [ServerId],
    /// True if the session needs the connection for one statement only.
    pub passing: bool,
}

/// The result of acquiring a connection.
pub enum Opened {
    /// The connection is in use now.
    Connection,
    /// The server lost its role meanwhile.
    Moved,
    /// The connection could not be opened.
    Failed(ConnectError),
}

impl<R: Runtime> Upstream<R> {
    /// Acquires a connection to this server. Gives up when the server loses its role.
    pub async fn open(
        &mut self,
        client: &mut Client<R>,
        state: &SessionState,
        wanted: &Wanted<'_>,
    ) -> Result<Opened, StatementError> {
        let Wanted { role, server, generation, want, tried, passing } = *wanted;
        if self.take_own(role, server, client.class(role), &state.carried) {
            return Ok(Opened::Connection);
        }
        let resources = self.resources.clone();
        let snapshot = resources.topology.get();
        let Some(found) = snapshot.server(server) else { return Ok(Opened::Moved) };
        let Some(login) = client.login.clone() else { return Err(StatementError::Close(Close::LoginFailed)) };
        if login.is_of_client() {
            let failure = Failure::StateLost(Pin::UnknownLogin.words());
            return Err(StatementError::TellAndClose(failure, Close::ServerLost));
        }
        if resources.standing(&login) == Standing::Removed {
            return Err(account_removed(&login));
        }
        let (user, credential) = (login.user.clone(), login.generation);
        let announced = resources.announced(&self.handle);
        let session = announced.map(|_| self.handle.id);
        let key = PoolKey { server, user, credential, class: client.class(role), session };
        let terms = self.terms(&login.user, found);
        let mut wish = state.carried.clone();
        if self.without_schema {
            Rc::make_mut(&mut wish).schema = None;
        }
        let attributes = self.handle.attributes.borrow().clone();
        let introduction = Introduction {
            collation: client.collation,
            attributes: attributes.as_deref().unwrap_or_default(),
            announced,
        };
        let (queue, opening) = (client.begin_step(TraceStep::Queue), Cell::new(None));
        let applicant =
            Applicant { id: self.handle.id, wish: &wish, introduction, passing, opening: &opening };
        // Boxed, because each of the waits around it would copy it.
        let taking = Box::pin(resources.pool.lease(&key, (found, generation), &login, &applicant, &terms));
        let moved = until_moved(&resources, want, server, generation, tried);
        let taken = client.unless_ended(first_of(taking, moved)).await?;
        client.acquired(queue, Some(found), opening.get());
        let (mut connection, seat) = match taken {
            None => return Ok(Opened::Moved),
            Some(Ok(taken)) => taken,
            Some(Err(TakeError::Queue(waited, limit))) => {
                return Err(StatementError::Tell(Failure::Queue(waited, limit)));
            }
            Some(Err(TakeError::Connect(e))) => return Ok(Opened::Failed(e)),
        };
        if resources.standing(&login) == Standing::Removed {
            resources.pool.vacate(connection, &seat);
            return Err(account_removed(&login));
        }
        // A pooled connection from an earlier generation counts as one of this generation if its server is the primary
        // (again).
        connection.about.generation = generation;
        self.use_connection(role, connection, seat);
        Ok(Opened::Connection)
    }

    fn terms(&self, user: &str, server: &Server) -> Terms {
        let live = self.resources.live.borrow();
        Terms {
            server_limit: server.bears(live.limits.max_server_connections.get(), live.limits.reserve),
            user_limit: live.users.get(user).and_then(|u| u.max_server_connections).map(usize::from),
            queue: live.limits.queue_timeout,
            connect: live.timeouts.connect,
            reads_to_come: usize::try_from(self.resources.at_barrier.get()).unwrap_or(usize::MAX),
        }
    }
}

/// Returns the error for a session whose account was removed from the configuration.
fn account_removed(login: &Login) -> StatementError {
    StatementError::TellAndClose(Failure::AccountRemoved(login.user.clone()), Close::CredentialGone)
}

/// Waits until a session with this want must not stay with the server any more.
async fn until_moved<R: Runtime>(
    resources: &Resources<R>,
    want: Want,
    server: ServerId,
    generation: u64,
    tried: &[ServerId],
) {
    loop {
        let snapshot = resources.topology.get();
        if !may_stay(want, &snapshot, server, generation, tried) {
            return;
        }
        resources.topology.changed_from(snapshot.version).await;
    }
}
