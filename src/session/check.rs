//! The check of a client's password by a server: the client waits for its turn first.

use super::Session;
use super::identity::{Denial, Verdict};
use crate::config::Secret;
use crate::net::{Runtime, Stream, first_of, or_raised};
use crate::terms::Refused;
use crate::worker::Signals;

impl<R: Runtime> Session<R> {
    /// Returns what the servers say of a password. The wait for a turn ends with `timeouts.login`, and if the client leaves;
    /// the caller ends it for KILL and drains.
    ///
    /// Neither ends a check that has begun: the check itself ends within `timeouts.login`. A client that leaves must still be
    /// counted if its password was wrong, and a server counts logins that were broken off (`max_connect_errors`), after which
    /// it would refuse the whole proxy.
    pub(super) async fn verdict(&mut self, user: &str, password: &Secret) -> Result<Verdict, Denial> {
        let handle = self.client.handle.clone();
        let checks = &self.context.identities.checks;
        let turn = first_of(checks.place(handle.peer.get().origin()), self.client.stream.peer_closed());
        let place = match or_raised(&handle.signal, Signals::LOGIN, turn).await {
            Ok(Some(place)) => place,
            Ok(None) => return Err((Refused::Aborted, None)),
            Err(_) => {
                let why = "servers had too many other passwords to check within timeouts.login";
                return Ok(Verdict::Unknown(why.to_owned()));
            }
        };
        let limit = self.context.live.borrow().timeouts.login;
        let verdict = self.context.runtime.timeout(limit, self.ask_servers(user, password)).await;
        drop(place);
        let late = || Verdict::Unknown(format!("no server answered within timeouts.login ({limit:?})"));
        Ok(verdict.unwrap_or_else(late))
    }
}
