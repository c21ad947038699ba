//! A listening socket.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::task::Poll;

use rustix::io::Errno;
use rustix::net::{SocketFlags, acceptfrom_with};
use socket2::Socket;

use super::Reactor;
use super::slot::{Slot, SlotKind};

/// What a new client costs the thread, compared with bytes that it reads.
const COST: usize = 16 * 1024;

/// A listening socket. Connections are taken with the ordinary system call once the ring says that there is one: a
/// connection that nobody took stays with the kernel, so that none is lost when the port is handed over.
#[derive(Debug)]
pub struct RingListener {
    reactor: Rc<Reactor>,
    slot: Rc<Slot>,
}

impl RingListener {
    /// Registers a listening socket with the thread's ring.
    pub fn new(reactor: Rc<Reactor>, socket: Socket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let slot = reactor.add(OwnedFd::from(socket));
        Ok(RingListener { reactor, slot })
    }

    /// Waits for a connection, and returns it with the client's address, which a unix socket has not. The future may be
    /// dropped at any time.
    pub async fn accept(&self) -> io::Result<(OwnedFd, Option<SocketAddr>)> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        poll_fn(|cx| {
            if self.reactor.is_spent(cx) {
                return Poll::Pending;
            }
            loop {
                match acceptfrom_with(&self.slot.fd, flags) {
                    Ok((fd, address)) => {
                        self.reactor.spend(COST);
                        return Poll::Ready(Ok((fd, address.and_then(|address| address.try_into().ok()))));
                    }
                    Err(Errno::AGAIN) => {
                        self.reactor.wait(&self.slot, SlotKind::Readable)?;
                        self.slot.reader.register(cx);
                        return Poll::Pending;
                    }
                    Err(Errno::INTR) => {}
                    Err(error) => return Poll::Ready(Err(error.into())),
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
