//! Ends a session during a drain at a moment when the client notices before it sends another statement. A
//! client's pool checks a connection before lending it out, and each in its own way: most by COM_PING, but
//! not for a connection that was used a moment ago; Go's driver checks whether the socket has ended. See
//! docs/internals/drain.md.

use crate::client::Failure;
use crate::net::{Runtime, Stream};
use crate::session::Session;
use crate::terms::Close;
use crate::worker::{Drain, Signals};

/// The `_client_name` of a driver that checks the socket each time its connection is taken out of the pool.
pub(in crate::session) const LOOKS: &[u8] = b"Go-MySQL-Driver";

impl<R: Runtime> Session<R> {
    /// Returns how far the drain is for this client. A client whose driver checks the socket needs no gentle
    /// phase.
    pub(in crate::session) fn how_pressed(&self) -> Drain {
        match self.context.drain.get() {
            Drain::Gentle if self.client.looks => Drain::Pressed,
            drain => drain,
        }
    }

    /// Refuses a COM_PING or COM_CHANGE_USER during a drain: by these a pool checks whether a connection is
    /// good. A driver that checks the socket notices by itself, and would pass the error on to its user.
    pub(in crate::session) async fn refuse_if_draining(&mut self, seq: u8) -> Result<(), Close> {
        if self.context.drain.get() == Drain::No || self.client.looks || self.state.is_unfinished() {
            return Ok(());
        }
        Err(self.client.refuse(seq, &Failure::ShuttingDown, Close::Drained).await)
    }

    /// Prepares to end the session of a silent client. Returns false if the client's next command has already
    /// arrived.
    pub(in crate::session) fn stop_if_silent(&mut self) -> bool {
        self.client.handle.signal.lower(Signals::LEAVE);
        !self.client.stream.has_bytes()
    }
}
