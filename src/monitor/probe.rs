//! One server's probes: a task that connects, asks, waits, and reports each outcome.
//!
//! A probe without an answer within `interval`, or on a long line within two round trips, counts as missed. The next
//! one is not sent behind it: its answer still counts when it comes late; after three missed the connection is dropped.

use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::client::{Connection, Connector, Encryption, Error, Target};
use super::statement::{self, Wsrep};
use crate::config;
use crate::topology::{Event, MISSED_UNTIL_DOWN, ProbeOutcome, ServerId};

/// Kicks start at most one probe in this time.
const KICK_FLOOR: Duration = Duration::from_millis(5);
/// Without a writer probes come at least this often, so that a promotion is seen soon.
const URGENT_INTERVAL: Duration = Duration::from_millis(20);
/// A server that answers with errors (a bad password) is asked this seldom after three of them.
const REFUSED_PAUSE: Duration = Duration::from_secs(1);
/// A connect to a server that is down is given this long, doubled each time: a frozen server
/// answers it when it wakes, and it must not find hundreds of abandoned ones, for which MySQL
/// would block this host (`max_connect_errors`).
const CONNECT_PATIENCE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(4));
/// A login has at least three round trips: TCP's, the greeting with its response, and what follows.
const LOGIN_TRIPS: u32 = 3;
/// However long a login took, a round trip is taken to be no longer than this.
const LONGEST_TRIP: Duration = Duration::from_secs(1);
/// Privileges bind new connections only, so without them the connection is renewed this often.
const PRIVILEGE_RETRY: Duration = Duration::from_secs(60);

/// What all probes obey; changes take effect at once.
#[derive(Debug, Clone, PartialEq)]
pub struct Orders {
    /// `[monitor]`
    pub monitor: config::Monitor,
    /// There is no writer: probe faster.
    pub urgent: bool,
}

impl Orders {
    fn period(&self) -> Duration {
        let interval = self.monitor.interval;
        if self.urgent { interval.min(URGENT_INTERVAL) } else { interval }
    }
}

/// The task's state.
pub struct Prober<C: Connector> {
    /// Whose probes these are.
    server: ServerId,
    target: Target,
    connector: Rc<C>,
    orders: watch::Receiver<Orders>,
    kick: Arc<Notify>,
    events: mpsc::Sender<Event>,
    /// When the last probe or attempt to connect began; the next is due a period later.
    started: Instant,
    /// Consecutive answers that were errors.
    refused: u32,
    /// The connection in use may not see replication: since when.
    degraded: Option<Instant>,
    /// The connection before this one was lost after one answer.
    fleeting: bool,
    /// The missing privilege was logged already.
    told: bool,
    /// That connections are not encrypted was logged already.
    told_plain: bool,
}

/// The reducer's side is gone: the task ends.
struct Over;

/// Why a connection's time ended.
enum End {
    /// Lost after it had answered: that alone proves nothing, so reconnect.
    Lost(Error),
    /// Three probes without an answer; reported.
    Silent,
    /// It answered with errors, reported: try anew when the next probe is due.
    Errors,
}

/// What the wait between two probes ended with.
enum Next {
    Probe,
    Closed,
    Renew,
}

impl<C: Connector> Prober<C> {
    /// `run` does the work.
    pub fn new(
        server: ServerId,
        (name, address, tls_names): (Arc<str>, Arc<str>, Arc<[Arc<str>]>),
        connector: Rc<C>,
        orders: watch::Receiver<Orders>,
        kick: Arc<Notify>,
        events: mpsc::Sender<Event>,
    ) -> Self {
        let monitor = orders.borrow().monitor.clone();
        let target = Target { name, address, tls_names, user: monitor.user, password: monitor.password };
        let started = Instant::now();
        Prober {
            server,
            target,
            connector,
            orders,
            kick,
            events,
            started,
            refused: 0,
            degraded: None,
            fleeting: false,
            told: false,
            told_plain: false,
        }
    }

    /// Probes until the events' receiver is gone.
    pub async fn run(mut self) {
        while self.rounds().await.is_ok() {}
    }

