//! Logins that the proxy cannot do itself: several factors, and plugins that it does not know. The client logs in to a server
//! through the proxy, which passes the packets on and learns nothing. The session keeps this one server connection until it
//! ends, since there is nothing with which another one could be opened.

use std::rc::Rc;
use std::sync::Arc;

use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::auth::{BothLegs, FromServer, PassedLogin};
use crate::backend::{
    ConnectError, Connection, Introduction, Leased, Login, PassingConnection, PassingLogin, Place, PoolKey,
    ServerError, TakeError, Target, Terms, refusal, take_packet,
};
use crate::client::refusals::is_passing;
use crate::client::{Client, Failure, StatementError, ended_by};
use crate::net::{Buf, PacketError, Runtime, Stream, first_of, or_raised};
use crate::routing::{Decision, may_stay, route};
use crate::session::fresh::{Freshness, Needed};
use crate::session::freshness::Reads;
use crate::session::{Context, Session};
use crate::state::Written;
use crate::terms::{Close, PerRole, Pin, Port, Refused, Role};
use crate::topology::{Server, ServerId, Snapshot};
use crate::upstream::Restored;
use crate::wire::error_code::*;
use crate::wire::{Capabilities, ProtocolError};
use crate::worker::Signals;
use crate::worker::admission::shown;

/// The longest packet of a client, in bytes: as in every login.
const MAX_PACKET: usize = 128 * 1024;

/// What ends a login from outside.
const ENDING: u16 = Signals::KILLED | Signals::END | Signals::LOGIN | Signals::LEAVE;

/// ERR codes about the account, and not about what the client proved: an unknown schema, one that is not permitted, an expired
/// password, and a locked account on MySQL and MariaDB.
const NOT_ABOUT_PROOF: [u16; 5] = [
    ER_DBACCESS_DENIED_ERROR,
    ER_BAD_DB_ERROR,
    ER_MUST_CHANGE_PASSWORD_LOGIN,
    MYSQL_ER_ACCOUNT_HAS_BEEN_LOCKED,
    MARIADB_ER_ACCOUNT_HAS_BEEN_LOCKED,
];

/// What the client says of itself at the login.
#[derive(Clone, Copy)]
pub(super) struct PassingClient<'a> {
    pub user: &'a [u8],
    pub schema: Option<&'a [u8]>,
    pub collation: u16,
    pub attributes: &'a [u8],
    /// True if the server might let the proxy's own operating system user in, in place of the client.
    pub perhaps_socket: bool,
}

/// A login that a server accepted.
pub(super) struct PassedIn<S: Stream> {
    pub login: Login,
    pub on_server: OnServer<S>,
}

/// The server connection of the login, and what the session uses it for.
pub(super) struct OnServer<S: Stream> {
    role: Role,
    leased: Leased<S>,
}

/// Why there is no such login.
pub(super) enum NotPassed {
    /// The session ends without an error packet, or has sent one.
    Close(Close),
    /// The client gets this error.
    Refused(Refused, Failure),
}

impl From<Close> for NotPassed {
    fn from(close: Close) -> Self {
        NotPassed::Close(close)
    }
}

impl From<StatementError> for NotPassed {
    fn from(stop: StatementError) -> Self {
        match stop {
            StatementError::Tell(failure) | StatementError::TellAndClose(failure, _) => {
                NotPassed::Refused(Refused::Server, failure)
            }
            StatementError::Close(close) => NotPassed::Close(close),
            StatementError::Count(_) => NotPassed::Close(Close::LoginFailed),
        }
    }
}

/// A server that waits for the client's login.
struct AtServer<S: Stream> {
    passing: PassingConnection<S>,
    place: Place<S>,
    login: Login,
    role: Role,
    server: ServerId,
    generation: u64,
    /// The server's name, for errors.
    name: Arc<str>,
}

/// The server's last word.
enum PassingEnd {
    /// An OK packet.
    LetIn(Vec<u8>),
    /// An ERR packet.
    Refused(ServerError),
}

/// A login to a server by the client itself.
pub(super) struct PassThrough<'s, R: Runtime> {
    pub(super) context: &'s Rc<Context<R>>,
    pub(super) client: &'s mut Client<R>,
    /// Chooses the replica.
    pub(super) reads: &'s mut Reads<R>,
    /// What the session wrote under an earlier account.
    pub(super) written: &'s Written,
}

