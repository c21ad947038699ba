//! How a peer can break the protocol: what was expected and what came.

/// A peer's fault; it costs that peer its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// A packet ends in the middle of a field.
    #[error("the packet ends in the middle of {0}")]
    Truncated(&'static str),
    /// A sequence id out of order.
    #[error("sequence id {got} instead of {expected}")]
    Sequence {
        /// What the peer should have sent.
        expected: u8,
        /// What it sent.
        got: u8,
    },
    /// A first byte that no packet has in this place.
    #[error("byte {byte:#04x} where {expected} should begin")]
    Unexpected {
        /// What could have come.
        expected: &'static str,
        /// What came.
        byte: u8,
    },
    /// A packet larger than its kind can be.
    #[error("{what} of {len} bytes, more than {limit}")]
    TooLarge {
        /// The packet.
        what: &'static str,
        /// Its payload's length in bytes.
        len: usize,
        /// The most this proxy takes.
        limit: usize,
    },
    /// A file of the client that the client did not offer.
    #[error("a request for a local file that the statement does not name")]
    LocalFile,
    /// The peer cannot do without something that this proxy needs.
    #[error("the peer does not support {0}")]
    Unsupported(&'static str),
}
