//! Sends the request to the server: whole from the buffer, most often without a future, or streamed. "Sent"
//! is exact: bytes that the kernel accepted count as sent.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use super::request::{PacketRun, Request};
use super::{Context, Failure, Handle, Session, Signals};
use crate::net::{Buf, LARGE_BUFFER, Runtime, Stream};
use crate::terms::Close;

/// A session that sends a long command yields to other sessions after this many pieces, which is 1 MiB.
const PIECES_OF_A_TURN: usize = 4;

/// The result of a write that does not wait.
enum Sent {
    All,
    /// This many bytes from the front, possibly none.
    Some(usize),
}

fn send_now<S: Stream>(stream: &mut S, out: &Buf) -> Sent {
    match stream.write_now(out.filled()) {
        Ok(n) if n == out.len() => Sent::All,
        Ok(n) => Sent::Some(n),
        Err(_) => Sent::Some(0),
    }
}

/// Runs `write` until the session must end or its server is lost. Ignores the loss of the session's other
/// connection, which is handled when that connection is needed; `read_server` does the same.
async fn or_ended<R: Runtime, F: Future>(
    context: &Context<R>,
    handle: &Handle,
    write: F,
) -> Result<F::Output, ()> {
    let attached = handle.attached.get();
    let mut write = pin!(write);
    poll_fn(|cx| {
        if let Poll::Ready(written) = write.as_mut().poll(cx) {
            return Poll::Ready(Ok(written));
        }
        while let Poll::Ready(raised) = handle.signal.poll(Signals::KILLED | Signals::END | Signals::LOST, cx)
        {
            if raised != Signals::LOST || !attached.is_some_and(|a| context.is_alive(a)) {
                return Poll::Ready(Err(()));
            }
            handle.signal.lower(Signals::LOST);
        }
        Poll::Pending
    })
    .await
}

/// Writes what follows the first `taken` bytes: waits for a server that reads slowly, or finds that the
/// connection broke. Returns true if any byte was taken. Leaves `out` unchanged, because the request may be
/// needed again. Writes a copy, because a write that is given up keeps its buffer.
async fn send_rest<R: Runtime>(
    context: &Context<R>,
    handle: &Handle,
    stream: &mut R::Stream,
    out: &Buf,
    taken: usize,
) -> bool {
    let mut rest = Buf::with_room(out.len());
    rest.extend_from_slice(out.filled().get(taken..).unwrap_or_default());
    let all = rest.len();
    let more = match or_ended(context, handle, stream.write_all(rest)).await {
        Ok((Ok(()), _)) => true,
        Ok((Err(_), rest)) => rest.len() < all,
        Err(_) => true,
    };
    more || taken > 0
}

impl<R: Runtime> Session<R> {
    /// Sends a request that is whole in the buffer, and keeps it there. Returns true if something was sent.
    pub(super) async fn send_whole(&mut self, buf: &mut Buf, request: Request) -> bool {
        let Some(connection) = &mut self.backend else { return false };
        connection.begins();
        let total = request.header.total();
        if total > LARGE_BUFFER {
            return Box::pin(self.send_in_pieces(buf.filled().get(..total).unwrap_or_default())).await;
        }
        let alone = self.prelude.is_empty() && buf.len() == total;
        let mut out = if alone { std::mem::take(buf) } else { self.context.buffers.small() };
        if !alone {
            out.extend_from_slice(&self.prelude);
            out.extend_from_slice(buf.filled().get(..total).unwrap_or_default());
            if !self.prelude.is_empty() {
                self.context.metrics.replays.add(u64::from(!connection.only_marks()));
                self.prelude.clear();
            }
        }
        let sent = match send_now(&mut connection.stream, &out) {
            Sent::All => true,
            Sent::Some(taken) => {
                Box::pin(send_rest(&self.context, &self.handle, &mut connection.stream, &out, taken)).await
            }
        };
        if alone {
            *buf = out;
        } else {
            self.context.buffers.give(out);
        }
        sent
    }

    /// Sends a long request without a copy of the whole, and lets the worker's other sessions take turns.
    /// Returns true if something was sent.
    async fn send_in_pieces(&mut self, request: &[u8]) -> bool {
        let mut any = false;
        let mut piece = self.context.buffers.large();
        if let Some(connection) = self.backend.as_ref().filter(|_| !self.prelude.is_empty()) {
            self.context.metrics.replays.add(u64::from(!connection.only_marks()));
            piece.extend_from_slice(&std::mem::take(&mut self.prelude));
        }
        for (number, part) in request.chunks(LARGE_BUFFER).enumerate() {
            piece.extend_from_slice(part);
            let all = piece.len();
            let Some(connection) = &mut self.backend else { return any };
            let writing = connection.stream.write_all(piece);
            match or_ended(&self.context, &self.handle, writing).await {
                Ok((Ok(()), back)) => piece = back,
                Ok((Err(_), rest)) => return any || rest.len() < all,
                Err(()) => return true,
            }
            any = true;
            piece.clear();
            if number % PIECES_OF_A_TURN == PIECES_OF_A_TURN - 1 {
                self.context.runtime.give_way().await;
            }
        }
        self.context.buffers.give(piece);
        any
    }

    /// Streams a request that is larger than the buffer. Reads the client's request to its end even if the
    /// server is lost on the way, because the client reads an answer only then. Returns the answer's sequence
    /// id, and true if something was sent.
    pub(super) async fn send_large(&mut self, buf: &mut Buf) -> Result<(u8, bool), Close> {
        let mut run = PacketRun::command(0);
        let (mut broken, mut any) = (false, false);
        if let Some(connection) = &mut self.backend {
            connection.begins();
        }
        let mut head = self.context.buffers.large();
        if !self.prelude.is_empty() {
            self.context.metrics.replays.add(1);
            head.extend_from_slice(&std::mem::take(&mut self.prelude));
        }
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
            // A server that is no longer the primary must not get the rest, and never answers without it:
            // give it up.
            if ahead == 0 && !self.keeps_its_role() {
                self.server_lost();
                broken = true;
            }
            if !broken {
                any = true;
                (broken, head) = self.write_server(head).await;
            }
            head.clear();
            head.extend_from_slice(&tail);
            ahead = 0;
            if run.has_ended() {
                buf.extend_from_slice(head.filled());
                self.context.buffers.give(head);
                if broken {
                    // The server may still report why it broke off (1153, a packet too large): let the next
                    // step read that. If the server was given up, there is no connection to read from.
                    self.handle.signal.lower(Signals::LOST);
                }
                return Ok((run.seq, any));
            }
            match self.fill(&mut head, run.seq).await {
                Ok(n) if n > 0 => {}
                ended => {
                    self.server_lost();
                    return Err(ended.err().unwrap_or(Close::ClientLost));
                }
            }
        }
    }

    /// Writes to the server, unless the server is lost or the session must end. Returns true if the write
    /// failed.
    pub(super) async fn write_server(&mut self, out: Buf) -> (bool, Buf) {
        let Some(connection) = &mut self.backend else { return (true, out) };
        match or_ended(&self.context, &self.handle, connection.stream.write_all(out)).await {
            Ok((result, out)) => (result.is_err(), out),
            Err(()) => {
                self.server_lost();
                (true, self.context.buffers.large())
            }
        }
    }
}
