//! One server's probes: a task that connects, queries, waits, and reports each outcome.
//!
//! A probe counts as missed if it gets no answer within `interval`, or within two round trips if those take
//! longer. No second probe is sent meanwhile, since a late answer still counts. After three missed probes the
//! connection is dropped.

use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::client::{Closed, Connection, Connector, Encryption, Error, Greeting, Target};
use super::kick::ProbePermit;
use super::own_log::{self, OwnLog};
use super::statement::{self, Earlier, Wsrep};
use crate::config;
use crate::topology::{Event, Facts, MISSED_UNTIL_DOWN, Occupied, ProbeOutcome, ServerId};

/// Kicks start at most one probe in this period.
const KICK_FLOOR: Duration = Duration::from_millis(5);
/// Probes connect anew at most once in this period because another server was found at the address.
const MOVED_FLOOR: Duration = Duration::from_millis(500);
/// The longest interval while there is no primary, so that a promotion is noticed soon.
const URGENT_INTERVAL: Duration = Duration::from_millis(20);
/// The interval for a server that has answered with errors (a bad password) three times in a row.
const REFUSED_PAUSE: Duration = Duration::from_secs(1);
/// The time limit for connecting to a server that is down, doubled each time up to the second value. A frozen
/// server answers these connections when it wakes. It must not find hundreds of abandoned ones then, because
/// MySQL would block this host (`max_connect_errors`).
const CONNECT_PATIENCE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(4));
/// A login takes at least three round trips: TCP's, the greeting with its response, and the rest.
const LOGIN_TRIPS: u32 = 3;
/// The longest round trip that is assumed after a slow login.
const LONGEST_TRIP: Duration = Duration::from_secs(1);
/// How often the server is asked how many connections it has.
const COUNT_PERIOD: Duration = Duration::from_millis(500);
/// New privileges affect only new connections. While a privilege is missing, the connection is renewed this
/// often.
const PRIVILEGE_RETRY: Duration = Duration::from_secs(60);

/// Settings for all probes; changes take effect at once.
#[derive(Debug, Clone, PartialEq)]
pub struct ProbeOrders {
    /// `[monitor]`
    pub monitor: config::Monitor,
    /// True while there is no primary: probes run faster.
    pub urgent: bool,
}

impl ProbeOrders {
    fn period(&self) -> Duration {
        let interval = self.monitor.interval;
        if self.urgent { interval.min(URGENT_INTERVAL) } else { interval }
    }
}

/// The state of one server's probing task.
pub struct Prober<C: Connector> {
    /// The server that is probed.
    server: ServerId,
    target: Target,
    connector: Rc<C>,
    orders: watch::Receiver<ProbeOrders>,
    kick: Arc<ProbePermit>,
    events: mpsc::Sender<Event>,
    /// When the last probe or attempt to connect began; the next one is due one period later.
    started: Instant,
    /// When the current connection was opened.
    connected: Instant,
    /// What the server said at the last connection.
    greeting: Option<Greeting>,
    /// From when on a session's connection may be asked in place of the probe's: that session has to restore its state then.
    asks_sessions_from: Instant,
    /// The number of consecutive answers that were errors.
    refused: u32,
    /// Since when the current connection may not see replication.
    degraded: Option<Instant>,
    /// True if the previous connection was lost after one answer.
    fleeting: bool,
    /// When the server was last asked how many connections it has.
    counted: Option<Instant>,
    /// True if the missing privilege was already logged.
    logged_missing_privilege: bool,
    /// True if it was already logged that connections are not encrypted.
    logged_unencrypted: bool,
}

/// The receiver of the events is gone: the task ends.
struct Over;

/// Why probing on a connection ended.
enum ProbeEnd {
    /// The connection was lost after it had answered. That alone does not prove that the server is down:
    /// reconnect.
    Lost(Error),
    /// Three probes got no answer; reported.
    Silent,
    /// The server answered with errors; reported. Try again when the next probe is due.
    Errors,
    /// The server's name or address leads elsewhere now: connect anew.
    Moved,
}

/// How the wait between two probes ended.
enum NextProbe {
    Probe,
    Closed,
    Renew,
    Moved,
}

/// Where a server is.
pub struct ServerAddress {
    /// Its name.
    pub name: Arc<str>,
    /// Its host and port.
    pub address: Arc<str>,
    /// The names of which its certificate must have one.
    pub tls_names: Arc<[Arc<str>]>,
}

