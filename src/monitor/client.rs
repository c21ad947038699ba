//! What a probe needs from a server connection, as two small traits. `backend` implements them; tests script
//! their own.

use std::future::Future;
use std::sync::Arc;

use crate::config::Secret;
use crate::topology::{Server, ServerId};

/// The server to connect to and the account to log in with.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// The server's id.
    pub server: ServerId,
    /// The server's name, for errors.
    pub name: Arc<str>,
    /// `host:port` or `unix:/path`.
    pub address: Arc<str>,
    /// The names that its certificate may have; empty: the host of its address.
    pub tls_names: Arc<[Arc<str>]>,
    /// `monitor.user`
    pub user: Arc<str>,
    /// `monitor.password`
    pub password: Secret,
    /// True if the connection begins with a PROXY header that names nobody but the proxy.
    pub proxy_header: bool,
}

impl Target {
    /// Returns the target for this server and this account.
    pub fn at(server: &Server, user: Arc<str>, password: Secret) -> Self {
        let (server, name, address, tls_names) =
            (server.id, server.name.clone(), server.address.clone(), server.tls_names.clone());
        Target { server, name, address, tls_names, user, password, proxy_header: false }
    }
}

/// Opens connections. Futures need not be `Send`: probes live on one thread.
pub trait Connector: 'static {
    /// One open, authenticated connection.
    type Connection: Connection;

    /// Connects and logs in, with CLIENT_MULTI_STATEMENTS and without a schema. Has no time limit of its own:
    /// the probe drops the future when its patience ends.
    fn connect(&self, target: &Target) -> impl Future<Output = Result<Self::Connection, Error>>;

    /// Runs the statement on a connection that a session has left idle, because the server does not let the probe in. None: there is
    /// no such connection, or no answer.
    fn ask_pooled(&self, _server: ServerId, _sql: &str) -> impl Future<Output = Option<Vec<ResultSet>>> {
        std::future::ready(None)
    }

    /// Returns how many connections this process's pools have to a server. None: unknown at this moment.
    fn pooled(&self, _server: ServerId) -> Option<usize> {
        Some(0)
    }
}

/// One open connection. Dropping it closes it.
pub trait Connection {
    /// Returns the server's greeting.
    fn greeting(&self) -> &Greeting;

    /// Runs the statement as one COM_QUERY and collects all its result sets (OK packets give none). An ERR
    /// packet in any of them fails the query. If the future is dropped before its end, the connection is not
    /// used again.
    fn query(&mut self, sql: &str) -> impl Future<Output = Result<Vec<ResultSet>, Error>>;

    /// Runs each text as a COM_QUERY of its own, and returns the error of each. All are sent before the first answer is
    /// read, if the connection can do that: the answers must be short.
    fn errors(&mut self, texts: &[String]) -> impl Future<Output = Result<Vec<Option<Error>>, Error>> {
        async move {
            let mut errors = Vec::with_capacity(texts.len());
            for text in texts {
                errors.push(self.query(text).await.err());
            }
            Ok(errors)
        }
    }

    /// Returns when the idle connection is of no more use: the server has closed or reset it, so that a crash is noticed
    /// between two probes, or the server's name leads elsewhere. The future may be dropped, and a query may follow. If neither
    /// can be detected, it never returns.
    fn closed(&mut self) -> impl Future<Output = Closed> {
        std::future::pending()
    }

    /// Sends COM_QUIT before closing, so that the server does not log an aborted client.
    fn quit(self) -> impl Future<Output = ()>
    where
        Self: Sized,
    {
        std::future::ready(())
    }
}

/// Why an idle connection is of no more use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// The server closed or reset it.
    ByServer,
    /// The server's name does not lead to this address any more.
    Moved,
}

/// The facts of the initial handshake packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greeting {
    /// The version string, byte for byte.
    pub version: Arc<str>,
    /// The capability flags: MySQL's 32 bits, and MariaDB's extension above them.
    pub capabilities: u64,
    /// The default collation's id.
    pub collation: u8,
    /// Whether the connection is encrypted.
    pub encryption: Encryption,
}

/// Whether a connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// Yes, with this version of TLS.
    Tls(&'static str),
    /// No, as configured: TLS is not asked for, or the connection is a Unix socket's.
    Plain,
    /// No, although TLS is wanted where possible.
    NotOffered,
}

impl Encryption {
    /// Returns the version of TLS.
    pub fn version(self) -> Option<&'static str> {
        match self {
            Encryption::Tls(version) => Some(version),
            Encryption::Plain | Encryption::NotOffered => None,
        }
    }
}

/// The values of one text row.
pub type Row = Vec<Option<Vec<u8>>>;

/// One text result set, small.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResultSet {
    /// The columns' names (aliases).
    pub columns: Vec<String>,
    /// The rows, each with one value per column.
    pub rows: Vec<Row>,
}

/// Why connecting or a query failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The connection was refused, reset or closed, or the host could not be resolved, as the operating
    /// system reports it.
    #[error("{0}")]
    Lost(String),
    /// An ERR packet.
    #[error("error {code}: {message}")]
    Server {
        /// The server's error code.
        code: u16,
        /// The server's error message.
        message: String,
    },
    /// The server answered, but not as expected.
    #[error("{0}")]
    Protocol(String),
}
