//! Prepares the settings of `[servers_tls]` for connections to servers, again whenever they change.

use std::sync::Arc;

use tokio::sync::watch;

use crate::config::{Live, ServersTls};
use crate::net::{TlsCell, TlsClient};

/// Sets the cell now, and whenever the settings change, until the sender of the settings is dropped.
pub(super) fn follow(cell: TlsCell, mut live: watch::Receiver<Arc<Live>>) {
    let mut used = live.borrow_and_update().servers_tls.clone();
    // If the certificates cannot be used, no connection may be less protected than the mode requires.
    cell.set(TlsClient::unready(used.mode));
    set(&cell, &used);
    tokio::task::spawn_local(async move {
        while live.changed().await.is_ok() {
            let now = live.borrow_and_update().servers_tls.clone();
            if now != used {
                set(&cell, &now);
                used = now;
            }
        }
    });
}

/// Sets the cell. Certificates in files were checked with the configuration; certificates in a Secret were not. If they
/// cannot be used, the cell is not changed.
fn set(cell: &TlsCell, settings: &ServersTls) {
    match TlsClient::new(settings) {
        Ok(client) => cell.set(client),
        Err(error) => {
            tracing::error!("servers_tls: {error}; connections to servers are encrypted as before");
        }
    }
}
