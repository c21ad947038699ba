//! `/tap`: statements as they end, one JSON object in each line, until the reader leaves. A reader that does not keep up is
//! told how many statements it missed.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::body::Bytes;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};

use super::seats::oldest_of_the_busiest;
use crate::config::{AdminAccess, Live};
use crate::net::Origin;
use crate::telemetry::stream::{Errors, Event, Filter, LEVELS, TapBatch, rfc_time};
use crate::terms::{Disruption, Pin, Role, Why};

/// The most readers at a time.
pub(super) const MOST_TAPS: usize = 4;
/// How long a reader may take to read what was sent, before it is disconnected.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a reader gets an empty line, while there is nothing to say: so the end of a silent one is noticed.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// How many statements are written at a time; probes are answered in between.
const AT_A_TIME: usize = 256;

/// A statement in `/tap`. Field names are a contract: add, never rename. Times are in microseconds.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct TapLine<'a> {
    /// When the client had the whole answer: RFC 3339, in UTC.
    pub time: Cow<'a, str>,
    /// The connection id of the client.
    pub session: u32,
    /// The client's address, or `unix`.
    pub client: Cow<'a, str>,
    /// The account.
    pub user: Cow<'a, str>,
    /// The default schema.
    pub schema: Cow<'a, str>,
    /// The digest's number.
    pub digest: Cow<'a, str>,
    /// The digest text.
    pub digest_text: Cow<'a, str>,
    /// The text with its literals, if `log.literals` allows to show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Cow<'a, str>>,
    /// The kind of the statement; null if it was refused before it was classified.
    pub kind: Option<Cow<'a, str>>,
    /// `primary` or `replica`; null: no server executed it.
    pub target: Option<Cow<'a, str>>,
    /// The server's name.
    pub server: Option<Cow<'a, str>>,
    /// The reason for the target.
    pub reason: Option<Cow<'a, str>>,
    /// How long it took.
    pub us: u64,
    /// How long it waited in the proxy.
    pub waited_us: Waited,
    /// What it began to keep its session on the connection by.
    pub pins: Vec<Cow<'a, str>>,
    /// How often a server had it before the try whose answer the client got.
    #[serde(default)]
    pub repeated: u32,
    /// The effects of a failover on it.
    #[serde(default)]
    pub disruptions: Vec<Cow<'a, str>>,
    /// The rows that the client got.
    pub rows_sent: u64,
    /// The rows that it changed.
    pub rows_affected: u64,
    /// Bytes from the client.
    pub bytes_in: u64,
    /// Bytes to the client.
    pub bytes_out: u64,
    /// The code of the error that the client got.
    pub error: Option<u16>,
    /// The trace that has the statement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
}

/// How long a statement, or the statements of a digest, waited in the proxy: in microseconds.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Waited {
    /// For a primary.
    pub hold: u64,
    /// For a server connection.
    pub pool: u64,
    /// For a position.
    pub position: u64,
}

impl<'a> From<&'a Event> for TapLine<'a> {
    fn from(event: &'a Event) -> Self {
        let figures = &event.figures;
        let pins = Pin::ALL.iter().enumerate().filter(|(at, _)| figures.pins >> at & 1 != 0);
        let effects = Disruption::ALL.iter().filter(|&&effect| figures.disruptions >> effect as u16 & 1 != 0);
        TapLine {
            time: rfc_time(event.time_us).into(),
            session: event.session,
            client: event.client.map_or("unix".into(), |address| address.to_string().into()),
            user: (&*event.user).into(),
            schema: (&*event.schema).into(),
            digest: format!("0x{:016x}", event.digest).into(),
            digest_text: (&*event.digest_text).into(),
            text: event.text.as_deref().map(Cow::from),
            kind: event.kind.map(|kind| kind.as_str().into()),
            target: figures.placed.map(|(role, _)| role.target().into()),
            server: event.server.as_deref().map(Cow::from),
            reason: figures.placed.map(|(_, why)| why.as_str().into()),
            us: figures.micros,
            waited_us: Waited {
                hold: figures.waits.hold,
                pool: figures.waits.pool,
                position: figures.waits.position,
            },
            pins: pins.map(|(_, pin)| pin.as_str().into()).collect(),
            repeated: figures.repeated,
            disruptions: effects.map(|effect| effect.as_str().into()).collect(),
            rows_sent: figures.rows_sent,
            rows_affected: figures.rows_affected,
            bytes_in: figures.bytes_in,
            bytes_out: figures.bytes_out,
            error: figures.error,
            trace_id: figures.trace.map(|trace| format!("{trace:032x}")),
        }
    }
}

