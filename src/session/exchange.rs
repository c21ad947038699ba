//! One statement: the request to the server, the answer to the client, and what becomes
//! of it when the server is lost on the way. "Sent" is exact: what the kernel took counts.

use std::task::Poll;

use tokio::time::Instant;

use super::attach::Stop;
use super::guard::may_control;
use super::request::{PacketRun, Request};
use super::state::SessionState;
use super::{Failure, Session, Signals};
use crate::backend::{ServerError, Settled};
use crate::net::{Buf, LARGE_BUFFER, Runtime, SMALL_BUFFER, Signal, Stream, or_raised};
use crate::telemetry::{Close, Disruption, cell_of};
use crate::topology::{Flavor, ServerId};
use crate::wire::{
    Capabilities, Command, ErrPacket, Legs, Observer, OkPacket, OnErr, PrepareOk, ProtocolError,
    ResponseShape, ResponseWalker, Walked,
};

/// Tries of one statement that was never executed, before the client hears of it.
const MAX_TRIES: u32 = 4;

/// What a read-only server says on a replica port, whatever its version says.
const READ_ONLY_SERVER: ErrPacket<'static> = ErrPacket {
    code: 1290,
    sqlstate: *b"HY000",
    message: b"The MySQL server is running with the --read-only option so it cannot execute this statement \
               (pointsman: this is a read-only port; use the read-write port)",
};

/// How far a stretch of an answer went.
struct Walk {
    used: usize,
    walked: Walked,
    /// What the client gets; None: the first `used` bytes as they are.
    edited: Option<Buf>,
    refused: Option<(ServerError, ServerId)>,
}

/// How one try ended. Unless it can go elsewhere, the request is gone from the buffer.
pub(super) enum Outcome {
    /// The client has its answer.
    Done,
    /// Nothing was executed and nothing forwarded: it can go elsewhere.
    Again,
    /// A server that was taken for the primary says it is read-only; nothing was executed.
    Refused(ServerError, ServerId),
    /// The client gets an ERR packet with this sequence id, or none, and stays or not.
    Stop(u8, Stop),
}

/// Hears the walker on the session's behalf.
struct Ear<'a> {
    state: &'a mut SessionState,
    flavor: Flavor,
    read_only: bool,
    /// The request is still in the buffer, and the client has nothing of an answer.
    may_retry: bool,
    /// The text that is being prepared may begin or end a transaction.
    controls: bool,
    refusal: Option<ServerError>,
}

impl Observer for Ear<'_> {
    fn ok(&mut self, ok: &OkPacket<'_>) {
        self.state.ok(ok, self.flavor, self.read_only);
    }

    fn err(&mut self, err: &ErrPacket<'_>, first: bool) -> OnErr {
        if err.code == 1213 {
            // A deadlock rolls the whole transaction back; an ERR packet has no status flags to say so.
            self.state.rolled_back();
        }
        if self.read_only && err.code == 1792 {
            return OnErr::Replace(READ_ONLY_SERVER);
        }
        if first && self.may_retry && !self.read_only && refuses_as_read_only(err) {
            self.refusal = Some(err.into());
            return OnErr::Swallow;
        }
        OnErr::Forward
    }

    fn prepared(&mut self, ok: &PrepareOk) {
        self.state.prepared(ok.statement_id, self.controls);
    }
}

/// 1290 is for many options; 1836 and 3100 (group replication's hook) say that nothing was executed.
fn refuses_as_read_only(err: &ErrPacket<'_>) -> bool {
    let says_read_only = || {
        let has = |what: &[u8]| err.message.windows(what.len()).any(|w| w == what);
        has(b"read-only") || has(b"read_only")
    };
    matches!(err.code, 1836 | 3100) || (err.code == 1290 && says_read_only())
}

/// What a write without waiting came to.
enum Sent {
    All(Buf),
    /// The front of the buffer is consumed as far as it was taken; maybe not at all.
    Some(Buf),
}

fn send_now<S: Stream>(stream: &mut S, mut out: Buf) -> Sent {
    match stream.write_now(out.filled()) {
        Ok(n) if n == out.len() => Sent::All(out),
        Ok(n) => {
            out.consume(n);
            Sent::Some(out)
        }
        Err(_) => Sent::Some(out),
    }
}

