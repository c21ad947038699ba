//! Bytes from the server, as long as it lives, the client listens and the session may go on.

use std::task::Poll;

use super::acquire::StatementError;
use super::server_loss::ServerRead;
use super::{Failure, Session, Signals};
use crate::net::{Buf, Runtime, Stream};
use crate::telemetry::Close;

/// Room in front of an answer, for packets that only the client's leg has, in bytes: an EOF packet behind the
/// columns has nine.
const FRONT: usize = 32;

impl<R: Runtime> Session<R> {
    /// Reads from the server; what has no room yet gets a buffer then.
    pub(super) async fn read_server(&mut self, mut chunk: Buf) -> Result<ServerRead, StatementError> {
        const ENDING: u16 = Signals::KILLED | Signals::END | Signals::LOST | Signals::LOOK;
        let Some(connection) = &mut self.backend else { return Ok(ServerRead::Broken) };
        let (signal, client) = (&self.handle.signal, &mut self.client);
        let (context, attached) = (&self.context, self.handle.attached.get());
        let stream = &mut connection.stream;
        let mut reading = std::pin::pin!(async {
            if chunk.capacity() == 0 {
                if let Err(e) = stream.readable().await {
                    return (Err(e), chunk);
                }
                chunk = context.buffers.small();
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
                if raised == Signals::LOST && attached.is_some_and(|a| context.is_alive(a)) {
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
                self.context.buffers.give(chunk);
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
}
