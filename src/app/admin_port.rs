//! The HTTP port: opened before all other ports, and handed over with them when another process takes over.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::AppError;
use crate::admin::{self, AdminState};
use crate::net::{Endpoint, Inherited, Listener};

/// The open HTTP port.
pub(super) struct AdminPort {
    /// A duplicate of the listening socket, for a process that takes over. Closed after the takeover: if the new
    /// process does not use the socket, clients must be refused, not left waiting.
    socket: RefCell<Option<OwnedFd>>,
    /// The listener and what it serves, until `serve` is called.
    waiting: Option<(std::net::TcpListener, AdminState)>,
    /// Dropping this sender makes the HTTP thread stop accepting.
    leave: RefCell<Option<oneshot::Sender<()>>>,
}

impl AdminPort {
    /// Takes over the inherited socket of this address, or binds a new one. Requests are not answered yet.
    pub async fn open(address: &str, inherited: &mut Inherited, state: AdminState) -> Result<Self, AppError> {
        let refused = |source| AppError::AdminBind { address: address.to_owned(), source };
        let taken = match address.parse::<Endpoint>() {
            Ok(at) => inherited.take(&at).map_err(refused)?.pop(),
            Err(_) => None,
        };
        let listener = match taken {
            Some(socket) => TcpListener::from_std(socket.into()).map_err(refused)?,
            None => {
                TcpListener::from_std(Listener::bind_alone(address).map_err(refused)?).map_err(refused)?
            }
        };
        let address = listener.local_addr().map_err(refused)?;
        let socket = listener.as_fd().try_clone_to_owned().map_err(refused)?;
        let listener = listener.into_std().map_err(refused)?;
        tracing::info!(%address, "HTTP listens");
        let socket = RefCell::new(Some(socket));
        Ok(AdminPort { socket, waiting: Some((listener, state)), leave: RefCell::default() })
    }

    /// Answers requests from now on, on a separate thread: so no request can delay the probes of the servers or a
    /// failover.
    pub fn serve(&mut self) -> Result<(), AppError> {
        if let Some((listener, state)) = self.waiting.take() {
            let (leave, stopped) = oneshot::channel();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let answer = move || runtime.block_on(answer(listener, state, stopped));
            std::thread::Builder::new().name("http".to_owned()).spawn(answer)?;
            self.leave.replace(Some(leave));
        }
        Ok(())
    }

    /// Returns a duplicate of the socket for the process that takes over; None after `leave`.
    pub fn socket(&self) -> io::Result<Option<OwnedFd>> {
        self.socket.borrow().as_ref().map(OwnedFd::try_clone).transpose()
    }

    /// Stops accepting, since another process accepts now. Open connections continue.
    pub fn leave(&self) {
        self.socket.take();
        self.leave.take();
    }
}

/// Accepts connections until the sender of `stopped` is dropped. Answers accepted connections until the process ends.
async fn answer(listener: std::net::TcpListener, state: AdminState, stopped: oneshot::Receiver<()>) {
    match TcpListener::from_std(listener) {
        Ok(listener) => {
            let accepting = tokio::spawn(admin::serve(listener, state));
            let _ = stopped.await;
            accepting.abort();
        }
        Err(error) => tracing::error!(%error, "the HTTP port cannot be served"),
    }
    std::future::pending().await
}
