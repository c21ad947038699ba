//! Accepts clients: limits, which worker gets a client, and what to do when the system has no more file
//! descriptors.

use std::rc::Rc;
use std::time::Duration;

use socket2::Socket;
use tokio::sync::{Notify, watch};

use super::adopt::Worker;
use super::messages::{AdmittedClient, Control};
use crate::backend::serving_workers;
use crate::client::{Failure, in_place_of_greeting};
use crate::net::{Accepted, Buf, Claim, Listener, Peer, SESSION_BYTES, Stream};
use crate::terms::{Close, Refused};
use crate::worker::admission::{Pass, block_seconds};
use crate::worker::{Drain, Entrance};

/// The pause when descriptors or memory run out: accept would fail again at once.
const PAUSE: Duration = Duration::from_millis(50);

/// If no client has connected for this long, the port can be closed without cutting one off.
const CALM: Duration = Duration::from_millis(10);

/// The longest time to wait for that: the kernel keeps connecting clients while the port is open.
const LAST: Duration = Duration::from_millis(200);

/// A socket of a worker, and when the worker accepts there.
pub(super) struct OpenPort {
    pub socket: Socket,
    pub entrance: Entrance,
    /// Accepting begins when this turns true.
    pub open: watch::Receiver<bool>,
    /// Accepting stops when this is notified.
    pub stop: Rc<Notify>,
}

/// Accepts clients while the port is open, and then those that the kernel has already connected.
pub(super) async fn run(worker: Rc<Worker>, port: OpenPort) {
    let OpenPort { socket, entrance, mut open, stop } = port;
    let listener = match Listener::from_socket(socket) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "a port cannot be served: the process ends");
            std::process::exit(70);
        }
    };
    // The sender lives as long as the process.
    let _ = open.wait_for(|open| *open).await;
    let mut logged = false;
    // The drain may begin during a pause.
    while worker.context.drain.get() == Drain::No {
        tokio::select! {
            result = listener.accept() => handle_result(&worker, result, &entrance, &mut logged).await,
            () = stop.notified() => {}
        }
    }
    let last = async {
        while let Ok(result) = tokio::time::timeout(CALM, listener.accept()).await {
            handle_result(&worker, result, &entrance, &mut logged).await;
        }
    };
    let _ = tokio::time::timeout(LAST, last).await;
}

async fn handle_result(
    worker: &Rc<Worker>,
    result: std::io::Result<Accepted>,
    entrance: &Entrance,
    logged: &mut bool,
) {
    match result {
        Ok(client) => {
            *logged = false;
            accepted(worker, client, entrance);
        }
        Err(error) if is_passing(&error) => {}
        Err(error) => {
            worker.context.metrics.accept_errors.add(1);
            if !*logged {
                tracing::warn!(%error, "cannot accept clients; trying again");
                *logged = true;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// True for errors that concern only the connection that was to be accepted.
fn is_passing(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::*;
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted | InvalidInput | NotConnected)
}

fn accepted(worker: &Rc<Worker>, client: Accepted, entrance: &Entrance) {
    let pass = match admit(worker, client.peer, entrance) {
        Ok(pass) => pass,
        Err((failure, close)) => {
            let metrics = worker.context.metrics.clone();
            metrics.accepted[entrance.port].add(1);
            metrics.closed[close].add(1);
            tokio::task::spawn_local(turn_away(client, failure));
            return;
        }
    };
    // While draining, the other worker may have ended before it adopts the client.
    let better = match worker.context.drain.get() {
        Drain::No => {
            let limit = worker.context.live.borrow().limits.max_server_connections.get();
            worker.loads.better_than(worker.index, serving_workers(limit, worker.loads.count()))
        }
        _ => None,
    };
    let client = AdmittedClient { socket: client, entrance: entrance.clone(), pass };
    match better {
        None => keep(worker, client),
        Some(other) => hand_over(worker, other, client),
    }
}

fn keep(worker: &Rc<Worker>, client: AdmittedClient) {
    worker.loads.add(worker.index);
    worker.adopt(client);
}

fn hand_over(worker: &Rc<Worker>, other: usize, client: AdmittedClient) {
    worker.loads.add(other);
    let sent = worker.shared.workers.get(other).map(|w| w.send(Control::Adopt(Box::new(client))));
    let Some(Err(back)) = sent else { return worker.context.metrics.handed_over.add(1) };
    // The other worker has ended because of a drain. This one will end soon too, but serves this client
    // first.
    worker.loads.sub(other);
    if let Control::Adopt(client) = back.0 {
        keep(worker, *client);
    }
}

/// Admits a client. The error is the one to send to the client.
fn admit(worker: &Worker, peer: Peer, entrance: &Entrance) -> Result<Pass, (Failure, Close)> {
    let context = &worker.context;
    if context.topology.get().maintenance.cordoned {
        return Err((Failure::Cordoned, Close::Cordoned));
    }
    let limits = context.live().limits.clone();
    if worker.loads.total() >= limits.max_connections {
        return Err((Failure::TooManyConnections, Close::TooManyConnections));
    }
    let admission = &worker.shared.admission;
    let entered = match entrance.proxy_protocol_from.contains(peer.ip()) {
        // The session admits the client, once it has read the client's address.
        true => Ok(admission.enter_behind_balancer(peer)),
        false => admission.enter(peer, &limits),
    };
    let pass = entered.map_err(|refused: Refused| {
        context.metrics.refused[refused].add(1);
        if let Some(left_out) = admission.line() {
            tracing::info!(%peer, reason = refused.as_str(), left_out, "login refused");
        }
        match refused {
            Refused::AddressConnections => {
                (Failure::TooManyOfAddress(peer.host()), Close::TooManyConnections)
            }
            _ => (Failure::Blocked(peer.host(), block_seconds(&limits)), Close::LoginFailed),
        }
    })?;
    match context.buffers.memory.grant(Claim::Connection, SESSION_BYTES) {
        true => Ok(pass),
        false => Err((Failure::NoMemoryForClients, Close::OutOfMemory)),
    }
}

/// Sends the error in place of the greeting. Does not wait long for a client that does not read.
async fn turn_away(client: Accepted, failure: Failure) {
    let Ok(mut stream) = client.into_stream() else { return };
    let mut buf = Buf::default();
    buf.extend_from_slice(&in_place_of_greeting(&failure));
    let _ = tokio::time::timeout(Duration::from_secs(1), stream.write_all(buf)).await;
}
