//! What a server learns at a login, besides the account.

use std::net::{IpAddr, SocketAddr};

use crate::net::{Endpoint, Peer};

/// How the proxy introduces itself to a server, and the client for which it connects.
#[derive(Debug, Clone, Copy)]
pub struct Introduction<'a> {
    /// The collation id for the session's initial character set.
    pub collation: u16,
    /// The client's connection attributes, as `kept_attributes` returned them; empty for the proxy's own connections.
    pub attributes: &'a [u8],
    /// The client that the PROXY header names. None: the connection begins without a header.
    pub announced: Option<Announced>,
}

/// The client in a PROXY header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Announced {
    /// The proxy itself: the server takes the address of the connection.
    Proxy,
    /// A client of the proxy.
    Client(Peer),
}

impl Introduction<'_> {
    /// Returns the introduction for a connection of the proxy itself.
    pub fn of_proxy(collation: u16) -> Self {
        Introduction { collation, attributes: &[], announced: None }
    }

    /// Returns the introduction for a handshake response with these names, which the proxy has in UTF-8: a server reads names in
    /// the character set of the response. The session's own character set is set behind the login in any case.
    pub(super) fn for_names(self, names: &[&[u8]]) -> Self {
        const UTF8MB4: u16 = 45;
        let collation = if names.iter().all(|name| name.is_ascii()) { self.collation } else { UTF8MB4 };
        Introduction { collation, ..self }
    }
}

impl Announced {
    /// Returns the address for the header. None: the server takes the address of the connection. A client of a unix socket
    /// has no address. A loopback address means another host on the server than here, unless both are the same host.
    pub(super) fn source(self, server: &Endpoint) -> Option<SocketAddr> {
        match self {
            Announced::Client(Peer::Tcp(client)) => {
                (!client.ip().is_loopback() || is_here(server)).then_some(client)
            }
            Announced::Client(Peer::Unix) | Announced::Proxy => None,
        }
    }
}

/// True if the address as it is written leads to this host. Other names count as other hosts.
fn is_here(server: &Endpoint) -> bool {
    match server {
        Endpoint::Unix(_) => true,
        Endpoint::Tcp { host, .. } => {
            host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_addresses_stay_on_their_host() {
        let source = |client: &str, server: &str| {
            let client = Announced::Client(Peer::from(client.parse::<SocketAddr>().unwrap()));
            client.source(&server.parse().unwrap()).map(|source| source.to_string())
        };
        for here in ["127.0.0.1:3306", "[::1]:3306", "localhost:3306", "unix:/run/mysqld.sock"] {
            assert_eq!(source("127.0.0.2:5", here).as_deref(), Some("127.0.0.2:5"), "{here}");
        }
        for there in ["10.0.0.9:3306", "db-0:3306"] {
            assert_eq!(source("127.0.0.2:5", there), None, "{there}");
            assert_eq!(source("[::1]:5", there), None, "{there}");
            assert_eq!(source("10.0.0.7:5", there).as_deref(), Some("10.0.0.7:5"), "{there}");
        }
        let server = "10.0.0.9:3306".parse().unwrap();
        assert_eq!(Announced::Client(Peer::Unix).source(&server), None);
        assert_eq!(Announced::Proxy.source(&server), None);
    }
}