/// Fails when another reader takes the place.
pub(super) type TapPlace = oneshot::Receiver<()>;

/// The places of the readers, the oldest first.
#[derive(Debug, Default)]
pub(super) struct TapPlaces(watch::Sender<VecDeque<(Origin, oneshot::Sender<()>)>>);

impl TapPlaces {
    /// Takes a place; if there is none, that of the oldest reader of the address that has the most.
    pub fn take(&self, of: Origin) -> TapPlace {
        let (taken, place) = oneshot::channel();
        self.0.send_modify(|places| {
            places.retain(|(_, reader)| !reader.is_closed());
            if places.len() >= MOST_TAPS
                && let Some(at) = oldest_of_the_busiest(places.iter().map(|(of, _)| *of))
                && let Some((of, _)) = places.remove(at)
            {
                tracing::debug!(address = %of, "HTTP: all places of /tap are taken; the oldest reader was closed");
            }
            places.push_back((of, taken));
        });
        place
    }
}

/// When a connection ends at the latest.
type Deadline = Arc<watch::Sender<Instant>>;

/// Returns the deadline of a reader that was allowed with this `access`, and a receiver that fails when it has passed,
/// when its place is taken, when the access to the port changes, or when another process has the port: then the reader has
/// to ask again.
pub(super) fn deadline(
    access: &AdminAccess,
    mut live: watch::Receiver<Arc<Live>>,
    mut leaving: watch::Receiver<()>,
    place: TapPlace,
) -> (Deadline, oneshot::Receiver<()>) {
    let deadline = Deadline::new(watch::Sender::new(Instant::now() + PATIENCE));
    let (mut stays, until) = oneshot::channel();
    let (of, access) = (deadline.clone(), access.clone());
    tokio::spawn(async move {
        tokio::select! {
            () = over(&of) => {}
            // Fails when the process ends.
            _ = live.wait_for(|now| now.admin != access) => {}
            // Fails when the port is left.
            _ = leaving.changed() => {}
            // Fails when another reader takes the place.
            _ = place => {}
            // The connection ended.
            () = stays.closed() => {}
        }
        drop(stays);
    });
    (deadline, until)
}

/// Waits until the deadline has passed.
async fn over(deadline: &Deadline) {
    loop {
        let end = *deadline.borrow();
        if end <= Instant::now() {
            return;
        }
        sleep_until(end).await;
    }
}

/// The body of an answer to `/tap`.
pub(super) struct TapLines {
    batches: mpsc::Receiver<TapBatch>,
    waiting: VecDeque<Event>,
    dropped: u64,
    heartbeat: Interval,
    deadline: Deadline,
    /// True if the reader may see literals.
    literals: bool,
}

impl TapLines {
    /// Writes these statements, with literals or without. Whenever the reader takes something, `deadline` moves on.
    pub fn new(batches: mpsc::Receiver<TapBatch>, deadline: Deadline, literals: bool) -> Self {
        let mut heartbeat = interval(HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        TapLines { batches, waiting: VecDeque::new(), dropped: 0, heartbeat, deadline, literals }
    }

    /// Returns the next lines. None: the proxy ends.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.deadline.send_replace(Instant::now() + PATIENCE);
        if self.waiting.is_empty() && self.dropped == 0 {
            match self.batches.poll_recv(cx) {
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(batch)) => {
                    (self.waiting, self.dropped) = (batch.events.into(), batch.dropped)
                }
                Poll::Pending => {
                    ready!(self.heartbeat.poll_tick(cx));
                    return Poll::Ready(Some(Bytes::from_static(b"\n")));
                }
            }
        }
        self.heartbeat.reset();
        Poll::Ready(Some(self.next_lines()))
    }

    fn next_lines(&mut self) -> Bytes {
        let mut out = Vec::new();
        let some = self.waiting.len().min(AT_A_TIME);
        for event in self.waiting.drain(..some) {
            // Cannot fail: texts, numbers and a vector.
            let mut line = TapLine::from(&event);
            line.text = line.text.filter(|_| self.literals);
            let _ = serde_json::to_writer(&mut out, &line);
            out.push(b'\n');
        }
        if self.waiting.is_empty() && self.dropped > 0 {
            out.extend_from_slice(format!("{{\"dropped\":{}}}\n", self.dropped).as_bytes());
            self.dropped = 0;
        }
        out.into()
    }
}

