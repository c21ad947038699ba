//! Reads the account tables of the primary every few seconds, and at once when a login failed, so that clients log in with
//! the passwords that the servers have. Runs if `credentials.sources` names the tables.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::spawn_local;
use tokio::time::{Instant, timeout};

use super::client::{Connection, Connector, Error, ResultSet, Target};
use super::primary::{PrimarySource, PrimaryTerm};
use super::statement;
use crate::backend::accounts::{AccountReading, AccountRows, AccountTable, Accounts};
use crate::config::{CredentialSource, Live};
use crate::topology::{Flavor, Snapshot};

/// How often the tables are read: for this long a former password may still work.
const PERIOD: Duration = Duration::from_secs(2);
/// The least time between two reads: clients with wrong passwords must not make the primary read its tables all the time.
const FLOOR: Duration = Duration::from_secs(1);
/// The pause after the primary refused to let the tables be read: somebody may grant the privilege.
const REFUSED: Duration = Duration::from_secs(30);
/// The time limit for a read.
const PATIENCE: Duration = Duration::from_secs(5);

/// The accounts, and a way to have them read again. Cheap to clone, for every thread.
#[derive(Debug, Clone)]
pub struct AccountTables {
    /// The last reading.
    pub current: watch::Receiver<AccountReading>,
    again: Arc<Notify>,
}

impl AccountTables {
    /// Starts the task on the current thread, which must be inside a `LocalSet`. It ends when the last receiver is dropped.
    pub fn start<C: Connector>(
        connector: C,
        live: watch::Receiver<Arc<Live>>,
        snapshot: watch::Receiver<Arc<Snapshot>>,
    ) -> Self {
        let (publish, current) = watch::channel(AccountReading::default());
        let again = Arc::new(Notify::new());
        let reader = AccountReader {
            connector: Rc::new(connector),
            source: PrimarySource { live, snapshot, again: again.clone(), floor: FLOOR },
            publish,
            connection: None,
            admins_refused: None,
            logged: false,
        };
        spawn_local(reader.run());
        AccountTables { current, again }
    }

    /// Asks for a read soon, because a login failed. Many calls cause one read.
    pub fn doubted(&self) {
        self.again.notify_one();
    }
}

/// Logs in and reads the tables. Returns the statement that grants the privilege if it is missing.
pub async fn missing_grant<C: Connector>(connector: &C, target: &Target) -> Option<String> {
    let reading = async {
        let mut connection = connector.connect(target).await.ok()?;
        let flavor = statement::flavor(connection.greeting());
        let read = connection.query(AccountRows::sql(flavor)).await;
        connection.quit().await;
        matches!(read, Err(Error::Server { .. })).then(|| AccountRows::grant(flavor, &target.user))
    };
    timeout(PATIENCE, reading).await.ok().flatten()
}

struct AccountReader<C: Connector> {
    connector: Rc<C>,
    source: PrimarySource,
    publish: watch::Sender<AccountReading>,
    /// The connection that stays open between two reads. Another primary, or another monitor account, needs another
    /// connection.
    connection: Option<(PrimaryTerm, Target, C::Connection)>,
    /// When the server last refused to say which accounts have CONNECTION_ADMIN.
    admins_refused: Option<Instant>,
    /// True if the last failure was logged.
    logged: bool,
}

impl<C: Connector> AccountReader<C> {
    async fn run(mut self) {
        loop {
            let wanted = self.source.live.wait_for(|live| live.credentials.has(CredentialSource::Accounts));
            let ended = tokio::select! {
                wanted = wanted => wanted.is_err(),
                () = self.publish.closed() => true,
            };
            if ended {
                return;
            }
            let Some(primary) = self.source.primary(&self.publish).await else { return };
            let began = Instant::now();
            self.publish.borrow().begun.fetch_add(1, SeqCst);
            let pause = match self.read(primary).await {
                Ok(Some(table)) => {
                    self.logged = false;
                    self.publish(Accounts::Known(table));
                    PERIOD
                }
                Ok(None) => {
                    self.publish.send_modify(AccountReading::end);
                    PERIOD
                }
                Err((error, flavor)) => {
                    self.connection = None;
                    self.failed(primary, error, flavor)
                }
            };
            if !self.source.wait(&self.publish, primary, began, pause).await {
                return;
            }
        }
    }

    /// Returns None if the primary is gone.
    async fn read(&mut self, primary: PrimaryTerm) -> Result<Option<AccountTable>, (Error, Option<Flavor>)> {
        let Some(target) = self.source.target(primary.0) else { return Ok(None) };
        let kept = self.connection.take().filter(|(of, at, _)| *of == primary && *at == target);
        let (mut flavor, mut admins_refused) = (None, None);
        let asks_admins = self.admins_refused.is_none_or(|at| at.elapsed() >= REFUSED);
        let reading = async {
            let mut connection = match kept {
                Some((_, _, connection)) => connection,
                None => self.connector.connect(&target).await?,
            };
            let of = statement::flavor(connection.greeting());
            flavor = Some(of);
            let sets = connection.query(AccountRows::sql(of)).await?;
            let rows = |at: usize| sets.get(at).map(|set: &ResultSet| &*set.rows).unwrap_or_default();
            let table = AccountRows::read(of, rows(0), rows(1));
            let mut table = table.map_err(|error| Error::Protocol(error.to_string()))?;
            if let Some(sql) = AccountRows::admins_sql(of).filter(|_| asks_admins) {
                match connection.query(sql).await {
                    Ok(sets) => table.add_admins(sets.first().map(|set| &*set.rows).unwrap_or_default()),
                    Err(error @ Error::Lost(_)) => return Err(error),
                    // Only a warning depends on it.
                    Err(_) => admins_refused = Some(Instant::now()),
                }
            }
            Ok((connection, table))
        };
        let timed_out = |_| Error::Lost("no answer in time".to_owned());
        let read = timeout(PATIENCE, reading).await.map_err(timed_out).flatten();
        self.admins_refused = admins_refused.or(self.admins_refused.filter(|_| !asks_admins));
        let (connection, table) = read.map_err(|error| (error, flavor))?;
        self.connection = Some((primary, target, connection));
        Ok(Some(table))
    }

    fn publish(&self, accounts: Accounts) {
        self.publish.send_modify(|reading| {
            reading.end();
            if *reading.accounts != accounts {
                tracing::debug!(?accounts, "the account tables were read");
                reading.accounts = Arc::new(accounts);
            }
        });
    }

    /// Logs a failed read, and returns the pause. The last reading still counts while the primary does not answer, which the
    /// probes report. If the monitor account may not read the tables, no reading counts any more.
    fn failed(&mut self, primary: PrimaryTerm, error: Error, flavor: Option<Flavor>) -> Duration {
        let lost = matches!(error, Error::Lost(_));
        if lost {
            self.publish.send_modify(AccountReading::end);
        } else {
            self.publish(Accounts::Unknown);
        }
        let log = !lost && !std::mem::replace(&mut self.logged, true);
        if log {
            let user = self.source.live.borrow().monitor.user.clone();
            let server = self.source.snapshot.borrow().server(primary.0).map(|server| server.name.clone());
            let grant = flavor.map(|flavor| AccountRows::grant(flavor, &user)).unwrap_or_default();
            tracing::info!(server = server.as_deref().unwrap_or("?"), %error, grant,
                "the monitor account may not read the account tables: only users of the configuration, and those whose \
                 password a server has checked, can log in");
        }
        if lost { PERIOD } else { REFUSED }
    }
}

#[cfg(test)]
mod tests;
