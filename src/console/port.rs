//! The console's port. A client that has not logged in yet holds a seat that a later client may take; a client that has
//! logged in holds a place.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;

use super::login::{Door, limits, login};
use super::places::ConsolePlaces;
use super::{Console, session};
use crate::admin::{Certificate, Seats};
use crate::config::ConsoleUser;
use crate::net::Peer;
use crate::worker::admission::Admission;

/// The most connections that have not logged in.
const STRANGERS: usize = 32;
/// How long to wait after a failed accept: without free file descriptors accept fails at once, again and again.
const PAUSE: Duration = Duration::from_millis(50);

/// Accepts clients until the future is dropped, because another process takes over: clients that have logged in get an
/// error at their next statement then.
pub async fn serve(listener: TcpListener, console: Console) {
    let mut seats = Seats::new(STRANGERS);
    let mut certificate = Certificate::default();
    let places = ConsolePlaces::default();
    let (admission, mut users) = (Arc::new(Admission::default()), Vec::new());
    let open = watch::Sender::new(());
    let mut id = 0_u32;
    loop {
        match listener.accept().await {
            Ok((tcp, peer)) => {
                let Some(of) = Peer::from(peer).origin() else { continue };
                if let Some(lost) = seats.make_room() {
                    tracing::debug!(address = %lost, "console: too many logins; the oldest was closed");
                }
                let live = console.live();
                admission.forgive(&renewed(&users, &live.admin.console.users));
                users.clone_from(&live.admin.console.users);
                let pass = admission.enter(Peer::from(peer), &limits(&live)).ok();
                if pass.is_none()
                    && let Some(left_out) = admission.line()
                {
                    tracing::warn!(target: "audit", %peer, left_out, "console: a blocked address is refused");
                }
                let tls = certificate.current(live.admin.console_tls());
                id = id.wrapping_add(1);
                let (admin, places) = (console.admin.clone(), places.clone());
                let door = Door { peer, tls, admin, live, id, places, pass };
                let (console, open) = (console.clone(), open.subscribe());
                let entering = tokio::spawn(async move {
                    if let Some(entered) = login(tcp, door).await {
                        // A task of its own: it does not end with the seat.
                        tokio::spawn(session::serve(console, entered, peer, open));
                    }
                });
                seats.take(of, entering.abort_handle());
            }
            Err(error) => {
                tracing::warn!(%error, "the console cannot accept");
                seats.evict();
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Returns the accounts that are new or have another password: a password that was wrong may be right now.
fn renewed(before: &[ConsoleUser], now: &[ConsoleUser]) -> Vec<Arc<str>> {
    now.iter().filter(|user| !before.contains(user)).map(|user| user.name.clone()).collect()
}