/// Reads the filter from the query of a URL. The error says what is wrong.
pub(super) fn filter(query: &str) -> Result<Filter, String> {
    let mut filter = Filter::default();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = decoded(value).ok_or_else(|| format!("{key} is no text in UTF-8"))?;
        let wrong = |wanted: &str| format!("{key} is {value:?}; write {wanted}");
        match key {
            "user" => filter.user = Some(value.into()),
            "schema" => filter.schema = Some(value.into()),
            "server" => filter.server = Some(value.into()),
            "digest" => {
                let hex = value.strip_prefix("0x").and_then(|hex| u64::from_str_radix(hex, 16).ok());
                filter.digest = Some(hex.ok_or_else(|| wrong("a number like 0x00000000deadbeef"))?);
            }
            "target" => {
                let role = Role::BOTH.into_iter().find(|role| role.target() == value);
                filter.role = Some(role.ok_or_else(|| wrong("primary or replica"))?);
            }
            "reason" => {
                let why = Why::ALL.iter().copied().find(|why| why.as_str() == value);
                let reasons = || Why::ALL.iter().map(|why| why.as_str()).collect::<Vec<_>>().join(", ");
                filter.why = Some(why.ok_or_else(|| wrong(&format!("one of {}", reasons())))?);
            }
            "min_us" => {
                let least = value.parse().map_err(|_| wrong("a number of microseconds"))?;
                filter.least_us = [least; LEVELS];
            }
            "error" if value == "any" => filter.error = Some(Errors::Any),
            "error" => {
                let code = value.parse().map_err(|_| wrong("any, or the code of an error"))?;
                filter.error = Some(Errors::Code(code));
            }
            "sample" => {
                let sample = value.parse().ok().filter(|sample| *sample > 0);
                filter.sample = sample.ok_or_else(|| wrong("a number: one of so many statements"))?;
            }
            _ => {
                let known = "user, schema, digest, server, target, reason, min_us, error and sample";
                return Err(format!("{key:?} is unknown; known are {known}"));
            }
        }
    }
    Ok(filter)
}

