//! Prepares `[listeners.tls]` for connections of clients, again whenever the settings or their certificates change.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::watch;

use crate::config::Live;
use crate::net::{AcceptorMaker, AcceptorsCell};

/// Sets the cell now, and whenever the settings change, until the sender of the settings is dropped. The error is that of
/// the cryptographic library.
pub(super) fn follow(cell: AcceptorsCell, mut live: watch::Receiver<Arc<Live>>) -> Result<(), String> {
    let mut maker = AcceptorMaker::new(cell.clone())?;
    set(&mut maker, &live.borrow_and_update());
    warn_of_ended(&cell);
    tokio::task::spawn_local(async move {
        while live.changed().await.is_ok() {
            set(&mut maker, &live.borrow_and_update());
        }
    });
    Ok(())
}

/// Warns at start. Later `pointsman_tls_certificate_not_after_seconds` and its alert say when a certificate ends.
fn warn_of_ended(cell: &AcceptorsCell) {
    for (listener, acceptor) in cell.all() {
        if acceptor.not_after().is_some_and(|end| end < SystemTime::now()) {
            tracing::warn!(%listener, "listeners.tls: the certificate has ended: clients that verify it cannot connect");
        }
    }
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
