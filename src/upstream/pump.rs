//! Reads answers from the server, until the server is lost, the client's connection breaks, or the session must end. All
//! answers are read here: to ordinary statements, to speculative reads, and to the statements of a replayed transaction.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, ready};

use super::Upstream;
use crate::backend::{Settled, SwallowError};
use crate::client::refusals::{is_ending, is_farewell};
use crate::client::{Client, Failure, StatementError};
use crate::net::{Buf, LARGE_BUFFER, Runtime, Stream};
use crate::terms::{Close, TraceStep};
use crate::wire::{PacketHeader, frame_with};
use crate::worker::{Resources, Signals};

/// The number of bytes that are kept free in front of an answer, for packets that only the client gets: an EOF packet
/// behind the columns has nine bytes.
const FRONT: usize = 32;

/// The result of a read from the server.
pub enum ServerRead {
    /// The chunk has bytes of an answer.
    Bytes,
    /// The connection ended.
    Broken,
    /// The server does not answer probes any more, or lost its role.
    GivenUp,
}

/// The result of [`Upstream::pump`].
pub enum Pumped {
    /// The chunk has bytes of the statement's own answer.
    Answer,
    /// The connection ended.
    Broken,
    /// The server lost its role, does not answer probes any more, or says that it ends the connection.
    GivenUp,
    /// The server had ended the connection before it read the statement: its ERR packet answers no command.
    Unread,
    /// The server refused what the proxy sent in front of the statement.
    Refused(SwallowError),
}

/// Whether a server reads on.
pub enum StillReads {
    /// The server answers: the connection is as before.
    Yes,
    /// The connection ended, with this ERR packet if the server sent one.
    No(Option<Buf>),
}

impl<R: Runtime> Upstream<R> {
    /// Reads more of the answer to the statement under way. Removes the answers to the commands that the proxy sent in
    /// front of the statement. `begun`: packets of the answer were consumed before, so the chunk cannot begin with an
    /// unsolicited ERR packet ([`is_farewell`]). The chunk's memory returns to the buffer pool unless there are bytes.
    pub async fn pump(
        &mut self,
        client: &mut Client<R>,
        chunk: &mut Buf,
        begun: bool,
    ) -> Result<Pumped, StatementError> {
        // The answers to what the proxy sent in front of the statement come first.
        if self.is_expecting() {
            let _ = client.begin_step(TraceStep::Restore);
        }
        loop {
            match self.read_server(client, chunk).await? {
                ServerRead::Bytes => {}
                ServerRead::Broken => return Ok(Pumped::Broken),
                ServerRead::GivenUp => return Ok(Pumped::GivenUp),
            }
            if !begun && is_farewell(chunk.filled()) {
                self.resources.buffers.give(std::mem::take(chunk));
                return Ok(Pumped::Unread);
            }
            if !self.is_expecting() {
                return Ok(Pumped::Answer);
            }
            match self.swallow(chunk) {
                Ok(()) if chunk.is_empty() || self.is_expecting() => {}
                Ok(()) => {
                    client.end_last_step(TraceStep::Restore);
                    return Ok(Pumped::Answer);
                }
                Err(refused) => {
                    self.resources.buffers.give(std::mem::take(chunk));
                    return Ok(if is_ending(&refused) { Pumped::GivenUp } else { Pumped::Refused(refused) });
                }
            }
        }
    }

    /// Notes whether the client has sent nothing behind the command under way, as far as the session has read.
    pub fn note_last(&mut self, is_last: bool) {
        if let Some(connection) = self.links.connection_mut() {
            connection.is_last = is_last;
        }
    }

    /// Asks the server by COM_PING whether it still reads commands.
    pub async fn still_reads(&mut self, client: &mut Client<R>) -> Result<StillReads, StatementError> {
        let mut ping = self.resources.buffers.small();
        ping.replace_with(|out| frame_with(out, 0, |out| out.push(0x0e)));
        // A write that fails is no reason to read nothing.
        let (_, ping) = self.write_server(ping).await;
        self.resources.buffers.give(ping);
        self.first_packet(client, Buf::default()).await
    }

    /// Reads the first packet of an answer whole. `chunk` has what was already read of it.
    pub async fn first_packet(
        &mut self,
        client: &mut Client<R>,
        mut chunk: Buf,
    ) -> Result<StillReads, StatementError> {
        loop {
            let is_new = chunk.is_empty();
            if is_new && !matches!(self.pump(client, &mut chunk, false).await?, Pumped::Answer) {
                return Ok(StillReads::No(None));
            }
            let header = PacketHeader::parse(chunk.filled());
            match header.filter(|header| header.total() <= chunk.len()) {
                Some(header) if chunk.filled().get(PacketHeader::LEN) == Some(&0xff) => {
                    chunk.truncate(header.total());
                    return Ok(StillReads::No(Some(chunk)));
                }
                Some(_) => {
                    self.resources.buffers.give(chunk);
                    return Ok(StillReads::Yes);
                }
                None => {
                    self.make_room(&mut chunk, false, header.map_or(PacketHeader::LEN, PacketHeader::total));
                    if !matches!(self.pump(client, &mut chunk, true).await?, Pumped::Answer) {
                        return Ok(StillReads::No(None));
                    }
                }
            }
        }
    }

