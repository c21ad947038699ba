//! What the caller of the response walker hears of an answer, and what it decides.

use crate::{ErrPacket, OkPacket, PrepareOk, ProtocolError, StatusFlags, Tracked};

/// What to do with an ERR packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnErr {
    /// Forward it to the client unchanged.
    Forward,
    /// Send this packet to the client instead.
    Replace(ErrPacket<'static>),
    /// Send nothing: the caller answers the client in another way.
    Swallow,
}

/// Is called with the packets that the walker reads.
pub trait Observer {
    /// An OK packet, or the end of a result set. An error ends the walk, and the client does not get the packet.
    fn ok(&mut self, _ok: &OkPacket<'_>) -> Result<(), ProtocolError> {
        Ok(())
    }
    /// Which session state changes the client gets of an OK packet that was just observed.
    fn tracked(&self) -> &Tracked {
        &Tracked::DEFAULT
    }
    /// The status flags behind columns or parameters, from a server that still sends them. As with `ok`, an error ends
    /// the walk.
    fn columns_end(&mut self, _status: StatusFlags) -> Result<(), ProtocolError> {
        Ok(())
    }
    /// The packet of the preceding call of `ok` ended the rows of a result set.
    fn rows_end(&mut self) {}
    /// An ERR packet; `first`: it is the first packet of the answer.
    fn err(&mut self, _err: &ErrPacket<'_>, _first: bool) -> OnErr {
        OnErr::Forward
    }
    /// The first packet of the answer to COM_STMT_PREPARE. As with `ok`, an error ends the walk.
    fn prepared(&mut self, _ok: &PrepareOk) -> Result<(), ProtocolError> {
        Ok(())
    }
    /// Bytes that go to the client without being read: column definitions and rows, with their packet headers.
    #[inline]
    fn unread(&mut self, _bytes: &[u8]) {}
    /// So many rows begin to pass.
    #[inline]
    fn rows_pass(&mut self, _rows: u64) {}
}

impl Observer for () {}
