//! The ports of `[admin]`, HTTP and the SQL console: opened before all other ports, and handed over with them when another
//! process takes over. Each has a thread of its own.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;

use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::AppError;
use crate::admin::{self, AdminState};
#[cfg(feature = "console")]
use crate::console::{self, Console};
use crate::net::{Endpoint, Inherited, Listener};

/// Accepts connections until the future is dropped.
type Serve = Box<dyn FnOnce(TcpListener) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// What a port is for.
struct Purpose {
    /// The key of the address, for errors.
    key: &'static str,
    /// The name of the thread.
    thread: &'static str,
    /// The name of the port in the log.
    called: &'static str,
    serve: Serve,
}

/// An open port.
pub(super) struct AdminPort {
    /// A duplicate of the listening socket, for a process that takes over. Closed after the takeover: if the new
    /// process does not use the socket, clients must be refused, not left waiting.
    socket: RefCell<Option<OwnedFd>>,
    /// The listener and what it serves, until `serve` is called.
    waiting: Option<(std::net::TcpListener, Purpose)>,
    /// Dropping this sender makes the thread stop accepting.
    leave: RefCell<Option<oneshot::Sender<()>>>,
}

impl AdminPort {
    /// Opens the HTTP port. Requests are not answered yet.
    pub fn http(address: &str, inherited: &mut Inherited, state: AdminState) -> Result<Self, AppError> {
        let serve: Serve = Box::new(|listener| Box::pin(admin::serve(listener, state)));
        Self::open(address, inherited, Purpose { key: "admin.http", thread: "http", called: "HTTP", serve })
    }

    /// Opens the port of the SQL console. Clients are not accepted yet.
    #[cfg(feature = "console")]
    pub fn console(address: &str, inherited: &mut Inherited, console: Console) -> Result<Self, AppError> {
        let serve: Serve = Box::new(|listener| Box::pin(console::serve(listener, console)));
        let (key, called) = ("admin.console", "the SQL console");
        Self::open(address, inherited, Purpose { key, thread: "console", called, serve })
    }

    /// Takes over the inherited socket of this address, or binds a new one.
    fn open(address: &str, inherited: &mut Inherited, purpose: Purpose) -> Result<Self, AppError> {
        let key = purpose.key;
        let refused = |source| AppError::AdminBind { key, address: address.to_owned(), source };
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
        tracing::info!(%address, "{} listens", purpose.called);
        let socket = RefCell::new(Some(socket));
        Ok(AdminPort { socket, waiting: Some((listener, purpose)), leave: RefCell::default() })
    }

    /// Answers requests from now on, on a separate thread: so no request can delay the probes of the servers or a
    /// failover.
    pub fn serve(&mut self) -> Result<(), AppError> {
        if let Some((listener, purpose)) = self.waiting.take() {
            let (leave, stopped) = oneshot::channel();
            // Queries of the console run on one more thread.
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(2).build()?;
            let answer = move || runtime.block_on(answer(listener, purpose.serve, stopped));
            std::thread::Builder::new().name(purpose.thread.to_owned()).spawn(answer)?;
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
async fn answer(listener: std::net::TcpListener, serve: Serve, stopped: oneshot::Receiver<()>) {
    match TcpListener::from_std(listener) {
        Ok(listener) => {
            let accepting = tokio::spawn(serve(listener));
            let _ = stopped.await;
            accepting.abort();
        }
        Err(error) => tracing::error!(%error, "a port of [admin] cannot be served"),
    }
    std::future::pending().await
}