    /// True if it is known that nothing of what was last sent to the server has left this process.
    pub fn never_left(&mut self) -> bool {
        self.links.connection_mut().is_some_and(|connection| connection.stream.never_left())
    }

    /// True if answers to commands that the proxy sent in front of the statement are still missing.
    fn is_expecting(&self) -> bool {
        self.links.connection().is_some_and(|connection| connection.is_expecting())
    }

    /// Removes the answers to the commands that the proxy sent in front of the statement from the chunk.
    fn swallow(&mut self, chunk: &mut Buf) -> Result<(), SwallowError> {
        let Some(connection) = self.links.connection_mut() else { return Ok(()) };
        if connection.swallow(chunk)? == Settled::Waiting {
            chunk.make_room(1);
        }
        Ok(())
    }

    /// Reads from the server. If `chunk` has no memory yet, takes a buffer from the pool once bytes have arrived.
    pub async fn read_server(
        &mut self,
        client: &mut Client<R>,
        chunk: &mut Buf,
    ) -> Result<ServerRead, StatementError> {
        const ENDING: u16 = Signals::KILLED | Signals::END | Signals::LOST | Signals::LOOK;
        let Some(connection) = self.links.connection_mut() else { return Ok(ServerRead::Broken) };
        let (handle, resources) = (&self.handle, &self.resources);
        let client = &mut client.stream;
        // Whether the client's connection broke is not checked for every statement, but only for a statement that takes
        // long (`Signals::LOOK`). A client that only ended its own half gets the answer. The server sees an end, too, as
        // on a direct connection: it stops SLEEP() and GET_LOCK() then.
        let read = poll_fn(|cx| {
            if let Poll::Ready(result) = poll_chunk(&mut connection.stream, chunk, resources, cx) {
                return Poll::Ready(Ok(result));
            }
            while let Poll::Ready(raised) = handle.signal.poll(ENDING, cx) {
                handle.signal.lower(Signals::LOOK);
                let mut raised = raised & !Signals::LOOK;
                let attached = handle.servers.attached();
                if raised == Signals::LOST && attached.is_some_and(|a| resources.is_alive(a)) {
                    // Another connection of the session is lost. That loss is handled when that connection is needed.
                    handle.signal.lower(Signals::LOST);
                    raised = 0;
                    if !client.is_broken() {
                        continue;
                    }
                }
                if raised != 0 || client.is_broken() {
                    return Poll::Ready(Err(raised));
                }
                connection.shut_behind(|| client.is_at_end());
            }
            Poll::Pending
        });
        let read = read.await;
        if matches!(read, Ok(Ok(1..))) {
            return Ok(ServerRead::Bytes);
        }
        self.resources.buffers.give(std::mem::take(chunk));
        if self.links.connection().is_some_and(|connection| connection.is_shut) {
            return Err(StatementError::Close(Close::ClientLost));
        }
        match read {
            Ok(_) => Ok(ServerRead::Broken),
            Err(0) => Err(StatementError::Close(Close::ClientLost)),
            Err(raised) if raised & Signals::KILLED != 0 => Err(StatementError::Close(Close::Killed)),
            Err(raised) if raised & Signals::END != 0 => {
                Err(StatementError::TellAndClose(Failure::ShuttingDown, Close::Drained))
            }
            Err(_) => Ok(ServerRead::GivenUp),
        }
    }

    /// Makes room for `need` bytes in `chunk`. `full`: the last read filled the buffer, so a larger buffer replaces it.
    pub fn make_room(&self, chunk: &mut Buf, full: bool, need: usize) {
        if full && chunk.capacity() < LARGE_BUFFER {
            let mut large = self.resources.buffers.large();
            large.extend_from_slice(chunk.filled());
            self.resources.buffers.give(std::mem::replace(chunk, large));
        }
        chunk.make_room(need.saturating_sub(chunk.len()).max(1));
    }
}

/// Reads into a chunk, which gets its memory once bytes have arrived.
fn poll_chunk<R: Runtime>(
    stream: &mut R::Stream,
    chunk: &mut Buf,
    resources: &Resources<R>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    if chunk.capacity() == 0 {
        ready!(stream.poll_readable(cx))?;
        *chunk = resources.buffers.small();
    }
    chunk.leave_front(FRONT);
    stream.poll_read(cx, chunk)
}