impl<R: Runtime> PassThrough<'_, R> {
    /// Lets the client log in to a server. `seq` is the sequence id of the next packet to the client, before and after.
    pub(super) async fn log_in(
        &mut self,
        applicant: PassingClient<'_>,
        buf: &mut Buf,
        seq: &mut u8,
    ) -> Result<PassedIn<R::Stream>, NotPassed> {
        let (context, handle) = (self.context.clone(), self.client.handle.clone());
        let raised = |raised| NotPassed::Close(ended_by(raised));
        let turn = or_raised(&handle.signal, ENDING, context.identities.passing.acquire()).await;
        let _turn = turn.map_err(raised)?.map_err(|_| Close::LoginFailed)?;
        let reaching = or_raised(&handle.signal, ENDING, self.reach_server(&applicant)).await;
        let mut at = reaching.map_err(raised)??;
        let legs = BothLegs {
            client_tls: handle.tls.get().is_some(),
            client_private: self.client.is_private(),
            server: at.passing.channel(),
        };
        let mut login = PassedLogin::begin(legs, at.passing.has_several_factors());
        at.passing.begin().await.map_err(|error| unreachable(&at.name, &error))?;
        let ended = match self.relay(&mut at, &mut login, buf, seq).await {
            Ok(ended) => ended,
            Err(stop) => {
                if login.waits() {
                    let (limit, runtime) = (context.live().timeouts.connect, context.runtime.clone());
                    context.runtime.spawn(async move {
                        let _ = runtime.timeout(limit, at.passing.give_up()).await;
                        drop(at.place);
                    });
                }
                return Err(stop);
            }
        };
        let AtServer { passing, place, login, role, server, generation, name } = at;
        match ended {
            PassingEnd::LetIn(ok) => {
                let want = context.want(self.client.port, role);
                if !may_stay(want, &context.topology.get(), server, generation, &[]) {
                    return Err(unreachable(&name, &"it lost its role during the login"));
                }
                let mut connection = passing.finish(&ok).map_err(|error| broken(&error))?;
                self.check_instance(&mut connection, server).await?;
                let leased = context.pool.move_in(place, connection);
                Ok(PassedIn { login, on_server: OnServer { role, leased } })
            }
            PassingEnd::Refused(error) => Err(self.refused_by_server(applicant.user, error)),
        }
    }

    /// Checks that the connection leads to the server that the monitor sees.
    async fn check_instance(
        &self,
        connection: &mut Connection<R::Stream>,
        server: ServerId,
    ) -> Result<(), NotPassed> {
        let (context, snapshot) = (&self.context, self.context.topology.get());
        let Some(found) = snapshot.server(server) else { return Ok(()) };
        let (target, limit) = (Target::new(found, snapshot.generation), context.live().timeouts.connect);
        let checked = context.runtime.timeout(limit, connection.check_instance(&target)).await;
        let checked = checked.unwrap_or(Err(ConnectError::Timeout(limit)));
        checked.map_err(|error| {
            context.doubt(server, &error);
            unreachable(&target.name, &error)
        })
    }

    /// Chooses a server for the port, and connects to it.
    async fn reach_server(
        &mut self,
        applicant: &PassingClient<'_>,
    ) -> Result<AtServer<R::Stream>, NotPassed> {
        let user: Arc<str> = std::str::from_utf8(applicant.user)
            .map_err(|_| NotPassed::Refused(Refused::Password, self.denied(applicant.user, true)))?
            .into();
        let context = self.context.clone();
        let role = if self.client.port == Port::Replica { Role::Replica } else { Role::Primary };
        let want = context.want(self.client.port, role);
        let (mut tried, mut last) = (Vec::new(), None);
        self.client.budget.begin();
        let began = self.client.budget.began();
        loop {
            let snapshot = context.topology.get();
            let decision = match role {
                Role::Primary => route(want, &snapshot, 0, &tried, |_| 0),
                Role::Replica => {
                    let needed = Needed { written: self.written, freshness: &Freshness::Unasked };
                    self.reads.decide(&needed, &snapshot, &tried)
                }
            };
            match decision {
                Decision::Go { server, .. } => {
                    match self.reach_this(applicant, &user, role, server, &snapshot).await {
                        Err(NotPassed::Refused(Refused::Server, failure)) if role == Role::Replica => {
                            context.eject(server);
                            tried.push(server);
                            last = Some(failure);
                        }
                        // The client has sent nothing to this server yet.
                        Err(NotPassed::Refused(Refused::Server, failure @ Failure::Unreachable(_))) => {
                            self.pause(began, snapshot.version, failure).await?;
                        }
                        reached => return reached,
                    }
                }
                Decision::NoReplica => match last.take() {
                    // Nobody else can serve the port: what failed is tried again, like a primary.
                    Some(failure @ Failure::Unreachable(_)) => {
                        self.pause(began, snapshot.version, failure).await?;
                        tried.clear();
                    }
                    failure => {
                        return Err(NotPassed::Refused(
                            Refused::Server,
                            failure.unwrap_or(Failure::NoReplica),
                        ));
                    }
                },
                Decision::WaitForPrimary => {
                    context.outside.kick_all();
                    self.client.wait_for_change(snapshot.version).await?;
                }
            }
        }
    }

    /// Pauses before the next attempt to reach a server. Returns the failure once `failover.hold` is over.
    async fn pause(&mut self, began: Instant, version: u64, failure: Failure) -> Result<(), NotPassed> {
        let hold = self.context.live().failover.hold;
        self.client.budget.spend(began);
        match self.client.pause_before_next_try(began, hold, version).await? {
            true => Ok(()),
            false => Err(NotPassed::Refused(Refused::Server, failure.held(began.elapsed()))),
        }
    }

    async fn reach_this(
        &self,
        applicant: &PassingClient<'_>,
        user: &Arc<str>,
        role: Role,
        server: ServerId,
        snapshot: &Snapshot,
    ) -> Result<AtServer<R::Stream>, NotPassed> {
        let (context, handle, generation) = (&self.context, &self.client.handle, snapshot.generation);
        let refused = |failure| NotPassed::Refused(Refused::Server, failure);
        let Some(found) = snapshot.server(server) else { return Err(refused(Failure::NoReplica)) };
        let target = Target::new(found, generation);
        if applicant.perhaps_socket && target.is_local() {
            let why =
                "the server's unix socket lets the proxy's own operating system user in; use its address";
            return Err(not_passed(&target.name, &why));
        }
        let login = Login::of_client(user.clone());
        let class = self.client.class(role);
        let key = PoolKey {
            server,
            user: user.clone(),
            credential: login.generation,
            class,
            session: Some(handle.id),
        };
        let terms = self.terms_of(user, found);
        let deadline = Instant::now() + terms.queue;
        let introduction = Introduction {
            collation: applicant.collation,
            attributes: applicant.attributes,
            announced: context.announced_as(user, handle),
        };
        let passing = PassingLogin {
            user,
            schema: applicant.schema,
            capabilities: self.client.capabilities & Capabilities::OF_LOGIN,
            private: self.client.is_private(),
        };
        let name = target.name.clone();
        loop {
            let place = match context.pool.place(&key, handle.id, &terms).await {
                Ok(place) => place,
                Err(TakeError::Queue(waited, limit)) => return Err(refused(Failure::Queue(waited, limit))),
                Err(TakeError::Connect(error)) => return Err(unreachable(&name, &error)),
            };
            let reaching =
                PassingConnection::reach(&context.runtime, &target, class, &passing, &introduction);
            match context.runtime.timeout(terms.connect, reaching).await {
                Some(Ok(passing)) => {
                    return Ok(AtServer { passing, place, login, role, server, generation, name });
                }
                Some(Err(ConnectError::Refused(error))) => {
                    let again = context.pool.refused(place, error.code, &terms).await;
                    if !again || Instant::now() >= deadline {
                        return Err(refused(Failure::Server(error)));
                    }
                }
                Some(Err(error)) => {
                    context.doubt(server, &error);
                    return Err(unreachable(&name, &error));
                }
                None => return Err(unreachable(&name, &ConnectError::Timeout(terms.connect))),
            }
        }
    }

    fn terms_of(&self, user: &str, server: &Server) -> Terms {
        let live = self.context.live.borrow();
        Terms {
            server_limit: server.bears(live.limits.max_server_connections.get(), live.limits.reserve),
            user_limit: live.users.get(user).and_then(|u| u.max_server_connections).map(usize::from),
            queue: live.limits.queue_timeout,
            connect: live.timeouts.connect,
            reads_to_come: 0,
        }
    }

    /// Passes packets on until the server has decided. Neither side waits for the other: only the plugins know whose turn
    /// it is.
    async fn relay(
        &mut self,
        at: &mut AtServer<R::Stream>,
        login: &mut PassedLogin,
        buf: &mut Buf,
        seq: &mut u8,
    ) -> Result<PassingEnd, NotPassed> {
        // True once the client has sent a command, ahead of the server's decision. It waits in `buf`.
        let mut ahead = false;
        loop {
            while let Some(packet) = at.passing.take().map_err(|error| lost(&at.name, error))? {
                match login.from_server(&packet).map_err(|error| not_passed(&at.name, &error))? {
                    FromServer::LetIn => return Ok(PassingEnd::LetIn(packet)),
                    FromServer::Refused => {
                        let error = refusal(&packet).map_err(|error| broken(&error))?;
                        return Ok(PassingEnd::Refused(error));
                    }
                    FromServer::Pass => {
                        self.client.send(*seq, |out| out.extend_from_slice(&packet)).await?;
                        *seq = seq.wrapping_add(1);
                    }
                }
            }
            let taken =
                if ahead { Ok(None) } else { take_packet(&mut self.client.stream, buf, seq, MAX_PACKET) };
            match taken {
                Ok(Some(packet)) => {
                    let packet = Zeroizing::new(packet);
                    login.from_client().map_err(|error| not_passed(&at.name, &error))?;
                    at.passing.send(&packet).await.map_err(|error| unreachable(&at.name, &error))?;
                    continue;
                }
                Ok(None) => {}
                Err(PacketError::Protocol(ProtocolError::Sequence { got: 0, .. })) if login.answered() => {
                    ahead = true
                }
                Err(PacketError::Io(_)) => return Err(Close::ClientLost.into()),
                Err(PacketError::Protocol(error)) => {
                    let failure = Failure::Handshake(error.to_string());
                    return Err(self.client.refuse(*seq, &failure, Close::ClientProtocol).await.into());
                }
            }
            let client = async {
                if ahead {
                    self.client.stream.peer_closed().await
                } else {
                    _ = self.client.stream.readable().await
                }
            };
            let either = first_of(at.passing.readable(), client);
            match or_raised(&self.client.handle.signal, ENDING, either).await {
                Ok(None) if ahead => return Err(Close::ClientLost.into()),
                // What broke shows at the next read.
                Ok(_) => {}
                Err(raised) => return Err(ended_by(raised).into()),
            }
        }
    }

    /// Returns the error for a client that a server refused: with the client's address in place of the proxy's.
    fn refused_by_server(&self, user: &[u8], error: ServerError) -> NotPassed {
        let refused = match error.code {
            ER_ACCESS_DENIED_ERROR | ER_ACCESS_DENIED_NO_PASSWORD_ERROR => {
                let password = !error.message.ends_with(b"NO)");
                return NotPassed::Refused(Refused::Password, self.denied(user, password));
            }
            code if NOT_ABOUT_PROOF.contains(&code) || is_passing(&error) => Refused::Server,
            _ => Refused::Password,
        };
        NotPassed::Refused(refused, Failure::Server(error))
    }

    fn denied(&self, user: &[u8], password: bool) -> Failure {
        Failure::AccessDenied { user: shown(user), host: self.client.handle.peer.get().host(), password }
    }
}

