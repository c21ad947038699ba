//! Listening sockets: one for each worker and port, with SO_REUSEPORT, so that the kernel
//! spreads connections and no accept lock is needed.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use rustix::io::Errno;
use socket2::{Domain, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use super::ring::{Reactor, RingListener, RingSocket};
use super::socket::Socket as Connected;
use super::system::tune;
use super::{Endpoint, Peer, SystemStream};

/// How many connections may wait to be accepted; the kernel's limit is `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// A listening socket of one worker.
#[derive(Debug)]
pub enum Listener {
    /// TCP.
    Tcp(TcpListener),
    /// Unix.
    Unix(UnixListener),
    /// Either of them, on io_uring.
    Ring(RingListener),
}

/// An accepted socket that is registered with no worker now.
#[derive(Debug)]
pub struct Accepted {
    fd: OwnedFd,
    /// The client's address.
    pub peer: Peer,
}

impl Listener {
    /// Binds `count` sockets to the address, or one to a path. Fails if another process listens there, which
    /// SO_REUSEPORT alone would silently allow.
    pub fn bind(at: &Endpoint, count: usize) -> io::Result<Vec<Socket>> {
        match at {
            Endpoint::Tcp { .. } => {
                let (probe, address) = first_that_binds(&at.to_listen()?, |at| tcp_socket(at, false))?;
                // For port 0 the kernel picked a port: all workers must use the same.
                let address = probe.local_addr()?.as_socket().unwrap_or(address);
                drop(probe);
                (0..count.max(1)).map(|_| tcp_socket(address, true)).collect()
            }
            Endpoint::Unix(path) => Ok(vec![unix_socket(path)?]),
        }
    }

    /// Binds one socket at `host:port`, which no other socket shares.
    pub fn bind_alone(at: &str) -> io::Result<std::net::TcpListener> {
        let wrong = |e| io::Error::new(io::ErrorKind::InvalidInput, e);
        let (socket, _) = first_that_binds(&at.parse::<Endpoint>().map_err(wrong)?.to_listen()?, |at| {
            tcp_socket(at, false)
        })?;
        socket.set_nonblocking(true)?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    }

    /// Returns each worker's share of the sockets. If there are fewer sockets than workers, some workers share a
    /// socket; if there are more, some workers have several: the clients of a socket without a worker would wait for
    /// ever.
    pub fn spread(sockets: &[Socket], workers: usize) -> io::Result<Vec<Vec<Socket>>> {
        let mut shares: Vec<_> = (0..workers).map(|_| Vec::new()).collect();
        let turns = if sockets.is_empty() { 0 } else { workers.max(sockets.len()) };
        for ((share, socket), _) in (0..workers).cycle().zip(sockets.iter().cycle()).zip(0..turns) {
            if let Some(share) = shares.get_mut(share) {
                share.push(socket.try_clone()?);
            }
        }
        Ok(shares)
    }

    /// Registers a bound socket with the runtime of the calling worker.
    pub fn from_socket(socket: Socket) -> io::Result<Self> {
        if let Some(reactor) = Reactor::current() {
            return Ok(Listener::Ring(RingListener::new(reactor, socket)?));
        }
        socket.set_nonblocking(true)?;
        if socket.local_addr()?.is_unix() {
            return Ok(Listener::Unix(UnixListener::from_std(socket.into())?));
        }
        Ok(Listener::Tcp(TcpListener::from_std(socket.into())?))
    }

    /// Waits for a connection. The future may be dropped at any time.
    pub async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Listener::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                Ok(Accepted { fd: stream.into_std()?.into(), peer: Peer::from(address) })
            }
            Listener::Unix(listener) => {
                Ok(Accepted { fd: listener.accept().await?.0.into_std()?.into(), peer: Peer::Unix })
            }
            Listener::Ring(listener) => {
                let (fd, address) = listener.accept().await?;
                Ok(Accepted { fd, peer: address.map_or(Peer::Unix, Peer::from) })
            }
        }
    }
}

impl Accepted {
    /// Registers the socket with the runtime of the calling worker.
    pub fn into_stream(self) -> io::Result<SystemStream> {
        let is_unix = matches!(self.peer, Peer::Unix);
        if let Some(reactor) = Reactor::current() {
            return Ok(Connected::Ring(RingSocket::new(reactor, self.fd, is_unix)).into());
        }
        Ok(match is_unix {
            true => Connected::Unix(UnixStream::from_std(self.fd.into())?),
            false => Connected::Tcp(TcpStream::from_std(self.fd.into())?),
        }
        .into())
    }
}

