//! Statements on replica ports that name a relation or a function into which the catalogue cannot see. An ordinary account may
//! run them, since reports live on views: `read_only` binds it. An account that may change a read-only server must not.

use std::time::Duration;

use tokio::time::Instant;

use super::Session;
use crate::backend::{QueryError, may_change_servers};
use crate::client::{Failure, StatementError};
use crate::net::Runtime;
use crate::sql::read_only::Reason;
use crate::upstream::Brought;

/// How long an account's privileges are believed: an administrator may grant more.
const BELIEVED: Duration = Duration::from_secs(60);

/// The most accounts that are remembered.
const MOST_ACCOUNTS: usize = 1_000;

impl<R: Runtime> Session<R> {
    /// Refuses the statement if the session's account may change a read-only server. Asks the server of the connection in use,
    /// at most once a minute for each account.
    pub(super) async fn may_run_opaque(&mut self) -> Result<Brought, StatementError> {
        let Some(user) = self.client.login.as_ref().map(|login| login.user.clone()) else {
            return Ok(Brought::Ready);
        };
        let known = self.context.powers.borrow().get(&user).copied();
        let known = known.filter(|(_, asked)| asked.elapsed() < BELIEVED).map(|(powerful, _)| powerful);
        let powerful = match known {
            Some(powerful) => powerful,
            None => {
                let Some(powerful) = self.ask_powers().await else { return Ok(Brought::Broken) };
                let mut powers = self.context.powers.borrow_mut();
                if powers.len() >= MOST_ACCOUNTS {
                    powers.clear();
                }
                powers.insert(user, (powerful, Instant::now()));
                powerful
            }
        };
        match powerful {
            true => Err(StatementError::Tell(Failure::ReadOnlyPort(Reason::OpaqueName.into()))),
            false => Ok(Brought::Ready),
        }
    }

    /// Asks the server for the privileges of the connection's account. None: the connection broke. An account whose
    /// privileges the server does not show may have any.
    async fn ask_powers(&mut self) -> Option<bool> {
        let limit = self.context.live().timeouts.connect;
        let connection = self.upstream.connection.as_mut()?;
        let flavor = connection.about.flavor;
        let asking = async {
            connection.settle().await.ok()?;
            let answer = may_change_servers(flavor, async |sql: String| {
                let sets = connection.query(&sql).await?;
                let rows = sets.into_iter().next().map(|set| set.rows).unwrap_or_default();
                Ok(rows.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect())
            });
            match answer.await {
                Ok(powerful) => Some(powerful),
                Err(QueryError::Refused(_)) => Some(true),
                Err(_) => None,
            }
        };
        self.context.runtime.timeout(limit, asking).await.flatten()
    }
}
