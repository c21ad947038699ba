//! The answer's way from the server to the client, and what it tells of the session.

use std::task::Poll;

use super::attach::Stop;
use super::exchange::Outcome;
use super::guard::may_control;
use super::request::Request;
use super::state::SessionState;
use super::{Failure, Session, Signals};
use crate::backend::{ServerError, Settled};
use crate::net::{Buf, LARGE_BUFFER, Runtime, SMALL_BUFFER, Stream};
use crate::telemetry::Close;
use crate::topology::{Flavor, ServerId};
use crate::wire::{
    Command, ErrPacket, Observer, OkPacket, OnErr, PrepareOk, ProtocolError, ResponseWalker, Walked,
};

/// What a read-only server says on a replica port, whatever its version says.
const READ_ONLY_SERVER: ErrPacket<'static> = ErrPacket {
    code: 1290,
    sqlstate: *b"HY000",
    message: b"The MySQL server is running with the --read-only option so it cannot execute this statement \
               (pointsman: this is a read-only port; use the read-write port)",
};

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

/// How far a stretch of an answer went.
struct Walk {
    used: usize,
    walked: Walked,
    /// What the client gets; None: the first `used` bytes as they are.
    edited: Option<Buf>,
    refused: Option<(ServerError, ServerId)>,
}

impl<R: Runtime> Session<R> {
    /// Passes the answer to the client. A request that is whole stays in `buf` for as long as it may have
    /// to be sent again.
    pub(super) async fn answer(
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
