//! A listening socket.

use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::task::Poll;

use rustix::io::Errno;
use socket2::{SockAddr, Socket};

use super::slot::{Kind, Slot};
use super::{Reactor, RingSocket};

/// A listening socket. Connections are taken with the ordinary system call once the ring says that there is one: a
/// connection that nobody took stays with the kernel, so that none is lost when the port is handed over.
#[derive(Debug)]
pub struct RingListener {
    reactor: Rc<Reactor>,
    socket: Socket,
    /// Of another descriptor of the same socket.
    slot: Rc<Slot>,
    is_unix: bool,
}

impl RingListener {
    /// Registers a listening socket with the thread's ring.
    pub fn new(reactor: Rc<Reactor>, socket: Socket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let is_unix = socket.local_addr()?.is_unix();
        let slot = reactor.add(OwnedFd::from(socket.try_clone()?));
        Ok(RingListener { reactor, socket, slot, is_unix })
    }

    /// Waits for a connection. The future may be dropped at any time.
    pub async fn accept(&self) -> io::Result<(RingSocket, SockAddr)> {
        poll_fn(|cx| {
            loop {
                match self.socket.accept() {
                    Ok((socket, address)) => {
                        socket.set_nonblocking(true)?;
                        let socket = RingSocket::new(self.reactor.clone(), socket.into(), self.is_unix);
                        return Poll::Ready(Ok((socket, address)));
                    }
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                        self.reactor.wait(&self.slot, Kind::Readable)?;
                        self.slot.reader.register(cx);
                        return Poll::Pending;
                    }
                    Err(e) if e.raw_os_error() == Some(Errno::INTR.raw_os_error()) => {}
                    Err(e) => return Poll::Ready(Err(e)),
                }
            }
        })
        .await
    }
}

impl Drop for RingListener {
    fn drop(&mut self) {
        self.reactor.close(&self.slot);
    }
}
