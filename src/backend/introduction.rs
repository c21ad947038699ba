//! What a server learns at a login, besides the account.

/// How the proxy introduces itself to a server, and the client for which it connects.
#[derive(Debug, Clone, Copy)]
pub struct Introduction<'a> {
    /// The collation id for the session's initial character set.
    pub collation: u16,
    /// The client's connection attributes, as `kept_attributes` returned them; empty for the proxy's own connections.
    pub attributes: &'a [u8],
}

impl Introduction<'_> {
    /// Returns the introduction for a connection of the proxy itself.
    pub fn of_proxy(collation: u16) -> Self {
        Introduction { collation, attributes: &[] }
    }
}