impl<C: Connector> Prober<C> {
    /// Creates the task's state; `run` does the work.
    pub fn new(
        server: ServerId,
        at: ServerAddress,
        connector: Rc<C>,
        orders: watch::Receiver<ProbeOrders>,
        kick: Arc<ProbePermit>,
        events: mpsc::Sender<Event>,
    ) -> Self {
        let monitor = orders.borrow().monitor.clone();
        let (user, password) = (monitor.user, monitor.password);
        let ServerAddress { name, address, tls_names } = at;
        let target = Target { server, name, address, tls_names, user, password, proxy_header: false };
        let started = Instant::now();
        Prober {
            server,
            target,
            connector,
            orders,
            kick,
            events,
            started,
            connected: started,
            greeting: None,
            asks_sessions_from: started,
            refused: 0,
            degraded: None,
            fleeting: false,
            counted: None,
            logged_missing_privilege: false,
            logged_unencrypted: false,
        }
    }

    /// Probes until the receiver of the events is gone.
    pub async fn run(mut self) {
        while self.rounds().await.is_ok() {}
    }

    /// Connects and probes until connecting fails or the server answers with errors.
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
                ProbeEnd::Lost(error) => {
                    lost = Some(error);
                }
                ProbeEnd::Silent | ProbeEnd::Moved => {}
                ProbeEnd::Errors => return self.pause().await,
            }
        }
    }

    /// Probes on one connection until it ends.
    async fn serve(&mut self, mut connection: C::Connection) -> Result<ProbeEnd, Over> {
        let mut answers: u32 = 0;
        self.connected = Instant::now();
        // The quickest answer so far, or, before the first answer, a fraction of the login's time.
        let mut trip = (self.started.elapsed() / LOGIN_TRIPS).min(LONGEST_TRIP);
        self.log_unencrypted(connection.greeting().encryption);
        self.greeting = Some(connection.greeting().clone());
        let mut wsrep = Wsrep::Unknown;
        let mut earlier = Earlier::default();
        let mut own_log = OwnLog::default();
        loop {
            self.started = Instant::now();
            let flavor = statement::flavor(connection.greeting());
            let counts = self.counted.is_none_or(|at| at.elapsed() >= COUNT_PERIOD);
            let sql = statement::text(flavor, self.degraded.is_none(), wsrep, counts);
            let missed = self.interval().max(trip * 2);
            // The time of three missed probes, even if the interval is reloaded meanwhile.
            let patience = missed * MISSED_UNTIL_DOWN;
            match self.watch(connection.query(&sql), missed, patience, None).await? {
                None => return Ok(ProbeEnd::Silent),
                Some(Ok(sets)) => {
                    let round_trip = self.started.elapsed();
                    trip = if answers == 0 { round_trip } else { trip.min(round_trip) };
                    let queried = wsrep;
                    wsrep = Wsrep::of(queried, &sets);
                    earlier.life = statement::life(&sets).unwrap_or(earlier.life);
                    if let Some(all) = statement::connected(&sets) {
                        earlier.occupied = self.occupied(all).or(earlier.occupied);
                    }
                    if (queried, wsrep) == (Wsrep::Unknown, Wsrep::Node) {
                        // Without its state in the cluster the server would be taken for a standalone one.
                        continue;
                    }
                    match statement::outcome(connection.greeting(), &sets, &earlier, self.started.elapsed()) {
                        Ok(mut outcome) => {
                            answers = answers.saturating_add(1);
                            self.refused = 0;
                            if let ProbeOutcome::Facts(facts) = &mut outcome {
                                if own_log.should_ask(facts) {
                                    let asked = timeout(missed, connection.query(own_log::QUESTION)).await;
                                    // The connection cannot be used while an answer is under way.
                                    let Ok(answer) = asked else { return Ok(ProbeEnd::Moved) };
                                    own_log.answered(answer.ok().as_deref());
                                }
                                facts.first_own = own_log.first();
                            }
                            self.report(outcome).await?;
                        }
                        Err(error) => {
                            self.failed(&error).await?;
                            return Ok(ProbeEnd::Errors);
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
                    return Ok(ProbeEnd::Errors);
                }
            }
            match self.wait(&mut connection).await {
                NextProbe::Probe => {}
                NextProbe::Moved => return Ok(ProbeEnd::Moved),
                NextProbe::Closed => {
                    let error = Error::Lost("the server closed the connection".to_owned());
                    return Ok(self.lost(error, answers).await);
                }
                NextProbe::Renew => self.renew(&mut connection).await,
            }
        }
    }

    /// Notes that the server has so many connections now. None: nobody knows how many are the pools'.
    fn occupied(&mut self, all: usize) -> Option<Occupied> {
        self.counted = Some(self.started);
        let own = self.connector.pooled(self.server)?;
        Some(Occupied { all, by_others: all.saturating_sub(own) })
    }

    /// Waits before a reconnect after a loss. Reconnects at once, unless the server repeatedly closes
    /// connections after one answer.
    async fn lost(&mut self, error: Error, answers: u32) -> ProbeEnd {
        let again = std::mem::replace(&mut self.fleeting, answers <= 1);
        let pause = if again && self.fleeting { self.interval() } else { KICK_FLOOR };
        sleep_until(self.started + pause).await;
        ProbeEnd::Lost(error)
    }

    /// Waits for `work` and reports a missed probe whenever `after` has passed without a result. Returns None
    /// when `patience` is over. If the previous connection was lost (`lost`), the first missed probe proves
    /// that the server is unreachable.
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
                Some(error) => ProbeOutcome::Lost(format!("{error}; no answer to a new one").into()),
                None => ProbeOutcome::Timeout,
            };
            self.report(outcome).await?;
            if missed >= MISSED_UNTIL_DOWN && self.started.elapsed() >= patience {
                return Ok(None);
            }
        }
    }

    /// Waits until the next probe is due, by time or by a kick.
    async fn wait(&mut self, connection: &mut C::Connection) -> NextProbe {
        loop {
            if self.credentials_changed() || self.degraded.is_some_and(|at| at.elapsed() >= PRIVILEGE_RETRY) {
                return NextProbe::Renew;
            }
            let due = self.started + self.orders.borrow().period();
            tokio::select! {
                () = sleep_until(due) => return NextProbe::Probe,
                anew = self.kick.taken() => {
                    let floor = if anew { MOVED_FLOOR } else { KICK_FLOOR };
                    sleep_until(self.started + KICK_FLOOR).await;
                    // A name that leads to several servers must not make the probes connect all the time.
                    let anew = anew && self.connected.elapsed() >= floor;
                    return if anew { NextProbe::Moved } else { NextProbe::Probe };
                }
                end = connection.closed() => return match end {
                    Closed::ByServer => NextProbe::Closed,
                    Closed::Moved => NextProbe::Moved,
                },
                Ok(()) = self.orders.changed() => {}
            }
        }
    }

    /// Waits until the next attempt to connect is due. New credentials are tried at once.
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
                _ = self.kick.taken() => {
                    sleep_until(self.started + KICK_FLOOR).await;
                    self.asks_sessions_from = Instant::now();
                    return Ok(());
                }
                () = self.events.closed() => return Err(Over),
                Ok(()) = self.orders.changed() => if self.credentials_changed() { return Ok(()) },
            }
        }
    }

    /// Logs in again, and keeps the old connection until a new one works: a wrong password in a reloaded file
    /// must not make a running cluster look dead.
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
        if !self.logged_missing_privilege {
            self.logged_missing_privilege = true;
            tracing::warn!(server = %self.target.name, %error, grant,
                "the monitor account may not see replication: it counts as unknown");
        }
    }

    fn log_unencrypted(&mut self, encryption: Encryption) {
        let plain = encryption == Encryption::NotOffered;
        if plain && !self.logged_unencrypted {
            tracing::info!(server = %self.target.name,
                "connections to this server are not encrypted: it offers no TLS, or none that works");
        }
        self.logged_unencrypted = plain;
    }

    async fn failed(&mut self, error: &Error) -> Result<(), Over> {
        let text: Arc<str> = error.to_string().into();
        let outcome = if statement::is_goodbye(error) {
            self.refused = 0;
            ProbeOutcome::Unreachable(text)
        } else if statement::is_barred(error) {
            let is_refused = statement::is_account_refused(error);
            self.refused = if is_refused { self.refused.saturating_add(1) } else { 0 };
            ProbeOutcome::Barred { error: text, told: self.told_on_another().await.map(Box::new) }
        } else {
            self.refused = self.refused.saturating_add(1);
            ProbeOutcome::Refused(text)
        };
        self.report(outcome).await
    }

    /// Asks the server for its role and position on a connection that a session has left idle.
    /// At most once a second, except after a kick.
    async fn told_on_another(&mut self) -> Option<Facts> {
        let asked = Instant::now();
        if asked < self.asks_sessions_from {
            return None;
        }
        self.asks_sessions_from = asked + REFUSED_PAUSE;
        let greeting = self.greeting.as_ref()?;
        let sql = statement::text_of_any_account(statement::flavor(greeting));
        let sets = timeout(self.interval(), self.connector.ask_pooled(self.server, sql)).await.ok()??;
        statement::facts(greeting, &sets, asked.elapsed()).ok()
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
