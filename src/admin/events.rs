//! `/events`: what the page shows, as server-sent events. The events are written once for all readers, and only while
//! there are readers. A reader that does not keep up loses events, then its connection; nobody waits for a reader.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Bytes;
use serde::Serialize;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::digests::DigestsPage;
use super::points::{Point, Points};
use super::seats::oldest_of_the_busiest;
use super::sums::WorkerSums;
use super::{AdminState, Report};
use crate::config::{AdminAccess, Live};
use crate::net::Origin;

/// The most readers at a time. The next one replaces the oldest reader of the address that has the most.
pub(super) const MOST: usize = 128;
/// The time between two events with the state.
const PERIOD: Duration = Duration::from_secs(1);
/// The digests are collected from the workers after this many periods.
const DIGESTS_EVERY: u64 = 5;
/// How many digests the page shows.
const DIGESTS: usize = 50;
/// How long the workers have to answer with their digests; the page shows the last ones until then.
const PATIENCE: Duration = Duration::from_millis(500);
/// How many parts may wait for a reader.
const WAITING: usize = 4;
/// A reader that took nothing for this many periods is gone.
const STALLED: u32 = 15;

/// One reader.
struct EventReader {
    of: Origin,
    /// The settings under which its request was allowed.
    allowed: Arc<Live>,
    parts: mpsc::Sender<Bytes>,
    /// Dropped with the reader: ends the connection, also if the client does not read.
    _open: oneshot::Sender<()>,
    /// Parts in a row that found no room.
    missed: u32,
}

/// What a new reader gets: its parts, and a receiver that fails when the connection must end.
pub(super) type EventSeat = (mpsc::Receiver<Bytes>, oneshot::Receiver<()>);

/// Lets readers in.
#[derive(Debug, Clone)]
pub(super) struct EventStream(mpsc::UnboundedSender<EventReader>);

/// What changes all the time.
#[derive(Serialize)]
struct Now<'a> {
    report: Report,
    point: Option<&'a Point>,
    sums: WorkerSums,
}

/// The effective configuration.
#[derive(Serialize)]
struct ConfigEvent<'a> {
    text: &'a str,
}

struct Board {
    state: AdminState,
    points: Points,
    /// Oldest first.
    readers: VecDeque<EventReader>,
    periods: u64,
    /// The settings under which the readers were let in.
    access: AdminAccess,
    digests: Bytes,
    config: Bytes,
    /// What a new reader gets first; made again in each period in which somebody comes.
    greeting: Option<Bytes>,
}

impl EventStream {
    /// Starts a task on the current runtime, which runs until all clones of the returned value are dropped, or until
    /// another process has the port: then readers have to ask that one.
    pub fn start(state: AdminState, mut leaving: watch::Receiver<()>) -> Self {
        // Unbounded is safe: each connection asks once, and the number of connections is limited.
        let (asked, mut waiting) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut board = Board::new(state);
            let mut periods = interval(PERIOD);
            periods.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    reader = waiting.recv() => match reader {
                        Some(reader) => board.welcome(reader).await,
                        None => return,
                    },
                    _ = periods.tick() => board.next().await,
                    // Fails when the port is left.
                    _ = leaving.changed() => return,
                }
            }
        });
        EventStream(asked)
    }

    /// Lets a reader in, whose request was allowed.
    pub fn read(&self, of: Origin, allowed: Arc<Live>) -> EventSeat {
        let (parts, taken) = mpsc::channel(WAITING);
        let (open, ended) = oneshot::channel();
        // Fails if the port is left: then both receivers fail, too.
        let _ = self.0.send(EventReader { of, allowed, parts, _open: open, missed: 0 });
        (taken, ended)
    }
}

impl Board {
    fn new(state: AdminState) -> Self {
        let access = state.live.borrow().admin.clone();
        Board {
            points: Points::new(state.workers.clone()),
            state,
            readers: VecDeque::new(),
            periods: 0,
            access,
            digests: Bytes::new(),
            config: Bytes::new(),
            greeting: None,
        }
    }

