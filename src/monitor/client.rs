//! What a probe needs of a server connection, as two small traits: the real one is
//! `backend`'s, tests script theirs.

use std::future::Future;
use std::sync::Arc;

use crate::config::Secret;
use crate::topology::Server;

/// Where and as whom to log in.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// The server's name, for errors.
    pub name: Arc<str>,
    /// `host:port` or `unix:/path`.
    pub address: Arc<str>,
    /// What its certificate may be for; empty: the host of its address.
    pub tls_names: Arc<[Arc<str>]>,
    /// `monitor.user`
    pub user: Arc<str>,
    /// `monitor.password`
    pub password: Secret,
}

impl Target {
    /// This server, for this account.
    pub fn at(server: &Server, user: Arc<str>, password: Secret) -> Self {
        let (name, address) = (server.name.clone(), server.address.clone());
        Target { name, address, tls_names: server.tls_names.clone(), user, password }
    }
}

/// Opens connections. Futures need not be `Send`: probes live on one thread.
pub trait Connector: 'static {
    /// One open, authenticated connection.
    type Connection: Connection;

    /// Connects and logs in, with CLIENT_MULTI_STATEMENTS asked for and no schema. It should not
    /// time out by itself: the probe drops the future when its patience ends.
    fn connect(&self, target: &Target) -> impl Future<Output = Result<Self::Connection, Error>>;
}

/// One open connection. Dropping it closes it.
pub trait Connection {
    /// What the server said first.
    fn greeting(&self) -> &Greeting;

    /// Runs the statement as one COM_QUERY and collects all result sets of it (OK packets give
    /// none). An ERR packet in any of them is the answer. If the future is dropped before its
    /// end, the connection is not used again.
    fn query(&mut self, sql: &str) -> impl Future<Output = Result<Vec<ResultSet>, Error>>;

    /// Ends when the idle connection was closed or reset by the server, so that a crash is seen
    /// between two probes. It must be possible to drop it and to query afterwards. Where it cannot
    /// be known, it never ends.
    fn closed(&mut self) -> impl Future<Output = ()> {
        std::future::pending()
    }

    /// Says goodbye before it closes, so that the server does not log a client that vanished.
    fn quit(self) -> impl Future<Output = ()>
    where
        Self: Sized,
    {
        std::future::ready(())
    }
}

/// The facts of the initial handshake packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greeting {
    /// Byte for byte.
    pub version: Arc<str>,
    /// 32 bits of MySQL's, MariaDB's extension above.
    pub capabilities: u64,
    /// The default collation's id.
    pub collation: u8,
    /// Whether the connection is encrypted.
    pub encryption: Encryption,
}

/// Whether a connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// By this version of TLS.
    Tls(&'static str),
    /// No, as it should be: it need not be, or is a socket's in the file system.
    Plain,
    /// No, although it should be where that can be had.
    NotOffered,
}

impl Encryption {
    /// The version of TLS.
    pub fn version(self) -> Option<&'static str> {
        match self {
            Encryption::Tls(version) => Some(version),
            Encryption::Plain | Encryption::NotOffered => None,
        }
    }
}

/// Values of one text row.
pub type Row = Vec<Option<Vec<u8>>>;

/// One text result set, small.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResultSet {
    /// The columns' names (aliases).
    pub columns: Vec<String>,
    /// As many values as columns.
    pub rows: Vec<Row>,
}

/// Why connecting or asking failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Refused, reset, closed, unresolvable: whatever the operating system says.
    #[error("{0}")]
    Lost(String),
    /// An ERR packet.
    #[error("error {code}: {message}")]
    Server {
        /// The server's error code.
        code: u16,
        /// Its text.
        message: String,
    },
    /// It talks, but not as expected.
    #[error("{0}")]
    Protocol(String),
}