    /// From one failure to connect to the next.
    async fn rounds(&mut self) -> Result<(), Over> {
        let mut patience = CONNECT_PATIENCE.0;
        let mut lost: Option<Error> = None;
        loop {
            self.started = Instant::now();
            self.adopt_credentials();
            self.degraded = None;
            let connector = self.connector.clone();
            let target = self.target.clone();
            let missed = self.interval();
            let connecting = connector.connect(&target);
            let connection = match self.watch(connecting, missed, patience, lost.take()).await? {
                None => {
                    patience = (patience * 2).min(CONNECT_PATIENCE.1);
                    continue;
                }
                Some(Err(error)) => {
                    self.failed(&error).await?;
                    return self.pause().await;
                }
                Some(Ok(connection)) => connection,
            };
            patience = CONNECT_PATIENCE.0;
            match self.serve(connection).await? {
                End::Lost(error) => {
                    lost = Some(error);
                }
                End::Silent => {}
                End::Errors => return self.pause().await,
            }
        }
    }

    /// Probes on one connection until it ends.
    async fn serve(&mut self, mut connection: C::Connection) -> Result<End, Over> {
        let mut answers: u32 = 0;
        // The quickest answer, or as long as none came a part of the login.
        let mut trip = (self.started.elapsed() / LOGIN_TRIPS).min(LONGEST_TRIP);
        self.tell_of_encryption(connection.greeting().encryption);
        let mut wsrep = Wsrep::Unknown;
        loop {
            self.started = Instant::now();
            let flavor = statement::flavor(connection.greeting());
            let sql = statement::text(flavor, self.degraded.is_none(), wsrep);
            let missed = self.interval().max(trip * 2);
            // At least three, also when the interval is reloaded meanwhile.
            let patience = missed * MISSED_UNTIL_DOWN;
            match self.watch(connection.query(&sql), missed, patience, None).await? {
                None => return Ok(End::Silent),
                Some(Ok(sets)) => {
                    let took = self.started.elapsed();
                    trip = if answers == 0 { took } else { trip.min(took) };
                    let asked = wsrep;
                    wsrep = Wsrep::of(asked, &sets);
                    if (asked, wsrep) == (Wsrep::Unknown, Wsrep::Node) {
                        // Without its place in the cluster the server would be taken for one that stands alone.
                        continue;
                    }
                    match statement::outcome(connection.greeting(), &sets, self.started.elapsed()) {
                        Ok(outcome) => {
                            answers = answers.saturating_add(1);
                            self.refused = 0;
                            self.report(outcome).await?;
                        }
                        Err(error) => {
                            self.failed(&error).await?;
                            return Ok(End::Errors);
                        }
                    }
                }
                Some(Err(error)) if statement::is_missing_privilege(&error) && self.degraded.is_none() => {
                    self.degrade(&error, &statement::grant(flavor, &self.target.user));
                    continue;
                }
                Some(Err(error)) if answers > 0 && statement::is_goodbye(&error) => {
                    return Ok(self.lost(error, answers).await);
                }
                Some(Err(error)) => {
                    self.failed(&error).await?;
                    return Ok(End::Errors);
                }
            }
            match self.wait(&mut connection).await {
                Next::Probe => {}
                Next::Closed => {
                    let error = Error::Lost("the server closed the connection".to_owned());
                    return Ok(self.lost(error, answers).await);
                }
                Next::Renew => self.renew(&mut connection).await,
            }
        }
    }

    /// Reconnect at once, but not in a storm to a server that ends one connection after the other after an answer.
    async fn lost(&mut self, error: Error, answers: u32) -> End {
        let again = std::mem::replace(&mut self.fleeting, answers <= 1);
        let pause = if again && self.fleeting { self.interval() } else { KICK_FLOOR };
        sleep_until(self.started + pause).await;
        End::Lost(error)
    }

    /// Waits for `work` and reports a missed probe each time that `after` goes by without its end; None when
    /// `patience` is over. After a loss (`lost`) the first one is proof enough.
    async fn watch<T>(
        &mut self,
        work: impl Future<Output = Result<T, Error>>,
        after: Duration,
        patience: Duration,
        mut lost: Option<Error>,
    ) -> Result<Option<Result<T, Error>>, Over> {
        let mut work = pin!(work);
        let mut missed = 0;
        loop {
            if let Ok(result) = timeout(after, &mut work).await {
                return Ok(Some(result));
            }
            missed += 1;
            let outcome = match lost.take() {
                Some(error) => ProbeOutcome::Unreachable(format!("{error}; no answer to a new one").into()),
                None => ProbeOutcome::Timeout,
            };
            self.report(outcome).await?;
            if missed >= MISSED_UNTIL_DOWN && self.started.elapsed() >= patience {
                return Ok(None);
            }
        }
    }

