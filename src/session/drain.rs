//! Ends a session during a drain at a moment when the client notices before it sends another statement. A
//! client's pool checks a connection before lending it out, and each in its own way: most by COM_PING, but
//! not for a connection that was used a moment ago; Go's driver checks whether the socket has ended. See
//! docs/internals/drain.md.

use std::time::Duration;

use super::request::Request;
use super::{Failure, Session, Signals};
use crate::net::{Buf, Runtime, Stream};
use crate::state::PinSet;
use crate::terms::Role;
use crate::terms::StatementKind;
use crate::terms::{Close, Pin};
use crate::wire::Command;

/// How far the drain of the process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Drain {
    /// The process is not draining.
    #[default]
    No,
    /// Sessions end where the client's pool notices.
    Gentle,
    /// Time is short: all sessions end after an answer, which not every pool notices.
    Pressed,
}

impl Drain {
    /// A client that is silent for longer is assumed to check its connection before use (HikariCP checks
    /// after half a second, Tomcat's pool after three), and not to send a statement at the very moment when
    /// the connection is closed.
    pub const SILENCE: Duration = Duration::from_secs(10);
}

/// The `_client_name` of a driver that checks the socket each time its connection is taken out of the pool.
pub(super) const LOOKS: &[u8] = b"Go-MySQL-Driver";

/// Pins whose state is lost with the connection: a client with one of these is in the middle of something.
const UNFINISHED: PinSet = PinSet::of(&[
    Pin::Transaction,
    Pin::NextTransaction,
    Pin::TemporaryTable,
    Pin::LockTables,
    Pin::ReadLock,
    Pin::NamedLock,
    Pin::Cursor,
    Pin::Handler,
    Pin::LongData,
]);

impl<R: Runtime> Session<R> {
    /// Returns how far the drain is for this client. A client whose driver checks the socket needs no gentle
    /// phase.
    pub(super) fn how_pressed(&self) -> Drain {
        match self.context.drain.get() {
            Drain::Gentle if self.looks => Drain::Pressed,
            drain => drain,
        }
    }

    /// Refuses a COM_PING or COM_CHANGE_USER during a drain: by these a pool checks whether a connection is
    /// good. A driver that checks the socket notices by itself, and would pass the error on to its user.
    pub(super) async fn refuse_if_draining(&mut self, seq: u8) -> Result<(), Close> {
        if self.context.drain.get() == Drain::No || self.looks || self.is_unfinished() {
            return Ok(());
        }
        Err(self.refuse(seq, &Failure::ShuttingDown, Close::Drained).await)
    }

    /// Prepares to end the session of a silent client. Returns false if the client's next command has already
    /// arrived.
    pub(super) fn stop_if_silent(&mut self) -> bool {
        self.handle.signal.lower(Signals::LEAVE);
        !self.client.has_bytes()
    }

    /// Answers a command that may be the session's last: the end of the connection travels in the last packet
    /// of the answer. A client that checks its socket before use cannot miss it there.
    pub(super) async fn dispatch_last(&mut self, buf: &mut Buf, request: &mut Request) -> Result<(), Close> {
        if self.handle.signal.get() & Signals::END != 0 {
            // The command is not executed, and the client may know that.
            return Err(self.refuse(request.answer_seq(), &Failure::ShuttingDown, Close::Drained).await);
        }
        self.client.cork(true);
        self.dispatch(buf, request).await?;
        if buf.is_empty() && ends_a_unit(request) && !self.is_unfinished() && !self.client.has_bytes() {
            self.client.shut();
            return Err(Close::Drained);
        }
        self.client.cork(false);
        Ok(())
    }

    /// True if the client would lose something with the connection.
    pub(super) fn is_unfinished(&self) -> bool {
        Role::BOTH.iter().any(|role| self.state.pins.on(*role).has_any(UNFINISHED))
    }
}

/// True if a client may be done with the connection after this command; false if it only prepares something.
fn ends_a_unit(request: &Request) -> bool {
    match request.command {
        Command::Query => request.class.kind != StatementKind::Session,
        Command::StmtExecute | Command::Ping => true,
        _ => false,
    }
}
