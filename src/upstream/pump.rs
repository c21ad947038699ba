//! The pump of answers: bytes from the server, as long as it lives, the client listens and the session may go on.
//! Answers to statements, to reads that run ahead and to statements of a transaction that runs again all come through it.

use std::task::Poll;

use super::Upstream;
use crate::backend::{Settled, SwallowError};
use crate::client::refusals::{is_ending, is_farewell};
use crate::client::{Client, Failure, StatementError};
use crate::net::{Buf, LARGE_BUFFER, Runtime, Stream};
use crate::terms::Close;
use crate::worker::Signals;

/// Room in front of an answer, for packets that only the client's leg has, in bytes: an EOF packet behind the
/// columns has nine.
const FRONT: usize = 32;

/// What comes of reading from a server.
pub enum ServerRead {
    /// Bytes of an answer.
    Bytes(Buf),
    /// The connection ended.
    Broken,
    /// The probes hear nothing of the server any more, or it lost its role.
    GivenUp,
}

/// What the pump returns.
pub enum Pumped {
    /// Bytes of the statement's own answer.
    Answer(Buf),
    /// The connection ended.
    Broken,
    /// The server lost its role, does not answer probes any more, or says that it ends the connection.
    GivenUp,
    /// The server refused what the proxy sent in front of the statement.
    Refused(SwallowError),
}

impl<R: Runtime> Upstream<R> {
    /// Reads more of the answer to the statement under way, and removes the answers to what the proxy sent in front of it.
    /// `begun` is true if packets of the answer were taken out of the chunk before: then no farewell can stand at its
    /// begin. The buffer goes back to the pool unless it is returned.
    pub async fn pump(
        &mut self,
        client: &mut Client<R>,
        mut chunk: Buf,
        begun: bool,
    ) -> Result<Pumped, StatementError> {
        loop {
            chunk = match self.read_server(client, chunk).await? {
                ServerRead::Bytes(chunk) => chunk,
                ServerRead::Broken => return Ok(Pumped::Broken),
                ServerRead::GivenUp => return Ok(Pumped::GivenUp),
            };
            if !begun && is_farewell(chunk.filled()) {
                self.resources.buffers.give(chunk);
                return Ok(Pumped::GivenUp);
            }
            if !self.is_expecting() {
                return Ok(Pumped::Answer(chunk));
            }
            match self.swallow(&mut chunk) {
                Ok(()) if chunk.is_empty() || self.is_expecting() => {}
                Ok(()) => return Ok(Pumped::Answer(chunk)),
                Err(refused) => {
                    self.resources.buffers.give(chunk);
                    return Ok(if is_ending(&refused) { Pumped::GivenUp } else { Pumped::Refused(refused) });
                }
            }
        }
    }

    /// True if the proxy's own statements in front of the client's are not all answered.
    fn is_expecting(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.is_expecting())
    }

    /// Takes the answers to what went in front of the statement.
    fn swallow(&mut self, chunk: &mut Buf) -> Result<(), SwallowError> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        if connection.swallow(chunk)? == Settled::Waiting {
            chunk.make_room(1);
        }
        Ok(())
    }

    /// Reads from the server; what has no room yet gets a buffer then.
    pub async fn read_server(
        &mut self,
        client: &mut Client<R>,
        mut chunk: Buf,
    ) -> Result<ServerRead, StatementError> {
        const ENDING: u16 = Signals::KILLED | Signals::END | Signals::LOST | Signals::LOOK;
        let Some(connection) = &mut self.connection else { return Ok(ServerRead::Broken) };
        let (signal, client) = (&self.handle.signal, &mut client.stream);
        let (resources, attached) = (&self.resources, self.handle.servers.attached.get());
        let stream = &mut connection.stream;
        let mut reading = std::pin::pin!(async {
            if chunk.capacity() == 0 {
                if let Err(e) = stream.readable().await {
                    return (Err(e), chunk);
                }
                chunk = resources.buffers.small();
            }
            chunk.leave_front(FRONT);
            stream.read(chunk).await
        });
        // The client's end is not watched at every statement, but looked at when one takes long.
        let read = std::future::poll_fn(|cx| {
            if let Poll::Ready((result, chunk)) = reading.as_mut().poll(cx) {
                return Poll::Ready(Ok((result, chunk)));
            }
            while let Poll::Ready(raised) = signal.poll(ENDING, cx) {
                signal.lower(Signals::LOOK);
                let mut raised = raised & !Signals::LOOK;
                if raised == Signals::LOST && attached.is_some_and(|a| resources.is_alive(a)) {
                    // Another connection of the session is meant; it is looked at when it is needed.
                    signal.lower(Signals::LOST);
                    raised = 0;
                    if !client.has_ended() {
                        continue;
                    }
                }
                if raised != 0 || client.has_ended() {
                    return Poll::Ready(Err(raised));
                }
            }
            Poll::Pending
        });
        match read.await {
            Ok((Ok(n), chunk)) if n > 0 => Ok(ServerRead::Bytes(chunk)),
            Ok((_, chunk)) => {
                self.resources.buffers.give(chunk);
                Ok(ServerRead::Broken)
            }
            Err(0) => Err(StatementError::Close(Close::ClientLost)),
            Err(raised) if raised & Signals::KILLED != 0 => {
                Err(StatementError::TellAndClose(Failure::Interrupted, Close::Killed))
            }
            Err(raised) if raised & Signals::END != 0 => {
                Err(StatementError::TellAndClose(Failure::ShuttingDown, Close::Drained))
            }
            Err(_) => Ok(ServerRead::GivenUp),
        }
    }

    /// An answer that fills buffers gets a larger one.
    pub fn make_room(&self, chunk: &mut Buf, full: bool, need: usize) {
        if full && chunk.capacity() < LARGE_BUFFER {
            let mut large = self.resources.buffers.large();
            large.extend_from_slice(chunk.filled());
            self.resources.buffers.give(std::mem::replace(chunk, large));
        }
        chunk.make_room(need.saturating_sub(chunk.len()).max(1));
    }
}
