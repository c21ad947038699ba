//! Reads the primary's stored routines: at start, from each new primary, every minute, and when a session has
//! changed one. Routing needs to know whether a function that a statement calls only reads.

mod rows;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::spawn_local;
use tokio::time::{Instant, timeout};

use super::client::{Connection, Connector, Error};
use super::primary::Source;
use super::statement;
use crate::config::Live;
use crate::sql::RoutineCatalogue;
use crate::topology::{Flavor, ServerId, Snapshot};

/// How often the routines are read: clients that bypass the proxy change routines, too.
const PERIOD: Duration = Duration::from_secs(60);
/// The least time between two reads: migrations change many routines in a row, and reading all of them is not
/// free.
const FLOOR: Duration = Duration::from_secs(1);
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
        let (publish, current) = watch::channel(Arc::default());
        let again = Arc::new(Notify::new());
        let reader = Reader {
            connector: Rc::new(connector),
            source: Source { live, snapshot, again: again.clone(), floor: FLOOR },
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

struct Reader<C> {
    connector: Rc<C>,
    source: Source,
    publish: watch::Sender<Arc<RoutineCatalogue>>,
    logged: Logged,
}

/// What has been logged and need not be logged again.
#[derive(Default)]
struct Logged {
    incomplete: bool,
    failed: bool,
}

impl<C: Connector> Reader<C> {
    async fn run(mut self) {
        loop {
            let Some(primary) = self.source.primary(&self.publish).await else { return };
            let began = Instant::now();
            let pause = match self.read(primary.0).await {
                Ok(()) => PERIOD,
                Err(error) => {
                    self.failed(&error);
                    if matches!(error, Error::Lost(_)) { RETRY } else { PERIOD }
                }
            };
            if !self.source.wait(&self.publish, primary, began, pause).await {
                return;
            }
        }
    }

    async fn read(&mut self, server: ServerId) -> Result<(), Error> {
        let Some(target) = self.source.target(server) else { return Ok(()) };
        let reading = async {
            let mut connection = self.connector.connect(&target).await?;
            let flavor = statement::flavor(connection.greeting());
            let read = rows::read(&mut connection, flavor).await?;
            connection.quit().await;
            Ok((flavor, read))
        };
        let timed_out = |_| Error::Lost("no answer in time".to_owned());
        let (flavor, (definitions, complete)) = timeout(PATIENCE, reading).await.map_err(timed_out)??;
        self.logged.failed = false;
        if !complete && !std::mem::replace(&mut self.logged.incomplete, true) {
            let grant = grant(flavor, &target.user);
            tracing::info!(server = %target.name, grant, "the monitor account may not see all stored routines: \
                statements that call those go to the primary");
        }
        let next = self.publish.borrow().replaced_by(definitions, complete);
        if let Some(next) = next {
            let (routines, reading) = next.counts();
            tracing::debug!(server = %target.name, routines, reading, complete, "the stored routines were read");
            self.publish.send_replace(Arc::new(next));
        }
        Ok(())
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

/// Returns the statement that grants the missing privilege.
fn grant(flavor: Flavor, user: &str) -> String {
    match flavor {
        Flavor::MySql => format!("GRANT SHOW_ROUTINE ON *.* TO '{user}'@'%'"),
        Flavor::MariaDb => format!("GRANT SELECT ON mysql.proc TO '{user}'@'%'"),
    }
}

#[cfg(test)]
mod tests;
