//! Finds the configured accounts that are exempt from `read_only` by their own grants. Asks the primary at
//! start, each new primary, when the accounts change, and every ten minutes. An exempt account can write to a
//! demoted primary without an error, so an operator who switches the primary cannot stop its writes with
//! `read_only`.
//!
//! Runs only if another server can become the primary. Each account logs in itself: the monitor account need
//! not see other accounts' grants, and a wrong password is reported before a client meets it.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep, timeout};

use super::client::{Connection, Connector, Error, Target};
use super::primary::{PrimaryTerm, wait_for_another, wait_for_primary};
use super::statement;
use crate::backend::passes_read_only;
use crate::config::{Live, Secret};
use crate::topology::{ServerId, Snapshot};

/// How long an answer is valid: grants change seldom.
const PERIOD: Duration = Duration::from_secs(600);
/// A login that the server refused is not repeated for this long: servers can lock accounts after failed
/// logins (`FAILED_LOGIN_ATTEMPTS`, `max_password_errors`).
const REFUSED: Duration = Duration::from_secs(3600);
/// The pause after a lost connection.
const RETRY: Duration = Duration::from_secs(5);
/// The time limit for one account.
const PATIENCE: Duration = Duration::from_secs(10);

/// The names of the accounts that are exempt from `read_only`.
pub type PassingAccounts = Arc<BTreeSet<Arc<str>>>;

/// Starts the task on the current thread, which must be inside a `LocalSet`. It ends when the last receiver is dropped.
pub fn passing_accounts<C: Connector>(
    connector: C,
    live: watch::Receiver<Arc<Live>>,
    snapshot: watch::Receiver<Arc<Snapshot>>,
) -> watch::Receiver<PassingAccounts> {
    let (publish, current) = watch::channel(PassingAccounts::default());
    let asker =
        AccountAsker { connector: Rc::new(connector), live, snapshot, publish, answers: HashMap::new() };
    spawn_local(asker.run());
    current
}

/// Logs in as the account and returns whether its grants exempt it from `read_only`.
pub async fn passes<C: Connector>(connector: &C, target: &Target) -> Result<bool, Error> {
    let asking = async {
        let mut connection = connector.connect(target).await?;
        let flavor = statement::flavor(connection.greeting());
        let version = connection.greeting().version.clone();
        let ask = async |sql: String| first_column(&mut connection, &sql).await;
        let passes = passes_read_only(flavor, &version, ask).await?;
        connection.quit().await;
        Ok(passes)
    };
    timeout(PATIENCE, asking).await.unwrap_or_else(|_| Err(Error::Lost("no answer in time".to_owned())))
}

async fn first_column<C: Connection>(connection: &mut C, sql: &str) -> Result<Vec<Vec<u8>>, Error> {
    let sets = connection.query(sql).await?;
    let rows = sets.into_iter().next().map(|set| set.rows).unwrap_or_default();
    Ok(rows.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect())
}

/// The result for one account.
struct AccountAnswer {
    /// None: its login was refused.
    passes: Option<bool>,
    /// The password that was used.
    password: Secret,
    /// The primary that was asked.
    primary: PrimaryTerm,
    at: Instant,
}

impl AccountAnswer {
    fn still_counts(&self, password: &Secret, primary: PrimaryTerm) -> bool {
        let lasts = if self.passes.is_some() { PERIOD } else { REFUSED };
        self.password == *password && self.primary == primary && self.at.elapsed() < lasts
    }
}

struct AccountAsker<C> {
    connector: Rc<C>,
    live: watch::Receiver<Arc<Live>>,
    snapshot: watch::Receiver<Arc<Snapshot>>,
    publish: watch::Sender<PassingAccounts>,
    answers: HashMap<Arc<str>, AccountAnswer>,
}

