//! Reads the primary's stored routines, tables and views: at start, from each new primary, every minute, and when a
//! session has changed one. Routing needs to know whether a function that a statement calls only reads, and the pool
//! whether a statement leaves nothing on its connection.

mod functions;
mod rights;
mod rows;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::spawn_local;
use tokio::time::{Instant, timeout};

use super::client::{Connection, Connector, Error, Target};
use super::primary::PrimarySource;
use super::statement;
use crate::config::Live;
use crate::sql::RoutineCatalogue;
use crate::sql::catalogue::Changes;
use crate::topology::{ServerId, Snapshot};
pub use functions::ask as missing_functions;
use functions::{FunctionAnswers, ask_servers, of_servers};
pub use rights::MissingRight;

/// How often the routines are read: clients that bypass the proxy change routines, too.
const PERIOD: Duration = Duration::from_secs(60);
/// The least time between two reads: migrations change many routines in a row, and reading all of them is not
/// free.
const FLOOR: Duration = Duration::from_secs(1);
/// A server spends at most a tenth of its time on reads: the least time between two of them is this many times as long
/// as one took.
const SHARE: u32 = 10;
/// The pause after a lost connection. Other errors would occur again at once.
const RETRY: Duration = Duration::from_secs(5);
/// The time limit for a read: `information_schema.routines` opens every routine, and thousands take seconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// The current catalogue, and a way to have it read again. Cheap to clone, for every thread.
#[derive(Debug, Clone)]
pub struct Routines {
    /// The catalogue. The first one is empty.
    pub current: watch::Receiver<Arc<RoutineCatalogue>>,
    again: Arc<Notify>,
}

impl Routines {
    /// Starts the task on the current thread, which must be inside a `LocalSet`. It ends when the last
    /// receiver of the catalogue is dropped.
    pub fn start<C: Connector>(
        connector: C,
        live: watch::Receiver<Arc<Live>>,
        snapshot: watch::Receiver<Arc<Snapshot>>,
    ) -> Self {
        let changes = Arc::new(Changes::default());
        let (publish, current) = watch::channel(Arc::new(RoutineCatalogue::with_changes(changes.clone())));
        let again = Arc::new(Notify::new());
        let connector = Rc::new(connector);
        let (answer, answers) = watch::channel(FunctionAnswers::default());
        spawn_local(ask_servers(connector.clone(), live.clone(), snapshot.clone(), answer));
        let reader = RoutineReader {
            connector,
            answers,
            source: PrimarySource { live, snapshot, again: again.clone(), floor: FLOOR },
            changes,
            publish,
            logged: Logged::default(),
        };
        spawn_local(reader.run());
        Routines { current, again }
    }

    /// Returns an empty catalogue that is never read, for tests.
    pub fn none() -> Self {
        Routines { current: watch::channel(Arc::default()).1, again: Arc::default() }
    }

    /// Asks for a read soon, because routines were created, changed or dropped. Many calls cause one read.
    pub fn changed(&self) {
        self.again.notify_one();
    }
}

struct RoutineReader<C> {
    connector: Rc<C>,
    source: PrimarySource,
    /// What the servers say of their built-in functions.
    answers: watch::Receiver<FunctionAnswers>,
    /// Where sessions note that they changed something.
    changes: Arc<Changes>,
    publish: watch::Sender<Arc<RoutineCatalogue>>,
    logged: Logged,
}

/// What has been logged and need not be logged again.
#[derive(Default)]
struct Logged {
    incomplete: bool,
    failed: bool,
}

impl<C: Connector> RoutineReader<C> {
    async fn run(mut self) {
        loop {
            let servers = RoutineServers::of(&self.source, &self.answers);
            let Some(primary) = servers.known_while(&self.publish, self.source.primary(&self.publish)).await
            else {
                return;
            };
            let began = Instant::now();
            let pause = match self.read(primary.0).await {
                Ok(()) => PERIOD,
                Err(error) => {
                    self.failed(&error);
                    if matches!(error, Error::Lost(_)) { RETRY } else { PERIOD }
                }
            };
            let servers = RoutineServers::of(&self.source, &self.answers);
            let wait = self.source.wait(&self.publish, primary, began, pause);
            if !servers.known_while(&self.publish, wait).await {
                return;
            }
        }
    }