    /// Until the next probe is due, by time or by a kick.
    async fn wait(&mut self, connection: &mut C::Connection) -> Next {
        loop {
            if self.credentials_changed() || self.degraded.is_some_and(|at| at.elapsed() >= PRIVILEGE_RETRY) {
                return Next::Renew;
            }
            let due = self.started + self.orders.borrow().period();
            tokio::select! {
                () = sleep_until(due) => return Next::Probe,
                () = self.kick.notified() => {
                    sleep_until(self.started + KICK_FLOOR).await;
                    return Next::Probe;
                }
                () = connection.closed() => return Next::Closed,
                Ok(()) = self.orders.changed() => {}
            }
        }
    }

    /// Until the next attempt to connect is due. New credentials are tried at once.
    async fn pause(&mut self) -> Result<(), Over> {
        loop {
            let mut period = self.orders.borrow().period();
            if self.refused >= MISSED_UNTIL_DOWN {
                period = self.interval().max(REFUSED_PAUSE);
            } else if self.refused > 0 {
                period = self.interval();
            }
            tokio::select! {
                () = sleep_until(self.started + period) => return Ok(()),
                () = self.kick.notified() => {
                    sleep_until(self.started + KICK_FLOOR).await;
                    return Ok(());
                }
                () = self.events.closed() => return Err(Over),
                Ok(()) = self.orders.changed() => if self.credentials_changed() { return Ok(()) },
            }
        }
    }

    /// A new login beside the old connection, which is only given up for one that works: a wrong
    /// password in a reloaded file must not make a running cluster look dead.
    async fn renew(&mut self, connection: &mut C::Connection) {
        let changed = self.credentials_changed();
        self.adopt_credentials();
        let limit = self.interval() * MISSED_UNTIL_DOWN;
        let failure = match timeout(limit, self.connector.connect(&self.target)).await {
            Ok(Ok(fresh)) => {
                *connection = fresh;
                self.degraded = None;
                return;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer in time".to_owned(),
        };
        if self.degraded.is_some() {
            self.degraded = Some(Instant::now());
        }
        if changed {
            tracing::warn!(server = %self.target.name, error = failure,
                "the new monitor account does not work; probes go on with the old connection");
        }
    }

    fn degrade(&mut self, error: &Error, grant: &str) {
        self.degraded = Some(Instant::now());
        if !self.told {
            self.told = true;
            tracing::warn!(server = %self.target.name, %error, grant,
                "the monitor account may not see replication: it counts as unknown");
        }
    }

    fn tell_of_encryption(&mut self, encryption: Encryption) {
        let plain = encryption == Encryption::NotOffered;
        if plain && !self.told_plain {
            tracing::info!(server = %self.target.name,
                "connections to this server are not encrypted: it offers no TLS, or none that works");
        }
        self.told_plain = plain;
    }

    async fn failed(&mut self, error: &Error) -> Result<(), Over> {
        let text: Arc<str> = error.to_string().into();
        let outcome = if statement::is_goodbye(error) {
            self.refused = 0;
            ProbeOutcome::Unreachable(text)
        } else {
            self.refused = self.refused.saturating_add(1);
            ProbeOutcome::Refused(text)
        };
        self.report(outcome).await
    }

    async fn report(&self, outcome: ProbeOutcome) -> Result<(), Over> {
        self.events.send(Event::Probe { server: self.server, outcome }).await.map_err(|_| Over)
    }

    fn interval(&self) -> Duration {
        self.orders.borrow().monitor.interval
    }

    fn credentials_changed(&self) -> bool {
        let orders = self.orders.borrow();
        orders.monitor.user != self.target.user || orders.monitor.password != self.target.password
    }

    fn adopt_credentials(&mut self) {
        let monitor = self.orders.borrow_and_update().monitor.clone();
        self.target.user = monitor.user;
        self.target.password = monitor.password;
    }
}
