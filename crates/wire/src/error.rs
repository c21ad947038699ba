//! The ways a peer can break the protocol: what was expected, and what came instead.

/// A fault of the peer. The peer's connection is closed for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// A packet ends in the middle of a field.
    #[error("the packet ends in the middle of {0}")]
    Truncated(&'static str),
    /// A sequence id out of order.
    #[error("sequence id {got} instead of {expected}")]
    Sequence {
        /// The sequence id that the peer should have sent.
        expected: u8,
        /// The sequence id that the peer sent.
        got: u8,
    },
    /// A first byte that no packet can have at this point.
    #[error("byte {byte:#04x} where {expected} should begin")]
    Unexpected {
        /// What is allowed at this point.
        expected: &'static str,
        /// The byte that came.
        byte: u8,
    },
    /// A packet larger than its kind can be.
    #[error("{what} of {len} bytes, more than {limit}")]
    TooLarge {
        /// The kind of packet.
        what: &'static str,
        /// The length of the packet's payload, in bytes.
        len: usize,
        /// The longest payload that this proxy accepts, in bytes.
        limit: usize,
    },
    /// A PROXY header that breaks its own rules.
    #[error("a PROXY header with {0}")]
    ProxyHeader(&'static str),
    /// The server asked the client for a file that the statement does not name.
    #[error("a request for a local file that the statement does not name")]
    LocalFile,
    /// The server reports about the session what the statement does not explain.
    #[error("a report of {0} that the statement does not explain")]
    Unexplained(&'static str),
    /// The peer does not support what this proxy needs, or uses what this proxy does not support.
    #[error("the peer does not support {0}")]
    Unsupported(&'static str),
}
