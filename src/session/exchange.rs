//! One statement: a connection for it, the request, the answer, and another try where
//! nothing was executed.

use tokio::time::Instant;

use super::attach::Stop;
use super::request::Request;
use super::{Failure, Session};
use crate::backend::ServerError;
use crate::net::{Buf, Runtime};
use crate::telemetry::{Close, Disruption, cell_of};
use crate::topology::ServerId;
use crate::wire::{Capabilities, Command, Legs, ResponseShape, ResponseWalker};

/// Tries of one statement that was never executed, before the client hears of it.
const MAX_TRIES: u32 = 4;

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
}