    /// Greets a new reader with everything that is known.
    async fn welcome(&mut self, reader: EventReader) {
        self.forbid();
        if reader.allowed.admin != self.access {
            // Allowed by a token that is not valid any more.
            return;
        }
        if self.readers.len() >= MOST {
            self.make_room();
        }
        let greeting = match &self.greeting {
            Some(greeting) => greeting.clone(),
            None => {
                if self.readers.is_empty() {
                    self.collect_digests().await;
                }
                self.config = self.config();
                let past = event("past", self.points.all());
                let all = [past, self.now(), self.digests.clone(), self.config.clone()].concat();
                self.greeting.insert(all.into()).clone()
            }
        };
        // Cannot be full: nothing was sent to this reader before.
        let _ = reader.parts.try_send(greeting);
        self.readers.push_back(reader);
    }

    /// Ends a period.
    async fn next(&mut self) {
        self.points.add();
        self.greeting = None;
        self.periods += 1;
        self.forbid();
        self.readers.retain(|reader| !reader.parts.is_closed());
        if self.readers.is_empty() {
            return;
        }
        let mut part = self.now().to_vec();
        let config = self.config();
        if self.config != config {
            part.extend_from_slice(&config);
            self.config = config;
        }
        if self.periods.is_multiple_of(DIGESTS_EVERY) {
            self.collect_digests().await;
            part.extend_from_slice(&self.digests);
        }
        let part = Bytes::from(part);
        self.readers.retain_mut(|reader| {
            reader.missed = match reader.parts.try_send(part.clone()) {
                Ok(()) => 0,
                Err(mpsc::error::TrySendError::Full(_)) => reader.missed + 1,
                Err(mpsc::error::TrySendError::Closed(_)) => STALLED,
            };
            reader.missed < STALLED
        });
    }

    /// Ends all readers if the token, the certificate or the accounts of `[admin]` changed: they have to ask again.
    fn forbid(&mut self) {
        let live = self.state.live.borrow();
        if live.admin != self.access {
            self.access = live.admin.clone();
            self.readers.clear();
        }
    }

    fn make_room(&mut self) {
        let oldest = oldest_of_the_busiest(self.readers.iter().map(|reader| reader.of));
        if let Some(reader) = oldest.and_then(|at| self.readers.remove(at)) {
            tracing::debug!(address = %reader.of, "HTTP: all readers of events are taken; the oldest was closed");
        }
    }

    fn now(&self) -> Bytes {
        let (report, sums) = (self.state.report(), self.state.sums());
        event("now", &Now { report, point: self.points.newest(), sums })
    }

    fn config(&self) -> Bytes {
        event("config", &ConfigEvent { text: &self.state.config.borrow().text })
    }

    async fn collect_digests(&mut self) {
        if let Ok(Ok(digests)) = timeout(PATIENCE, DigestsPage::of(&self.state, DIGESTS)).await {
            self.digests = event("digests", &digests);
        }
    }
}

/// Returns an event of the event stream format. JSON has no line ends, so the data is one line.
fn event(name: &str, data: &impl Serialize) -> Bytes {
    match serde_json::to_string(data) {
        Ok(data) => format!("event: {name}\ndata: {data}\n\n").into(),
        Err(_) => Bytes::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_takes_nothing_is_sent_away() {
        let state = crate::admin::page_tests::everything();
        let allowed = state.live.borrow().clone();
        let mut board = Board::new(state);
        let of = Origin::of(std::net::IpAddr::from([10, 0, 0, 1]));
        let mut seats = Vec::new();
        for _ in 0..2 {
            let (parts, taken) = mpsc::channel(WAITING);
            let (open, ended) = oneshot::channel();
            board.welcome(EventReader { of, allowed: allowed.clone(), parts, _open: open, missed: 0 }).await;
            seats.push((taken, ended));
        }
        let (mut lazy, mut reads) = (seats.remove(0), seats.remove(0));
        // The greeting waits for the lazy one, too.
        for _ in 1..WAITING as u32 + STALLED {
            assert_eq!(board.readers.len(), 2);
            assert!(lazy.1.try_recv().is_err_and(|error| error == oneshot::error::TryRecvError::Empty));
            board.next().await;
            while reads.0.try_recv().is_ok() {}
        }
        assert!(lazy.1.try_recv().is_err_and(|error| error == oneshot::error::TryRecvError::Closed));
        assert_eq!(lazy.0.len(), WAITING, "no more waits for it");
        assert_eq!(board.readers.len(), 1, "the other one stays");
    }
}
