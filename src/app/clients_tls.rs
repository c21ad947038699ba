//! Prepares `[listeners.tls]` for connections of clients, again whenever the settings or their certificates change.

use std::sync::Arc;

use tokio::sync::watch;

use crate::config::Live;
use crate::net::{AcceptorMaker, AcceptorsCell};

/// Sets the cell now, and whenever the settings change, until the sender of the settings is dropped. The error is that of
/// the cryptographic library.
pub(super) fn follow(cell: AcceptorsCell, mut live: watch::Receiver<Arc<Live>>) -> Result<(), String> {
    let mut maker = AcceptorMaker::new(cell)?;
    set(&mut maker, &live.borrow_and_update());
    tokio::task::spawn_local(async move {
        while live.changed().await.is_ok() {
            set(&mut maker, &live.borrow_and_update());
        }
    });
    Ok(())
}

/// Certificates in files were checked with the configuration; those in a Secret were not.
fn set(maker: &mut AcceptorMaker, live: &Live) {
    for (listener, error) in maker.update(&live.listener_tls) {
        tracing::error!(
            %listener,
            "listeners.tls: {error}; clients get the former certificate, or one that proves nothing if there was none"
        );
    }
}
