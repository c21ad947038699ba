//! The HTTP port: opened as the first one, and handed from process to process with the others.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::AppError;
use crate::admin::{self, AdminState};
use crate::net::{Endpoint, Inherited, Listener};

/// The port, and who answers there.
pub(super) struct AdminPort {
    /// The same socket as the listener's, for the process that takes it over. Then it must go: where that process does
    /// not want it, clients are to be refused and not to wait.
    socket: RefCell<Option<OwnedFd>>,
    /// Until it is served.
    waiting: Option<(std::net::TcpListener, AdminState)>,
    /// Tells the thread that answers to accept nobody any more.
    leave: RefCell<Option<oneshot::Sender<()>>>,
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
        let listener = listener.into_std().map_err(refused)?;
        tracing::info!(%address, "HTTP listens");
        let socket = RefCell::new(Some(socket));
        Ok(AdminPort { socket, waiting: Some((listener, state)), leave: RefCell::default() })
    }

    /// Answers from now on, on a thread of its own: whatever is asked there, and whoever asks, probes of the servers
    /// and a change of the primary do not wait for it.
    pub fn serve(&mut self) -> Result<(), AppError> {
        if let Some((listener, state)) = self.waiting.take() {
            let (leave, told) = oneshot::channel();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let answer = move || runtime.block_on(answer(listener, state, told));
            std::thread::Builder::new().name("http".to_owned()).spawn(answer)?;
            self.leave.replace(Some(leave));
        }
        Ok(())
    }

    /// The socket, for another process to accept from.
    pub fn socket(&self) -> io::Result<Option<OwnedFd>> {
        self.socket.borrow().as_ref().map(OwnedFd::try_clone).transpose()
    }

    /// Takes no new connections: another process does. Those that are open go on.
    pub fn leave(&self) {
        self.socket.take();
        self.leave.take();
    }
}

/// Accepts until the sender is gone, and answers those whom it accepted until the process ends.
async fn answer(listener: std::net::TcpListener, state: AdminState, left: oneshot::Receiver<()>) {
    match TcpListener::from_std(listener) {
        Ok(listener) => {
            let accepting = tokio::spawn(admin::serve(listener, state));
            let _ = left.await;
            accepting.abort();
        }
        Err(error) => tracing::error!(%error, "the HTTP port cannot be served"),
    }
    std::future::pending().await
}
