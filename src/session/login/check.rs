//! The check of a client's password by a server: the client waits for its turn first.

use std::rc::Rc;

use crate::auth;
use crate::backend::{ConnectError, Introduction, Login, ServerError, Target};
use crate::client::Client;
use crate::config::Secret;
use crate::net::{Runtime, Stream, first_of, or_raised};
use crate::session::Context;
use crate::topology::ServerId;
use crate::wire::error_code::{ER_ACCESS_DENIED_ERROR, ER_ACCESS_DENIED_NO_PASSWORD_ERROR};
use crate::worker::Signals;
use crate::worker::admission::shown;

/// The collation of connections that only check a password: utf8mb4_general_ci, which all servers have.
const COLLATION: u16 = 45;

/// ERR codes that mean a wrong password or an unknown user: 1045, and 1698 of plugins without passwords.
const DENIED: [u16; 2] = [ER_ACCESS_DENIED_ERROR, ER_ACCESS_DENIED_NO_PASSWORD_ERROR];

/// What a server said of a password.
pub(super) enum PasswordVerdict {
    Right,
    Wrong,
    /// Perhaps right, but the account may not log in.
    Barred(ServerError),
    /// The client left before its turn.
    Unasked,
    /// Perhaps right, but the server asks for more, which only the client can answer.
    NeedsClient(String),
    /// No server could be asked.
    Unknown(String),
}

/// The question who a client is, during its login.
pub(super) struct Identification<'s, R: Runtime> {
    pub(super) context: &'s Rc<Context<R>>,
    pub(super) client: &'s mut Client<R>,
}

impl<R: Runtime> Identification<'_, R> {
    /// Returns what the servers say of a password. The wait for a turn ends with `timeouts.login`, and if the client leaves;
    /// the caller ends it for KILL and drains.
    ///
    /// Neither ends a check that has begun: the check itself ends within `timeouts.login`. A client that leaves must still be
    /// counted if its password was wrong, and a server counts logins that were broken off (`max_connect_errors`), after which
    /// it would refuse the whole proxy.
    pub(super) async fn verdict(&mut self, user: &str, password: &Secret) -> PasswordVerdict {
        let handle = self.client.handle.clone();
        let checks = &self.context.identities.checks;
        let turn = first_of(checks.place(handle.peer.get().origin()), self.client.stream.peer_closed());
        let place = match or_raised(&handle.signal, Signals::LOGIN, turn).await {
            Ok(Some(place)) => place,
            Ok(None) => return PasswordVerdict::Unasked,
            Err(_) => {
                let why = "servers had too many other passwords to check within timeouts.login";
                return PasswordVerdict::Unknown(why.to_owned());
            }
        };
        let limit = self.context.live.borrow().timeouts.login;
        let verdict = self.context.runtime.timeout(limit, self.ask_servers(user, password)).await;
        drop(place);
        let late =
            || PasswordVerdict::Unknown(format!("no server answered within timeouts.login ({limit:?})"));
        verdict.unwrap_or_else(late)
    }

    /// Asks the primary, and if it does not answer, the others.
    async fn ask_servers(&self, user: &str, password: &Secret) -> PasswordVerdict {
        let context = &self.context;
        let (snapshot, limit) = (context.topology.get(), context.live.borrow().timeouts.connect);
        let login = Login::new(user.into(), password.clone());
        let primary = snapshot.primary;
        let mut servers: Vec<ServerId> =
            snapshot.servers.iter().filter(|s| s.facts.is_some()).map(|s| s.id).collect();
        servers.sort_by_key(|server| Some(*server) != primary);
        let mut why = "no server answers".to_owned();
        for server in servers {
            let Some(target) = snapshot.server(server).map(|s| Target::new(s, snapshot.generation)) else {
                continue;
            };
            let announced = context.announced_as(user, &self.client.handle);
            let introduction = Introduction { announced, ..Introduction::of_proxy(COLLATION) };
            match context.pool.connect_outside(&target, &login, &introduction, limit).await {
                Some(Ok((connection, _))) => {
                    connection.quit().await;
                    if target.is_local() {
                        return self.right_unless_any_is(&target, login).await;
                    }
                    return PasswordVerdict::Right;
                }
                Some(Err(ConnectError::Refused(error))) if DENIED.contains(&error.code) => {
                    return PasswordVerdict::Wrong;
                }
                Some(Err(ConnectError::Refused(error))) => return PasswordVerdict::Barred(error),
                Some(Err(ConnectError::Auth(error))) if error.needs_client() => {
                    return PasswordVerdict::NeedsClient(format!("{}: {error}", target.name));
                }
                Some(Err(error)) => {
                    context.outside.kick(server);
                    why = format!("{}: {error}", target.name);
                }
                None => why = format!("{}: no answer within {limit:?}", target.name),
            }
        }
        tracing::info!(user = shown(user.as_bytes()), why, "no server could check a password");
        PasswordVerdict::Unknown(why)
    }

    /// Returns the verdict on a password that a server accepted on a unix socket, where it may let in the proxy's own user of
    /// the operating system (`unix_socket`, `auth_socket`) with any password: it is asked about another one.
    async fn right_unless_any_is(&self, target: &Target, login: Login) -> PasswordVerdict {
        let Ok(nonce) = auth::nonce() else { return PasswordVerdict::Wrong };
        let another: String = nonce.iter().map(|byte| format!("{byte:02x}")).collect();
        let another = Login { credential: Secret::new(another).into(), ..login };
        let introduction = Introduction::of_proxy(COLLATION);
        let limit = self.context.live.borrow().timeouts.connect;
        match self.context.pool.connect_outside(target, &another, &introduction, limit).await {
            Some(Err(ConnectError::Refused(error))) if DENIED.contains(&error.code) => PasswordVerdict::Right,
            Some(Ok((connection, _))) => {
                connection.quit().await;
                tracing::warn!(
                    user = shown(another.user.as_bytes()), server = %target.name,
                    "a server lets the proxy's user in the operating system in with any password, so the account cannot be used \
                     through the proxy"
                );
                PasswordVerdict::Wrong
            }
            _ => PasswordVerdict::Unknown(format!("{}: it did not refuse a wrong password", target.name)),
        }
    }
}