impl<C: Connector> AccountAsker<C> {
    async fn run(mut self) {
        loop {
            let Some(primary) = self.primary().await else { return };
            let live = self.live.borrow_and_update().clone();
            self.answers.retain(|user, _| live.users.contains_key(user));
            let answered = self.ask_all(&live, primary).await;
            self.publish_exempt();
            let pause = if answered.is_ok() { PERIOD } else { RETRY };
            if !self.wait(primary, &live, pause).await {
                return;
            }
        }
    }

    /// Waits until there is a primary and another server that could replace it. Returns None when the last
    /// receiver is gone.
    async fn primary(&mut self) -> Option<PrimaryTerm> {
        wait_for_primary(&mut self.snapshot, &self.publish, |snapshot| snapshot.servers.len() > 1).await
    }

    /// Asks about all accounts whose answer is missing or too old. An error ends the round: the server is
    /// unreachable.
    async fn ask_all(&mut self, live: &Live, primary: PrimaryTerm) -> Result<(), Error> {
        // Of a user without a password only the servers know it.
        let mut users: Vec<_> =
            live.users.values().filter_map(|user| Some((user, user.password.as_ref()?))).collect();
        users.sort_by(|(one, _), (other, _)| one.name.cmp(&other.name));
        for (user, password) in users {
            let known = self.answers.get(&user.name);
            if known.is_some_and(|answer| answer.still_counts(password, primary)) {
                continue;
            }
            let Some(target) = self.target(primary.0, &user.name, password) else { return Ok(()) };
            let passes = match passes(&*self.connector, &target).await {
                Ok(passes) => Some(passes),
                Err(error @ Error::Lost(_)) => return Err(error),
                Err(error) => {
                    tracing::warn!(user = %user.name, server = %target.name, %error,
                        "a user of the configuration cannot log in to the primary");
                    None
                }
            };
            let (password, at) = (password.clone(), Instant::now());
            self.answers.insert(user.name.clone(), AccountAnswer { passes, password, primary, at });
        }
        Ok(())
    }

    fn target(&self, server: ServerId, user: &Arc<str>, password: &Secret) -> Option<Target> {
        let snapshot = self.snapshot.borrow();
        Some(Target::at(snapshot.server(server)?, user.clone(), password.clone()))
    }

    /// Publishes the exempt accounts, and logs changes.
    fn publish_exempt(&self) {
        let passing = self.answers.iter().filter(|(_, answer)| answer.passes == Some(true));
        let passing: BTreeSet<_> = passing.map(|(user, _)| user.clone()).collect();
        if **self.publish.borrow() == passing {
            return;
        }
        if passing.is_empty() {
            tracing::info!("no user of the configuration passes read_only any more");
        } else {
            let users = passing.iter().map(|user| &**user).collect::<Vec<_>>().join(", ");
            tracing::warn!(users, "{PASSES}");
        }
        self.publish.send_replace(Arc::new(passing));
    }

    /// Waits until the accounts must be asked again. Returns false when the last receiver is gone.
    async fn wait(&mut self, of: PrimaryTerm, settings: &Live, pause: Duration) -> bool {
        let accounts_change = async {
            loop {
                self.live.changed().await?;
                let now = self.live.borrow_and_update();
                let same = |(name, user): (&Arc<str>, &crate::config::User)| {
                    settings.users.get(name).is_some_and(|before| before.password == user.password)
                };
                if now.users.len() != settings.users.len() || !now.users.iter().all(same) {
                    return Ok::<(), watch::error::RecvError>(());
                }
            }
        };
        tokio::select! {
            () = sleep(pause) => true,
            changed = wait_for_another(&mut self.snapshot, of) => changed.is_ok(),
            changed = accounts_change => changed.is_ok(),
            () = self.publish.closed() => false,
        }
    }
}

/// The warning about exempt accounts, for the log and for `check`.
pub const PASSES: &str = "these users pass read_only (by SUPER, READ ONLY ADMIN or CONNECTION_ADMIN): at a planned change of \
the primary nothing but this proxy keeps their writes from the former one; give applications accounts without these \
privileges";

#[cfg(test)]
mod tests;
