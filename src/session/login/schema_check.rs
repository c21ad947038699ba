//! The check of a login's schema on a server: "Unknown database" and "Access denied" must be the answers to the login. What a
//! server said of a schema is true only for the moment at which it said so, and anybody may create and drop schemas, grant
//! and revoke, past the proxy. So nothing is remembered: each login gets an answer to a question that was sent after the login
//! had arrived. Logins that wait at the same time share one question, so that a crowd needs no crowd of connections.

use super::begin::SCHEMA_PATIENCE;
use crate::backend::ServerError;
use crate::client::{Failure, StatementError};
use crate::net::Runtime;
use crate::session::Session;
use crate::session::fresh::Freshness;
use crate::terms::{Port, Role};
use crate::worker::WaitingForSchema;

impl<R: Runtime> Session<R> {
    /// Fails, as a server would, if the schema of a login does not exist or is not permitted for the account. If no server
    /// can be asked in time, the statements that need the schema fail instead.
    pub(super) async fn check_schema(&mut self, schema: Vec<u8>) -> Result<(), Failure> {
        let Some(user) = self.client.login.as_ref().map(|login| login.user.clone()) else { return Ok(()) };
        let role = if self.client.port == Port::Replica { Role::Replica } else { Role::Primary };
        let context = self.context.clone();
        let checking = async {
            // The server may know the account by the client's address.
            if context.announced(&self.client.handle).is_some() {
                return self.ask_about_schema(role, || {}).await.unwrap_or(Ok(()));
            }
            let waiting = context.schema_checks.wait(user, schema.into(), role);
            self.share_answer(&waiting, role).await
        };
        let checked = context.runtime.timeout(SCHEMA_PATIENCE, checking).await;
        self.upstream.release_after_statement(&mut self.state);
        checked.unwrap_or(Ok(())).map_err(Failure::Server)
    }

    /// Waits for the answer to a question that was sent after this call, and asks if no other login does.
    async fn share_answer(&mut self, waiting: &WaitingForSchema<'_>, role: Role) -> Result<(), ServerError> {
        loop {
            if let Some(answer) = waiting.answer() {
                return answer;
            }
            if !waiting.begins_to_ask() {
                waiting.changed().await;
                continue;
            }
            // An account, a limit or a server that is lost: the first statement meets the same.
            let Some(answer) = self.ask_about_schema(role, || waiting.sends()).await else { return Ok(()) };
            waiting.has_answer(answer);
        }
    }

    /// Lets a server select the schema. Calls `sends` when the question is about to be sent. None: no server answered.
    async fn ask_about_schema(
        &mut self,
        role: Role,
        sends: impl FnOnce(),
    ) -> Option<Result<(), ServerError>> {
        let asked = match self.attach(role, &Freshness::Unasked).await {
            Ok(()) => {
                sends();
                self.restore_here(true).await
            }
            Err(stop) => Err(stop),
        };
        match asked {
            Ok(()) => Some(Ok(())),
            Err(StatementError::Tell(Failure::Server(error))) => Some(Err(error)),
            Err(_) => None,
        }
    }
}
