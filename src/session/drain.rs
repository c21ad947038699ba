//! How a drain ends a session: where its client notices before it sends a statement. A pool looks at a connection
//! before it lends it out, and each has its own way: most ask by COM_PING, but not for a connection that was used a
//! moment ago; Go's driver looks whether the socket has ended. See docs/internals/drain.md.

use std::time::Duration;

use super::pins::PinSet;
use super::request::Request;
use super::{Failure, Session, Signals};
use crate::net::{Buf, Runtime, Stream};
use crate::routing::Role;
use crate::sql::StatementKind;
use crate::telemetry::{Close, Pin};
use crate::wire::Command;

/// How far the process is with its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Drain {
    /// It goes on.
    #[default]
    No,
    /// Sessions end where a pool notices.
    Gentle,
    /// Time is short: all end behind an answer, which not every pool notices.
    Pressed,
}

impl Drain {
    /// Who is silent for longer is taken to look before it speaks (HikariCP asks after half a second, Tomcat's pool
    /// after three), and not to speak at the very moment when its connection is closed.
    pub const SILENCE: Duration = Duration::from_secs(10);
}

/// The `_client_name` of a driver that looks at the socket each time it is taken out of the pool.
pub(super) const LOOKS: &[u8] = b"Go-MySQL-Driver";

/// What is gone with the connection: a client with one of these is in the middle of something.
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
    /// How far the process is for this client: one that looks need not be given time.
    pub(super) fn how_pressed(&self) -> Drain {
        match self.context.drain.get() {
            Drain::Gentle if self.looks => Drain::Pressed,
            drain => drain,
        }
    }

    /// At COM_PING, by which a pool asks whether a connection is good: it is not. A driver that looks has another way
    /// to know, and there an error would be its user's.
    pub(super) async fn refuse_if_draining(&mut self, seq: u8) -> Result<(), Close> {
        if self.context.drain.get() == Drain::No || self.looks || self.is_unfinished() {
            return Ok(());
        }
        Err(self.refuse(seq, &Failure::ShuttingDown, Close::Drained).await)
    }

    /// The client was silent, and the session is to end. False: its next command is there already.
    pub(super) fn stop_if_silent(&mut self) -> bool {
        self.handle.signal.lower(Signals::LEAVE);
        !self.client.has_bytes()
    }

    /// A command that may be the last: the end travels in the last packet of its answer. A client that looks at its
    /// socket before it speaks cannot miss it there.
    pub(super) async fn dispatch_last(&mut self, buf: &mut Buf, request: &mut Request) -> Result<(), Close> {
        if self.handle.signal.get() & Signals::END != 0 {
            // It is not executed, and the client may know.
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

    /// Whether something would be gone with the connection.
    pub(super) fn is_unfinished(&self) -> bool {
        Role::BOTH.iter().any(|role| self.state.pins.on(*role).has_any(UNFINISHED))
    }
}

/// Whether a client may be done with the connection behind this: not where it only prepares something.
fn ends_a_unit(request: &Request) -> bool {
    match request.command {
        Command::Query => request.class.kind != StatementKind::Session,
        Command::StmtExecute | Command::Ping => true,
        _ => false,
    }
}