    async fn read(&mut self, server: ServerId) -> Result<(), Error> {
        let Some(target) = self.source.target(server) else { return Ok(()) };
        let as_of = self.changes.now();
        let reading = async {
            let mut connection = self.connector.connect(&target).await?;
            let flavor = statement::flavor(connection.greeting());
            let (contents, unseen) = rows::read(&mut connection, flavor).await?;
            connection.quit().await;
            Ok((flavor, contents, unseen))
        };
        let timed_out = |_| Error::Lost("no answer in time".to_owned());
        let began = Instant::now();
        let read = timeout(PATIENCE, reading).await;
        self.source.floor = FLOOR.max(began.elapsed() * SHARE).min(PERIOD);
        let (flavor, mut contents, unseen) = read.map_err(timed_out)??;
        self.logged.failed = false;
        let missing = unseen.missing(flavor, &target.user);
        self.incomplete(&target.name, &missing);
        contents.missing = missing.into_iter().map(|right| (right.grant.into(), right.worth)).collect();
        contents.servers = of_servers(&self.source.snapshot.borrow(), &self.answers.borrow());
        let next = self.publish.borrow().replaced_by(contents, as_of);
        if let Some(next) = next {
            let counts = next.counts();
            tracing::debug!(server = %target.name, ?counts, "the stored routines, tables and views were read");
            self.publish.send_replace(Arc::new(next));
        }
        Ok(())
    }

    /// Logs once which rights the account lacks.
    fn incomplete(&mut self, server: &str, missing: &[MissingRight]) {
        if missing.is_empty() || std::mem::replace(&mut self.logged.incomplete, true) {
            return;
        }
        for MissingRight { grant, worth } in missing {
            tracing::info!(
                server,
                grant,
                "the monitor account may not see everything in the servers' catalogue; \
                with this grant {worth}"
            );
        }
    }

    /// Logs a failed read. The previous catalogue stays: a statement that calls a routine missing there goes
    /// to the primary. That a primary is down is for the probes to report.
    fn failed(&mut self, error: &Error) {
        if std::mem::replace(&mut self.logged.failed, true) {
            tracing::debug!(%error, "the stored routines cannot be read");
        } else {
            tracing::info!(%error, "the stored routines cannot be read; trying again");
        }
    }
}

/// The servers in use, and their answers.
struct RoutineServers {
    snapshot: watch::Receiver<Arc<Snapshot>>,
    answers: watch::Receiver<FunctionAnswers>,
}

impl RoutineServers {
    fn of(source: &PrimarySource, answers: &watch::Receiver<FunctionAnswers>) -> Self {
        RoutineServers { snapshot: source.snapshot.clone(), answers: answers.clone() }
    }

    /// Publishes what the servers in use have built in, at once and after each change, until the future is ready.
    async fn known_while<T>(
        mut self,
        publish: &watch::Sender<Arc<RoutineCatalogue>>,
        until: impl Future<Output = T>,
    ) -> T {
        let mut until = std::pin::pin!(until);
        loop {
            let servers = of_servers(&self.snapshot.borrow_and_update(), &self.answers.borrow_and_update());
            let next = publish.borrow().with_servers(servers);
            if let Some(next) = next {
                publish.send_replace(Arc::new(next));
            }
            let changed = async {
                tokio::select! {
                    changed = self.snapshot.changed() => changed.is_ok(),
                    changed = self.answers.changed() => changed.is_ok(),
                }
            };
            tokio::select! {
                ready = &mut until => return ready,
                changed = changed => if !changed { return until.await },
            }
        }
    }
}

/// Returns the rights that the account lacks on this server to see its routines, tables and views.
///
/// # Errors
/// When the server cannot be asked.
pub async fn missing_rights<C: Connector>(
    connector: &C,
    target: &Target,
) -> Result<Vec<MissingRight>, Error> {
    let asking = async {
        let mut connection = connector.connect(target).await?;
        let flavor = statement::flavor(connection.greeting());
        let (_, unseen) = rows::read(&mut connection, flavor).await?;
        connection.quit().await;
        Ok(unseen.missing(flavor, &target.user))
    };
    timeout(PATIENCE, asking).await.map_err(|_| Error::Lost("no answer in time".to_owned()))?
}

#[cfg(test)]
mod tests;