/// Decodes percent signs and plus signs of a query. None: a percent sign stands alone, or the result is not UTF-8.
fn decoded(text: &str) -> Option<String> {
    let is_hex = |hex: &[u8; 2]| hex.iter().all(u8::is_ascii_hexdigit);
    if !text.split('%').skip(1).all(|behind| behind.as_bytes().first_chunk().is_some_and(is_hex)) {
        return None;
    }
    let text = text.replace('+', " ");
    percent_decode_str(&text).decode_utf8().ok().map(Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;
    use crate::telemetry::{Figures, Waits};
    use crate::terms::StatementKind;

    /// An event of a statement that a replica executed.
    fn event(user: &str) -> Event {
        Event {
            time_us: 0,
            session: 7,
            client: None,
            user: user.into(),
            schema: "shop".into(),
            digest: 42,
            digest_text: "SELECT ?".into(),
            text: None,
            kind: Some(StatementKind::Read),
            server: Some("db-1".into()),
            figures: Figures {
                began: Instant::now(),
                trace: None,
                micros: 1_500,
                waits: Waits { hold: 1, pool: 2, position: 3 },
                pins: 1 << Pin::UserVariable as u32,
                repeated: 2,
                disruptions: 1 << Disruption::Held as u16,
                placed: Some((Role::Replica, Why::PlainRead)),
                error: None,
                rows_sent: 3,
                rows_affected: 0,
                bytes_in: 10,
                bytes_out: 20,
            },
        }
    }

    #[test]
    fn a_line_says_what_a_statement_did() {
        assert_eq!(
            serde_json::to_string(&TapLine::from(&event("a\"b"))).unwrap(),
            "{\"time\":\"1970-01-01T00:00:00.000000Z\",\"session\":7,\"client\":\"unix\",\"user\":\"a\\\"b\",\
             \"schema\":\"shop\",\"digest\":\"0x000000000000002a\",\"digest_text\":\"SELECT ?\",\"kind\":\"read\",\
             \"target\":\"replica\",\"server\":\"db-1\",\"reason\":\"plain_read\",\"us\":1500,\
             \"waited_us\":{\"hold\":1,\"pool\":2,\"position\":3},\"pins\":[\"user_variable\"],\"repeated\":2,\
             \"disruptions\":[\"held\"],\"rows_sent\":3,\"rows_affected\":0,\"bytes_in\":10,\"bytes_out\":20,\"error\":null}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_gets_lines_in_parts_and_has_time_while_it_reads() {
        let (batches, receiver) = mpsc::channel(1);
        let deadline = Deadline::new(watch::Sender::new(Instant::now() + Duration::from_secs(30)));
        let mut lines = TapLines::new(receiver, deadline.clone(), false);
        let began = Instant::now();
        let mut next = async || poll_fn(|cx| lines.poll_next(cx)).await;
        assert_eq!(next().await.unwrap(), "\n", "so that the reader gets the head of the answer");
        assert_eq!((next().await.unwrap(), began.elapsed()), ("\n".into(), HEARTBEAT));
        let events = (0..AT_A_TIME + 10).map(|_| event("app")).collect();
        batches.send(TapBatch { events, dropped: 5 }).await.unwrap();
        let count = |bytes: Bytes| bytes.iter().filter(|byte| **byte == b'\n').count();
        assert_eq!(count(next().await.unwrap()), AT_A_TIME);
        let last = next().await.unwrap();
        assert!(last.ends_with(b"\n{\"dropped\":5}\n"));
        assert_eq!(count(last), 11);
        // From here on the reader takes nothing.
        over(&deadline).await;
        assert_eq!(began.elapsed(), HEARTBEAT + PATIENCE);
        drop(batches);
        assert_eq!(next().await, None);
    }

    #[test]
    fn one_address_cannot_keep_others_from_reading() {
        let of = |n| Origin::of(std::net::IpAddr::from([10, 0, 0, n]));
        let places = TapPlaces::default();
        let mut mine: Vec<_> = (0..MOST_TAPS - 1).map(|_| places.take(of(1))).collect();
        let mut other = places.take(of(2));
        let ended = |place: &mut TapPlace| place.try_recv() == Err(oneshot::error::TryRecvError::Closed);
        assert!(!mine.iter_mut().any(ended) && !ended(&mut other));
        let _third = places.take(of(3));
        assert!(ended(&mut mine[0]), "the oldest of the address that has the most");
        assert!(!mine[1..].iter_mut().any(ended) && !ended(&mut other));
        drop(other);
        let _fourth = places.take(of(4));
        assert!(!mine[1..].iter_mut().any(ended), "a place was free");
    }

    #[test]
    fn literals_are_for_readers_with_a_token() {
        let (deadline, _) = (Deadline::new(watch::Sender::new(Instant::now())), ());
        for literals in [false, true] {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let _in = runtime.enter();
            let mut lines = TapLines::new(mpsc::channel(1).1, deadline.clone(), literals);
            lines.waiting = VecDeque::from([Event { text: Some("SELECT 'mine'".into()), ..event("app") }]);
            let line = String::from_utf8(lines.next_lines().to_vec()).unwrap();
            assert_eq!(line.contains("mine"), literals, "{line}");
        }
    }

    #[test]
    fn a_query_is_a_filter() {
        assert_eq!(filter(""), Ok(Filter::default()));
        let read = filter(
            "user=a%26b&schema=my+shop&digest=0x000000000000002a&server=db-1&target=replica&reason=plain_read&min_us=1500&error=any&sample=10",
        );
        let wanted = Filter {
            user: Some("a&b".into()),
            schema: Some("my shop".into()),
            digest: Some(42),
            server: Some("db-1".into()),
            role: Some(Role::Replica),
            why: Some(Why::PlainRead),
            error: Some(Errors::Any),
            least_us: [1500; LEVELS],
            sample: 10,
        };
        assert_eq!(read, Ok(wanted));
        assert_eq!(filter("error=1062").unwrap().error, Some(Errors::Code(1062)));
    }

    #[test]
    fn wrong_queries_say_what_to_write() {
        let wrong = |query: &str| filter(query).unwrap_err();
        assert_eq!(wrong("digest=42"), "digest is \"42\"; write a number like 0x00000000deadbeef");
        assert_eq!(wrong("target=both"), "target is \"both\"; write primary or replica");
        assert!(wrong("reason=why").contains("one of port, in_transaction, "));
        assert!(wrong("min_us=1ms").contains("microseconds") && wrong("error=x").contains("code"));
        assert!(wrong("sample=0").contains("one of so many") && wrong("sample").contains("\"\""));
        assert!(wrong("nonsense=1").contains("known are user"), "{}", wrong("nonsense=1"));
        for query in ["user=%", "user=%4", "user=%zz", "user=%ff"] {
            assert_eq!(wrong(query), "user is no text in UTF-8");
        }
    }
}