/// Calls `bind` with the first address. If that is `[::]` and this system has no IPv6, calls it with `0.0.0.0` from the
/// list. Returns the result of `bind`, and the address.
fn first_that_binds<T>(
    addresses: &[SocketAddr],
    bind: impl Fn(SocketAddr) -> io::Result<T>,
) -> io::Result<(T, SocketAddr)> {
    let none = || io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    let first = *addresses.first().ok_or_else(none)?;
    let error = match bind(first) {
        Ok(bound) => return Ok((bound, first)),
        Err(error) => error,
    };
    let no_ipv6 = [Errno::AFNOSUPPORT, Errno::ADDRNOTAVAIL].map(Errno::raw_os_error).map(Some);
    let instead = addresses.iter().find(|at| at.ip() == Ipv4Addr::UNSPECIFIED);
    match instead.filter(|_| first.ip() == Ipv6Addr::UNSPECIFIED && no_ipv6.contains(&error.raw_os_error())) {
        Some(instead) => {
            tracing::info!(asked = %first, address = %instead, "this system has no IPv6: listening on IPv4 only");
            Ok((bind(*instead)?, *instead))
        }
        None => Err(error),
    }
}

fn tcp_socket(address: SocketAddr, share: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if address.ip() == Ipv6Addr::UNSPECIFIED {
        // Accepts IPv4 clients, too, whatever net.ipv6.bindv6only says.
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(share)?;
    socket.bind(&address.into())?;
    tune(&SockRef::from(&socket))?;
    if share {
        socket.listen(BACKLOG)?;
    }
    Ok(socket)
}

/// Binds a socket to a path. Removes a socket file on which no process listens any more, but no other file.
fn unix_socket(path: &Path) -> io::Result<Socket> {
    if path.symlink_metadata().is_ok_and(|meta| meta.file_type().is_socket())
        && std::os::unix::net::UnixStream::connect(path).is_err()
    {
        std::fs::remove_file(path)?;
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&socket2::SockAddr::unix(path)?)?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_of_us_share_a_port_but_nobody_else_does() {
        let first = Listener::bind(&"127.0.0.1:0".parse().unwrap(), 2).unwrap();
        let port = first[0].local_addr().unwrap().as_socket().unwrap().port();
        assert_eq!(first[1].local_addr().unwrap().as_socket().unwrap().port(), port);
        let again = Listener::bind(&Endpoint::Tcp { host: "127.0.0.1".into(), port }, 2);
        assert_eq!(again.unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn vanished_peers_of_every_port_are_noticed() {
        let alone = Listener::bind_alone("127.0.0.1:0").unwrap();
        let shared = Listener::bind(&"127.0.0.1:0".parse().unwrap(), 1).unwrap();
        for socket in [SockRef::from(&alone), SockRef::from(&shared[0])] {
            assert!(socket.keepalive().unwrap() && socket.tcp_nodelay().unwrap());
        }
    }

    #[test]
    fn every_address_of_ipv6_takes_ipv4_as_well() {
        let sockets = Listener::bind(&"[::]:0".parse().unwrap(), 1).unwrap();
        let port = sockets[0].local_addr().unwrap().as_socket().unwrap().port();
        std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        let alone = Listener::bind_alone("[::]:0").unwrap();
        std::net::TcpStream::connect(("127.0.0.1", alone.local_addr().unwrap().port())).unwrap();
    }

    #[test]
    fn without_ipv6_every_address_is_every_one_of_ipv4() {
        let without = |at: SocketAddr| match at {
            SocketAddr::V6(_) => Err(io::Error::from(Errno::AFNOSUPPORT)),
            SocketAddr::V4(_) => Ok(()),
        };
        let bound = |at: &str| {
            let addresses = at.parse::<Endpoint>().unwrap().to_listen().unwrap();
            first_that_binds(&addresses, without).map(|((), at)| at.to_string())
        };
        assert_eq!(bound("[::]:3306").unwrap(), "0.0.0.0:3306");
        assert_eq!(bound("0.0.0.0:3306").unwrap(), "0.0.0.0:3306");
        assert!(bound("[::1]:3306").is_err(), "this one only was asked for");
        // An error about the port itself would be the same on IPv4.
        let taken = |_| Err::<(), _>(io::Error::from(Errno::ADDRINUSE));
        let addresses = "[::]:3306".parse::<Endpoint>().unwrap().to_listen().unwrap();
        assert_eq!(first_that_binds(&addresses, taken).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn every_socket_and_every_worker_has_the_other() {
        let sockets = Listener::bind(&"127.0.0.1:0".parse().unwrap(), 3).unwrap();
        for (workers, shares) in [(1, vec![3]), (2, vec![2, 1]), (3, vec![1, 1, 1]), (4, vec![1, 1, 1, 1])] {
            let spread = Listener::spread(&sockets, workers).unwrap();
            assert_eq!(spread.iter().map(Vec::len).collect::<Vec<_>>(), shares);
        }
    }
}