impl<R: Runtime> Session<R> {
    /// Makes the server connection of the login the session's only one.
    pub(super) fn adopt(&mut self, on_server: OnServer<R::Stream>) {
        let OnServer { role, leased: (connection, seat) } = on_server;
        self.upstream.use_connection(role, connection, seat);
        self.state.pin(role, Pin::UnknownLogin);
        self.upstream.release_after_statement(&mut self.state);
    }

    /// Returns the role of the connection on which the client itself logged in.
    pub(in crate::session) fn own_login(&self) -> Option<Role> {
        Role::BOTH.into_iter().find(|role| self.state.pins.on(*role).has(Pin::UnknownLogin))
    }

    /// Resets the connection on which the client itself logged in.
    pub(in crate::session) async fn reset_own(&mut self, role: Role) -> Result<(), StatementError> {
        if self.take_for(role, &Freshness::Unasked)
            && let Some((connection, prelude)) = self.upstream.with_prelude()
        {
            connection.reset(prelude);
            if let Restored::Ready = self.upstream.send_prelude(false).await? {
                return Ok(());
            }
        }
        self.upstream.lost = PerRole::default();
        let failure = Failure::StateLost(Pin::UnknownLogin.words());
        Err(StatementError::TellAndClose(failure, Close::ServerLost))
    }
}

fn not_passed(server: &str, why: &dyn std::fmt::Display) -> NotPassed {
    NotPassed::Refused(Refused::Server, Failure::NotPassed(format!("server {server}: {why}")))
}

fn unreachable(server: &str, why: &dyn std::fmt::Display) -> NotPassed {
    NotPassed::Refused(Refused::Server, Failure::Unreachable(format!("{server}: {why}")))
}

fn broken(error: &dyn std::fmt::Display) -> NotPassed {
    NotPassed::Refused(Refused::Server, Failure::BadServer(error.to_string()))
}

fn lost(server: &str, error: PacketError) -> NotPassed {
    match error {
        PacketError::Io(error) => unreachable(server, &error),
        PacketError::Protocol(error) => broken(&error),
    }
}
