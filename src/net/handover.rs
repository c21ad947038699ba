//! Passes listening sockets from a process to its successor. The sockets themselves are passed, not only their
//! addresses, so that the successor can accept clients that the kernel has already connected.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::cmsg_space;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use socket2::Socket;

use super::Endpoint;

/// The most sockets in one message; the kernel's limit is 253 (SCM_MAX_FD).
const BATCH: usize = 200;

// The byte that is sent with a batch: `MORE` if another batch follows, `LAST` if not.
const MORE: u8 = b'+';
const LAST: u8 = b'.';

/// The listening sockets of the predecessor process that were not taken yet. Empty at an ordinary start.
#[derive(Debug, Default)]
pub struct Inherited(Vec<Socket>);

/// Sends these sockets. Does not wait for the peer to read.
pub fn send_sockets(to: impl AsFd, sockets: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut batches = sockets.chunks(BATCH).peekable();
    while let Some(batch) = batches.next() {
        let word = if batches.peek().is_some() { MORE } else { LAST };
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(BATCH))];
        let mut rights = SendAncillaryBuffer::new(&mut space);
        if !rights.push(SendAncillaryMessage::ScmRights(batch)) {
            return Err(io::Error::other("more descriptors than a message has room for"));
        }
        sendmsg(&to, &[IoSlice::new(&[word])], &mut rights, SendFlags::NOSIGNAL)?;
    }
    Ok(())
}

impl Inherited {
    /// Waits for the sockets that `send_sockets` sends.
    pub fn receive(from: impl AsFd) -> io::Result<Self> {
        let mut all = Vec::new();
        loop {
            let mut word = [0];
            let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(BATCH))];
            let mut rights = RecvAncillaryBuffer::new(&mut space);
            // Reads one byte at a time: descriptors are received together with the byte that they were sent with.
            let got =
                recvmsg(&from, &mut [IoSliceMut::new(&mut word)], &mut rights, RecvFlags::CMSG_CLOEXEC)?;
            for message in rights.drain() {
                if let RecvAncillaryMessage::ScmRights(batch) = message {
                    all.extend(batch.map(|socket: OwnedFd| Socket::from(socket)));
                }
            }
            if got.flags.contains(ReturnFlags::CTRUNC) {
                return Err(io::Error::other("too few descriptors are left for the sockets"));
            }
            match (got.bytes, word) {
                (1, [LAST]) => return Ok(Inherited(all)),
                (1, [MORE]) => {}
                _ => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
    }

    /// Removes and returns the sockets that listen at this address. Empty if there are none.
    pub fn take(&mut self, at: &Endpoint) -> io::Result<Vec<Socket>> {
        if self.0.is_empty() {
            return Ok(Vec::new());
        }
        let tcp = at.to_listen()?;
        let listens_there = |socket: &Socket| {
            let Ok(address) = socket.local_addr() else { return false };
            match at {
                Endpoint::Tcp { .. } => address.as_socket().is_some_and(|address| tcp.contains(&address)),
                Endpoint::Unix(path) => address.as_pathname() == Some(path),
            }
        };
        let (taken, left) = std::mem::take(&mut self.0).into_iter().partition(listens_there);
        self.0 = left;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;

    fn at(address: SocketAddr) -> Endpoint {
        address.to_string().parse().unwrap()
    }

    #[test]
    fn who_waits_in_a_queue_is_served_by_the_next_holder() {
        let path = std::env::temp_dir().join(format!("pointsman-handover-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let (tcp, unix) = (TcpListener::bind("127.0.0.1:0").unwrap(), UnixListener::bind(&path).unwrap());
        let address = tcp.local_addr().unwrap();
        let (mine, theirs) = UnixStream::pair().unwrap();
        send_sockets(&mine, &[tcp.as_fd(), unix.as_fd()]).unwrap();
        let mut waits = TcpStream::connect(address).unwrap();
        let mut waits_too = UnixStream::connect(&path).unwrap();
        drop((tcp, unix));

        let mut inherited = Inherited::receive(&theirs).unwrap();
        assert!(inherited.take(&"127.0.0.1:1".parse().unwrap()).unwrap().is_empty());
        assert!(inherited.take(&"unix:/elsewhere".parse().unwrap()).unwrap().is_empty());
        let tcp = inherited.take(&at(address)).unwrap().pop().unwrap();
        let unix = inherited.take(&Endpoint::Unix(path.clone())).unwrap().pop().unwrap();
        assert!(inherited.take(&at(address)).unwrap().is_empty(), "taken once");
        tcp.accept().unwrap().0.write_all(b"tcp").unwrap();
        unix.accept().unwrap().0.write_all(b"unix").unwrap();
        let (mut one, mut two) = (String::new(), String::new());
        waits.read_to_string(&mut one).unwrap();
        waits_too.read_to_string(&mut two).unwrap();
        assert_eq!((one.as_str(), two.as_str()), ("tcp", "unix"));
        let _ = std::fs::remove_file(&path);
    }

    #[test]
    fn more_than_a_message_holds_come_in_several() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (mine, theirs) = UnixStream::pair().unwrap();
        send_sockets(&mine, &vec![listener.as_fd(); 2 * BATCH + 1]).unwrap();
        let mut inherited = Inherited::receive(&theirs).unwrap();
        assert_eq!(inherited.take(&at(address)).unwrap().len(), 2 * BATCH + 1);
    }

    #[test]
    fn a_predecessor_that_goes_is_an_error() {
        let (mine, theirs) = UnixStream::pair().unwrap();
        drop(mine);
        assert_eq!(Inherited::receive(&theirs).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
