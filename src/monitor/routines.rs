//! The primary's stored routines, read at start, from each new primary, every minute, and when a
//! session has changed one. Who calls a function needs to know whether it only reads.

mod rows;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep_until, timeout};

use super::client::{Connection, Connector, Error, Target};
use super::statement;
use crate::config::Live;
use crate::sql::RoutineCatalogue;
use crate::topology::{Flavor, ServerId, Snapshot};

/// Others change routines, too.
const PERIOD: Duration = Duration::from_secs(60);
/// Migrations change many routines in a row; a read of all of them is not free.
const FLOOR: Duration = Duration::from_secs(1);
/// After a lost connection; what was refused, or is too much, would be so again.
const RETRY: Duration = Duration::from_secs(5);
/// `information_schema.routines` opens every routine; thousands take seconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// The catalogue as of now, and the means to have it read anew. Cheap to clone, for every thread.
#[derive(Debug, Clone)]
pub struct Routines {
    /// Begins with one that knows nothing.
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
            live,
            snapshot,
            again: again.clone(),
            publish,
            told: Told::default(),
        };
        spawn_local(reader.run());
        Routines { current, again }
    }

    /// Reads nothing, knows nothing; for tests of what holds one.
    pub fn none() -> Self {
        Routines { current: watch::channel(Arc::default()).1, again: Arc::default() }
    }

    /// Routines were created, changed or dropped: read them soon. Many calls are one read.
    pub fn changed(&self) {
        self.again.notify_one();
    }
}

struct Reader<C> {
    connector: Rc<C>,
    live: watch::Receiver<Arc<Live>>,
    snapshot: watch::Receiver<Arc<Snapshot>>,
    again: Arc<Notify>,
    publish: watch::Sender<Arc<RoutineCatalogue>>,
    told: Told,
}

/// What the log need not say again.
#[derive(Default)]
struct Told {
    incomplete: bool,
    failed: bool,
}

/// Whose routines: another primary may have others, and so may this one as a new generation.
type Primary = (ServerId, u64);

impl<C: Connector> Reader<C> {
    async fn run(mut self) {
        loop {
            let Some(primary) = self.primary().await else { return };
            let began = Instant::now();
            let pause = match self.read(primary.0).await {
                Ok(()) => PERIOD,
                Err(error) => {
                    self.failed(&error);
                    if matches!(error, Error::Lost(_)) { RETRY } else { PERIOD }
                }
            };
            if !self.wait(primary, began, pause).await {
                return;
            }
        }
    }

    /// Waits until there is a primary; None when nobody wants to know any more.
    async fn primary(&mut self) -> Option<Primary> {
        let found = tokio::select! {
            found = self.snapshot.wait_for(|snapshot| snapshot.writer.is_some()) => found.ok()?,
            () = self.publish.closed() => return None,
        };
        Some((found.writer?, found.generation))
    }

    /// Until the next read is due; false when nobody wants to know any more.
    async fn wait(&mut self, of: Primary, began: Instant, pause: Duration) -> bool {
        let another = self.snapshot.wait_for(|s| s.writer.is_some_and(|writer| (writer, s.generation) != of));
        tokio::select! {
            () = sleep_until(began + pause) => true,
            () = self.again.notified() => {
                sleep_until(began + FLOOR).await;
                true
            }
            changed = another => changed.is_ok(),
            () = self.publish.closed() => false,
        }
    }

    async fn read(&mut self, server: ServerId) -> Result<(), Error> {
        let Some(target) = self.target(server) else { return Ok(()) };
        let reading = async {
            let mut connection = self.connector.connect(&target).await?;
            let flavor = statement::flavor(connection.greeting());
            let read = rows::read(&mut connection, flavor).await?;
            connection.quit().await;
            Ok((flavor, read))
        };
        let timed_out = |_| Error::Lost("no answer in time".to_owned());
        let (flavor, (definitions, complete)) = timeout(PATIENCE, reading).await.map_err(timed_out)??;
        self.told.failed = false;
        if !complete && !std::mem::replace(&mut self.told.incomplete, true) {
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

    fn target(&self, server: ServerId) -> Option<Target> {
        let snapshot = self.snapshot.borrow();
        let monitor = self.live.borrow().monitor.clone();
        Some(Target::at(snapshot.server(server)?, monitor.user, monitor.password))
    }

    /// What was read before stays: whom it misses goes to the primary, and a primary that is down is
    /// the probes' news.
    fn failed(&mut self, error: &Error) {
        if std::mem::replace(&mut self.told.failed, true) {
            tracing::debug!(%error, "the stored routines cannot be read");
        } else {
            tracing::info!(%error, "the stored routines cannot be read; trying again");
        }
    }
}

/// What an administrator has to type.
fn grant(flavor: Flavor, user: &str) -> String {
    match flavor {
        Flavor::MySql => format!("GRANT SHOW_ROUTINE ON *.* TO '{user}'@'%'"),
        Flavor::MariaDb => format!("GRANT SELECT ON mysql.proc TO '{user}'@'%'"),
    }
}

#[cfg(test)]
mod tests;
