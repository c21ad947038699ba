//! Where to listen or connect: `host:port`, `[v6]:port` or `unix:/path`.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::str::FromStr;
use std::{fmt, io};

/// The prefix of the address of a unix socket.
pub const UNIX: &str = "unix:";

/// A parsed address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// TCP; the host may be a name.
    Tcp {
        /// The host, without the brackets of an IPv6 address.
        host: String,
        /// The port.
        port: u16,
    },
    /// A socket in the file system.
    Unix(PathBuf),
}

/// What is wrong with an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an address: write `host:port`, `[IPv6]:port` or `unix:/path`")]
pub struct EndpointError(String);

impl Endpoint {
    /// Returns the addresses of a TCP host; a path has none. Blocks while a name server is asked.
    pub fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        match self {
            Endpoint::Tcp { host, port } => Ok((host.as_str(), *port).to_socket_addrs()?.collect()),
            Endpoint::Unix(_) => Ok(Vec::new()),
        }
    }

    /// Returns the addresses to listen at, best first. `[::]` accepts IPv4 as well, and is followed by `0.0.0.0` for
    /// systems without IPv6. Blocks as `resolve` does.
    pub fn to_listen(&self) -> io::Result<Vec<SocketAddr>> {
        let mut all = self.resolve()?;
        if let Some(port) = all.iter().find(|at| at.ip() == Ipv6Addr::UNSPECIFIED).map(SocketAddr::port) {
            all.push((Ipv4Addr::UNSPECIFIED, port).into());
        }
        Ok(all)
    }

    /// Returns the host as it was written; empty for a path.
    pub fn host(&self) -> &str {
        match self {
            Endpoint::Tcp { host, .. } => host,
            Endpoint::Unix(_) => "",
        }
    }

    /// Returns the port; 0 for a path.
    pub fn port(&self) -> u16 {
        match self {
            Endpoint::Tcp { port, .. } => *port,
            Endpoint::Unix(_) => 0,
        }
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let wrong = || EndpointError(text.to_owned());
        if let Some(path) = text.strip_prefix(UNIX) {
            return if path.starts_with('/') { Ok(Endpoint::Unix(path.into())) } else { Err(wrong()) };
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        let host = match bare {
            Some(v6) => v6,
            None if host.contains(':') => return Err(wrong()),
            None => host,
        };
        if host.is_empty() {
            return Err(wrong());
        }
        Ok(Endpoint::Tcp { host: host.to_owned(), port: port.parse().map_err(|_| wrong())? })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Endpoint::Tcp { host, port } => write!(f, "{host}:{port}"),
            Endpoint::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_round_trip() {
        for text in ["127.0.0.1:3306", "db-0.db.svc:3306", "[::1]:6447", "unix:/run/db.sock"] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
        for text in ["3306", "host", "host:", "host:99999", "::1:3306", "unix:rel", ":3306"] {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
    }
}
