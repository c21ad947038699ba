//! Sends the request to the server: whole from the buffer, most often without a future, or streamed. "Sent"
//! is exact: bytes that the kernel accepted count as sent.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use super::Upstream;
use crate::client::Request;
use crate::net::{Buf, LARGE_BUFFER, Runtime, Stream};
use crate::wire::Splice;
use crate::worker::{Handle, Resources, Signals};

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
    resources: &Resources<R>,
    handle: &Handle,
    write: F,
) -> Result<F::Output, ()> {
    let attached = handle.servers.attached();
    let mut write = pin!(write);
    poll_fn(|cx| {
        if let Poll::Ready(written) = write.as_mut().poll(cx) {
            return Poll::Ready(Ok(written));
        }
        while let Poll::Ready(raised) = handle.signal.poll(Signals::KILLED | Signals::END | Signals::LOST, cx)
        {
            if raised != Signals::LOST || !attached.is_some_and(|a| resources.is_alive(a)) {
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
    resources: &Resources<R>,
    handle: &Handle,
    stream: &mut R::Stream,
    out: &Buf,
    taken: usize,
) -> bool {
    let mut rest = Buf::with_room(out.len());
    rest.extend_from_slice(out.filled().get(taken..).unwrap_or_default());
    let all = rest.len();
    let more = match or_ended(resources, handle, stream.write_all(rest)).await {
        Ok((Ok(()), _)) => true,
        Ok((Err(_), rest)) => rest.len() < all,
        Err(_) => true,
    };
    more || taken > 0
}

impl<R: Runtime> Upstream<R> {
    /// Sends a request that is whole in the buffer, and keeps it there. Returns true if something was sent.
    pub async fn send_whole(&mut self, request: &mut Request) -> bool {
        let Some(connection) = self.links.connection_mut() else { return false };
        connection.begins();
        let total = request.header.total();
        if total > LARGE_BUFFER {
            return Box::pin(self.send_in_pieces(request.buf.filled().get(..total).unwrap_or_default()))
                .await;
        }
        let alone = self.prelude.is_empty() && request.buf.len() == total;
        let mut out = if alone { std::mem::take(&mut request.buf) } else { self.resources.buffers.small() };
        if !alone {
            self.put_prelude(&mut out);
            out.extend_from_slice(request.buf.filled().get(..total).unwrap_or_default());
        }
        let Some(connection) = self.links.connection_mut() else { return false };
        let sent = match send_now(&mut connection.stream, &out) {
            Sent::All => true,
            Sent::Some(taken) => {
                Box::pin(send_rest(&self.resources, &self.handle, &mut connection.stream, &out, taken)).await
            }
        };
        if alone {
            request.buf = out;
        } else {
            self.resources.buffers.give(out);
        }
        sent
    }

    /// Sends a request that is whole in the buffer with a change, and keeps the request as it is. Returns true if something
    /// was sent.
    pub async fn send_changed(&mut self, request: &Request, change: Splice) -> bool {
        let mut out = self.resources.buffers.small();
        self.put_prelude(&mut out);
        let (header, parts) = change.packet(request.payload());
        out.extend_from_slice(&header);
        parts.iter().for_each(|part| out.extend_from_slice(part));
        let Some(connection) = self.links.connection_mut() else { return false };
        connection.begins();
        let sent = match send_now(&mut connection.stream, &out) {
            Sent::All => true,
            Sent::Some(taken) => {
                send_rest(&self.resources, &self.handle, &mut connection.stream, &out, taken).await
            }
        };
        self.resources.buffers.give(out);
        sent
    }

    /// Moves the prelude to the end of `out`.
    fn put_prelude(&mut self, out: &mut Buf) {
        if let Some(connection) = self.links.connection().filter(|_| !self.prelude.is_empty()) {
            out.extend_from_slice(&self.prelude);
            self.resources.metrics.replays.add(u64::from(!connection.only_marks()));
            self.prelude.clear();
        }
    }

    /// Sends a long request without a copy of the whole, and lets the worker's other sessions take turns.
    /// Returns true if something was sent.
    async fn send_in_pieces(&mut self, request: &[u8]) -> bool {
        let mut any = false;
        let mut piece = self.resources.buffers.large();
        if let Some(connection) = self.links.connection().filter(|_| !self.prelude.is_empty()) {
            self.resources.metrics.replays.add(u64::from(!connection.only_marks()));
            piece.extend_from_slice(&std::mem::take(&mut self.prelude));
        }
        for (number, part) in request.chunks(LARGE_BUFFER).enumerate() {
            piece.extend_from_slice(part);
            let all = piece.len();
            let Some(connection) = self.links.connection_mut() else { return any };
            let writing = connection.stream.write_all(piece);
            match or_ended(&self.resources, &self.handle, writing).await {
                Ok((Ok(()), back)) => piece = back,
                Ok((Err(_), rest)) => return any || rest.len() < all,
                Err(()) => return true,
            }
            any = true;
            piece.clear();
            if number % PIECES_OF_A_TURN == PIECES_OF_A_TURN - 1 {
                self.resources.runtime.give_way().await;
            }
        }
        self.resources.buffers.give(piece);
        any
    }

    /// Writes to the server, unless the server is lost or the session must end. Returns true if the write
    /// failed.
    pub async fn write_server(&mut self, out: Buf) -> (bool, Buf) {
        let Some(connection) = self.links.connection_mut() else { return (true, out) };
        match or_ended(&self.resources, &self.handle, connection.stream.write_all(out)).await {
            Ok((result, out)) => (result.is_err(), out),
            Err(()) => {
                self.server_lost();
                (true, self.resources.buffers.large())
            }
        }
    }
}
