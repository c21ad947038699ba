//! The HTTP port: opened as the first one, and handed from process to process with the others.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use super::AppError;
use crate::admin::{self, AdminState};
use crate::net::{Endpoint, Inherited, Listener};

/// The port, and who answers there.
pub(super) struct AdminPort {
    /// The same socket as the listener's, for the process that takes it over. Then it must go: where that process does
    /// not want it, clients are to be refused and not to wait.
    socket: RefCell<Option<OwnedFd>>,
    /// Until it is served.
    waiting: Option<(TcpListener, AdminState)>,
    serving: Option<AbortHandle>,
}

impl AdminPort {
    /// Takes the socket at this address over, or binds one. Nobody answers there yet.
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
        tracing::info!(%address, "HTTP listens");
        Ok(AdminPort { socket: RefCell::new(Some(socket)), waiting: Some((listener, state)), serving: None })
    }

    /// Answers from now on.
    pub fn serve(&mut self) {
        if let Some((listener, state)) = self.waiting.take() {
            self.serving = Some(tokio::spawn(admin::serve(listener, state)).abort_handle());
        }
    }

    /// The socket, for another process to accept from.
    pub fn socket(&self) -> io::Result<Option<OwnedFd>> {
        self.socket.borrow().as_ref().map(OwnedFd::try_clone).transpose()
    }

    /// Takes no new connections: another process does. Those that are open go on.
    pub fn leave(&self) {
        self.socket.take();
        if let Some(serving) = &self.serving {
            serving.abort();
        }
    }
}
