//! The walker's position in an answer, and the transitions between positions.

use super::Legs;
use crate::{EofPacket, MAX_PAYLOAD, ProtocolError, ResponseShape};

/// What the next packet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The first packet of a result.
    First,
    /// A result's OK is being forwarded; another result follows.
    FirstNext,
    /// The number of columns is being forwarded.
    Head(u64),
    /// The number of column definitions still to come.
    Columns(u64),
    /// The EOF packet behind the column definitions.
    ColumnsEof,
    /// Rows, up to the packet that ends them.
    Rows {
        /// The client waits for an EOF packet that this server does not send. The walker inserts it before the next
        /// packet, not right behind the last column: an answer that opens a cursor has just one EOF packet.
        columns_eof_due: bool,
    },
    /// One OK, EOF or ERR packet.
    Single,
    /// The first packet of the answer to COM_STMT_PREPARE.
    Prepare,
    /// The first packet of the answer to COM_STMT_PREPARE is being forwarded.
    PrepareHead { params: u16, columns: u16 },
    /// Parameter or column definitions of a prepared statement.
    Params {
        /// The number of definitions of this block still to come.
        left: u16,
        /// The number of definitions in the block behind it.
        then: u16,
    },
    /// The EOF packet behind a block of definitions of a prepared statement.
    ParamsEof { then: u16 },
    /// The EOF packet behind a block of definitions is being forwarded.
    ParamsEofPassing { then: u16 },
    /// Column definitions up to an EOF packet.
    Fields,
    /// One packet of text.
    Text,
    /// A request for a local file is being forwarded.
    InfileRequest,
    /// The client sends the file.
    Infile,
    /// The last packet is being forwarded.
    LastPacket,
    /// No packet: the answer is complete.
    Done,
}

/// What to do with the packet at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NextPacket {
    /// Forward it without reading it.
    Opaque,
    /// Forward it if it begins as definitions do.
    Definition,
    /// Wait until it is complete, and read it.
    Control,
    /// Wait for this many bytes to decide.
    Wait(usize),
}

impl Phase {
    pub(super) fn start(shape: ResponseShape) -> Self {
        match shape {
            ResponseShape::Results | ResponseShape::Cursor => Phase::First,
            ResponseShape::Prepare => Phase::Prepare,
            ResponseShape::Rows => Phase::Rows { columns_eof_due: false },
            ResponseShape::Fields => Phase::Fields,
            ResponseShape::Text => Phase::Text,
            ResponseShape::Ok => Phase::Single,
            ResponseShape::None | ResponseShape::Stream => Phase::Done,
        }
    }

    /// Decides by the first byte of a packet with a payload of `len` bytes.
    pub(super) fn look(self, first: u8, len: usize, legs: &Legs) -> Result<NextPacket, ProtocolError> {
        let unexpected = |expected| Err(ProtocolError::Unexpected { expected, byte: first });
        match (self, first) {
            // A client would take a first byte of 0xff or 0xfe for the end of the answer, and the rest of the answer for
            // that to its next command.
            (Phase::Columns(_) | Phase::Params { .. }, _) => Ok(NextPacket::Definition),
            (_, 0xff) => Ok(NextPacket::Control),
            (Phase::Text, _) => Ok(NextPacket::Opaque),
            (Phase::Rows { .. } | Phase::Fields, 0xfe) => {
                // A row whose first value is 16 MiB or longer begins with 0xfe, too, but its packet has `MAX_PAYLOAD`.
                let limit = if legs.server_deprecate_eof { MAX_PAYLOAD } else { EofPacket::MAX_LEN };
                match self {
                    _ if len < limit => Ok(NextPacket::Control),
                    Phase::Rows { .. } if len == MAX_PAYLOAD => Ok(NextPacket::Opaque),
                    // One leg's clients would take it for a row, the other's for the end.
                    _ => unexpected("a row or the end of rows"),
                }
            }
            (Phase::Rows { .. }, _) => Ok(NextPacket::Opaque),
            (Phase::Fields, _) => Ok(NextPacket::Definition),
            (Phase::ColumnsEof | Phase::ParamsEof { .. }, 0xfe) => Ok(NextPacket::Control),
            (Phase::ColumnsEof | Phase::ParamsEof { .. }, _) => unexpected("an EOF packet"),
            (Phase::Prepare, 0) => Ok(NextPacket::Control),
            (Phase::Prepare, _) => unexpected("the answer to COM_STMT_PREPARE"),
            (Phase::Single, 0 | 0xfe) => Ok(NextPacket::Control),
            (Phase::Single, _) => unexpected("an OK, EOF or ERR packet"),
            (Phase::First, 0xfe) => unexpected("a result"),
            (Phase::First, _) => Ok(NextPacket::Control),
            _ => unexpected("nothing"),
        }
    }

    /// True if MORE_RESULTS_EXISTS has a meaning in this phase.
    pub(super) fn may_have_more(self) -> bool {
        matches!(self, Phase::First | Phase::Rows { .. } | Phase::ColumnsEof)
    }

    /// Returns the phase after an EOF packet behind metadata. `kept`: the client gets the packet.
    pub(super) fn after_eof(self, kept: bool) -> Phase {
        match self {
            Phase::ParamsEof { then } if kept => Phase::ParamsEofPassing { then },
            Phase::ParamsEof { then } => Phase::block(then, 0),
            _ => Phase::Rows { columns_eof_due: false },
        }
    }

    fn block(left: u16, then: u16) -> Phase {
        match (left, then) {
            (0, 0) => Phase::Done,
            (0, then) => Phase::Params { left: then, then: 0 },
            (left, then) => Phase::Params { left, then },
        }
    }

    /// Returns the phase after a packet that was forwarded completely, and whether the client waits for an EOF packet
    /// now.
    pub(super) fn packet_ended(self, legs: &Legs) -> (Phase, bool) {
        let server_eof = !legs.server_deprecate_eof;
        let eof_due = !server_eof && !legs.client_deprecate_eof;
        let next = match self {
            Phase::FirstNext => Phase::First,
            Phase::Head(columns) => Phase::Columns(columns),
            Phase::Columns(0 | 1) if server_eof => Phase::ColumnsEof,
            Phase::Columns(left) => Phase::columns(left, eof_due),
            Phase::PrepareHead { params, columns } => Phase::block(params, columns),
            Phase::Params { left: 0 | 1, then } if server_eof => Phase::ParamsEof { then },
            Phase::Params { left: 0 | 1, then } => return (Phase::block(then, 0), eof_due),
            Phase::Params { left, then } => Phase::Params { left: left - 1, then },
            Phase::ParamsEofPassing { then } => Phase::block(then, 0),
            Phase::InfileRequest => Phase::Infile,
            Phase::Text | Phase::LastPacket => Phase::Done,
            same => same,
        };
        (next, false)
    }

    fn columns(left: u64, eof_due: bool) -> Phase {
        if left <= 1 { Phase::Rows { columns_eof_due: eof_due } } else { Phase::Columns(left - 1) }
    }
}
