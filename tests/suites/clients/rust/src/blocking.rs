//! The bare client for tests that wait for one answer after the other.

use std::io;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::time::timeout;

use crate::wire::{Conn, LOCAL_FILES, Login};

/// An answer that takes longer is taken for none.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// That of its last part.
    pub seq: u8,
    pub body: Vec<u8>,
}

/// Where one side of a comparison is.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub host: String,
    pub port: u16,
    pub user: String,
    pub password: String,
    pub database: String,
}

pub struct Client {
    runtime: Runtime,
    conn: Conn,
    login: Login,
    /// The same socket, to look at.
    socket: std::net::TcpStream,
    /// What both sides agreed on.
    pub capabilities: u32,
}

impl Client {
    pub fn connect(endpoint: &Endpoint, wanted: u32) -> io::Result<Client> {
        let Endpoint { host, port, user, password, database } = endpoint.clone();
        let socket = std::net::TcpStream::connect((host.as_str(), port))?;
        socket.set_nonblocking(true)?;
        let login =
            Login { host, port, user, password, schema: database, capabilities: wanted | LOCAL_FILES };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let stream = socket.try_clone()?;
        let conn = runtime.block_on(async {
            let mut conn = Conn::greeted_on(TcpStream::from_std(stream)?, &login).await?;
            conn.log_in().await?;
            io::Result::Ok(conn)
        })?;
        let capabilities = conn.capabilities;
        Ok(Client { runtime, conn, login, socket, capabilities })
    }

    /// COM_CHANGE_USER to the same account, with its whole exchange.
    pub fn change_user(&mut self) -> io::Result<()> {
        self.runtime.block_on(self.conn.change_user(&self.login))
    }

    /// Leaves, and waits until the other side has closed.
    pub fn quit(&mut self) -> io::Result<()> {
        self.command(&[1])?;
        match self.read() {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
            Err(error) => Err(error),
            Ok(_) => Err(io::Error::other("an answer to COM_QUIT")),
        }
    }

    /// Begins a command; its answer is still to be read.
    pub fn command(&mut self, body: &[u8]) -> io::Result<()> {
        self.runtime.block_on(self.conn.command(body))
    }

    /// Goes on with one.
    pub fn write(&mut self, body: &[u8]) -> io::Result<()> {
        self.runtime.block_on(self.conn.write(body))
    }

    /// One logical packet.
    pub fn read(&mut self) -> io::Result<Packet> {
        let read = self.runtime.block_on(async { timeout(PATIENCE, self.conn.read()).await });
        read.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
        Ok(Packet { seq: self.conn.last_seq(), body: self.conn.body.clone() })
    }

    /// Whether the other side has nothing more to say at once: what comes unasked is an error.
    pub fn quiet(&mut self) -> io::Result<bool> {
        let peeked = self.socket.peek(&mut [0]);
        Ok(self.conn.quiet() && matches!(peeked, Err(e) if e.kind() == io::ErrorKind::WouldBlock))
    }
}
