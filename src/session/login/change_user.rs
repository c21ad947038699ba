//! COM_CHANGE_USER: another login on the same connection. If it is refused, MySQL ends the connection. MariaDB lets the former
//! account go on, with a session that has only its account and its schema left, and takes three refusals.

use std::rc::Rc;

use super::begin::greeting_facts;
use super::phase::{LoginClaim, payload};
use crate::backend::{DEFAULT_COLLATION, Login};
use crate::client::Failure;
use crate::net::{Buf, Runtime};
use crate::session::Session;
use crate::sql::proxy_variable::CONSISTENCY;
use crate::terms::Close;
use crate::topology::{Flavor, Snapshot};
use crate::wire::{Capabilities, ChangeUser, PacketHeader, kept_attributes};
use crate::worker::Levels;

/// How many refused commands MariaDB takes. It knows the command no more after that.
const MOST_REFUSED: u8 = 3;

/// What a session keeps if the command is refused.
struct Former {
    login: Rc<Login>,
    schema: Option<Rc<[u8]>>,
    attributes: Option<Rc<[u8]>>,
    levels: Levels,
}

impl<R: Runtime> Session<R> {
    /// Executes COM_CHANGE_USER: `buf` begins with the whole command.
    pub(in crate::session) async fn change_user(
        &mut self,
        buf: &mut Buf,
        header: PacketHeader,
    ) -> Result<(), Close> {
        let claim = {
            let payload = payload(buf, header).get(1..).unwrap_or_default();
            ChangeUser::parse(payload, self.client.capabilities).map(|c| LoginClaim {
                user: c.user.to_vec(),
                response: c.auth_response.to_vec(),
                plugin: self
                    .client
                    .capabilities
                    .contains(Capabilities::PLUGIN_AUTH)
                    .then(|| c.auth_plugin.to_vec()),
                schema: c.schema.map(<[u8]>::to_vec),
                collation: c.collation.unwrap_or(self.client.collation),
                attributes: kept_attributes(c.attributes),
                level: c.attribute(CONSISTENCY).map(<[u8]>::to_vec),
            })
        };
        buf.consume(header.total());
        let seq = header.seq.wrapping_add(1);
        if self.client.greeted.refused_changes >= MOST_REFUSED {
            return self.replies().send_failure(seq, &Failure::UnknownCommand).await;
        }
        let Ok(claim) = claim else {
            let failure = Failure::Malformed("COM_CHANGE_USER");
            return Err(self.client.refuse(1, &failure, Close::ClientProtocol).await);
        };
        let former = self.former();
        Box::pin(self.upstream.release(&mut self.state, true, self.client.collation)).await;
        // MariaDB sets all variables to their global values, and does not look at the flags of the login again.
        self.client.forgets_flags = of_mariadb(&self.context.topology.get());
        // Until the new login is done, the session has no account, and `timeouts.login` applies.
        self.client.handle.login.replace(None);
        let done = self.log_in_as(claim, true, buf, seq).await;
        match (done, former) {
            (Err(Close::LoginFailed), Some(former)) => self.go_on_as(former).await,
            (done, _) => done,
        }
    }

    /// Returns what the session goes on with if the command is refused. None: it ends.
    fn former(&self) -> Option<Former> {
        let of_mariadb = of_mariadb(&self.context.topology.get());
        // A connection on which the client itself logged in has become another session by then.
        let login = self.client.login.clone().filter(|login| of_mariadb && !login.is_of_client())?;
        let attributes = self.client.handle.attributes.borrow().clone();
        let levels = self.client.handle.levels.get();
        Some(Former { login, schema: self.state.carried.schema.clone(), attributes, levels })
    }

    /// Lets the former account go on. The client has the error, and finds it in the diagnostics.
    async fn go_on_as(&mut self, former: Former) -> Result<(), Close> {
        let Former { login, schema, attributes, levels } = former;
        self.client.greeted.refused_changes += 1;
        // The new account may have a connection already, on which its schema was refused.
        Box::pin(self.upstream.release(&mut self.state, true, DEFAULT_COLLATION)).await;
        self.login_phase().pass_as(&login.user).map_err(|_| Close::LoginFailed)?;
        self.client.handle.attributes.replace(attributes);
        self.logged_in(login, schema.as_deref(), DEFAULT_COLLATION, levels);
        self.begin_as_servers_do().await;
        if let Some(error) = self.client.greeted.told.take() {
            self.state.answered_itself(*error, None);
        }
        Ok(())
    }
}

fn of_mariadb(snapshot: &Snapshot) -> bool {
    greeting_facts(snapshot).is_some_and(|facts| facts.flavor == Flavor::MariaDb)
}
