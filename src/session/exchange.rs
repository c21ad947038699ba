//! One try of a statement: the request, its answer, and how the try ended.

use super::Session;
use super::acquire::StatementError;
use super::commits::Unanswered;
use super::handle::Deed;
use super::request::Request;
use crate::backend::ServerError;
use crate::net::{Buf, LARGE_BUFFER, Runtime};
use crate::sql::Effects;
use crate::state::PinSet;
use crate::terms::Close;
use crate::topology::ServerId;
use crate::wire::{Capabilities, Command, Legs, ResponseShape, ResponseWalker, StatusFlags};

/// How one try ended. Unless it can go elsewhere, the request is gone from the buffer.
pub(super) enum Outcome {
    /// The client has its answer.
    Done,
    /// Nothing was executed and nothing forwarded: it can go elsewhere.
    Again,
    /// A replica does not execute what was taken for a read, and executed nothing of it.
    NotHere,
    /// The server does not know the prepared statement, or wants it prepared anew; nothing was executed.
    PrepareAgain,
    /// A replica does not commit a transaction that only read: MariaDB with log_bin, where there was a savepoint.
    NotCommitted,
    /// A server that was taken for the primary says it is read-only; nothing was executed. Or any says that it ends the
    /// connection; nothing was forwarded.
    Refused(ServerError, ServerId),
    /// A replica was asked while the primary was quiet, but a write came in between: nothing was forwarded.
    Overtaken,
    /// The server is lost, and the open transaction can be run again on another, this statement behind it.
    Replay,
    /// A COMMIT without an answer, of which another server will know. The sequence id of the answer.
    LookUp(u8, Box<Unanswered>),
    /// The client gets an ERR packet with this sequence id, or none, and stays or not.
    Stop(u8, StatementError),
}

impl<R: Runtime> Session<R> {
    /// An answer that fills buffers gets a larger one.
    pub(super) fn make_room(&mut self, chunk: &mut Buf, full: bool, need: usize) {
        if full && chunk.capacity() < LARGE_BUFFER {
            let mut large = self.context.buffers.large();
            large.extend_from_slice(chunk.filled());
            self.context.buffers.give(std::mem::replace(chunk, large));
        }
        chunk.make_room(need.saturating_sub(chunk.len()).max(1));
    }

    /// A request that is not sent: the client is told once it has said all of it.
    pub(super) async fn skip_and_stop(
        &mut self,
        buf: &mut Buf,
        request: Request,
        stop: StatementError,
    ) -> Result<(), Close> {
        let seq = self.skip(buf, request).await?;
        match stop {
            // A part of a parameter (COM_STMT_SEND_LONG_DATA) that does not arrive must not be missing where the
            // statement runs: this is the answer to whatever the client says next, and the last one.
            StatementError::Tell(failure) | StatementError::TellAndClose(failure, _)
                if request.command.response() == ResponseShape::None && request.statement != 0 =>
            {
                Err(self.refuse(seq, &failure, Close::ServerLost).await)
            }
            StatementError::Close(close) => Err(close),
            _ if request.command.response() == ResponseShape::None => Ok(()),
            stop => self.stop(seq, stop).await,
        }
    }

    /// Tells the client, or closes.
    pub(super) async fn stop(&mut self, seq: u8, stop: StatementError) -> Result<(), Close> {
        match stop {
            StatementError::RowCount => Box::pin(self.answer_row_count(seq)).await,
            StatementError::Tell(failure) => self.send_failure(seq, &failure).await,
            StatementError::TellAndClose(failure, close) => Err(self.refuse(seq, &failure, close).await),
            StatementError::Close(close) => Err(close),
        }
    }

    /// One try.
    pub(super) async fn exchange(&mut self, buf: &mut Buf, request: &mut Request) -> Result<Outcome, Close> {
        let names = Effects::CREATES_TEMPORARY | Effects::SETS_USER_VARIABLES;
        let text =
            if request.class.effects.intersects(names) { self.meant_text(buf, *request) } else { None };
        self.journal_begins(request);
        if request.class.effects.contains(Effects::ENDS) {
            self.mark_commit(buf, *request);
        }
        // A text that is only prepared leaves nothing yet.
        self.sent = match request.command {
            Command::StmtPrepare => PinSet::default(),
            _ => self.state.sends(self.role, &request.class, text.as_deref()),
        };
        let shape = request.command.response_to(request.payload(buf));
        self.handle.deed.set(Deed::of(self.role, request));
        let (seq, sent) = if request.whole {
            (1, self.send_whole(buf, *request).await)
        } else {
            Box::pin(self.send_large(buf)).await?
        };
        if shape == ResponseShape::None {
            if !sent {
                self.server_lost();
            }
            if let Some(connection) = &mut self.backend {
                connection.end_exchange();
            }
            request.consume_from(buf);
            return Ok(Outcome::Done);
        }
        let server = self.backend.as_ref().map_or(Capabilities::empty(), |c| c.about.capabilities);
        let mut legs = Legs::new(server, self.capabilities);
        legs.client_tracks_all = self.state.trackers.shown;
        legs.also = self.state.transaction_elsewhere(self.role);
        if self.handle.piece.get().more {
            legs.also |= StatusFlags::MORE_RESULTS_EXISTS;
        }
        let mut walker = ResponseWalker::new(shape, legs, seq, self.state.transaction.status);
        walker.goes_on(request.header.seq);
        if request.command == Command::StmtPrepare {
            walker.names_statement(self.state.statements.next_id());
        }
        if request.class.effects.contains(Effects::LOADS_LOCAL_FILE) {
            walker.allows_local_files(self.local_files(buf, *request));
        }
        if !sent || self.backend.is_none() {
            return Ok(self.lost(sent, false, &walker, buf, *request));
        }
        self.answer(walker, buf, request).await
    }
}