/// The rest, waiting for a server that does not read, or finding that it broke. Gives the buffer back as it
/// was before, and whether any byte was taken.
async fn send_rest<S: Stream>(stream: &mut S, signal: &Signal, ending: u8, mut out: Buf) -> (bool, Buf) {
    // A copy: a write that is given up keeps its buffer, and the request may be needed again.
    let mut rest = Buf::with_room(out.len());
    rest.extend_from_slice(out.filled());
    let all = rest.len();
    let taken_before = out.start();
    let more = match or_raised(signal, ending, stream.write_all(rest)).await {
        Ok((Ok(()), _)) => true,
        Ok((Err(_), rest)) => rest.len() < all,
        Err(_) => true,
    };
    out.put_back(taken_before);
    (more || taken_before > 0, out)
}

impl<R: Runtime> Session<R> {
    /// A command that a server answers.
    pub(super) async fn forward(&mut self, buf: &mut Buf, request: Request) -> Result<(), Close> {
        let began = Instant::now();
        let mut tries = 0;
        if request.command.response() == ResponseShape::None && !self.is_attached() {
            // Nothing may be answered, and what it speaks of is gone: the next command hears of that.
            return Box::pin(self.skip(buf, request)).await.map(|_| ());
        }
        if self.state.insert_id_lost
            && let Err(stop) = self.misses_nothing(buf, request, false)
        {
            return Box::pin(self.skip_and_stop(buf, request, stop)).await;
        }
        loop {
            if !self.is_attached()
                && let Err(stop) = Box::pin(self.attach_for(buf, request)).await
            {
                return Box::pin(self.skip_and_stop(buf, request, stop)).await;
            }
            self.state.holds(request.leaves);
            self.forget_past(request);
            let outcome = self.exchange(buf, request).await?;
            match outcome {
                Outcome::Done => break,
                Outcome::Again if tries < MAX_TRIES => {
                    tries += 1;
                    self.count(Disruption::Retried);
                }
                Outcome::Again => {
                    let failure = Failure::Unreachable("every connection broke".into());
                    return Box::pin(self.skip_and_stop(buf, request, Stop::Tell(failure))).await;
                }
                Outcome::Refused(error, server) => {
                    if let Err(stop) = Box::pin(self.refused(error, server)).await {
                        return Box::pin(self.skip_and_stop(buf, request, stop)).await;
                    }
                }
                Outcome::Stop(seq, stop) => return Box::pin(self.stop(seq, stop)).await,
            }
        }
        if self.state.read_only_lost {
            self.release(false).await;
            self.state.lost_connection();
        }
        let port = self.port as usize;
        cell_of(&self.context.metrics.statements, port).add(1);
        if let Some(latency) = self.context.metrics.latency.get(port) {
            latency.observe_us(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX));
        }
        Ok(())
    }

    /// A plain read on a connection that was not reset hides what the session before it left there; before
    /// anything else it is reset, in the same write.
    fn forget_past(&mut self, request: Request) {
        let Some(connection) = self.backend.as_mut().filter(|c| c.has_past) else { return };
        connection.has_past = false;
        if !request.plain {
            connection.reset_before(&self.state.carried, &mut self.prelude);
        }
    }

    /// A connection for this request. A text that asks for what the connection before it knew cannot move.
    async fn attach_for(&mut self, buf: &Buf, request: Request) -> Result<(), Stop> {
        self.misses_nothing(buf, request, self.was_attached)?;
        self.attach().await
    }

    fn misses_nothing(&self, buf: &Buf, request: Request, moving: bool) -> Result<(), Stop> {
        let is_text = matches!(request.command, Command::Query | Command::StmtPrepare);
        match is_text.then(|| self.state.misses(request.arguments(buf), moving)).flatten() {
            Some(missing) => Err(Stop::TellAndClose(Failure::StateLost(missing), Close::ServerLost)),
            None => Ok(()),
        }
    }

    /// A request that is not sent: the client is told once it has said all of it.
    pub(super) async fn skip_and_stop(
        &mut self,
        buf: &mut Buf,
        request: Request,
        stop: Stop,
    ) -> Result<(), Close> {
        let seq = self.skip(buf, request).await?;
        self.stop(seq, stop).await
    }

    /// Tells the client, or closes.
    pub(super) async fn stop(&mut self, seq: u8, stop: Stop) -> Result<(), Close> {
        match stop {
            Stop::Tell(failure) => self.send_failure(seq, &failure).await,
            Stop::TellAndClose(failure, close) => Err(self.refuse(seq, &failure, close).await),
            Stop::Close(close) => Err(close),
        }
    }

    /// One try.
    async fn exchange(&mut self, buf: &mut Buf, mut request: Request) -> Result<Outcome, Close> {
        let (seq, sent) = if request.whole {
            (request.answer_seq(), self.send_whole(buf, request).await)
        } else {
            Box::pin(self.send_large(buf, request)).await?
        };
        let shape = request.command.response();
        if shape == ResponseShape::None {
            if !sent {
                self.server_lost();
            }
            if let Some(connection) = &mut self.backend {
                connection.is_done();
            }
            request.consume_from(buf);
            return Ok(Outcome::Done);
        }
        let server = self.backend.as_ref().map_or(Capabilities::empty(), |c| c.about.capabilities);
        let mut legs = Legs::new(server, self.capabilities);
        legs.client_tracks_all = self.state.tracks_all;
        let walker = ResponseWalker::new(shape, legs, seq, self.state.status);
        if !sent || self.backend.is_none() {
            return Ok(self.lost(sent, false, &walker, buf, request));
        }
        self.answer(walker, buf, request).await
    }

    /// Sends a request that is whole in the buffer, and keeps it there. True: something was sent.
    async fn send_whole(&mut self, buf: &mut Buf, request: Request) -> bool {
        let Some(connection) = &mut self.backend else { return false };
        connection.begins();
        let total = request.header.total();
        let alone = self.prelude.is_empty() && buf.len() == total;
        let mut out = if alone { std::mem::take(buf) } else { self.context.buffers.small() };
        if !alone {
            out.extend_from_slice(&self.prelude);
            out.extend_from_slice(buf.filled().get(..total).unwrap_or_default());
            self.prelude.clear();
        }
        let ending = Signals::KILLED | Signals::END | Signals::LOST;
        let (sent, out) = match send_now(&mut connection.stream, out) {
            Sent::All(out) => (true, out),
            Sent::Some(out) => send_rest(&mut connection.stream, &self.handle.signal, ending, out).await,
        };
        if alone {
            *buf = out;
        } else {
            self.context.buffers.give(out);
        }
        sent
    }

    /// Streams a request that is larger than the buffer. The client is read to the request's end even if
    /// the server is lost on the way: only then does it listen. Returns the answer's sequence id.
    async fn send_large(&mut self, buf: &mut Buf, request: Request) -> Result<(u8, bool), Close> {
        let mut run = PacketRun::command(request.header.seq);
        let mut broken = false;
        if let Some(connection) = &mut self.backend {
            connection.begins();
        }
        let mut head = self.context.buffers.large();
        head.extend_from_slice(&std::mem::take(&mut self.prelude));
        let mut ahead = head.len();
        head.extend_from_slice(buf.filled());
        buf.clear();
        loop {
            let Some(used) = head.filled_mut().get_mut(ahead..).and_then(|input| run.feed(input)) else {
                self.server_lost();
                return Err(self.refuse(run.seq, &Failure::OutOfOrder, Close::ClientProtocol).await);
            };
            let tail = head.filled().get(ahead + used..).unwrap_or_default().to_vec();
            head.truncate(ahead + used);
            // A server that is not the primary any more must not get the rest.
            broken |= ahead == 0 && !self.is_attached();
            if !broken {
                (broken, head) = self.write_server(head).await;
            }
            head.clear();
            head.extend_from_slice(&tail);
            ahead = 0;
            if run.has_ended() {
                buf.extend_from_slice(head.filled());
                self.context.buffers.give(head);
                if broken {
                    // What the server may still say of it (a packet too large, 1153) is worth hearing, unless it
                    // is not to be spoken to.
                    self.handle.signal.lower(Signals::LOST);
                }
                return Ok((run.seq, true));
            }
            match self.fill(&mut head).await {
                Ok(n) if n > 0 => {}
                ended => {
                    self.server_lost();
                    return Err(ended.err().unwrap_or(Close::ClientLost));
                }
            }
        }
    }

    /// Writes to the server, unless it is lost or the session must end. True: it broke off.
    pub(super) async fn write_server(&mut self, out: Buf) -> (bool, Buf) {
        let Some(connection) = &mut self.backend else { return (true, out) };
        let ending = Signals::KILLED | Signals::END | Signals::LOST;
        match or_raised(&self.handle.signal, ending, connection.stream.write_all(out)).await {
            Ok((result, out)) => (result.is_err(), out),
            Err(_) => {
                self.server_lost();
                (true, self.context.buffers.large())
            }
        }
    }

    /// Passes the answer to the client. A request that is whole stays in `buf` for as long as it may have
    /// to be sent again.
    async fn answer(
        &mut self,
        mut walker: ResponseWalker,
        buf: &mut Buf,
        mut request: Request,
    ) -> Result<Outcome, Close> {
        let mut chunk = self.context.buffers.small();
        let mut forwarded = false;
        let controls = request.command == Command::StmtPrepare && may_control(request.arguments(buf));
        loop {
            chunk = match self.read_server(chunk).await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => return Ok(self.lost(true, forwarded, &walker, buf, request)),
                Err(stop) => return self.broken_off(stop, &walker, buf, request),
            };
            if self.backend.as_ref().is_some_and(|c| c.is_expecting()) {
                match self.swallow(&mut chunk) {
                    Ok(()) if chunk.is_empty() || self.backend.as_ref().is_none_or(|c| c.is_expecting()) => {
                        continue;
                    }
                    Ok(()) => {}
                    Err(stop) => return self.broken_off(stop, &walker, buf, request),
                }
            }
            let full = chunk.is_full();
            let walk = match self.walk(&mut walker, &mut chunk, request.whole && !forwarded, controls) {
                Ok(walk) => walk,
                Err((e, before)) => {
                    // What came before the fault is the client's, and its packets are counted.
                    self.context.buffers.give(chunk);
                    Box::pin(self.pass(Buf::default(), 0, Some(before))).await?;
                    let failure = Failure::BadServer(e.to_string());
                    tracing::warn!(id = self.handle.id, error = %e, "a server broke the protocol");
                    let stop = Stop::TellAndClose(failure, Close::ServerProtocol);
                    return self.broken_off(stop, &walker, buf, request);
                }
            };
            if let Some((error, server)) = walk.refused {
                self.context.buffers.give(chunk);
                return Ok(Outcome::Refused(error, server));
            }
            forwarded |= walk.used > 0;
            chunk = self.pass(chunk, walk.used, walk.edited).await?;
            match walk.walked {
                Walked::Done => break,
                Walked::LocalInfile => {
                    request.consume_from(buf);
                    let seq = Box::pin(self.local_file(buf, walker.client_seq(), walker.shift())).await?;
                    walker.resume(seq);
                }
                Walked::More { need } => self.make_room(&mut chunk, full, need),
            }
        }
        self.context.buffers.give(chunk);
        if self.state.wants_collation() {
            let text = self.text_of(buf, request);
            self.state.learn_collation(text);
        }
        request.consume_from(buf);
        if let Some(connection) = &mut self.backend {
            connection.is_done();
        }
        Ok(Outcome::Done)
    }

    /// The answer ends here, by the proxy's word: the client hears it where a packet may stand.
    fn broken_off(
        &mut self,
        stop: Stop,
        walker: &ResponseWalker,
        buf: &mut Buf,
        mut request: Request,
    ) -> Result<Outcome, Close> {
        self.server_lost();
        request.consume_from(buf);
        match stop {
            Stop::TellAndClose(_, close) if !walker.between_packets() => Err(close),
            stop => Ok(Outcome::Stop(walker.client_seq(), stop)),
        }
    }

    /// An answer that fills buffers gets a larger one.
    fn make_room(&mut self, chunk: &mut Buf, full: bool, need: usize) {
        if full && chunk.capacity() < LARGE_BUFFER {
            let mut large = self.context.buffers.large();
            large.extend_from_slice(chunk.filled());
            self.context.buffers.give(std::mem::replace(chunk, large));
        }
        chunk.make_room(need.saturating_sub(chunk.len()).max(1));
    }

    /// Reads from the server. None: it is lost.
    async fn read_server(&mut self, chunk: Buf) -> Result<Option<Buf>, Stop> {
        const ENDING: u8 = Signals::KILLED | Signals::END | Signals::LOST | Signals::LOOK;
        let Some(connection) = &mut self.backend else { return Ok(None) };
        let (signal, client) = (&self.handle.signal, &mut self.client);
        let mut reading = std::pin::pin!(connection.stream.read(chunk));
        // The client's end is not watched at every statement, but looked at when one takes long.
        let read = std::future::poll_fn(|cx| {
            if let Poll::Ready((result, chunk)) = reading.as_mut().poll(cx) {
                return Poll::Ready(Ok((result, chunk)));
            }
            while let Poll::Ready(raised) = signal.poll(ENDING, cx) {
                signal.lower(Signals::LOOK);
                if raised != Signals::LOOK || client.has_ended() {
                    return Poll::Ready(Err(raised & !Signals::LOOK));
                }
            }
            Poll::Pending
        });
        match read.await {
            Ok((Ok(n), chunk)) if n > 0 => Ok(Some(chunk)),
            Ok((_, chunk)) => {
                self.context.buffers.give(chunk);
                Ok(None)
            }
            Err(0) => Err(Stop::Close(Close::ClientLost)),
            Err(raised) if raised & Signals::KILLED != 0 => {
                Err(Stop::TellAndClose(Failure::Interrupted, Close::Killed))
            }
            Err(raised) if raised & Signals::END != 0 => {
                Err(Stop::TellAndClose(Failure::ShuttingDown, Close::Drained))
            }
            Err(_) => Ok(None),
        }
    }

    /// Takes the answer to the SET that went in front of the statement. It holds nothing that a server
    /// could refuse (see `attach`); one that does is not spoken to any more.
    fn swallow(&mut self, chunk: &mut Buf) -> Result<(), Stop> {
        let Some(connection) = &mut self.backend else { return Ok(()) };
        match connection.swallow(chunk) {
            Ok(Settled::Yes) => Ok(()),
            Ok(Settled::Waiting) => {
                chunk.make_room(1);
                Ok(())
            }
            Err(e) => {
                tracing::warn!(id = self.handle.id, error = %e, "a server refuses the state of a new session");
                Err(Stop::TellAndClose(Failure::BadServer(e.to_string()), Close::ServerProtocol))
            }
        }
    }

    /// Walks over what came. No await in here: the list of edits is the worker's.
    fn walk(
        &mut self,
        walker: &mut ResponseWalker,
        chunk: &mut Buf,
        may_retry: bool,
        controls: bool,
    ) -> Result<Walk, (ProtocolError, Buf)> {
        let Some(about) = self.backend.as_ref().map(|c| &c.about) else {
            return Err((ProtocolError::Unsupported("an answer without a connection"), Buf::default()));
        };
        let (flavor, read_only, server) = (about.flavor, about.class.read_only, about.server);
        let mut ear = Ear { state: &mut self.state, flavor, read_only, may_retry, controls, refusal: None };
        let mut edits = self.context.edits.borrow_mut();
        edits.clear();
        let walked = walker.feed(chunk.filled_mut(), &mut edits, &mut ear);
        let refused = ear.refusal.map(|error| (error, server));
        let edited = || {
            let small = edits.len() <= SMALL_BUFFER;
            let mut out = if small { self.context.buffers.small() } else { self.context.buffers.large() };
            edits.apply(chunk.filled(), |bytes| out.extend_from_slice(bytes));
            out
        };
        let (used, walked) = walked.map_err(|e| (e, edited()))?;
        let edited = (edits.single() != Some((0, used))).then(edited);
        Ok(Walk { used, walked, edited, refused })
    }

    /// Writes to the client: the first `used` bytes as they came, or what they were edited to.
    async fn pass(&mut self, mut chunk: Buf, used: usize, edited: Option<Buf>) -> Result<Buf, Close> {
        if let Some(out) = edited {
            if out.is_empty() {
                self.context.buffers.give(out);
            } else {
                let out = self.write(out).await.inspect_err(|_| self.server_lost())?;
                self.context.buffers.give(out);
            }
            chunk.consume(used);
            return Ok(chunk);
        }
        // Rows in one run leave from the buffer that they came in; less than a header stays behind.
        let tail: Option<Vec<u8>> =
            chunk.filled().get(used..).filter(|tail| !tail.is_empty()).map(<[u8]>::to_vec);
        chunk.truncate(used);
        let mut chunk = self.write(chunk).await.inspect_err(|_| self.server_lost())?;
        chunk.clear();
        if let Some(tail) = tail {
            chunk.extend_from_slice(&tail);
        }
        Ok(chunk)
    }
}
