//! What the tasks of a worker share, and how a client becomes a session.

use std::rc::Rc;
use std::sync::Arc;

use super::messages::AdmittedClient;
use super::outside::SharedOutside;
use crate::backend::Loads;
use crate::net::SystemRuntime;
use crate::session::{Context, Session};

/// The state of a worker that its tasks share.
pub(super) struct Worker {
    pub index: usize,
    pub context: Rc<Context<SystemRuntime>>,
    pub shared: Arc<SharedOutside>,
    pub loads: Arc<Loads>,
}

impl Worker {
    /// Begins a session for a client that is already counted here.
    pub fn adopt(self: &Rc<Self>, client: AdmittedClient) {
        let Ok(stream) = client.socket.into_stream() else {
            self.context.metrics.accept_errors.add(1);
            return self.loads.sub(self.index);
        };
        let worker = self.clone();
        // Boxed, because a future stores both its arguments and the values made from them.
        let mut session = Box::new(Session::new(self.context.clone(), stream, client.entrance, client.pass));
        tokio::task::spawn_local(async move {
            session.run().await;
            worker.loads.sub(worker.index);
        });
    }
}
